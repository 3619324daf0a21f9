// The process that crash_test kills, and that it traces.
//
//   crash_child DIR storm SEED THREADS   writes until it is killed
//   crash_child DIR once                 one put between READY and ACK
//   crash_child DIR puts N               N puts, then ends without closing
//
// Each line on standard output is one write(2): "T key" before operation `key`
// is tried, "A key" after it was acknowledged. Operation `key` puts two records
// with the text `key`, or deletes them.

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "corkscrew/db.h"

namespace corkscrew {
namespace {

void Say(const std::string& line) {
  const std::string whole = line + "\n";
  if (write(STDOUT_FILENO, whole.data(), whole.size()) !=
      static_cast<ssize_t>(whole.size())) {
    std::_Exit(3);
  }
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  Say(absl::StrCat("E ", status.ToString()));
  std::_Exit(4);
}

void Storm(Collection& collection, uint64_t seed, int thread) {
  Random random(seed * 100 + static_cast<uint64_t>(thread));
  for (int n = 0;; ++n) {
    const std::string key = absl::StrCat(seed, ".", thread, ".", n);
    const std::string a = absl::StrCat("a", random.Next() % 20);
    const std::string b = "b" + a.substr(1);
    const bool is_delete = random.Next() % 5 == 0;
    Say(absl::StrCat(is_delete ? "D " : "T ", key));
    if (is_delete) {
      Check(collection.Delete({a, b}).status());
    } else {
      const std::vector<float> vector = {1, static_cast<float>(random.Normal()),
                                         static_cast<float>(random.Normal())};
      PutItem items[2];
      items[0].record = RecordView(a);
      items[1].record = RecordView(b);
      for (PutItem& item : items) {
        item.record.vector = vector;
        item.record.text = key;
      }
      WriteOptions options;
      options.request_id = key;
      Check(collection.Put(items, options).status());
      Say("A " + key);
    }
  }
}

int Run(const std::string& dir, absl::string_view what, int argc, char** argv) {
  auto db = Db::Open(dir);
  Check(db.status());
  auto collection = (*db)->OpenCollection("c");
  if (!collection.ok()) collection = (*db)->CreateCollection("c", {.dim = 3});
  Check(collection.status());
  Say("READY");
  if (what == "once") {
    PutItem item{RecordView("a")};
    const std::vector<float> vector = {1, 2, 3};
    item.record.vector = vector;
    Check((*collection)->Put({&item, 1}).status());
    Say("ACK");
    return 0;
  }
  if (what == "puts" && argc >= 4) {
    const int count = std::atoi(argv[3]);
    for (int i = 0; i < count; ++i) {
      const std::string id = absl::StrCat("r", i);
      PutItem item{RecordView(id)};
      const std::vector<float> vector = {1, static_cast<float>(i), 3};
      item.record.vector = vector;
      const std::string text = absl::StrCat("text of ", i);
      item.record.text = text;
      Check((*collection)->Put({&item, 1}).status());
      Say(absl::StrCat("A ", i));
    }
    std::_Exit(0);
  }
  if (argc < 5) return 2;
  const uint64_t seed = std::strtoull(argv[3], nullptr, 10);
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[4]); ++i) {
    threads.emplace_back([&, i] { Storm(**collection, seed, i); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace corkscrew

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return corkscrew::Run(argv[1], argv[2], argc, argv);
}
