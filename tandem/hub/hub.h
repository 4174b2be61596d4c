// Turns the name that a user gives a model into a folder on this machine: a folder, `demo`, or a name on the
// Hugging Face Hub that stands in its standard cache. Called by the verbs.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::hub {

/// Where names are looked up.
struct Places {
  std::filesystem::path cache;  ///< of the Hub: the folder with models--org--name in it
  std::vector<std::filesystem::path> demo_folders;  ///< the first that holds a config.json is `demo`
};

/// Reads an environment variable; tests give their own.
using Environment = std::function<std::optional<std::string>(const char* name)>;
/// std::getenv; an empty variable counts as unset.
std::optional<std::string> process_environment(const char* name);

/// HF_HUB_CACHE (or its old name HUGGINGFACE_HUB_CACHE), else HF_HOME/hub, else
/// $XDG_CACHE_HOME/huggingface/hub, else
/// ~/.cache/huggingface/hub: as huggingface_hub. A leading ~ is HOME. Throws Error{kInvalidArgument} when
/// HOME is needed and unset.
std::filesystem::path cache_folder(const Environment& environment);
/// For the running program at `executable`: ../../demo/model of a checkout's build/bin, ../share/tandem/demo
/// of an installation.
std::vector<std::filesystem::path> demo_folders(const std::filesystem::path& executable);
/// Of this process.
Places default_places();

/// A model that is on this machine.
struct LocalModel {
  std::string name;  ///< for clients: "org/name", "demo", or the folder's last part
  std::filesystem::path folder;  ///< holds config.json
  std::string commit;  ///< 40 hex of a Hub snapshot; empty for a folder
};

/// `model`: "demo"; a folder (one that exists, or anything that begins with /, ./, ../ or ~); else "org/name"
/// or "name" with an optional "@revision", a branch, tag or 40-hex commit, main when absent. Never touches
/// the network. Throws Error{kNotFound} with the command that fetches it; Error{kInvalidArgument} on what
/// cannot be a model's name; Error{kCorrupt} when the cache names something that is no commit.
LocalModel resolve(std::string_view model, const Places& places);

}  // namespace tandem::hub
