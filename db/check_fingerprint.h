#ifndef CORKSCREW_DB_CHECK_FINGERPRINT_H_
#define CORKSCREW_DB_CHECK_FINGERPRINT_H_

#include <cstdint>
#include <string>

#include "db/encode.h"
#include "db/rows.h"
#include "xxhash.h"

namespace corkscrew {

// A sum over ops that does not depend on their order: equal sums mean equal
// multisets (but for a chance of 2^-128).
struct Fingerprint {
  uint64_t low = 0;
  uint64_t high = 0;
  uint64_t count = 0;

  void Add(const FeedRow& op) {
    std::string bytes;
    AppendBig(op.shard, &bytes);
    AppendBig(op.origin, &bytes);
    AppendBig(op.seq, &bytes);
    low += XXH3_64bits_withSeed(bytes.data(), bytes.size(), 1);
    high += XXH3_64bits_withSeed(bytes.data(), bytes.size(), 2);
    ++count;
  }
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CHECK_FINGERPRINT_H_
