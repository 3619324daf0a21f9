// Fuzzes the readers of the storage format. The first byte chooses one. What
// it accepts has one form: written again it is the same bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "db/body.h"
#include "db/descriptor.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/log_segment.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/packed_vector.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

template <typename T, typename Encoder>
void Check(const absl::StatusOr<T>& value, absl::string_view bytes,
           const Encoder& encode) {
  if (value.ok()) Require(encode(*value) == bytes);
}

constexpr auto kEncode = [](const auto& row) { return Encode(row); };

void CheckKeys(absl::string_view bytes) {
  Stream stream;
  uint32_t number;
  uint64_t wide;
  std::string text;
  BodyKey body;
  if (ParseOriginKey(bytes, &number)) Require(OriginKey(number) == bytes);
  if (ParseCollectionKey(bytes, &number)) {
    Require(CollectionKey(number) == bytes);
  }
  if (ParseNameKey(bytes, &text)) Require(NameKey(text) == bytes);
  if (ParseWallKey(bytes, &number, &wide)) {
    Require(WallKey(number, wide) == bytes);
  }
  if (ParseVectorKey(bytes, &stream, &number)) {
    Require(VectorKey(stream, number) == bytes);
  }
  if (ParseOpKey(bytes, &stream, &number, &wide)) {
    Require(OpKey(stream, number, wide) == bytes);
  }
  if (ParseFeedKey(bytes, &number, &wide)) {
    Require(FeedKey(number, wide) == bytes);
  }
  if (ParseHeadKey(bytes, &stream, &text)) {
    Require(HeadKey(stream, text) == bytes);
  }
  if (ParseRequestKey(bytes, &stream, &text)) {
    Require(RequestKey(stream, text) == bytes);
  }
  if (ParseBodyRowKey(bytes, &number, &body)) {
    Require(BodyRowKey(number, body) == bytes);
  }
}

// A fuzzer does not find checksums: the right one is put behind the bytes.
void CheckBody(absl::string_view bytes) {
  const std::string key = "key";
  std::string value(bytes);
  AppendBig(ExtendCrc32c(Crc32c(key), bytes), &value);
  const absl::StatusOr<Body> body = DecodeBody(key, value);
  if (!body.ok()) return;
  Require(EncodeBodyToString(key, *body) == value);
  (void)DecodeMetadata(body->metadata);
  std::array<float, 4> floats;
  (void)BytesToFloats(body->vector, absl::MakeSpan(floats));
  std::vector<float> vector(PackedDim(body->vector));
  if (UnpackVector(body->vector, absl::MakeSpan(vector))) {
    std::string packed;
    Require(PackVector(vector, &packed) && packed == body->vector);
  }
}

// The same for all checksums of a segment of a log; what follows its blocks is
// its hash.
void CheckLogSegment(absl::string_view bytes) {
  std::string segment(bytes);
  const auto number = [&](size_t at) {
    uint32_t value = 0;
    Cursor cursor(segment);
    return cursor.Skip(at) && cursor.ReadBig(&value) ? value : 0;
  };
  const auto put = [&](size_t at, uint32_t value) {
    std::string big;
    AppendBig(value, &big);
    if (at + big.size() <= segment.size()) segment.replace(at, 4, big);
  };
  constexpr size_t kHead = 9;
  size_t at = kHead + 4 + number(kHead);
  if (at > segment.size()) return;
  put(at, Crc32c(absl::string_view(segment).substr(0, at)));
  for (at += 4; number(at) != 0; at += 8 + number(at)) {
    if (at + 8 > segment.size()) break;
    put(at + 4, Crc32c(absl::string_view(segment).substr(at + 8, number(at))));
  }
  const Sha256Digest digest = Sha256(segment);
  AppendBytes(BytesOf(digest), &segment);
  size_t ops = 0;
  const auto head = DecodeLogSegment(segment, [&](const LoggedOp&) {
    ++ops;
    return absl::OkStatus();
  });
  Require(ops == (head.ok() ? head->ops : 0));
}

void CheckOne(uint8_t which, absl::string_view bytes) {
  switch (which % 15) {
    case 0:
      return CheckKeys(bytes);
    case 1:
      return Check(DecodeMetadata(bytes), bytes, [](const Metadata& metadata) {
        const absl::StatusOr<std::string> again = EncodeMetadata(metadata);
        Require(again.ok());
        return *again;
      });
    case 2:
      return Check(DecodeDescriptor(bytes), bytes, EncodeDescriptor);
    case 3:
      return Check(DecodeOp(bytes), bytes, EncodeOp);
    case 4:
      return CheckBody(bytes);
    case 5:
      (void)DecodeFormatRow(bytes);  // Ignores what later formats add.
      return;
    case 6:
      return Check(DecodeOpenRow(bytes), bytes, kEncode);
    case 7:
      return Check(DecodeOriginRow(bytes), bytes, kEncode);
    case 8:
      return Check(DecodeCollectionRow(bytes), bytes, kEncode);
    case 9:
      return Check(DecodeClockRow(bytes), bytes, kEncode);
    case 10:
      return Check(DecodeFeedRow(bytes), bytes, kEncode);
    case 11:
      return Check(DecodeHeadRow(bytes), bytes, kEncode);
    case 12:
      return Check(DecodeRequestRow(bytes), bytes, kEncode);
    case 13:
      return Check(DecodeUuid(bytes), bytes, EncodeUuid);
    default:
      return CheckLogSegment(bytes);
  }
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  corkscrew::CheckOne(
      data[0],
      absl::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
