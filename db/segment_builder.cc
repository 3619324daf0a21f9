#include "db/segment_builder.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "db/encode.h"
#include "db/metadata_columns_builder.h"
#include "db/rescore_row.h"

namespace corkscrew {
namespace {

template <typename T>
void AppendLittle(T value, std::string* out) {
  static_assert(std::endian::native == std::endian::little);
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Bytes that the values up to `range` need: 0, 1, 2, 4 or 8.
uint8_t WidthOf(uint64_t range) {
  if (range == 0) return 0;
  if (range <= 0xFF) return 1;
  if (range <= 0xFFFF) return 2;
  return range <= 0xFFFFFFFF ? 4 : 8;
}

class Builder {
 public:
  Builder(SegmentKind kind, const SegmentSpace& space,
          const SegmentStamp& stamp, absl::Span<const SlotToCopy> slots,
          const OriginalReader& originals)
      : slots_(slots), originals_(originals), layout_(space.layout) {
    header_.kind = kind;
    header_.collection = space.collection;
    header_.descriptor = space.descriptor;
    header_.number = stamp.number;
    header_.incarnation = stamp.incarnation;
    header_.feed = stamp.feed;
    header_.op_hash = stamp.op_hash;
    header_.slots = static_cast<uint32_t>(slots.size());
    header_.prefix_bytes = static_cast<uint32_t>(layout_.prefix_bytes);
    header_.rest_bytes = static_cast<uint32_t>(layout_.rest_bytes);
    header_.low_bytes = static_cast<uint32_t>(layout_.low_bytes);
    header_.rescore_dim = space.rescore_dim;
    // Not to be guessed by who chooses ids.
    std::memcpy(&header_.id_seed, stamp.op_hash.data(), 8);
  }

  absl::StatusOr<SegmentImage> Build() {
    const bool live = header_.kind == SegmentKind::kLive;
    AddCodes();
    AddBodies();
    AddIds();
    AddMetadata();
    if (live) AddIdTable();
    if (header_.rescore_dim != 0) CORKSCREW_RETURN_IF_ERROR(AddRescore());
    return Finish();
  }

 private:
  void Add(ColumnId id, std::string bytes) {
    SegmentColumn& column = header_.columns.emplace_back();
    column.id = id;
    column.bytes = bytes.size();
    column.checks = SegmentChecks(bytes);
    columns_.push_back(std::move(bytes));
  }

  void AddIntegers(ColumnId id, absl::Span<const uint64_t> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const uint64_t base = *low;
    const uint8_t width = WidthOf(*high - base);
    std::string bytes;
    bytes.reserve(values.size() * width);
    for (const uint64_t value : values) {
      const uint64_t rest = value - base;
      bytes.append(reinterpret_cast<const char*>(&rest), width);
    }
    Add(id, std::move(bytes));
    header_.columns.back().width = width;
    header_.columns.back().base = base;
  }

  void AddCodes() {
    std::string prefix(layout_.prefix_size(slots_.size()), '\0');
    std::string rest;
    std::string low;
    std::string scalars;
    rest.reserve(layout_.rest_size(slots_.size()));
    low.reserve(layout_.low_size(slots_.size()));
    scalars.reserve(slots_.size() * sizeof(CodeScalars));
    std::vector<uint8_t> row(layout_.prefix_bytes);
    for (size_t i = 0; i < slots_.size(); ++i) {
      const SlotBlock::CodeRow code =
          slots_[i].block->ReadCode(slots_[i].slot, row.data());
      for (size_t b = 0; b < row.size(); ++b) {
        prefix[layout_.PrefixPosition(i, b)] = static_cast<char>(row[b]);
      }
      rest.append(reinterpret_cast<const char*>(code.rest), layout_.rest_bytes);
      low.append(reinterpret_cast<const char*>(code.low), layout_.low_bytes);
      scalars.append(reinterpret_cast<const char*>(&code.scalars),
                     sizeof(CodeScalars));
    }
    Add(ColumnId::kPrefix, std::move(prefix));
    Add(ColumnId::kRest, std::move(rest));
    Add(ColumnId::kLow, std::move(low));
    Add(ColumnId::kScalars, std::move(scalars));
  }

  void AddBodies() {
    std::vector<uint64_t> born, died, seq, origin, shard;
    for (const SlotToCopy& from : slots_) {
      const BodyKey body = from.block->body(from.slot);
      born.push_back(body.lamport);
      died.push_back(from.died);
      seq.push_back(body.seq);
      origin.push_back(body.origin);
      shard.push_back(body.shard);
    }
    header_.min_born = *std::min_element(born.begin(), born.end());
    header_.max_born = *std::max_element(born.begin(), born.end());
    AddIntegers(ColumnId::kBorn, born);
    if (header_.kind == SegmentKind::kHistory) {
      header_.max_died = *std::max_element(died.begin(), died.end());
      AddIntegers(ColumnId::kDied, died);
    }
    AddIntegers(ColumnId::kSeq, seq);
    AddIntegers(ColumnId::kOrigin, origin);
    AddIntegers(ColumnId::kShard, shard);
  }

  void AddIds() {
    std::string ends;
    std::string ids;
    for (const SlotToCopy& from : slots_) {
      const absl::string_view id = from.block->id(from.slot);
      ids.append(id.data(), id.size());
      AppendLittle(static_cast<uint32_t>(ids.size()), &ends);
    }
    Add(ColumnId::kIdEnds, std::move(ends));
    Add(ColumnId::kIds, std::move(ids));
  }

  void AddMetadata() {
    std::vector<SlotMetadata> metadata;
    metadata.reserve(slots_.size());
    for (const SlotToCopy& from : slots_) {
      metadata.push_back({&from.block->metadata(), from.slot});
    }
    PackedColumns packed = PackMetadata(metadata);
    Add(ColumnId::kMetadataKeys, std::move(packed.keys));
    Add(ColumnId::kMetadataNumbers, std::move(packed.numbers));
    Add(ColumnId::kMetadataValues, std::move(packed.values));
  }

  void AddIdTable() {
    const uint32_t places = IdPlaces(header_.slots);
    std::string tags(places, '\0');
    std::vector<uint32_t> table(places, kFreeIdPlace);
    for (uint32_t slot = 0; slot < header_.slots; ++slot) {
      const IdHash hash = HashId(slots_[slot].block->id(slots_[slot].slot),
                                 header_.id_seed, places);
      size_t place = hash.home;
      while (table[place] != kFreeIdPlace) {
        if (++place == places) place = 0;
      }
      table[place] = slot;
      tags[place] = static_cast<char>(hash.tag);
    }
    header_.id_places = places;
    Add(ColumnId::kIdTags, std::move(tags));
    Add(ColumnId::kIdSlots,
        std::string(reinterpret_cast<const char*>(table.data()),
                    table.size() * sizeof(uint32_t)));
  }

  absl::Status AddRescore() {
    const size_t row_bytes = RescoreRowBytes(header_.rescore_dim);
    std::string rows;
    rows.resize(slots_.size() * row_bytes);
    for (size_t i = 0; i < slots_.size(); ++i) {
      const SlotToCopy& from = slots_[i];
      char* const to = rows.data() + i * row_bytes;
      const absl::string_view row = from.block->rescore_row(from.slot);
      if (row.empty()) {
        CORKSCREW_RETURN_IF_ERROR(MakeRow(from, to));
      } else {
        std::memcpy(to, row.data(), row_bytes);
      }
    }
    Add(ColumnId::kRescore, std::move(rows));
    return absl::OkStatus();
  }

  absl::Status MakeRow(const SlotToCopy& from, char* to) {
    const BodyKey body = from.block->body(from.slot);
    std::vector<float> original(header_.rescore_dim);
    CORKSCREW_RETURN_IF_ERROR(
        originals_.ReadOriginals({&body, 1}, absl::MakeSpan(original)));
    WriteRescoreRow(original, to);
    return absl::OkStatus();
  }

  SegmentImage Finish() {
    PlaceColumns(&header_);
    SegmentImage image;
    image.parts.push_back(EncodeSegmentHeader(header_, &image.hash));
    uint64_t at = image.parts.back().size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      const SegmentColumn& column = header_.columns[i];
      image.parts.emplace_back(column.offset - at, '\0');
      at = column.offset + columns_[i].size();
      image.parts.push_back(std::move(columns_[i]));
    }
    image.parts.emplace_back(header_.file_bytes - at, '\0');
    image.header = std::move(header_);
    return image;
  }

  const absl::Span<const SlotToCopy> slots_;
  const OriginalReader& originals_;
  const ScanLayout layout_;
  SegmentHeader header_;
  std::vector<std::string> columns_;
};

}  // namespace

std::string SegmentImage::ToString() const { return absl::StrJoin(parts, ""); }

absl::StatusOr<SegmentImage> BuildSegment(SegmentKind kind,
                                          const SegmentSpace& space,
                                          const SegmentStamp& stamp,
                                          absl::Span<const SlotToCopy> slots,
                                          const OriginalReader& originals) {
  assert(!slots.empty());
  return Builder(kind, space, stamp, slots, originals).Build();
}

absl::Status WriteSegment(FileSystem& files, const std::string& path,
                          const SegmentImage& image) {
  const std::vector<absl::string_view> parts(image.parts.begin(),
                                             image.parts.end());
  return AtomicWriteFile(files, path, parts);
}

}  // namespace corkscrew
