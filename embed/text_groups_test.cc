#include "embed/text_groups.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "corkscrew/embedder.h"
#include "embed/compute.h"
#include "embed/team.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// Texts of so many tokens, all of which are the text's number.
class Texts {
 public:
  explicit Texts(const std::vector<size_t>& sizes) {
    for (const size_t size : sizes) {
      tokens_.emplace_back(size, static_cast<int32_t>(tokens_.size()));
    }
    for (const std::vector<int32_t>& text : tokens_) spans_.emplace_back(text);
  }
  absl::Span<const TextTokens> spans() const { return spans_; }

 private:
  std::vector<std::vector<int32_t>> tokens_;
  std::vector<TextTokens> spans_;
};

struct Call {
  std::vector<int32_t> texts;
  Arithmetic arithmetic;
  size_t team;  // Threads; 0: none.
};

// Encodes each text as its number and its length.
struct Recorder {
  Mutex mutex;
  std::vector<Call> calls ABSL_GUARDED_BY(mutex);

  void Encode(absl::Span<const TextTokens> texts, float* out,
              const Compute& compute) {
    Call call{{},
              compute.arithmetic,
              compute.team == nullptr ? 0 : compute.team->threads()};
    for (const TextTokens text : texts) {
      call.texts.push_back(text[0]);
      *out++ = static_cast<float>(text[0]);
      *out++ = static_cast<float>(text.size());
    }
    const MutexLock lock(&mutex);
    calls.push_back(call);
  }
};

std::vector<float> EncodeAll(const EmbedderOptions& options, const Texts& texts,
                             Recorder* recorder) {
  std::vector<float> out(texts.spans().size() * 2, -1.0f);
  TextGroups(options).Encode(
      texts.spans(), 2,
      [&](absl::Span<const TextTokens> group, float* to,
          const Compute& compute) { recorder->Encode(group, to, compute); },
      out.data());
  return out;
}

TEST(TextGroupsTest, EveryVectorComesToItsPlaceWhateverTheThreads) {
  std::vector<size_t> sizes;
  for (size_t i = 0; i < 200; ++i) sizes.push_back(i * 37 % 61);
  const Texts texts(sizes);
  for (const size_t threads : {1, 2, 3, 8}) {
    Recorder recorder;
    const std::vector<float> out =
        EncodeAll({.threads = threads}, texts, &recorder);
    for (size_t i = 0; i < sizes.size(); ++i) {
      const bool empty = sizes[i] == 0;  // Left as it was.
      EXPECT_EQ(out[2 * i], empty ? -1.0f : static_cast<float>(i));
      EXPECT_EQ(out[2 * i + 1], empty ? -1.0f : static_cast<float>(sizes[i]));
    }
  }
}

TEST(TextGroupsTest, TheArithmeticOfATextDependsOnItAlone) {
  const Texts texts({4, 5, 1, 30, 60});
  Recorder fast;
  EncodeAll({.threads = 1}, texts, &fast);
  Recorder exact;
  EncodeAll({.threads = 1, .exact = true}, texts, &exact);
  const MutexLock lock(&fast.mutex);
  ASSERT_EQ(fast.calls.size(), 2u);
  EXPECT_THAT(fast.calls[0].texts, ElementsAre(1, 3, 4));
  EXPECT_EQ(fast.calls[0].arithmetic, Arithmetic::kFast);
  EXPECT_THAT(fast.calls[1].texts, ElementsAre(0, 2));
  EXPECT_EQ(fast.calls[1].arithmetic, Arithmetic::kFine);
  const MutexLock other(&exact.mutex);
  ASSERT_EQ(exact.calls.size(), 1u);
  EXPECT_EQ(exact.calls[0].arithmetic, Arithmetic::kExact);
}

TEST(TextGroupsTest, OnlyALongGroupThatIsAloneHasATeam) {
  const auto teams = [](size_t threads, const std::vector<size_t>& sizes) {
    Recorder recorder;
    EncodeAll({.threads = threads}, Texts(sizes), &recorder);
    const MutexLock lock(&recorder.mutex);
    std::vector<size_t> all;
    for (const Call& call : recorder.calls) all.push_back(call.team);
    return all;
  };
  EXPECT_THAT(teams(3, {60}), ElementsAre(3));
  EXPECT_THAT(teams(1, {60}), ElementsAre(0));
  EXPECT_THAT(teams(3, {20}), ElementsAre(0));
  EXPECT_THAT(teams(3, {100, 100}), Each(0));
}

TEST(TextGroupsTest, NoMoreThreadsRunThanTheOptionsSay) {
  const Texts texts(std::vector<size_t>(40, 100));
  const TextGroups groups({.threads = 3});
  std::atomic<size_t> running = 0;
  std::atomic<size_t> most = 0;
  std::vector<float> out(40);
  groups.Encode(
      texts.spans(), 1,
      [&](absl::Span<const TextTokens> group, float* to, const Compute&) {
        const size_t now = ++running;
        size_t seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        std::fill_n(to, group.size(), 1.0f);
        --running;
      },
      out.data());
  EXPECT_LE(most, 3u);
  EXPECT_THAT(out, Each(1.0f));
}

}  // namespace
}  // namespace corkscrew
