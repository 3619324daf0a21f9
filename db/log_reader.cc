#include "db/log_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "base/cursor.h"

namespace corkscrew {
namespace {

constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;
constexpr size_t kRecyclableHeaderBytes = 11;

// The same for recyclable fragments, plus kRecyclable.
enum FragmentType : uint8_t {
  kFull = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4,
  kRecyclable = 4,
};

struct Fragment {
  uint32_t checksum = 0;
  bool recyclable = false;
  uint8_t type = 0;  // Not recyclable.
  uint32_t log_number = 0;
  absl::string_view checked = {};  // What the checksum covers.
  absl::string_view payload = {};
  size_t end = 0;
};

// RocksDB stores checksums like this, because checksums of bytes that hold
// their own checksum are weak.
uint32_t Mask(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

// Reads the fragment at `offset`, except its checksum. Returns why not, or "".
absl::string_view ReadFragment(absl::string_view bytes, size_t offset,
                               Fragment* out) {
  const size_t block_end =
      std::min(bytes.size(), (offset / kBlockBytes + 1) * kBlockBytes);
  const absl::string_view block = bytes.substr(offset, block_end - offset);
  Cursor cursor(block);
  uint16_t size = 0;
  uint8_t type = 0;
  if (!cursor.ReadLittle(&out->checksum) || !cursor.ReadLittle(&size) ||
      !cursor.ReadLittle(&type)) {
    return "the file ends in a header";
  }
  if (type == 0 && size == 0) return "there are zeros";
  out->recyclable = type > kRecyclable && type <= 2 * kRecyclable;
  out->type = out->recyclable ? type - kRecyclable : type;
  if (out->type < kFull || out->type > kLast) return "a type is unknown";
  if (out->recyclable && !cursor.ReadLittle(&out->log_number)) {
    return "the file ends in a header";
  }
  if (!cursor.ReadBytes(size, &out->payload)) {
    return "a size reaches behind the block or the file";
  }
  const size_t header = out->recyclable ? kRecyclableHeaderBytes : kHeaderBytes;
  // The type, and the log number that comes right behind it.
  out->checked = block.substr(6, header - 6 + size);
  out->end = offset + header + size;
  return "";
}

}  // namespace

LogReader::Result LogReader::Damage(absl::string_view what) {
  what_ = what;
  return Result::kDamage;
}

LogReader::Result LogReader::Next(absl::string_view* record) {
  scratch_.clear();
  bool inside = false;
  while (true) {
    const size_t left = kBlockBytes - next_ % kBlockBytes;
    if (!inside) offset_ = next_;
    if (left < kHeaderBytes) {
      // The rest of a block that no header fits in. RocksDB refuses half of it.
      const size_t rest = bytes_.size() - std::min(next_, bytes_.size());
      if (rest > 0 && rest < left) return Damage("the file ends in a header");
      next_ += std::min(left, rest);
      if (!inside) offset_ = next_;
    }
    if (next_ >= bytes_.size()) {
      return inside ? Damage("the file ends in a record") : Result::kEnd;
    }
    Fragment fragment;
    const absl::string_view wrong = ReadFragment(bytes_, next_, &fragment);
    if (!wrong.empty()) return Damage(wrong);
    if (Mask(Crc32c(fragment.checked)) != fragment.checksum) {
      return Damage("a checksum is wrong");
    }
    if (fragment.recyclable && fragment.log_number != log_number_) {
      // Left over from a log whose file was used again.
      return inside ? Damage("a record has no end") : Result::kEnd;
    }
    const bool begins = fragment.type == kFull || fragment.type == kFirst;
    if (begins == inside) {
      return Damage(inside ? "a record has no end" : "a record has no begin");
    }
    next_ = fragment.end;
    if (fragment.type == kFull) {
      *record = fragment.payload;
      return Result::kRecord;
    }
    inside = true;
    scratch_.append(fragment.payload.data(), fragment.payload.size());
    if (fragment.type == kLast) {
      *record = scratch_;
      return Result::kRecord;
    }
  }
}

bool LogReader::MayBegin(absl::string_view bytes, size_t offset,
                         absl::string_view* payload) {
  if (offset >= bytes.size()) return false;
  Fragment fragment;
  if (!ReadFragment(bytes, offset, &fragment).empty()) return false;
  *payload = fragment.payload;
  return fragment.type == kFull || fragment.type == kFirst;
}

void AppendLogRecord(absl::string_view record, std::string* log) {
  bool begin = true;
  bool end = false;
  while (!end) {
    size_t left = kBlockBytes - log->size() % kBlockBytes;
    if (left < kHeaderBytes) {
      log->append(left, '\0');
      left = kBlockBytes;
    }
    const size_t size = std::min(record.size(), left - kHeaderBytes);
    end = size == record.size();
    std::string checked(1, static_cast<char>(begin ? (end ? kFull : kFirst)
                                                   : (end ? kLast : kMiddle)));
    checked.append(record.data(), size);
    const uint32_t crc = Mask(Crc32c(checked));
    for (size_t i = 0; i < 4; ++i) {
      log->push_back(static_cast<char>(crc >> (8 * i)));
    }
    log->push_back(static_cast<char>(size));
    log->push_back(static_cast<char>(size >> 8));
    log->append(checked);
    record.remove_prefix(size);
    begin = false;
  }
}

}  // namespace corkscrew
