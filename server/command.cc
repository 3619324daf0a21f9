#include "server/command.h"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <istream>
#include <memory>
#include <string>
#include <system_error>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "server/progress.h"

namespace corkscrew {

BackupOptions ShowProgress(CommandContext& context, absl::string_view what,
                           absl::string_view unit,
                           std::shared_ptr<Progress>* progress) {
  BackupOptions options;
  options.progress = [&context, progress, what = std::string(what),
                      unit = std::string(unit)](const BackupProgress& now) {
    if (*progress == nullptr) {
      *progress = std::make_shared<Progress>(context.console, what, unit,
                                             now.total, context.system.now);
    }
    (*progress)->Update(now.bytes, now.bytes);
  };
  return options;
}

void AddTarget(CLI::App& verb, CommandContext& context) {
  verb.add_option(
          "TARGET", context.target.target,
          "Directory of a database, or host:port or unix:PATH of a node")
      ->type_name("")
      ->required();
  verb.add_option("--token-file", context.target.token_file,
                  "File with the token of the node")
      ->envname("CORKSCREW_TOKEN_FILE")
      ->type_name("FILE");
  verb.add_option("--model-dir", context.model_dir,
                  "Where to look for models first; then CORKSCREW_MODEL_DIR "
                  "and the installed ones")
      ->type_name("DIR");
  verb.add_option("--timeout", context.timeout_seconds,
                  "Longest wait for one answer of a node; default 60, for "
                  "import 300")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 86400.0).description(""));
}

void AddModelDir(CLI::App& verb, CommandContext& context) {
  verb.add_option("--model-dir", context.model_dir,
                  "Where to look for models first")
      ->type_name("DIR");
}

void AddJson(CLI::App& verb, CommandContext& context) {
  verb.add_flag("--json", context.json, "Print one JSON object per line");
}

void AddName(CLI::App& verb, std::string& name) {
  verb.add_option("NAME", name, "Name of the collection")
      ->type_name("")
      ->required();
}

CLI::Validator Decimal() {
  return CLI::Validator(
      [](const std::string& text) {
        uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error == std::errc() && stop == end) return std::string();
        return absl::StrCat("\"", text,
                            "\" is not a number from 0 to 2^64 - 1");
      },
      "");
}

absl::StatusOr<ExitCode> WithDb(
    CommandContext& context,
    const std::function<absl::StatusOr<ExitCode>(Db&)>& action) {
  context.target.timeout = absl::Seconds(context.timeout_seconds);
  context.target.model_path = context.system.model_path(context.model_dir);
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                             context.system.open(context.target));
  absl::StatusOr<ExitCode> result = action(*db);
  const absl::Status closed = db->Close();
  if (result.ok() && !closed.ok()) return closed;
  return result;
}

absl::StatusOr<ExitCode> WithCollection(
    CommandContext& context, absl::string_view name,
    const std::function<absl::StatusOr<ExitCode>(Collection&)>& action) {
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                               db.OpenCollection(name));
    return action(*collection);
  });
}

absl::StatusOr<std::istream*> OpenInput(absl::string_view path,
                                        CommandContext& context,
                                        std::unique_ptr<std::istream>& owner) {
  if (path == "-") return &context.console.in;
  const std::string name(path);
  std::error_code error;
  if (std::filesystem::is_directory(name, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("file \"", name, "\" is a directory"));
  }
  errno = 0;
  auto file = std::make_unique<std::ifstream>(name, std::ios::binary);
  if (!file->is_open()) {
    return absl::ErrnoToStatus(errno != 0 ? errno : EIO,
                               absl::StrCat("file \"", name, "\""));
  }
  std::istream* const in = file.get();
  owner = std::move(file);
  return in;
}

}  // namespace corkscrew
