#include "db/digest.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "db/encode.h"

namespace corkscrew {

void Digest::Add(absl::string_view id, const MergeKey& key) {
  std::string input = "csdb:hed";
  AppendBig(static_cast<uint16_t>(id.size()), &input);
  AppendBytes(id, &input);
  AppendBig(key.version.lamport, &input);
  AppendBytes(BytesOf(key.version.replica.bytes), &input);
  AppendBig(key.version.incarnation, &input);
  AppendBig(key.version.seq, &input);
  AppendBytes(BytesOf(key.content_hash), &input);
  const Sha256Digest member = Sha256(input);
  unsigned carry = 0;
  for (size_t i = sum_.size(); i-- > 0;) {
    carry += unsigned{sum_[i]} + member[i];
    sum_[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  ++count_;
}

std::string Digest::Bytes() const {
  std::string out(BytesOf(sum_));
  AppendBig(count_, &out);
  return out;
}

}  // namespace corkscrew
