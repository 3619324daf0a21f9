#ifndef CORKSCREW_CHECK_H_
#define CORKSCREW_CHECK_H_

// Checks a database directory that nobody has open, repairs a copy of it, and
// raises its format. What must hold: docs/storage_format.md.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/record.h"

namespace corkscrew {

// How bad it is; larger is worse.
enum class CheckStatus {
  kClean = 0,
  kRepairable = 1,  // Nothing is lost: all of it follows from what is there.
  kDataLoss = 2,    // Something that was acknowledged can not be read.
  kUnreadable = 3,  // The database can not be opened at all by this build.
};

struct CheckFinding {
  CheckStatus severity = CheckStatus::kRepairable;
  std::string where = {};      // A file, or a row: its key in hexadecimal.
  std::string invariant = {};  // What does not hold, in one word or two.
  std::string what = {};       // What is there instead.
  std::string advice = {};     // What to do.
};

struct CheckOptions {
  // Read everything: the checksums of all tables, the checksum and the content
  // hash of each version, and every segment.
  bool deep = false;
  // Findings beyond these are counted only.
  size_t max_findings = 1000;
  // Called now and then on the calling thread with the rows read so far. Null:
  // never.
  std::function<void(uint64_t rows)> progress = nullptr;
  // Asked now and then on the calling thread; true ends with Cancelled. Null:
  // never.
  std::function<bool()> cancelled = nullptr;
};

struct CheckReport {
  CheckStatus status = CheckStatus::kClean;  // The worst of the findings.
  std::vector<CheckFinding> findings = {};
  uint64_t found = 0;  // Findings, those left out included.
  uint64_t collections = 0;
  uint64_t records = 0;   // With tombstones.
  uint64_t versions = 0;  // Whose bodies are held.
};

// Checks the database in directory `path`. Changes nothing; memory does not
// grow with the database. Damage is in the report, not an error.
//   InvalidArgument     the path is empty
//   NotFound            no database there
//   FailedPrecondition  a process has it open (names its pid)
//   Cancelled           see CheckOptions
//   PermissionDenied, Unavailable, ResourceExhausted  as the system says
absl::StatusOr<CheckReport> CheckDatabase(absl::string_view path,
                                          const CheckOptions& options = {});

struct RepairOptions {
  // Only say what would be done and what would be lost.
  bool dry_run = true;
  // Go on although acknowledged data is lost. Without it, only what
  // CheckStatus::kRepairable stands for is repaired.
  bool accept_loss = false;
  // The directory to make; it must not exist. Empty: `path` with ".repaired".
  std::string target = {};
};

// A version that is gone.
struct LostVersion {
  std::string collection = {};  // Its name.
  std::string id = {};   // Of the record; empty if not even that is known.
  Version version = {};  // Lamport time 0 if not known.
};

struct RepairReport {
  CheckReport before = {};
  std::string target = {};
  // What was done, or would be, one sentence each.
  std::vector<std::string> actions = {};
  // By collection, origin and seq.
  std::vector<LostVersion> lost = {};
  // What could not be kept, byte by byte, if anything: a file in `target`.
  std::string quarantine = {};
};

// Repairs a copy of the database in directory `path`, which is not changed. The
// copy is another life of it: a new incarnation begins when it is opened. Lost
// versions that another replica has come back from there.
//   AlreadyExists       the target is there
//   DataLoss            something is lost, and not `accept_loss`; or what says
//                       which database this is can not be read, which nothing
//                       can repair: restore a backup
//   errors of CheckDatabase()
absl::StatusOr<RepairReport> RepairDatabase(absl::string_view path,
                                            const RepairOptions& options = {});

struct UpgradeReport {
  uint32_t from_version = 0;
  uint32_t to_version = 0;
  bool changed = false;  // False: it has all features of this build already.
};

// Gives the database in directory `path` the format of this build. Older builds
// may not be able to open it then. Opening never does this.
//   NotFound            no database there
//   FailedPrecondition  a process has it open, or its format is newer
//   errors of Db::Open()
absl::StatusOr<UpgradeReport> UpgradeDatabase(absl::string_view path);

}  // namespace corkscrew

#endif  // CORKSCREW_CHECK_H_
