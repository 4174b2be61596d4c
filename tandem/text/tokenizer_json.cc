#include "tandem/text/tokenizer_json.h"

#include <unordered_map>

#include "tandem/text/json_fields.h"

namespace tandem::text {
namespace {

const std::string kWhere = "tokenizer.json";
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxEntries = 4 << 20;  ///< of the vocabulary, and of the merges
constexpr std::size_t kMaxValues = 1 << 20;   ///< outside of them
constexpr std::size_t kMaxKeys =
    1 << 10;  ///< of one object outside of the vocabulary: a tree's objects are searched

/// Receives the parser's events. Where the path is model.vocab or model.merges they fill the
/// vectors, else the tree.
class Reader : public nlohmann::json_sax<Json> {
 public:
  TokenizerJson take() { return std::move(file_); }

  bool null() override { return value(nullptr); }
  bool boolean(bool b) override { return value(b); }
  bool number_float(double d, const std::string&) override { return value(d); }
  bool binary(Json::binary_t&) override { return false; }

  bool number_integer(std::int64_t number) override {
    if (place_ == Place::kVocab) return add_token(number);
    return value(number);
  }

  bool number_unsigned(std::uint64_t number) override {
    if (place_ == Place::kVocab)
      return add_token(number > kMaxTokenId ? kMaxTokenId + 1 : static_cast<std::int64_t>(number));
    return value(number);
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMerges) return add_merge(text);
    if (place_ == Place::kMergePair) return add_merge_side(text);
    return value(std::move(text));
  }

  bool key(std::string& text) override {
    if (text.size() > kMaxTokenBytes) fail("a key of " + std::to_string(text.size()) + " bytes");
    key_ = std::move(text);
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kTree && path_is_model() && key_ == "vocab") {
      place_ = Place::kVocab;
      return true;
    }
    return open(Json::object());
  }

  bool end_object() override {
    if (place_ == Place::kVocab) {
      place_ = Place::kTree;
      return true;
    }
    return close();
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kMerges) {
      place_ = Place::kMergePair;
      sides_.clear();
      return true;
    }
    if (place_ == Place::kTree && path_is_model() && key_ == "merges") {
      place_ = Place::kMerges;
      return true;
    }
    return open(Json::array());
  }

  bool end_array() override {
    if (place_ == Place::kMergePair) {
      if (sides_.size() != 2)
        fail("model.merges: entry " + std::to_string(file_.merges.size()) + " is not a pair");
      append_merge(std::move(sides_[0]), std::move(sides_[1]));
      place_ = Place::kMerges;
      return true;
    }
    if (place_ == Place::kMerges) {
      place_ = Place::kTree;
      return true;
    }
    return close();
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    fail("not valid JSON at byte " + std::to_string(position));
  }

 private:
  enum class Place { kTree, kVocab, kMerges, kMergePair };
  /// Unigram and others keep their vocabulary in an array: the tree would hold it, and the model is
  /// refused anyway.
  struct Frame {
    Json* container;  ///< nullptr: values here are read and dropped
    std::string key;  ///< under which it sits in its parent
  };

  [[noreturn]] static void fail(const std::string& why) { throw_corrupt(kWhere, why); }

  bool path_is_model() const { return frames_.size() == 2 && frames_[1].key == "model"; }

  bool add_token(std::int64_t id) {
    if (id < 0 || id > kMaxTokenId) {
      fail("model.vocab: the id of \"" + key_ + "\" is not within 0 … " +
           std::to_string(kMaxTokenId));
    }
    if (file_.vocab.size() >= kMaxEntries)
      fail("model.vocab has more than " + std::to_string(kMaxEntries) + " entries");
    file_.vocab.emplace_back(std::move(key_), static_cast<TokenId>(id));
    return true;
  }

  void append_merge(std::string left, std::string right) {
    if (file_.merges.size() >= kMaxEntries)
      fail("model.merges has more than " + std::to_string(kMaxEntries) + " entries");
    file_.merges.emplace_back(std::move(left), std::move(right));
  }

  /// "left right"; a comment of merges.txt, "#version: …", is skipped as `tokenizers` does.
  bool add_merge(const std::string& line) {
    if (line.starts_with("#version")) return true;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      fail("model.merges: entry " + std::to_string(file_.merges.size()) +
           " is not two tokens with a space between");
    }
    append_merge(line.substr(0, space), line.substr(space + 1));
    return true;
  }

  bool add_merge_side(std::string& text) {
    if (sides_.size() == 2)
      fail("model.merges: entry " + std::to_string(file_.merges.size()) + " is not a pair");
    sides_.push_back(std::move(text));
    return true;
  }

  /// A value of the tree; its address, or nullptr where values are dropped.
  Json* insert(Json&& json) {
    if (place_ == Place::kVocab)
      fail("model.vocab: the id of \"" + key_ + "\" is not a whole number");
    if (place_ != Place::kTree)
      fail("model.merges: entry " + std::to_string(file_.merges.size()) + " is not text");
    if (frames_.empty()) {
      file_.fields = std::move(json);
      return &file_.fields;
    }
    Json* parent = frames_.back().container;
    if (!parent) return nullptr;
    if (++values_ > kMaxValues)
      fail("more than " + std::to_string(kMaxValues) + " values outside of model.vocab");
    if (parent->is_array()) return &parent->emplace_back(std::move(json));
    if (parent->size() >= kMaxKeys)
      fail("an object with more than " + std::to_string(kMaxKeys) + " keys");
    Json& place = (*parent)[key_];
    place = std::move(json);
    return &place;
  }

  bool value(Json&& json) {
    insert(std::move(json));
    return true;
  }

  bool open(Json&& container) {
    if (frames_.size() >= kMaxDepth)
      fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    const bool dropped = path_is_model() && key_ == "vocab";
    frames_.push_back({dropped ? nullptr : insert(std::move(container)), key_});
    return true;
  }

  bool close() {
    frames_.pop_back();
    return true;
  }

  TokenizerJson file_;
  Place place_ = Place::kTree;
  std::vector<Frame> frames_;
  std::string key_;
  std::vector<std::string> sides_;
  std::size_t values_ = 0;
};

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view bytes) {
  if (bytes.size() > kMaxTokenizerBytes) {
    throw_corrupt(kWhere, std::to_string(bytes.size()) + " bytes, at most " +
                              std::to_string(kMaxTokenizerBytes) + " are read");
  }
  Reader reader;
  if (!Json::sax_parse(bytes, &reader)) throw_corrupt(kWhere, "not valid JSON");
  TokenizerJson file = reader.take();
  if (!file.fields.is_object()) throw_corrupt(kWhere, "must be an object");
  return file;
}

}  // namespace tandem::text
