#include "tandem/base/json.h"

#include "tandem/base/error.h"

namespace tandem {

Json parse_json(std::string_view text, std::string_view what, const JsonLimits& limits) {
  const std::string where(what);
  if (text.size() > limits.max_bytes) {
    throw Error(Code::kInvalidArgument, where + ": " + std::to_string(text.size()) + " bytes of JSON, at most " +
                                            std::to_string(limits.max_bytes) + " are read");
  }
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t event, Json&) {
      const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
      if (opens && depth >= limits.max_depth) {
        throw Error(Code::kInvalidArgument,
                    where + ": nested deeper than " + std::to_string(limits.max_depth) + " levels");
      }
      return true;
    });
  } catch (const Json::parse_error& e) {
    throw Error(Code::kInvalidArgument, where + ": not valid JSON at byte " + std::to_string(e.byte));
  } catch (const Json::exception& e) {
    throw Error(Code::kInvalidArgument, where + ": not valid JSON: " + e.what());
  }
}

std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace tandem
