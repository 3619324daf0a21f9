#include "server/daemon_config.h"

#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/daemon_command.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DaemonConfigTest : public ::testing::Test {
 protected:
  DaemonCommand Read(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    DaemonCommand command = ReadDaemonCommand(
        arguments,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables_.find(name);
          if (found == variables_.end()) return std::nullopt;
          return found->second;
        },
        out, err);
    out_ = out.str();
    err_ = err.str();
    return command;
  }

  // Writes a configuration file and returns its path.
  std::string File(absl::string_view toml) {
    std::string path = absl::StrCat(dir_.path(), "/node.toml");
    std::ofstream(path, std::ios::binary | std::ios::trunc) << toml;
    return path;
  }

  // The problems of a file, "line: what".
  static std::vector<std::string> ProblemsOf(absl::string_view toml) {
    std::vector<ConfigProblem> problems;
    const ConfigSettings file = ParseConfigFile(toml, "f", problems);
    const ConfigSettings flags = {{"data", {{"d"}, "--data"}},
                                  {"token-file", {{"t"}, "--token-file"}}};
    std::vector<std::string> texts;
    for (const ConfigProblem& problem :
         MakeDaemonConfig(flags, {}, file, problems).problems) {
      texts.push_back(absl::StrCat(problem.where, ": ", problem.what));
    }
    return texts;
  }

  TempDir dir_;
  std::map<std::string, std::string> variables_;
  std::string out_;
  std::string err_;
};

TEST_F(DaemonConfigTest, AFlagWinsOverAVariableOverTheFileOverTheDefault) {
  const std::string file = File(
      "data = \"file\"\ntoken_file = \"file\"\nthreads = 3\n"
      "low_space = \"1 GiB\"\nblock_cache = 1048576\n");
  variables_ = {{"CORKSCREWD_TOKEN_FILE", "variable"},
                {"CORKSCREWD_THREADS", "5"},
                {"CORKSCREWD_CONFIG", file}};
  DaemonCommand command = Read({"--threads", "7"});
  EXPECT_EQ(command.exit_code, std::nullopt) << err_;
  EXPECT_EQ(command.options.data, "file");
  EXPECT_EQ(command.options.token_file, "variable");
  EXPECT_THAT(command.options.listen, ElementsAre("127.0.0.1:7700"));
  EXPECT_EQ(command.options.db.threads, 7u);
  EXPECT_EQ(command.options.db.low_space_bytes, uint64_t{1} << 30);
  EXPECT_EQ(command.options.db.block_cache_bytes, 1048576u);

  command = Read({"--threads", "7", "--print-config"});
  EXPECT_EQ(command.exit_code, 0);
  EXPECT_EQ(out_,
            absl::StrCat("data = \"file\"  # ", file,
                         ":1\n"
                         "listen = \"127.0.0.1:7700\"  # default\n"
                         "token_file = \"variable\"  # CORKSCREWD_TOKEN_FILE\n"
                         "# backup_dir is not set\n"
                         "# model_dir is not set\n"
                         "memory_budget = 0  # default\n"
                         "block_cache = 1048576  # ",
                         file, ":5\nlow_space = \"1 GiB\"  # ", file,
                         ":4\nthreads = 7  # --threads\n"));
  // What is printed is a configuration file that says the same.
  const std::string printed = File(out_);
  variables_.clear();
  command = Read({"--config", printed});
  EXPECT_EQ(command.options.db.threads, 7u);
  EXPECT_EQ(command.options.token_file, "variable");
}

TEST_F(DaemonConfigTest, EveryOptionIsAFlagAVariableAndAKey) {
  for (const DaemonOption& option : DaemonOptionTable()) {
    const std::string name(option.name);
    const std::string value = option.value == DaemonValue::kText ||
                                      option.value == DaemonValue::kTextList
                                  ? "some text"
                                  : "12345";
    const std::string literal =
        value == "12345" ? value : absl::StrCat("\"", value, "\"");
    std::vector<ConfigProblem> problems;
    const ConfigSettings file = ParseConfigFile(
        absl::StrCat(DaemonKey(name), " = ", literal), "f", problems);
    EXPECT_THAT(problems, ElementsAre());
    ASSERT_EQ(file.count(name), 1u) << name;
    EXPECT_THAT(file.at(name).values, ElementsAre(value));
    const ConfigSettings variables =
        ConfigVariables([&](const std::string& variable) {
          return variable == DaemonVariable(name)
                     ? std::optional<std::string>(value)
                     : std::nullopt;
        });
    ASSERT_EQ(variables.size(), 1u) << name;
    EXPECT_THAT(variables.at(name).values, ElementsAre(value));
    Read({"--help"});
    EXPECT_THAT(out_, HasSubstr(absl::StrCat("--", name, " ")));
    // A wrong value is found wherever it is.
    if (value != "12345") continue;
    for (const ConfigSettings& wrong :
         {ConfigSettings{{name, {{"-1"}, "here"}}},
          ConfigSettings{{name, {{"99999999999999999999"}, "here"}}},
          ConfigSettings{{name, {{"1x"}, "here"}}},
          ConfigSettings{{name, {{""}, "here"}}}}) {
      EXPECT_THAT(MakeDaemonConfig({}, wrong, {}, {}).problems[0].where,
                  "here");
    }
  }
}

TEST_F(DaemonConfigTest, ANodeListensOnSeveralAddresses) {
  const std::string file = File(
      "data = \"d\"\nlisten = [\"unix:/a b\", \"127.0.0.1:0\"]\n"
      "token_file = \"t\"\n");
  DaemonCommand command = Read({"--config", file});
  EXPECT_THAT(command.options.listen, ElementsAre("unix:/a b", "127.0.0.1:0"));
  command = Read({"--config", file, "--print-config"});
  EXPECT_THAT(out_, HasSubstr("listen = [\"unix:/a b\", \"127.0.0.1:0\"]"));
  variables_["CORKSCREWD_LISTEN"] = "unix:/x,[::1]:1";
  command = Read({"--config", file});
  EXPECT_THAT(command.options.listen, ElementsAre("unix:/x", "[::1]:1"));
  command = Read({"--config", file, "--listen", "a:1", "--listen", "b:2"});
  EXPECT_THAT(command.options.listen, ElementsAre("a:1", "b:2"));
  // A socket needs no token.
  variables_.clear();
  command = Read({"--data", "d", "--listen", "unix:/x"});
  EXPECT_EQ(command.exit_code, std::nullopt) << err_;
  EXPECT_EQ(
      Read({"--data", "d", "--listen", "unix:/x", "--listen", "a:1"}).exit_code,
      2);
  EXPECT_THAT(err_, HasSubstr("--token-file: is required with a TCP address"));
  command = Read({"--data", "d", "--listen", "nowhere", "--listen", "unix:/x",
                  "--token-file", "/none", "--backup-dir", "/none/such",
                  "--check-config"});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_THAT(err_, HasSubstr("--listen: listen: \"nowhere\" is neither"));
  EXPECT_THAT(err_, HasSubstr("--backup-dir: "));
}

TEST_F(DaemonConfigTest, EveryProblemOfAFileIsNamedWithItsLine) {
  EXPECT_THAT(
      ProblemsOf("# comment\ntokenfile = \"x\"\nThreads = 1\nzzz = 1\n"
                 "low_space = \"many\"\nmodel_dir = 5\nthreads = \"2\"\n"
                 "data = [\"a\"]\nblock_cache = 1.5\n[listen]\nport = 1\n"),
      ::testing::UnorderedElementsAre(
          "f:2: unknown key \"tokenfile\"; did you mean \"token_file\"?",
          "f:3: unknown key \"Threads\"; did you mean \"threads\"?",
          "f:4: unknown key \"zzz\"",
          "f:5: low_space: \"many\" is no number of bytes; want 67108864 or "
          "\"64 MiB\"",
          "f:6: model_dir: want a string in quotes",
          "f:7: threads: want a number", "f:8: data: want a string in quotes",
          "f:9: block_cache: want a number or \"64 MiB\"",
          "f:10: listen: want a string or an array of strings"));
  EXPECT_THAT(ProblemsOf("threads = 1\nthreads = 2\n"),
              ElementsAre(HasSubstr("f:2: ")));
  EXPECT_THAT(ProblemsOf("data = \"open\n"), ElementsAre(HasSubstr("f:1: ")));
  EXPECT_THAT(ProblemsOf("[="), ElementsAre(HasSubstr("f:1: ")));
  EXPECT_THAT(ProblemsOf("data = \"\xC4\x82\"  # \xC4\x82\n"), ElementsAre());
  for (const char* letter : {"\xC2\xA1", "\xC4\x82", "\xD2\x99"}) {
    for (const char* rest : {"", " = 1", "\n"}) {
      const std::string text = absl::StrCat("\n", letter, rest);
      EXPECT_THAT(ProblemsOf(text), ElementsAre(HasSubstr("f:2: "))) << text;
    }
    EXPECT_THAT(ProblemsOf(absl::StrCat("data = ", letter)),
                ElementsAre(HasSubstr("f:1: ")));
  }
  EXPECT_THAT(ProblemsOf("low_space = \"17179869184 GiB\""),
              ElementsAre(HasSubstr("f:1: low_space: ")));
  EXPECT_THAT(ProblemsOf("threads = 5000"),
              ElementsAre("f:1: threads: is 5000, at most 1024"));
  EXPECT_THAT(ProblemsOf(""), ElementsAre());
}

TEST_F(DaemonConfigTest, ACheckPrintsEverythingAndExitsNonZero) {
  DaemonCommand command =
      Read({"--check-config", "--config", File("threads = -1\nlisten = 5\n")});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_THAT(err_, HasSubstr("node.toml:2: listen: want a string or"));
  EXPECT_THAT(err_, HasSubstr("node.toml:1: threads: \"-1\" is no decimal"));
  EXPECT_THAT(err_, HasSubstr("--data: is required: give it, set "
                              "CORKSCREWD_DATA or the key data"));
  EXPECT_THAT(err_, HasSubstr("--token-file: is required"));

  const std::string token = absl::StrCat(dir_.path(), "/token");
  command = Read({"--check-config", "--data", "d", "--token-file", token});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_THAT(err_, HasSubstr("corkscrewd: --token-file: "));
  std::ofstream(token) << "0123456789abcdef";
  ASSERT_EQ(chmod(token.c_str(), 0600), 0);
  command = Read({"--check-config", "--data", "d", "--token-file", token});
  EXPECT_EQ(command.exit_code, 0) << err_;

  command = Read({"--config", "/none/such"});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_THAT(err_, HasSubstr("--config: "));
  EXPECT_EQ(Read({"--no-such-flag"}).exit_code, 2);
  EXPECT_EQ(Read({"--data", "a", "--data", "b"}).exit_code, 2);
  EXPECT_EQ(Read({"--version"}).exit_code, 0);
}

// The page can not drift: it holds what the table says.
TEST_F(DaemonConfigTest, ThePageOfTheConfigurationHasAllOptions) {
  std::string table =
      "| key | flag | variable | default | meaning |\n|---|---|---|---|---|\n";
  for (const DaemonOption& option : DaemonOptionTable()) {
    absl::StrAppend(
        &table, "| `", DaemonKey(option.name), "` | `--", option.name, " ",
        option.value_name, "` | `", DaemonVariable(option.name), "` | ",
        option.initial.empty() ? "" : absl::StrCat("`", option.initial, "`"),
        " | ", option.help, " |\n");
  }
  std::ifstream in(CORKSCREW_SOURCE_DIR "/docs/configuration.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  EXPECT_THAT(page, HasSubstr(table)) << "docs/configuration.md must have:\n"
                                      << table;
}

}  // namespace
}  // namespace corkscrew
