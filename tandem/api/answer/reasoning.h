// Splits an answer's leading <think>…</think> from what follows it, as text streams through.
#pragma once

#include <string>
#include <string_view>

namespace tandem::api {

class ReasoningSplitter {
 public:
  enum class Mode {
    kOff,       ///< all is content
    kMayBegin,  ///< reasoning if the text begins with <think>
    kInside,    ///< the prompt has opened it
  };
  struct Split {
    std::string content, reasoning;
  };

  explicit ReasoningSplitter(Mode mode);
  /// What `text` settles. White space around the tags belongs to neither side; the joined parts do
  /// not depend on how the text was cut.
  Split push(std::string_view text);
  /// What was held back.
  Split finish();
  /// Whether what comes next is reasoning, as far as known.
  bool is_inside() const { return state_ == State::kInside; }

 private:
  enum class State { kStart, kInside, kAfter, kContent };
  void begin(Split& out);
  void inside(Split& out);
  void after(Split& out);

  State state_;
  std::string held_;            ///< not decided yet
  bool trim_reasoning_ = true;  ///< still at white space after <think>
};

}  // namespace tandem::api
