// The end of a server: what is in flight, what comes too late, what is left behind.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tandem/base/channel.h"
#include "tandem/http/server.h"
#include "tandem/http/testing/raw_socket.h"
#include "tandem/http/testing/sources.h"

namespace tandem::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::EndlessSource;
using testing::get;
using testing::QueueSource;
using testing::RawAnswer;
using testing::RawSocket;

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    server_.emplace();
    server_->route("GET", "/later", [this](Request, Responder responder) { waiting_.send(std::move(responder)); });
    server_->route("GET", "/hello", [](Request, Responder responder) { responder.send({200, {}, "hello"}); });
    port_ = server_->listen("127.0.0.1", 0);
    server_->start();
  }
  Responder request(RawSocket& client) {
    client.send(get("/later"));
    return *waiting_.receive_until(steady_clock::now() + 5s);
  }
  Channel<Responder> waiting_;
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(DrainTest, FinishesWhatIsInFlightAndStopsAccepting) {
  RawSocket idle(port_), client(port_);
  EXPECT_EQ(idle.ask(get("/hello")).status, 200);
  const Responder responder = request(client);
  auto drained = std::async(std::launch::async, [&] { server_->drain(10s); });
  EXPECT_TRUE(idle.is_closed_by_server());  // so it has begun
  EXPECT_FALSE(RawSocket(port_).is_connected());
  responder.send({200, {}, "done"});
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.header("connection"), "close");
  client.close();
  EXPECT_EQ(drained.wait_for(5s), std::future_status::ready);
}

TEST_F(DrainTest, CutsAtTheDeadlineAndTellsTheUpperRooms) {
  RawSocket queued(port_), streaming(port_);
  int num_gone = 0;
  const Responder first = request(queued);
  first.on_client_gone([&] { ++num_gone; });
  const Responder second = request(streaming);
  second.on_client_gone([&] { ++num_gone; });
  const auto pulled = std::make_shared<std::atomic<std::size_t>>(0);
  second.stream({}, std::make_shared<EndlessSource>(pulled, 1000));
  streaming.receive_until("xxx");
  const auto start = steady_clock::now();
  server_->drain(100ms);
  EXPECT_LT(steady_clock::now() - start, 3s);
  EXPECT_EQ(num_gone, 2);
  EXPECT_TRUE(queued.is_closed_by_server());
  EXPECT_TRUE(streaming.is_closed_by_server());
}

TEST_F(DrainTest, LeavesRespondersAndWakersHarmless) {
  RawSocket client(port_), other(port_);
  const Responder unanswered = request(client);
  const auto source = std::make_shared<QueueSource>();
  const Waker wake = request(other).stream({}, source);
  std::atomic<bool> stops{false};
  std::thread waker([&] {
    while (!stops) wake();
  });
  server_.reset();
  bool is_gone = false;
  unanswered.on_client_gone([&] { is_gone = true; });
  EXPECT_TRUE(is_gone);
  unanswered.send({200, {}, "too late"});
  stops = true;
  waker.join();
  wake();
}

TEST_F(DrainTest, LeavesNoFileDescriptorBehind) {
  const auto count = [] {
    const std::filesystem::directory_iterator all("/dev/fd");
    return std::distance(begin(all), end(all));
  };
  server_.reset();
  const auto before = count();
  for (int i = 0; i < 3; ++i) {
    Server server;
    Channel<Responder> waiting;
    server.route("GET", "/later", [&](Request, Responder responder) { waiting.send(std::move(responder)); });
    const std::uint16_t port = server.listen("127.0.0.1", 0);
    server.listen("::1", 0);
    server.start();
    std::vector<std::unique_ptr<RawSocket>> clients;
    for (int c = 0; c < 10; ++c) {
      clients.push_back(std::make_unique<RawSocket>(port));
      clients.back()->send(c % 2 == 0 ? get("/later") : "GET /");
    }
    waiting.receive()->send({});
    server.drain(0ms);
  }
  EXPECT_EQ(count(), before);
}

TEST_F(DrainTest, ServersThatNeverStartedEndQuietly) {
  Server server;
  server.listen("127.0.0.1", 0);
  server.drain(1s);
}

}  // namespace
}  // namespace tandem::http
