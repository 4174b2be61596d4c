#include "tandem/link/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/strings.h"
#include "tandem/base/unique_fd.h"

namespace tandem::link {
namespace {

constexpr std::size_t kSecretBytes = 16;
constexpr std::size_t kSecretBits = 128, kChecksumBits = 12, kBitsPerCharacter = 5;
constexpr std::size_t kNumCharacters = (kSecretBits + kChecksumBits) / kBitsPerCharacter;  // 28
constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/// The secret's 128 bits and the checksum's 12, and four unused ones.
Bytes with_checksum(const Bytes& secret) {
  Sha256 hash;
  hash.update("tandem secret checksum");
  hash.update(secret);
  const Digest digest = hash.finish();
  Bytes all = secret;
  all.push_back(digest[0]);
  all.push_back(static_cast<std::uint8_t>(digest[1] & 0xf0));
  return all;
}

/// A character's five bits; -1 for one that no secret has.
int value_of(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (c == 'o') c = '0';
  if (c == 'i' || c == 'l') c = '1';
  const std::size_t value = kAlphabet.find(c);
  return value == kAlphabet.npos ? -1 : static_cast<int>(value);
}

bool is_separator(char c) { return c == ' ' || c == '-' || c == '\n' || c == '\r' || c == '\t'; }

[[noreturn]] void fail(const std::string& doing, const std::string& path) {
  throw Error(Code::kIo, "cannot " + doing + " " + path + ": " + errno_text(errno));
}

std::string read_secret_file(int fd, const std::string& path) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail("read", path);
  if (!S_ISREG(status.st_mode)) throw Error(Code::kInvalidArgument, path + " is not an ordinary file");
  if ((status.st_mode & 077) != 0) {
    throw Error(Code::kInvalidArgument, path + " holds the join secret and is open to other users (mode " +
                                            format("%04o", static_cast<unsigned>(status.st_mode & 07777)) +
                                            "): chmod 600 " + path);
  }
  std::string text(kMaxFileBytes, '\0');
  const ssize_t count = ::read(fd, text.data(), text.size());
  if (count < 0) fail("read", path);
  text.resize(static_cast<std::size_t>(count));
  return text;
}

void make_folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code failure;
  if (folder.empty() || std::filesystem::exists(folder, failure)) return;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw Error(Code::kIo, "cannot make the folder " + folder.string() + ": " + failure.message());
  ::chmod(folder.c_str(), 0700);
}

/// A file beside `path` with the secret in it, safely on disk, which goes with this object unless it was renamed.
class NewSecretFile {
 public:
  NewSecretFile(const std::string& path, const Secret& secret) : path_(path + ".new-" + random_suffix()) {
    make_folder_of(path);
    const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) fail("write", path_);
    const std::string text = format_secret(secret) + "\n";
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(fd.get()) != 0) {
      const int failure = errno;
      ::unlink(path_.c_str());
      errno = failure;
      fail("write", path_);
    }
  }
  ~NewSecretFile() { ::unlink(path_.c_str()); }
  NewSecretFile(const NewSecretFile&) = delete;
  NewSecretFile& operator=(const NewSecretFile&) = delete;
  const char* path() const { return path_.c_str(); }

 private:
  static std::string random_suffix() {
    std::uint8_t bytes[8];
    random_bytes(bytes);
    return to_hex(bytes);
  }

  const std::string path_;
};

}  // namespace

Secret make_secret() {
  Secret secret{Bytes(kSecretBytes)};
  random_bytes(secret.bytes);
  return secret;
}

std::string format_secret(const Secret& secret) {
  if (secret.bytes.size() != kSecretBytes) throw Error(Code::kInvalidArgument, "a join secret has 128 bits");
  std::string text;
  unsigned bits = 0;
  std::size_t num_bits = 0, num_characters = 0;
  for (const std::uint8_t byte : with_checksum(secret.bytes)) {
    bits = bits << 8 | byte;
    num_bits += 8;
    while (num_bits >= kBitsPerCharacter && num_characters < kNumCharacters) {
      num_bits -= kBitsPerCharacter;
      if (num_characters > 0 && num_characters % 4 == 0) text.push_back('-');
      text.push_back(kAlphabet[bits >> num_bits & 31]);
      ++num_characters;
    }
  }
  return text;
}

Secret parse_secret(std::string_view text) {
  Bytes bytes;
  unsigned bits = 0;
  std::size_t num_bits = 0, num_characters = 0;
  for (const char c : text) {
    if (is_separator(c)) continue;
    const int value = value_of(c);
    if (value < 0) throw Error(Code::kInvalidArgument, "this is not a join secret: it has a character that none has");
    bits = bits << kBitsPerCharacter | static_cast<unsigned>(value);
    num_bits += kBitsPerCharacter;
    if (++num_characters > kNumCharacters) break;
    if (num_bits >= 8) {
      num_bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> num_bits));
    }
  }
  if (num_characters != kNumCharacters) {
    throw Error(Code::kInvalidArgument, "this is not a join secret: it has 28 letters and digits, as `tandem secret` prints");
  }
  bytes.push_back(static_cast<std::uint8_t>(bits << (8 - num_bits)));
  const Secret secret{Bytes(bytes.begin(), bytes.begin() + kSecretBytes)};
  if (!equal_in_constant_time(bytes, with_checksum(secret.bytes))) {
    throw Error(Code::kInvalidArgument, "the join secret is mistyped: compare it with what `tandem secret` prints");
  }
  return secret;
}

void require_strong(const Secret& secret) {
  if (secret.bytes.size() < kSecretBytes) {
    throw Error(Code::kInvalidArgument, "the join secret is missing or shorter than 128 bits");
  }
}

std::string default_secret_path() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return std::string(config) + "/tandem/secret";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] == '\0') {
    throw Error(Code::kInvalidArgument, "neither XDG_CONFIG_HOME nor HOME is set: name the file with --secret-file");
  }
  return std::string(home) + "/.config/tandem/secret";
}

std::optional<Secret> load_secret(const std::string& path) {
  // A FIFO without a writer must not hold us up before its kind is checked.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) fail("read", path);
  const std::string text = read_secret_file(fd.get(), path);
  try {
    return parse_secret(text);
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.what());
  }
}

Secret load_or_create_secret(const std::string& path) {
  if (const std::optional<Secret> secret = load_secret(path)) return *secret;
  const Secret secret = make_secret();
  const NewSecretFile file(path, secret);
  if (::link(file.path(), path.c_str()) == 0) return secret;
  if (errno != EEXIST) fail("make", path);
  // Another process was first; both use its secret.
  if (const std::optional<Secret> first = load_secret(path)) return *first;
  throw Error(Code::kIo, path + " vanished while it was read");
}

void store_secret(const std::string& path, const Secret& secret) {
  const NewSecretFile file(path, secret);
  if (::rename(file.path(), path.c_str()) != 0) fail("replace", path);
}

Secret rotate_secret(const std::string& path) {
  const Secret secret = make_secret();
  store_secret(path, secret);
  return secret;
}

}  // namespace tandem::link
