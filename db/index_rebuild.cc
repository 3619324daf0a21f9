// Workers take whole ids from one iterator in turn, decode and encode them side
// by side, and add them to the index in turn: the index does not depend on the
// order of ids, only on the merge order within one. What segments hold is not
// decoded; it only ends the lives of what is added before it.

#include "db/index_rebuild.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/metadata.h"
#include "corkscrew/quantizer.h"
#include "db/body.h"
#include "db/expiry.h"
#include "db/index.h"
#include "db/index_blocks.h"
#include "db/keys.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/parallel.h"
#include "db/rows.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

constexpr size_t kChunkRows = 256;

// Versions that segments hold: shard, origin and seq of each.
using HeldVersions =
    absl::flat_hash_set<std::tuple<uint16_t, uint32_t, uint64_t>>;

HeldVersions VersionsOf(const std::vector<std::shared_ptr<Segment>>& segments) {
  HeldVersions held;
  size_t slots = 0;
  for (const auto& segment : segments) slots += segment->slots();
  held.reserve(slots);
  for (const auto& segment : segments) {
    for (size_t slot = 0; slot < segment->slots(); ++slot) {
      const BodyKey body = segment->body(slot);
      held.emplace(body.shard, body.origin, body.seq);
    }
  }
  return held;
}

absl::Status Decode(const VersionReader& reader,
                    const CollectionState& collection,
                    const Quantizer& quantizer, const HeldVersions& held,
                    IndexRow* row) {
  uint32_t number;
  if (!ParseBodyRowKey(row->key, &number, &row->body_key)) {
    return absl::DataLossError("not a key of a body");
  }
  if (row->body_key.lamport > collection.writer.clock) {
    return absl::DataLossError(
        absl::StrCat("it has Lamport time ", row->body_key.lamport,
                     ", later than the clock, ", collection.writer.clock));
  }
  CORKSCREW_ASSIGN_OR_RETURN(row->version, reader.VersionOf(row->body_key));
  row->held = held.contains(
      {row->body_key.shard, row->body_key.origin, row->body_key.seq});
  if (row->held) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const Body body, DecodeBody(row->key, row->value));
  row->tombstone = body.kind != OpKind::kPut;
  if (row->tombstone) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(row->metadata, DecodeMetadata(body.metadata));
  if (body.expires_ms != 0) AddExpiry(body.expires_ms, &row->metadata);
  row->code.resize(quantizer.code_bytes());
  if (collection.row().descriptor.originals == Originals::kCodesOnly) {
    if (body.form != VectorForm::kCode ||
        !BytesToCode(body.vector, absl::MakeSpan(row->code), &row->scalars)) {
      return absl::DataLossError("it has no code");
    }
    return quantizer.Validate(row->code, row->scalars);
  }
  row->original.resize(quantizer.params().dim);
  if (!ReadOriginal(body, absl::MakeSpan(row->original))) {
    return absl::DataLossError("it has no original");
  }
  return quantizer.Encode(row->original, absl::MakeSpan(row->code),
                          &row->scalars);
}

class Rebuild {
 public:
  Rebuild(const Store& store, const OriginTable& origins,
          std::vector<std::shared_ptr<Segment>> segments,
          CollectionState* collection)
      : segments_(std::move(segments)),
        held_(VersionsOf(segments_)),
        reader_(store, origins, *collection),
        collection_(*collection),
        index_(collection->index()),
        prefix_(BodyCollectionPrefix(collection->number())),
        iterator_(
            store.NewIterator(Family::kBodies, prefix_, PrefixEnd(prefix_))) {
    MutexLock lock(&read_mutex_);
    iterator_->Seek(prefix_);
  }

  absl::Status Run(size_t threads) {
    // A unit goes on until there is nothing left to read.
    RunUnits(threads, threads, [this](size_t, size_t) {
      Work();
      return true;
    });
    MutexLock lock(&add_mutex_);
    CORKSCREW_RETURN_IF_ERROR(status_);
    // Only now: what has been added is older than some of their slots and must
    // not end them.
    index_->blocks().Adopt(std::move(segments_), 0);
    index_->Publish(collection_.writer.clock, collection_.writer.feed);
    // What has been sealed before does not end at a position of the feed.
    index_->blocks().SealIfAny();
    collection_.versions = versions_;
    collection_.tombstones = tombstones_;
    collection_.writer.versions = versions_;
    collection_.writer.tombstones = tombstones_;
    return absl::OkStatus();
  }

 private:
  void Work() {
    std::vector<IndexRow> rows;
    while (true) {
      absl::Status status = ReadChunk(&rows);
      if (status.ok() && rows.empty()) return;
      for (size_t i = 0; status.ok() && i < rows.size(); ++i) {
        status =
            Decode(reader_, collection_, index_->quantizer(), held_, &rows[i]);
        // One bad body does not keep the database closed: it is remembered.
        rows[i].damaged =
            absl::IsDataLoss(status) && rows[i].version != Version{};
        if (rows[i].damaged) status = absl::OkStatus();
        if (!status.ok()) {
          status = reader_.Damaged(rows[i].key, status);
        }
      }
      if (!AddAll(&rows, status)) return;
    }
  }

  // Reads whole ids until there are kChunkRows rows; none at the end.
  absl::Status ReadChunk(std::vector<IndexRow>* rows)
      ABSL_LOCKS_EXCLUDED(read_mutex_) {
    rows->clear();
    MutexLock lock(&read_mutex_);
    std::string id_prefix;
    for (; iterator_->valid(); iterator_->Next()) {
      const absl::string_view key = iterator_->key();
      if (id_prefix.empty() || !absl::StartsWith(key, id_prefix)) {
        if (rows->size() >= kChunkRows) break;
        // Up to the Lamport time, origin and seq.
        id_prefix = std::string(
            key.substr(0, key.size() - std::min<size_t>(20, key.size())));
      }
      rows->push_back({std::string(key), std::string(iterator_->value())});
    }
    return iterator_->status();
  }

  // Adds a chunk, or records why not. False: stop.
  bool AddAll(std::vector<IndexRow>* rows, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(add_mutex_) {
    if (status.ok()) {
      // Rows come newest first within an id; the index wants merge order.
      std::sort(rows->begin(), rows->end(),
                [](const IndexRow& a, const IndexRow& b) {
                  if (a.body_key.id != b.body_key.id) {
                    return a.body_key.id < b.body_key.id;
                  }
                  return a.version < b.version;
                });
    }
    MutexLock lock(&add_mutex_);
    status_.Update(status);
    if (!status_.ok()) return false;
    for (size_t i = 0; i < rows->size(); ++i) {
      const IndexRow& row = (*rows)[i];
      index_->Add(row.Entry());  // One that is held only ends a life.
      const bool last = i + 1 == rows->size() ||
                        (*rows)[i + 1].body_key.id != row.body_key.id;
      if (last && row.tombstone) ++tombstones_;
      if (row.damaged) {
        // In the index it ends the version before, and is none itself.
        DamagedVersion damage{row.body_key.id, row.key, row.body_key.lamport};
        if (!last) damage.died = (*rows)[i + 1].body_key.lamport;
        collection_.AddDamage(std::move(damage));
      }
    }
    versions_ += rows->size();
    index_->blocks().SealIfFull();
    return true;
  }

  std::vector<std::shared_ptr<Segment>> segments_;
  const HeldVersions held_;
  const VersionReader reader_;  // Only its const methods.
  CollectionState& collection_;
  const std::shared_ptr<Index> index_;
  const std::string prefix_;

  Mutex read_mutex_;
  const std::unique_ptr<RowIterator> iterator_ ABSL_PT_GUARDED_BY(read_mutex_);

  Mutex add_mutex_;
  absl::Status status_ ABSL_GUARDED_BY(add_mutex_);
  uint64_t versions_ ABSL_GUARDED_BY(add_mutex_) = 0;
  uint64_t tombstones_ ABSL_GUARDED_BY(add_mutex_) = 0;
};

}  // namespace

absl::Status DecodeIndexRow(const VersionReader& reader,
                            const CollectionState& collection,
                            const Quantizer& quantizer, IndexRow* row) {
  const absl::Status status = Decode(reader, collection, quantizer, {}, row);
  return status.ok() ? status : reader.Damaged(row->key, status);
}

absl::Status RebuildIndex(const Store& store, const OriginTable& origins,
                          size_t threads,
                          std::vector<std::shared_ptr<Segment>> segments,
                          CollectionState* collection) {
  return Rebuild(store, origins, std::move(segments), collection)
      .Run(std::max<size_t>(1, threads));
}

absl::Status IndexFeed(const Store& store, const OriginTable& origins,
                       uint64_t after, CollectionState* collection,
                       uint64_t* last) {
  const VersionReader reader(store, origins, *collection);
  const std::shared_ptr<Index> index = collection->index();
  const uint32_t number = collection->number();
  const std::string end = PrefixEnd(KindPrefix('f', number));
  const std::string begin = FeedKey(number, after + 1);
  const auto it = store.NewIterator(Family::kRows, begin, end);
  *last = after;
  for (it->Seek(begin); it->valid(); it->Next()) {
    uint32_t parsed;
    uint64_t position;
    if (!ParseFeedKey(it->key(), &parsed, &position)) {
      return reader.Damaged(it->key(), absl::DataLossError("not a feed key"));
    }
    const absl::StatusOr<FeedRow> feed = DecodeFeedRow(it->value());
    if (!feed.ok()) return reader.Damaged(it->key(), feed.status());
    const std::string op_key =
        OpKey({number, feed->shard}, feed->origin, feed->seq);
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> op_value,
                               store.Get(Family::kRows, op_key));
    if (!op_value.has_value()) {
      return reader.Damaged(op_key, absl::DataLossError("it is missing"));
    }
    const absl::StatusOr<Op> op = DecodeOp(*op_value);
    if (!op.ok()) return reader.Damaged(op_key, op.status());
    if (!op->body_dropped) {
      IndexRow row;
      row.body_key = {.shard = feed->shard,
                      .id = op->id,
                      .lamport = op->lamport,
                      .origin = feed->origin,
                      .seq = feed->seq};
      row.key = BodyRowKey(number, row.body_key);
      CORKSCREW_ASSIGN_OR_RETURN(std::optional<std::string> body,
                                 store.Get(Family::kBodies, row.key));
      if (!body.has_value()) {
        return reader.Damaged(row.key, absl::DataLossError("it is missing"));
      }
      row.value = *std::move(body);
      CORKSCREW_RETURN_IF_ERROR(
          DecodeIndexRow(reader, *collection, index->quantizer(), &row));
      index->Add(row.Entry());
      collection->EndDamage(row.body_key.id, row.body_key.lamport);
    }
    *last = position;
  }
  return it->status();
}

}  // namespace corkscrew
