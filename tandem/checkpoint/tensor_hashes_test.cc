#include <fcntl.h>
#include <sys/stat.h>

#include "tandem/checkpoint/testing/model_fixture.h"

namespace tandem::checkpoint {
namespace {

namespace fs = std::filesystem;

class TensorHashes : public ModelFixture {
 protected:
  void SetUp() override {
    ModelFixture::SetUp();
    write_model(small_config());
    set_time(1'000'000'000);
  }
  void set_time(std::int64_t seconds) {
    const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 5}, {.tv_sec = seconds, .tv_nsec = 5}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / "model.safetensors").c_str(), times, 0), 0);
  }
  /// Flips the first byte of the first tensor, leaving size and inode.
  void change_data() {
    const TensorInfo tensor = Checkpoint::open(folder_).tensors()[0];
    std::fstream file(folder_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(tensor.offset));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(tensor.offset));
    file.put(byte);
  }
  std::vector<Digest> hashes() {
    const Checkpoint checkpoint = Checkpoint::open(folder_);
    return tensor_hashes(checkpoint, checkpoint.tensors(), root_ / "memory");
  }
};

TEST_F(TensorHashes, are_the_sha256_of_each_tensors_bytes) {
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  const auto digests = hashes();
  ASSERT_EQ(digests.size(), checkpoint.tensors().size());
  for (std::size_t i = 0; i < digests.size(); ++i) {
    EXPECT_EQ(digests[i], sha256(checkpoint.bytes(checkpoint.tensors()[i])));
  }
}

TEST_F(TensorHashes, are_remembered_without_reading_the_file_again) {
  const auto first = hashes();
  change_data();
  set_time(1'000'000'000);    // the same identity: only a reader of the data could tell
  EXPECT_EQ(hashes(), first);
}

TEST_F(TensorHashes, are_taken_again_when_the_file_has_another_time) {
  const auto first = hashes();
  change_data();
  set_time(1'000'000'001);
  EXPECT_NE(hashes()[0], first[0]);
}

TEST_F(TensorHashes, of_a_file_that_was_just_written_are_not_remembered) {
  change_data();
  hashes();
  EXPECT_FALSE(fs::exists(root_ / "memory"));
}

TEST_F(TensorHashes, survive_a_memory_that_is_damaged_or_cannot_be_written) {
  const auto first = hashes();
  for (const char* text : {"", "{", "[[1,2]]", "[[1,2,\"zz\"]]", "[3]", "[[0,8,\"00\"]]"}) {
    for (const auto& entry : fs::directory_iterator(root_ / "memory")) write(entry.path(), text);
    EXPECT_EQ(hashes(), first) << text;
  }
  fs::remove_all(root_ / "memory");
  write(root_ / "memory", "a file where the folder should be");
  EXPECT_EQ(hashes(), first);
}

}  // namespace
}  // namespace tandem::checkpoint
