#include "server/table.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <iterator>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

constexpr size_t kGap = 2;             // Spaces between columns.
constexpr size_t kWidestCell = 100;    // Of a column other than the last.
constexpr size_t kNarrowestLast = 24;  // The last column gets at least this.

}  // namespace

void Table::Add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  for (size_t i = 0; i + 1 < cells.size(); ++i) {
    cells[i] = Snippet(cells[i], kWidestCell);
  }
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out, size_t width) const {
  std::vector<size_t> widths;
  size_t before_last = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t widest = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) {
      widest = std::max(widest, DisplayWidth(row[i]));
    }
    widths.push_back(widest);
    if (i + 1 < columns_.size()) before_last += widest + kGap;
  }
  widths.back() = std::min(
      widths.back(),
      std::max(kNarrowestLast, width > before_last ? width - before_last : 0));

  const auto print_row = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = Snippet(cells[i], widths[i]);
      const std::string padding(
          widths[i] - std::min(widths[i], DisplayWidth(cell)), ' ');
      if (i > 0) line.append(kGap, ' ');
      line +=
          columns_[i].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  print_row(titles);
  for (const auto& row : rows_) print_row(row);
}

std::string HumanBytes(double bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrFormat("%.0f B", bytes);
  size_t unit = 0;
  bytes /= 1024;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", bytes, kUnits[unit]);
}

std::string HumanCount(size_t count) {
  std::string digits = absl::StrCat(count);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

}  // namespace corkscrew
