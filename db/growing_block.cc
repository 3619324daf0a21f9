#include "db/growing_block.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace corkscrew {

GrowingBlock::Chunk::Chunk(size_t size, const ScanLayout& layout,
                           size_t row_bytes)
    : prefix(layout.prefix_size(size)),
      prefix_rows(size * layout.prefix_bytes),
      rest(layout.rest_size(size) + kScanPadding),
      low(layout.low_size(size) + kScanPadding),
      scalars(size),
      lives(std::make_unique<Lives[]>(ScanLayout::Blocks(size))),
      born(size),
      died(size),
      seq(size),
      origin(size),
      shard(size),
      id(size),
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
  assert(rescore_dim_ == 0 || entry.original.size() == rescore_dim_);
  assert(slots_ < StringTable::kNone);

  const Map::Place place = Map::Find(slots_);
  if (place.offset == 0) {
    const size_t size = Map::Size(place.chunk);
    chunks_.push_back(std::make_unique<Chunk>(size, layout_, row_bytes_));
    chunk_slots_ += size;
  }
  Chunk& chunk = *chunks_[place.chunk];
  const size_t i = place.offset;
  const uint64_t id_position = ids_.Append(body.id);
  if (i == 0) chunk.ids_begin = id_position;
  chunk.id[i] = static_cast<uint32_t>(id_position - chunk.ids_begin);
  StoreScanCode(entry.code, chunk, i);
  chunk.scalars[i] = entry.scalars;
  chunk.born[i] = body.lamport;
  std::atomic<Lamport>& latest = chunk.lives[i / 64].latest_born;
  latest.store(std::max(latest.load(std::memory_order_relaxed), body.lamport),
               std::memory_order_relaxed);
  chunk.seq[i] = body.seq;
  chunk.origin[i] = body.origin;
  chunk.shard[i] = body.shard;
  if (rescore_dim_ != 0) {
    WriteRescoreRow(entry.original, &chunk.rows[i * row_bytes_]);
  }
  const auto slot = static_cast<uint32_t>(slots_++);
  metadata_.Add(slot, *entry.metadata);
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
  Chunk& chunk = *chunks_[place.chunk];
  std::atomic<Lamport>& died = chunk.died[place.offset];
  // A tombstone may have come before.
  if (died.load(std::memory_order_relaxed) != kAlive) return false;
  // Ordered by Publish(): a reader at an earlier time finds the slot alive
  // whether it sees this or not.
  died.store(at, std::memory_order_relaxed);
  chunk.lives[place.offset / 64].dead.Set(place.offset % 64, at);
  return true;
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

void GrowingBlock::StoreScanCode(absl::Span<const uint8_t> code, Chunk& chunk,
                                 size_t i) {
  const size_t bytes = layout_.prefix_bytes;
  const size_t in_block = i % kScanBlock;
  const size_t first = i - in_block;
  StoreCode(layout_, code, in_block,
            {block_.data(), &chunk.rest[first * layout_.rest_bytes],
             &chunk.low[first * layout_.low_bytes]});
  for (size_t b = 0; b < bytes; ++b) {
    chunk.prefix_rows[i * bytes + b] =
        block_[layout_.PrefixPosition(in_block, b)];
  }
  // Readers scan the block once they know of this slot.
  if (in_block + 1 == kScanBlock) {
    std::memcpy(&chunk.prefix[first * bytes], block_.data(), block_.size());
  }
}

void GrowingBlock::AppendRuns(size_t slots, ScanCopies* copies,
                              std::vector<ScanRun>* runs) const {
  const size_t scanned =
      slots < kScanBlock ? 0 : (slots / kScanBlock - 1) * kScanBlock;
  for (size_t first = 0; first < scanned;) {
    const Map::Place place = Map::Find(first);
    const Chunk& chunk = *chunks_[place.chunk];
    assert(place.offset == 0);
    const size_t size = std::min(scanned - first, Map::Size(place.chunk));
    runs->push_back({first,
                     size,
                     {chunk.prefix.get(), chunk.rest.get(), chunk.low.get()},
                     chunk.scalars.get()});
    first += size;
  }
  const size_t left = slots - scanned;
  if (left == 0) return;
  ScanCopies::Copy& copy = copies->Next();
  const size_t prefix = layout_.prefix_size(left);
  const size_t rest = layout_.rest_size(left) + kScanPadding;
  copy.bytes.resize(prefix + rest + layout_.low_size(left) + kScanPadding);
  copy.scalars.resize(left);
  const MutableScanColumns columns = {copy.bytes.data(),
                                      copy.bytes.data() + prefix,
                                      copy.bytes.data() + prefix + rest};
  for (size_t done = 0; done < left; done += kScanBlock) {
    CopyRows(scanned + done, std::min(kScanBlock, left - done), done, &copy,
             columns);
  }
  runs->push_back({scanned,
                   left,
                   {columns.prefix, columns.rest, columns.low},
                   copy.scalars.data()});
}

// Copies a block of 64, or what there is of it, to the slots from `to` on.
void GrowingBlock::CopyRows(size_t first, size_t slots, size_t to,
                            ScanCopies::Copy* copy,
                            const MutableScanColumns& columns) const {
  const auto [chunk, i] = Find(first);
  const size_t bytes = layout_.prefix_bytes;
  if (slots == kScanBlock) {
    std::memcpy(columns.prefix + to * bytes, &chunk.prefix[i * bytes],
                layout_.prefix_size(kScanBlock));
  } else {
    for (size_t slot = 0; slot < slots; ++slot) {
      for (size_t b = 0; b < bytes; ++b) {
        columns.prefix[layout_.PrefixPosition(to + slot, b)] =
            chunk.prefix_rows[(i + slot) * bytes + b];
      }
    }
  }
  std::memcpy(columns.rest + to * layout_.rest_bytes,
              &chunk.rest[i * layout_.rest_bytes], layout_.rest_size(slots));
  std::memcpy(columns.low + to * layout_.low_bytes,
              &chunk.low[i * layout_.low_bytes], layout_.low_size(slots));
  std::copy_n(&chunk.scalars[i], slots, copy->scalars.data() + to);
}

SlotBlock::CodeRow GrowingBlock::ReadCode(size_t slot, uint8_t* prefix) const {
  const auto [chunk, i] = Find(slot);
  std::memcpy(prefix, &chunk.prefix_rows[i * layout_.prefix_bytes],
              layout_.prefix_bytes);
  return {&chunk.rest[i * layout_.rest_bytes],
          &chunk.low[i * layout_.low_bytes], chunk.scalars[i]};
}

size_t GrowingBlock::AliveAt(Lamport at, size_t slots, uint64_t* alive) const {
  size_t count = 0;
  for (size_t first = 0; first < slots; first += kScanBlock) {
    const auto [chunk, i] = Find(first);
    const size_t n = std::min(kScanBlock, slots - first);
    const Lives& lives = chunk.lives[i / kScanBlock];
    uint64_t word = FirstBits(n);
    if (lives.latest_born.load(std::memory_order_relaxed) > at) {
      const Lamport* const born = &chunk.born[i];
      word = WordOf(n, [born, at](size_t j) { return born[j] <= at; });
    }
    const std::atomic<Lamport>* const died = &chunk.died[i];
    word &= lives.dead.Alive(at, [died](size_t j) {
      return died[j].load(std::memory_order_relaxed);
    });
    alive[first / kScanBlock] = word;
    count += static_cast<size_t>(std::popcount(word));
  }
  return count;
}

BodyKey GrowingBlock::body(size_t slot) const {
  const auto [chunk, i] = Find(slot);
  return {chunk.shard[i], std::string(id(slot)), chunk.born[i], chunk.origin[i],
          chunk.seq[i]};
}

void GrowingBlock::CountBytes() {
  constexpr size_t kSlotBytes = sizeof(CodeScalars) + sizeof(Lamport) +
                                sizeof(std::atomic<Lamport>) +
                                sizeof(uint64_t) + 2 * sizeof(uint32_t) +
                                sizeof(uint16_t) + sizeof(Lives) / kScanBlock;
  index_bytes_.store(
      chunk_slots_ * (2 * layout_.prefix_bytes + layout_.rest_bytes +
                      layout_.low_bytes + kSlotBytes) +
          chunks_.capacity() * sizeof(std::unique_ptr<Chunk>) +
          chunks_.size() * sizeof(Chunk) + ids_.capacity() + metadata_.bytes() +
          latest_.bytes(),
      std::memory_order_relaxed);
  rescore_bytes_.store(chunk_slots_ * row_bytes_, std::memory_order_relaxed);
}

}  // namespace corkscrew
