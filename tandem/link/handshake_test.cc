#include "tandem/link/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kHeaderBytes = 12;  // magic 8, version 2, body length 2

Handshake connecting_end(const Secret& secret = secret_of(1)) {
  return Handshake(Side::kConnecting, secret, identity_of(Role::kAgent, "mini2"));
}
Handshake accepting_end(const Secret& secret = secret_of(1)) {
  return Handshake(Side::kAccepting, secret, identity_of(Role::kHead, "mini1"));
}

/// Feeds a stream of bytes message by message; what is left over is returned.
Bytes feed(Handshake& end, Bytes stream) {
  while (!end.finished() && end.wanted() <= stream.size()) {
    const Bytes message(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(end.wanted()));
    stream.erase(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(end.wanted()));
    end.feed(message);
  }
  return stream;
}

/// Everything that crossed in an honest handshake.
struct Capture {
  Bytes connecting_hello, accepting_hello, connecting_proof, accepting_proof;
};

Capture complete(Handshake& connecting, Handshake& accepting) {
  Capture capture;
  capture.connecting_hello = connecting.take_output();
  feed(accepting, capture.connecting_hello);
  capture.accepting_hello = accepting.take_output();
  feed(connecting, capture.accepting_hello);
  capture.connecting_proof = connecting.take_output();
  feed(accepting, capture.connecting_proof);
  capture.accepting_proof = accepting.take_output();
  feed(connecting, capture.accepting_proof);
  return capture;
}

TEST(Handshake, ends_with_the_same_keys_crosswise_and_who_the_peer_is) {
  Handshake connecting = connecting_end(), accepting = accepting_end();
  complete(connecting, accepting);
  ASSERT_TRUE(connecting.finished() && accepting.finished());
  EXPECT_EQ(connecting.keys().to_send, accepting.keys().to_receive);
  EXPECT_EQ(connecting.keys().to_receive, accepting.keys().to_send);
  EXPECT_NE(connecting.keys().to_send, connecting.keys().to_receive);
  EXPECT_EQ(connecting.peer().name, "mini1");
  EXPECT_EQ(accepting.peer().name, "mini2");
  EXPECT_EQ(accepting.peer().role, Role::kAgent);
}

TEST(Handshake, makes_new_keys_each_time) {
  Handshake a = connecting_end(), b = accepting_end(), c = connecting_end(), d = accepting_end();
  complete(a, b);
  complete(c, d);
  EXPECT_NE(a.keys().to_send, c.keys().to_send);
}

TEST(Handshake, tells_both_ends_that_the_secrets_differ) {
  Handshake connecting = connecting_end(secret_of(1)), accepting = accepting_end(secret_of(2));
  feed(accepting, connecting.take_output());
  feed(connecting, accepting.take_output());
  const Bytes proof = connecting.take_output();
  EXPECT_EQ(error_of([&] { feed(accepting, proof); }).code(), Code::kUnauthenticated);
  const Bytes answer = accepting.take_output();
  EXPECT_EQ(error_of([&] { feed(connecting, answer); }).code(), Code::kUnauthenticated);
  EXPECT_FALSE(connecting.finished() || accepting.finished());
}

TEST(Handshake, says_nothing_to_a_stranger) {
  Handshake accepting = accepting_end();
  EXPECT_TRUE(accepting.take_output().empty());
  EXPECT_EQ(error_of([&] { feed(accepting, text_bytes("GET / HTTP/1.1\r\n")); }).code(), Code::kCorrupt);
  EXPECT_TRUE(accepting.take_output().empty());
  EXPECT_FALSE(accepting.peer_introduced());
}

TEST(Handshake, gives_no_proof_for_a_wrong_one) {
  Handshake connecting = connecting_end(secret_of(1)), accepting = accepting_end(secret_of(2));
  feed(accepting, connecting.take_output());
  feed(connecting, accepting.take_output());
  EXPECT_THROW(feed(accepting, connecting.take_output()), Error);
  const Bytes answer = accepting.take_output();
  EXPECT_EQ(Bytes(answer.begin() + 1, answer.end()), Bytes(32, 0));
}

// Whichever bit of whichever message is changed on the way, no end finishes with an honest peer's keys.
TEST(Handshake, fails_for_every_flipped_bit_of_every_message) {
  Handshake model_connecting = connecting_end(), model_accepting = accepting_end();
  const Capture model = complete(model_connecting, model_accepting);
  const auto try_flip = [](Bytes Capture::*message, std::size_t bit) {
    Handshake connecting = connecting_end(), accepting = accepting_end();
    const auto carry = [&](Handshake& from, Handshake& to, Bytes Capture::*which) {
      Bytes bytes = from.take_output();
      if (which == message) bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      feed(to, bytes);
    };
    try {
      carry(connecting, accepting, &Capture::connecting_hello);
      carry(accepting, connecting, &Capture::accepting_hello);
      carry(connecting, accepting, &Capture::connecting_proof);
      carry(accepting, connecting, &Capture::accepting_proof);
    } catch (const Error&) {
    }
    return connecting.finished() && accepting.finished();
  };
  for (const auto message : {&Capture::connecting_hello, &Capture::accepting_hello, &Capture::connecting_proof,
                             &Capture::accepting_proof}) {
    for (std::size_t bit = 0; bit < (model.*message).size() * 8; ++bit) {
      ASSERT_FALSE(try_flip(message, bit)) << "bit " << bit;
    }
  }
}

TEST(Handshake, a_replayed_capture_proves_nothing) {
  Handshake connecting = connecting_end(), accepting = accepting_end();
  const Capture capture = complete(connecting, accepting);

  Handshake listener = accepting_end();
  feed(listener, capture.connecting_hello);
  EXPECT_EQ(error_of([&] { feed(listener, capture.connecting_proof); }).code(), Code::kUnauthenticated);

  Handshake caller = connecting_end();
  feed(caller, capture.accepting_hello);
  EXPECT_EQ(error_of([&] { feed(caller, capture.accepting_proof); }).code(), Code::kUnauthenticated);
}

TEST(Handshake, a_reflected_hello_or_proof_is_refused) {
  Handshake connecting = connecting_end();
  const Bytes own = connecting.take_output();
  EXPECT_EQ(error_of([&] { feed(connecting, own); }).code(), Code::kCorrupt);

  Handshake caller = connecting_end(), listener = accepting_end();
  feed(listener, caller.take_output());
  feed(caller, listener.take_output());
  const Bytes own_proof = caller.take_output();
  EXPECT_EQ(error_of([&] { feed(caller, own_proof); }).code(), Code::kUnauthenticated);
}

// Two listeners' worth of oracle: hellos of one handshake carried into another prove nothing in either.
TEST(Handshake, a_proof_made_for_one_listener_does_not_serve_at_another) {
  Handshake caller = connecting_end(), first = accepting_end(), second = accepting_end();
  const Bytes hello = caller.take_output();
  feed(first, hello);
  feed(second, hello);
  feed(caller, first.take_output());
  EXPECT_EQ(error_of([&] { feed(second, caller.take_output()); }).code(), Code::kUnauthenticated);
}

TEST(Handshake, a_forged_role_fails) {
  Handshake caller = connecting_end(), listener = accepting_end();
  Bytes hello = caller.take_output();
  const std::size_t role_at = kHeaderBytes + 4 + std::string("mini2").size();
  ASSERT_EQ(hello[role_at], static_cast<std::uint8_t>(Role::kAgent));
  hello[role_at] = static_cast<std::uint8_t>(Role::kWeights);
  feed(listener, hello);
  feed(caller, listener.take_output());
  EXPECT_EQ(error_of([&] { feed(listener, caller.take_output()); }).code(), Code::kUnauthenticated);
}

TEST(Handshake, names_both_protocol_versions_on_both_ends) {
  Handshake newer = connecting_end(), accepting = accepting_end();
  Bytes hello = newer.take_output();
  hello[8] = 2;
  const Error at_listener = error_of([&] { feed(accepting, hello); });
  EXPECT_EQ(at_listener.code(), Code::kMismatch);
  EXPECT_STREQ(at_listener.what(),
               "this machine speaks link protocol 1, mini2 speaks 2: install the same tandem on both");
  Bytes answer = accepting.take_output();
  ASSERT_FALSE(answer.empty());
  answer[8] = 3;
  const Error at_caller = error_of([&] { feed(newer, answer); });
  EXPECT_EQ(at_caller.code(), Code::kMismatch);
  EXPECT_THAT(at_caller.what(), HasSubstr("mini1 speaks 3"));
}

TEST(Handshake, a_later_version_may_say_anything_after_its_name) {
  ByteWriter body;
  body.put_string("mini3");
  body.put_raw(Bytes(300, 0xab));
  ByteWriter hello;
  hello.put_raw(text_bytes("TANDEM\r\n"));
  hello.put(std::uint16_t{9});
  hello.put(static_cast<std::uint16_t>(body.size()));
  hello.put_raw(body.take());
  Handshake accepting = accepting_end();
  const Error error = error_of([&] { feed(accepting, hello.take()); });
  EXPECT_EQ(error.code(), Code::kMismatch);
  EXPECT_THAT(error.what(), HasSubstr("mini3 speaks 9"));
}

TEST(Handshake, refuses_text_that_would_reach_a_terminal) {
  Handshake caller = Handshake(Side::kConnecting, secret_of(1), identity_of(Role::kAgent, "mini\x1b[2J"));
  Handshake accepting = accepting_end();
  EXPECT_EQ(error_of([&] { feed(accepting, caller.take_output()); }).code(), Code::kCorrupt);
}

TEST(Handshake, refuses_a_body_longer_than_any_hello) {
  Bytes header = text_bytes("TANDEM\r\n");
  for (const int byte : {1, 0, 0xff, 0xff}) header.push_back(static_cast<std::uint8_t>(byte));
  Handshake accepting = accepting_end();
  EXPECT_EQ(error_of([&] { feed(accepting, header); }).code(), Code::kCorrupt);
}

// Random changes, cuts and repetitions of honest messages, for a bounded time: an Error or more waiting, never anything else.
TEST(Handshake, survives_random_mutations) {
  std::mt19937 random(20240611);
  const auto end = now() + std::chrono::milliseconds(1500);
  std::size_t num_finished = 0, num_tried = 0;
  while (now() < end) {
    Handshake connecting = connecting_end(), accepting = accepting_end();
    Handshake& victim = random() % 2 == 0 ? connecting : accepting;
    Bytes stream;
    if (&victim == &accepting) {
      stream = connecting.take_output();
    } else {
      feed(accepting, connecting.take_output());
      stream = accepting.take_output();
    }
    const Bytes original = stream;
    for (unsigned i = 0, count = 1 + random() % 4; i < count && !stream.empty(); ++i) {
      const std::size_t at = random() % stream.size();
      switch (random() % 4) {
        case 0: stream[at] = static_cast<std::uint8_t>(random()); break;
        case 1: stream[at] ^= static_cast<std::uint8_t>(1u << random() % 8); break;
        case 2: stream.resize(at); break;
        default: stream.insert(stream.end(), stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(at)); break;
      }
    }
    for (int i = 0; i < 64; ++i) stream.push_back(static_cast<std::uint8_t>(random()));
    try {
      feed(victim, stream);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << error.what();
    }
    num_finished += victim.finished() ? 1 : 0;
    ++num_tried;
  }
  EXPECT_EQ(num_finished, 0u);
  EXPECT_GT(num_tried, 100u);
}

}  // namespace
}  // namespace tandem::link
