// Embedding one text, and batches of 64 texts, with the default model or the
// one in CORKSCREW_BENCH_MODEL; and loading it. `T` is tokens per text, [CLS]
// and [SEP] included. Single texts run on the calling thread unless the name
// says otherwise; batches on all cores.
//
//   build/release/bench/embed_bench --benchmark_filter=OneText
//   CORKSCREW_BENCH_MODEL=/path/to/model.gguf build/release/bench/embed_bench

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
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

using EmbedderOr = absl::StatusOr<std::shared_ptr<const ModelEmbedder>>;

EmbedderOr Load(size_t threads, bool exact) {
  const auto file = GgufFile::Open(ModelPath());
  if (!file.ok()) return file.status();
  EmbedderOptions options;
  options.threads = threads;
  options.exact = exact;
  return ModelEmbedder::Create(**file, options);
}

const ModelEmbedder* Checked(const EmbedderOr& embedder,
                             benchmark::State& state) {
  if (embedder.ok()) return embedder->get();
  state.SkipWithError(std::string(embedder.status().message()).c_str());
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

void EmbedTexts(benchmark::State& state, const ModelEmbedder* embedder,
                size_t texts, size_t tokens) {
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
  static const auto* const kEmbedder = new EmbedderOr(Load(1, false));
  EmbedTexts(state, Checked(*kEmbedder, state), 1,
             static_cast<size_t>(state.range(0)));
}
BENCHMARK(BM_OneText)
    ->ArgName("T")
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Arg(256)
    ->Arg(512)
    ->Unit(benchmark::kMillisecond);

void BM_OneTextExact(benchmark::State& state) {
  static const auto* const kEmbedder = new EmbedderOr(Load(1, true));
  EmbedTexts(state, Checked(*kEmbedder, state), 1,
             static_cast<size_t>(state.range(0)));
}
BENCHMARK(BM_OneTextExact)
    ->ArgName("T")
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond);

// All cores.
const ModelEmbedder* Shared(benchmark::State& state) {
  static const auto* const kEmbedder = new EmbedderOr(Load(0, false));
  return Checked(*kEmbedder, state);
}

void BM_OneTextOnAllCores(benchmark::State& state) {
  EmbedTexts(state, Shared(state), 1, static_cast<size_t>(state.range(0)));
}
BENCHMARK(BM_OneTextOnAllCores)
    ->ArgName("T")
    ->Arg(128)
    ->Arg(512)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_Batch(benchmark::State& state) {
  EmbedTexts(state, Shared(state), 64, static_cast<size_t>(state.range(0)));
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
