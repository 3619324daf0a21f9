// How writes use the disk. Prints one table.
//
//   write_bench DIR [RECORDS]   DIR must not exist; 100000 records of 384
//   coordinates with an id of 8 bytes and a text of 60
//
//   16 writers                  records per fdatasync when each puts one record
//                               after the other, and puts per second
//   relaxed                     one writer that does not wait for the sync
//   bytes written               to files, per byte of ids, texts and vectors,
//   in
//                               puts of 256, until the store has settled
//   disk                        after that, per byte of raw float32 vectors

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/db.h"

namespace {
std::atomic<size_t> data_syncs = 0;
}  // namespace

// Takes the place of the C library's in this program, RocksDB's calls included.
extern "C" int fdatasync(int fd) {
  ++data_syncs;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
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

// Bytes that this process has passed to write() and its kin.
uint64_t BytesWritten() {
  std::ifstream file("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "wchar:") return value;
  }
  Fail("/proc/self/io has no wchar");
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
    const absl::Time start = absl::Now();
    OrFail(collection->Put(records.items, options));
    micros += absl::ToDoubleMicroseconds(absl::Now() - start);
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
  const uint64_t written = BytesWritten();
  for (size_t i = 0; i < count; i += kBatch) {
    const Records records(i, std::min(kBatch, count - i), &random);
    OrFail(collection->Put(records.items));
  }
  SettledDiskBytes(*db);
  if (!db->Close().ok()) Fail("close");
  db = OrFail(Db::Open(dir));
  const size_t disk = SettledDiskBytes(*db);
  Row(absl::StrCat(name, ", bytes written per byte ingested"),
      static_cast<double>(BytesWritten() - written) /
          static_cast<double>(count * kRecordBytes),
      "");
  Row(absl::StrCat(name, ", disk"), static_cast<double>(disk) / 1e6, "MB");
  Row(absl::StrCat(name, ", disk per byte of raw vectors"),
      static_cast<double>(disk) /
          static_cast<double>(count * kDim * sizeof(float)),
      "");
}

void Run(const std::string& dir, size_t count) {
  if (mkdir(dir.c_str(), 0700) != 0) Fail("mkdir " + dir);
  {
    auto db = OrFail(Db::Open(dir + "/writers"));
    ManyWriters(*db);
    Relaxed(*db);
  }
  Settle(dir + "/float32", "float32", {.dim = kDim}, count);
  Settle(dir + "/bfloat16", "bfloat16",
         {.dim = kDim, .originals = Originals::kBFloat16}, count);
  Settle(dir + "/codes_only", "codes only, 3 bits",
         {.dim = kDim, .bits = 3, .originals = Originals::kCodesOnly}, count);
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  size_t records = 100'000;
  if (argc < 2 || argc > 3 ||
      (argc == 3 && !absl::SimpleAtoi(argv[2], &records))) {
    std::fprintf(stderr, "usage: write_bench DIR [RECORDS]\n");
    return 2;
  }
  corkscrew::Run(argv[1], records);
  return 0;
}
