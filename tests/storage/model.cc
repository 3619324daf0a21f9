// Random commands on a database and on a model of it that is written from the
// definitions, compared after each. RapidCheck makes the commands and finds a
// short sequence that still fails.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/backup.h"
#include "corkscrew/db.h"
#include "db/environment.h"
#include "db/filter.h"
#include "db/local_db.h"
#include "quant/rescore.h"
#include "rapidcheck.h"
#include "rapidcheck/state.h"
#include "tests/storage/proof.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

constexpr size_t kDim = 4;
constexpr int kCommandsOfCase = 100;

struct ModelVersion {
  Lamport lamport = 0;
  bool deleted = false;
  std::vector<float> vector = {};
  std::string text = {};
  Metadata metadata = {};
};

struct Model {
  uint64_t generation = 1;
  Lamport clock = 0;
  std::map<std::string, std::vector<ModelVersion>> records;  // Oldest first.
  std::map<std::string, Lamport> tags;
  size_t keep_versions = 0;
  bool pruned = false;                 // Retention was applied with a rule.
  std::shared_ptr<const Model> saved;  // The last snapshot.

  const ModelVersion* Live(const std::string& id, Lamport at) const {
    const auto found = records.find(id);
    if (found == records.end()) return nullptr;
    const ModelVersion* last = nullptr;
    for (const ModelVersion& version : found->second) {
      if (version.lamport <= at) last = &version;
    }
    return last == nullptr || last->deleted ? nullptr : last;
  }
  std::vector<std::string> Matching(const Filter& filter, Lamport at) const {
    std::vector<std::string> ids;
    for (const auto& [id, versions] : records) {
      const ModelVersion* live = Live(id, at);
      if (live != nullptr && Matches(filter, live->metadata)) ids.push_back(id);
    }
    return ids;
  }
  void Add(const std::string& id, ModelVersion version) {
    version.lamport = clock;
    records[id].push_back(std::move(version));
  }
  bool Tombstones(const std::vector<std::string>& ids) {
    const Lamport before = clock;
    for (const std::string& id : ids) {
      if (Live(id, before) == nullptr || records[id].back().deleted) continue;
      clock = before + 1;
      Add(id, {.deleted = true});
    }
    return clock != before;
  }
};

enum class Kind {
  kPut,
  kDelete,
  kGet,
  kSearch,
  kHistory,
  kList,
  kReopen,
  kDrop,
  kPatch,
  kDeleteMatching,
  kTag,
  kUntag,
  kRetain,
  kPurge,
  kSnapshot,
  kRestore,
};
constexpr absl::string_view kNames[] = {
    "put",    "delete", "get",      "search",          "history", "list",
    "reopen", "drop",   "patch",    "delete matching", "tag",     "untag",
    "retain", "purge",  "snapshot", "restore"};

// The real thing.
class System {
 public:
  System() { Open(); }

  void Open() {
    Options options;
    options.threads = 1;
    options.block_cache_bytes = size_t{1} << 20;
    options.low_space_bytes = 0;
    options.now = [this] { return absl::FromUnixSeconds(now_s_); };
    Environment environment;
    environment.background = false;
    environment.maintenance_thread = false;
    environment.segment_slots = 16;  // So that there are some, of both kinds.
    auto db = OpenLocalDb(path_, options, environment);
    RC_ASSERT(db.ok());
    db_ = *std::move(db);
    auto collection = db_->OpenCollection("c");
    if (!collection.ok()) collection = Create();
    RC_ASSERT(collection.ok());
    collection_ = *std::move(collection);
  }
  void Reopen() {
    collection_.reset();
    RC_ASSERT(db_->Close().ok());
    db_.reset();
    Open();
  }
  void DropAndCreate() {
    RC_ASSERT(db_->DropCollection("c").ok());
    auto collection = Create();
    RC_ASSERT(collection.ok());
    collection_ = *std::move(collection);
    floor_ = 0;
  }

  void Snapshot() {
    std::filesystem::remove_all(snapshot_);
    snapshot_ = absl::StrCat(scratch_.path(), "/snapshot", ++places_);
    const auto taken = db_->Snapshot(snapshot_);
    if (!taken.ok()) RC_LOG(taken.status().ToString());
    RC_ASSERT(taken.ok());
    snapshot_floor_ = floor_;
  }
  // Goes on in a directory that is made from the snapshot.
  void Restore() {
    collection_.reset();
    RC_ASSERT(db_->Close().ok());
    db_.reset();
    std::filesystem::remove_all(path_);
    path_ = absl::StrCat(scratch_.path(), "/restored", ++places_);
    const auto restored = RestoreSnapshot(snapshot_, path_);
    if (!restored.ok()) RC_LOG(restored.status().ToString());
    RC_ASSERT(restored.ok());
    floor_ = snapshot_floor_;
    Open();
  }

  Collection& collection() { return *collection_; }
  void Tick() { ++now_s_; }
  Lamport floor() const { return floor_; }
  void set_floor(Lamport floor) { floor_ = floor; }

 private:
  absl::StatusOr<std::shared_ptr<Collection>> Create() {
    return db_->CreateCollection("c", {.dim = kDim, .bits = 2});
  }

  ScratchDirectory scratch_;
  std::string path_ = scratch_.path() + "/db";
  int places_ = 0;  // Directories used so far.
  std::string snapshot_;
  Lamport snapshot_floor_ = 0;
  int64_t now_s_ = 1'700'000'000;
  std::unique_ptr<Db> db_;
  std::shared_ptr<Collection> collection_;
  Lamport floor_ = 0;  // As ApplyRetention() said.
};

std::string Id(uint32_t n) { return absl::StrCat("r", n % 12); }

ModelVersion VersionOf(uint32_t n) {
  ModelVersion out;
  out.vector = {1, static_cast<float>(n % 5) - 2,
                static_cast<float>(n / 5 % 5) - 2,
                static_cast<float>(n / 25 % 5) - 2};
  if (n % 3 != 0) out.text = absl::StrCat("t", n % 1000);
  if (n % 4 != 0) out.metadata["n"] = static_cast<int64_t>(n % 3);
  if (n % 7 == 0) out.metadata["s"] = std::string("x");
  return out;
}

Filter FilterOf(uint32_t n) {
  switch (n % 4) {
    case 0:
      return Filter::Eq("n", static_cast<int64_t>(n / 4 % 3));
    case 1:
      return Filter::Not(Filter::Exists("s"));
    default:
      return Filter::All();
  }
}

// Numbers from which everything follows, so that they shrink.
class Step : public rc::state::Command<Model, System> {
 public:
  Step(Kind kind, std::vector<uint32_t> n) : kind_(kind), n_(std::move(n)) {}

  void checkPreconditions(const Model& model) const override {
    RC_PRE(kind_ != Kind::kRestore || model.saved != nullptr);
  }

  void apply(Model& model) const override {
    switch (kind_) {
      case Kind::kPut:
        ++model.clock;
        for (size_t i = 0; i < items(); ++i) model.Add(Id(n_[i]), Version(i));
        return;
      case Kind::kDelete:
        model.Tombstones(Ids());
        return;
      case Kind::kDeleteMatching:
        model.Tombstones(model.Matching(MatchFilter(), model.clock));
        return;
      case Kind::kPatch: {
        const ModelVersion* live = model.Live(Id(n_[0]), model.clock);
        if (live == nullptr) return;
        ModelVersion patched = *live;
        patched.metadata["p"] = static_cast<int64_t>(n_[1]);
        patched.metadata.erase("n");
        ++model.clock;
        model.Add(Id(n_[0]), std::move(patched));
        return;
      }
      case Kind::kDrop: {
        Model fresh;
        fresh.generation = model.generation + 1;
        fresh.saved = model.saved;
        model = fresh;
        return;
      }
      case Kind::kTag:
        model.tags.emplace(TagName(), model.clock);
        return;
      case Kind::kUntag:
        model.tags.erase(TagName());
        return;
      case Kind::kRetain:
        model.keep_versions = 1 + n_[0] % 4;
        model.pruned = true;
        return;
      case Kind::kPurge:
        ++model.clock;
        // A tombstone is all that is left.
        for (const std::string& id : Ids()) {
          ModelVersion gone;
          gone.lamport = model.clock;
          gone.deleted = true;
          model.records[id] = {gone};
        }
        return;
      case Kind::kSnapshot: {
        auto saved = std::make_shared<Model>(model);
        saved->saved = nullptr;
        model.saved = std::move(saved);
        return;
      }
      case Kind::kRestore: {
        const std::shared_ptr<const Model> saved = model.saved;
        model = *saved;
        model.saved = saved;
        return;
      }
      default:
        return;
    }
  }

  void run(const Model& before, System& system) const override {
    system.Tick();
    const Model after = nextState(before);
    Collection& collection = system.collection();
    switch (kind_) {
      case Kind::kPut: {
        const std::vector<std::string> ids = Ids();
        std::vector<ModelVersion> versions;
        for (size_t i = 0; i < items(); ++i) versions.push_back(Version(i));
        std::vector<PutItem> puts(items());
        for (size_t i = 0; i < items(); ++i) {
          puts[i].record = RecordView(ids[i]);
          puts[i].record.vector = versions[i].vector;
          puts[i].record.text = versions[i].text;
          puts[i].record.metadata = &versions[i].metadata;
        }
        const auto reply = collection.Put(puts);
        RC_ASSERT(Good(reply.status()));
        RC_ASSERT(reply->lamport == after.clock);
        break;
      }
      case Kind::kDelete: {
        const std::vector<std::string> ids = Ids();
        const auto reply = collection.Delete(
            std::vector<absl::string_view>(ids.begin(), ids.end()));
        RC_ASSERT(Good(reply.status()));
        RC_ASSERT(reply->lamport == after.clock);
        break;
      }
      case Kind::kDeleteMatching: {
        const auto reply = collection.DeleteMatching(MatchFilter());
        RC_ASSERT(Good(reply.status()));
        RC_ASSERT(reply->deleted ==
                  before.Matching(MatchFilter(), before.clock).size());
        break;
      }
      case Kind::kPatch: {
        const std::string id = Id(n_[0]);
        PatchItem item;
        item.id = id;
        item.set["p"] = static_cast<int64_t>(n_[1]);
        item.remove = {"n"};
        const auto reply = collection.Patch({&item, 1});
        if (before.Live(id, before.clock) == nullptr) {
          RC_ASSERT(absl::IsNotFound(reply.status()));
        } else {
          RC_ASSERT(Good(reply.status()));
          RC_ASSERT(reply->lamport == after.clock);
        }
        break;
      }
      case Kind::kReopen:
        system.Reopen();
        break;
      case Kind::kDrop:
        system.DropAndCreate();
        break;
      case Kind::kTag: {
        const auto reply = collection.CreateTag(TagName());
        const auto known = before.tags.find(TagName());
        if (known != before.tags.end() && known->second != before.clock) {
          RC_ASSERT(absl::IsAlreadyExists(reply.status()));
        } else {
          RC_ASSERT(Good(reply.status()));
          RC_ASSERT(reply->lamport == before.clock);
        }
        break;
      }
      case Kind::kUntag: {
        const absl::Status status = collection.DeleteTag(TagName());
        const bool known = before.tags.count(TagName()) != 0;
        RC_ASSERT((known ? Good(status) : absl::IsNotFound(status)));
        break;
      }
      case Kind::kRetain: {
        RC_ASSERT(Good(
            collection.SetRetention({.keep_versions = after.keep_versions})));
        const auto reply = collection.ApplyRetention();
        RC_ASSERT(Good(reply.status()));
        RC_ASSERT(reply->floor >= system.floor());
        RC_ASSERT(reply->floor <= before.clock);
        system.set_floor(reply->floor);
        break;
      }
      case Kind::kPurge: {
        const std::vector<std::string> ids = Ids();
        const auto reply = collection.Purge(
            std::vector<absl::string_view>(ids.begin(), ids.end()));
        RC_ASSERT(Good(reply.status()));
        RC_ASSERT(reply->lamport == after.clock);
        break;
      }
      case Kind::kSnapshot:
        system.Snapshot();
        break;
      case Kind::kRestore:
        system.Restore();
        break;
      case Kind::kGet:
        CompareGet(after, system);
        break;
      case Kind::kSearch:
        CompareSearch(after, system);
        break;
      case Kind::kHistory:
        for (int i = 0; i < 12; ++i) CompareHistory(after, system, i);
        break;
      case Kind::kList:
        CompareList(after, system);
        break;
    }
    CompareInfo(after, system);
  }

  void show(std::ostream& os) const override {
    os << kNames[static_cast<size_t>(kind_)];
    for (const uint32_t n : n_) os << " " << n;
  }

 private:
  static bool Good(const absl::Status& status) {
    if (!status.ok()) RC_LOG(status.ToString());
    return status.ok();
  }

  size_t items() const { return 1 + n_[5] % 5; }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (size_t i = 0; i < items(); ++i) ids.push_back(Id(n_[i]));
    return ids;
  }
  ModelVersion Version(size_t i) const { return VersionOf(n_[i] + n_[6]); }
  Filter MatchFilter() const {
    return Filter::Eq("n", static_cast<int64_t>(n_[0] % 3));
  }
  std::string TagName() const { return absl::StrCat("tag", n_[0] % 3); }

  // A moment to read at, and what it is in Lamport time; nullopt if a read
  // there is refused.
  struct At {
    std::optional<Moment> moment;
    Lamport lamport = 0;
    bool refused = false;
  };
  At MomentOf(const Model& model, const System& system) const {
    At out{std::nullopt, model.clock};
    if (n_[1] % 3 == 0 || model.clock == 0) return out;
    if (n_[1] % 3 == 1 && !model.tags.empty()) {
      const auto tag = std::next(
          model.tags.begin(), n_[2] % static_cast<uint32_t>(model.tags.size()));
      return {Moment::AtTag(tag->first), tag->second};
    }
    out.lamport = 1 + n_[2] % model.clock;
    out.moment = Moment::At(out.lamport);
    const bool tagged =
        std::any_of(model.tags.begin(), model.tags.end(),
                    [&](const auto& tag) { return tag.second == out.lamport; });
    out.refused = out.lamport < system.floor() && !tagged;
    return out;
  }
  static bool Refused(const absl::Status& status) {
    return absl::IsOutOfRange(status);
  }

  void CompareGet(const Model& model, System& system) const {
    const At at = MomentOf(model, system);
    std::vector<std::string> ids = Ids();
    const auto got = system.collection().Get(
        std::vector<absl::string_view>(ids.begin(), ids.end()),
        {.vector = true}, at.moment);
    if (at.refused) {
      RC_ASSERT(Refused(got.status()));
      return;
    }
    RC_ASSERT(Good(got.status()));
    for (size_t i = 0; i < ids.size(); ++i) {
      const ModelVersion* live = model.Live(ids[i], at.lamport);
      RC_ASSERT((*got)[i].has_value() == (live != nullptr));
      if (live == nullptr) continue;
      RC_ASSERT((*got)[i]->record.vector == live->vector);
      RC_ASSERT((*got)[i]->record.text == live->text);
      RC_ASSERT((*got)[i]->record.metadata == live->metadata);
      RC_ASSERT((*got)[i]->version.lamport == live->lamport);
    }
  }

  void CompareSearch(const Model& model, System& system) const {
    const At at = MomentOf(model, system);
    const Filter filter = FilterOf(n_[3]);
    Query query = Query::Vector(VersionOf(n_[0]).vector);
    query.exact = true;
    query.k = 1 + n_[4] % 15;
    query.filter = filter;
    query.at = at.moment;
    const auto reply = system.collection().Search(query);
    if (at.refused) {
      RC_ASSERT(Refused(reply.status()));
      return;
    }
    RC_ASSERT(Good(reply.status()));
    const auto& target = std::get<std::vector<float>>(query.target);
    std::vector<std::pair<float, std::string>> want;
    for (const std::string& id : model.Matching(filter, at.lamport)) {
      const std::vector<float>& vector = model.Live(id, at.lamport)->vector;
      want.emplace_back(-ScoreFromDot(Metric::kCosine, Dot8(vector, target),
                                      LengthsOf(vector), LengthsOf(target)),
                        id);
    }
    std::sort(want.begin(), want.end());
    if (want.size() > query.k) want.resize(query.k);
    RC_ASSERT(reply->hits.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      RC_ASSERT(reply->hits[i].id == want[i].second);
      RC_ASSERT(reply->hits[i].score == -want[i].first);
      RC_ASSERT(reply->hits[i].text ==
                model.Live(want[i].second, at.lamport)->text);
    }
  }

  void CompareHistory(const Model& model, System& system, int number) const {
    const std::string id = Id(static_cast<uint32_t>(number));
    HistoryOptions options{.fields = {.vector = true}};
    options.page_size = 1 + n_[2] % 4;
    std::vector<StoredRecord> got;
    do {
      const auto page = system.collection().History(id, options);
      RC_ASSERT(Good(page.status()));
      got.insert(got.end(), page->versions.begin(), page->versions.end());
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    const auto found = model.records.find(id);
    std::vector<ModelVersion> all;
    if (found != model.records.end()) all = found->second;
    // Newest first. With retention some may be gone, but none that is alive at
    // a retained moment.
    size_t next = 0;
    for (size_t i = all.size(); i-- > 0;) {
      const bool there = next < got.size() &&
                         got[next].version.lamport == all[i].lamport &&
                         got[next].deleted == all[i].deleted &&
                         got[next].record.text == all[i].text &&
                         got[next].record.vector == all[i].vector &&
                         got[next].record.metadata == all[i].metadata;
      if (there) {
        ++next;
        continue;
      }
      const Lamport died = i + 1 < all.size()
                               ? all[i + 1].lamport
                               : std::numeric_limits<Lamport>::max();
      bool must = !model.pruned || died > system.floor();
      for (const auto& [name, tagged] : model.tags) {
        must = must || (all[i].lamport <= tagged && tagged < died);
      }
      RC_ASSERT(!must || all[i].lamport == died);
    }
    RC_ASSERT(next == got.size());
  }

  void CompareList(const Model& model, System& system) const {
    const At at = MomentOf(model, system);
    const Filter filter = FilterOf(n_[3]);
    const auto count = system.collection().Count(filter, at.moment);
    ListOptions options{.filter = filter, .at = at.moment};
    options.page_size = 1 + n_[4] % 7;
    if (at.refused) {
      RC_ASSERT(Refused(count.status()));
      RC_ASSERT(Refused(system.collection().List(options).status()));
      return;
    }
    const std::vector<std::string> want = model.Matching(filter, at.lamport);
    RC_ASSERT(Good(count.status()));
    RC_ASSERT(*count == want.size());
    std::vector<std::string> ids;
    do {
      const auto page = system.collection().List(options);
      RC_ASSERT(Good(page.status()));
      for (const StoredRecord& record : page->records) {
        ids.push_back(record.record.id);
      }
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    RC_ASSERT(ids == want);
  }

  void CompareInfo(const Model& model, System& system) const {
    const auto stats = system.collection().Stats();
    RC_ASSERT(Good(stats.status()));
    RC_ASSERT(stats->info.lamport == model.clock);
    RC_ASSERT(stats->info.generation == model.generation);
    size_t live = 0, versions = 0;
    for (const auto& [id, all] : model.records) {
      live += model.Live(id, model.clock) != nullptr;
      versions += all.size();
    }
    RC_ASSERT(stats->info.records == live);
    RC_ASSERT((model.pruned ? stats->versions <= versions
                            : stats->versions == versions));
  }

  const Kind kind_;
  const std::vector<uint32_t> n_;
};

// What the library can do: commands that answer Unimplemented are left out, and
// the result says so.
struct Able {
  std::vector<std::pair<size_t, Kind>> weights = {
      {20, Kind::kPut},   {6, Kind::kDelete},  {6, Kind::kGet},
      {8, Kind::kSearch}, {4, Kind::kHistory}, {4, Kind::kList},
      {2, Kind::kReopen}, {1, Kind::kDrop},    {1, Kind::kSnapshot},
      {1, Kind::kRestore}};
  std::vector<std::string> left_out;
};

const Able& AbleTo() {
  static const Able* const able = [] {
    auto* const out = new Able;
    System system;
    Collection& c = system.collection();
    const auto add = [&](size_t weight, Kind kind, const absl::Status& status) {
      if (absl::IsUnimplemented(status)) {
        out->left_out.push_back(
            absl::StrCat("left out: ", kNames[static_cast<size_t>(kind)]));
      } else {
        out->weights.emplace_back(weight, kind);
      }
    };
    PatchItem patch;
    patch.id = "x";
    add(4, Kind::kPatch, c.Patch({&patch, 1}).status());
    add(2, Kind::kDeleteMatching,
        c.DeleteMatching(Filter::Exists("x")).status());
    add(3, Kind::kTag, c.CreateTag("x").status());
    add(1, Kind::kUntag, c.DeleteTag("y"));
    add(1, Kind::kRetain, c.ApplyRetention().status());
    add(1, Kind::kPurge, c.Purge({"x"}).status());
    return out;
  }();
  return *able;
}

rc::Gen<std::shared_ptr<const rc::state::Command<Model, System>>> AnyStep() {
  rc::Gen<Kind> kind = rc::gen::exec([] {
    size_t sum = 0;
    for (const auto& [weight, each] : AbleTo().weights) sum += weight;
    size_t pick = *rc::gen::noShrink(rc::gen::inRange<size_t>(0, sum));
    for (const auto& [weight, each] : AbleTo().weights) {
      if (pick < weight) return each;
      pick -= weight;
    }
    return Kind::kPut;
  });
  return rc::gen::map(
      rc::gen::pair(std::move(kind),
                    rc::gen::container<std::vector<uint32_t>>(
                        7, rc::gen::inRange<uint32_t>(0, 1000))),
      [](std::pair<Kind, std::vector<uint32_t>> made)
          -> std::shared_ptr<const rc::state::Command<Model, System>> {
        return std::make_shared<Step>(made.first, std::move(made.second));
      });
}

// RapidCheck tells a listener what it does; nobody listens.
class Deaf : public rc::detail::TestListener {
 public:
  void onTestCaseFinished(
      const rc::detail::CaseDescription& /*description*/) override {}
  void onShrinkTried(const rc::detail::CaseDescription& /*shrink*/,
                     bool /*accepted*/) override {}
  void onTestFinished(const rc::detail::TestMetadata& /*metadata*/,
                      const rc::detail::TestResult& /*result*/) override {}
};

}  // namespace

CaseResult RunModel(uint64_t seed, uint64_t number) {
  CaseResult out;
  out.checks = 0;
  out.covered = AbleTo().left_out;
  rc::detail::TestParams params;
  params.seed = seed * 1'000'003 + number;
  params.maxSuccess = 1;
  params.maxSize = kCommandsOfCase;
  Deaf deaf;
  const rc::detail::TestResult result = rc::detail::checkTestable(
      [&] {
        System system;
        // Sizes start at 0: ask for all of it.
        const auto commands = *rc::gen::resize(
            kCommandsOfCase,
            rc::state::gen::commands(Model(),
                                     [](const Model&) { return AnyStep(); }));
        out.checks += commands.size();
        rc::state::runAll(commands, Model(), system);
      },
      rc::detail::TestMetadata(), params, deaf);
  if (!result.template is<rc::detail::SuccessResult>()) {
    std::ostringstream what;
    rc::detail::printResultMessage(result, what);
    out.findings.push_back(what.str());
  }
  return out;
}

}  // namespace corkscrew::testing
