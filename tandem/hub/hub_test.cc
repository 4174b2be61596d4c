#include "tandem/hub/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <map>

#include "tandem/base/error.h"

namespace tandem::hub {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

class Hub : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "tandem-hub-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    places_ = {.cache = root_ / "hub", .demo_folders = {root_ / "none", root_ / "demo"}};
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  /// A snapshot with a config.json, as huggingface_hub lays it out.
  fs::path add_snapshot(const std::string& folder, const std::string& commit, const std::string& ref) {
    const fs::path model = root_ / "hub" / folder;
    if (!ref.empty()) write(model / "refs" / ref, commit);
    write(model / "blobs" / "b", "{}");
    const fs::path snapshot = model / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_symlink("../../blobs/b", snapshot / "config.json");
    return snapshot;
  }
  std::string message_of(std::string_view model, Code code) {
    try {
      resolve(model, places_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << model << " was accepted";
    return "";
  }

  fs::path root_;
  Places places_;
};

TEST_F(Hub, finds_the_main_branch_of_a_cached_model) {
  const fs::path snapshot = add_snapshot("models--org--name", kCommit, "main");
  const LocalModel model = resolve("org/name", places_);
  EXPECT_EQ(model.folder, snapshot);
  EXPECT_EQ(model.name, "org/name");
  EXPECT_EQ(model.commit, kCommit);
}

TEST_F(Hub, finds_a_branch_with_slashes_a_commit_and_a_name_without_organisation) {
  const fs::path snapshot = add_snapshot("models--org--name", kCommit, "refs/pr/7");
  EXPECT_EQ(resolve("org/name@refs/pr/7", places_).folder, snapshot);
  EXPECT_EQ(resolve(std::string("org/name@") + kCommit, places_).folder, snapshot);
  EXPECT_EQ(
      resolve(
          "gpt2",
          {.cache = add_snapshot("models--gpt2", kCommit, "main").parent_path().parent_path().parent_path()})
          .name,
      "gpt2");
}

TEST_F(Hub, a_missing_model_names_the_command_that_fetches_it) {
  EXPECT_THAT(message_of("org/name", Code::kNotFound), HasSubstr("\n  .venv/bin/hf download org/name"));
  EXPECT_THAT(message_of("org/name@v1.0", Code::kNotFound),
              HasSubstr("hf download org/name --revision v1.0"));
  add_snapshot("models--org--name", kCommit, "main");
  EXPECT_THAT(message_of("org/name@other", Code::kNotFound),
              HasSubstr("org/name@other: not on this machine"));
}

TEST_F(Hub, a_cut_download_is_told_from_a_missing_one) {
  fs::remove(add_snapshot("models--org--name", kCommit, "main") / "config.json");
  EXPECT_THAT(message_of("org/name", Code::kNotFound), HasSubstr("cut off"));
}

TEST_F(Hub, a_ref_that_is_no_commit_is_refused) {
  add_snapshot("models--org--name", kCommit, "main");
  write(root_ / "hub/models--org--name/refs/main", "../../../../etc");
  EXPECT_THAT(message_of("org/name", Code::kCorrupt), HasSubstr("refs/main"));
}

TEST_F(Hub, names_that_could_leave_the_cache_are_no_names) {
  for (const char* name : {"", "a/b/c", "org/..", "..%2f", "org/na me", "org/name@../../x", "org/name@/etc",
                           "org/name@", "org/a--b", "-x/y", "org/name@a//b", "org/\xff", "@main", "org/"}) {
    message_of(name, Code::kInvalidArgument);
  }
}

TEST_F(Hub, a_folder_is_taken_as_it_is) {
  write(root_ / "my-model/config.json", "{}");
  const LocalModel model = resolve((root_ / "my-model/").string(), places_);
  EXPECT_EQ(model.name, "my-model");
  EXPECT_EQ(model.commit, "");
  EXPECT_THAT(message_of(root_.string(), Code::kNotFound), HasSubstr("no config.json"));
  EXPECT_THAT(message_of("./nowhere", Code::kNotFound), HasSubstr("no such folder"));
}

TEST_F(Hub, demo_is_the_first_candidate_with_a_config) {
  EXPECT_THAT(message_of("demo", Code::kNotFound), HasSubstr((root_ / "none").string()));
  write(root_ / "demo/config.json", "{}");
  EXPECT_EQ(resolve("demo", places_).folder, root_ / "demo");
  EXPECT_EQ(resolve("demo", places_).name, "demo");
}

TEST_F(Hub, the_cache_is_where_huggingface_hub_puts_it) {
  std::map<std::string, std::string> variables = {{"HOME", "/home/u"}};
  const Environment environment = [&](const char* name) -> std::optional<std::string> {
    const auto place = variables.find(name);
    return place == variables.end() ? std::nullopt : std::optional(place->second);
  };
  EXPECT_EQ(cache_folder(environment), "/home/u/.cache/huggingface/hub");
  variables["XDG_CACHE_HOME"] = "/x";
  EXPECT_EQ(cache_folder(environment), "/x/huggingface/hub");
  variables["HF_HOME"] = "~/hf";
  EXPECT_EQ(cache_folder(environment), "/home/u/hf/hub");
  variables["HUGGINGFACE_HUB_CACHE"] = "/old";
  EXPECT_EQ(cache_folder(environment), "/old");
  variables["HF_HUB_CACHE"] = "/new";
  EXPECT_EQ(cache_folder(environment), "/new");
  EXPECT_THROW(cache_folder([](const char*) { return std::optional<std::string>(); }), Error);
}

TEST_F(Hub, the_demo_folders_lie_beside_the_running_program) {
  const auto folders = demo_folders("/src/build/bin/tandem");
  EXPECT_EQ(folders[0].lexically_normal(), "/src/demo/model");
  EXPECT_EQ(folders[1].lexically_normal(), "/src/build/share/tandem/demo");
}

}  // namespace
}  // namespace tandem::hub
