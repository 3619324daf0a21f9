#ifndef CORKSCREW_DB_DESCRIPTOR_H_
#define CORKSCREW_DB_DESCRIPTOR_H_

// What must be equal for replicas to share a collection, and the identity that
// follows from it (docs/storage_format.md, "Descriptor" and "Identity").

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/collection.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"

namespace corkscrew {

// Shards of a collection are a power of two up to this.
inline constexpr size_t kMaxShards = 1024;

// SHA-256 cut to 16 bytes.
using Hash16 = std::array<uint8_t, 16>;

struct Descriptor {
  QuantizerParams quantizer = {};  // With the codebook resolved.
  Metric metric = Metric::kCosine;
  Originals originals = Originals::kFloat32;
  uint16_t shards = 1;
  std::string space = {};  // Embedding space; empty without a model.

  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

std::string EncodeDescriptor(const Descriptor& descriptor);

// The inverse.
//   DataLoss  not the encoding of a descriptor, or a value out of range
absl::StatusOr<Descriptor> DecodeDescriptor(absl::string_view bytes);

Hash16 DescriptorHash(const Descriptor& descriptor);

// Identity of a collection: two replicas that create the same name with equal
// descriptors hold the same collection.
Uuid CollectionUuid(absl::string_view name, const Hash16& descriptor_hash,
                    uint64_t generation);

// The system collection, which is in every database.
Uuid SystemCollectionUuid();

// The shard of `shards` that holds the record `id`.
uint16_t ShardOf(const Uuid& collection, absl::string_view id, uint16_t shards);

// Lists what differs, e.g. "dim 384 and 768, bits 4 and 2"; empty if equal.
std::string DescribeDifferences(const Descriptor& a, const Descriptor& b);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_DESCRIPTOR_H_
