// The lock of a directory between processes: who holds it, where it is served,
// and waiting for it.

#include "db/directory.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file_system.h"
#include "base/lock_holder.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;

auto Acquire(const std::string& path,
             absl::Duration timeout = absl::ZeroDuration()) {
  return DirectoryLock::Acquire(FileSystem::Real(), path, /*create=*/true,
                                timeout);
}

std::string Addresses(const absl::Status& status) {
  return std::string(
      status.GetPayload(kLockHolderPayload).value_or(absl::Cord("no payload")));
}

std::string Content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

// A process that holds the lock until it is told to end.
class HolderProcess {
 public:
  explicit HolderProcess(const std::string& path) {
    int ready[2];
    int stop[2];
    if (pipe(ready) != 0 || pipe(stop) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(stop[1]);
      auto lock = Acquire(path);
      char byte = lock.ok() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) != 1) _exit(1);
      if (read(stop[0], &byte, 1) < 0) _exit(1);
      lock = absl::CancelledError();
      _exit(0);
    }
    close(stop[0]);
    close(ready[1]);
    stop_ = stop[1];
    char byte = 'n';
    if (read(ready[0], &byte, 1) != 1) abort();
    EXPECT_EQ(byte, 'y');
    close(ready[0]);
  }
  ~HolderProcess() {
    LetGo();
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void LetGo() {
    if (stop_ >= 0) close(stop_);
    stop_ = -1;
  }
  void Kill() { kill(pid_, SIGKILL); }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
};

TEST(DirectoryLockTest, NamesTheProcessThatHoldsIt) {
  const TempDir dir;
  const auto lock = Acquire(dir.path());
  ASSERT_THAT(lock, IsOk());
  const auto second = Acquire(dir.path());
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr(absl::StrCat(getpid())),
                                     HasSubstr("reading only"))));
  EXPECT_EQ(Addresses(second.status()), "");
}

TEST(DirectoryLockTest, NamesTheAddressesAndForgetsThem) {
  const TempDir dir;
  const auto lock = Acquire(dir.path());
  ASSERT_THAT(lock, IsOk());
  ASSERT_THAT((*lock)->Announce(std::vector<std::string>{"unix:/a/b", "c:1"}),
              IsOk());
  EXPECT_EQ(Content(dir.path() + "/LOCK"),
            absl::StrCat(getpid(), "\nunix:/a/b\nc:1\n"));
  // A node is not waited for.
  const auto second = Acquire(dir.path(), absl::Hours(1));
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("unix:/a/b, c:1")));
  EXPECT_EQ(Addresses(second.status()), "unix:/a/b\nc:1");
  ASSERT_THAT((*lock)->Announce({}), IsOk());
  EXPECT_EQ(Addresses(Acquire(dir.path()).status()), "");
  EXPECT_EQ(Content(dir.path() + "/LOCK"), absl::StrCat(getpid(), "\n"));
}

TEST(DirectoryLockTest, TakesNothingFromALineThatIsNotWhole) {
  const TempDir dir;
  const auto lock = Acquire(dir.path());
  ASSERT_THAT(lock, IsOk());
  const auto holds = [&](const std::string& content) {
    std::ofstream(dir.path() + "/LOCK") << content;
    const auto second = Acquire(dir.path());
    EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("held by process")));
    return std::string(second.status().message().substr(
               second.status().message().find("process"), 15)) +
           "|" + Addresses(second.status());
  };
  EXPECT_EQ(holds(""), "process unknown|");
  EXPECT_EQ(holds("12"), "process unknown|");
  EXPECT_EQ(holds("12x\nunix:/a\n"), "process unknown|");
  EXPECT_EQ(holds("1234567\nunix:/a\nunix:/b"), "process 1234567|unix:/a");
  EXPECT_EQ(holds(std::string(10000, '7')), "process unknown|");
}

TEST(DirectoryLockTest, WaitsForAProcessThatLetsGoOrDies) {
  const TempDir dir;
  for (const bool dies : {false, true}) {
    HolderProcess holder(dir.path());
    EXPECT_THAT(Acquire(dir.path()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr(absl::StrCat(holder.pid()))));
    EXPECT_THAT(Acquire(dir.path(), absl::Milliseconds(30)),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("")));
    if (dies) {
      holder.Kill();
    } else {
      holder.LetGo();
    }
    EXPECT_THAT(Acquire(dir.path(), absl::Minutes(1)), IsOk());
  }
}

}  // namespace
}  // namespace corkscrew
