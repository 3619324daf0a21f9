// The whole of Index::Search(), on clustered vectors: prepare the query, scan,
// keep the best, rescore, make the hits.
//
//   search_bench --benchmark_min_time=1
//
// Counters: times of one call in microseconds, and memory per record in bytes.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "benchmark/benchmark.h"
#include "db/index.h"

namespace corkscrew {
namespace {

constexpr size_t kDim = 384;
constexpr size_t kQueries = 200;

// 500 clusters of unit vectors: centres uniform on the sphere, plus noise.
std::vector<float> ClusteredVector(Random* random,
                                   const std::vector<float>& centres) {
  const size_t cluster = random->Next() % (centres.size() / kDim);
  std::vector<float> x(kDim);
  double n2 = 0;
  for (size_t i = 0; i < kDim; ++i) {
    x[i] = centres[cluster * kDim + i] +
           static_cast<float>(0.8 * random->Normal() / std::sqrt(kDim));
    n2 += double{x[i]} * double{x[i]};
  }
  for (float& v : x) v = static_cast<float>(v / std::sqrt(n2));
  return x;
}

class Collection : public OriginalReader {
 public:
  Collection(size_t records, int bits, bool column)
      : options_{.quantizer = {.dim = kDim, .bits = bits, .seed = 1},
                 .rescore_column = column},
        index_(*Index::Create(options_)) {
    Random random(1);
    std::vector<float> centres(500 * kDim);
    for (float& v : centres) {
      v = static_cast<float>(random.Normal() / std::sqrt(kDim));
    }
    std::vector<uint8_t> code(index_->quantizer().code_bytes());
    for (size_t i = 0; i < records; ++i) {
      const std::vector<float> x = ClusteredVector(&random, centres);
      const BodyKey body{
          .id = absl::StrCat("doc-", 100000 + i), .lamport = i + 1, .seq = i};
      const Metadata metadata = {
          {"percent", static_cast<int64_t>(random.Next() % 100)}};
      IndexEntry entry{.body = &body, .metadata = &metadata};
      if (!index_->quantizer()
               .Encode(x, absl::MakeSpan(code), &entry.scalars)
               .ok()) {
        continue;
      }
      entry.code = code;
      if (column) entry.original = x;
      index_->Add(entry);
      originals_.insert(originals_.end(), x.begin(), x.end());
    }
    index_->Publish(records);
    for (size_t i = 0; i < kQueries; ++i) {
      queries_.push_back(ClusteredVector(&random, centres));
    }
  }

  const Index& index() const { return *index_; }
  const std::vector<float>& query(size_t i) const {
    return queries_[i % kQueries];
  }

  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override {
    for (size_t i = 0; i < bodies.size(); ++i) {
      std::copy_n(originals_.data() + bodies[i].seq * kDim, kDim,
                  vectors.data() + i * kDim);
    }
    return absl::OkStatus();
  }

 private:
  IndexOptions options_;
  std::unique_ptr<Index> index_;
  std::vector<float> originals_;
  std::vector<std::vector<float>> queries_;
};

const Collection& Get(size_t records, int bits, bool column) {
  static auto* const all =
      new std::map<std::string, std::unique_ptr<Collection>>;
  std::unique_ptr<Collection>& made =
      (*all)[absl::StrCat(records, "/", bits, "/", column)];
  if (made == nullptr) {
    made = std::make_unique<Collection>(records, bits, column);
  }
  return *made;
}

// Runs searches of `batch` queries like `query` and reports the median time of
// one search in microseconds.
void Run(benchmark::State& state, const Collection& collection,
         const IndexQuery& query, size_t batch = 1) {
  std::vector<double> times;
  std::vector<IndexQuery> queries(batch, query);
  size_t next = 0;
  for (auto _ : state) {
    for (IndexQuery& q : queries) q.vector = collection.query(next++);
    const auto start = std::chrono::steady_clock::now();
    auto hits = collection.index().Search(queries, collection, nullptr);
    const auto stop = std::chrono::steady_clock::now();
    if (!hits.ok()) state.SkipWithError("search failed");
    benchmark::DoNotOptimize(hits);
    times.push_back(
        std::chrono::duration<double, std::micro>(stop - start).count());
  }
  std::sort(times.begin(), times.end());
  // What other programs of the machine disturb least.
  state.counters["p5_us"] = times[times.size() / 20];
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p95_us"] = times[times.size() * 95 / 100];
  state.counters["us/query"] =
      times[times.size() / 2] / static_cast<double>(batch);
  const Index& index = collection.index();
  const auto slots = static_cast<double>(index.slots());
  state.counters["index_B"] = static_cast<double>(index.index_bytes()) / slots;
  state.counters["rescore_B"] =
      static_cast<double>(index.rescore_bytes()) / slots;
}

// {records, bits}
void BM_Search(benchmark::State& state) {
  Run(state, Get(state.range(0), state.range(1), true), {});
}
BENCHMARK(BM_Search)->ArgsProduct({{10'000, 100'000}, {2, 4}});

void BM_SearchCodesOnly(benchmark::State& state) {
  Run(state, Get(state.range(0), state.range(1), false), {});
}
BENCHMARK(BM_SearchCodesOnly)->ArgsProduct({{10'000, 100'000}, {4}});

// {records, bits, percent of the records that match}
void BM_SearchFiltered(benchmark::State& state) {
  const Filter filter =
      Filter::Compare(Filter::Op::kLt, "percent", int64_t{state.range(2)});
  Run(state, Get(state.range(0), state.range(1), true), {.filter = &filter});
}
BENCHMARK(BM_SearchFiltered)->ArgsProduct({{10'000, 100'000}, {4}, {1, 50}});

void BM_SearchExact(benchmark::State& state) {
  Run(state, Get(state.range(0), state.range(1), true), {.exact = true});
}
BENCHMARK(BM_SearchExact)->ArgsProduct({{10'000, 100'000}, {4}});

void BM_SearchBatch64(benchmark::State& state) {
  Run(state, Get(state.range(0), state.range(1), true), {}, 64);
}
BENCHMARK(BM_SearchBatch64)->ArgsProduct({{10'000, 100'000}, {2, 4}});

}  // namespace
}  // namespace corkscrew
