#include "server/daemon_config.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "base/toml.h"
#include "corkscrew/db.h"
#include "server/target.h"
#include "server/text_display.h"
#include "server/token_file.h"

namespace corkscrew {
namespace {

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  static constexpr std::pair<absl::string_view, int> kUnits[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  absl::string_view digits = text;
  int shift = 0;
  for (const auto& [unit, bits] : kUnits) {
    if (absl::ConsumeSuffix(&digits, unit)) {
      shift = bits;
      break;
    }
  }
  digits = absl::StripTrailingAsciiWhitespace(digits);
  uint64_t value = 0;
  if (digits.empty() ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &value) ||
      value > std::numeric_limits<uint64_t>::max() >> shift) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Snippet(text, 40),
                     "\" is no number of bytes; want 67108864 or \"64 MiB\""));
  }
  return value << shift;
}

absl::StatusOr<uint64_t> ParseCount(absl::string_view text) {
  uint64_t value = 0;
  if (text.empty() ||
      text.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(text, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Snippet(text, 40), "\" is no decimal number"));
  }
  return value;
}

using Setter = std::function<absl::Status(const std::string&, DaemonOptions&)>;

Setter Text(std::string DaemonOptions::*field) {
  return [field](const std::string& text, DaemonOptions& options) {
    if (text.empty()) return absl::InvalidArgumentError("is empty");
    options.*field = text;
    return absl::OkStatus();
  };
}

Setter TextOfList(std::vector<std::string> DaemonOptions::*field) {
  return [field](const std::string& text, DaemonOptions& options) {
    if (text.empty()) return absl::InvalidArgumentError("is empty");
    (options.*field).push_back(text);
    return absl::OkStatus();
  };
}

// A number of at most `most` for a field of Options.
template <typename T>
Setter Number(T Options::*field, DaemonValue kind, uint64_t most) {
  return [field, kind, most](const std::string& text, DaemonOptions& options) {
    const absl::StatusOr<uint64_t> value =
        kind == DaemonValue::kBytes ? ParseBytes(text) : ParseCount(text);
    if (!value.ok()) return value.status();
    if (*value > most) {
      return absl::InvalidArgumentError(
          absl::StrCat("is ", *value, ", at most ", most));
    }
    options.db.*field = static_cast<T>(*value);
    return absl::OkStatus();
  };
}

constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();

std::vector<DaemonOption> MakeTable() {
  return {
      {"data", "DIR", DaemonValue::kText, "",
       "Directory of the database; created if missing. Required",
       Text(&DaemonOptions::data)},
      {"listen", "ADDRESS", DaemonValue::kTextList, "127.0.0.1:7700",
       "Loopback address HOST:PORT, port 0 takes a free one; or unix:PATH. May "
       "be given several times",
       TextOfList(&DaemonOptions::listen)},
      {"token-file", "FILE", DaemonValue::kText, "",
       "File with the token that every call over TCP must carry, mode 600. "
       "Required with a TCP address",
       Text(&DaemonOptions::token_file)},
      {"backup-dir", "DIR", DaemonValue::kText, "",
       "Directory below which clients may have snapshots, backups and logs "
       "saved; without it they may not",
       Text(&DaemonOptions::backup_directory)},
      {"model-dir", "DIR", DaemonValue::kText, "",
       "Where to look for models first; then CORKSCREW_MODEL_DIR and the "
       "installed ones",
       Text(&DaemonOptions::model_dir)},
      {"memory-budget", "BYTES", DaemonValue::kBytes, "0",
       "Most memory for caches, writes and indexes together; 0 is no limit",
       Number(&Options::memory_budget_bytes, DaemonValue::kBytes, kMostBytes)},
      {"block-cache", "BYTES", DaemonValue::kBytes, "32 MiB",
       "Memory for cached blocks of the store",
       Number(&Options::block_cache_bytes, DaemonValue::kBytes, kMostBytes)},
      {"low-space", "BYTES", DaemonValue::kBytes, "64 MiB",
       "Writes are refused while the file system has less free space",
       Number(&Options::low_space_bytes, DaemonValue::kBytes, kMostBytes)},
      {"threads", "N", DaemonValue::kCount, "0",
       "Threads for encoding and searching; 0 takes one per core",
       Number(&Options::threads, DaemonValue::kCount, 1024)},
  };
}

const DaemonOption* FindByKey(absl::string_view key) {
  for (const DaemonOption& option : DaemonOptionTable()) {
    if (DaemonKey(option.name) == key) return &option;
  }
  return nullptr;
}

// Levenshtein's distance.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string Where(const std::string& path, const toml::source_region& source) {
  return absl::StrCat(path, ":", source.begin.line);
}

// The texts of a value of the file; a problem's text if it is of another type.
absl::StatusOr<std::vector<std::string>> TextsOf(const DaemonOption& option,
                                                 const toml::node& node) {
  const auto text_of =
      [&](const toml::node& value) -> std::optional<std::string> {
    const bool number = option.value == DaemonValue::kCount ||
                        option.value == DaemonValue::kBytes;
    if (value.is_string() && option.value != DaemonValue::kCount) {
      return value.value<std::string>();
    }
    if (value.is_integer() && number) {
      return absl::StrCat(*value.value<int64_t>());
    }
    return std::nullopt;
  };
  std::vector<std::string> texts;
  bool good = true;
  if (const toml::array* list = node.as_array();
      list != nullptr && option.value == DaemonValue::kTextList) {
    for (const toml::node& value : *list) {
      const std::optional<std::string> text = text_of(value);
      good = good && text.has_value();
      texts.push_back(text.value_or(""));
    }
  } else {
    const std::optional<std::string> text = text_of(node);
    good = text.has_value();
    texts.push_back(text.value_or(""));
  }
  if (good) return texts;
  switch (option.value) {
    case DaemonValue::kText:
      return absl::InvalidArgumentError("want a string in quotes");
    case DaemonValue::kTextList:
      return absl::InvalidArgumentError("want a string or an array of strings");
    case DaemonValue::kCount:
      return absl::InvalidArgumentError("want a number");
    case DaemonValue::kBytes:
      return absl::InvalidArgumentError("want a number or \"64 MiB\"");
  }
  return absl::InternalError("an unknown type");
}

std::string TomlString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", absl::string_view(&c, 1));
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04X", c);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

}  // namespace

absl::Span<const DaemonOption> DaemonOptionTable() {
  static const auto& table = *new std::vector<DaemonOption>(MakeTable());
  return table;
}

std::string DaemonKey(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"-", "_"}});
}

std::string DaemonVariable(absl::string_view name) {
  return absl::StrCat("CORKSCREWD_", absl::AsciiStrToUpper(DaemonKey(name)));
}

std::string SimilarOption(absl::string_view key) {
  const std::string wanted = absl::AsciiStrToLower(DaemonKey(key));
  std::string best;
  size_t best_distance = 4;  // More is another word.
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string candidate = DaemonKey(option.name);
    const size_t distance = EditDistance(wanted, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

ConfigSettings ParseConfigFile(absl::string_view toml, const std::string& path,
                               std::vector<ConfigProblem>& problems) {
  ConfigSettings settings;
  const toml::parse_result result =
      toml::parse(std::string_view(toml.data(), toml.size()), path);
  if (!result) {
    problems.push_back({Where(path, result.error().source()),
                        std::string(result.error().description())});
    return settings;
  }
  for (const auto& [key, node] : result.table()) {
    const absl::string_view name(key.str().data(), key.str().size());
    const DaemonOption* const option = FindByKey(name);
    const std::string where = Where(path, key.source());
    if (option == nullptr) {
      const std::string similar = SimilarOption(name);
      problems.push_back(
          {where,
           absl::StrCat("unknown key \"", Snippet(name, 60), "\"",
                        similar.empty() ? ""
                                        : absl::StrCat("; did you mean \"",
                                                       similar, "\"?"))});
      continue;
    }
    absl::StatusOr<std::vector<std::string>> texts = TextsOf(*option, node);
    if (!texts.ok()) {
      problems.push_back({where, absl::StrCat(DaemonKey(option->name), ": ",
                                              texts.status().message())});
      continue;
    }
    settings[std::string(option->name)] = {*std::move(texts), where};
  }
  return settings;
}

ConfigSettings ConfigVariables(
    const std::function<std::optional<std::string>(const std::string&)>& get) {
  ConfigSettings settings;
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string variable = DaemonVariable(option.name);
    const std::optional<std::string> text = get(variable);
    if (!text.has_value() || text->empty()) continue;
    ConfigSetting& setting = settings[std::string(option.name)];
    setting.where = variable;
    if (option.value == DaemonValue::kTextList) {
      setting.values = absl::StrSplit(*text, ',');
    } else {
      setting.values = {*text};
    }
  }
  return settings;
}

DaemonConfig MakeDaemonConfig(const ConfigSettings& flags,
                              const ConfigSettings& variables,
                              const ConfigSettings& file,
                              std::vector<ConfigProblem> problems) {
  DaemonConfig config;
  config.problems = std::move(problems);
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string name(option.name);
    ConfigSetting setting;
    if (!option.initial.empty()) {
      setting = {{std::string(option.initial)}, "default"};
    }
    // What loses is checked too: it would surprise when the winner goes.
    for (const ConfigSettings* source : {&file, &variables, &flags}) {
      const auto found = source->find(name);
      if (found == source->end()) continue;
      setting = found->second;
      for (const std::string& text : setting.values) {
        DaemonOptions scratch;
        const absl::Status status = option.set(text, scratch);
        if (status.ok()) continue;
        config.problems.push_back(
            {setting.where,
             absl::StrCat(DaemonKey(name), ": ", status.message())});
      }
    }
    if (setting.values.empty()) continue;
    for (const std::string& text : setting.values) {
      option.set(text, config.options).IgnoreError();
    }
    config.settings[name] = std::move(setting);
  }
  const bool tcp =
      std::any_of(config.options.listen.begin(), config.options.listen.end(),
                  [](const std::string& address) {
                    return !absl::StartsWith(address, "unix:");
                  });
  const auto require = [&config](absl::string_view name,
                                 absl::string_view when) {
    if (config.settings.contains(std::string(name))) return;
    config.problems.push_back(
        {absl::StrCat("--", name),
         absl::StrCat("is required", when, ": give it, set ",
                      DaemonVariable(name), " or the key ", DaemonKey(name))});
  };
  require("data", "");
  if (tcp) require("token-file", " with a TCP address");
  return config;
}

void CheckDaemonConfig(DaemonConfig& config) {
  const auto check = [&config](const char* name, const absl::Status& status) {
    const auto found = config.settings.find(name);
    if (found == config.settings.end() || status.ok()) return;
    config.problems.push_back(
        {found->second.where, std::string(status.message())});
  };
  check("token-file", ReadTokenFile(config.options.token_file).status());
  check("backup-dir",
        FileSystem::Real().List(config.options.backup_directory).status());
  for (const std::string& address : config.options.listen) {
    if (IsNodeAddress(address)) continue;
    check("listen",
          absl::InvalidArgumentError(absl::StrCat(
              "listen: \"", address, "\" is neither HOST:PORT nor unix:PATH")));
  }
}

std::string PrintDaemonConfig(const DaemonConfig& config) {
  std::string out;
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string key = DaemonKey(option.name);
    const auto found = config.settings.find(std::string(option.name));
    if (found == config.settings.end()) {
      absl::StrAppend(&out, "# ", key, " is not set\n");
      continue;
    }
    const ConfigSetting& setting = found->second;
    std::vector<std::string> texts;
    for (const std::string& text : setting.values) {
      const bool digits =
          option.value != DaemonValue::kText &&
          option.value != DaemonValue::kTextList &&
          text.find_first_not_of("0123456789") == std::string::npos;
      texts.push_back(digits ? text : TomlString(text));
    }
    absl::StrAppend(&out, key, " = ",
                    texts.size() == 1
                        ? texts[0]
                        : absl::StrCat("[", absl::StrJoin(texts, ", "), "]"),
                    "  # ", Printable(setting.where), "\n");
  }
  return out;
}

}  // namespace corkscrew
