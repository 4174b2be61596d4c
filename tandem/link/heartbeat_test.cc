#include "tandem/link/heartbeat.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using namespace std::chrono_literals;

constexpr SilenceWatch::TimePoint kStart{};

TEST(SilenceWatch, turns_true_once_when_the_limit_has_passed) {
  SilenceWatch watch(3s, kStart);
  EXPECT_FALSE(watch.check(kStart + 1s));
  EXPECT_FALSE(watch.check(kStart + 2s));
  EXPECT_FALSE(watch.check(kStart + 2999ms));
  EXPECT_TRUE(watch.check(kStart + 3s));
  EXPECT_FALSE(watch.check(kStart + 4s));
  EXPECT_TRUE(watch.is_silent());
}

TEST(SilenceWatch, starts_anew_with_every_sign_of_life) {
  SilenceWatch watch(3s, kStart);
  for (int second = 1; second < 60; ++second) {
    watch.note_received(kStart + second * 1s);
    EXPECT_FALSE(watch.check(kStart + second * 1s));
    EXPECT_EQ(watch.due(), kStart + second * 1s + 3s);
  }
}

TEST(SilenceWatch, does_not_blame_the_peer_for_its_own_standstill) {
  SilenceWatch watch(3s, kStart);
  EXPECT_FALSE(watch.check(kStart + 1s));
  EXPECT_FALSE(watch.check(kStart + 60s)) << "this process was stopped, not the peer";
  EXPECT_FALSE(watch.check(kStart + 61s));
  EXPECT_TRUE(watch.check(kStart + 61500ms));
}

HeartbeatOptions quick() {
  HeartbeatOptions options;
  options.interval = 20ms;
  options.silence = 200ms;
  options.type = 9;
  return options;
}

TEST(Heartbeat, sends_what_the_callback_gives_again_and_again) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::atomic<std::uint8_t> count{0};
  HeartbeatOptions options = quick();
  options.payload = [&] { return Bytes{++count}; };
  Heartbeat heartbeat(pair.connecting, options);
  for (std::uint8_t i = 1; i <= 5; ++i) {
    const Frame frame = receive_soon(pair.accepting);
    EXPECT_EQ(frame.type, 9);
    EXPECT_EQ(frame.payload, Bytes{i});
  }
}

TEST(Heartbeat, tells_once_that_the_peer_is_silent) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::atomic<int> num_told{0};
  HeartbeatOptions options = quick();
  options.on_silent = [&] {
    ++num_told;
    pair.connecting.close();
  };
  Heartbeat heartbeat(pair.connecting, options);
  EXPECT_EQ(error_of([&] { pair.connecting.receive(soon()); }).code(), Code::kUnavailable);
  EXPECT_TRUE(heartbeat.is_silent());
  EXPECT_GE(heartbeat.since_received(), 200ms);
  EXPECT_EQ(num_told, 1);
}

TEST(Heartbeat, is_content_while_frames_come) {
  LinkPair pair = linked_pair("127.0.0.1");
  HeartbeatOptions watching = quick(), beating = quick();
  watching.silence = 2s;
  std::atomic<bool> silent{false};
  watching.on_silent = [&] { silent = true; };
  Heartbeat theirs(pair.accepting, beating), ours(pair.connecting, watching);
  for (int i = 0; i < 20; ++i) {
    receive_soon(pair.connecting);
    ours.note_received();
  }
  EXPECT_FALSE(silent);
}

TEST(Heartbeat, notices_silence_while_another_sender_hangs_on_the_link) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::promise<void> told;
  HeartbeatOptions options = quick();
  options.on_silent = [&] { told.set_value(); };
  std::thread blocked([&] {
    EXPECT_THROW(pair.connecting.send(1, Bytes(60 << 20)), Error);
  });
  {
    Heartbeat heartbeat(pair.connecting, options);
    EXPECT_EQ(told.get_future().wait_for(kSoon), std::future_status::ready);
  }
  pair.connecting.close();
  blocked.join();
}

TEST(Heartbeat, ends_quietly_with_its_link) {
  LinkPair pair = linked_pair("127.0.0.1");
  Heartbeat heartbeat(pair.connecting, quick());
  pair.accepting.close();
  EXPECT_EQ(error_of([&] {
              while (true) pair.connecting.receive(soon());
            }).code(),
            Code::kUnavailable);
}

TEST(Heartbeat, refuses_a_silence_shorter_than_two_beats) {
  LinkPair pair = linked_pair("127.0.0.1");
  HeartbeatOptions options = quick();
  options.silence = 30ms;
  EXPECT_THROW(Heartbeat(pair.connecting, options), Error);
}

}  // namespace
}  // namespace tandem::link
