// Throughput of one link over loopback, sealing included: `tandem_link_bench [MIB_PER_FRAME]`. Weights move in such frames.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <thread>

#include "tandem/base/clock.h"
#include "tandem/base/hash.h"
#include "tandem/link/link.h"
#include "tandem/link/secret.h"

namespace tandem::link {
namespace {

constexpr std::size_t kTotalBytes = std::size_t{1} << 30;
constexpr int kRounds = 5, kPings = 5000;

std::size_t any_size(std::uint8_t) { return std::size_t{256} << 20; }

double measure_bandwidth(Link& from, Link& to, std::size_t frame_bytes) {
  const std::size_t num_frames = kTotalBytes / frame_bytes;
  const auto start = std::chrono::steady_clock::now();
  std::thread sender([&] {
    Bytes payload(frame_bytes);
    random_bytes(payload);
    for (std::size_t i = 0; i < num_frames; ++i) from.send(1, payload);
  });
  Frame frame;
  for (std::size_t i = 0; i < num_frames; ++i) to.receive(frame, std::chrono::steady_clock::time_point::max());
  const double seconds = to_seconds(std::chrono::steady_clock::now() - start);
  sender.join();
  return static_cast<double>(num_frames * frame_bytes) / seconds / 1e6;
}

double measure_round_trip_us(Link& a, Link& b) {
  const auto forever = std::chrono::steady_clock::time_point::max();
  std::thread echo([&] {
    for (int i = 0; i < kPings; ++i) b.send(1, b.receive(forever)->payload);
  });
  const Bytes payload(200);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kPings; ++i) {
    a.send(1, payload);
    a.receive(forever);
  }
  const double seconds = to_seconds(std::chrono::steady_clock::now() - start);
  echo.join();
  return seconds / kPings * 1e6;
}

/// Processor time of all threads so far: on a busy machine it says more than the clock.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void run(std::size_t frame_bytes) {
  const Secret secret = make_secret();
  ListenOptions listen;
  listen.frame_limit = any_size;
  Listener listener("127.0.0.1", 0, secret, this_identity(Role::kHead), listen);
  ConnectOptions options;
  options.frame_limit = any_size;
  Link from = connect("127.0.0.1", listener.port(), secret, this_identity(Role::kWeights), options);
  Link to = *listener.accept(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  std::vector<double> rates;
  const double cpu_before = cpu_seconds();
  for (int i = 0; i < kRounds; ++i) rates.push_back(measure_bandwidth(from, to, frame_bytes));
  const double cpu_s_per_gb = (cpu_seconds() - cpu_before) / (kRounds * kTotalBytes / 1e9);
  std::sort(rates.begin(), rates.end());
  std::printf("link over loopback, AES-256-GCM, frames of %zu KiB: median of %d: %.0f MB/s (%.0f to %.0f), "
              "%.2f cpu s/GB for both ends; round trip of 200 B: %.0f us\n",
              frame_bytes >> 10, kRounds, rates[kRounds / 2], rates.front(), rates.back(),
              cpu_s_per_gb, measure_round_trip_us(from, to));
}

}  // namespace
}  // namespace tandem::link

int main(int argc, char** argv) {
  const std::size_t mib = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 4;
  try {
    tandem::link::run(std::clamp<std::size_t>(mib, 1, 256) << 20);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
