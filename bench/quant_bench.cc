// The quantizer: encoding, rotating, scoring and rescoring, one thread.
//
//   build/release/bench/quant_bench --benchmark_filter=Score

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/random.h"
#include "benchmark/benchmark.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "quant/rescore.h"
#include "quant/rotation.h"

namespace corkscrew {
namespace {

std::vector<float> Normals(size_t n) {
  Random random(1);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

void BM_Create(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Quantizer::Create({.dim = dim, .bits = 4}));
  }
}
BENCHMARK(BM_Create)->ArgName("dim")->Arg(384)->Arg(1536)->Arg(16384);

void BM_Encode(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const auto quantizer =
      Quantizer::Create({.dim = dim, .bits = static_cast<int>(state.range(1))});
  constexpr size_t kRows = 64;
  const std::vector<float> vectors = Normals(kRows * dim);
  std::vector<uint8_t> codes(kRows * quantizer->code_bytes());
  std::vector<CodeScalars> scalars(kRows);
  for (auto _ : state) {
    benchmark::DoNotOptimize(quantizer->EncodeBatch(
        vectors, absl::MakeSpan(codes), absl::MakeSpan(scalars)));
  }
  state.SetItemsProcessed(state.iterations() * int64_t{kRows});
}
BENCHMARK(BM_Encode)
    ->ArgNames({"dim", "bits"})
    ->ArgsProduct({{384, 768, 1000, 1536}, {4}})
    ->ArgsProduct({{384}, {1, 2, 3, 5, 6, 7, 8}});

void BM_Rotate(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const Rotation rotation(dim, 1, RotationKind::kMain);
  std::vector<int32_t> v(dim, 1000);
  std::vector<int32_t> scratch(dim);
  for (auto _ : state) {
    rotation.Forward(absl::MakeSpan(v), absl::MakeSpan(scratch));
    benchmark::DoNotOptimize(v.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Rotate)->ArgName("dim")->Arg(384)->Arg(768)->Arg(1000)->Arg(1536);

void BM_Prepare(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const auto quantizer = Quantizer::Create({.dim = dim});
  const std::vector<float> query = Normals(dim);
  for (auto _ : state) {
    benchmark::DoNotOptimize(quantizer->Prepare(query));
  }
}
BENCHMARK(BM_Prepare)->ArgName("dim")->Arg(384)->Arg(1536);

// 10,000 rows, as many as a small collection has; all in the second-level
// cache up to 100 bytes a row. Codes are random bytes: only their number
// counts.
void BM_Score(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const auto quantizer =
      Quantizer::Create({.dim = dim,
                         .bits = static_cast<int>(state.range(1)),
                         .codebook = static_cast<int>(state.range(2))});
  const auto rows = static_cast<size_t>(state.range(3));
  Random random(2);
  std::vector<uint8_t> codes(rows * quantizer->code_bytes());
  for (uint8_t& byte : codes) byte = static_cast<uint8_t>(random.Next());
  const std::vector<CodeScalars> scalars(rows, {.norm = 1, .scale = 0.01f});
  const auto query = quantizer->Prepare(Normals(dim));
  std::vector<float> scores(rows);
  for (auto _ : state) {
    quantizer->Score(*query, Metric::kCosine, codes, scalars,
                     absl::MakeSpan(scores));
    benchmark::DoNotOptimize(scores.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(codes.size()));
}
BENCHMARK(BM_Score)
    ->ArgNames({"dim", "bits", "codebook", "rows"})
    ->ArgsProduct({{384, 768, 1536}, {1, 2, 4}, {1}, {10000}})
    ->ArgsProduct({{384}, {3, 5, 6, 7, 8}, {1}, {10000}})
    ->ArgsProduct({{384, 768, 1536}, {8}, {2}, {10000}})
    ->ArgsProduct({{384}, {2, 4}, {1}, {100000}});

void BM_Dot8(benchmark::State& state) {
  const std::vector<float> x = Normals(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(Dot8(x, x));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(x.size() * sizeof(float)));
}
BENCHMARK(BM_Dot8)->ArgName("dim")->Arg(384)->Arg(1536);

void BM_Dot8Fixed(benchmark::State& state) {
  const std::vector<float> x = Normals(static_cast<size_t>(state.range(0)));
  std::vector<int16_t> row(x.size());
  const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
  for (auto _ : state) benchmark::DoNotOptimize(Dot8Fixed(row, fixed.scale, x));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(row.size() * sizeof(int16_t)));
}
BENCHMARK(BM_Dot8Fixed)->ArgName("dim")->Arg(384)->Arg(1536);

// 1,000 of 50,000 rows, in ascending order: the candidates of a search.
void BM_Dot8FixedRows(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  constexpr size_t kRows = 50000;
  constexpr size_t kCandidates = 1000;
  Random random(3);
  std::vector<int16_t> column(kRows * dim);
  for (int16_t& x : column) x = static_cast<int16_t>(random.Next());
  std::vector<const int16_t*> rows(kCandidates);
  for (const int16_t*& row : rows) {
    row = column.data() + random.Next() % kRows * dim;
  }
  std::sort(rows.begin(), rows.end());
  const std::vector<float> query = Normals(dim);
  for (auto _ : state) {
    for (const int16_t* row : rows) {
      benchmark::DoNotOptimize(
          Dot8Fixed(absl::MakeConstSpan(row, dim), 1, query));
    }
  }
  state.SetItemsProcessed(state.iterations() * int64_t{kCandidates});
}
BENCHMARK(BM_Dot8FixedRows)->ArgName("dim")->Arg(384);

void BM_RoundToFixed(benchmark::State& state) {
  const std::vector<float> x = Normals(static_cast<size_t>(state.range(0)));
  std::vector<int16_t> row(x.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(RoundToFixed(x, absl::MakeSpan(row)));
  }
}
BENCHMARK(BM_RoundToFixed)->ArgName("dim")->Arg(384);

}  // namespace
}  // namespace corkscrew
