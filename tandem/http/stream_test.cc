// Streaming answers: framing, keep-alive, slow readers and clients that go.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <memory>
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

class StreamTest : public ::testing::Test {
 protected:
  explicit StreamTest(Limits limits = {}) : server_(limits) {
    server_.route("GET", "/later", [this](Request, Responder responder) { waiting_.send(std::move(responder)); });
    server_.route("GET", "/hello", [](Request, Responder responder) { responder.send({200, {}, "hello"}); });
    port_ = server_.listen("127.0.0.1", 0);
  }
  // Asks for /later and gives the way to answer.
  Responder request(RawSocket& client, std::string_view bytes = "GET /later HTTP/1.1\r\nHost: h\r\n\r\n") {
    client.send(bytes);
    return *waiting_.receive_until(steady_clock::now() + 5s);
  }
  Channel<Responder> waiting_;
  Server server_;
  std::uint16_t port_ = 0;
};

TEST_F(StreamTest, SendsEachPieceAtOnceAsAChunk) {
  server_.start();
  RawSocket client(port_);
  const auto source = std::make_shared<QueueSource>();
  const Waker wake = request(client).stream({200, {{"Content-Type", "text/event-stream"}}}, source);
  const std::string head = client.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  for (const char* piece : {"data: 1\n\n", "data: 2\n\n"}) {
    source->put(piece);
    wake();
    EXPECT_EQ(client.receive_until("\r\n"), "9\r\n");
    EXPECT_EQ(client.receive_until("\r\n"), std::string(piece) + "\r\n");
  }
  source->end();
  wake();
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST_F(StreamTest, EndsAnHttp10StreamByClosing) {
  server_.start();
  RawSocket client(port_);
  const auto source = std::make_shared<QueueSource>();
  source->put("data: 1\n\n");
  source->end();
  request(client, "GET /later HTTP/1.0\r\n\r\n").stream({}, source);
  const std::string head = client.receive_until("\r\n\r\n");
  EXPECT_EQ(head.find("chunked"), std::string::npos);
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(client.receive_until("never"), "data: 1\n\n");
}

TEST_F(StreamTest, AbortsWithoutTheLastChunk) {
  server_.start();
  RawSocket client(port_);
  const auto source = std::make_shared<QueueSource>();
  source->put("half");
  source->end(BodySource::Pull::kAbort);
  request(client).stream({}, source);
  const RawAnswer answer = client.read_answer();
  EXPECT_FALSE(answer.is_whole);
  EXPECT_EQ(answer.body.substr(0, 4), "half");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(StreamTest, SendsOnlyTheHeadOfAStreamToHead) {
  server_.start();
  RawSocket client(port_);
  std::promise<void> destroyed;
  request(client, "HEAD /later HTTP/1.1\r\nHost: h\r\n\r\n")
      .stream({}, std::make_shared<QueueSource>([&] { destroyed.set_value(); }));
  EXPECT_EQ(destroyed.get_future().wait_for(5s), std::future_status::ready);
  client.receive_until("\r\n\r\n");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST_F(StreamTest, BreaksTheSilence) {
  server_.start();
  RawSocket client(port_);
  const auto source = std::make_shared<QueueSource>();
  const Waker wake = request(client).stream({200, {}, ": ping\n\n", 20ms}, source);
  client.receive_until("\r\n\r\n");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.receive_until("\n\n\r\n"), "8\r\n: ping\n\n\r\n");
  EXPECT_LE(source->num_pulls, 2) << "pings are no reason to ask the source";
  source->end();
  wake();
}

TEST_F(StreamTest, GivesFastReadersEverythingOfALongBody) {
  server_.start();
  RawSocket client(port_);
  class LongSource : public BodySource {
   public:
    Pull pull(std::string& out) override {
      out.append(1000, '#');
      return ++num_pulls_ < 20'000 ? Pull::kData : Pull::kEnd;
    }

   private:
    int num_pulls_ = 0;
  };
  request(client).stream({}, std::make_shared<LongSource>());
  std::string body;
  while (!body.ends_with("0\r\n\r\n")) {
    const std::string more = client.receive();
    ASSERT_FALSE(more.empty());
    body += more;
  }
  EXPECT_EQ(std::count(body.begin(), body.end(), '#'), 20'000'000);
}

// ---- clients that go

class VanishTest : public StreamTest {
 protected:
  // The shortest of a few tries, so that a busy test machine does not count against the server.
  template <typename Leave>
  std::chrono::milliseconds time_to_notice(bool streams, Leave leave) {
    auto best = steady_clock::duration::max();
    for (int i = 0; i < 4; ++i) {
      RawSocket client(port_);
      const Responder responder = request(client);
      std::promise<void> gone, destroyed;
      responder.on_client_gone([&] { gone.set_value(); });
      if (streams) {
        auto source = std::make_shared<QueueSource>([&] { destroyed.set_value(); });
        source->put("x");
        responder.stream({}, std::move(source));
        client.receive_until("x");
      } else {
        destroyed.set_value();
      }
      const auto start = steady_clock::now();
      leave(client);
      EXPECT_EQ(gone.get_future().wait_for(5s), std::future_status::ready);
      EXPECT_EQ(destroyed.get_future().wait_for(5s), std::future_status::ready);
      best = std::min(best, steady_clock::now() - start);
      responder.send({200, {}, "too late"});
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(best);
  }
};

TEST_F(VanishTest, NoticesWithin100MillisecondsWhateverHappens) {
  server_.start();
  for (const bool streams : {false, true}) {
    EXPECT_LT(time_to_notice(streams, [](RawSocket& client) { client.close(); }), 100ms);
    EXPECT_LT(time_to_notice(streams, [](RawSocket& client) { client.reset(); }), 100ms);
    EXPECT_LT(time_to_notice(streams, [](RawSocket& client) { client.half_close(); }), 100ms);
    EXPECT_LT(time_to_notice(streams,
                             [](RawSocket& client) {
                               client.send(get("/hello") + get("/hello"));
                               client.close();
                             }),
              100ms);
  }
}

TEST_F(VanishTest, NoticesAClientThatSentMoreThanWeKeep) {
  server_.start();
  const std::string flood(300'000, 'x');
  EXPECT_LT(time_to_notice(/*streams=*/false,
                           [&](RawSocket& client) {
                             client.send(flood);
                             client.close();
                           }),
            100ms);
}

TEST_F(VanishTest, CallsALateListenerAtOnce) {
  server_.start();
  RawSocket client(port_);
  const Responder responder = request(client);
  std::promise<void> first, second;
  responder.on_client_gone([&] { first.set_value(); });
  client.close();
  EXPECT_EQ(first.get_future().wait_for(5s), std::future_status::ready);
  responder.on_client_gone([&] { second.set_value(); });
  EXPECT_EQ(second.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(StreamTest, AnswersTheClientThatSentMoreThanWeKeepAndCloses) {
  server_.start();
  RawSocket client(port_);
  const Responder responder = request(client);
  client.send(std::string(200'000, 'x'));
  responder.send({200, {}, "answer"});
  EXPECT_EQ(client.read_answer().body, "answer");
  EXPECT_TRUE(client.is_closed_by_server());
}

// ---- slow readers

class SlowReaderTest : public StreamTest {
 protected:
  SlowReaderTest() : StreamTest(limits()) {}
  static Limits limits() {
    Limits limits;
    limits.write_stall_timeout = 300ms;
    return limits;
  }
};

TEST_F(SlowReaderTest, HoldsLittleForAReaderThatStopsAndCutsIt) {
  server_.start();
  for (const std::size_t piece_bytes : {100u, 60'000u}) {
    RawSocket client(port_, "127.0.0.1", /*receive_buffer_bytes=*/4096);
    const Responder responder = request(client);
    const auto pulled = std::make_shared<std::atomic<std::size_t>>(0);
    std::promise<std::size_t> held;
    responder.on_client_gone([&] { held.set_value(*pulled - static_cast<std::size_t>(client.unread_bytes())); });
    responder.stream({}, std::make_shared<EndlessSource>(pulled, piece_bytes));
    // Meanwhile others are served.
    for (int i = 0; i < 20; ++i) EXPECT_EQ(RawSocket(port_).ask(get("/hello")).body, "hello");
    auto result = held.get_future();
    ASSERT_EQ(result.wait_for(5s), std::future_status::ready);
    EXPECT_LE(result.get(), 256u << 10);
    EXPECT_TRUE(client.is_closed_by_server());
  }
}

TEST_F(SlowReaderTest, CutsAReaderOfAPlainAnswerThatStops) {
  server_.start();
  RawSocket client(port_, "127.0.0.1", /*receive_buffer_bytes=*/4096);
  const Responder responder = request(client);
  std::promise<void> gone;
  responder.on_client_gone([&] { gone.set_value(); });
  responder.send({200, {}, std::string(8'000'000, 'x')});
  EXPECT_EQ(gone.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(SlowReaderTest, KeepsAReaderThatIsOnlySlow) {
  server_.start();
  RawSocket client(port_, "127.0.0.1", /*receive_buffer_bytes=*/4096);
  const Responder responder = request(client);
  responder.send({200, {}, std::string(300'000, 'x')});
  // 10 ms a piece: longer in all than the stall timeout, and never a stall.
  std::size_t num_bytes = 0;
  const auto start = steady_clock::now();
  while (num_bytes < 300'000) {
    const std::size_t more = client.receive().size();
    ASSERT_GT(more, 0u);
    num_bytes += more;
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_GT(steady_clock::now() - start, 300ms);
}

TEST_F(SlowReaderTest, EndlessFastStreamsDoNotStarveOthers) {
  server_.start();
  const auto pulled = std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<bool> stops{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      RawSocket client(port_);
      client.send(get("/later"));
      while (!stops && !client.receive().empty()) {
      }
    });
    waiting_.receive()->stream({}, std::make_shared<EndlessSource>(pulled, 1000));
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(RawSocket(port_).ask(get("/hello")).body, "hello");
  stops = true;
  for (auto& reader : readers) reader.join();
}

// ---- many

TEST_F(StreamTest, ServesAThousandStreamsAtOnce) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlimit more{std::min<rlim_t>(files.rlim_max, 65'536), files.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &more);
  const std::size_t num_streams = std::min<std::size_t>(1000, more.rlim_cur / 2 - 100);
  server_.start();
  std::vector<std::unique_ptr<RawSocket>> clients;
  std::vector<std::pair<std::shared_ptr<QueueSource>, Waker>> streams;
  for (std::size_t i = 0; i < num_streams; ++i) {
    clients.push_back(std::make_unique<RawSocket>(port_));
    auto source = std::make_shared<QueueSource>();
    Waker wake = request(*clients.back()).stream({}, source);
    streams.emplace_back(std::move(source), std::move(wake));
  }
  for (int step = 0; step < 5; ++step) {
    for (auto& [source, wake] : streams) {
      source->put("data: token\n\n");
      if (step == 4) source->end();
      wake();
    }
  }
  std::size_t num_whole = 0;
  for (auto& client : clients) {
    const RawAnswer answer = client->read_answer();
    num_whole += answer.is_whole && answer.body.size() == 5 * 13 ? 1 : 0;
  }
  EXPECT_EQ(num_whole, num_streams);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace tandem::http
