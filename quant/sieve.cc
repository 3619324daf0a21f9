#include "quant/sieve.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "quant/code_scan.h"
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

// No prefix sum is smaller.
constexpr int16_t kLeast = -std::numeric_limits<int16_t>::max();

// Blocks whose sums are held on the stack.
constexpr size_t kChunkBlocks = 16;
constexpr size_t kChunk = kChunkBlocks * kScanBlock;
// What a kernel may write more.
constexpr size_t kSlack = 64;

// Fewer blocks are scanned without a guess; of more, one in this many is looked
// at to make one.
constexpr size_t kSampleEvery = 32;
constexpr size_t kMinSample = 16;
constexpr size_t kMaxSample = 256;

constexpr size_t kMaxCounts = 8192;

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

// Removes what is below `least`.
void Remove(int16_t least, Survivors* survivors) {
  size_t to = 0;
  size_t from = 0;
  for (size_t& end : survivors->part_ends) {
    for (; from < end; ++from) {
      survivors->slots[to] = survivors->slots[from];
      survivors->sums[to] = survivors->sums[from];
      to += survivors->sums[from] >= least ? 1 : 0;
    }
    end = to;
  }
  survivors->slots.resize(to);
  survivors->sums.resize(to);
}

}  // namespace

HWY_EXPORT(SelectAtLeast);

int16_t Sieve::Threshold(const ScanQuery& query, int16_t least, size_t keep,
                         absl::Span<const Survivors* const> all) {
  // Counts in steps of 1 << shift, then one step in steps of 1.
  int32_t base = std::max<int32_t>(least, -query.prefix_magnitude);
  int32_t top = query.prefix_magnitude;
  size_t wanted = keep;
  for (;;) {
    int shift = 0;
    while (static_cast<size_t>((top - base) >> shift) >= kMaxCounts) ++shift;
    counts_.assign(static_cast<size_t>((top - base) >> shift) + 1, 0);
    for (const Survivors* survivors : all) {
      for (const int16_t sum : survivors->sums) {
        if (sum >= base && sum <= top) ++counts_[(sum - base) >> shift];
      }
    }
    size_t step = counts_.size() - 1;
    while (step > 0 && counts_[step] < wanted) wanted -= counts_[step--];
    base += static_cast<int32_t>(step << shift);
    if (shift == 0) return static_cast<int16_t>(base);
    top = std::min(top, base + (1 << shift) - 1);
  }
}

// A threshold that about `keep` of `slots` slots reach, likely more.
int16_t Sieve::Guess(const CodeScan& scan, const ScanQuery& query,
                     absl::Span<const SievePart> parts, size_t slots,
                     size_t keep) {
  size_t blocks = 0;
  for (const SievePart& part : parts) blocks += ScanLayout::Blocks(part.slots);
  if (blocks < 4 * kMinSample) return kLeast;
  const size_t samples =
      std::clamp(blocks / kSampleEvery, kMinSample, kMaxSample);
  const size_t every = blocks / samples;
  const size_t block_bytes = scan.layout().prefix_bytes * kScanBlock;
  Survivors sample;
  sample.sums.reserve(samples * kScanBlock + kScanBlock);
  size_t skip = every / 2;
  for (const SievePart& part : parts) {
    const size_t n = ScanLayout::Blocks(part.slots);
    size_t b = skip;
    for (; b < n; b += every) {
      std::array<int16_t, kScanBlock> sums;
      scan.PrefixSums(query, part.prefix + b * block_bytes, 1, sums.data());
      uint64_t admitted = Admitted(part, b);
      if (admitted == ~uint64_t{0}) {
        sample.sums.insert(sample.sums.end(), sums.begin(), sums.end());
        continue;
      }
      for (; admitted != 0; admitted &= admitted - 1) {
        sample.sums.push_back(
            sums[static_cast<size_t>(std::countr_zero(admitted))]);
      }
    }
    skip = b - n;
  }
  // Three standard deviations above what is expected.
  const double expected = static_cast<double>(keep) *
                          static_cast<double>(sample.sums.size()) /
                          static_cast<double>(slots);
  const auto rank = static_cast<size_t>(expected + 3 * std::sqrt(expected) + 4);
  if (rank >= sample.sums.size()) return kLeast;
  const Survivors* const one = &sample;
  return Threshold(query, kLeast, rank, {&one, 1});
}

// Collects what is at least `least`. Returns the threshold reached: at least
// `keep` are above it, unless it is `least`.
int16_t Sieve::Scan(const CodeScan& scan, const ScanQuery& query,
                    absl::Span<const SievePart> parts, size_t keep,
                    int16_t least, Survivors* survivors) {
  survivors->slots.clear();
  survivors->sums.clear();
  survivors->part_ends.clear();
  const size_t block_bytes = scan.layout().prefix_bytes * kScanBlock;
  size_t limit = 4 * keep + 4 * kChunk;
  for (const SievePart& part : parts) {
    survivors->part_ends.push_back(survivors->size());
    const size_t blocks = ScanLayout::Blocks(part.slots);
    for (size_t b = 0; b < blocks; b += kChunkBlocks) {
      const size_t n = std::min(kChunkBlocks, blocks - b);
      std::array<int16_t, kChunk> sums;
      std::array<uint64_t, kChunkBlocks> admitted;
      std::array<uint16_t, kChunk + kSlack> indices;
      std::array<int16_t, kChunk + kSlack> kept;
      scan.PrefixSums(query, part.prefix + b * block_bytes, n, sums.data());
      for (size_t i = 0; i < n; ++i) admitted[i] = Admitted(part, b + i);
      const size_t count = HWY_DYNAMIC_DISPATCH(SelectAtLeast)(
          sums.data(), n * kScanBlock, least, admitted.data(), indices.data(),
          kept.data());
      const size_t old = survivors->size();
      survivors->slots.resize(old + count);
      const auto first = static_cast<uint32_t>(b * kScanBlock);
      for (size_t i = 0; i < count; ++i) {
        survivors->slots[old + i] = first + indices[i];
      }
      survivors->sums.insert(survivors->sums.end(), kept.begin(),
                             kept.begin() + static_cast<ptrdiff_t>(count));
      survivors->part_ends.back() = survivors->size();
      if (survivors->size() < limit) continue;
      const Survivors* const one = survivors;
      least = Threshold(query, least, keep, {&one, 1});
      Remove(least, survivors);
      limit = std::max(limit, 2 * survivors->size());
    }
  }
  return least;
}

void Sieve::Run(const CodeScan& scan, const ScanQuery& query,
                absl::Span<const SievePart> parts, size_t keep,
                Survivors* survivors) {
  const size_t slots = CountAdmitted(parts);
  const int16_t guess =
      slots <= keep ? kLeast : Guess(scan, query, parts, slots, keep);
  Scan(scan, query, parts, keep, guess, survivors);
  if (survivors->size() < keep && guess != kLeast) {
    Scan(scan, query, parts, keep, kLeast, survivors);
  }
  Cut(query, keep, {&survivors, 1});
}

void Sieve::Cut(const ScanQuery& query, size_t keep,
                absl::Span<Survivors* const> all) {
  size_t count = 0;
  int16_t least = std::numeric_limits<int16_t>::max();
  for (const Survivors* survivors : all) {
    count += survivors->size();
    for (const int16_t sum : survivors->sums) least = std::min(least, sum);
  }
  if (count <= keep) return;
  least = keep == 0 ? std::numeric_limits<int16_t>::max()
                    : Threshold(query, least, keep, all);
  for (Survivors* survivors : all) Remove(least, survivors);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
