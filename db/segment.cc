#include "db/segment.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "db/rescore_row.h"

namespace corkscrew {
namespace {

template <typename T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

uint64_t Segment::Integers::At(size_t i) const {
  switch (width) {
    case 0:
      return base;
    case 1:
      return base + static_cast<uint8_t>(data[i]);
    case 2:
      return base + Load<uint16_t>(data + 2 * i);
    case 4:
      return base + Load<uint32_t>(data + 4 * i);
    default:
      return base + Load<uint64_t>(data + 8 * i);
  }
}

absl::StatusOr<std::shared_ptr<Segment>> Segment::Open(
    FileSystem& files, const std::string& path, const SegmentSpace& space) {
  CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<FileContent> content,
                             files.Map(path));
  absl::StatusOr<std::shared_ptr<Segment>> segment =
      FromContent(std::move(content), space);
  if (!segment.ok()) {
    return absl::Status(segment.status().code(),
                        absl::StrCat(path, ": ", segment.status().message()));
  }
  return segment;
}

absl::StatusOr<std::shared_ptr<Segment>> Segment::FromContent(
    std::unique_ptr<FileContent> content, const SegmentSpace& space) {
  Hash16 hash;
  CORKSCREW_ASSIGN_OR_RETURN(SegmentHeader header,
                             DecodeSegmentHeader(content->bytes(), &hash));
  if (header.collection != space.collection ||
      header.descriptor != space.descriptor ||
      header.prefix_bytes != space.layout.prefix_bytes ||
      header.rest_bytes != space.layout.rest_bytes ||
      header.low_bytes != space.layout.low_bytes ||
      header.rescore_dim != space.rescore_dim) {
    return absl::DataLossError(absl::StrCat(
        "segment: it is of collection ", header.collection.ToString(), " with ",
        header.prefix_bytes, " + ", header.rest_bytes, " + ", header.low_bytes,
        " bytes per code, want ", space.collection.ToString(), " with ",
        space.layout.prefix_bytes, " + ", space.layout.rest_bytes, " + ",
        space.layout.low_bytes));
  }
  std::shared_ptr<Segment> segment(
      new Segment(std::move(content), std::move(header), hash, space.layout));
  CORKSCREW_RETURN_IF_ERROR(segment->CheckContent());
  CORKSCREW_RETURN_IF_ERROR(segment->FindColumns());
  return segment;
}

Segment::Segment(std::unique_ptr<FileContent> content, SegmentHeader header,
                 const Hash16& hash, const ScanLayout& layout)
    : content_(std::move(content)),
      header_(std::move(header)),
      hash_(hash),
      layout_(layout),
      died_(live() ? header_.slots : 0) {}

absl::Status Segment::CheckContent() const {
  for (const SegmentColumn& column : header_.columns) {
    if (column.id == ColumnId::kRescore) continue;
    if (SegmentChecks(Bytes(column)) != column.checks) {
      return absl::DataLossError(absl::StrCat("segment: column ",
                                              static_cast<uint32_t>(column.id),
                                              " has a wrong checksum"));
    }
  }
  return absl::OkStatus();
}

absl::Status Segment::FindColumns() {
  MetadataBytes metadata;
  const auto integers = [this](const SegmentColumn& column) {
    return Integers{Bytes(column).data(), column.width, column.base};
  };
  for (const SegmentColumn& column : header_.columns) {
    const absl::string_view bytes = Bytes(column);
    switch (column.id) {
      case ColumnId::kPrefix:
        codes_.prefix = reinterpret_cast<const uint8_t*>(bytes.data());
        break;
      case ColumnId::kRest:
        codes_.rest = reinterpret_cast<const uint8_t*>(bytes.data());
        break;
      case ColumnId::kLow:
        codes_.low = reinterpret_cast<const uint8_t*>(bytes.data());
        break;
      case ColumnId::kScalars:
        scalars_ = reinterpret_cast<const CodeScalars*>(bytes.data());
        break;
      case ColumnId::kBorn:
        born_ = integers(column);
        break;
      case ColumnId::kDied:
        died_at_ = integers(column);
        break;
      case ColumnId::kSeq:
        seq_ = integers(column);
        break;
      case ColumnId::kOrigin:
        origin_ = integers(column);
        break;
      case ColumnId::kShard:
        shard_ = integers(column);
        break;
      case ColumnId::kIdEnds:
        id_ends_ = bytes;
        break;
      case ColumnId::kIds:
        ids_ = bytes;
        break;
      case ColumnId::kMetadataKeys:
        metadata.keys = bytes;
        break;
      case ColumnId::kMetadataNumbers:
        metadata.numbers = bytes;
        break;
      case ColumnId::kMetadataValues:
        metadata.values = bytes;
        break;
      case ColumnId::kIdTags:
        id_tags_ = bytes;
        break;
      case ColumnId::kIdSlots:
        id_slots_ = bytes;
        break;
      case ColumnId::kRescore:
        rescore_ = bytes;
        rescore_column_ = &column;
        rescore_checked_ =
            std::vector<std::atomic<uint8_t>>(column.checks.size());
        break;
    }
  }
  CORKSCREW_ASSIGN_OR_RETURN(metadata_,
                             PackedMetadata::Open(metadata, header_.slots));
  return absl::OkStatus();
}

absl::string_view Segment::Item(absl::string_view ends, absl::string_view items,
                                size_t i) {
  const uint32_t begin = i == 0 ? 0 : Load<uint32_t>(ends.data() + 4 * (i - 1));
  const auto end = Load<uint32_t>(ends.data() + 4 * i);
  if (begin > end || end > items.size()) return {};
  return items.substr(begin, end - begin);
}

void Segment::AppendRuns(size_t slots, ScanCopies* /*copies*/,
                         std::vector<ScanRun>* runs) const {
  runs->push_back({0, slots, codes_, scalars_});
}

SlotBlock::CodeRow Segment::ReadCode(size_t slot, uint8_t* prefix) const {
  for (size_t b = 0; b < layout_.prefix_bytes; ++b) {
    prefix[b] = codes_.prefix[layout_.PrefixPosition(slot, b)];
  }
  return {codes_.rest + slot * layout_.rest_bytes,
          codes_.low + slot * layout_.low_bytes, scalars_[slot]};
}

size_t Segment::AliveAt(Lamport at, size_t slots, uint64_t* alive) const {
  const bool all_born = header_.max_born <= at;
  size_t count = 0;
  for (size_t first = 0; first < slots; first += 64) {
    const size_t n = std::min<size_t>(64, slots - first);
    uint64_t word = FirstBits(n);
    if (!all_born) {
      word = WordOf(n, [&](size_t i) { return born_.At(first + i) <= at; });
    }
    word &= live() ? died_.Alive(first / 64, at) : WordOf(n, [&](size_t i) {
      return at < died_at_.At(first + i);
    });
    alive[first / 64] = word;
    count += static_cast<size_t>(std::popcount(word));
  }
  return count;
}

BodyKey Segment::body(size_t slot) const {
  return {static_cast<uint16_t>(shard_.At(slot)), std::string(id(slot)),
          born(slot), static_cast<uint32_t>(origin_.At(slot)), seq_.At(slot)};
}

bool Segment::RescoreIsGood(size_t begin, size_t end) const {
  const size_t last = (end - 1) / kSegmentCheckBytes;
  for (size_t i = begin / kSegmentCheckBytes; i <= last; ++i) {
    std::atomic<uint8_t>& checked = rescore_checked_[i];
    uint8_t state = checked.load(std::memory_order_relaxed);
    if (state == 0) {
      // Threads that race here find the same.
      const bool good = ExtendCrc32c(0, rescore_.substr(i * kSegmentCheckBytes,
                                                        kSegmentCheckBytes)) ==
                        rescore_column_->checks[i];
      state = good ? 1 : 2;
      checked.store(state, std::memory_order_relaxed);
      if (!good) damaged_.store(true, std::memory_order_relaxed);
    }
    if (state == 2) return false;
  }
  return true;
}

absl::string_view Segment::rescore_row(size_t slot) const {
  const size_t row_bytes = RescoreRowBytes(header_.rescore_dim);
  const size_t begin = slot * row_bytes;
  return RescoreIsGood(begin, begin + row_bytes)
             ? rescore_.substr(begin, row_bytes)
             : absl::string_view();
}

size_t Segment::index_bytes() const {
  return header_.file_bytes - rescore_bytes() + died_.bytes();
}

size_t Segment::rescore_bytes() const { return rescore_.size(); }

uint32_t Segment::FindLatest(absl::string_view id) const {
  const size_t places = id_tags_.size();
  if (places == 0) return kNone;
  const IdHash hash = HashId(id, header_.id_seed, places);
  size_t place = hash.home;
  for (size_t probes = 0; probes < places; ++probes) {
    const auto slot = Load<uint32_t>(id_slots_.data() + 4 * place);
    if (slot == kFreeIdPlace) return kNone;
    if (static_cast<uint8_t>(id_tags_[place]) == hash.tag && slot < slots() &&
        this->id(slot) == id) {
      return slot;
    }
    if (++place == places) place = 0;
  }
  return kNone;
}

}  // namespace corkscrew
