#include "server/model_path.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {
namespace {

namespace fs = std::filesystem;

// Deepest build folder in a source tree: build/PRESET/server/corkscrew.
constexpr int kBuildLevels = 5;

}  // namespace

std::vector<std::string> ModelPath(const ModelPathInputs& inputs) {
  std::vector<std::string> path;
  if (!inputs.model_dir.empty()) path.push_back(inputs.model_dir);
  if (!inputs.environment.empty()) path.push_back(inputs.environment);
  if (inputs.executable.empty()) return path;

  std::error_code error;
  const fs::path bin = inputs.executable.parent_path();
  const fs::path share = bin.parent_path() / CORKSCREW_SHARE_DIR / "models";
  if (fs::is_directory(share, error)) path.push_back(share.string());

  fs::path folder = bin;
  for (int i = 0; i < kBuildLevels && folder.has_relative_path(); ++i) {
    folder = folder.parent_path();
    if (fs::is_regular_file(folder / "CMakePresets.json", error) &&
        fs::is_directory(folder / "models", error)) {
      path.push_back((folder / "models").string());
      break;
    }
  }
  return path;
}

std::vector<std::string> SystemModelPath(absl::string_view model_dir) {
  ModelPathInputs inputs;
  inputs.model_dir = std::string(model_dir);
  if (const char* const set = std::getenv("CORKSCREW_MODEL_DIR")) {
    inputs.environment = set;
  }
  std::error_code error;
  inputs.executable = fs::read_symlink("/proc/self/exe", error);
  return ModelPath(inputs);
}

EmbedderOptions SystemEmbedderOptions() {
  EmbedderOptions options;
  if (const char* const set = std::getenv("CORKSCREW_ARCH_DIR")) {
    options.architecture_directories.emplace_back(set);
  }
  return options;
}

}  // namespace corkscrew
