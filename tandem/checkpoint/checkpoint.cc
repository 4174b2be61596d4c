#include "tandem/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/mapped_file.h"
#include "tandem/checkpoint/model_folder.h"
#include "tandem/checkpoint/needed_tensors.h"
#include "tandem/checkpoint/safetensors.h"

namespace tandem::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
/// Each file stays open, so that a file which shrinks is noticed; Llama 3.1 405B has 191.
constexpr std::size_t kMaxFiles = 512;

bool name_less(const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; }

/// No safetensors under the names we know: says what is there instead and what to do about it.
[[noreturn]] void refuse_without_weights(const ModelFolder& folder) {
  const std::string where = folder.path().string();
  const auto pickles = folder.names_ending_with(".bin");
  if (!pickles.empty() || !folder.names_ending_with(".pt").empty() ||
      !folder.names_ending_with(".pth").empty()) {
    throw Error(
        Code::kUnsupported,
        where +
            ": its weights are pickle files, which can run code when opened and are never read; take a model "
            "or revision with safetensors, or convert it once where you trust it: from_pretrained(\"" +
            where + "\").save_pretrained(OUT) of transformers writes them");
  }
  if (!folder.names_ending_with(".gguf").empty()) {
    throw Error(Code::kUnsupported,
                where + ": GGUF files are not read; take the original model with safetensors");
  }
  throw Error(Code::kNotFound,
              where +
                  ": neither model.safetensors nor model.safetensors.index.json is there; if a "
                  "download was cut off, run it again");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> dims;
  for (const std::int64_t dim : shape) dims.push_back(std::to_string(dim));
  return "[" + join(dims, ", ") + "]";
}

void check_share(const ModelConfig& config, const Share& share) {
  if (share.first_layer < 0 || share.first_layer > share.end_layer || share.end_layer > config.num_layers) {
    throw Error(Code::kInvalidArgument,
                to_string(share) + ": the model has " + std::to_string(config.num_layers) + " layers");
  }
  if (share.shard != 0 || share.num_shards != 1) {
    throw Error(Code::kUnsupported, to_string(share) + ": a layer is not cut into shards yet");
  }
}

}  // namespace

class Checkpoint::Impl {
 public:
  explicit Impl(const fs::path& path) : folder_(path), config_(ModelConfig::load(path)) {
    if (folder_.contains(kSingleFile)) {
      add_file(kSingleFile, nullptr);
    } else if (folder_.contains(kIndexFile)) {
      add_indexed();
    } else {
      refuse_without_weights(folder_);
    }
    std::sort(tensors_.begin(), tensors_.end(), name_less);
    for (std::size_t i = 1; i < tensors_.size(); ++i) {
      if (tensors_[i].name == tensors_[i - 1].name) {
        throw Error(Code::kCorrupt, paths_[tensors_[i].file].string() + ": tensor " + tensors_[i].name +
                                        " stands twice in this model");
      }
    }
    decide_tie();
  }

  const ModelFolder& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  const std::vector<fs::path>& paths() const { return paths_; }
  const std::vector<MappedFile>& files() const { return files_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const MappedFile& file_of(const TensorInfo& tensor) const {
    if (tensor.file < 0 || static_cast<std::size_t>(tensor.file) >= files_.size() ||
        tensor.size_bytes > files_[tensor.file].file().size_bytes ||
        tensor.offset > files_[tensor.file].file().size_bytes - tensor.size_bytes) {
      throw Error(Code::kInvalidArgument, "tensor " + tensor.name + ": not of this checkpoint");
    }
    return files_[tensor.file];
  }

  const TensorInfo* find(std::string_view name) const {
    const auto place = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                        [](const TensorInfo& a, std::string_view b) { return a.name < b; });
    return place != tensors_.end() && place->name == name ? &*place : nullptr;
  }

  /// The tensor, in the shape that the config says.
  const TensorInfo& get(const NeededTensor& needed) const {
    const TensorInfo* tensor = find(needed.name);
    const std::string where = folder_.path().string() + ": tensor " + needed.name;
    if (tensor == nullptr) {
      const auto other = others_.find(needed.name);
      if (other == others_.end())
        throw Error(Code::kCorrupt, where + ": missing, " + config_.model_type + " needs it");
      throw Error(Code::kUnsupported,
                  where + ": dtype " + other->second + " is not read; take the model in bf16, f16 or f32");
    }
    if (tensor->shape != needed.shape) {
      throw Error(Code::kCorrupt, paths_[tensor->file].string() + ": tensor " + needed.name + ": shape " +
                                      shape_text(tensor->shape) + ", config.json says " +
                                      shape_text(needed.shape));
    }
    return *tensor;
  }

 private:
  /// Takes over a file's tensors; of an index only those that it places here, and those that it does not
  /// name.
  void add_file(const std::string& name, const std::unordered_map<std::string, std::string>* file_of_tensor) {
    OpenFile file = folder_.open(name);
    SafetensorsHeader header = read_safetensors_header(file);
    const auto belongs = [&](const std::string& tensor) {
      if (file_of_tensor == nullptr) return true;
      const auto place = file_of_tensor->find(tensor);
      return place == file_of_tensor->end() || place->second == name;
    };
    for (TensorInfo& tensor : header.tensors) {
      if (!belongs(tensor.name)) continue;
      tensor.file = static_cast<std::int32_t>(files_.size());
      tensors_.push_back(std::move(tensor));
    }
    for (auto& other : header.others) {
      if (belongs(other.first)) others_.insert(std::move(other));
    }
    if (tensors_.size() + others_.size() > kMaxTensors) {
      throw Error(Code::kCorrupt, file.path.string() + ": the model has more than " +
                                      std::to_string(kMaxTensors) + " tensors");
    }
    paths_.push_back(file.path);
    files_.emplace_back(std::move(file));
  }

  void add_indexed() {
    const auto weight_map = read_weight_map(folder_.open(kIndexFile));
    std::set<std::string> names;
    for (const auto& [tensor, file] : weight_map) {
      names.insert(file);
      if (names.size() > kMaxFiles)
        throw Error(Code::kCorrupt, std::string(kIndexFile) + ": names more than 512 files");
    }
    const std::unordered_map<std::string, std::string> file_of_tensor(weight_map.begin(), weight_map.end());
    for (const std::string& name : names) add_file(name, &file_of_tensor);
    std::set<std::string_view> present;
    for (const TensorInfo& tensor : tensors_) present.insert(tensor.name);
    for (const auto& [tensor, file] : weight_map) {
      if (present.count(tensor) == 0 && others_.count(tensor) == 0) {
        throw Error(Code::kCorrupt, folder_.path_of(file).string() + ": tensor " + tensor +
                                        " is not in it, though " + kIndexFile +
                                        " says so; fetch the model again");
      }
    }
  }

  /// As transformers 5: weights that are both there and differ are not tied, whatever the config says. Reads
  /// them only then.
  void decide_tie() {
    const TensorInfo* head = find("lm_head.weight");
    if (!config_.tie_embeddings || head == nullptr) return;
    const TensorInfo* embedding = find("model.embed_tokens.weight");
    if (embedding != nullptr && embedding->dtype == head->dtype && embedding->shape == head->shape) {
      const auto a = file_of(*embedding).bytes(embedding->offset, embedding->size_bytes);
      const auto b = file_of(*head).bytes(head->offset, head->size_bytes);
      const bool equal = std::memcmp(a.data(), b.data(), a.size()) == 0;
      file_of(*embedding).release(embedding->offset, embedding->size_bytes);
      file_of(*head).release(head->offset, head->size_bytes);
      if (equal) return;
      log::warn(
          "{}: tie_word_embeddings is true but lm_head.weight differs from model.embed_tokens.weight; not "
          "tied",
          folder_.path().string());
    }
    config_.tie_embeddings = false;
  }

  ModelFolder folder_;
  ModelConfig config_;
  std::vector<fs::path> paths_;
  std::vector<MappedFile> files_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::string> others_;  ///< name → dtype that we do not compute with
};

std::string to_string(const Share& share) {
  std::string text;
  if (share.end_layer == share.first_layer + 1) {
    text = "layer " + std::to_string(share.first_layer);
  } else if (share.end_layer > share.first_layer) {
    text = "layers " + std::to_string(share.first_layer) + "-" + std::to_string(share.end_layer - 1);
  } else {
    text = "no layers";
  }
  if (share.embedding) text += " + embedding";
  if (share.head) text += " + head";
  if (share.num_shards > 1) text += format(", shard %d of %d", share.shard, share.num_shards);
  return text;
}

Checkpoint Checkpoint::open(const fs::path& folder) {
  Checkpoint checkpoint;
  checkpoint.impl_ = std::make_shared<const Impl>(folder);
  return checkpoint;
}

const ModelConfig& Checkpoint::config() const { return impl_->config(); }
const fs::path& Checkpoint::folder() const { return impl_->folder().path(); }
const std::vector<fs::path>& Checkpoint::files() const { return impl_->paths(); }
const std::vector<TensorInfo>& Checkpoint::tensors() const { return impl_->tensors(); }
const TensorInfo* Checkpoint::find(std::string_view name) const { return impl_->find(name); }

std::vector<TensorInfo> Checkpoint::slice(const Share& share) const {
  check_share(config(), share);
  std::vector<TensorInfo> tensors;
  const auto take = [&](const std::vector<NeededTensor>& all) {
    for (const NeededTensor& needed : all) tensors.push_back(impl_->get(needed));
  };
  if (share.embedding) take({needed_embedding(config())});
  for (std::int32_t layer = share.first_layer; layer < share.end_layer; ++layer)
    take(needed_layer(config(), layer));
  if (share.head) take(needed_head(config()));
  std::sort(tensors.begin(), tensors.end(), name_less);
  // One rank with embedding and tied head holds the tensor once.
  const auto same = [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; };
  tensors.erase(std::unique(tensors.begin(), tensors.end(), same), tensors.end());
  return tensors;
}

std::span<const std::uint8_t> Checkpoint::bytes(const TensorInfo& tensor) const {
  return impl_->file_of(tensor).bytes(tensor.offset, tensor.size_bytes);
}

void Checkpoint::read(const TensorInfo& tensor, std::uint64_t offset, std::span<std::uint8_t> out) const {
  if (out.size() > tensor.size_bytes || offset > tensor.size_bytes - out.size()) {
    throw Error(Code::kInvalidArgument, "tensor " + tensor.name + ": a part outside it was asked for");
  }
  read_exactly(impl_->file_of(tensor).file(), tensor.offset + offset, out);
}

void Checkpoint::release(const TensorInfo& tensor) const {
  impl_->file_of(tensor).release(tensor.offset, tensor.size_bytes);
}

FileIdentity Checkpoint::identity(std::int32_t file) const { return impl_->files().at(file).identity(); }

Digest Checkpoint::structure_hash() const {
  Sha256 hash;
  hash.update(dump_json(config().raw));
  for (const TensorInfo& tensor : tensors()) {
    // A name may hold anything but ends at its quote once dumped, so that no two lists give the same text.
    hash.update("\n" + dump_json(tensor.name) + " " + std::string(to_string(tensor.dtype)) +
                shape_text(tensor.shape));
  }
  return hash.finish();
}

ShareBytes share_bytes(const Checkpoint& checkpoint, const Share& share) {
  ShareBytes bytes;
  for (const TensorInfo& tensor : checkpoint.slice(share)) {
    if (tensor.name.rfind("model.layers.", 0) == 0) {
      bytes.layers += tensor.size_bytes;
    } else if (share.embedding && tensor.name == "model.embed_tokens.weight") {
      bytes.embedding += tensor.size_bytes;
    } else {
      bytes.head += tensor.size_bytes;
    }
  }
  return bytes;
}

}  // namespace tandem::checkpoint
