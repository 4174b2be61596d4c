// A group of one rank: nothing to send, nothing to wait for.
#include "tandem/base/error.h"
#include "tandem/comm/comm.h"

namespace tandem::comm {
namespace {

class SingleComm final : public Comm {
 public:
  std::string_view transport() const override { return "none"; }
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<Work> send(const at::Tensor&, int, std::uint32_t) override { refuse(); }
  std::unique_ptr<Work> receive(at::Tensor&, int, std::uint32_t) override { refuse(); }
  void all_reduce(at::Tensor&, std::uint32_t) override {}
  void abandon() override {}

 private:
  [[noreturn]] static void refuse() {
    throw Error(Code::kInternal, "comm: a group of one rank has no peer");
  }
};

}  // namespace

std::unique_ptr<Comm> make_single() { return std::make_unique<SingleComm>(); }

}  // namespace tandem::comm
