#ifndef CORKSCREW_EMBED_MLL_CONTENTS_H_
#define CORKSCREW_EMBED_MLL_CONTENTS_H_

// What is in the sections of a `.mll` file, checked: which sections a profile
// has and in which order, every index and reference, every tensor.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/mll_file.h"

namespace corkscrew {

// Element types of tensors, by their numbers in the file.
enum class MllType : uint8_t {
  kI8 = 1,
  kI16 = 2,
  kI32 = 3,
  kI64 = 4,
  kU8 = 5,
  kU16 = 6,
  kU32 = 7,
  kU64 = 8,
  kF16 = 9,
  kF32 = 10,
  kF64 = 11,
  kQ4 = 12,  // Two values per byte, the low nibble first.
  kQ8 = 13,
};

// Row-major. Views point into the MllFile.
struct MllTensor {
  absl::string_view name;
  MllType type = MllType::kF32;
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  absl::string_view data;  // Exactly the bytes of the tensor.
};

using MllValue =
    std::variant<std::monostate, bool, int64_t, double, absl::string_view>;

// Immutable. Views point into the MllFile.
struct MllContents {
  absl::string_view name;
  int64_t created_unix_ms = 0;
  uint64_t generation = 0;
  std::vector<std::pair<absl::string_view, MllValue>> metadata;
  std::vector<absl::string_view> strings;
  std::vector<MllTensor> tensors;

  // Reads and checks every section of `file` that the format defines.
  //   InvalidArgument  names the file, the section, and what is wrong in it
  static absl::StatusOr<MllContents> Read(const MllFile& file);

  // The tensor called `name`, or null.
  const MllTensor* Find(absl::string_view tensor) const;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MLL_CONTENTS_H_
