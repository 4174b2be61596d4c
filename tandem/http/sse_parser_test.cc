#include "tandem/http/sse_parser.h"

#include <gtest/gtest.h>

#include <vector>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {

std::vector<std::string> parse(std::string_view bytes, std::size_t piece_bytes) {
  std::vector<std::string> events;
  SseParser parser([&](std::string_view data) { events.emplace_back(data); });
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) parser.feed(bytes.substr(at, piece_bytes));
  return events;
}

TEST(SseParser, GivesTheDataOfEachEvent) {
  const std::vector<std::string> expected = {"{\"a\":1}", "two\nlines", "x", "", "[DONE]"};
  const std::string_view bytes =
      ": ping\n\ndata: {\"a\":1}\n\nevent: e\ndata: two\r\ndata: lines\r\n\r\ndatum: no\ndata:x\rid: 3\r\rdata\n\n\n"
      "data: [DONE]\n\ndata: unfinished\n";
  for (const std::size_t piece_bytes : {1u, 2u, 5u, 1000u}) EXPECT_EQ(parse(bytes, piece_bytes), expected);
}

TEST(SseParser, RefusesAnEndlessEvent) {
  SseParser parser([](std::string_view) {});
  const std::string piece(1 << 20, 'x');
  EXPECT_THROW(
      {
        for (int i = 0; i < 17; ++i) parser.feed(piece);
      },
      Error);
}

}  // namespace
}  // namespace tandem::http
