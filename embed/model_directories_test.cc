#include "embed/model_directories.h"

#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

// An embedder that only knows which file it came from.
class FakeEmbedder : public Embedder {
 public:
  explicit FakeEmbedder(absl::string_view path) : space_(path) {}
  size_t dim() const override { return 1; }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return 2; }
  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view>,
                                   TextKind) const override {
    return Embeddings();
  }

 private:
  std::string space_;
};

std::shared_ptr<const Embedder> Fake(absl::string_view path) {
  return std::make_shared<FakeEmbedder>(path);
}

void Touch(const std::string& path) { std::ofstream(path) << "x"; }

TEST(ModelDirectoriesTest, TakesTheFirstDirectoryThatHasTheFile) {
  const TempDir first;
  const TempDir second;
  Touch(first.path() + "/both.gguf");
  Touch(second.path() + "/both.gguf");
  Touch(second.path() + "/only-second.gguf");
  const auto registry = ModelDirectoriesWithLoader(
      {"", first.path() + "/missing", first.path(), second.path()}, Fake);
  EXPECT_EQ((*registry->Find("both"))->space(), first.path() + "/both.gguf");
  Touch(second.path() + "/sealed.mll");
  EXPECT_EQ((*registry->Find("sealed"))->space(),
            second.path() + "/sealed.mll");
  EXPECT_EQ((*registry->Find("only-second"))->space(),
            second.path() + "/only-second.gguf");
}

TEST(ModelDirectoriesTest, AMissingModelSaysWhereItWasLookedFor) {
  const TempDir dir;
  const auto registry =
      ModelDirectoriesWithLoader({dir.path(), "/nowhere"}, Fake);
  EXPECT_THAT(
      registry->Find("absent"),
      StatusIs(kNotFound,
               AllOf(HasSubstr("model \"absent\": no file absent.gguf or .mll"),
                     HasSubstr(dir.path() + ", /nowhere"))));
  EXPECT_THAT(ModelDirectoriesWithLoader({}, Fake)->Find("absent"),
              StatusIs(kNotFound, HasSubstr("none is configured")));
}

TEST(ModelDirectoriesTest, ANameIsNeverAPath) {
  const TempDir dir;
  ASSERT_EQ(mkdir((dir.path() + "/sub").c_str(), 0700), 0);
  Touch(dir.path() + "/secret.gguf");
  Touch(dir.path() + "/.hidden.gguf");
  const auto registry = ModelDirectoriesWithLoader({dir.path() + "/sub"}, Fake);
  for (const std::string& name :
       {std::string("../secret"), std::string("/etc/passwd"),
        std::string("a/b"), std::string("."), std::string(".."),
        std::string(".hidden"), std::string("a\0b", 3), std::string("a\nb"),
        std::string(), std::string(201, 'a')}) {
    EXPECT_THAT(registry->Find(name), StatusIs(kInvalid, HasSubstr("name")))
        << name;
  }
  EXPECT_THAT(registry->Find(std::string(200, 'a')),
              StatusIs(kNotFound, HasSubstr("no file")));
}

TEST(ModelDirectoriesTest, LoadsOnceAndKeepsTheEmbedder) {
  const TempDir dir;
  Touch(dir.path() + "/a.gguf");
  std::vector<std::string> loaded;
  const auto registry =
      ModelDirectoriesWithLoader({dir.path()}, [&](absl::string_view path) {
        loaded.emplace_back(path);
        return Fake(path);
      });
  const auto first = registry->Find("a");
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(std::remove((dir.path() + "/a.gguf").c_str()), 0);
  EXPECT_EQ(*registry->Find("a"), *first);
  EXPECT_THAT(loaded, ElementsAre(dir.path() + "/a.gguf"));
}

TEST(ModelDirectoriesTest, AnErrorIsReturnedAndTriedAgain) {
  const TempDir dir;
  Touch(dir.path() + "/a.gguf");
  int calls = 0;
  const auto registry = ModelDirectoriesWithLoader(
      {dir.path()},
      [&](absl::string_view path)
          -> absl::StatusOr<std::shared_ptr<const Embedder>> {
        if (++calls == 1) return absl::InvalidArgumentError("cut short");
        return Fake(path);
      });
  EXPECT_THAT(registry->Find("a"), StatusIs(kInvalid, HasSubstr("cut short")));
  EXPECT_THAT(registry->Find("a"), IsOk());
  EXPECT_THAT(registry->Find("late"), StatusIs(kNotFound, HasSubstr("late")));
  Touch(dir.path() + "/late.gguf");
  EXPECT_THAT(registry->Find("late"), IsOk());
}

TEST(ModelDirectoriesTest, FindsTheModelThatShips) {
  const auto registry = ModelDirectories(
      {"/nowhere", absl::StrCat(CORKSCREW_SOURCE_DIR, "/models")});
  const auto embedder = registry->Find("corkscrew-default-1");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 384u);
  EXPECT_EQ((*embedder)->max_tokens(), 512u);
  const auto shorter = ModelDirectories(
      {absl::StrCat(CORKSCREW_SOURCE_DIR, "/models")}, {.max_tokens = 256});
  ASSERT_THAT(shorter->Find("corkscrew-default-1"), IsOk());
  EXPECT_EQ((*shorter->Find("corkscrew-default-1"))->max_tokens(), 256u);
}

// A door that is closed until somebody opens it.
class Door {
 public:
  void Open() {
    const MutexLock lock(&mutex_);
    open_ = true;
    opened_.NotifyAll();
  }
  void Pass() {
    const MutexLock lock(&mutex_);
    while (!open_) opened_.Wait(&mutex_);
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

// The load of "slow" ends only after "fast" was found and all threads ask for
// "slow": it hangs if one name waits for another.
TEST(ModelDirectoriesTest, ThreadsShareOneLoadAndOtherNamesDoNotWait) {
  const TempDir dir;
  Touch(dir.path() + "/slow.gguf");
  Touch(dir.path() + "/fast.gguf");
  Door loading;
  Door may_load;
  std::atomic<int> slow_loads = 0;
  const auto registry =
      ModelDirectoriesWithLoader({dir.path()}, [&](absl::string_view path) {
        if (absl::EndsWith(path, "slow.gguf")) {
          ++slow_loads;
          loading.Open();
          may_load.Pass();
        }
        return Fake(path);
      });
  constexpr size_t kThreads = 8;
  std::vector<std::shared_ptr<const Embedder>> found(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { found[i] = *registry->Find("slow"); });
  }
  loading.Pass();
  EXPECT_THAT(registry->Find("fast"), IsOk());
  may_load.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(slow_loads, 1);
  for (const auto& embedder : found) EXPECT_EQ(embedder, found[0]);
}

}  // namespace
}  // namespace corkscrew
