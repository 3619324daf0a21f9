// Random operations on a local database, compared after each with a model that
// is written from the definitions: a map of versions, and search by scoring
// every live record.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/environment.h"
#include "db/expiry.h"
#include "db/filter.h"
#include "db/local_db.h"
#include "gtest/gtest.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

using testing::IsOk;
using testing::TempDir;

constexpr size_t kDim = 5;

struct ModelVersion {
  Lamport lamport = 0;
  bool deleted = false;
  std::vector<float> vector = {};
  std::string text = {};
  Metadata metadata = {};
  int64_t expires_ms = 0;
};

// What a read is at, and what it judges expiry by.
struct ModelMoment {
  Lamport at = 0;
  int64_t wall_ms = 0;
};

class Model {
 public:
  explicit Model(Metric metric) : metric_(metric) {}

  Lamport clock() const { return clock_; }
  Lamport Tick(int64_t wall_ms) {
    ++clock_;
    if (applied_.empty() || wall_ms / 1000 > applied_.back().first / 1000) {
      applied_.emplace_back(wall_ms, clock_);
    }
    return clock_;
  }
  void Add(const std::string& id, ModelVersion version) {
    versions_[id].push_back(std::move(version));
  }
  size_t count() const {
    size_t count = 0;
    for (const auto& [id, versions] : versions_) count += versions.size();
    return count;
  }

  // The moment that `moment` names at the wall time `now_ms`; none if it can
  // not be read.
  std::optional<ModelMoment> Resolve(const Moment& moment,
                                     int64_t now_ms) const {
    ModelMoment out{clock_, now_ms};
    if (const auto* time = std::get_if<absl::Time>(&moment.value)) {
      if (absl::ToUnixMillis(*time) >= now_ms) return out;
      out.wall_ms = absl::ToUnixMillis(*time);
      for (const auto& [wall_ms, lamport] : applied_) {
        if (wall_ms / 1000 <= out.wall_ms / 1000) continue;
        out.at = lamport - 1;
        break;
      }
    } else {
      if (const auto* tag = std::get_if<Moment::Tag>(&moment.value)) {
        out.at = tags_.at(tag->name);
      } else {
        out.at = std::get<Lamport>(moment.value);
        if (out.at > clock_) return ModelMoment{clock_, now_ms};
      }
      out.wall_ms = 0;
      for (const auto& [wall_ms, lamport] : applied_) {
        if (lamport <= out.at) out.wall_ms = wall_ms;
      }
    }
    if (!Holds(out.at)) return std::nullopt;
    return out;
  }
  bool Holds(Lamport at) const {
    return at >= floor_ ||
           std::any_of(tags_.begin(), tags_.end(),
                       [at](const auto& tag) { return tag.second == at; });
  }

  std::map<std::string, Lamport>& tags() { return tags_; }
  Lamport floor() const { return floor_; }

  // The current version of `id`, null if there is none or it is a tombstone.
  const ModelVersion* Head(const std::string& id) const {
    return Last(id, clock_);
  }

  // The version of `id` if it is live at a moment.
  const ModelVersion* Live(const std::string& id,
                           const ModelMoment& moment) const {
    const ModelVersion* last = Last(id, moment.at);
    if (last == nullptr ||
        (last->expires_ms != 0 && last->expires_ms <= moment.wall_ms)) {
      return nullptr;
    }
    return last;
  }

  std::vector<std::string> List(const Filter& filter,
                                const ModelMoment& moment) const {
    std::vector<std::string> ids;
    for (const auto& [id, versions] : versions_) {
      const ModelVersion* live = Live(id, moment);
      if (live != nullptr && Matches(filter, live->metadata)) ids.push_back(id);
    }
    return ids;
  }

  std::vector<std::pair<float, std::string>> Search(
      const std::vector<float>& query, size_t k, const Filter& filter,
      const ModelMoment& moment) const {
    std::vector<std::pair<float, std::string>> hits;
    for (const std::string& id : List(filter, moment)) {
      const ModelVersion& live = *Live(id, moment);
      hits.emplace_back(ScoreFromDot(metric_, Dot8(live.vector, query),
                                     LengthsOf(live.vector), LengthsOf(query)),
                        id);
    }
    std::sort(hits.begin(), hits.end(), [&](const auto& a, const auto& b) {
      if (a.first != b.first) {
        return metric_ == Metric::kL2 ? a.first < b.first : a.first > b.first;
      }
      return a.second < b.second;
    });
    if (hits.size() > k) hits.resize(k);
    return hits;
  }

  // Newest first.
  std::vector<ModelVersion> History(const std::string& id) const {
    const auto found = versions_.find(id);
    if (found == versions_.end()) return {};
    return {found->second.rbegin(), found->second.rend()};
  }

  std::set<std::string> Ids() const {
    std::set<std::string> ids;
    for (const auto& [id, versions] : versions_) ids.insert(id);
    return ids;
  }

  // Removes what the rules let go. Returns how many versions.
  size_t Retain(const Retention& rules, int64_t now_ms) {
    const int64_t old_ms =
        rules.keep_for == absl::InfiniteDuration()
            ? -1
            : now_ms - absl::ToInt64Milliseconds(rules.keep_for) - 1000;
    Lamport died_by = old_ms < 0 ? 0 : clock_;
    for (const auto& [wall_ms, lamport] : applied_) {
      if (old_ms < 0 || wall_ms / 1000 <= old_ms / 1000) continue;
      died_by = lamport - 1;
      break;
    }
    size_t removed = 0;
    for (auto& [id, versions] : versions_) {
      std::vector<ModelVersion> kept;
      for (size_t i = 0; i < versions.size(); ++i) {
        const size_t newer = versions.size() - 1 - i;
        const Lamport born = versions[i].lamport;
        const Lamport died = newer == 0 ? 0 : versions[i + 1].lamport;
        const bool tagged =
            std::any_of(tags_.begin(), tags_.end(), [&](const auto& tag) {
              return born <= tag.second && tag.second < died;
            });
        const bool goes =
            newer > 0 && !versions[i].deleted && !tagged &&
            ((rules.keep_versions > 0 && newer >= rules.keep_versions) ||
             (old_ms >= 0 && died <= died_by));
        if (goes) {
          ++removed;
          floor_ = std::max(floor_, died);
        } else {
          kept.push_back(versions[i]);
        }
      }
      versions = std::move(kept);
    }
    return removed;
  }

  // Removes all versions. Returns how many.
  size_t Purge(const std::set<std::string>& ids) {
    size_t removed = 0;
    for (const std::string& id : ids) {
      std::vector<ModelVersion>& versions = versions_[id];
      removed += versions.size();
      versions = {{.lamport = clock_, .deleted = true}};
    }
    return removed;
  }

 private:
  const ModelVersion* Last(const std::string& id, Lamport at) const {
    const auto found = versions_.find(id);
    if (found == versions_.end()) return nullptr;
    const ModelVersion* last = nullptr;
    for (const ModelVersion& version : found->second) {
      if (version.lamport <= at) last = &version;
    }
    return last == nullptr || last->deleted ? nullptr : last;
  }

  Metric metric_;
  Lamport clock_ = 0;
  Lamport floor_ = 0;
  std::map<std::string, Lamport> tags_;
  // Wall and Lamport time of the first write of each second.
  std::vector<std::pair<int64_t, Lamport>> applied_;
  std::map<std::string, std::vector<ModelVersion>> versions_;
};

class ModelRun {
 public:
  ModelRun(uint64_t seed, Metric metric)
      : random_(seed), metric_(metric), model_(metric) {
    Open();
    auto created =
        db_->CreateCollection("c", {.dim = kDim, .metric = metric_, .bits = 2});
    EXPECT_THAT(created, IsOk());
    collection_ = *std::move(created);
  }

  void Step() {
    now_ += absl::Milliseconds(random_.Next() % 1500);
    switch (random_.Next() % 22) {
      case 0:
        return Reopen();
      case 1:
      case 2:
      case 3:
        return Delete();
      case 4:
        return Retry();
      case 5:
        return DropAndRecreate();
      case 6:
      case 7:
        return Tag();
      case 8:
        return Untag();
      case 9:
        return Retain();
      case 10:
        return Expire();
      case 11:
        return Purge();
      default:
        return Put();
    }
  }

  void Compare() {
    const Filter filter = RandomFilter();
    CompareInfo();
    CompareHistory();
    const Moment moment = RandomMoment();
    const auto at = model_.Resolve(moment, now_ms());
    if (!at.has_value()) return CompareRefusals(moment);
    CompareGet(moment, *at);
    CompareSearch(moment, *at, filter);
    CompareList(moment, *at, filter);
  }

 private:
  void Open() {
    Options options;
    options.threads = 2;
    options.now = [this] { return now_; };
    Environment environment;
    environment.maintenance_thread = false;
    auto db = OpenLocalDb(dir_.path() + "/db", options, environment);
    ASSERT_THAT(db, IsOk());
    db_ = *std::move(db);
  }

  int64_t now_ms() const { return absl::ToUnixMillis(now_); }
  Engine& engine() { return static_cast<LocalDb&>(*db_).engine(); }

  Moment RandomMoment() {
    switch (random_.Next() % 6) {
      case 0:
        return Moment::At(1 + random_.Next() % (model_.clock() + 2));
      case 1:
        return Moment::AtTime(now_ -
                              absl::Milliseconds(random_.Next() % 20'000));
      case 2:
        if (model_.tags().empty()) break;
        return Moment::AtTag(
            std::next(
                model_.tags().begin(),
                static_cast<ptrdiff_t>(random_.Next() % model_.tags().size()))
                ->first);
      default:
        break;
    }
    return Moment::AtTime(now_);
  }

  void Tag() {
    const std::string name = absl::StrCat("tag ", random_.Next() % 4);
    const Moment moment = RandomMoment();
    const auto at = model_.Resolve(moment, now_ms());
    const auto reply = collection_->CreateTag(name, moment);
    const auto* lamport = std::get_if<Lamport>(&moment.value);
    if (lamport != nullptr && *lamport > model_.clock()) {
      ASSERT_EQ(reply.status().code(), absl::StatusCode::kInvalidArgument);
      return;
    }
    if (!at.has_value()) {
      ASSERT_EQ(reply.status().code(), absl::StatusCode::kOutOfRange);
      return;
    }
    const auto [tag, fresh] = model_.tags().try_emplace(name, at->at);
    if (!fresh && tag->second != at->at) {
      ASSERT_EQ(reply.status().code(), absl::StatusCode::kAlreadyExists);
      return;
    }
    ASSERT_THAT(reply, IsOk());
    ASSERT_EQ(reply->lamport, at->at);
  }

  void Untag() {
    const std::string name = absl::StrCat("tag ", random_.Next() % 4);
    const bool there = model_.tags().erase(name) > 0;
    const absl::Status status = collection_->DeleteTag(name);
    ASSERT_EQ(status.code(),
              there ? absl::StatusCode::kOk : absl::StatusCode::kNotFound);
  }

  void Retain() {
    Retention rules;
    rules.keep_versions = random_.Next() % 4;
    if (random_.Next() % 2) {
      rules.keep_for = absl::Milliseconds(random_.Next() % 10'000);
    }
    ASSERT_THAT(collection_->SetRetention(rules), IsOk());
    const auto reply = collection_->ApplyRetention();
    ASSERT_THAT(reply, IsOk());
    ASSERT_EQ(reply->removed, model_.Retain(rules, now_ms()));
    ASSERT_EQ(reply->floor, model_.floor());
  }

  // Deletes, in one write, what has expired.
  void Expire() {
    const auto deleted =
        DeleteExpired(engine(), engine().registry().Find("c"), 1000);
    ASSERT_THAT(deleted, IsOk());
    const Lamport before = model_.clock();
    for (const std::string& id : model_.Ids()) {
      const ModelVersion* head = model_.Head(id);
      if (head == nullptr || head->expires_ms == 0 ||
          head->expires_ms > now_ms()) {
        continue;
      }
      if (model_.clock() == before) model_.Tick(now_ms());
      model_.Add(id, {.lamport = model_.clock(), .deleted = true});
    }
  }

  void Purge() {
    std::set<std::string> ids = {RandomId(), RandomId()};
    const std::vector<absl::string_view> views(ids.begin(), ids.end());
    const auto reply = collection_->Purge(views);
    ASSERT_THAT(reply, IsOk());
    ASSERT_EQ(reply->lamport, model_.Tick(now_ms()));
    ASSERT_EQ(reply->purged, model_.Purge(ids));
  }

  void CompareRefusals(const Moment& moment) {
    constexpr auto kOutOfRange = absl::StatusCode::kOutOfRange;
    ASSERT_EQ(collection_->Get({"a0"}, {}, moment).status().code(),
              kOutOfRange);
    ASSERT_EQ(collection_->Count({}, moment).status().code(), kOutOfRange);
    ListOptions list;
    list.at = moment;
    ASSERT_EQ(collection_->List(list).status().code(), kOutOfRange);
    Query query = Query::Vector(RandomVersion().vector);
    query.at = moment;
    ASSERT_EQ(collection_->Search(query).status().code(), kOutOfRange);
  }

  void Reopen() {
    collection_ = nullptr;
    if (random_.Next() % 2 == 0) {
      ASSERT_THAT(db_->Close(), IsOk());
    }
    db_ = nullptr;
    Open();
    auto opened = db_->OpenCollection("c");
    ASSERT_THAT(opened, IsOk());
    collection_ = *std::move(opened);
  }

  void DropAndRecreate() {
    if (random_.Next() % 4 != 0) return;
    ASSERT_THAT(db_->DropCollection("c"), IsOk());
    EXPECT_FALSE(db_->OpenCollection("c").ok());
    EXPECT_EQ(collection_->Info().status().code(), absl::StatusCode::kNotFound);
    ++generation_;
    auto created =
        db_->CreateCollection("c", {.dim = kDim, .metric = metric_, .bits = 2});
    ASSERT_THAT(created, IsOk());
    collection_ = *std::move(created);
    model_ = Model(metric_);
    last_request_.reset();
  }

  std::string RandomId() {
    // Few ids, so that they get histories; some with bytes that sort apart.
    static const char* const kPrefixes[] = {"a", "b", "a\xC3\xA9", "z z"};
    return absl::StrCat(kPrefixes[random_.Next() % 4], random_.Next() % 6);
  }

  ModelVersion RandomVersion() {
    ModelVersion version;
    for (size_t i = 0; i < kDim; ++i) {
      // Small integers, so that scores tie.
      version.vector.push_back(static_cast<float>(random_.Next() % 5) - 2);
    }
    version.vector[0] = 1;  // Never zero.
    if (random_.Next() % 2)
      version.text = absl::StrCat("t", random_.Next() % 4);
    if (random_.Next() % 3) {
      version.metadata["n"] = static_cast<int64_t>(random_.Next() % 3);
    }
    if (random_.Next() % 3 == 0) version.metadata["s"] = std::string("x");
    if (random_.Next() % 4 == 0) {
      version.expires_ms =
          now_ms() + static_cast<int64_t>(random_.Next() % 5'000);
    }
    return version;
  }

  Filter RandomFilter() {
    switch (random_.Next() % 4) {
      case 0:
        return Filter::Eq("n", static_cast<int64_t>(random_.Next() % 3));
      case 1:
        return Filter::Not(Filter::Exists("s"));
      default:
        return Filter::All();
    }
  }

  struct Request {
    std::vector<std::string> ids;
    std::vector<ModelVersion> versions;  // Empty: a delete.
    WriteOptions options;
    PutReply put;
    DeleteReply deleted;
  };

  std::vector<PutItem> Items(const Request& request) {
    std::vector<PutItem> items(request.ids.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].record = RecordView(request.ids[i]);
      items[i].record.vector = request.versions[i].vector;
      items[i].record.text = request.versions[i].text;
      items[i].record.metadata = &request.versions[i].metadata;
      items[i].record.expires_ms = request.versions[i].expires_ms;
    }
    return items;
  }

  void Put() {
    Request request;
    const size_t count = 1 + random_.Next() % 5;
    for (size_t i = 0; i < count; ++i) {
      request.ids.push_back(RandomId());
      const ModelVersion* live = model_.Head(request.ids[i]);
      request.versions.push_back(
          live != nullptr && random_.Next() % 3 == 0 ? *live : RandomVersion());
    }
    request.options.skip_unchanged = random_.Next() % 2;
    if (random_.Next() % 2) {
      request.options.request_id = absl::StrCat("r", next_request_++);
    }
    const auto reply = collection_->Put(Items(request), request.options);
    ASSERT_THAT(reply, IsOk());
    ASSERT_FALSE(reply->replayed);
    // What the model says must have happened.
    std::map<std::string, ModelVersion> staged;
    bool ticked = false;
    for (size_t i = 0; i < count; ++i) {
      const std::string& id = request.ids[i];
      ModelVersion& version = request.versions[i];
      const ModelVersion* live =
          staged.count(id) ? &staged[id] : model_.Head(id);
      const bool unchanged =
          request.options.skip_unchanged && live != nullptr &&
          live->vector == version.vector && live->text == version.text &&
          live->metadata == version.metadata &&
          live->expires_ms == version.expires_ms;
      ASSERT_EQ(reply->items[i].unchanged, unchanged);
      if (unchanged) {
        ASSERT_EQ(reply->items[i].version, Version{});
        continue;
      }
      if (!ticked) model_.Tick(now_ms());
      ticked = true;
      version.lamport = model_.clock();
      staged[id] = version;
      model_.Add(id, version);
      ASSERT_EQ(reply->items[i].version.lamport, model_.clock());
    }
    ASSERT_EQ(reply->lamport, model_.clock());
    request.put = *reply;
    if (!request.options.request_id.empty()) last_request_ = request;
  }

  void Delete() {
    Request request;
    const size_t count = 1 + random_.Next() % 3;
    for (size_t i = 0; i < count; ++i) request.ids.push_back(RandomId());
    if (random_.Next() % 2) {
      request.options.request_id = absl::StrCat("r", next_request_++);
    }
    const std::vector<absl::string_view> views(request.ids.begin(),
                                               request.ids.end());
    const auto reply = collection_->Delete(views, request.options);
    ASSERT_THAT(reply, IsOk());
    std::set<std::string> gone;
    const Lamport before = model_.clock();
    for (size_t i = 0; i < count; ++i) {
      const std::string& id = request.ids[i];
      const bool live = model_.Head(id) != nullptr && gone.insert(id).second;
      ASSERT_EQ(reply->deleted[i], live);
      if (!live) continue;
      if (model_.clock() == before) model_.Tick(now_ms());
      model_.Add(id, {.lamport = model_.clock(), .deleted = true});
    }
    ASSERT_EQ(reply->lamport, model_.clock());
    request.deleted = *reply;
    if (!request.options.request_id.empty()) last_request_ = request;
  }

  // The same request again changes nothing and answers the same.
  void Retry() {
    if (!last_request_.has_value()) return;
    if (last_request_->versions.empty()) {
      const std::vector<absl::string_view> views(last_request_->ids.begin(),
                                                 last_request_->ids.end());
      const auto reply = collection_->Delete(views, last_request_->options);
      ASSERT_THAT(reply, IsOk());
      ASSERT_TRUE(reply->replayed);
      ASSERT_EQ(reply->deleted, last_request_->deleted.deleted);
      ASSERT_EQ(reply->lamport, last_request_->deleted.lamport);
      return;
    }
    const auto reply =
        collection_->Put(Items(*last_request_), last_request_->options);
    ASSERT_THAT(reply, IsOk());
    ASSERT_TRUE(reply->replayed);
    ASSERT_EQ(reply->lamport, last_request_->put.lamport);
    for (size_t i = 0; i < reply->items.size(); ++i) {
      ASSERT_EQ(reply->items[i].version, last_request_->put.items[i].version);
      ASSERT_EQ(reply->items[i].unchanged,
                last_request_->put.items[i].unchanged);
    }
  }

  void CompareInfo() {
    const auto stats = collection_->Stats();
    ASSERT_THAT(stats, IsOk());
    ASSERT_EQ(stats->info.lamport, model_.clock());
    ASSERT_EQ(stats->info.generation, generation_);
    ASSERT_EQ(stats->info.records,
              model_.List(Filter::All(), {model_.clock(), now_ms()}).size());
    ASSERT_EQ(stats->info.floor, model_.floor());
    ASSERT_EQ(stats->versions, model_.count());
    size_t tombstones = 0;
    for (const std::string& id : model_.Ids()) {
      tombstones += model_.Head(id) == nullptr;
    }
    ASSERT_EQ(stats->tombstones, tombstones);
  }

  void CompareGet(const Moment& moment, const ModelMoment& at) {
    std::vector<std::string> ids = {RandomId(), RandomId(), "missing"};
    const auto got =
        collection_->Get(std::vector<absl::string_view>(ids.begin(), ids.end()),
                         {.vector = true}, moment);
    ASSERT_THAT(got, IsOk());
    for (size_t i = 0; i < ids.size(); ++i) {
      const ModelVersion* live = model_.Live(ids[i], at);
      ASSERT_EQ((*got)[i].has_value(), live != nullptr) << ids[i];
      if (live == nullptr) continue;
      ASSERT_EQ((*got)[i]->record.vector, live->vector);
      ASSERT_EQ((*got)[i]->record.text, live->text);
      ASSERT_EQ((*got)[i]->record.metadata, live->metadata);
      ASSERT_EQ((*got)[i]->version.lamport, live->lamport);
    }
  }

  void CompareSearch(const Moment& moment, const ModelMoment& at,
                     const Filter& filter) {
    Query query = Query::Vector(RandomVersion().vector);
    query.exact = true;
    query.k = 1 + random_.Next() % 30;
    query.filter = filter;
    query.at = moment;
    const auto want = model_.Search(std::get<std::vector<float>>(query.target),
                                    query.k, filter, at);
    const auto reply = collection_->Search(query);
    ASSERT_THAT(reply, IsOk());
    ASSERT_EQ(reply->at, at.at);
    ASSERT_EQ(reply->hits.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(reply->hits[i].id, want[i].second) << i;
      ASSERT_EQ(reply->hits[i].score, want[i].first) << i;
      const ModelVersion* live = model_.Live(want[i].second, at);
      ASSERT_EQ(reply->hits[i].text, live->text);
      ASSERT_EQ(reply->hits[i].metadata, live->metadata);
      ASSERT_EQ(reply->hits[i].version.lamport, live->lamport);
    }
  }

  void CompareList(const Moment& moment, const ModelMoment& at,
                   const Filter& filter) {
    const std::vector<std::string> want = model_.List(filter, at);
    const auto count = collection_->Count(filter, moment);
    ASSERT_THAT(count, IsOk());
    ASSERT_EQ(*count, want.size());
    ListOptions options{.filter = filter, .at = moment};
    options.page_size = 1 + random_.Next() % 7;
    std::vector<std::string> ids;
    do {
      const auto page = collection_->List(options);
      ASSERT_THAT(page, IsOk());
      ASSERT_LE(page->records.size(), options.page_size);
      ASSERT_EQ(page->at, at.at);
      for (const StoredRecord& record : page->records) {
        ids.push_back(record.record.id);
      }
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    ASSERT_EQ(ids, want);
  }

  void CompareHistory() {
    const std::string id = RandomId();
    const std::vector<ModelVersion> want = model_.History(id);
    HistoryOptions options{.fields = {.vector = true}};
    options.page_size = 1 + random_.Next() % 4;
    size_t i = 0;
    do {
      const auto page = collection_->History(id, options);
      ASSERT_THAT(page, IsOk());
      for (const StoredRecord& record : page->versions) {
        ASSERT_LT(i, want.size());
        ASSERT_EQ(record.version.lamport, want[i].lamport);
        ASSERT_EQ(record.deleted, want[i].deleted);
        ASSERT_EQ(record.record.vector, want[i].vector);
        ASSERT_EQ(record.record.text, want[i].text);
        ASSERT_EQ(record.expires_ms, want[i].expires_ms);
        ++i;
      }
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    ASSERT_EQ(i, want.size());
  }

  Random random_;
  const Metric metric_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  TempDir dir_;
  std::unique_ptr<Db> db_;
  std::shared_ptr<Collection> collection_;
  Model model_;
  uint64_t generation_ = 1;
  uint64_t next_request_ = 0;
  std::optional<Request> last_request_;
};

void RunSteps(uint64_t seed, Metric metric, int steps) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  ModelRun run(seed, metric);
  for (int i = 0; i < steps; ++i) {
    SCOPED_TRACE(absl::StrCat("step ", i));
    run.Step();
    if (::testing::Test::HasFatalFailure()) return;
    run.Compare();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(ModelTest, AfterEachOfManyRandomOperationsTheDatabaseIsAsDefined) {
  RunSteps(1, Metric::kCosine, CORKSCREW_MODEL_STEPS);
  RunSteps(2, Metric::kDot, CORKSCREW_MODEL_STEPS);
  RunSteps(3, Metric::kL2, CORKSCREW_MODEL_STEPS);
}

}  // namespace
}  // namespace corkscrew
