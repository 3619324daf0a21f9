#include "embed/mll_writer.h"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/ed25519.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/gguf_in_mll.h"
#include "embed/gguf_value.h"
#include "embed/gguf_writer.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/tiny_bert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TinyBert;
using ::testing::HasSubstr;

constexpr absl::string_view kVectors[] = {
    "minimal.mllb", "tiny_embed.mllb", "weights_only.mllb",
    "checkpoint_generation.mllb", "signed_ed25519.mllb"};

std::string ReadVector(absl::string_view name) {
  std::ifstream in(
      absl::StrCat(CORKSCREW_SOURCE_DIR, "/tests/testdata/mll/", name),
      std::ios::binary);
  EXPECT_TRUE(in.is_open()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::shared_ptr<const MllFile> Parse(const std::string& bytes) {
  auto file = MllFile::Parse(bytes, "x.mll");
  EXPECT_THAT(file, IsOk());
  return file.ok() ? *file : nullptr;
}

std::string Seed() { return std::string(32, '\x07'); }

TEST(MllWriterTest, SectionsOfTheVectorsAreWrittenToTheirBytes) {
  for (const absl::string_view name : kVectors) {
    const std::string bytes = ReadVector(name);
    const auto file = Parse(bytes);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(WriteMll(file->profile(), PartsOf(*file)), bytes) << name;
  }
}

TEST(MllWriterTest, SectionsComeInTheCanonicalOrderWhateverOrderTheyAreGiven) {
  const std::string bytes = ReadVector("tiny_embed.mllb");
  const auto file = Parse(bytes);
  ASSERT_NE(file, nullptr);
  std::vector<MllPart> parts = PartsOf(*file);
  std::swap(parts.front(), parts.back());
  std::swap(parts[1], parts[2]);
  EXPECT_EQ(WriteMll(file->profile(), parts), bytes);
}

TEST(MllWriterTest, ATensorSectionIsWrittenToTheBytesOfTheVector) {
  const std::string bytes = ReadVector("tiny_embed.mllb");
  const auto file = Parse(bytes);
  ASSERT_NE(file, nullptr);
  const auto contents = MllContents::Read(*file);
  ASSERT_THAT(contents, IsOk());
  const MllTensor& tensor = contents->tensors[0];
  MllStrings strings(contents->strings);
  EXPECT_EQ(strings.Body(), file->Find("STRG")->body);
  EXPECT_EQ(MllTensorBody({{.name = strings.Add(tensor.name),
                            .type = tensor.type,
                            .shape = tensor.shape,
                            .data = tensor.data}}),
            file->Find("TNSR")->body);
  EXPECT_EQ(MllTensorBody({}), std::string(64, '\0'));
}

TEST(MllWriterTest, ASignedFileVerifiesWithItsKeyAndKeepsItsContent) {
  const auto file = Parse(ReadVector("tiny_embed.mllb"));
  ASSERT_NE(file, nullptr);
  const auto bytes = SignMll(*file, "me", Seed());
  ASSERT_THAT(bytes, IsOk());
  const auto signed_file = Parse(*bytes);
  ASSERT_NE(signed_file, nullptr);
  EXPECT_THAT(MllContents::Read(*signed_file), IsOk());
  EXPECT_THAT(signed_file->VerifySignature(Ed25519PublicKey(Seed())), IsOk());
  EXPECT_THAT(
      signed_file->VerifySignature(Ed25519PublicKey(std::string(32, '\x08'))),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("not of this key")));
  EXPECT_EQ(signed_file->Find("TNSR")->body, file->Find("TNSR")->body);
  // Signing again replaces the signature.
  const auto again = SignMll(*signed_file, "me", Seed());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *bytes);
}

TEST(MllWriterTest, WhatCanNotBeSignedIsRefused) {
  const auto file = Parse(ReadVector("tiny_embed.mllb"));
  ASSERT_NE(file, nullptr);
  EXPECT_THAT(SignMll(*file, "me", "short"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("32 bytes, this one has 5")));
  const auto checkpoint = Parse(ReadVector("checkpoint_generation.mllb"));
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_THAT(SignMll(*checkpoint, "me", Seed()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is a checkpoint")));
}

std::shared_ptr<const GgufFile> TinyFile() {
  TinyBert bert;
  bert.tensors["blk.0.ffn_up.weight"].type = GgmlType::kQ8_0;
  bert.tensors["blk.0.attn_q.weight"].type = GgmlType::kF16;
  auto file = GgufFile::Parse(bert.Build(), "tiny.gguf");
  EXPECT_THAT(file, IsOk());
  return file.ok() ? *file : nullptr;
}

TEST(GgufWriterTest, WhatIsWrittenIsReadBackAndWrittenAlike) {
  const auto file = TinyFile();
  ASSERT_NE(file, nullptr);
  GgufWriter writer;
  for (const GgufValue& value : file->values()) writer.Copy(value);
  for (const GgufTensor& tensor : file->tensors()) writer.TensorView(tensor);
  const std::string bytes = writer.Write();
  const auto back = GgufFile::Parse(bytes, "back.gguf");
  ASSERT_THAT(back, IsOk());
  ASSERT_EQ((*back)->tensors().size(), file->tensors().size());
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const GgufTensor& want = file->tensors()[i];
    const GgufTensor& is = (*back)->tensors()[i];
    EXPECT_EQ(is.name, want.name);
    EXPECT_EQ(is.type, want.type);
    EXPECT_EQ(is.shape, want.shape);
    EXPECT_EQ(is.data, want.data);
  }
  ASSERT_EQ((*back)->values().size(), file->values().size());
  for (size_t i = 0; i < file->values().size(); ++i) {
    EXPECT_EQ((*back)->values()[i].key, file->values()[i].key);
    EXPECT_EQ((*back)->values()[i].bytes, file->values()[i].bytes);
    EXPECT_EQ((*back)->values()[i].TypeName(), file->values()[i].TypeName());
  }
}

TEST(GgufWriterTest, EachKindOfValueIsReadBack) {
  GgufWriter writer;
  writer.Uint("u", 7);
  writer.Uint("u", 8);
  writer.Float("f", 0.5f);
  writer.Bool("b", true);
  writer.String("s", "text");
  writer.Strings("ss", {"a", "", "c"});
  writer.Floats("fs", {1.5f, -2});
  writer.Ints("is", {3, -4});
  writer.Bytes("bytes", "\x01\xff");
  const float value = 2;
  writer.Tensor("t", GgmlType::kF32, {1},
                std::string(reinterpret_cast<const char*>(&value), 4));
  const auto file = GgufFile::Parse(writer.Write(), "x.gguf");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->Uint("u"), 8u);
  EXPECT_EQ(*(*file)->Float("f"), 0.5);
  EXPECT_TRUE(*(*file)->Bool("b"));
  EXPECT_EQ(*(*file)->String("s"), "text");
  EXPECT_EQ((*file)->Strings("ss")->size(), 3u);
  EXPECT_EQ((*file)->Floats("fs")->at(1), -2);
  EXPECT_EQ((*file)->Ints("is")->at(1), -4);
  EXPECT_EQ((*file)->Ints("bytes")->at(1), 255);
  EXPECT_EQ((*file)->Find("t")->data.size(), 4u);
}

TEST(GgufInMllTest, TheSpaceAndTheVectorsAreThoseOfTheGguf) {
  const auto gguf = TinyFile();
  ASSERT_NE(gguf, nullptr);
  const std::string sealed = SealGguf(*gguf);
  EXPECT_EQ(SealGguf(*gguf), sealed);
  const auto file = Parse(sealed);
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(HoldsGguf(*file));
  EXPECT_EQ(file->profile(), MllProfile::kSealed);
  EXPECT_THAT(MllContents::Read(*file), IsOk());
  GgufWriter writer;
  for (const GgufValue& value : gguf->values()) writer.Copy(value);
  for (const GgufTensor& tensor : gguf->tensors()) writer.TensorView(tensor);
  const auto a = LoadEmbedderFromBytes(writer.Write(), "a.gguf");
  const auto b = LoadEmbedderFromBytes(sealed, "b.mll");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ((*a)->space(), (*b)->space());
  const absl::string_view text = "hello world";
  const auto of_a = (*a)->Embed({&text, 1}, TextKind::kQuery);
  const auto of_b = (*b)->Embed({&text, 1}, TextKind::kQuery);
  ASSERT_THAT(of_a, IsOk());
  ASSERT_THAT(of_b, IsOk());
  EXPECT_EQ(of_a->vectors, of_b->vectors);
}

// With digests that fit: what a careful attacker would write.
TEST(GgufInMllTest, ASectionOfTypesThatIsChangedOrCutIsRefusedOrStillAModel) {
  const auto gguf = TinyFile();
  ASSERT_NE(gguf, nullptr);
  const auto file = Parse(SealGguf(*gguf));
  ASSERT_NE(file, nullptr);
  const std::string body(file->Find("XGGT")->body);
  const auto read = [&](const std::string& changed) {
    std::vector<MllPart> parts = PartsOf(*file);
    FindPart(&parts, "XGGT")->body = changed;
    const auto again = Parse(WriteMll(MllProfile::kSealed, parts));
    return GgufOfMll(*again).status();
  };
  EXPECT_THAT(read(body), IsOk());
  for (size_t size = 0; size < body.size(); size += 3) {
    EXPECT_FALSE(read(body.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(read(body + "x").ok());
  for (size_t i = 0; i < body.size(); i += 5) {
    std::string changed = body;
    changed[i] = static_cast<char>(changed[i] ^ 0x81);
    const absl::Status status = read(changed);
    EXPECT_FALSE(status.ok()) << i;
    EXPECT_THAT(std::string(status.message()), HasSubstr("x.mll"));
  }
}

}  // namespace
}  // namespace corkscrew
