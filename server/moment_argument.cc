#include "server/moment_argument.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace corkscrew {
namespace {

constexpr int64_t kLongestSeconds = int64_t{100} * 365 * 86'400;

// Largest first.
constexpr std::array<std::pair<char, int64_t>, 6> kUnits = {
    {{'y', 365 * 86'400},
     {'w', 7 * 86'400},
     {'d', 86'400},
     {'h', 3'600},
     {'m', 60},
     {'s', 1}}};

bool IsDecimal(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

// Empty if the argument is good, for CLI11.
template <typename T>
std::string Complaint(const absl::StatusOr<T>& parsed) {
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

}  // namespace

absl::StatusOr<absl::Time> ParseTimeArgument(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error) &&
      time != absl::InfiniteFuture() && time != absl::InfinitePast()) {
    return time;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text),
                   "\" is not a time like 2026-01-31T12:00:00Z"));
}

absl::StatusOr<Moment> ParseMoment(absl::string_view text) {
  absl::string_view tag = text;
  if (absl::ConsumePrefix(&tag, "tag:")) {
    if (tag.empty()) {
      return absl::InvalidArgumentError("\"tag:\" has no name behind it");
    }
    return Moment::AtTag(std::string(tag));
  }
  Lamport lamport;
  if (IsDecimal(text) && absl::SimpleAtoi(text, &lamport)) {
    return Moment::At(lamport);
  }
  absl::StatusOr<absl::Time> time = ParseTimeArgument(text);
  if (time.ok()) return Moment::AtTime(*time);
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(text),
      "\" is no moment: want a Lamport time (17), a time with its zone "
      "(2026-01-31T12:00:00Z) or tag:NAME"));
}

absl::StatusOr<absl::Duration> ParseDurationArgument(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text),
                   "\" is not a duration of at most 100 years like 90s, 15m, "
                   "1h30m, 30d, 2w or 1y"));
  if (text.empty()) return bad;
  int64_t total = 0;
  auto unit = kUnits.begin();
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    int64_t count;
    if (digits == absl::string_view::npos ||
        !absl::SimpleAtoi(text.substr(0, digits), &count)) {
      return bad;
    }
    // Each unit once, none larger after a smaller one.
    while (unit != kUnits.end() && unit->first != text[digits]) ++unit;
    if (unit == kUnits.end() ||
        count > (kLongestSeconds - total) / unit->second) {
      return bad;
    }
    total += count * unit->second;
    ++unit;
    text.remove_prefix(digits + 1);
  }
  return absl::Seconds(total);
}

absl::StatusOr<absl::Time> ParseTimeOrDelay(absl::string_view text,
                                            absl::Time now) {
  const absl::StatusOr<absl::Time> time = ParseTimeArgument(text);
  if (time.ok()) return time;
  const absl::StatusOr<absl::Duration> delay = ParseDurationArgument(text);
  if (delay.ok() && *delay > absl::ZeroDuration()) return now + *delay;
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(text),
      "\" is neither a time like 2030-01-31T12:00:00Z nor a time from now like "
      "90s, 1h30m or 30d"));
}

std::string DurationText(absl::Duration duration) {
  const int64_t whole = absl::ToInt64Seconds(duration);
  if (absl::Seconds(whole) != duration) return absl::FormatDuration(duration);
  for (const auto& [unit, seconds] : kUnits) {
    if (whole % seconds == 0 && whole >= seconds) {
      return absl::StrCat(whole / seconds, std::string(1, unit));
    }
  }
  return "0s";
}

void AddMoment(CLI::App& verb, std::string& at, const char* what) {
  verb.add_option("--at", at, what)
      ->type_name("MOMENT")
      ->check(CLI::Validator(
          [](const std::string& text) { return Complaint(ParseMoment(text)); },
          ""));
}

std::optional<Moment> MomentOf(const std::string& at) {
  if (at.empty()) return std::nullopt;
  absl::StatusOr<Moment> moment = ParseMoment(at);
  if (!moment.ok()) return std::nullopt;  // Checked when it was given.
  return *std::move(moment);
}

CLI::Validator DurationCheck() {
  return CLI::Validator(
      [](const std::string& text) {
        return Complaint(ParseDurationArgument(text));
      },
      "");
}

CLI::Validator TimeCheck() {
  return CLI::Validator(
      [](const std::string& text) {
        return Complaint(ParseTimeArgument(text));
      },
      "");
}

}  // namespace corkscrew
