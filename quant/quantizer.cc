#include "corkscrew/quantizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/metric.h"
#include "quant/code_format.h"
#include "quant/code_sums.h"
#include "quant/codebook.h"
#include "quant/encode.h"
#include "quant/packing.h"
#include "quant/prepared_query.h"
#include "quant/query_grid.h"
#include "quant/rotation.h"
#include "quant/score_formulas.h"

namespace corkscrew {
namespace {

// Rows whose sums are held on the stack between the two halves of scoring.
constexpr size_t kRowBlock = 256;

absl::Status CheckSize(const char* what, size_t size, size_t want) {
  if (size == want) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", size, " coordinates, want ", want));
}

absl::Status CheckCodeBuffer(size_t size, size_t want) {
  if (size == want) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("code buffer has ", size, " bytes, want ", want));
}

// Fewer are not worth the start of a thread.
constexpr size_t kMinRowsPerThread = 64;

// Calls run(0) to run(parts - 1), each on a thread of its own if the system has
// as many.
template <typename Run>
void RunOnThreads(size_t parts, const Run& run) {
  std::vector<std::thread> threads;
  threads.reserve(parts);
  size_t started = 1;
  try {
    for (; started < parts; ++started) {
      threads.emplace_back([&run, started] { run(started); });
    }
  } catch (const std::system_error&) {
    // The calling thread does the rest.
  }
  run(0);
  for (; started < parts; ++started) run(started);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

struct Quantizer::Rep {
  explicit Rep(const QuantizerParams& p)
      : params(p),
        level_bits(LevelBits(p)),
        level_bytes(LevelBytes(p)),
        code_bytes(CodeBytes(p)),
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

  absl::Status Encode(absl::Span<const float> vector, absl::Span<uint8_t> code,
                      CodeScalars* scalars, double* squared_norm,
                      Scratch& scratch) const;
  absl::Status EncodeRows(absl::Span<const float> vectors,
                          absl::Span<uint8_t> codes,
                          absl::Span<CodeScalars> scalars,
                          absl::Span<double> squared_norms,
                          size_t first_row) const;
  void EncodeSketch(double norm, absl::Span<uint8_t> sketch,
                    CodeScalars* scalars, Scratch& scratch) const;
  void DecodeLevels(absl::Span<const uint8_t> code, const CodeScalars& scalars,
                    Reconstruction kind, absl::Span<float> vector,
                    Scratch& scratch) const;
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

absl::Status Quantizer::Rep::Encode(absl::Span<const float> vector,
                                    absl::Span<uint8_t> code,
                                    CodeScalars* scalars, double* squared_norm,
                                    Scratch& scratch) const {
  absl::Span<int32_t> v = scratch.v;
  CORKSCREW_ASSIGN_OR_RETURN(const double norm,
                             ToFixedPoint(vector, v, squared_norm));
  rotation.Forward(v, absl::MakeSpan(scratch.spare));
  const int64_t dot = finder.Find(v.data(), v.size(), scratch.codes.data());
  PackBits(scratch.codes, level_bits, code.first(level_bytes));
  if (is_ip()) {
    EncodeSketch(norm, code.subspan(level_bytes), scalars, scratch);
    return absl::OkStatus();
  }
  scalars->norm = static_cast<float>(norm);
  scalars->scale =
      norm == 0
          ? 0.0f
          : static_cast<float>((norm * kFixedOne) / static_cast<double>(dot));
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

void Quantizer::Rep::DecodeLevels(absl::Span<const uint8_t> code,
                                  const CodeScalars& scalars,
                                  Reconstruction kind, absl::Span<float> vector,
                                  Scratch& scratch) const {
  UnpackBits(code.first(level_bytes), level_bits, scratch.codes);
  int64_t squares = 0;
  for (const uint8_t k : scratch.codes) {
    squares += int64_t{codebook.levels[k]} * codebook.levels[k];
  }
  const double length = std::sqrt(static_cast<double>(squares));
  const double unit = kFixedOne / length;
  for (size_t j = 0; j < vector.size(); ++j) {
    scratch.v[j] = static_cast<int32_t>(std::rint(
        static_cast<double>(codebook.levels[scratch.codes[j]]) * unit));
  }
  rotation.Inverse(scratch.v, absl::MakeSpan(scratch.spare));
  const double norm = scalars.norm;
  double factor = 0;  // Of a null vector.
  const double scale = scalars.scale;
  if (kind == Reconstruction::kPlain) {
    factor = norm * level_unit;
  } else if (kind == Reconstruction::kUnbiased) {
    factor = scale;
  } else if (scale != 0) {
    factor = (norm * norm) / (scale * static_cast<double>(squares));
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
  const auto magnitude = static_cast<int32_t>(std::rint(kFixedOne / root_dim));
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
  CORKSCREW_ASSIGN_OR_RETURN(const QuantizerParams resolved, Resolve(params));
  return Quantizer(std::make_unique<const Rep>(resolved));
}

// Rows of a batch whose first one has number `first_row`; errors name the row.
absl::Status Quantizer::Rep::EncodeRows(absl::Span<const float> vectors,
                                        absl::Span<uint8_t> codes,
                                        absl::Span<CodeScalars> scalars,
                                        absl::Span<double> squared_norms,
                                        size_t first_row) const {
  Scratch scratch(params.dim);
  double unused;
  for (size_t row = 0; row < scalars.size(); ++row) {
    const absl::Status status =
        Encode(vectors.subspan(row * params.dim, params.dim),
               codes.subspan(row * code_bytes, code_bytes), &scalars[row],
               squared_norms.empty() ? &unused : &squared_norms[row], scratch);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("row ", first_row + row,
                                                      ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Quantizer::Encode(absl::Span<const float> vector,
                               absl::Span<uint8_t> code, CodeScalars* scalars,
                               double* squared_norm) const {
  CORKSCREW_RETURN_IF_ERROR(
      CheckSize("vector", vector.size(), rep_->params.dim));
  CORKSCREW_RETURN_IF_ERROR(CheckCodeBuffer(code.size(), code_bytes()));
  // Of the last encoding of this thread: as a rule one of the same size.
  thread_local std::optional<Rep::Scratch> scratch;
  if (!scratch.has_value() || scratch->v.size() != rep_->params.dim) {
    scratch.emplace(rep_->params.dim);
  }
  double unused;
  return rep_->Encode(vector, code, scalars,
                      squared_norm == nullptr ? &unused : squared_norm,
                      *scratch);
}

absl::Status Quantizer::EncodeBatch(absl::Span<const float> vectors,
                                    absl::Span<uint8_t> codes,
                                    absl::Span<CodeScalars> scalars) const {
  return EncodeBatch(vectors, codes, scalars, BatchOptions());
}

absl::Status Quantizer::EncodeBatch(absl::Span<const float> vectors,
                                    absl::Span<uint8_t> codes,
                                    absl::Span<CodeScalars> scalars,
                                    const BatchOptions& options) const {
  const size_t dim = rep_->params.dim;
  const size_t rows = scalars.size();
  CORKSCREW_RETURN_IF_ERROR(
      CheckSize("batch of vectors", vectors.size(), rows * dim));
  CORKSCREW_RETURN_IF_ERROR(CheckCodeBuffer(codes.size(), rows * code_bytes()));
  const absl::Span<double> squared_norms = options.squared_norms;
  if (!squared_norms.empty() && squared_norms.size() != rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("buffer of squared norms has ", squared_norms.size(),
                     " elements, want ", rows));
  }
  // Each thread takes the rows of one part; the first error in their order is
  // that of the first bad row.
  const size_t parts = std::clamp<size_t>(rows / kMinRowsPerThread, 1,
                                          std::max<size_t>(options.threads, 1));
  std::vector<absl::Status> results(parts);
  RunOnThreads(parts, [&](size_t part) {
    const size_t first = rows * part / parts;
    const size_t n = rows * (part + 1) / parts - first;
    results[part] = rep_->EncodeRows(
        vectors.subspan(first * dim, n * dim),
        codes.subspan(first * code_bytes(), n * code_bytes()),
        scalars.subspan(first, n),
        squared_norms.empty() ? squared_norms : squared_norms.subspan(first, n),
        first);
  });
  for (const absl::Status& result : results) {
    CORKSCREW_RETURN_IF_ERROR(result);
  }
  return absl::OkStatus();
}

absl::Status Quantizer::Validate(absl::Span<const uint8_t> code,
                                 const CodeScalars& scalars) const {
  return ValidateCode(rep_->params, code, scalars);
}

void Quantizer::Decode(absl::Span<const uint8_t> code,
                       const CodeScalars& scalars, absl::Span<float> vector,
                       Reconstruction kind) const {
  assert(code.size() == code_bytes() && vector.size() == rep_->params.dim);
  Rep::Scratch scratch(rep_->params.dim);
  rep_->DecodeLevels(code, scalars,
                     rep_->is_ip() ? Reconstruction::kPlain : kind, vector,
                     scratch);
  if (rep_->is_ip()) {
    rep_->AddSketch(code.subspan(rep_->level_bytes), scalars.scale, vector,
                    scratch);
  }
}

absl::StatusOr<PreparedQuery> Quantizer::Prepare(
    absl::Span<const float> query) const {
  const size_t dim = rep_->params.dim;
  CORKSCREW_RETURN_IF_ERROR(CheckSize("query", query.size(), dim));
  QueryGrid grid;
  CORKSCREW_RETURN_IF_ERROR(MakeQueryGrid(
      query, rep_->rotation,
      rep_->is_ip() ? rep_->sketch_rotation.data() : nullptr, &grid));
  auto prepared = std::make_unique<PreparedQuery::Rep>();
  prepared->norm = grid.norm;
  prepared->units = grid.units;
  prepared->integers = rep_->sums.Arrange(grid.values);
  if (rep_->is_ip()) {
    prepared->sketch = rep_->sketch_sums[0].Arrange(grid.sketch);
  }
  return PreparedQuery(std::move(prepared));
}

PreparedQuery Quantizer::PrepareCode(absl::Span<const uint8_t> code,
                                     const CodeScalars& scalars) const {
  assert(!rep_->is_ip() && code.size() == code_bytes());
  std::vector<uint8_t> indices(rep_->params.dim);
  UnpackBits(code, rep_->level_bits, absl::MakeSpan(indices));
  std::vector<int16_t> levels;
  levels.reserve(indices.size());
  for (const uint8_t k : indices) levels.push_back(rep_->codebook.levels[k]);
  auto prepared = std::make_unique<PreparedQuery::Rep>();
  prepared->norm = scalars.norm;
  prepared->integers = rep_->sums.ArrangeLevels(levels);
  prepared->units.dot = scalars.scale;
  prepared->units.cosine =
      scalars.norm == 0 ? 0.0f : scalars.scale / scalars.norm;
  prepared->units.norm2 = scalars.norm * scalars.norm;
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
