#include "tests/storage/file_verdicts.h"

#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "db/durable_mark.h"
#include "db/segment_catalogue.h"
#include "db/segment_format.h"
#include "db/wal_scanner.h"
#include "rocksdb/sst_file_reader.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> OfSegment(const std::string& bytes) {
  Hash16 hash;
  const auto header = DecodeSegmentHeader(bytes, &hash);
  if (!header.ok()) return "the header is refused";
  std::string wrong;
  for (const SegmentColumn& column : header->columns) {
    const absl::string_view content =
        absl::string_view(bytes).substr(column.offset, column.bytes);
    if (SegmentChecks(content) != column.checks) {
      absl::StrAppend(&wrong, " ", column.id);
    }
  }
  return wrong.empty() ? "it is between the columns" : "wrong columns:" + wrong;
}

std::optional<std::string> OfSidecar(const std::string& bytes) {
  Hash16 hash;
  if (DecodeDiedSidecar(bytes, &hash).ok()) return std::nullopt;
  return "refused";
}

std::optional<std::string> OfMark(const std::string& bytes) {
  if (DecodeDurableMark(bytes).has_value()) return std::nullopt;
  return "can not be read";
}

}  // namespace

FileVerdicts::FileVerdicts(const DamageImages* images) : images_(*images) {
  for (const Image& image : images_.images()) {
    if (image.kind != ImageKind::kDatabase) continue;
    fs::copy(image.path + "/store", scratch_.path() + "/" + image.name,
             fs::copy_options::recursive);
  }
}

std::optional<std::string> FileVerdicts::Of(const Target& target,
                                            const std::string& bytes) {
  // Restoring reads and hashes everything anyway.
  if (images_.image(target).kind != ImageKind::kDatabase) return std::nullopt;
  const std::string name = fs::path(target.file).filename().string();
  if (absl::EndsWith(name, ".log")) return OfLog(target, bytes);
  if (absl::EndsWith(name, ".sst")) return OfTable(bytes);
  if (absl::EndsWith(name, ".seg")) return OfSegment(bytes);
  if (absl::EndsWith(name, ".died")) return OfSidecar(bytes);
  if (name == "durable.mark") return OfMark(bytes);
  if (absl::StartsWith(name, "OPTIONS-") || name == "IDENTITY" ||
      name == "LOCK" || absl::StartsWith(name, "LOG")) {
    return "nobody reads it";
  }
  return std::nullopt;
}

std::optional<std::string> FileVerdicts::OfLog(const Target& target,
                                               const std::string& bytes) {
  const Image& image = images_.image(target);
  const std::string store = scratch_.path() + "/" + image.name;
  const std::string log =
      store + "/" + fs::path(target.file).filename().string();
  WriteAll(log, bytes);
  const auto scan = ScanWals(FileSystem::Real(), store);
  fs::copy_file(image.path + "/" + target.file, log,
                fs::copy_options::overwrite_existing);
  if (!scan.ok() || scan->verdict == WalVerdict::kClean) return std::nullopt;
  return absl::StrCat(static_cast<int>(scan->verdict), " ", scan->file, " ",
                      scan->offset, " ", scan->last_sequence, " ",
                      scan->torn_before);
}

std::optional<std::string> FileVerdicts::OfTable(const std::string& bytes) {
  const std::string path = scratch_.path() + "/table.sst";
  WriteAll(path, bytes);
  rocksdb::SstFileReader reader{rocksdb::Options()};
  rocksdb::Status status = reader.Open(path);
  const bool opened = status.ok();
  if (opened) status = reader.VerifyChecksum();
  if (status.ok()) return std::nullopt;
  // "block checksum mismatch: stored = 1, computed = 2, type = 4  in PATH
  // offset 0 size 1234": the place, not the sums.
  const std::string message = status.ToString();
  const size_t offset = message.rfind(" offset ");
  if (!opened) return "does not open";
  if (offset == std::string::npos) return std::nullopt;
  return "wrong block at" + message.substr(offset);
}

}  // namespace corkscrew::testing
