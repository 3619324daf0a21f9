// The tests of storage with a node in a process of its own.

#include <vector>

#include "tests/storage/proof.h"

namespace corkscrew::testing {

const std::vector<Proof>& Proofs() {
  static const std::vector<Proof>* const proofs = new std::vector<Proof>{
      {"kill-nine", "kill -9 of a node", RunKillNine},
  };
  return *proofs;
}

}  // namespace corkscrew::testing

int main(int argc, char** argv) {
  return corkscrew::testing::ProofMain(argc, argv);
}
