// The kernels of a search over code columns, one thread: bytes/s are those that
// the kernel has to read. 10,000 slots lie in the second-level cache, 1,000,000
// in memory.
//
//   build/release/bench/scan_bench --benchmark_filter=Prefix

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "base/random.h"
#include "benchmark/benchmark.h"
#include "corkscrew/quantizer.h"
#include "quant/code_scan.h"
#include "quant/nth_largest.h"
#include "quant/scan_layout.h"
#include "quant/sieve.h"

namespace corkscrew {
namespace {

// Queries that are searched together; one at a time, they follow each other, as
// a CPU learns the branches of a query that repeats.
constexpr size_t kBatch = 64;

// Random columns and queries.
struct Scan {
  Scan(size_t dim, int bits, size_t slots, size_t query_count = 1)
      : quantizer(*Quantizer::Create({.dim = dim, .bits = bits})),
        scan(quantizer),
        layout(quantizer.params()),
        blocks(ScanLayout::Blocks(slots)),
        prefix(layout.prefix_size(slots)),
        rest(layout.rest_size(slots) + kScanPadding),
        low(layout.low_size(slots) + kScanPadding),
        sums(blocks * kScanBlock) {
    Random random(1);
    for (auto* column : {&prefix, &rest, &low}) {
      for (uint8_t& byte : *column) byte = static_cast<uint8_t>(random.Next());
    }
    std::vector<float> vector(dim);
    for (size_t q = 0; q < query_count; ++q) {
      for (float& x : vector) x = static_cast<float>(random.Normal());
      queries.push_back(scan.Prepare(*quantizer.Prepare(vector)));
    }
  }

  ScanColumns columns() const {
    return {prefix.data(), rest.data(), low.data()};
  }

  // `share` of the slots, in ascending order.
  std::vector<uint32_t> Some(double share) const {
    Random random(2);
    std::vector<uint32_t> slots;
    for (uint32_t slot = 0; slot < sums.size(); ++slot) {
      if (random.Uniform() <= share) slots.push_back(slot);
    }
    return slots;
  }

  Quantizer quantizer;
  CodeScan scan;
  ScanLayout layout;
  size_t blocks;
  std::vector<uint8_t> prefix, rest, low;
  std::vector<int16_t> sums;
  std::vector<ScanQuery> queries;
};

void Report(benchmark::State& state, size_t slots, size_t bytes_per_slot) {
  const auto n = state.iterations() * static_cast<int64_t>(slots);
  state.SetItemsProcessed(n);
  state.SetBytesProcessed(n * static_cast<int64_t>(bytes_per_slot));
}

// Arguments: dim, thousands of slots.
void BM_PrefixSums(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(1)) * 1000;
  Scan s(static_cast<size_t>(state.range(0)), 1, slots);
  for (auto _ : state) {
    s.scan.PrefixSums(s.queries[0], s.prefix.data(), s.blocks, s.sums.data());
    benchmark::ClobberMemory();
  }
  Report(state, slots, s.layout.prefix_bytes);
}
BENCHMARK(BM_PrefixSums)
    ->ArgNames({"dim", "thousands"})
    ->ArgsProduct({{384, 1536}, {10, 100, 1000}})
    ->Args({128, 10});

// 64 queries together.
void BM_PrefixSumsOfQueries(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(1)) * 1000;
  Scan s(static_cast<size_t>(state.range(0)), 1, slots, kBatch);
  SharedBlocks shared;
  const size_t block_bytes = s.layout.prefix_bytes * kScanBlock;
  for (auto _ : state) {
    for (size_t b = 0; b < s.blocks; b += SharedBlocks::kMaxBlocks) {
      s.scan.Share(s.prefix.data() + b * block_bytes,
                   std::min(SharedBlocks::kMaxBlocks, s.blocks - b), &shared);
      for (const ScanQuery& query : s.queries) {
        s.scan.PrefixSums(query, shared, s.sums.data());
      }
      benchmark::ClobberMemory();
    }
  }
  Report(state, slots * kBatch, s.layout.prefix_bytes);
}
BENCHMARK(BM_PrefixSumsOfQueries)
    ->ArgNames({"dim", "thousands"})
    ->ArgsProduct({{384, 1536}, {10, 100, 1000}});

// The rest of the sign plane for every twentieth slot.
void BM_SignSums(benchmark::State& state) {
  const Scan s(static_cast<size_t>(state.range(0)), 1,
               static_cast<size_t>(state.range(1)) * 1000);
  const std::vector<uint32_t> slots = s.Some(0.05);
  std::vector<int32_t> sums(slots.size());
  for (auto _ : state) {
    s.scan.SignSums(s.queries[0], s.columns(), slots, s.sums.data(),
                    sums.data());
    benchmark::ClobberMemory();
  }
  Report(state, slots.size(), s.layout.rest_bytes);
}
BENCHMARK(BM_SignSums)
    ->ArgNames({"dim", "thousands"})
    ->ArgsProduct({{384, 1536}, {10, 100, 1000}});

// The prefix for all slots, of which 1 in `one_in` is kept.
void BM_Sieve(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(1)) * 1000;
  const Scan s(static_cast<size_t>(state.range(0)), 1, slots, kBatch);
  const SievePart part = {.prefix = s.prefix.data(), .slots = slots};
  Survivors survivors;
  size_t next = 0;
  for (auto _ : state) {
    RunSieve(s.scan, s.queries[next++ % kBatch], {&part, 1},
             slots / static_cast<size_t>(state.range(2)), &survivors);
    benchmark::ClobberMemory();
  }
  Report(state, slots, s.layout.prefix_bytes);
}
BENCHMARK(BM_Sieve)
    ->ArgNames({"dim", "thousands", "one_in"})
    ->ArgsProduct({{384}, {10, 60, 100}, {10, 20}})
    ->Args({1536, 100, 50})
    ->Args({384, 1000, 50});

// The same for 64 queries together.
void BM_SieveOfQueries(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(1)) * 1000;
  const Scan s(static_cast<size_t>(state.range(0)), 1, slots, kBatch);
  const SievePart part = {.prefix = s.prefix.data(), .slots = slots};
  std::vector<Survivors> survivors(kBatch);
  std::vector<const ScanQuery*> queries;
  std::vector<Survivors*> pointers;
  for (size_t q = 0; q < kBatch; ++q) {
    queries.push_back(&s.queries[q]);
    pointers.push_back(&survivors[q]);
  }
  for (auto _ : state) {
    RunSieves(s.scan, queries, {&part, 1},
              slots / static_cast<size_t>(state.range(2)),
              absl::MakeSpan(pointers));
    benchmark::ClobberMemory();
  }
  Report(state, slots * kBatch, s.layout.prefix_bytes);
}
BENCHMARK(BM_SieveOfQueries)
    ->ArgNames({"dim", "thousands", "one_in"})
    ->ArgsProduct({{384}, {10}, {10}})
    ->ArgsProduct({{384}, {60, 100}, {20}})
    ->Args({1536, 100, 50})
    ->Args({384, 1000, 50});

// The slots with the largest of some sums, and these.
constexpr size_t kBest = 150;
struct Best {
  void Find(const Survivors& survivors, const std::vector<int32_t>& all) {
    scores.assign(all.begin(), all.end());
    const auto least = static_cast<int32_t>(
        NthLargest(std::min(kBest, scores.size()), absl::MakeSpan(scores)));
    slots.resize(all.size());
    sums.resize(all.size());
    size_t size = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      slots[size] = survivors.slots[i];
      sums[size] = all[i];
      size += all[i] >= least ? 1 : 0;
    }
    slots.resize(size);
    sums.resize(size);
    full.resize(size);
  }

  std::vector<float> scores;
  std::vector<uint32_t> slots;
  std::vector<int32_t> sums;
  std::vector<float> full;
};

// All stages but for rescoring: prefix, sign plane, full code of the best 150.
void BM_Stages(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(2)) * 1000;
  const Scan s(static_cast<size_t>(state.range(0)),
               static_cast<int>(state.range(1)), slots, kBatch);
  const SievePart part = {.prefix = s.prefix.data(), .slots = slots};
  Survivors survivors;
  size_t next = 0;
  std::vector<int32_t> sums;
  Best best;
  for (auto _ : state) {
    const ScanQuery& query = s.queries[next++ % kBatch];
    RunSieve(s.scan, query, {&part, 1},
             slots / static_cast<size_t>(state.range(3)), &survivors);
    sums.resize(survivors.size());
    s.scan.SignSums(query, s.columns(), survivors.slots, survivors.sums.data(),
                    sums.data());
    best.Find(survivors, sums);
    s.scan.FullSums(query, s.columns(), best.slots, best.sums.data(),
                    best.full.data());
    benchmark::DoNotOptimize(best.full.data());
  }
  Report(state, slots, s.quantizer.code_bytes());
}
BENCHMARK(BM_Stages)
    ->ArgNames({"dim", "bits", "thousands", "one_in"})
    ->ArgsProduct({{384}, {2, 4}, {10}, {10}})
    ->ArgsProduct({{384}, {2, 4}, {60, 100}, {20}})
    ->Args({1536, 2, 100, 50})
    ->Args({384, 2, 1000, 50});

// The same for 64 queries together.
void BM_StagesOfQueries(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(2)) * 1000;
  const Scan s(static_cast<size_t>(state.range(0)),
               static_cast<int>(state.range(1)), slots, kBatch);
  const SievePart part = {.prefix = s.prefix.data(), .slots = slots};
  std::vector<Survivors> survivors(kBatch);
  std::vector<std::vector<int32_t>> sums(kBatch);
  std::vector<const ScanQuery*> queries(kBatch);
  std::vector<Survivors*> all_survivors(kBatch);
  std::vector<absl::Span<const uint32_t>> all_slots(kBatch);
  std::vector<const int16_t*> prefix_sums(kBatch);
  std::vector<int32_t*> all_sums(kBatch);
  for (size_t q = 0; q < kBatch; ++q) {
    queries[q] = &s.queries[q];
    all_survivors[q] = &survivors[q];
  }
  Best best;
  for (auto _ : state) {
    RunSieves(s.scan, queries, {&part, 1},
              slots / static_cast<size_t>(state.range(3)),
              absl::MakeSpan(all_survivors));
    for (size_t q = 0; q < kBatch; ++q) {
      sums[q].resize(survivors[q].size());
      all_slots[q] = survivors[q].slots;
      prefix_sums[q] = survivors[q].sums.data();
      all_sums[q] = sums[q].data();
    }
    s.scan.SignSums(queries, s.columns(), all_slots, prefix_sums,
                    absl::MakeSpan(all_sums));
    for (size_t q = 0; q < kBatch; ++q) {
      best.Find(survivors[q], sums[q]);
      s.scan.FullSums(*queries[q], s.columns(), best.slots, best.sums.data(),
                      best.full.data());
      benchmark::DoNotOptimize(best.full.data());
    }
  }
  Report(state, slots * kBatch, s.quantizer.code_bytes());
}
BENCHMARK(BM_StagesOfQueries)
    ->ArgNames({"dim", "bits", "thousands", "one_in"})
    ->ArgsProduct({{384}, {2, 4}, {10}, {10}})
    ->ArgsProduct({{384}, {2, 4}, {60, 100}, {20}})
    ->Args({1536, 2, 100, 50})
    ->Args({384, 2, 1000, 50});

// Plain reading with the vectors of the C library, to compare with.
void BM_ReadMemory(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)) * 1024);
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::memchr(bytes.data(), 1, bytes.size()));
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BM_ReadMemory)->ArgName("KiB")->Arg(160)->Arg(1600)->Arg(16000);

// Full codes of 200 slots, scattered, in another place each time.
void BM_FullSums(benchmark::State& state) {
  const auto slots = static_cast<size_t>(state.range(2)) * 1000;
  const Scan s(static_cast<size_t>(state.range(0)),
               static_cast<int>(state.range(1)), slots);
  constexpr size_t kCandidates = 200;
  Random random(3);
  std::vector<std::vector<uint32_t>> lists(32);
  for (std::vector<uint32_t>& list : lists) {
    for (size_t i = 0; i < kCandidates; ++i) {
      list.push_back(static_cast<uint32_t>(random.Next() % slots));
    }
    std::sort(list.begin(), list.end());
  }
  const std::vector<int32_t> sign_sums(kCandidates);
  std::vector<float> sums(kCandidates);
  size_t next = 0;
  for (auto _ : state) {
    s.scan.FullSums(s.queries[0], s.columns(), lists[next++ % lists.size()],
                    sign_sums.data(), sums.data());
    benchmark::ClobberMemory();
  }
  Report(state, kCandidates, s.quantizer.code_bytes());
}
BENCHMARK(BM_FullSums)
    ->ArgNames({"dim", "bits", "thousands"})
    ->ArgsProduct({{384}, {2, 3, 4, 5, 6, 7, 8}, {1}})
    ->ArgsProduct({{384, 1536}, {2, 4}, {100}});

// The 150th of as many random scores.
void BM_NthLargest(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Random random(4);
  std::vector<std::vector<float>> all(32, std::vector<float>(size));
  for (std::vector<float>& scores : all) {
    for (float& x : scores) x = static_cast<float>(random.Normal());
  }
  std::vector<float> scores;
  size_t next = 0;
  for (auto _ : state) {
    scores = all[next++ % all.size()];
    benchmark::DoNotOptimize(NthLargest(150, absl::MakeSpan(scores)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_NthLargest)->ArgName("scores")->Arg(1000)->Arg(5000)->Arg(20000);

void BM_NthElement(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Random random(4);
  std::vector<std::vector<float>> all(32, std::vector<float>(size));
  for (std::vector<float>& scores : all) {
    for (float& x : scores) x = static_cast<float>(random.Normal());
  }
  std::vector<float> scores;
  size_t next = 0;
  for (auto _ : state) {
    scores = all[next++ % all.size()];
    std::nth_element(scores.begin(), scores.begin() + 149, scores.end(),
                     std::greater<>());
    benchmark::DoNotOptimize(scores[149]);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_NthElement)->ArgName("scores")->Arg(1000)->Arg(5000)->Arg(20000);

void BM_PrepareScan(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const Scan s(dim, 4, 64);
  const auto prepared = *s.quantizer.Prepare(std::vector<float>(dim, 1.0f));
  for (auto _ : state) benchmark::DoNotOptimize(s.scan.Prepare(prepared));
}
BENCHMARK(BM_PrepareScan)->ArgName("dim")->Arg(384)->Arg(1536);

// Between canonical codes and columns.
void BM_StoreCode(benchmark::State& state) {
  Scan s(384, static_cast<int>(state.range(0)), 1000);
  const std::vector<uint8_t> code(s.quantizer.code_bytes(), 0x5A);
  size_t slot = 0;
  for (auto _ : state) {
    StoreCode(s.layout, code, slot++ % 1000,
              {s.prefix.data(), s.rest.data(), s.low.data()});
  }
}
BENCHMARK(BM_StoreCode)->ArgName("bits")->Arg(1)->Arg(2)->Arg(4)->Arg(8);

void BM_LoadCode(benchmark::State& state) {
  const Scan s(384, static_cast<int>(state.range(0)), 1000);
  std::vector<uint8_t> code(s.quantizer.code_bytes());
  size_t slot = 0;
  for (auto _ : state) {
    LoadCode(s.layout, s.columns(), slot++ % 1000, absl::MakeSpan(code));
  }
}
BENCHMARK(BM_LoadCode)->ArgName("bits")->Arg(2)->Arg(4);

}  // namespace
}  // namespace corkscrew
