// How writes use processor and disk. Prints one table.
//
//   write_bench DIR [RECORDS [PART]]   DIR must not exist; 100000 records of
//   384 coordinates with an id of 8 bytes and a text of 60. PART is one of
//   writers, float32, bfloat16, codes; without it all are measured
//   write_bench --memory MIB DIR [RECORDS]   1000000 records in puts of 256
//   with a memory budget: what the process and DbStats::memory say of memory
//
//   single put                  median, beside a raw append and fdatasync of
//                               the bytes that it adds to the log, in turns
//   16 writers                  records per fdatasync when each puts one record
//                               after the other, and puts per second
//   relaxed                     one writer that does not wait for the sync
//   cpu per record              in puts of 256: of the thread that puts, and of
//                               the process, moving and merging files included,
//                               until the store has settled
//   bytes written               to files, per byte of ids, texts and vectors,
//                               in these puts, and which files they went to
//   disk                        after that, per byte of raw float32 vectors,
//                               and in how many segments

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/db.h"

namespace {

enum FileKind : uint8_t { kLog, kTables, kSegments, kOther, kFileKinds };
constexpr std::array<const char*, kFileKinds> kKindNames = {
    "log", "tables", "segments", "other"};

FileKind KindOf(absl::string_view path) {
  if (absl::StrContains(path, "/segments/")) return kSegments;
  if (absl::EndsWith(path, ".log")) return kLog;
  return absl::EndsWith(path, ".sst") ? kTables : kOther;
}

std::atomic<size_t> data_syncs = 0;
std::atomic<bool> count_writes = false;
std::array<std::atomic<uint64_t>, kFileKinds> bytes_written = {};

void CountWrite(int fd, ssize_t size) {
  if (size <= 0 || !count_writes.load(std::memory_order_relaxed)) return;
  std::array<char, 512> path;
  const ssize_t length = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(),
                                  path.data(), path.size());
  const auto bytes = static_cast<uint64_t>(size);
  bytes_written[KindOf(
      {path.data(), static_cast<size_t>(std::max<ssize_t>(length, 0))})] +=
      bytes;
}

}  // namespace

// These take the place of the C library's in this program, RocksDB's calls
// included.
extern "C" int fdatasync(int fd) {
  ++data_syncs;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  const ssize_t written = syscall(SYS_write, fd, bytes, size);
  CountWrite(fd, written);
  return written;
}

namespace corkscrew {
namespace {

constexpr size_t kDim = 384;
constexpr size_t kBatch = 256;
constexpr size_t kWriters = 16;
constexpr absl::string_view kText =
    "sixty bytes of text beside every vector, as a short note is.";
constexpr size_t kRecordBytes = 8 + kText.size() + kDim * sizeof(float);

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "write_bench: %s\n", what.c_str());
  std::exit(1);
}
template <typename T>
T OrFail(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status().ToString());
  return *std::move(value);
}

void Row(absl::string_view what, double value, const char* unit) {
  std::printf("%-52s %12.2f %s\n", std::string(what).c_str(), value, unit);
  std::fflush(stdout);
}

double Median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <typename F>
double Micros(const F& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMicroseconds(absl::Now() - start);
}

// `who` as getrusage() takes it.
double CpuMicros(int who) {
  rusage usage;
  getrusage(who, &usage);
  const auto micros = [](const timeval& t) {
    return 1e6 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

// `count` new records, the ids in an order like that of hashes.
struct Records {
  Records(size_t first, size_t count, Random* random)
      : vectors(count * kDim), ids(count), items(count) {
    for (float& x : vectors) x = static_cast<float>(random->Normal());
    for (size_t i = 0; i < count; ++i) {
      Random scramble(first + i);
      ids[i] = absl::StrCat(absl::Hex(scramble.Next() >> 32, absl::kZeroPad8));
      items[i].record = RecordView(ids[i]);
      items[i].record.text = kText;
      items[i].record.vector =
          absl::MakeConstSpan(vectors).subspan(i * kDim, kDim);
    }
  }
  std::vector<float> vectors;
  std::vector<std::string> ids;
  std::vector<PutItem> items;
};

// Appends `size` bytes and syncs.
class RawFile {
 public:
  RawFile(const std::string& path, size_t size)
      : path_(path),
        bytes_(size, 'x'),
        fd_(open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600)) {
    if (fd_ < 0) Fail("open " + path);
  }
  ~RawFile() {
    close(fd_);
    unlink(path_.c_str());
  }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  void Append() {
    if (write(fd_, bytes_.data(), bytes_.size()) !=
            static_cast<ssize_t>(bytes_.size()) ||
        fdatasync(fd_) != 0) {
      Fail("write " + path_);
    }
  }

 private:
  const std::string path_;
  const std::string bytes_;
  const int fd_;
};

void SinglePuts(Db& db, const std::string& dir) {
  auto collection = OrFail(db.CreateCollection("single", {.dim = kDim}));
  Random random(3);
  size_t next = 0;
  const auto put = [&] {
    const Records records(next++, 1, &random);
    return Micros([&] { OrFail(collection->Put(records.items)); });
  };
  std::vector<double> sizes;
  count_writes = true;
  for (int i = 0; i < 51; ++i) {
    const uint64_t before = bytes_written[kLog];
    put();
    sizes.push_back(static_cast<double>(bytes_written[kLog] - before));
  }
  count_writes = false;
  const double size = Median(sizes);
  // In turns, because the disk is not the same from second to second.
  std::vector<double> raw, single;
  RawFile file(dir + "/raw", static_cast<size_t>(size));
  for (int i = 0; i < 2000; ++i) {
    raw.push_back(Micros([&] { file.Append(); }));
    single.push_back(put());
  }
  Row("single put adds to the log", size, "bytes");
  Row("raw append + fdatasync of as many", Median(raw), "us");
  Row("single put", Median(single), "us");
  Row("  more than raw", Median(single) - Median(raw), "us");
}

void ManyWriters(Db& db) {
  auto collection = OrFail(db.CreateCollection("writers", {.dim = kDim}));
  constexpr size_t kEach = 500;
  const size_t syncs = data_syncs;
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kWriters; ++t) {
    threads.emplace_back([&collection, t] {
      Random random(t);
      for (size_t i = 0; i < kEach; ++i) {
        const Records records((t << 32) + i, 1, &random);
        OrFail(collection->Put(records.items));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  Row("16 writers, records per fdatasync",
      static_cast<double>(kWriters * kEach) /
          static_cast<double>(data_syncs - syncs),
      "");
  Row("16 writers, puts per second",
      static_cast<double>(kWriters * kEach) / seconds, "");
}

void Relaxed(Db& db) {
  auto collection = OrFail(db.CreateCollection("relaxed", {.dim = kDim}));
  constexpr size_t kPuts = 2000;
  const WriteOptions options{.durability = Durability::kRelaxed};
  Random random(1);
  double micros = 0;
  for (size_t i = 0; i < kPuts; ++i) {
    const Records records(i, 1, &random);
    micros += Micros([&] { OrFail(collection->Put(records.items, options)); });
  }
  Row("relaxed put, one record", micros / kPuts, "us");
}

// Waits until the store has nothing left to do.
size_t SettledDiskBytes(Db& db) {
  size_t same = 0, bytes = 0;
  while (same < 20) {
    absl::SleepFor(absl::Milliseconds(100));
    const size_t now = OrFail(db.Stats()).disk_bytes;
    same = now == bytes ? same + 1 : 0;
    bytes = now;
  }
  return bytes;
}

void Settle(const std::string& dir, absl::string_view name,
            const CollectionOptions& options, size_t count) {
  auto db = OrFail(Db::Open(dir));
  auto collection = OrFail(db->CreateCollection("c", options));
  Random random(2);
  for (auto& bytes : bytes_written) bytes = 0;
  count_writes = true;
  double thread = 0, all = CpuMicros(RUSAGE_SELF);
  for (size_t i = 0; i < count; i += kBatch) {
    const double making = CpuMicros(RUSAGE_THREAD);
    const Records records(i, std::min(kBatch, count - i), &random);
    const double putting = CpuMicros(RUSAGE_THREAD);
    OrFail(collection->Put(records.items));
    thread += CpuMicros(RUSAGE_THREAD) - putting;
    all += putting - making;
  }
  SettledDiskBytes(*db);
  if (!db->Close().ok()) Fail("close");
  all = CpuMicros(RUSAGE_SELF) - all;
  db = OrFail(Db::Open(dir));
  const size_t disk = SettledDiskBytes(*db);
  count_writes = false;
  const auto n = static_cast<double>(count);
  Row(absl::StrCat(name, ", cpu per record in puts of 256"), thread / n, "us");
  Row("  of the whole process, until it is closed", all / n, "us");
  const double ingested = n * kRecordBytes;
  double written = 0;
  for (const auto& bytes : bytes_written) written += static_cast<double>(bytes);
  Row(absl::StrCat(name, ", bytes written per byte ingested"),
      written / ingested, "");
  for (size_t kind = 0; kind < kFileKinds; ++kind) {
    Row(absl::StrCat("  ", kKindNames[kind]),
        static_cast<double>(bytes_written[kind]) / ingested, "");
  }
  Row(absl::StrCat(name, ", disk"), static_cast<double>(disk) / 1e6, "MB");
  std::array<double, kFileKinds> share = {};
  size_t segments = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir)) {
    if (!file.is_regular_file()) continue;
    share[KindOf(file.path().string())] +=
        static_cast<double>(file.file_size());
    segments += file.path().extension() == ".seg";
  }
  for (size_t kind = 0; kind < kFileKinds; ++kind) {
    Row(absl::StrCat("  ", kKindNames[kind]), share[kind] / 1e6, "MB");
  }
  Row("  files of segments", static_cast<double>(segments), "");
  Row(absl::StrCat(name, ", disk per byte of raw vectors"),
      static_cast<double>(disk) / (n * kDim * sizeof(float)), "");
}

// A value of /proc/self/status, in MiB.
double ProcessMiB(absl::string_view name) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    absl::string_view rest = line;
    double kib = 0;
    if (absl::ConsumePrefix(&rest, name) && absl::ConsumePrefix(&rest, ":") &&
        absl::ConsumeSuffix(&rest, " kB") && absl::SimpleAtod(rest, &kib)) {
      return kib / 1024;
    }
  }
  Fail(absl::StrCat("/proc/self/status has no ", name));
}

void Memory(const std::string& dir, size_t budget_mib, size_t count) {
  const double before = ProcessMiB("RssAnon");
  auto db = OrFail(Db::Open(dir, {.memory_budget_bytes = budget_mib << 20}));
  auto collection = OrFail(db->CreateCollection("c", {.dim = kDim}));
  Random random(2);
  double anonymous = 0, total = 0, index = 0;
  const absl::Time start = absl::Now();
  for (size_t i = 0; i < count; i += kBatch) {
    const Records records(i, std::min(kBatch, count - i), &random);
    OrFail(collection->Put(records.items));
    if (i / kBatch % 16 != 0) continue;
    anonymous = std::max(anonymous, ProcessMiB("RssAnon"));
    const MemoryStats memory = OrFail(db->Stats()).memory;
    total = std::max(total, static_cast<double>(memory.total()));
    index = std::max(index, static_cast<double>(memory.index + memory.rescore));
  }
  constexpr double kMiB = 1 << 20;
  Row("seconds", absl::ToDoubleSeconds(absl::Now() - start), "s");
  Row("budget", static_cast<double>(budget_mib), "MiB");
  Row("most that DbStats::memory counts", total / kMiB, "MiB");
  Row("  of it the index", index / kMiB, "MiB");
  Row("most anonymous memory of the process", anonymous, "MiB");
  Row("  before the database was opened", before, "MiB");
  Row("most resident memory, mapped files included", ProcessMiB("VmHWM"),
      "MiB");
  const MemoryStats memory = OrFail(db->Stats()).memory;
  Row("mapped files of the index", static_cast<double>(memory.mapped) / kMiB,
      "MiB");
  if (!db->Close().ok()) Fail("close");
}

// `part` is one of those above; empty: all.
void Run(const std::string& dir, size_t count, absl::string_view part) {
  const auto wanted = [part](absl::string_view name) {
    return part.empty() || part == name;
  };
  if (mkdir(dir.c_str(), 0700) != 0) Fail("mkdir " + dir);
  if (wanted("writers")) {
    auto db = OrFail(Db::Open(dir + "/writers"));
    SinglePuts(*db, dir);
    ManyWriters(*db);
    Relaxed(*db);
  }
  if (wanted("float32")) {
    Settle(dir + "/float32", "float32", {.dim = kDim}, count);
  }
  if (wanted("bfloat16")) {
    Settle(dir + "/bfloat16", "bfloat16",
           {.dim = kDim, .originals = Originals::kBFloat16}, count);
  }
  if (wanted("codes")) {
    Settle(dir + "/codes", "codes only, 3 bits",
           {.dim = kDim, .bits = 3, .originals = Originals::kCodesOnly}, count);
  }
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  size_t budget = 0;
  const bool memory = argc > 2 && absl::string_view(argv[1]) == "--memory" &&
                      absl::SimpleAtoi(argv[2], &budget);
  const int first = memory ? 3 : 1;
  size_t records = memory ? 1'000'000 : 100'000;
  const absl::string_view part = argc == 4 && !memory ? argv[3] : "";
  const bool known = part.empty() || part == "writers" || part == "float32" ||
                     part == "bfloat16" || part == "codes";
  if (argc <= first || argc > first + 2 + (memory ? 0 : 1) || !known ||
      (argc >= first + 2 && !absl::SimpleAtoi(argv[first + 1], &records))) {
    std::fprintf(stderr,
                 "usage: write_bench DIR [RECORDS [PART]]\n"
                 "       write_bench --memory MIB DIR [RECORDS]\n");
    return 2;
  }
  if (memory) {
    corkscrew::Memory(argv[first], budget, records);
  } else {
    corkscrew::Run(argv[first], records, part);
  }
  return 0;
}
