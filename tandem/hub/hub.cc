#include "tandem/hub/hub.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tandem/base/error.h"
#include "tandem/base/program_path.h"
#include "tandem/base/strings.h"

namespace tandem::hub {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxNameBytes = 96;         // the Hub's own bound on each part
constexpr std::size_t kMaxRevisionBytes = 255;
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

struct HubName {
  std::string id;          ///< "org/name" or "name"
  std::string revision;    ///< "main" when none was given
};

bool consists_of(std::string_view text, std::string_view more) {
  const std::string allowed = std::string(kLetters) + std::string(more);
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

/// huggingface_hub's validate_repo_id: parts of letters, digits, -, _ and ., no "--" or "..", no - or . at
/// either end.
bool is_name_part(std::string_view part) {
  return consists_of(part, "-_.") && part.size() <= kMaxNameBytes &&
         part.find("--") == std::string_view::npos && part.find("..") == std::string_view::npos &&
         std::string_view("-.").find(part.front()) == std::string_view::npos &&
         std::string_view("-.").find(part.back()) == std::string_view::npos;
}

/// A branch, tag, commit or refs/pr/N: no part of it may climb out of the cache.
bool is_revision(std::string_view revision) {
  if (!consists_of(revision, "-_./+") || revision.size() > kMaxRevisionBytes) return false;
  const auto parts = split(revision, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](const std::string& part) { return part.empty() || part == "." || part == ".."; });
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<HubName> parse_hub_name(std::string_view model) {
  const std::size_t at = model.find('@');
  HubName name{.id = std::string(model.substr(0, at)),
               .revision = at == std::string_view::npos ? "main" : std::string(model.substr(at + 1))};
  const auto parts = split(name.id, '/');
  const bool is_id = parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), is_name_part);
  if (!is_id || !is_revision(name.revision)) return std::nullopt;
  return name;
}

bool is_model_folder(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "config.json", error);
}

bool looks_like_path(std::string_view model) {
  return model.rfind("/", 0) == 0 || model.rfind("./", 0) == 0 || model.rfind("../", 0) == 0 ||
         model.rfind("~", 0) == 0 || model == "." || model == "..";
}

/// `~` and `~/x` stand for HOME, which a shell does not expand inside quotes or behind a `=`.
fs::path expand_home(const std::string& path, const Environment& environment) {
  if (path != "~" && path.rfind("~/", 0) != 0) return path;
  const auto home = environment("HOME");
  if (!home) throw Error(Code::kInvalidArgument, path + ": HOME is not set; write the whole path");
  return path == "~" ? fs::path(*home) : fs::path(*home) / path.substr(2);
}

LocalModel resolve_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw Error(Code::kNotFound,
                folder.string() + ": no such folder; give a model folder, a name such as org/name, or demo");
  }
  if (!is_model_folder(folder)) {
    throw Error(Code::kNotFound,
                folder.string() + ": holds no config.json, so it is not a Hugging Face model folder");
  }
  fs::path named = fs::canonical(folder, error);
  if (error) named = folder;
  return {.name = named.filename().string(), .folder = folder};
}

LocalModel resolve_demo(const Places& places) {
  std::vector<std::string> looked_at;
  for (const fs::path& folder : places.demo_folders) {
    if (is_model_folder(folder)) return {.name = "demo", .folder = folder.lexically_normal()};
    looked_at.push_back(folder.lexically_normal().string());
  }
  throw Error(Code::kNotFound, "the demo model is not there; looked in " + join(looked_at, " and ") +
                                   ": install tandem again or start it from its checkout");
}

std::string fetch_command(const HubName& name) {
  std::string command = ".venv/bin/hf download " + name.id;
  if (name.revision != "main") command += " --revision " + name.revision;
  return command;
}

/// The commit that a branch or tag stood for when it was fetched; nullopt when it never was.
std::optional<std::string> read_ref(const fs::path& model, const std::string& revision) {
  const fs::path ref = model / "refs" / revision;
  std::error_code error;
  if (!fs::is_regular_file(ref, error)) return std::nullopt;
  std::ifstream in(ref, std::ios::binary);
  std::string text(64, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  const std::string commit(trim(text));
  if (!is_commit(commit)) {
    throw Error(Code::kCorrupt,
                ref.string() + ": holds no 40-digit commit; remove the file and fetch the model again");
  }
  return commit;
}

LocalModel resolve_hub(const HubName& name, const fs::path& cache) {
  std::string folder_name = "models--" + name.id;
  if (const std::size_t slash = folder_name.find('/'); slash != std::string::npos)
    folder_name.replace(slash, 1, "--");
  const fs::path model = cache / folder_name;
  const auto commit = is_commit(name.revision) ? name.revision : read_ref(model, name.revision);
  const std::string shown = name.revision == "main" ? name.id : name.id + "@" + name.revision;
  std::error_code error;
  if (!commit || !fs::is_directory(model / "snapshots" / *commit, error)) {
    throw Error(Code::kNotFound, shown + ": not on this machine (looked in " + cache.string() +
                                     "); fetch it with\n  " + fetch_command(name));
  }
  const fs::path snapshot = model / "snapshots" / *commit;
  if (!is_model_folder(snapshot)) {
    throw Error(Code::kNotFound, shown + ": " + snapshot.string() +
                                     " holds no config.json; if the download was cut off, go on "
                                     "with\n  " +
                                     fetch_command(name));
  }
  return {.name = name.id, .folder = snapshot, .commit = *commit};
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

fs::path cache_folder(const Environment& environment) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto folder = environment(name)) return expand_home(*folder, environment);
  }
  if (const auto home = environment("HF_HOME")) return expand_home(*home, environment) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME"))
    return expand_home(*cache, environment) / "huggingface" / "hub";
  return expand_home("~/.cache/huggingface/hub", environment);
}

std::vector<fs::path> demo_folders(const fs::path& executable) {
  const fs::path bin = executable.parent_path();
  return {bin / ".." / ".." / "demo" / "model", bin / ".." / "share" / "tandem" / "demo"};
}

Places default_places() {
  return {.cache = cache_folder(process_environment), .demo_folders = demo_folders(program_path())};
}

LocalModel resolve(std::string_view model, const Places& places) {
  const std::string text(model);
  if (text == "demo") return resolve_demo(places);
  std::error_code error;
  if (looks_like_path(text)) return resolve_folder(expand_home(text, process_environment));
  if (!text.empty() && fs::is_directory(text, error)) return resolve_folder(text);
  const auto name = parse_hub_name(text);
  if (!name) {
    throw Error(Code::kInvalidArgument, "\"" + text.substr(0, 200) +
                                            "\" is neither a folder here nor a model's name; write demo, "
                                            "a folder, or org/name with an optional @revision");
  }
  return resolve_hub(*name, places.cache);
}

}  // namespace tandem::hub
