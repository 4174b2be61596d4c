#include "tandem/http/response_parser.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {

std::string body_of(std::string_view bytes, std::size_t piece_bytes, int* status = nullptr) {
  std::string body;
  ResponseParser parser([&](const Headers&, std::string_view piece) { body += piece; });
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) parser.feed(bytes.substr(at, piece_bytes));
  if (!parser.is_done()) parser.finish();
  if (status != nullptr) *status = parser.status();
  return body;
}

TEST(ResponseParser, DecodesEveryFramingWhateverItsPieces) {
  for (const std::size_t piece_bytes : {1u, 3u, 1000u}) {
    EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", piece_bytes), "hello");
    EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n",
                      piece_bytes),
              "hello");
    EXPECT_EQ(body_of("HTTP/1.0 200\r\n\r\nhello", piece_bytes), "hello");
    int status = 0;
    EXPECT_EQ(body_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\nX: y\r\n\r\n", piece_bytes, &status), "");
    EXPECT_EQ(status, 204);
  }
}

TEST(ResponseParser, RefusesWhatIsNotHttp) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  for (const std::string& bytes :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("HTTP/2.0 200 OK\r\n\r\n"), std::string("HTTP/1.1 abc\r\n\r\n"),
        head + "no colon\r\n\r\n", head + std::string(70000, 'x'), head + "Content-Length: -1\r\n\r\n",
        head + "Transfer-Encoding: gzip\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\n-2\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n" + std::string(9000, '1')}) {
    EXPECT_THROW(body_of(bytes, 1000), Error) << bytes.substr(0, 60);
  }
}

TEST(ResponseParser, NoticesAnAnswerThatIsCut) {
  EXPECT_THROW(body_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 1000), Error);
  EXPECT_THROW(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 1000), Error);
  EXPECT_THROW(body_of("", 1000), Error);
}

}  // namespace
}  // namespace tandem::http
