#include "db/aliases.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "db/body.h"
#include "db/collection_state.h"
#include "db/keys.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/record_limits.h"
#include "db/rows.h"
#include "db/version_reader.h"
#include "db/write_commit.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kPrefix = "alias/";

// The UUID that Uuid::ToString() made `text` of, or nullopt.
std::optional<Uuid> ParseUuid(absl::string_view text) {
  const auto is_digit = [](char c) {
    return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
  };
  Uuid uuid;
  if (text.size() != 2 * uuid.bytes.size() ||
      !std::all_of(text.begin(), text.end(), is_digit)) {
    return std::nullopt;
  }
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return uuid;
}

absl::StatusOr<Uuid> CollectionOf(const StoredVersion& version,
                                  absl::string_view alias) {
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(absl::StrCat("system record \"",
                                            absl::CHexEscape(version.key.id),
                                            "\" is damaged: ", why));
  };
  absl::StatusOr<Metadata> metadata = DecodeMetadata(version.body.metadata);
  if (!metadata.ok()) return damaged(metadata.status().message());
  const auto name = metadata->find("name");
  const auto collection = metadata->find("collection");
  if (name == metadata->end() || name->second != Value(std::string(alias)) ||
      collection == metadata->end() ||
      !std::holds_alternative<std::string>(collection->second)) {
    return damaged("it names no collection");
  }
  const std::optional<Uuid> uuid =
      ParseUuid(std::get<std::string>(collection->second));
  if (!uuid.has_value()) return damaged("its collection is no UUID");
  return *uuid;
}

absl::Status CheckAliasName(absl::string_view alias) {
  absl::Status status = CheckCollectionName(alias);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("alias: ", status.message()));
}

// The collection `name`, which is to get an alias.
absl::StatusOr<std::shared_ptr<CollectionState>> FindTarget(
    const CollectionRegistry& registry, absl::string_view name) {
  std::shared_ptr<CollectionState> found = registry.Find(name);
  if (found != nullptr) return found;
  if (const auto other = registry.FindAlias(name)) {
    return absl::FailedPreconditionError(
        absl::StrCat("\"", name, "\" is an alias of collection \"",
                     other->row().name, "\", which can be named itself"));
  }
  return absl::NotFoundError(absl::StrCat("no collection \"", name, "\""));
}

absl::Status CheckConditions(const CollectionRegistry& registry,
                             absl::string_view alias,
                             const CollectionState* now,
                             const AliasOptions& options) {
  if (options.if_collection.has_value()) {
    const std::string& want = *options.if_collection;
    const std::string have = now == nullptr ? "" : now->row().name;
    if (have != want) {
      const auto text = [](const std::string& name) {
        return name.empty() ? std::string("no collection")
                            : absl::StrCat("collection \"", name, "\"");
      };
      return absl::AbortedError(absl::StrCat(
          "alias \"", alias, "\" names ", text(have), ", want ", text(want)));
    }
  }
  if (options.if_unchanged.has_value()) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::shared_ptr<CollectionState> watched,
        FindTarget(registry, options.if_unchanged->collection));
    if (watched->writer.clock != options.if_unchanged->lamport) {
      return absl::AbortedError(absl::StrCat(
          "alias \"", alias, "\": collection \"", watched->row().name,
          "\" is at Lamport time ", watched->writer.clock, ", want ",
          options.if_unchanged->lamport));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string AliasRecordId(absl::string_view alias) {
  return absl::StrCat(kPrefix, alias);
}

Metadata AliasRecordMetadata(absl::string_view alias, const Uuid& collection) {
  return {{"collection", collection.ToString()}, {"name", std::string(alias)}};
}

absl::StatusOr<std::map<std::string, Uuid>> ReadAliases(
    const Store& store, const OriginTable& origins) {
  std::map<std::string, Uuid> aliases;
  CollectionRegistry none;
  VersionReader reader(store, origins, none.system());
  CORKSCREW_RETURN_IF_ERROR(reader.VisitRecords(
      kPrefix, std::numeric_limits<Lamport>::max(),
      [&](const StoredVersion& version) -> absl::StatusOr<bool> {
        absl::string_view id = version.key.id;
        if (!absl::StartsWith(id, kPrefix)) return false;
        if (version.body.kind != OpKind::kPut) return true;
        id.remove_prefix(kPrefix.size());
        CORKSCREW_ASSIGN_OR_RETURN(const Uuid uuid, CollectionOf(version, id));
        aliases.emplace(id, uuid);
        return true;
      }));
  return aliases;
}

absl::Status LoadAliases(const Store& store, const OriginTable& origins,
                         CollectionRegistry* registry) {
  CORKSCREW_ASSIGN_OR_RETURN(const auto stored, ReadAliases(store, origins));
  std::map<Uuid, std::shared_ptr<CollectionState>> by_uuid;
  for (const auto& state : registry->All()) by_uuid[state->row().uuid] = state;
  CollectionRegistry::AliasMap aliases;
  for (const auto& [name, uuid] : stored) {
    const auto found = by_uuid.find(uuid);
    if (found == by_uuid.end() || registry->Find(name) != nullptr) continue;
    aliases[name] = found->second;
  }
  registry->ReplaceAliases(std::move(aliases));
  return absl::OkStatus();
}

absl::Status CheckNotAlias(const CollectionRegistry& registry,
                           absl::string_view name) {
  const auto taken = registry.FindAlias(name);
  if (taken == nullptr) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      "\"", name, "\" is an alias of collection \"", taken->row().name, "\""));
}

absl::Status CheckDroppable(const CollectionRegistry& registry,
                            absl::string_view name) {
  const std::shared_ptr<CollectionState> state = registry.Find(name);
  if (state == nullptr) {
    if (const auto other = registry.FindAlias(name)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "\"", name, "\" is an alias of collection \"", other->row().name,
          "\": delete the alias, or drop the collection by its own name"));
    }
    return absl::NotFoundError(absl::StrCat("no collection \"", name, "\""));
  }
  std::vector<std::string> names;
  for (const auto& [alias, collection] : registry.Aliases()) {
    if (collection == state) names.push_back(absl::StrCat("\"", alias, "\""));
  }
  if (names.empty()) return absl::OkStatus();
  constexpr size_t kNamed = 5;
  const size_t more = names.size() <= kNamed ? 0 : names.size() - kNamed;
  names.resize(names.size() - more);
  return absl::FailedPreconditionError(
      absl::StrCat("collection \"", name, "\" is named by the alias ",
                   absl::StrJoin(names, ", "),
                   more == 0 ? "" : absl::StrCat(" and ", more, " more"),
                   ": move or delete it first"));
}

absl::Status SetAlias(Engine& engine, absl::string_view alias,
                      absl::string_view collection,
                      const AliasOptions& options) {
  CORKSCREW_RETURN_IF_ERROR(CheckAliasName(alias));
  CollectionRegistry& registry = engine.registry();
  std::shared_ptr<CollectionState> target;
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (registry.Find(alias) != nullptr) {
      return absl::AlreadyExistsError(
          absl::StrCat("alias \"", alias, "\": a collection has this name"));
    }
    CORKSCREW_ASSIGN_OR_RETURN(target, FindTarget(registry, collection));
    const auto now = registry.FindAlias(alias);
    CORKSCREW_RETURN_IF_ERROR(
        CheckConditions(registry, alias, now.get(), options));
    if (now == target) return absl::OkStatus();
    if (now == nullptr && registry.Aliases().size() >= kMaxAliases) {
      return absl::ResourceExhaustedError(
          absl::StrCat("alias \"", alias, "\": there are ", kMaxAliases,
                       " aliases, more are not allowed"));
    }
    CORKSCREW_RETURN_IF_ERROR(stage.system_record(
        OpKind::kPut, AliasRecordId(alias),
        AliasRecordMetadata(alias, target->row().uuid), ""));
    stage.batch.Put(Family::kRows, NameKey(alias), EncodeU32(target->number()));
    return absl::OkStatus();
  };
  task.apply = [&] { registry.SetAlias(alias, target); };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  return engine.Run(&commit);
}

absl::Status DeleteAlias(Engine& engine, absl::string_view alias) {
  CollectionRegistry& registry = engine.registry();
  TaskCommit task;
  task.stage = [&](TaskStage& stage) -> absl::Status {
    if (registry.FindAlias(alias) == nullptr) {
      return absl::NotFoundError(absl::StrCat("no alias \"", alias, "\""));
    }
    CORKSCREW_RETURN_IF_ERROR(
        stage.system_record(OpKind::kDelete, AliasRecordId(alias), {}, ""));
    stage.batch.Delete(Family::kRows, NameKey(alias));
    return absl::OkStatus();
  };
  task.apply = [&] { registry.RemoveAlias(alias); };
  Commit commit{&task, absl::OkStatus(), kAloneInGroup};
  return engine.Run(&commit);
}

}  // namespace corkscrew
