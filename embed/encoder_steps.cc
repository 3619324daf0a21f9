#include "embed/encoder_steps.h"

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
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/encoder_attention.h"
#include "embed/encoder_parts.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_tensors.h"
#include "embed/tile.h"
#include "embed/transformer.h"

namespace corkscrew {
namespace {

// Far above every model there is.
constexpr uint64_t kMaxExperts = 1024;

// x = after(x + what the layer got)
class LayerInputStep : public EncoderStep {
 public:
  explicit LayerInputStep(StepNorms norms) : norms_(std::move(norms)) {}

  void Run(const EncoderBatch& batch, float* x) const override {
    const size_t values = batch.rows * PadToPanel(batch.width);
    for (size_t i = 0; i < values; ++i) x[i] += batch.layer_input[i];
    if (norms_.after) {
      norms_.after->Apply(x, batch.rows, batch.compute.arithmetic);
    }
  }

 private:
  const StepNorms norms_;
};

class FeedForwardStep : public EncoderStep {
 public:
  static absl::StatusOr<std::unique_ptr<const EncoderStep>> Make(
      const StepSource& source, StepNorms norms) {
    const ArchitectureStep& step = source.step;
    const size_t width = source.parameters.width;
    const size_t wide = source.parameters.feed_forward;
    auto made = std::make_unique<FeedForwardStep>();
    made->norms_ = std::move(norms);
    made->gated_ = step.gated;
    made->gate_ = step.activation == GateActivation::kSilu ? GateKind::kSilu
                  : step.activation == GateActivation::kGeluTanh
                      ? GateKind::kGeluTanh
                      : GateKind::kGelu;
    made->wide_ = wide;
    LinearMaker linear(source);
    const bool bias = step.bias != BiasKind::kDown;
    if (step.gated && linear.Has(step.gate)) {
      CORKSCREW_ASSIGN_OR_RETURN(
          made->up_, linear.Make({{step.gate.name, wide}, {step.up.name, wide}},
                                 width, bias));
    } else {
      CORKSCREW_ASSIGN_OR_RETURN(
          made->up_, linear.Make({{step.up.name, step.gated ? 2 * wide : wide}},
                                 width, bias));
    }
    CORKSCREW_ASSIGN_OR_RETURN(
        made->down_,
        linear.Make({{step.down.name, width}}, wide, /*bias=*/true));
    AddOnce(source.space, "feed_forward_length", uint64_t{wide});
    return made;
  }

  void Run(const EncoderBatch& batch, float* x) const override {
    const size_t stride = PadToPanel(down_.out());
    const size_t most = std::min(batch.rows, kRowChunk);
    std::vector<float> wide(most * PadToPanel(up_.out()));
    std::vector<float> gated(gated_ ? most * PadToPanel(wide_) : 0);
    std::vector<float> normed;
    for (size_t row = 0; row < batch.rows; row += kRowChunk) {
      const size_t n = std::min(kRowChunk, batch.rows - row);
      float* part = x + row * stride;
      const float* in =
          norms_.Before(part, n, batch.compute.arithmetic, &normed);
      if (gated_) {
        up_.Apply(in, n, Activation::kNone, nullptr, wide.data(),
                  batch.compute);
        Gate(gate_, wide.data(), n, wide_, gated.data(),
             batch.compute.arithmetic);
        norms_.Close(down_, gated.data(), n, batch.compute, part);
      } else {
        up_.Apply(in, n, Activation::kGelu, nullptr, wide.data(),
                  batch.compute);
        norms_.Close(down_, wide.data(), n, batch.compute, part);
      }
    }
  }

 private:
  StepNorms norms_;
  PackedLinear up_, down_;  // `up_` has the gate's outputs in front.
  bool gated_ = false;
  GateKind gate_ = GateKind::kGelu;
  size_t wide_ = 0;
};

class ExpertsStep : public EncoderStep {
 public:
  static absl::StatusOr<std::unique_ptr<const EncoderStep>> Make(
      const StepSource& source, StepNorms norms) {
    const ArchitectureStep& step = source.step;
    const size_t width = source.parameters.width;
    auto made = std::make_unique<ExpertsStep>();
    made->norms_ = std::move(norms);
    CORKSCREW_ASSIGN_OR_RETURN(
        const size_t experts,
        RequiredUint(source.file, KeyName(source, step.experts_key), 1,
                     kMaxExperts));
    CORKSCREW_ASSIGN_OR_RETURN(
        made->used_,
        RequiredUint(source.file, KeyName(source, step.experts_used_key), 1,
                     experts));
    CORKSCREW_ASSIGN_OR_RETURN(
        const size_t wide,
        RequiredUint(source.file, KeyName(source, "feed_forward_length"), 1,
                     uint64_t{1} << 20));
    LinearMaker linear(source);
    CORKSCREW_ASSIGN_OR_RETURN(
        made->router_,
        linear.Make({{step.router.name, experts}}, width, /*bias=*/false));
    CORKSCREW_ASSIGN_OR_RETURN(
        made->ups_, linear.MakeEach(step.up.name, width, wide, experts));
    CORKSCREW_ASSIGN_OR_RETURN(
        made->downs_, linear.MakeEach(step.down.name, wide, width, experts));
    AddOnce(source.space, "feed_forward_length", uint64_t{wide});
    AddOnce(source.space, step.experts_used_key, uint64_t{made->used_});
    return made;
  }

  void Run(const EncoderBatch& batch, float* x) const override {
    const size_t stride = PadToPanel(batch.width);
    std::vector<float> normed;
    std::vector<float> sum;
    for (size_t row = 0; row < batch.rows; row += kRowChunk) {
      const size_t n = std::min(kRowChunk, batch.rows - row);
      float* part = x + row * stride;
      const float* in =
          norms_.Before(part, n, batch.compute.arithmetic, &normed);
      sum.assign(n * stride, 0.0f);
      AddExperts(in, n, stride, batch.compute, sum.data());
      norms_.Close(sum.data(), n, stride, batch.compute.arithmetic, part);
    }
  }

 private:
  // Shares [experts] of one row; zero for those not used.
  void Route(const float* logits, float* shares) const {
    const size_t experts = ups_.size();
    const float largest = *std::max_element(logits, logits + experts);
    double total = 0;
    for (size_t i = 0; i < experts; ++i) {
      total += std::exp(double{logits[i]} - double{largest});
    }
    std::vector<size_t> order(experts);
    for (size_t i = 0; i < experts; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    std::fill_n(shares, experts, 0.0f);
    for (size_t i = 0; i < used_; ++i) {
      const double e = std::exp(double{logits[order[i]]} - double{largest});
      shares[order[i]] = static_cast<float>(e / total);
    }
  }

  // Adds the experts of `rows` rows of `in` to `sum`, in the order of experts.
  void AddExperts(const float* in, size_t rows, size_t stride,
                  const Compute& compute, float* sum) const {
    const size_t experts = ups_.size();
    const size_t logit_stride = PadToPanel(experts);
    std::vector<float> logits(rows * logit_stride);
    router_.Apply(in, rows, Activation::kNone, nullptr, logits.data(), compute);
    std::vector<float> shares(rows * experts);
    for (size_t r = 0; r < rows; ++r) {
      Route(&logits[r * logit_stride], &shares[r * experts]);
    }
    for (size_t e = 0; e < experts; ++e) {
      std::vector<size_t> mine;
      std::vector<float> gathered;
      for (size_t r = 0; r < rows; ++r) {
        if (shares[r * experts + e] == 0) continue;
        mine.push_back(r);
        gathered.insert(gathered.end(), in + r * stride, in + (r + 1) * stride);
      }
      if (mine.empty()) continue;
      std::vector<float> wide(mine.size() * PadToPanel(ups_[e].out()));
      ups_[e].Apply(gathered.data(), mine.size(), Activation::kGelu, nullptr,
                    wide.data(), compute);
      downs_[e].Apply(wide.data(), mine.size(), Activation::kNone, nullptr,
                      gathered.data(), compute);
      for (size_t i = 0; i < mine.size(); ++i) {
        const float share = shares[mine[i] * experts + e];
        float* to = sum + mine[i] * stride;
        for (size_t j = 0; j < stride; ++j) {
          to[j] += share * gathered[i * stride + j];
        }
      }
    }
  }

  StepNorms norms_;
  PackedLinear router_;
  std::vector<PackedLinear> ups_, downs_;  // [experts]
  size_t used_ = 0;
};

// Whether the layer is one of `layers`.
absl::StatusOr<bool> Chosen(const StepSource& source,
                            const LayerChoice& layers) {
  size_t every = layers.every;
  if (!layers.every_key.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(
        every,
        RequiredUint(source.file, KeyName(source, layers.every_key), 1, 1024));
    AddOnce(source.space, layers.every_key, uint64_t{every});
  }
  return (source.layer % every == layers.phase % every) != layers.others;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const EncoderStep>> MakeStep(
    const StepSource& source) {
  const ArchitectureStep& step = source.step;
  CORKSCREW_ASSIGN_OR_RETURN(const bool chosen, Chosen(source, step.layers));
  const bool there =
      step.if_tensor.empty() ||
      source.file.Find(TensorPrefix(source) + step.if_tensor) != nullptr;
  if (!chosen || !there) return nullptr;
  CORKSCREW_ASSIGN_OR_RETURN(StepNorms norms, StepNorms::Take(source));
  switch (step.block) {
    case BlockKind::kAttention: {
      CORKSCREW_ASSIGN_OR_RETURN(const bool global,
                                 Chosen(source, step.global));
      return MakeAttentionStep(source, std::move(norms), global);
    }
    case BlockKind::kFeedForward:
      return FeedForwardStep::Make(source, std::move(norms));
    case BlockKind::kExperts:
      return ExpertsStep::Make(source, std::move(norms));
    case BlockKind::kLayerInput:
      break;
  }
  return std::make_unique<const LayerInputStep>(std::move(norms));
}

}  // namespace corkscrew
