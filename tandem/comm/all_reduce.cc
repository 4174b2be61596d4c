#include "tandem/comm/all_reduce.h"

#include <ATen/ATen.h>

namespace tandem::comm {
namespace {

void add_from(Comm& comm, at::Tensor& tensor, int peer, std::uint32_t tag, bool sends) {
  at::Tensor theirs = at::empty_like(tensor);
  const auto receiving = comm.receive(theirs, peer, tag);
  // The exchanged tensor changes below, so the send must have left before.
  if (sends) comm.send(tensor, peer, tag)->wait();
  receiving->wait();
  tensor.add_(theirs);
}

}  // namespace

void all_reduce_by_exchange(Comm& comm, at::Tensor& tensor, std::uint32_t tag) {
  const int rank = comm.rank();
  int pairs = 1;  // the largest power of two ≤ size
  while (pairs * 2 <= comm.size()) pairs *= 2;
  if (rank >= pairs) {
    comm.send(tensor, rank - pairs, tag)->wait();
    comm.receive(tensor, rank - pairs, tag)->wait();
    return;
  }
  const bool has_extra = rank + pairs < comm.size();
  if (has_extra) add_from(comm, tensor, rank + pairs, tag, /*sends=*/false);
  for (int distance = 1; distance < pairs; distance *= 2) {
    add_from(comm, tensor, rank ^ distance, tag, /*sends=*/true);
  }
  if (has_extra) comm.send(tensor, rank + pairs, tag)->wait();
}

}  // namespace tandem::comm
