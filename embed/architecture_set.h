#ifndef CORKSCREW_EMBED_ARCHITECTURE_SET_H_
#define CORKSCREW_EMBED_ARCHITECTURE_SET_H_

// The architectures that a program knows: those of directories, then those
// compiled in.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/architecture.h"

namespace corkscrew {

// Immutable. Thread-safe.
class ArchitectureSet {
 public:
  // Reads the files *.arch.toml of `directories`, in which links are not
  // followed. Of two directories the earlier one counts. A directory that does
  // not exist has none.
  //   InvalidArgument    malformed: names the file and the line; two files of
  //                      one directory about the same architecture; a file that
  //                      is none or too large
  //   PermissionDenied   can not be read
  //   ResourceExhausted  a directory with more than 1000 entries
  static absl::StatusOr<std::shared_ptr<const ArchitectureSet>> Read(
      absl::Span<const std::string> directories);

  // The architecture called `name`. Borrowed from the set.
  //   Unimplemented  there is none; names those there are
  absl::StatusOr<const Architecture*> Find(absl::string_view name) const;

  // What stands for `architecture`, one of the set, in the space of a model:
  // its name if it computes what the one compiled in under this name computes,
  // otherwise "NAME@" and the SHA-256 of the file, so that vectors of two
  // graphs are never compared. "" if it is none of the set.
  std::string SpaceName(const Architecture& architecture) const;

 private:
  struct Outside {
    Architecture architecture;
    std::string space_name;
  };
  std::map<std::string, Outside, std::less<>> outside_;  // By name.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ARCHITECTURE_SET_H_
