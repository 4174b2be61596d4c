// The head's side of `tandem doctor HOST`: echoes, filler bytes for a measurement, and plain connections each way. Bounded in
// number, size and time; touches nothing else of the cluster.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tandem/link/link.h"

namespace tandem::cluster {

/// Answers one doctor until it leaves, for at most a minute. `address`: where this machine's ranks listen; "": the local end
/// of the link. Throws Error as Link::receive does; kCorrupt on a frame that is not a doctor's.
void answer_doctor(link::Link& link, const std::string& address);

/// Visits in progress, each on a thread of its own, at most four.
class DoctorService {
 public:
  explicit DoctorService(std::string address) : address_(std::move(address)) {}
  /// Ends every visit.
  ~DoctorService();
  /// Returns at once; refuses the visit when four are here. Safe from any thread.
  void serve(link::Link link);

 private:
  struct Visit {
    explicit Visit(link::Link l) : link(std::move(l)) {}
    link::Link link;
    std::atomic<bool> has_ended = false;
    std::thread thread;
  };
  void forget_ended();

  const std::string address_;
  std::mutex mutex_;
  std::list<Visit> visits_;   // guarded by mutex_
};

}  // namespace tandem::cluster
