#ifndef CORKSCREW_EMBED_ENCODER_PARTS_H_
#define CORKSCREW_EMBED_ENCODER_PARTS_H_

// What the blocks of an encoder are made of: norms around a step, and linear
// layers taken from the tensors of a file.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/encoder_steps.h"
#include "embed/matmul.h"
#include "embed/space.h"

namespace corkscrew {

// Rows that go through the linear layers together: few enough that their
// activations stay in the L2 cache, many enough to read the weights seldom.
inline constexpr size_t kRowChunk = 96;

// "blk.3."
std::string TensorPrefix(const StepSource& source);
// "bert.block_count" for "block_count".
std::string KeyName(const StepSource& source, absl::string_view key);

// Adds a parameter unless there is one of that name.
void AddOnce(std::vector<SpaceParameter>* space, absl::string_view name,
             std::variant<uint64_t, double> value);

// The norms around a block.
struct StepNorms {
  std::optional<RowNorm> before, inside, after;

  static absl::StatusOr<StepNorms> Take(const StepSource& source);

  // Returns the rows that the block gets: `x`, or a copy in `*normed`.
  const float* Before(const float* x, size_t rows, Arithmetic arithmetic,
                      std::vector<float>* normed) const;
  // x = after(x + inside(last(in)))
  void Close(const PackedLinear& last, const float* in, size_t rows,
             const Compute& compute, float* x) const;
  // x = after(x + inside(y)); `y` is overwritten. [rows, stride]
  void Close(float* y, size_t rows, size_t stride, Arithmetic arithmetic,
             float* x) const;
};

// Makes the linear layers of a step.
class LinearMaker {
 public:
  explicit LinearMaker(const StepSource& source) : source_(source) {}

  // Whether the file has an optional tensor; true if it is not optional.
  bool Has(const TensorName& name) const;

  // The linear layer of matrices [in, out] (name, out) next to each other, with
  // biases as the step says if `bias`.
  absl::StatusOr<PackedLinear> Make(
      const std::vector<std::pair<std::string, size_t>>& matrices, size_t in,
      bool bias) const;

  // `n` linear layers [in, out] of one tensor [in, out, n], without bias.
  absl::StatusOr<std::vector<PackedLinear>> MakeEach(absl::string_view name,
                                                     size_t in, size_t out,
                                                     size_t n) const;

 private:
  const StepSource& source_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ENCODER_PARTS_H_
