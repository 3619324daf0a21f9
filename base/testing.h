#ifndef CORKSCREW_BASE_TESTING_H_
#define CORKSCREW_BASE_TESTING_H_

// For tests only: matchers for Status, reproducible random data, temporary
// directories, and a loop
// over the SIMD targets.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew::testing {

inline const absl::Status& GetStatus(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

// EXPECT_THAT(db.Put(id, vector), IsOk());
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).ok();
}

// EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("x")));
MATCHER_P2(StatusIs, code, message, "is a Status with that code and message") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << status;
  return status.code() == code &&
         ::testing::ExplainMatchResult(message, std::string(status.message()),
                                       result_listener);
}

// Returns `n` independent draws of N(0, 1). The same `seed` gives the same
// sequence on every platform (to the last bits, see base/random.h), which
// std::normal_distribution does not promise.
std::vector<float> RandomNormal(size_t n, uint64_t seed);

// A new empty directory, removed with its content at the end of the scope.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Runs `test` once for each SIMD target that was compiled and that this CPU
// can run. Failures name the target.
void ForEachSimdTarget(const std::function<void()>& test);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_BASE_TESTING_H_
