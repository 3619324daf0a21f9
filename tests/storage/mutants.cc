// Storage with one rule broken at a time (db/flaws.h): each must be noticed, or
// the tests do not test. What notices it, and after how many cases, is part of
// the result.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "corkscrew/db.h"
#include "db/flaws.h"
#include "tests/storage/proof.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

// A process that holds a directory until its standard input ends.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      execl("/proc/self/exe", "storage_proof", "hold", path.c_str(), nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    stdin_ = in[1];
    char c = 0;
    ready_ = read(out[0], &c, 1) == 1;
    close(out[0]);
  }
  ~Holder() {
    close(stdin_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  bool ready() const { return ready_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  bool ready_ = false;
};

struct Mutant {
  absl::string_view name;
  bool Flaws::*flaw;
  absl::string_view test;  // What must notice it.
  CaseResult (*run)(uint64_t seed, uint64_t number);
  uint64_t within;  // Cases.
};

constexpr Mutant kMutants[] = {
    {"no sync", &Flaws::no_sync, "power-loss", RunPowerLoss, 20},
    {"default recovery", &Flaws::default_recovery, "log-flips", RunLogFlips,
     40},
    {"no lock", &Flaws::no_lock, "second-writer", RunSecondWriter, 1},
    {"no incarnation", &Flaws::no_incarnation, "power-loss", RunPowerLoss, 60},
    {"no merge order", &Flaws::no_merge_order, "power-loss", RunPowerLoss, 20},
};

}  // namespace

int HoldDirectory(const std::string& path) {
  const auto db = Db::Open(path);
  if (!db.ok()) return 1;
  char c = '.';
  if (write(STDOUT_FILENO, &c, 1) != 1) return 1;
  while (read(STDIN_FILENO, &c, 1) > 0) {
  }
  return 0;
}

// A second writer is refused, and told who the first one is.
CaseResult RunSecondWriter(uint64_t /*seed*/, uint64_t /*number*/) {
  CaseResult out;
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/db";
  const Holder holder(path);
  if (!holder.ready()) {
    out.findings.push_back("the holder does not open");
    return out;
  }
  const auto db = Db::Open(path);
  if (!absl::IsFailedPrecondition(db.status()) ||
      !absl::StrContains(db.status().message(), absl::StrCat(holder.pid()))) {
    out.findings.push_back(
        absl::StrCat("a second writer is answered: ", db.status().ToString()));
  }
  return out;
}

uint64_t MutantCases() { return std::size(kMutants); }

CaseResult RunMutant(uint64_t seed, uint64_t number) {
  CaseResult out;
  const Mutant& mutant = kMutants[number];
  FlawsForTests().*mutant.flaw = true;
  uint64_t cases = 0;
  std::string noticed;
  while (noticed.empty() && cases < mutant.within) {
    const CaseResult result = mutant.run(seed, cases++);
    if (!result.findings.empty()) noticed = result.findings[0];
  }
  FlawsForTests().*mutant.flaw = false;
  noticed = noticed.substr(0, noticed.find('\n'));
  if (noticed.empty()) {
    out.findings.push_back(absl::StrCat("the mutant \"", mutant.name,
                                        "\" was not noticed by ", cases,
                                        " cases of ", mutant.test));
  } else {
    out.covered.push_back(absl::StrCat(mutant.name, ": noticed by case ", cases,
                                       " of ", mutant.test, " (",
                                       noticed.substr(0, 80), ")"));
  }
  return out;
}

}  // namespace corkscrew::testing
