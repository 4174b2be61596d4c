#include "tandem/cluster/doctor_visit.h"

#include <algorithm>
#include <thread>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/link/data_port.h"

namespace tandem::cluster {
namespace {

using link::Message;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock;

// An answer may wait behind a second of filler on a slow network.
constexpr seconds kAnswerTime{10}, kMeetingTime{4};

std::uint8_t type_of(Message message) { return static_cast<std::uint8_t>(message); }

std::string make_token() {
  std::uint8_t bytes[16];
  random_bytes(bytes);
  return to_hex(bytes);
}

double mb_s(std::uint64_t bytes, SteadyTime::duration elapsed) {
  return static_cast<double>(bytes) / 1e6 / std::max(1e-9, to_seconds(elapsed));
}

}  // namespace

Bytes DoctorVisit::expect(Message type, SteadyTime::time_point deadline) {
  auto frame = link_.receive(deadline);
  if (!frame) throw Error(Code::kDeadlineExceeded, head().name + " did not answer the doctor in time");
  if (frame->type == type_of(Message::kRefused)) {
    throw Error(Code::kUnavailable, head().name + " refuses: " + link::decode_message<link::Refused>(frame->payload).reason);
  }
  if (frame->type != type_of(type)) {
    throw Error(Code::kCorrupt, head().name + " answered the doctor with frame type " + std::to_string(frame->type));
  }
  return std::move(frame->payload);
}

std::vector<double> DoctorVisit::round_trips_ms(int count) {
  const Bytes probe(64, 0x5a);
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto began = SteadyTime::now();
    link_.send(type_of(Message::kDoctorEcho), probe);
    expect(Message::kDoctorEcho, began + kAnswerTime);
    times.push_back(to_seconds(SteadyTime::now() - began) * 1e3);
  }
  std::sort(times.begin(), times.end());
  return times;
}

double DoctorVisit::send_rate_mb_s(milliseconds duration) {
  const Bytes filler(link::kDoctorBulkBytes, 0xa5);
  const auto began = SteadyTime::now();
  while (SteadyTime::now() < began + duration) link_.send(type_of(Message::kDoctorBulk), filler);
  link_.send(type_of(Message::kDoctorBulkEnd), encode_message(link::DoctorBulkEnd{}));
  const auto arrived = link::decode_message<link::DoctorBulkEnd>(expect(Message::kDoctorBulkEnd, SteadyTime::now() + kAnswerTime));
  return mb_s(arrived.bytes, SteadyTime::now() - began);
}

double DoctorVisit::receive_rate_mb_s(milliseconds duration) {
  link_.send(type_of(Message::kDoctorSend),
             encode_message(link::DoctorSend{.duration_ms = static_cast<std::int32_t>(duration.count())}));
  const auto began = SteadyTime::now();
  std::uint64_t bytes = 0;
  link::Frame frame;
  while (link_.receive(frame, SteadyTime::now() + kAnswerTime)) {
    if (frame.type == type_of(Message::kDoctorBulkEnd)) return mb_s(bytes, SteadyTime::now() - began);
    if (frame.type != type_of(Message::kDoctorBulk)) break;
    bytes += frame.payload.size();
  }
  throw Error(Code::kDeadlineExceeded, head().name + " stopped sending in the midst of the measurement");
}

DoctorVisit::Meeting DoctorVisit::reach_head() {
  const std::string token = make_token();
  link_.send(type_of(Message::kDoctorListen), encode_message(link::DoctorMeeting{.address = "", .port = 0, .token = token, .failure = ""}));
  const auto there = link::decode_message<link::DoctorMeeting>(expect(Message::kDoctorListen, SteadyTime::now() + kAnswerTime));
  Meeting meeting{there.address, there.port, there.failure};
  if (there.failure.empty()) {
    meeting.failure = link::reach_data_port(there.address, there.port, token, SteadyTime::now() + kMeetingTime);
  }
  return meeting;
}

DoctorVisit::Meeting DoctorVisit::be_reached(const std::string& address) {
  const std::string token = make_token();
  link::DataPort port(address);
  Meeting meeting{address, port.port(), ""};
  std::thread listener([&] { port.meet(token, SteadyTime::now() + kMeetingTime + seconds(1)); });
  try {
    link_.send(type_of(Message::kDoctorReach),
               encode_message(link::DoctorMeeting{.address = address, .port = port.port(), .token = token, .failure = ""}));
    meeting.failure = link::decode_message<link::DoctorReached>(expect(Message::kDoctorReached, SteadyTime::now() + kAnswerTime)).failure;
  } catch (const Error& e) {
    meeting.failure = e.what();
  }
  listener.join();
  return meeting;
}

}  // namespace tandem::cluster
