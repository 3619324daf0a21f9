#ifndef CORKSCREW_TESTS_STORAGE_DAMAGE_IMAGES_H_
#define CORKSCREW_TESTS_STORAGE_DAMAGE_IMAGES_H_

// Directories to damage, and all that can be done to each of their files.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "corkscrew/db.h"
#include "db/environment.h"
#include "tests/storage/reference_db.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {

enum class ImageKind {
  kDatabase,
  kSnapshot,  // RestoreSnapshot() makes a database of it,
  kBackup,    // and RestoreBackup() of this.
};

// Files are immutable, but for what a case does and undoes.
struct Image {
  std::string name;
  ImageKind kind = ImageKind::kDatabase;
  std::string path;
  std::string older;     // An earlier state of the directory.
  ReferenceDb all;       // What it holds,
  ReferenceDb but_last;  // and without the last write.
};

// One file of an image, or a directory in it, with all that can happen to it.
struct Target {
  size_t image = 0;
  std::string file;  // Relative.
  bool directory = false;
  uint64_t size = 0;
  bool has_older = false;
  // Files of the same kind beside it, relative: the content of each is put in
  // its place, and the other way round.
  std::vector<std::string> peers = {};

  // Of a file 8 flips and a cut per byte, removed, doubled, exchanged with each
  // peer; of both an older copy.
  uint64_t cases() const {
    const uint64_t older = has_older ? 1 : 0;
    return directory ? older : 9 * size + 2 + peers.size() + older;
  }
  // Whether case `which` changes bytes of the file, and leaves it there.
  bool changes_bytes(uint64_t which) const {
    return !directory && which < 9 * size;
  }
};

// How the databases of images are opened. With `time`, two seconds pass from
// any look at the clock to the next, so that what is written at most once a
// second is written each time.
Options ImageOptions(bool time);
Environment ImageEnvironment();

// A database of 200 records with segments of 64 slots, live and history, as it
// is after kill -9 and after it was closed; a snapshot of it, and a repository
// with two generations.
//
// A few bytes differ from process to process (what tables say of the time), and
// with them the sizes of files and the numbers of cases. Where the variable
// CORKSCREW_IMAGES names a directory, the first process keeps its images there
// and all others take those.
class DamageImages {
 public:
  explicit DamageImages(bool time);

  uint64_t cases() const { return cases_; }
  const std::vector<Image>& images() const { return images_; }
  const Image& image(const Target& target) const {
    return images_[target.image];
  }
  // The target of a case, and which of its cases it is.
  std::pair<const Target*, uint64_t> Find(uint64_t number) const;

 private:
  void Save(const std::string& name, ImageKind kind, const std::string& path,
            const ReferenceDb& all, const ReferenceDb& but_last);
  void KeepOrTakeKept(const std::string& kept);
  void AddTargets(size_t number);

  ScratchDirectory scratch_;
  std::vector<Image> images_;
  std::vector<Target> targets_;
  uint64_t cases_ = 0;
};

// The bytes of a target's file after a case that changes bytes. *what says what
// was done.
std::string ChangedBytes(const Target& target, uint64_t which,
                         std::string bytes, std::string* what);

// Does a case to the directory `path`, which is like the image. Returns what
// was done.
std::string ApplyDamage(const Image& image, const Target& target,
                        uint64_t which, const std::string& path);

std::string ReadAll(const std::string& path);
void WriteAll(const std::string& path, const std::string& bytes);

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_STORAGE_DAMAGE_IMAGES_H_
