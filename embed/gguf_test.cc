#include "embed/gguf.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/ggml_types.h"
#include "embed/gguf_builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::AppendLittle;
using ::corkscrew::testing::GgufBuilder;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

template <typename T>
std::string Encode(T value) {
  std::string bytes;
  AppendLittle<T>(&bytes, value);
  return bytes;
}

// The encoding of an array of numbers.
template <typename T>
std::string EncodeArray(uint32_t type, const std::vector<T>& values) {
  std::string bytes = Encode<uint32_t>(type) + Encode<uint64_t>(values.size());
  for (const T value : values) AppendLittle<T>(&bytes, value);
  return bytes;
}

absl::StatusOr<std::shared_ptr<const GgufFile>> Parse(std::string bytes) {
  return GgufFile::Parse(std::move(bytes), "x.gguf");
}

absl::StatusOr<std::shared_ptr<const GgufFile>> Parse(
    const GgufBuilder& builder) {
  return Parse(builder.Build());
}

// One of everything, 600 bytes.
GgufBuilder Sample() {
  GgufBuilder builder;
  builder.String("general.architecture", "bert")
      .Uint32("bert.block_count", 6)
      .Float32("bert.epsilon", 1e-12f)
      .Bool("bert.attention.causal", false)
      .Strings("tokenizer.ggml.tokens", {"[PAD]", "", "\xE2\x96\x81the"})
      .Raw("scores", 9, EncodeArray<float>(6, {0.5f, -1.5f}))
      .Floats("token_embd.weight", {3, 2}, {1, 2, 3, 4, 5, 6})
      .Tensor("blk.0.weight", GgmlType::kQ8_0, {32, 2}, std::string(68, '\1'))
      .Floats("bias", {1}, {7});
  return builder;
}

TEST(GgufTest, ReadsValuesOfEveryType) {
  GgufBuilder builder;
  builder.Raw("u8", 0, Encode<uint8_t>(255))
      .Raw("i8", 1, Encode<int8_t>(-128))
      .Raw("u16", 2, Encode<uint16_t>(65535))
      .Raw("i16", 3, Encode<int16_t>(32767))
      .Raw("u32", 4, Encode<uint32_t>(4294967295))
      .Raw("i32", 5, Encode<int32_t>(2147483647))
      .Raw("f32", 6, Encode<float>(0.1f))
      .Raw("true", 7, Encode<uint8_t>(1))
      .Raw("false", 7, Encode<uint8_t>(0))
      .String("text", "hello")
      .String("empty", "")
      .Raw("u64", 10, Encode<uint64_t>(UINT64_MAX))
      .Raw("i64", 11, Encode<int64_t>(INT64_MAX))
      .Raw("f64", 12, Encode<double>(0.1));
  for (const uint32_t version : {2u, 3u}) {
    builder.version = version;
    const auto file = Parse(builder);
    ASSERT_THAT(file, IsOk());
    const GgufFile& gguf = **file;
    EXPECT_EQ(*gguf.Uint("u8"), 255u);
    EXPECT_EQ(*gguf.Uint("u16"), 65535u);
    EXPECT_EQ(*gguf.Uint("i16"), 32767u);
    EXPECT_EQ(*gguf.Uint("u32"), 4294967295u);
    EXPECT_EQ(*gguf.Uint("i32"), 2147483647u);
    EXPECT_EQ(*gguf.Uint("u64"), UINT64_MAX);
    EXPECT_EQ(*gguf.Uint("i64"), static_cast<uint64_t>(INT64_MAX));
    EXPECT_EQ(*gguf.Float("f32"), double{0.1f});
    EXPECT_EQ(*gguf.Float("f64"), 0.1);
    EXPECT_TRUE(*gguf.Bool("true"));
    EXPECT_FALSE(*gguf.Bool("false"));
    EXPECT_EQ(*gguf.String("text"), "hello");
    EXPECT_EQ(*gguf.String("empty"), "");
    EXPECT_TRUE(gguf.Has("u8"));
    EXPECT_FALSE(gguf.Has("u9"));
    EXPECT_EQ(gguf.name(), "x.gguf");
  }
}

TEST(GgufTest, ReadsArraysOfEveryType) {
  GgufBuilder builder;
  builder.Raw("u8", 9, EncodeArray<uint8_t>(0, {0, 255}))
      .Raw("i8", 9, EncodeArray<int8_t>(1, {-128, 127}))
      .Raw("u16", 9, EncodeArray<uint16_t>(2, {0, 65535}))
      .Raw("i16", 9, EncodeArray<int16_t>(3, {-32768, 32767}))
      .Raw("u32", 9, EncodeArray<uint32_t>(4, {0, 4294967295}))
      .Raw("i32", 9, EncodeArray<int32_t>(5, {INT32_MIN, INT32_MAX}))
      .Raw("f32", 9, EncodeArray<float>(6, {0.5f, -2.0f}))
      .Raw("bools", 9, EncodeArray<uint8_t>(7, {0, 1}))
      .Strings("strings", {"a", "", "ccc"})
      .Strings("none", {})
      .Raw("u64", 9, EncodeArray<uint64_t>(10, {0, INT64_MAX}))
      .Raw("i64", 9, EncodeArray<int64_t>(11, {INT64_MIN, INT64_MAX}))
      .Raw("f64", 9, EncodeArray<double>(12, {0.5}));
  const auto file = Parse(builder);
  ASSERT_THAT(file, IsOk());
  const GgufFile& gguf = **file;
  EXPECT_THAT(*gguf.Ints("u8"), ElementsAre(0, 255));
  EXPECT_THAT(*gguf.Ints("i8"), ElementsAre(-128, 127));
  EXPECT_THAT(*gguf.Ints("u16"), ElementsAre(0, 65535));
  EXPECT_THAT(*gguf.Ints("i16"), ElementsAre(-32768, 32767));
  EXPECT_THAT(*gguf.Ints("u32"), ElementsAre(0, 4294967295));
  EXPECT_THAT(*gguf.Ints("i32"), ElementsAre(INT32_MIN, INT32_MAX));
  EXPECT_THAT(*gguf.Ints("u64"), ElementsAre(0, INT64_MAX));
  EXPECT_THAT(*gguf.Ints("i64"), ElementsAre(INT64_MIN, INT64_MAX));
  EXPECT_THAT(*gguf.Floats("f32"), ElementsAre(0.5f, -2.0f));
  EXPECT_THAT(*gguf.Strings("strings"), ElementsAre("a", "", "ccc"));
  EXPECT_THAT(*gguf.Strings("none"), ElementsAre());
}

TEST(GgufTest, AMissingKeyIsNotFoundAndAnotherTypeIsNamed) {
  GgufBuilder builder;
  builder.Raw("minus", 5, Encode<int32_t>(-1))
      .Raw("huge", 9, EncodeArray<uint64_t>(10, {UINT64_MAX}))
      .Float32("float", 1)
      .Uint32("int", 1)
      .Strings("strings", {"a"});
  const auto file = Parse(builder);
  ASSERT_THAT(file, IsOk());
  const GgufFile& gguf = **file;
  EXPECT_THAT(gguf.Uint("nothing"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("x.gguf: key \"nothing\" is missing")));
  EXPECT_THAT(gguf.Uint("minus"),
              StatusIs(kInvalid, HasSubstr("key \"minus\" is -1")));
  EXPECT_THAT(gguf.Uint("float"),
              StatusIs(kInvalid, HasSubstr("is of type float32, want an int")));
  EXPECT_THAT(gguf.Uint("strings"),
              StatusIs(kInvalid, HasSubstr("is of type array of string")));
  EXPECT_THAT(gguf.Float("int"),
              StatusIs(kInvalid, HasSubstr("uint32, want float32 or float64")));
  EXPECT_THAT(gguf.Bool("int"), StatusIs(kInvalid, HasSubstr("want bool")));
  EXPECT_THAT(gguf.String("int"), StatusIs(kInvalid, HasSubstr("want string")));
  EXPECT_THAT(gguf.Strings("int"),
              StatusIs(kInvalid, HasSubstr("want array of string")));
  EXPECT_THAT(gguf.Ints("strings"),
              StatusIs(kInvalid, HasSubstr("want array of integers")));
  EXPECT_THAT(gguf.Floats("huge"),
              StatusIs(kInvalid, HasSubstr("want array of float32")));
  EXPECT_THAT(gguf.Ints("huge"),
              StatusIs(kInvalid, HasSubstr("holds 18446744073709551615")));
}

TEST(GgufTest, FindsTensorsByNameWithTheirBytes) {
  const auto file = Parse(Sample());
  ASSERT_THAT(file, IsOk());
  const GgufFile& gguf = **file;
  ASSERT_EQ(gguf.tensors().size(), 3u);
  EXPECT_EQ(gguf.tensors()[0].name, "bias");
  EXPECT_EQ(gguf.tensors()[1].name, "blk.0.weight");
  EXPECT_EQ(gguf.tensors()[2].name, "token_embd.weight");
  EXPECT_EQ(gguf.Find("nothing"), nullptr);
  const GgufTensor* table = gguf.Find("token_embd.weight");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->type, GgmlType::kF32);
  EXPECT_EQ(table->dims, 2);
  EXPECT_EQ(table->row_values(), 3u);
  EXPECT_EQ(table->rows(), 2u);
  ASSERT_EQ(table->data.size(), 24u);
  std::vector<float> values(6);
  DequantizeRow(table->type, table->data.data(), 6, values.data());
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(gguf.Find("blk.0.weight")->data, std::string(68, '\1'));
}

TEST(GgufTest, AcceptsEveryLegalAlignment) {
  for (uint64_t alignment = 8; alignment <= 4096; alignment *= 2) {
    GgufBuilder builder = Sample();
    builder.alignment = alignment;
    const auto file = Parse(builder);
    ASSERT_THAT(file, IsOk()) << alignment;
    EXPECT_EQ((*file)->Find("bias")->data, Encode<float>(7)) << alignment;
  }
}

TEST(GgufTest, AFileWithoutTensorsNeedsNoPadding) {
  std::string bytes = GgufBuilder().Uint32("a", 1).Build();
  bytes.resize(24 + 8 + 1 + 4 + 4);
  EXPECT_THAT(Parse(bytes), IsOk());
}

TEST(GgufTest, RefusesWhatIsNotGgufOrOfAnotherVersion) {
  EXPECT_THAT(Parse(""), StatusIs(kInvalid, HasSubstr("is not a GGUF file")));
  EXPECT_THAT(Parse("GGUX"), StatusIs(kInvalid, HasSubstr("not a GGUF file")));
  for (const uint32_t version : {0u, 1u, 4u, UINT32_MAX}) {
    GgufBuilder builder = Sample();
    builder.version = version;
    EXPECT_THAT(
        Parse(builder),
        StatusIs(kUnimplemented, HasSubstr(absl::StrCat("version ", version))));
  }
  GgufBuilder swapped = Sample();
  swapped.version = 0x03000000;
  EXPECT_THAT(Parse(swapped),
              StatusIs(kUnimplemented, HasSubstr("big-endian")));
}

TEST(GgufTest, RefusesCountsBeyondTheFileBeforeAllocating) {
  for (const uint64_t count :
       {uint64_t{100}, uint64_t{1} << 40, uint64_t{1} << 61, UINT64_MAX}) {
    std::string tensors = Sample().Build();
    tensors.replace(8, 8, Encode(count));
    EXPECT_THAT(Parse(tensors), StatusIs(kInvalid, HasSubstr("claims")));
    std::string values = Sample().Build();
    values.replace(16, 8, Encode(count));
    EXPECT_FALSE(Parse(values).ok());
    for (uint32_t type = 0; type <= 12; ++type) {
      const auto array = Parse(GgufBuilder().Raw(
          "array", 9, Encode<uint32_t>(type) + Encode(count)));
      EXPECT_THAT(array, StatusIs(kInvalid, HasSubstr("\"array\"")))
          << "type " << type << ", count " << count;
    }
    EXPECT_THAT(Parse(GgufBuilder().Raw("text", 8, Encode(count))),
                StatusIs(kInvalid, HasSubstr("ends in string 0 of \"text\"")));
  }
}

TEST(GgufTest, RefusesMalformedValues) {
  EXPECT_THAT(Parse(GgufBuilder().Uint32("a", 1).Uint32("b", 2).Uint32("a", 3)),
              StatusIs(kInvalid, HasSubstr("key \"a\" appears twice")));
  EXPECT_THAT(Parse(GgufBuilder().Uint32("", 1)),
              StatusIs(kInvalid, HasSubstr("a key has 0 bytes")));
  EXPECT_THAT(Parse(GgufBuilder().Uint32(std::string(65535, 'k'), 1)), IsOk());
  EXPECT_THAT(Parse(GgufBuilder().Uint32(std::string(65536, 'k'), 1)),
              StatusIs(kInvalid, HasSubstr("a key has 65536 bytes")));
  EXPECT_THAT(Parse(GgufBuilder().Raw("a", 13, Encode<uint64_t>(0))),
              StatusIs(kInvalid, HasSubstr("unknown value type 13")));
  EXPECT_THAT(Parse(GgufBuilder().Raw("a", UINT32_MAX, Encode<uint64_t>(0))),
              StatusIs(kInvalid, HasSubstr("unknown value type 4294967295")));
  EXPECT_THAT(Parse(GgufBuilder().Raw("a", 7, Encode<uint8_t>(2))),
              StatusIs(kInvalid, HasSubstr("holds the bool 2")));
  EXPECT_THAT(
      Parse(GgufBuilder().Raw("a", 9, EncodeArray<uint8_t>(7, {1, 255}))),
      StatusIs(kInvalid, HasSubstr("holds the bool 255")));
  EXPECT_THAT(
      Parse(GgufBuilder().Raw("a", 9,
                              Encode<uint32_t>(9) + Encode<uint64_t>(1) +
                                  EncodeArray<uint8_t>(0, {1}))),
      StatusIs(kInvalid, HasSubstr("\"a\" is an array of arrays")));
}

TEST(GgufTest, RefusesAlignmentsThatAreNoPowerOfTwoInRange) {
  for (const uint32_t alignment : {0u, 1u, 4u, 12u, 33u, 8192u, 1u << 31}) {
    EXPECT_THAT(
        Parse(GgufBuilder().Uint32("general.alignment", alignment)),
        StatusIs(kInvalid, HasSubstr(absl::StrCat("\"general.alignment\" is ",
                                                  alignment))));
  }
  EXPECT_THAT(Parse(GgufBuilder().String("general.alignment", "32")),
              StatusIs(kInvalid, HasSubstr("is string, want a power of two")));
}

TEST(GgufTest, RefusesMalformedTensors) {
  const std::string data(64, 'x');
  EXPECT_THAT(
      Parse(GgufBuilder().Floats("t", {2}, {1, 2}).Floats("t", {2}, {1, 2})),
      StatusIs(kInvalid, HasSubstr("tensor \"t\" appears twice")));
  EXPECT_THAT(Parse(GgufBuilder().Tensor("", GgmlType::kF32, {1}, data)),
              StatusIs(kInvalid, HasSubstr("name has 0 bytes")));
  EXPECT_THAT(Parse(GgufBuilder().Tensor(std::string(65, 't'), GgmlType::kF32,
                                         {1}, data)),
              StatusIs(kInvalid, HasSubstr("name has 65 bytes")));
  EXPECT_THAT(
      Parse(GgufBuilder().Tensor("t", GgmlType::kF32, {1, 1, 1, 1, 1}, data)),
      StatusIs(kInvalid, HasSubstr("has 5 dimensions, want at most 4")));
  EXPECT_THAT(Parse(GgufBuilder().Tensor("t", GgmlType::kF32, {4, 0}, data)),
              StatusIs(kInvalid, HasSubstr("impossible dimension of 0")));
  EXPECT_THAT(
      Parse(GgufBuilder().Tensor("t", static_cast<GgmlType>(9), {32}, data)),
      StatusIs(kUnimplemented, HasSubstr("tensor \"t\" has the type 9")));
  EXPECT_THAT(Parse(GgufBuilder().Tensor("t", GgmlType::kQ8_0, {16}, data)),
              StatusIs(kInvalid, AllOf(HasSubstr("rows of 16 values"),
                                       HasSubstr("32 for Q8_0"))));
  EXPECT_THAT(Parse(GgufBuilder().Tensor("t", GgmlType::kF32, {17}, data)),
              StatusIs(kInvalid, HasSubstr("claims 68 bytes at offset 0 of "
                                           "the 64 bytes of tensor data")));
}

TEST(GgufTest, RefusesTensorSizesThatOverflow) {
  constexpr uint64_t kBig = uint64_t{1} << 32;
  const std::vector<std::vector<uint64_t>> shapes = {
      {kBig, kBig},          // 2^64 values.
      {kBig, kBig / 4},      // 2^62 values, 2^64 bytes.
      {kBig, kBig / 4 + 1},  // 2^64 + 2^34 bytes: small after wrapping.
      {UINT64_MAX, 2},
      {uint64_t{1} << 62},
      {uint64_t{1} << 21, uint64_t{1} << 21, uint64_t{1} << 22, 1},
  };
  for (const auto& shape : shapes) {
    EXPECT_THAT(Parse(GgufBuilder().Tensor("t", GgmlType::kF32, shape, "1234")),
                StatusIs(kInvalid, HasSubstr("tensor \"t\"")));
  }
  EXPECT_THAT(Parse(GgufBuilder().Tensor("t", GgmlType::kQ8_0,
                                         {UINT64_MAX / 32 * 32}, "1234")),
              StatusIs(kInvalid, HasSubstr("tensor \"t\"")));
}

// The offset is the last field of the last tensor's entry.
std::string WithLastOffset(const GgufBuilder& builder, size_t data_bytes,
                           uint64_t offset) {
  std::string bytes = builder.Build();
  const size_t infos_end = bytes.size() - data_bytes;
  const std::string old = Encode<uint64_t>(32);
  const size_t at = bytes.rfind(old, infos_end - 1);
  EXPECT_NE(at, std::string::npos);
  return bytes.replace(at, 8, Encode(offset));
}

TEST(GgufTest, RefusesOffsetsThatAreUnalignedOutsideOrOverlapping) {
  GgufBuilder two;
  two.Floats("a", {8}, std::vector<float>(8, 1.0f))
      .Floats("b", {8}, std::vector<float>(8, 2.0f));
  EXPECT_THAT(Parse(WithLastOffset(two, 64, 32)), IsOk());
  EXPECT_THAT(Parse(WithLastOffset(two, 64, 31)),
              StatusIs(kInvalid, HasSubstr("\"b\" starts at offset 31")));
  EXPECT_THAT(Parse(WithLastOffset(two, 64, 0)),
              StatusIs(kInvalid, HasSubstr("\"a\" and \"b\" overlap")));
  for (const uint64_t offset :
       {uint64_t{64}, uint64_t{1} << 40, UINT64_MAX - 31}) {
    EXPECT_THAT(Parse(WithLastOffset(two, 64, offset)),
                StatusIs(kInvalid, HasSubstr("tensor \"b\" claims 32 bytes")));
  }
}

TEST(GgufTest, EscapesAndShortensNamesInErrors) {
  const std::string key = "\x1b[2J" + std::string(1000, 'k');
  const absl::Status status = Parse(GgufBuilder().Raw(key, 99, "")).status();
  EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("\"\\x1b[2Jkkk")));
  EXPECT_LT(status.message().size(), 200u);
}

// Reads everything that a file offers, so that sanitizers see every view.
size_t Touch(const GgufFile& file) {
  size_t sum = 0;
  for (const char* key :
       {"general.architecture", "bert.block_count", "bert.epsilon",
        "bert.attention.causal", "tokenizer.ggml.tokens", "scores"}) {
    sum += file.Uint(key).ok() + file.Float(key).ok() + file.Bool(key).ok();
    if (const auto text = file.String(key); text.ok()) sum += text->size();
    if (const auto texts = file.Strings(key); texts.ok()) {
      for (const absl::string_view text : *texts) {
        for (const char c : text) sum += static_cast<unsigned char>(c);
      }
    }
    if (const auto values = file.Floats(key); values.ok()) {
      sum += values->size();
    }
    if (const auto values = file.Ints(key); values.ok()) sum += values->size();
  }
  for (const GgufTensor& tensor : file.tensors()) {
    const GgmlBlock block = BlockOf(tensor.type);
    EXPECT_EQ(tensor.data.size(),
              tensor.row_values() / block.values * tensor.rows() * block.bytes);
    for (const char c : tensor.data) sum += static_cast<unsigned char>(c);
  }
  return sum;
}

TEST(GgufTest, EveryCutIsRefused) {
  const std::string whole = Sample().Build();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Parse(whole.substr(0, size)),
                StatusIs(kInvalid, HasSubstr("x.gguf: ")))
        << size;
  }
}

TEST(GgufTest, EveryCorruptByteIsRefusedOrReadWithinBounds) {
  const std::string whole = Sample().Build();
  size_t refused = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xFF, 0x20}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      const auto file = Parse(bytes);
      if (file.ok()) {
        Touch(**file);
      } else {
        ++refused;
        EXPECT_TRUE(file.status().code() == kInvalid ||
                    file.status().code() == kUnimplemented)
            << file.status();
      }
    }
  }
  EXPECT_GT(refused, whole.size());  // A quarter at least.
}

TEST(GgufTest, OpensAFileAndSaysWhyItCanNot) {
  const TempDir dir;
  const std::string path = dir.path() + "/model.gguf";
  const std::string bytes = Sample().Build();
  std::ofstream(path, std::ios::binary) << bytes;
  const auto file = GgufFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->name(), path);
  EXPECT_EQ((*file)->tensors().size(), 3u);

  EXPECT_THAT(GgufFile::Open(dir.path() + "/nothing.gguf"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing.gguf")));
  EXPECT_THAT(GgufFile::Open(dir.path()),
              StatusIs(kInvalid, HasSubstr("is not a regular file")));
  const std::string fifo = dir.path() + "/fifo.gguf";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(GgufFile::Open(fifo),
              StatusIs(kInvalid, HasSubstr("is not a regular file")));
}

TEST(GgufTest, AHugeSparseFileIsRefusedBeforeItIsRead) {
  const TempDir dir;
  const std::string path = dir.path() + "/sparse.gguf";
  std::ofstream(path, std::ios::binary) << "GGUF";
  ASSERT_EQ(truncate(path.c_str(), off_t{1} << 40), 0);
  EXPECT_THAT(GgufFile::Open(path),
              StatusIs(kInvalid, HasSubstr("1099511627776 bytes")));
}

}  // namespace
}  // namespace corkscrew
