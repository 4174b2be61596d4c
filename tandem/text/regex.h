// Regular expressions of tokenizer.json, written for Oniguruma (Ruby's dialect), over PCRE2. Used
// by normalizers, pre-tokenizers and decoders.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

struct pcre2_real_code_8;

namespace tandem::text {

/// `pattern` in Ruby's dialect as PCRE2 reads it: (?m), \h, \s, \w, X{n,m}+ and others mean
/// something else there. Throws Error{kUnsupported} on what has no equal (class intersections,
/// absent operators).
std::string ruby_to_pcre2(std::string_view pattern);

/// A compiled pattern, or a plain string to look for. Immutable; every call is safe from any
/// thread.
class Regex {
 public:
  /// Throws Error{kUnsupported, "<where>: …"} when PCRE2 refuses it.
  static Regex compile(std::string_view pattern, const std::string& where);
  /// Matches `text` itself.
  static Regex literal(std::string_view text);
  Regex(Regex&&) noexcept = default;
  Regex& operator=(Regex&&) noexcept = default;

  /// All matches in valid UTF-8, leftmost first, disjoint; empty ones too, but not right behind
  /// another match. Throws Error{kResourceExhausted} when one match needs more than its bound of
  /// backtracking steps or memory.
  std::vector<Range> find_all(std::string_view subject) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  Regex() = default;
  std::vector<Range> find_literal(std::string_view subject) const;

  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::string source_;  ///< the pattern as the file has it, or the literal
};

/// The field "pattern" of a Split or Replace: {"String": …} or {"Regex": …}.
Regex read_pattern(const Json& json, const std::string& where);

}  // namespace tandem::text
