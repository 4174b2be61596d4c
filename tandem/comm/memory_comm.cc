// Ranks as threads of one process, for tests: a message is copied once both its send and its
// receive are posted.
#include <ATen/ATen.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <tuple>

#include "tandem/base/error.h"
#include "tandem/comm/all_reduce.h"
#include "tandem/comm/comm.h"

namespace tandem::comm {
namespace {

/// One end of a message, shared by its Work and the switchboard.
struct Posting {
  at::Tensor tensor;
  enum class State { kWaiting, kDone, kSizeDiffers } state = State::kWaiting;
};

/// Where the ranks of one group meet.
class Switchboard {
 public:
  using Route = std::tuple<int, int, std::uint32_t>;  // from, to, tag

  std::shared_ptr<Posting> post_send(const Route& route, const at::Tensor& tensor) {
    return post(sends_, receives_, route, tensor, /*is_send=*/true);
  }
  std::shared_ptr<Posting> post_receive(const Route& route, const at::Tensor& tensor) {
    return post(receives_, sends_, route, tensor, /*is_send=*/false);
  }
  /// `own` and `peer`: who must not have left.
  void wait(const Posting& posting, int own, int peer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return posting.state != Posting::State::kWaiting || left_[own] || left_[peer];
    });
    if (posting.state == Posting::State::kDone) return;
    if (posting.state == Posting::State::kSizeDiffers) {
      throw Error(Code::kInternal, "comm: a message of another size than its receive");
    }
    refuse_left(own, peer);
  }
  void check(int own, int peer) {
    std::lock_guard lock(mutex_);
    if (left_[own] || left_[peer]) refuse_left(own, peer);
  }
  void leave(int rank) {
    std::lock_guard lock(mutex_);
    left_[rank] = true;
    changed_.notify_all();
  }

 private:
  using Postings = std::map<Route, std::deque<std::shared_ptr<Posting>>>;

  [[noreturn]] void refuse_left(int own, int peer) {
    if (left_[own]) throw Error(Code::kCancelled, "the generation has ended");
    throw Error(Code::kUnavailable, "rank " + std::to_string(peer) + " lost: it has left");
  }

  std::shared_ptr<Posting> post(Postings& mine, Postings& theirs, const Route& route,
                                const at::Tensor& tensor, bool is_send) {
    std::lock_guard lock(mutex_);
    auto posting = std::make_shared<Posting>(Posting{tensor, Posting::State::kWaiting});
    auto& waiting = theirs[route];
    if (waiting.empty()) {
      mine[route].push_back(posting);
      return posting;
    }
    const std::shared_ptr<Posting> other = waiting.front();
    waiting.pop_front();
    Posting& from = is_send ? *posting : *other;
    Posting& to = is_send ? *other : *posting;
    const bool fits = from.tensor.nbytes() == to.tensor.nbytes();
    if (fits)
      std::memcpy(to.tensor.mutable_data_ptr(), from.tensor.const_data_ptr(), from.tensor.nbytes());
    posting->state = other->state = fits ? Posting::State::kDone : Posting::State::kSizeDiffers;
    changed_.notify_all();
    return posting;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Postings sends_, receives_;  // not yet matched
  std::map<int, bool> left_;
};

class MemoryWork final : public Work {
 public:
  MemoryWork(std::shared_ptr<Switchboard> board, std::shared_ptr<Posting> posting, int own,
             int peer)
      : board_(std::move(board)), posting_(std::move(posting)), own_(own), peer_(peer) {}
  void wait() override { board_->wait(*posting_, own_, peer_); }

 private:
  const std::shared_ptr<Switchboard> board_;
  const std::shared_ptr<Posting> posting_;
  const int own_, peer_;
};

class MemoryComm final : public Comm {
 public:
  MemoryComm(std::shared_ptr<Switchboard> board, int rank, int size)
      : board_(std::move(board)), rank_(rank), size_(size) {}
  ~MemoryComm() override { board_->leave(rank_); }

  std::string_view transport() const override { return "memory"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::unique_ptr<Work> send(const at::Tensor& tensor, int to, std::uint32_t tag) override {
    board_->check(rank_, to);
    return std::make_unique<MemoryWork>(board_, board_->post_send({rank_, to, tag}, tensor), rank_,
                                        to);
  }
  std::unique_ptr<Work> receive(at::Tensor& tensor, int from, std::uint32_t tag) override {
    board_->check(rank_, from);
    return std::make_unique<MemoryWork>(board_, board_->post_receive({from, rank_, tag}, tensor),
                                        rank_, from);
  }
  void all_reduce(at::Tensor& tensor, std::uint32_t tag) override {
    all_reduce_by_exchange(*this, tensor, tag);
  }
  void abandon() override { board_->leave(rank_); }

 private:
  const std::shared_ptr<Switchboard> board_;
  const int rank_, size_;
};

}  // namespace

std::vector<std::unique_ptr<Comm>> make_in_memory(int size) {
  const auto board = std::make_shared<Switchboard>();
  std::vector<std::unique_ptr<Comm>> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.push_back(std::make_unique<MemoryComm>(board, rank, size));
  return ranks;
}

}  // namespace tandem::comm
