#include "embed/encoder_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "embed/architecture.h"
#include "embed/encoder_parts.h"
#include "embed/encoder_steps.h"
#include "embed/matmul.h"
#include "embed/model_tensors.h"
#include "embed/tile.h"
#include "embed/transformer.h"

namespace corkscrew {
namespace {

constexpr uint64_t kMaxWindow = uint64_t{1} << 20;

// The slopes of ALiBi (arXiv:2108.12409): powers of 2^(-8 / n), and for numbers
// of heads that are no power of two, every second one of twice as many.
std::vector<float> Slopes(size_t heads) {
  size_t whole = 1;
  while (2 * whole <= heads) whole *= 2;
  std::vector<float> slopes(heads);
  for (size_t i = 0; i < heads; ++i) {
    const double exponent =
        i < whole ? -8.0 * static_cast<double>(i + 1)
                  : -4.0 * static_cast<double>(2 * (i - whole) + 1);
    slopes[i] =
        static_cast<float>(std::exp2(exponent / static_cast<double>(whole)));
  }
  return slopes;
}

// A base of rotary positions: the file's, or the architecture's.
absl::StatusOr<double> ReadBase(const StepSource& source, const KeyOr& key) {
  double base = key.otherwise;
  const std::string name = KeyName(source, key.key);
  if (source.file.Has(name)) {
    CORKSCREW_ASSIGN_OR_RETURN(base, source.file.Float(name));
  }
  if (!(base >= 1 && base <= 1e12)) {
    return absl::InvalidArgumentError(absl::StrCat(source.file.name(),
                                                   ": key \"", name, "\" is ",
                                                   base, ", want 1 to 1e12"));
  }
  AddOnce(source.space, key.key, base);
  return base;
}

class AttentionStep : public EncoderStep {
 public:
  static absl::StatusOr<std::unique_ptr<const EncoderStep>> Make(
      const StepSource& source, StepNorms norms, bool global);
  void Run(const EncoderBatch& batch, float* x) const override;

 private:
  // Norms and rotations of the queries and keys of one text, in place.
  void Prepare(const EncoderBatch& batch, size_t tokens, float* qkv) const;

  size_t in_stride() const { return PadToPanel(qkv_.out()); }

  StepNorms norms_;
  PackedLinear qkv_, output_;
  std::optional<RowNorm> query_norm_, key_norm_;
  AttentionShape shape_;
  double rope_base_ = 0;  // 0: no rotation.
  AttentionMask mask_;
  std::vector<float> slopes_;
};

absl::StatusOr<std::unique_ptr<const EncoderStep>> AttentionStep::Make(
    const StepSource& source, StepNorms norms, bool global) {
  const ArchitectureStep& step = source.step;
  const ModelParameters& p = source.parameters;
  auto made = std::make_unique<AttentionStep>();
  made->norms_ = std::move(norms);
  made->shape_ = {p.heads, p.head_width, p.key_value_heads};
  const size_t queries = p.heads * p.head_width;
  const size_t keys = p.key_value_heads * p.head_width;
  const LinearMaker linear(source);
  if (step.fused.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(made->qkv_,
                               linear.Make({{step.query.name, queries},
                                            {step.key.name, keys},
                                            {step.value.name, keys}},
                                           p.width, /*bias=*/true));
  } else {
    CORKSCREW_ASSIGN_OR_RETURN(
        made->qkv_, linear.Make({{step.fused, queries + 2 * keys}}, p.width,
                                /*bias=*/true));
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      made->output_,
      linear.Make({{step.output.name, p.width}}, queries, /*bias=*/true));
  const auto take_norm = [&](const TensorName& name, size_t row) {
    return RowNorm::TakeIf(source.architecture, name, TensorPrefix(source),
                           step.norm_heads ? p.head_width : row, p.epsilon,
                           source.tensors);
  };
  CORKSCREW_ASSIGN_OR_RETURN(made->query_norm_,
                             take_norm(step.query_norm, queries));
  CORKSCREW_ASSIGN_OR_RETURN(made->key_norm_, take_norm(step.key_norm, keys));
  if (step.position == PositionKind::kRope) {
    const bool local = !step.window_key.empty() && !global;
    CORKSCREW_ASSIGN_OR_RETURN(
        made->rope_base_,
        ReadBase(source, local ? step.local_rope_base : step.rope_base));
  }
  if (step.position == PositionKind::kAlibi) {
    made->slopes_ = Slopes(p.heads);
    made->mask_.slopes = made->slopes_.data();
  }
  made->mask_.causal = step.causal;
  if (!step.window_key.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const size_t window,
        RequiredUint(source.file, KeyName(source, step.window_key), 2,
                     kMaxWindow));
    AddOnce(source.space, step.window_key, uint64_t{window});
    if (!global) made->mask_.reach = window / 2;
  }
  AddOnce(source.space, "attention.head_count", uint64_t{p.heads});
  if (p.key_value_heads != p.heads) {
    AddOnce(source.space, "attention.head_count_kv",
            uint64_t{p.key_value_heads});
  }
  if (queries != p.width) {
    AddOnce(source.space, "attention.key_length", uint64_t{p.head_width});
  }
  return made;
}

void AttentionStep::Prepare(const EncoderBatch& batch, size_t tokens,
                            float* qkv) const {
  const size_t n = shape_.head_dim;
  const size_t queries = shape_.dim();
  const size_t keys = shape_.keys() * n;
  const auto apply = [&](const std::optional<RowNorm>& norm, float* row,
                         size_t size) {
    if (!norm) return;
    norm->ApplyUnpadded(row, size / norm->size(), batch.compute.arithmetic);
  };
  const float* rope = rope_base_ > 0
                          ? batch.rope->Table(rope_base_, n, batch.longest)
                          : nullptr;
  for (size_t t = 0; t < tokens; ++t, qkv += in_stride()) {
    apply(query_norm_, qkv, queries);
    apply(key_norm_, qkv + queries, keys);
    if (rope == nullptr) continue;
    // Pairs are half a head apart (NeoX).
    const float* angle = rope + t * n;
    for (float* head = qkv; head < qkv + queries + keys; head += n) {
      for (size_t i = 0; i < n / 2; ++i) {
        const float cosine = angle[2 * i];
        const float sine = angle[2 * i + 1];
        const float a = head[i];
        const float b = head[i + n / 2];
        head[i] = a * cosine - b * sine;
        head[i + n / 2] = a * sine + b * cosine;
      }
    }
  }
}

void AttentionStep::Run(const EncoderBatch& batch, float* x) const {
  const size_t stride = PadToPanel(batch.width);
  std::vector<float> qkv(batch.rows * in_stride());
  std::vector<float> normed;
  for (size_t row = 0; row < batch.rows; row += kRowChunk) {
    const size_t n = std::min(kRowChunk, batch.rows - row);
    qkv_.Apply(
        norms_.Before(x + row * stride, n, batch.compute.arithmetic, &normed),
        n, Activation::kNone, nullptr, &qkv[row * in_stride()], batch.compute);
  }
  const size_t attended_stride = PadToPanel(shape_.dim());
  std::vector<float> attended(batch.rows * attended_stride);
  AttentionScratch scratch;
  size_t row = 0;
  for (const absl::Span<const int32_t> text : batch.texts) {
    float* part = &qkv[row * in_stride()];
    Prepare(batch, text.size(), part);
    Attention(part, text.size(), shape_, mask_, &scratch,
              &attended[row * attended_stride], batch.compute);
    row += text.size();
  }
  for (row = 0; row < batch.rows; row += kRowChunk) {
    const size_t n = std::min(kRowChunk, batch.rows - row);
    norms_.Close(output_, &attended[row * attended_stride], n, batch.compute,
                 x + row * stride);
  }
}

}  // namespace

const float* RopeTables::Table(double base, size_t head_width, size_t tokens) {
  std::vector<float>& table = tables_[{base, head_width}];
  while (table.size() < tokens * head_width) {
    const size_t row = table.size() / head_width;
    const auto position = static_cast<double>(row);
    for (size_t i = 0; i < head_width / 2; ++i) {
      const double angle =
          position * std::pow(base, -2.0 * static_cast<double>(i) /
                                        static_cast<double>(head_width));
      table.push_back(static_cast<float>(std::cos(angle)));
      table.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return table.data();
}

absl::StatusOr<std::unique_ptr<const EncoderStep>> MakeAttentionStep(
    const StepSource& source, StepNorms norms, bool global) {
  return AttentionStep::Make(source, std::move(norms), global);
}

}  // namespace corkscrew
