// What opening costs, and what history costs a search at now. Prints one table;
// times are medians.
//
//   segment_bench open DIR [RECORDS [DIM]]          50000 records of 384
//   float32
//     a process that opens, searches once and exits, after a clean close and
//     after a kill with a full log; memory and disk per record
//   segment_bench history DIR [HEADS [VERSIONS [DIM]]]   100000, 20, 64
//     searches at now of a database whose records were each put VERSIONS more
//     times, beside one where they were put once. Says on standard error how
//     far it is; with the DIR of a run that was ended, and the same numbers, it
//     goes on
//   segment_bench memory DIR [RECORDS [DIM]]        100000 records of 384
//     what the index takes per record by DbStats, and by how much the resident
//     memory of a process that searched is above one with an empty collection
//
// DIR of open and of memory must not exist.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "corkscrew/db.h"

namespace corkscrew {
namespace {

constexpr size_t kBatch = 256;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "segment_bench: %s\n", what.c_str());
  std::exit(1);
}
template <typename T>
T OrFail(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status().ToString());
  return *std::move(value);
}
void OrFail(const absl::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

template <typename F>
double Millis(const F& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

void Row(const std::string& what, double value, const char* unit) {
  std::printf("%-52s %12.2f %s\n", what.c_str(), value, unit);
  std::fflush(stdout);
}

// Puts a batch of records from `first` on, each a vector of its own and of
// `version`.
void PutBatch(Collection& collection, size_t dim, size_t first, size_t last,
              uint64_t version) {
  const size_t count = std::min(kBatch, last - first);
  std::vector<std::string> ids;
  std::vector<float> vectors(count * dim);
  Random random(version * 1'000'003 + first);
  for (float& x : vectors) x = static_cast<float>(random.Normal());
  for (size_t i = 0; i < count; ++i) {
    ids.push_back(absl::StrFormat("id%08d", first + i));
  }
  std::vector<PutItem> items(count);
  for (size_t i = 0; i < count; ++i) {
    items[i].record = RecordView(ids[i]);
    items[i].record.vector = {vectors.data() + i * dim, dim};
  }
  OrFail(collection.Put(items));
}

// Puts records [first, last).
void Put(Collection& collection, size_t dim, size_t first, size_t last,
         uint64_t version) {
  for (; first < last; first += kBatch) {
    PutBatch(collection, dim, first, last, version);
  }
}

std::vector<float> QueryVector(size_t dim, uint64_t seed) {
  Random random(seed);
  std::vector<float> vector(dim);
  for (float& x : vector) x = static_cast<float>(random.Normal());
  return vector;
}

void SearchOnce(const Collection& collection, size_t dim, uint64_t seed) {
  OrFail(collection.Search(Query::Vector(QueryVector(dim, seed))));
}

// Runs this program again as `--MODE DIR DIM` and returns its time.
double Child(const std::string& program, const std::string& mode,
             const std::string& dir, size_t dim) {
  const std::string dim_text = absl::StrCat(dim);
  return Millis([&] {
    const pid_t pid = fork();
    if (pid == 0) {
      execl(program.c_str(), program.c_str(), mode.c_str(), dir.c_str(),
            dim_text.c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) Fail("a child failed");
  });
}

double LogMegabytes(const std::string& dir) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir + "/store")) {
    if (file.path().extension() == ".log") bytes += file.file_size();
  }
  return static_cast<double>(bytes) / (1 << 20);
}

void Open(const std::string& program, const std::string& dir, size_t records,
          size_t dim) {
  {
    auto db = OrFail(Db::Open(dir));
    auto collection = OrFail(db->CreateCollection("bench", {.dim = dim}));
    Put(*collection, dim, 0, records, 0);
    OrFail(db->Close());
  }
  const auto median = [&](const char* mode) {
    std::vector<double> millis;
    Child(program, mode, dir, dim);
    for (int i = 0; i < 11; ++i) {
      millis.push_back(Child(program, mode, dir, dim));
    }
    return Median(millis);
  };
  Row("process that does nothing", median("--nothing"), "ms");
  Row("process that opens, searches once, exits", median("--search"), "ms");
  // Killed with a log of some size: what is written then is replayed. A closing
  // open would write it, so it is opened by processes that die.
  for (const size_t written : {500, 2000, 4000}) {
    const pid_t pid = fork();
    if (pid == 0) {
      auto db = OrFail(Db::Open(dir));
      auto collection = OrFail(db->OpenCollection("bench"));
      Put(*collection, dim, records, records + written, written);
      absl::SleepFor(absl::Seconds(1));
      raise(SIGKILL);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    const double megabytes = LogMegabytes(dir);
    const double millis = median("--search-and-die");
    Row(absl::StrFormat("  the same after a kill, log of %.1f MiB", megabytes),
        millis, "ms");
    auto db = OrFail(Db::Open(dir));
    OrFail(db->Close());
  }
  auto db = OrFail(Db::Open(dir));
  auto collection = OrFail(db->OpenCollection("bench"));
  const CollectionStats stats = OrFail(collection->Stats());
  const auto n = static_cast<double>(stats.info.records);
  Row("index per record, without rescore column",
      static_cast<double>(stats.index_bytes) / n, "bytes");
  Row("  rescore column", static_cast<double>(stats.rescore_bytes) / n,
      "bytes");
  Row("disk per record",
      static_cast<double>(OrFail(db->Stats()).disk_bytes) / n, "bytes");
}

double SearchMillis(const Collection& collection, size_t dim) {
  std::vector<double> millis;
  for (uint64_t i = 0; i < 200; ++i) {
    millis.push_back(Millis([&] { SearchOnce(collection, dim, 900 + i); }));
  }
  return Median(millis);
}

// Puts each record in the versions [first, last) that it does not have yet:
// every batch took one Lamport time.
void Fill(const std::string& dir, size_t heads, size_t dim, size_t first,
          size_t last) {
  auto db = OrFail(Db::Open(dir, {.threads = 1}));
  auto collection = db->OpenCollection("bench");
  if (!collection.ok()) {
    collection = db->CreateCollection("bench", {.dim = dim});
  }
  OrFail(collection.status());
  const size_t batches = (heads + kBatch - 1) / kBatch;
  absl::Time said = absl::Now();
  for (size_t done = OrFail((*collection)->Info()).lamport;
       done < batches * (last - first); ++done) {
    PutBatch(**collection, dim, done % batches * kBatch, heads,
             first + done / batches);
    if (absl::Now() - said < absl::Seconds(10)) continue;
    said = absl::Now();
    std::fprintf(stderr, "%s: %zu of %zu batches\n", dir.c_str(), done + 1,
                 batches * (last - first));
  }
  OrFail(db->Close());  // Writes what has not been written.
}

void History(const std::string& dir, size_t heads, size_t versions,
             size_t dim) {
  std::filesystem::create_directory(dir);
  Fill(dir + "/once", heads, dim, versions, versions + 1);
  Fill(dir + "/often", heads, dim, 0, versions + 1);
  auto once = OrFail(Db::Open(dir + "/once", {.threads = 1}));
  auto often = OrFail(Db::Open(dir + "/often", {.threads = 1}));
  auto a = OrFail(once->OpenCollection("bench"));
  auto b = OrFail(often->OpenCollection("bench"));
  std::vector<double> first, second;
  for (int round = 0; round < 5; ++round) {
    first.push_back(SearchMillis(*a, dim));
    second.push_back(SearchMillis(*b, dim));
  }
  Row("search at now, every record put once", Median(first), "ms");
  Row(absl::StrCat("  ", versions, " versions more of each"), Median(second),
      "ms");
  Row("  ratio", Median(second) / Median(first), "");
}

// Resident memory of this process, anonymous and of files, in bytes.
double ResidentBytes() {
  std::ifstream file("/proc/self/status");
  double bytes = 0;
  for (std::string line; std::getline(file, line);) {
    for (const absl::string_view name : {"RssAnon:", "RssFile:"}) {
      absl::string_view rest = line;
      double kib = 0;
      if (absl::ConsumePrefix(&rest, name) &&
          absl::ConsumeSuffix(&rest, " kB") && absl::SimpleAtod(rest, &kib)) {
        bytes += kib * 1024;
      }
    }
  }
  if (bytes == 0) Fail("/proc/self/status has no resident memory");
  return bytes;
}

// Searches by codes and exactly until every page of the index was read, and
// leaves the resident memory in DIR.resident.
void SearchAndWeigh(const std::string& dir, const Collection& collection,
                    size_t dim) {
  const bool has_originals =
      OrFail(collection.Info()).options.originals != Originals::kCodesOnly;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Query query = Query::Vector(QueryVector(dim, seed));
    query.exact = has_originals && seed % 100 == 0;
    query.k = 100;
    // Fields would be read from the store and fill its cache.
    query.fields = {.vector = false, .text = false, .metadata = false};
    OrFail(collection.Search(query));
  }
  std::ofstream(dir + ".resident") << absl::StrFormat("%.0f", ResidentBytes());
}

double ResidentAfterSearches(const std::string& program, const std::string& dir,
                             size_t dim) {
  Child(program, "--weigh", dir, dim);
  std::ifstream file(dir + ".resident");
  double bytes = 0;
  if (!(file >> bytes)) Fail("a child left no figure");
  return bytes;
}

void Memory(const std::string& program, const std::string& dir, size_t records,
            size_t dim) {
  OrFail(std::filesystem::create_directory(dir)
             ? absl::OkStatus()
             : absl::AlreadyExistsError(dir));
  for (int bits = 1; bits <= 4; ++bits) {
    for (const Originals originals :
         {Originals::kFloat32, Originals::kCodesOnly}) {
      const bool codes_only = originals == Originals::kCodesOnly;
      const std::string name =
          absl::StrCat(bits, codes_only ? " bits, codes only" : " bits");
      const std::string path =
          absl::StrCat(dir, "/", bits, codes_only ? "c" : "f");
      const CollectionOptions options = {
          .dim = dim, .bits = bits, .originals = originals};
      for (const bool empty : {true, false}) {
        auto db = OrFail(Db::Open(path + (empty ? "0" : "")));
        auto collection = OrFail(db->CreateCollection("bench", options));
        if (!empty) Put(*collection, dim, 0, records, 0);
        OrFail(db->Close());
      }
      const double resident = ResidentAfterSearches(program, path, dim) -
                              ResidentAfterSearches(program, path + "0", dim);
      auto db = OrFail(Db::Open(path));
      auto collection = OrFail(db->OpenCollection("bench"));
      const CollectionStats stats = OrFail(collection->Stats());
      OrFail(db->Close());
      const auto n = static_cast<double>(records);
      Row(name + ": index per record by DbStats",
          static_cast<double>(stats.index_bytes) / n, "bytes");
      Row("  rescore column", static_cast<double>(stats.rescore_bytes) / n,
          "bytes");
      Row("  both by the resident memory", resident / n, "bytes");
    }
  }
}

// What child processes do.
int RunChild(const std::string& mode, const std::string& dir, size_t dim) {
  if (mode == "--nothing") return 0;
  auto db = OrFail(Db::Open(dir));
  auto collection = OrFail(db->OpenCollection("bench"));
  if (mode == "--weigh") {
    SearchAndWeigh(dir, *collection, dim);
    return 0;
  }
  SearchOnce(*collection, dim, 1);
  if (mode == "--search-and-die") _exit(0);
  OrFail(db->Close());
  return 0;
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  const auto number = [&](int i, size_t otherwise) {
    size_t value = otherwise;
    if (i < argc && !absl::SimpleAtoi(argv[i], &value)) {
      corkscrew::Fail(absl::StrCat(argv[i], " is no number"));
    }
    return value;
  };
  const std::string what = argc > 2 ? argv[1] : "";
  if (what == "open") {
    corkscrew::Open(argv[0], argv[2], number(3, 50'000), number(4, 384));
  } else if (what == "history") {
    corkscrew::History(argv[2], number(3, 100'000), number(4, 20),
                       number(5, 64));
  } else if (what == "memory") {
    corkscrew::Memory(argv[0], argv[2], number(3, 100'000), number(4, 384));
  } else if (what.rfind("--", 0) == 0) {
    return corkscrew::RunChild(what, argv[2], number(3, 384));
  } else {
    std::fprintf(stderr,
                 "usage: segment_bench open DIR [RECORDS [DIM]]\n"
                 "       segment_bench history DIR [HEADS [VERSIONS [DIM]]]\n"
                 "       segment_bench memory DIR [RECORDS [DIM]]\n");
    return 2;
  }
  return 0;
}
