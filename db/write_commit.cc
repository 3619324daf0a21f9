#include "db/write_commit.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "db/encode.h"

namespace corkscrew {

Hash16 RequestHash(OpKind kind, absl::Span<const RequestItem> items) {
  Sha256Stream stream;
  std::string piece = "csdb:req";
  AppendBig(static_cast<uint8_t>(kind), &piece);
  AppendBig(static_cast<uint32_t>(items.size()), &piece);
  for (const RequestItem& item : items) {
    AppendBig(static_cast<uint32_t>(item.id.size()), &piece);
    AppendBytes(item.id, &piece);
    if (kind == OpKind::kPut) {
      AppendBig(static_cast<uint8_t>(item.has_vector), &piece);
      if (item.has_vector) {
        const absl::string_view bytes(
            reinterpret_cast<const char*>(item.vector.data()),
            item.vector.size() * sizeof(float));
        AppendBytes(BytesOf(Sha256(bytes)), &piece);
      }
      AppendBytes(BytesOf(Sha256(item.text)), &piece);
      AppendBig(static_cast<uint8_t>(item.metadata_bytes != nullptr), &piece);
      if (item.metadata_bytes != nullptr) {
        AppendBytes(BytesOf(Sha256(*item.metadata_bytes)), &piece);
      }
    }
    stream.Update(piece);
    piece.clear();
  }
  stream.Update(piece);
  const Sha256Digest digest = stream.Finish();
  Hash16 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

}  // namespace corkscrew
