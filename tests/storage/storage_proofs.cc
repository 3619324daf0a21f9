// The tests of storage within one process.

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/storage/proof.h"

namespace corkscrew::testing {

const std::vector<Proof>& Proofs() {
  static const std::vector<Proof>* const proofs = new std::vector<Proof>{
      {"power-loss", "power losses", RunPowerLoss},
      {"fail-calls", "calls x errors", RunFailCalls, FailCallsCases},
      {"recovery", "interrupted recoveries", RunRecovery},
      {"forgetting", "interrupted drops and purges", RunForgetting,
       ForgettingCases},
      {"byte-sweep", "damaged directories", RunByteSweep, ByteSweepCases},
      {"log-flips", "flips in young logs", RunLogFlips},
      {"model", "commands", RunModel},
      {"second-writer", "second writers", RunSecondWriter, [] { return 1; }},
      {"mutants", "mutants", RunMutant, MutantCases},
  };
  return *proofs;
}

}  // namespace corkscrew::testing

int main(int argc, char** argv) {
  // A process of the test itself, see mutants.cc.
  if (argc == 3 && std::strcmp(argv[1], "hold") == 0) {
    return corkscrew::testing::HoldDirectory(argv[2]);
  }
  return corkscrew::testing::ProofMain(argc, argv);
}
