// The process or the power ends at each call of a drop and of a purge: after
// the next open all of it is to be seen or nothing, what was answered has
// happened, and what is gone is in no file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "corkscrew/check.h"
#include "corkscrew/db.h"
#include "db/engine.h"
#include "db/invariants.h"
#include "db/local_db.h"
#include "tests/storage/damage_images.h"
#include "tests/storage/fault_file_system.h"
#include "tests/storage/fault_state.h"
#include "tests/storage/proof.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRecords = 40;
constexpr absl::string_view kForgotten[] = {"r3", "r4", "r30"};
constexpr absl::string_view kSecret = "not to be kept: ";

enum class Kind { kDrop, kPurge };

struct ForgetCase {
  Kind kind = Kind::kDrop;
  uint64_t call = 0;  // Of the operation, from 1.
  bool power_loss = false;
};

// Texts of all versions by record, oldest last; "x" of a tombstone.
using Content = std::map<std::string, std::vector<std::string>>;

class ForgetfulDatabase {
 public:
  explicit ForgetfulDatabase(uint64_t seed)
      : random_(seed),
        path_(scratch_.path() + "/db"),
        disk_(path_),
        files_(&disk_),
        env_(NewFaultEnv(&disk_)) {}
  ~ForgetfulDatabase() { Kill(); }

  absl::Status Open() {
    Options options;
    options.threads = 1;
    options.block_cache_bytes = size_t{1} << 20;
    options.low_space_bytes = 0;
    Environment environment;
    environment.files = &files_;
    environment.store = env_.get();
    environment.background = false;
    environment.maintenance_thread = false;
    environment.segment_slots = 16;
    environment.boot_id = [boot = boot_] { return absl::StrCat("boot", boot); };
    auto engine = Engine::Open(path_, options, environment);
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    db_ = std::make_unique<LocalDb>(engine_);
    return absl::OkStatus();
  }

  // Two versions of most records, in segments of both kinds and in the log.
  absl::Status Fill() {
    auto made = db_->CreateCollection("c", {.dim = 4, .bits = 2});
    if (!made.ok()) return made.status();
    for (size_t i = 0; i < kRecords * 7 / 4; ++i) {
      const std::string id = absl::StrCat("r", i % kRecords);
      std::string text = absl::StrCat("text ", i);
      for (const absl::string_view forgotten : kForgotten) {
        if (id == forgotten) text = absl::StrCat(kSecret, i);
      }
      const std::vector<float> vector = {1, static_cast<float>(i % 9), -1, 2};
      PutItem item{RecordView(id)};
      item.record.vector = vector;
      item.record.text = text;
      const auto put = (*made)->Put({&item, 1});
      if (!put.ok()) return put.status();
      content_[id].insert(content_[id].begin(), text);
      if (i == kRecords) {  // A part of it in tables.
        made->reset();
        absl::Status reopened = Close();
        if (reopened.ok()) reopened = Open();
        if (!reopened.ok()) return reopened;
        made = db_->OpenCollection("c");
        if (!made.ok()) return made.status();
      }
    }
    return absl::OkStatus();
  }

  absl::Status Forget(Kind kind) {
    if (kind == Kind::kDrop) return db_->DropCollection("c");
    const auto collection = db_->OpenCollection("c");
    if (!collection.ok()) return collection.status();
    return (*collection)
        ->Purge(std::vector<absl::string_view>(std::begin(kForgotten),
                                               std::end(kForgotten)))
        .status();
  }

  absl::Status Close() {
    const absl::Status status = db_->Close();
    db_.reset();
    engine_.reset();
    return status;
  }
  void Kill() {
    if (db_ == nullptr) return;
    if (!disk_.dead()) disk_.DieAt(disk_.calls() + 1);
    db_.reset();
    engine_.reset();
  }
  void End(bool power_loss) {
    Kill();
    if (power_loss) {
      disk_.LosePower(&random_);
      ++boot_;
    } else {
      disk_.Restart();
    }
  }

  // What is wrong with the open database, or "". With `done` it must not hold
  // what was forgotten any more.
  std::string Check(Kind kind, bool done) {
    std::string wrong = absl::StrJoin(FindViolations(engine_->store()), "; ");
    if (!wrong.empty()) return wrong;
    return kind == Kind::kDrop ? CheckDropped(done) : CheckPurged(done);
  }

  FaultState& disk() { return disk_; }
  const std::string& path() const { return path_; }

 private:
  std::string CheckDropped(bool done) {
    const auto collection = db_->OpenCollection("c");
    if (collection.ok()) {
      if (done) return "the drop was answered, and the collection is there";
      return Compare(**collection, content_);
    }
    if (!absl::IsNotFound(collection.status())) {
      return collection.status().ToString();
    }
    // Nothing of it comes back with its name.
    const auto again = db_->CreateCollection("c", {.dim = 4, .bits = 2});
    if (!again.ok()) return again.status().ToString();
    if ((*again)->Info()->generation != 2) return "the generation is not 2";
    return Compare(**again, {});
  }

  std::string CheckPurged(bool done) {
    const auto collection = db_->OpenCollection("c");
    if (!collection.ok()) return collection.status().ToString();
    Content purged = content_;
    for (const absl::string_view id : kForgotten) {
      purged[std::string(id)] = {"x"};
    }
    const std::string other = Compare(**collection, purged);
    if (!other.empty()) {
      if (done) return "the purge was answered, and " + other;
      return Compare(**collection, content_);
    }
    // What was cut off is completed, and then no file has it.
    engine_->maintenance().RunOnce();
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file() &&
          absl::StrContains(ReadAll(entry.path()), kSecret)) {
        return absl::StrCat(entry.path().string(), " holds what was purged");
      }
    }
    return Compare(**collection, purged);
  }

  // How the collection differs from `want`, by every kind of read.
  std::string Compare(const Collection& collection, const Content& want) {
    Content got;
    size_t versions = 0;
    std::set<std::string> live, listed, found, found_before;
    for (const auto& [id, texts] : want) {
      versions += texts.size();
      if (texts[0] != "x") live.insert(id);
    }
    for (size_t i = 0; i < kRecords; ++i) {
      const std::string id = absl::StrCat("r", i);
      const auto history = collection.History(id);
      if (!history.ok()) return history.status().ToString();
      for (const StoredRecord& version : history->versions) {
        got[id].push_back(version.deleted ? "x" : version.record.text);
      }
    }
    if (got != want) return "history is another";
    const auto stats = collection.Stats();
    if (!stats.ok()) return stats.status().ToString();
    if (stats->versions != versions || stats->info.records != live.size()) {
      return absl::StrCat("it counts ", stats->versions, " versions and ",
                          stats->info.records, " records, want ", versions,
                          " and ", live.size());
    }
    Query query = Query::Vector({1, 2, 3, 4});
    query.k = 2 * kRecords;
    for (const bool before : {false, true}) {
      // When all had their first version.
      if (before) query.at = Moment::At(kRecords);
      if (before && want.empty()) break;
      const auto reply = collection.Search(query);
      if (!reply.ok()) return reply.status().ToString();
      found.clear();
      for (const Hit& hit : reply->hits) found.insert(hit.id);
      if (found != live) {
        return absl::StrCat("search finds ", found.size(), " records, want ",
                            live.size());
      }
    }
    return "";
  }

  Random random_;
  ScratchDirectory scratch_;
  const std::string path_;
  FaultState disk_;
  FaultFileSystem files_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Db> db_;
  int boot_ = 1;
  Content content_;
};

const std::vector<ForgetCase>& Cases() {
  static const std::vector<ForgetCase>* const cases = [] {
    auto* const out = new std::vector<ForgetCase>;
    for (const Kind kind : {Kind::kDrop, Kind::kPurge}) {
      ForgetfulDatabase db(1);
      if (!db.Open().ok() || !db.Fill().ok()) continue;
      const uint64_t before = db.disk().calls();
      if (!db.Forget(kind).ok()) continue;
      // And one when it has been answered.
      const uint64_t calls = db.disk().calls() - before + 1;
      for (uint64_t call = 1; call <= calls; ++call) {
        for (const bool power_loss : {false, true}) {
          out->push_back({kind, call, power_loss});
        }
      }
    }
    return out;
  }();
  return *cases;
}

}  // namespace

uint64_t ForgettingCases() { return Cases().size(); }

CaseResult RunForgetting(uint64_t seed, uint64_t number) {
  CaseResult out;
  constexpr uint64_t kStride = 1'000'003;  // A prime: meets every case.
  const ForgetCase& forget = Cases()[number * kStride % Cases().size()];
  ForgetfulDatabase db(seed * 1'000'003 + number);
  const auto run = [&]() -> std::string {
    absl::Status status = db.Open();
    if (status.ok()) status = db.Fill();
    if (!status.ok()) return status.ToString();
    db.disk().DieAt(db.disk().calls() + forget.call);
    const bool done = db.Forget(forget.kind).ok();
    out.covered.push_back(
        db.disk().faulted_call().substr(0, db.disk().faulted_call().find(' ')));
    db.End(forget.power_loss);
    for (int again = 0; again < 2; ++again) {
      status = db.Open();
      if (!status.ok()) return "does not open: " + status.ToString();
      std::string wrong = db.Check(forget.kind, done);
      if (!wrong.empty()) return wrong;
      if (forget.kind == Kind::kDrop) break;  // It has made another one.
      if (again == 0) db.End(false);
    }
    status = db.Close();
    if (!status.ok()) return status.ToString();
    CheckOptions deep;
    deep.deep = true;
    const auto report = CheckDatabase(db.path(), deep);
    if (!report.ok()) return report.status().ToString();
    return report->findings.empty()
               ? ""
               : absl::StrCat(report->findings[0].where, ": ",
                              report->findings[0].what);
  };
  const std::string wrong = run();
  if (!wrong.empty()) {
    out.findings.push_back(absl::StrCat(
        wrong, "\n", forget.kind == Kind::kDrop ? "drop" : "purge",
        " ended at its call ", forget.call, " (", db.disk().faulted_call(), ")",
        forget.power_loss ? ", with the power" : ""));
  }
  return out;
}

}  // namespace corkscrew::testing
