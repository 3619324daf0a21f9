#include "server/cli.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/check.h"
#include "corkscrew/collection.h"
#include "corkscrew/embedder.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/search.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cli_run.h"
#include "server/command.h"
#include "server/fake_db.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::CliRunTest;
using ::corkscrew::testing::FakeState;
using ::corkscrew::testing::MakeFakeDb;
using ::corkscrew::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Gives each text the vector (its length, 1 for a query) and a token per byte.
class LengthEmbedder : public Embedder {
 public:
  size_t dim() const override { return 2; }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return 5; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind kind) const override {
    Embeddings embeddings;
    for (const absl::string_view text : texts) {
      if (text == "refuse") return absl::InvalidArgumentError("a bad text");
      embeddings.vectors.push_back(static_cast<float>(text.size()));
      embeddings.vectors.push_back(kind == TextKind::kQuery ? 1 : 0);
      TokenizedText tokenized;
      tokenized.tokens.assign(text.begin(), text.end());
      tokenized.truncated = text.size() > max_tokens();
      embeddings.texts.push_back(tokenized);
    }
    return embeddings;
  }

 private:
  std::string space_ = "length";
};

// Runs the tool against a fake Db and keeps what it printed.
class CliTest : public CliRunTest {
 protected:
  CliTest() : CliRunTest(CommandSystem()) {
    state_.collections["notes"].name = "notes";
    system_.open = [this](const TargetOptions& options)
        -> absl::StatusOr<std::unique_ptr<Db>> {
      target_ = options;
      if (!open_failure_.ok()) return open_failure_;
      return MakeFakeDb(state_);
    };
    system_.load_model = [this](absl::string_view model,
                                const std::vector<std::string>& path,
                                const EmbedderOptions& options)
        -> absl::StatusOr<std::shared_ptr<const Embedder>> {
      model_ = absl::StrCat(model, " in ", path.size(), " with ",
                            options.threads, options.exact ? " exact" : "");
      return std::make_shared<LengthEmbedder>();
    };
    system_.model_path = [](absl::string_view model_dir) {
      return std::vector<std::string>{std::string(model_dir), "/installed"};
    };
    system_.now = [] { return absl::UnixEpoch(); };
  }

  // Writes a file and returns its path.
  std::string File(const std::string& name, const std::string& content) {
    std::string path = absl::StrCat(dir_.path(), "/", name);
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  void Store(const std::string& id, const std::string& text) {
    StoredRecord& stored = state_.records[id];
    stored.record.id = id;
    stored.record.text = text;
    stored.version.lamport = ++state_.lamport;
  }

  TempDir dir_;
  FakeState state_;
  absl::Status open_failure_ = absl::OkStatus();
  TargetOptions target_;
  std::string model_;
};

TEST_F(CliTest, EveryVerbHasHelpWithAnExample) {
  const std::vector<std::vector<std::string>> verbs = {{"collection", "create"},
                                                       {"collection", "list"},
                                                       {"collection", "drop"},
                                                       {"collection", "info"},
                                                       {"stats"},
                                                       {"put"},
                                                       {"get"},
                                                       {"delete"},
                                                       {"patch"},
                                                       {"history"},
                                                       {"list"},
                                                       {"count"},
                                                       {"import"},
                                                       {"export"},
                                                       {"import-v1"},
                                                       {"search"},
                                                       {"embed"},
                                                       {"encode"},
                                                       {"collection"},
                                                       {}};
  for (std::vector<std::string> verb : verbs) {
    verb.push_back("--help");
    EXPECT_EQ(Run(verb), 0) << verb[0];
    EXPECT_THAT(out_, HasSubstr("Example")) << verb[0];
    EXPECT_EQ(err_, "");
  }
  EXPECT_THAT(out_, HasSubstr("Exit codes:"));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_, StartsWith("corkscrew "));
}

TEST_F(CliTest, AWrongCommandLineIsExitCodeTwoAndTouchesNothing) {
  open_failure_ = absl::InternalError("opened");
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nonsense"},
      {"collection"},
      {"put", "db", "notes", "a"},
      {"get", "db", "notes"},
      {"delete", "db", "notes"},
      {"delete", "db", "notes", "a", "--filter", "x = 1"},
      {"patch", "db", "notes", "--set", "{}"},
      {"search", "db", "notes"},
      {"search", "db", "notes", "text", "--like", "a"},
      {"search", "db", "notes", "text", "--k", "many"},
      {"search", "db", "notes", "text", "--at", "-1"},
      {"search", "db", "notes", "text", "--at", "1.5"},
      {"search", "db", "notes", "text", "--at", ""},
      {"put", "db", "notes", "a", "text", "surplus"},
      {"list", "db", "notes", "--page-size", "0"},
      {"list", "db", "notes", "--page-size", "1001"},
      {"collection", "create", "db", "x", "--bits", "9"},
      {"collection", "create", "db", "x", "--dim", "0"},
      {"collection", "create", "db", "x", "--metric", "manhattan"},
      {"collection", "create", "db", "x", "--vectors", "none"},
      {"encode", "--mode", "none", "a", "b"},
      {"encode", "--seed", "18446744073709551616", "a", "b"},
      {"count", "db", "notes", "--unknown"}};
  for (const std::vector<std::string>& arguments : wrong) {
    EXPECT_EQ(Run(arguments), 2) << ::testing::PrintToString(arguments);
    EXPECT_THAT(out_, IsEmpty());
    EXPECT_THAT(err_, HasSubstr("--help"))
        << ::testing::PrintToString(arguments);
  }
}

TEST_F(CliTest, ExitCodesTellWhatKindOfErrorItWas) {
  open_failure_ = absl::FailedPreconditionError("locked by process 7");
  EXPECT_EQ(Run({"stats", "db"}), 1);
  EXPECT_EQ(err_, "corkscrew: locked by process 7\n");
  open_failure_ = absl::NotFoundError("no database");
  EXPECT_EQ(Run({"stats", "db"}), 4);
  open_failure_ = absl::UnavailableError("no node");
  EXPECT_EQ(Run({"stats", "db"}), 5);
  open_failure_ = absl::DeadlineExceededError("");
  EXPECT_EQ(Run({"stats", "db"}), 5);
  EXPECT_EQ(err_, "corkscrew: DEADLINE_EXCEEDED\n");
  open_failure_ = absl::OkStatus();
  EXPECT_EQ(Run({"count", "db", "missing"}), 4);
  EXPECT_TRUE(state_.closed);
  state_.close_failure = absl::UnknownError("not synced");
  EXPECT_EQ(Run({"count", "db", "notes"}), 1);
  EXPECT_EQ(err_, "corkscrew: not synced\n");
}

TEST_F(CliTest, TargetOptionsReachTheOpener) {
  EXPECT_EQ(Run({"count", "h:1", "notes", "--token-file", "t", "--timeout",
                 "2.5", "--model-dir", "m"}),
            0);
  EXPECT_EQ(target_.target, "h:1");
  EXPECT_EQ(target_.token_file, "t");
  EXPECT_EQ(target_.timeout, absl::Seconds(2.5));
  EXPECT_THAT(target_.model_path, ElementsAre("m", "/installed"));
  EXPECT_FALSE(target_.create_if_missing);
}

TEST_F(CliTest, CreateTakesTheDefaultModelUnlessADimIsGiven) {
  EXPECT_EQ(Run({"collection", "create", "db", "a", "--json"}), 0);
  EXPECT_TRUE(target_.create_if_missing);
  nlohmann::json info = nlohmann::json::parse(out_);
  EXPECT_EQ(info["name"], "a");
  EXPECT_EQ(info["model"], "corkscrew-default-1");
  EXPECT_EQ(info["metric"], "cosine");
  EXPECT_EQ(info["bits"], 4);
  EXPECT_EQ(info["vectors"], "float32");
  EXPECT_EQ(info["seed"], absl::StrCat(kDefaultSeed));

  EXPECT_EQ(Run({"collection", "create", "db", "b", "--dim", "3", "--metric",
                 "l2", "--bits", "2", "--vectors", "codes_only"}),
            0);
  const CollectionOptions& options = state_.collections["b"].options;
  EXPECT_EQ(options.model, "");
  EXPECT_EQ(options.dim, 3u);
  EXPECT_EQ(options.metric, Metric::kL2);
  EXPECT_EQ(options.bits, 2);
  EXPECT_EQ(options.originals, Originals::kCodesOnly);
  EXPECT_EQ(Run({"collection", "create", "db", "c", "--metric", "dot",
                 "--vectors", "bfloat16", "--model", "m"}),
            0);
  EXPECT_EQ(state_.collections["c"].options.metric, Metric::kDot);
  EXPECT_EQ(state_.collections["c"].options.originals, Originals::kBFloat16);
  EXPECT_EQ(state_.collections["c"].options.model, "m");
}

TEST_F(CliTest, CollectionsAreListedShownAndDropped) {
  state_.collections["other"].name = "other";
  EXPECT_EQ(Run({"collection", "list", "db", "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr("{\"name\":\"notes\""));
  EXPECT_THAT(out_, HasSubstr("{\"name\":\"other\""));
  EXPECT_EQ(Run({"collection", "list", "db"}), 0);
  EXPECT_THAT(out_, StartsWith("NAME "));
  EXPECT_EQ(Run({"collection", "info", "db", "notes"}), 0);
  EXPECT_THAT(out_, HasSubstr("metric      cosine\n"));
  EXPECT_EQ(Run({"stats", "db", "--json"}), 0);
  EXPECT_TRUE(nlohmann::json::parse(out_).contains("collections"));
  EXPECT_EQ(Run({"stats", "db"}), 0);
  EXPECT_EQ(Run({"collection", "drop", "db", "other", "--json"}), 0);
  EXPECT_EQ(out_, "{\"name\":\"other\",\"dropped\":true}\n");
  EXPECT_EQ(Run({"collection", "drop", "db", "other"}), 4);
}

TEST_F(CliTest, PutWritesTextAndTypedMetadata) {
  EXPECT_EQ(Run({"put", "db", "notes", "a", "some text", "--metadata",
                 R"({"year":2024,"done":false})", "--json"}),
            0);
  EXPECT_EQ(out_, "{\"id\":\"a\",\"lamport\":1,\"truncated\":false}\n");
  const Record& record = state_.records["a"].record;
  EXPECT_EQ(record.text, "some text");
  EXPECT_EQ(record.metadata,
            (Metadata{{"year", int64_t{2024}}, {"done", false}}));
  EXPECT_EQ(Run({"put", "db", "notes", "b", std::string(200, 'x')}), 0);
  EXPECT_EQ(out_, "put b at 2\n");
  EXPECT_THAT(err_, HasSubstr("longer than the model reads"));
  EXPECT_EQ(Run({"put", "db", "notes", "c", "x", "--metadata", "[]"}), 1);
  EXPECT_THAT(err_, HasSubstr("--metadata: want one JSON object"));
}

TEST_F(CliTest, GetPrintsWhatIsThereAndReportsWhatIsNot) {
  Store("a", "first");
  Store("b", "second");
  EXPECT_EQ(
      Run({"get", "db", "notes", "a", "b", "none", "--at", "1", "--json"}), 4);
  EXPECT_EQ(out_,
            "{\"id\":\"a\",\"lamport\":1,\"wall_ms\":0,\"deleted\":false,"
            "\"text\":\"first\"}\n"
            "{\"id\":\"b\",\"lamport\":2,\"wall_ms\":0,\"deleted\":false,"
            "\"text\":\"second\"}\n");
  EXPECT_EQ(err_, "corkscrew: collection \"notes\": no record \"none\"\n");
  EXPECT_EQ(state_.moment, Moment::At(1));
  EXPECT_EQ(Run({"get", "db", "notes", "a"}), 0);
  EXPECT_THAT(out_, HasSubstr("text     first\n"));
  EXPECT_EQ(state_.moment, std::nullopt);
}

TEST_F(CliTest, DeleteSaysWhichRecordsWereThere) {
  Store("a", "first");
  EXPECT_EQ(Run({"delete", "db", "notes", "a", "none", "--json"}), 0);
  EXPECT_EQ(out_,
            "{\"id\":\"a\",\"deleted\":true,\"lamport\":2}\n"
            "{\"id\":\"none\",\"deleted\":false,\"lamport\":2}\n");
}

TEST_F(CliTest, ListGoesThroughPages) {
  for (const char* const id : {"a", "b", "c"}) Store(id, "text");
  EXPECT_EQ(Run({"list", "db", "notes", "--page-size", "2", "--json",
                 "--filter", "x = 1", "--at", "7"}),
            0);
  EXPECT_THAT(out_, EndsWith("{\"next_page_token\":\"b\"}\n"));
  EXPECT_EQ(state_.list_options.filter, Filter::Eq("x", int64_t{1}));
  EXPECT_EQ(state_.list_options.at, Moment::At(7));
  EXPECT_EQ(Run({"list", "db", "notes", "--page-size", "2", "--page-token", "b",
                 "--json"}),
            0);
  EXPECT_THAT(out_, StartsWith("{\"id\":\"c\""));
  EXPECT_THAT(out_, ::testing::Not(HasSubstr("next_page_token")));
  EXPECT_EQ(Run({"list", "db", "notes", "--page-size", "1", "--all", "--json"}),
            0);
  EXPECT_THAT(out_, HasSubstr("\"a\""));
  EXPECT_THAT(out_, HasSubstr("\"c\""));
  EXPECT_THAT(out_, ::testing::Not(HasSubstr("next_page_token")));
  EXPECT_EQ(Run({"list", "db", "notes", "--page-size", "2"}), 0);
  EXPECT_EQ(err_, "more: --page-token b\n");
  EXPECT_EQ(Run({"history", "db", "notes", "a", "--json"}), 0);
  EXPECT_THAT(out_, StartsWith("{\"id\":\"a\""));
}

TEST_F(CliTest, CountTakesFilterAndMoment) {
  Store("a", "text");
  EXPECT_EQ(Run({"count", "db", "notes"}), 0);
  EXPECT_EQ(out_, "1\n");
  EXPECT_EQ(Run({"count", "db", "notes", "--json", "--filter", "exists(x)",
                 "--at", "3"}),
            0);
  EXPECT_EQ(out_, "{\"count\":1}\n");
  EXPECT_EQ(state_.count_filter, Filter::Exists("x"));
  EXPECT_EQ(state_.moment, Moment::At(3));
  EXPECT_EQ(Run({"count", "db", "notes", "--filter", "x ="}), 1);
  EXPECT_THAT(err_, HasSubstr("filter, column 4"));
}

TEST_F(CliTest, ImportPutsBatchesAndReportsBadLines) {
  state_.bad_id = "bad";
  std::string lines;
  for (int i = 0; i < 300; ++i) {
    absl::StrAppend(&lines, "{\"id\":\"", i, "\",\"text\":\"t\"}\n");
  }
  lines += "\n{\"id\":\"x\"}\n{\"id\":\"bad\",\"text\":\"t\"}\nnot json\n";
  lines += absl::StrCat("{\"id\":\"long\",\"text\":\"", std::string(200, 'x'),
                        "\"}");
  EXPECT_EQ(Run({"import", "db", "notes", File("in.jsonl", lines), "--json"}),
            3);
  EXPECT_THAT(state_.put_sizes, ElementsAre(256, 46));
  EXPECT_TRUE(state_.write_options.skip_invalid);
  EXPECT_TRUE(state_.write_options.skip_unchanged);
  EXPECT_THAT(err_, HasSubstr("line 302: record \"x\" has neither"));
  EXPECT_THAT(err_, HasSubstr("line 303: a bad record\n"));
  EXPECT_THAT(err_, HasSubstr("line 304: not valid JSON"));
  EXPECT_EQ(out_,
            "{\"lines\":305,\"written\":301,\"unchanged\":0,\"replayed\":0,"
            "\"deleted\":0,\"invalid\":3,\"truncated\":1,\"lamport\":2,"
            "\"seconds\":0.0}\n");

  EXPECT_EQ(
      Run({"import", "db", "notes", "-"}, "{\"id\":\"1\",\"text\":\"t\"}"), 0);
  EXPECT_EQ(out_, "0 written, 1 unchanged, 0 bad lines; lamport 1\n");
}

TEST_F(CliTest, ImportBoundsABatchByItsTextsAndItsLines) {
  const auto file = [this](const std::string& content, int lines) {
    std::string all;
    for (int i = 0; i < lines; ++i) {
      absl::StrAppend(&all, "{\"id\":\"", i, "\",", content, "}\n");
    }
    return File("in.jsonl", all);
  };
  // 64 texts of 1 KiB, or 16 that are longer than what is read of them.
  const std::string text(1024, 'x');
  const std::string kib = absl::StrCat("\"text\":\"", text, "\"");
  EXPECT_EQ(Run({"import", "db", "notes", file(kib, 100)}), 0);
  EXPECT_THAT(state_.put_sizes, ElementsAre(64, 36));
  state_.put_sizes.clear();
  const std::string mib =
      absl::StrCat("\"text\":\"", std::string(1 << 17, 'x'), "\"");
  EXPECT_EQ(Run({"import", "db", "notes", file(mib, 20)}), 0);
  EXPECT_THAT(state_.put_sizes, ElementsAre(16, 4));
  // With a vector nothing is embedded: only the bytes count.
  state_.put_sizes.clear();
  EXPECT_EQ(Run({"import", "db", "notes", file(mib + ",\"vector\":[1]", 40)}),
            0);
  EXPECT_THAT(state_.put_sizes, ElementsAre(32, 8));

  EXPECT_EQ(target_.timeout, absl::Seconds(300));
  EXPECT_EQ(Run({"import", "db", "notes", "-", "--timeout", "7"}), 0);
  EXPECT_EQ(target_.timeout, absl::Seconds(7));
  EXPECT_EQ(Run({"count", "db", "notes"}), 0);
  EXPECT_EQ(target_.timeout, absl::Seconds(60));
}

TEST_F(CliTest, AnImportThatFailsSaysHowFarItCame) {
  EXPECT_EQ(Run({"import", "db", "notes", dir_.path() + "/none"}), 4);
  EXPECT_EQ(Run({"import", "db", "notes", dir_.path()}), 1);
  EXPECT_THAT(err_, HasSubstr("is a directory"));
  // Only Put fails: the collection is opened before.
  system_.open = [this](const TargetOptions&) {
    absl::StatusOr<std::unique_ptr<Db>> db = MakeFakeDb(state_);
    return db;
  };
  const std::string path = File("in.jsonl", "{\"id\":\"1\",\"text\":\"t\"}\n");
  system_.now = [this] {
    state_.failure = absl::UnavailableError("gone");
    return absl::UnixEpoch();
  };
  EXPECT_EQ(Run({"import", "db", "notes", path}), 5);
  EXPECT_THAT(err_, HasSubstr("corkscrew: gone (lines 1 to 1;"));
}

TEST_F(CliTest, DeleteTakesAFilter) {
  Store("a", "first");
  EXPECT_EQ(Run({"delete", "db", "notes", "--filter", "x = 1"}), 0);
  EXPECT_EQ(out_, "deleted 1 records at 2\n");
  EXPECT_EQ(state_.count_filter, Filter::Eq("x", int64_t{1}));
  EXPECT_EQ(Run({"delete", "db", "notes", "--filter", "x = 1", "--json"}), 0);
  EXPECT_EQ(out_, "{\"deleted\":0,\"lamport\":3}\n");
  EXPECT_EQ(Run({"delete", "db", "notes", "--filter", "x ="}), 1);
}

TEST_F(CliTest, PatchSetsAndRemovesKeys) {
  Store("a", "first");
  Store("-b", "second");
  state_.records["a"].record.metadata = {{"k", "old"}, {"gone", true}};
  EXPECT_EQ(Run({"patch", "db", "notes", "--set", "{\"k\":\"new\"}", "--remove",
                 "gone", "--remove", "none", "--", "a", "-b"}),
            0)
      << err_;
  EXPECT_EQ(out_, "patched a at 3\npatched -b at 3\n");
  EXPECT_EQ(state_.records["a"].record.metadata, (Metadata{{"k", "new"}}));
  EXPECT_EQ(state_.records["-b"].record.text, "second");
  EXPECT_EQ(Run({"patch", "db", "notes", "a", "--json"}), 0);
  EXPECT_EQ(out_, "{\"id\":\"a\",\"lamport\":4}\n");
  EXPECT_EQ(Run({"patch", "db", "notes", "none"}), 4);
  EXPECT_EQ(Run({"patch", "db", "notes", "a", "--set", "[1]"}), 1);
}

TEST_F(CliTest, WhatSavesADatabaseTakesANodeOrADirectory) {
  EXPECT_EQ(Run({"snapshot", "unix:socket", "one", "--json"}), 0);
  EXPECT_EQ(target_.target, "unix:socket");
  EXPECT_EQ(state_.saved_to, "one");
  EXPECT_THAT(out_, HasSubstr("\"files\":3,\"bytes\":100"));
  EXPECT_EQ(Run({"backup", "create", "db", "/backup/two", "--json"}), 0);
  EXPECT_THAT(out_, StartsWith("{\"generation\":7,\"new_bytes\":40,"));
  EXPECT_EQ(Run({"offload", "unix:socket", "logs", "--json"}), 0);
  EXPECT_EQ(state_.saved_to, "logs");
  EXPECT_THAT(out_, StartsWith("{\"new_ops\":5,\"new_bytes\":100,\"logs\":[{"
                               "\"collection\":\"notes\""));
  EXPECT_EQ(Run({"offload", "db", "logs"}), 0);
  EXPECT_EQ(out_, "offloaded 5 ops in 100 B to logs\n");
  state_.failure = absl::AlreadyExistsError("it is there");
  EXPECT_EQ(Run({"snapshot", "db", "one"}), 1);
  EXPECT_THAT(err_, HasSubstr("it is there"));
}

TEST_F(CliTest, LogsOfAStoreAreListedVerifiedAndReplayed) {
  const LogInfo log{"notes", {}, 2, 9, 3, 100};
  LogChoice chosen;
  system_.backups.list_logs = [&](const std::string& store) {
    EXPECT_EQ(store, "store");
    return std::vector<LogInfo>{log, log};
  };
  system_.backups.verify_log =
      [&](const std::string& store, const LogChoice& choice,
          const BackupOptions&) -> absl::StatusOr<LogInfo> {
    chosen = choice;
    if (store == "bad") return absl::DataLossError("it is damaged");
    return log;
  };
  system_.backups.replay_log =
      [&](const std::string& store, const LogChoice& choice, Db&,
          const BackupOptions& options) -> absl::StatusOr<ReplayReply> {
    EXPECT_EQ(store, "store");
    chosen = choice;
    options.progress({100, 200});
    return ReplayReply{log, 7, 2};
  };
  EXPECT_EQ(Run({"log", "list", "store"}), 0);
  EXPECT_THAT(out_, HasSubstr("notes"));
  EXPECT_EQ(Run({"log", "verify", "store", "--collection", "notes", "--lineage",
                 "2", "--json"}),
            0);
  EXPECT_EQ(chosen.name, "notes");
  EXPECT_EQ(chosen.lineage, 2u);
  EXPECT_THAT(out_, HasSubstr("\"lineage\":2,\"position\":9,\"segments\":3"));
  EXPECT_EQ(Run({"log", "verify", "bad"}), 7);
  EXPECT_EQ(Run({"log", "replay", "store", "new.db"}), 0);
  EXPECT_EQ(target_.target, "new.db");
  EXPECT_TRUE(target_.create_if_missing);
  EXPECT_EQ(out_, "collection notes: 7 versions written, 2 left out\n");
}

TEST_F(CliTest, PruningLogsSaysFirstWhatWouldGo) {
  LogRetention given;
  system_.backups.prune_logs =
      [&](const std::string& store, const LogRetention& retention,
          const BackupOptions&) -> absl::StatusOr<PruneLogsReply> {
    EXPECT_EQ(store, "store");
    given = retention;
    return PruneLogsReply{
        {{"notes", {}, 1, 9, 3, 100}}, {{"other", {}, 4, 8, 1, 7}}, 100};
  };
  EXPECT_EQ(Run({"log", "prune", "store"}), 0);
  EXPECT_TRUE(given.dry_run);
  EXPECT_EQ(given.keep, 1u);
  EXPECT_THAT(out_, HasSubstr("notes"));
  EXPECT_THAT(out_, HasSubstr("collection other, lineage 4 stays: "));
  EXPECT_THAT(out_, HasSubstr("would remove 1 lineages, 100 B; nothing was "));
  EXPECT_EQ(Run({"log", "prune", "store", "--keep", "3", "--apply", "--json"}),
            0);
  EXPECT_FALSE(given.dry_run);
  EXPECT_EQ(given.keep, 3u);
  EXPECT_THAT(out_, StartsWith("{\"removed\":[{\"collection\":\"notes\""));
  EXPECT_THAT(out_, HasSubstr("\"bytes\":100,\"applied\":true}"));
}

TEST_F(CliTest, PutTakesAnExpiry) {
  for (const auto& [text, ms] : std::vector<std::pair<std::string, int64_t>>{
           {"2030-01-31T12:00:00Z", 1896091200000},
           {"90s", 90'000},
           {"1h30m", 5'400'000},
           {"30d", int64_t{30} * 86'400'000}}) {
    EXPECT_EQ(Run({"put", "db", "notes", "a", "text", "--expires", text}), 0);
    EXPECT_EQ(state_.records["a"].expires_ms, ms) << text;
  }
  for (const char* const bad :
       {"soon", "-1h", "0s", "d", "1.5d", "99999999999d", "inf"}) {
    EXPECT_EQ(Run({"put", "db", "notes", "a", "text", "--expires", bad}), 1)
        << bad;
    EXPECT_THAT(err_, HasSubstr("--expires")) << bad;
  }
}

TEST_F(CliTest, SearchPassesEveryOption) {
  Store("a", "first");
  EXPECT_EQ(Run({"search", "db", "notes", "what", "--k", "3", "--filter",
                 "x = 1", "--at", "4", "--exact", "--min-score", "-0.5",
                 "--oversample", "8", "--with-vectors", "--json"}),
            0);
  EXPECT_EQ(out_,
            "{\"id\":\"a\",\"score\":1,\"lamport\":1,\"text\":\"first\"}\n");
  ASSERT_THAT(state_.queries, SizeIs(1));
  const Query& query = state_.queries[0];
  EXPECT_EQ(std::get<std::string>(query.target), "what");
  EXPECT_EQ(query.k, 3u);
  EXPECT_EQ(query.filter, Filter::Eq("x", int64_t{1}));
  EXPECT_EQ(query.at, Moment::At(4));
  EXPECT_TRUE(query.exact);
  EXPECT_EQ(query.min_score, -0.5f);
  EXPECT_EQ(query.oversample, 8);
  EXPECT_TRUE(query.fields.vector);

  EXPECT_EQ(Run({"search", "db", "notes", "--like", "a"}), 0);
  EXPECT_EQ(std::get<Query::LikeId>(state_.queries[1].target).id, "a");
  EXPECT_THAT(out_, HasSubstr("1.0000  a   first\n"));
  state_.records.clear();
  EXPECT_EQ(Run({"search", "db", "notes", "what"}), 0);
  EXPECT_EQ(out_, "nothing found\n");
  EXPECT_EQ(Run({"search", "db", "notes", "what", "--json"}), 0);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"search", "db", "notes", "--", "-1"}), 0);
  EXPECT_EQ(std::get<std::string>(state_.queries.back().target), "-1");
}

TEST_F(CliTest, AQueriesFileIsAnsweredAtOneMoment) {
  Store("a", "first");
  const std::string path = File("q.jsonl",
                                "{\"id\":\"q1\",\"text\":\"x\"}\n"
                                "{\"id\":\"q2\"}\n"
                                "{\"id\":\"q3\",\"text\":\"refuse\"}\n"
                                "{\"id\":\"q4\",\"vector\":[1,2]}\n");
  EXPECT_EQ(Run({"search", "db", "notes", "@" + path, "--json"}), 3);
  EXPECT_EQ(out_,
            "{\"query\":\"q1\",\"hits\":[{\"id\":\"a\",\"score\":1,"
            "\"lamport\":1,\"text\":\"first\"}]}\n"
            "{\"query\":\"q4\",\"hits\":[{\"id\":\"a\",\"score\":1,"
            "\"lamport\":1,\"text\":\"first\"}]}\n");
  EXPECT_EQ(err_,
            "line 2: query \"q2\": want one of \"text\" and \"vector\"\n"
            "line 3: a bad query\n");
  EXPECT_EQ(state_.queries.back().at, Moment::At(1));

  EXPECT_EQ(
      Run({"search", "db", "notes", "@-"}, "{\"id\":\"q\",\"text\":\"x\"}"), 0);
  EXPECT_THAT(out_, StartsWith("query q: x\n SCORE  ID  TEXT\n"));
  EXPECT_EQ(Run({"search", "db", "notes", "@" + dir_.path() + "/none"}), 4);
}

TEST_F(CliTest, EmbedPrintsOneVectorPerLine) {
  EXPECT_EQ(Run({"embed", "--json", "--query", "--model-dir", "m"},
                "ab\nabcdef\nrefuse\n\n"),
            3);
  EXPECT_EQ(out_,
            "{\"tokens\":[97,98],\"truncated\":false,\"vector\":[2,1]}\n"
            "{\"tokens\":[97,98,99,100,101,102],\"truncated\":true,"
            "\"vector\":[6,1]}\n"
            "{\"tokens\":[],\"truncated\":false,\"vector\":[0,1]}\n");
  EXPECT_EQ(err_, "line 3: a bad text\n");
  EXPECT_EQ(model_, "corkscrew-default-1 in 2 with 0");
  EXPECT_EQ(Run({"embed", "--exact-embedding"}, "ab"), 0);
  EXPECT_EQ(model_, "corkscrew-default-1 in 2 with 0 exact");
  EXPECT_EQ(Run({"embed", "--model", "other"}, "ab"), 0);
  EXPECT_EQ(out_, "   2 tokens  [2.0000, 0.0000]  ab\n");
}

TEST_F(CliTest, BenchEmbedTimesTheLinesOfTheInput) {
  EXPECT_EQ(Run({"bench", "embed", "--json", "--threads", "3", "--batch", "2",
                 "--exact-embedding"},
                "ab\nabcd\n\n"),
            0);
  EXPECT_EQ(model_, "corkscrew-default-1 in 2 with 3 exact");
  EXPECT_THAT(out_, StartsWith("{\"p50_ms\":"));
  EXPECT_THAT(out_, HasSubstr("\"tokens_per_s\":"));
  EXPECT_THAT(out_, HasSubstr("\"texts\":3,\"tokens\":6,\"load_ms\":"));
  EXPECT_EQ(Run({"bench", "embed"}, "ab\n"), 0);
  EXPECT_THAT(out_, StartsWith("p50 "));
}

TEST_F(CliTest, BenchEmbedNeedsTextsThatTheModelTakes) {
  EXPECT_EQ(Run({"bench", "embed"}, ""), 1);
  EXPECT_THAT(err_, HasSubstr("one text per line"));
  EXPECT_EQ(Run({"bench", "embed"}, "refuse\n"), 1);
  EXPECT_THAT(err_, HasSubstr("a bad text"));
  EXPECT_EQ(Run({"bench", "embed", "--threads", "0"}, "ab\n"), 2);
}

// A golden cell of the specification through files, like a script does it.
TEST_F(CliTest, EncodeWritesCanonicalRecords) {
  const std::vector<float> vectors = {1, -2, 0.5f, 3, 0, 0, 0, 0, 7, 7, -7, 1};
  std::string dictionary =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
  dictionary.resize(117, ' ');
  dictionary += '\n';
  std::string npy =
      absl::StrCat("\x93NUMPY", absl::string_view("\x01\0v\0", 4), dictionary);
  npy.append(reinterpret_cast<const char*>(vectors.data()),
             vectors.size() * sizeof(float));
  const std::string in = File("in.npy", npy);
  const std::string out = dir_.path() + "/out.bin";
  for (const char* const mode : {"mse", "ip"}) {
    ASSERT_EQ(Run({"encode", "--bits", "4", "--seed", "18446744073709551615",
                   "--mode", mode, in, out, "--json"}),
              0)
        << err_;
    QuantizerParams params;
    params.dim = 4;
    params.bits = 4;
    params.seed = UINT64_MAX;
    params.mode = absl::string_view(mode) == "ip" ? QuantizerMode::kIp
                                                  : QuantizerMode::kMse;
    const absl::StatusOr<Quantizer> quantizer = Quantizer::Create(params);
    ASSERT_TRUE(quantizer.ok());
    std::string expected;
    for (size_t i = 0; i < 3; ++i) {
      std::vector<uint8_t> code(quantizer->code_bytes());
      CodeScalars scalars;
      ASSERT_TRUE(quantizer
                      ->Encode(absl::MakeSpan(vectors).subspan(4 * i, 4),
                               absl::MakeSpan(code), &scalars)
                      .ok());
      expected.append(code.begin(), code.end());
      expected.append(reinterpret_cast<const char*>(&scalars.norm), 4);
      expected.append(reinterpret_cast<const char*>(&scalars.scale), 4);
    }
    std::ifstream file(out, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(absl::BytesToHexString(bytes), absl::BytesToHexString(expected));
  }

  std::filesystem::remove(out);
  const std::string cut = File("cut.npy", npy.substr(0, npy.size() - 1));
  EXPECT_EQ(Run({"encode", cut, out}), 1);
  EXPECT_THAT(err_, HasSubstr("ends in row 2 of 3"));
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_FALSE(std::filesystem::exists(out + ".partial"));
  EXPECT_EQ(Run({"encode", "--codebook", "2", in, out}), 1);
  EXPECT_EQ(Run({"encode", in, dir_.path() + "/none/out"}), 4);
}

TEST_F(CliTest, CheckPrintsFindingsAndItsExitCodeSaysHowBadItIs) {
  CheckReport report;
  system_.check =
      [&](absl::string_view directory,
          const CheckOptions& options) -> absl::StatusOr<CheckReport> {
    EXPECT_EQ(directory, "notes.db");
    EXPECT_TRUE(options.deep);
    return report;
  };
  report.collections = 2;
  report.records = 3;
  report.versions = 4;
  EXPECT_EQ(Run({"check", "notes.db", "--deep"}), 0);
  EXPECT_EQ(out_, "clean: 2 collections, 3 records, 4 versions\n");
  report.found = 2;
  report.findings = {
      {CheckStatus::kRepairable, "row 68", "K2", "no head", "repair it"}};
  const std::pair<CheckStatus, int> codes[] = {{CheckStatus::kRepairable, 6},
                                               {CheckStatus::kDataLoss, 7},
                                               {CheckStatus::kUnreadable, 8}};
  for (const auto& [status, code] : codes) {
    report.status = status;
    EXPECT_EQ(Run({"check", "notes.db", "--deep"}), code);
    EXPECT_THAT(out_, HasSubstr("repairable: row 68: K2: no head\n"
                                "  repair it\nand 1 more\n"));
  }
  report.status = CheckStatus::kRepairable;
  EXPECT_EQ(Run({"check", "notes.db", "--deep", "--json"}), 6);
  EXPECT_EQ(out_,
            "{\"status\":\"repairable\",\"found\":2,\"collections\":2,"
            "\"records\":3,\"versions\":4,\"findings\":[{\"severity\":"
            "\"repairable\",\"where\":\"row 68\",\"invariant\":\"K2\","
            "\"what\":\"no head\",\"advice\":\"repair it\"}]}\n");
}

TEST_F(CliTest, RepairSaysWhatWouldBeLostAndWritesOnlyWithApply) {
  RepairOptions given;
  RepairReport report;
  report.target = "notes.db.repaired";
  report.actions = {"2 heads are made anew"};
  report.lost = {{"notes", "a", {5, {}, 7, 9}}};
  system_.repair =
      [&](absl::string_view,
          const RepairOptions& options) -> absl::StatusOr<RepairReport> {
    given = options;
    if (!options.dry_run && !options.accept_loss) {
      return absl::DataLossError("1 version");
    }
    return report;
  };
  EXPECT_EQ(Run({"repair", "notes.db"}), 0);
  EXPECT_TRUE(given.dry_run);
  EXPECT_THAT(out_, HasSubstr("2 heads are made anew\n"));
  EXPECT_THAT(out_, HasSubstr("lost: collection \"notes\", \"a\", origin "));
  EXPECT_THAT(out_, HasSubstr("/7 seq 9\n"));
  EXPECT_THAT(out_, HasSubstr("nothing was written"));
  EXPECT_EQ(Run({"repair", "notes.db", "--apply"}), 7);
  EXPECT_EQ(Run({"repair", "notes.db", "--apply", "--accept-loss", "--to",
                 "saved", "--json"}),
            0);
  EXPECT_FALSE(given.dry_run);
  EXPECT_EQ(given.target, "saved");
  EXPECT_THAT(out_, HasSubstr("\"applied\":true"));
  EXPECT_THAT(out_, HasSubstr("\"id\":\"a\""));
}

TEST_F(CliTest, UpgradeSaysWhatItDid) {
  UpgradeReport report;
  system_.upgrade = [&](absl::string_view) -> absl::StatusOr<UpgradeReport> {
    return report;
  };
  EXPECT_EQ(Run({"upgrade", "notes.db"}), 0);
  EXPECT_THAT(out_, HasSubstr("nothing to upgrade"));
  report.changed = true;
  EXPECT_EQ(Run({"upgrade", "notes.db", "--json"}), 0);
  EXPECT_EQ(out_, "{\"from_version\":0,\"to_version\":0,\"changed\":true}\n");
}

TEST_F(CliTest, AMomentIsALamportTimeATimeOrATag) {
  Store("a", "text");
  ASSERT_EQ(Run({"get", "d.db", "notes", "a", "--at", "17"}), 0) << err_;
  EXPECT_EQ(state_.moment, Moment::At(17));
  ASSERT_EQ(Run({"count", "d.db", "notes", "--at", "2026-01-31T12:00:00Z"}), 0);
  EXPECT_EQ(state_.moment,
            Moment::AtTime(absl::FromUnixSeconds(1'769'860'800)));
  ASSERT_EQ(Run({"list", "d.db", "notes", "--at", "tag:v1"}), 0) << err_;
  EXPECT_EQ(state_.list_options.at, Moment::AtTag("v1"));
  ASSERT_EQ(Run({"search", "d.db", "notes", "x", "--at", "tag:v1"}), 0);
  EXPECT_EQ(state_.queries.back().at, Moment::AtTag("v1"));
  EXPECT_EQ(Run({"get", "d.db", "notes", "a", "--at", "yesterday"}), 2);
  EXPECT_THAT(err_, HasSubstr("\"yesterday\" is no moment"));
}

TEST_F(CliTest, TagsAreMadeListedAndForgotten) {
  state_.lamport = 5;
  ASSERT_EQ(Run({"tag", "create", "d.db", "notes", "v1"}), 0) << err_;
  EXPECT_EQ(out_, "tag v1 is 5\n");
  EXPECT_EQ(state_.moment, std::nullopt);
  ASSERT_EQ(
      Run({"tag", "create", "d.db", "notes", "v2", "--at", "3", "--json"}), 0);
  EXPECT_EQ(out_, R"({"tag":"v2","lamport":5,"wall_ms":1769860800000})"
                  "\n");
  EXPECT_EQ(state_.moment, Moment::At(3));
  ASSERT_EQ(Run({"tag", "list", "d.db", "notes"}), 0);
  EXPECT_THAT(out_, HasSubstr("2026-01-31T12:00:00Z"));
  ASSERT_EQ(Run({"tag", "list", "d.db", "notes", "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr("{\"tag\":\"v1\",\"lamport\":5,"));
  ASSERT_EQ(Run({"tag", "delete", "d.db", "notes", "v1", "--json"}), 0);
  EXPECT_EQ(out_, "{\"tag\":\"v1\",\"deleted\":true}\n");
  EXPECT_EQ(Run({"tag", "delete", "d.db", "notes", "v1"}), 4);
}

TEST_F(CliTest, RetentionIsSetShownAndApplied) {
  ASSERT_EQ(Run({"retention", "set", "d.db", "notes", "--keep-versions", "3",
                 "--keep-for", "30d"}),
            0)
      << err_;
  EXPECT_EQ(state_.retention, (Retention{3, absl::Hours(720)}));
  EXPECT_EQ(out_, "versions  the newest 3\nage       current within 30d\n");
  ASSERT_EQ(Run({"retention", "show", "d.db", "notes", "--json"}), 0);
  EXPECT_EQ(out_, "{\"keep_versions\":3,\"keep_for_seconds\":2592000}\n");
  ASSERT_EQ(Run({"retention", "set", "d.db", "notes", "--keep-for", "forever"}),
            0);
  EXPECT_EQ(state_.retention, Retention{});
  ASSERT_EQ(Run({"retention", "show", "d.db", "notes", "--json"}), 0);
  EXPECT_EQ(out_, "{\"keep_versions\":0,\"keep_for_seconds\":null}\n");
  EXPECT_EQ(Run({"retention", "set", "d.db", "notes"}), 1);
  EXPECT_EQ(Run({"retention", "set", "d.db", "notes", "--keep-for", "30"}), 2);
  state_.lamport = 9;
  ASSERT_EQ(Run({"retention", "apply", "d.db", "notes", "--json"}), 0);
  EXPECT_EQ(out_, "{\"removed\":1234,\"floor\":9}\n");
  ASSERT_EQ(Run({"retention", "apply", "d.db", "notes"}), 0);
  EXPECT_THAT(out_, HasSubstr("removed 1,234 versions"));
}

TEST_F(CliTest, PurgeWantsToBeConfirmed) {
  Store("a", "text");
  EXPECT_EQ(Run({"purge", "d.db", "notes", "a"}), 1);
  EXPECT_THAT(err_, HasSubstr("--yes"));
  EXPECT_EQ(state_.records.size(), 1u);
  ASSERT_EQ(Run({"purge", "d.db", "notes", "a", "b", "--yes"}), 0) << err_;
  EXPECT_EQ(out_, "purged 1 versions at 2\n");
  EXPECT_THAT(err_, HasSubstr("/backup/1"));
  ASSERT_EQ(Run({"purge", "d.db", "notes", "a", "--yes", "--json"}), 0);
  EXPECT_EQ(out_, R"({"purged":0,"lamport":3,"untouched":["/backup/1"]})"
                  "\n");
}

}  // namespace
}  // namespace corkscrew
