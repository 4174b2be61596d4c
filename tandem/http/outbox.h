// What of answers waits for the socket to take it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace tandem::http {

class Outbox {
 public:
  /// Memory that is kept when everything is sent; more is given back, since thousands of streams idle most of the time.
  static constexpr std::size_t kKeptBytes = 4 << 10;

  void append(std::string_view bytes) { bytes_ += bytes; }
  /// Takes a large body over instead of copying it when nothing waits.
  void append(std::string&& bytes) {
    if (bytes_.empty() && bytes.size() > kKeptBytes) {
      bytes_ = std::move(bytes);
    } else {
      bytes_ += bytes;
    }
  }
  /// For framing in place: only to be appended to.
  std::string& tail() { return bytes_; }

  std::string_view pending() const { return std::string_view(bytes_).substr(num_sent_); }
  bool empty() const { return num_sent_ == bytes_.size(); }

  /// The first `count` bytes of pending() are sent.
  void consume(std::size_t count) {
    num_sent_ += count;
    if (!empty()) return;
    bytes_.clear();
    num_sent_ = 0;
    if (bytes_.capacity() > kKeptBytes) bytes_.shrink_to_fit();
  }

 private:
  std::string bytes_;
  std::size_t num_sent_ = 0;
};

}  // namespace tandem::http
