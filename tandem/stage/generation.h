// One generation on this rank: its mesh, and the plans on their way through it.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "tandem/comm/comm.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

/// A plan, with the receive of its rows posted: its input may arrive while earlier plans are
/// computed.
struct PendingPlan {
  step::StepPlan plan;
  at::Tensor
      hidden;  ///< f32 [T, H] on the host, filled by `receiving`; undefined on the first rank
  std::unique_ptr<comm::Work> receiving;  ///< null on the first rank and for a plan without rows
};

/// The tag of the rows that travel between two neighbours for a plan.
std::uint32_t tag_of(std::uint64_t plan_number);

/// Plans are taken on the reader thread, computed on the main thread.
class Generation {
 public:
  Generation(std::uint64_t id, std::unique_ptr<comm::Comm> comm)
      : id_(id), comm_(std::move(comm)) {}

  std::uint64_t id() const { return id_; }
  comm::Comm& comm() { return *comm_; }
  bool is_first() const { return comm_->rank() == 0; }
  bool is_last() const { return comm_->rank() + 1 == comm_->size(); }

  /// Main thread: KV is there, plans may come. `hidden_size`: H.
  void begin(std::int64_t hidden_size) { hidden_size_ = hidden_size; }
  /// Reader thread: checks that the plan is the next one and posts its receive. Throws Error.
  PendingPlan take(step::StepPlan plan);
  /// Any thread: whoever waits in the mesh gets Error{kCancelled}; plans still pending are to be
  /// dropped.
  void end();
  bool is_over() const { return is_over_; }

 private:
  const std::uint64_t id_;
  const std::unique_ptr<comm::Comm> comm_;
  std::atomic<std::int64_t> hidden_size_{0};  // 0: not begun
  std::uint64_t next_number_ = 0;             // reader thread
  std::atomic<bool> is_over_{false};
};

}  // namespace tandem::stage
