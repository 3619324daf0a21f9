#ifndef CORKSCREW_TESTS_STORAGE_PROOF_H_
#define CORKSCREW_TESTS_STORAGE_PROOF_H_

// The tests that storage_proof and node_proof run. Each is a sequence of
// numbered cases; a case depends on the seed and its number only, so that
//   storage_proof TEST --seed S --from N --count 1
// runs it again.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace corkscrew::testing {

// What one case found.
struct CaseResult {
  std::vector<std::string> findings = {};  // One sentence each; none is good.
  uint64_t checks = 1;  // What the figure counts: power losses, crashes, flips.
  // Names of what was covered, for tests that must cover all of something.
  std::vector<std::string> covered = {};
};

struct Proof {
  absl::string_view name;
  absl::string_view counts;  // What CaseResult::checks are.
  std::function<CaseResult(uint64_t seed, uint64_t number)> run;
  // How many different cases there are; 0: no end.
  std::function<uint64_t()> cases = nullptr;
};

// Those of this program, in the order that tools/verify shows them.
const std::vector<Proof>& Proofs();

// Does what the command line says and returns the exit status.
int ProofMain(int argc, char** argv);

// The cases.
CaseResult RunPowerLoss(uint64_t seed, uint64_t number);
CaseResult RunFailCalls(uint64_t seed, uint64_t number);
uint64_t FailCallsCases();
CaseResult RunKillNine(uint64_t seed, uint64_t number);
CaseResult RunByteSweep(uint64_t seed, uint64_t number);
uint64_t ByteSweepCases();
CaseResult RunLogFlips(uint64_t seed, uint64_t number);
CaseResult RunRecovery(uint64_t seed, uint64_t number);
CaseResult RunForgetting(uint64_t seed, uint64_t number);
uint64_t ForgettingCases();
CaseResult RunSecondWriter(uint64_t seed, uint64_t number);
CaseResult RunModel(uint64_t seed, uint64_t number);
CaseResult RunMutant(uint64_t seed, uint64_t number);
uint64_t MutantCases();

// storage_proof hold DIR: holds a database until its standard input ends.
int HoldDirectory(const std::string& path);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_PROOF_H_
