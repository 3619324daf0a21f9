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

// The `keep`-th largest of the sums, which are between `least` and `most`;
// `least` if there are fewer. `keep` is not 0.
int16_t Threshold(int16_t least, int16_t most, size_t keep,
                  absl::Span<const Survivors* const> all) {
  // At least `keep` reach `least`, or all do; fewer reach `beyond`.
  int32_t beyond = most + 1;
  while (beyond - least > 1) {
    const auto middle = static_cast<int16_t>((least + beyond) / 2);
    size_t count = 0;
    for (const Survivors* survivors : all) {
      count += HWY_DYNAMIC_DISPATCH(CountAtLeast)(survivors->sums.data(),
                                                  survivors->size(), middle);
    }
    if (count >= keep) {
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

// Removes what is below `least`.
void Remove(int16_t least, Survivors* survivors) {
  size_t from = 0;
  size_t to = 0;
  for (size_t& end : survivors->part_ends) {
    to = HWY_DYNAMIC_DISPATCH(MoveAtLeast)(
        survivors->sums.data(), survivors->slots.data(), from, end, least, to);
    from = end;
    end = to;
  }
  survivors->slots.resize(to);
  survivors->sums.resize(to);
}

// A threshold that about `keep` of `slots` slots reach, likely more.
int16_t Guess(const CodeScan& scan, const ScanQuery& query,
              absl::Span<const SievePart> parts, size_t slots, size_t keep,
              Survivors* sample) {
  sample->slots.clear();
  sample->sums.clear();
  size_t blocks = 0;
  for (const SievePart& part : parts) blocks += ScanLayout::Blocks(part.slots);
  if (blocks < 4 * kMinSample) return LeastOf(query);
  const size_t samples =
      std::clamp(blocks / kSampleEvery, kMinSample, kMaxSample);
  const size_t every = blocks / samples;
  const size_t block_bytes = scan.layout().prefix_bytes * kScanBlock;
  size_t skip = every / 2;
  for (const SievePart& part : parts) {
    const size_t n = ScanLayout::Blocks(part.slots);
    size_t b = skip;
    for (; b < n; b += every) {
      std::array<int16_t, kScanBlock> sums;
      scan.PrefixSums(query, part.prefix + b * block_bytes, 1, sums.data());
      uint64_t admitted = Admitted(part, b);
      if (admitted == ~uint64_t{0}) {
        sample->sums.insert(sample->sums.end(), sums.begin(), sums.end());
        continue;
      }
      for (; admitted != 0; admitted &= admitted - 1) {
        sample->sums.push_back(
            sums[static_cast<size_t>(std::countr_zero(admitted))]);
      }
    }
    skip = b - n;
  }
  // Three standard deviations above what is expected.
  const double expected = static_cast<double>(keep) *
                          static_cast<double>(sample->sums.size()) /
                          static_cast<double>(slots);
  const auto rank = static_cast<size_t>(expected + 3 * std::sqrt(expected) + 4);
  sample->slots.resize(sample->sums.size());
  return Threshold(LeastOf(query), MostOf(query), rank, {&sample, 1});
}

// Collects what is at least `least`, but for what is certain not to be among
// the `keep` largest.
void Collect(const CodeScan& scan, const ScanQuery& query,
             absl::Span<const SievePart> parts, size_t keep, int16_t least,
             Survivors* survivors) {
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
      least = Threshold(least, MostOf(query), std::max<size_t>(keep, 1),
                        {&survivors, 1});
      Remove(least, survivors);
      limit = std::max(limit, 2 * survivors->size());
    }
  }
}

}  // namespace

void RunSieve(const CodeScan& scan, const ScanQuery& query,
              absl::Span<const SievePart> parts, size_t keep,
              Survivors* survivors) {
  const size_t slots = CountAdmitted(parts);
  const int16_t least = LeastOf(query);
  const int16_t guess =
      slots <= keep ? least : Guess(scan, query, parts, slots, keep, survivors);
  Collect(scan, query, parts, keep, guess, survivors);
  if (survivors->size() < keep && guess != least) {
    Collect(scan, query, parts, keep, least, survivors);
  }
  CutSurvivors(query, keep, {&survivors, 1});
}

void CutSurvivors(const ScanQuery& query, size_t keep,
                  absl::Span<Survivors* const> all) {
  size_t count = 0;
  for (const Survivors* survivors : all) count += survivors->size();
  if (count <= keep) return;
  const int16_t threshold =
      keep == 0 ? std::numeric_limits<int16_t>::max()
                : Threshold(LeastOf(query), MostOf(query), keep, all);
  for (Survivors* survivors : all) Remove(threshold, survivors);
}

}  // namespace corkscrew
#endif  // HWY_ONCE
