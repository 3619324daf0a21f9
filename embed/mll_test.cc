// The `.mll` container against the vectors of its authors, whole and damaged.

#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string ReadVector(absl::string_view name) {
  std::ifstream in(
      absl::StrCat(CORKSCREW_SOURCE_DIR, "/tests/testdata/mll/", name),
      std::ios::binary);
  EXPECT_TRUE(in.is_open()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string HexVector(absl::string_view name) {
  return std::string(absl::StripAsciiWhitespace(ReadVector(name)));
}

std::string Hex(const Blake3Digest& digest) {
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(digest.data()), digest.size()});
}

absl::Status ReadAll(const std::string& bytes) {
  const auto file = MllFile::Parse(bytes, "x.mll");
  if (!file.ok()) return file.status();
  return MllContents::Read(**file).status();
}

TEST(MllTest, ContentHashesAreThoseOfTheVectors) {
  for (const char* name :
       {"minimal", "tiny_embed", "weights_only", "signed_ed25519"}) {
    const auto file =
        MllFile::Parse(ReadVector(absl::StrCat(name, ".mllb")), name);
    ASSERT_THAT(file, IsOk());
    const auto hash = (*file)->ContentHash();
    ASSERT_THAT(hash, IsOk());
    EXPECT_EQ(Hex(*hash), HexVector(absl::StrCat(name, ".hash")));
  }
}

TEST(MllTest, ATensorIsReadWithItsShape) {
  const auto file = MllFile::Parse(ReadVector("tiny_embed.mllb"), "x.mll");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->profile(), MllProfile::kSealed);
  const auto contents = MllContents::Read(**file);
  ASSERT_THAT(contents, IsOk());
  ASSERT_EQ(contents->tensors.size(), 1u);
  const MllTensor& tensor = contents->tensors[0];
  EXPECT_EQ(tensor.type, MllType::kF32);
  EXPECT_THAT(tensor.shape, ElementsAre(384u));
  EXPECT_EQ(tensor.data.size(), 384u * 4);
  EXPECT_EQ(contents->Find(tensor.name), &tensor);
  EXPECT_EQ(contents->Find("another"), nullptr);
}

TEST(MllTest, AllProfilesAreValid) {
  EXPECT_THAT(ReadAll(ReadVector("weights_only.mllb")), IsOk());
  EXPECT_THAT(ReadAll(ReadVector("signed_ed25519.mllb")), IsOk());
  const auto file =
      MllFile::Parse(ReadVector("checkpoint_generation.mllb"), "x.mll");
  ASSERT_THAT(file, IsOk());
  const auto contents = MllContents::Read(**file);
  ASSERT_THAT(contents, IsOk());
  EXPECT_EQ(absl::StrCat(contents->generation),
            HexVector("checkpoint_generation.generation"));
  EXPECT_THAT((*file)->ContentHash(),
              StatusIs(kInvalid, HasSubstr("checkpoint")));
}

TEST(MllTest, BrokenVectorsAreRefusedByName) {
  EXPECT_THAT(MllFile::Parse(ReadVector("corrupt_digest.mllb"), "x.mll"),
              StatusIs(kInvalid, HasSubstr("x.mll: section \"TNSR\": the "
                                           "digest does not match")));
  EXPECT_THAT(MllFile::Parse(ReadVector("bad_ref.mllb"), "x.mll"), IsOk());
  EXPECT_THAT(ReadAll(ReadVector("bad_ref.mllb")),
              StatusIs(kInvalid, HasSubstr("refers to entry")));
  EXPECT_THAT(ReadAll(ReadVector("minimal.mllb")),
              StatusIs(kInvalid, HasSubstr("\"DIMS\" is missing")));
}

TEST(MllTest, ASignatureIsOfItsKeyAndContentOnly) {
  const std::string key =
      absl::HexStringToBytes(HexVector("signed_ed25519.pub"));
  const auto file = MllFile::Parse(ReadVector("signed_ed25519.mllb"), "x.mll");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->VerifySignature(key), IsOk());
  std::string other = key;
  other[0] = static_cast<char>(other[0] ^ 1);
  EXPECT_THAT((*file)->VerifySignature(other),
              StatusIs(kInvalid, HasSubstr("")));
  EXPECT_THAT((*file)->VerifySignature("short"),
              StatusIs(kInvalid, HasSubstr("32 bytes, not 5")));
  const auto bare = MllFile::Parse(ReadVector("tiny_embed.mllb"), "x.mll");
  ASSERT_THAT(bare, IsOk());
  EXPECT_THAT((*bare)->VerifySignature(key),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not signed")));
}

TEST(MllTest, AFileCutAnywhereIsRefused) {
  const std::string whole = ReadVector("signed_ed25519.mllb");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadAll(whole.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ReadAll(whole + "x").ok());
}

// The bodies that the content hash covers.
std::map<std::string, std::string> Content(const MllFile& file) {
  std::map<std::string, std::string> content;
  for (const MllSection& section : file.sections()) {
    if (section.tag == "SGNM") continue;
    std::string body(section.body);
    if (section.tag == "HEAD") body.replace(8, 16, 16, '\0');
    content[std::string(section.tag)] = body;
  }
  return content;
}

TEST(MllTest, AChangedByteIsRefusedOrChangesTheHashOrNoContent) {
  const std::string whole = ReadVector("signed_ed25519.mllb");
  const auto file = MllFile::Parse(whole, "x.mll");
  ASSERT_THAT(file, IsOk());
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char bit : {'\x01', '\x80'}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ bit);
      const auto parsed = MllFile::Parse(changed, "x.mll");
      if (!parsed.ok()) continue;
      (void)MllContents::Read(**parsed);
      const auto hash = (*parsed)->ContentHash();
      if (!hash.ok() || Hex(*hash) != HexVector("signed_ed25519.hash"))
        continue;
      EXPECT_EQ(Content(**parsed), Content(**file)) << "byte " << i;
    }
  }
}

}  // namespace
}  // namespace corkscrew
