#include "tandem/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tandem/base/log.h"
#include "tandem/base/strings.h"

namespace tandem {

std::string draw_bar(std::uint64_t done_bytes, std::uint64_t total_bytes, int width) {
  const double share = total_bytes == 0 ? 1 : std::min(1.0, static_cast<double>(done_bytes) / static_cast<double>(total_bytes));
  const auto filled = static_cast<std::size_t>(share * width);
  std::string bar(filled, '=');
  if (filled < static_cast<std::size_t>(width)) bar += '>';
  bar.resize(static_cast<std::size_t>(width), ' ');
  return format("[%s] %.0f %% of %s", bar.c_str(), share * 100, format_bytes(total_bytes).c_str());
}

Progress::Progress(std::string title) : title_(std::move(title)), is_terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (is_drawn_) std::fprintf(stderr, "\r\033[K");
}

void Progress::update(std::uint64_t done_bytes, std::uint64_t total_bytes) {
  if (is_terminal_) {
    std::fprintf(stderr, "\r%s %s\033[K", title_.c_str(), draw_bar(done_bytes, total_bytes, 40).c_str());
    is_drawn_ = true;
    return;
  }
  const int tenth = total_bytes == 0 ? 10 : static_cast<int>(10 * done_bytes / total_bytes);
  if (tenth <= last_tenth_) return;
  last_tenth_ = tenth;
  log::info("{}: {} % of {}", title_, tenth * 10, format_bytes(total_bytes));
}

}  // namespace tandem
