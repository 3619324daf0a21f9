#ifndef CORKSCREW_SERVER_MODEL_PATH_H_
#define CORKSCREW_SERVER_MODEL_PATH_H_

// Where models are looked for.

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

// The model a text collection gets when none is named.
inline constexpr char kDefaultModel[] = "corkscrew-default-1";

struct ModelPathInputs {
  std::string model_dir = {};             // --model-dir, or empty.
  std::string environment = {};           // CORKSCREW_MODEL_DIR, or empty.
  std::filesystem::path executable = {};  // This program's file.
};

// Returns the directories to look in, first match wins: --model-dir,
// CORKSCREW_MODEL_DIR, the share folder of the installation that `executable`
// belongs to ("PREFIX/bin" -> "PREFIX/share/corkscrewdb/models"), and "models/"
// of the source tree if `executable` lies in a build folder of it. Directories
// that do not exist are left out, the two named ones excepted.
std::vector<std::string> ModelPath(const ModelPathInputs& inputs);

// ModelPath() with the environment and the executable of this process.
std::vector<std::string> SystemModelPath(absl::string_view model_dir);

// How models of databases are loaded: the variable CORKSCREW_ARCH_DIR names a
// directory with .arch.toml files that come before those compiled in.
EmbedderOptions SystemEmbedderOptions();

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_MODEL_PATH_H_
