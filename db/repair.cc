// A repair reads every row that can be read, and writes a new store: rows that
// only say what others say (version vectors, heads, feed, clocks, names) are
// made anew from the ops and bodies. What is behind a damaged table or log is
// not in the way then, and the original is not touched.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/check.h"
#include "db/aliases.h"
#include "db/closed_database.h"
#include "db/collection_repair.h"
#include "db/keys.h"
#include "db/lost_log.h"
#include "db/origin_table.h"
#include "db/repair_output.h"
#include "db/rows.h"
#include "db/store.h"

namespace corkscrew {
namespace {

class Repair {
 public:
  Repair(const Store& source, const LostLog& lost_log, RepairOutput* output,
         RepairReport* report)
      : source_(source),
        lost_log_(lost_log),
        output_(*output),
        report_(*report) {}

  absl::Status Run() {
    CORKSCREW_RETURN_IF_ERROR(CopyRows());
    for (const auto& [number, row] : collections_) {
      CORKSCREW_RETURN_IF_ERROR(RepairCollection(
          {source_, number, row.name, row.uuid, origins_, lost_log_}, &output_,
          &report_));
    }
    NameOthersLost();
    if (output_.quarantined() != 0) {
      report_.actions.push_back(
          absl::StrCat(output_.quarantined(), " rows go to quarantine"));
    }
    return output_.Flush();
  }

 private:
  // What was lost of collections and origins that are lost themselves.
  void NameOthersLost() {
    for (const auto& [id, lost] : lost_log_.origins) {
      const auto& [number, shard, origin] = id;
      if (collections_.count(number) != 0 && origins_.count(origin) != 0) {
        continue;
      }
      const auto known = origins_.find(origin);
      report_.actions.push_back(absl::StrCat(
          "collection number ", number,
          collections_.count(number) != 0 ? "" : ", whose row is lost",
          ": ops up to seq ", lost.last_seq, " of ",
          known == origins_.end()
              ? absl::StrCat("origin number ", origin, ", whose row is lost,")
              : absl::StrCat(known->second.replica.ToString(), "/",
                             known->second.incarnation),
          " are lost"));
    }
  }

  // Rows that are kept as they are, and names.
  absl::Status CopyRows() {
    CollectionRow system;
    system.name = "_system";
    system.uuid = SystemCollectionUuid();
    collections_.emplace(0, system);
    size_t dropped = 0;
    for (int kind = 1; kind < 256; ++kind) {
      const std::string prefix = KindPrefix(static_cast<char>(kind));
      if (absl::string_view("fhknosv").find(static_cast<char>(kind)) !=
          absl::string_view::npos) {
        continue;  // Made anew; `s` names files that are a cache.
      }
      const std::string end =
          kind == 255 ? std::string(8, '\xFF') : PrefixEnd(prefix);
      const auto it = source_.NewIterator(Family::kRows, prefix, end);
      for (it->Seek(prefix); it->valid(); it->Next()) {
        CORKSCREW_ASSIGN_OR_RETURN(
            const bool keep,
            Keep(static_cast<char>(kind), it->key(), it->value()));
        if (keep) {
          CORKSCREW_RETURN_IF_ERROR(
              output_.Put(Family::kRows, it->key(), it->value()));
          continue;
        }
        ++dropped;
        CORKSCREW_RETURN_IF_ERROR(output_.Quarantine(
            Family::kRows, it->key(), it->value(), "it is malformed"));
      }
      if (it->status().ok()) continue;
      if (kind == 'm' || kind == 'a' || kind == 'c') return it->status();
      report_.actions.push_back(
          absl::StrCat("rows of kind ", std::string(1, static_cast<char>(kind)),
                       " behind a damaged block are lost"));
    }
    if (dropped != 0) {
      report_.actions.push_back(absl::StrCat(
          dropped, " rows of times and requests that are malformed go"));
    }
    for (const auto& [number, row] : collections_) {
      if (number == 0) continue;
      CORKSCREW_RETURN_IF_ERROR(
          output_.Put(Family::kRows, NameKey(row.name), EncodeU32(number)));
    }
    CORKSCREW_RETURN_IF_ERROR(NameAliases());
    // No file is this marker: the next open begins a new incarnation.
    return output_.Put(
        Family::kRows, MetaKey("open"),
        Encode(
            OpenRow{.clean = true, .marker_inode = 1, .marker_birth_ns = 1}));
  }

  // Name rows of the aliases that the system collection knows.
  absl::Status NameAliases() {
    OriginTable origins;
    for (const auto& [number, origin] : origins_) origins.Add(origin);
    const auto aliases = ReadAliases(source_, origins);
    if (!aliases.ok()) {
      report_.actions.push_back(absl::StrCat(
          "names of aliases are not made anew: ", aliases.status().message()));
      return absl::OkStatus();
    }
    std::map<Uuid, uint32_t> live;
    std::set<absl::string_view> names;
    for (const auto& [number, row] : collections_) {
      live[row.uuid] = number;
      names.insert(row.name);
    }
    for (const auto& [name, uuid] : *aliases) {
      const auto found = live.find(uuid);
      if (found == live.end() || names.count(name) != 0) continue;
      CORKSCREW_RETURN_IF_ERROR(
          output_.Put(Family::kRows, NameKey(name), EncodeU32(found->second)));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Keep(char kind, absl::string_view key,
                            absl::string_view value) {
    uint32_t number = 0;
    if (kind == 'a') {
      CORKSCREW_ASSIGN_OR_RETURN(const Origin origin, DecodeOriginRow(value));
      if (!ParseOriginKey(key, &number)) return false;
      origins_[number] = origin;
    } else if (kind == 'c') {
      CORKSCREW_ASSIGN_OR_RETURN(const CollectionRow row,
                                 DecodeCollectionRow(value));
      if (!ParseCollectionKey(key, &number)) return false;
      if (row.state == LiveState::kLive) collections_.emplace(number, row);
    } else if (kind == 'x') {
      uint64_t wall_ms;
      const auto lamport = DecodeU64(value);
      if (!ParseWallKey(key, &number, &wall_ms) || !lamport.ok() ||
          collections_.count(number) == 0) {
        return false;
      }
      Lamport& last = last_time_[number];
      if (*lamport <= last) return false;
      last = *lamport;
    } else if (kind == 'i') {
      Stream stream;
      std::string id;
      return ParseRequestKey(key, &stream, &id) &&
             collections_.count(stream.collection) != 0 &&
             DecodeRequestRow(value).ok();
    }
    return true;
  }

  const Store& source_;
  const LostLog& lost_log_;
  RepairOutput& output_;
  RepairReport& report_;
  std::map<uint32_t, Origin> origins_;
  std::map<uint32_t, CollectionRow> collections_;  // Live ones.
  std::map<uint32_t, Lamport> last_time_;
};

absl::StatusOr<std::unique_ptr<Store>> OpenSource(const std::string& path) {
  return Store::Open(path + "/store", {.create_if_missing = false,
                                       .recovery = LogRecovery::kUpToDamage,
                                       .read_only = true});
}

// Findings of the log and the mark: losses that rows do not show.
void AddLogLosses(RepairReport* report) {
  for (const CheckFinding& finding : report->before.findings) {
    if (finding.invariant == "log" || finding.invariant == "mark") {
      report->actions.push_back(
          absl::StrCat(finding.where, ": ", finding.what));
    }
  }
}

// Writes the repaired database in `directory`, which is made.
absl::Status WriteRepaired(const Store& source, const LostLog& lost_log,
                           const std::string& directory, RepairReport* report) {
  FileSystem& files = FileSystem::Real();
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(directory));
  CORKSCREW_RETURN_IF_ERROR(files.MakeDirectory(directory + "/store"));
  const std::string quarantine_path = directory + "/quarantine.txt";
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> quarantine,
                             files.NewFile(quarantine_path));
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                             Store::Open(directory + "/store", {}));
  RepairOutput output(store.get(), quarantine.get());
  CORKSCREW_RETURN_IF_ERROR(Repair(source, lost_log, &output, report).Run());
  CORKSCREW_RETURN_IF_ERROR(store->Close());
  CORKSCREW_RETURN_IF_ERROR(quarantine->Sync());
  CORKSCREW_RETURN_IF_ERROR(quarantine->Close());
  if (output.quarantined() == 0) {
    CORKSCREW_RETURN_IF_ERROR(files.Remove(quarantine_path));
  } else {
    report->quarantine = report->target + "/quarantine.txt";
  }
  return AtomicWriteFile(files, directory + "/LOCK", {""});
}

// Under another name first: what a crash leaves is not taken for a database.
absl::Status WriteTarget(const Store& source, const LostLog& lost_log,
                         RepairReport* report) {
  FileSystem& files = FileSystem::Real();
  const std::string partial = report->target + ".partial";
  std::error_code ignored;
  std::filesystem::remove_all(partial, ignored);
  absl::Status written = WriteRepaired(source, lost_log, partial, report);
  if (written.ok()) written = files.Rename(partial, report->target);
  if (!written.ok()) {
    std::filesystem::remove_all(partial, ignored);
    return written;
  }
  return files.SyncDirectory(ParentDirectory(report->target));
}

}  // namespace

absl::StatusOr<RepairReport> RepairDatabase(absl::string_view path,
                                            const RepairOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const ClosedDatabase closed,
                             ClosedDatabase::Hold(path));
  RepairReport report;
  report.target = !options.target.empty() ? options.target
                                          : absl::StrCat(path, ".repaired");
  if (FileSystem::Real().Exists(report.target)) {
    return absl::AlreadyExistsError(
        absl::StrCat(report.target, " exists; name another target"));
  }
  CheckOptions check;
  check.deep = true;
  CORKSCREW_RETURN_IF_ERROR(CheckClosed(closed.path(), check, &report.before));
  for (const CheckFinding& finding : report.before.findings) {
    if (finding.severity != CheckStatus::kUnreadable) continue;
    return absl::DataLossError(absl::StrCat(
        "database in ", path, ": ", finding.where, ": ", finding.what,
        "; this can not be repaired, ", finding.advice));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Store> source,
                             OpenSource(closed.path()));
  CORKSCREW_ASSIGN_OR_RETURN(
      const LostLog lost_log,
      ReadLostLog(FileSystem::Real(), closed.path(), *source));
  // First to see what it comes to, then for good.
  RepairReport plan = report;
  AddLogLosses(&plan);
  RepairOutput nothing(nullptr, nullptr);
  CORKSCREW_RETURN_IF_ERROR(Repair(*source, lost_log, &nothing, &plan).Run());
  if (options.dry_run) return plan;
  if (!options.accept_loss &&
      (plan.before.status >= CheckStatus::kDataLoss || !plan.lost.empty())) {
    return absl::DataLossError(absl::StrCat(
        "database in ", path, ": acknowledged data is lost (", plan.lost.size(),
        " versions are known to be gone); nothing was "
        "written. Go on with --accept-loss, or restore a backup"));
  }
  AddLogLosses(&report);
  CORKSCREW_RETURN_IF_ERROR(WriteTarget(*source, lost_log, &report));
  return report;
}

}  // namespace corkscrew
