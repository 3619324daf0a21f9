// corkscrew model: on a small model, and on files that are none.

#include <sys/stat.h>

#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/ed25519.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/tiny_bert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/command.h"
#include "server/console.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::TempDir;
using ::corkscrew::testing::TinyBert;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ModelCommandsTest : public ::testing::Test {
 protected:
  ModelCommandsTest() {
    system_.model_path = [this](absl::string_view model_dir) {
      return std::vector<std::string>{
          model_dir.empty() ? dir_.path() : std::string(model_dir)};
    };
    // Each look at the clock is a millisecond.
    system_.now = [this] {
      return absl::UnixEpoch() + absl::Milliseconds(++ticks_);
    };
    bytes_ = TinyBert().Build();
    model_ = File("tiny.gguf", bytes_);
  }

  std::string File(const std::string& name, absl::string_view content) {
    std::string path = absl::StrCat(dir_.path(), "/", name);
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string Read(const std::string& name) {
    std::ifstream in(absl::StrCat(dir_.path(), "/", name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  // The exit code; that of an error is kError.
  ExitCode Run(const std::vector<std::string>& arguments) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Console console{in, out, err};
    CommandContext context{console, system_};
    CLI::App app;
    AddModelCommands(app, context);
    status_ = absl::OkStatus();
    try {
      app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      return ExitCode::kUsage;
    }
    const absl::StatusOr<ExitCode> code = context.run();
    out_ = out.str();
    err_ = err.str();
    status_ = code.status();
    return code.ok() ? *code : ExitCode::kError;
  }

  // A line of golden vectors with the model's own vector, coordinate 0 of which
  // is `change` larger.
  std::string Golden(absl::string_view text, float change = 0) {
    const auto embedder = LoadEmbedder(model_);
    EXPECT_THAT(embedder, IsOk());
    const auto embeddings = (*embedder)->Embed({&text, 1}, TextKind::kDocument);
    EXPECT_THAT(embeddings, IsOk());
    std::vector<float> vector = embeddings->vectors;
    vector[0] += change;
    return Json({{"text", std::string(text)}, {"vector", vector}}).dump() +
           "\n";
  }

  TempDir dir_;
  CommandSystem system_;
  int ticks_ = 0;
  std::string bytes_;
  std::string model_;
  absl::Status status_;
  std::string out_;
  std::string err_;
};

TEST_F(ModelCommandsTest, InfoSaysWhatIsInAFile) {
  ASSERT_EQ(Run({"model", "info", "tiny", "--json"}), ExitCode::kOk) << status_;
  const Json info = Json::parse(out_);
  EXPECT_EQ(info["path"], model_);
  EXPECT_EQ(info["format"], "GGUF");
  EXPECT_EQ(info["architecture"], "bert");
  EXPECT_EQ(info["architecture_source"], "bert.arch.toml");
  EXPECT_EQ(info["bytes"], bytes_.size());
  EXPECT_EQ(info["dim"], 32);
  EXPECT_EQ(info["layers"], 2);
  EXPECT_EQ(info["context_length"], 9);
  EXPECT_EQ(info["tokenizer"], "wordpiece");
  EXPECT_EQ(info["pooling"], "mean");
  EXPECT_EQ(info["space"], (*LoadEmbedder(model_))->space());
  EXPECT_EQ(info["tensors"][0]["type"], "F32");
  EXPECT_EQ(info["parameters"], info["tensors"][0]["parameters"]);
  EXPECT_EQ(info["speed"]["short_ms"], 1.0);
  ASSERT_EQ(Run({"model", "info", model_}), ExitCode::kOk) << status_;
  EXPECT_THAT(out_, HasSubstr("bert (bert.arch.toml)"));
  EXPECT_THAT(out_, HasSubstr("32 coordinates, pooling mean"));
}

TEST_F(ModelCommandsTest, OptionsOfTheModelCount) {
  ASSERT_EQ(Run({"model", "info", "tiny", "--json", "--dim", "8",
                 "--query-prompt", "", "--max-tokens", "5"}),
            ExitCode::kOk)
      << status_;
  const Json info = Json::parse(out_);
  EXPECT_EQ(info["dim"], 8);
  EXPECT_EQ(info["max_tokens"], 5);
}

TEST_F(ModelCommandsTest, ListNamesTheModelsOfDirectories) {
  File("other.mll", absl::string_view("MLL\0", 4));
  File("notes.txt", "GGUF");
  ASSERT_EQ(Run({"model", "list", "--json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"name\":\"other\""));
  EXPECT_THAT(out_, HasSubstr("\"name\":\"tiny\""));
  EXPECT_FALSE(absl::StrContains(out_, "notes"));
  ASSERT_EQ(Run({"model", "discover", dir_.path()}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("tiny   GGUF"));
  ASSERT_EQ(Run({"model", "discover", dir_.path() + "/absent"}), ExitCode::kOk);
  EXPECT_FALSE(absl::StrContains(out_, "tiny"));
}

TEST_F(ModelCommandsTest, AModelThatIsNotThereIsNotFound) {
  EXPECT_EQ(Run({"model", "info", "absent"}), ExitCode::kError);
  EXPECT_TRUE(absl::IsNotFound(status_)) << status_;
  EXPECT_THAT(std::string(status_.message()), HasSubstr(dir_.path()));
}

TEST_F(ModelCommandsTest, VerifyFindsDamage) {
  EXPECT_EQ(Run({"model", "verify", "tiny"}), ExitCode::kOk) << status_;
  EXPECT_THAT(out_, HasSubstr("is whole"));
  TinyBert broken;
  broken.tensors["token_embd.weight"].values[3] = 1.0f / 0.0f;
  const std::string path = File("broken.gguf", broken.Build());
  EXPECT_EQ(Run({"model", "verify", path}), ExitCode::kError);
  EXPECT_TRUE(absl::IsDataLoss(status_)) << status_;
  EXPECT_THAT(std::string(status_.message()),
              HasSubstr("tensor \"token_embd.weight\""));
  File("cut.gguf", bytes_.substr(0, bytes_.size() - 40));
  EXPECT_EQ(Run({"model", "verify", "cut"}), ExitCode::kError);
  EXPECT_TRUE(absl::IsDataLoss(status_)) << status_;
}

TEST_F(ModelCommandsTest, VerifyComparesGoldenVectorsAndNamesTheWorst) {
  const std::string golden =
      File("golden.jsonl", Golden("hello") + Golden("world", 0.001f));
  EXPECT_EQ(Run({"model", "verify", "tiny", "--golden", golden, "--json"}),
            ExitCode::kOk)
      << status_;
  Json report = Json::parse(out_);
  EXPECT_EQ(report["rows"], 2);
  EXPECT_EQ(report["worst_line"], 2);
  EXPECT_EQ(report["worst_text"], "world");
  EXPECT_GT(report["least_cosine"], 0.9999);
  EXPECT_EQ(Run({"model", "verify", "tiny", "--golden", golden,
                 "--least-cosine", "0.99999999"}),
            ExitCode::kDataLoss);
  EXPECT_THAT(out_, HasSubstr("worst: line 2, world"));

  const std::string wrong =
      File("wrong.jsonl", Golden("hello") + "\n{\"text\": 3}\n" +
                              "{\"text\": \"a\", \"vector\": [1]}\nnot JSON\n");
  EXPECT_EQ(Run({"model", "verify", "tiny", "--golden", wrong}),
            ExitCode::kBadLines);
  EXPECT_THAT(err_, HasSubstr("line 3: want {\"text\""));
  EXPECT_THAT(err_, HasSubstr("line 4: has 1 coordinates, want 32"));
  EXPECT_THAT(err_, HasSubstr("line 5: want"));
  EXPECT_EQ(Run({"model", "verify", "tiny", "--golden", File("none", "\n")}),
            ExitCode::kError);
}

TEST_F(ModelCommandsTest, GraphDrawsAnArchitecture) {
  ASSERT_EQ(Run({"model", "graph", "tiny"}), ExitCode::kOk) << status_;
  const std::string outline = out_;
  EXPECT_THAT(outline, HasSubstr("attn_q, attn_k, attn_v"));
  ASSERT_EQ(Run({"model", "graph", "bert"}), ExitCode::kOk) << status_;
  EXPECT_EQ(out_, outline);
  ASSERT_EQ(Run({"model", "graph", "tiny", "--svg", dir_.path() + "/g.svg"}),
            ExitCode::kOk);
  EXPECT_THAT(Read("g.svg"), HasSubstr("</svg>"));
  ASSERT_EQ(Run({"model", "graph", "tiny", "--svg", "-"}), ExitCode::kOk);
  EXPECT_EQ(out_, Read("g.svg"));
  const std::string arch =
      File("my.arch.toml", "architecture = \"my\"\n[input]\ntoken = \"t\"\n");
  ASSERT_EQ(Run({"model", "graph", arch}), ExitCode::kOk) << status_;
  EXPECT_THAT(out_, HasSubstr("look up: t"));
  ASSERT_EQ(Run({"model", "graph", "my", "--arch-dir", dir_.path()}),
            ExitCode::kOk)
      << status_;
  File("bad.arch.toml", "architecture = 3\n");
  EXPECT_EQ(Run({"model", "graph", "my", "--arch-dir", dir_.path()}),
            ExitCode::kError);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("bad.arch.toml:1: "));
}

TEST_F(ModelCommandsTest, GraphNeedsNothingOfAModelButItsName) {
  TinyBert broken;
  broken.tensors.clear();
  const std::string path = File("broken.gguf", broken.Build());
  EXPECT_NE(Run({"model", "info", path}), ExitCode::kOk);
  const std::string svg = File("old.svg", "old");
  ASSERT_EQ(Run({"model", "graph", path, "--svg", svg}), ExitCode::kOk)
      << status_;
  EXPECT_THAT(Read("old.svg"), HasSubstr("</svg>"));
  EXPECT_EQ(Read("old.svg.tmp"), "");  // Gone.
  EXPECT_EQ(Run({"model", "graph", path, "--svg", dir_.path() + "/no/x.svg"}),
            ExitCode::kError);
}

TEST_F(ModelCommandsTest, InfoKnowsTheBuiltinModelByItsName) {
  ASSERT_EQ(Run({"model", "info", "builtin-deterministic-v1", "--json"}),
            ExitCode::kOk)
      << status_;
  const Json info = Json::parse(out_);
  EXPECT_EQ(info["dim"], 384);
  EXPECT_EQ(info["format"], "built in");
  EXPECT_EQ(info["name"], "builtin-deterministic-v1");
  ASSERT_EQ(Run({"model", "info", "builtin-deterministic-v1"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("knows nothing of meaning"));
}

TEST_F(ModelCommandsTest, ConvertWritesNewFilesOfTheSameSpace) {
  const std::string mll = dir_.path() + "/new.mll";
  ASSERT_EQ(Run({"model", "convert", model_, mll, "--json"}), ExitCode::kOk)
      << status_;
  const std::string space = (*LoadEmbedder(model_))->space();
  EXPECT_EQ(Json::parse(out_)["space"], space);
  EXPECT_EQ((*LoadEmbedder(mll))->space(), space);
  EXPECT_EQ(Run({"model", "verify", mll}), ExitCode::kOk) << status_;
  ASSERT_EQ(Run({"model", "info", mll, "--json"}), ExitCode::kOk) << status_;
  EXPECT_EQ(Json::parse(out_)["content_hash"].get<std::string>().size(), 64u);
  // Never over a file that is there.
  EXPECT_EQ(Run({"model", "convert", model_, mll}), ExitCode::kError);
  EXPECT_TRUE(absl::IsAlreadyExists(status_)) << status_;
  const std::string small = dir_.path() + "/small.gguf";
  ASSERT_EQ(Run({"model", "convert", mll, small, "--type", "q8_0"}),
            ExitCode::kOk)
      << status_;
  EXPECT_LT(Read("small.gguf").size(), bytes_.size());
  EXPECT_NE((*LoadEmbedder(small))->space(), space);
  EXPECT_EQ(Run({"model", "convert", model_, dir_.path() + "/x.bin"}),
            ExitCode::kError);
  EXPECT_EQ(Run({"model", "convert", model_, dir_.path() + "/y.gguf", "--type",
                 "q9"}),
            ExitCode::kError);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("want one of f32"));
  // A digest that does not match.
  std::string damaged = Read("new.mll");
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_EQ(Run({"model", "verify", File("damaged.mll", damaged)}),
            ExitCode::kError);
  EXPECT_TRUE(absl::IsDataLoss(status_)) << status_;
}

TEST_F(ModelCommandsTest, ASignedFileVerifiesWithItsKeyOnly) {
  const std::string mll = dir_.path() + "/plain.mll";
  ASSERT_EQ(Run({"model", "convert", model_, mll}), ExitCode::kOk) << status_;
  const std::string seed(32, '\x2a');
  const std::string key = File("key", absl::BytesToHexString(seed) + "\n");
  const std::string signed_mll = dir_.path() + "/signed.mll";
  ASSERT_EQ(chmod(key.c_str(), 0644), 0);
  EXPECT_EQ(Run({"model", "sign", mll, signed_mll, "--key", key}),
            ExitCode::kError);
  EXPECT_TRUE(absl::IsPermissionDenied(status_)) << status_;
  ASSERT_EQ(chmod(key.c_str(), 0600), 0);
  ASSERT_EQ(Run({"model", "sign", mll, signed_mll, "--key", key}),
            ExitCode::kOk)
      << status_;
  const std::string public_key = Ed25519PublicKey(seed);
  EXPECT_THAT(out_, HasSubstr(absl::BytesToHexString(public_key)));
  // As openssl writes it.
  const std::string pem = absl::StrCat(
      "-----BEGIN PUBLIC KEY-----\n",
      absl::Base64Escape(absl::StrCat(
          absl::HexStringToBytes("302a300506032b6570032100"), public_key)),
      "\n-----END PUBLIC KEY-----\n");
  EXPECT_EQ(Run({"model", "verify", signed_mll, "--key", File("key.pub", pem)}),
            ExitCode::kOk)
      << status_;
  EXPECT_THAT(out_, HasSubstr("signed by this key"));
  const std::string other = File("other.pub", std::string(64, 'a'));
  EXPECT_EQ(Run({"model", "verify", signed_mll, "--key", other}),
            ExitCode::kError);
  EXPECT_TRUE(absl::IsDataLoss(status_)) << status_;
  EXPECT_EQ(Run({"model", "verify", mll, "--key", other}), ExitCode::kError);
  EXPECT_TRUE(absl::IsNotFound(status_)) << status_;
  EXPECT_EQ(Run({"model", "verify", model_, "--key", other}), ExitCode::kError);
  EXPECT_EQ(Run({"model", "verify", mll, "--key", model_}), ExitCode::kError);
}

}  // namespace
}  // namespace corkscrew
