#include "tandem/http/target.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {

TEST(Target, TakesPathAndQueryApart) {
  const Target target = parse_target("GET", "/v1/models/a%20b?limit=2&x=%2F");
  EXPECT_EQ(target.path, "/v1/models/a b");
  EXPECT_EQ(target.query, "limit=2&x=%2F");
  EXPECT_EQ(target.authority, "");
  EXPECT_EQ(parse_target("GET", "/").path, "/");
}

TEST(Target, UsesThePathOfAnAbsoluteForm) {
  const Target target = parse_target("GET", "http://Host:8100/v1/models?x");
  EXPECT_EQ(target.path, "/v1/models");
  EXPECT_EQ(target.query, "x");
  EXPECT_EQ(target.authority, "Host:8100");
  EXPECT_EQ(parse_target("GET", "http://[::1]:8100").path, "/");
  EXPECT_EQ(parse_target("GET", "http://h?q").query, "q");
}

TEST(Target, MergesSlashesAndDecodesOnce) {
  EXPECT_EQ(parse_target("GET", "//v1//models").path, "/v1/models");
  EXPECT_EQ(parse_target("GET", "/%2Fv1%2fmodels").path, "/v1/models");
  EXPECT_EQ(parse_target("GET", "/%252e%252e/x").path, "/%2e%2e/x");
  EXPECT_EQ(parse_target("GET", "/...").path, "/...");
}

TEST(Target, RefusesWhatCouldNameAnotherPath) {
  for (const char* target :
       {"/../v1", "/v1/..", "/%2e%2e/v1", "/v1/.%2E", "/.", "/v1/./models", "/v1%00", "/v1\\models", "/v1%5cx",
        "/v1%0d%0aX:y", "/%7f", "/a%", "/a%2", "/a%zz", "/a%2x", "/x#y", "/\x80", "/a b", "", "v1/models",
        "*", "host:80", "http://", "http:///v1", "ftp://h/v1", "http://a@b/v1", "http://h:999999/", "http://h:x/"}) {
    EXPECT_THROW(parse_target("GET", target), Error) << target;
  }
  EXPECT_THROW(parse_target("GET", std::string_view("/a\0b", 4)), Error);
}

TEST(Target, TakesTheAsteriskForOptionsOnly) { EXPECT_EQ(parse_target("OPTIONS", "*").path, "*"); }

TEST(Query, DecodesNamesAndValuesInOrder) {
  const auto parameters = parse_query("a=1&b=x+y%26&&c&=d");
  const std::vector<std::pair<std::string, std::string>> expected = {{"a", "1"}, {"b", "x y&"}, {"c", ""}, {"", "d"}};
  EXPECT_EQ(parameters, expected);
  EXPECT_THROW(parse_query("a=%"), Error);
}

TEST(Host, IsANameOrAddressWithAPortAndNothingElse) {
  for (const char* host : {"", "localhost", "localhost:8100", "127.0.0.1:1", "[::1]", "[::1]:8100", "my_box.local", "h:"}) {
    EXPECT_TRUE(is_valid_host(host)) << host;
  }
  for (const char* host : {"x/docs?", "a b", "a@b", "h:80:80", "h:123456", "h:8x", ":80", "[::1", "[]", "[::1]x",
                           "[zz::]", "h#", "h\\", "h,i", "\xc3\xa4"}) {
    EXPECT_FALSE(is_valid_host(host)) << host;
  }
}

}  // namespace
}  // namespace tandem::http
