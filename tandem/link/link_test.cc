#include "tandem/link/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tandem/base/error.h"
#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Link, carries_frames_both_ways_over_tcp) {
  LinkPair pair = make_pair("127.0.0.1");
  pair.connecting.send(7, text_bytes("plan"));
  pair.accepting.send(8, text_bytes("result"));
  const Frame plan = receive_soon(pair.accepting), result = receive_soon(pair.connecting);
  EXPECT_EQ(plan.type, 7);
  EXPECT_EQ(plan.payload, text_bytes("plan"));
  EXPECT_EQ(result.type, 8);
  EXPECT_EQ(result.payload, text_bytes("result"));
}

TEST(Link, says_who_the_peer_is) {
  LinkPair pair = make_pair("127.0.0.1");
  EXPECT_EQ(pair.connecting.peer().role, Role::kHead);
  EXPECT_EQ(pair.accepting.peer().role, Role::kAgent);
  EXPECT_EQ(pair.accepting.peer().tandem_version, this_identity(Role::kAgent).tandem_version);
  EXPECT_EQ(pair.accepting.peer_address(), "127.0.0.1");
  EXPECT_EQ(pair.connecting.local_address(), "127.0.0.1");
}

TEST(Link, receive_returns_nothing_at_its_deadline_and_stays_usable) {
  LinkPair pair = make_pair("127.0.0.1");
  EXPECT_FALSE(pair.accepting.receive(now() + 20ms).has_value());
  pair.connecting.send(1, text_bytes("late"));
  EXPECT_EQ(receive_soon(pair.accepting).payload, text_bytes("late"));
}

}  // namespace
}  // namespace tandem::link
