#include "server/version_text.h"

#include <string>

#include "base/testing.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(VersionTextTest, AVersionIsReadAsItWasWritten) {
  Version version{258, {}, 0x0123456789abcdef, 7};
  for (size_t i = 0; i < 16; ++i) {
    version.replica.bytes[i] = static_cast<uint8_t>(0x10 + i);
  }
  const std::string text =
      "258.7.101112131415161718191a1b1c1d1e1f.0123456789abcdef";
  EXPECT_EQ(VersionText(version), text);
  EXPECT_EQ(ParseVersion(text).value(), version);
  EXPECT_EQ(ParseVersion("none").value(), Version{});
}

TEST(VersionTextTest, AnythingElseIsRefused) {
  const std::string good =
      "258.7.101112131415161718191a1b1c1d1e1f.0123456789abcdef";
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseVersion(good.substr(0, size)).ok()) << size;
  }
  for (const char* bad :
       {"+1.7.101112131415161718191a1b1c1d1e1f.0123456789abcdef",
        "1. 7.101112131415161718191a1b1c1d1e1f.0123456789abcdef",
        "99999999999999999999.7.101112131415161718191a1b1c1d1e1f."
        "0123456789abcdef",
        "1.7.g01112131415161718191a1b1c1d1e1f.0123456789abcdef",
        "1.7.101112131415161718191a1b1c1d1e1f.0x23456789abcdef",
        "1.7.101112131415161718191a1b1c1d1e1f.0123456789abcdef."}) {
    EXPECT_FALSE(ParseVersion(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace corkscrew
