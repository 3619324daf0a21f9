#include "db/recovery.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "db/durable_mark.h"
#include "db/encode.h"
#include "db/flaws.h"
#include "db/keys.h"
#include "db/manifest_reader.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "csdbrcv0";
constexpr size_t kMaxNoteBytes = 1024;

std::string NotePath(const std::string& path) { return path + "/RECOVERY"; }
std::string StorePath(const std::string& path) { return path + "/store"; }

absl::StatusOr<uint64_t> FreshIncarnation(const Environment& environment) {
  uint64_t incarnation;
  if (!environment.random(reinterpret_cast<uint8_t*>(&incarnation),
                          sizeof(incarnation))) {
    return absl::UnavailableError("the system has no random numbers");
  }
  return incarnation;
}

// The note of an open that was cut short. One that can not be read still says
// that there was something.
absl::StatusOr<std::optional<RecoveryNote>> ReadNote(
    const std::string& path, const Environment& environment) {
  if (!environment.files->Exists(NotePath(path))) return std::nullopt;
  const absl::StatusOr<std::string> bytes =
      environment.files->Read(NotePath(path), kMaxNoteBytes);
  if (!bytes.ok() && !absl::IsResourceExhausted(bytes.status())) {
    return bytes.status();
  }
  std::optional<RecoveryNote> note =
      bytes.ok() ? DecodeRecoveryNote(*bytes) : std::nullopt;
  if (!note.has_value()) {
    note.emplace();
    CORKSCREW_ASSIGN_OR_RETURN(note->incarnation,
                               FreshIncarnation(environment));
  }
  return note;
}

// Whether the mark knows of rows behind the end of a torn log. The incarnation,
// which says whether the mark counts, is in the store: it is read without
// changing anything.
absl::Status CheckMarkBeforeTheTear(const std::string& path,
                                    const StoreOptions& options,
                                    const WalScan& scan,
                                    const Environment& environment) {
  const std::optional<DurableMark> mark =
      ReadDurableMark(*environment.files, path);
  if (!mark.has_value() || mark->sequence <= scan.last_sequence) {
    return absl::OkStatus();
  }
  StoreOptions reading = options;
  reading.read_only = true;
  reading.recovery = LogRecovery::kUpToDamage;
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                             Store::Open(StorePath(path), reading));
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                             store->Get(Family::kRows, MetaKey("incarnation")));
  // Without an incarnation the store is empty: then even what there was before
  // the first mark is gone.
  if (value.has_value()) {
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t incarnation, DecodeU64(*value));
    if (CheckDurableMark(*mark, incarnation, *store).ok()) {
      return absl::OkStatus();
    }
  }
  WalScan damaged = scan;
  absl::StrAppend(&damaged.what, "; the log ends with row ", scan.last_sequence,
                  ", but durable.mark says that row ", mark->sequence,
                  " was synced");
  return DamagedLogError(damaged);
}

// Cuts off the tail of the manifest that was being written when the power
// failed: RocksDB would never open it again. Such a tail says which logs are in
// tables; they go once it is synced. ScanWals() has found that the logs go on
// where the rest of the manifest ends, so if there are any that it needs,
// nothing is lost with the tail. Nor is anything before the first write, which
// makes the marker of the directory.
absl::Status CutTornManifest(FileSystem& files, const std::string& path) {
  const std::string store = StorePath(path);
  constexpr size_t kMaxPointerBytes = 64;
  constexpr size_t kMaxManifestBytes = size_t{1} << 30;
  if (!files.Exists(store + "/CURRENT")) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::string current,
                             files.Read(store + "/CURRENT", kMaxPointerBytes));
  absl::string_view name = current;
  if (!absl::ConsumeSuffix(&name, "\n") ||
      !absl::StartsWith(name, "MANIFEST-") || absl::StrContains(name, '/')) {
    return absl::OkStatus();  // RocksDB says what is wrong.
  }
  const std::string manifest = absl::StrCat(store, "/", name);
  if (!files.Exists(manifest)) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::string bytes,
                             files.Read(manifest, kMaxManifestBytes));
  const std::optional<size_t> tail = TornTailOfManifest(bytes);
  if (!tail.has_value()) return absl::OkStatus();
  const absl::string_view rest(bytes.data(), *tail);
  const absl::StatusOr<ManifestLogs> logs = ReadManifestLogs(rest);
  if (!logs.ok()) return absl::OkStatus();
  if (!files.Exists(path + "/OPEN") && !files.Exists(path + "/OPEN.new")) {
    return AtomicWriteFile(files, manifest, {rest});
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                             files.List(store));
  bool no_log = true;
  bool first_is_empty = false;
  for (const std::string& log : all) {
    absl::string_view digits = log;
    uint64_t number;
    if (!absl::ConsumeSuffix(&digits, ".log") ||
        !absl::SimpleAtoi(digits, &number) || number < logs->first_live) {
      continue;
    }
    no_log = false;
    CORKSCREW_ASSIGN_OR_RETURN(const uint64_t size,
                               files.Size(absl::StrCat(store, "/", log)));
    if (size != 0) return AtomicWriteFile(files, manifest, {rest});
    if (number == logs->first_live) first_is_empty = true;
  }
  // The first log that the rest needs would be gone had the tail been synced
  // and made it obsolete.
  if (first_is_empty) return AtomicWriteFile(files, manifest, {rest});
  // Until it is closed a store has a log, whose name a power failure takes back
  // if nothing has been written to it. Then all is in the tables, and the mark
  // is not ahead of them; after Close() it names the last row.
  const std::optional<DurableMark> mark = ReadDurableMark(files, path);
  if (no_log && mark.has_value() && mark->sequence <= logs->last_sequence) {
    return AtomicWriteFile(files, manifest, {rest});
  }
  return absl::OkStatus();
}

// Every open makes a log, and RocksDB keeps those that were never written to
// until there is something to flush: opening alone would make more and more.
void RemoveEmptyLogs(FileSystem& files, const std::string& store) {
  const absl::StatusOr<std::vector<std::string>> names = files.List(store);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".log")) continue;
    const std::string log = absl::StrCat(store, "/", name);
    const absl::StatusOr<uint64_t> size = files.Size(log);
    if (size.ok() && *size == 0) files.Remove(log).IgnoreError();
  }
}

}  // namespace

std::string EncodeRecoveryNote(const RecoveryNote& note) {
  std::string out(kMagic);
  AppendBig(note.incarnation, &out);
  AppendBig(note.dropped_bytes, &out);
  AppendBig(note.offset, &out);
  AppendBig(static_cast<uint8_t>(note.file.size()), &out);
  AppendBytes(note.file, &out);
  AppendBig(Crc32c(out), &out);
  return out;
}

std::optional<RecoveryNote> DecodeRecoveryNote(absl::string_view bytes) {
  RecoveryNote note;
  absl::string_view magic, file;
  uint8_t size = 0;
  Cursor cursor(bytes);
  if (!cursor.ReadBytes(kMagic.size(), &magic) || magic != kMagic ||
      !cursor.ReadBig(&note.incarnation) ||
      !cursor.ReadBig(&note.dropped_bytes) || !cursor.ReadBig(&note.offset) ||
      !cursor.ReadBig(&size) || !cursor.ReadBytes(size, &file)) {
    return std::nullopt;
  }
  note.file = std::string(file);
  if (EncodeRecoveryNote(note) != bytes) return std::nullopt;
  return note;
}

absl::Status DamagedLogError(const WalScan& scan) {
  return absl::DataLossError(absl::StrCat(
      "store/", scan.file, " is damaged at byte ", scan.offset, ": ", scan.what,
      ". Acknowledged writes can not be read, so it was not opened and nothing "
      "was changed. Restore a backup, or keep what is left with: corkscrew "
      "repair DIR --accept-loss"));
}

absl::StatusOr<std::unique_ptr<Store>> RecoverStore(
    const std::string& path, const StoreOptions& options,
    const Environment& environment, std::optional<RecoveryNote>* note) {
  FileSystem& files = *environment.files;
  StoreOptions store_options = options;
  WalScan scan;
  if (files.Exists(StorePath(path) + "/CURRENT") &&
      !FlawsForTests().default_recovery) {
    CORKSCREW_ASSIGN_OR_RETURN(scan, ScanWals(files, StorePath(path)));
  }
  CORKSCREW_ASSIGN_OR_RETURN(*note, ReadNote(path, environment));
  if (scan.verdict == WalVerdict::kDamaged) return DamagedLogError(scan);
  CORKSCREW_RETURN_IF_ERROR(CutTornManifest(files, path));
  // Recovery from a torn tail may have been cut short: the tear is still there,
  // and RocksDB compares the rows behind it.
  if (scan.torn_before) store_options.recovery = LogRecovery::kUpToDamage;
  if (scan.verdict == WalVerdict::kTornTail) {
    CORKSCREW_RETURN_IF_ERROR(
        CheckMarkBeforeTheTear(path, options, scan, environment));
    RecoveryNote fresh{.dropped_bytes = scan.dropped_bytes,
                       .file = scan.file.substr(0, 255),
                       .offset = scan.offset};
    if (note->has_value()) fresh.dropped_bytes += (*note)->dropped_bytes;
    CORKSCREW_ASSIGN_OR_RETURN(fresh.incarnation,
                               FreshIncarnation(environment));
    CORKSCREW_RETURN_IF_ERROR(
        AtomicWriteFile(files, NotePath(path), {EncodeRecoveryNote(fresh)}));
    *note = fresh;
    store_options.recovery = LogRecovery::kUpToDamage;
  }
  RemoveEmptyLogs(files, StorePath(path));
  CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<Store> store,
                             Store::Open(StorePath(path), store_options));
  if (store->last_sequence() < scan.last_sequence) {
    return absl::DataLossError(
        absl::StrCat("the store ends with row ", store->last_sequence(),
                     ", but its log has row ", scan.last_sequence));
  }
  return store;
}

absl::Status RemoveRecoveryNote(const std::string& path,
                                const Environment& environment) {
  FileSystem& files = *environment.files;
  const absl::Status removed = files.Remove(NotePath(path));
  if (absl::IsNotFound(removed)) return absl::OkStatus();
  CORKSCREW_RETURN_IF_ERROR(removed);
  return files.SyncDirectory(path);
}

}  // namespace corkscrew
