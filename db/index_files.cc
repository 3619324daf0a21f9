#include "db/index_files.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "db/compaction_plan.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/rescore_row.h"
#include "db/rows.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

constexpr size_t kSegmentBytes = size_t{16} << 20;
// Scalars, times, seq, the end and a guess of the id and its places in the
// table.
constexpr size_t kOtherBytes = 50;
// Fewer ops are read again at the next open rather than written at Close().
constexpr uint64_t kWriteAtClose = 256;

}  // namespace

size_t SegmentSlots(const Descriptor& descriptor) {
  const size_t dim = descriptor.quantizer.dim;
  size_t bytes = kOtherBytes + (dim * descriptor.quantizer.bits + 7) / 8;
  if (descriptor.originals != Originals::kCodesOnly)
    bytes += RescoreRowBytes(dim);
  return std::max<size_t>(1, kSegmentBytes / bytes);
}

absl::StatusOr<Hash16> OpHashAt(const Store& store, uint32_t collection,
                                uint64_t feed) {
  if (feed == 0) return Hash16{};
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<std::string> feed_row,
      store.Get(Family::kRows, FeedKey(collection, feed)));
  if (!feed_row.has_value()) {
    return absl::DataLossError(absl::StrCat("feed row ", feed, " is missing"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const FeedRow row, DecodeFeedRow(*feed_row));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::optional<std::string> op_row,
      store.Get(Family::kRows,
                OpKey({collection, row.shard}, row.origin, row.seq)));
  if (!op_row.has_value()) {
    return absl::DataLossError(
        absl::StrCat("the op of feed row ", feed, " is missing"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const Op op, DecodeOp(*op_row));
  return op.content_hash;
}

SegmentSpace SpaceOf(const CollectionRow& row) {
  const bool column = row.descriptor.originals != Originals::kCodesOnly;
  return {row.uuid, DescriptorHash(row.descriptor),
          ScanLayout(row.descriptor.quantizer),
          column ? static_cast<uint32_t>(row.descriptor.quantizer.dim) : 0};
}

IndexFiles::IndexFiles(const IndexFilesContext* context,
                       std::shared_ptr<CollectionState> collection,
                       size_t segment_slots, CataloguedFiles catalogued)
    : context_(*context),
      collection_(std::move(collection)),
      segment_slots_(segment_slots),
      next_number_(catalogued.next_number),
      catalogued_(std::move(catalogued.segments)),
      catalogued_feed_(catalogued.feed),
      sidecar_(std::move(catalogued.sidecar)),
      malformed_(std::move(catalogued.malformed)) {}

std::string IndexFiles::PathOf(const std::string& name) const {
  return absl::StrCat(context_.directory, "/", name);
}

absl::StatusOr<SegmentPosition> IndexFiles::PositionAt(uint64_t feed) const {
  CORKSCREW_ASSIGN_OR_RETURN(
      const Hash16 hash,
      OpHashAt(*context_.store, collection_->number(), feed));
  return SegmentPosition{context_.incarnation, feed, hash};
}

absl::StatusOr<bool> IndexFiles::Step(Mode mode) {
  MutexLock lock(&mutex_);
  const std::shared_ptr<Index> index = collection_->index();
  if (index == nullptr) return false;
  // Files say nothing of a version that could not be read: whoever opens them
  // would not miss it. Without them the bodies are read again.
  if (collection_->damaged() > 0) return false;
  IndexBlocks& blocks = index->blocks();
  const uint64_t behind = blocks.feed() - catalogued_feed_;
  if ((mode == Mode::kClose && behind >= kWriteAtClose) ||
      (mode == Mode::kAll && behind > 0)) {
    blocks.Seal();
  }
  const IndexBlocks::Snapshot snapshot = blocks.Begin();
  std::vector<BlockSize> sizes;
  for (const IndexBlocks::Block& block : *snapshot.sealed) {
    BlockSize& size = sizes.emplace_back();
    size.slots = block.part.slots;
    if (block.segment != nullptr) {
      size = {size.slots, block.segment->dead(), /*written=*/true,
              block.segment->live(), block.segment->damaged()};
      continue;
    }
    for (size_t slot = 0; slot < size.slots; ++slot) {
      size.dead += block.block->died(slot) != SlotBlock::kAlive;
    }
  }
  const size_t most_along = mode == Mode::kClose
                                ? segment_slots_ / 4
                                : std::numeric_limits<size_t>::max();
  // What only makes searches faster is not for Close().
  const bool write = mode != Mode::kClose || blocks.HasUnwritten();
  const std::vector<size_t> plan =
      write ? PlanCompaction(sizes, segment_slots_, most_along)
            : std::vector<size_t>();
  if (plan.empty()) {
    blocks.Abandon();
    // Deletes alone make no slots.
    if (snapshot.covered <= catalogued_feed_) return false;
    blocks.Finish({}, {}, snapshot.covered, 0);
    CORKSCREW_RETURN_IF_ERROR(WriteCatalogue(*index));
    return true;
  }
  Blocks inputs;
  for (const size_t i : plan) inputs.push_back(&(*snapshot.sealed)[i]);
  CORKSCREW_RETURN_IF_ERROR(Rewrite(*index, snapshot, inputs, nullptr));
  return true;
}

absl::Status IndexFiles::Forget() {
  MutexLock lock(&mutex_);
  const std::shared_ptr<Index> index = collection_->index();
  if (index == nullptr) return absl::OkStatus();
  const std::shared_ptr<const ForgottenRecords::Table> forgotten =
      index->forgotten();
  if (forgotten == nullptr) return absl::OkStatus();
  index->blocks().Seal();
  const IndexBlocks::Snapshot snapshot = index->blocks().Begin();
  Blocks inputs;
  for (const IndexBlocks::Block& block : *snapshot.sealed) {
    bool has = block.segment == nullptr;
    for (size_t slot = 0; !has && slot < block.part.slots; ++slot) {
      has = forgotten->Has(block.block->id(slot), block.block->born(slot));
    }
    if (has) inputs.push_back(&block);
  }
  return Rewrite(*index, snapshot, inputs, forgotten.get());
}

absl::Status IndexFiles::Rewrite(Index& index,
                                 const IndexBlocks::Snapshot& snapshot,
                                 const Blocks& inputs,
                                 const ForgottenRecords::Table* without) {
  std::vector<SlotToCopy> alive;
  std::vector<SlotToCopy> dead;
  size_t dropped_alive = 0;
  for (const IndexBlocks::Block* input : inputs) {
    for (uint32_t slot = 0; slot < input->part.slots; ++slot) {
      const Lamport died = input->block->died(slot);
      const bool is_alive = died == SlotBlock::kAlive;
      if (without != nullptr &&
          without->Has(input->block->id(slot), input->block->born(slot))) {
        dropped_alive += is_alive;
        continue;
      }
      (is_alive ? alive : dead).push_back({input->block.get(), slot, died});
    }
  }
  std::vector<std::shared_ptr<Segment>> outputs;
  absl::Status status =
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
    CORKSCREW_ASSIGN_OR_RETURN(const SegmentPosition position,
                               PositionAt(snapshot.covered));
    const SegmentStamp stamp = {0, position.incarnation, position.feed,
                                position.op_hash};
    CORKSCREW_RETURN_IF_ERROR(
        WriteSlots(SegmentKind::kLive, stamp, alive, &outputs));
    return WriteSlots(SegmentKind::kHistory, stamp, dead, &outputs);
  }();
  if (!status.ok()) {
    index.blocks().Abandon();
    return status;
  }
  std::vector<const SlotBlock*> replaced;
  for (const IndexBlocks::Block* input : inputs) {
    replaced.push_back(input->block.get());
  }
  index.blocks().Finish(replaced, outputs, snapshot.covered, dropped_alive);
  if (collection_->damaged() == 0) return WriteCatalogue(index);
  CORKSCREW_RETURN_IF_ERROR(RemoveCatalogue());
  return RemoveFiles();
}

absl::Status IndexFiles::WriteSlots(
    SegmentKind kind, const SegmentStamp& stamp,
    absl::Span<const SlotToCopy> slots,
    std::vector<std::shared_ptr<Segment>>* outputs) {
  const SegmentSpace space = SpaceOf(collection_->row());
  const StoreOriginals originals(*context_.store, *context_.origins,
                                 *collection_);
  // As few as may be, and of equal size.
  const size_t most = 2 * segment_slots_;
  const size_t segments = (slots.size() + most - 1) / most;
  for (size_t i = 0; i < segments; ++i) {
    const size_t begin = slots.size() * i / segments;
    const size_t end = slots.size() * (i + 1) / segments;
    SegmentStamp numbered = stamp;
    numbered.number = next_number_++;
    CORKSCREW_ASSIGN_OR_RETURN(
        const SegmentImage image,
        BuildSegment(kind, space, numbered, slots.subspan(begin, end - begin),
                     originals));
    const std::string name =
        SegmentFileName(collection_->row().uuid, numbered.number);
    obsolete_.insert(name);  // Until the catalogue names it.
    CORKSCREW_RETURN_IF_ERROR(MakeDirectory());
    CORKSCREW_RETURN_IF_ERROR(
        WriteSegment(*context_.files, PathOf(name), image));
    CORKSCREW_ASSIGN_OR_RETURN(
        std::shared_ptr<Segment> segment,
        Segment::Open(*context_.files, PathOf(name), space));
    outputs->push_back(std::move(segment));
  }
  return absl::OkStatus();
}

absl::Status IndexFiles::RemoveCatalogue() {
  RowsCommit rows;
  rows.collection = collection_;
  rows.remove = malformed_;
  rows.remove.push_back(SegmentKey(collection_->number(), 0));
  for (const uint64_t old : catalogued_) {
    rows.remove.push_back(SegmentKey(collection_->number(), old));
  }
  Commit commit{&rows};
  CORKSCREW_RETURN_IF_ERROR(context_.write(&commit));
  catalogued_.clear();
  malformed_.clear();
  catalogued_feed_ = 0;
  sidecar_.clear();
  return absl::OkStatus();
}

absl::Status IndexFiles::WriteCatalogue(const Index& index) {
  const IndexBlocks& blocks = index.blocks();
  const uint32_t number = collection_->number();
  // The position first: deaths by ops up to it have been noted by then.
  DiedSidecar sidecar;
  sidecar.collection = collection_->row().uuid;
  CORKSCREW_ASSIGN_OR_RETURN(sidecar.position, PositionAt(blocks.feed()));
  CatalogueRow catalogue;
  CORKSCREW_ASSIGN_OR_RETURN(catalogue.covered, PositionAt(blocks.covered()));

  RowsCommit rows;
  rows.collection = collection_;
  std::set<uint64_t> named;
  const std::shared_ptr<const IndexBlocks::List> list = blocks.sealed();
  for (const IndexBlocks::Block& block : *list) {
    if (block.segment == nullptr) continue;
    const Segment& segment = *block.segment;
    const uint64_t segment_number = segment.header().number;
    named.insert(segment_number);
    if (!catalogued_.contains(segment_number)) {
      rows.put.emplace_back(
          SegmentKey(number, segment_number),
          Encode(SegmentRow{segment.header().kind, segment.header().slots,
                            segment.file_bytes(), segment.hash()}));
    }
    if (!segment.live()) continue;
    std::vector<DiedSidecar::Slot> died;
    segment.deaths().ForEach([&](size_t slot, Lamport at) {
      died.push_back({static_cast<uint32_t>(slot), at});
    });
    if (!died.empty()) {
      sidecar.segments.emplace_back(segment_number, std::move(died));
    }
  }
  std::sort(sidecar.segments.begin(), sidecar.segments.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  catalogue.sidecar = next_number_++;
  catalogue.next_number = next_number_;
  const std::string sidecar_name =
      SidecarFileName(collection_->row().uuid, catalogue.sidecar);
  const std::string bytes = EncodeDiedSidecar(sidecar, &catalogue.sidecar_hash);
  obsolete_.insert(sidecar_name);
  CORKSCREW_RETURN_IF_ERROR(MakeDirectory());
  CORKSCREW_RETURN_IF_ERROR(
      AtomicWriteFile(*context_.files, PathOf(sidecar_name), {bytes}));

  rows.put.emplace_back(SegmentKey(number, 0), Encode(catalogue));
  for (const std::string& key : malformed_) {
    const bool is_written =
        std::any_of(rows.put.begin(), rows.put.end(),
                    [&](const auto& row) { return row.first == key; });
    if (!is_written) rows.remove.push_back(key);
  }
  for (const uint64_t old : catalogued_) {
    if (!named.contains(old)) {
      rows.remove.push_back(SegmentKey(number, old));
      obsolete_.insert(SegmentFileName(collection_->row().uuid, old));
    }
  }
  Commit commit{&rows};
  CORKSCREW_RETURN_IF_ERROR(context_.write(&commit));
  for (const uint64_t segment : named) {
    obsolete_.erase(SegmentFileName(collection_->row().uuid, segment));
  }
  obsolete_.erase(sidecar_name);
  if (!sidecar_.empty()) obsolete_.insert(sidecar_);
  sidecar_ = sidecar_name;
  malformed_.clear();
  catalogued_ = std::move(named);
  catalogued_feed_ = catalogue.covered.feed;
  // What can not be removed now is removed at the next open.
  for (const std::string& name : obsolete_) {
    context_.files->Remove(PathOf(name)).IgnoreError();
  }
  obsolete_.clear();
  return absl::OkStatus();
}

absl::Status IndexFiles::MakeDirectory() {
  if (context_.files->Exists(context_.directory)) return absl::OkStatus();
  CORKSCREW_RETURN_IF_ERROR(context_.files->MakeDirectory(context_.directory));
  return context_.files->SyncDirectory(ParentDirectory(context_.directory));
}

std::vector<std::string> IndexFiles::Names() {
  MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const uint64_t number : catalogued_) {
    names.push_back(SegmentFileName(collection_->row().uuid, number));
  }
  if (!sidecar_.empty()) names.push_back(sidecar_);
  return names;
}

absl::Status IndexFiles::RemoveAll() {
  MutexLock lock(&mutex_);
  return RemoveFiles();
}

absl::Status IndexFiles::RemoveFiles() {
  if (!context_.files->Exists(context_.directory)) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             context_.files->List(context_.directory));
  const std::string prefix = collection_->row().uuid.ToString() + "-";
  absl::Status status;
  for (const std::string& name : names) {
    if (absl::StartsWith(name, prefix)) {
      status.Update(context_.files->Remove(PathOf(name)));
    }
  }
  return status;
}

}  // namespace corkscrew
