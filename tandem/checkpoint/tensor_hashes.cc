// SHA-256 of tensors, in parallel, remembered on disk by the identity of their file.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/base/log.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/parallel.h"

namespace tandem::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kMaxMemoryBytes = 16 << 20;
constexpr std::size_t kMaxMemoryFiles = 512;

/// Where a tensor lies in its file → its digest.
using Known = std::map<std::pair<std::uint64_t, std::uint64_t>, Digest>;

fs::path memory_file(const fs::path& memory, const FileIdentity& identity) {
  return memory / ("hashes-" + std::to_string(identity.device) + "-" + std::to_string(identity.inode) + "-" +
                   std::to_string(identity.size_bytes) + "-" + std::to_string(identity.mtime_ns) + ".json");
}

/// A memory that is damaged in any way is no memory: the tensors are read again.
Known recall(const fs::path& path) {
  Known known;
  try {
    std::error_code error;
    if (!fs::is_regular_file(path, error) || fs::file_size(path) > kMaxMemoryBytes) return {};
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    for (const Json& row : parse_json(text, path.string())) {
      const auto bytes = from_hex(row.at(2).get<std::string>());
      Digest digest;
      if (bytes.size() != digest.size()) return {};
      std::copy(bytes.begin(), bytes.end(), digest.begin());
      known[{row.at(0).get<std::uint64_t>(), row.at(1).get<std::uint64_t>()}] = digest;
    }
  } catch (const std::exception&) {
    return {};
  }
  return known;
}

void forget_oldest(const fs::path& memory) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(memory))
    files.emplace_back(entry.last_write_time(), entry.path());
  if (files.size() <= kMaxMemoryFiles) return;
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i < files.size() - kMaxMemoryFiles; ++i) fs::remove(files[i].second);
}

void remember(const fs::path& memory, const fs::path& path, const Known& known) {
  try {
    Json rows = Json::array();
    for (const auto& [place, digest] : known) rows.push_back({place.first, place.second, to_hex(digest)});
    fs::create_directories(memory);
    const fs::path draft = path.string() + "." + std::to_string(::getpid()) + ".tmp";
    {
      std::ofstream out(draft, std::ios::binary);
      out << dump_json(rows) << '\n';
      if (!out.flush()) throw Error(Code::kIo, draft.string() + ": cannot be written");
    }
    fs::rename(draft, path);
    forget_oldest(memory);
  } catch (const std::exception& error) {
    log::debug("tensor hashes are not remembered: {}", error.what());
  }
}

Digest hash_of(const Checkpoint& checkpoint, const TensorInfo& tensor, std::vector<std::uint8_t>& buffer) {
  Sha256 hash;
  for (std::uint64_t offset = 0; offset < tensor.size_bytes; offset += buffer.size()) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), tensor.size_bytes - offset));
    const std::span<std::uint8_t> part(buffer.data(), size);
    checkpoint.read(tensor, offset, part);
    hash.update(part);
  }
  return hash.finish();
}

/// A file written within the last second may be written again without a change of its time.
bool is_settled(const FileIdentity& identity) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return identity.mtime_ns + 1'000'000'000 <
         std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

std::vector<Digest> tensor_hashes(const Checkpoint& checkpoint, std::span<const TensorInfo> tensors,
                                  const fs::path& memory) {
  struct Source {
    FileIdentity identity;
    Known known;
    bool has_new = false, is_settled = false;
  };
  std::map<std::int32_t, Source> sources;
  for (const TensorInfo& tensor : tensors) {
    if (sources.count(tensor.file) > 0) continue;
    const FileIdentity identity = checkpoint.identity(tensor.file);
    sources[tensor.file] = {.identity = identity,
                            .known = recall(memory_file(memory, identity)),
                            .is_settled = is_settled(identity)};
  }
  std::vector<Digest> digests(tensors.size());
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Known& known = sources[tensors[i].file].known;
    const auto place = known.find({tensors[i].offset, tensors[i].size_bytes});
    if (place != known.end()) {
      digests[i] = place->second;
    } else {
      unknown.push_back(i);
    }
  }
  in_parallel(unknown.size(), [&] {
    return [&, buffer = std::vector<std::uint8_t>(kReadBytes)](std::size_t n) mutable {
      digests[unknown[n]] = hash_of(checkpoint, tensors[unknown[n]], buffer);
    };
  });
  for (const std::size_t i : unknown) {
    Source& source = sources[tensors[i].file];
    source.known[{tensors[i].offset, tensors[i].size_bytes}] = digests[i];
    source.has_new = true;
  }
  for (const auto& [file, source] : sources) {
    if (checkpoint.identity(file) != source.identity) {
      throw Error(Code::kCorrupt, checkpoint.files().at(file).string() + ": changed while it was read");
    }
    if (source.has_new && source.is_settled)
      remember(memory, memory_file(memory, source.identity), source.known);
  }
  return digests;
}

}  // namespace tandem::checkpoint
