#include "quant/sieve.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "quant/code_scan.h"
#include "quant/raw_vector.h"
#include "quant/scan_layout.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/sieve.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/sieve-inl.h"

#if HWY_ONCE
namespace corkscrew {
namespace {

// Queries that take turns on the same blocks; for fewer than kMinSharing it
// does not pay to make the blocks ready for sharing.
constexpr size_t kQueriesPerPass = 64;
constexpr size_t kMinSharing = 3;
// Blocks that a query alone scans at once, and their slots.
constexpr size_t kChunkBlocks = 16;
constexpr size_t kChunk = kChunkBlocks * kScanBlock;
// What a kernel may write more.
constexpr size_t kSlack = 64;

// Fewer blocks are scanned without a guess; of more, one in this many is looked
// at to make one.
constexpr size_t kSampleEvery = 32;
constexpr size_t kMinSample = 16;
constexpr size_t kMaxSample = 256;

// Slots of block `block` that take part.
uint64_t Admitted(const SievePart& part, size_t block) {
  const size_t left = part.slots - block * kScanBlock;
  const uint64_t there =
      left >= kScanBlock ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
  return part.admitted == nullptr ? there : part.admitted[block] & there;
}

size_t CountAdmitted(absl::Span<const SievePart> parts) {
  size_t count = 0;
  for (const SievePart& part : parts) {
    if (part.admitted == nullptr) {
      count += part.slots;
      continue;
    }
    for (size_t b = 0; b < ScanLayout::Blocks(part.slots); ++b) {
      count += static_cast<size_t>(std::popcount(Admitted(part, b)));
    }
  }
  return count;
}

}  // namespace

HWY_EXPORT(CountAtLeast);
HWY_EXPORT(MoveAtLeast);
HWY_EXPORT(SelectAtLeast);

namespace {

size_t CountOf(absl::Span<const int16_t> sums, int16_t threshold) {
  return HWY_DYNAMIC_DISPATCH(CountAtLeast)(sums.data(), sums.size(),
                                            threshold);
}

// The `keep`-th largest of the sums, which are between `least` and `most`;
// `least` if there are fewer. `keep` is not 0. `count` says how many sums are
// at least as large as a number.
int16_t Threshold(int16_t least, int16_t most, size_t keep,
                  absl::FunctionRef<size_t(int16_t)> count) {
  // At least `keep` reach `least`, or all do; fewer reach `beyond`.
  int32_t beyond = most + 1;
  while (beyond - least > 1) {
    const auto middle = static_cast<int16_t>((least + beyond) / 2);
    if (count(middle) >= keep) {
      least = middle;
    } else {
      beyond = middle;
    }
  }
  return least;
}

// The least and the largest prefix sum that there can be.
int16_t MostOf(const ScanQuery& query) {
  return static_cast<int16_t>(query.prefix_magnitude);
}
int16_t LeastOf(const ScanQuery& query) {
  return static_cast<int16_t>(-query.prefix_magnitude);
}

// Removes what is below `least`. Returns how many are left; the arrays keep
// their length.
size_t Remove(int16_t least, Survivors* survivors) {
  size_t from = 0;
  size_t to = 0;
  for (size_t& end : survivors->part_ends) {
    to = HWY_DYNAMIC_DISPATCH(MoveAtLeast)(
        survivors->sums.data(), survivors->slots.data(), from, end, least, to);
    from = end;
    end = to;
  }
  return to;
}

// A query on its way through the parts.
struct Sifting {
  const ScanQuery* query = nullptr;
  Survivors* survivors = nullptr;
  int16_t least = 0;  // Smaller sums are not collected.
  size_t count = 0;   // Of the survivors: their arrays are longer.
  size_t limit = 0;   // A larger count raises `least`.

  absl::Span<const int16_t> sums() const {
    return {survivors->sums.data(), count};
  }
  // Appends those of `sums` [blocks * 64], of slots `first` and on.
  void Select(const int16_t* sums, size_t blocks, const uint64_t* admitted,
              size_t first) {
    const size_t enough = count + blocks * kScanBlock + kSlack;
    if (survivors->slots.size() < enough || survivors->sums.size() < enough) {
      survivors->slots.resize(2 * enough);
      survivors->sums.resize(2 * enough);
    }
    count += HWY_DYNAMIC_DISPATCH(SelectAtLeast)(
        sums, blocks * kScanBlock, least, admitted,
        static_cast<uint32_t>(first), survivors->slots.data() + count,
        survivors->sums.data() + count);
    survivors->part_ends.back() = count;
  }
  // Keeps what can be among the `keep` largest.
  void Tighten(size_t keep) {
    least = Threshold(least, MostOf(*query), std::max<size_t>(keep, 1),
                      [this](int16_t x) { return CountOf(sums(), x); });
    count = Remove(least, survivors);
    limit = std::max(limit, 2 * count);
  }
};

// Gives each of `siftings` its sums of `blocks` blocks at `prefix`.
void ForEachSums(const CodeScan& scan, const uint8_t* prefix, size_t blocks,
                 absl::Span<Sifting> siftings,
                 absl::FunctionRef<void(Sifting&, const int16_t*)> use) {
  alignas(64) std::array<int16_t, kChunk> sums;
  if (siftings.size() < kMinSharing) {
    for (Sifting& sifting : siftings) {
      scan.PrefixSums(*sifting.query, prefix, blocks, sums.data());
      use(sifting, sums.data());
    }
    return;
  }
  SharedBlocks shared;
  scan.Share(prefix, blocks, &shared);
  for (Sifting& sifting : siftings) {
    scan.PrefixSums(*sifting.query, shared, sums.data());
    use(sifting, sums.data());
  }
}

// Sets `least` of each to what about `keep` of `slots` slots reach, likely
// more.
void Guess(const CodeScan& scan, absl::Span<const SievePart> parts,
           size_t slots, size_t keep, absl::Span<Sifting> siftings) {
  size_t blocks = 0;
  for (const SievePart& part : parts) blocks += ScanLayout::Blocks(part.slots);
  if (blocks < 4 * kMinSample) return;
  for (Sifting& sifting : siftings) sifting.survivors->sums.clear();
  const size_t samples =
      std::clamp(blocks / kSampleEvery, kMinSample, kMaxSample);
  const size_t every = blocks / samples;
  const size_t block_bytes = scan.layout().prefix_bytes * kScanBlock;
  size_t skip = every / 2;
  for (const SievePart& part : parts) {
    const size_t n = ScanLayout::Blocks(part.slots);
    size_t b = skip;
    for (; b < n; b += every) {
      const auto sample = [&](Sifting& sifting, const int16_t* sums) {
        RawVector<int16_t>& sampled = sifting.survivors->sums;
        uint64_t admitted = Admitted(part, b);
        if (admitted == ~uint64_t{0}) {
          sampled.insert(sampled.end(), sums, sums + kScanBlock);
          return;
        }
        for (; admitted != 0; admitted &= admitted - 1) {
          sampled.push_back(sums[std::countr_zero(admitted)]);
        }
      };
      ForEachSums(scan, part.prefix + b * block_bytes, 1, siftings, sample);
    }
    skip = b - n;
  }
  for (Sifting& sifting : siftings) {
    // Three standard deviations above what is expected.
    const RawVector<int16_t>& sample = sifting.survivors->sums;
    const double expected = static_cast<double>(keep) *
                            static_cast<double>(sample.size()) /
                            static_cast<double>(slots);
    const auto rank =
        static_cast<size_t>(expected + 3 * std::sqrt(expected) + 4);
    sifting.least =
        Threshold(sifting.least, MostOf(*sifting.query), rank,
                  [&sample](int16_t x) { return CountOf(sample, x); });
  }
}

// Collects what is at least `least`, but for what is certain not to be among
// the `keep` largest.
void Collect(const CodeScan& scan, absl::Span<const SievePart> parts,
             size_t keep, absl::Span<Sifting> siftings) {
  for (Sifting& sifting : siftings) {
    sifting.count = 0;
    sifting.limit = 4 * keep + 4 * kChunk;
    sifting.survivors->part_ends.clear();
  }
  const size_t block_bytes = scan.layout().prefix_bytes * kScanBlock;
  const size_t step =
      siftings.size() < kMinSharing ? kChunkBlocks : SharedBlocks::kMaxBlocks;
  for (const SievePart& part : parts) {
    for (Sifting& sifting : siftings) {
      sifting.survivors->part_ends.push_back(sifting.count);
    }
    const size_t blocks = ScanLayout::Blocks(part.slots);
    for (size_t b = 0; b < blocks; b += step) {
      const size_t n = std::min(step, blocks - b);
      std::array<uint64_t, kChunkBlocks + 1> admitted;
      for (size_t i = 0; i < n; ++i) admitted[i] = Admitted(part, b + i);
      const auto select = [&](Sifting& sifting, const int16_t* sums) {
        sifting.Select(sums, n, admitted.data(), b * kScanBlock);
        if (sifting.count >= sifting.limit) sifting.Tighten(keep);
      };
      ForEachSums(scan, part.prefix + b * block_bytes, n, siftings, select);
    }
  }
  for (Sifting& sifting : siftings) {
    sifting.survivors->slots.resize(sifting.count);
    sifting.survivors->sums.resize(sifting.count);
  }
}

// At most kQueriesPerPass.
void Sift(const CodeScan& scan, absl::Span<const SievePart> parts, size_t slots,
          size_t keep, absl::Span<Sifting> siftings) {
  for (Sifting& sifting : siftings) sifting.least = LeastOf(*sifting.query);
  if (slots > keep) Guess(scan, parts, slots, keep, siftings);
  Collect(scan, parts, keep, siftings);
  // Those that guessed too much, again.
  std::array<Sifting, kQueriesPerPass> again;
  size_t n = 0;
  for (const Sifting& sifting : siftings) {
    const int16_t least = LeastOf(*sifting.query);
    if (sifting.count >= keep || sifting.least == least) continue;
    again[n] = sifting;
    again[n++].least = least;
  }
  if (n != 0) Collect(scan, parts, keep, {again.data(), n});
  for (const Sifting& sifting : siftings) {
    CutSurvivors(*sifting.query, keep, {&sifting.survivors, 1});
  }
}

}  // namespace

void RunSieve(const CodeScan& scan, const ScanQuery& query,
              absl::Span<const SievePart> parts, size_t keep,
              Survivors* survivors) {
  const ScanQuery* const queries[] = {&query};
  RunSieves(scan, queries, parts, keep, {&survivors, 1});
}

void RunSieves(const CodeScan& scan, absl::Span<const ScanQuery* const> queries,
               absl::Span<const SievePart> parts, size_t keep,
               absl::Span<Survivors* const> survivors) {
  assert(queries.size() == survivors.size());
  const size_t slots = CountAdmitted(parts);
  for (size_t start = 0; start < queries.size(); start += kQueriesPerPass) {
    std::array<Sifting, kQueriesPerPass> siftings;
    const size_t n = std::min(kQueriesPerPass, queries.size() - start);
    for (size_t i = 0; i < n; ++i) {
      siftings[i].query = queries[start + i];
      siftings[i].survivors = survivors[start + i];
    }
    Sift(scan, parts, slots, keep, {siftings.data(), n});
  }
}

void CutSurvivors(const ScanQuery& query, size_t keep,
                  absl::Span<Survivors* const> all) {
  size_t total = 0;
  for (const Survivors* survivors : all) total += survivors->size();
  if (total <= keep) return;
  const auto count = [all](int16_t threshold) {
    size_t sum = 0;
    for (const Survivors* survivors : all) {
      sum += CountOf(survivors->sums, threshold);
    }
    return sum;
  };
  const int16_t threshold =
      keep == 0 ? std::numeric_limits<int16_t>::max()
                : Threshold(LeastOf(query), MostOf(query), keep, count);
  for (Survivors* survivors : all) {
    const size_t left = Remove(threshold, survivors);
    survivors->slots.resize(left);
    survivors->sums.resize(left);
  }
}

}  // namespace corkscrew
#endif  // HWY_ONCE
