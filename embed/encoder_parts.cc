#include "embed/encoder_parts.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/encoder_steps.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_tensors.h"
#include "embed/tile.h"
#include "embed/transformer.h"

namespace corkscrew {

std::string TensorPrefix(const StepSource& source) {
  return absl::StrCat("blk.", source.layer, ".");
}

std::string KeyName(const StepSource& source, absl::string_view key) {
  return absl::StrCat(source.architecture.name, ".", key);
}

void AddOnce(std::vector<SpaceParameter>* space, absl::string_view name,
             std::variant<uint64_t, double> value) {
  const bool there =
      std::any_of(space->begin(), space->end(),
                  [&](const SpaceParameter& p) { return p.first == name; });
  if (!there) space->emplace_back(std::string(name), value);
}

absl::StatusOr<RowNorm> RowNorm::Take(const Architecture& architecture,
                                      const std::string& name, size_t n,
                                      float epsilon, ModelTensors* tensors) {
  RowNorm norm;
  norm.kind_ = architecture.norm;
  norm.n_ = n;
  norm.epsilon_ = epsilon;
  const size_t padded = PadToPanel(n);
  CORKSCREW_ASSIGN_OR_RETURN(norm.weight_,
                             tensors->Vector(name + ".weight", n, padded));
  norm.bias_.resize(padded);
  if (architecture.norm_bias) {
    CORKSCREW_ASSIGN_OR_RETURN(norm.bias_,
                               tensors->Vector(name + ".bias", n, padded));
  }
  return norm;
}

absl::StatusOr<std::optional<RowNorm>> RowNorm::TakeIf(
    const Architecture& architecture, const TensorName& name,
    absl::string_view prefix, size_t n, float epsilon, ModelTensors* tensors) {
  const std::string whole = absl::StrCat(prefix, name.name);
  if (name.name.empty() ||
      (name.optional && !tensors->Has(whole + ".weight"))) {
    return std::optional<RowNorm>();
  }
  CORKSCREW_ASSIGN_OR_RETURN(RowNorm norm,
                             Take(architecture, whole, n, epsilon, tensors));
  return std::optional<RowNorm>(std::move(norm));
}

void RowNorm::Apply(float* x, size_t rows, Arithmetic arithmetic) const {
  if (kind_ == NormKind::kLayer) {
    LayerNorm(x, rows, n_, weight_.data(), bias_.data(), epsilon_, arithmetic);
  } else {
    RmsNorm(x, rows, n_, weight_.data(), epsilon_, arithmetic);
  }
}

void RowNorm::ApplyUnpadded(float* x, size_t rows,
                            Arithmetic arithmetic) const {
  if (PadToPanel(n_) == n_) {
    Apply(x, rows, arithmetic);
    return;
  }
  for (size_t i = 0; i < rows; ++i) ApplyOne(x + i * n_);
}

void RowNorm::ApplyOne(float* x) const {
  double mean = 0;
  if (kind_ == NormKind::kLayer) {
    for (size_t i = 0; i < n_; ++i) mean += double{x[i]};
    mean /= static_cast<double>(n_);
  }
  double squares = 0;
  for (size_t i = 0; i < n_; ++i) {
    squares += (double{x[i]} - mean) * (double{x[i]} - mean);
  }
  const double scale =
      1 / std::sqrt(squares / static_cast<double>(n_) + double{epsilon_});
  for (size_t i = 0; i < n_; ++i) {
    x[i] = static_cast<float>((double{x[i]} - mean) * scale) * weight_[i] +
           bias_[i];
  }
}

absl::StatusOr<StepNorms> StepNorms::Take(const StepSource& source) {
  const std::string prefix = TensorPrefix(source);
  const auto take = [&](const TensorName& name) {
    return RowNorm::TakeIf(source.architecture, name, prefix,
                           source.parameters.width, source.parameters.epsilon,
                           source.tensors);
  };
  StepNorms norms;
  if (source.layer >= source.step.before_from) {
    CORKSCREW_ASSIGN_OR_RETURN(norms.before, take(source.step.before));
  }
  CORKSCREW_ASSIGN_OR_RETURN(norms.inside, take(source.step.inside));
  CORKSCREW_ASSIGN_OR_RETURN(norms.after, take(source.step.after));
  return norms;
}

const float* StepNorms::Before(const float* x, size_t rows,
                               Arithmetic arithmetic,
                               std::vector<float>* normed) const {
  if (!before) return x;
  normed->assign(x, x + rows * PadToPanel(before->size()));
  before->Apply(normed->data(), rows, arithmetic);
  return normed->data();
}

void StepNorms::Close(const PackedLinear& last, const float* in, size_t rows,
                      const Compute& compute, float* x) const {
  if (inside) {
    std::vector<float> y(rows * PadToPanel(last.out()));
    last.Apply(in, rows, Activation::kNone, nullptr, y.data(), compute);
    Close(y.data(), rows, PadToPanel(last.out()), compute.arithmetic, x);
    return;
  }
  last.Apply(in, rows, Activation::kNone, x, x, compute);
  if (after) after->Apply(x, rows, compute.arithmetic);
}

void StepNorms::Close(float* y, size_t rows, size_t stride,
                      Arithmetic arithmetic, float* x) const {
  if (inside) inside->Apply(y, rows, arithmetic);
  for (size_t i = 0; i < rows * stride; ++i) x[i] += y[i];
  if (after) after->Apply(x, rows, arithmetic);
}

bool LinearMaker::Has(const TensorName& name) const {
  return !name.optional ||
         source_.tensors->Has(TensorPrefix(source_) + name.name + ".weight");
}

absl::StatusOr<PackedLinear> LinearMaker::Make(
    const std::vector<std::pair<std::string, size_t>>& matrices, size_t in,
    bool bias) const {
  const BiasKind kind = source_.step.bias;
  std::vector<const GgufTensor*> weights;
  std::vector<float> biases;
  for (const auto& [matrix, out] : matrices) {
    const std::string name = TensorPrefix(source_) + matrix;
    CORKSCREW_ASSIGN_OR_RETURN(
        const GgufTensor* weight,
        source_.tensors->Matrix(name + ".weight", in, out));
    weights.push_back(weight);
    std::vector<float> values(out);
    const bool wanted =
        bias && kind != BiasKind::kNone &&
        (kind != BiasKind::kOptional || source_.tensors->Has(name + ".bias"));
    if (wanted) {
      CORKSCREW_ASSIGN_OR_RETURN(
          values, source_.tensors->Vector(name + ".bias", out, out));
    }
    biases.insert(biases.end(), values.begin(), values.end());
  }
  return PackedLinear::Pack(weights, biases);
}

absl::StatusOr<std::vector<PackedLinear>> LinearMaker::MakeEach(
    absl::string_view name, size_t in, size_t out, size_t n) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::vector<GgufTensor> matrices,
      source_.tensors->Matrices(
          absl::StrCat(TensorPrefix(source_), name, ".weight"), in, out, n));
  std::vector<PackedLinear> made;
  for (const GgufTensor& matrix : matrices) {
    const GgufTensor* pointer = &matrix;
    made.push_back(PackedLinear::Pack({&pointer, 1}, std::vector<float>(out)));
  }
  return made;
}

}  // namespace corkscrew
