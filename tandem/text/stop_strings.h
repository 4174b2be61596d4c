// Finds stop strings in streamed text, also across token boundaries. Called by `api` between Detokenizer and client.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::text {

/// Holds back the shortest tail that may yet become a stop string; the stop string itself is not given out unless asked.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops, bool include_in_output = false);
  struct Output {
    std::string text;      ///< what may go out now
    bool stopped = false;  ///< the earliest-ending stop string was reached; nothing comes after
    std::string matched;   ///< which one
  };
  /// Linear in the text pushed times the number of stops in the worst case; O(1) memory beyond the longest stop.
  Output push(std::string_view text);
  /// The held-back tail, when the sequence ends for another reason.
  std::string finish();

 private:
  std::vector<std::string> stops_;
  bool include_ = false;
  std::size_t longest_ = 0;
  std::string held_;
};

}  // namespace tandem::text
