#include "embed/mll_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/ed25519.h"
#include "base/status_macros.h"
#include "embed/blake3.h"

namespace corkscrew {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kEntryBytes = 64;
constexpr uint16_t kVersion = 0x0100;
// Each core section at most once, and extensions.
constexpr uint32_t kMaxSections = 256;
constexpr uint8_t kHasSignature = 1;

// Flags of sections.
constexpr uint16_t kRequired = 1;
constexpr uint16_t kSkippable = 2;
constexpr uint16_t kExternal = 4;
constexpr uint16_t kCompressed = 8;
constexpr uint16_t kAligned = 16;
constexpr uint64_t kAlignment = 4096;

constexpr absl::string_view kCoreTags[] = {
    "HEAD", "STRG", "ENUM", "DIMS", "TYPE", "PARM", "ENTR",
    "BUFF", "KRNL", "PLAN", "MEMP", "TNSR", "OPTM", "SCHM"};
constexpr int kExtension = 100;
constexpr int kSignature = 101;

std::string Printable(absl::string_view tag) {
  return absl::StrCat("section \"", absl::CHexEscape(tag), "\"");
}

template <typename T>
void AppendLittle(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

int MllTagOrder(absl::string_view tag) {
  if (tag == "SGNM") return kSignature;
  for (size_t i = 0; i < std::size(kCoreTags); ++i) {
    if (kCoreTags[i] == tag) return static_cast<int>(i);
  }
  return !tag.empty() && tag[0] == 'X' ? kExtension : -1;
}

absl::Status MllFile::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
}

absl::Status MllFile::ReadHeader(uint32_t* sections) {
  Cursor cursor(bytes_);
  absl::string_view magic;
  uint16_t version = 0;
  uint8_t profile = 0;
  uint64_t size = 0;
  uint8_t least_minor = 0;
  if (!cursor.ReadBytes(4, &magic) || magic != absl::string_view("MLL\0", 4)) {
    return Error("is no .mll file: does not start with \"MLL\"");
  }
  if (!cursor.ReadLittle(&version) || !cursor.ReadLittle(&profile) ||
      !cursor.ReadLittle(&flags_) || !cursor.ReadLittle(&size) ||
      !cursor.ReadLittle(sections) || !cursor.ReadLittle(&least_minor) ||
      !cursor.Skip(3)) {
    return Error("is cut short in the header");
  }
  if (version >> 8 != kVersion >> 8 || least_minor > 0) {
    return absl::UnimplementedError(absl::StrCat(
        name_, ": has version ", version >> 8, ".", version & 0xFF,
        " and wants a reader of 1.", least_minor, ", supported is 1.0"));
  }
  minor_ = static_cast<uint8_t>(version & 0xFF);
  if (size != bytes_.size()) {
    return Error(
        absl::StrCat("has ", bytes_.size(), " bytes, but says ", size));
  }
  if (profile < 1 || profile > 3) {
    return Error(absl::StrCat("has profile ", profile, ", want 1 to 3"));
  }
  profile_ = static_cast<MllProfile>(profile);
  if ((flags_ & ~kHasSignature) != 0 ||
      bytes_.substr(21, 3) != std::string(3, '\0')) {
    return Error("has unknown flags in the header");
  }
  if (*sections > kMaxSections ||
      *sections * kEntryBytes > bytes_.size() - kHeaderBytes) {
    return Error(absl::StrCat("has a directory of ", *sections,
                              " sections, which do not fit"));
  }
  return absl::OkStatus();
}

absl::Status MllFile::ReadSection(absl::string_view entry) {
  Cursor cursor(entry);
  MllSection section;
  uint64_t size = 0;
  uint64_t padding = 0;
  const bool read =
      cursor.ReadBytes(4, &section.tag) && cursor.ReadLittle(&section.offset) &&
      cursor.ReadLittle(&size) && cursor.ReadBytes(32, &section.digest) &&
      cursor.ReadLittle(&section.flags) && cursor.ReadLittle(&section.schema) &&
      cursor.ReadLittle(&padding);
  const std::string what = Printable(section.tag);
  if (!read || padding != 0) {
    return Error(absl::StrCat(what, ": malformed entry of the directory"));
  }
  if (section.offset > bytes_.size() || size > bytes_.size() - section.offset) {
    return Error(absl::StrCat(what, " of ", size, " bytes at ", section.offset,
                              " reaches behind the end of the file"));
  }
  if ((section.flags & (kExternal | kCompressed)) != 0) {
    return absl::UnimplementedError(
        absl::StrCat(name_, ": ", what, " is compressed or in another file"));
  }
  if ((section.flags & kRequired) != 0 && (section.flags & kSkippable) != 0) {
    return Error(absl::StrCat(what, " is both required and skippable"));
  }
  if ((section.flags & kAligned) != 0 && section.offset % kAlignment != 0) {
    return Error(absl::StrCat(what, " at ", section.offset,
                              " is not aligned to ", kAlignment));
  }
  if (MllTagOrder(section.tag) < 0) {
    return Error(absl::StrCat(what, " is unknown"));
  }
  if (Find(section.tag) != nullptr) {
    return Error(absl::StrCat(what, " is there twice"));
  }
  section.body = absl::string_view(bytes_).substr(section.offset, size);
  sections_.push_back(section);
  return absl::OkStatus();
}

absl::Status MllFile::CheckPlaces(size_t directory_end) const {
  uint64_t end = directory_end;
  for (const MllSection& section : sections_) {
    if (section.offset < end) {
      return Error(absl::StrCat(Printable(section.tag), " at ", section.offset,
                                " overlaps what ends at ", end));
    }
    end = section.offset + section.body.size();
  }
  return absl::OkStatus();
}

absl::Status MllFile::CheckDigests() const {
  for (const MllSection& section : sections_) {
    Blake3Stream stream;
    absl::string_view rest = section.body;
    if (section.tag == "HEAD" && profile_ != MllProfile::kCheckpoint) {
      // When it was made, and the generation, are not part of the content.
      if (rest.size() < 24) return Error("section \"HEAD\" is cut short");
      stream.Update(rest.substr(0, 8));
      stream.Update(std::string(16, '\0'));
      rest.remove_prefix(24);
    }
    stream.Update(rest);
    const Blake3Digest digest = stream.Finish();
    if (!std::equal(
            digest.begin(), digest.end(), section.digest.begin(),
            [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); })) {
      return Error(absl::StrCat(Printable(section.tag),
                                ": the digest does not match the bytes, the "
                                "file is damaged"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const MllFile>> MllFile::Parse(
    std::string bytes, absl::string_view name) {
  std::shared_ptr<MllFile> file(new MllFile(std::move(bytes), name));
  uint32_t count = 0;
  CORKSCREW_RETURN_IF_ERROR(file->ReadHeader(&count));
  for (size_t i = 0; i < count; ++i) {
    CORKSCREW_RETURN_IF_ERROR(file->ReadSection(
        absl::string_view(file->bytes_)
            .substr(kHeaderBytes + i * kEntryBytes, kEntryBytes)));
  }
  std::stable_sort(file->sections_.begin(), file->sections_.end(),
                   [](const MllSection& a, const MllSection& b) {
                     return a.offset < b.offset;
                   });
  CORKSCREW_RETURN_IF_ERROR(
      file->CheckPlaces(kHeaderBytes + count * kEntryBytes));
  CORKSCREW_RETURN_IF_ERROR(file->CheckDigests());
  if (((file->flags_ & kHasSignature) != 0) !=
      (file->Find("SGNM") != nullptr)) {
    return file->Error(
        "says in its header and in its directory different things about a "
        "signature");
  }
  return file;
}

const MllSection* MllFile::Find(absl::string_view tag) const {
  for (const MllSection& section : sections_) {
    if (section.tag == tag) return &section;
  }
  return nullptr;
}

absl::StatusOr<Blake3Digest> MllFile::ContentHash() const {
  if (profile_ == MllProfile::kCheckpoint) {
    return Error("is a checkpoint, which has no content hash");
  }
  std::vector<const MllSection*> ordered;
  for (const MllSection& section : sections_) {
    if (section.tag != "SGNM") ordered.push_back(&section);
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const MllSection* a, const MllSection* b) {
              const int x = MllTagOrder(a->tag);
              const int y = MllTagOrder(b->tag);
              return x != y ? x < y : a->tag < b->tag;
            });
  std::string bytes = {1, static_cast<char>(minor_),
                       static_cast<char>(profile_),
                       static_cast<char>(flags_ & ~kHasSignature)};
  for (const MllSection* section : ordered) {
    absl::StrAppend(&bytes, section->tag);
    AppendLittle(&bytes, section->flags);
    AppendLittle(&bytes, section->schema);
    absl::StrAppend(&bytes, section->digest);
  }
  return Blake3(bytes);
}

absl::Status MllFile::VerifySignature(absl::string_view public_key) const {
  constexpr uint8_t kEd25519 = 1;
  const MllSection* section = Find("SGNM");
  if (section == nullptr) {
    return absl::NotFoundError(absl::StrCat(name_, ": is not signed"));
  }
  Cursor cursor(section->body);
  uint32_t key_id = 0;
  uint8_t algorithm = 0;
  uint32_t size = 0;
  absl::string_view signature;
  if (!cursor.ReadLittle(&key_id) || !cursor.ReadLittle(&algorithm) ||
      !cursor.ReadLittle(&size) || !cursor.ReadBytes(size, &signature) ||
      !cursor.done() || algorithm != kEd25519 || size != 64) {
    return Error("section \"SGNM\": want an Ed25519 signature of 64 bytes");
  }
  if (public_key.size() != 32) {
    return Error(
        absl::StrCat("a public key has 32 bytes, not ", public_key.size()));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const Blake3Digest hash, ContentHash());
  const absl::string_view message(reinterpret_cast<const char*>(hash.data()),
                                  hash.size());
  if (!VerifyEd25519(public_key, message, signature)) {
    return Error("the signature is not of this key and content");
  }
  return absl::OkStatus();
}

}  // namespace corkscrew
