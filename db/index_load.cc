#include "db/index_load.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "db/index_blocks.h"
#include "db/index_rebuild.h"
#include "db/keys.h"
#include "db/op.h"
#include "db/parallel.h"
#include "db/rows.h"
#include "db/segment.h"
#include "db/segment_catalogue.h"
#include "db/version_reader.h"

namespace corkscrew {
namespace {

// Ops that are read together.
constexpr size_t kChunkOps = 256;
constexpr size_t kMostSidecarBytes = size_t{1} << 32;

// The number in the name of a file of segments of `collection`; 0: of none.
uint64_t NumberOf(absl::string_view name, const Uuid& collection) {
  uint64_t number = 0;
  const bool is_one =
      absl::ConsumePrefix(&name, absl::StrCat(collection.ToString(), "-")) &&
      absl::SimpleHexAtoi(name.substr(0, name.find('.')), &number);
  return is_one ? number : 0;
}

absl::Status Damaged(absl::string_view key, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("row ", absl::BytesToHexString(key), " is damaged: ", why));
}

// The `s` rows of a collection.
struct Catalogue {
  std::optional<CatalogueRow> row;
  std::map<uint64_t, SegmentRow> segments;
  std::vector<std::string> malformed;  // Keys of rows that say nothing.
};

class Loader {
 public:
  Loader(const IndexFilesContext& context, size_t threads,
         CollectionState* collection)
      : context_(context),
        store_(*context.store),
        threads_(std::max<size_t>(1, threads)),
        collection_(*collection),
        index_(collection->index()),
        reader_(store_, *context.origins, *collection) {}

  absl::StatusOr<CataloguedFiles> Run() {
    CataloguedFiles files;
    CORKSCREW_ASSIGN_OR_RETURN(const Catalogue catalogue, ReadCatalogue());
    files.malformed = catalogue.malformed;
    if (catalogue.row.has_value()) {
      files.next_number = catalogue.row->next_number;
      if (catalogue.row->sidecar != 0) {
        files.sidecar =
            SidecarFileName(collection_.row().uuid, catalogue.row->sidecar);
      }
    }
    for (const auto& [number, row] : catalogue.segments) {
      files.segments.insert(number);
      files.next_number = std::max(files.next_number, number + 1);
    }
    if (!files.malformed.empty()) {
      // A row that would say it can not be read: no name is used twice.
      const absl::StatusOr<std::vector<std::string>> names =
          context_.files->List(context_.directory);
      for (const std::string& name :
           names.value_or(std::vector<std::string>())) {
        files.next_number = std::max(
            files.next_number, NumberOf(name, collection_.row().uuid) + 1);
      }
    }
    MappedSegments mapped;
    const absl::Status usable = MapSegments(catalogue, &mapped);
    if (!usable.ok() || mapped.lost != 0) {
      // What died is told by ops, whose bodies may be gone. Where they can not
      // be read, the segments say nothing.
      if (!usable.ok() || !EndLives(mapped).ok()) mapped.segments.clear();
      CORKSCREW_RETURN_IF_ERROR(
          RebuildIndex(store_, *context_.origins, threads_,
                       std::move(mapped.segments), &collection_));
      return files;
    }
    files.feed = catalogue.row->covered.feed;
    index_->blocks().Adopt(std::move(mapped.segments), files.feed);
    CORKSCREW_RETURN_IF_ERROR(
        ReadFeed(std::min(mapped.died_up_to, files.feed), files.feed));
    index_->Publish(collection_.writer.clock, collection_.writer.feed);
    collection_.versions = collection_.writer.versions;
    collection_.tombstones = collection_.writer.tombstones;
    return files;
  }

 private:
  absl::StatusOr<Catalogue> ReadCatalogue() const {
    Catalogue catalogue;
    const std::string prefix = KindPrefix('s', collection_.number());
    const auto it =
        store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    for (it->Seek(prefix); it->valid(); it->Next()) {
      uint32_t collection;
      uint64_t number;
      if (!ParseSegmentKey(it->key(), &collection, &number)) {
        catalogue.malformed.emplace_back(it->key());
      } else if (number == 0) {
        const absl::StatusOr<CatalogueRow> row =
            DecodeCatalogueRow(it->value());
        if (row.ok()) {
          catalogue.row = *row;
        } else {
          catalogue.malformed.emplace_back(it->key());
        }
      } else {
        const absl::StatusOr<SegmentRow> row = DecodeSegmentRow(it->value());
        if (row.ok()) {
          catalogue.segments[number] = *row;
        } else {
          catalogue.malformed.emplace_back(it->key());
        }
      }
    }
    CORKSCREW_RETURN_IF_ERROR(it->status());
    return catalogue;
  }

  struct MappedSegments {
    std::vector<std::shared_ptr<Segment>> segments;
    size_t lost = 0;  // That are none any more, or others.
    // The position to which their times of death are complete.
    uint64_t died_up_to = 0;
  };

  // Opens the segments and applies the times of death. Any error: none can be
  // used.
  absl::Status MapSegments(const Catalogue& catalogue,
                           MappedSegments* mapped) const {
    if (!catalogue.row.has_value() || !catalogue.malformed.empty()) {
      return absl::NotFoundError("no catalogue, or not all of it");
    }
    CORKSCREW_RETURN_IF_ERROR(CheckPosition(catalogue.row->covered));
    const SegmentSpace space = SpaceOf(collection_.row());
    std::vector<std::pair<uint64_t, const SegmentRow*>> rows;
    for (const auto& [number, row] : catalogue.segments) {
      rows.emplace_back(number, &row);
    }
    std::vector<std::shared_ptr<Segment>> opened(rows.size());
    RunUnits(rows.size(), threads_, [&](size_t, size_t i) {
      absl::StatusOr<std::shared_ptr<Segment>> segment = Segment::Open(
          *context_.files,
          absl::StrCat(context_.directory, "/",
                       SegmentFileName(collection_.row().uuid, rows[i].first)),
          space);
      if (segment.ok() && (*segment)->hash() == rows[i].second->hash &&
          (*segment)->header().number == rows[i].first) {
        opened[i] = *std::move(segment);
      }
      return true;
    });
    for (std::shared_ptr<Segment>& segment : opened) {
      if (segment == nullptr) {
        ++mapped->lost;
      } else {
        mapped->segments.push_back(std::move(segment));
      }
    }
    mapped->died_up_to = ApplySidecar(catalogue, mapped->segments).value_or(0);
    return absl::OkStatus();
  }

  absl::Status CheckPosition(const SegmentPosition& position) const {
    bool known = position.feed == 0;
    for (uint32_t i = 0; !known && i < context_.origins->size(); ++i) {
      known = context_.origins->Get(i)->incarnation == position.incarnation;
    }
    CORKSCREW_ASSIGN_OR_RETURN(
        const Hash16 hash,
        OpHashAt(store_, collection_.number(), position.feed));
    if (!known || position.feed > collection_.writer.feed ||
        hash != position.op_hash) {
      return absl::DataLossError("the feed has another op there");
    }
    return absl::OkStatus();
  }

  // Returns the position of the sidecar once all of it is applied. Nothing is
  // applied if anything is wrong with it.
  absl::StatusOr<uint64_t> ApplySidecar(
      const Catalogue& catalogue,
      const std::vector<std::shared_ptr<Segment>>& segments) const {
    const CatalogueRow& row = *catalogue.row;
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::string bytes,
        context_.files->Read(
            absl::StrCat(context_.directory, "/",
                         SidecarFileName(collection_.row().uuid, row.sidecar)),
            kMostSidecarBytes));
    Hash16 hash;
    CORKSCREW_ASSIGN_OR_RETURN(const DiedSidecar sidecar,
                               DecodeDiedSidecar(bytes, &hash));
    if (hash != row.sidecar_hash ||
        sidecar.collection != collection_.row().uuid) {
      return absl::DataLossError("it is another sidecar");
    }
    CORKSCREW_RETURN_IF_ERROR(CheckPosition(sidecar.position));
    std::map<uint64_t, Segment*> live;
    for (const std::shared_ptr<Segment>& segment : segments) {
      if (segment->live()) live[segment->header().number] = segment.get();
    }
    for (const auto& [number, slots] : sidecar.segments) {
      const auto found = live.find(number);
      if (found == live.end()) {
        if (IsLost(catalogue, segments, number)) continue;
        return absl::DataLossError("it names another segment");
      }
      for (const DiedSidecar::Slot& slot : slots) {
        if (slot.slot >= found->second->slots()) {
          return absl::DataLossError("it names a slot that is not there");
        }
      }
    }
    for (const auto& [number, slots] : sidecar.segments) {
      const auto found = live.find(number);
      if (found == live.end()) continue;
      for (const DiedSidecar::Slot& slot : slots) {
        found->second->EndLife(slot.slot, slot.died);
      }
    }
    return sidecar.position.feed;
  }

  // Whether the catalogue names a segment that could not be opened.
  static bool IsLost(const Catalogue& catalogue,
                     const std::vector<std::shared_ptr<Segment>>& segments,
                     uint64_t number) {
    return catalogue.segments.count(number) != 0 &&
           std::none_of(segments.begin(), segments.end(),
                        [&](const std::shared_ptr<Segment>& segment) {
                          return segment->header().number == number;
                        });
  }

  struct FedOp {
    uint64_t feed;
    FeedRow row;
    Op op = {};
    BodyKey body = {};
    std::optional<IndexRow> index_row = std::nullopt;
  };

  // Ends the lives that ops behind mapped.died_up_to end in the segments.
  absl::Status EndLives(const MappedSegments& mapped) const {
    return VisitFeed(mapped.died_up_to, [&](std::vector<FedOp>* ops) {
      for (const FedOp& fed : *ops) {
        for (const std::shared_ptr<Segment>& segment : mapped.segments) {
          const uint32_t slot = segment->FindLatest(fed.op.id);
          if (slot == SlotBlock::kNone || !segment->live()) continue;
          CORKSCREW_ASSIGN_OR_RETURN(const Version version,
                                     reader_.VersionOf(fed.body));
          CORKSCREW_ASSIGN_OR_RETURN(const Version before,
                                     reader_.VersionOf(segment->body(slot)));
          if (before < version) segment->EndLife(slot, fed.op.lamport);
        }
      }
      return absl::OkStatus();
    });
  }

  // Reads the feed after `from`: ops up to `covered` have their slots and only
  // end lives, later ones are added.
  absl::Status ReadFeed(uint64_t from, uint64_t covered) {
    return VisitFeed(from, [&](std::vector<FedOp>* ops) {
      CORKSCREW_RETURN_IF_ERROR(ReadBodies(covered, ops));
      for (const FedOp& fed : *ops) {
        CORKSCREW_RETURN_IF_ERROR(fed.feed <= covered ? EndEarlier(fed)
                                                      : Add(fed));
      }
      return absl::OkStatus();
    });
  }

  // Calls visit(ops) with all ops of the feed after `from`, some at a time.
  absl::Status VisitFeed(
      uint64_t from,
      absl::FunctionRef<absl::Status(std::vector<FedOp>*)> visit) const {
    const uint32_t number = collection_.number();
    const std::string prefix = KindPrefix('f', number);
    const auto it =
        store_.NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
    it->Seek(FeedKey(number, from + 1));
    while (it->valid()) {
      std::vector<FedOp> ops;
      for (; it->valid() && ops.size() < kChunkOps; it->Next()) {
        uint32_t collection;
        FedOp fed = {};
        if (!ParseFeedKey(it->key(), &collection, &fed.feed)) {
          return Damaged(it->key(), "not a key of the feed");
        }
        const absl::StatusOr<FeedRow> row = DecodeFeedRow(it->value());
        if (!row.ok()) return Damaged(it->key(), row.status().message());
        fed.row = *row;
        ops.push_back(std::move(fed));
      }
      CORKSCREW_RETURN_IF_ERROR(ReadOps(&ops));
      CORKSCREW_RETURN_IF_ERROR(visit(&ops));
    }
    return it->status();
  }

  absl::Status ReadOps(std::vector<FedOp>* ops) const {
    std::vector<std::string> keys;
    for (const FedOp& fed : *ops) {
      keys.push_back(OpKey({collection_.number(), fed.row.shard},
                           fed.row.origin, fed.row.seq));
    }
    return store_.MultiGet(
        Family::kRows, keys,
        [&](size_t i, std::optional<absl::string_view> value) {
          if (!value.has_value()) {
            return Damaged(keys[i], "it is missing, but the feed names it");
          }
          absl::StatusOr<Op> op = DecodeOp(*value);
          if (!op.ok()) return Damaged(keys[i], op.status().message());
          FedOp& fed = (*ops)[i];
          fed.op = *std::move(op);
          fed.body = {fed.row.shard, fed.op.id, fed.op.lamport, fed.row.origin,
                      fed.row.seq};
          return absl::OkStatus();
        });
  }

  absl::Status ReadBodies(uint64_t covered, std::vector<FedOp>* ops) const {
    std::vector<FedOp*> wanted;
    std::vector<std::string> keys;
    for (FedOp& fed : *ops) {
      if (fed.feed <= covered || fed.op.kind != OpKind::kPut ||
          fed.op.body_dropped) {
        continue;
      }
      wanted.push_back(&fed);
      keys.push_back(BodyRowKey(collection_.number(), fed.body));
    }
    CORKSCREW_RETURN_IF_ERROR(store_.MultiGet(
        Family::kBodies, keys,
        [&](size_t i, std::optional<absl::string_view> value) {
          if (!value.has_value()) return Damaged(keys[i], "it is missing");
          wanted[i]->index_row.emplace(IndexRow{keys[i], std::string(*value)});
          return absl::OkStatus();
        }));
    std::vector<absl::Status> statuses(wanted.size());
    RunUnits(wanted.size(), wanted.size() < 16 ? 1 : threads_,
             [&](size_t, size_t i) {
               statuses[i] =
                   DecodeIndexRow(reader_, collection_, index_->quantizer(),
                                  &*wanted[i]->index_row);
               return true;
             });
    for (size_t i = 0; i < wanted.size(); ++i) {
      IndexRow& row = *wanted[i]->index_row;
      row.damaged = absl::IsDataLoss(statuses[i]) && row.version != Version{};
      if (!row.damaged) CORKSCREW_RETURN_IF_ERROR(statuses[i]);
    }
    return absl::OkStatus();
  }

  absl::Status EndEarlier(const FedOp& fed) {
    CORKSCREW_ASSIGN_OR_RETURN(const Version version,
                               reader_.VersionOf(fed.body));
    index_->blocks().EndEarlier(
        fed.op.id, fed.op.lamport, [&](const BodyKey& of_slot) {
          const absl::StatusOr<Version> other = reader_.VersionOf(of_slot);
          return other.ok() && *other < version;
        });
    return absl::OkStatus();
  }

  absl::Status Add(const FedOp& fed) {
    collection_.EndDamage(fed.op.id, fed.op.lamport);
    if (fed.index_row.has_value() && fed.index_row->damaged) {
      collection_.AddDamage({fed.op.id, fed.index_row->key, fed.op.lamport});
    }
    if (fed.index_row.has_value()) {
      index_->Add(fed.index_row->Entry());
    } else {
      index_->Add({.body = &fed.body});
    }
    return absl::OkStatus();
  }

  const IndexFilesContext& context_;
  const Store& store_;
  const size_t threads_;
  CollectionState& collection_;
  const std::shared_ptr<Index> index_;
  const VersionReader reader_;  // Only its const methods.
};

}  // namespace

absl::StatusOr<CataloguedFiles> LoadIndex(const IndexFilesContext& context,
                                          size_t threads,
                                          CollectionState* collection) {
  return Loader(context, threads, collection).Run();
}

}  // namespace corkscrew
