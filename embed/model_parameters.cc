#include "embed/model_parameters.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "embed/architecture.h"
#include "embed/gguf.h"
#include "embed/model_tensors.h"

namespace corkscrew {
namespace {

// Far above every model there is; every tensor must be in the file at its full
// size anyway.
constexpr uint64_t kMaxLayers = 1024;
constexpr uint64_t kMaxFeedForward = uint64_t{1} << 20;
constexpr uint64_t kMaxContext = uint64_t{1} << 20;

class KeyReader {
 public:
  KeyReader(const GgufFile& file, const Architecture& architecture)
      : file_(file), prefix_(absl::StrCat(architecture.name, ".")) {}

  std::string Name(absl::string_view key) const {
    return absl::StrCat(prefix_, key);
  }
  bool Has(absl::string_view key) const { return file_.Has(Name(key)); }
  absl::StatusOr<size_t> Count(absl::string_view key, uint64_t least,
                               uint64_t most) const {
    return RequiredUint(file_, Name(key), least, most);
  }
  absl::StatusOr<size_t> CountOr(absl::string_view key, uint64_t least,
                                 uint64_t most, size_t otherwise) const {
    if (!Has(key)) return otherwise;
    return Count(key, least, most);
  }

 private:
  const GgufFile& file_;
  const std::string prefix_;
};

absl::StatusOr<Pooling> ReadPooling(const GgufFile& file, const KeyReader& keys,
                                    const Architecture& architecture) {
  // Older files do not say.
  if (!keys.Has("pooling_type")) return architecture.pooling;
  CORKSCREW_ASSIGN_OR_RETURN(const uint64_t type,
                             file.Uint(keys.Name("pooling_type")));
  if (type == 1) return Pooling::kMean;
  if (type == 2) return Pooling::kCls;
  if (type == 3) return Pooling::kLast;
  return absl::UnimplementedError(
      absl::StrCat(file.name(), ": key \"", keys.Name("pooling_type"), "\" is ",
                   type, ", supported are 1 (mean), 2 (cls) and 3 (last)"));
}

absl::StatusOr<float> ReadEpsilon(const GgufFile& file, const KeyReader& keys,
                                  NormKind norm) {
  const std::string key =
      keys.Name(norm == NormKind::kLayer ? "attention.layer_norm_epsilon"
                                         : "attention.layer_norm_rms_epsilon");
  const absl::StatusOr<double> epsilon = file.Float(key);
  if (absl::IsNotFound(epsilon.status())) {
    return absl::InvalidArgumentError(epsilon.status().message());
  }
  CORKSCREW_RETURN_IF_ERROR(epsilon.status());
  if (!(*epsilon >= 0 && *epsilon <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": key \"", key, "\" is ", *epsilon, ", want 0 to 1"));
  }
  return static_cast<float>(*epsilon);
}

// What would make other vectors and is not supported.
absl::Status CheckAttention(const GgufFile& file, const KeyReader& keys,
                            const ArchitectureStep& step,
                            const ModelParameters& p) {
  if (keys.Has("attention.causal")) {
    CORKSCREW_ASSIGN_OR_RETURN(const bool causal,
                               file.Bool(keys.Name("attention.causal")));
    if (causal != step.causal) {
      return absl::UnimplementedError(
          absl::StrCat(file.name(), ": key \"", keys.Name("attention.causal"),
                       "\" is ", causal ? "true" : "false", ", supported is ",
                       step.causal ? "true" : "false"));
    }
  }
  if (keys.Has("attention.value_length")) {
    CORKSCREW_RETURN_IF_ERROR(
        keys.Count("attention.value_length", p.head_width, p.head_width)
            .status());
  }
  if (step.position != PositionKind::kRope) return absl::OkStatus();
  if (p.head_width % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": heads of ", p.head_width,
                     " coordinates, want an even number to rotate"));
  }
  if (keys.Has("rope.dimension_count")) {
    CORKSCREW_RETURN_IF_ERROR(
        keys.Count("rope.dimension_count", p.head_width, p.head_width)
            .status());
  }
  const std::string scaling = keys.Name("rope.scaling.type");
  if (file.Has(scaling)) {
    CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view type,
                               file.String(scaling));
    if (type != "none") {
      return absl::UnimplementedError(
          absl::StrCat(file.name(), ": key \"", scaling, "\" is \"", type,
                       "\", supported are rotary positions without scaling"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadHeads(const GgufFile& file, const KeyReader& keys,
                       ModelParameters* p) {
  CORKSCREW_ASSIGN_OR_RETURN(p->heads,
                             keys.Count("attention.head_count", 1, p->width));
  CORKSCREW_ASSIGN_OR_RETURN(
      p->key_value_heads,
      keys.CountOr("attention.head_count_kv", 1, p->heads, p->heads));
  if (p->heads % p->key_value_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": ", p->key_value_heads, " heads of keys do not divide ",
        p->heads, " attention heads"));
  }
  if (keys.Has("attention.key_length")) {
    CORKSCREW_ASSIGN_OR_RETURN(p->head_width,
                               keys.Count("attention.key_length", 1, kMaxDim));
    return absl::OkStatus();
  }
  if (p->width % p->heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": ", p->heads, " attention heads do not divide ",
        p->width, " coordinates"));
  }
  p->head_width = p->width / p->heads;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelParameters> ModelParameters::Read(
    const GgufFile& file, const Architecture& architecture) {
  const KeyReader keys(file, architecture);
  ModelParameters p;
  if (!architecture.steps.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(p.layers,
                               keys.Count("block_count", 1, kMaxLayers));
  }
  CORKSCREW_ASSIGN_OR_RETURN(p.width,
                             keys.Count("embedding_length", 1, kMaxDim));
  CORKSCREW_ASSIGN_OR_RETURN(p.context,
                             keys.Count("context_length", 2, kMaxContext));
  for (const ArchitectureStep& step : architecture.steps) {
    if (step.block == BlockKind::kAttention && p.heads == 0) {
      CORKSCREW_RETURN_IF_ERROR(ReadHeads(file, keys, &p));
      CORKSCREW_RETURN_IF_ERROR(CheckAttention(file, keys, step, p));
    }
    if (step.block == BlockKind::kFeedForward && p.feed_forward == 0) {
      CORKSCREW_ASSIGN_OR_RETURN(
          p.feed_forward,
          keys.Count("feed_forward_length", 1, kMaxFeedForward));
    }
  }
  if (!architecture.steps.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(p.epsilon,
                               ReadEpsilon(file, keys, architecture.norm));
  }
  CORKSCREW_ASSIGN_OR_RETURN(p.pooling, ReadPooling(file, keys, architecture));
  return p;
}

}  // namespace corkscrew
