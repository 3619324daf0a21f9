#include "corkscrew/check.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "db/check_rows.h"
#include "db/check_segments.h"
#include "db/closed_database.h"
#include "db/durable_mark.h"
#include "db/environment.h"
#include "db/format_version.h"
#include "db/keys.h"
#include "db/recovery.h"
#include "db/rows.h"
#include "db/store.h"
#include "db/wal_scanner.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kOpenAdvice = "open it: opening mends this";
constexpr absl::string_view kRestoreAdvice = "restore a backup";
constexpr absl::string_view kLossAdvice =
    "restore a backup, or keep what is left: corkscrew repair DIR "
    "--accept-loss --apply";

class Check {
 public:
  Check(const std::string& path, const CheckOptions& options,
        CheckReport* report)
      : path_(path), files_(FileSystem::Real()), sink_(options, report) {}

  absl::Status Run() {
    if (!files_.Exists(path_ + "/store/CURRENT")) {
      Unreadable("store/CURRENT", "store", "it is missing", kRestoreAdvice);
      return absl::OkStatus();
    }
    CORKSCREW_RETURN_IF_ERROR(CheckLog());
    if (files_.Exists(path_ + "/RECOVERY")) {
      sink_.Add(CheckStatus::kRepairable, "RECOVERY", "log",
                "an open that gave up a torn log was cut short", kOpenAdvice);
    }
    const absl::StatusOr<std::unique_ptr<Store>> store =
        Store::Open(path_ + "/store", {.create_if_missing = false,
                                       .recovery = LogRecovery::kUpToDamage,
                                       .read_only = true});
    if (!store.ok()) {
      Unreadable("store", "store", std::string(store.status().message()),
                 kRestoreAdvice);
      return absl::OkStatus();
    }
    if (!CheckIdentity(**store)) return absl::OkStatus();
    CORKSCREW_RETURN_IF_ERROR(CheckRows(**store, &sink_));
    CORKSCREW_RETURN_IF_ERROR(
        CheckSegments(**store, path_ + "/segments", &sink_));
    if (!sink_.deep()) return absl::OkStatus();
    const absl::Status tables = (*store)->VerifyTables();
    if (!tables.ok()) {
      sink_.Add(CheckStatus::kDataLoss, "store", "table",
                std::string(tables.message()), kLossAdvice);
    }
    return absl::OkStatus();
  }

 private:
  void Unreadable(std::string where, absl::string_view invariant,
                  std::string what, absl::string_view advice) {
    sink_.Add(CheckStatus::kUnreadable, std::move(where), invariant,
              std::move(what), advice);
  }

  absl::Status CheckLog() {
    CORKSCREW_ASSIGN_OR_RETURN(const WalScan scan,
                               ScanWals(files_, path_ + "/store"));
    if (scan.verdict == WalVerdict::kClean) return absl::OkStatus();
    const bool torn = scan.verdict == WalVerdict::kTornTail;
    sink_.Add(torn ? CheckStatus::kRepairable : CheckStatus::kDataLoss,
              absl::StrCat("store/", scan.file, " at byte ", scan.offset),
              "log",
              absl::StrCat(scan.what, "; ", scan.dropped_bytes, " bytes, ",
                           torn ? "which were never acknowledged"
                                : "with acknowledged writes"),
              torn ? kOpenAdvice : kLossAdvice);
    return absl::OkStatus();
  }

  // The value of an `m` row, or nothing with a finding.
  std::optional<std::string> Meta(const Store& store, absl::string_view name) {
    const std::string key = MetaKey(name);
    const auto value = store.Get(Family::kRows, key);
    if (value.ok() && value->has_value()) return **value;
    Unreadable(
        absl::StrCat("row m", name), "identity",
        value.ok() ? "it is missing" : std::string(value.status().message()),
        kRestoreAdvice);
    return std::nullopt;
  }

  // False: the rest can not be read.
  bool CheckIdentity(const Store& store) {
    const auto format = Meta(store, "format");
    if (!format.has_value()) return false;
    const absl::StatusOr<FormatRow> row = DecodeFormatRow(*format);
    const absl::Status readable =
        row.ok() ? CheckFormat(*row, /*read_only=*/true) : row.status();
    if (!readable.ok()) {
      Unreadable("row mformat", "format", std::string(readable.message()),
                 "use the build it belongs to");
      return false;
    }
    const auto bad = [&](absl::string_view name, const absl::Status& status) {
      if (!status.ok()) {
        Unreadable(absl::StrCat("row m", name), "identity",
                   std::string(status.message()), kRestoreAdvice);
      }
    };
    for (const absl::string_view name : {"uuid", "replica"}) {
      if (const auto value = Meta(store, name)) {
        bad(name, DecodeUuid(*value).status());
      }
    }
    if (const auto value = Meta(store, "open")) {
      bad("open", DecodeOpenRow(*value).status());
    }
    if (const auto value = Meta(store, "incarnation")) {
      const absl::StatusOr<uint64_t> incarnation = DecodeU64(*value);
      bad("incarnation", incarnation.status());
      if (incarnation.ok()) CheckMark(store, *incarnation);
    }
    return true;
  }

  void CheckMark(const Store& store, uint64_t incarnation) {
    const std::optional<DurableMark> mark = ReadDurableMark(files_, path_);
    if (!mark.has_value()) {
      // Copies have none.
      if (files_.Exists(path_ + "/durable.mark")) {
        sink_.Add(CheckStatus::kRepairable, "durable.mark", "mark",
                  "it can not be read", kOpenAdvice);
      }
      return;
    }
    const absl::Status held = CheckDurableMark(*mark, incarnation, store);
    if (!held.ok()) {
      sink_.Add(CheckStatus::kDataLoss, "durable.mark", "mark",
                std::string(held.message()), kLossAdvice);
    }
  }

  const std::string path_;
  FileSystem& files_;
  CheckSink sink_;
};

}  // namespace

absl::Status CheckClosed(const std::string& path, const CheckOptions& options,
                         CheckReport* report) {
  return Check(path, options, report).Run();
}

absl::StatusOr<CheckReport> CheckDatabase(absl::string_view path,
                                          const CheckOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const ClosedDatabase closed,
                             ClosedDatabase::Hold(path));
  CheckReport report;
  CORKSCREW_RETURN_IF_ERROR(CheckClosed(closed.path(), options, &report));
  return report;
}

absl::StatusOr<UpgradeReport> UpgradeDatabase(absl::string_view path) {
  CORKSCREW_ASSIGN_OR_RETURN(const ClosedDatabase closed,
                             ClosedDatabase::Hold(path));
  std::optional<RecoveryNote> note;  // Stays for the next open.
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::unique_ptr<Store> store,
      RecoverStore(closed.path(), {.create_if_missing = false}, Environment{},
                   &note));
  CORKSCREW_ASSIGN_OR_RETURN(const FormatUpgrade upgrade, UpgradeStore(*store));
  CORKSCREW_RETURN_IF_ERROR(store->Close());
  return UpgradeReport{.from_version = upgrade.from.version,
                       .to_version = upgrade.to.version,
                       .changed = upgrade.from != upgrade.to};
}

}  // namespace corkscrew
