#ifndef CORKSCREW_EMBED_ARCHITECTURE_H_
#define CORKSCREW_EMBED_ARCHITECTURE_H_

// What a model computes, as data: which blocks, in which order, with which
// tensors and keys of the file. Read from `.arch.toml` files; those of the
// models we know are compiled in (embed/arch/). The blocks themselves are code
// (embed/encoder.h). docs/embedding.md describes the format.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// How the rows of a text become one vector.
enum class Pooling { kMean, kCls, kLast };

// Normalisation of rows.
enum class NormKind {
  kLayer,  // (x - mean) / sqrt(variance + epsilon) * weight + bias
  kRms,    // x / sqrt(mean of squares + epsilon) * weight
};

// The name of a tensor, without ".weight"; empty: there is none.
struct TensorName {
  std::string name;
  bool optional = false;  // Left out if the file has no such tensor.

  bool operator==(const TensorName&) const = default;
};

// A number that the file has under `key` (without the name of the
// architecture), or `otherwise`.
struct KeyOr {
  std::string key;
  double otherwise = 0;

  bool operator==(const KeyOr&) const = default;
};

// Every `every`-th layer, of those `phase` (0-based index modulo `every`).
struct LayerChoice {
  std::string every_key;  // Where the file says it; else `every`.
  size_t every = 1;
  size_t phase = 0;
  bool others = false;  // All but these.

  bool operator==(const LayerChoice&) const = default;
};

enum class BlockKind { kAttention, kFeedForward, kExperts, kLayerInput };
enum class PositionKind { kNone, kRope, kAlibi };
enum class BiasKind {
  kNone,
  kAll,
  kOptional,  // Of those matrices that have one in the file.
  kDown,      // Of the last matrix of a feed-forward block only.
};
enum class GateActivation { kNone, kGelu, kGeluTanh, kSilu };

// One step of a layer: x = after(x + inside(block(before(x)))).
struct ArchitectureStep {
  BlockKind block = BlockKind::kAttention;
  LayerChoice layers;
  TensorName before, inside, after;  // Norms.
  size_t before_from = 0;            // The first layer that has `before`.
  // The step exists only in files with this tensor.
  std::string if_tensor;
  BiasKind bias = BiasKind::kNone;

  // Attention.
  TensorName query, key, value;
  std::string fused;  // Instead of these three: their rows one after another.
  TensorName output;
  TensorName query_norm, key_norm;
  bool norm_heads = false;  // Each head by itself; else the whole row.
  PositionKind position = PositionKind::kNone;
  KeyOr rope_base, local_rope_base;
  bool causal = false;
  // Layers that see all tokens; the others see those at most half a window
  // away. Without a window key all layers do.
  LayerChoice global;
  std::string window_key;

  // Feed-forward: down(activation(up(x))), or with a gate
  // down(activation(gate(x)) * up(x)). If the file has no gate, `up` has twice
  // the rows, and its first half is the gate.
  TensorName up, gate, down;
  GateActivation activation = GateActivation::kNone;
  bool gated = false;

  // Experts: feed-forward blocks of which each row takes the `experts_used`
  // that the softmax of `router` likes best, times their share.
  TensorName router;
  std::string experts_key, experts_used_key;

  bool operator==(const ArchitectureStep&) const = default;
};

struct Architecture {
  std::string name;    // general.architecture
  std::string source;  // For errors and for people.
  std::string about;
  NormKind norm = NormKind::kLayer;
  bool norm_bias = true;
  Pooling pooling = Pooling::kMean;  // If the file does not say.
  // Byte-level BPE ends with the end-of-text token if the file does not say.
  bool ends_with_eos = false;

  // x = norm(token * scale + type + position)
  TensorName token, token_weight, type, position, input_norm;
  bool scale_by_sqrt_width = false;

  // Of each layer. Tensors are named blk.N.NAME.
  std::vector<ArchitectureStep> steps;

  TensorName output_norm;
  std::vector<TensorName> dense;  // Behind pooling, without bias.

  // Whether both compute the same: `source` and `about` do not count.
  bool ComputesTheSame(const Architecture& other) const;

  // Reads a file. `source` is its name in errors.
  //   InvalidArgument  malformed, an unknown key, or one of another type; names
  //                    the file, the line and what is wanted
  static absl::StatusOr<Architecture> Parse(absl::string_view toml,
                                            absl::string_view source);
};

// The architecture called `name` among those compiled in.
//   Unimplemented  there is none; names those there are
absl::StatusOr<const Architecture*> FindArchitecture(absl::string_view name);

// The names of those compiled in, ascending.
std::vector<std::string> ArchitectureNames();

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ARCHITECTURE_H_
