#ifndef CORKSCREW_EMBED_ARCH_FILES_H_
#define CORKSCREW_EMBED_ARCH_FILES_H_

// The files of embed/arch/ as compiled in.

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

struct ArchFile {
  absl::string_view name;  // "bert.arch.toml"
  absl::string_view text;
};

absl::Span<const ArchFile> ArchFiles();

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ARCH_FILES_H_
