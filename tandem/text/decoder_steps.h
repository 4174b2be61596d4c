// The steps of a Decoder. Each passes text on to `next` as soon as no later token can change it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tandem/text/decoder.h"
#include "tandem/text/regex.h"

namespace tandem::text {

/// A step that passes everything on; others change a part of it.
class PassStep : public TokenSink {
 public:
  explicit PassStep(TokenSink& next) : next_(next) {}
  void text(std::string_view piece) override { next_.text(piece); }
  void end_token() override { next_.end_token(); }
  void finish() override { next_.finish(); }

 protected:
  TokenSink& next_;
};

/// Collects the pieces of a token for steps that must see it whole.
class WholeTokenStep : public PassStep {
 public:
  using PassStep::PassStep;
  void text(std::string_view piece) override { token_ += piece; }
  void end_token() override {
    token(token_);
    token_.clear();
  }

 protected:
  virtual void token(const std::string& token) = 0;
  void emit(std::string_view token) {
    next_.text(token);
    next_.end_token();
  }

 private:
  std::string token_;
};

/// Spaces between tokens.
class JoinStep : public PassStep {
 public:
  using PassStep::PassStep;
  void text(std::string_view piece) override;
  void end_token() override;

 private:
  void begin_token();
  bool first_ = true, inside_ = false;
};

/// All tokens become one.
class FuseStep : public PassStep {
 public:
  using PassStep::PassStep;
  void end_token() override {}
  void finish() override;
};

/// GPT-2's alphabet to bytes; incomplete UTF-8 waits, invalid becomes U+FFFD. All tokens become
/// one.
class ByteLevelStep : public WholeTokenStep {
 public:
  using WholeTokenStep::WholeTokenStep;
  void finish() override;

 protected:
  void token(const std::string& token) override;

 private:
  std::string held_;  ///< at most three bytes that begin a character
};

/// "<0x0A>" to bytes. A run of such tokens is text only if all of it is UTF-8, else one U+FFFD a
/// byte: it waits for its end.
class ByteFallbackStep : public WholeTokenStep {
 public:
  using WholeTokenStep::WholeTokenStep;
  void finish() override;

 protected:
  void token(const std::string& token) override;

 private:
  void take(char byte);
  void end_run();
  std::string run_;
  std::size_t checked_ = 0;  ///< bytes of run_ known to be whole characters
  bool broken_ = false;      ///< the run is not UTF-8, whatever follows
};

/// A string within tokens to another.
class ReplaceStringStep : public PassStep {
 public:
  ReplaceStringStep(TokenSink& next, std::string pattern, std::string content)
      : PassStep(next), pattern_(std::move(pattern)), content_(std::move(content)) {}
  void text(std::string_view piece) override;
  void end_token() override;

 private:
  std::string pattern_, content_;
  std::string held_;  ///< shorter than the pattern: the text that may yet become it
};

/// Matches within tokens to a string.
class ReplaceRegexStep : public WholeTokenStep {
 public:
  ReplaceRegexStep(TokenSink& next, std::shared_ptr<const Regex> pattern, std::string content)
      : WholeTokenStep(next), pattern_(std::move(pattern)), content_(std::move(content)) {}

 protected:
  void token(const std::string& token) override;

 private:
  std::shared_ptr<const Regex> pattern_;
  std::string content_;
};

/// At most `start` and `stop` times `content` at the ends of every token.
class StripStep : public PassStep {
 public:
  StripStep(TokenSink& next, std::string content, std::size_t start, std::size_t stop)
      : PassStep(next), content_(std::move(content)), start_(start), stop_(stop) {}
  void text(std::string_view piece) override;
  void end_token() override;

 private:
  std::string content_;
  std::size_t start_, stop_;
  std::size_t stripped_ = 0;  ///< of this token's beginning
  bool beginning_ = true;     ///< only `content` was seen of this token
  std::size_t held_ = 0;      ///< how many `content` at the end so far
};

/// The mark to a space; in the first token it goes, where encoding puts one there.
class MetaspaceStep : public PassStep {
 public:
  MetaspaceStep(TokenSink& next, std::string mark, bool drop_first)
      : PassStep(next), mark_(std::move(mark)), drop_(drop_first) {}
  void text(std::string_view piece) override;
  void end_token() override;

 private:
  std::string mark_;
  bool drop_;
};

/// The suffix of a word's last token to a space, except at the very end.
class BpeSuffixStep : public WholeTokenStep {
 public:
  BpeSuffixStep(TokenSink& next, std::string suffix)
      : WholeTokenStep(next), suffix_(std::move(suffix)) {}
  void finish() override;

 protected:
  void token(const std::string& token) override;

 private:
  std::string suffix_;
  std::string held_;
  bool holds_ = false;
};

/// Words joined with spaces, "##" glued on, spaces before punctuation cleaned up.
class WordPieceStep : public WholeTokenStep {
 public:
  WordPieceStep(TokenSink& next, std::string prefix, bool cleanup)
      : WholeTokenStep(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}

 protected:
  void token(const std::string& token) override;

 private:
  std::string prefix_;
  bool cleanup_;
  bool first_ = true;
};

/// `text` with every `from` replaced; `from` empty: between all characters, as Rust's str::replace.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace tandem::text
