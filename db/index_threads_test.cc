#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "db/index.h"
#include "db/index_blocks.h"
#include "db/reference_index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::reference::AddTo;
using ::corkscrew::reference::Describe;
using ::corkscrew::reference::Numbered;
using ::corkscrew::reference::RandomVector;
using ::corkscrew::reference::SearchOne;
using ::corkscrew::reference::Shape;
using ::corkscrew::reference::Written;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

// Large enough for threads and for many chunks; with filters that few match.
TEST(IndexThreadsTest, ThreadsAndBatchesDoNotChangeResults) {
  const size_t dim = 8;
  const Numbered set(50'000, dim, 3, Shape::kNormal);
  IndexOptions options{.quantizer = {.dim = dim, .bits = 2}};
  std::vector<std::unique_ptr<Index>> indexes;
  for (size_t threads = 1; threads <= 8; ++threads) {
    options.threads = threads;
    indexes.push_back(*Index::Create(options));
  }
  for (size_t i = 0; i < set.size(); ++i) {
    for (const auto& index : indexes) AddTo(index.get(), options, set.At(i));
  }
  for (const auto& index : indexes) index->Publish(1);
  const Filter half = Filter::Eq("half", true);
  const Filter few = Filter::Compare(Filter::Op::kLt, "n", int64_t{40});
  Random random(9);
  std::vector<std::vector<float>> vectors;
  std::vector<IndexQuery> queries;
  vectors.reserve(12);
  for (size_t i = 0; i < 12; ++i) {
    vectors.push_back(RandomVector(&random, dim, Shape::kNormal));
    queries.push_back({.vector = vectors.back(),
                       .k = i % 2 == 0 ? size_t{10} : size_t{1000},
                       .exact = i % 4 == 3,
                       .filter = i % 3 == 0   ? nullptr
                                 : i % 3 == 1 ? &half
                                              : &few});
  }
  std::vector<std::vector<std::string>> expected;
  for (const IndexQuery& query : queries) {
    expected.push_back(Describe(SearchOne(*indexes[0], query, set)));
    EXPECT_EQ(expected.back().size(),
              std::min<size_t>(query.k, query.filter == &few ? 40 : 25'000));
  }
  for (const auto& index : indexes) {
    const auto batch = index->Search(queries, set, nullptr);
    ASSERT_THAT(batch, IsOk());
    for (size_t i = 0; i < queries.size(); ++i) {
      EXPECT_EQ(Describe((*batch)[i]), expected[i]) << "query " << i;
    }
    EXPECT_EQ(index->Count(&half, std::nullopt), 25'000u);
  }
}

TEST(IndexThreadsTest, CancelledEndsTheSearchAndIsAskedOnTheCallingThread) {
  const size_t dim = 4;
  const Numbered set(100'000, dim, 1, Shape::kNormal);
  const std::vector<IndexQuery> queries(4, IndexQuery{.vector = set.vector(0)});
  const std::thread::id caller = std::this_thread::get_id();
  for (const size_t threads : {1, 4}) {
    const IndexOptions options{.quantizer = {.dim = dim, .bits = 1},
                               .rescore_column = false,
                               .threads = threads};
    const auto index = *Index::Create(options);
    for (size_t i = 0; i < set.size(); ++i) {
      AddTo(index.get(), options, set.At(i));
    }
    index->Publish(1);
    int asked = 0;
    EXPECT_THAT(index->Search(queries, set,
                              [&] {
                                EXPECT_EQ(std::this_thread::get_id(), caller);
                                ++asked;
                                return false;
                              }),
                IsOk());
    // Other threads may do most of the work; alone, it asks before the search
    // and between the stages of queries that are searched together.
    const int most = 100'000 * 4 / (64 * 1024);
    EXPECT_GE(asked, threads == 1 ? 3 : 1);
    EXPECT_LE(asked, most + 2);
    for (int stop_at = 1; stop_at <= (threads == 1 ? 3 : 1); ++stop_at) {
      asked = 0;
      EXPECT_THAT(
          index->Search(queries, set, [&] { return ++asked == stop_at; }),
          StatusIs(absl::StatusCode::kCancelled, HasSubstr("search")));
      EXPECT_EQ(asked, stop_at);
    }
  }
}

// Writers replace a group of records as a whole; whatever a reader finds, at
// now or at a time in the past, is one group, whole.
TEST(IndexThreadsTest, ReadersSeeWholePutsWhileAWriterAddsThem) {
  constexpr size_t kDim = 8;
  constexpr size_t kGroup = 40;
  constexpr Lamport kPuts = 300;
  const Numbered set(kGroup, kDim, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = kDim, .bits = 4},
                             .seal_slots = 5 * kGroup};
  const auto index = *Index::Create(options);
  const auto put = [&](Lamport lamport) {
    for (size_t i = 0; i < kGroup; ++i) {
      Written written = set.At(i);
      written.body.lamport = lamport;
      (*written.metadata)["put"] = static_cast<int64_t>(lamport);
      AddTo(index.get(), options, written);
    }
    index->Publish(lamport);
  };
  put(1);
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    while (index->published() < kPuts) {
      const Lamport before = index->published();
      IndexQuery query{.vector = set.vector(random.Next() % kGroup),
                       .k = 2 * kGroup,
                       .exact = random.Next() % 2 == 0};
      const Lamport past = 1 + random.Next() % before;
      const Filter filter = Filter::Eq("put", static_cast<int64_t>(past));
      if (random.Next() % 2 == 0) {
        query.at = past;
        query.filter = &filter;
      }
      const auto hits = SearchOne(*index, query, set);
      ASSERT_EQ(hits.size(), kGroup);
      for (const IndexHit& hit : hits) {
        ASSERT_EQ(hit.body.lamport, hits[0].body.lamport);
      }
      if (query.at.has_value()) {
        ASSERT_EQ(hits[0].body.lamport, past);
      } else {
        ASSERT_GE(hits[0].body.lamport, before);
      }
      ASSERT_EQ(index->Count(nullptr, std::nullopt), kGroup);
      ASSERT_GT(index->index_bytes(), 0u);
    }
  };
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) readers.emplace_back(read, seed);
  for (Lamport lamport = 2; lamport <= kPuts; ++lamport) put(lamport);
  for (std::thread& reader : readers) reader.join();
}

// What is sealed becomes a file, which must not hold what was never published.
TEST(IndexThreadsTest, SealingWaitsWhileTheWriterHoldsWhatItAdded) {
  const Numbered set(10, 4, 3, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = 4, .bits = 2}};
  for (const bool published : {true, false}) {
    const auto index = *Index::Create(options);
    index->Hold();
    for (size_t i = 0; i < set.size(); ++i) {
      AddTo(index.get(), options, set.At(i));
    }
    std::atomic<bool> let_go = false;
    std::thread maintenance([&] {
      index->blocks().Seal();
      EXPECT_TRUE(let_go);
    });
    // Not a wait for something: the longer, the more often would a seal that
    // does not wait be seen.
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    let_go = true;
    if (published) {
      index->Publish(1, 10);
    } else {
      index->Release();
    }
    maintenance.join();
    EXPECT_EQ(index->Count(nullptr, std::nullopt), published ? 10u : 0u);
    EXPECT_EQ(index->blocks().Begin().covered, published ? 10u : 0u);
  }
}

}  // namespace
}  // namespace corkscrew
