#include "embed/mll_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/ed25519.h"
#include "base/status_macros.h"
#include "embed/blake3.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"

namespace corkscrew {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kEntryBytes = 64;
constexpr uint16_t kVersion = 0x0100;
constexpr size_t kSectionAlignment = 4096;
constexpr size_t kTensorAlignment = 64;
constexpr uint8_t kEd25519 = 1;
constexpr uint8_t kTypeTensor = 1;

template <typename T>
void Append(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

size_t Padded(size_t size, size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

// What the directory says: when a file was made, and its generation, do not
// count but in checkpoints.
Blake3Digest DigestOf(MllProfile profile, const MllPart& part) {
  if (part.tag != "HEAD" || profile == MllProfile::kCheckpoint ||
      part.body.size() < 24) {
    return Blake3(part.body);
  }
  std::string body = part.body;
  body.replace(8, 16, 16, '\0');
  return Blake3(body);
}

void AppendVarint(std::string* to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    to->push_back(static_cast<char>(value | 0x80));
  }
  to->push_back(static_cast<char>(value));
}

// A reference to entry `index` of section `tag`.
void AppendRef(std::string* to, absl::string_view tag, uint32_t index) {
  to->append(tag.data(), tag.size());
  Append(to, index);
}

}  // namespace

std::vector<MllPart> PartsOf(const MllFile& file) {
  std::vector<MllPart> parts;
  for (const MllSection& section : file.sections()) {
    parts.push_back({std::string(section.tag), section.flags, section.schema,
                     std::string(section.body)});
  }
  return parts;
}

MllPart* FindPart(std::vector<MllPart>* parts, absl::string_view tag) {
  for (MllPart& part : *parts) {
    if (part.tag == tag) return &part;
  }
  return nullptr;
}

std::string WriteMll(MllProfile profile, std::vector<MllPart> parts) {
  std::sort(parts.begin(), parts.end(), [](const MllPart& a, const MllPart& b) {
    return std::pair(MllTagOrder(a.tag), a.tag) <
           std::pair(MllTagOrder(b.tag), b.tag);
  });
  std::vector<size_t> offsets;
  size_t end = kHeaderBytes + parts.size() * kEntryBytes;
  for (const MllPart& part : parts) {
    if ((part.flags & kMllAligned) != 0) end = Padded(end, kSectionAlignment);
    offsets.push_back(end);
    end += part.body.size();
  }
  std::string file("MLL\0", 4);
  file.reserve(end);
  Append(&file, kVersion);
  Append(&file, static_cast<uint8_t>(profile));
  Append<uint8_t>(&file, FindPart(&parts, "SGNM") != nullptr ? 1 : 0);
  Append<uint64_t>(&file, end);
  Append(&file, static_cast<uint32_t>(parts.size()));
  Append<uint32_t>(&file, 0);  // Least minor version of a reader; reserved.
  for (size_t i = 0; i < parts.size(); ++i) {
    file += parts[i].tag;
    Append<uint64_t>(&file, offsets[i]);
    Append<uint64_t>(&file, parts[i].body.size());
    const Blake3Digest digest = DigestOf(profile, parts[i]);
    file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    Append(&file, parts[i].flags);
    Append(&file, parts[i].schema);
    Append<uint64_t>(&file, 0);
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    file.resize(offsets[i]);
    file += parts[i].body;
  }
  return file;
}

absl::StatusOr<std::string> SignMll(const MllFile& file,
                                    absl::string_view key_id,
                                    absl::string_view seed) {
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  std::vector<MllPart> parts = PartsOf(file);
  std::erase_if(parts, [](const MllPart& part) { return part.tag == "SGNM"; });
  MllStrings strings(contents.strings);
  const uint32_t key = strings.Add(key_id);
  FindPart(&parts, "STRG")->body = strings.Body();
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const MllFile> unsigned_file,
      MllFile::Parse(WriteMll(file.profile(), parts), file.name()));
  CORKSCREW_ASSIGN_OR_RETURN(const Blake3Digest hash,
                             unsigned_file->ContentHash());
  const std::string signature = SignEd25519(
      seed, {reinterpret_cast<const char*>(hash.data()), hash.size()});
  if (signature.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a private key has 32 bytes, this one has ", seed.size()));
  }
  MllPart part{.tag = "SGNM", .flags = 0, .schema = 1, .body = ""};
  Append(&part.body, key);
  Append(&part.body, kEd25519);
  Append(&part.body, static_cast<uint32_t>(signature.size()));
  part.body += signature;
  parts.push_back(std::move(part));
  return WriteMll(file.profile(), std::move(parts));
}

MllStrings::MllStrings(const std::vector<absl::string_view>& strings) {
  for (const absl::string_view text : strings) {
    const auto index = static_cast<uint32_t>(strings_.size());
    strings_.emplace_back(text);
    indices_.emplace(text, index);  // The first of two equal ones.
  }
}

uint32_t MllStrings::Add(absl::string_view text) {
  const auto found = indices_.find(text);
  if (found != indices_.end()) return found->second;
  const auto index = static_cast<uint32_t>(strings_.size());
  strings_.emplace_back(text);
  indices_.emplace(text, index);
  return index;
}

std::string MllStrings::Body() const {
  std::string body;
  Append(&body, static_cast<uint32_t>(strings_.size()));
  for (const std::string& text : strings_) {
    Append(&body, static_cast<uint32_t>(text.size()));
    body += text;
  }
  return body;
}

std::string MllTensorBody(const std::vector<MllTensorPart>& tensors) {
  size_t header = sizeof(uint32_t);
  for (const MllTensorPart& tensor : tensors) {
    header += 29 + 8 * tensor.shape.size();
  }
  std::string body;
  Append(&body, static_cast<uint32_t>(tensors.size()));
  size_t offset = Padded(header, kTensorAlignment);
  for (const MllTensorPart& tensor : tensors) {
    Append(&body, tensor.name);
    Append(&body, static_cast<uint8_t>(tensor.type));
    Append(&body, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t extent : tensor.shape) Append(&body, extent);
    Append<uint64_t>(&body, offset);
    Append<uint64_t>(&body, tensor.data.size());
    Append<uint32_t>(&body, 0);
    offset = Padded(offset + tensor.data.size(), kTensorAlignment);
  }
  body.reserve(offset);
  for (const MllTensorPart& tensor : tensors) {
    body.resize(Padded(body.size(), kTensorAlignment));
    body.append(tensor.data.data(), tensor.data.size());
  }
  body.resize(offset);
  return body;
}

std::vector<MllPart> SealedParts(absl::string_view name,
                                 absl::string_view entry,
                                 const std::vector<MllTensorPart>& tensors,
                                 MllStrings* strings) {
  std::string head;
  Append(&head, strings->Add(name));
  head.resize(head.size() + 26);  // No description, no times, empty lists.

  std::string types;
  std::string parameters;
  Append(&types, static_cast<uint32_t>(tensors.size()));
  Append(&parameters, static_cast<uint32_t>(tensors.size()));
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const MllTensorPart& tensor = tensors[i];
    Append(&types, tensor.name);
    Append(&types, kTypeTensor);
    Append(&types, static_cast<uint8_t>(tensor.type));
    Append(&types, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t extent : tensor.shape) {
      types.push_back('\0');              // A literal,
      AppendVarint(&types, extent << 1);  // zigzag.
    }
    Append(&parameters, tensor.name);
    AppendRef(&parameters, "TYPE", i);
    Append<uint32_t>(&parameters, 0);  // No binding.
    Append<uint8_t>(&parameters, 0);   // Not trainable.
  }

  std::string entries;
  Append<uint32_t>(&entries, 1);
  Append(&entries, strings->Add(entry));
  Append<uint8_t>(&entries, 0);  // A function without inputs and outputs.
  Append<uint64_t>(&entries, 0);

  return {{"HEAD", kMllRequired, 1, std::move(head)},
          {"DIMS", kMllRequired, 1, std::string(4, '\0')},
          {"TYPE", 0, 1, std::move(types)},
          {"PARM", kMllRequired, 1, std::move(parameters)},
          {"ENTR", kMllRequired, 1, std::move(entries)},
          {"TNSR", kMllRequired | kMllAligned, 1, MllTensorBody(tensors)}};
}

}  // namespace corkscrew
