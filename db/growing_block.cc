#include "db/growing_block.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "db/metadata_row.h"

namespace corkscrew {

GrowingBlock::Chunk::Chunk(size_t size, size_t code_bytes, size_t row_bytes)
    : codes(size * code_bytes),
      scalars(size),
      born(size),
      died(size),
      seq(size),
      origin(size),
      shard(size),
      id(size),
      metadata(size),
      rows(size * row_bytes) {
  for (size_t i = 0; i < size; ++i) new (&died[i]) std::atomic<Lamport>(kAlive);
}

GrowingBlock::Added GrowingBlock::Add(const IndexEntry& entry) {
  const BodyKey& body = *entry.body;
  const auto id_of = [this](uint32_t slot) { return id(slot); };
  if (entry.metadata == nullptr) {
    const uint32_t latest = latest_.Find(body.id, id_of);
    const bool known = latest != StringTable::kNone;
    return {known, known && EndLife(latest, body.lamport)};
  }
  assert(entry.code.size() == code_bytes_);
  assert(rescore_dim_ == 0 || entry.original.size() == rescore_dim_);
  assert(slots_ < StringTable::kNone);

  const Map::Place place = Map::Find(slots_);
  if (place.offset == 0) {
    const size_t size = Map::Size(place.chunk);
    chunks_.push_back(std::make_unique<Chunk>(size, code_bytes_, row_bytes_));
    chunk_slots_ += size;
  }
  Chunk& chunk = *chunks_[place.chunk];
  const size_t i = place.offset;
  const uint64_t id_position = ids_.Append(body.id);
  if (i == 0) chunk.ids_begin = id_position;
  chunk.id[i] = static_cast<uint32_t>(id_position - chunk.ids_begin);
  std::memcpy(&chunk.codes[i * code_bytes_], entry.code.data(), code_bytes_);
  chunk.scalars[i] = entry.scalars;
  chunk.born[i] = body.lamport;
  chunk.seq[i] = body.seq;
  chunk.origin[i] = body.origin;
  chunk.shard[i] = body.shard;
  chunk.metadata[i] = MetadataNumber(*entry.metadata);
  if (rescore_dim_ != 0) {
    WriteRescoreRow(entry.original, &chunk.rows[i * row_bytes_]);
  }
  const auto slot = static_cast<uint32_t>(slots_++);
  const uint32_t before = latest_.Set(body.id, slot, id_of);
  const bool known = before != StringTable::kNone;
  return {known, known && EndLife(before, body.lamport)};
}

uint32_t GrowingBlock::FindLatest(absl::string_view id) const {
  static_assert(kNone == StringTable::kNone);
  return latest_.Find(id, [this](uint32_t slot) { return this->id(slot); });
}

bool GrowingBlock::EndLife(size_t slot, Lamport at) {
  const Map::Place place = Map::Find(slot);
  std::atomic<Lamport>& died = chunks_[place.chunk]->died[place.offset];
  // A tombstone may have come before.
  if (died.load(std::memory_order_relaxed) != kAlive) return false;
  // Ordered by Publish(): a reader at an earlier time finds the slot alive
  // whether it sees this or not.
  died.store(at, std::memory_order_relaxed);
  return true;
}

uint32_t GrowingBlock::MetadataNumber(const Metadata& metadata) {
  const std::string row = MetadataRow(metadata);
  const auto row_of = [this](uint32_t number) { return metadata_row(number); };
  const uint32_t found = metadata_numbers_.Find(row, row_of);
  if (found != StringTable::kNone) return found;
  const auto number = static_cast<uint32_t>(metadata_positions_.size());
  metadata_positions_.push_back(metadata_.Append(row));
  metadata_numbers_.Set(row, number, row_of);
  metadata_rows_.store(number + 1, std::memory_order_release);
  return number;
}

void GrowingBlock::Publish(Lamport now) {
  assert(now >= published_now_.load(std::memory_order_relaxed));
  CountBytes();
  // The time last: who sees it sees at least these slots. A reader that sees
  // more slots than belong to its time finds them not yet born.
  published_slots_.store(slots_, std::memory_order_release);
  published_now_.store(now, std::memory_order_release);
}

GrowingBlock::Snapshot GrowingBlock::snapshot() const {
  Snapshot snapshot;
  snapshot.now = published_now_.load(std::memory_order_acquire);
  snapshot.slots = published_slots_.load(std::memory_order_acquire);
  return snapshot;
}

SlotBlock::Run GrowingBlock::RunAt(size_t first, size_t last) const {
  const Map::Place place = Map::Find(first);
  const Chunk& chunk = *chunks_[place.chunk];
  return {std::min(last - first, Map::Size(place.chunk) - place.offset),
          chunk.codes.get() + place.offset * code_bytes_,
          chunk.scalars.get() + place.offset};
}

BodyKey GrowingBlock::body(size_t slot) const {
  const auto [chunk, i] = Find(slot);
  return {chunk.shard[i], std::string(id(slot)), chunk.born[i], chunk.origin[i],
          chunk.seq[i]};
}

void GrowingBlock::CountBytes() {
  constexpr size_t kSlotBytes =
      sizeof(CodeScalars) + sizeof(Lamport) + sizeof(std::atomic<Lamport>) +
      sizeof(uint64_t) + 3 * sizeof(uint32_t) + sizeof(uint16_t);
  index_bytes_.store(chunk_slots_ * (code_bytes_ + kSlotBytes) +
                         chunks_.capacity() * sizeof(std::unique_ptr<Chunk>) +
                         chunks_.size() * sizeof(Chunk) + ids_.capacity() +
                         metadata_.capacity() +
                         metadata_positions_.capacity() * sizeof(uint64_t) +
                         latest_.bytes() + metadata_numbers_.bytes(),
                     std::memory_order_relaxed);
  rescore_bytes_.store(chunk_slots_ * row_bytes_, std::memory_order_relaxed);
}

}  // namespace corkscrew
