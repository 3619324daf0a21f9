#ifndef CORKSCREW_DB_DIGEST_H_
#define CORKSCREW_DB_DIGEST_H_

// Fingerprint of a set of records (docs/storage_format.md, "Digest").

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "db/merge_order.h"

namespace corkscrew {

// Sum modulo 2^256 of the SHA-256 of the members, and their number: the same
// for any order in which they are added. Copyable value.
class Digest {
 public:
  // Adds the live head `key` of the record `id`.
  void Add(absl::string_view id, const MergeKey& key);

  uint64_t count() const { return count_; }
  // 40 bytes: the sum, then the count, big-endian.
  std::string Bytes() const;

  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  std::array<uint8_t, 32> sum_ = {};  // Big-endian.
  uint64_t count_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DIGEST_H_
