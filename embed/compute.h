#ifndef CORKSCREW_EMBED_COMPUTE_H_
#define CORKSCREW_EMBED_COMPUTE_H_

// How the numbers of one call are computed, and on which threads.

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "embed/team.h"

namespace corkscrew {

enum class Arithmetic {
  // Activations that meet weights of blocks of bytes are rounded to 8 bits per
  // 32 values; float32 sums are fused and in an order that suits the CPU.
  kFast,
  // As kFast, and what rounding took away is rounded once more and added: about
  // 15 bits. Twice the integer products.
  kFine,
  // Nothing is rounded but float32 itself, every product before it is added,
  // and all sums are in one order: the same bytes on every CPU.
  kExact,
};

struct Compute {
  Arithmetic arithmetic = Arithmetic::kFast;
  Team* team = nullptr;  // Null: the calling thread alone.

  // Calls `work` with each of 0..parts - 1, once.
  void Run(size_t parts, absl::FunctionRef<void(size_t)> work) const {
    if (team != nullptr) {
      team->Run(parts, work);
    } else {
      for (size_t i = 0; i < parts; ++i) work(i);
    }
  }
  // Into how many parts work is best cut of which there are `most`.
  size_t Parts(size_t most) const {
    if (team == nullptr) return 1;
    // Twice the threads: one may be slower, or come late.
    const size_t parts = 2 * team->threads();
    return parts < most ? parts : most;
  }
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_COMPUTE_H_
