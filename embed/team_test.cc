#include "embed/team.h"

#include <atomic>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(TeamTest, EveryPartOfEveryJobIsDoneOnceBeforeRunReturns) {
  for (const size_t threads : {1, 2, 3, 8}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (size_t job = 0; job < 500; ++job) {
      const size_t parts = job % 11;
      std::vector<int> done(parts);  // Not atomic: each part has its own.
      std::atomic<size_t> calls = 0;
      team.Run(parts, [&](size_t part) {
        ASSERT_LT(part, parts);
        ++done[part];
        ++calls;
      });
      EXPECT_EQ(calls, parts);
      for (size_t part = 0; part < parts; ++part) {
        ASSERT_EQ(done[part], 1) << "part " << part << " of job " << job;
      }
    }
  }
}

TEST(TeamTest, ATeamWithoutJobsEnds) {
  const Team team(3);
  EXPECT_EQ(team.threads(), 3u);
}

}  // namespace
}  // namespace corkscrew
