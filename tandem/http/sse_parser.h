// Server-sent events out of a byte stream (WHATWG HTML §9.2.6), as far as clients of OpenAI-shaped APIs need them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tandem::http {

/// Calls `on_data` with the data of each event, its lines joined by \n; comments and other fields are skipped.
class SseParser {
 public:
  explicit SseParser(std::function<void(std::string_view)> on_data) : on_data_(std::move(on_data)) {}

  /// Throws Error{kCorrupt} when one event grows beyond 16 MiB.
  void feed(std::string_view bytes);

 private:
  void end_line();

  std::function<void(std::string_view)> on_data_;
  std::string line_, data_;
  bool has_data_ = false;
  bool after_cr_ = false;  // a \n right behind belongs to the same line end
};

}  // namespace tandem::http
