#include "tests/storage/faulty_database.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "corkscrew/check.h"
#include "db/invariants.h"
#include "db/local_db.h"

namespace corkscrew::testing {

FaultyDatabase::FaultyDatabase(uint64_t seed)
    : random_(seed),
      path_(scratch_.path() + "/db"),
      disk_(path_),
      files_(&disk_),
      env_(NewFaultEnv(&disk_)) {}

FaultyDatabase::~FaultyDatabase() { Kill(); }

absl::Status FaultyDatabase::Open() {
  Options options;
  options.threads = 1;
  options.block_cache_bytes = size_t{1} << 20;
  options.low_space_bytes = 0;
  Environment environment;
  environment.files = &files_;
  environment.store = env_.get();
  environment.background = false;  // The same calls each time.
  environment.segment_slots = 16;
  environment.boot_id = [boot = boot_] { return absl::StrCat("boot", boot); };
  auto engine = Engine::Open(path_, options, environment);
  Tell(absl::StrCat("open: ", engine.status().ToString(), ", ", disk_.calls(),
                    " calls"));
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  db_ = std::make_unique<LocalDb>(engine_);
  return absl::OkStatus();
}

absl::Status FaultyDatabase::Run(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kCreate:
      return db_
          ->CreateCollection(operation.collection,
                             {.dim = kReferenceDim, .bits = 2})
          .status();
    case Operation::Kind::kDrop:
      return db_->DropCollection(operation.collection);
    default:
      break;
  }
  const auto collection = db_->OpenCollection(operation.collection);
  if (!collection.ok()) return collection.status();
  WriteOptions options;
  options.request_id = operation.request_id;
  if (operation.kind == Operation::Kind::kDelete) {
    const std::vector<absl::string_view> ids(operation.ids.begin(),
                                             operation.ids.end());
    return (*collection)->Delete(ids, options).status();
  }
  std::vector<PutItem> items(operation.ids.size());
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].record = RecordView(operation.ids[i]);
    items[i].record.vector = operation.versions[i].vector;
    items[i].record.text = operation.versions[i].text;
    items[i].record.metadata = &operation.versions[i].metadata;
  }
  return (*collection)->Put(items, options).status();
}

void FaultyDatabase::Try(const Operation& operation) {
  const absl::Status status = Run(operation);
  if (!status.ok()) {
    Tell(absl::StrCat("operation ", number_, ": ", status.ToString()));
    if (absl::IsUnknown(status)) perhaps_.push_back(operation);
    return;
  }
  if (!perhaps_.empty()) {
    violation_ = absl::StrCat("operation ", number_,
                              " was acknowledged after an unknown outcome");
    perhaps_.push_back(operation);
    return;
  }
  certain_.Apply(operation);
}

void FaultyDatabase::Write(size_t count) {
  if (db_ == nullptr) return;
  for (size_t i = 0; i < count && !disk_.dead(); ++i) {
    ++number_;
    const std::string name = random_.Next() % 8 == 0 ? "d" : "c";
    const bool there = certain_.collections().count(name) != 0;
    Operation operation;
    if (!there) {
      operation = {.kind = Operation::Kind::kCreate, .collection = name};
    } else if (random_.Next() % 40 == 0) {
      operation = {.kind = Operation::Kind::kDrop, .collection = name};
    } else {
      operation = RandomWrite(&random_, name, number_);
    }
    const bool stopped = !perhaps_.empty();
    Try(operation);
    if (stopped) break;
  }
  Tell(absl::StrCat("wrote up to operation ", number_, ", ", disk_.calls(),
                    " calls"));
}

void FaultyDatabase::Kill() {
  if (db_ == nullptr) return;
  if (!disk_.dead()) {
    disk_.DieAt(disk_.calls() + 1);
  }
  db_.reset();
  engine_.reset();
}

absl::Status FaultyDatabase::Close() {
  if (db_ == nullptr) return absl::OkStatus();
  absl::Status status = db_->Close();
  Tell(absl::StrCat("close: ", status.ToString()));
  db_.reset();
  engine_.reset();
  return status;
}

void FaultyDatabase::LosePower() {
  Kill();
  Tell("power loss: " + disk_.LosePower(&random_));
  ++boot_;
}

void FaultyDatabase::SaveCopy() {
  namespace fs = std::filesystem;
  fs::remove_all(scratch_.path() + "/copy");
  if (!fs::exists(path_)) return;
  fs::copy(path_, scratch_.path() + "/copy", fs::copy_options::recursive);
  copied_certain_ = certain_;
  copied_perhaps_ = perhaps_;
  has_copy_ = true;
  Tell("copied the directory");
}

void FaultyDatabase::RestoreCopy() {
  namespace fs = std::filesystem;
  fs::remove_all(path_);
  fs::copy(scratch_.path() + "/copy", path_, fs::copy_options::recursive);
  certain_ = copied_certain_;
  perhaps_ = copied_perhaps_;
  Tell("put the copy back");
}

std::string FaultyDatabase::Check(bool rows) {
  if (!violation_.empty()) return violation_;
  // A retry is applied exactly once, whatever became of the first attempt.
  if (perhaps_.size() == 1 && !perhaps_[0].request_id.empty() &&
      random_.Next() % 2 != 0) {
    const absl::Status status = Run(perhaps_[0]);
    if (!status.ok()) return absl::StrCat("retry: ", status.ToString());
    certain_.Apply(perhaps_[0]);
    perhaps_.clear();
  }
  // What of the unknown is there?
  const std::string summary = SummaryOf(*db_);
  size_t present = 0;
  for (ReferenceDb guess = certain_;
       present < perhaps_.size() && guess.Summary() != summary; ++present) {
    guess.Apply(perhaps_[present]);
  }
  for (size_t i = 0; i < present; ++i) certain_.Apply(perhaps_[i]);
  perhaps_.clear();
  std::string out = Difference(*db_, certain_, &random_, &identities_);
  if (out.empty() && rows) {
    out = absl::StrJoin(FindViolations(engine_->store()), "; ");
  }
  return out;
}

std::string FaultyDatabase::CloseAndCheckFiles() {
  const absl::Status closed = Close();
  if (!closed.ok()) return absl::StrCat("close: ", closed.ToString());
  CheckOptions deep;
  deep.deep = true;
  const auto report = CheckDatabase(path_, deep);
  if (!report.ok()) return absl::StrCat("check: ", report.status().ToString());
  return report->findings.empty()
             ? ""
             : absl::StrCat(report->findings[0].where, ": ",
                            report->findings[0].what);
}

}  // namespace corkscrew::testing
