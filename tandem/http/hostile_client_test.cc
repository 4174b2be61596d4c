// Clients that are slow, silent, huge or many: each is told off or dropped in time, and an honest one notices nothing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tandem/base/channel.h"
#include "tandem/http/server.h"
#include "tandem/http/testing/raw_socket.h"

namespace tandem::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::get;
using testing::post;
using testing::RawAnswer;
using testing::RawSocket;

class HostileClientTest : public ::testing::Test {
 protected:
  HostileClientTest() { serve(short_limits()); }
  static Limits short_limits() {
    Limits limits;
    limits.header_timeout = 200ms;
    limits.body_idle_timeout = 200ms;
    limits.body_total_timeout = 400ms;
    limits.keep_alive_timeout = 100ms;
    limits.linger_timeout = 200ms;
    limits.max_body_bytes = 1 << 20;
    return limits;
  }
  void serve(const Limits& limits) {
    server_ = std::make_unique<Server>(limits);
    server_->route("GET", "/hello", [](Request, Responder responder) { responder.send({200, {}, "hello"}); });
    server_->route("POST", "/echo", [](Request request, Responder responder) {
      responder.send({200, {}, std::move(request.body)});
    });
    server_->route("GET", "/later", [this](Request, Responder responder) { waiting_.send(std::move(responder)); });
    port_ = server_->listen("127.0.0.1", 0);
  }
  Channel<Responder> waiting_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HostileClientTest, ClosesSilentConnections) {
  server_->start();
  EXPECT_TRUE(RawSocket(port_).is_closed_by_server());
  RawSocket idle(port_);
  EXPECT_EQ(idle.ask(get("/hello")).status, 200);
  EXPECT_TRUE(idle.is_closed_by_server());
}

TEST_F(HostileClientTest, TellsSlowSendersOff) {
  server_->start();
  EXPECT_EQ(RawSocket(port_).ask("GET /hello HT").status, 408);
  RawSocket second(port_);
  EXPECT_EQ(second.ask(get("/hello")).status, 200);
  EXPECT_EQ(second.ask("GET /he").status, 408);
  EXPECT_TRUE(second.is_closed_by_server());
  EXPECT_EQ(RawSocket(port_).ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf").status, 408);
}

TEST_F(HostileClientTest, TellsADribblerOffHoweverLongItGoesOn) {
  server_->start();
  for (const bool in_head : {true, false}) {
    RawSocket client(port_);
    client.send(in_head ? "GET /hello HTTP/1.1\r\nX: " : "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n");
    std::thread dribbler([&] {
      while (client.send("x")) std::this_thread::sleep_for(20ms);
    });
    const auto start = steady_clock::now();
    EXPECT_EQ(client.read_answer().status, 408);
    EXPECT_LT(steady_clock::now() - start, 3s);
    dribbler.join();
  }
}

TEST_F(HostileClientTest, AnswersTooMuchBeforeItHasReadEverything) {
  server_->start();
  RawSocket long_body(port_);
  long_body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\nx");
  EXPECT_EQ(long_body.read_answer().status, 413);
  EXPECT_TRUE(long_body.is_closed_by_server());
  RawSocket expecting(port_);
  expecting.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
  EXPECT_EQ(expecting.read_answer().status, 413);
  // A client that goes on sending still finds the answer.
  RawSocket chunked(port_);
  chunked.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::thread sender([&] {
    const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
    for (int i = 0; i < 200 && chunked.send(chunk); ++i) {
    }
  });
  EXPECT_EQ(chunked.read_answer().status, 413);
  sender.join();
  EXPECT_EQ(RawSocket(port_).ask("GET /" + std::string(65536, 'a') + " HTTP/1.1\r\n").status, 414);
  std::string headers = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 10'000; ++i) headers += "a: b\r\n";
  EXPECT_EQ(RawSocket(port_).ask(headers).status, 431);
  RawSocket flood(port_);
  std::thread flooder([&] {
    const std::string piece(65536, 'x');
    for (int i = 0; i < 500 && flood.send(piece); ++i) {
    }
  });
  EXPECT_EQ(flood.read_answer().status, 414);
  flooder.join();
}

TEST_F(HostileClientTest, BoundsAllBodiesTogether) {
  Limits limits = short_limits();
  limits.max_bodies_bytes = 100'000;
  limits.body_idle_timeout = limits.body_total_timeout = 10s;
  serve(limits);
  server_->start();
  RawSocket first(port_), second(port_);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n";
  first.send(head + std::string(80'000, 'x'));
  const RawAnswer refused = second.ask(head + std::string(80'000, 'x'));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(first.ask(std::string(10'000, 'x')).body.size(), 90'000u);
}

TEST_F(HostileClientTest, ServesTheHonestAmong500Dribblers) {
  Limits limits = short_limits();
  limits.header_timeout = 10s;
  serve(limits);
  server_->start();
  std::vector<std::unique_ptr<RawSocket>> dribblers;
  for (int i = 0; i < 500; ++i) {
    dribblers.push_back(std::make_unique<RawSocket>(port_));
    ASSERT_TRUE(dribblers.back()->send("POST /echo HTTP/1.1\r\nHost: h\r\n")) << i;
  }
  std::atomic<bool> stops{false};
  std::thread dribble([&] {
    while (!stops) {
      for (const auto& dribbler : dribblers) dribbler->send("x");
      std::this_thread::sleep_for(10ms);
    }
  });
  auto slowest = steady_clock::duration::zero();
  for (int i = 0; i < 50; ++i) {
    const auto start = steady_clock::now();
    EXPECT_EQ(RawSocket(port_).ask(get("/hello")).body, "hello");
    slowest = std::max(slowest, steady_clock::now() - start);
  }
  stops = true;
  dribble.join();
  EXPECT_LT(slowest, 1s);
}

TEST_F(HostileClientTest, GivesTheLongestIdlePlaceToANewClient) {
  Limits limits = short_limits();
  limits.max_connections = 3;
  limits.keep_alive_timeout = limits.header_timeout = 60s;
  serve(limits);
  server_->start();
  RawSocket oldest(port_), busy(port_), third(port_);
  EXPECT_EQ(oldest.ask(get("/hello")).status, 200);
  busy.send(get("/later"));
  const Responder responder = *waiting_.receive();
  EXPECT_EQ(third.ask(get("/hello")).status, 200);
  EXPECT_EQ(RawSocket(port_).ask(get("/hello")).status, 200);
  EXPECT_TRUE(oldest.is_closed_by_server());
  responder.send({200, {}, "busy"});
  EXPECT_EQ(busy.read_answer().body, "busy");
}

TEST_F(HostileClientTest, WaitsForAFileDescriptorWithoutSpinning) {
  RawSocket client(port_);  // waits in the backlog: the server is not started
  client.send(get("/hello"));
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  server_->start();
  const auto cpu_time = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  const auto before = cpu_time();
  std::this_thread::sleep_for(300ms);
  const auto used = cpu_time() - before;
  ::setrlimit(RLIMIT_NOFILE, &files);
  EXPECT_LT(used, 100ms);
  EXPECT_EQ(client.read_answer().body, "hello");
}

}  // namespace
}  // namespace tandem::http
