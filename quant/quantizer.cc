#include "corkscrew/quantizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/metric.h"
#include "quant/code_sums.h"
#include "quant/codebook.h"
#include "quant/encode.h"
#include "quant/packing.h"
#include "quant/prepared_query.h"
#include "quant/rescore.h"
#include "quant/rotation.h"
#include "quant/score_formulas.h"

namespace corkscrew {
namespace {

constexpr double kOne = 0x1p24;  // Fixed-point 1.0.
constexpr double kMaxNorm = 0x1p60;
constexpr double kMinNorm = 0x1p-60;  // Shorter vectors are null.
constexpr double kQueryGrid = 127;    // Class S8.
constexpr size_t kMaxDim = 65535;

// Rows whose sums are held on the stack between the two halves of scoring.
constexpr size_t kRowBlock = 256;

absl::Status CheckSize(const char* what, size_t size, size_t want) {
  if (size == want) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", size, " coordinates, want ", want));
}

// Writes `vector`, scaled to length 1, in fixed point to `v` (all 0 for a null
// vector) and returns its length (0 for a null vector).
absl::StatusOr<double> ToFixedPoint(absl::Span<const float> vector,
                                    absl::Span<int32_t> v) {
  const double norm = std::sqrt(Dot8(vector, vector));
  if (!std::isfinite(norm)) {
    for (size_t i = 0; i < vector.size(); ++i) {
      if (!std::isfinite(vector[i])) {
        return absl::InvalidArgumentError(absl::StrCat(
            "coordinate ", i, " is ", vector[i], ", want a finite number"));
      }
    }
  }
  if (norm > kMaxNorm) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vector has length ", norm, ", want at most 2^60; scale it down"));
  }
  if (norm < kMinNorm) {
    std::fill(v.begin(), v.end(), 0);
    return 0.0;
  }
  ScaleAndRound(vector.data(), vector.size(), kOne / norm, v.data());
  return norm;
}

// Writes the query integers of `rotated` to `grid` and returns the largest
// magnitude in `rotated`. `scratch` has its size.
int32_t ToQueryGrid(absl::Span<const int32_t> rotated,
                    absl::Span<int32_t> scratch, std::vector<int8_t>* grid) {
  int32_t largest = 0;
  for (const int32_t r : rotated) largest = std::max(largest, std::abs(r));
  grid->assign(rotated.size(), 0);
  if (largest == 0) return 0;
  ScaleAndRound(rotated.data(), rotated.size(),
                kQueryGrid / static_cast<double>(largest), scratch.data());
  std::transform(scratch.begin(), scratch.end(), grid->begin(),
                 [](int32_t q) { return static_cast<int8_t>(q); });
  return largest;
}

}  // namespace

struct Quantizer::Rep {
  explicit Rep(const QuantizerParams& p)
      : params(p),
        level_bits(p.mode == QuantizerMode::kIp ? p.bits - 1 : p.bits),
        level_bytes(PackedBytes(p.dim, level_bits)),
        code_bytes(level_bytes + (p.mode == QuantizerMode::kIp
                                      ? PackedBytes(p.dim, 1)
                                      : size_t{0})),
        root_dim(std::sqrt(static_cast<double>(p.dim))),
        codebook(MakeCodebook(p.codebook, level_bits)),
        level_unit((static_cast<double>(codebook.unit) * 0x1p-23) / root_dim),
        finder(codebook, p.dim),
        rotation(p.dim, p.seed, RotationKind::kMain),
        sums(codebook, level_bits, p.dim) {
    if (p.mode == QuantizerMode::kIp) {
      fixed_levels = FixedPointLevels(codebook, p.dim);
      sketch_rotation.emplace_back(p.dim, p.seed, RotationKind::kSketch);
      sketch_sums.emplace_back(MakeCodebook(1, 1), 1, p.dim);
    }
  }

  bool is_ip() const { return params.mode == QuantizerMode::kIp; }

  // Memory of one encoding, reused by a batch.
  struct Scratch {
    explicit Scratch(size_t dim)
        : padded_v(EncodePadded(dim)),
          padded_codes(EncodePadded(dim)),
          spare(dim),
          v(absl::MakeSpan(padded_v).first(dim)),
          codes(absl::MakeSpan(padded_codes).first(dim)) {}

    std::vector<int32_t> padded_v;  // 0 after the last coordinate.
    std::vector<uint8_t> padded_codes;
    std::vector<int32_t> spare;  // For rotations.
    absl::Span<int32_t> v;       // The rotated vector.
    absl::Span<uint8_t> codes;   // One byte per coordinate.
  };

  bool HasPossibleScalars(const CodeScalars& scalars) const;
  absl::Status Encode(absl::Span<const float> vector, absl::Span<uint8_t> code,
                      CodeScalars* scalars, Scratch& scratch) const;
  void EncodeSketch(double norm, absl::Span<uint8_t> sketch,
                    CodeScalars* scalars, Scratch& scratch) const;
  void DecodeLevels(absl::Span<const uint8_t> code, const CodeScalars& scalars,
                    absl::Span<float> vector, Scratch& scratch) const;
  void AddSketch(absl::Span<const uint8_t> sketch, float gamma,
                 absl::Span<float> vector, Scratch& scratch) const;

  QuantizerParams params;
  int level_bits;      // Bits per coordinate without the sketch.
  size_t level_bytes;  // Bytes of a code without the sketch.
  size_t code_bytes;
  double root_dim;
  Codebook codebook;
  double level_unit;  // kd: level 1 of the codebook, for a unit vector.
  CodeFinder finder;
  Rotation rotation;
  CodeSums sums;
  // Mode kIp only: one element each.
  std::vector<int32_t> fixed_levels;
  std::vector<Rotation> sketch_rotation;
  std::vector<CodeSums> sketch_sums;
};

// Whether Encode() can give these, within a factor 2. What passes cannot make a
// score NaN.
bool Quantizer::Rep::HasPossibleScalars(const CodeScalars& scalars) const {
  const double norm = scalars.norm;
  const double scale = scalars.scale;
  if (norm == 0) return scale == 0;
  // NaN fails every comparison.
  if (!(norm >= kMinNorm && norm <= kMaxNorm)) return false;
  // The sum D of 2.11 is at least |v|, as no level is below 1, and at most |v|
  // times the length of the levels, which is below sqrt(65535) * 4061 < 2^20.
  const double least = is_ip() ? 0 : norm * 0x1p-21;
  return scale >= least && scale <= 2 * norm;
}

absl::Status Quantizer::Rep::Encode(absl::Span<const float> vector,
                                    absl::Span<uint8_t> code,
                                    CodeScalars* scalars,
                                    Scratch& scratch) const {
  absl::Span<int32_t> v = scratch.v;
  CORKSCREW_ASSIGN_OR_RETURN(const double norm, ToFixedPoint(vector, v));
  rotation.Forward(v, absl::MakeSpan(scratch.spare));
  const int64_t dot = finder.Find(v.data(), v.size(), scratch.codes.data());
  PackBits(scratch.codes, level_bits, code.first(level_bytes));
  if (is_ip()) {
    EncodeSketch(norm, code.subspan(level_bytes), scalars, scratch);
    return absl::OkStatus();
  }
  scalars->norm = static_cast<float>(norm);
  scalars->scale =
      norm == 0 ? 0.0f
                : static_cast<float>((norm * kOne) / static_cast<double>(dot));
  return absl::OkStatus();
}

// From scratch.v and scratch.codes.
void Quantizer::Rep::EncodeSketch(double norm, absl::Span<uint8_t> sketch,
                                  CodeScalars* scalars,
                                  Scratch& scratch) const {
  absl::Span<int32_t> residual = scratch.v;
  for (size_t j = 0; j < residual.size(); ++j) {
    residual[j] -= fixed_levels[scratch.codes[j]];
  }
  int64_t squares = 0;
  for (const int32_t r : residual) squares += int64_t{r} * r;
  sketch_rotation[0].Forward(residual, absl::MakeSpan(scratch.spare));
  int64_t magnitudes = 0;
  for (size_t j = 0; j < residual.size(); ++j) {
    magnitudes += std::abs(int64_t{residual[j]});
    scratch.codes[j] = residual[j] >= 0 || norm == 0 ? 1 : 0;
  }
  PackBits(scratch.codes, 1, sketch);
  scalars->norm = static_cast<float>(norm);
  scalars->scale = magnitudes == 0
                       ? 0.0f
                       : static_cast<float>((static_cast<double>(squares) /
                                             static_cast<double>(magnitudes)) *
                                            (norm * 0x1p-24));
}

// Least squares in mode kMse, plain in mode kIp.
void Quantizer::Rep::DecodeLevels(absl::Span<const uint8_t> code,
                                  const CodeScalars& scalars,
                                  absl::Span<float> vector,
                                  Scratch& scratch) const {
  UnpackBits(code.first(level_bytes), level_bits, scratch.codes);
  int64_t squares = 0;
  for (const uint8_t k : scratch.codes) {
    squares += int64_t{codebook.levels[k]} * codebook.levels[k];
  }
  const double length = std::sqrt(static_cast<double>(squares));
  const double unit = kOne / length;
  for (size_t j = 0; j < vector.size(); ++j) {
    scratch.v[j] = static_cast<int32_t>(std::rint(
        static_cast<double>(codebook.levels[scratch.codes[j]]) * unit));
  }
  rotation.Inverse(scratch.v, absl::MakeSpan(scratch.spare));
  const double norm = scalars.norm;
  double factor = 0;  // Of a null vector.
  if (is_ip()) {
    factor = norm * level_unit;
  } else if (scalars.scale != 0) {
    factor = (norm * norm) / (static_cast<double>(scalars.scale) *
                              static_cast<double>(squares));
  }
  for (size_t j = 0; j < vector.size(); ++j) {
    vector[j] = static_cast<float>(static_cast<double>(scratch.v[j]) *
                                   ((factor * length) * 0x1p-24));
  }
}

void Quantizer::Rep::AddSketch(absl::Span<const uint8_t> sketch, float gamma,
                               absl::Span<float> vector,
                               Scratch& scratch) const {
  UnpackBits(sketch, 1, scratch.codes);
  const auto magnitude = static_cast<int32_t>(std::rint(kOne / root_dim));
  for (size_t j = 0; j < vector.size(); ++j) {
    scratch.v[j] = scratch.codes[j] != 0 ? magnitude : -magnitude;
  }
  sketch_rotation[0].Inverse(scratch.v, absl::MakeSpan(scratch.spare));
  rotation.Inverse(scratch.v, absl::MakeSpan(scratch.spare));
  const double unit = (static_cast<double>(gamma) * root_dim) * 0x1p-24;
  for (size_t j = 0; j < vector.size(); ++j) {
    vector[j] += static_cast<float>(static_cast<double>(scratch.v[j]) * unit);
  }
}

PreparedQuery::PreparedQuery(std::unique_ptr<const Rep> rep)
    : rep_(std::move(rep)) {}
PreparedQuery::PreparedQuery(PreparedQuery&&) noexcept = default;
PreparedQuery& PreparedQuery::operator=(PreparedQuery&&) noexcept = default;
PreparedQuery::~PreparedQuery() = default;
double PreparedQuery::norm() const { return rep_->norm; }

Quantizer::Quantizer(std::unique_ptr<const Rep> rep) : rep_(std::move(rep)) {}
Quantizer::Quantizer(Quantizer&&) noexcept = default;
Quantizer& Quantizer::operator=(Quantizer&&) noexcept = default;
Quantizer::~Quantizer() = default;
const QuantizerParams& Quantizer::params() const { return rep_->params; }
size_t Quantizer::code_bytes() const { return rep_->code_bytes; }

absl::StatusOr<Quantizer> Quantizer::Create(const QuantizerParams& params) {
  if (params.dim < 1 || params.dim > kMaxDim) {
    return absl::InvalidArgumentError(absl::StrCat(
        "quantizer: dim is ", params.dim, ", want 1 to ", kMaxDim));
  }
  const bool mse = params.mode == QuantizerMode::kMse;
  if (!mse && params.mode != QuantizerMode::kIp) {
    return absl::InvalidArgumentError(
        absl::StrCat("quantizer: mode is ", static_cast<int>(params.mode),
                     ", want 1 (mse) or 2 (ip)"));
  }
  const int min_bits = mse ? 1 : 2;
  if (params.bits < min_bits || params.bits > 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("quantizer: bits is ", params.bits, ", want ", min_bits,
                     " to 8 in mode ", mse ? "mse" : "ip"));
  }
  QuantizerParams resolved = params;
  const bool uniform_allowed = mse && params.bits == 8;
  if (params.codebook == 0) resolved.codebook = uniform_allowed ? 2 : 1;
  if (resolved.codebook != 1 && !(resolved.codebook == 2 && uniform_allowed)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "quantizer: codebook is ", params.codebook, ", want 1",
        uniform_allowed ? " or 2" : " (2 is for mode mse with 8 bits)"));
  }
  return Quantizer(std::make_unique<const Rep>(resolved));
}

absl::Status Quantizer::Encode(absl::Span<const float> vector,
                               absl::Span<uint8_t> code,
                               CodeScalars* scalars) const {
  return EncodeBatch(vector, code, {scalars, 1});
}

absl::Status Quantizer::EncodeBatch(absl::Span<const float> vectors,
                                    absl::Span<uint8_t> codes,
                                    absl::Span<CodeScalars> scalars) const {
  const size_t dim = rep_->params.dim;
  const size_t rows = scalars.size();
  const bool single = rows == 1;
  CORKSCREW_RETURN_IF_ERROR(CheckSize(single ? "vector" : "batch of vectors",
                                      vectors.size(), rows * dim));
  if (codes.size() != rows * code_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("code buffer has ", codes.size(), " bytes, want ",
                     rows * code_bytes()));
  }
  Rep::Scratch scratch(dim);
  for (size_t row = 0; row < rows; ++row) {
    const absl::Status status =
        rep_->Encode(vectors.subspan(row * dim, dim),
                     codes.subspan(row * code_bytes(), code_bytes()),
                     &scalars[row], scratch);
    if (!status.ok() && !single) {
      return absl::Status(status.code(),
                          absl::StrCat("row ", row, ": ", status.message()));
    }
    CORKSCREW_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status Quantizer::Validate(absl::Span<const uint8_t> code,
                                 const CodeScalars& scalars) const {
  if (code.size() != code_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("code has ", code.size(), " bytes, want ", code_bytes()));
  }
  const Rep& rep = *rep_;
  const bool clean =
      UnusedBitsAreZero(code.first(rep.level_bytes), rep.params.dim,
                        rep.level_bits) &&
      (!rep.is_ip() ||
       UnusedBitsAreZero(code.subspan(rep.level_bytes), rep.params.dim, 1));
  if (!clean) {
    return absl::InvalidArgumentError(
        absl::StrCat("code of ", rep.params.dim,
                     " coordinates has a bit set after the last one, want 0"));
  }
  if (!rep.HasPossibleScalars(scalars)) {
    return absl::InvalidArgumentError(
        absl::StrCat("code has norm ", scalars.norm, " and scale ",
                     scalars.scale, ", which no vector has"));
  }
  return absl::OkStatus();
}

void Quantizer::Decode(absl::Span<const uint8_t> code,
                       const CodeScalars& scalars,
                       absl::Span<float> vector) const {
  assert(code.size() == code_bytes() && vector.size() == rep_->params.dim);
  Rep::Scratch scratch(rep_->params.dim);
  rep_->DecodeLevels(code, scalars, vector, scratch);
  if (rep_->is_ip()) {
    rep_->AddSketch(code.subspan(rep_->level_bytes), scalars.scale, vector,
                    scratch);
  }
}

absl::StatusOr<PreparedQuery> Quantizer::Prepare(
    absl::Span<const float> query) const {
  const size_t dim = rep_->params.dim;
  CORKSCREW_RETURN_IF_ERROR(CheckSize("query", query.size(), dim));
  std::vector<int32_t> v(dim);
  std::vector<int32_t> spare(dim);
  std::vector<int8_t> grid;
  auto prepared = std::make_unique<PreparedQuery::Rep>();
  CORKSCREW_ASSIGN_OR_RETURN(prepared->norm,
                             ToFixedPoint(query, absl::MakeSpan(v)));
  const double norm = prepared->norm;
  prepared->units.norm2 = static_cast<float>(norm * norm);
  rep_->rotation.Forward(absl::MakeSpan(v), absl::MakeSpan(spare));
  const double largest = ToQueryGrid(v, absl::MakeSpan(spare), &grid);
  prepared->units.dot =
      static_cast<float>((norm * largest) / (kQueryGrid * kOne));
  prepared->units.cosine = static_cast<float>(largest / (kQueryGrid * kOne));
  prepared->integers = rep_->sums.Arrange(grid);
  if (rep_->is_ip()) {
    rep_->sketch_rotation[0].Forward(absl::MakeSpan(v), absl::MakeSpan(spare));
    const double sketch_largest = ToQueryGrid(v, absl::MakeSpan(spare), &grid);
    prepared->units.sketch =
        static_cast<float>((norm * sketch_largest) / (kQueryGrid * kOne));
    prepared->sketch = rep_->sketch_sums[0].Arrange(grid);
  }
  return PreparedQuery(std::move(prepared));
}

void Quantizer::Score(const PreparedQuery& query, Metric metric,
                      absl::Span<const uint8_t> codes,
                      absl::Span<const CodeScalars> scalars,
                      absl::Span<float> scores) const {
  assert(codes.size() == scalars.size() * code_bytes());
  assert(scores.size() == scalars.size());
  assert(!rep_->is_ip() || metric != Metric::kCosine);
  const PreparedQuery::Rep& q = query.rep();
  const uint8_t* const end = codes.data() + codes.size();
  for (size_t start = 0; start < scores.size(); start += kRowBlock) {
    const size_t n = std::min(kRowBlock, scores.size() - start);
    float sums[kRowBlock];
    float sketch_sums[kRowBlock];
    CodeRows rows = {.first = codes.data() + start * code_bytes(),
                     .stride = code_bytes(),
                     .count = n,
                     .end = end};
    rep_->sums.Sum(q.integers, rows, sums);
    if (!rep_->is_ip()) {
      ScoresFromSums(metric, q.units, sums, &scalars[start], n, &scores[start]);
      continue;
    }
    rows.first += rep_->level_bytes;
    rep_->sketch_sums[0].Sum(q.sketch, rows, sketch_sums);
    IpScoresFromSums(metric, q.units, rep_->level_unit, sums, sketch_sums,
                     &scalars[start], n, &scores[start]);
  }
}

}  // namespace corkscrew
