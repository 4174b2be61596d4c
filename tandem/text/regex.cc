#include "tandem/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <optional>

#include "tandem/base/error.h"
#include "tandem/text/json_fields.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

/// A match may try this often; a run of one class with a lookahead behind it needs one step a byte.
constexpr std::uint32_t kMatchLimit = 32'000'000;
constexpr std::uint32_t kHeapLimitKib = 256 << 10;
constexpr std::size_t kJitStackBytes = 64 << 20;
constexpr std::size_t kMaxPatternBytes = 64 << 10;

template <auto Function>
struct Calls {
  template <typename T>
  void operator()(T* pointer) const {
    Function(pointer);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Calls<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Calls<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Calls<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Calls<pcre2_jit_stack_free>>;

std::string pcre2_message(int code) {
  PCRE2_UCHAR text[256];
  return pcre2_get_error_message(code, text, sizeof(text)) < 0
             ? std::to_string(code)
             : reinterpret_cast<const char*>(text);
}

/// One walk over one subject. The large JIT stack is made only when a match asks for more than the
/// 32 KiB it starts with.
class Search {
 public:
  Search(const pcre2_code* code, std::string_view subject)
      : code_(code),
        subject_(subject),
        context_(pcre2_match_context_create(nullptr)),
        data_(pcre2_match_data_create(1, nullptr)) {
    if (!context_ || !data_) throw std::bad_alloc();
    pcre2_set_match_limit(context_.get(), kMatchLimit);
    pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
  }

  /// The first match that begins at `from` or later.
  std::optional<Range> next(std::size_t from, const std::string& source) {
    int found = match(from);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT && !stack_) {
      stack_.reset(pcre2_jit_stack_create(64 << 10, kJitStackBytes, nullptr));
      pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
      found = match(from);
    }
    if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (found < 0) {
      throw Error(Code::kResourceExhausted,
                  "the tokenizer's pattern \"" + source + "\" gave up on a text of " +
                      std::to_string(subject_.size()) + " bytes: " + pcre2_message(found));
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data_.get());
    return Range{ends[0], ends[1]};
  }

 private:
  int match(std::size_t from) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(subject_.data()), subject_.size(), from,
                       PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  std::string_view subject_;
  MatchContext context_;
  MatchData data_;
  JitStack stack_;
};

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Regex Regex::compile(std::string_view pattern, const std::string& where) {
  if (pattern.size() > kMaxPatternBytes) {
    throw Error(Code::kUnsupported, where + ": a pattern of " + std::to_string(pattern.size()) +
                                        " bytes, at most " + std::to_string(kMaxPatternBytes) +
                                        " are read");
  }
  Regex regex;
  regex.source_ = pattern;
  std::string translated;
  try {
    translated = ruby_to_pcre2(pattern);
  } catch (const Error& e) {
    throw Error(e.code(), where + ": pattern \"" + regex.source_ + "\": " + e.what());
  }
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  // In Ruby's dialect ^ and $ always mean lines.
  constexpr std::uint32_t kOptions =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  regex.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                  translated.size(), kOptions, &error, &at, context.get()));
  if (!regex.code_) {
    throw Error(Code::kUnsupported, where + ": pattern \"" + regex.source_ +
                                        "\" is not understood: " + pcre2_message(error) +
                                        " (at byte " + std::to_string(at) + " of " + translated +
                                        ")");
  }
  // Without JIT (refused by a hardened kernel, or not built in) matching interprets: slower, the
  // same result.
  pcre2_jit_compile(regex.code_.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

Regex Regex::literal(std::string_view text) {
  if (text.empty()) return compile("", "an empty string");
  Regex regex;
  regex.source_ = text;
  return regex;
}

std::vector<Range> Regex::find_literal(std::string_view subject) const {
  std::vector<Range> found;
  for (std::size_t at = subject.find(source_); at != std::string_view::npos;) {
    found.push_back({at, at + source_.size()});
    at = subject.find(source_, at + source_.size());
  }
  return found;
}

std::vector<Range> Regex::find_all(std::string_view subject) const {
  if (!code_) return find_literal(subject);
  std::string known;
  if (to_well_known(subject, known)) subject = known;

  std::vector<Range> found;
  Search search(code_.get(), subject);
  std::size_t from = 0;
  while (from <= subject.size()) {
    const std::optional<Range> match = search.next(from, source_);
    if (!match) break;
    const bool repeats =
        match->begin == match->end && !found.empty() && found.back().end == match->end;
    if (repeats) {
      if (from == subject.size()) break;
      from += utf8_length(subject[from]);
    } else {
      found.push_back(*match);
      from = match->end;
    }
  }
  return found;
}

Regex read_pattern(const Json& json, const std::string& where) {
  const Json& pattern = require_field(json, "pattern", where);
  if (find_field(pattern, "String", where))
    return Regex::literal(require_string(pattern, "String", where));
  return Regex::compile(require_string(pattern, "Regex", where), where);
}

}  // namespace tandem::text
