#include "base/mutex.h"

#include <chrono>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

struct Box {
  Mutex mutex;
  CondVar changed;
  int value ABSL_GUARDED_BY(mutex) = 0;
};

TEST(CondVarTest, WaitSeesTheChange) {
  Box box;
  std::jthread writer([&box] {
    MutexLock lock(&box.mutex);
    box.value = 42;
    box.changed.NotifyAll();
  });
  MutexLock lock(&box.mutex);
  while (box.value == 0) box.changed.Wait(&box.mutex);
  EXPECT_EQ(box.value, 42);
}

TEST(CondVarTest, WaitUntilEndsAtTheDeadlineOrWithTheChange) {
  Box box;
  {
    MutexLock lock(&box.mutex);
    while (
        box.changed.WaitUntil(&box.mutex, std::chrono::system_clock::now())) {
    }
    EXPECT_EQ(box.value, 0);
  }
  std::jthread writer([&box] {
    MutexLock lock(&box.mutex);
    box.value = 42;
    box.changed.NotifyAll();
  });
  const auto far = std::chrono::system_clock::now() + std::chrono::hours(1);
  MutexLock lock(&box.mutex);
  while (box.value == 0) {
    ASSERT_TRUE(box.changed.WaitUntil(&box.mutex, far));
  }
}

}  // namespace
}  // namespace corkscrew
