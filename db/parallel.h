#ifndef CORKSCREW_DB_PARALLEL_H_
#define CORKSCREW_DB_PARALLEL_H_

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace corkscrew {

// Calls work(worker, unit) once for each unit in [0, units), on at most
// `threads` threads (>= 1) of which the calling one is worker 0. Units are
// taken in order, by whoever is free; two calls with the same worker never
// overlap. Returns when all calls have returned. If one returns false no
// further unit is begun and the result is false.
bool RunUnits(size_t units, size_t threads,
              absl::FunctionRef<bool(size_t worker, size_t unit)> work);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PARALLEL_H_
