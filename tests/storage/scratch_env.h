#ifndef CORKSCREW_TESTS_STORAGE_SCRATCH_ENV_H_
#define CORKSCREW_TESTS_STORAGE_SCRATCH_ENV_H_

#include <memory>

#include "rocksdb/env.h"

namespace corkscrew::testing {

// The real files for stores that live for one case: neither synced nor
// allocated ahead, which takes longer than what the case is about.
std::unique_ptr<rocksdb::Env> NewScratchEnv();

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_SCRATCH_ENV_H_
