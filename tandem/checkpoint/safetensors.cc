#include "tandem/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/json_stream.h"

namespace tandem::checkpoint {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;    // as in the format's own reader
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxRank = 8;
constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 48;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kLengthBytes = 8;

struct DtypeRow {
  std::string_view name;
  std::uint64_t bits;
  std::optional<Dtype> dtype;    ///< what we compute with
};

constexpr DtypeRow kDtypes[] = {{"F32", 32, Dtype::kF32},
                                {"F16", 16, Dtype::kF16},
                                {"BF16", 16, Dtype::kBF16},
                                {"F64", 64, {}},
                                {"I64", 64, {}},
                                {"I32", 32, {}},
                                {"I16", 16, {}},
                                {"I8", 8, {}},
                                {"U64", 64, {}},
                                {"U32", 32, {}},
                                {"U16", 16, {}},
                                {"U8", 8, {}},
                                {"BOOL", 8, {}},
                                {"C64", 64, {}},
                                {"F8_E4M3", 8, {}},
                                {"F8_E5M2", 8, {}},
                                {"F8_E8M0", 8, {}},
                                {"F8_E4M3FNUZ", 8, {}},
                                {"F8_E5M2FNUZ", 8, {}},
                                {"F6_E2M3", 6, {}},
                                {"F6_E3M2", 6, {}},
                                {"F4", 4, {}}};

const DtypeRow* row_of(std::string_view name) {
  for (const DtypeRow& row : kDtypes) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string_view stored_name(Dtype dtype) {
  for (const DtypeRow& row : kDtypes) {
    if (row.dtype == dtype) return row.name;
  }
  throw Error(Code::kInternal, "safetensors: dtype without a name");
}

/// One entry of the header as it stands.
struct Entry {
  std::string name;
  const DtypeRow* dtype = nullptr;
  std::vector<std::uint64_t> shape, offsets;
  bool has_shape = false, has_offsets = false;
};

/// Follows {name: {"dtype": …, "shape": […], "data_offsets": [b, e]}, "__metadata__": {…: "…"}}.
class HeaderEvents final : public JsonEvents {
 public:
  explicit HeaderEvents(const std::string& file) : JsonEvents(file), file_(file) {}
  std::vector<Entry> take() { return std::move(entries_); }

  bool start_object(std::size_t) override {
    if (++depth_ > 2) unexpected("an object");
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_) finish_entry();
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      start_entry(name);
    } else {
      field_ = name.substr(0, kMaxNameBytes);
    }
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || in_list_ || field_ != "dtype") unexpected("a string");
    Entry& entry = entries_.back();
    if (entry.dtype != nullptr) refuse("dtype stands twice");
    entry.dtype = row_of(text);
    if (entry.dtype == nullptr) refuse("dtype \"" + text.substr(0, 40) + "\" is not known");
    return true;
  }
  bool start_array(std::size_t) override {
    const bool is_shape = field_ == "shape";
    if (depth_ != 2 || in_metadata_ || in_list_ || (!is_shape && field_ != "data_offsets"))
      unexpected("a list");
    bool& seen = is_shape ? entries_.back().has_shape : entries_.back().has_offsets;
    if (seen) refuse(field_ + " stands twice");
    seen = in_list_ = true;
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_list_) unexpected("a number");
    const bool is_shape = field_ == "shape";
    std::vector<std::uint64_t>& list = is_shape ? entries_.back().shape : entries_.back().offsets;
    if (is_shape && value > kMaxDim) refuse("a dimension of " + std::to_string(value));
    if (list.size() == (is_shape ? kMaxRank : 2)) refuse(field_ + " is too long");
    list.push_back(value);
    return true;
  }

 private:
  void start_entry(const std::string& name) {
    in_metadata_ = name == "__metadata__";
    field_.clear();
    if (in_metadata_) return;
    if (name.empty() || name.size() > kMaxNameBytes) refuse("a tensor's name has 0 or more than 256 bytes");
    if (entries_.size() == kMaxTensors) refuse("more than " + std::to_string(kMaxTensors) + " tensors");
    entries_.push_back({.name = name});
    where_ = file_ + ": tensor " + name;
  }
  void finish_entry() {
    const Entry& entry = entries_.back();
    if (entry.dtype == nullptr || !entry.has_shape || entry.offsets.size() != 2) {
      refuse("needs dtype, shape and two data_offsets");
    }
    where_ = file_;
  }

  const std::string file_;
  std::vector<Entry> entries_;
  std::string field_;
  int depth_ = 0;
  bool in_metadata_ = false, in_list_ = false;
};

/// product(shape) · dtype in bytes; nullopt on overflow or a broken byte.
std::optional<std::uint64_t> bytes_of(const Entry& entry) {
  std::uint64_t bits = entry.dtype->bits;
  bool overflows = false;
  for (const std::uint64_t dim : entry.shape) overflows |= __builtin_mul_overflow(bits, dim, &bits);
  // A zero behind an overflow is still a shape that nothing can have.
  if (overflows || bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

/// Throws unless the entries fill the data section, one after the other.
void check_layout(const std::string& file, const std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    const auto refuse = [&](const std::string& why) {
      throw Error(Code::kCorrupt, file + ": tensor " + entry.name + ": " + why);
    };
    const std::uint64_t first = entry.offsets[0], last = entry.offsets[1];
    if (last < first) refuse("its data end before they begin");
    if (last > data_bytes) {
      refuse("its data end at byte " + std::to_string(last) + " of " + std::to_string(data_bytes) +
             "; the file has been cut, fetch it again");
    }
    const auto expected = bytes_of(entry);
    if (!expected || *expected != last - first) {
      refuse("has " + std::to_string(last - first) + " bytes; shape and dtype need " +
             (expected ? std::to_string(*expected) : "more than any file holds"));
    }
    if (first < end) refuse("overlaps the tensor before it");
    if (first > end) refuse("a gap of " + std::to_string(first - end) + " bytes before it");
    end = last;
  }
  if (end != data_bytes) {
    throw Error(Code::kCorrupt,
                file + ": " + std::to_string(data_bytes - end) + " bytes after the last tensor");
  }
}

/// Header bytes, checked against the file.
std::uint64_t header_length(const OpenFile& file) {
  if (file.size_bytes < kLengthBytes) {
    throw Error(Code::kCorrupt, file.path.string() + ": " + std::to_string(file.size_bytes) +
                                    " bytes, too short for a safetensors file");
  }
  std::uint8_t bytes[kLengthBytes];
  read_exactly(file, 0, bytes);
  std::uint64_t length;
  std::memcpy(&length, bytes, sizeof(length));
  if (length > kMaxHeaderBytes || length > file.size_bytes - kLengthBytes || length < 2) {
    throw Error(Code::kCorrupt, file.path.string() + ": header of " + std::to_string(length) +
                                    " bytes in a file of " + std::to_string(file.size_bytes) +
                                    "; at most 100000000 are read");
  }
  return length;
}

/// Takes only the names of a top-level "weight_map"; everything else in the index is passed over, to any of
/// 16 levels.
class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(const std::string& file) : JsonEvents(file) {}
  std::vector<std::pair<std::string, std::string>> take() { return std::move(names_); }
  bool has_map() const { return has_map_; }

  bool start_object(std::size_t) override {
    open();
    if (depth_ == 2 && field_ == "weight_map") {
      if (has_map_) refuse("weight_map stands twice");
      has_map_ = in_map_ = true;
    }
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2) in_map_ = false;
    return true;
  }
  bool start_array(std::size_t) override {
    open();
    return true;
  }
  bool end_array() override { return end_object(); }
  bool key(string_t& name) override {
    if (name.size() > kMaxNameBytes && (in_map_ || depth_ == 1)) refuse("a name of more than 256 bytes");
    if (in_map_ || depth_ == 1) field_ = name;
    return true;
  }
  bool string(string_t& text) override {
    if (!in_map_) return skip("");
    if (names_.size() == kMaxTensors) refuse("more than " + std::to_string(kMaxTensors) + " tensors");
    if (text.size() > kMaxNameBytes) refuse("tensor " + field_ + ": a file name of more than 256 bytes");
    names_.emplace_back(field_, text);
    return true;
  }
  bool null() override { return skip("null"); }
  bool boolean(bool) override { return skip("true or false"); }
  bool number_integer(number_integer_t) override { return skip("a number"); }
  bool number_unsigned(number_unsigned_t) override { return skip("a number"); }
  bool number_float(number_float_t, const string_t&) override { return skip("a number"); }

 private:
  void open() {
    if (in_map_ || depth_ == 16) unexpected("a list or object");
    ++depth_;
  }
  bool skip(std::string_view what) {
    if (in_map_) unexpected(what);
    return true;
  }

  std::vector<std::pair<std::string, std::string>> names_;
  std::string field_;
  int depth_ = 0;
  bool has_map_ = false, in_map_ = false;
};

void append_entry(std::string& header, const TensorInfo& tensor, std::uint64_t offset) {
  header += header.empty() ? "{" : ",";
  header +=
      dump_json(tensor.name) + R"(:{"dtype":")" + std::string(stored_name(tensor.dtype)) + R"(","shape":[)";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    header += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
  }
  header += R"(],"data_offsets":[)" + std::to_string(offset) + "," +
            std::to_string(offset + tensor.size_bytes) + "]}";
}

}  // namespace

std::size_t dtype_bytes(Dtype dtype) { return dtype == Dtype::kF32 ? 4 : 2; }

std::string_view to_string(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32: return "f32";
    case Dtype::kF16: return "f16";
    case Dtype::kBF16: return "bf16";
  }
  return "unknown";
}

SafetensorsHeader read_safetensors_header(const OpenFile& file) {
  const std::string name = file.path.string();
  const std::uint64_t length = header_length(file);
  HeaderEvents events(name);
  read_json_events(file, kLengthBytes, length, events);
  std::vector<Entry> entries = events.take();
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.offsets[0], a.offsets[1], a.name) < std::tie(b.offsets[0], b.offsets[1], b.name);
  });
  const std::uint64_t data_start = kLengthBytes + length;
  check_layout(name, entries, file.size_bytes - data_start);
  SafetensorsHeader header;
  for (Entry& entry : entries) {
    if (!entry.dtype->dtype) {
      header.others.emplace_back(std::move(entry.name), entry.dtype->name);
      continue;
    }
    header.tensors.push_back({.name = std::move(entry.name),
                              .dtype = *entry.dtype->dtype,
                              .shape = {entry.shape.begin(), entry.shape.end()},
                              .offset = data_start + entry.offsets[0],
                              .size_bytes = entry.offsets[1] - entry.offsets[0]});
  }
  return header;
}

std::vector<std::pair<std::string, std::string>> read_weight_map(const OpenFile& file) {
  const std::string name = file.path.string();
  if (file.size_bytes > kMaxHeaderBytes) throw Error(Code::kCorrupt, name + ": more than 100 MB");
  IndexEvents events(name);
  read_json_events(file, 0, file.size_bytes, events);
  if (!events.has_map()) throw Error(Code::kCorrupt, name + ": has no weight_map");
  auto names = events.take();
  std::sort(names.begin(), names.end());
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (names[i].first == names[i - 1].first) {
      throw Error(Code::kCorrupt, name + ": tensor " + names[i].first + " stands twice");
    }
  }
  return names;
}

PackedLayout pack(std::vector<TensorInfo> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::make_tuple(dtype_bytes(b.dtype), std::string_view(a.name)) <
           std::make_tuple(dtype_bytes(a.dtype), std::string_view(b.name));
  });
  PackedLayout layout;
  std::string json;
  for (const TensorInfo& tensor : tensors) {
    append_entry(json, tensor, layout.data_bytes);
    if (__builtin_add_overflow(layout.data_bytes, tensor.size_bytes, &layout.data_bytes)) {
      throw Error(Code::kCorrupt, "tensor " + tensor.name + ": the slice has more bytes than any file holds");
    }
  }
  json += tensors.empty() ? "{}" : "}";
  const std::uint64_t padded = (kLengthBytes + json.size() + kPageBytes - 1) / kPageBytes * kPageBytes;
  json.resize(padded - kLengthBytes, ' ');
  const std::uint64_t length = json.size();
  layout.header.assign(reinterpret_cast<const char*>(&length), kLengthBytes);
  layout.header += json;
  std::uint64_t offset = layout.header.size();
  for (TensorInfo& tensor : tensors) {
    tensor.file = 0;
    tensor.offset = offset;
    offset += tensor.size_bytes;
  }
  layout.tensors = std::move(tensors);
  return layout;
}

}  // namespace tandem::checkpoint
