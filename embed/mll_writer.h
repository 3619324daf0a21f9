#ifndef CORKSCREW_EMBED_MLL_WRITER_H_
#define CORKSCREW_EMBED_MLL_WRITER_H_

// Writes `.mll` containers, version 1.0, and signs them. The same content gives
// the same bytes.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"

namespace corkscrew {

// Flags of sections.
inline constexpr uint16_t kMllRequired = 1;
inline constexpr uint16_t kMllSkippable = 2;
inline constexpr uint16_t kMllAligned = 16;
inline constexpr uint16_t kMllSchemaless = 32;
// Of a section of our own: readers that do not know it pass over it.
inline constexpr uint16_t kMllExtension = kMllSkippable | kMllSchemaless;

// A section to be written.
struct MllPart {
  std::string tag;  // 4 characters; each at most once.
  uint16_t flags = 0;
  uint16_t schema = 1;
  std::string body;
};

// The sections of a file, to be changed and written again.
std::vector<MllPart> PartsOf(const MllFile& file);

// The part called `tag`, or null.
MllPart* FindPart(std::vector<MllPart>* parts, absl::string_view tag);

// The bytes of a file with `parts`: in the canonical order, one right after the
// other, ALIGNED ones at multiples of 4096, with digests, and marked as signed
// if there is a section SGNM. Does not look into the parts: MllFile::Parse()
// and MllContents::Read() say whether they are a valid file.
std::string WriteMll(MllProfile profile, std::vector<MllPart> parts);

// Returns the file with an Ed25519 signature over its content hash by the
// private key `seed` [32] in place of any it has. `key_id` says whose it is; it
// is added to the strings of the file, which the hash covers.
//   InvalidArgument  malformed, a checkpoint, or a seed of another length
absl::StatusOr<std::string> SignMll(const MllFile& file,
                                    absl::string_view key_id,
                                    absl::string_view seed);

// Strings by index, as section STRG has them. Single-threaded.
class MllStrings {
 public:
  MllStrings() { Add(""); }  // By custom the first one.
  // Those of a file.
  explicit MllStrings(const std::vector<absl::string_view>& strings);

  // The index of `text`, which is added if it is new.
  uint32_t Add(absl::string_view text);
  // The body of section STRG.
  std::string Body() const;

 private:
  std::vector<std::string> strings_;
  std::map<std::string, uint32_t, std::less<>> indices_;
};

// A tensor to be written; `data` is borrowed.
struct MllTensorPart {
  uint32_t name = 0;  // Index of a string.
  MllType type = MllType::kF32;
  std::vector<uint64_t> shape;
  absl::string_view data;
};

// The body of section TNSR, tensors in this order.
std::string MllTensorBody(const std::vector<MllTensorPart>& tensors);

// The sections that a sealed file needs beside STRG and extensions: HEAD with
// `name`, DIMS (none), TYPE and PARM of each tensor, ENTR with one function
// called `entry`, TNSR. Adds to `strings`.
std::vector<MllPart> SealedParts(absl::string_view name,
                                 absl::string_view entry,
                                 const std::vector<MllTensorPart>& tensors,
                                 MllStrings* strings);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MLL_WRITER_H_
