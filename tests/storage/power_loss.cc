// Power fails amid writes and amid recovery: afterwards all that was
// acknowledged is there and nothing that was not tried, whatever the disk kept
// of what had not been synced.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/storage/faulty_database.h"
#include "tests/storage/proof.h"

namespace corkscrew::testing {

CaseResult RunPowerLoss(uint64_t seed, uint64_t number) {
  CaseResult out;
  out.checks = 0;
  FaultyDatabase db(seed * 1'000'003 + number);
  Random& random = db.random();
  const auto fail = [&](const std::string& what) {
    out.findings.push_back(absl::StrCat(what, "\n", db.story()));
  };
  const uint64_t lives = 8 + random.Next() % 8;
  for (uint64_t life = 0; life <= lives; ++life) {
    const bool last = life == lives;
    const bool early = !last && random.Next() % 3 == 0;
    if (early) db.disk().DieAt(1 + random.Next() % 120);
    const absl::Status opened = db.Open();
    if (db.disk().dead()) {
      db.LosePower();
      ++out.checks;
      continue;
    }
    if (!opened.ok()) {
      fail(absl::StrCat("does not open: ", opened.ToString()));
      return out;
    }
    if (!early || db.unresolved()) {
      const std::string wrong = db.Check(last || random.Next() % 4 == 0);
      if (db.disk().dead()) {
        db.LosePower();
        ++out.checks;
        continue;
      }
      if (!wrong.empty()) {
        fail(wrong);
        return out;
      }
      if (last) {
        const std::string files = db.CloseAndCheckFiles();
        if (!files.empty()) fail(files);
        return out;
      }
      if (!early && random.Next() % 4 != 0) {
        db.disk().DieAt(db.disk().calls() + 1 + random.Next() % 300);
      }
    }
    db.Write(random.Next() % 40);
    if (random.Next() % 6 == 0) db.Close().IgnoreError();
    db.LosePower();
    ++out.checks;
    // A directory that is copied back is another life: its old future may be
    // known elsewhere.
    if (random.Next() % 6 == 0) {
      db.SaveCopy();
    } else if (db.has_copy() && random.Next() % 4 == 0) {
      db.RestoreCopy();
    }
  }
  return out;
}

}  // namespace corkscrew::testing
