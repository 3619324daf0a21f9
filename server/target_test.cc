#include "server/target.h"

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(TargetTest, HostAndPortAreANodeEverythingElseADirectory) {
  for (const char* const node : {"127.0.0.1:7700", "localhost:0", "[::1]:7700",
                                 "host:65535", "unix:/run/notes", "unix:a"}) {
    EXPECT_TRUE(IsNodeAddress(node)) << node;
  }
  for (const char* const directory :
       {"notes.db", "/var/lib/notes", "./host:1", "host:", ":7700", "a:b",
        "a:1/b", "c:123456", ""}) {
    EXPECT_FALSE(IsNodeAddress(directory)) << directory;
  }
}

}  // namespace
}  // namespace corkscrew
