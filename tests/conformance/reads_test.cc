// Get, History, List, Count and Search, now and at earlier moments, on every
// implementation of Db.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "corkscrew/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/harness.h"

namespace corkscrew::testing {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using ReadsTest = ConformanceTest;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

TEST_P(ReadsTest, QueriesOutsideTheirRangeAreRefused) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  struct Case {
    const char* what;
    Query query;
    absl::StatusCode code;
  };
  std::vector<Case> cases;
  const auto add = [&](const char* what, absl::StatusCode code, auto change) {
    Query query = Query::Vector({1, 0});
    change(query);
    cases.push_back({what, query, code});
  };
  add("k = 0", kInvalid, [&](Query& q) { q.k = 0; });
  add("k too large", kExhausted, [&](Query& q) { q.k = kMaxK + 1; });
  add("wrong dim", kInvalid,
      [&](Query& q) { q.target = std::vector<float>{1}; });
  add("no vector", kInvalid,
      [&](Query& q) { q.target = std::vector<float>{}; });
  add("NaN", kInvalid, [&](Query& q) {
    q.target = std::vector<float>{1, kNan};
  });
  add("zero", kInvalid, [&](Query& q) { q.target = std::vector<float>{0, 0}; });
  add("empty text", kInvalid, [&](Query& q) { q.target = std::string(); });
  add("bad id", kInvalid, [&](Query& q) { q.target = Query::LikeId{""}; });
  add("unknown id", absl::StatusCode::kNotFound,
      [&](Query& q) { q.target = Query::LikeId{"none"}; });
  add("oversample 0", kInvalid, [&](Query& q) { q.oversample = 0; });
  add("oversample .5", kInvalid, [&](Query& q) { q.oversample = 0.5f; });
  add("oversample NaN", kInvalid, [&](Query& q) { q.oversample = kNan; });
  add("oversample 101", kInvalid, [&](Query& q) { q.oversample = 101; });
  add("min_score NaN", kInvalid, [&](Query& q) { q.min_score = kNan; });
  add("filter without key", kInvalid,
      [&](Query& q) { q.filter = Filter::Eq("", true); });
  add("filter without value", kInvalid, [&](Query& q) {
    q.filter = Filter::Eq("k", true);
    q.filter.values.clear();
  });
  add("filter too deep", kInvalid, [&](Query& q) {
    q.filter = Filter::Eq("k", true);
    for (size_t i = 0; i < kMaxFilterDepth; ++i) {
      q.filter = Filter::Not(std::move(q.filter));
    }
  });
  add("filter too wide", kInvalid, [&](Query& q) {
    q.filter = Filter::And(
        std::vector<Filter>(kMaxFilterNodes, Filter::Eq("k", true)));
  });
  for (const Case& c : cases) {
    EXPECT_THAT(points->Search(c.query), StatusIs(c.code, _)) << c.what;
    // In a batch the error names the query.
    const Query batch[] = {Query::Vector({1, 0}), c.query};
    EXPECT_THAT(points->SearchBatch(batch), StatusIs(c.code, HasSubstr("1")))
        << c.what;
  }
  Query largest = Query::Vector({1, 0});
  largest.k = kMaxK;
  largest.oversample = kMaxOversample;
  EXPECT_THAT(points->Search(largest), IsOk());
  EXPECT_THAT(points->SearchBatch(std::vector<Query>(kMaxBatchQueries + 1,
                                                     Query::Vector({1, 0}))),
              StatusIs(kExhausted, _));
}

TEST_P(ReadsTest, SearchOrdersByTheMetricAndThenById) {
  const std::vector<std::pair<std::string, std::vector<float>>> data = {
      {"far", {-4, 0}}, {"near", {3, 0}}, {"b", {1, 1}},
      {"a", {1, 1}},    {"c", {1, 1}},    {"up", {0, 2}}};
  const std::map<Metric, std::vector<std::string>> want = {
      {Metric::kCosine, {"near", "a", "b", "c", "up", "far"}},
      {Metric::kDot, {"near", "a", "b", "c", "up", "far"}},
      {Metric::kL2, {"a", "b", "c", "near", "up", "far"}},
  };
  const std::map<Metric, std::vector<float>> scores = {
      {Metric::kCosine, {1, 0.70710678f, 0.70710678f, 0.70710678f, 0, -1}},
      {Metric::kDot, {3, 1, 1, 1, 0, -4}},
      {Metric::kL2, {1, 1, 1, 4, 5, 25}},
  };
  for (const auto& [metric, ids] : want) {
    auto points =
        Vectors(absl::StrCat("m", static_cast<int>(metric)), 2, metric);
    for (const auto& [id, vector] : data) {
      ASSERT_THAT(PutVector(*points, id, vector), IsOk());
    }
    for (const bool exact : {false, true}) {
      Query query = Query::Vector({1, 0});
      query.exact = exact;
      const auto reply = points->Search(query);
      ASSERT_THAT(reply, IsOk());
      EXPECT_EQ(Ids(*reply), ids) << static_cast<int>(metric) << exact;
      ASSERT_EQ(reply->hits.size(), data.size());
      for (size_t i = 0; i < data.size(); ++i) {
        EXPECT_FLOAT_EQ(reply->hits[i].score, scores.at(metric)[i]);
      }
      EXPECT_EQ(reply->coverage.shards, 1u);
      EXPECT_EQ(reply->coverage.answered, 1u);
      EXPECT_EQ(reply->at, data.size());
      EXPECT_EQ(reply->stable, data.size());
      query.k = 2;
      const auto two = points->Search(query);
      ASSERT_THAT(two, IsOk());
      EXPECT_THAT(Ids(*two), ElementsAre(ids[0], ids[1]));
    }
  }
}

TEST_P(ReadsTest, MinScoreIsALeastSimilarityOrALargestDistance) {
  auto cosine = Vectors("cosine", 2, Metric::kCosine);
  auto l2 = Vectors("l2", 2, Metric::kL2);
  for (Collection* collection : {cosine.get(), l2.get()}) {
    ASSERT_THAT(PutVector(*collection, "same", {1, 0}), IsOk());
    ASSERT_THAT(PutVector(*collection, "side", {0, 1}), IsOk());
    ASSERT_THAT(PutVector(*collection, "back", {-1, 0}), IsOk());
  }
  Query query = Query::Vector({1, 0});
  query.min_score = 0.5f;
  EXPECT_THAT(Ids(*cosine->Search(query)), ElementsAre("same"));
  query.min_score = 0.0f;
  EXPECT_THAT(Ids(*cosine->Search(query)), ElementsAre("same", "side"));
  query.min_score = 2.0f;
  EXPECT_THAT(Ids(*cosine->Search(query)), IsEmpty());
  EXPECT_THAT(Ids(*l2->Search(query)), ElementsAre("same", "side"));
  query.min_score = 0.0f;
  EXPECT_THAT(Ids(*l2->Search(query)), ElementsAre("same"));
}

TEST_P(ReadsTest, LikeFindsTheNeighboursOfARecordWithoutTheRecord) {
  auto points = Vectors("points", 2);
  ASSERT_THAT(PutVector(*points, "a", {1, 0}), IsOk());
  ASSERT_THAT(PutVector(*points, "b", {1, 0.1f}), IsOk());
  ASSERT_THAT(PutVector(*points, "c", {0, 1}), IsOk());
  Query query = Query::Like("a");
  query.k = 1;
  EXPECT_THAT(Ids(*points->Search(query)), ElementsAre("b"));
  query.k = 10;
  EXPECT_THAT(Ids(*points->Search(query)), ElementsAre("b", "c"));
  ASSERT_THAT(DeleteId(*points, "a"), IsOk());
  EXPECT_THAT(points->Search(query),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("a")));
  query.at = Moment::At(3);
  EXPECT_THAT(Ids(*points->Search(query)), ElementsAre("b", "c"));
}

TEST_P(ReadsTest, TextIsFoundByItsWords) {
  auto notes = Texts("notes");
  ASSERT_THAT(PutText(*notes, "cat", "the cat sat on the mat"), IsOk());
  ASSERT_THAT(PutText(*notes, "fuel", "diesel engines burn heavy oil"), IsOk());
  ASSERT_THAT(PutText(*notes, "moon", "the moon orbits the earth"), IsOk());
  Query query = Query::Text("diesel oil");
  query.k = 1;
  const auto reply = notes->Search(query);
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(reply->hits.size(), 1u);
  EXPECT_EQ(reply->hits[0].id, "fuel");
  EXPECT_EQ(reply->hits[0].text, "diesel engines burn heavy oil");
  EXPECT_FALSE(reply->truncated);
  std::string longer;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&longer, "diesel", i, " ");
  query.target = longer;
  EXPECT_TRUE(notes->Search(query)->truncated);
}

TEST_P(ReadsTest, AFilteredSearchReturnsKWheneverKMatch) {
  auto points = Vectors("points", 8);
  std::vector<PutItem> items;
  std::vector<Record> records;
  Random random(5);
  for (int64_t i = 0; i < 400; ++i) {
    Record record{absl::StrCat("id", i), {}, "", {{"n", i}}};
    for (int j = 0; j < 8; ++j) {
      record.vector.push_back(static_cast<float>(random.Normal()));
    }
    if (i % 50 == 7) record.metadata["rare"] = true;
    records.push_back(record);
  }
  for (const Record& record : records) items.push_back({RecordView(record)});
  ASSERT_THAT(points->Put(items), IsOk());
  Query query = Query::Vector(std::vector<float>(8, 1.0f));
  query.k = 8;
  query.filter = Filter::Exists("rare");
  for (const bool exact : {false, true}) {
    query.exact = exact;
    const auto reply = points->Search(query);
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->hits.size(), 8u);
    for (const Hit& hit : reply->hits) {
      EXPECT_TRUE(hit.metadata.contains("rare"));
    }
  }
  EXPECT_EQ(*points->Count(Filter::Exists("rare")), 8u);
  EXPECT_EQ(*points->Count(Filter::Compare(Filter::Op::kLt, "n", int64_t{10})),
            10u);
  EXPECT_EQ(
      *points->Count(Filter::In("n", {int64_t{3}, 4.0, std::string("5")})), 2u);
  EXPECT_EQ(*points->Count(Filter::Not(Filter::Exists("rare"))), 392u);
  EXPECT_THAT(points->Count(Filter::Eq("", true)), StatusIs(kInvalid, _));
}

TEST_P(ReadsTest, ABatchGivesWhatEachSearchGives) {
  auto points = Vectors("points", 4);
  Random random(6);
  for (int i = 0; i < 60; ++i) {
    std::vector<float> vector;
    for (int j = 0; j < 4; ++j) {
      vector.push_back(static_cast<float>(random.Normal()));
    }
    ASSERT_THAT(
        PutVector(*points, absl::StrCat(i), vector, {{"odd", i % 2 == 1}}),
        IsOk());
  }
  std::vector<Query> queries;
  for (int i = 0; i < 20; ++i) {
    Query query = i % 3 == 0 ? Query::Like(absl::StrCat(i))
                             : Query::Vector({1, float(i), -1, 0.5f});
    query.k = static_cast<size_t>(1 + i % 7);
    if (i % 2 == 0) query.filter = Filter::Eq("odd", true);
    if (i % 5 == 0) query.exact = true;
    if (i % 4 == 0) query.at = Moment::At(static_cast<Lamport>(30 + i));
    queries.push_back(query);
  }
  const auto batch = points->SearchBatch(queries);
  ASSERT_THAT(batch, IsOk());
  ASSERT_EQ(batch->size(), queries.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto single = points->Search(queries[i]);
    ASSERT_THAT(single, IsOk());
    EXPECT_EQ(Ids((*batch)[i]), Ids(*single)) << i;
    EXPECT_EQ((*batch)[i].at, single->at);
    for (size_t j = 0; j < single->hits.size(); ++j) {
      EXPECT_EQ((*batch)[i].hits[j].score, single->hits[j].score);
    }
  }
}

TEST_P(ReadsTest, CodesOnlySearchesButRefusesExactAndKeepsNoVector) {
  CollectionOptions options;
  options.dim = 64;
  options.originals = Originals::kCodesOnly;
  auto codes = db().CreateCollection("codes", options);
  ASSERT_THAT(codes, IsOk());
  std::vector<float> one(64, 0.0f);
  std::vector<float> two(64, 0.0f);
  for (int i = 0; i < 64; ++i) {
    one[i] = i % 3 == 0 ? 1.0f : -0.5f;
    two[i] = i % 2 == 0 ? 1.0f : -1.0f;
  }
  ASSERT_THAT(PutVector(**codes, "one", one), IsOk());
  ASSERT_THAT(PutVector(**codes, "two", two), IsOk());
  for (int round = 0; round < 2; ++round) {
    auto collection = db().OpenCollection("codes");
    ASSERT_THAT(collection, IsOk());
    const auto reply = (*collection)->Search(Query::Vector(two));
    ASSERT_THAT(reply, IsOk());
    EXPECT_THAT(Ids(*reply), ElementsAre("two", "one"));
    EXPECT_NEAR(reply->hits[0].score, 1.0f, 0.05f);
    EXPECT_THAT(Ids(*(*collection)->Search(Query::Like("two"))),
                ElementsAre("one"));
    Query exact = Query::Vector(two);
    exact.exact = true;
    EXPECT_THAT((*collection)->Search(exact), StatusIs(kPrecondition, _));
    Restart();
  }
}

TEST_P(ReadsTest, HistoryHasEveryVersionNewestFirstInPages) {
  auto points = Vectors("points", 2);
  for (int i = 1; i <= 25; ++i) {
    if (i % 5 == 0) {
      ASSERT_THAT(DeleteId(*points, "a"), IsOk());
    } else {
      ASSERT_THAT(PutVector(*points, "a", {float(i), 1}, {{"i", int64_t{i}}}),
                  IsOk());
    }
  }
  EXPECT_THAT(points->History("none")->versions, IsEmpty());
  for (const size_t page_size : {1, 4, 25, 1000}) {
    HistoryOptions options;
    options.page_size = page_size;
    options.fields.vector = true;
    std::vector<StoredRecord> all;
    do {
      const auto page = points->History("a", options);
      ASSERT_THAT(page, IsOk());
      EXPECT_LE(page->versions.size(), page_size);
      for (const StoredRecord& version : page->versions) all.push_back(version);
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    ASSERT_EQ(all.size(), 25u);
    for (size_t i = 0; i < all.size(); ++i) {
      const auto lamport = static_cast<Lamport>(25 - i);
      EXPECT_EQ(all[i].version.lamport, lamport);
      EXPECT_EQ(all[i].deleted, lamport % 5 == 0);
      EXPECT_EQ(all[i].record.id, "a");
      if (!all[i].deleted) {
        EXPECT_EQ(all[i].record.vector[0], static_cast<float>(lamport));
      }
    }
  }
  HistoryOptions bad;
  bad.page_size = 0;
  EXPECT_THAT(points->History("a", bad), StatusIs(kInvalid, _));
  bad.page_size = kMaxPageSize + 1;
  EXPECT_THAT(points->History("a", bad), StatusIs(kInvalid, _));
  bad.page_size = 10;
  bad.page_token = "nonsense";
  EXPECT_THAT(points->History("a", bad), StatusIs(kInvalid, _));
}

TEST_P(ReadsTest, ListPagesStayAtTheMomentOfTheFirst) {
  auto points = Vectors("points", 2);
  std::vector<std::string> want;
  for (int i = 0; i < 50; ++i) {
    const std::string id = absl::StrCat("id", 100 + i);
    ASSERT_THAT(PutVector(*points, id, {1, float(i)}, {{"n", int64_t{i}}}),
                IsOk());
    want.push_back(id);
  }
  ListOptions options;
  options.page_size = 7;
  std::vector<std::string> got;
  int page_number = 0;
  do {
    const auto page = points->List(options);
    ASSERT_THAT(page, IsOk());
    EXPECT_EQ(page->at, 50u);
    for (const std::string& id : Ids(*page)) got.push_back(id);
    options.page_token = page->next_page_token;
    // Writes between the pages: gone, new and changed records.
    const int n = page_number++;
    ASSERT_THAT(DeleteId(*points, absl::StrCat("id", 149 - n)), IsOk());
    ASSERT_THAT(PutVector(*points, absl::StrCat("id", 120 + n, "x"), {1, 1}),
                IsOk());
  } while (!options.page_token.empty());
  EXPECT_EQ(got, want);

  options = {};
  options.filter = Filter::Compare(Filter::Op::kLt, "n", int64_t{3});
  const auto few = points->List(options);
  ASSERT_THAT(few, IsOk());
  EXPECT_THAT(Ids(*few), ElementsAre("id100", "id101", "id102"));
  EXPECT_EQ(few->next_page_token, "");
  options.at = Moment::At(2);
  EXPECT_THAT(Ids(*points->List(options)), ElementsAre("id100", "id101"));

  // A token belongs to its collection and filter.
  options = {};
  options.page_size = 2;
  const std::string token = points->List(options)->next_page_token;
  ASSERT_NE(token, "");
  options.page_token = token;
  EXPECT_THAT(points->List(options), IsOk());
  options.filter = Filter::Exists("n");
  EXPECT_THAT(points->List(options), StatusIs(kInvalid, _));
  options.filter = {};
  EXPECT_THAT(Vectors("others", 2)->List(options), StatusIs(kInvalid, _));
  options.page_token = token + "x";
  EXPECT_THAT(points->List(options), StatusIs(kInvalid, _));
  options = {};
  options.page_size = 0;
  EXPECT_THAT(points->List(options), StatusIs(kInvalid, _));
  options.page_size = kMaxPageSize + 1;
  EXPECT_THAT(points->List(options), StatusIs(kInvalid, _));
}

// A random history, and at every moment of it the same answers as the state of
// that moment kept apart.
TEST_P(ReadsTest, EveryMomentReadsAndSearchesAsItWas) {
  constexpr size_t kDim = 6;
  constexpr int kSteps = 60;
  auto points = Vectors("points", kDim, Metric::kL2);
  Random random(11);
  std::map<std::string, Record> state;
  std::vector<std::map<std::string, Record>> moments = {state};
  while (moments.size() <= kSteps) {
    if (random.Next() % 4 == 0) {
      const std::string id = absl::StrCat("id", random.Next() % 12);
      const auto reply = DeleteId(*points, id);
      ASSERT_THAT(reply, IsOk());
      if (state.erase(id) == 0) continue;
    } else {
      std::vector<Record> records(1 + random.Next() % 3);
      for (Record& record : records) {
        record.id = absl::StrCat("id", random.Next() % 12);
        for (size_t j = 0; j < kDim; ++j) {
          record.vector.push_back(static_cast<float>(random.Next() % 16));
        }
        record.metadata = {{"n", static_cast<int64_t>(random.Next() % 4)}};
      }
      std::vector<PutItem> items;
      for (const Record& record : records)
        items.push_back({RecordView(record)});
      ASSERT_THAT(points->Put(items), IsOk());
      for (const Record& record : records) state[record.id] = record;
    }
    moments.push_back(state);
  }
  for (int round = 0; round < 2; ++round) {
    for (size_t at = 0; at < moments.size(); ++at) {
      const Moment moment = Moment::At(at);
      ListOptions list;
      list.at = moment;
      list.fields.vector = true;
      const auto listed = points->List(list);
      ASSERT_THAT(listed, IsOk());
      std::vector<std::string> want_ids;
      for (const auto& [id, record] : moments[at]) want_ids.push_back(id);
      ASSERT_EQ(Ids(*listed), want_ids) << at;
      EXPECT_EQ(*points->Count({}, moment), want_ids.size());
      for (const StoredRecord& stored : listed->records) {
        const Record& want = moments[at].at(stored.record.id);
        EXPECT_EQ(stored.record.vector, want.vector);
        EXPECT_EQ(stored.record.metadata, want.metadata);
        const absl::string_view ids[] = {want.id};
        const auto got = points->Get(ids, {true, true, true}, moment);
        ASSERT_THAT(got, IsOk());
        ASSERT_TRUE((*got)[0].has_value());
        EXPECT_EQ((*got)[0]->record.vector, want.vector);
      }
      // Exact search, by the definition.
      const std::vector<float> target = {3, 1, 4, 1, 5, 9};
      std::vector<std::pair<float, std::string>> want;
      for (const auto& [id, record] : moments[at]) {
        if (std::get<int64_t>(record.metadata.at("n")) == 0) continue;
        float distance = 0;
        for (size_t j = 0; j < kDim; ++j) {
          const float difference = record.vector[j] - target[j];
          distance += difference * difference;
        }
        want.emplace_back(distance, id);
      }
      std::sort(want.begin(), want.end());
      Query query = Query::Vector(target);
      query.k = 20;
      query.at = moment;
      query.filter = Filter::Compare(Filter::Op::kNe, "n", int64_t{0});
      for (const bool exact : {false, true}) {
        query.exact = exact;
        const auto found = points->Search(query);
        ASSERT_THAT(found, IsOk());
        EXPECT_EQ(found->at, at);
        ASSERT_EQ(found->hits.size(), want.size()) << at;
        for (size_t i = 0; i < want.size(); ++i) {
          EXPECT_EQ(found->hits[i].id, want[i].second);
          EXPECT_EQ(found->hits[i].score, want[i].first);
        }
      }
    }
    // Beyond the clock means now.
    Query query = Query::Vector({3, 1, 4, 1, 5, 9});
    const auto now = points->Search(query);
    query.at = Moment::At(1'000'000);
    const auto beyond = points->Search(query);
    ASSERT_THAT(now, IsOk());
    ASSERT_THAT(beyond, IsOk());
    EXPECT_EQ(Ids(*now), Ids(*beyond));
    EXPECT_EQ(beyond->at, kSteps);
    Restart();
    auto reopened = db().OpenCollection("points");
    ASSERT_THAT(reopened, IsOk());
    points = *reopened;
  }
}

TEST_P(ReadsTest, BFloat16OriginalsAreTheRoundedVectors) {
  CollectionOptions options;
  options.dim = 16;
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    options.metric = metric;
    const std::string name = absl::StrCat("m", static_cast<int>(metric));
    options.originals = Originals::kBFloat16;
    auto halves = *db().CreateCollection(name, options);
    // The same records, rounded by the definition: equal in every search.
    options.originals = Originals::kFloat32;
    auto floats = *db().CreateCollection(name + "f", options);
    Random random(static_cast<uint64_t>(metric));
    const auto any = [&] {
      std::vector<float> vector(16);
      for (float& x : vector) x = static_cast<float>(random.Normal());
      return vector;
    };
    for (int i = 0; i < 200; ++i) {
      const std::vector<float> vector = any();
      std::vector<float> rounded = vector;
      for (float& x : rounded) {
        const auto bits = std::bit_cast<uint32_t>(x);
        const uint32_t up = bits + 0x7FFF + ((bits >> 16) & 1);
        x = std::bit_cast<float>(up & 0xFFFF0000);
      }
      const std::string id = absl::StrCat("id", i);
      ASSERT_THAT(PutVector(*halves, id, vector), IsOk());
      ASSERT_THAT(PutVector(*floats, id, rounded), IsOk());
    }
    for (int round = 0; round < 2; ++round) {
      const auto a =
          halves->List({.fields = {.vector = true}, .page_size = 200});
      const auto b =
          floats->List({.fields = {.vector = true}, .page_size = 200});
      ASSERT_THAT(a, IsOk());
      ASSERT_THAT(b, IsOk());
      for (size_t i = 0; i < 200; ++i) {
        ASSERT_EQ(a->records[i].record.vector, b->records[i].record.vector);
      }
      for (int i = 0; i < 10; ++i) {
        Query query = Query::Vector(any());
        query.exact = i % 2 == 0;
        const auto x = halves->Search(query);
        const auto y = floats->Search(query);
        ASSERT_THAT(x, IsOk());
        ASSERT_THAT(y, IsOk());
        EXPECT_EQ(Ids(*x), Ids(*y));
        for (size_t j = 0; j < x->hits.size(); ++j) {
          EXPECT_EQ(x->hits[j].score, y->hits[j].score);
        }
      }
      Restart();
      halves = *db().OpenCollection(name);
      floats = *db().OpenCollection(name + "f");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Db, ReadsTest,
                         ::testing::Values(Kind::kLocal, Kind::kRemote),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace corkscrew::testing
