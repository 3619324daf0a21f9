#include "embed/mll_contents.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "embed/mll_file.h"

namespace corkscrew {
namespace {

constexpr uint32_t kMaxRank = 8;
constexpr int kMaxDepth = 8;  // Of expressions of dimensions.
constexpr uint64_t kTensorAlignment = 64;

// What a profile must and must not have.
struct ProfileRules {
  std::vector<absl::string_view> required;
  std::vector<absl::string_view> forbidden;
  bool ordered;
};

ProfileRules RulesOf(MllProfile profile) {
  switch (profile) {
    case MllProfile::kSealed:
      return {{"HEAD", "STRG", "DIMS", "PARM", "ENTR", "TNSR"}, {"OPTM"}, true};
    case MllProfile::kCheckpoint:
      return {{"HEAD", "STRG", "DIMS", "PARM", "ENTR", "TNSR", "OPTM"},
              {"SGNM"},
              false};
    case MllProfile::kWeights:
      break;
  }
  return {{"HEAD", "STRG", "PARM", "TNSR"},
          {"ENTR", "BUFF", "KRNL", "PLAN", "OPTM"},
          true};
}

// Bytes per element; 0 for q4 and unknown types.
uint64_t BytesOf(MllType type) {
  switch (type) {
    case MllType::kI8:
    case MllType::kU8:
    case MllType::kQ8:
      return 1;
    case MllType::kI16:
    case MllType::kU16:
    case MllType::kF16:
      return 2;
    case MllType::kI32:
    case MllType::kU32:
    case MllType::kF32:
      return 4;
    case MllType::kI64:
    case MllType::kU64:
    case MllType::kF64:
      return 8;
    case MllType::kQ4:
      break;
  }
  return 0;
}

// Reads one section after the other. The first thing wrong is kept; what is
// read after that is zero.
class ContentsReader {
 public:
  explicit ContentsReader(const MllFile& file) : file_(file) {}

  absl::StatusOr<MllContents> Read();

 private:
  // ---- Bytes.
  void Fail(absl::string_view what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_.name(), ": section \"", section_, "\": ", what,
                     " (at byte ", cursor_.position(), ")"));
  }
  template <typename T>
  T Number() {
    T value{};
    if (status_.ok() && !cursor_.ReadLittle(&value)) Fail("is cut short");
    return status_.ok() ? value : T{};
  }
  // An enumeration up to `most`.
  uint8_t Code(uint8_t most, absl::string_view what) {
    const auto code = Number<uint8_t>();
    if (code > most) Fail(absl::StrCat(what, " is ", code));
    return code;
  }
  absl::string_view Bytes(uint64_t size) {
    absl::string_view bytes;
    if (status_.ok() && !cursor_.ReadBytes(size, &bytes)) Fail("is cut short");
    return bytes;
  }
  absl::string_view String() {
    const auto index = Number<uint32_t>();
    if (!status_.ok()) return "";
    if (index >= contents_.strings.size()) {
      Fail(absl::StrCat("names string ", index, " of ",
                        contents_.strings.size()));
      return "";
    }
    return contents_.strings[index];
  }
  // A number of entries of at least `least` bytes each.
  uint32_t Count(uint64_t least) {
    const auto count = Number<uint32_t>();
    if (count > cursor_.remaining() / least) {
      Fail(absl::StrCat("has ", count, " entries, which do not fit"));
      return 0;
    }
    return count;
  }
  // A reference to an entry of another section.
  void Ref(bool optional = false) {
    const absl::string_view tag = Bytes(4);
    const auto index = Number<uint32_t>();
    if (!status_.ok()) return;
    if (optional && index == 0 && tag == absl::string_view("\0\0\0\0", 4)) {
      return;
    }
    const auto found = counts_.find(tag);
    if (found == counts_.end()) {
      Fail("refers to a section that is not there");
    } else if (index >= found->second) {
      Fail(absl::StrCat("refers to entry ", index, " of \"", tag,
                        "\", which has ", found->second));
    }
  }
  void Refs() {
    for (uint32_t n = Count(8); n > 0 && status_.ok(); --n) Ref();
  }
  // Calls `read` for each of a number of entries.
  template <typename Each>
  void ForEach(uint64_t least, const Each& read) {
    for (uint32_t n = Count(least); n > 0 && status_.ok(); --n) read();
  }

  // ---- Sections.
  // Runs `read` on the body of `tag` if there is one.
  void Section(absl::string_view tag, void (ContentsReader::*read)(),
               bool whole = true);
  void CountEntries();
  void Strings();
  void Head();
  void Enums();
  void Dims();
  void Types();
  void Dimension(int depth);
  void Params();
  void Entries();
  void Buffers();
  void Kernels();
  void Plans();
  void Memory();
  void Tensors();
  void Tensor(MllTensor* tensor);
  void Optimizer();
  absl::Status CheckProfile() const;

  const MllFile& file_;
  Cursor cursor_{""};
  absl::string_view section_;
  absl::Status status_;
  MllContents contents_;
  std::map<absl::string_view, uint32_t> counts_;  // Entries by section.
};

void ContentsReader::Section(absl::string_view tag,
                             void (ContentsReader::*read)(), bool whole) {
  const MllSection* section = file_.Find(tag);
  if (section == nullptr || !status_.ok()) return;
  section_ = tag;
  cursor_ = Cursor(section->body);
  (this->*read)();
  if (whole && status_.ok() && !cursor_.done()) {
    Fail(absl::StrCat("has ", cursor_.remaining(), " bytes too many"));
  }
}

void ContentsReader::CountEntries() {
  for (const MllSection& section : file_.sections()) {
    if (section.tag == "HEAD" || section.tag == "OPTM" ||
        section.tag == "SGNM" || section.tag[0] == 'X') {
      continue;
    }
    Cursor cursor(section.body);
    uint32_t count = 0;
    if (cursor.ReadLittle(&count)) counts_[section.tag] = count;
  }
}

void ContentsReader::Strings() {
  ForEach(4, [&] {
    const absl::string_view text = Bytes(Number<uint32_t>());
    if (!IsValidUtf8(text)) Fail("has a string that is not UTF-8");
    contents_.strings.push_back(text);
  });
}

void ContentsReader::Head() {
  contents_.name = String();
  String();  // Description; 0 is a string too.
  contents_.created_unix_ms = Number<int64_t>();
  contents_.generation = Number<uint64_t>();
  for (auto n = Number<uint16_t>(); n > 0 && status_.ok(); --n) {
    Number<uint16_t>();  // A backend.
  }
  for (auto n = Number<uint16_t>(); n > 0 && status_.ok(); --n) String();
  for (auto n = Number<uint16_t>(); n > 0 && status_.ok(); --n) {
    const absl::string_view key = String();
    MllValue value;
    switch (Code(4, "kind of a value")) {
      case 1:
        value = Number<uint8_t>() != 0;
        break;
      case 2:
        value = Number<int64_t>();
        break;
      case 3:
        value = Number<double>();
        break;
      case 4:
        value = String();
        break;
      default:
        break;
    }
    contents_.metadata.emplace_back(key, value);
  }
}

void ContentsReader::Enums() {
  ForEach(8, [&] {
    String();
    ForEach(4, [&] { String(); });
  });
}

void ContentsReader::Dims() {
  ForEach(13, [&] {
    String();
    Code(1, "bound of a dimension");
    Number<int64_t>();
  });
}

void ContentsReader::Dimension(int depth) {
  if (depth > kMaxDepth) return Fail("has an expression that is too deep");
  switch (Code(2, "kind of a dimension")) {
    case 0: {
      uint64_t zigzag = 0;
      if (status_.ok() && !cursor_.ReadVarint(&zigzag)) {
        Fail("has a malformed number");
      }
      break;
    }
    case 1:
      String();
      break;
    default:
      Code(3, "operation");
      Dimension(depth + 1);
      if (status_.ok()) Dimension(depth + 1);
  }
}

void ContentsReader::Types() {
  ForEach(5, [&] {
    String();
    switch (Code(3, "kind of a type")) {
      case 1:
        Code(13, "element type");
        ForEach(2, [&] { Dimension(1); });
        break;
      case 2:
        for (int i = 0; i < 3; ++i) Number<uint32_t>();
        break;
      case 3:
        Number<uint32_t>();
        break;
      default:
        Fail("kind of a type is 0");
    }
  });
}

void ContentsReader::Params() {
  ForEach(17, [&] {
    String();
    Ref();
    String();
    Code(1, "\"trainable\"");
  });
}

void ContentsReader::Entries() {
  const auto values = [&] {
    ForEach(12, [&] {
      String();
      Ref();
    });
  };
  ForEach(13, [&] {
    String();
    Code(2, "kind of an entry point");
    values();
    values();
  });
}

void ContentsReader::Buffers() {
  ForEach(13, [&] {
    String();
    Ref();
    Code(2, "storage of a buffer");
  });
}

void ContentsReader::Kernels() {
  ForEach(8, [&] {
    String();
    Bytes(Number<uint32_t>());
  });
}

void ContentsReader::Plans() {
  ForEach(29, [&] {
    Ref();
    const uint8_t kind = Code(1, "kind of a step");
    String();
    Ref(/*optional=*/kind == 1);
    Refs();
    Refs();
  });
}

void ContentsReader::Memory() {
  ForEach(13, [&] {
    Ref();
    Code(3, "residency");
    Number<uint32_t>();
  });
}

void ContentsReader::Tensor(MllTensor* tensor) {
  tensor->name = String();
  const uint8_t type = Code(13, "element type");
  tensor->type = static_cast<MllType>(type);
  const auto rank = Number<uint32_t>();
  if (type == 0 || rank > kMaxRank) {
    return Fail(absl::StrCat("tensor \"", tensor->name, "\" has type ", type,
                             " and ", rank, " dimensions, want 1 to 13 and at ",
                             "most ", kMaxRank));
  }
  const uint64_t size = cursor_.remaining() + cursor_.position();
  tensor->elements = 1;
  for (uint32_t i = 0; i < rank && status_.ok(); ++i) {
    tensor->shape.push_back(Number<uint64_t>());
    // No tensor has more elements than two for each byte of its section.
    if (tensor->shape[i] > 2 * size ||
        __builtin_mul_overflow(tensor->elements, tensor->shape[i],
                               &tensor->elements) ||
        tensor->elements > 2 * size) {
      return Fail(absl::StrCat("tensor \"", tensor->name,
                               "\" has more elements than bytes"));
    }
  }
  const auto offset = Number<uint64_t>();
  const auto bytes = Number<uint64_t>();
  Number<uint32_t>();  // Flags and padding.
  if (!status_.ok()) return;
  const uint64_t want = tensor->type == MllType::kQ4
                            ? (tensor->elements + 1) / 2
                            : tensor->elements * BytesOf(tensor->type);
  if (offset % kTensorAlignment != 0 || offset > size ||
      bytes > size - offset || bytes != want) {
    return Fail(absl::StrCat("tensor \"", tensor->name, "\" has ", bytes,
                             " bytes at ", offset, ", want ", want,
                             " at a multiple of ", kTensorAlignment,
                             " within the ", size, " of the section"));
  }
  tensor->data = file_.Find("TNSR")->body.substr(offset, bytes);
}

void ContentsReader::Tensors() {
  std::set<absl::string_view> names;
  ForEach(29, [&] {
    MllTensor tensor;
    Tensor(&tensor);
    if (status_.ok() && !names.insert(tensor.name).second) {
      Fail(absl::StrCat("has two tensors \"", tensor.name, "\""));
    }
    contents_.tensors.push_back(std::move(tensor));
  });
}

void ContentsReader::Optimizer() {
  Code(2, "kind of an optimizer");
  Number<uint64_t>();
  Number<uint8_t>();
  Bytes(Number<uint32_t>());
  Number<uint64_t>();
  Refs();
}

absl::Status ContentsReader::CheckProfile() const {
  const ProfileRules rules = RulesOf(file_.profile());
  const auto profile = static_cast<int>(file_.profile());
  for (const absl::string_view tag : rules.required) {
    if (file_.Find(tag) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_.name(), ": section \"", tag,
                       "\" is missing, which profile ", profile, " wants"));
    }
  }
  for (const absl::string_view tag : rules.forbidden) {
    if (file_.Find(tag) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_.name(), ": section \"", tag,
                       "\" has no place in profile ", profile));
    }
  }
  for (size_t i = 1; rules.ordered && i < file_.sections().size(); ++i) {
    const absl::string_view before = file_.sections()[i - 1].tag;
    const absl::string_view tag = file_.sections()[i].tag;
    const int a = MllTagOrder(before);
    const int b = MllTagOrder(tag);
    if (a > b || (a == b && before > tag)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_.name(), ": section \"", tag, "\" stands behind \"",
                       before, "\", want the order of the format"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<MllContents> ContentsReader::Read() {
  CORKSCREW_RETURN_IF_ERROR(CheckProfile());
  CountEntries();
  Section("STRG", &ContentsReader::Strings);
  Section("HEAD", &ContentsReader::Head);
  Section("ENUM", &ContentsReader::Enums);
  Section("DIMS", &ContentsReader::Dims);
  Section("TYPE", &ContentsReader::Types);
  Section("PARM", &ContentsReader::Params);
  Section("ENTR", &ContentsReader::Entries);
  Section("BUFF", &ContentsReader::Buffers);
  Section("KRNL", &ContentsReader::Kernels);
  Section("PLAN", &ContentsReader::Plans);
  Section("MEMP", &ContentsReader::Memory);
  Section("TNSR", &ContentsReader::Tensors, /*whole=*/false);
  Section("OPTM", &ContentsReader::Optimizer);
  CORKSCREW_RETURN_IF_ERROR(status_);
  return std::move(contents_);
}

}  // namespace

absl::StatusOr<MllContents> MllContents::Read(const MllFile& file) {
  return ContentsReader(file).Read();
}

const MllTensor* MllContents::Find(absl::string_view tensor) const {
  for (const MllTensor& candidate : tensors) {
    if (candidate.name == tensor) return &candidate;
  }
  return nullptr;
}

}  // namespace corkscrew
