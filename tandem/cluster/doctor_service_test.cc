#include "tandem/cluster/doctor_service.h"

#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "tandem/base/error.h"
#include "tandem/cluster/doctor_visit.h"

namespace tandem::cluster {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock;

// A head that only doctors visit.
class DoctorServiceTest : public ::testing::Test {
 protected:
  const link::Secret secret_{Bytes(16, 7)};
  link::Listener listener_{"127.0.0.1", 0, secret_, link::this_identity(link::Role::kHead), {.frame_limit = link::max_payload_bytes}};
  DoctorService service_{""};

  link::Link visit() {
    auto accepted = std::async(std::launch::async, [&] { return listener_.accept(SteadyTime::now() + std::chrono::seconds(20)); });
    link::Link link = link::connect("127.0.0.1", listener_.port(), secret_, link::this_identity(link::Role::kDoctor),
                                    {.frame_limit = link::max_payload_bytes});
    service_.serve(std::move(accepted.get().value()));
    return link;
  }
};

TEST_F(DoctorServiceTest, measures_round_trips_and_both_directions) {
  DoctorVisit doctor(visit());
  const auto times = doctor.round_trips_ms(5);
  ASSERT_EQ(times.size(), 5u);
  EXPECT_GT(times.front(), 0);
  EXPECT_GE(times.back(), times.front());
  EXPECT_GT(doctor.send_rate_mb_s(milliseconds(50)), 0);
  EXPECT_GT(doctor.receive_rate_mb_s(milliseconds(50)), 0);
  EXPECT_EQ(doctor.round_trips_ms(1).size(), 1u) << "the link is in step after the filler";
}

TEST_F(DoctorServiceTest, plain_connections_stand_each_way) {
  DoctorVisit doctor(visit());
  const auto there = doctor.reach_head();
  EXPECT_EQ(there.failure, "");
  EXPECT_EQ(there.address, "127.0.0.1");
  EXPECT_GT(there.port, 0);
  EXPECT_EQ(doctor.be_reached("127.0.0.1").failure, "");
}

TEST_F(DoctorServiceTest, says_why_the_head_cannot_listen_or_connect) {
  link::Link link = visit();
  const auto type = [](link::Message message) { return static_cast<std::uint8_t>(message); };
  const auto soon = SteadyTime::now() + std::chrono::seconds(20);
  link.send(type(link::Message::kDoctorListen), encode_message(link::DoctorMeeting{.address = "192.0.2.1", .port = 0, .token = "t", .failure = ""}));
  EXPECT_NE(link::decode_message<link::DoctorMeeting>(link.receive(soon)->payload).failure.find("192.0.2.1"), std::string::npos);
  link.send(type(link::Message::kDoctorReach), encode_message(link::DoctorMeeting{.address = "127.0.0.1", .port = 1, .token = "t", .failure = ""}));
  EXPECT_NE(link::decode_message<link::DoctorReached>(link.receive(soon)->payload).failure, "");
}

TEST_F(DoctorServiceTest, a_frame_that_is_not_a_doctors_ends_the_visit) {
  link::Link link = visit();
  link.send(static_cast<std::uint8_t>(link::Message::kAgentHello), Bytes{});
  EXPECT_THROW(link.receive(SteadyTime::now() + std::chrono::seconds(20)), Error);
}

TEST_F(DoctorServiceTest, a_fifth_doctor_waits_outside_until_one_leaves) {
  std::vector<DoctorVisit> inside;
  for (int i = 0; i < 4; ++i) inside.emplace_back(visit());
  for (auto& doctor : inside) doctor.round_trips_ms(1);
  EXPECT_THROW(DoctorVisit(visit()).round_trips_ms(1), Error);
  inside.pop_back();
  const auto deadline = SteadyTime::now() + std::chrono::seconds(20);
  bool is_inside = false;
  while (!is_inside && SteadyTime::now() < deadline) {
    try {
      is_inside = DoctorVisit(visit()).round_trips_ms(1).size() == 1;
    } catch (const Error&) {
      // The head has not seen the other one leave yet.
    }
  }
  EXPECT_TRUE(is_inside);
}

}  // namespace
}  // namespace tandem::cluster
