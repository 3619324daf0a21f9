#ifndef CORKSCREW_SERVER_MOMENT_ARGUMENT_H_
#define CORKSCREW_SERVER_MOMENT_ARGUMENT_H_

// Moments, times and durations as the command line takes them.

#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/record.h"

namespace corkscrew {

// A Lamport time (decimal), an RFC 3339 time with its zone
// ("2026-01-31T12:00:00Z"), or "tag:NAME".
//   InvalidArgument  none of these
absl::StatusOr<Moment> ParseMoment(absl::string_view text);

//   InvalidArgument  not an RFC 3339 time with its zone
absl::StatusOr<absl::Time> ParseTimeArgument(absl::string_view text);

// Whole numbers with units, the largest unit first: y (365 days), w, d (24
// hours), h, m and s; "30d", "1h30m".
//   InvalidArgument  something else, or more than 100 years
absl::StatusOr<absl::Duration> ParseDurationArgument(absl::string_view text);

// A time as ParseTimeArgument() takes it, or a duration from `now` on.
//   InvalidArgument  none of these, or a duration of 0
absl::StatusOr<absl::Time> ParseTimeOrDelay(absl::string_view text,
                                            absl::Time now);

// "30d", in the largest unit that fits.
std::string DurationText(absl::Duration duration);

// Adds --at, `what` being its description. MomentOf() reads what was given.
void AddMoment(CLI::App& verb, std::string& at, const char* what);
std::optional<Moment> MomentOf(const std::string& at);

// Checks an argument by one of the parsers above.
CLI::Validator DurationCheck();
CLI::Validator TimeCheck();

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_MOMENT_ARGUMENT_H_
