#include "base/mutex.h"

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

}  // namespace
}  // namespace corkscrew
