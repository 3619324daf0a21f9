// Recovery is idempotent and bounded: it may be interrupted at every call and
// starts again, opening adds nothing to the log, and what a crash left half
// written beside the files does not hurt.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "db/directory.h"
#include "tests/storage/faulty_database.h"
#include "tests/storage/proof.h"

namespace corkscrew::testing {
namespace {

constexpr uint64_t kCalls = 160;  // More than any open here makes.

// Files as they lie about after a crash in the middle of making them.
void LeaveStrayFiles(const std::string& path, Random* random) {
  for (const char* name :
       {"OPEN.new", "OPEN.tmp", "durable.mark.tmp", "RECOVERY.tmp", "LOCK.tmp",
        "store/CURRENT.tmp", "store/000999.dbtmp", "store/MANIFEST-000999",
        "store/000998.sst", "store/OPTIONS-000999.dbtmp", "core"}) {
    if (random->Next() % 2 == 0) continue;
    std::ofstream out(path + "/" + name, std::ios::binary);
    out << std::string(random->Next() % 100, 'x');
  }
}

size_t LogBytes(const std::string& path) {
  size_t sum = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(path + "/store")) {
    if (entry.path().extension() == ".log") sum += entry.file_size();
  }
  return sum;
}

// Opens and reads without faults. Returns what is wrong, or "".
std::string OpenAndCheck(FaultyDatabase* db) {
  const absl::Status opened = db->Open();
  if (!opened.ok()) {
    return absl::StrCat("does not open: ", opened.ToString());
  }
  return db->Check(true);
}

}  // namespace

CaseResult RunRecovery(uint64_t seed, uint64_t number) {
  CaseResult out;
  // The same directory for each call.
  FaultyDatabase db(seed * 1'000'003 + number / kCalls);
  Random random(number);
  const uint64_t call = 1 + number % kCalls;
  const auto run = [&]() -> std::string {
    std::string wrong = OpenAndCheck(&db);
    if (!wrong.empty()) return wrong;
    db.disk().DieAt(db.disk().calls() + 20 + db.random().Next() % 60);
    db.Write(30);
    db.LosePower();
    // Recovery stops, once with and once without loss.
    for (const bool power_loss : {false, true}) {
      db.disk().DieAt(call);
      db.Open().IgnoreError();
      if (power_loss) {
        db.LosePower();
      } else {
        db.Kill();
        db.disk().Restart();
      }
      LeaveStrayFiles(db.path(), &random);
    }
    wrong = OpenAndCheck(&db);
    if (!wrong.empty()) return wrong;
    // Opening again and again adds nothing.
    size_t first = 0, first_log = 0;
    for (int again = 0; again < 10; ++again) {
      db.Kill();
      db.disk().Restart();
      wrong = OpenAndCheck(&db);
      if (!wrong.empty()) return wrong;
      const size_t bytes = DiskBytes(db.path());
      const size_t log_bytes = LogBytes(db.path());
      if (again == 2) {
        first = bytes;
        first_log = log_bytes;
      }
      // Files that are obsolete go in the background, perhaps at the next open:
      // descriptions of options and the manifest before, 12 KB each.
      if (again > 2 &&
          (bytes > first + 40'000 || log_bytes > first_log + 500)) {
        return absl::StrCat("after ", again + 1, " opens it has ", bytes,
                            " bytes, ", log_bytes, " in logs; before ", first,
                            ", ", first_log);
      }
    }
    return "";
  };
  const std::string wrong = run();
  if (!wrong.empty()) {
    out.findings.push_back(absl::StrCat(wrong, "\n", db.story()));
  }
  return out;
}

}  // namespace corkscrew::testing
