#include "server/v1_reader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "server/text_display.h"

namespace corkscrew {
namespace {

constexpr uint16_t kLogMagic = 0x4357;
constexpr uint32_t kSnapshotMagic = 0x43534442;
constexpr uint8_t kFormat = 1;
constexpr size_t kMaxManifestBytes = size_t{16} << 20;
// The original writes at most a vector, a text and metadata; a length field
// beyond this is damage.
constexpr uint32_t kMaxFieldBytes = uint32_t{256} << 20;

// CRC-32 of IEEE 802.3, reflected, as Go's hash/crc32 ChecksumIEEE.
uint32_t Crc32Ieee(absl::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> values;
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0);
      }
      values[i] = value;
    }
    return values;
  }();
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) {
    crc = table[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

bool ReadString(Cursor& cursor, absl::string_view* out) {
  uint32_t size = 0;
  return cursor.ReadLittle(&size) && size <= kMaxFieldBytes &&
         cursor.ReadBytes(size, out);
}

// The fields of a version, as views of the file.
struct Fields {
  absl::string_view vector;
  absl::string_view text;
  absl::string_view metadata;
  uint64_t lamport = 0;
  absl::string_view actor;
  int64_t wall_ns = 0;
  bool tombstone = false;
};

// One record of a log. The checksum is checked by the caller.
struct LogRecord {
  Fields fields;
  uint64_t id_offset = 0;
  uint64_t body_bytes = 0;  // Without the checksum.
  uint32_t checksum = 0;
};

std::optional<LogRecord> ParseLogRecord(absl::string_view bytes) {
  Cursor cursor(bytes);
  LogRecord record;
  uint16_t magic = 0;
  uint8_t format = 0;
  uint8_t kind = 0;
  absl::string_view collection;
  absl::string_view id;
  if (!cursor.ReadLittle(&magic) || magic != kLogMagic ||
      !cursor.ReadLittle(&format) || format != kFormat ||
      !cursor.ReadLittle(&kind) || (kind != 1 && kind != 2) ||
      !cursor.ReadLittle(&record.fields.lamport) ||
      !ReadString(cursor, &record.fields.actor) ||
      !cursor.ReadLittle(&record.fields.wall_ns) ||
      !ReadString(cursor, &collection)) {
    return std::nullopt;
  }
  record.id_offset = cursor.position();
  if (!ReadString(cursor, &id) || !ReadString(cursor, &record.fields.vector) ||
      !ReadString(cursor, &record.fields.text) ||
      !ReadString(cursor, &record.fields.metadata)) {
    return std::nullopt;
  }
  record.body_bytes = cursor.position();
  if (!cursor.ReadLittle(&record.checksum)) return std::nullopt;
  record.fields.tombstone = kind == 2;
  return record;
}

bool ParseSnapshotVersion(Cursor& cursor, Fields* fields) {
  uint8_t tombstone = 0;
  if (!ReadString(cursor, &fields->vector) ||
      !ReadString(cursor, &fields->text) ||
      !ReadString(cursor, &fields->metadata) ||
      !cursor.ReadLittle(&fields->lamport) ||
      !ReadString(cursor, &fields->actor) ||
      !cursor.ReadLittle(&fields->wall_ns) || !cursor.ReadLittle(&tombstone) ||
      tombstone > 1) {
    return false;
  }
  fields->tombstone = tombstone == 1;
  return true;
}

// {"key": "value"} or null, as the original writes a map of strings.
absl::StatusOr<Metadata> ParseV1Metadata(absl::string_view json) {
  Metadata metadata;
  if (json.empty()) return metadata;
  const nlohmann::json tree =
      nlohmann::json::parse(json.begin(), json.end(), /*cb=*/nullptr,
                            /*allow_exceptions=*/false);
  if (tree.is_null()) return metadata;
  if (!tree.is_object()) {
    return absl::InvalidArgumentError("metadata is not a JSON object");
  }
  for (const auto& [key, value] : tree.items()) {
    const auto* const text = value.get_ptr<const std::string*>();
    if (text == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata \"", Snippet(key, 40), "\" is not a string"));
    }
    metadata[key] = *text;
  }
  return metadata;
}

std::string Join(const std::string& path, absl::string_view name) {
  return absl::StrCat(path, "/", name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<V1Collection>> V1Collection::Read(
    FileSystem& files, const std::string& path, absl::string_view name,
    bool salvage) {
  std::unique_ptr<V1Collection> collection(new V1Collection());
  const std::string shown = absl::StrCat("collections/", name);
  const auto add = [&](const std::string& file, bool snapshot) {
    absl::StatusOr<std::unique_ptr<FileContent>> content =
        files.Map(Join(path, file));
    if (!content.ok()) {
      collection->damage_.push_back(
          {Join(shown, file), 0, 0, std::string(content.status().message())});
      return;
    }
    collection->files_.push_back(
        {Join(shown, file), *std::move(content), snapshot});
  };
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> top,
                             files.List(path));
  if (std::find(top.begin(), top.end(), "wal") != top.end()) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> logs,
                               files.List(Join(path, "wal")));
    for (const std::string& log : logs) {
      if (absl::EndsWith(log, ".wal")) add(Join("wal", log), false);
    }
  }
  for (const std::string& file : top) {
    if (absl::StartsWith(file, "snapshot-") && absl::EndsWith(file, ".csdb")) {
      add(file, true);
    }
  }
  for (uint32_t i = 0; i < collection->files_.size(); ++i) {
    collection->files_[i].snapshot ? collection->AddSnapshot(i)
                                   : collection->AddLog(i);
  }
  collection->SortAndDeduplicate(salvage);
  return collection;
}

void V1Collection::AddDamage(uint32_t file, uint64_t offset, uint64_t bytes,
                             absl::string_view reason) {
  damage_.push_back({files_[file].name, offset, bytes, std::string(reason)});
}

uint32_t V1Collection::Actor(absl::string_view actor) {
  const auto [found, added] =
      actor_numbers_.try_emplace(actor, static_cast<uint32_t>(actors_.size()));
  if (added) actors_.emplace_back(actor);
  return found->second;
}

void V1Collection::AddLog(uint32_t file) {
  const absl::string_view bytes = files_[file].content->bytes();
  // A search behind damage may check the same bytes again and again; hostile
  // bytes get a limit that real ones do not reach.
  uint64_t budget = (uint64_t{64} << 20) + 16 * uint64_t{bytes.size()};
  size_t position = 0;
  size_t bad = absl::string_view::npos;  // Start of a damaged stretch.
  const auto end_damage = [&](size_t end) {
    if (bad == absl::string_view::npos) return;
    AddDamage(file, bad, end - bad,
              end == bytes.size() ? "cut or damaged at the end"
                                  : "damaged; what follows was found again");
    bad = absl::string_view::npos;
  };
  while (position < bytes.size()) {
    const std::optional<LogRecord> record =
        ParseLogRecord(bytes.substr(position));
    bool good = false;
    if (record.has_value() && record->body_bytes <= budget) {
      const absl::string_view body = bytes.substr(position, record->body_bytes);
      if (bad != absl::string_view::npos) budget -= body.size();
      good = Crc32Ieee(body) == record->checksum;
    }
    if (good) {
      end_damage(position);
      const Fields& fields = record->fields;
      entries_.push_back({fields.lamport, position,
                          position + record->id_offset, file,
                          Actor(fields.actor), /*unverified=*/false});
      if (dim_ == 0) dim_ = fields.vector.size() / sizeof(float);
      position += record->body_bytes + sizeof(uint32_t);
      continue;
    }
    if (bad == absl::string_view::npos) bad = position;
    position = bytes.find("\x57\x43\x01", position + 1);  // The magic, format.
    if (position == absl::string_view::npos) position = bytes.size();
  }
  end_damage(bytes.size());
}

void V1Collection::AddSnapshot(uint32_t file) {
  const absl::string_view bytes = files_[file].content->bytes();
  Cursor cursor(bytes);
  uint32_t magic = 0;
  uint8_t format = 0;
  absl::string_view collection;
  uint32_t records = 0;
  // bits i32, seed i64, dim u32, largest lamport u64, created i64.
  constexpr size_t kSkipped = 4 + 8 + 4 + 8 + 8;
  if (!cursor.ReadLittle(&magic) || magic != kSnapshotMagic ||
      !cursor.ReadLittle(&format) || format != kFormat ||
      !ReadString(cursor, &collection) || !cursor.Skip(kSkipped) ||
      !cursor.ReadLittle(&records)) {
    AddDamage(file, 0, bytes.size(), "not a snapshot of format 1");
    return;
  }
  const size_t first = entries_.size();
  const auto parse = [&] {
    for (uint32_t r = 0; r < records; ++r) {
      const uint64_t id_offset = cursor.position();
      absl::string_view id;
      uint32_t versions = 0;
      if (!ReadString(cursor, &id) || !cursor.ReadLittle(&versions)) {
        return false;
      }
      for (uint32_t v = 0; v < versions; ++v) {
        const uint64_t offset = cursor.position();
        Fields fields;
        if (!ParseSnapshotVersion(cursor, &fields)) return false;
        entries_.push_back({fields.lamport, offset, id_offset, file,
                            Actor(fields.actor), /*unverified=*/true});
        if (dim_ == 0) dim_ = fields.vector.size() / sizeof(float);
      }
    }
    return true;
  };
  const bool whole = parse();
  const uint64_t end = cursor.position();
  uint32_t checksum = 0;
  if (whole && cursor.ReadLittle(&checksum) && cursor.done() &&
      Crc32Ieee(bytes.substr(0, end)) == checksum) {
    for (size_t i = first; i < entries_.size(); ++i) {
      entries_[i].unverified = false;
    }
    return;
  }
  AddDamage(file, whole ? 0 : end, whole ? 0 : bytes.size() - end,
            whole ? "the checksum does not match"
                  : "cut or damaged; what is before is not verified");
}

void V1Collection::SortAndDeduplicate(bool salvage) {
  // Between copies of one version the verified one goes first, then the log's.
  std::sort(entries_.begin(), entries_.end(),
            [this](const Entry& a, const Entry& b) {
              const auto key = [this](const Entry& entry) {
                return std::make_tuple(entry.lamport,
                                       absl::string_view(actors_[entry.actor]));
              };
              const auto key_a = key(a);
              const auto key_b = key(b);
              if (key_a != key_b) return key_a < key_b;
              const absl::string_view id_a = IdAt(a);
              const absl::string_view id_b = IdAt(b);
              if (id_a != id_b) return id_a < id_b;
              return std::make_tuple(a.unverified, a.file, a.offset) <
                     std::make_tuple(b.unverified, b.file, b.offset);
            });
  const auto same = [this](const Entry& a, const Entry& b) {
    return a.lamport == b.lamport && a.actor == b.actor && IdAt(a) == IdAt(b);
  };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same),
                 entries_.end());
  if (salvage) return;
  const auto unverified =
      std::remove_if(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.unverified; });
  unverified_ = static_cast<size_t>(entries_.end() - unverified);
  entries_.erase(unverified, entries_.end());
}

absl::string_view V1Collection::IdAt(const Entry& entry) const {
  Cursor cursor(files_[entry.file].content->bytes().substr(entry.id_offset));
  absl::string_view id;
  return ReadString(cursor, &id) ? id : absl::string_view();
}

absl::StatusOr<V1Version> V1Collection::Get(size_t i) const {
  const Entry& entry = entries_[i];
  const File& file = files_[entry.file];
  const auto bad = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name, " at ", entry.offset, ": ", what));
  };
  const absl::string_view bytes = file.content->bytes().substr(entry.offset);
  Fields fields;
  if (file.snapshot) {
    Cursor cursor(bytes);
    if (!ParseSnapshotVersion(cursor, &fields)) return bad("changed meanwhile");
  } else {
    const std::optional<LogRecord> record = ParseLogRecord(bytes);
    if (!record.has_value()) return bad("changed meanwhile");
    fields = record->fields;
  }
  V1Version version;
  version.id = std::string(IdAt(entry));
  version.text = std::string(fields.text);
  version.lamport = fields.lamport;
  version.actor = std::string(fields.actor);
  version.wall_ns = fields.wall_ns;
  version.tombstone = fields.tombstone;
  if (fields.vector.size() % sizeof(float) != 0) {
    return bad(absl::StrCat("a vector of ", fields.vector.size(), " bytes"));
  }
  version.vector.resize(fields.vector.size() / sizeof(float));
  if (!version.vector.empty()) {
    std::memcpy(version.vector.data(), fields.vector.data(),
                fields.vector.size());
  }
  absl::StatusOr<Metadata> metadata = ParseV1Metadata(fields.metadata);
  if (!metadata.ok()) return bad(metadata.status().message());
  version.metadata = *std::move(metadata);
  return version;
}

std::string V1CollectionPath(const std::string& path, absl::string_view name) {
  return absl::StrCat(path, "/collections/", name);
}

absl::StatusOr<V1Directory> ListV1Directory(FileSystem& files,
                                            const std::string& path) {
  const std::string folder = Join(path, "collections");
  if (!files.Exists(folder)) {
    return absl::NotFoundError(
        absl::StrCat("directory \"", path,
                     "\" has no folder \"collections\": want a directory of "
                     "the original CorkScrewDB"));
  }
  V1Directory directory;
  CORKSCREW_ASSIGN_OR_RETURN(std::vector<std::string> folders,
                             files.List(folder));
  std::optional<std::set<std::string>> listed;
  const absl::StatusOr<std::string> manifest =
      files.Read(Join(path, "manifest.json"), kMaxManifestBytes);
  if (manifest.ok()) {
    const nlohmann::json tree = nlohmann::json::parse(
        *manifest, /*cb=*/nullptr, /*allow_exceptions=*/false);
    if (tree.is_object() && tree.contains("collections") &&
        tree["collections"].is_object()) {
      listed.emplace();
      for (const auto& item : tree["collections"].items()) {
        listed->insert(item.key());
      }
    }
  }
  if (!listed.has_value()) {
    directory.damage.push_back(
        {"manifest.json", 0, 0,
         manifest.ok() ? "not a manifest"
                       : std::string(manifest.status().message())});
    directory.collections = std::move(folders);
    return directory;
  }
  for (std::string& name : folders) {
    (listed->contains(name) ? directory.collections : directory.unlisted)
        .push_back(name);
    listed->erase(name);
  }
  for (const std::string& name : *listed) {
    directory.damage.push_back({absl::StrCat("collections/", name), 0, 0,
                                "the manifest names it, but it is not there"});
  }
  return directory;
}

}  // namespace corkscrew
