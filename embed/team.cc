#include "embed/team.h"

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>

#include "absl/functional/function_ref.h"
#include "hwy/cache_control.h"

namespace corkscrew {
namespace {

constexpr int kPartBits = 20;
constexpr uint64_t kPartMask = (uint64_t{1} << kPartBits) - 1;
// Then others may have the core: there can be more threads than cores.
constexpr int kSpins = 4000;

uint64_t TakenOf(uint64_t job) { return job & kPartMask; }
uint64_t PartsOf(uint64_t job) { return (job >> kPartBits) & kPartMask; }
uint64_t NumberOf(uint64_t job) { return job >> (2 * kPartBits); }

class Spinner {
 public:
  void Wait() {
    if (++spins_ < kSpins) {
      hwy::Pause();
    } else {
      std::this_thread::yield();
    }
  }

 private:
  int spins_ = 0;
};

}  // namespace

Team::Team(size_t threads) {
  for (size_t i = 1; i < threads; ++i) {
    try {
      helpers_.emplace_back([this] { Help(); });
    } catch (const std::system_error&) {  // No more threads: do with these.
      break;
    }
  }
}

Team::~Team() {
  over_.store(true, std::memory_order_release);
  for (std::thread& helper : helpers_) helper.join();
}

void Team::Run(size_t parts, absl::FunctionRef<void(size_t)> work) {
  assert(parts <= kPartMask);
  work_ = &work;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t number = NumberOf(job_.load(std::memory_order_relaxed)) + 1;
  job_.store(number << (2 * kPartBits) | uint64_t{parts} << kPartBits,
             std::memory_order_release);
  while (TakePart()) {
  }
  Spinner spinner;
  while (done_.load(std::memory_order_acquire) < parts) spinner.Wait();
}

bool Team::TakePart() {
  uint64_t job = job_.load(std::memory_order_acquire);
  do {
    if (TakenOf(job) == PartsOf(job)) return false;
  } while (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire));
  (*work_)(static_cast<size_t>(TakenOf(job)));
  done_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void Team::Help() {
  Spinner spinner;
  while (!over_.load(std::memory_order_acquire)) {
    if (TakePart()) {
      spinner = Spinner();
    } else {
      spinner.Wait();
    }
  }
}

}  // namespace corkscrew
