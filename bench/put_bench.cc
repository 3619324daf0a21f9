// What writing, searching and opening a local database cost, beside the raw
// disk in the same run. Prints one table; times of single operations are
// medians.
//
//   put_bench DIR [RECORDS]     DIR must not exist; 100000 records of 384
//   float32
//
//   raw append + fdatasync      the bytes that the put adds to the log
//   put                         one record, one thread; or per record of 256
//   cpu                         user and system time per record of 256
//   search                      k = 10, default fields, at 10,000 records and
//   all open                        of a closed database in a new process, then
//                               one search; resident memory after it

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/db.h"

namespace corkscrew {
namespace {

constexpr size_t kDim = 384;
constexpr size_t kBatch = 256;
// Keys and values of a put of one record, and of one in a batch
// (docs/storage_format.md, "What one write touches").
constexpr size_t kPutBytes = 1836 + 40;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "put_bench: %s\n", what.c_str());
  std::exit(1);
}
template <typename T>
T OrFail(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status().ToString());
  return *std::move(value);
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

template <typename F>
double Micros(const F& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMicroseconds(absl::Now() - start);
}

double CpuMicros() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return 1e6 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

double ResidentMiB() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) *
         static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void Row(const char* what, double value, const char* unit) {
  std::printf("%-44s %12.2f %s\n", what, value, unit);
  std::fflush(stdout);
}

std::vector<float> RandomVector(Random& random) {
  std::vector<float> vector(kDim);
  for (float& x : vector) x = static_cast<float>(random.Normal());
  return vector;
}

// Appends `size` bytes and syncs, `times` times.
double RawAppend(const std::string& path, size_t size, int times) {
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (fd < 0) Fail("open " + path);
  const std::string bytes(size, 'x');
  std::vector<double> micros;
  for (int i = 0; i < times; ++i) {
    micros.push_back(Micros([&] {
      if (write(fd, bytes.data(), size) != static_cast<ssize_t>(size) ||
          fdatasync(fd) != 0) {
        Fail("write " + path);
      }
    }));
  }
  close(fd);
  unlink(path.c_str());
  return Median(micros);
}

class Writer {
 public:
  explicit Writer(Collection& collection) : collection_(collection) {}

  // Puts `count` new records at once.
  void Put(size_t count) {
    std::vector<std::string> ids;
    std::vector<std::vector<float>> vectors;
    std::vector<PutItem> items(count);
    for (size_t i = 0; i < count; ++i) {
      std::string number = absl::StrCat(next_++);
      ids.push_back(std::string(8 - number.size(), '0') + number);
      vectors.push_back(RandomVector(random_));
    }
    for (size_t i = 0; i < count; ++i) {
      items[i].record = RecordView(ids[i]);
      items[i].record.vector = vectors[i];
      items[i].record.text =
          "sixty bytes of text beside every vector, as a short note is.";
    }
    const double cpu = CpuMicros();
    micros_.push_back(Micros([&] { OrFail(collection_.Put(items)); }));
    cpu_ += CpuMicros() - cpu;
    records_ += count;
  }

  double TakeMedian() {
    const double median = Median(micros_);
    micros_.clear();
    return median;
  }
  double TakeCpuPerRecord() {
    const double cpu = cpu_ / static_cast<double>(records_);
    cpu_ = 0;
    records_ = 0;
    return cpu;
  }
  size_t count() const { return next_; }

 private:
  Collection& collection_;
  Random random_{1};
  size_t next_ = 0;
  size_t records_ = 0;
  std::vector<double> micros_;
  double cpu_ = 0;
};

double SearchMicros(const Collection& collection, bool exact) {
  Random random(2);
  std::vector<double> micros;
  for (int i = 0; i < 100; ++i) {
    Query query = Query::Vector(RandomVector(random));
    query.exact = exact;
    micros.push_back(Micros([&] { OrFail(collection.Search(query)); }));
  }
  return Median(micros);
}

// In a process of its own, so that memory is what opening needs.
void OpenAndSearch(const std::string& dir) {
  const double before = ResidentMiB();
  std::unique_ptr<Db> db;
  Row("open", Micros([&] { db = OrFail(Db::Open(dir)); }) / 1000, "ms");
  auto collection = OrFail(db->OpenCollection("bench"));
  Random random(3);
  Row("first search after it",
      Micros([&] {
        OrFail(collection->Search(Query::Vector(RandomVector(random))));
      }) / 1000,
      "ms");
  Row("resident memory", ResidentMiB(), "MiB");
  Row("  before open", before, "MiB");
  const CollectionStats stats = OrFail(collection->Stats());
  Row("  index without rescore column",
      static_cast<double>(stats.index_bytes) / (1 << 20), "MiB");
  Row("  rescore column", static_cast<double>(stats.rescore_bytes) / (1 << 20),
      "MiB");
}

void Run(const char* program, const std::string& dir, size_t records) {
  auto db = OrFail(Db::Open(dir));
  auto collection = OrFail(db->CreateCollection("bench", {.dim = kDim}));
  Writer writer(*collection);

  // In turns, because the disk is not the same from second to second.
  std::vector<double> raw, single;
  for (int round = 0; round < 10; ++round) {
    raw.push_back(RawAppend(dir + "/raw", kPutBytes, 100));
    for (int i = 0; i < 100; ++i) writer.Put(1);
    single.push_back(writer.TakeMedian());
  }
  Row("raw append + fdatasync, bytes of one put", Median(raw), "us");
  Row("put, one record", Median(single), "us");
  Row("  more than raw", Median(single) - Median(raw), "us");
  writer.TakeCpuPerRecord();

  bool searched = false;
  std::vector<double> batches;
  while (writer.count() < records) {
    if (!searched && writer.count() >= 10'000) {
      searched = true;
      Row("search, 10,000 records", SearchMicros(*collection, false), "us");
    }
    writer.Put(std::min(kBatch, records - writer.count()));
  }
  Row("raw append + fdatasync, bytes of 256, each",
      RawAppend(dir + "/raw", kPutBytes * kBatch, 50) / kBatch, "us");
  Row("put, batch of 256, each", writer.TakeMedian() / kBatch, "us");
  Row("  cpu", writer.TakeCpuPerRecord(), "us");
  Row(absl::StrCat("search, ", records, " records").c_str(),
      SearchMicros(*collection, false), "us");
  Row(absl::StrCat("search exact, ", records, " records").c_str(),
      SearchMicros(*collection, true), "us");
  Row("close", Micros([&] {
                 const absl::Status closed = db->Close();
                 if (!closed.ok()) Fail(closed.ToString());
               }) / 1000,
      "ms");
  const std::string command =
      absl::StrCat("'", program, "' --open '", dir, "'");
  if (std::system(command.c_str()) != 0) Fail("the second process failed");
  db = OrFail(Db::Open(dir));
  const DbStats stats = OrFail(db->Stats());
  Row("disk per record",
      static_cast<double>(stats.disk_bytes) / static_cast<double>(records),
      "bytes");
  Row("  of its original", kDim * sizeof(float), "bytes");
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  if (argc == 3 && absl::string_view(argv[1]) == "--open") {
    corkscrew::OpenAndSearch(argv[2]);
    return 0;
  }
  size_t records = 100'000;
  if (argc < 2 || argc > 3 ||
      (argc == 3 && !absl::SimpleAtoi(argv[2], &records))) {
    std::fprintf(stderr, "usage: put_bench DIR [RECORDS]\n");
    return 2;
  }
  corkscrew::Run(argv[0], argv[1], records);
  return 0;
}
