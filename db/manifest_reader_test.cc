#include "db/manifest_reader.h"

#include <cstddef>
#include <optional>
#include <string>

#include "db/log_reader.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(ManifestReaderTest, ATailIsTornOnlyIfNoWholeRecordFollowsIt) {
  std::string manifest;
  AppendLogRecord("first", &manifest);
  AppendLogRecord("second", &manifest);
  const size_t tail = manifest.size();
  EXPECT_EQ(TornTailOfManifest(manifest), std::nullopt);
  EXPECT_EQ(TornTailOfManifest(""), std::nullopt);

  AppendLogRecord("third", &manifest);
  for (size_t cut = tail + 1; cut < manifest.size(); ++cut) {
    EXPECT_EQ(TornTailOfManifest(manifest.substr(0, cut)), tail) << cut;
  }
  for (size_t at = 0; at < manifest.size(); ++at) {
    std::string damaged = manifest;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(TornTailOfManifest(damaged),
              at < tail ? std::nullopt : std::optional<size_t>(tail))
        << at;
  }
}

}  // namespace
}  // namespace corkscrew
