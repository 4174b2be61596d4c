// Shows how far something long has come: a bar on a terminal, a log line at every tenth elsewhere.
#pragma once

#include <cstdint>
#include <string>

namespace tandem {

/// One thread. The bar is erased when it is complete or the object goes.
class Progress {
 public:
  explicit Progress(std::string title);
  ~Progress();
  void update(std::uint64_t done_bytes, std::uint64_t total_bytes);

 private:
  std::string title_;
  bool is_terminal_;
  bool is_drawn_ = false;
  int last_tenth_ = 0;
};

/// "[=====>    ] 52 % of 1.2 GiB", `width` characters between the brackets.
std::string draw_bar(std::uint64_t done_bytes, std::uint64_t total_bytes, int width);

}  // namespace tandem
