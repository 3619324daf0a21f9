#ifndef CORKSCREW_EMBED_TEAM_H_
#define CORKSCREW_EMBED_TEAM_H_

// Threads that share the parts of many short jobs, one job after another.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace corkscrew {

// Helps one thread for some milliseconds: between jobs the helpers spin, as
// waking them would take longer than a job of a layer. Used by the thread that
// made it.
class Team {
 public:
  // Starts `threads` - 1 helpers, or as many as the system gives.
  explicit Team(size_t threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  size_t threads() const { return helpers_.size() + 1; }

  // Calls `work` with each of 0..parts - 1, once, on any of the threads, and
  // returns when all calls have.
  void Run(size_t parts, absl::FunctionRef<void(size_t)> work);

 private:
  void Help();
  // Does one part of the present job. False if all are taken.
  bool TakePart();

  // The job: its number, how many parts it has, and how many are taken, in one
  // word, so that a part can only be taken of the job that is there.
  std::atomic<uint64_t> job_ = 0;
  std::atomic<size_t> done_ = 0;  // Parts of the job.
  std::atomic<bool> over_ = false;
  // Of the job; does not change while one of its parts is not done.
  const absl::FunctionRef<void(size_t)>* work_ = nullptr;
  std::vector<std::thread> helpers_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TEAM_H_
