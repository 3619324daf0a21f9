#include "db/wal_scanner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "db/encode.h"
#include "db/log_reader.h"
#include "db/manifest_reader.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kClaimName = "csdbsync";
constexpr size_t kClaimBytes = 16;
// In front of the claim in a batch: RocksDB's type of a blob that is only in
// the log, and its size as a varint.
constexpr char kClaimHead[] = {0x03, static_cast<char>(kClaimBytes)};

constexpr uint64_t kSequenceEnd = uint64_t{1} << 56;
constexpr size_t kMaxManifestPointerBytes = 256;

class Scanner {
 public:
  Scanner(const std::vector<WalFile>& files,
          std::optional<uint64_t> tables_sequence)
      : files_(files), tables_sequence_(tables_sequence) {
    scan_.last_sequence = tables_sequence.value_or(0);
  }

  WalScan Run() {
    for (index_ = 0; index_ < files_.size(); ++index_) {
      ScanFile();
      if (scan_.verdict == WalVerdict::kDamaged) break;
    }
    if (lost_.has_value()) CountDropped();
    return std::move(scan_);
  }

 private:
  const WalFile& file() const { return files_[index_]; }

  void ScanFile() {
    LogReader reader(file().bytes, file().number);
    absl::string_view record;
    for (bool first = true;; first = false) {
      const LogReader::Result result = reader.Next(&record);
      if (result == LogReader::Result::kEnd) return;
      const std::optional<LoggedBatch> batch =
          result == LogReader::Result::kRecord ? ReadLoggedBatch(record)
                                               : std::nullopt;
      if (!batch.has_value()) {
        Lose(reader.offset(), result == LogReader::Result::kDamage
                                  ? std::string(reader.what())
                                  : "a record is not a write batch");
        LookBehind(reader.offset());
        return;
      }
      // Opening began this log where the batches before had ended: what is
      // lost had been given up then.
      if (first && lost_.has_value() && batch->sequence == *lost_) Recovered();
      if (!lost_.has_value()) CheckOrder(*batch, reader.offset());
      if (lost_.has_value()) {
        Weigh(*batch);
      } else {
        next_ = batch->sequence + batch->count;
        scan_.last_sequence = std::max(scan_.last_sequence, *next_ - 1);
      }
      if (scan_.verdict == WalVerdict::kDamaged) return;
    }
  }

  // Rows follow each other without a hole, also from one log to the next.
  void CheckOrder(const LoggedBatch& batch, size_t offset) {
    if (!next_.has_value()) {
      if (!tables_sequence_.has_value() ||
          batch.sequence <= *tables_sequence_ + 1) {
        return;
      }
      next_ = *tables_sequence_ + 1;
    }
    if (batch.sequence == *next_) return;
    Lose(offset, absl::StrCat("a batch begins with row ", batch.sequence,
                              ", want ", *next_));
    if (batch.sequence < *next_) scan_.verdict = WalVerdict::kDamaged;
  }

  void Lose(size_t offset, std::string what) {
    if (lost_.has_value()) return;
    // Without a batch before it, it may be any row.
    lost_ = next_.value_or(1);
    lost_in_ = index_;
    scan_.verdict = WalVerdict::kTornTail;
    scan_.file = file().name;
    scan_.offset = offset;
    scan_.what = std::move(what);
  }

  void Recovered() {
    lost_ = std::nullopt;
    scan_.torn_before = true;
    scan_.verdict = WalVerdict::kClean;
    scan_.file.clear();
    scan_.offset = 0;
    scan_.what.clear();
  }

  // Looks for batches behind a damage, where no record is known to begin.
  void LookBehind(size_t offset) {
    for (size_t at = offset + 1; at < file().bytes.size(); ++at) {
      absl::string_view payload;
      if (!LogReader::MayBegin(file().bytes, at, &payload)) continue;
      // Cheaper than the checksum, and rarely true by chance.
      Cursor cursor(payload);
      uint64_t sequence = 0;
      if (!cursor.ReadLittle(&sequence) || sequence < *lost_ ||
          sequence >= kSequenceEnd) {
        continue;
      }
      LogReader reader(file().bytes, file().number, at);
      absl::string_view record;
      if (reader.Next(&record) != LogReader::Result::kRecord) continue;
      const std::optional<LoggedBatch> batch = ReadLoggedBatch(record);
      if (!batch.has_value()) continue;
      Weigh(*batch);
      if (scan_.verdict == WalVerdict::kDamaged) return;
      at = reader.next_offset() - 1;
    }
  }

  // A whole batch after the damage: does it show that what is lost was synced?
  void Weigh(const LoggedBatch& batch) {
    if (batch.synced.has_value() && *batch.synced < *lost_) return;
    scan_.verdict = WalVerdict::kDamaged;
    absl::StrAppend(&scan_.what, "; row ", batch.sequence,
                    " behind it is whole");
  }

  void CountDropped() {
    for (size_t i = lost_in_; i < files_.size(); ++i) {
      scan_.dropped_bytes += files_[i].bytes.size();
    }
    scan_.dropped_bytes -= scan_.offset;
  }

  const std::vector<WalFile>& files_;
  const std::optional<uint64_t> tables_sequence_;
  size_t index_ = 0;
  WalScan scan_;
  // The row that comes next. Not known before the first batch.
  std::optional<uint64_t> next_;
  // The first row that can not be read, if there is damage, and its log.
  std::optional<uint64_t> lost_;
  size_t lost_in_ = 0;
};

// What the manifest says, or nullopt if it can not be read.
absl::StatusOr<std::optional<ManifestLogs>> ReadManifest(
    FileSystem& files, const std::string& path) {
  const std::string current_path = path + "/CURRENT";
  if (!files.Exists(current_path)) return std::nullopt;
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::string current,
      files.Read(current_path, kMaxManifestPointerBytes));
  absl::string_view name = current;
  uint64_t number;
  if (!absl::ConsumeSuffix(&name, "\n") ||
      !absl::StartsWith(name, "MANIFEST-") ||
      !absl::SimpleAtoi(name.substr(9), &number)) {
    return std::nullopt;
  }
  const std::string manifest_path = absl::StrCat(path, "/", name);
  if (!files.Exists(manifest_path)) return std::nullopt;
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<FileContent> manifest,
                             files.Map(manifest_path));
  const absl::StatusOr<ManifestLogs> logs = ReadManifestLogs(manifest->bytes());
  if (!logs.ok()) return std::nullopt;
  return std::optional<ManifestLogs>(*logs);
}

}  // namespace

std::string EncodeSyncedClaim(uint64_t sequence) {
  std::string claim(kClaimName);
  AppendBig(sequence, &claim);
  return claim;
}

std::optional<LoggedBatch> ReadLoggedBatch(absl::string_view record) {
  LoggedBatch batch;
  Cursor cursor(record);
  if (!cursor.ReadLittle(&batch.sequence) || !cursor.ReadLittle(&batch.count) ||
      batch.sequence == 0 || batch.sequence >= kSequenceEnd) {
    return std::nullopt;
  }
  const absl::string_view head(kClaimHead, sizeof(kClaimHead));
  if (cursor.remaining() < head.size() + kClaimBytes) return batch;
  record.remove_prefix(record.size() - head.size() - kClaimBytes);
  uint64_t synced = 0;
  if (absl::ConsumePrefix(&record, head) &&
      absl::ConsumePrefix(&record, kClaimName) &&
      Cursor(record).ReadBig(&synced)) {
    batch.synced = synced;
  }
  return batch;
}

WalScan ScanWalFiles(const std::vector<WalFile>& files,
                     std::optional<uint64_t> tables_sequence) {
  return Scanner(files, tables_sequence).Run();
}

absl::StatusOr<WalScan> ScanWals(FileSystem& files, const std::string& path) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<ManifestLogs> manifest,
                             ReadManifest(files, path));
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             files.List(path));
  std::vector<WalFile> logs;
  std::vector<std::unique_ptr<FileContent>> contents;
  for (const std::string& name : names) {
    absl::string_view digits = name;
    uint64_t number;
    if (!absl::ConsumeSuffix(&digits, ".log") ||
        !absl::SimpleAtoi(digits, &number) ||
        (manifest.has_value() && number < manifest->first_live)) {
      continue;
    }
    CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<FileContent> content,
                               files.Map(absl::StrCat(path, "/", name)));
    logs.push_back({number, name, content->bytes()});
    contents.push_back(std::move(content));
  }
  std::sort(logs.begin(), logs.end(), [](const WalFile& a, const WalFile& b) {
    return a.number < b.number;
  });
  std::optional<uint64_t> tables_sequence;
  if (manifest.has_value()) tables_sequence = manifest->last_sequence;
  return ScanWalFiles(logs, tables_sequence);
}

}  // namespace corkscrew
