#include "embed/model_directories.h"

#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/builtin_embedder.h"
#include "embed/model_formats.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxNameBytes = 200;  // File names end at 255.

using EmbedderOr = absl::StatusOr<std::shared_ptr<const Embedder>>;

// A name comes from requests: it must never reach outside the directories.
absl::Status CheckName(absl::string_view model) {
  if (model.empty() || model.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name of a model has ", model.size(),
                     " bytes, want 1..", kMaxNameBytes));
  }
  for (const char c : model) {
    if (c == '/' || absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "model \"", absl::CHexEscape(model),
          "\": a name has no '/' and no "
          "control characters; it is a file name without suffix, not a path"));
    }
  }
  if (model[0] == '.') {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", absl::CHexEscape(model),
                     "\": a name does not start with '.'"));
  }
  return absl::OkStatus();
}

class DirectoryRegistry : public EmbedderRegistry {
 public:
  DirectoryRegistry(std::vector<std::string> directories, EmbedderLoader loader)
      : directories_(std::move(directories)), loader_(std::move(loader)) {}

  EmbedderOr Find(absl::string_view model) const override {
    CORKSCREW_RETURN_IF_ERROR(CheckName(model));
    std::string name(model);
    std::shared_ptr<Load> load;
    {
      const MutexLock lock(&mutex_);
      std::shared_ptr<Load>& known = loads_[name];
      if (known != nullptr) {
        load = known;
        while (!load->result.has_value()) loaded_.Wait(&mutex_);
        return *load->result;
      }
      known = load = std::make_shared<Load>();
    }
    EmbedderOr result = LoadFirst(name);
    const MutexLock lock(&mutex_);
    load->result = result;
    if (!result.ok()) loads_.erase(name);
    loaded_.NotifyAll();
    return result;
  }

 private:
  struct Load {
    std::optional<EmbedderOr> result;  // Guarded by mutex_. Unset: under way.
  };

  EmbedderOr LoadFirst(const std::string& name) const {
    if (name == kBuiltinModel) return BuiltinEmbedder();
    const std::vector<ModelFormat> formats = ModelFormats();
    std::vector<std::string> looked_in;
    for (const std::string& directory : directories_) {
      if (directory.empty()) continue;
      for (const ModelFormat& format : formats) {
        const std::string path =
            absl::StrCat(directory, "/", name, format.suffix);
        struct stat info = {};
        if (stat(path.c_str(), &info) == 0) return loader_(path);
        if (errno != ENOENT && errno != ENOTDIR) {
          return absl::ErrnoToStatus(errno, path);
        }
      }
      looked_in.push_back(directory);
    }
    return absl::NotFoundError(absl::StrCat(
        "model \"", absl::CHexEscape(name), "\": no file ",
        absl::CHexEscape(name), ".gguf or .mll in ",
        looked_in.empty() ? "any directory, because none is configured"
                          : absl::StrJoin(looked_in, ", ")));
  }

  const std::vector<std::string> directories_;
  const EmbedderLoader loader_;

  mutable Mutex mutex_;
  mutable CondVar loaded_;  // A load has ended.
  // By name: the embedders that are there and the loads under way.
  mutable std::map<std::string, std::shared_ptr<Load>> loads_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<const EmbedderRegistry> ModelDirectoriesWithLoader(
    std::vector<std::string> directories, EmbedderLoader loader) {
  return std::make_shared<DirectoryRegistry>(std::move(directories),
                                             std::move(loader));
}

std::shared_ptr<const EmbedderRegistry> ModelDirectories(
    std::vector<std::string> directories, const EmbedderOptions& options) {
  return ModelDirectoriesWithLoader(std::move(directories),
                                    [options](absl::string_view path) {
                                      return LoadEmbedder(path, options);
                                    });
}

}  // namespace corkscrew
