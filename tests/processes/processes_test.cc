// Many short-lived processes on one directory: nothing fails, nothing is lost.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/open_or_connect.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kDim = 8;

// A running child; its output goes to a file.
class Child {
 public:
  Child(std::vector<std::string> arguments, std::string output)
      : output_(std::move(output)) {
    int input[2];
    if (pipe2(input, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(input[0], STDIN_FILENO);
      const int out = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out, STDOUT_FILENO);
      std::string binary = CORKSCREW_CHILD;
      std::vector<char*> argv = {binary.data()};
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(binary.c_str(), argv.data());
      _exit(127);
    }
    close(input[0]);
    input_ = input[1];
  }
  Child(Child&& other) noexcept
      : output_(other.output_), pid_(other.pid_), input_(other.input_) {
    other.pid_ = -1;
    other.input_ = -1;
  }
  ~Child() {
    Kill();
    Wait();
  }

  // Waits for its end. Returns its exit code, -1 if it was killed.
  int Wait() {
    if (input_ >= 0) close(input_);
    input_ = -1;
    if (pid_ < 0) return -1;
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void Kill() {
    if (pid_ > 0) kill(pid_, SIGKILL);
  }
  pid_t pid() const { return pid_; }
  std::string Output() const {
    std::ifstream file(output_);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }
  void AwaitOutput() const {
    while (Output().find('\n') == std::string::npos) usleep(1000);
  }

 private:
  std::string output_;
  pid_t pid_ = -1;
  int input_ = -1;
};

class ProcessesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto db = Db::Open(data_);
    ASSERT_THAT(db, IsOk());
    ASSERT_THAT((*db)->CreateCollection("notes", {.dim = kDim}), IsOk());
    ASSERT_THAT((*db)->Close(), IsOk());
  }

  Child Start(std::vector<std::string> arguments) {
    return Child(std::move(arguments),
                 absl::StrCat(dir_.path(), "/out", ++children_));
  }

  size_t Count() {
    auto db = Db::Open(data_, {.create_if_missing = false});
    EXPECT_THAT(db, IsOk());
    if (!db.ok()) return 0;
    auto notes = (*db)->OpenCollection("notes");
    EXPECT_THAT(notes, IsOk());
    const auto count = (*notes)->Count();
    EXPECT_THAT(count, IsOk());
    return count.ok() ? *count : 0;
  }

  // Runs `writers` processes that put `each` records, and `readers`.
  void Crowd(int writers, int readers, int each) {
    const std::string done = dir_.path() + "/done";
    const int total = writers * each;
    std::vector<Child> reading;
    for (int i = 0; i < readers; ++i) {
      reading.push_back(Start({"read", data_, absl::StrCat(total), done}));
    }
    std::vector<Child> writing;
    for (int i = 0; i < writers; ++i) {
      writing.push_back(
          Start({"write", data_, absl::StrCat("w", i), absl::StrCat(each)}));
    }
    for (Child& child : writing) EXPECT_EQ(child.Wait(), 0);
    std::ofstream(done) << "done";
    for (Child& child : reading) {
      EXPECT_EQ(child.Wait(), 0);
      EXPECT_EQ(child.Output(), absl::StrCat(total, "\n"));
    }
  }

  TempDir dir_;
  const std::string data_ = dir_.path() + "/data";
  int children_ = 0;
};

TEST_F(ProcessesTest, ManyWritersAndReadersShareADirectory) {
  Crowd(/*writers=*/32, /*readers=*/8, /*each=*/5);
  EXPECT_EQ(Count(), 160u);
}

TEST_F(ProcessesTest, ManyWritersAndReadersShareADirectoryThatANodeHolds) {
  Child node = Start({"serve", data_});
  node.AwaitOutput();
  Crowd(32, 8, 5);
  EXPECT_EQ(node.Wait(), 0);
  EXPECT_EQ(Count(), 160u);
}

TEST_F(ProcessesTest, NodesComeAndGoWhileOthersWrite) {
  std::vector<Child> writing;
  for (int i = 0; i < 6; ++i) {
    writing.push_back(Start({"write", data_, absl::StrCat("w", i), "40"}));
  }
  for (int i = 0; i < 8; ++i) {
    Child node = Start({"serve", data_});
    node.AwaitOutput();
    usleep(10'000);
    EXPECT_EQ(node.Wait(), 0);
  }
  for (Child& child : writing) EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(Count(), 240u);
}

TEST_F(ProcessesTest, WritersThatAreKilledLoseNothingAcknowledged) {
  std::vector<std::string> acknowledged;
  for (int i = 0; i < 10; ++i) {
    std::vector<Child> writing;
    for (int w = 0; w < 3; ++w) {
      writing.push_back(
          Start({"hold", data_, absl::StrCat("k", i, "-", w), "100"}));
    }
    writing[0].AwaitOutput();
    for (Child& child : writing) child.Kill();
    for (Child& child : writing) {
      child.Wait();
      for (const auto line :
           absl::StrSplit(child.Output(), '\n', absl::SkipEmpty())) {
        acknowledged.emplace_back(line);
      }
    }
  }
  EXPECT_GE(acknowledged.size(), 10u);
  auto db = Db::Open(data_);
  ASSERT_THAT(db, IsOk());
  auto notes = (*db)->OpenCollection("notes");
  ASSERT_THAT(notes, IsOk());
  for (const std::string& id : acknowledged) {
    const absl::string_view ids[] = {id};
    const auto found = (*notes)->Get(ids);
    ASSERT_THAT(found, IsOk());
    EXPECT_TRUE((*found)[0].has_value()) << id;
  }
}

TEST_F(ProcessesTest, AnEmbeddedHolderThatStaysIsNamed) {
  const auto holder = Db::Open(data_);
  ASSERT_THAT(holder, IsOk());
  EXPECT_THAT(
      OpenOrConnect(data_, {.lock_timeout = absl::Milliseconds(50)}),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(absl::StrCat("process ", getpid())),
                     HasSubstr("reading only"), HasSubstr("corkscrewd"))));
  EXPECT_THAT(OpenOrConnect(data_, {.read_only = true}), IsOk());
}

TEST_F(ProcessesTest, ASecondWriterIsToldTheSocketOfTheNode) {
  Child node = Start({"serve", data_});
  node.AwaitOutput();
  EXPECT_THAT(Db::Open(data_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat("process ", node.pid())),
                             HasSubstr("unix:" + data_ + "/socket"))));
  auto db = OpenOrConnect(data_);
  ASSERT_THAT(db, IsOk());
  EXPECT_THAT((*db)->OpenCollection("notes"), IsOk());
  // The node is killed: its socket stays, and the next one opens.
  node.Kill();
  node.Wait();
  db = OpenOrConnect(data_);
  ASSERT_THAT(db, IsOk());
  EXPECT_THAT((*db)->OpenCollection("notes"), IsOk());
}

}  // namespace
}  // namespace corkscrew
