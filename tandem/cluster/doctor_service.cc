#include "tandem/cluster/doctor_service.h"

#include <algorithm>
#include <chrono>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/link/data_port.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {
namespace {

using link::Message;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock;

constexpr std::size_t kMaxVisits = 4;
constexpr seconds kLongestVisit{60}, kMeetingTime{4};
constexpr milliseconds kLongestSending{2000};

std::uint8_t type_of(Message message) { return static_cast<std::uint8_t>(message); }

// Counts the doctor's filler from its first frame to its end.
struct Received {
  std::uint64_t bytes = 0;
  SteadyTime::time_point began;
};

void answer_bulk_end(link::Link& link, Received& received) {
  const double elapsed_s = received.bytes == 0 ? 0 : to_seconds(SteadyTime::now() - received.began);
  link.send(type_of(Message::kDoctorBulkEnd), encode_message(link::DoctorBulkEnd{.bytes = received.bytes, .seconds = elapsed_s}));
  received = {};
}

void send_bulk(link::Link& link, milliseconds duration) {
  const Bytes filler(link::kDoctorBulkBytes, 0xa5);
  const auto began = SteadyTime::now();
  const auto until = began + std::clamp(duration, milliseconds(0), kLongestSending);
  std::uint64_t bytes = 0;
  while (SteadyTime::now() < until) {
    link.send(type_of(Message::kDoctorBulk), filler);
    bytes += filler.size();
  }
  link.send(type_of(Message::kDoctorBulkEnd),
            encode_message(link::DoctorBulkEnd{.bytes = bytes, .seconds = to_seconds(SteadyTime::now() - began)}));
}

void listen_for(link::Link& link, link::DoctorMeeting meeting, const std::string& address) {
  if (meeting.address.empty()) meeting.address = address.empty() ? link.local_address() : address;
  const auto answer = [&] { link.send(type_of(Message::kDoctorListen), encode_message(meeting)); };
  try {
    link::DataPort port(meeting.address);
    meeting.port = port.port();
    answer();
    port.meet(meeting.token, SteadyTime::now() + kMeetingTime);
  } catch (const Error& e) {
    if (meeting.port != 0) throw;
    meeting.failure = e.what();
    answer();
  }
}

void reach(link::Link& link, const link::DoctorMeeting& meeting) {
  link::DoctorReached reached;
  try {
    reached.failure = link::reach_data_port(meeting.address, meeting.port, meeting.token, SteadyTime::now() + kMeetingTime);
  } catch (const Error& e) {
    reached.failure = e.what();
  }
  link.send(type_of(Message::kDoctorReached), encode_message(reached));
}

}  // namespace

void answer_doctor(link::Link& link, const std::string& address) {
  const auto deadline = SteadyTime::now() + kLongestVisit;
  Received received;
  while (const auto frame = link.receive(deadline)) {
    switch (static_cast<Message>(frame->type)) {
      case Message::kDoctorEcho: link.send(frame->type, frame->payload); break;
      case Message::kDoctorBulk:
        if (received.bytes == 0) received.began = SteadyTime::now();
        received.bytes += frame->payload.size();
        break;
      case Message::kDoctorBulkEnd: answer_bulk_end(link, received); break;
      case Message::kDoctorSend:
        send_bulk(link, milliseconds(link::decode_message<link::DoctorSend>(frame->payload).duration_ms));
        break;
      case Message::kDoctorListen: listen_for(link, link::decode_message<link::DoctorMeeting>(frame->payload), address); break;
      case Message::kDoctorReach: reach(link, link::decode_message<link::DoctorMeeting>(frame->payload)); break;
      default: throw Error(Code::kCorrupt, "a doctor sent frame type " + std::to_string(frame->type));
    }
    if (SteadyTime::now() >= deadline) return;
  }
}

DoctorService::~DoctorService() {
  for (Visit& visit : visits_) visit.link.close();
  for (Visit& visit : visits_) visit.thread.join();
}

void DoctorService::forget_ended() {
  visits_.remove_if([](Visit& visit) {
    if (!visit.has_ended) return false;
    visit.thread.join();
    return true;
  });
}

void DoctorService::serve(link::Link link) {
  std::lock_guard lock(mutex_);
  forget_ended();
  if (visits_.size() >= kMaxVisits) {
    link.send(type_of(Message::kRefused), encode_message(link::Refused{.reason = "the head is answering other doctors; try again"}));
    return;
  }
  Visit& visit = visits_.emplace_back(std::move(link));
  visit.thread = std::thread([this, &visit] {
    try {
      answer_doctor(visit.link, address_);
    } catch (const std::exception& e) {
      // A doctor that has seen enough closes its link, and so does a join that came to prove its secret.
      log::debug("a doctor at {} has left: {}", visit.link.peer_address(), e.what());
    }
    visit.link.close();
    visit.has_ended = true;
  });
}

}  // namespace tandem::cluster
