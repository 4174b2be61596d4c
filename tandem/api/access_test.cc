#include "tandem/api/access.h"

#include <gtest/gtest.h>

namespace tandem::api {
namespace {

http::Request request(std::string method, http::Headers headers, std::string path = "/v1/models") {
  http::Request r;
  r.method = std::move(method);
  r.path = std::move(path);
  r.headers = std::move(headers);
  return r;
}

int status(const Access& access, const http::Request& r) {
  const auto refusal = access.refuse(r);
  return refusal ? refusal->status : 200;
}

std::string header_of(const http::Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(Access, only_loopback_names_are_hosts_of_a_loopback_server) {
  Options options;
  options.allowed_hosts = {"Mini1.local"};
  const Access access(options);
  for (const char* host : {"localhost:8100", "LOCALHOST", "127.0.0.1:8100", "[::1]:8100", "[::1]",
                           "mini1.local:8100", "localhost."}) {
    EXPECT_EQ(status(access, request("GET", {{"host", host}})), 200) << host;
  }
  for (const char* host : {"evil.example:8100", "127.0.0.1.evil.example", "localhost.evil",
                           "[::2]:8100", "0.0.0.0", "x@localhost"}) {
    EXPECT_EQ(status(access, request("GET", {{"host", host}})), 403) << host;
    EXPECT_EQ(status(access, request("GET", {{"host", host}}, "/health")), 403) << host;
  }
  options.loopback_only = false;
  EXPECT_EQ(status(Access(options), request("GET", {{"host", "evil.example"}})), 200);
}

TEST(Access, pages_of_this_machine_and_named_origins_may_read) {
  Options options;
  options.allowed_origins = {"https://ui.example"};
  const Access access(options);
  for (const char* origin : {"http://localhost:3000", "http://127.0.0.1:8100", "http://[::1]:5173",
                             "https://ui.example"}) {
    const auto headers =
        access.cors_headers(request("GET", {{"host", "localhost:8100"}, {"origin", origin}}));
    EXPECT_EQ(header_of(headers, "Access-Control-Allow-Origin"), origin);
  }
  for (const char* origin : {"https://evil.example", "null", "http://localhost.evil.example",
                             "file://localhost", "localhost"}) {
    EXPECT_TRUE(
        access.cors_headers(request("GET", {{"host", "localhost"}, {"origin", origin}})).empty())
        << origin;
  }
  EXPECT_TRUE(access.cors_headers(request("GET", {{"host", "localhost"}})).empty());
}

TEST(Access, a_page_served_by_the_same_host_may_read) {
  Options options;
  options.loopback_only = false;
  const Access access(options);
  const http::Headers headers = {{"host", "mini1:8100"}, {"origin", "http://mini1:8100"}};
  EXPECT_FALSE(access.cors_headers(request("GET", headers)).empty());
  EXPECT_TRUE(
      access.cors_headers(request("GET", {{"host", "mini1:8100"}, {"origin", "http://mini1:9999"}}))
          .empty());
}

TEST(Access, preflights_are_answered_without_a_key) {
  Options options;
  options.api_keys = {"k"};
  const Access access(options);
  const http::Headers headers = {
      {"host", "localhost"},
      {"origin", "http://localhost:3000"},
      {"access-control-request-method", "POST"},
      {"access-control-request-headers", "authorization,x-stainless-os"}};
  const auto answer = access.refuse(request("OPTIONS", headers, "/v1/chat/completions"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(header_of(answer->headers, "Access-Control-Allow-Headers"),
            "authorization,x-stainless-os");
  EXPECT_EQ(status(access,
                   request("OPTIONS", {{"host", "localhost"}, {"origin", "https://evil.example"}})),
            403);
}

TEST(Access, pages_must_post_json) {
  const Access access(Options{});
  const auto post = [&](http::Headers headers) {
    headers.emplace_back("host", "localhost");
    return status(access, request("POST", std::move(headers), "/v1/chat/completions"));
  };
  EXPECT_EQ(post({{"origin", "https://evil.example"}, {"content-type", "text/plain"}}), 415);
  EXPECT_EQ(post({{"origin", "http://localhost"}}), 415);
  EXPECT_EQ(
      post({{"origin", "http://localhost"}, {"content-type", "Application/JSON; charset=utf-8"}}),
      200);
  EXPECT_EQ(post({{"content-type", "application/x-www-form-urlencoded"}}), 200);  // curl -d
  EXPECT_EQ(post({{"content-encoding", "gzip"}}), 415);
}

TEST(Access, the_key_is_asked_for_everywhere_but_health) {
  Options options;
  options.loopback_only = false;
  options.api_keys = {"secret"};
  const Access access(options);
  EXPECT_EQ(status(access, request("GET", {}, "/health")), 200);
  EXPECT_EQ(status(access, request("HEAD", {}, "/v1/health")), 200);
  EXPECT_EQ(status(access, request("POST", {}, "/health")), 401);
  EXPECT_EQ(status(access, request("GET", {}, "/health/")), 401);
  for (const char* value : {"Bearer secret", "bearer secret", "Bearer  secret "}) {
    EXPECT_EQ(status(access, request("GET", {{"authorization", value}})), 200) << value;
  }
  for (const char* value :
       {"secret", "Basic secret", "Bearer secre", "Bearer secrets", "Bearer", "Bearer ", ""}) {
    EXPECT_EQ(status(access, request("GET", {{"authorization", value}})), 401) << value;
  }
}

}  // namespace
}  // namespace tandem::api
