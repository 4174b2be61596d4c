#include "tandem/link/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tandem/base/hash.h"
#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SecretFile : public ::testing::Test {
 protected:
  SecretFile() {
    std::string pattern = ::testing::TempDir() + "tandem-secret-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "config" / "tandem" / "secret";
  }
  ~SecretFile() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text, mode_t mode) {
    std::filesystem::create_directories(path_.parent_path());
    std::ofstream(path_) << text;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }

  std::filesystem::path folder_, path_;
};

TEST(Secret, reads_back_what_it_writes) {
  for (int i = 0; i < 200; ++i) {
    const Secret secret = make_secret();
    const std::string text = format_secret(secret);
    EXPECT_EQ(text.size(), 28u + 6u);
    EXPECT_EQ(parse_secret(text).bytes, secret.bytes);
  }
}

TEST(Secret, has_a_fixed_written_form) {
  EXPECT_EQ(format_secret(Secret{Bytes(16, 0)}).substr(0, 30), "0000-0000-0000-0000-0000-0000-");
  EXPECT_EQ(format_secret(Secret{Bytes(16, 0xff)}).substr(0, 30), "zzzz-zzzz-zzzz-zzzz-zzzz-zzzz-");
}

TEST(Secret, reads_it_however_it_was_copied) {
  const Secret secret{from_hex("000102030405060708090a0b0c0d0e0f")};
  std::string text = format_secret(secret);
  for (char& c : text) c = c == '-' ? ' ' : static_cast<char>(std::toupper(c));
  EXPECT_EQ(parse_secret("  " + text + "\r\n").bytes, secret.bytes);
  for (char& c : text) c = c == '0' ? 'O' : c == '1' ? 'l' : c;
  EXPECT_EQ(parse_secret(text).bytes, secret.bytes);
}

TEST(Secret, notices_nearly_every_typing_error) {
  const std::string text = format_secret(Secret{from_hex("00112233445566778899aabbccddeeff")});
  int num_missed = 0, num_tried = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c : std::string_view("0123456789abcdefghjkmnpqrstvwxyz")) {
      if (text[at] == '-' || text[at] == c) continue;
      std::string typed = text;
      typed[at] = c;
      ++num_tried;
      try {
        parse_secret(typed);
        ++num_missed;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kInvalidArgument);
        EXPECT_THAT(error.what(), HasSubstr("mistyped"));
      }
    }
  }
  EXPECT_EQ(num_tried, 28 * 31);
  EXPECT_LE(num_missed, 3);  // 12 bits: one in 4,096
}

TEST(Secret, refuses_other_texts_without_quoting_them) {
  for (const char* text : {"", "hunter2", "k7wm-3fxa", "hunter2!hunter2!hunter2!hunter2!"}) {
    const Error error = error_of([&] { parse_secret(text); });
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
  }
  EXPECT_THROW(parse_secret(std::string(1 << 20, 'a')), Error);
}

TEST(Secret, must_have_128_bits) {
  EXPECT_THROW(require_strong(Secret{}), Error);
  EXPECT_THROW(require_strong(Secret{Bytes(15, 1)}), Error);
  EXPECT_NO_THROW(require_strong(make_secret()));
}

TEST_F(SecretFile, is_made_once_and_open_to_its_owner_only) {
  EXPECT_FALSE(load_secret(path_).has_value());
  const Secret made = load_or_create_secret(path_);
  EXPECT_EQ(load_or_create_secret(path_).bytes, made.bytes);
  EXPECT_EQ(load_secret(path_)->bytes, made.bytes);
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(SecretFile, is_the_same_for_processes_that_start_at_once) {
  std::vector<std::thread> threads;
  std::vector<Secret> secrets(8);
  for (Secret& secret : secrets) threads.emplace_back([&] { secret = load_or_create_secret(path_); });
  for (std::thread& thread : threads) thread.join();
  for (const Secret& secret : secrets) EXPECT_EQ(secret.bytes, secrets[0].bytes);
  const auto entries = std::filesystem::directory_iterator(path_.parent_path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a temporary file was left";
}

TEST_F(SecretFile, is_refused_while_others_can_read_it_and_the_remedy_is_named) {
  write(format_secret(make_secret()), 0640);
  const Error error = error_of([&] { load_or_create_secret(path_); });
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("mode 0640"));
  EXPECT_THAT(error.what(), HasSubstr("chmod 600 " + path_.string()));
}

TEST_F(SecretFile, is_refused_when_it_holds_something_else) {
  write("my dog's name\n", 0600);
  EXPECT_THAT(error_of([&] { load_secret(path_); }).what(), HasSubstr(path_.string()));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_THROW(load_secret(path_), Error);
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { load_secret(path_); }).what(), HasSubstr("not an ordinary file"));
}

TEST_F(SecretFile, is_replaced_by_rotation) {
  const Secret old = load_or_create_secret(path_);
  const Secret renewed = rotate_secret(path_);
  EXPECT_NE(renewed.bytes, old.bytes);
  EXPECT_EQ(load_secret(path_)->bytes, renewed.bytes);
}

TEST_F(SecretFile, is_found_where_the_environment_says) {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const std::string before = config == nullptr ? "" : config;
  ::setenv("XDG_CONFIG_HOME", "/somewhere", 1);
  EXPECT_EQ(default_secret_path(), "/somewhere/tandem/secret");
  ::unsetenv("XDG_CONFIG_HOME");
  EXPECT_THAT(default_secret_path(), ::testing::EndsWith("/.config/tandem/secret"));
  if (config != nullptr) ::setenv("XDG_CONFIG_HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace tandem::link
