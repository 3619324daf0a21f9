// Embedding one text, and batches of 64 texts, with the default model or the
// one in CORKSCREW_BENCH_MODEL; and loading it. `T` is tokens per text, [CLS]
// and [SEP] included. Single texts run on the calling thread; batches on all
// cores.
//
//   build/release/bench/embed_bench --benchmark_filter=OneText
//   CORKSCREW_BENCH_MODEL=/path/to/model.gguf build/release/bench/embed_bench

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/model_embedder.h"

namespace corkscrew {
namespace {

std::string ModelPath() {
  const char* path = std::getenv("CORKSCREW_BENCH_MODEL");
  if (path != nullptr) return path;
  return std::string(CORKSCREW_SOURCE_DIR) + "/models/corkscrew-default-1.gguf";
}

const ModelEmbedder* Model(benchmark::State& state) {
  static const auto* const kEmbedder = [] {
    const auto file = GgufFile::Open(ModelPath());
    return new absl::StatusOr<std::shared_ptr<const ModelEmbedder>>(
        file.ok() ? ModelEmbedder::Create(**file, {})
                  : absl::StatusOr<std::shared_ptr<const ModelEmbedder>>(
                        file.status()));
  }();
  if (kEmbedder->ok()) return (*kEmbedder)->get();
  state.SkipWithError(std::string(kEmbedder->status().message()).c_str());
  return nullptr;
}

// A text of `tokens` ids, between [CLS] and [SEP] of BERT uncased.
std::vector<int32_t> Ids(size_t tokens) {
  std::vector<int32_t> ids = {101};
  for (size_t i = 0; ids.size() + 1 < tokens; ++i) {
    ids.push_back(static_cast<int32_t>(1000 + i * 7919 % 20000));
  }
  ids.push_back(102);
  return ids;
}

void EmbedTexts(benchmark::State& state, size_t texts, size_t tokens) {
  const ModelEmbedder* embedder = Model(state);
  if (embedder == nullptr) return;
  const std::vector<int32_t> ids = Ids(tokens);
  const std::vector<absl::Span<const int32_t>> spans(texts, ids);
  for (auto _ : state) {
    benchmark::DoNotOptimize(embedder->EmbedTokens(spans));
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) *
                             static_cast<double>(texts * tokens),
                         benchmark::Counter::kIsRate);
}

void BM_OneText(benchmark::State& state) {
  EmbedTexts(state, 1, static_cast<size_t>(state.range(0)));
}
BENCHMARK(BM_OneText)
    ->ArgName("T")
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Arg(256)
    ->Arg(512)
    ->Unit(benchmark::kMillisecond);

void BM_Batch(benchmark::State& state) {
  EmbedTexts(state, 64, static_cast<size_t>(state.range(0)));
}
BENCHMARK(BM_Batch)
    ->ArgName("T")
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_Load(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(LoadEmbedder(ModelPath()));
  }
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace corkscrew
