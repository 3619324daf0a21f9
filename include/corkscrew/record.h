#ifndef CORKSCREW_RECORD_H_
#define CORKSCREW_RECORD_H_

// Records, their versions, and moments in a collection's history.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "corkscrew/metadata.h"

namespace corkscrew {

// Logical time of a collection. Every write raises it by one; all records of
// one Put share it. 0 is before the first write.
using Lamport = uint64_t;

// 128 bits that identify a database, a replica or a collection. Compared and
// printed in byte order.
struct Uuid {
  std::array<uint8_t, 16> bytes = {};

  // 32 lower-case hexadecimal digits.
  std::string ToString() const {
    return absl::BytesToHexString(absl::string_view(
        reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// Identity of one version of one record. Two versions are ordered by
// (lamport, replica, incarnation, seq); the larger one wins (docs/
// storage_format.md, "Merge order").
struct Version {
  Lamport lamport = 0;
  Uuid replica = {};         // The replica that wrote it,
  uint64_t incarnation = 0;  // in this life of its directory,
  uint64_t seq = 0;          // as its seq-th write to the stream, from 1.

  friend auto operator<=>(const Version&, const Version&) = default;
};

// A record by value.
struct Record {
  std::string id;
  std::vector<float> vector = {};  // [dim], or empty where not asked for.
  std::string text = {};
  Metadata metadata = {};
};

// A record to write. Borrows everything: what it points to must live until the
// call returns.
struct RecordView {
  absl::string_view id;                 // 1..kMaxIdBytes bytes, valid
                                        // UTF-8, no control characters.
  absl::Span<const float> vector = {};  // [dim], or empty: embed `text`.
  absl::string_view text = {};          // Valid UTF-8, <= kMaxTextBytes.
  const Metadata* metadata = nullptr;   // Null is empty.
  // Wall time, ms since 1970, from which reads hide the record; 0: never. The
  // record stays readable at moments before.
  int64_t expires_ms = 0;

  RecordView() = default;
  explicit RecordView(absl::string_view record_id) : id(record_id) {}
  // Views all of `record`, which must outlive this.
  explicit RecordView(const Record& record)
      : id(record.id),
        vector(record.vector),
        text(record.text),
        metadata(&record.metadata) {}
};

// A version of a record as stored.
struct StoredRecord {
  Record record = {};
  Version version = {};
  int64_t wall_ms = 0;     // Writer's clock, ms since 1970; information only.
  int64_t expires_ms = 0;  // See RecordView; 0: never.
  bool deleted = false;    // A tombstone: only `record.id` is set.
};

// Which parts of a record a read returns.
struct Fields {
  // The stored vector; with Originals::kCodesOnly what its code stands for.
  bool vector = false;
  bool text = true;
  bool metadata = true;
};

// A moment in a collection's history: a Lamport time, a wall time (the last
// write that was applied here at or before it, whole seconds), or a tag. One
// below the retention floor is OutOfRange, an unknown tag NotFound.
struct Moment {
  struct Tag {
    std::string name;
    friend bool operator==(const Tag&, const Tag&) = default;
  };
  std::variant<Lamport, absl::Time, Tag> value = Lamport{0};

  static Moment At(Lamport lamport) { return Moment{lamport}; }
  static Moment AtTime(absl::Time time) { return Moment{time}; }
  static Moment AtTag(std::string name) { return Moment{Tag{std::move(name)}}; }

  friend bool operator==(const Moment&, const Moment&) = default;
};

}  // namespace corkscrew

#endif  // CORKSCREW_RECORD_H_
