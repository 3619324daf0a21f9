// Every call to the file system fails once, in every way that it can: no
// acknowledgement is a lie, and the next open has all of it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/storage/fault_state.h"
#include "tests/storage/faulty_database.h"
#include "tests/storage/proof.h"

namespace corkscrew::testing {
namespace {

// One set of calls that a case lets fail.
struct FailCase {
  uint64_t call = 0;
  Fault fault = Fault::kIoError;
  bool power_loss = false;  // Afterwards; else the process is killed.
};

// Two lives of a database. Returns what is wrong, or "".
std::string RunScenario(FaultyDatabase* db) {
  for (const size_t writes : {14, 8}) {
    absl::Status opened = db->Open();
    if (!opened.ok()) {
      if (!db->disk().failed()) {
        return absl::StrCat("does not open: ", opened.ToString());
      }
      // What the system said, not something about the database.
      if (!absl::IsUnavailable(opened) && !absl::IsResourceExhausted(opened)) {
        return absl::StrCat("a failed call is answered with ",
                            opened.ToString());
      }
      opened = db->Open();  // The fault is over.
      if (!opened.ok()) {
        return absl::StrCat("does not open after a fault: ", opened.ToString());
      }
    }
    if (db->unresolved()) {
      const std::string wrong = db->Check(false);
      if (!wrong.empty()) return wrong;
    }
    db->Write(writes);
    const bool faulted = db->disk().failed();
    const absl::Status closed = db->Close();
    if (!closed.ok() && !faulted && !db->disk().failed()) {
      return absl::StrCat("does not close: ", closed.ToString());
    }
  }
  return "";
}

const std::vector<FailCase>& Cases() {
  static const std::vector<FailCase>* const cases = [] {
    auto* const out = new std::vector<FailCase>;
    FaultyDatabase db(1);
    const std::string wrong = RunScenario(&db);
    if (!wrong.empty()) return out;
    const std::vector<CallKind> kinds = db.disk().kinds();
    for (const bool power_loss : {false, true}) {
      for (size_t i = 0; i < kinds.size(); ++i) {
        for (const Fault fault :
             {Fault::kIoError, Fault::kNoSpace, Fault::kShortWrite}) {
          if (CanFail(kinds[i], fault)) {
            out->push_back({i + 1, fault, power_loss});
          }
        }
      }
    }
    return out;
  }();
  return *cases;
}

}  // namespace

uint64_t FailCallsCases() { return Cases().size(); }

CaseResult RunFailCalls(uint64_t /*seed*/, uint64_t number) {
  CaseResult out;
  // In an order that mixes them, so that a part of all is a sample of all.
  constexpr uint64_t kStride = 1'000'003;  // A prime: meets every case.
  const FailCase& fail_case = Cases()[number * kStride % Cases().size()];
  FaultyDatabase db(1);
  db.disk().FailAt(fail_case.call, fail_case.fault);
  std::string wrong = RunScenario(&db);
  const std::string call = db.disk().faulted_call();
  if (fail_case.power_loss) {
    db.LosePower();
  } else {
    db.Kill();
    db.disk().Restart();
  }
  for (int again = 0; again < 2 && wrong.empty(); ++again) {
    const absl::Status opened = db.Open();
    wrong = opened.ok()
                ? db.Check(true)
                : absl::StrCat("does not open afterwards: ", opened.ToString());
    if (wrong.empty()) {
      const absl::Status closed = db.Close();
      if (!closed.ok()) wrong = closed.ToString();
    }
  }
  if (!call.empty()) {
    out.covered.push_back(absl::StrCat(call.substr(0, call.find(' ')), " ",
                                       NameOf(fail_case.fault)));
  }
  if (!wrong.empty()) {
    out.findings.push_back(absl::StrCat(
        wrong, "\ncall ", fail_case.call, " (", call, ") failed with ",
        NameOf(fail_case.fault),
        fail_case.power_loss ? ", then power loss\n" : "\n", db.story()));
  }
  return out;
}

}  // namespace corkscrew::testing
