// c10d's ProcessGroupGloo, point to point, over a mesh that only the generation's ranks can join.
// The only file that sees Gloo.
#include <ATen/ATen.h>

#include <cstring>
#include <mutex>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <unordered_set>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/comm/all_reduce.h"
#include "tandem/comm/comm.h"
#include "tandem/comm/link_store.h"
#include "tandem/comm/mesh_forming.h"
#include "tandem/comm/mesh_gate.h"

namespace tandem::comm {
namespace {

using std::chrono::milliseconds;

/// Gloo's timeout is never the detector: when it strikes, the whole context is dead.
constexpr milliseconds kOperationTimeout = std::chrono::minutes(15);
/// Gloo waits five times this for a connection; ours stand before it asks.
constexpr milliseconds kConnectTimeout{1000};
constexpr milliseconds kProofTimeout{5000};

/// The operations under way, so that `abandon` can wake whoever waits for one.
class PendingWorks {
 public:
  void add(c10d::Work* work) {
    std::lock_guard lock(mutex_);
    works_.insert(work);
    if (is_abandoned_) work->abort();
  }
  void remove(c10d::Work* work) {
    std::lock_guard lock(mutex_);
    works_.erase(work);
  }
  void abandon() {
    std::lock_guard lock(mutex_);
    is_abandoned_ = true;
    for (c10d::Work* work : works_) work->abort();
  }
  bool is_abandoned() const {
    std::lock_guard lock(mutex_);
    return is_abandoned_;
  }

 private:
  mutable std::mutex mutex_;
  bool is_abandoned_ = false;
  std::unordered_set<c10d::Work*> works_;
};

/// Gloo's message without the place in its source before and the advice after.
std::string brief(std::string_view message) {
  if (message.starts_with('[')) {
    const std::size_t end = message.find("] ");
    if (end != message.npos) message.remove_prefix(end + 2);
  }
  return std::string(message.substr(0, message.find(". This is typically")));
}

[[noreturn]] void fail(const PendingWorks& pending, const std::string& peer,
                       std::string_view reason) {
  if (pending.is_abandoned()) throw Error(Code::kCancelled, "the generation has ended");
  throw Error(Code::kUnavailable, peer + " lost: " + brief(reason));
}

class GlooWork final : public Work {
 public:
  GlooWork(c10::intrusive_ptr<c10d::Work> work, std::shared_ptr<PendingWorks> pending,
           std::string peer, milliseconds timeout)
      : work_(std::move(work)), pending_(std::move(pending)), peer_(std::move(peer)), timeout_(timeout) {
    pending_->add(work_.get());
  }
  ~GlooWork() override { pending_->remove(work_.get()); }

  void wait() override {
    bool is_done = false;
    try {
      // Named in each wait: without it Gloo's transport takes the time that the mesh had to connect,
      // which setTimeout on the group does not change.
      is_done = work_->wait(timeout_);
    } catch (const std::exception& e) {
      fail(*pending_, peer_, e.what());
    }
    if (!is_done) fail(*pending_, peer_, "aborted");
  }

 private:
  const c10::intrusive_ptr<c10d::Work> work_;
  const std::shared_ptr<PendingWorks> pending_;
  const std::string peer_;
  const milliseconds timeout_;
};

class GlooComm final : public Comm {
 public:
  GlooComm(std::unique_ptr<MeshGate> gate, c10::intrusive_ptr<c10d::ProcessGroupGloo> group,
           std::vector<std::string> peers)
      : gate_(std::move(gate)), group_(std::move(group)), peers_(std::move(peers)) {}
  ~GlooComm() override {
    // The group closes its sockets, then the gate its second handles of them: only then do peers
    // read the end.
    group_.reset();
  }

  std::string_view transport() const override { return gloo_transport(); }
  int rank() const override { return group_->getRank(); }
  int size() const override { return group_->getSize(); }

  std::unique_ptr<Work> send(const at::Tensor& tensor, int to, std::uint32_t tag) override {
    return start(to, [&] {
      std::vector<at::Tensor> tensors{tensor};
      return group_->send(tensors, to, static_cast<int>(tag));
    });
  }
  std::unique_ptr<Work> receive(at::Tensor& tensor, int from, std::uint32_t tag) override {
    return start(from, [&] {
      std::vector<at::Tensor> tensors{tensor};
      return group_->recv(tensors, from, static_cast<int>(tag));
    });
  }
  void all_reduce(at::Tensor& tensor, std::uint32_t tag) override {
    all_reduce_by_exchange(*this, tensor, tag);
  }
  void abandon() override {
    // Both: closed sockets fail what waits for the peer, but not a send that Gloo has half written,
    // which abort wakes.
    pending_->abandon();
    gate_->shut_down();
  }
  void set_timeout(milliseconds timeout) { timeout_ = timeout; }

 private:
  template <typename Operation>
  std::unique_ptr<Work> start(int peer, const Operation& operation) {
    const std::string& name = peers_.at(static_cast<std::size_t>(peer));
    if (pending_->is_abandoned()) fail(*pending_, name, "");
    try {
      std::lock_guard lock(mutex_);  // c10d counts operations without one
      return std::make_unique<GlooWork>(operation(), pending_, name, timeout_);
    } catch (const std::exception& e) {
      fail(*pending_, name, e.what());
    }
  }

  const std::unique_ptr<MeshGate> gate_;
  std::mutex mutex_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  const std::vector<std::string> peers_;
  milliseconds timeout_ = kProofTimeout;
  const std::shared_ptr<PendingWorks> pending_ = std::make_shared<PendingWorks>();
};

/// Every pair sends its proof each way: Gloo has matched each connection with the rank we think it
/// is.
void prove_pairs(GlooComm& comm, const MeshForming& forming, const std::vector<RankHello>& hellos) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Digest));
  std::vector<at::Tensor> received(hellos.size());
  std::vector<std::unique_ptr<Work>> receiving(hellos.size()), sending;
  for (int peer = 0; peer < comm.size(); ++peer) {
    if (peer == comm.rank()) continue;
    const auto at = static_cast<std::size_t>(peer);
    received[at] = at::zeros({kBytes}, at::kByte);
    receiving[at] = comm.receive(received[at], peer, 0);
    const Digest proof = forming.proof(hellos, comm.rank(), peer);
    at::Tensor sent = at::empty({kBytes}, at::kByte);
    std::memcpy(sent.mutable_data_ptr(), proof.data(), proof.size());
    sending.push_back(comm.send(sent, peer, 0));
  }
  for (int peer = 0; peer < comm.size(); ++peer) {
    if (peer == comm.rank()) continue;
    const auto at = static_cast<std::size_t>(peer);
    receiving[at]->wait();
    const std::span<const std::uint8_t> bytes(received[at].const_data_ptr<std::uint8_t>(),
                                              sizeof(Digest));
    if (!equal_in_constant_time(bytes, forming.proof(hellos, peer, comm.rank()))) {
      throw Error(Code::kUnavailable,
                  forming.describe(peer) + " did not prove itself on Gloo's connection");
    }
  }
  for (const auto& work : sending) work->wait();
}

std::unique_ptr<Comm> form(const std::shared_ptr<KeyValueStore>& store, const GlooOptions& options,
                           MeshForming& forming) {
  const auto deadline = std::chrono::steady_clock::now() + forming.time_left();
  auto gate = std::make_unique<MeshGate>(options.address, options.size);
  auto settings = c10d::ProcessGroupGloo::Options::create(kConnectTimeout);
  settings->threads = 1;  // for collectives, which we never run
  {
    MeshGate::Scope scope(*gate);
    settings->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(options.address)};
  }

  RankHello own{{options.address, gate->listen_port()}, {}, {}};
  for (int peer = 0; peer < options.size; ++peer)
    own.source_ports.push_back(gate->source_port(peer));
  random_bytes(own.nonce);
  const std::vector<RankHello> hellos = forming.exchange(own);
  if (MeshGate::is_supported()) forming.connect_pairs(*gate, hellos);

  const auto check = [&](int rank, const std::vector<std::uint8_t>& blob) {
    if (MeshGate::is_supported())
      check_gloo_blob(blob, options.size, hellos.at(static_cast<std::size_t>(rank)).listener);
  };
  const std::string prefix = "gloo/" + std::to_string(options.generation) + "/";
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
  {
    MeshGate::Scope scope(*gate);
    group = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<LinkStore>(store, prefix, deadline, check), options.rank, options.size,
        settings);
  }
  gate->seal();

  std::vector<std::string> peers;
  for (int rank = 0; rank < options.size; ++rank) peers.push_back(forming.describe(rank));
  auto comm = std::make_unique<GlooComm>(std::move(gate), std::move(group), std::move(peers));
  prove_pairs(*comm, forming, hellos);
  comm->set_timeout(kOperationTimeout);
  return comm;
}

}  // namespace

std::string_view gloo_transport() {
  // Gloo builds its tcp transport on Linux and its uv transport elsewhere, as the gate is built.
  return MeshGate::is_supported() ? "gloo-tcp" : "gloo-uv";
}

std::unique_ptr<Comm> make_gloo(std::shared_ptr<KeyValueStore> store, const GlooOptions& options) {
  if (options.size == 1) return make_single();
  MeshForming forming(
      *store,
      {options.rank, options.size, options.generation, options.peer_addresses, options.peer_names},
      std::chrono::steady_clock::now() + options.form_timeout);
  const std::string what = "generation " + std::to_string(options.generation) + ": ";
  try {
    return form(store, options, forming);
  } catch (const Error& e) {
    forming.report_failure(e.what());
    throw Error(e.code(), what + e.what());
  } catch (const std::exception& e) {
    forming.report_failure(e.what());
    throw Error(Code::kUnavailable,
                what + "Gloo could not form on " + options.address + ": " + e.what());
  }
}

}  // namespace tandem::comm
