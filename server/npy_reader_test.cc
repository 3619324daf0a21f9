#include "server/npy_reader.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A file of format version 1 as numpy.save() writes it.
std::string File(std::string dictionary, const std::string& data,
                 char version = 1) {
  const size_t length_bytes = version == 1 ? 2 : 4;
  while ((8 + length_bytes + dictionary.size() + 1) % 64 != 0) {
    dictionary += ' ';
  }
  dictionary += '\n';
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  for (size_t i = 0; i < length_bytes; ++i) {
    file += static_cast<char>(dictionary.size() >> (8 * i));
  }
  return file + dictionary + data;
}

std::string Dictionary(const std::string& type, const std::string& shape) {
  return absl::StrCat("{'descr': '", type,
                      "', 'fortran_order': False, 'shape': ", shape, ", }");
}

absl::Status ReadAll(const std::string& file) {
  std::istringstream in(file);
  absl::StatusOr<NpyReader> reader = NpyReader::Open(in);
  if (!reader.ok()) return reader.status();
  std::vector<float> row(reader->header().dim);
  for (uint64_t i = 0; i < reader->header().rows; ++i) {
    if (absl::Status status = reader->ReadRow(absl::MakeSpan(row));
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

TEST(NpyReaderTest, RowsOfFloat32AndFloat64AreRead) {
  const std::vector<std::string> files = {
      File(Dictionary("<f4", "(2, 3)"), Bytes<float>({1, 2, 3, 4, 5, 0.1f})),
      File(Dictionary("<f8", "(2, 3)"), Bytes<double>({1, 2, 3, 4, 5, 0.1})),
      File(Dictionary("<f4", "(2, 3)"), Bytes<float>({1, 2, 3, 4, 5, 0.1f}), 2),
      File(Dictionary("<f4", "(2,3)"), Bytes<float>({1, 2, 3, 4, 5, 0.1f}), 3)};
  for (const std::string& file : files) {
    std::istringstream in(file);
    absl::StatusOr<NpyReader> reader = NpyReader::Open(in);
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ(reader->header().rows, 2u);
    ASSERT_EQ(reader->header().dim, 3u);
    std::vector<float> row(3);
    ASSERT_THAT(reader->ReadRow(absl::MakeSpan(row)), IsOk());
    EXPECT_THAT(row, ElementsAre(1, 2, 3));
    ASSERT_THAT(reader->ReadRow(absl::MakeSpan(row)), IsOk());
    EXPECT_THAT(row, ElementsAre(4, 5, 0.1f));
    EXPECT_THAT(reader->ReadRow(absl::MakeSpan(row)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("ends in row 2 of 2")));
  }
}

TEST(NpyReaderTest, OneDimensionIsOneRowAndNoRowsAreLegal) {
  const absl::StatusOr<NpyHeader> one =
      ParseNpyDictionary(Dictionary("<f4", "(5,)"));
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->rows, 1u);
  EXPECT_EQ(one->dim, 5u);
  EXPECT_THAT(ReadAll(File(Dictionary("<f4", "(0, 5)"), "")), IsOk());
}

TEST(NpyReaderTest, BadHeadersSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not a dictionary"},
      {"{", "lacks a string"},
      {"{}", "lacks descr"},
      {"{} x", "more behind"},
      {"{'descr': '<f4'}", "lacks descr, fortran_order or shape"},
      {"{'descr' '<f4'}", "has no value"},
      {"{'descr': '<f4' 'shape': (1, 2)}", "not a dictionary"},
      {"{'descr': '<f4', 'descr': '<f4'}", "unexpected header key"},
      {"{'other': 1}", "unexpected header key"},
      {Dictionary(">f4", "(1, 2)"), "type \">f4\""},
      {Dictionary("<i8", "(1, 2)"), "type \"<i8\""},
      {"{'descr': [('a', '<f4')]}", "structured type"},
      {"{'fortran_order': True}", "want C order"},
      {Dictionary("<f4", "()"), "want the shape"},
      {Dictionary("<f4", "(1, 2, 3)"), "want the shape"},
      {Dictionary("<f4", "(-1, 2)"), "want the shape"},
      {Dictionary("<f4", "(99999999999999999999, 2)"), "want the shape"},
      {Dictionary("<f4", "(1, 0)"), "0 coordinates"},
      {Dictionary("<f4", "(1, 65536)"), "65536 coordinates"},
      {Dictionary("<f4", "5"), "not a tuple"},
      {Dictionary("<f4", "(1 2)"), "not a tuple"}};
  for (const auto& [dictionary, message] : cases) {
    EXPECT_THAT(
        ParseNpyDictionary(dictionary),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << dictionary;
  }
}

TEST(NpyReaderTest, ClaimedSizesCostNothing) {
  EXPECT_THAT(
      ReadAll(File(Dictionary("<f8", "(18446744073709551615, 65535)"), "")),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ends in row 0")));
  std::string huge_header = "\x93NUMPY";
  huge_header += std::string("\x02\0\xFF\xFF\xFF\xFF", 6);
  EXPECT_THAT(ReadAll(huge_header),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("header of 4294967295 bytes")));
}

TEST(NpyReaderTest, EveryCutIsAnErrorAndEveryDamagedByteIsSurvived) {
  const std::string file =
      File(Dictionary("<f4", "(2, 3)"), Bytes<float>({1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(ReadAll(file), IsOk());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(
        ReadAll(file.substr(0, size)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("npy file: ")));
  }
  for (size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      ReadAll(damaged).IgnoreError();
    }
  }
}

}  // namespace
}  // namespace corkscrew
