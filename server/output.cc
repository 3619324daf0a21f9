#include "server/output.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/limits.h"
#include "corkscrew/metadata.h"
#include "corkscrew/metric.h"
#include "corkscrew/record.h"
#include "corkscrew/search.h"
#include "server/console.h"
#include "server/json_writer.h"
#include "server/table.h"
#include "server/text_display.h"
#include "server/version_text.h"

namespace corkscrew {
namespace {

void WriteValue(const Value& value, JsonWriter& json) {
  std::visit(
      [&json](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          json.Bool(v);
        } else if constexpr (std::is_same_v<T, int64_t>) {
          json.Integer(v);
        } else if constexpr (std::is_same_v<T, double>) {
          json.Double(v);
        } else if constexpr (std::is_same_v<T, std::string>) {
          json.String(v);
        } else {
          json.BeginArray();
          for (const std::string& s : v) json.String(s);
          json.EndArray();
        }
      },
      value);
}

std::string WallTime(int64_t wall_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(wall_ms),
                          absl::UTCTimeZone());
}

void WriteCollectionFields(const CollectionInfo& info, JsonWriter& json) {
  json.Key("name").String(info.name);
  json.Key("uuid").String(info.uuid.ToString());
  json.Key("generation").Integer(info.generation);
  json.Key("model");
  info.options.model.empty() ? json.Null() : json.String(info.options.model);
  json.Key("space");
  info.space.empty() ? json.Null() : json.String(info.space);
  json.Key("dim").Integer(info.options.dim);
  json.Key("metric").String(MetricName(info.options.metric));
  json.Key("bits").Integer(info.options.bits);
  json.Key("vectors").String(OriginalsName(info.options.originals));
  // As text: a JSON number above 2^53 is rounded by many readers.
  json.Key("seed").String(absl::StrCat(info.options.seed));
  json.Key("shards").Integer(info.options.shards);
  json.Key("lamport").Integer(info.lamport);
  json.Key("records").Integer(info.records);
}

void PrintProperties(
    const std::vector<std::pair<std::string, std::string>>& properties,
    const Console& console) {
  size_t widest = 0;
  for (const auto& [key, value] : properties) {
    widest = std::max(widest, DisplayWidth(key));
  }
  for (const auto& [key, value] : properties) {
    console.out << key << std::string(widest - DisplayWidth(key) + 2, ' ')
                << value << '\n';
  }
}

// A text in a column that is followed by another one.
std::string TextCell(absl::string_view text, const Console& console) {
  return Snippet(text, std::max<size_t>(24, console.columns / 2));
}

std::string ModelOf(const CollectionInfo& info) {
  return info.options.model.empty() ? "-" : Snippet(info.options.model, 80);
}

}  // namespace

absl::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return "cosine";
    case Metric::kDot:
      return "dot";
    case Metric::kL2:
      return "l2";
  }
  return "unknown";
}

absl::string_view OriginalsName(Originals originals) {
  switch (originals) {
    case Originals::kFloat32:
      return "float32";
    case Originals::kBFloat16:
      return "bfloat16";
    case Originals::kCodesOnly:
      return "codes_only";
  }
  return "unknown";
}

void WriteMetadata(const Metadata& metadata, JsonWriter& json) {
  json.BeginObject();
  for (const auto& [key, value] : metadata) {
    json.Key(key);
    WriteValue(value, json);
  }
  json.EndObject();
}

void WriteHit(const Hit& hit, JsonWriter& json) {
  json.BeginObject();
  json.Key("id").String(hit.id);
  json.Key("score").Float(hit.score);
  json.Key("lamport").Integer(hit.version.lamport);
  if (!hit.text.empty()) json.Key("text").String(hit.text);
  if (!hit.metadata.empty()) {
    json.Key("metadata");
    WriteMetadata(hit.metadata, json);
  }
  if (!hit.vector.empty()) json.Key("vector").Floats(hit.vector);
  json.EndObject();
}

void WriteRecord(const StoredRecord& stored, JsonWriter& json) {
  const Record& record = stored.record;
  json.BeginObject();
  json.Key("id").String(record.id);
  json.Key("lamport").Integer(stored.version.lamport);
  if (stored.version.seq != 0) {
    json.Key("version").String(VersionText(stored.version));
  }
  json.Key("wall_ms").Integer(stored.wall_ms);
  json.Key("deleted").Bool(stored.deleted);
  if (stored.expires_ms != 0) json.Key("expires_ms").Integer(stored.expires_ms);
  if (!record.text.empty()) json.Key("text").String(record.text);
  if (!record.metadata.empty()) {
    json.Key("metadata");
    WriteMetadata(record.metadata, json);
  }
  if (!record.vector.empty()) json.Key("vector").Floats(record.vector);
  json.EndObject();
}

void WriteCollection(const CollectionInfo& info, JsonWriter& json) {
  json.BeginObject();
  WriteCollectionFields(info, json);
  json.EndObject();
}

absl::string_view StateName(DbState state) {
  switch (state) {
    case DbState::kWritable:
      return "writable";
    case DbState::kReadOnly:
      return "read-only";
    case DbState::kLowSpace:
      return "low-space";
    case DbState::kFailed:
      return "failed";
  }
  return "unknown";
}

void WriteStats(const DbStats& stats, JsonWriter& json) {
  json.BeginObject();
  json.Key("uuid").String(stats.uuid.ToString());
  json.Key("replica").String(stats.replica.ToString());
  json.Key("incarnation").String(absl::StrFormat("%016x", stats.incarnation));
  json.Key("format_version").Integer(stats.format_version);
  json.Key("disk_bytes").Integer(stats.disk_bytes);
  json.Key("recovery_dropped_bytes").Integer(stats.recovery_dropped_bytes);
  json.Key("state").String(StateName(stats.state));
  if (!stats.state_reason.empty()) {
    json.Key("state_reason").String(stats.state_reason);
  }
  json.Key("memory").BeginObject();
  json.Key("block_cache").Integer(stats.memory.block_cache);
  json.Key("memtables").Integer(stats.memory.memtables);
  json.Key("index").Integer(stats.memory.index);
  json.Key("rescore").Integer(stats.memory.rescore);
  json.Key("queues").Integer(stats.memory.queues);
  json.Key("mapped").Integer(stats.memory.mapped);
  json.EndObject();
  json.Key("collections").BeginArray();
  for (const CollectionStats& collection : stats.collections) {
    json.BeginObject();
    WriteCollectionFields(collection.info, json);
    json.Key("versions").Integer(collection.versions);
    json.Key("tombstones").Integer(collection.tombstones);
    json.Key("index_bytes").Integer(collection.index_bytes);
    json.Key("rescore_bytes").Integer(collection.rescore_bytes);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

std::string MetadataText(const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    JsonWriter json;
    WriteValue(value, json);
    absl::StrAppend(&text, text.empty() ? "" : " ", key, "=", json.text());
  }
  return text;
}

void PrintHits(absl::Span<const Hit> hits, const Console& console) {
  if (hits.empty()) {
    console.out << "nothing found\n";
    return;
  }
  bool metadata = false;
  for (const Hit& hit : hits) metadata |= !hit.metadata.empty();
  std::vector<Table::Column> columns = {
      {"SCORE", Table::Align::kRight}, {"ID"}, {"TEXT"}};
  if (metadata) columns.push_back({"METADATA"});
  Table table(std::move(columns));
  for (const Hit& hit : hits) {
    std::vector<std::string> row = {
        absl::StrFormat("%.4f", hit.score), hit.id,
        metadata ? TextCell(hit.text, console) : hit.text};
    if (metadata) row.push_back(MetadataText(hit.metadata));
    table.Add(std::move(row));
  }
  table.Print(console.out, console.columns);
}

void PrintRecords(absl::Span<const StoredRecord> records,
                  const Console& console) {
  if (records.empty()) {
    console.out << "no records\n";
    return;
  }
  Table table({{"LAMPORT", Table::Align::kRight},
               {"WRITTEN (UTC)"},
               {"ID"},
               {"TEXT"},
               {"METADATA"}});
  for (const StoredRecord& stored : records) {
    table.Add(
        {absl::StrCat(stored.version.lamport), WallTime(stored.wall_ms),
         stored.record.id,
         stored.deleted ? "(deleted)" : TextCell(stored.record.text, console),
         MetadataText(stored.record.metadata)});
  }
  table.Print(console.out, console.columns);
}

void PrintRecord(const StoredRecord& stored, const Console& console) {
  std::vector<std::pair<std::string, std::string>> properties = {
      {"id", Snippet(stored.record.id, kMaxIdBytes)},
      {"lamport", absl::StrCat(stored.version.lamport)},
      {"written", absl::StrCat(WallTime(stored.wall_ms), " UTC")},
  };
  if (!stored.record.metadata.empty()) {
    properties.emplace_back("metadata", MetadataText(stored.record.metadata));
  }
  if (!stored.record.vector.empty()) {
    JsonWriter json;
    json.Floats(stored.record.vector);
    properties.emplace_back("vector", json.TakeText());
  }
  if (!stored.record.text.empty()) {
    properties.emplace_back("text", Snippet(stored.record.text, kMaxTextBytes));
  }
  PrintProperties(properties, console);
}

void PrintCollections(absl::Span<const CollectionInfo> collections,
                      const Console& console) {
  if (collections.empty()) {
    console.out << "no collections\n";
    return;
  }
  Table table({{"NAME"},
               {"RECORDS", Table::Align::kRight},
               {"LAMPORT", Table::Align::kRight},
               {"DIM", Table::Align::kRight},
               {"BITS", Table::Align::kRight},
               {"METRIC"},
               {"VECTORS"},
               {"MODEL"}});
  for (const CollectionInfo& info : collections) {
    table.Add({info.name, HumanCount(info.records), absl::StrCat(info.lamport),
               absl::StrCat(info.options.dim), absl::StrCat(info.options.bits),
               std::string(MetricName(info.options.metric)),
               std::string(OriginalsName(info.options.originals)),
               ModelOf(info)});
  }
  table.Print(console.out, console.columns);
}

void PrintCollection(const CollectionInfo& info, const Console& console) {
  PrintProperties(
      {{"name", Snippet(info.name, kMaxCollectionNameBytes)},
       {"records", HumanCount(info.records)},
       {"lamport", absl::StrCat(info.lamport)},
       {"model", ModelOf(info)},
       {"dim", absl::StrCat(info.options.dim)},
       {"metric", std::string(MetricName(info.options.metric))},
       {"bits", absl::StrCat(info.options.bits)},
       {"vectors", std::string(OriginalsName(info.options.originals))},
       {"seed", absl::StrCat(info.options.seed)},
       {"shards", absl::StrCat(info.options.shards)},
       {"space", info.space.empty() ? "-" : info.space},
       {"uuid", info.uuid.ToString()},
       {"generation", absl::StrCat(info.generation)}},
      console);
}

void PrintStats(const DbStats& stats, const Console& console) {
  std::string state(StateName(stats.state));
  if (!stats.state_reason.empty()) {
    absl::StrAppend(&state, ": ", stats.state_reason);
  }
  PrintProperties(
      {{"database", stats.uuid.ToString()},
       {"replica", stats.replica.ToString()},
       {"incarnation", absl::StrFormat("%016x", stats.incarnation)},
       {"format version", absl::StrCat(stats.format_version)},
       {"on disk", HumanBytes(static_cast<double>(stats.disk_bytes))},
       {"log given up",
        HumanBytes(static_cast<double>(stats.recovery_dropped_bytes))},
       {"state", state},
       {"memory", HumanBytes(static_cast<double>(stats.memory.total()))},
       {"  block cache",
        HumanBytes(static_cast<double>(stats.memory.block_cache))},
       {"  memtables", HumanBytes(static_cast<double>(stats.memory.memtables))},
       {"  index", HumanBytes(static_cast<double>(stats.memory.index))},
       {"  rescore", HumanBytes(static_cast<double>(stats.memory.rescore))},
       {"  queues", HumanBytes(static_cast<double>(stats.memory.queues))},
       {"mapped", HumanBytes(static_cast<double>(stats.memory.mapped))}},
      console);
  console.out << '\n';
  Table table({{"COLLECTION"},
               {"RECORDS", Table::Align::kRight},
               {"VERSIONS", Table::Align::kRight},
               {"DELETED", Table::Align::kRight},
               {"CODES", Table::Align::kRight},
               {"RESCORE", Table::Align::kRight},
               {"MODEL"}});
  for (const CollectionStats& collection : stats.collections) {
    table.Add({collection.info.name, HumanCount(collection.info.records),
               HumanCount(collection.versions),
               HumanCount(collection.tombstones),
               HumanBytes(static_cast<double>(collection.index_bytes)),
               HumanBytes(static_cast<double>(collection.rescore_bytes)),
               ModelOf(collection.info)});
  }
  if (table.empty()) {
    console.out << "no collections\n";
  } else {
    table.Print(console.out, console.columns);
  }
}

}  // namespace corkscrew
