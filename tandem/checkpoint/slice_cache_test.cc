#include "tandem/checkpoint/slice_cache.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>

#include "tandem/checkpoint/testing/model_fixture.h"

namespace tandem::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Share kShare{.first_layer = 1, .end_layer = 3, .head = true};
constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

class SliceCacheTest : public ModelFixture {
 protected:
  void SetUp() override {
    ModelFixture::SetUp();
    make_model(150'000);    // a head of 9.6 MB: three pieces
  }
  void make_model(int vocab) {
    write_model(small_config(vocab));
    write(folder_ / "generation_config.json", R"({"eos_token_id": [1, 2]})");
    source_ = std::make_unique<Checkpoint>(Checkpoint::open(folder_));
  }
  SliceManifest manifest() const { return make_manifest(*source_, kShare, root_ / "memory"); }
  SliceReader reader() const { return SliceReader(*source_, source_->slice(kShare)); }
  SliceCache cache(std::uint64_t max_bytes = kPlenty) const {
    return SliceCache({.folder = root_ / "slices", .max_bytes = max_bytes, .free_bytes = [](const fs::path&) {
                         return kPlenty;
                       }});
  }
  static void send(const SliceReader& reader, SliceWriter& writer, std::uint32_t index) {
    std::vector<std::uint8_t> piece(reader.piece_bytes(index));
    const Digest digest = reader.read_piece(index, piece);
    writer.write_piece(index, piece, digest);
  }
  static void send_missing(const SliceReader& reader, SliceWriter& writer) {
    for (const std::uint32_t index : writer.missing_pieces()) send(reader, writer, index);
  }
  SliceEntry receive(const SliceCache& cache) const {
    SliceWriter writer = cache.begin(manifest());
    send_missing(reader(), writer);
    return writer.commit();
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ / "slices"))
      names.push_back(entry.path().filename().string());
    return names;
  }

  std::unique_ptr<Checkpoint> source_;
};

TEST_F(SliceCacheTest, a_received_slice_opens_as_a_model_folder_with_the_same_bytes) {
  const SliceCache slices = cache();
  EXPECT_FALSE(slices.find(slice_key(manifest())).has_value());
  receive(slices);
  const auto entry = slices.find(slice_key(manifest()));
  ASSERT_TRUE(entry.has_value());
  const Checkpoint copy = Checkpoint::open(entry->folder());
  EXPECT_THAT(copy.config().end_ids, ElementsAre(1, 2));
  const auto expected = source_->slice(kShare);
  const auto tensors = copy.slice(kShare);
  ASSERT_EQ(tensors.size(), expected.size());
  EXPECT_EQ(copy.tensors().size(), expected.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].name, expected[i].name);
    EXPECT_EQ(sha256(copy.bytes(tensors[i])), sha256(source_->bytes(expected[i])));
  }
}

TEST_F(SliceCacheTest, pieces_may_come_in_any_order_and_from_several_threads) {
  const SliceCache slices = cache();
  SliceWriter writer = slices.begin(manifest());
  ASSERT_GE(writer.num_pieces(), 3u);
  const SliceReader source = reader();
  std::vector<std::thread> threads;
  for (std::uint32_t i = writer.num_pieces(); i-- > 0;)
    threads.emplace_back([&, i] { send(source, writer, i); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(writer.missing_pieces(), IsEmpty());
  EXPECT_TRUE(fs::exists(writer.commit().folder() / "model.safetensors"));
}

TEST_F(SliceCacheTest, a_cut_transfer_goes_on_after_kill_9) {
  const pid_t child = ::fork();
  if (child == 0) {
    SliceWriter writer = cache().begin(manifest());
    send(reader(), writer, 1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const SliceCache slices = cache();
  EXPECT_FALSE(slices.find(slice_key(manifest())).has_value());
  SliceWriter writer = slices.begin(manifest());
  const auto missing = writer.missing_pieces();
  EXPECT_EQ(missing.size(), writer.num_pieces() - 1u);
  EXPECT_EQ(std::count(missing.begin(), missing.end(), 1u), 0);
  send_missing(reader(), writer);
  writer.commit();
  EXPECT_TRUE(slices.find(slice_key(manifest())).has_value());
}

TEST_F(SliceCacheTest, pieces_lost_by_the_disk_are_found_at_commit_and_sent_again) {
  const SliceCache slices = cache();
  {
    SliceWriter writer = slices.begin(manifest());
    send_missing(reader(), writer);
  }
  // A power cut: the journal is on the disk, some of the data are not.
  const fs::path data = root_ / "slices" / (to_hex(slice_key(manifest())) + ".partial") / "model.safetensors";
  std::fstream file(data, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(6 << 20);
  file << std::string(100, '\0');
  file.close();
  SliceWriter writer = slices.begin(manifest());
  EXPECT_THAT(writer.missing_pieces(), IsEmpty());
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { writer.commit(); }), HasSubstr("tensor lm_head.weight"));
  EXPECT_FALSE(slices.find(slice_key(manifest())).has_value());
  EXPECT_FALSE(writer.missing_pieces().empty());
  send_missing(reader(), writer);
  writer.commit();
  EXPECT_TRUE(slices.find(slice_key(manifest())).has_value());
}

TEST_F(SliceCacheTest, a_journal_that_does_not_fit_its_data_starts_anew) {
  const SliceCache slices = cache();
  {
    SliceWriter writer = slices.begin(manifest());
    send(reader(), writer, 0);
  }
  const fs::path partial = root_ / "slices" / (to_hex(slice_key(manifest())) + ".partial");
  for (const char* name : {"pieces", "model.safetensors"}) {
    write(partial / name, "x");
    SliceWriter writer = slices.begin(manifest());
    EXPECT_EQ(writer.missing_pieces().size(), writer.num_pieces());
    send(reader(), writer, 0);
  }
}

TEST_F(SliceCacheTest, a_piece_with_other_bytes_than_promised_is_refused) {
  SliceWriter writer = cache().begin(manifest());
  const SliceReader source = reader();
  std::vector<std::uint8_t> piece(source.piece_bytes(0));
  const Digest digest = source.read_piece(0, piece);
  piece[5] ^= 1;
  error_of(Code::kCorrupt, [&] { writer.write_piece(0, piece, digest); });
  piece[5] ^= 1;
  error_of(Code::kCorrupt, [&] { writer.write_piece(writer.num_pieces(), piece, digest); });
  error_of(Code::kCorrupt,
           [&] { writer.write_piece(0, std::span(piece).first(9), sha256(std::span(piece).first(9))); });
  EXPECT_EQ(writer.missing_pieces().size(), writer.num_pieces());
  error_of(Code::kUnavailable, [&] { writer.commit(); });
}

TEST_F(SliceCacheTest, one_slice_is_received_by_one_process_at_a_time) {
  const SliceCache slices = cache();
  {
    SliceWriter writer = slices.begin(manifest());
    EXPECT_THAT(error_of(Code::kUnavailable, [&] { slices.begin(manifest()); }), HasSubstr("another tandem"));
  }
  slices.begin(manifest());
}

TEST_F(SliceCacheTest, a_slice_that_is_already_there_is_taken_at_commit) {
  const SliceCache slices = cache();
  const SliceEntry held = receive(slices);
  EXPECT_EQ(receive(slices).folder(), held.folder());
  EXPECT_THAT(names(), ElementsAre(held.folder().filename().string()));
}

TEST_F(SliceCacheTest, the_least_recently_used_slice_makes_room_unless_it_is_in_use) {
  std::vector<Digest> keys;
  const SliceCache big = cache();
  for (const int vocab : {150'000, 150'001, 150'002}) {
    make_model(vocab);
    keys.push_back(slice_key(manifest()));
    receive(big);
    const auto age = std::chrono::hours(100 - static_cast<int>(keys.size()));
    fs::last_write_time(root_ / "slices" / to_hex(keys.back()), fs::file_time_type::clock::now() - age);
  }
  const auto in_use = big.find(keys[1]);
  fs::last_write_time(root_ / "slices" / to_hex(keys[1]),
                      fs::file_time_type::clock::now() - std::chrono::hours(200));
  make_model(150'003);
  receive(cache(32'000'000));    // three fit
  EXPECT_FALSE(big.find(keys[0]).has_value());
  EXPECT_TRUE(big.find(keys[1]).has_value());
  EXPECT_TRUE(big.find(keys[2]).has_value());
}

TEST_F(SliceCacheTest, what_does_not_fit_is_refused_with_numbers_before_a_byte_is_written) {
  EXPECT_THAT(error_of(Code::kDoesNotFit, [&] { cache(1 << 20).begin(manifest()); }),
              HasSubstr("may hold 1.0 MiB"));
  const SliceCache full({.folder = root_ / "slices", .max_bytes = kPlenty, .free_bytes = [](const fs::path&) {
                           return std::uint64_t{5 << 20};
                         }});
  EXPECT_THAT(error_of(Code::kDoesNotFit, [&] { full.begin(manifest()); }),
              HasSubstr("where 5.0 MiB are free"));
}

TEST_F(SliceCacheTest, keys_follow_content_and_not_the_order_of_tensors) {
  const SliceManifest first = manifest();
  SliceManifest other = first;
  std::reverse(other.tensors.begin(), other.tensors.end());
  std::reverse(other.hashes.begin(), other.hashes.end());
  EXPECT_EQ(slice_key(other), slice_key(first));
  other.hashes[0][0] ^= 1;
  EXPECT_NE(slice_key(other), slice_key(first));
  other = first;
  other.config += " ";
  EXPECT_NE(slice_key(other), slice_key(first));
}

TEST_F(SliceCacheTest, forged_manifests_are_refused) {
  const SliceManifest good = manifest();
  const std::function<void(SliceManifest&)> forgeries[] = {
      [](SliceManifest& m) { m.hashes.pop_back(); },
      [](SliceManifest& m) { m.tensors[0].name = m.tensors[1].name; },
      [](SliceManifest& m) { m.tensors[0].name.clear(); },
      [](SliceManifest& m) { m.tensors[0].size_bytes += 4; },
      [](SliceManifest& m) { m.tensors[0].shape = {-1}; },
      [](SliceManifest& m) { m.tensors[0].shape = {std::int64_t{1} << 62, 4, 4}; },
      [](SliceManifest& m) { m.config.assign(2 << 20, ' '); }};
  for (const auto& forge : forgeries) {
    SliceManifest bad = good;
    forge(bad);
    error_of(Code::kCorrupt, [&] { cache().begin(bad); });
  }
}

}  // namespace
}  // namespace tandem::checkpoint
