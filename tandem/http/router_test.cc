#include "tandem/http/router.h"

#include <gtest/gtest.h>

namespace tandem::http {
namespace {

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    for (const auto& [method, path] : std::initializer_list<std::pair<const char*, const char*>>{
             {"GET", "/v1/models"}, {"GET", "/v1/models/*"}, {"POST", "/v1/chat"}, {"GET", "/v1/*"}, {"GET", "/"}}) {
      router_.add(method, path, [this, path = std::string(path)](Request, Responder) { called_ = path; });
    }
  }
  std::string called(std::string_view method, std::string_view path) {
    called_.clear();
    const Router::Match match = router_.find(method, path);
    if (match.handler != nullptr) (*match.handler)({}, Responder(nullptr));
    return called_;
  }
  Router router_;
  std::string called_;
};

TEST_F(RouterTest, PrefersExactPathsThenLongerPrefixes) {
  EXPECT_EQ(called("GET", "/v1/models"), "/v1/models");
  EXPECT_EQ(called("GET", "/v1/models/org/name"), "/v1/models/*");
  EXPECT_EQ(called("GET", "/v1/else"), "/v1/*");
  EXPECT_EQ(called("GET", "/"), "/");
  EXPECT_EQ(called("GET", "/else"), "");
  EXPECT_EQ(called("GET", "/v1"), "");
}

TEST_F(RouterTest, SaysWhatAKnownPathAllows) {
  EXPECT_EQ(router_.find("DELETE", "/v1/models").allow, "GET, HEAD, OPTIONS");
  EXPECT_EQ(router_.find("GET", "/v1/chat").allow, "POST, OPTIONS");
  EXPECT_EQ(router_.find("GET", "/unknown").allow, "");
  EXPECT_EQ(router_.find("get", "/v1/models").handler, nullptr);
}

TEST_F(RouterTest, AnswersHeadAsGet) { EXPECT_EQ(called("HEAD", "/v1/models"), "/v1/models"); }

}  // namespace
}  // namespace tandem::http
