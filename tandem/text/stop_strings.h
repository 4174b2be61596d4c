// Finds stop strings in streamed text, also across token boundaries. Called by `api` between
// Detokenizer and client.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::text {

/// Holds back the shortest tail that may yet become a stop string; the stop string itself is not
/// given out unless asked.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops, bool include_in_output = false);
  struct Output {
    std::string text;      ///< what may go out now
    bool stopped = false;  ///< the earliest-ending stop string was reached; nothing comes after
    std::string matched;   ///< which one
  };
  /// Linear in the text pushed times the number of stops, whatever they are; no memory beyond the
  /// longest stop. Nothing may be pushed once stopped.
  Output push(std::string_view text);
  /// The held-back tail, when the sequence ends for another reason.
  std::string finish();

 private:
  /// One stop string, matched byte by byte (Knuth, Morris and Pratt 1977).
  struct Matcher {
    std::string stop;
    std::vector<std::size_t> fallback;  ///< by matched bytes: the longest shorter beginning of
                                        ///< `stop` that ends there too
    std::size_t matched = 0;            ///< how much of `stop` the text ends with
  };
  static Matcher make_matcher(std::string stop);
  static bool advance(Matcher& matcher, char byte);

  std::vector<Matcher> matchers_;
  bool include_ = false;
  std::string held_;
};

}  // namespace tandem::text
