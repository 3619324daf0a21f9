#include "tests/storage/damage_images.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/backup.h"
#include "db/keys.h"
#include "db/local_db.h"
#include "db/segment_catalogue.h"
#include "db/store.h"
#include "rocksdb/env.h"
#include "tests/storage/scratch_env.h"

namespace corkscrew::testing {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRecords = 200;
constexpr size_t kInBatch = 4;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "an image could not be made: " << status << "\n";
  std::abort();
}

// The database that the images show, as it grows.
class GrowingDatabase {
 public:
  GrowingDatabase(std::string path, bool time)
      : path_(std::move(path)),
        options_(ImageOptions(time)),
        environment_(ImageEnvironment()) {
    // The same bytes in each process, as far as that goes, so that the number
    // of a case means the same.
    environment_.random = [random = std::make_shared<Random>(20261121)](
                              uint8_t* out, size_t size) {
      for (size_t i = 0; i < size; ++i) {
        out[i] = static_cast<uint8_t>(random->Next());
      }
      return true;
    };

    Open();
    Must((*db_)
             ->CreateCollection("c", {.dim = kReferenceDim, .bits = 2})
             .status());
    all_.Apply({.kind = Operation::Kind::kCreate, .collection = "c"});
  }

  void Open() {
    db_ = OpenLocalDb(path_, options_, environment_);
    Must(db_.status());
  }
  void Close() { Must((*db_)->Close()); }
  void Reopen() {
    Close();
    Open();
  }

  // Writes records [begin, end) again, or for the first time.
  void Put(size_t begin, size_t end) {
    for (size_t i = begin; i < end; i += kInBatch) {
      Operation put{.collection = "c"};
      for (size_t j = i; j < i + kInBatch; ++j) {
        ++number_;
        put.ids.push_back(absl::StrCat("r", j));
        put.versions.push_back(
            {.vector = {1, static_cast<float>(number_ % 7), -1, 0.5f},
             .text = absl::StrCat("text ", number_),
             .metadata = {{"n", static_cast<int64_t>(number_ % 3)}}});
      }
      std::vector<PutItem> items(put.ids.size());
      for (size_t j = 0; j < items.size(); ++j) {
        items[j].record = RecordView(put.ids[j]);
        items[j].record.vector = put.versions[j].vector;
        items[j].record.text = put.versions[j].text;
        items[j].record.metadata = &put.versions[j].metadata;
      }
      Must(collection()->Put(items).status());
      Apply(put);
    }
  }
  void Delete(size_t record) {
    const Operation erase{.kind = Operation::Kind::kDelete,
                          .collection = "c",
                          .ids = {absl::StrCat("r", record)}};
    Must(collection()->Delete({erase.ids[0]}).status());
    Apply(erase);
  }

  Db& db() { return **db_; }
  const std::string& path() const { return path_; }
  const ReferenceDb& all() const { return all_; }
  const ReferenceDb& but_last() const { return but_last_; }

 private:
  std::shared_ptr<Collection> collection() {
    auto collection = (*db_)->OpenCollection("c");
    Must(collection.status());
    return *std::move(collection);
  }
  void Apply(const Operation& operation) {
    but_last_ = all_;
    all_.Apply(operation);
  }

  const std::string path_;
  const Options options_;
  Environment environment_;
  absl::StatusOr<std::unique_ptr<Db>> db_ = nullptr;
  size_t number_ = 0;
  ReferenceDb all_, but_last_;
};

// An image that lacks what it is to show would make all its cases idle.
void MustHaveSegments(const std::string& path) {
  const auto store =
      Store::Open(path + "/store",
                  {.recovery = LogRecovery::kUpToDamage, .read_only = true});
  Must(store.status());
  std::map<SegmentKind, size_t> kinds;
  const std::string prefix = KindPrefix('s', 1);
  const auto it =
      (*store)->NewIterator(Family::kRows, prefix, PrefixEnd(prefix));
  for (it->Seek(SegmentKey(1, 1)); it->valid(); it->Next()) {
    const auto row = DecodeSegmentRow(it->value());
    Must(row.status());
    ++kinds[row->kind];
  }
  Must(it->status());
  if (kinds[SegmentKind::kLive] == 0 || kinds[SegmentKind::kHistory] == 0) {
    Must(absl::InternalError(absl::StrCat(
        path, " has ", kinds[SegmentKind::kLive], " live and ",
        kinds[SegmentKind::kHistory], " history segments, want both")));
  }
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

}  // namespace

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Options ImageOptions(bool time) {
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

Environment ImageEnvironment() {
  Environment environment;
  environment.background = false;
  environment.maintenance_thread = false;
  environment.segment_slots = 64;
  environment.boot_id = [] { return std::string("boot"); };
  static rocksdb::Env* const store = NewScratchEnv().release();
  environment.store = store;
  return environment;
}

DamageImages::DamageImages(bool time) {
  const std::string at = scratch_.path();
  GrowingDatabase db(at + "/db", time);
  const auto repository = [&](int generation) {
    return absl::StrCat(at, "/repository", generation);
  };
  db.Put(0, kRecords * 3 / 10);
  Must(db.db().Backup(repository(1)).status());
  db.Close();
  fs::copy(db.path(), at + "/older", fs::copy_options::recursive);
  fs::copy(repository(1), repository(2), fs::copy_options::recursive);
  db.Open();
  Must(db.db().Snapshot(at + "/older snapshot").status());
  db.Put(0, kRecords * 2 / 10);  // Dead slots in the first segment.
  db.Put(kRecords * 3 / 10, kRecords * 6 / 10);
  db.Delete(5);
  db.Reopen();
  db.Put(kRecords * 6 / 10, kRecords);
  db.Put(100, 104);
  // As after kill -9: all that is written is in the files.
  Save("killed", ImageKind::kDatabase, db.path(), db.all(), db.but_last());
  Must(db.db().Snapshot(at + "/new snapshot").status());
  Must(db.db().Backup(repository(2)).status());
  db.Close();
  Save("closed", ImageKind::kDatabase, db.path(), db.all(), db.but_last());
  for (const Image& image : images_) MustHaveSegments(image.path);
  Save("snapshot", ImageKind::kSnapshot, at + "/new snapshot", db.all(),
       db.but_last());
  images_.back().older = at + "/older snapshot";
  Save("backup", ImageKind::kBackup, repository(2), db.all(), db.but_last());
  images_.back().older = repository(1);
  const char* const kept = std::getenv("CORKSCREW_IMAGES");
  if (kept != nullptr) {
    KeepOrTakeKept(absl::StrCat(kept, time ? "/of all" : "/of a second"));
  }
  for (size_t i = 0; i < images_.size(); ++i) AddTargets(i);
  for (const Target& target : targets_) cases_ += target.cases();
}

void DamageImages::Save(const std::string& name, ImageKind kind,
                        const std::string& path, const ReferenceDb& all,
                        const ReferenceDb& but_last) {
  const std::string to = scratch_.path() + "/" + name;
  fs::copy(path, to, fs::copy_options::recursive);
  if (kind == ImageKind::kDatabase) WriteAll(to + "/LOCK", "4711\n");
  images_.push_back(
      {name, kind, to, scratch_.path() + "/older", all, but_last});
}

// What the images hold follows from what was written and is the same in each
// process; only their bytes are taken.
void DamageImages::KeepOrTakeKept(const std::string& kept) {
  const fs::path mine = scratch_.path();
  if (!fs::exists(kept)) {
    const std::string unfinished = absl::StrCat(kept, ".", getpid());
    fs::create_directories(fs::path(kept).parent_path());
    fs::copy(mine, unfinished, fs::copy_options::recursive);
    std::error_code other_was_first;
    fs::rename(unfinished, kept, other_was_first);
    if (!other_was_first) return;
    fs::remove_all(unfinished);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(mine)) {
    fs::remove_all(entry.path());
  }
  fs::copy(kept, mine, fs::copy_options::recursive);
}

void DamageImages::AddTargets(size_t number) {
  const Image& image = images_[number];
  std::vector<std::string> files;
  std::vector<std::string> directories;
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(image.path)) {
    const std::string name = fs::relative(entry.path(), image.path).string();
    if (entry.is_regular_file()) files.push_back(name);
    if (entry.is_directory()) directories.push_back(name);
  }
  std::sort(files.begin(), files.end());
  const auto folder_and_extension = [](const fs::path& file) {
    return std::pair(file.parent_path(), file.extension());
  };
  for (const std::string& file : files) {
    Target target{.image = number,
                  .file = file,
                  .size = fs::file_size(image.path + "/" + file),
                  .has_older = fs::exists(image.older + "/" + file)};
    // A manifest of a repository does not say which generation it is: under
    // the name of another one it is that one.
    const bool manifest = file.rfind("generations/", 0) == 0;
    for (const std::string& other : files) {
      if (!manifest && other > file &&
          folder_and_extension(other) == folder_and_extension(file)) {
        target.peers.push_back(other);
      }
    }
    targets_.push_back(std::move(target));
  }
  for (const std::string& directory : directories) {
    targets_.push_back(
        {.image = number,
         .file = directory,
         .directory = true,
         .has_older = fs::exists(image.older + "/" + directory)});
  }
}

std::pair<const Target*, uint64_t> DamageImages::Find(uint64_t number) const {
  for (const Target& target : targets_) {
    if (number < target.cases()) return {&target, number};
    number -= target.cases();
  }
  return {nullptr, 0};
}

std::string ChangedBytes(const Target& target, uint64_t which,
                         std::string bytes, std::string* what) {
  if (which < 8 * target.size) {
    bytes[which / 8] = static_cast<char>(bytes[which / 8] ^ (1 << (which % 8)));
    *what = absl::StrCat("bit ", which % 8, " of byte ", which / 8, " of ",
                         target.file, " flipped");
    return bytes;
  }
  which -= 8 * target.size;
  bytes.resize(which);
  *what =
      absl::StrCat(target.file, " of ", target.size, " bytes cut to ", which);
  return bytes;
}

std::string ApplyDamage(const Image& image, const Target& target,
                        uint64_t which, const std::string& path) {
  const std::string file = path + "/" + target.file;
  if (target.directory) {
    fs::remove_all(file);
    fs::copy(image.older + "/" + target.file, file,
             fs::copy_options::recursive);
    return "all of " + target.file + " replaced by an older copy";
  }
  if (target.changes_bytes(which)) {
    std::string what;
    WriteAll(file, ChangedBytes(target, which, ReadAll(file), &what));
    return what;
  }
  which -= 9 * target.size;
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
  which -= 2;
  if (which < target.peers.size()) {
    const std::string other = path + "/" + target.peers[which];
    const std::string bytes = ReadAll(file);
    WriteAll(file, ReadAll(other));
    WriteAll(other, bytes);
    return absl::StrCat(target.file, " and ", target.peers[which],
                        " exchanged");
  }
  fs::copy_file(image.older + "/" + target.file, file,
                fs::copy_options::overwrite_existing);
  return target.file + " replaced by an older copy";
}

}  // namespace corkscrew::testing
