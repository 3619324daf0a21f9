#include "db/string_table.h"

#include <algorithm>
#include <cassert>

#include "absl/hash/hash.h"
#include "absl/numeric/int128.h"

namespace corkscrew {
namespace {

// Seeded by the process: strings are chosen by users, and nothing depends on
// it.
uint64_t HashOf(absl::string_view string) { return absl::HashOf(string); }

uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash); }

// Any number of places, so that the table can grow by half: hash/2^64 * places.
size_t HomeOf(uint64_t hash, size_t places) {
  return static_cast<size_t>(
      absl::Uint128High64(absl::uint128(hash) * absl::uint128(places)));
}

}  // namespace

size_t StringTable::Place(uint64_t hash, absl::string_view string,
                          StringOf string_of) const {
  const uint8_t tag = TagOf(hash);
  size_t place = HomeOf(hash, numbers_.size());
  while (numbers_[place] != kNone &&
         (tags_[place] != tag || string_of(numbers_[place]) != string)) {
    if (++place == numbers_.size()) place = 0;
  }
  return place;
}

uint32_t StringTable::Find(absl::string_view string, StringOf string_of) const {
  if (numbers_.empty()) return kNone;
  return numbers_[Place(HashOf(string), string, string_of)];
}

uint32_t StringTable::Set(absl::string_view string, uint32_t number,
                          StringOf string_of) {
  assert(number != kNone);
  if ((size_ + 1) * 5 > numbers_.size() * 4) Grow(string_of);
  const uint64_t hash = HashOf(string);
  const size_t place = Place(hash, string, string_of);
  const uint32_t before = numbers_[place];
  numbers_[place] = number;
  tags_[place] = TagOf(hash);
  if (before == kNone) ++size_;
  return before;
}

void StringTable::Grow(StringOf string_of) {
  const size_t places =
      std::max<size_t>(16, numbers_.size() + numbers_.size() / 2);
  std::vector<uint32_t> old(places, kNone);
  old.swap(numbers_);
  tags_ = std::vector<uint8_t>(places);
  for (const uint32_t number : old) {
    if (number == kNone) continue;
    const uint64_t hash = HashOf(string_of(number));
    size_t place = HomeOf(hash, places);
    while (numbers_[place] != kNone) {
      if (++place == places) place = 0;
    }
    numbers_[place] = number;
    tags_[place] = TagOf(hash);
  }
}

}  // namespace corkscrew
