#include "tandem/http/wire.h"

#include <gtest/gtest.h>

namespace tandem::http {
namespace {

TEST(Wire, WritesStatusLineHeadersAndFraming) {
  EXPECT_EQ(make_head(200, {{"Content-Type", "text/plain"}}, {.length = 5, .request_id = "abc", .now = 784111777}),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
            "x-request-id: abc\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(make_head(204, {}, {.framing = Framing::kNone, .keep_alive = false}),
            "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n\r\n");
}

TEST(Wire, KeepsCallersFromBreakingTheFraming) {
  const std::string head = make_head(
      200, {{"X-A", "1\r\nSet-Cookie: x"}, {"content-length", "7"}, {"Transfer-Encoding", "gzip"}, {"X\nB", ""}},
      {.framing = Framing::kChunked});
  EXPECT_NE(head.find("X-A: 1  Set-Cookie: x\r\n"), std::string::npos);
  EXPECT_NE(head.find("X B: \r\n"), std::string::npos);
  EXPECT_EQ(head.find("gzip"), std::string::npos);
  EXPECT_EQ(head.find("ontent-"), std::string::npos);
}

TEST(Wire, FramesChunksAndLeavesOutEmptyOnes) {
  std::string out;
  append_chunk(out, "");
  EXPECT_EQ(out, "");
  append_chunk(out, std::string(26, 'x'));
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n");
}

}  // namespace
}  // namespace tandem::http
