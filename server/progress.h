#ifndef CORKSCREW_SERVER_PROGRESS_H_
#define CORKSCREW_SERVER_PROGRESS_H_

// Progress of long work: a bar that is redrawn in place on a terminal, a plain
// line now and then elsewhere.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/console.h"

namespace corkscrew {

// Single-threaded. Borrows the console.
class Progress {
 public:
  // `what` names the work ("import"), `unit` what is counted ("records").
  // `total_bytes` is the size of the input, nullopt if unknown (a pipe).
  Progress(const Console& console, absl::string_view what,
           absl::string_view unit, std::optional<uint64_t> total_bytes,
           std::function<absl::Time()> now);

  // Says that `done` units and `bytes` of the input are finished. Prints at
  // most 10 times a second on a terminal, every 5 seconds elsewhere.
  void Update(uint64_t done, uint64_t bytes);

  // Clears a bar so that a line can be printed on the error stream.
  void Interrupt();

  // Prints the final line. Call once.
  void Finish(uint64_t done);

  absl::Duration elapsed() const { return now_() - start_; }

 private:
  std::string Line(uint64_t done, uint64_t bytes) const;

  const Console& console_;
  const std::string what_;
  const std::string unit_;
  const std::optional<uint64_t> total_bytes_;
  const std::function<absl::Time()> now_;
  const absl::Time start_;
  absl::Time next_;  // Nothing is printed before.
  bool drawn_ = false;
};

// 75 s -> "1 min 15 s"; 3 s -> "3 s".
std::string HumanDuration(absl::Duration duration);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_PROGRESS_H_
