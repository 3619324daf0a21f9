// Fuzzes the reader of segments. A fuzzer does not find hashes: the right ones
// are put into a copy, so that it reaches what lies behind them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "db/metadata_columns.h"
#include "db/segment.h"
#include "db/segment_format.h"

namespace corkscrew {
namespace {

class HeldContent : public FileContent {
 public:
  explicit HeldContent(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::string_view bytes() const override { return bytes_; }

 private:
  const std::string bytes_;
};

void Read(std::string bytes) {
  Hash16 hash;
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes, &hash);
  if (!header.ok()) return;
  SegmentSpace space{header->collection, header->descriptor,
                     ScanLayout({.dim = 8, .bits = 1}), header->rescore_dim};
  space.layout.prefix_bytes = header->prefix_bytes;
  space.layout.rest_bytes = header->rest_bytes;
  space.layout.low_bytes = header->low_bytes;
  const auto opened = Segment::FromContent(
      std::make_unique<HeldContent>(std::move(bytes)), space);
  if (!opened.ok()) return;
  const Segment& segment = **opened;
  const Filter filter = Filter::Or(
      {Filter::Compare(Filter::Op::kGe, "n", int64_t{3}),
       Filter::Compare(Filter::Op::kNe, "kind", std::string("a")),
       Filter::In("", {int64_t{3}, 4.0, true}),
       Filter::Compare(Filter::Op::kContains, "tags", std::string("a"))});
  std::vector<uint64_t> words((segment.slots() + 63) / 64, ~uint64_t{0});
  RetainMatches(segment.metadata(), filter, segment.slots(), words.data());
  size_t sum = segment.index_bytes() + segment.rescore_bytes();
  for (size_t slot = 0; slot < segment.slots(); ++slot) {
    const BodyKey body = segment.body(slot);
    sum += body.id.size() + segment.IsAlive(slot, body.lamport);
    sum += segment.FindLatest(body.id);
    sum += words[slot / 64] >> slot % 64 & 1;
    for (size_t k = 0; k < segment.metadata().keys(); ++k) {
      const uint32_t number = segment.metadata().number(k, slot);
      if (number != 0) sum += segment.metadata().value(k, number).index();
    }
    std::vector<uint8_t> prefix(space.layout.prefix_bytes);
    const SlotBlock::CodeRow code = segment.ReadCode(slot, prefix.data());
    for (const uint8_t byte : prefix) sum += byte;
    for (size_t i = 0; i < space.layout.rest_bytes; ++i) sum += code.rest[i];
    for (size_t i = 0; i < space.layout.low_bytes; ++i) sum += code.low[i];
    if (space.rescore_dim == 0) continue;
    for (const char value : segment.rescore_row(slot)) {
      sum += static_cast<uint8_t>(value);
    }
  }
  volatile size_t result = sum;
  (void)result;
}

// Decoding fails at a wrong hash, so the header is read with it put right; then
// the checksums of the columns as it places them.
std::string WithRightHashes(std::string bytes) {
  if (bytes.size() < 12) return bytes;
  size_t head = 0;
  for (int i = 8; i < 12; ++i) {
    head = head << 8 | static_cast<uint8_t>(bytes[i]);
  }
  if (head > bytes.size() || head < 28) return bytes;
  Hash16 hash = HashOfSegmentHeader(
      absl::string_view(bytes).substr(0, head - sizeof(hash)));
  bytes.replace(head - hash.size(), hash.size(),
                reinterpret_cast<const char*>(hash.data()), hash.size());
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes, &hash);
  if (!header.ok()) return bytes;
  for (SegmentColumn& column : header->columns) {
    column.checks = SegmentChecks(
        absl::string_view(bytes).substr(column.offset, column.bytes));
  }
  const std::string again = EncodeSegmentHeader(*header, &hash);
  return bytes.replace(0, again.size(), again);
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  corkscrew::Read(bytes);
  corkscrew::Read(corkscrew::WithRightHashes(std::move(bytes)));
  return 0;
}
