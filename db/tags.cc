#include "db/tags.h"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "db/body.h"
#include "db/metadata_codec.h"
#include "db/moments.h"
#include "db/op.h"
#include "db/record_limits.h"
#include "db/version_reader.h"
#include "db/write_commit.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kPrefix = "tag/";

absl::StatusOr<TagInfo> TagOf(const StoredVersion& version) {
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(absl::StrCat("system record \"", version.key.id,
                                            "\" is damaged: ", why));
  };
  absl::StatusOr<Metadata> metadata = DecodeMetadata(version.body.metadata);
  if (!metadata.ok()) return damaged(metadata.status().message());
  const auto name = metadata->find("name");
  const auto lamport = metadata->find("lamport");
  if (name == metadata->end() || lamport == metadata->end() ||
      !std::holds_alternative<std::string>(name->second) ||
      !std::holds_alternative<int64_t>(lamport->second) ||
      std::get<int64_t>(lamport->second) < 0) {
    return damaged("it names no moment");
  }
  return TagInfo{std::get<std::string>(name->second),
                 static_cast<Lamport>(std::get<int64_t>(lamport->second)),
                 version.body.wall_ms};
}

absl::Status Dropped(const CollectionState& state) {
  return absl::NotFoundError(
      absl::StrCat("collection \"", state.row().name, "\" was dropped"));
}

// InvalidArgument for a moment that has not come yet.
absl::Status CheckHasCome(const std::optional<Moment>& at, Lamport now,
                          absl::Time clock) {
  if (!at.has_value()) return absl::OkStatus();
  const auto* lamport = std::get_if<Lamport>(&at->value);
  if (lamport != nullptr && *lamport > now) {
    return absl::InvalidArgumentError(
        absl::StrCat("Lamport time ", *lamport, " is beyond the clock, ", now));
  }
  const auto* time = std::get_if<absl::Time>(&at->value);
  if (time != nullptr && *time > clock) {
    return absl::InvalidArgumentError(absl::StrCat("the time ",
                                                   absl::FormatTime(*time),
                                                   " has not come yet; "
                                                   "it is ",
                                                   absl::FormatTime(clock)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string TagRecordId(const Uuid& collection, absl::string_view tag) {
  return absl::StrCat(kPrefix, collection.ToString(), "/", tag);
}

Metadata TagRecordMetadata(const Uuid& collection, const TagInfo& tag) {
  return {{"collection", collection.ToString()},
          {"lamport", static_cast<int64_t>(tag.lamport)},
          {"name", tag.name}};
}

absl::Status LoadTags(const Store& store, const OriginTable& origins,
                      CollectionRegistry* registry) {
  std::map<std::string, std::shared_ptr<CollectionState>> by_prefix;
  for (const auto& state : registry->All()) {
    by_prefix[TagRecordId(state->row().uuid, "")] = state;
  }
  std::map<std::string, std::map<std::string, TagInfo>> tags;  // By prefix.
  VersionReader reader(store, origins, registry->system());
  CORKSCREW_RETURN_IF_ERROR(reader.VisitRecords(
      kPrefix, std::numeric_limits<Lamport>::max(),
      [&](const StoredVersion& version) -> absl::StatusOr<bool> {
        const absl::string_view id = version.key.id;
        if (!absl::StartsWith(id, kPrefix)) return false;
        const size_t slash = id.find('/', kPrefix.size());
        if (slash == absl::string_view::npos) return true;
        // That of a dropped collection is read in vain.
        if (version.body.kind != OpKind::kPut) return true;
        CORKSCREW_ASSIGN_OR_RETURN(TagInfo tag, TagOf(version));
        std::string name = tag.name;
        tags[std::string(id.substr(0, slash + 1))].emplace(std::move(name),
                                                           std::move(tag));
        return true;
      }));
  for (const auto& [prefix, state] : by_prefix) {
    state->moments.SetTags(std::move(tags[prefix]));
  }
  return absl::OkStatus();
}

absl::StatusOr<TagInfo> CreateTag(Engine& engine,
                                  const std::shared_ptr<CollectionState>& state,
                                  absl::string_view tag,
                                  const std::optional<Moment>& at) {
  CORKSCREW_RETURN_IF_ERROR(CheckTagName(tag));
  TagInfo info{.name = std::string(tag)};
  bool made = false;
  TaskCommit task;
  // Nothing is written meanwhile, so now is one moment.
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state->dropped()) return Dropped(*state);
    const absl::Time clock = absl::FromUnixMillis(stage.wall_ms);
    CORKSCREW_RETURN_IF_ERROR(CheckHasCome(at, state->published(), clock));
    const MomentResolver resolver(engine.store(), *state, state->published(),
                                  clock);
    CORKSCREW_ASSIGN_OR_RETURN(const ReadMoment moment, resolver.Resolve(at));
    info.lamport = moment.at;
    info.wall_ms = stage.wall_ms;
    if (const std::optional<TagInfo> taken = state->moments.FindTag(tag)) {
      if (taken->lamport == info.lamport) {
        info = *taken;
        return absl::OkStatus();
      }
      return absl::AlreadyExistsError(
          absl::StrCat("the tag \"", tag, "\" names Lamport time ",
                       taken->lamport, " already, not ", info.lamport));
    }
    made = true;
    return stage.system_record(OpKind::kPut,
                               TagRecordId(state->row().uuid, tag),
                               TagRecordMetadata(state->row().uuid, info), "");
  };
  task.apply = [&] {
    if (made) state->moments.AddTag(info);
  };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  CORKSCREW_RETURN_IF_ERROR(engine.Run(&commit));
  return info;
}

absl::Status DeleteTag(Engine& engine,
                       const std::shared_ptr<CollectionState>& state,
                       absl::string_view tag) {
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (state->dropped()) return Dropped(*state);
    if (!state->moments.FindTag(tag).has_value()) {
      return absl::NotFoundError(absl::StrCat("there is no tag \"", tag, "\""));
    }
    return stage.system_record(OpKind::kDelete,
                               TagRecordId(state->row().uuid, tag), {}, "");
  };
  task.apply = [&] { state->moments.RemoveTag(tag); };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  return engine.Run(&commit);
}

}  // namespace corkscrew
