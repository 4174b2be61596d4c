// Reads a JSON part of a file as events, without holding it in memory: a safetensors header may be 100 MB of
// whatever its writer chose. Called by the safetensors reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/base/json.h"
#include "tandem/checkpoint/model_folder.h"

namespace tandem::checkpoint {

/// What stands between two structural characters: receives events in file order. The base refuses whatever a
/// derived class does not expect; `depth` is 0 outside every object.
class JsonEvents : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool string(string_t&) override { return unexpected("a string"); }
  bool binary(binary_t&) override { return unexpected("bytes"); }
  bool start_array(std::size_t) override { return unexpected("a list"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override;

 protected:
  explicit JsonEvents(std::string where) : where_(std::move(where)) {}
  /// Throws Error{kCorrupt, "<where>: …"}.
  [[noreturn]] void refuse(const std::string& why) const;
  [[noreturn]] bool unexpected(std::string_view what) const;

  std::string where_;
};

/// Sends the events of bytes [offset, offset + size) of `file`; throws Error{kCorrupt} on bad JSON, on a
/// token longer than 4 MiB, and whatever the events throw. Holds one buffer of 64 KiB and the token being
/// read.
void read_json_events(const OpenFile& file, std::uint64_t offset, std::uint64_t size, JsonEvents& events);

}  // namespace tandem::checkpoint
