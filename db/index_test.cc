#include "db/index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "db/filter.h"
#include "db/reference_index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::reference::AddTo;
using ::corkscrew::reference::Describe;
using ::corkscrew::reference::History;
using ::corkscrew::reference::MakeIndex;
using ::corkscrew::reference::Written;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

enum class Shape { kNormal, kFew, kCluster, kFar, kTiny, kZeros };
constexpr Shape kShapes[] = {Shape::kNormal, Shape::kFew,  Shape::kCluster,
                             Shape::kFar,    Shape::kTiny, Shape::kZeros};

// A vector of the given kind that is not zero unless the kind allows it.
std::vector<float> RandomVector(Random* random, size_t dim, Shape shape) {
  std::vector<float> x(dim);
  for (float& v : x) {
    const auto normal = static_cast<float>(random->Normal());
    switch (shape) {
      case Shape::kNormal:
        v = normal;
        break;
      case Shape::kFew:  // Many duplicates and ties.
        v = static_cast<float>(random->Next() % 2) + 1;
        break;
      case Shape::kCluster:  // Nearer to each other than bfloat16 can tell.
        v = 1 + normal * 1e-4f;
        break;
      case Shape::kFar:  // Far from the origin.
        v = 1e6f + normal;
        break;
      case Shape::kTiny:  // Subnormal.
        v = normal * 1e-40f;
        break;
      case Shape::kZeros:
        v = random->Next() % 8 == 0 ? normal : 0;
        break;
    }
  }
  if (shape != Shape::kZeros && x[0] == 0) x[0] = 1e-40f;
  return x;
}

Metadata RandomMetadata(Random* random) {
  Metadata metadata;
  if (random->Next() % 4 != 0) {
    metadata["group"] = static_cast<int64_t>(random->Next() % 4);
  }
  if (random->Next() % 2 != 0) metadata["flag"] = random->Next() % 2 == 0;
  return metadata;
}

Filter RandomFilter(Random* random) {
  switch (random->Next() % 4) {
    case 0:
      return Filter::Eq("group", static_cast<int64_t>(random->Next() % 5));
    case 1:
      return Filter::Not(Filter::Exists("flag"));
    case 2:
      return Filter::And({Filter::Compare(Filter::Op::kGe, "group", 1.5),
                          Filter::Eq("flag", true)});
    default:
      return Filter::All();
  }
}

// `puts` Puts of up to five records over few ids, with deletes, repeated ids in
// one Put, and ids that are put again.
History RandomHistory(Random* random, size_t dim, Shape shape, Lamport puts) {
  History history(dim);
  uint64_t seq = 0;
  for (Lamport lamport = 1; lamport <= puts; ++lamport) {
    for (uint64_t n = 1 + random->Next() % 5; n > 0; --n) {
      Written written{
          .body = {.shard = static_cast<uint16_t>(random->Next()),
                   .id = absl::StrCat("r", random->Next() % (puts + 3)),
                   .lamport = lamport,
                   .origin = static_cast<uint32_t>(random->Next()),
                   .seq = ++seq}};
      if (random->Next() % 5 != 0) {
        written.vector = RandomVector(random, dim, shape);
        written.metadata = RandomMetadata(random);
      }
      history.Add(std::move(written));
    }
  }
  return history;
}

IndexQuery RandomQuery(Random* random, absl::Span<const float> vector,
                       const Filter* filter, Lamport puts) {
  IndexQuery query{.vector = vector, .filter = filter};
  query.k = 1 + random->Next() % (random->Next() % 4 == 0 ? 60 : 6);
  query.oversample = 1 + static_cast<float>(random->Next() % 40) / 10;
  if (random->Next() % 3 == 0) query.exclude_id = "r3";
  if (random->Next() % 2 == 0) query.at = random->Next() % (puts + 2);
  return query;
}

std::vector<IndexHit> SearchOne(const Index& index, const IndexQuery& query,
                                const OriginalReader& originals) {
  auto hits = index.Search({&query, 1}, originals, nullptr);
  EXPECT_THAT(hits, IsOk());
  return hits.ok() ? (*hits)[0] : std::vector<IndexHit>();
}

// What the hits of a random history must be, for every metric and width, with
// and without the column, filters, times and k around the number of matches.
TEST(IndexTest, SearchFollowsTheDefinition) {
  uint64_t seed = 0;
  for (const Metric metric : kMetrics) {
    for (int bits = 1; bits <= 8; ++bits) {
      for (const bool column : {true, false}) {
        for (const Shape shape : kShapes) {
          Random random(++seed);
          const size_t dim = 1 + random.Next() % 40;
          const IndexOptions options{
              .quantizer = {.dim = dim, .bits = bits, .seed = 7},
              .metric = metric,
              .rescore_column = column};
          const Lamport puts = 1 + random.Next() % 30;
          const History history = RandomHistory(&random, dim, shape, puts);
          const auto index = MakeIndex(options, history.all(), puts);
          for (int i = 0; i < 20; ++i) {
            const std::vector<float> vector =
                RandomVector(&random, dim, i % 4 == 0 ? Shape::kNormal : shape);
            const Filter filter = RandomFilter(&random);
            IndexQuery query = RandomQuery(&random, vector, &filter, puts);
            if (column && i % 3 == 0) query.exact = true;
            auto expected =
                history.Search(options, index->quantizer(), query, puts);
            if (i % 5 == 0 && !expected.empty()) {
              query.min_score = expected[expected.size() / 2].score;
              expected =
                  history.Search(options, index->quantizer(), query, puts);
            }
            ASSERT_EQ(Describe(SearchOne(*index, query, history)),
                      Describe(expected))
                << "seed " << seed << ", query " << i;
            size_t matches = 0;
            for (const Written* w : history.At(query.at.value_or(puts))) {
              if (Matches(filter, *w->metadata)) ++matches;
            }
            ASSERT_EQ(index->Count(&filter, query.at), matches);
          }
        }
      }
    }
  }
}

TEST(IndexTest, SearchAtATimeEqualsAnIndexOfThatTimeOnly) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const size_t dim = 16;
    const IndexOptions options{.quantizer = {.dim = dim, .bits = 2},
                               .metric = kMetrics[seed % 3]};
    const Lamport puts = 40;
    const History history =
        RandomHistory(&random, dim, kShapes[seed % 2], puts);
    const auto index = MakeIndex(options, history.all(), puts);
    for (Lamport at = 0; at <= puts; ++at) {
      std::vector<Written> state;
      for (const Written* w : history.At(at)) state.push_back(*w);
      for (size_t i = state.size(); i > 1; --i) {
        std::swap(state[i - 1], state[random.Next() % i]);
      }
      const auto fresh = MakeIndex(options, state, at);
      const std::vector<float> vector =
          RandomVector(&random, dim, Shape::kNormal);
      for (const bool exact : {false, true}) {
        IndexQuery query{.vector = vector, .k = 5, .exact = exact};
        const auto expected = SearchOne(*fresh, query, history);
        query.at = at;
        ASSERT_EQ(Describe(SearchOne(*index, query, history)),
                  Describe(expected))
            << "seed " << seed << ", at " << at;
      }
      ASSERT_EQ(index->Count(nullptr, at), state.size());
    }
  }
}

// As when an index is rebuilt from a store that is ordered by id.
TEST(IndexTest, TheOrderInWhichIdsAreAddedDoesNotMatter) {
  Random random(5);
  const size_t dim = 24;
  const Lamport puts = 300;
  const IndexOptions options{.quantizer = {.dim = dim, .bits = 1}};
  const History history = RandomHistory(&random, dim, Shape::kFew, puts);
  std::map<std::string, std::vector<Written>> by_id;
  std::vector<std::string> ids;
  for (const Written& w : history.all()) {
    if (by_id[w.body.id].empty()) ids.push_back(w.body.id);
    by_id[w.body.id].push_back(w);
  }
  const Filter filter = Filter::Eq("group", int64_t{2});
  std::vector<std::vector<float>> vectors;
  std::vector<IndexQuery> queries;
  vectors.reserve(60);
  for (int i = 0; i < 60; ++i) {
    vectors.push_back(RandomVector(&random, dim, Shape::kFew));
    queries.push_back({.vector = vectors.back(),
                       .k = static_cast<size_t>(1 + i),
                       .oversample = 1.5f,
                       .exact = i % 3 == 0,
                       .filter = i % 2 == 0 ? &filter : nullptr});
    if (i % 5 == 0) queries.back().at = static_cast<Lamport>(5 * i);
  }
  std::vector<std::vector<std::string>> first;
  for (int order = 0; order < 20; ++order) {
    for (size_t i = ids.size(); i > 1; --i) {
      std::swap(ids[i - 1], ids[random.Next() % i]);
    }
    std::vector<Written> versions;
    for (const std::string& id : ids) {
      versions.insert(versions.end(), by_id[id].begin(), by_id[id].end());
    }
    const auto index = MakeIndex(options, versions, puts);
    const auto hits = index->Search(queries, history, nullptr);
    ASSERT_THAT(hits, IsOk());
    std::vector<std::vector<std::string>> described;
    for (const auto& h : *hits) described.push_back(Describe(h));
    if (order == 0) first = described;
    ASSERT_EQ(described, first) << "order " << order;
  }
}

// Originals by number; ids are the numbers.
class Numbered : public OriginalReader {
 public:
  Numbered(size_t n, size_t dim, uint64_t seed, Shape shape) : dim_(dim) {
    Random random(seed);
    for (size_t i = 0; i < n; ++i) {
      vectors_.push_back(RandomVector(&random, dim, shape));
    }
  }

  const std::vector<float>& vector(size_t i) const { return vectors_[i]; }
  size_t size() const { return vectors_.size(); }

  Written At(size_t i) const {
    return {.body = {.id = absl::StrCat(i), .lamport = 1, .seq = i + 1},
            .vector = vectors_[i],
            .metadata =
                Metadata{{"n", static_cast<int64_t>(i)}, {"half", i % 2 == 0}}};
  }

  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override {
    for (size_t i = 0; i < bodies.size(); ++i) {
      const std::vector<float>& from = vectors_[bodies[i].seq - 1];
      std::copy(from.begin(), from.end(),
                vectors.begin() + static_cast<ptrdiff_t>(i * dim_));
    }
    return absl::OkStatus();
  }

 private:
  size_t dim_;
  std::vector<std::vector<float>> vectors_;
};

// The k best by definition, "id=score".
std::vector<std::string> BruteForce(const Numbered& set, Metric metric,
                                    const std::vector<float>& q, size_t k) {
  std::vector<std::pair<float, std::string>> all;
  for (size_t i = 0; i < set.size(); ++i) {
    const float score = reference::Score(
        metric, reference::Dot8(set.vector(i), q), set.vector(i), q);
    all.emplace_back(metric == Metric::kL2 ? score : -score, absl::StrCat(i));
  }
  std::sort(all.begin(), all.end());
  all.resize(std::min(all.size(), k));
  std::vector<std::string> out;
  for (const auto& [key, id] : all) out.push_back(absl::StrCat(id, "=", key));
  return out;
}

TEST(IndexTest, ExactIsTheTopKByDefinitionOnAdversarialSets) {
  uint64_t seed = 0;
  for (int round = 0; round < 250; ++round) {
    for (const Shape shape : kShapes) {
      for (const Metric metric : kMetrics) {
        Random random(++seed);
        const size_t dim = 1 + random.Next() % 20;
        const Numbered set(1 + random.Next() % 60, dim, seed, shape);
        const IndexOptions options{.quantizer = {.dim = dim, .bits = 1},
                                   .metric = metric};
        std::vector<Written> all;
        for (size_t i = 0; i < set.size(); ++i) all.push_back(set.At(i));
        const auto index = MakeIndex(options, all, 1);
        for (const bool near : {true, false}) {
          std::vector<float> q =
              near ? set.vector(random.Next() % set.size())
                   : RandomVector(&random, dim, Shape::kNormal);
          const IndexQuery query{
              .vector = q, .k = 1 + random.Next() % 12, .exact = true};
          std::vector<std::string> hits;
          for (const IndexHit& hit : SearchOne(*index, query, set)) {
            hits.push_back(
                absl::StrCat(hit.body.id, "=",
                             metric == Metric::kL2 ? hit.score : -hit.score));
          }
          ASSERT_EQ(hits, BruteForce(set, metric, q, query.k))
              << "seed " << seed;
        }
      }
    }
  }
}

// Large enough for threads and for many chunks; with filters that few match.
TEST(IndexTest, ThreadsAndBatchesDoNotChangeResults) {
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

TEST(IndexTest, NothingIsVisibleBeforePublish) {
  const Numbered set(3, 4, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = 4}};
  const auto index = *Index::Create(options);
  const IndexQuery query{.vector = set.vector(0)};
  EXPECT_EQ(SearchOne(*index, query, set).size(), 0u);
  EXPECT_EQ(index->published(), 0u);
  AddTo(index.get(), options, set.At(0));
  EXPECT_EQ(SearchOne(*index, query, set).size(), 0u);
  EXPECT_EQ(index->Count(nullptr, 5), 0u);
  index->Publish(1);
  EXPECT_EQ(index->published(), 1u);
  EXPECT_EQ(SearchOne(*index, query, set).size(), 1u);
  Written tombstone = set.At(0);
  tombstone.body.lamport = 2;
  tombstone.metadata.reset();
  AddTo(index.get(), options, tombstone);
  EXPECT_EQ(SearchOne(*index, query, set).size(), 1u);
  index->Publish(2);
  EXPECT_EQ(SearchOne(*index, query, set).size(), 0u);
  EXPECT_EQ(index->Count(nullptr, 1), 1u);
  EXPECT_EQ(index->slots(), 1u);
}

TEST(IndexTest, CancelledEndsTheSearchAndIsAskedOnTheCallingThread) {
  const size_t dim = 4;
  const Numbered set(200'000, dim, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = dim, .bits = 1},
                             .rescore_column = false,
                             .threads = 4};
  const auto index = *Index::Create(options);
  for (size_t i = 0; i < set.size(); ++i) {
    AddTo(index.get(), options, set.At(i));
  }
  index->Publish(1);
  const std::vector<IndexQuery> queries(4, IndexQuery{.vector = set.vector(0)});
  const std::thread::id caller = std::this_thread::get_id();
  for (int stop_at = 0; stop_at < 3; ++stop_at) {
    int asked = 0;
    EXPECT_THAT(index->Search(queries, set,
                              [&] {
                                EXPECT_EQ(std::this_thread::get_id(), caller);
                                return asked++ == stop_at;
                              }),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("search")));
    EXPECT_EQ(asked, stop_at + 1);
  }
  EXPECT_THAT(index->Search(queries, set, [] { return false; }), IsOk());
}

class Broken : public OriginalReader {
 public:
  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float>) const override {
    return absl::DataLossError(absl::StrCat("no ", bodies[0].id));
  }
};

TEST(IndexTest, ErrorsAreReturned) {
  const Numbered set(1, 4, 1, Shape::kNormal);
  IndexOptions options{.quantizer = {.dim = 4}};
  const auto index = MakeIndex(options, {set.At(0)}, 1);
  IndexQuery query{.vector = set.vector(0)};
  for (const bool exact : {false, true}) {
    query.exact = exact;
    EXPECT_THAT(index->Search({&query, 1}, Broken(), nullptr),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no 0")));
  }
  query.vector = absl::MakeSpan(set.vector(0)).first(3);
  for (const bool exact : {false, true}) {
    query.exact = exact;
    EXPECT_THAT(index->Search({&query, 1}, set, nullptr),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3")));
  }
  query.vector = set.vector(0);
  query.exact = true;
  options.rescore_column = false;
  const auto codes_only = MakeIndex(options, {set.At(0)}, 1);
  EXPECT_THAT(codes_only->Search({&query, 1}, set, nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("exact search")));
  options.quantizer.bits = 9;
  EXPECT_THAT(Index::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("9")));
}

TEST(IndexTest, BytesGrowWithWhatIsHeldAndStartSmall) {
  const size_t dim = 384;
  const Numbered set(10'000, dim, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = dim, .bits = 4}};
  const auto index = *Index::Create(options);
  AddTo(index.get(), options, set.At(0));
  index->Publish(1);
  EXPECT_LE(index->index_bytes(), 40'000u);
  EXPECT_LE(index->rescore_bytes(), 64u * (768 + 12));
  for (size_t i = 1; i < set.size(); ++i) {
    AddTo(index.get(), options, set.At(i));
  }
  index->Publish(1);
  EXPECT_GE(index->rescore_bytes(), set.size() * 768);
  EXPECT_LE(index->rescore_bytes(), (set.size() + 4096) * (768 + 12));
  // Code 192, columns 46, id and its table about 16, metadata about 60.
  EXPECT_GE(index->index_bytes(), set.size() * (192 + 46 + 16 + 40));
  EXPECT_LE(index->index_bytes(), (set.size() + 4096) * (192 + 46 + 16 + 80));
}

// Writers replace a group of records as a whole; whatever a reader finds, at
// now or at a time in the past, is one group, whole.
TEST(IndexTest, ReadersSeeWholePutsWhileAWriterAddsThem) {
  constexpr size_t kDim = 8;
  constexpr size_t kGroup = 40;
  constexpr Lamport kPuts = 300;
  const Numbered set(kGroup, kDim, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = kDim, .bits = 4}};
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

}  // namespace
}  // namespace corkscrew
