#ifndef CORKSCREW_QUANT_SIEVE_H_
#define CORKSCREW_QUANT_SIEVE_H_

// The first stage of a search: which slots have the largest prefix sums
// (docs/quantizer.md, 1.2).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/code_scan.h"
#include "quant/raw_vector.h"

namespace corkscrew {

// Slots to be sieved, numbered from 0. Borrows the arrays.
struct SievePart {
  const uint8_t* prefix = nullptr;  // As in ScanColumns.
  size_t slots = 0;
  // Bit i % 64 of word i / 64: whether slot i takes part, [blocks]; null if all
  // do. Bits of slots that are not there do not matter.
  const uint64_t* admitted = nullptr;
};

// Slots that are left. Keeps its memory when it is filled again.
struct Survivors {
  // Those of part p are at part_ends[p - 1] (0 for p = 0) to part_ends[p] - 1,
  // in ascending order.
  RawVector<uint32_t> slots;      // Numbers in their part.
  RawVector<int16_t> sums;        // Their prefix sums.
  std::vector<size_t> part_ends;  // [parts]

  size_t size() const { return slots.size(); }
};

// Replaces `survivors` by the slots with the `keep` largest prefix sums, and
// all that tie with the last of them. Which ones these are does not depend on
// the order of the slots or on how they are shared out among parts. Allocates
// only in `survivors`.
void RunSieve(const CodeScan& scan, const ScanQuery& query,
              absl::Span<const SievePart> parts, size_t keep,
              Survivors* survivors);

// As RunSieve() for several queries of the same parts: *survivors[q] is exactly
// what RunSieve() leaves for *queries[q]. The parts are read once for 32
// queries and about half of the arithmetic is shared (CodeScan::PrefixSums()).
// A batch of searches calls this once for all that see the same slots
// (collection, moment and filter) and keep equally many, then
// CodeScan::SignSums() for several queries; from there on, each query goes its
// own way. `queries` and `survivors` [q], no two survivors the same.
void RunSieves(const CodeScan& scan, absl::Span<const ScanQuery* const> queries,
               absl::Span<const SievePart> parts, size_t keep,
               absl::Span<Survivors* const> survivors);

// Removes from `all`, what RunSieve() left of sets of parts with the same query
// and `keep` (on several threads), what is not among the `keep` largest of all
// of them.
void CutSurvivors(const ScanQuery& query, size_t keep,
                  absl::Span<Survivors* const> all);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_SIEVE_H_
