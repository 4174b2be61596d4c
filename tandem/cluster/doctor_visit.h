// The visiting side of `tandem doctor HOST`: what one machine can measure over a link to a running head.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

/// Every call throws Error{kUnavailable} when the link breaks or the head refuses, Error{kDeadlineExceeded} when it does not
/// answer.
class DoctorVisit {
 public:
  /// `link`: connected with Role::kDoctor.
  explicit DoctorVisit(link::Link link) : link_(std::move(link)) {}

  const link::Identity& head() const { return link_.peer(); }
  std::string local_address() const { return link_.local_address(); }
  std::string head_address() const { return link_.peer_address(); }

  /// Milliseconds of `count` echoes of 64 bytes, one after the other, in ascending order.
  std::vector<double> round_trips_ms(int count);
  /// MB/s (10^6) of sealed frames to the head, and from it, for about `duration` (at most 2 s).
  double send_rate_mb_s(std::chrono::milliseconds duration);
  double receive_rate_mb_s(std::chrono::milliseconds duration);

  struct Meeting {
    std::string address;       ///< of who listened
    std::uint16_t port = 0;    ///< ephemeral; 0 when nobody could listen
    std::string failure;       ///< "" when the connection stood
  };
  /// A plain connection from here to a free port on the head.
  Meeting reach_head();
  /// A plain connection from the head to a free port here, on `address`.
  Meeting be_reached(const std::string& address);

 private:
  Bytes expect(link::Message type, std::chrono::steady_clock::time_point deadline);

  link::Link link_;
};

}  // namespace tandem::cluster
