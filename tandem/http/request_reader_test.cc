#include "tandem/http/request_reader.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tandem::http {
namespace {

using State = RequestReader::State;

Limits small_limits() {
  Limits limits;
  limits.max_header_bytes = 2048;
  limits.max_headers = 20;
  limits.max_target_bytes = 512;
  limits.max_body_bytes = 1000;
  return limits;
}

// Feeds `bytes` in pieces of `piece_bytes`, accepting bodies; the state at the end.
State feed(RequestReader& reader, std::string_view bytes, std::size_t piece_bytes) {
  State state = reader.state();
  for (std::size_t at = 0; at < bytes.size() && state != State::kFailed; at += piece_bytes) {
    reader.append(bytes.substr(at, piece_bytes));
    state = reader.advance();
    if (state == State::kHeadDone) state = reader.accept_body();
  }
  return state;
}

std::string lines(std::initializer_list<std::string_view> all) {
  std::string text;
  for (const auto line : all) text += std::string(line) + "\r\n";
  return text;
}

TEST(RequestReader, ReadsARequestWhateverItsPieces) {
  const Limits limits = small_limits();
  const std::string bytes = lines({"POST /v1/chat%20x?a=b HTTP/1.1", "Host: h:80", "X-Thing:  v ", "Content-Length: 5", ""}) +
                            "hello";
  for (const std::size_t piece_bytes : {1u, 2u, 7u, 1000u}) {
    RequestReader reader(limits);
    ASSERT_EQ(feed(reader, bytes, piece_bytes), State::kDone);
    EXPECT_EQ(reader.request().method, "POST");
    EXPECT_EQ(reader.request().target, "/v1/chat%20x?a=b");
    EXPECT_EQ(reader.request().path, "/v1/chat x");
    EXPECT_EQ(reader.request().query, "a=b");
    EXPECT_EQ(reader.request().header("x-thing"), "v");
    EXPECT_EQ(reader.request().body, "hello");
    EXPECT_TRUE(reader.keep_alive());
    EXPECT_EQ(reader.buffered_bytes(), 0u);
  }
}

TEST(RequestReader, DecodesChunksAndIgnoresTrailers) {
  const Limits limits = small_limits();
  const std::string bytes = lines({"POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "5;x=y", "hello", "1",
                                   "!", "0", "Authorization: Bearer x", ""});
  for (const std::size_t piece_bytes : {1u, 3u, 1000u}) {
    RequestReader reader(limits);
    ASSERT_EQ(feed(reader, bytes, piece_bytes), State::kDone) << reader.failure().message;
    EXPECT_EQ(reader.request().body, "hello!");
    EXPECT_EQ(reader.request().header("authorization"), "");
  }
}

TEST(RequestReader, ReadsAnEmptyChunkedBodyByteByByte) {
  const Limits limits = small_limits();
  RequestReader reader(limits);
  const std::string bytes = lines({"POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "0", ""});
  EXPECT_EQ(feed(reader, bytes, 1), State::kDone);
  EXPECT_EQ(reader.request().body, "");
  EXPECT_EQ(reader.buffered_bytes(), 0u);
}

TEST(RequestReader, KeepsTheBytesOfTheNextRequest) {
  const Limits limits = small_limits();
  RequestReader reader(limits);
  reader.append("\r\n\r\n" + lines({"GET /a HTTP/1.1", "Host: h", ""}) + lines({"GET /b HTTP/1.1", "Host: h", ""}));
  ASSERT_EQ(reader.advance(), State::kHeadDone);
  EXPECT_EQ(reader.request().path, "/a");
  EXPECT_EQ(reader.accept_body(), State::kDone);
  reader.next();
  ASSERT_EQ(reader.advance(), State::kHeadDone);
  EXPECT_EQ(reader.request().path, "/b");
  EXPECT_EQ(reader.accept_body(), State::kDone);
  reader.next();
  EXPECT_EQ(reader.advance(), State::kIdle);
}

TEST(RequestReader, TellsWhetherTheConnectionStays) {
  const Limits limits = small_limits();
  const std::vector<std::pair<std::string, bool>> cases = {
      {lines({"GET / HTTP/1.1", "Host: h", ""}), true},
      {lines({"GET / HTTP/1.1", "Host: h", "Connection: close", ""}), false},
      {lines({"GET / HTTP/1.1", "Host: h", "Connection: x, Close", ""}), false},
      {lines({"GET / HTTP/1.0", ""}), false},
      {lines({"GET / HTTP/1.0", "Connection: keep-alive", ""}), true}};
  for (const auto& [bytes, keeps] : cases) {
    RequestReader reader(limits);
    ASSERT_EQ(feed(reader, bytes, 1000), State::kDone) << bytes;
    EXPECT_EQ(reader.keep_alive(), keeps) << bytes;
  }
}

TEST(RequestReader, TakesTheHostOfAnAbsoluteTarget) {
  const Limits limits = small_limits();
  RequestReader same(limits);
  EXPECT_EQ(feed(same, lines({"GET http://A:1/x HTTP/1.1", "Host: a:1", ""}), 1000), State::kDone);
  EXPECT_EQ(same.request().path, "/x");
  RequestReader old(limits);
  EXPECT_EQ(feed(old, lines({"GET http://a:1/x HTTP/1.0", ""}), 1000), State::kDone);
  EXPECT_EQ(old.request().header("host"), "a:1");
}

TEST(RequestReader, SeesExpectContinueOnlyWithABody) {
  const Limits limits = small_limits();
  RequestReader reader(limits);
  reader.append(lines({"POST / HTTP/1.1", "Host: h", "Expect: 100-Continue", "Content-Length: 3", ""}));
  ASSERT_EQ(reader.advance(), State::kHeadDone);
  EXPECT_TRUE(reader.expects_continue());
  RequestReader empty(limits);
  empty.append(lines({"POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 0", ""}));
  ASSERT_EQ(empty.advance(), State::kHeadDone);
  EXPECT_FALSE(empty.expects_continue());
}

struct BadCase {
  const char* name;
  int status;
  std::string bytes;
};

std::vector<BadCase> bad_cases() {
  const std::string host = "Host: h\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  std::string many_headers = "GET / HTTP/1.1\r\n" + host;
  for (int i = 0; i < 21; ++i) many_headers += "a:\r\n";
  return {
      {"TLS", 400, std::string("\x16\x03\x01\x02\x00\x01", 6)},
      {"garbage", 400, "&%$\r\n\r\n"},
      {"no line end", 414, std::string(4000, 'A')},
      {"long target", 414, "GET /" + std::string(600, 'a') + " HTTP/1.1\r\n"},
      {"target just too long", 414, "GET /" + std::string(513, 'a') + " HTTP/1.1\r\n" + host + "\r\n"},
      {"header without end", 431, "GET / HTTP/1.1\r\nX: " + std::string(4000, 'x')},
      {"endless headers", 431, "GET / HTTP/1.1\r\n" + std::string(3000, 'a') + "\r\n\r\n"},
      {"many headers", 431, many_headers + "\r\n"},
      {"bare line feeds", 400, "GET / HTTP/1.1\nHost: h\n\n"},
      {"bare LF in a header", 400, "GET / HTTP/1.1\r\n" + host + "A: b\nC: d\r\n\r\n"},
      {"NUL in a header", 400, "GET / HTTP/1.1\r\n" + host + std::string("A: b\0c\r\n\r\n", 10)},
      {"space before the colon", 400, post + "Content-Length : 5\r\n\r\nhello"},
      {"no host", 400, "GET / HTTP/1.1\r\n\r\n"},
      {"two hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"host with a path", 400, "GET / HTTP/1.1\r\nHost: x/docs?\r\n\r\n"},
      {"host differs from target", 400, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"},
      {"dot segments", 400, "GET /a/../b HTTP/1.1\r\n" + host + "\r\n"},
      {"fragment", 400, "GET /a#b HTTP/1.1\r\n" + host + "\r\n"},
      {"CONNECT", 400, "CONNECT a:80 HTTP/1.1\r\n" + host + "\r\n"},
      {"HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"HTTP/3", 505, "GET / HTTP/3.0\r\n" + host + "\r\n"},
      {"HTTP/0.9", 400, "GET /\r\n\r\n"},
      {"TE and CL", 400, post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
      {"CL and TE", 400, post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"two lengths", 400, post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
      {"negative length", 400, post + "Content-Length: -2\r\n\r\n"},
      {"signed length", 400, post + "Content-Length: +2\r\n\r\n"},
      {"huge length", 400, post + "Content-Length: 99999999999999999999\r\n\r\n"},
      {"unknown encoding", 501, post + "Transfer-Encoding: gzip\r\n\r\n"},
      {"encoding list", 501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
      {"chunked twice", 400, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"identity", 501, post + "Transfer-Encoding: identity\r\n\r\n"},
      {"chunked in 1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"unknown expectation", 417, post + "Expect: a-miracle\r\nContent-Length: 1\r\n\r\n"},
      {"long body", 413, post + "Content-Length: 1001\r\n\r\n"},
      {"long chunk", 413, chunked + "3e9\r\n"},
      {"long chunks", 413, chunked + "3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\n"},
      {"chunk size -2", 400, chunked + "-2\r\nxx\r\n"},
      {"chunk size overflow", 400, chunked + "10000000000000005\r\nhello\r\n"},
      {"chunk size 2^64 - 1", 413, chunked + "ffffffffffffffff\r\nhello\r\n"},
      {"chunk size not hexadecimal", 400, chunked + "5g\r\nhello\r\n"},
      {"empty chunk size", 400, chunked + "\r\nhello"},
      {"chunk longer than its size", 400, chunked + "1\r\nab\r\n0\r\n\r\n"},
      {"endless chunk extension", 400, chunked + "1;" + std::string(20000, 'x')},
      {"endless trailers", 400, chunked + "0\r\n" + std::string(20000, 'x')},
  };
}

TEST(RequestReader, RefusesEveryMalformedRequestInBoundedMemory) {
  const Limits limits = small_limits();
  for (const BadCase& bad : bad_cases()) {
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{100}, std::size_t{100000}}) {
      RequestReader reader(limits);
      EXPECT_EQ(feed(reader, bad.bytes, piece_bytes), State::kFailed) << bad.name << ", pieces of " << piece_bytes;
      EXPECT_EQ(reader.failure().status, bad.status) << bad.name << ": " << reader.failure().message;
      if (piece_bytes > 100) continue;
      EXPECT_LE(reader.buffered_bytes(), 5000u) << bad.name;
    }
  }
}

TEST(RequestReader, SurvivesMutatedRequests) {
  const Limits limits = small_limits();
  const std::vector<std::string> seeds = {
      lines({"POST /v1/chat%20x?a=b HTTP/1.1", "Host: h:80", "X-Thing:  v ", "Content-Length: 5", ""}) + "hello",
      lines({"POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "5;x=y", "hello", "0", "T: x", ""})};
  std::mt19937 random(1);
  const auto below = [&](std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random); };
  std::size_t num_whole = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = seeds[below(seeds.size())];
    for (std::size_t edits = below(4); edits > 0; --edits) {
      const std::size_t at = below(bytes.size());
      switch (below(3)) {
        case 0: bytes[at] = static_cast<char>(below(256)); break;
        case 1: bytes.erase(at, 1 + below(8)); break;
        default: bytes.insert(at, bytes.substr(below(bytes.size()), below(16))); break;
      }
    }
    RequestReader reader(limits);
    num_whole += feed(reader, bytes, 1 + below(50)) == State::kDone ? 1 : 0;
    EXPECT_LE(reader.buffered_bytes(), bytes.size());
  }
  EXPECT_GT(num_whole, 2'000u);
  EXPECT_LT(num_whole, 20'000u);
}

TEST(RequestId, IsTheClientsWhenItIsPlain) {
  EXPECT_EQ(make_request_id("req_1.A-b"), "req_1.A-b");
  EXPECT_EQ(make_request_id(std::string(128, 'a')), std::string(128, 'a'));
  for (const std::string& bad : {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\n"),
                                 std::string("\xc3\xa4"), std::string("a\"")}) {
    EXPECT_EQ(make_request_id(bad).size(), 32u) << bad;
  }
  EXPECT_NE(make_request_id(""), make_request_id(""));
}

}  // namespace
}  // namespace tandem::http
