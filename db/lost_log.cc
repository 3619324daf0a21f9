#include "db/lost_log.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "db/durable_mark.h"
#include "db/keys.h"
#include "db/log_reader.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/wal_scanner.h"
#include "rocksdb/write_batch.h"

namespace corkscrew {
namespace {

absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// Takes the ops and version vectors of a batch.
class BatchReader : public rocksdb::WriteBatch::Handler {
 public:
  explicit BatchReader(LostLog* lost) : lost_(*lost) {}

  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (family != 0) return rocksdb::Status::OK();  // A body.
    Stream stream;
    uint32_t origin;
    uint64_t seq;
    if (ParseOpKey(ToView(key), &stream, &origin, &seq)) {
      const absl::StatusOr<Op> op = DecodeOp(ToView(value));
      LostLog::OfOrigin& of =
          lost_.origins[{stream.collection, stream.shard, origin}];
      of.last_seq = std::max(of.last_seq, seq);
      if (op.ok()) of.named[seq] = {op->id, op->lamport};
    } else if (ParseVectorKey(ToView(key), &stream, &origin)) {
      const absl::StatusOr<uint64_t> last = DecodeU64(ToView(value));
      if (!last.ok()) return rocksdb::Status::OK();
      LostLog::OfOrigin& of =
          lost_.origins[{stream.collection, stream.shard, origin}];
      of.last_seq = std::max(of.last_seq, *last);
    }
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status SingleDeleteCF(uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice&,
                                const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status MergeCF(uint32_t, const rocksdb::Slice&,
                          const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice&) override {}

 private:
  LostLog& lost_;
};

// Reads all whole batches of a log with rows behind `after`, wherever they are.
void ReadLog(absl::string_view bytes, uint64_t number, uint64_t after,
             LostLog* lost) {
  size_t at = 0;
  while (at < bytes.size()) {
    LogReader reader(bytes, number, at);
    absl::string_view record;
    while (reader.Next(&record) == LogReader::Result::kRecord) {
      at = reader.next_offset();
      const std::optional<LoggedBatch> logged = ReadLoggedBatch(record);
      if (!logged.has_value() ||
          logged->sequence + logged->count <= after + 1) {
        continue;
      }
      BatchReader batch(lost);
      // One that has another form says nothing.
      rocksdb::WriteBatch(std::string(record))
          .Iterate(&batch)
          .PermitUncheckedError();
    }
    // Where the next record begins is not known.
    absl::string_view payload;
    for (++at; at < bytes.size(); ++at) {
      if (LogReader::MayBegin(bytes, at, &payload) &&
          ReadLoggedBatch(payload).has_value()) {
        break;
      }
    }
  }
}

// The op that durable.mark names was synced, with all before it.
absl::Status ReadMark(FileSystem& files, const std::string& path,
                      const Store& store, LostLog* lost) {
  const std::optional<DurableMark> mark = ReadDurableMark(files, path);
  if (!mark.has_value() || !mark->position.has_value()) return absl::OkStatus();
  const uint32_t collection = mark->position->collection;
  uint64_t last_feed = 0;
  const std::string feed = KindPrefix('f', collection);
  const auto last = store.NewIterator(Family::kRows, feed, PrefixEnd(feed));
  last->SeekToLast();
  uint32_t parsed;
  if (last->valid()) (void)ParseFeedKey(last->key(), &parsed, &last_feed);
  if (last_feed >= mark->position->feed) return last->status();
  // All that a life of a database logs itself is of one origin.
  const std::string origins = KindPrefix('a');
  const auto it = store.NewIterator(Family::kRows, origins, PrefixEnd(origins));
  for (it->Seek(origins); it->valid(); it->Next()) {
    uint32_t number;
    const absl::StatusOr<Origin> origin = DecodeOriginRow(it->value());
    if (!origin.ok() || origin->incarnation != mark->incarnation ||
        !ParseOriginKey(it->key(), &number)) {
      continue;
    }
    CORKSCREW_ASSIGN_OR_RETURN(
        const std::optional<std::string> vector,
        store.Get(Family::kRows, VectorKey({collection, 0}, number)));
    const uint64_t held =
        vector.has_value() ? DecodeU64(*vector).value_or(0) : 0;
    LostLog::OfOrigin& of = lost->origins[{collection, 0, number}];
    of.last_seq =
        std::max(of.last_seq, held + (mark->position->feed - last_feed));
  }
  return it->status();
}

}  // namespace

absl::StatusOr<LostLog> ReadLostLog(FileSystem& files, const std::string& path,
                                    const Store& store) {
  LostLog lost;
  const std::string directory = path + "/store";
  CORKSCREW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             files.List(directory));
  for (const std::string& name : names) {
    absl::string_view digits = name;
    uint64_t number;
    if (!absl::ConsumeSuffix(&digits, ".log") ||
        !absl::SimpleAtoi(digits, &number)) {
      continue;
    }
    CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<FileContent> content,
                               files.Map(absl::StrCat(directory, "/", name)));
    ReadLog(content->bytes(), number, store.last_sequence(), &lost);
  }
  CORKSCREW_RETURN_IF_ERROR(ReadMark(files, path, store, &lost));
  return lost;
}

}  // namespace corkscrew
