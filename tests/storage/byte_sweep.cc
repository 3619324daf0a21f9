// Every bit of every file flipped, every file cut at every length, removed,
// doubled, exchanged with one of its kind and replaced by an older copy of
// itself: a database of 200 records then opens with all its data, or refuses
// and says why, or answers DataLoss where the damage is; a snapshot and a
// backup are not restored, or whole. Never another value, a crash, or less
// without a word.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "corkscrew/backup.h"
#include "db/local_db.h"
#include "tests/storage/damage_images.h"
#include "tests/storage/file_verdicts.h"
#include "tests/storage/proof.h"
#include "tests/storage/reference_db.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

// Of the damages that a reader gives the same verdict on, the first is opened
// as a whole, and then one of so many.
constexpr uint64_t kOpenOneOf = 128;

const DamageImages& AllImages() {
  static const DamageImages* const images = new DamageImages(true);
  return *images;
}

// Written within a second: durable.mark knows only of their first write.
const DamageImages& ImagesOfASecond() {
  static const DamageImages* const images = new DamageImages(false);
  return *images;
}

// The bytes of a target's file, undamaged.
const std::string& ContentOf(const Target& target) {
  static auto* const contents = new std::map<const Target*, std::string>;
  const auto [content, fresh] = contents->try_emplace(&target);
  if (fresh) {
    content->second =
        ReadAll(AllImages().image(target).path + "/" + target.file);
  }
  return content->second;
}

// Whether a damage has a verdict that another one of this process was opened
// with.
bool IsKnown(const Target& target, uint64_t which) {
  static FileVerdicts* const verdicts = new FileVerdicts(&AllImages());
  static auto* const known =
      new std::set<std::pair<const Target*, std::string>>;
  if (!target.changes_bytes(which)) return false;
  std::string what;
  std::optional<std::string> verdict = verdicts->Of(
      target, ChangedBytes(target, which, ContentOf(target), &what));
  return verdict.has_value() &&
         !known->emplace(&target, *std::move(verdict)).second;
}

// What happens when a database is opened after a damage.
CaseResult OpenDamaged(const Image& image, const Target& target, uint64_t which,
                       uint64_t seed) {
  CaseResult out;
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/db";
  fs::copy(image.path, path, fs::copy_options::recursive);
  const std::string damage =
      absl::StrCat(image.name, ": ", ApplyDamage(image, target, which, path));
  const auto fail = [&](const std::string& what) {
    out.findings.push_back(absl::StrCat(what, "\n", damage));
  };

  const auto db = OpenLocalDb(path, ImageOptions(true), ImageEnvironment());
  if (!db.ok()) {
    if (db.status().message().empty()) fail("refuses without a word");
    out.covered.push_back("refused");
    return out;
  }
  Random random(seed);
  Identities identities;
  const std::string wrong =
      Difference(**db, image.all, &random, &identities, true);
  if (wrong.empty()) {
    out.covered.push_back("opened");
    return out;
  }
  // The end of the log can not be told from a write that was cut off, but then
  // the database says that it gave something up.
  const auto stats = (*db)->Stats();
  if (stats.ok() && stats->recovery_dropped_bytes != 0 &&
      Difference(**db, image.but_last, &random, &identities, true).empty()) {
    out.covered.push_back("opened without the last write, and said so");
    return out;
  }
  fail(wrong);
  return out;
}

// A directory like an image with one damage. Most damages are done to the image
// itself and undone: copying would take longer than what is tested.
class DamagedDirectory {
 public:
  DamagedDirectory(const Image& image, const Target& target, uint64_t which)
      : image_(image), target_(target) {
    if (target.changes_bytes(which)) {
      path_ = image.path;
      WriteAll(path_ + "/" + target.file,
               ChangedBytes(target, which, ContentOf(target), &what_));
      undo_ = true;
      return;
    }
    path_ = scratch_.path() + "/from";
    fs::copy(image.path, path_, fs::copy_options::recursive);
    what_ = ApplyDamage(image, target, which, path_);
  }
  ~DamagedDirectory() {
    if (undo_) WriteAll(path_ + "/" + target_.file, ContentOf(target_));
  }
  DamagedDirectory(const DamagedDirectory&) = delete;
  DamagedDirectory& operator=(const DamagedDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string what() const { return absl::StrCat(image_.name, ": ", what_); }

 private:
  const Image& image_;
  const Target& target_;
  const ScratchDirectory scratch_;
  std::string path_;
  std::string what_;
  bool undo_ = false;
};

// What happens when a snapshot or backup is restored after a damage.
CaseResult RestoreDamaged(const Image& image, const Target& target,
                          uint64_t which, uint64_t seed) {
  CaseResult out;
  const DamagedDirectory from(image, target, which);
  const ScratchDirectory scratch;
  const std::string to = scratch.path() + "/db";
  constexpr uint64_t kNewest = 2;
  const absl::Status restored =
      image.kind == ImageKind::kSnapshot
          ? RestoreSnapshot(from.path(), to).status()
          : RestoreBackup(*DirectoryBackupStore(from.path()), kNewest, to)
                .status();
  const auto fail = [&](const std::string& what) {
    out.findings.push_back(absl::StrCat(what, "\n", from.what()));
  };
  if (!restored.ok()) {
    if (restored.message().empty()) fail("refuses without a word");
    if (fs::exists(to)) fail("refuses, and leaves a directory");
    out.covered.push_back(image.name + " refused");
    return out;
  }
  const auto db = OpenLocalDb(to, ImageOptions(true), ImageEnvironment());
  if (!db.ok()) {
    fail(absl::StrCat("restored, but does not open: ", db.status().ToString()));
    return out;
  }
  Random random(seed);
  Identities identities;
  const std::string wrong = Difference(**db, image.all, &random, &identities);
  if (!wrong.empty()) fail(wrong);
  out.covered.push_back(image.name + " restored whole");
  return out;
}

}  // namespace

uint64_t ByteSweepCases() { return AllImages().cases(); }

CaseResult RunByteSweep(uint64_t seed, uint64_t number) {
  const DamageImages& images = AllImages();
  // In an order that mixes them, so that a part of all is a sample of all.
  constexpr uint64_t kStride = 1'000'000'007;  // A prime: meets every case.
  const auto [target, which] =
      images.Find((number + seed) * kStride % images.cases());
  const Image& image = images.image(*target);
  if (image.kind != ImageKind::kDatabase) {
    return RestoreDamaged(image, *target, which, number);
  }
  if (number % kOpenOneOf != 0 && IsKnown(*target, which)) {
    CaseResult out;
    out.covered.push_back("judged by its reader");
    return out;
  }
  return OpenDamaged(image, *target, which, number);
}

CaseResult RunLogFlips(uint64_t seed, uint64_t number) {
  const DamageImages& images = ImagesOfASecond();
  Random random(seed * 1'000'003 + number);
  while (true) {
    const auto [target, which] = images.Find(random.Next() % images.cases());
    const Image& image = images.image(*target);
    if (image.kind == ImageKind::kDatabase &&
        absl::EndsWith(target->file, ".log") && which < 8 * target->size) {
      return OpenDamaged(image, *target, which, number);
    }
  }
}

}  // namespace corkscrew::testing
