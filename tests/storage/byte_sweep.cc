// Every bit of every file flipped, every file cut at every length, removed,
// doubled, and replaced by an older copy of itself: a database of 200 records
// then opens with all its data, or refuses and says why, or answers DataLoss
// where the damage is. Never another value, a crash, or less without a word.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "db/local_db.h"
#include "tests/storage/proof.h"
#include "tests/storage/reference_db.h"
#include "tests/storage/scratch_directory.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRecords = 200;
constexpr size_t kInBatch = 4;

// One file of a template with all that can happen to it: 8 flips and a cut per
// byte, and the rest.
struct Target {
  size_t image = 0;
  std::string file;  // Relative.
  uint64_t size = 0;
  bool has_older = false;

  uint64_t cases() const { return 9 * size + 2 + (has_older ? 1 : 0); }
};

// A directory to damage.
struct Image {
  std::string name;
  std::string path;
  ReferenceDb all;
  ReferenceDb but_last;  // Without the last write.
};

// With `time`, two seconds pass from any look at the clock to the next, so that
// what is written at most once a second is written each time.
Options SmallOptions(bool time) {
  Options options;
  options.now = [time] {
    static std::atomic<int64_t> seconds = 1'700'000'000;
    return absl::FromUnixSeconds(time ? seconds += 2 : seconds.load());
  };
  options.threads = 1;
  options.block_cache_bytes = size_t{1} << 20;
  options.low_space_bytes = 0;
  return options;
}

Environment SmallEnvironment() {
  Environment environment;
  environment.background = false;
  environment.segment_slots = 64;
  environment.boot_id = [] { return std::string("boot"); };
  return environment;
}

class Images {
 public:
  explicit Images(bool time) {
    const std::string path = scratch_.path() + "/db";
    const Options options = SmallOptions(time);
    Operation create{.kind = Operation::Kind::kCreate, .collection = "c"};
    ReferenceDb all, but_last;
    all.Apply(create);
    auto db = OpenLocalDb(path, options, SmallEnvironment());
    if (!db.ok() ||
        !(*db)->CreateCollection("c", {.dim = kReferenceDim, .bits = 2}).ok()) {
      std::abort();
    }
    size_t written = 0;
    const auto write = [&](size_t until) {
      auto collection = *(*db)->OpenCollection("c");
      for (; written < until; written += kInBatch) {
        Operation put{.collection = "c"};
        for (size_t i = written; i < written + kInBatch; ++i) {
          put.ids.push_back(absl::StrCat("r", i));
          put.versions.push_back(
              {.vector = {1, static_cast<float>(i % 7), -1, 0.5f},
               .text = absl::StrCat("text ", i),
               .metadata = {{"n", static_cast<int64_t>(i % 3)}}});
        }
        std::vector<PutItem> items(kInBatch);
        for (size_t i = 0; i < kInBatch; ++i) {
          items[i].record = RecordView(put.ids[i]);
          items[i].record.vector = put.versions[i].vector;
          items[i].record.text = put.versions[i].text;
          items[i].record.metadata = &put.versions[i].metadata;
        }
        if (!collection->Put(items).ok()) std::abort();
        but_last = all;
        all.Apply(put);
      }
    };
    const auto reopen = [&] {
      if (!(*db)->Close().ok()) std::abort();
      db = OpenLocalDb(path, options, SmallEnvironment());
      if (!db.ok()) std::abort();
    };
    write(kRecords * 3 / 10);
    if (!(*db)->Close().ok()) std::abort();
    older_ = Save("older", path, all, but_last).path;
    db = OpenLocalDb(path, options, SmallEnvironment());
    if (!db.ok()) std::abort();
    write(kRecords * 6 / 10);
    reopen();
    write(kRecords);
    // As after kill -9: all that is written is in the files.
    images_.push_back(Save("killed", path, all, but_last));
    if (!(*db)->Close().ok()) std::abort();
    images_.push_back(Save("closed", path, all, but_last));
    for (size_t i = 0; i < images_.size(); ++i) AddTargets(i);
    for (const Target& target : targets_) cases_ += target.cases();
  }

  uint64_t cases() const { return cases_; }
  const std::vector<Image>& images() const { return images_; }
  const std::string& older() const { return older_; }

  // The target of a case, and which of its cases it is.
  std::pair<const Target*, uint64_t> Find(uint64_t number) const {
    for (const Target& target : targets_) {
      if (number < target.cases()) return {&target, number};
      number -= target.cases();
    }
    return {nullptr, 0};
  }

 private:
  Image Save(const std::string& name, const std::string& path,
             const ReferenceDb& all, const ReferenceDb& but_last) {
    Image image{name, scratch_.path() + "/" + name, all, but_last};
    fs::copy(path, image.path, fs::copy_options::recursive);
    return image;
  }

  void AddTargets(size_t number) {
    const Image& image = images_[number];
    std::vector<std::string> files;
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(image.path)) {
      if (entry.is_regular_file()) {
        files.push_back(fs::relative(entry.path(), image.path).string());
      }
    }
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      targets_.push_back({number, file, fs::file_size(image.path + "/" + file),
                          fs::exists(older_ + "/" + file)});
    }
  }

  ScratchDirectory scratch_;
  std::string older_;
  std::vector<Image> images_;
  std::vector<Target> targets_;
  uint64_t cases_ = 0;
};

const Images& AllImages() {
  static const Images* const images = new Images(true);
  return *images;
}

// Written within a second: durable.mark knows only of their first write.
const Images& ImagesOfASecond() {
  static const Images* const images = new Images(false);
  return *images;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A name beside it that looks as if it were of its kind.
std::string NameOfCopy(const std::string& path) {
  const size_t digit = path.find_last_of("0123456789");
  if (digit == std::string::npos) return path + ".copy";
  for (char c = '0'; c <= '9'; ++c) {
    std::string out = path;
    out[digit] = c;
    if (!fs::exists(out)) return out;
  }
  return path + ".copy";
}

// Damages the copy in `path`. Returns what was done.
std::string Apply(const Target& target, uint64_t which, const std::string& path,
                  const std::string& older) {
  const std::string file = path + "/" + target.file;
  if (which < 8 * target.size) {
    std::string bytes = ReadAll(file);
    bytes[which / 8] = static_cast<char>(bytes[which / 8] ^ (1 << (which % 8)));
    std::ofstream(file, std::ios::binary) << bytes;
    return absl::StrCat("bit ", which % 8, " of byte ", which / 8, " of ",
                        target.file, " flipped");
  }
  which -= 8 * target.size;
  if (which < target.size) {
    fs::resize_file(file, which);
    return absl::StrCat(target.file, " of ", target.size, " bytes cut to ",
                        which);
  }
  which -= target.size;
  if (which == 0) {
    fs::remove(file);
    return target.file + " removed";
  }
  if (which == 1) {
    const std::string copy = NameOfCopy(file);
    std::error_code error;
    fs::copy_file(file, copy, error);
    return absl::StrCat(target.file, " also as ",
                        copy.substr(copy.rfind('/') + 1));
  }
  fs::copy_file(older + "/" + target.file, file,
                fs::copy_options::overwrite_existing);
  return target.file + " replaced by an older copy";
}

}  // namespace

namespace {

// Opens a copy of an image after one damage to it.
CaseResult Damage(const Images& images, const Target& target, uint64_t which,
                  uint64_t seed) {
  CaseResult out;
  const Image& image = images.images()[target.image];
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/db";
  fs::copy(image.path, path, fs::copy_options::recursive);
  const std::string damage = absl::StrCat(
      image.name, ": ", Apply(target, which, path, images.older()));
  const auto fail = [&](const std::string& what) {
    out.findings.push_back(absl::StrCat(what, "\n", damage));
  };

  const auto db = OpenLocalDb(path, SmallOptions(true), SmallEnvironment());
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

}  // namespace

uint64_t ByteSweepCases() { return AllImages().cases(); }

CaseResult RunByteSweep(uint64_t seed, uint64_t number) {
  const Images& images = AllImages();
  // In an order that mixes them, so that a part of all is a sample of all.
  constexpr uint64_t kStride = 1'000'000'007;  // A prime: meets every case.
  const auto [target, which] =
      images.Find((number + seed) * kStride % images.cases());
  return Damage(images, *target, which, number);
}

CaseResult RunLogFlips(uint64_t seed, uint64_t number) {
  const Images& images = ImagesOfASecond();
  Random random(seed * 1'000'003 + number);
  while (true) {
    const auto [target, which] = images.Find(random.Next() % images.cases());
    if (absl::EndsWith(target->file, ".log") && which < 8 * target->size) {
      return Damage(images, *target, which, number);
    }
  }
}

}  // namespace corkscrew::testing
