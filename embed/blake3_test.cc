#include "embed/blake3.h"

#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

std::string Hex(const Blake3Digest& digest) {
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// Bytes 0, 1, ... 250, 0, 1, ...: the inputs of the published vectors.
std::string Input(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

TEST(Blake3Test, MatchesThePublishedVectors) {
  struct Vector {
    size_t size;
    const char* digest;
  };
  for (const Vector& vector : {
           Vector{0,
                  "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f"
                  "3262"},
           Vector{1,
                  "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592"
                  "e213"},
           Vector{2,
                  "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1"
                  "ee63"},
           Vector{3,
                  "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e"
                  "647f"},
           Vector{63,
                  "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7"
                  "db7b"},
           Vector{64,
                  "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f251"
                  "1b98"},
           Vector{65,
                  "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b26"
                  "3dee"},
           Vector{127,
                  "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd"
                  "640d"},
           Vector{128,
                  "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b"
                  "45ef"},
           Vector{129,
                  "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebd"
                  "cb12"},
           Vector{1023,
                  "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70"
                  "bd11"},
           Vector{1024,
                  "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c85"
                  "5af7"},
           Vector{1025,
                  "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b"
                  "8444"},
           Vector{2048,
                  "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fb"
                  "a24a"},
           Vector{2049,
                  "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b687952256"
                  "3030"},
           Vector{3072,
                  "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5c"
                  "ffd2"},
           Vector{3073,
                  "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e"
                  "1cd3"},
           Vector{4096,
                  "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229"
                  "e969"},
           Vector{4097,
                  "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0f"
                  "b995"},
           Vector{5120,
                  "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab3423053"
                  "5833"},
           Vector{5121,
                  "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe15"
                  "4cff"},
           Vector{6144,
                  "3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebec"
                  "a205"},
           Vector{6145,
                  "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0"
                  "507f"},
           Vector{7168,
                  "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ad"
                  "a77a"},
           Vector{7169,
                  "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e"
                  "7817"},
           Vector{8192,
                  "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a"
                  "2a63"},
           Vector{8193,
                  "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7"
                  "bc3b"},
           Vector{16384,
                  "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041d"
                  "dde4"},
           Vector{31744,
                  "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce9489"
                  "5c47"},
           Vector{102400,
                  "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943"
                  "e085"},
       }) {
    EXPECT_EQ(Hex(Blake3(Input(vector.size))), vector.digest) << vector.size;
  }
}

TEST(Blake3Test, PiecesDoNotMatter) {
  for (const size_t size : {0, 1, 64, 65, 1024, 1025, 3072, 5000}) {
    const std::string bytes = Input(size);
    for (const size_t piece : {1, 7, 63, 64, 65, 1000, 1024, 4096}) {
      Blake3Stream stream;
      for (size_t i = 0; i < size; i += piece) {
        stream.Update(absl::string_view(bytes).substr(i, piece));
      }
      EXPECT_EQ(stream.Finish(), Blake3(bytes)) << size << " by " << piece;
      EXPECT_EQ(stream.Finish(), Blake3(bytes)) << "a second time";
    }
  }
}

}  // namespace
}  // namespace corkscrew
