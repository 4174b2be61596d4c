#include "tandem/http/client.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/http/server.h"
#include "tandem/http/testing/sources.h"

namespace tandem::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::QueueSource;

Code code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "no Error";
  return Code::kInternal;
}

TEST(Url, IsTakenApart) {
  const Url plain = parse_url("http://mini.local");
  EXPECT_EQ(plain.host, "mini.local");
  EXPECT_EQ(plain.port, "80");
  EXPECT_EQ(plain.prefix, "");
  const Url full = parse_url("HTTP://[::1]:8100/base/");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, "8100");
  EXPECT_EQ(full.prefix, "/base");
  EXPECT_EQ(full.authority, "[::1]:8100");
}

TEST(Url, RefusesWhatIsNotHttp) {
  EXPECT_EQ(code_of([] { parse_url("https://host"); }), Code::kUnsupported);
  for (const char* url : {"", "host:80", "http://", "http://a b", "http://a@b", "http://h:0", "http://h:99999", "ftp://h"}) {
    EXPECT_EQ(code_of([url] { parse_url(url); }), Code::kInvalidArgument) << url;
  }
}

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    server_.route("GET", "/status", [](Request request, Responder responder) {
      responder.send({200, {{"X-Key", std::string(request.header("authorization"))}}, "{\"ok\":true}"});
    });
    server_.route("POST", "/echo", [](Request request, Responder responder) {
      responder.send({200, {}, std::string(request.header("content-type")) + request.body});
    });
    server_.route("POST", "/stream", [this](Request, Responder responder) {
      source_ = std::make_shared<QueueSource>();
      source_->put(": ping\n\ndata: 1\n\ndata: 2\n\n");
      if (ends_) source_->end(*ends_);
      responder.on_client_gone([this] { gone_.set_value(); });
      responder.stream({200, {{"Content-Type", "text/event-stream"}}}, source_);
    });
    const std::uint16_t port = server_.listen("127.0.0.1", 0);
    server_.start();
    client_ = std::make_unique<Client>("http://localhost:" + std::to_string(port),
                                       Headers{{"Authorization", "Bearer x"}});
  }
  std::optional<BodySource::Pull> ends_;
  std::shared_ptr<QueueSource> source_;
  std::promise<void> gone_;
  Server server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, GetsAndPosts) {
  const Client::Answer status = client_->get("/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.body, "{\"ok\":true}");
  EXPECT_EQ(status.header("x-key"), "Bearer x");
  EXPECT_EQ(client_->post("/echo", Json{{"a", 1}}).body, "application/json{\"a\":1}");
  EXPECT_EQ(client_->post("/echo", Json(std::string(3'000'000, 'x'))).body.size(), 3'000'018u);
  EXPECT_EQ(client_->get("/unknown").status, 404);
}

TEST_F(ClientTest, GivesEachEventOfAStream) {
  ends_ = BodySource::Pull::kEnd;
  std::vector<std::string> events;
  const auto collect = [&](std::string_view data) {
    events.emplace_back(data);
    return true;
  };
  const Client::Answer answer = client_->post_stream("/stream", Json::object(), collect);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(events, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(client_->post_stream("/unknown", Json::object(), collect).status, 404);
}

TEST_F(ClientTest, NoticesAStreamThatIsCut) {
  ends_ = BodySource::Pull::kAbort;
  EXPECT_EQ(code_of([&] { client_->post_stream("/stream", Json::object(), [](std::string_view) { return true; }); }),
            Code::kIo);
}

TEST_F(ClientTest, LeavesAStreamThatItsReceiverHasEnoughOf) {
  int num_events = 0;
  client_->post_stream("/stream", Json::object(), [&](std::string_view) { return ++num_events < 2; });
  EXPECT_EQ(num_events, 2);
  EXPECT_EQ(gone_.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(ClientTest, IsCancelledFromAnotherThread) {
  client_->cancel();  // nothing is in progress: forgotten
  std::promise<void> begun;
  std::thread canceller([&] {
    begun.get_future().wait();
    client_->cancel();
  });
  int num_events = 0;
  const auto begin = [&](std::string_view) {
    if (++num_events == 1) begun.set_value();
    return true;
  };
  EXPECT_EQ(code_of([&] { client_->post_stream("/stream", Json::object(), begin); }), Code::kCancelled);
  canceller.join();
  EXPECT_EQ(gone_.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(ClientTest, KeepsItsDeadline) {
  const auto start = steady_clock::now();
  EXPECT_EQ(code_of([&] {
              client_->post_stream("/stream", Json::object(), [](std::string_view) { return true; }, 50ms);
            }),
            Code::kDeadlineExceeded);
  EXPECT_LT(steady_clock::now() - start, 5s);
}

TEST(Client, SaysWhereNobodyListens) {
  std::uint16_t port = 0;
  {
    Server server;
    port = server.listen("127.0.0.1", 0);
  }
  Client client("http://127.0.0.1:" + std::to_string(port));
  try {
    client.get("/");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kIo);
    EXPECT_NE(std::string(e.what()).find("127.0.0.1:" + std::to_string(port)), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("is a server running there?"), std::string::npos);
  }
}

TEST(Client, RefusesHeadersWithLineBreaks) {
  EXPECT_THROW(Client("http://h", Headers{{"Authorization", "Bearer x\r\nHost: y"}}), Error);
}

}  // namespace
}  // namespace tandem::http
