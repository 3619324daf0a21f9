// corkscrew bench: how fast and how good a search is on this machine. What
// measures models is in bench_embed.h.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/limits.h"
#include "corkscrew/metric.h"
#include "corkscrew/search.h"
#include "server/bench_embed.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/npy_reader.h"
#include "server/percentile.h"
#include "server/progress.h"
#include "server/table.h"

namespace corkscrew {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kCollection[] = "bench";
// Records are put in buckets 0..999 for --selectivity.
constexpr char kBucket[] = "bucket";
constexpr int64_t kBuckets = 1000;

struct Arguments {
  std::string base;
  std::string queries;
  std::string truth;
  std::string database;
  std::string metric = "cosine";
  int bits = 4;
  size_t k = 10;
  float oversample = 4;
  size_t threads = 1;
  size_t batch = 1;
  double selectivity = 1;
  bool exact = false;
  bool codes_only = false;
};

struct Matrix {
  size_t rows = 0;
  size_t dim = 0;
  std::vector<float> values = {};  // [rows, dim]

  absl::Span<const float> row(size_t i) const {
    return absl::MakeSpan(values).subspan(i * dim, dim);
  }
};

absl::StatusOr<Matrix> ReadMatrix(const std::string& path,
                                  CommandContext& context) {
  std::unique_ptr<std::istream> owner;
  CORKSCREW_ASSIGN_OR_RETURN(std::istream * in,
                             OpenInput(path, context, owner));
  CORKSCREW_ASSIGN_OR_RETURN(NpyReader reader, NpyReader::Open(*in));
  Matrix out{.rows = reader.header().rows, .dim = reader.header().dim};
  // Grows with what is read: a header may claim any number of rows.
  for (size_t i = 0; i < out.rows; ++i) {
    out.values.resize((i + 1) * out.dim);
    CORKSCREW_RETURN_IF_ERROR(
        reader.ReadRow(absl::MakeSpan(out.values).subspan(i * out.dim)));
  }
  if (out.rows == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("file \"", path, "\" has no rows"));
  }
  return out;
}

int64_t BucketOf(size_t row) {
  // Neighbouring rows are often similar; an odd multiplier spreads them.
  return static_cast<int64_t>(row * 7919 % kBuckets);
}

int64_t BucketLimit(double selectivity) {
  return static_cast<int64_t>(std::lround(selectivity * kBuckets));
}

// The sum of term(i) for i in [0, n). Eight sums side by side do not wait for
// each other.
template <typename Term>
double SumOf(size_t n, const Term& term) {
  std::array<double, 8> sums = {};
  size_t i = 0;
  for (; i + sums.size() <= n; i += sums.size()) {
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += term(i + j);
  }
  for (; i < n; ++i) sums[0] += term(i);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// Larger is better. The length of the query is left out of a cosine: it does
// not change which rows are best.
double ScoreOf(Metric metric, absl::Span<const float> query,
               absl::Span<const float> row) {
  const float* const a = query.data();
  const float* const b = row.data();
  if (metric == Metric::kL2) {
    return -SumOf(query.size(), [a, b](size_t i) {
      const double difference = double{a[i]} - double{b[i]};
      return difference * difference;
    });
  }
  const double dot = SumOf(
      query.size(), [a, b](size_t i) { return double{a[i]} * double{b[i]}; });
  if (metric == Metric::kDot) return dot;
  const double squares = SumOf(
      query.size(), [b](size_t i) { return double{b[i]} * double{b[i]}; });
  return squares == 0 ? 0 : dot / std::sqrt(squares);
}

// The rows of the k best by brute force in double precision, [queries, k].
// Where fewer match the rest is npos.
std::vector<size_t> TrueNeighbours(const Matrix& base, const Matrix& queries,
                                   Metric metric, size_t k,
                                   int64_t bucket_limit) {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  std::vector<size_t> truth(queries.rows * k, kNone);
  const auto work = [&](size_t first, size_t step) {
    std::vector<std::pair<double, size_t>> scores;
    for (size_t q = first; q < queries.rows; q += step) {
      scores.clear();
      for (size_t i = 0; i < base.rows; ++i) {
        if (BucketOf(i) >= bucket_limit) continue;
        scores.emplace_back(-ScoreOf(metric, queries.row(q), base.row(i)), i);
      }
      const size_t kept = std::min(k, scores.size());
      std::partial_sort(scores.begin(), scores.begin() + kept, scores.end());
      for (size_t i = 0; i < kept; ++i) truth[q * k + i] = scores[i].second;
    }
  };
  const size_t threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (size_t t = 1; t < threads; ++t) workers.emplace_back(work, t, threads);
  work(0, threads);
  for (std::thread& worker : workers) worker.join();
  return truth;
}

absl::StatusOr<std::vector<size_t>> ReadTruth(const Arguments& arguments,
                                              size_t queries,
                                              CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Matrix rows,
                             ReadMatrix(arguments.truth, context));
  if (rows.rows != queries || rows.dim < arguments.k) {
    return absl::InvalidArgumentError(absl::StrCat(
        "file \"", arguments.truth, "\" has shape (", rows.rows, ", ", rows.dim,
        "), want (", queries, ", ", arguments.k, " or more)"));
  }
  std::vector<size_t> out;
  for (size_t q = 0; q < queries; ++q) {
    for (size_t i = 0; i < arguments.k; ++i) {
      out.push_back(static_cast<size_t>(rows.row(q)[i]));
    }
  }
  return out;
}

// Puts the rows under their numbers. Returns the seconds it took.
absl::StatusOr<double> Build(const Matrix& base, Collection& collection,
                             Progress& progress) {
  constexpr size_t kBatch = 1024;
  const auto start = Clock::now();
  for (size_t first = 0; first < base.rows; first += kBatch) {
    const size_t count = std::min(kBatch, base.rows - first);
    std::vector<std::string> ids(count);
    std::vector<Metadata> metadata(count);
    std::vector<PutItem> items(count);
    for (size_t i = 0; i < count; ++i) {
      ids[i] = absl::StrCat(first + i);
      metadata[i] = {{kBucket, BucketOf(first + i)}};
      items[i].record.id = ids[i];
      items[i].record.vector = base.row(first + i);
      items[i].record.metadata = &metadata[i];
    }
    CORKSCREW_RETURN_IF_ERROR(collection.Put(items).status());
    progress.Update(first + count, (first + count) * base.dim * sizeof(float));
  }
  progress.Finish(base.rows);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Outcome {
  std::vector<double> microseconds = {};  // Of each query.
  double recall = 0;
  size_t fewest = std::numeric_limits<size_t>::max();  // Hits of one query.
};

absl::StatusOr<Outcome> RunQueries(const Collection& collection,
                                   const Matrix& queries,
                                   const Arguments& arguments,
                                   absl::Span<const size_t> truth) {
  Outcome out;
  std::vector<Query> all(queries.rows);
  for (size_t q = 0; q < queries.rows; ++q) {
    const absl::Span<const float> row = queries.row(q);
    Query& query = all[q];
    query = Query::Vector({row.begin(), row.end()});
    query.k = arguments.k;
    query.oversample = arguments.oversample;
    query.exact = arguments.exact;
    query.fields = {.vector = false, .text = false, .metadata = false};
    if (arguments.selectivity < 1) {
      query.filter = Filter::Compare(Filter::Op::kLt, kBucket,
                                     BucketLimit(arguments.selectivity));
    }
  }
  size_t found = 0;
  size_t wanted = 0;
  for (size_t first = 0; first < all.size(); first += arguments.batch) {
    const auto batch = absl::MakeSpan(all).subspan(first, arguments.batch);
    const auto start = Clock::now();
    std::vector<SearchReply> replies;
    if (arguments.batch == 1) {
      CORKSCREW_ASSIGN_OR_RETURN(SearchReply reply,
                                 collection.Search(batch.front()));
      replies.push_back(std::move(reply));
    } else {
      CORKSCREW_ASSIGN_OR_RETURN(replies, collection.SearchBatch(batch));
    }
    const double each =
        std::chrono::duration<double, std::micro>(Clock::now() - start)
            .count() /
        static_cast<double>(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      out.microseconds.push_back(each);
      out.fewest = std::min(out.fewest, replies[i].hits.size());
      const auto neighbours =
          truth.subspan((first + i) * arguments.k, arguments.k);
      for (const size_t row : neighbours) {
        wanted += row != std::numeric_limits<size_t>::max();
      }
      for (const Hit& hit : replies[i].hits) {
        size_t row = 0;
        found += absl::SimpleAtoi(hit.id, &row) &&
                 std::find(neighbours.begin(), neighbours.end(), row) !=
                     neighbours.end();
      }
    }
  }
  out.recall = wanted == 0
                   ? 1
                   : static_cast<double>(found) / static_cast<double>(wanted);
  return out;
}

absl::StatusOr<Metric> MetricOf(absl::string_view name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "dot") return Metric::kDot;
  return Metric::kL2;
}

absl::StatusOr<std::string> MakeTemporaryDirectory() {
  std::error_code error;
  std::string path =
      (std::filesystem::temp_directory_path(error) / "corkscrew-bench-XXXXXX")
          .string();
  if (error || mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("no temporary directory can be made at ", path,
                     "; give --database DIR"));
  }
  return path;
}

absl::StatusOr<ExitCode> BenchSearch(const Arguments& arguments,
                                     CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const Metric metric, MetricOf(arguments.metric));
  CORKSCREW_ASSIGN_OR_RETURN(const Matrix queries,
                             ReadMatrix(arguments.queries, context));
  if (!arguments.truth.empty() && arguments.selectivity < 1) {
    return absl::InvalidArgumentError(
        "--truth knows no filter: leave it out with --selectivity");
  }
  CORKSCREW_ASSIGN_OR_RETURN(Matrix base, ReadMatrix(arguments.base, context));
  if (base.dim != queries.dim) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the base has ", base.dim, " coordinates, the queries ", queries.dim));
  }
  const size_t rows = base.rows;
  std::vector<size_t> truth;
  if (arguments.truth.empty()) {
    truth = TrueNeighbours(base, queries, metric, arguments.k,
                           BucketLimit(arguments.selectivity));
  } else {
    CORKSCREW_ASSIGN_OR_RETURN(truth,
                               ReadTruth(arguments, queries.rows, context));
  }

  context.target.target = arguments.database;
  absl::Cleanup remove = [&context] {
    std::error_code ignored;
    std::filesystem::remove_all(context.target.target, ignored);
  };
  if (arguments.database.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(context.target.target, MakeTemporaryDirectory());
  } else {
    std::move(remove).Cancel();
  }
  context.target.create_if_missing = true;
  context.target.threads = arguments.threads;
  return WithDb(context, [&](Db& db) -> absl::StatusOr<ExitCode> {
    absl::StatusOr<std::shared_ptr<Collection>> collection =
        db.OpenCollection(kCollection);
    double build_seconds = 0;
    if (!collection.ok()) {
      CollectionOptions options;
      options.dim = base.dim;
      options.metric = metric;
      options.bits = arguments.bits;
      if (arguments.codes_only) options.originals = Originals::kCodesOnly;
      collection = db.CreateCollection(kCollection, options);
      CORKSCREW_RETURN_IF_ERROR(collection.status());
      Progress progress(context.console, "build", "vectors",
                        base.values.size() * sizeof(float), context.system.now);
      CORKSCREW_ASSIGN_OR_RETURN(build_seconds,
                                 Build(base, **collection, progress));
    }
    base = Matrix();  // Its memory is not the database's.
    CORKSCREW_ASSIGN_OR_RETURN(CollectionStats stats, (*collection)->Stats());
    if (stats.info.records != rows ||
        stats.info.options.bits != arguments.bits) {
      return absl::FailedPreconditionError(absl::StrCat(
          "database ", context.target.target, " holds ", stats.info.records,
          " records of ", stats.info.options.bits, " bits, want ", rows, " of ",
          arguments.bits, "; give another directory"));
    }
    // Once for warmth, once for the figures.
    CORKSCREW_RETURN_IF_ERROR(
        RunQueries(**collection, queries, arguments, truth).status());
    CORKSCREW_ASSIGN_OR_RETURN(
        const Outcome outcome,
        RunQueries(**collection, queries, arguments, truth));
    CORKSCREW_ASSIGN_OR_RETURN(stats, (*collection)->Stats());
    const double index_bytes =
        static_cast<double>(stats.index_bytes) / static_cast<double>(rows);
    const double rescore_bytes =
        static_cast<double>(stats.rescore_bytes) / static_cast<double>(rows);
    if (context.json) {
      JsonWriter json;
      json.BeginObject();
      json.Key("recall_at_k").Double(outcome.recall);
      json.Key("k").Integer(arguments.k);
      json.Key("p50_us").Double(Percentile(outcome.microseconds, 0.5));
      json.Key("p95_us").Double(Percentile(outcome.microseconds, 0.95));
      json.Key("fewest_hits").Integer(outcome.fewest);
      json.Key("bytes_per_vector").Double(index_bytes);
      json.Key("rescore_bytes_per_vector").Double(rescore_bytes);
      json.Key("build_s").Double(build_seconds);
      json.Key("vectors").Integer(rows);
      json.Key("dim").Integer(queries.dim);
      json.Key("queries").Integer(queries.rows);
      json.EndObject();
      context.console.out << json.text() << '\n';
    } else {
      context.console.out << absl::StrFormat(
          "recall@%d %.4f  p50 %.1f us  p95 %.1f us  index %.1f bytes per "
          "vector + %.1f to rescore  built in %.2f s\n",
          arguments.k, outcome.recall, Percentile(outcome.microseconds, 0.5),
          Percentile(outcome.microseconds, 0.95), index_bytes, rescore_bytes,
          build_seconds);
    }
    return ExitCode::kOk;
  });
}

void AddBenchSearch(CLI::App& bench, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *bench.add_subcommand(
      "search", "Recall and time of searches over the vectors of a file");
  verb.add_option("--base", arguments->base, "Vectors to search, .npy")
      ->type_name("FILE")
      ->required();
  verb.add_option("--queries", arguments->queries, "Vectors to look for, .npy")
      ->type_name("FILE")
      ->required();
  verb.add_option("--truth", arguments->truth,
                  "Rows of the true neighbours, best first, .npy of floats; "
                  "else they are found by brute force in double precision")
      ->type_name("FILE");
  verb.add_option("--metric", arguments->metric, "cosine, dot or l2")
      ->type_name("METRIC")
      ->capture_default_str()
      ->check(CLI::IsMember({"cosine", "dot", "l2"}).description(""));
  verb.add_option("--bits", arguments->bits, "Bits per coordinate, 1-8")
      ->type_name("B")
      ->capture_default_str()
      ->check(CLI::Range(1, 8).description(""));
  verb.add_option("--k", arguments->k, "Hits per query")
      ->type_name("K")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kMaxK).description(""));
  verb.add_option("--oversample", arguments->oversample,
                  "Candidates that are rescored, as a multiple of k")
      ->type_name("X")
      ->capture_default_str()
      ->check(CLI::Range(1.0F, kMaxOversample).description(""));
  verb.add_option("--threads", arguments->threads, "Threads of one search")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024).description(""));
  verb.add_option("--batch", arguments->batch, "Queries per call")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kMaxBatchQueries).description(""));
  verb.add_option("--selectivity", arguments->selectivity,
                  "Search with a filter that this part of the records matches")
      ->type_name("P")
      ->check(CLI::Range(0.001, 1.0).description(""));
  verb.add_flag("--exact", arguments->exact,
                "Exact search with the stored vectors");
  verb.add_flag("--codes-only", arguments->codes_only,
                "Store codes alone: nothing to rescore with");
  verb.add_option("--database", arguments->database,
                  "Build in this directory and keep it, or use what an earlier "
                  "run built there; else a temporary one")
      ->type_name("DIR");
  AddJson(verb, context);
  verb.footer(
      "Times are of the whole call, one query after another. The queries run "
      "twice; the second run counts.\n"
      "Example: corkscrew bench search --base base.npy --queries queries.npy "
      "--bits 2 --json");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] {
      return BenchSearch(*arguments, context);
    };
  });
}

struct RecallArguments {
  std::string name;
  size_t k = 10;
  size_t samples = 100;
  float oversample = 4;
};

// Ids of about `samples` records, spread over the collection.
absl::StatusOr<std::vector<std::string>> SampleIds(const Collection& collection,
                                                   size_t samples) {
  CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, collection.Info());
  const size_t step = std::max<size_t>(1, info.records / samples);
  std::vector<std::string> ids;
  size_t seen = 0;
  ListOptions list;
  list.fields = {.vector = false, .text = false, .metadata = false};
  list.page_size = kMaxPageSize;
  do {
    CORKSCREW_ASSIGN_OR_RETURN(ListReply page, collection.List(list));
    for (StoredRecord& record : page.records) {
      if (seen++ % step == 0 && ids.size() < samples) {
        ids.push_back(std::move(record.record.id));
      }
    }
    list.page_token = std::move(page.next_page_token);
  } while (!list.page_token.empty() && ids.size() < samples);
  return ids;
}

absl::StatusOr<ExitCode> Recall(const RecallArguments& arguments,
                                CommandContext& context) {
  return WithCollection(
      context, arguments.name,
      [&](Collection& collection) -> absl::StatusOr<ExitCode> {
        CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                                   SampleIds(collection, arguments.samples));
        size_t found = 0;
        size_t wanted = 0;
        double worst = 1;
        for (const std::string& id : ids) {
          Query query = Query::Like(id);
          query.k = arguments.k;
          query.oversample = arguments.oversample;
          query.fields = {.vector = false, .text = false, .metadata = false};
          CORKSCREW_ASSIGN_OR_RETURN(const SearchReply fast,
                                     collection.Search(query));
          query.exact = true;
          query.at = Moment::At(fast.at);
          CORKSCREW_ASSIGN_OR_RETURN(const SearchReply exact,
                                     collection.Search(query));
          size_t common = 0;
          for (const Hit& hit : fast.hits) {
            common += std::any_of(
                exact.hits.begin(), exact.hits.end(),
                [&hit](const Hit& other) { return other.id == hit.id; });
          }
          found += common;
          wanted += exact.hits.size();
          if (!exact.hits.empty()) {
            worst = std::min(worst, static_cast<double>(common) /
                                        static_cast<double>(exact.hits.size()));
          }
        }
        const double recall = wanted == 0 ? 1
                                          : static_cast<double>(found) /
                                                static_cast<double>(wanted);
        if (context.json) {
          JsonWriter json;
          json.BeginObject().Key("recall_at_k").Double(recall);
          json.Key("worst").Double(worst).Key("k").Integer(arguments.k);
          json.Key("samples").Integer(ids.size()).EndObject();
          context.console.out << json.text() << '\n';
        } else {
          context.console.out << absl::StrFormat(
              "recall@%d %.4f, worst query %.2f, over %d records\n",
              arguments.k, recall, worst, ids.size());
        }
        return ExitCode::kOk;
      });
}

}  // namespace

void AddBenchCommand(CLI::App& app, CommandContext& context) {
  CLI::App& bench =
      *app.add_subcommand("bench", "Measure speed and recall on this machine");
  bench.require_subcommand(1);
  AddBenchSearch(bench, context);
  AddBenchEmbed(bench, context);
}

void AddRecallCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<RecallArguments>();
  CLI::App& verb = *app.add_subcommand(
      "recall", "Compare the searches of a collection with exact ones");
  AddTarget(verb, context);
  AddName(verb, arguments->name);
  verb.add_option("--k", arguments->k, "Hits per query")
      ->type_name("K")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kMaxK).description(""));
  verb.add_option("--samples", arguments->samples,
                  "Records whose nearest neighbours are looked for")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000).description(""));
  verb.add_option("--oversample", arguments->oversample,
                  "Candidates that are rescored, as a multiple of k")
      ->type_name("X")
      ->capture_default_str()
      ->check(CLI::Range(1.0F, kMaxOversample).description(""));
  AddJson(verb, context);
  verb.footer("Example: corkscrew recall notes.db notes --samples 500");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] { return Recall(*arguments, context); };
  });
}

}  // namespace corkscrew
