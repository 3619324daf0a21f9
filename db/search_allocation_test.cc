// A search by a thread that has searched before allocates what it returns and
// nothing else.

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "base/testing.h"
#include "db/index.h"
#include "db/reference_index.h"
#include "gtest/gtest.h"

namespace {

std::atomic<size_t> allocations = 0;

// Null if there is no memory.
void* Allocate(size_t size, size_t alignment = alignof(std::max_align_t)) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void* AllocateOrThrow(size_t size,
                      size_t alignment = alignof(std::max_align_t)) {
  void* const memory = Allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// (Inlined, the compiler takes it for a mistake.)
[[gnu::noinline]] void Release(void* memory) { std::free(memory); }

}  // namespace

// All forms: sanitizers have their own of those that are not here.
void* operator new(size_t size) { return AllocateOrThrow(size); }
void* operator new[](size_t size) { return AllocateOrThrow(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete[](void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }
void operator delete[](void* memory, size_t) noexcept { Release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept {
  Release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  Release(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  Release(memory);
}
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  Release(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  Release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  Release(memory);
}

namespace corkscrew {
namespace {

using reference::MakeIndex;
using reference::Numbered;
using reference::Shape;
using reference::Written;

constexpr size_t kDim = 384;
constexpr size_t kRecords = 3000;

// Allocations of a search for each of the queries, one after the other.
std::vector<size_t> AllocationsOf(const Index& index, const Numbered& set,
                                  const std::vector<IndexQuery>& queries) {
  std::vector<size_t> counts;
  counts.reserve(queries.size());
  for (const IndexQuery& query : queries) {
    const size_t before = allocations.load();
    const auto hits = index.Search({&query, 1}, set, nullptr);
    counts.push_back(allocations.load() - before);
    EXPECT_THAT(hits, testing::IsOk());
    EXPECT_EQ(hits->front().size(), query.k);
  }
  return counts;
}

TEST(SearchAllocationTest, AWarmThreadAllocatesTheHitsOnly) {
  const Numbered set(kRecords, kDim, 1, Shape::kNormal);
  std::vector<Written> all;
  for (size_t i = 0; i < kRecords; ++i) all.push_back(set.At(i));
  std::vector<IndexQuery> queries;
  for (size_t i = 0; i < 50; ++i) queries.push_back({.vector = set.vector(i)});
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const int bits : {1, 2, 4}) {
      for (const bool column : {true, false}) {
        const IndexOptions options{.quantizer = {.dim = kDim, .bits = bits},
                                   .metric = metric,
                                   .rescore_column = column};
        const auto index = MakeIndex(options, all, 1);
        AllocationsOf(*index, set, queries);
        // The list of lists and the list: ids are short.
        EXPECT_EQ(AllocationsOf(*index, set, queries),
                  std::vector<size_t>(queries.size(), 2))
            << bits << " bits, rescore column " << column;
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
