#include "rpc/address.h"

#include "base/testing.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST(LoopbackAddressTest, LoopbackAddressesAreTaken) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1:0", "127.0.0.1:0"},
      {"127.255.255.254:65535", "127.255.255.254:65535"},
      {"localhost:7601", "127.0.0.1:7601"},
      {"[::1]:80", "[::1]:80"},
  };
  for (const auto& [text, want] : cases) {
    const auto address = ParseLoopbackAddress(text);
    ASSERT_THAT(address, IsOk()) << text;
    EXPECT_EQ(address->ToString(), want);
  }
}

TEST(LoopbackAddressTest, OtherAddressesAreRefusedWithTheReason) {
  for (const char* text :
       {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "126.255.255.255:80",
        "128.0.0.1:80", "example.org:80", "localhost.:80", "127.1:80",
        "127.0.0.1.:80", "[::ffff:127.0.0.1]:80", "[fe80::1]:80", ":80",
        "[]:80", "[127.0.0.1:80", "LOCALHOST:80", " 127.0.0.1:80"}) {
    EXPECT_THAT(ParseLoopbackAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("not on a loopback interface")))
        << text;
  }
}

TEST(LoopbackAddressTest, MalformedAddressesAreRefused) {
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:x", "127.0.0.1:80x", "[::1]", "::1:80", "::1"}) {
    EXPECT_THAT(ParseLoopbackAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)))
        << text;
  }
}

}  // namespace
}  // namespace corkscrew
