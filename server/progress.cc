#include "server/progress.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/console.h"
#include "server/table.h"

namespace corkscrew {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kPlainLine = absl::Seconds(5);
constexpr size_t kBarColumns = 24;
constexpr absl::string_view kClearLine = "\r\x1b[K";

std::string Rate(uint64_t done, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  return rate >= 100 ? HumanCount(static_cast<size_t>(rate))
                     : absl::StrFormat("%.1f", rate);
}

}  // namespace

Progress::Progress(const Console& console, absl::string_view what,
                   absl::string_view unit, std::optional<uint64_t> total_bytes,
                   std::function<absl::Time()> now)
    : console_(console),
      what_(what),
      unit_(unit),
      total_bytes_(total_bytes),
      now_(std::move(now)),
      start_(now_()),
      next_(start_ +
            (console.err_is_terminal ? absl::ZeroDuration() : kPlainLine)) {}

void Progress::Update(uint64_t done, uint64_t bytes) {
  const absl::Time now = now_();
  if (now < next_) return;
  if (console_.err_is_terminal) {
    next_ = now + kRedraw;
    console_.err << kClearLine << Line(done, bytes) << std::flush;
    drawn_ = true;
  } else {
    next_ = now + kPlainLine;
    console_.err << Line(done, bytes) << std::endl;
  }
}

void Progress::Interrupt() {
  if (drawn_) console_.err << kClearLine;
  drawn_ = false;
}

void Progress::Finish(uint64_t done) {
  Interrupt();
  console_.err << what_ << ": " << HumanCount(done) << " " << unit_ << " in "
               << absl::StrFormat("%.1f s", absl::ToDoubleSeconds(elapsed()))
               << ", " << Rate(done, elapsed()) << " " << unit_ << "/s"
               << std::endl;
}

std::string Progress::Line(uint64_t done, uint64_t bytes) const {
  std::string line = absl::StrCat(what_, ": ");
  const double part =
      total_bytes_.value_or(0) == 0
          ? 0
          : std::min(1.0, static_cast<double>(bytes) /
                              static_cast<double>(*total_bytes_));
  if (total_bytes_.has_value()) {
    if (console_.err_is_terminal) {
      const auto full =
          static_cast<size_t>(part * static_cast<double>(kBarColumns));
      absl::StrAppend(&line, "[", std::string(full, '#'),
                      std::string(kBarColumns - full, '.'), "] ");
    }
    absl::StrAppendFormat(&line, "%3.0f%%  ", 100 * part);
  }
  absl::StrAppend(&line, HumanCount(done), " ", unit_, "  ",
                  Rate(done, elapsed()), " ", unit_, "/s");
  if (total_bytes_.has_value() && part > 0) {
    absl::StrAppend(&line, "  ", HumanDuration(elapsed() * ((1 - part) / part)),
                    " left");
  }
  return line;
}

std::string HumanDuration(absl::Duration duration) {
  const int64_t seconds =
      absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) {
    return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  }
  return absl::StrCat(seconds / 3600, " h ", seconds / 60 % 60, " min");
}

}  // namespace corkscrew
