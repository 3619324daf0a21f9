#ifndef CORKSCREW_DB_CLOSED_DATABASE_H_
#define CORKSCREW_DB_CLOSED_DATABASE_H_

// A database directory that nobody has open, held so that nobody opens it, and
// without changing anything in it.

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/check.h"

namespace corkscrew {

class ClosedDatabase {
 public:
  //   InvalidArgument     the path is empty
  //   NotFound            no database there
  //   FailedPrecondition  a process has it open (names its pid)
  static absl::StatusOr<ClosedDatabase> Hold(absl::string_view path);
  ~ClosedDatabase();
  ClosedDatabase(ClosedDatabase&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  ClosedDatabase& operator=(ClosedDatabase&&) = delete;

  const std::string& path() const { return path_; }

 private:
  ClosedDatabase(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;  // Of the lock file; -1: there is none.
};

// CheckDatabase() of one that is held.
absl::Status CheckClosed(const std::string& path, const CheckOptions& options,
                         CheckReport* report);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_CLOSED_DATABASE_H_
