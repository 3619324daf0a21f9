#ifndef CORKSCREW_EMBED_MLL_FILE_H_
#define CORKSCREW_EMBED_MLL_FILE_H_

// Reader of the `.mll` container, version 1.0 (github odvcencio/mll): a
// directory of sections with a BLAKE3 digest each. The bytes are untrusted:
// every count, length and offset is checked before it is used or anything is
// allocated for it. embed/mll_contents.h reads what is in the sections.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/blake3.h"

namespace corkscrew {

enum class MllProfile : uint8_t {
  kSealed = 1,      // A model that can be run.
  kCheckpoint = 2,  // The same and the state of an optimizer.
  kWeights = 3,     // Tensors and the parameters they belong to.
};

// One section. Views point into the MllFile.
struct MllSection {
  absl::string_view tag;  // 4 characters.
  uint16_t flags = 0;
  uint16_t schema = 0;
  uint64_t offset = 0;
  absl::string_view body;
  absl::string_view digest;  // 32 bytes.
};

// Immutable. Thread-safe. Owns the bytes of the file.
class MllFile {
 public:
  // Checks the header, the directory and every digest.
  //   InvalidArgument  malformed, or a digest does not match; names the file
  //                    and the section
  //   Unimplemented    another version, or compressed or external sections
  static absl::StatusOr<std::shared_ptr<const MllFile>> Parse(
      std::string bytes, absl::string_view name);

  const std::string& name() const { return name_; }
  MllProfile profile() const { return profile_; }
  // Ascending by offset.
  absl::Span<const MllSection> sections() const { return sections_; }
  // The section called `tag`, or null.
  const MllSection* Find(absl::string_view tag) const;

  // What identifies the content of the file ("seal"): covers the digests of all
  // sections but the signature, and neither their places nor when it was
  // written.
  //   InvalidArgument  a checkpoint, which has none
  absl::StatusOr<Blake3Digest> ContentHash() const;

  // Checks the Ed25519 signature over ContentHash() with the public key of 32
  // bytes.
  //   NotFound          the file is not signed
  //   InvalidArgument   the signature is malformed or not of that key
  absl::Status VerifySignature(absl::string_view public_key) const;

 private:
  MllFile(std::string bytes, absl::string_view name)
      : bytes_(std::move(bytes)), name_(name) {}

  absl::Status Error(absl::string_view what) const;
  absl::Status ReadHeader(uint32_t* sections);
  absl::Status ReadSection(absl::string_view entry);
  absl::Status CheckPlaces(size_t directory_end) const;
  absl::Status CheckDigests() const;

  const std::string bytes_;
  const std::string name_;
  MllProfile profile_ = MllProfile::kSealed;
  uint8_t minor_ = 0;  // Of the version.
  uint8_t flags_ = 0;
  std::vector<MllSection> sections_;
};

// Where a tag stands in the canonical order of sections: core tags by their
// place, extensions (X...) behind them, then SGNM. -1: no such tag.
int MllTagOrder(absl::string_view tag);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MLL_FILE_H_
