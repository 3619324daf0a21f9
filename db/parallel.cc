#include "db/parallel.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace corkscrew {

bool RunUnits(size_t units, size_t threads,
              absl::FunctionRef<bool(size_t worker, size_t unit)> work) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto run = [&](size_t worker) {
    while (!stopped.load(std::memory_order_relaxed)) {
      const size_t unit = next.fetch_add(1, std::memory_order_relaxed);
      if (unit >= units) return;
      if (!work(worker, unit)) stopped.store(true, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> others;
  const size_t workers = std::min(units, threads);
  if (workers > 1) others.reserve(workers - 1);
  for (size_t worker = 1; worker < workers; ++worker) {
    try {
      others.emplace_back(run, worker);
    } catch (const std::system_error&) {
      break;  // The system has no thread to give: the others do its share.
    }
  }
  run(0);
  for (std::thread& other : others) other.join();
  return !stopped.load(std::memory_order_relaxed);
}

}  // namespace corkscrew
