#include "db/index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "db/filter.h"
#include "db/reference_index.h"
#include "db/stage_sizes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::reference::AddTo;
using ::corkscrew::reference::Describe;
using ::corkscrew::reference::History;
using ::corkscrew::reference::kShapes;
using ::corkscrew::reference::MakeIndex;
using ::corkscrew::reference::Numbered;
using ::corkscrew::reference::RandomVector;
using ::corkscrew::reference::SearchOne;
using ::corkscrew::reference::Shape;
using ::corkscrew::reference::Written;
using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

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

TEST(StageSizesTest, AreThoseOfTheSpecification) {
  const auto sizes = [](size_t dim, size_t k, float oversample, bool rescored,
                        size_t n) {
    const StageSizes of = SizesOf(ScanLayout({.dim = dim, .bits = 2}), k,
                                  oversample, rescored, n);
    return std::vector<size_t>{of.prefix, of.sign, of.full};
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(sizes(384, 10, 4, true, 59'004), ElementsAre(3060, 180, 40));
  EXPECT_THAT(sizes(384, 10, 4, false, 59'004), ElementsAre(3544, 180, 10));
  EXPECT_THAT(sizes(1536, 10, 4, true, 1'000'000), ElementsAre(10640, 370, 40));
  // Few signs are rough; the prefix is all of them up to 192.
  EXPECT_THAT(sizes(200, 10, 4, true, 10'000), ElementsAre(1640, 290, 40));
  EXPECT_THAT(sizes(128, 10, 4, true, 10'000), ElementsAre(1640, 1640, 40));
  EXPECT_THAT(sizes(8, 10, 4, true, 10'000), ElementsAre(6960, 6960, 40));
  EXPECT_THAT(sizes(384, 3, 1.5, true, 0), ElementsAre(80, 15, 5));
  for (const size_t root : {1, 2, 3, 1000, 65535, 65536, 2000000000}) {
    EXPECT_EQ(IntegerRoot(root * root), root);
    EXPECT_EQ(IntegerRoot(root * root - 1), root - 1);
    EXPECT_EQ(IntegerRoot(root * root + 2 * root), root);
  }
  EXPECT_EQ(IntegerRoot(0), 0);
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
              .quantizer = {.dim = dim,
                            .mode = metric != Metric::kCosine && bits > 1 &&
                                            seed % 4 == 0
                                        ? QuantizerMode::kIp
                                        : QuantizerMode::kMse,
                            .bits = bits,
                            .seed = 7},
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
            ASSERT_EQ(index->Count(nullptr, std::nullopt),
                      history.At(puts).size());
          }
        }
      }
    }
  }
}

// Enough slots that every stage leaves some out, and dims with all columns.
TEST(IndexTest, EveryStageOfASearchFollowsTheDefinition) {
  uint64_t seed = 100;
  for (const Metric metric : kMetrics) {
    for (const int bits : {1, 2, 3, 8}) {
      for (const bool column : {true, false}) {
        Random random(++seed);
        const size_t dim = bits == 2 ? 384 : 190 + random.Next() % 40;
        const IndexOptions options{
            .quantizer = {.dim = dim,
                          .mode = metric != Metric::kCosine && bits == 3
                                      ? QuantizerMode::kIp
                                      : QuantizerMode::kMse,
                          .bits = bits,
                          .seed = 7},
            .metric = metric,
            .rescore_column = column};
        History history(dim);
        for (size_t i = 0; i < 2500; ++i) {
          Written written{.body = {.id = absl::StrCat("r", i % 2400),
                                   .lamport = 1 + i,
                                   .seq = i},
                          .vector = RandomVector(&random, dim, Shape::kNormal),
                          .metadata = RandomMetadata(&random)};
          const auto scale = static_cast<float>(1 + random.Next() % 4);
          for (float& x : written.vector) x *= scale;
          history.Add(std::move(written));
        }
        const auto index = MakeIndex(options, history.all(), 2500);
        for (size_t i = 0; i < 4; ++i) {
          const std::vector<float> vector =
              RandomVector(&random, dim, Shape::kNormal);
          const Filter filter = Filter::Not(Filter::Eq("group", int64_t{1}));
          IndexQuery query{.vector = vector, .k = 1 + i, .oversample = 1};
          if (i % 2 == 1) query.filter = &filter;
          if (i == 2) query.at = 2450;
          ASSERT_EQ(Describe(SearchOne(*index, query, history)),
                    Describe(history.Search(options, index->quantizer(), query,
                                            2500)))
              << "seed " << seed << ", query " << i;
        }
      }
    }
  }
}

// Seals at random points give blocks of random sizes; an index with one block
// is the same index.
TEST(IndexTest, HowSlotsLieInBlocksDoesNotMatter) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    const size_t dim = seed % 2 == 0 ? 3 : 24;
    const Lamport puts = 150;
    IndexOptions options{.quantizer = {.dim = dim, .bits = 1},
                         .metric = kMetrics[seed % 3],
                         .rescore_column = seed % 5 != 0};
    const History history = RandomHistory(&random, dim, Shape::kFew, puts);
    const auto whole = MakeIndex(options, history.all(), puts);
    options.seal_slots = 1 + random.Next() % 40;
    options.threads = seed % 4 == 0 ? 8 : 1;
    const auto index = *Index::Create(options);
    Lamport published = 0;
    for (const Written& written : history.all()) {
      if (written.body.lamport != published + 1 && random.Next() % 3 == 0) {
        published = written.body.lamport - 1;
        index->Publish(published);
      }
      AddTo(index.get(), options, written);
    }
    index->Publish(puts);
    const Filter filter = Filter::Eq("group", int64_t{2});
    ASSERT_EQ(index->slots(), whole->slots());
    for (int i = 0; i < 30; ++i) {
      const std::vector<float> vector = RandomVector(&random, dim, Shape::kFew);
      IndexQuery query =
          RandomQuery(&random, vector, i % 2 == 0 ? &filter : nullptr, puts);
      query.exact = options.rescore_column && i % 3 == 0;
      ASSERT_EQ(Describe(SearchOne(*index, query, history)),
                Describe(SearchOne(*whole, query, history)))
          << "seed " << seed << ", query " << i;
      ASSERT_EQ(index->Count(query.filter, query.at),
                whole->Count(query.filter, query.at));
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
      ASSERT_EQ(fresh->Count(nullptr, std::nullopt), state.size());
    }
  }
}

// As when an index is rebuilt from a store that is ordered by id.
// In three dimensions nearly all scores are ties.
TEST(IndexTest, TheOrderInWhichIdsAreAddedDoesNotMatter) {
  for (const size_t dim : {3, 24}) {
    Random random(dim);
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
      if (order == 0) {
        first = described;
        for (size_t i = 0; i < queries.size(); ++i) {
          ASSERT_EQ(first[i],
                    Describe(history.Search(options, index->quantizer(),
                                            queries[i], puts)))
              << "query " << i;
        }
      }
      ASSERT_EQ(described, first) << "order " << order;
    }
  }
}

// Queries that go together, as their moments, equal filters and sizes agree,
// and others between them.
TEST(IndexTest, ABatchGivesEachQueryWhatItGetsAlone) {
  for (const size_t dim : {12, 200}) {
    for (const Metric metric : kMetrics) {
      Random random(dim);
      const Lamport puts = 400;
      const History history = RandomHistory(&random, dim, Shape::kNormal, puts);
      const Filter filters[] = {Filter::Eq("flag", true),
                                Filter::Eq("group", int64_t{2}),
                                Filter::Eq("flag", true), Filter::All()};
      std::vector<std::vector<float>> vectors;
      for (int i = 0; i < 150; ++i) {
        vectors.push_back(RandomVector(&random, dim, Shape::kNormal));
      }
      std::vector<IndexQuery> queries;
      for (const std::vector<float>& vector : vectors) {
        IndexQuery query{.vector = vector, .k = 5, .oversample = 1};
        const bool usual = random.Next() % 4 != 0;
        if (!usual) query = RandomQuery(&random, vector, nullptr, puts);
        query.exact = !usual && random.Next() % 4 == 0;
        const uint64_t filter = random.Next() % 6;
        if (filter < 4) query.filter = &filters[filter];
        queries.push_back(query);
      }
      for (const size_t threads : {1, 8}) {
        const IndexOptions options{.quantizer = {.dim = dim, .bits = 2},
                                   .metric = metric,
                                   .threads = threads};
        const auto index = MakeIndex(options, history.all(), puts);
        const auto hits = index->Search(queries, history, nullptr);
        ASSERT_THAT(hits, IsOk());
        for (size_t i = 0; i < queries.size(); ++i) {
          ASSERT_EQ(Describe((*hits)[i]),
                    Describe(SearchOne(*index, queries[i], history)))
              << "dim " << dim << ", query " << i;
          if (threads != 1 || i % 7 != 0) continue;
          ASSERT_EQ(Describe((*hits)[i]),
                    Describe(history.Search(options, index->quantizer(),
                                            queries[i], puts)))
              << "dim " << dim << ", query " << i;
        }
      }
    }
  }
}

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

TEST(IndexTest, EverySimdTargetGivesTheSameHits) {
  const size_t dim = 65;
  const Numbered set(300, dim, 1, Shape::kNormal);
  std::vector<Written> all;
  for (size_t i = 0; i < set.size(); ++i) all.push_back(set.At(i));
  std::vector<IndexQuery> queries;
  for (size_t i = 0; i < 20; ++i) {
    queries.push_back(
        {.vector = set.vector(i), .oversample = 1, .exact = i % 2 == 0});
  }
  for (const Metric metric : kMetrics) {
    for (int bits = 1; bits <= 8; ++bits) {
      const IndexOptions options{.quantizer = {.dim = dim, .bits = bits},
                                 .metric = metric};
      std::vector<std::vector<std::string>> first;
      ForEachSimdTarget([&] {
        const auto index = MakeIndex(options, all, 1);
        const auto hits = index->Search(queries, set, nullptr);
        ASSERT_THAT(hits, IsOk());
        std::vector<std::vector<std::string>> described;
        for (const auto& h : *hits) described.push_back(Describe(h));
        if (first.empty()) first = described;
        EXPECT_EQ(described, first);
      });
    }
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
  EXPECT_EQ(index->Count(nullptr, 5), 1u);
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
  // Only exact searches read originals.
  EXPECT_THAT(index->Search({&query, 1}, Broken(), nullptr), IsOk());
  query.exact = true;
  EXPECT_THAT(index->Search({&query, 1}, Broken(), nullptr),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no 0")));
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
  options.quantizer = {.dim = 4, .mode = QuantizerMode::kIp};
  EXPECT_THAT(Index::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("mode ip has no cosine score")));
}

TEST(IndexTest, BytesGrowWithWhatIsHeldAndStartSmall) {
  const size_t dim = 384;
  const Numbered set(10'000, dim, 1, Shape::kNormal);
  const IndexOptions options{.quantizer = {.dim = dim, .bits = 4}};
  const auto index = *Index::Create(options);
  AddTo(index.get(), options, set.At(0));
  index->Publish(1);
  EXPECT_LE(index->index_bytes(), 40'000u);
  EXPECT_LE(index->rescore_bytes(), 64u * (768 + 24));
  for (size_t i = 1; i < set.size(); ++i) {
    AddTo(index.get(), options, set.At(i));
  }
  index->Publish(1);
  EXPECT_GE(index->rescore_bytes(), set.size() * 768);
  EXPECT_LE(index->rescore_bytes(), (set.size() + 1024) * (768 + 24));
  // Code 192, columns 46, id and its table about 16, metadata about 60.
  EXPECT_GE(index->index_bytes(), set.size() * (192 + 46 + 16 + 40));
  EXPECT_LE(index->index_bytes(), (set.size() + 1024) * (192 + 46 + 16 + 80));
}

}  // namespace
}  // namespace corkscrew
