#include "tests/storage/reference_db.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "quant/rescore.h"

namespace corkscrew::testing {
namespace {

constexpr size_t kIds = 24;

std::vector<std::pair<float, std::string>> BestHits(
    const ReferenceCollection& collection, const std::vector<float>& query,
    Lamport at) {
  std::vector<std::pair<float, std::string>> hits;
  for (const auto& [id, versions] : collection.records) {
    const ReferenceVersion* live = collection.Live(id, at);
    if (live == nullptr) continue;
    hits.emplace_back(ScoreFromDot(Metric::kCosine, Dot8(live->vector, query),
                                   LengthsOf(live->vector), LengthsOf(query)),
                      id);
  }
  std::sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  return hits;
}

std::string Describe(const ReferenceVersion& version) {
  std::string out = absl::StrCat(version.lamport, version.deleted ? " x" : " ");
  if (version.deleted) return out;
  absl::StrAppend(&out, version.text.substr(0, 12), "/", version.text.size(),
                  " n=", version.metadata.size());
  for (const float x : version.vector) absl::StrAppend(&out, " ", x);
  return out;
}

// Compares one collection, and returns at the first difference.
class Comparison {
 public:
  Comparison(const Collection& real, const ReferenceCollection& want,
             Random* random, Identities* identities, bool damage_reported)
      : real_(real),
        want_(want),
        random_(*random),
        identities_(*identities),
        damage_reported_(damage_reported) {}

  std::string Run() {
    std::string out = CompareStats();
    for (const auto& [id, versions] : want_.records) {
      if (out.empty()) out = CompareHistory(id, versions);
    }
    if (out.empty()) out = CompareList();
    if (out.empty()) out = CompareSearch(want_.clock);
    if (out.empty() && want_.clock > 1) {
      out = CompareSearch(1 + random_.Next() % want_.clock);
    }
    return out.empty() ? out : absl::StrCat(real_.name(), ": ", out);
  }

 private:
  bool Forgiven(const absl::Status& status) const {
    return damage_reported_ && absl::IsDataLoss(status);
  }
  std::string Failed(absl::string_view what, const absl::Status& status) const {
    return Forgiven(status) ? "" : absl::StrCat(what, ": ", status.ToString());
  }

  std::string CompareStats() {
    const auto stats = real_.Stats();
    if (!stats.ok()) return Failed("Stats", stats.status());
    uuid_ = stats->info.uuid;
    size_t live = 0;
    for (const auto& [id, versions] : want_.records) {
      live += want_.Live(id, want_.clock) != nullptr;
    }
    if (stats->info.lamport != want_.clock || stats->info.records != live ||
        stats->versions != want_.versions ||
        stats->tombstones != want_.records.size() - live) {
      return absl::StrCat("stats: clock ", stats->info.lamport, " records ",
                          stats->info.records, " versions ", stats->versions,
                          " tombstones ", stats->tombstones, ", want ",
                          want_.clock, " ", live, " ", want_.versions, " ",
                          want_.records.size() - live);
    }
    return "";
  }

  std::string CompareVersion(const StoredRecord& got,
                             const ReferenceVersion& want) {
    const ReferenceVersion real{got.version.lamport, got.deleted,
                                got.record.vector, got.record.text,
                                got.record.metadata};
    if (real.lamport != want.lamport || real.deleted != want.deleted ||
        real.vector != want.vector || real.text != want.text ||
        real.metadata != want.metadata) {
      return absl::StrCat("\"", got.record.id, "\" is ", Describe(real),
                          ", want ", Describe(want));
    }
    const std::string identity =
        absl::StrCat(uuid_.ToString(), " ", got.version.replica.ToString(), " ",
                     absl::Hex(got.version.incarnation), " ", got.version.seq);
    const std::string content =
        absl::StrCat(got.record.id, " ", Describe(want));
    const auto [known, fresh] = identities_.emplace(identity, content);
    if (!fresh && known->second != content) {
      return absl::StrCat("identity ", identity, " was ", known->second,
                          " and is ", content);
    }
    return "";
  }

  std::string CompareHistory(const std::string& id,
                             const std::vector<ReferenceVersion>& versions) {
    HistoryOptions options{.fields = {.vector = true}};
    size_t i = 0;
    do {
      const auto page = real_.History(id, options);
      if (!page.ok()) return Failed("History", page.status());
      for (const StoredRecord& got : page->versions) {
        if (i == versions.size()) {
          return absl::StrCat("history of \"", id, "\" has more than ", i);
        }
        const std::string bad =
            CompareVersion(got, versions[versions.size() - 1 - i]);
        if (!bad.empty()) return bad;
        ++i;
      }
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    return i == versions.size() ? ""
                                : absl::StrCat("history of \"", id, "\" has ",
                                               i, ", want ", versions.size());
  }

  std::string CompareList() {
    std::vector<std::string> want, got;
    for (const auto& [id, versions] : want_.records) {
      if (want_.Live(id, want_.clock) != nullptr) want.push_back(id);
    }
    ListOptions options;
    do {
      const auto page = real_.List(options);
      if (!page.ok()) return Failed("List", page.status());
      for (const StoredRecord& record : page->records) {
        got.push_back(record.record.id);
      }
      options.page_token = page->next_page_token;
    } while (!options.page_token.empty());
    return got == want ? ""
                       : absl::StrCat("lists ", got.size(), " records, want ",
                                      want.size());
  }

  std::string CompareSearch(Lamport at) {
    Query query = Query::Vector({1, static_cast<float>(random_.Next() % 5) - 2,
                                 static_cast<float>(random_.Next() % 5) - 2,
                                 static_cast<float>(random_.Next() % 5) - 2});
    query.exact = true;
    query.k = 1000;
    query.at = Moment::At(at);
    const auto want =
        BestHits(want_, std::get<std::vector<float>>(query.target), at);
    const auto reply = real_.Search(query);
    if (!reply.ok()) return Failed("Search", reply.status());
    if (reply->hits.size() != want.size()) {
      return absl::StrCat("search at ", at, " finds ", reply->hits.size(),
                          ", want ", want.size());
    }
    for (size_t i = 0; i < want.size(); ++i) {
      const Hit& hit = reply->hits[i];
      if (hit.id != want[i].second || hit.score != want[i].first ||
          hit.text != want_.Live(hit.id, at)->text) {
        return absl::StrCat("search at ", at, ": hit ", i, " is \"", hit.id,
                            "\" ", hit.score, ", want \"", want[i].second,
                            "\" ", want[i].first);
      }
    }
    return "";
  }

  const Collection& real_;
  const ReferenceCollection& want_;
  Random& random_;
  Identities& identities_;
  const bool damage_reported_;
  Uuid uuid_ = {};
};

}  // namespace

const ReferenceVersion* ReferenceCollection::Live(const std::string& id,
                                                  Lamport at) const {
  const auto found = records.find(id);
  if (found == records.end()) return nullptr;
  const ReferenceVersion* last = nullptr;
  for (const ReferenceVersion& version : found->second) {
    if (version.lamport <= at) last = &version;
  }
  return last == nullptr || last->deleted ? nullptr : last;
}

Operation RandomWrite(Random* random, const std::string& collection,
                      uint64_t number) {
  Operation out;
  out.collection = collection;
  out.kind = random->Next() % 5 == 0 ? Operation::Kind::kDelete
                                     : Operation::Kind::kPut;
  const size_t count = 1 + random->Next() % 6;
  for (size_t i = 0; i < count; ++i) {
    out.ids.push_back(absl::StrCat("r", random->Next() % kIds));
    if (out.kind == Operation::Kind::kDelete) continue;
    ReferenceVersion version;
    version.vector = {1};
    while (version.vector.size() < kReferenceDim) {
      // Small integers, so that scores tie.
      version.vector.push_back(static_cast<float>(random->Next() % 5) - 2);
    }
    version.text = absl::StrCat("t", number, ".", i, " ");
    // Now and then more than a block of the log.
    if (random->Next() % 64 == 0) version.text.append(50'000, 'x');
    if (random->Next() % 2) {
      version.metadata["n"] = static_cast<int64_t>(number);
    }
    out.versions.push_back(std::move(version));
  }
  if (random->Next() % 2) out.request_id = absl::StrCat("q", number);
  return out;
}

void ReferenceDb::Apply(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kCreate:
      collections_[operation.collection].generation =
          ++generations_[operation.collection];
      return;
    case Operation::Kind::kDrop:
      collections_.erase(operation.collection);
      return;
    case Operation::Kind::kPut: {
      ReferenceCollection& collection = collections_[operation.collection];
      ++collection.clock;
      for (size_t i = 0; i < operation.ids.size(); ++i) {
        ReferenceVersion version = operation.versions[i];
        version.lamport = collection.clock;
        collection.records[operation.ids[i]].push_back(std::move(version));
        ++collection.versions;
      }
      return;
    }
    case Operation::Kind::kDelete: {
      ReferenceCollection& collection = collections_[operation.collection];
      const Lamport before = collection.clock;
      for (const std::string& id : operation.ids) {
        if (collection.Live(id, before) == nullptr) continue;
        std::vector<ReferenceVersion>& versions = collection.records[id];
        if (versions.back().deleted) continue;  // The id came twice.
        collection.clock = before + 1;
        versions.push_back({.lamport = before + 1, .deleted = true});
        ++collection.versions;
      }
      return;
    }
  }
}

std::string ReferenceDb::Summary() const {
  std::string out;
  for (const auto& [name, collection] : collections_) {
    absl::StrAppend(&out, name, " g", collection.generation, " t",
                    collection.clock, " v", collection.versions, "; ");
  }
  return out;
}

std::string SummaryOf(Db& db) {
  const auto stats = db.Stats();
  if (!stats.ok()) return stats.status().ToString();
  std::string out;
  for (const CollectionStats& collection : stats->collections) {
    absl::StrAppend(&out, collection.info.name, " g",
                    collection.info.generation, " t", collection.info.lamport,
                    " v", collection.versions, "; ");
  }
  return out;
}

std::string Difference(Db& db, const ReferenceDb& reference, Random* random,
                       Identities* identities, bool damage_reported) {
  const std::string summary = SummaryOf(db);
  if (summary != reference.Summary()) {
    return absl::StrCat("it has ", summary, "want ", reference.Summary());
  }
  for (const auto& [name, collection] : reference.collections()) {
    const auto real = db.OpenCollection(name);
    if (!real.ok()) return real.status().ToString();
    std::string out =
        Comparison(**real, collection, random, identities, damage_reported)
            .Run();
    if (!out.empty()) return out;
  }
  return "";
}

}  // namespace corkscrew::testing
