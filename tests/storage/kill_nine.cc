// A real node is killed with SIGKILL amid a random workload of several clients,
// again and again, and each time started again: what was acknowledged is there,
// what was not tried is not, a retry with the same request id is applied once,
// and the index holds what the store holds.

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/random.h"
#include "db/engine.h"
#include "db/invariants.h"
#include "db/wal_scanner.h"
#include "tests/node/node_process.h"
#include "tests/storage/proof.h"
#include "tests/storage/reference_db.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

constexpr size_t kClients = 3;
constexpr size_t kCrashes = 25;  // Of one directory.
// Lives from one comparison of everything to the next. In between the records
// that the last life wrote to are compared, and the counts of all.
constexpr size_t kLivesToFull = 6;

// A client with ids of its own, so that it knows their history.
class Client {
 public:
  Client(uint64_t seed, size_t index)
      : random_(seed), prefix_(absl::StrCat("c", index, ".")) {}

  // Writes until something fails.
  void Storm(Collection& collection, std::atomic<uint64_t>* acknowledged) {
    while (true) {
      Operation operation = RandomWrite(&random_, "c", ++number_);
      for (std::string& id : operation.ids) id.insert(0, prefix_);
      if (!operation.request_id.empty()) operation.request_id += prefix_;
      const absl::Status status = Apply(collection, operation);
      if (!status.ok()) {
        pending_ = operation;
        why_ = status;
        return;
      }
      acknowledged->fetch_add(1);
    }
  }

  // Finds out what became of the last operation. Returns what is wrong, or "".
  std::string Resolve(Collection& collection) {
    if (!pending_.has_value()) return "";
    const Operation operation = *std::exchange(pending_, std::nullopt);
    touched_.insert(operation.ids.begin(), operation.ids.end());
    if (!absl::IsUnavailable(why_) && !absl::IsUnknown(why_)) {
      return absl::StrCat("a write was answered with ", why_.ToString());
    }
    if (!operation.request_id.empty() && random_.Next() % 2 != 0) {
      const absl::Status status = Apply(collection, operation);
      return status.ok() ? "" : absl::StrCat("retry: ", status.ToString());
    }
    // Its first put, or the first id that it deleted.
    size_t first = 0;
    if (operation.kind == Operation::Kind::kDelete) {
      while (first < operation.ids.size() && !Live(operation.ids[first])) {
        ++first;
      }
    }
    if (first == operation.ids.size()) return "";  // It can not have written.
    const std::string& id = operation.ids[first];
    HistoryOptions options;
    options.page_size = 1000;
    const auto history = collection.History(id, options);
    if (!history.ok()) return history.status().ToString();
    for (const StoredRecord& version : history->versions) {
      const bool it = operation.kind == Operation::Kind::kDelete
                          ? history->versions.size() > records_[id].size()
                          : version.record.text == operation.versions[0].text;
      if (!it) continue;
      Record(operation, version.version.lamport);
      break;
    }
    return "";
  }

  // Compares all versions of the ids that were written to since the last call,
  // or with `seqs` of all ids, and adds them to that.
  std::string Compare(const Collection& collection,
                      std::map<uint64_t, std::set<uint64_t>>* seqs) {
    const std::set<std::string> touched = std::exchange(touched_, {});
    for (const auto& [id, want] : records_) {
      if (seqs == nullptr && touched.count(id) == 0) continue;
      HistoryOptions options{.fields = {.vector = true}};
      options.page_size = 1000;
      const auto history = collection.History(id, options);
      if (!history.ok()) return history.status().ToString();
      if (history->versions.size() != want.size()) {
        return absl::StrCat("\"", id, "\" has ", history->versions.size(),
                            " versions, want ", want.size());
      }
      for (size_t i = 0; i < want.size(); ++i) {
        const StoredRecord& got = history->versions[want.size() - 1 - i];
        if (got.deleted != want[i].deleted ||
            got.version.lamport != want[i].lamport ||
            got.record.text != want[i].text ||
            got.record.vector != want[i].vector ||
            got.record.metadata != want[i].metadata) {
          return absl::StrCat("version ", i, " of \"", id, "\" is ",
                              got.version.lamport, " ",
                              got.record.text.substr(0, 20), ", want ",
                              want[i].lamport, " ", want[i].text.substr(0, 20));
        }
        if (seqs != nullptr &&
            !(*seqs)[got.version.incarnation].insert(got.version.seq).second) {
          return absl::StrCat("seq ", got.version.seq, " twice");
        }
      }
    }
    return "";
  }

  // Adds the number of versions, and the live records with their texts.
  void Count(size_t* versions, std::map<std::string, std::string>* live) const {
    for (const auto& [id, all] : records_) {
      *versions += all.size();
      if (Live(id)) live->emplace(id, all.back().text);
    }
  }

 private:
  bool Live(const std::string& id) const {
    const auto found = records_.find(id);
    return found != records_.end() && !found->second.back().deleted;
  }

  void Record(const Operation& operation, Lamport lamport) {
    touched_.insert(operation.ids.begin(), operation.ids.end());
    for (size_t i = 0; i < operation.ids.size(); ++i) {
      const std::string& id = operation.ids[i];
      if (operation.kind == Operation::Kind::kDelete) {
        if (!Live(id)) continue;
        records_[id].push_back({.lamport = lamport, .deleted = true});
      } else {
        records_[id].push_back(operation.versions[i]);
        records_[id].back().lamport = lamport;
      }
    }
  }

  absl::Status Apply(Collection& collection, const Operation& operation) {
    WriteOptions options;
    options.request_id = operation.request_id;
    if (operation.kind == Operation::Kind::kDelete) {
      const std::vector<absl::string_view> ids(operation.ids.begin(),
                                               operation.ids.end());
      const auto reply = collection.Delete(ids, options);
      if (!reply.ok()) return reply.status();
      Record(operation, reply->lamport);
      return absl::OkStatus();
    }
    std::vector<PutItem> items(operation.ids.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].record = RecordView(operation.ids[i]);
      items[i].record.vector = operation.versions[i].vector;
      items[i].record.text = operation.versions[i].text;
      items[i].record.metadata = &operation.versions[i].metadata;
    }
    const auto reply = collection.Put(items, options);
    if (!reply.ok()) return reply.status();
    Record(operation, reply->lamport);
    return absl::OkStatus();
  }

  Random random_;
  const std::string prefix_;
  uint64_t number_ = 0;
  std::map<std::string, std::vector<ReferenceVersion>> records_;
  std::set<std::string> touched_;  // Ids not compared since they were written.
  std::optional<Operation> pending_;
  absl::Status why_;
};

class KillNine {
 public:
  explicit KillNine(uint64_t seed)
      : random_(seed), data_(scratch_.path() + "/db") {
    for (size_t i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<Client>(random_.Next(), i));
    }
  }

  // One life of the node. Returns what is wrong, or "".
  std::string Live() {
    std::string log = CheckLog();
    if (!log.empty()) return log;
    if (!first_ && random_.Next() % 6 == 0) {
      DieWhileStarting(static_cast<int>(random_.Next() % 40));
      return "";
    }
    auto node = NodeProcess::Start(data_, scratch_.path(), scratch_.path());
    if (!node.ok()) return node.status().ToString();
    const auto db = (*node)->Connect();
    if (!db.ok()) return db.status().ToString();
    auto collection = (*db)->OpenCollection("c");
    if (absl::IsNotFound(collection.status()) && first_) {
      collection =
          (*db)->CreateCollection("c", {.dim = kReferenceDim, .bits = 2});
    }
    if (!collection.ok()) return collection.status().ToString();
    first_ = false;
    std::string wrong =
        Check(**collection, /*all=*/++lives_ % kLivesToFull == 0);
    if (!wrong.empty()) return wrong;

    if (random_.Next() % 40 == 0) {
      const int status = (*node)->Terminate();
      return status == 0 ? "" : absl::StrCat("SIGTERM: exit status ", status);
    }
    std::atomic<uint64_t> acknowledged = 0;
    std::vector<std::thread> threads;
    for (const auto& client : clients_) {
      threads.emplace_back([&] { client->Storm(**collection, &acknowledged); });
    }
    const uint64_t enough = random_.Next() % 60;
    while (acknowledged < enough) std::this_thread::yield();
    (*node)->Kill();
    for (std::thread& thread : threads) thread.join();
    return "";
  }

  // The rows of the store agree with each other.
  std::string CheckRows() {
    const auto engine = Engine::Open(data_, {});
    if (!engine.ok()) return engine.status().ToString();
    return absl::StrJoin(FindViolations((*engine)->store()), "; ");
  }

 private:
  // A kill amid a large write leaves a part of it, which begins a new
  // incarnation. Nothing else may be wrong with the log.
  std::string CheckLog() {
    if (first_) return "";
    const auto scan = ScanWals(FileSystem::Real(), data_ + "/store");
    if (!scan.ok()) return scan.status().ToString();
    if (scan->verdict == WalVerdict::kTornTail) ++torn_;
    return scan->verdict == WalVerdict::kDamaged
               ? absl::StrCat("the log is damaged: ", scan->what)
               : "";
  }

  // Starts a node and kills it after so many milliseconds, or when it is ready.
  void DieWhileStarting(int milliseconds) {
    int ends[2];
    if (pipe(ends) != 0) return;
    const std::string token = scratch_.path() + "/token";
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execl(CORKSCREWD_BINARY, "corkscrewd", "--data", data_.c_str(),
            "--listen", "127.0.0.1:0", "--token-file", token.c_str(),
            "--model-dir", scratch_.path().c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    pollfd output{.fd = ends[0], .events = POLLIN, .revents = 0};
    poll(&output, 1, milliseconds);
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    close(ends[0]);
  }

  std::string Check(Collection& collection, bool all) {
    std::map<uint64_t, std::set<uint64_t>> seqs;
    std::map<std::string, std::string> live;
    size_t versions = 0;
    for (const auto& client : clients_) {
      std::string wrong = client->Resolve(collection);
      if (wrong.empty()) {
        wrong = client->Compare(collection, all ? &seqs : nullptr);
      }
      if (!wrong.empty()) return wrong;
      client->Count(&versions, &live);
    }
    for (const auto& [incarnation, numbers] : seqs) {
      if (*numbers.rbegin() != numbers.size()) return "a hole in the seqs";
    }
    if (seqs.size() > 1 + torn_) {
      return absl::StrCat(seqs.size(), " incarnations within one boot, of ",
                          torn_, " logs with a torn tail");
    }
    const auto stats = collection.Stats();
    if (!stats.ok()) return stats.status().ToString();
    if (stats->versions != versions || stats->info.records != live.size()) {
      return absl::StrCat("the index has ", stats->versions, " versions and ",
                          stats->info.records, " records, want ", versions,
                          " and ", live.size());
    }
    Query query = Query::Vector({1, 0.5f, -0.5f, 0});
    query.k = 1000;
    query.exact = true;
    const auto reply = collection.Search(query);
    if (!reply.ok()) return reply.status().ToString();
    std::map<std::string, std::string> found;
    for (const Hit& hit : reply->hits) found.emplace(hit.id, hit.text);
    return found == live ? ""
                         : absl::StrCat("search finds ", found.size(),
                                        " records, want ", live.size());
  }

  Random random_;
  ScratchDirectory scratch_;
  const std::string data_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool first_ = true;
  size_t lives_ = 0;
  size_t torn_ = 0;  // Times that the log ended with a part of a record.
};

}  // namespace

CaseResult RunKillNine(uint64_t seed, uint64_t number) {
  CaseResult out;
  KillNine test(seed * 1'000'003 + number);
  std::string wrong;
  for (out.checks = 0; out.checks < kCrashes && wrong.empty(); ++out.checks) {
    wrong = test.Live();
  }
  if (wrong.empty()) wrong = test.CheckRows();
  if (!wrong.empty()) {
    out.findings.push_back(
        absl::StrCat(wrong, " (after ", out.checks, " crashes)"));
  }
  return out;
}

}  // namespace corkscrew::testing
