// What survives kill -9, and that nothing is acknowledged before it is synced.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/invariants.h"
#include "db/store.h"
#include "db/wal_scanner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using testing::IsOk;
using testing::TempDir;

// A child process whose standard output is read line by line.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {}) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::vector<char*> argv, envp;
    for (const std::string& a : arguments) {
      argv.push_back(const_cast<char*>(a.c_str()));
    }
    argv.push_back(nullptr);
    for (const std::string& e : environment) {
      envp.push_back(const_cast<char*>(e.c_str()));
    }
    for (char** e = environ; *e != nullptr; ++e) envp.push_back(*e);
    envp.push_back(nullptr);
    EXPECT_EQ(posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(),
                           envp.data()),
              0)
        << argv[0];
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    out_ = fdopen(ends[0], "r");
  }
  ~Child() { std::fclose(out_); }

  // The next line, or "" at the end.
  std::string Line() {
    std::string line;
    for (int c = std::fgetc(out_); c != EOF; c = std::fgetc(out_)) {
      if (c == '\n') return line;
      line.push_back(static_cast<char>(c));
    }
    return "";  // A line that was cut is not one.
  }

  void Kill() { kill(pid_, SIGKILL); }
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return status;
  }

 private:
  pid_t pid_ = 0;
  std::FILE* out_ = nullptr;
};

struct Log {
  std::set<std::string> tried;  // Puts.
  std::set<std::string> acked;
};

// All versions of the collection, oldest first per id.
std::map<std::string, std::vector<StoredRecord>> AllVersions(
    const Collection& collection) {
  std::map<std::string, std::vector<StoredRecord>> all;
  for (const char* prefix : {"a", "b"}) {
    for (int i = 0; i < 20; ++i) {
      const std::string id = absl::StrCat(prefix, i);
      HistoryOptions options;
      do {
        const auto page = collection.History(id, options);
        EXPECT_THAT(page, IsOk());
        if (!page.ok()) return all;
        all[id].insert(all[id].end(), page->versions.begin(),
                       page->versions.end());
        options.page_token = page->next_page_token;
      } while (!options.page_token.empty());
      std::reverse(all[id].begin(), all[id].end());
    }
  }
  return all;
}

// A kill amid a write to the log can leave a part of it. Its bytes are dropped,
// which begins a new incarnation; a log that is whole never does.
size_t TornLogs(const std::string& path) {
  if (!FileSystem::Real().Exists(path + "/store/CURRENT")) return 0;
  const auto scan = ScanWals(FileSystem::Real(), path + "/store");
  EXPECT_THAT(scan, IsOk());
  return scan.ok() && scan->verdict == WalVerdict::kTornTail ? 1 : 0;
}

void CheckRecovered(const Collection& collection, const Log& log, size_t torn) {
  const auto all = AllVersions(collection);
  std::map<std::string, int> recovered;  // Text -> records.
  std::map<uint64_t, std::set<uint64_t>> seqs;
  size_t count = 0;
  for (const auto& [id, versions] : all) {
    for (const StoredRecord& version : versions) {
      if (!version.deleted) ++recovered[version.record.text];
      EXPECT_TRUE(
          seqs[version.version.incarnation].insert(version.version.seq).second)
          << "seq " << version.version.seq << " twice";
      ++count;
    }
  }
  for (const std::string& key : log.acked) {
    EXPECT_EQ(recovered.count(key), 1u) << "lost " << key;
  }
  for (const auto& [key, records] : recovered) {
    EXPECT_TRUE(log.tried.count(key)) << "phantom " << key;
    EXPECT_EQ(records, 2) << "half of " << key;
  }
  EXPECT_LE(seqs.size(), 1 + torn) << "killed within one boot: one incarnation";
  for (const auto& [incarnation, numbers] : seqs) {
    EXPECT_EQ(*numbers.begin(), 1u);
    EXPECT_EQ(*numbers.rbegin(), numbers.size()) << "hole in the seqs";
  }

  // Index and store agree.
  const auto stats = collection.Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->versions, count);
  std::set<std::string> live;
  for (const auto& [id, versions] : all) {
    if (!versions.empty() && !versions.back().deleted) live.insert(id);
  }
  EXPECT_EQ(stats->info.records, live.size());
  Query query = Query::Vector({1, 0.5f, -0.5f});
  query.k = 100;
  query.exact = true;
  const auto reply = collection.Search(query);
  ASSERT_THAT(reply, IsOk());
  std::set<std::string> found;
  for (const Hit& hit : reply->hits) {
    found.insert(hit.id);
    EXPECT_EQ(hit.version, all.at(hit.id).back().version);
    EXPECT_EQ(hit.text, all.at(hit.id).back().record.text);
  }
  EXPECT_EQ(found, live);
}

TEST(CrashTest, AfterKillNineEverythingAcknowledgedIsThereAndNothingElse) {
  constexpr uint64_t kSeed = 20;
  Random random(kSeed);
  TempDir dir;
  const std::string path = dir.path() + "/db";
  Log log;
  size_t torn = 0;
  for (uint64_t round = 0; round < 50; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    {
      Child child(
          {CORKSCREW_CRASH_CHILD, path, "storm", absl::StrCat(round), "3"});
      // Now and then while opening, otherwise amid writes.
      const size_t lines = random.Next() % 8 == 0 ? 0 : random.Next() % 200;
      for (size_t i = 0; i < lines; ++i) {
        const std::string line = child.Line();
        ASSERT_FALSE(absl::StartsWith(line, "E ")) << line;
        if (line.empty()) break;
        if (line[0] == 'T') log.tried.insert(line.substr(2));
        if (line[0] == 'A') log.acked.insert(line.substr(2));
      }
      child.Kill();
      // What it had still said counts as well.
      for (std::string line = child.Line(); !line.empty();
           line = child.Line()) {
        if (line[0] == 'T') log.tried.insert(line.substr(2));
        if (line[0] == 'A') log.acked.insert(line.substr(2));
      }
      child.Wait();
    }
    torn += TornLogs(path);
    auto db = Db::Open(path);
    ASSERT_THAT(db, IsOk());
    auto collection = (*db)->OpenCollection("c");
    if (!collection.ok()) {
      EXPECT_TRUE(log.tried.empty());
      continue;
    }
    CheckRecovered(**collection, log, torn);
    if (HasFailure()) return;
  }
  auto store = Store::Open(path + "/store", {});
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(FindViolations(**store), ::testing::IsEmpty());
  RecordProperty("acknowledged", static_cast<int>(log.acked.size()));
  EXPECT_GT(log.acked.size(), 500u);
}

TEST(CrashTest, TheLogIsSyncedOnceBeforeAPutIsAcknowledged) {
  TempDir dir;
  const std::string trace = dir.path() + "/trace";
  Child child({"strace", "-f", "-y", "-e", "trace=write,fdatasync,fsync", "-o",
               trace, CORKSCREW_CRASH_CHILD, dir.path() + "/db", "once"},
              {"ASAN_OPTIONS=detect_leaks=0"});
  while (!child.Line().empty()) {
  }
  ASSERT_EQ(child.Wait(), 0);
  std::ifstream file(trace);
  std::string line;
  bool ready = false, acknowledged = false;
  int written = 0, synced = 0;
  while (!acknowledged && std::getline(file, line)) {
    if (absl::StrContains(line, "\"READY\\n\"")) ready = true;
    acknowledged = absl::StrContains(line, "\"ACK\\n\"");
    if (!ready || !absl::StrContains(line, ".log>")) continue;
    if (absl::StrContains(line, "write(")) {
      EXPECT_EQ(synced, 0) << "written after the sync: " << line;
      ++written;
    }
    if (absl::StrContains(line, "sync(")) ++synced;
  }
  EXPECT_TRUE(acknowledged);
  EXPECT_GE(written, 1);
  EXPECT_EQ(synced, 1);
}

}  // namespace
}  // namespace corkscrew
