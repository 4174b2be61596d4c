#include "tandem/http/sse_parser.h"

#include <utility>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {
constexpr std::size_t kMaxEventBytes = 16 << 20;
}  // namespace

void SseParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (line_.size() + data_.size() > kMaxEventBytes) {
      throw Error(Code::kCorrupt, "event stream: an event is longer than 16 MiB");
    }
    if (end == std::string_view::npos) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line();
  }
}

void SseParser::end_line() {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) {
    const std::string data = std::exchange(data_, {});
    if (std::exchange(has_data_, false)) on_data_(data);
    return;
  }
  std::string_view value = line;
  if (!value.starts_with("data") || (value.size() > 4 && value[4] != ':')) return;
  value.remove_prefix(value.size() > 4 ? 5 : 4);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace tandem::http
