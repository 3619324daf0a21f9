#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crc32c.h"
#include "base/testing.h"
#include "corkscrew/quantizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/reference_quantizer.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

std::vector<QuantizerParams> AllParams(size_t dim) {
  std::vector<QuantizerParams> all;
  for (int bits = 1; bits <= 8; ++bits) {
    all.push_back({.dim = dim, .bits = bits, .seed = 0x0123456789ABCDEF});
    if (bits == 1) continue;
    all.push_back({.dim = dim, .mode = QuantizerMode::kIp, .bits = bits});
  }
  return all;
}

struct Code {
  explicit Code(const QuantizerParams& params)
      : quantizer(*Quantizer::Create(params)), bytes(quantizer.code_bytes()) {
    EXPECT_THAT(quantizer.Encode(RandomNormal(params.dim, params.dim),
                                 absl::MakeSpan(bytes), &scalars),
                IsOk());
  }
  std::string Serialize() const {
    return SerializeCode(quantizer, bytes, scalars);
  }

  Quantizer quantizer;
  std::vector<uint8_t> bytes;
  CodeScalars scalars;
};

// `bytes` with the checksum that belongs to them.
std::string WithChecksum(std::string bytes) {
  bytes.resize(bytes.size() - 4);
  const uint32_t checksum = Crc32c(bytes);
  char little[4];
  std::memcpy(little, &checksum, 4);
  return bytes.append(little, 4);
}

TEST(CodeFormatTest, ASerializedCodeIsWhatItWas) {
  for (const size_t dim : {1, 7, 8, 100, 384}) {
    for (const QuantizerParams& params : AllParams(dim)) {
      const Code code(params);
      const std::string bytes = code.Serialize();
      EXPECT_EQ(bytes.size(), code.bytes.size() + 32);
      const auto parsed = ParseCode(bytes);
      ASSERT_THAT(parsed, IsOk());
      EXPECT_EQ(parsed->params, code.quantizer.params());
      EXPECT_EQ(parsed->code, absl::MakeConstSpan(code.bytes));
      EXPECT_EQ(parsed->scalars.norm, code.scalars.norm);
      EXPECT_EQ(parsed->scalars.scale, code.scalars.scale);
    }
  }
}

// docs/quantizer.md, 1.4. The code is that of 2.17.
TEST(CodeFormatTest, TheBytesAreThoseOfTheDocument) {
  const Quantizer quantizer =
      *Quantizer::Create({.dim = 8, .bits = 4, .seed = 42});
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<uint8_t> code(4);
  CodeScalars scalars;
  ASSERT_THAT(quantizer.Encode(x, absl::MakeSpan(code), &scalars), IsOk());
  EXPECT_EQ(absl::BytesToHexString(SerializeCode(quantizer, code, scalars)),
            "4353514301010401"
            "08000000"
            "2a00000000000000"
            "95866441"
            "1ad15d3e"
            "a1358357"
            "b7efab70");
}

TEST(CodeFormatTest, EveryAlteredByteIsNoticed) {
  for (const QuantizerParams& params : AllParams(20)) {
    const std::string bytes = Code(params).Serialize();
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (const int change : {1, 0x80, 0xFF}) {
        std::string altered = bytes;
        altered[i] = static_cast<char>(altered[i] ^ change);
        EXPECT_FALSE(ParseCode(altered).ok()) << "byte " << i;
      }
    }
  }
}

TEST(CodeFormatTest, EveryCutIsNoticed) {
  for (const QuantizerParams& params : AllParams(20)) {
    const std::string bytes = Code(params).Serialize();
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string cut = bytes.substr(0, size);
      EXPECT_THAT(ParseCode(cut), StatusIs(absl::StatusCode::kDataLoss,
                                           HasSubstr("serialized code")));
      if (size >= 4) {
        EXPECT_FALSE(ParseCode(WithChecksum(cut)).ok());
      }
    }
    EXPECT_THAT(ParseCode(bytes + '\0'), StatusIs(absl::StatusCode::kDataLoss,
                                                  HasSubstr("bytes, want")));
  }
}

// With the right checksum, as one who writes codes could.
TEST(CodeFormatTest, ImpossibleHeadersAreRefusedByName) {
  const std::string good = Code({.dim = 20, .bits = 4}).Serialize();
  const auto refused = [&](size_t at, const std::string& bytes,
                           absl::StatusCode code, const char* text) {
    std::string altered = good;
    altered.replace(at, bytes.size(), bytes);
    EXPECT_THAT(ParseCode(WithChecksum(altered)),
                StatusIs(code, HasSubstr(text)));
  };
  constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
  refused(0, "X", kDataLoss, "does not start with CSQC");
  refused(4, "\2", absl::StatusCode::kUnimplemented, "version 2, want 1");
  refused(5, "\3", kDataLoss, "mode is 3");
  refused(6, std::string(1, '\0'), kDataLoss, "bits is 0");
  refused(6, "\x9", kDataLoss, "bits is 9");
  refused(6, "\5", kDataLoss, "has 42 bytes, want 45");
  refused(7, "\2", kDataLoss, "codebook is 2");
  refused(7, std::string(1, '\0'), kDataLoss, "codebook is 0");
  refused(8, std::string(4, '\0'), kDataLoss, "dim is 0");
  refused(8, "\xFF\xFF\xFF\xFF", kDataLoss, "dim is 4294967295");
  refused(20, std::string("\0\0\xC0\x7F", 4), kDataLoss, "which no vector has");
  refused(24, std::string("\0\0\x80\x7F", 4), kDataLoss, "which no vector has");
  const std::string odd = Code({.dim = 3, .bits = 3}).Serialize();
  std::string altered = odd;
  altered[29] = static_cast<char>(altered[29] | 0x40);
  EXPECT_THAT(ParseCode(WithChecksum(altered)),
              StatusIs(kDataLoss, HasSubstr("a bit set after the last one")));
}

TEST(CodeFormatTest, IndicesArePackedAndUnpackedAsTheDefinitionSays) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t n = 0; n <= 40; ++n) {
      std::vector<uint8_t> indices;
      for (size_t i = 0; i < n; ++i) {
        indices.push_back(static_cast<uint8_t>((i * 37 + 11) % (1u << bits)));
      }
      std::vector<uint8_t> packed(PackedIndexBytes(n, bits));
      ASSERT_THAT(PackIndices(indices, bits, absl::MakeSpan(packed)), IsOk());
      EXPECT_EQ(packed, reference::Pack(indices, bits));
      std::vector<uint8_t> back(n);
      ASSERT_THAT(UnpackIndices(packed, bits, absl::MakeSpan(back)), IsOk());
      EXPECT_EQ(back, indices);
    }
  }
}

TEST(CodeFormatTest, BadIndicesAreRefusedByName) {
  std::vector<uint8_t> packed(2);
  const auto pack = [&](const std::vector<uint8_t>& indices, int bits) {
    return PackIndices(indices, bits, absl::MakeSpan(packed));
  };
  constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(pack({1, 2, 3}, 0), StatusIs(kInvalid, HasSubstr("bits is 0")));
  EXPECT_THAT(pack({1, 2, 3}, 9), StatusIs(kInvalid, HasSubstr("bits is 9")));
  EXPECT_THAT(pack({1, 8, 3}, 3),
              StatusIs(kInvalid, HasSubstr("index 1 is 8, want below 8")));
  EXPECT_THAT(pack({1, 2, 3}, 8), StatusIs(kInvalid, HasSubstr("want 3")));
  packed = {0xFF, 0xFF};
  std::vector<uint8_t> indices(3);
  EXPECT_THAT(UnpackIndices(packed, 3, absl::MakeSpan(indices)),
              StatusIs(kInvalid, HasSubstr("a bit set after the last one")));
  EXPECT_THAT(UnpackIndices(packed, 8, absl::MakeSpan(indices)),
              StatusIs(kInvalid, HasSubstr("has 2 bytes, want 3")));
}

}  // namespace
}  // namespace corkscrew
