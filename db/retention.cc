#include "db/retention.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/moments.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/version_reader.h"
#include "db/write_commit.h"

namespace corkscrew {
namespace {

constexpr uint64_t kForEver = std::numeric_limits<uint64_t>::max();

// Bodies removed in one batch.
constexpr size_t kRemoveAtOnce = 256;

absl::Status Dropped(const CollectionState& state) {
  return absl::NotFoundError(
      absl::StrCat("collection \"", state.row().name, "\" was dropped"));
}

absl::Status Damaged(absl::string_view key, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row ", absl::BytesToHexString(key),
                                          " is damaged: ", why.message()));
}

}  // namespace

std::string EncodeRetention(const Retention& retention) {
  std::string out;
  AppendBig(static_cast<uint64_t>(retention.keep_versions), &out);
  AppendBig(retention.keep_for == absl::InfiniteDuration()
                ? kForEver
                : static_cast<uint64_t>(
                      absl::ToInt64Milliseconds(retention.keep_for)),
            &out);
  return out;
}

absl::StatusOr<Retention> DecodeRetention(absl::string_view bytes) {
  Cursor cursor(bytes);
  uint64_t versions, keep_ms;
  if (!cursor.ReadBig(&versions) || !cursor.ReadBig(&keep_ms) ||
      !cursor.done() || (keep_ms != kForEver && keep_ms >= kForEver / 2)) {
    return absl::DataLossError("retention is malformed");
  }
  Retention retention{.keep_versions = versions};
  if (keep_ms != kForEver) {
    retention.keep_for = absl::Milliseconds(static_cast<int64_t>(keep_ms));
  }
  return retention;
}

absl::Status LoadRetention(const Store& store, CollectionRegistry* registry) {
  for (const auto& state : registry->All()) {
    const std::string key = RetentionKey(state->number());
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                               store.Get(Family::kRows, key));
    if (!value.has_value()) continue;
    const absl::StatusOr<Retention> retention = DecodeRetention(*value);
    if (!retention.ok()) return Damaged(key, retention.status());
    state->moments.set_retention(*retention);
  }
  return absl::OkStatus();
}

absl::Status SetRetention(Engine& engine,
                          const std::shared_ptr<CollectionState>& state,
                          const Retention& retention) {
  if (retention.keep_for < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_for is ", absl::FormatDuration(retention.keep_for),
                     ", want 0 or more"));
  }
  // As it is stored: whole milliseconds, never less than asked for.
  Retention rules = retention;
  if (rules.keep_for != absl::InfiniteDuration()) {
    rules.keep_for = absl::Ceil(rules.keep_for, absl::Milliseconds(1));
    if (absl::ToInt64Milliseconds(rules.keep_for) ==
        std::numeric_limits<int64_t>::max()) {
      rules.keep_for = absl::InfiniteDuration();
    }
  }
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state->dropped()) return Dropped(*state);
    stage.batch.Put(Family::kRows, RetentionKey(state->number()),
                    EncodeRetention(rules));
    return absl::OkStatus();
  };
  task.apply = [&] { state->moments.set_retention(rules); };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  commit.makes_room = true;
  return engine.Run(&commit);
}

absl::Status MarkBodyDropped(const Store& store, uint32_t collection,
                             const BodyKey& version, WriteBatch* batch) {
  const std::string key =
      OpKey({collection, version.shard}, version.origin, version.seq);
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                             store.Get(Family::kRows, key));
  if (!value.has_value()) {
    return Damaged(key, absl::DataLossError("it is missing"));
  }
  absl::StatusOr<Op> op = DecodeOp(*value);
  if (!op.ok()) return Damaged(key, op.status());
  op->body_dropped = true;
  batch->Put(Family::kRows, key, EncodeOp(*op));
  return absl::OkStatus();
}

absl::Status RemoveBodies(Engine& engine,
                          const std::shared_ptr<CollectionState>& state,
                          const std::vector<BodyKey>& versions) {
  // Ops never change but for this mark, so they can be read before the turn in
  // the queue comes.
  std::vector<std::pair<std::string, std::string>> ops;
  for (const BodyKey& body : versions) {
    std::string key =
        OpKey({state->number(), body.shard}, body.origin, body.seq);
    CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                               engine.store().Get(Family::kRows, key));
    if (!value.has_value()) {
      if (state->dropped()) return Dropped(*state);
      return Damaged(key, absl::DataLossError("it is missing"));
    }
    absl::StatusOr<Op> op = DecodeOp(*value);
    if (!op.ok()) return Damaged(key, op.status());
    op->body_dropped = true;
    ops.emplace_back(std::move(key), EncodeOp(*op));
  }
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state->dropped()) return Dropped(*state);
    for (size_t i = 0; i < versions.size(); ++i) {
      stage.batch.Delete(Family::kBodies,
                         BodyRowKey(state->number(), versions[i]));
      stage.batch.Put(Family::kRows, ops[i].first, ops[i].second);
    }
    state->writer.versions -= versions.size();
    stage.batch.Put(Family::kRows, ClockKey(state->number()),
                    Encode(state->clock_row()));
    return absl::OkStatus();
  };
  task.apply = [&] { state->versions -= versions.size(); };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  commit.makes_room = true;
  return engine.Run(&commit);
}

RetentionPass::RetentionPass(Engine& engine,
                             std::shared_ptr<CollectionState> state)
    : engine_(engine),
      state_(std::move(state)),
      rules_(state_->moments.retention()),
      floor_(state_->moments.floor()) {
  reply_.floor = floor_;
}

absl::StatusOr<bool> RetentionPass::Step(size_t rows) {
  if (state_->dropped()) return Dropped(*state_);
  if (phase_ == Phase::kStart) {
    CORKSCREW_RETURN_IF_ERROR(Start());
  }
  switch (phase_) {
    case Phase::kFindFloor: {
      CORKSCREW_ASSIGN_OR_RETURN(const bool more, Scan(rows));
      if (more) return false;
      CORKSCREW_RETURN_IF_ERROR(RaiseFloor());
      phase_ = Phase::kRemove;
      after_.clear();
      return false;
    }
    case Phase::kRemove: {
      CORKSCREW_ASSIGN_OR_RETURN(const bool more, Scan(rows));
      CORKSCREW_RETURN_IF_ERROR(RemoveFound());
      if (more) return false;
      phase_ = Phase::kDone;
      return true;
    }
    default:
      return true;
  }
}

absl::Status RetentionPass::Start() {
  phase_ = rules_ == Retention{} ? Phase::kDone : Phase::kFindFloor;
  tagged_ = state_->moments.TaggedMoments();
  if (rules_.keep_for == absl::InfiniteDuration()) return absl::OkStatus();
  // A second earlier, because times of writes are in whole seconds.
  const absl::Time clock = engine_.now();
  const MomentResolver moments(engine_.store(), *state_, state_->published(),
                               clock);
  CORKSCREW_ASSIGN_OR_RETURN(
      died_by_, moments.AppliedAt(clock - rules_.keep_for - absl::Seconds(1)));
  return absl::OkStatus();
}

absl::StatusOr<bool> RetentionPass::Scan(size_t rows) {
  found_.clear();
  const uint32_t number = state_->number();
  const Stream stream{number, 0};
  const std::string begin = StreamPrefix(stream);
  const auto it =
      engine_.store().NewIterator(Family::kBodies, begin, PrefixEnd(begin));
  it->Seek(after_.empty() ? begin : PrefixEnd(BodyPrefix(stream, after_)));
  std::vector<HeldVersion> versions;  // Of one record.
  size_t read = 0;
  for (; it->valid(); it->Next(), ++read) {
    HeldVersion version;
    uint32_t collection;
    if (!ParseBodyRowKey(it->key(), &collection, &version.body) ||
        it->value().empty()) {
      return Damaged(it->key(), absl::DataLossError("not a body"));
    }
    version.is_put =
        it->value()[0] == static_cast<char>(static_cast<int>(OpKind::kPut));
    const std::optional<Origin> origin =
        engine_.origins().Get(version.body.origin);
    if (!origin.has_value()) {
      return Damaged(it->key(), absl::DataLossError("its origin is not known"));
    }
    version.version = {version.body.lamport, origin->replica,
                       origin->incarnation, version.body.seq};
    if (!versions.empty() && versions[0].body.id != version.body.id) {
      Judge(&versions);
      after_ = versions[0].body.id;
      if (read >= rows) return true;
      versions.clear();
    }
    versions.push_back(std::move(version));
  }
  CORKSCREW_RETURN_IF_ERROR(it->status());
  if (!versions.empty()) Judge(&versions);
  return false;
}

void RetentionPass::Judge(std::vector<HeldVersion>* versions) {
  std::sort(versions->begin(), versions->end(),
            [](const HeldVersion& a, const HeldVersion& b) {
              return a.version > b.version;
            });
  // The newest is current. Tombstones stay: without them an older version would
  // seem alive at a tag.
  for (size_t i = 1; i < versions->size(); ++i) {
    const BodyKey& body = (*versions)[i].body;
    const Lamport died = (*versions)[i - 1].body.lamport;
    if (!(*versions)[i].is_put) continue;
    const bool goes =
        (rules_.keep_versions != 0 && i >= rules_.keep_versions) ||
        (rules_.keep_for != absl::InfiniteDuration() && died <= died_by_);
    const auto tag =
        std::lower_bound(tagged_.begin(), tagged_.end(), body.lamport);
    const bool tagged = tag != tagged_.end() && *tag < died;
    if (!goes || tagged) continue;
    if (phase_ == Phase::kFindFloor) {
      floor_ = std::max(floor_, died);
    } else if (died <= floor_) {
      // What died since the floor was found goes another time.
      found_.push_back(body);
    }
  }
}

absl::Status RetentionPass::RaiseFloor() {
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state_->dropped()) return Dropped(*state_);
    ClockRow row = state_->clock_row();
    row.floor = floor_;
    stage.batch.Put(Family::kRows, ClockKey(state_->number()), Encode(row));
    return absl::OkStatus();
  };
  task.apply = [&] { state_->moments.RaiseFloor(floor_); };
  if (floor_ > state_->moments.floor()) {
    Commit commit{&task, absl::OkStatus(), kAloneInGroup};
    commit.makes_room = true;
    CORKSCREW_RETURN_IF_ERROR(engine_.Run(&commit));
  }
  reply_.floor = state_->moments.floor();
  // From now on a moment below the floor is refused, and no tag can be made
  // there but at a tagged moment. Those reads that were let in before end here.
  tagged_ = state_->moments.TaggedMoments();
  state_->reads.WaitForReads();
  return absl::OkStatus();
}

absl::Status RetentionPass::RemoveFound() {
  for (size_t first = 0; first < found_.size(); first += kRemoveAtOnce) {
    const size_t last = std::min(found_.size(), first + kRemoveAtOnce);
    const std::vector<BodyKey> some(
        found_.begin() + static_cast<ptrdiff_t>(first),
        found_.begin() + static_cast<ptrdiff_t>(last));
    CORKSCREW_RETURN_IF_ERROR(RemoveBodies(engine_, state_, some));
    reply_.removed += some.size();
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
