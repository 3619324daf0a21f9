#include "db/reference_index.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/testing.h"
#include "db/filter.h"
#include "db/stage_sizes.h"
#include "gtest/gtest.h"
#include "quant/prepared_query.h"
#include "quant/scan_layout.h"

namespace corkscrew::reference {
namespace {

struct Scored {
  float score;
  const Written* written;
};

void SortAndCut(Metric metric, size_t n, std::vector<Scored>* scored) {
  std::sort(scored->begin(), scored->end(),
            [metric](const Scored& a, const Scored& b) {
              if (a.score != b.score) {
                return metric == Metric::kL2 ? a.score < b.score
                                             : a.score > b.score;
              }
              return a.written->body.id < b.written->body.id;
            });
  if (scored->size() > n) scored->resize(n);
}

// Leaves the `keep` best and all that tie with the last of them.
void CutWithTies(Metric metric, size_t keep, std::vector<Scored>* scored) {
  if (scored->size() <= keep) return;
  std::vector<float> scores;
  for (const Scored& s : *scored) {
    scores.push_back(metric == Metric::kL2 ? -s.score : s.score);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  const float least = scores[keep - 1];
  std::erase_if(*scored, [&](const Scored& s) {
    return (metric == Metric::kL2 ? -s.score : s.score) < least;
  });
}

struct Code {
  std::vector<uint8_t> bytes;
  CodeScalars scalars;
};

// The sum of the query's integers over the first `dims` coordinates, added
// where the sign bit is set and subtracted where it is not.
int32_t SignSum(const ScanLayout& layout, const PreparedQuery& prepared,
                const Code& code, size_t dims) {
  int32_t sum = 0;
  for (size_t j = 0; j < dims; ++j) {
    const size_t bits = static_cast<size_t>(layout.level_bits);
    const size_t bit = j * bits + bits - 1;
    const bool set = (code.bytes[bit / 8] >> (bit % 8) & 1) != 0;
    const int32_t value = prepared.rep().integers.wide[j];
    sum += set ? value : -value;
  }
  return sum;
}

// docs/quantizer.md, 1.2.
float StageScore(Metric metric, const ScanLayout& layout,
                 const PreparedQuery& prepared, const Code& code, size_t dims) {
  const ScoreUnits& units = prepared.rep().units;
  const auto dim = static_cast<double>(layout.dim);
  const auto sum = static_cast<float>(SignSum(layout, prepared, code, dims));
  const float norm = code.scalars.norm;
  if (metric == Metric::kCosine) return sum;
  if (metric == Metric::kDot) return sum * norm;
  const auto unit =
      static_cast<float>((double{units.dot} * dim) / static_cast<double>(dims));
  const auto level = static_cast<float>((6693141 * 0x1p-23) / std::sqrt(dim));
  const float dot = ((sum * unit) * norm) * level;
  return (norm * norm + units.norm2) - 2 * dot;
}

// Leaves what the stages before the last one keep, with the scores of that.
void ScoreByStages(const IndexOptions& options, const Quantizer& quantizer,
                   const IndexQuery& query, std::vector<Scored>* scored) {
  const Metric metric = options.metric;
  const std::vector<float> q(query.vector.begin(), query.vector.end());
  const ScanLayout layout(options.quantizer);
  const PreparedQuery prepared = *quantizer.Prepare(q);
  const size_t k = query.k + (query.exclude_id.empty() ? 0 : 1);
  const StageSizes sizes = SizesOf(layout, k, query.oversample,
                                   options.rescore_column, scored->size());
  std::map<const Written*, Code> codes;
  for (const Scored& s : *scored) {
    Code& code = codes[s.written];
    code.bytes.resize(quantizer.code_bytes());
    quantizer
        .Encode(s.written->vector, absl::MakeSpan(code.bytes), &code.scalars)
        .IgnoreError();
  }
  const size_t prefix_dims = std::min(layout.dim, 8 * layout.prefix_bytes);
  for (const auto& [keep, dims] :
       {std::pair{sizes.prefix, prefix_dims}, {sizes.sign, layout.dim}}) {
    for (Scored& s : *scored) {
      s.score = StageScore(metric, layout, prepared, codes[s.written], dims);
    }
    CutWithTies(metric, keep, scored);
  }
  for (Scored& s : *scored) {
    const Code& code = codes[s.written];
    quantizer.Score(prepared, metric, code.bytes, {&code.scalars, 1},
                    {&s.score, 1});
  }
  SortAndCut(metric, sizes.full, scored);
  if (!options.rescore_column) return;
  for (Scored& s : *scored) {
    const std::vector<float> fixed = ToFixed(s.written->vector);
    s.score = Score(metric, Dot8(fixed, q), fixed, q);
  }
}

}  // namespace

double Dot8(const std::vector<float>& x, const std::vector<float>& y) {
  double a[8] = {};
  for (size_t i = 0; i < x.size(); ++i) a[i % 8] += double{x[i]} * double{y[i]};
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

std::vector<float> ToFixed(const std::vector<float>& x) {
  for (int exponent = -149;; ++exponent) {
    const double scale = std::ldexp(1.0, exponent);
    std::vector<float> out;
    for (const float value : x) {
      const double factor = std::nearbyint(double{value} / scale);
      if (std::fabs(factor) > 32767) break;
      out.push_back(static_cast<float>(factor * scale));
    }
    if (out.size() == x.size()) return out;
  }
}

float Score(Metric metric, double dot, const std::vector<float>& x,
            const std::vector<float>& q) {
  const double x2 = Dot8(x, x);
  const double q2 = Dot8(q, q);
  if (metric == Metric::kDot) return static_cast<float>(dot);
  if (metric == Metric::kL2) {
    return static_cast<float>(std::max(0.0, (x2 + q2) - 2 * dot));
  }
  if (x2 == 0 || q2 == 0) return 0;
  return static_cast<float>(dot / (std::sqrt(x2) * std::sqrt(q2)));
}

std::vector<const Written*> History::At(Lamport at) const {
  std::map<std::string, const Written*> latest;
  for (const Written& written : all_) {
    if (written.body.lamport <= at) latest[written.body.id] = &written;
  }
  std::vector<const Written*> alive;
  for (const auto& [id, written] : latest) {
    if (written->metadata.has_value()) alive.push_back(written);
  }
  return alive;
}

std::vector<IndexHit> History::Search(const IndexOptions& options,
                                      const Quantizer& quantizer,
                                      const IndexQuery& query,
                                      Lamport now) const {
  const Metric metric = options.metric;
  const std::vector<float> q(query.vector.begin(), query.vector.end());
  std::vector<Scored> scored;
  for (const Written* written : At(std::min(now, query.at.value_or(now)))) {
    if (query.filter != nullptr &&
        !Matches(*query.filter, *written->metadata)) {
      continue;
    }
    scored.push_back({0, written});
  }
  const size_t k = query.k + (query.exclude_id.empty() ? 0 : 1);
  if (query.exact) {
    for (Scored& s : scored) {
      s.score = Score(metric, Dot8(s.written->vector, q), s.written->vector, q);
    }
  } else {
    ScoreByStages(options, quantizer, query, &scored);
  }
  SortAndCut(metric, k, &scored);
  std::erase_if(scored, [&query](const Scored& s) {
    return s.written->body.id == query.exclude_id;
  });
  SortAndCut(metric, query.k, &scored);
  std::vector<IndexHit> hits;
  for (const Scored& s : scored) {
    if (query.min_score.has_value() &&
        (metric == Metric::kL2 ? s.score > *query.min_score
                               : s.score < *query.min_score)) {
      continue;
    }
    hits.push_back({s.written->body, s.score});
  }
  return hits;
}

absl::Status History::ReadOriginals(absl::Span<const BodyKey> bodies,
                                    absl::Span<float> vectors) const {
  for (size_t i = 0; i < bodies.size(); ++i) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const Written& w) {
          return w.body.id == bodies[i].id && w.body.seq == bodies[i].seq &&
                 w.body.lamport == bodies[i].lamport &&
                 w.body.origin == bodies[i].origin &&
                 w.body.shard == bodies[i].shard;
        });
    if (found == all_.end()) {
      return absl::DataLossError(absl::StrCat("no body for ", bodies[i].id));
    }
    std::copy(found->vector.begin(), found->vector.end(),
              vectors.begin() + static_cast<ptrdiff_t>(i * dim_));
  }
  return absl::OkStatus();
}

std::vector<float> RandomVector(Random* random, size_t dim, Shape shape) {
  std::vector<float> x(dim);
  for (float& v : x) {
    const auto normal = static_cast<float>(random->Normal());
    switch (shape) {
      case Shape::kNormal:
        v = normal;
        break;
      case Shape::kFew:  // Many duplicates and ties.
        v = static_cast<float>(random->Next() % 2) + 1;
        break;
      case Shape::kCluster:  // Nearer to each other than bfloat16 can tell.
        v = 1 + normal * 1e-4f;
        break;
      case Shape::kFar:  // Far from the origin.
        v = 1e6f + normal;
        break;
      case Shape::kTiny:  // Subnormal.
        v = normal * 1e-40f;
        break;
      case Shape::kZeros:
        v = random->Next() % 8 == 0 ? normal : 0;
        break;
    }
  }
  if (shape != Shape::kZeros && x[0] == 0) x[0] = 1e-40f;
  return x;
}

Numbered::Numbered(size_t n, size_t dim, uint64_t seed, Shape shape)
    : dim_(dim) {
  Random random(seed);
  for (size_t i = 0; i < n; ++i) {
    vectors_.push_back(RandomVector(&random, dim, shape));
  }
}

Written Numbered::At(size_t i) const {
  return {.body = {.id = absl::StrCat(i), .lamport = 1, .seq = i + 1},
          .vector = vectors_[i],
          .metadata =
              Metadata{{"n", static_cast<int64_t>(i)}, {"half", i % 2 == 0}}};
}

absl::Status Numbered::ReadOriginals(absl::Span<const BodyKey> bodies,
                                     absl::Span<float> vectors) const {
  for (size_t i = 0; i < bodies.size(); ++i) {
    const std::vector<float>& from = vectors_[bodies[i].seq - 1];
    std::copy(from.begin(), from.end(),
              vectors.begin() + static_cast<ptrdiff_t>(i * dim_));
  }
  return absl::OkStatus();
}

std::vector<IndexHit> SearchOne(const Index& index, const IndexQuery& query,
                                const OriginalReader& originals) {
  auto hits = index.Search({&query, 1}, originals, nullptr);
  EXPECT_THAT(hits, testing::IsOk());
  return hits.ok() ? (*hits)[0] : std::vector<IndexHit>();
}

void AddTo(Index* index, const IndexOptions& options, const Written& written) {
  if (!written.metadata.has_value()) {
    index->Add({.body = &written.body});
    return;
  }
  std::vector<uint8_t> code(index->quantizer().code_bytes());
  IndexEntry entry{.body = &written.body, .metadata = &*written.metadata};
  index->quantizer()
      .Encode(written.vector, absl::MakeSpan(code), &entry.scalars)
      .IgnoreError();
  entry.code = code;
  if (options.rescore_column) entry.original = written.vector;
  index->Add(entry);
}

std::unique_ptr<Index> MakeIndex(const IndexOptions& options,
                                 const std::vector<Written>& history,
                                 Lamport now) {
  std::unique_ptr<Index> index = *Index::Create(options);
  for (const Written& written : history) AddTo(index.get(), options, written);
  index->Publish(now);
  return index;
}

std::vector<std::string> Describe(const std::vector<IndexHit>& hits) {
  std::vector<std::string> out;
  for (const IndexHit& hit : hits) {
    out.push_back(absl::StrFormat("%s@%d.%d.%d.%d=%a", hit.body.id,
                                  hit.body.lamport, hit.body.origin,
                                  hit.body.seq, hit.body.shard, hit.score));
  }
  return out;
}

}  // namespace corkscrew::reference
