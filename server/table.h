#ifndef CORKSCREW_SERVER_TABLE_H_
#define CORKSCREW_SERVER_TABLE_H_

// Tables for people.

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

namespace corkscrew {

// Rows of cells in aligned columns, two spaces apart. The last column is cut so
// that a row fits the width; the others are as wide as their widest cell.
// Control characters in cells are shown as U+FFFD: a stored text can not drive
// the terminal. Single-threaded.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // `cells` [columns].
  void Add(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }
  void Print(std::ostream& out, size_t width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// 1536 -> "1.5 KiB".
std::string HumanBytes(double bytes);

// 1234567 -> "1,234,567".
std::string HumanCount(size_t count);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_TABLE_H_
