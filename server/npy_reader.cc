#include "server/npy_reader.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

// NumPy pads headers to a multiple of 64; 10,000 is what its own reader takes.
constexpr size_t kMaxHeaderBytes = 10'000;
constexpr absl::string_view kMagic = "\x93NUMPY";

absl::Status BadFile(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("npy file: ", what));
}

// Scanner of the Python literal {'descr': '<f4', 'fortran_order': False,
// 'shape': (3, 4), }.
class DictionaryParser {
 public:
  explicit DictionaryParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<NpyHeader> Parse() {
    if (!Take("{")) return BadFile("the header is not a dictionary");
    while (!Take("}")) {
      CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view key, String());
      if (!Take(":")) return BadFile("a header key has no value");
      CORKSCREW_RETURN_IF_ERROR(Value(key));
      if (!Take(",") && !absl::StartsWith(text_, "}")) {
        return BadFile("the header is not a dictionary");
      }
    }
    Blank();
    if (!text_.empty()) return BadFile("there is more behind the header");
    if (!type_ || !order_ || !shape_) {
      return BadFile("the header lacks descr, fortran_order or shape");
    }
    return header_;
  }

 private:
  void Blank() { text_ = absl::StripLeadingAsciiWhitespace(text_); }
  // Takes `token`, and the white space around it.
  bool Take(absl::string_view token) {
    Blank();
    if (!absl::StartsWith(text_, token)) return false;
    text_.remove_prefix(token.size());
    Blank();
    return true;
  }
  absl::StatusOr<absl::string_view> String() {
    Blank();
    if (!text_.empty() && (text_[0] == '\'' || text_[0] == '"')) {
      const size_t end = text_.find(text_[0], 1);
      if (end != absl::string_view::npos) {
        const absl::string_view value = text_.substr(1, end - 1);
        text_.remove_prefix(end + 1);
        return value;
      }
    }
    return BadFile("the header lacks a string");
  }

  absl::Status Value(absl::string_view key) {
    bool* const seen = key == "descr"           ? &type_
                       : key == "fortran_order" ? &order_
                       : key == "shape"         ? &shape_
                                                : nullptr;
    if (seen == nullptr || *seen) {
      return BadFile(
          absl::StrCat("unexpected header key \"", Snippet(key, 24), "\""));
    }
    *seen = true;
    if (seen == &type_) return Type();
    if (seen == &order_) {
      if (Take("False")) return absl::OkStatus();
      return BadFile("want C order (fortran_order False)");
    }
    return Shape();
  }

  absl::Status Type() {
    Blank();
    if (absl::StartsWith(text_, "[")) {
      return BadFile("a structured type; want <f4 or <f8");
    }
    CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view type, String());
    if (type == "<f4") {
      header_.value_bytes = 4;
    } else if (type == "<f8") {
      header_.value_bytes = 8;
    } else {
      return BadFile(
          absl::StrCat("type \"", Snippet(type, 24), "\", want <f4 or <f8"));
    }
    return absl::OkStatus();
  }

  absl::Status Shape() {
    if (!Take("(")) return BadFile("shape is not a tuple");
    std::vector<uint64_t> sizes;
    while (!Take(")")) {
      size_t digits = 0;
      while (digits < text_.size() && absl::ascii_isdigit(text_[digits])) {
        ++digits;
      }
      uint64_t size = 0;
      if (!absl::SimpleAtoi(text_.substr(0, digits), &size) ||
          sizes.size() == 2) {
        return BadFile("want the shape (n, dim) or (dim,)");
      }
      sizes.push_back(size);
      text_.remove_prefix(digits);
      if (!Take(",") && !absl::StartsWith(text_, ")")) {
        return BadFile("shape is not a tuple");
      }
    }
    if (sizes.empty()) return BadFile("want the shape (n, dim) or (dim,)");
    const uint64_t dim = sizes.back();
    if (dim == 0 || dim > kMaxNpyDim) {
      return BadFile(
          absl::StrCat(dim, " coordinates per row, want 1 to ", kMaxNpyDim));
    }
    header_.dim = static_cast<size_t>(dim);
    header_.rows = sizes.size() == 2 ? sizes[0] : 1;
    return absl::OkStatus();
  }

  absl::string_view text_;
  NpyHeader header_;
  bool type_ = false;
  bool order_ = false;
  bool shape_ = false;
};

// Reads `size` bytes or fails.
std::optional<std::string> ReadBytes(std::istream& in, size_t size) {
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<size_t>(in.gcount()) != size) return std::nullopt;
  return bytes;
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyDictionary(absl::string_view text) {
  return DictionaryParser(text).Parse();
}

absl::StatusOr<NpyReader> NpyReader::Open(std::istream& in) {
  const std::optional<std::string> start = ReadBytes(in, kMagic.size() + 2);
  if (!start.has_value() || !absl::StartsWith(*start, kMagic)) {
    return BadFile("it does not start with \\x93NUMPY");
  }
  const int version = static_cast<uint8_t>((*start)[kMagic.size()]);
  if (version < 1 || version > 3) {
    return BadFile(absl::StrCat("format version ", version, ", want 1 to 3"));
  }
  const std::optional<std::string> length =
      ReadBytes(in, version == 1 ? sizeof(uint16_t) : sizeof(uint32_t));
  if (!length.has_value()) return BadFile("cut in its header");
  Cursor cursor(*length);
  uint16_t short_bytes = 0;
  uint32_t header_bytes = 0;
  if (version == 1) {
    if (!cursor.ReadLittle(&short_bytes)) return BadFile("cut in its header");
    header_bytes = short_bytes;
  } else if (!cursor.ReadLittle(&header_bytes)) {
    return BadFile("cut in its header");
  }
  if (header_bytes > kMaxHeaderBytes) {
    return BadFile(absl::StrCat("header of ", header_bytes, " bytes, at most ",
                                kMaxHeaderBytes));
  }
  const std::optional<std::string> text = ReadBytes(in, header_bytes);
  if (!text.has_value()) return BadFile("cut in its header");
  CORKSCREW_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyDictionary(*text));
  return NpyReader(in, header);
}

absl::Status NpyReader::ReadRow(absl::Span<float> row) {
  assert(row.size() == header_.dim);
  in_->read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
  if (static_cast<size_t>(in_->gcount()) != bytes_.size()) {
    return BadFile(
        absl::StrCat("ends in row ", next_row_, " of ", header_.rows));
  }
  ++next_row_;
  for (size_t i = 0; i < row.size(); ++i) {
    if (header_.value_bytes == sizeof(float)) {
      std::memcpy(&row[i], bytes_.data() + i * sizeof(float), sizeof(float));
    } else {
      double value;
      std::memcpy(&value, bytes_.data() + i * sizeof(double), sizeof(double));
      row[i] = static_cast<float>(value);
    }
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
