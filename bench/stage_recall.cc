// What each stage of a search keeps of the true neighbours, by how many slots
// it keeps: what db/stage_sizes.h is chosen with (docs/quantizer.md, 1.2).
//
//   stage_recall BITS SEEDS K QUERIES clustered ROWS
//   stage_recall BITS SEEDS K QUERIES BASE.npy QUERIES.npy [ROWS [DIM]]
//
// Vectors of files are float32; of BASE the first ROWS, of these the first DIM
// coordinates, scaled to length 1. The clustered ones: 500
// clusters of Zipf(0.7) sizes, centres uniform on the sphere, Gaussian noise in
// a shared subspace of rank 48 and a little in all directions. Scores are
// cosines. Prints shares of the K true neighbours (in double precision), of
// QUERIES queries with each of SEEDS seeds of the quantizer, that are
//   left after P slots of the prefix, and S of these of the sign plane;
//   among the best K of these by the full code ("codes");
//   among the best 2 K and 4 K ("x2", "x4"): what rescoring can return.
// "all" slots: without that stage.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "corkscrew/quantizer.h"
#include "quant/code_scan.h"
#include "quant/rescore.h"
#include "quant/scan_layout.h"

namespace corkscrew {
namespace {

constexpr size_t kClusteredDim = 384;

// Rows of unit length.
struct Rows {
  size_t dim = 0;
  std::vector<float> values;

  size_t size() const { return values.size() / dim; }
  absl::Span<const float> row(size_t i) const {
    return absl::MakeConstSpan(values).subspan(i * dim, dim);
  }
};

void Normalise(Rows* rows) {
  for (size_t i = 0; i < rows->size(); ++i) {
    float* const x = rows->values.data() + i * rows->dim;
    const double length = std::sqrt(Dot8(rows->row(i), rows->row(i)));
    for (size_t j = 0; j < rows->dim; ++j) {
      x[j] = static_cast<float>(x[j] / length);
    }
  }
}

// Of a two-dimensional .npy file of float32.
//   InvalidArgument  it is not one, or has a value that is not finite
// The first `most` rows, and `dim` coordinates of each.
absl::StatusOr<Rows> ReadNpy(const std::string& path, size_t most, size_t dim) {
  std::ifstream in(path, std::ios::binary);
  char magic[10] = {};
  in.read(magic, sizeof(magic));
  std::string header(static_cast<uint8_t>(magic[8]) +
                         size_t{256} * static_cast<uint8_t>(magic[9]),
                     ' ');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  const size_t shape = header.find("'shape': (");
  size_t count = 0;
  Rows rows;
  if (!in || header.find("'<f4'") == std::string::npos ||
      shape == std::string::npos ||
      std::sscanf(header.c_str() + shape, "'shape': (%zu, %zu)", &count,
                  &rows.dim) != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a matrix of float32"));
  }
  rows.values.resize(std::min(count, most) * rows.dim);
  in.read(reinterpret_cast<char*>(rows.values.data()),
          static_cast<std::streamsize>(rows.values.size() * sizeof(float)));
  const Rows whole = rows;
  rows.dim = std::min(dim, whole.dim);
  rows.values.clear();
  for (size_t i = 0; i < whole.size(); ++i) {
    const auto row = whole.row(i).first(rows.dim);
    rows.values.insert(rows.values.end(), row.begin(), row.end());
  }
  for (const float x : rows.values) {
    if (!std::isfinite(x)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": has the value ", x));
    }
  }
  Normalise(&rows);
  return rows;
}

Rows Clustered(size_t count) {
  constexpr size_t kClusters = 500;
  constexpr size_t kRank = 48;
  Random random(7);
  const auto normals = [&random](size_t n, double scale) {
    std::vector<float> all(n);
    for (float& x : all) x = static_cast<float>(scale * random.Normal());
    return all;
  };
  Rows centres{kClusteredDim, normals(kClusters * kClusteredDim, 1)};
  Normalise(&centres);
  const std::vector<float> subspace =
      normals(kRank * kClusteredDim, 1 / std::sqrt(kClusteredDim));
  std::vector<double> until(kClusters);  // Cumulative weights.
  double weight = 0;
  for (size_t i = 0; i < kClusters; ++i) {
    weight += std::pow(static_cast<double>(i + 1), -0.7);
    until[i] = weight;
  }
  Rows rows{kClusteredDim, {}};
  rows.values.reserve(count * kClusteredDim);
  for (size_t i = 0; i < count; ++i) {
    const auto cluster =
        static_cast<size_t>(std::lower_bound(until.begin(), until.end(),
                                             weight * random.Uniform()) -
                            until.begin());
    const auto centre = centres.row(std::min(cluster, kClusters - 1));
    std::vector<float> x(centre.begin(), centre.end());
    for (size_t r = 0; r < kRank; ++r) {
      const auto by = static_cast<float>(0.12 * random.Normal());
      for (size_t j = 0; j < kClusteredDim; ++j) {
        x[j] += by * subspace[r * kClusteredDim + j];
      }
    }
    for (float& v : x) v += static_cast<float>(0.015 * random.Normal());
    rows.values.insert(rows.values.end(), x.begin(), x.end());
  }
  Normalise(&rows);
  return rows;
}

// The `n` best by `scores`, in any order; of equals the first.
template <typename Score>
std::vector<uint32_t> Best(std::vector<uint32_t> slots, size_t n,
                           const std::vector<Score>& scores) {
  if (slots.size() <= n) return slots;
  std::nth_element(slots.begin(), slots.begin() + static_cast<ptrdiff_t>(n),
                   slots.end(), [&](uint32_t a, uint32_t b) {
                     return scores[a] != scores[b] ? scores[a] > scores[b]
                                                   : a < b;
                   });
  slots.resize(n);
  return slots;
}

class Columns {
 public:
  Columns(const Rows& base, int bits, uint64_t seed)
      : quantizer_(
            *Quantizer::Create({.dim = base.dim, .bits = bits, .seed = seed})),
        scan_(quantizer_),
        slots_(base.size()) {
    const ScanLayout& layout = scan_.layout();
    prefix_.resize(layout.prefix_size(slots_));
    rest_.resize(layout.rest_size(slots_) + kScanPadding);
    low_.resize(layout.low_size(slots_) + kScanPadding);
    scalars_.resize(slots_);
    std::vector<uint8_t> code(quantizer_.code_bytes());
    for (size_t i = 0; i < slots_; ++i) {
      // All vectors are finite.
      quantizer_.Encode(base.row(i), absl::MakeSpan(code), &scalars_[i])
          .IgnoreError();
      StoreCode(layout, code, i, {prefix_.data(), rest_.data(), low_.data()});
    }
  }

  // The scores of all slots, by stage.
  struct Scores {
    std::vector<int16_t> prefix;
    std::vector<int32_t> sign;
    std::vector<float> full;
  };
  Scores ScoresOf(absl::Span<const float> query) const {
    const PreparedQuery prepared = *quantizer_.Prepare(query);
    const ScanQuery scan = scan_.Prepare(prepared);
    const size_t blocks = ScanLayout::Blocks(slots_);
    Scores scores;
    scores.prefix.resize(blocks * kScanBlock);
    scores.sign.resize(slots_);
    scores.full.resize(slots_);
    scan_.PrefixSums(scan, prefix_.data(), blocks, scores.prefix.data());
    std::vector<uint32_t> all(slots_);
    std::iota(all.begin(), all.end(), uint32_t{0});
    const ScanColumns columns{prefix_.data(), rest_.data(), low_.data()};
    scan_.SignSums(scan, columns, all, scores.prefix.data(),
                   scores.sign.data());
    std::vector<float> sums(slots_);
    scan_.FullSums(scan, columns, all, scores.sign.data(), sums.data());
    scan_.FullScores(scan, Metric::kCosine, sums.data(), nullptr,
                     scalars_.data(), slots_, scores.full.data());
    return scores;
  }

 private:
  Quantizer quantizer_;
  CodeScan scan_;
  size_t slots_;
  std::vector<uint8_t> prefix_, rest_, low_;
  std::vector<CodeScalars> scalars_;
};

// Neighbours that are left, at each place.
struct Left {
  size_t prefix = 0, sign = 0, codes = 0, twice = 0, four_times = 0;
};

void Measure(const Rows& base, const Rows& queries, int bits, uint64_t seeds,
             size_t k) {
  const size_t n = base.size();
  std::vector<uint32_t> all(n);
  std::iota(all.begin(), all.end(), uint32_t{0});
  std::vector<std::vector<uint32_t>> truth;
  std::vector<double> exact(n);
  for (size_t q = 0; q < queries.size(); ++q) {
    for (size_t i = 0; i < n; ++i) exact[i] = Dot8(base.row(i), queries.row(q));
    truth.push_back(Best(all, k, exact));
    std::sort(truth.back().begin(), truth.back().end());
  }
  std::vector<size_t> prefixes;
  for (const size_t keep :
       {300, 500, 700, 1000, 1400, 2000, 2800, 4000, 8000, 16000}) {
    if (keep < n) prefixes.push_back(keep);
  }
  prefixes.push_back(n);
  std::vector<size_t> signs;
  for (const size_t keep :
       {40, 60, 80, 100, 120, 160, 200, 240, 320, 480, 640, 1000}) {
    if (keep < n) signs.push_back(keep);
  }
  signs.push_back(n);
  std::vector<Left> left(prefixes.size() * signs.size());
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const Columns columns(base, bits, seed);
    for (size_t q = 0; q < queries.size(); ++q) {
      const Columns::Scores scores = columns.ScoresOf(queries.row(q));
      const auto found = [&](const std::vector<uint32_t>& slots) {
        size_t count = 0;
        for (const uint32_t slot : slots) {
          count += std::binary_search(truth[q].begin(), truth[q].end(), slot)
                       ? 1
                       : 0;
        }
        return count;
      };
      std::vector<uint32_t> by_prefix = all;
      for (size_t p = prefixes.size(); p-- > 0;) {
        by_prefix = Best(std::move(by_prefix), prefixes[p], scores.prefix);
        std::vector<uint32_t> by_sign = by_prefix;
        for (size_t s = signs.size(); s-- > 0;) {
          by_sign = Best(std::move(by_sign), signs[s], scores.sign);
          Left& to = left[p * signs.size() + s];
          to.prefix += found(by_prefix);
          to.sign += found(by_sign);
          auto best = Best(by_sign, 4 * k, scores.full);
          to.four_times += found(best);
          best = Best(std::move(best), 2 * k, scores.full);
          to.twice += found(best);
          to.codes += found(Best(std::move(best), k, scores.full));
        }
      }
    }
  }
  const auto total = static_cast<double>(queries.size() * seeds * k);
  std::printf("%zu x %zu, %d bits, k = %zu\n%8s %7s %7s %7s %7s %7s %7s\n", n,
              base.dim, bits, k, "prefix", "sign", "after P", "after S",
              "codes", "x2", "x4");
  for (size_t p = 0; p < prefixes.size(); ++p) {
    for (size_t s = 0; s < signs.size(); ++s) {
      const Left& of = left[p * signs.size() + s];
      const auto share = [total](size_t count) {
        return static_cast<double>(count) / total;
      };
      const auto name = [n](size_t keep) {
        return keep == n ? std::string("all") : std::to_string(keep);
      };
      std::printf("%8s %7s %7.4f %7.4f %7.4f %7.4f %7.4f\n",
                  name(prefixes[p]).c_str(), name(signs[s]).c_str(),
                  share(of.prefix), share(of.sign), share(of.codes),
                  share(of.twice), share(of.four_times));
    }
  }
}

int Main(absl::Span<char* const> arguments) {
  size_t bits = 0, seeds = 0, k = 0, asked = 0;
  size_t rows = static_cast<size_t>(-1);
  size_t dim = rows;
  if (arguments.size() < 7 || arguments.size() > 9 ||
      !absl::SimpleAtoi(arguments[1], &bits) ||
      !absl::SimpleAtoi(arguments[2], &seeds) ||
      !absl::SimpleAtoi(arguments[3], &k) ||
      !absl::SimpleAtoi(arguments[4], &asked)) {
    std::fprintf(stderr, "usage: see the first lines of stage_recall.cc\n");
    return 2;
  }
  Rows base;
  Rows queries;
  if (std::string(arguments[5]) == "clustered") {
    if (!absl::SimpleAtoi(arguments[6], &rows)) return 2;
    base = Clustered(rows + asked);
    queries.dim = base.dim;
    queries.values.assign(
        base.values.end() - static_cast<ptrdiff_t>(asked * base.dim),
        base.values.end());
    base.values.resize(rows * base.dim);
  } else {
    if ((arguments.size() > 7 && !absl::SimpleAtoi(arguments[7], &rows)) ||
        (arguments.size() > 8 && !absl::SimpleAtoi(arguments[8], &dim))) {
      return 2;
    }
    auto read = ReadNpy(arguments[5], rows, dim);
    auto read_queries = ReadNpy(arguments[6], asked, dim);
    for (const absl::Status& status : {read.status(), read_queries.status()}) {
      if (status.ok()) continue;
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
    base = *std::move(read);
    queries = *std::move(read_queries);
  }
  Measure(base, queries, static_cast<int>(bits), seeds, k);
  return 0;
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  return corkscrew::Main({argv, static_cast<size_t>(argc)});
}
