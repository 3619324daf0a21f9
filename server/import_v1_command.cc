// corkscrew import-v1: databases of the original CorkScrewDB, with all versions
// in their order.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/record.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/output.h"
#include "server/progress.h"
#include "server/table.h"
#include "server/text_display.h"
#include "server/v1_reader.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string directory;
  std::string collection;  // Only this one,
  std::string into;        // under this name.
  CollectionOptions options = {.metric = Metric::kDot};
  bool salvage = false;
  bool keep_times = false;
};

// What became of the versions of one collection.
struct Counts {
  uint64_t versions = 0;
  uint64_t written = 0;
  uint64_t present = 0;            // Written by an earlier run.
  uint64_t nothing_to_delete = 0;  // Deletes of what was not there.
  uint64_t refused = 0;            // Outside our limits, or not readable.
  uint64_t conflicts = 0;     // Their record has other versions in the target.
  uint64_t unverified = 0;    // Only in a damaged snapshot.
  uint64_t same_lamport = 0;  // Written at their own Lamport time,
  uint64_t same_wall = 0;     // and wall time.
};

// The clock that the target is opened with: the wall time of the version that
// is being written, so that it becomes the new version's.
class WallTimes {
 public:
  // A time after `now` would hold back the collection's index of wall times.
  void Set(int64_t wall_ns, absl::Time now) {
    wall_ms_ = std::min(wall_ns / 1'000'000, absl::ToUnixMillis(now));
  }
  int64_t wall_ms() const { return wall_ms_; }

 private:
  std::atomic<int64_t> wall_ms_ = 0;
};

// Writes the versions of one collection. Single-threaded.
class V1Importer {
 public:
  V1Importer(const V1Collection& source, Collection& target,
             const Arguments& arguments, WallTimes& wall,
             const CommandContext& context, Progress& progress)
      : source_(source),
        target_(target),
        arguments_(arguments),
        wall_(wall),
        context_(context),
        progress_(progress),
        skip_(source.size(), Skip::kNo) {}

  absl::Status Run() {
    counts_.versions = source_.size();
    counts_.unverified = source_.unverified();
    CORKSCREW_ASSIGN_OR_RETURN(const CollectionInfo info, target_.Info());
    exact_vectors_ = info.options.model.empty() &&
                     info.options.originals == Originals::kFloat32;
    if (info.lamport > 0) CORKSCREW_RETURN_IF_ERROR(FindPresent());
    absl::flat_hash_set<absl::string_view> live;
    for (size_t i = 0; i < source_.size(); ++i) {
      CORKSCREW_RETURN_IF_ERROR(Import(i, live));
      progress_.Update(i + 1, i + 1);
    }
    return absl::OkStatus();
  }

  const Counts& counts() const { return counts_; }

 private:
  enum class Skip : uint8_t { kNo, kPresent, kConflict };

  absl::Status Import(size_t i, absl::flat_hash_set<absl::string_view>& live) {
    const absl::string_view id = source_.Id(i);
    const absl::StatusOr<V1Version> version = source_.Get(i);
    if (!version.ok()) {
      Refuse(i, version.status());
      return absl::OkStatus();
    }
    // A delete of what is not there changes nothing at any moment. Sent again,
    // it could delete what was written since.
    const bool was_live = live.contains(id);
    version->tombstone ? (void)live.erase(id) : (void)live.insert(id);
    if (version->tombstone && !was_live) {
      ++counts_.nothing_to_delete;
      return absl::OkStatus();
    }
    if (skip_[i] != Skip::kNo) {
      ++(skip_[i] == Skip::kPresent ? counts_.present : counts_.conflicts);
      return absl::OkStatus();
    }
    wall_.Set(version->wall_ns, context_.system.now());
    WriteOptions options;
    options.request_id = RequestId(*version);
    if (version->tombstone) return Delete(i, *version, options);
    const uint64_t refused = counts_.refused;
    CORKSCREW_RETURN_IF_ERROR(Put(i, *version, options));
    if (counts_.refused > refused && !was_live) live.erase(id);
    return absl::OkStatus();
  }

  absl::Status Put(size_t i, const V1Version& version,
                   const WriteOptions& options) {
    const Record record = RecordOf(version);
    PutItem item;
    item.record = RecordView(record);
    const absl::StatusOr<PutReply> reply = target_.Put({&item, 1}, options);
    if (absl::IsInvalidArgument(reply.status())) {
      Refuse(i, reply.status());
      return absl::OkStatus();
    }
    CORKSCREW_RETURN_IF_ERROR(Stopped(reply.status()));
    return CountWritten(version, reply->lamport);
  }

  absl::Status Delete(size_t i, const V1Version& version,
                      const WriteOptions& options) {
    const absl::string_view id = version.id;
    const absl::StatusOr<DeleteReply> reply = target_.Delete({&id, 1}, options);
    if (absl::IsInvalidArgument(reply.status())) {
      Refuse(i, reply.status());
      return absl::OkStatus();
    }
    CORKSCREW_RETURN_IF_ERROR(Stopped(reply.status()));
    if (!reply->deleted[0]) {
      ++counts_.nothing_to_delete;
      return absl::OkStatus();
    }
    return CountWritten(version, reply->lamport);
  }

  absl::Status CountWritten(const V1Version& version, Lamport lamport) {
    ++counts_.written;
    if (lamport == version.lamport) ++counts_.same_lamport;
    // A node has its own clock; the first version shows it.
    if (!wall_is_kept_.has_value()) {
      HistoryOptions newest;
      newest.page_size = 1;
      CORKSCREW_ASSIGN_OR_RETURN(const HistoryReply history,
                                 target_.History(version.id, newest));
      wall_is_kept_ = !history.versions.empty() &&
                      history.versions[0].wall_ms == wall_.wall_ms();
    }
    if (*wall_is_kept_ && wall_.wall_ms() == version.wall_ns / 1'000'000) {
      ++counts_.same_wall;
    }
    return absl::OkStatus();
  }

  static absl::Status Stopped(const absl::Status& status) {
    if (status.ok()) return status;
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(),
                     " (what came before is written; the same command goes on "
                     "where this one stopped)"));
  }

  void Refuse(size_t i, const absl::Status& status) {
    ++counts_.refused;
    progress_.Interrupt();
    context_.console.err << "version " << i << " of "
                         << Snippet(source_.Id(i), 60) << ": "
                         << Printable(status.message()) << '\n';
  }

  // The record that `version` becomes.
  Record RecordOf(const V1Version& version) const {
    Record record;
    record.id = version.id;
    record.text = version.text;
    record.metadata = version.metadata;
    if (arguments_.options.model.empty()) record.vector = version.vector;
    if (arguments_.keep_times) {
      record.metadata["v1_lamport"] = static_cast<int64_t>(version.lamport);
      record.metadata["v1_wall_ms"] = version.wall_ns / 1'000'000;
      record.metadata["v1_actor"] = version.actor;
    }
    return record;
  }

  // The same for every run, so that one whose answer was lost can be repeated.
  static std::string RequestId(const V1Version& version) {
    const Sha256Digest digest =
        Sha256(absl::StrCat(version.lamport, " ", version.actor.size(), " ",
                            version.actor, version.id));
    return absl::StrCat("import-v1 ",
                        absl::BytesToHexString(absl::string_view(
                            reinterpret_cast<const char*>(digest.data()), 16)));
  }

  uint64_t ContentOf(bool deleted, const Record& record) const {
    if (deleted) return 0;
    JsonWriter metadata;
    WriteMetadata(record.metadata, metadata);
    return absl::HashOf(record.text, metadata.text(),
                        exact_vectors_ ? record.vector : std::vector<float>());
  }

  // Marks the versions that the target has: those of each record are compared
  // in their order with its history there.
  absl::Status FindPresent() {
    absl::flat_hash_map<absl::string_view, std::vector<size_t>> by_id;
    for (size_t i = 0; i < source_.size(); ++i) {
      by_id[source_.Id(i)].push_back(i);
    }
    for (const auto& [id, versions] : by_id) {
      const absl::StatusOr<std::vector<uint64_t>> there = TargetHistory(id);
      if (absl::IsInvalidArgument(there.status())) continue;  // Such an id.
      CORKSCREW_RETURN_IF_ERROR(there.status());
      if (!there->empty()) MarkPresent(versions, *there);
    }
    return absl::OkStatus();
  }

  // The contents of the versions of `id` in the target, oldest first.
  absl::StatusOr<std::vector<uint64_t>> TargetHistory(absl::string_view id) {
    std::vector<uint64_t> contents;
    HistoryOptions options;
    options.fields.vector = exact_vectors_;
    do {
      CORKSCREW_ASSIGN_OR_RETURN(HistoryReply reply,
                                 target_.History(id, options));
      for (const StoredRecord& stored : reply.versions) {
        contents.push_back(ContentOf(stored.deleted, stored.record));
      }
      options.page_token = std::move(reply.next_page_token);
    } while (!options.page_token.empty());
    std::reverse(contents.begin(), contents.end());
    return contents;
  }

  // `versions` of one record, of which `there` are in the target.
  void MarkPresent(const std::vector<size_t>& versions,
                   const std::vector<uint64_t>& there) {
    size_t next = 0;  // Of versions.
    bool all = true;  // That are there are ours.
    for (const uint64_t content : there) {
      size_t found = next;
      while (found < versions.size()) {
        const absl::StatusOr<V1Version> version = source_.Get(versions[found]);
        if (version.ok() &&
            ContentOf(version->tombstone, RecordOf(*version)) == content) {
          break;
        }
        ++found;
      }
      if (found == versions.size()) {
        all = false;
        break;
      }
      skip_[versions[found]] = Skip::kPresent;
      next = found + 1;
    }
    // What is left would come behind something else than its predecessor.
    for (size_t i = next; !all && i < versions.size(); ++i) {
      skip_[versions[i]] = Skip::kConflict;
    }
  }

  const V1Collection& source_;
  Collection& target_;
  const Arguments& arguments_;
  WallTimes& wall_;
  const CommandContext& context_;
  Progress& progress_;
  std::vector<Skip> skip_;  // [source_.size()]
  bool exact_vectors_ = true;
  std::optional<bool> wall_is_kept_;
  Counts counts_;
};

void WriteDamage(absl::Span<const V1Damage> damage, JsonWriter& json) {
  json.BeginArray();
  for (const V1Damage& each : damage) {
    json.BeginObject().Key("file").String(each.file);
    json.Key("offset").Integer(each.offset);
    json.Key("bytes").Integer(each.bytes);
    json.Key("reason").String(each.reason).EndObject();
  }
  json.EndArray();
}

void PrintDamage(absl::Span<const V1Damage> damage,
                 const CommandContext& context) {
  for (const V1Damage& each : damage) {
    context.console.err << "not read: " << Printable(each.file);
    if (each.bytes > 0) {
      context.console.err << " at " << each.offset << ", " << each.bytes
                          << " bytes";
    }
    context.console.err << ": " << Printable(each.reason) << '\n';
  }
}

void PrintCounts(const std::string& name, const Counts& counts,
                 absl::Span<const V1Damage> damage,
                 const CommandContext& context) {
  PrintDamage(damage, context);
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("collection").String(name);
    json.Key("versions").Integer(counts.versions);
    json.Key("written").Integer(counts.written);
    json.Key("present").Integer(counts.present);
    json.Key("nothing_to_delete").Integer(counts.nothing_to_delete);
    json.Key("refused").Integer(counts.refused);
    json.Key("conflicts").Integer(counts.conflicts);
    json.Key("unverified").Integer(counts.unverified);
    json.Key("same_lamport").Integer(counts.same_lamport);
    json.Key("same_wall").Integer(counts.same_wall);
    json.Key("not_read");
    WriteDamage(damage, json);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << Snippet(name, 80) << ": "
                      << HumanCount(counts.versions)
                      << " versions: " << HumanCount(counts.written)
                      << " written (" << HumanCount(counts.same_lamport)
                      << " at their Lamport time, "
                      << HumanCount(counts.same_wall) << " at their wall time)";
  const auto print = [&](uint64_t count, absl::string_view what) {
    if (count > 0) {
      context.console.out << ", " << HumanCount(count) << ' ' << what;
    }
  };
  print(counts.present, "were there");
  print(counts.nothing_to_delete, "deletes of nothing");
  print(counts.refused, "refused");
  print(counts.conflicts, "left out: their records have other versions here");
  print(counts.unverified,
        "left out: only in a damaged snapshot (--salvage takes them)");
  context.console.out << '\n';
}

// Imports one collection. True: everything of it came over.
absl::StatusOr<bool> ImportCollection(const Arguments& arguments,
                                      const std::string& name, Db& db,
                                      WallTimes& wall,
                                      CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::unique_ptr<V1Collection> source,
      V1Collection::Read(FileSystem::Real(),
                         V1CollectionPath(arguments.directory, name), name,
                         arguments.salvage));
  std::vector<V1Damage> damage = source->damage();
  CollectionOptions options = arguments.options;
  if (options.model.empty()) options.dim = source->dim();
  if (options.model.empty() && options.dim == 0) {
    Counts counts;
    counts.versions = source->size();
    counts.nothing_to_delete = source->size();  // There was never a vector.
    counts.unverified = source->unverified();
    PrintCounts(name, counts, damage, context);
    return damage.empty() && counts.unverified == 0;
  }
  const std::string& into = arguments.into.empty() ? name : arguments.into;
  absl::StatusOr<std::shared_ptr<Collection>> target = db.OpenCollection(into);
  if (absl::IsNotFound(target.status())) {
    target = db.CreateCollection(into, options);
  }
  CORKSCREW_RETURN_IF_ERROR(target.status());
  Progress progress(context.console, Snippet(name, 40), "versions",
                    source->size(), context.system.now);
  V1Importer importer(*source, **target, arguments, wall, context, progress);
  const absl::Status status = importer.Run();
  const Counts& counts = importer.counts();
  progress.Finish(counts.written);
  CORKSCREW_RETURN_IF_ERROR(status);
  PrintCounts(name, counts, damage, context);
  return damage.empty() && counts.refused == 0 && counts.conflicts == 0 &&
         counts.unverified == 0;
}

absl::StatusOr<ExitCode> Import(const Arguments& arguments, Db& db,
                                WallTimes& wall, CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(
      V1Directory directory,
      ListV1Directory(FileSystem::Real(), arguments.directory));
  bool whole = directory.damage.empty();
  PrintDamage(directory.damage, context);
  std::vector<std::string> names = std::move(directory.collections);
  if (!arguments.collection.empty()) {
    names.insert(names.end(), directory.unlisted.begin(),
                 directory.unlisted.end());
    if (std::find(names.begin(), names.end(), arguments.collection) ==
        names.end()) {
      return absl::NotFoundError(
          absl::StrCat("directory \"", arguments.directory,
                       "\" has no collection \"", arguments.collection, "\""));
    }
    names = {arguments.collection};
  } else {
    for (const std::string& name : directory.unlisted) {
      context.console.err << "left out: collection " << Snippet(name, 80)
                          << ": the manifest does not name it (dropped, or "
                             "never finished); --collection takes it\n";
    }
  }
  for (const std::string& name : names) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const bool all, ImportCollection(arguments, name, db, wall, context));
    whole = whole && all;
  }
  return whole ? ExitCode::kOk : ExitCode::kBadLines;
}

}  // namespace

void AddImportV1Command(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand(
      "import-v1",
      "Take over a database of the original CorkScrewDB with its history");
  verb.add_option("DIR", arguments->directory,
                  "Data directory of the original, which must not be running")
      ->type_name("")
      ->required();
  AddTarget(verb, context);
  verb.add_option("--collection", arguments->collection,
                  "Take only this collection")
      ->type_name("NAME");
  verb.add_option("--into", arguments->into,
                  "Its name in the target; needs --collection")
      ->type_name("NAME")
      ->needs("--collection");
  verb.add_option("--model", arguments->options.model,
                  "Embed the texts anew with this model; the stored vectors "
                  "are left behind")
      ->type_name("MODEL");
  verb.add_option("--bits", arguments->options.bits,
                  "Bits per coordinate of a code, 1-8")
      ->type_name("B")
      ->capture_default_str()
      ->check(CLI::Range(1, 8).description(""));
  verb.add_flag("--salvage", arguments->salvage,
                "Take versions too that only a damaged snapshot has; they may "
                "differ from what was written");
  verb.add_flag("--keep-times", arguments->keep_times,
                "Add the metadata v1_lamport, v1_wall_ms and v1_actor");
  AddJson(verb, context);
  verb.footer(
      "Collections are created with the metric dot, which the original "
      "computes.\nEvery version becomes a write of its own, in the order of "
      "the original; deletes\ntoo. Lamport times are kept as far as nothing is "
      "left out (a delete of what was\nnot there is no version here), wall "
      "times if TARGET is a directory that no node\nholds. Stopped half-way, "
      "the same command goes on. Exit code 3: not everything\ncame over; what "
      "is missing was printed.\n"
      "Example: corkscrew import-v1 corkscrewdb-data notes.db");
  verb.callback([&context, arguments] {
    context.target.create_if_missing = true;
    if (!arguments->options.model.empty()) {
      arguments->options.metric = Metric::kCosine;
    }
    context.run = [&context, arguments] {
      const auto wall = std::make_shared<WallTimes>();
      wall->Set(INT64_MAX, context.system.now());
      context.target.now = [wall] {
        return absl::FromUnixMillis(wall->wall_ms());
      };
      return WithDb(context, [&](Db& db) {
        return Import(*arguments, db, *wall, context);
      });
    };
  });
}

}  // namespace corkscrew
