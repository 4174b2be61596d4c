#include "tandem/http/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "tandem/base/channel.h"
#include "tandem/base/error.h"
#include "tandem/http/testing/raw_socket.h"

namespace tandem::http {
namespace {

using namespace std::chrono_literals;
using testing::get;
using testing::post;
using testing::RawAnswer;
using testing::RawSocket;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    server_.route("GET", "/hello", [](Request request, Responder responder) {
      responder.send({200, {{"Content-Type", "text/plain"}}, "hello " + request.query});
    });
    server_.route("POST", "/echo", [](Request request, Responder responder) {
      responder.send({200, {{"X-Length", std::to_string(request.body.size())}}, std::move(request.body)});
    });
    server_.route("GET", "/throw", [](Request, Responder) { throw std::runtime_error("secret"); });
    server_.route("GET", "/drop", [](Request, Responder) {});
    server_.route("GET", "/nothing", [](Request, Responder responder) { responder.send({204, {}, {}}); });
    server_.route("GET", "/later", [this](Request request, Responder responder) {
      waiting_.send({std::move(request), std::move(responder)});
    });
    port_ = server_.listen("127.0.0.1", 0);
  }

  struct Waiting {
    Request request;
    Responder responder;
  };
  Channel<Waiting> waiting_;
  Server server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  server_.start();
  RawSocket client(port_);
  for (int i = 0; i < 3; ++i) {
    const RawAnswer answer = client.ask(get("/hello?" + std::to_string(i)));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello " + std::to_string(i));
    EXPECT_EQ(answer.header("content-type"), "text/plain");
    EXPECT_EQ(answer.header("x-request-id").size(), 32u);
    EXPECT_NE(answer.header("date"), "");
  }
}

TEST_F(ServerTest, ListensOnBothFamiliesAndSaysWhenAPortIsTaken) {
  const std::uint16_t port6 = server_.listen("::1", 0);
  try {
    server_.listen("127.0.0.1", port_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kIo);
    EXPECT_NE(std::string(e.what()).find("127.0.0.1 port " + std::to_string(port_) + ": the port is taken"),
              std::string::npos)
        << e.what();
  }
  EXPECT_THROW(server_.listen("localhost", 0), Error);
  EXPECT_THROW(server_.listen("192.0.2.1", 0), Error);
  server_.start();
  EXPECT_EQ(RawSocket(port6, "::1").ask(get("/hello")).status, 200);
  EXPECT_EQ(RawSocket(port_).ask(get("/hello")).status, 200);
}

TEST_F(ServerTest, EchoesAPlainRequestId) {
  server_.start();
  RawSocket client(port_);
  EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: my.id-1\r\n\r\n").header("x-request-id"), "my.id-1");
  EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\n\r\n").header("x-request-id").size(), 32u);
}

TEST_F(ServerTest, KnowsPathsAndMethods) {
  server_.start();
  RawSocket client(port_);
  EXPECT_EQ(client.ask(get("/unknown")).status, 404);
  const RawAnswer wrong_method = client.ask(get("/echo"));
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.header("allow"), "POST, OPTIONS");
  const RawAnswer options = client.ask("OPTIONS /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").status, 204);
  EXPECT_EQ(client.ask("FOO /hello HTTP/1.1\r\nHost: h\r\n\r\n").status, 405);
  EXPECT_EQ(client.ask(get("/nothing")).status, 204);
  EXPECT_EQ(client.ask(get("//hello")).status, 200);
  EXPECT_EQ(client.ask("GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
}

TEST_F(ServerTest, AnswersHeadWithoutTheBody) {
  server_.start();
  RawSocket client(port_);
  client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = client.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_EQ(client.ask(get("/hello")).body, "hello ");
}

TEST_F(ServerTest, TurnsExceptionsAndForgottenAnswersInto500WithoutTheirText) {
  server_.start();
  RawSocket client(port_);
  for (const char* path : {"/throw", "/drop"}) {
    const RawAnswer answer = client.ask(get(path));
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  }
  EXPECT_EQ(client.ask(get("/hello")).status, 200);
}

TEST_F(ServerTest, ReadsBodiesWithLengthAndInChunks) {
  server_.start();
  RawSocket client(port_);
  const std::string body(3'000'000, 'b');
  std::thread sender([&] { client.send(post("/echo", body)); });
  EXPECT_EQ(client.read_answer().body.size(), body.size());
  sender.join();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  EXPECT_EQ(client.ask("lo\r\n1\r\n!\r\n0\r\n\r\n").body, "hello!");
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  server_.start();
  RawSocket client(port_);
  client.send(get("/hello?1") + post("/echo", "2") + get("/later") + get("/hello?4") + get("/unknown"));
  EXPECT_EQ(client.read_answer().body, "hello 1");
  EXPECT_EQ(client.read_answer().body, "2");
  waiting_.receive()->responder.send({200, {}, "3"});
  EXPECT_EQ(client.read_answer().body, "3");
  EXPECT_EQ(client.read_answer().body, "hello 4");
  EXPECT_EQ(client.read_answer().status, 404);
}

TEST_F(ServerTest, ClosesWhenTheClientWantsIt) {
  server_.start();
  RawSocket client(port_);
  const RawAnswer answer = client.ask("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(ServerTest, SpeaksHttp10) {
  server_.start();
  RawSocket client(port_);
  const RawAnswer kept = client.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.header("connection"), "keep-alive");
  const RawAnswer closed = client.ask("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(closed.header("connection"), "close");
  EXPECT_EQ(closed.body, "hello ");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(ServerTest, AnswersAClientThatClosesItsSideBehindTheRequest) {
  server_.start();
  RawSocket client(port_);
  client.send(get("/hello?x"));
  client.half_close();
  EXPECT_EQ(client.read_answer().body, "hello x");
}

TEST_F(ServerTest, LetsAClientWaitForContinue) {
  server_.start();
  RawSocket client(port_);
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("hello").body, "hello");
}

TEST_F(ServerTest, RefusesBeforeTheBodyWhatItWouldNotAnswer) {
  server_.set_filter([](const Request& request) {
    return request.header("authorization") == "Bearer key" ? nullptr : std::make_unique<Response>(Response{401, {}, {}});
  });
  server_.start();
  const std::string head = " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n";
  const std::string key = "Authorization: Bearer key\r\n";
  EXPECT_EQ(RawSocket(port_).ask("POST /echo" + head + "\r\n").status, 401);
  EXPECT_EQ(RawSocket(port_).ask("POST /unknown" + head + "\r\n").status, 401);
  EXPECT_EQ(RawSocket(port_).ask("POST /unknown" + head + key + "\r\n").status, 404);
  EXPECT_EQ(RawSocket(port_).ask("POST /hello" + head + key + "\r\n").status, 405);
  EXPECT_EQ(RawSocket(port_).ask("POST /echo" + head + "Content-Length: 99999999999\r\n\r\n").status, 400);
}

TEST_F(ServerTest, ShowsTheFilterTheSamePathAsTheRouter) {
  server_.route("GET", "/v1/models/*", [](Request request, Responder responder) {
    responder.send({200, {}, std::move(request.path)});
  });
  server_.set_filter([](const Request& request) {
    return request.path.starts_with("/v1/") ? std::make_unique<Response>(Response{401, {}, {}}) : nullptr;
  });
  server_.start();
  for (const char* target : {"/v1/models/x", "//v1/models/x", "/v1//models/x", "/%76%31/models/x", "/v1%2Fmodels/x",
                             "/%2fv1/models/x", "http://localhost/v1/models/x", "http://localhost//v1/models/x",
                             "/v1/models/x?/../y", "HTTP://LOCALHOST/v1/models/x"}) {
    EXPECT_EQ(RawSocket(port_).ask(get(target)).status, 401) << target;
  }
  for (const char* target : {"/hello/../v1/models/x", "/./v1/models/x", "/hello/%2e%2e/v1/models/x", "/v1\\models/x",
                             "/%00/v1/models/x", "http://other/v1/models/x", "localhost/v1/models/x"}) {
    EXPECT_EQ(RawSocket(port_).ask(get(target)).status, 400) << target;
  }
  EXPECT_EQ(RawSocket(port_).ask(get("/V1/models/x")).status, 404);
}

TEST_F(ServerTest, TakesErrorBodiesFromItsUser) {
  server_.set_error_body([](int status, std::string_view message) {
    return Response{0, {{"Content-Type", "application/json"}}, "{" + std::to_string(status) + std::string(message) + "}"};
  });
  server_.start();
  const RawAnswer answer = RawSocket(port_).ask(get("/unknown"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.body, "{404no such path: /unknown}");
  EXPECT_EQ(RawSocket(port_).ask("nonsense\r\n\r\n").header("content-type"), "application/json");
}

TEST_F(ServerTest, TakesAnswersFromAnyThread) {
  server_.start();
  constexpr int kClients = 8, kRequests = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([this] {
      while (auto waiting = waiting_.receive()) {
        const Responder copy = waiting->responder;
        copy.on_client_gone([] {});
        copy.send({200, {}, waiting->request.query});
        waiting->responder.send({500, {}, {}});
      }
    });
  }
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([this, c] {
      RawSocket client(port_);
      for (int i = 0; i < kRequests; ++i) {
        const std::string query = std::to_string(c) + "-" + std::to_string(i);
        EXPECT_EQ(client.ask(get("/later?" + query)).body, query);
      }
    });
  }
  for (auto& client : clients) client.join();
  waiting_.close();
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace tandem::http
