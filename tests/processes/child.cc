// One short-lived process of processes_test.
//
//   child write DIR NAME N    OpenOrConnect(), puts N records NAME/i
//   child hold DIR NAME N     the same, one put per record, printing each
//                             acknowledged id as a line
//   child read DIR MOST FILE  opens for reading only and counts the records
//                             until FILE exists: the count never falls, every
//                             record is found by its id and by search; prints
//                             the last count
//   child serve DIR           a node on the socket DIR/socket until its
//                             standard input ends
//
// Exit code 0, or 1 with a line on standard error.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/client.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/open_or_connect.h"
#include "corkscrew/server.h"

namespace {

using corkscrew::Collection;
using corkscrew::Db;

constexpr size_t kDim = 8;

std::vector<float> VectorOf(const std::string& id) {
  std::vector<float> vector(kDim);
  const size_t hash = std::hash<std::string>()(id);
  for (size_t i = 0; i < kDim; ++i) {
    vector[i] = 1.0f + static_cast<float>(hash >> (7 * i) & 127);
  }
  return vector;
}

absl::Status PutOne(Collection& collection, const std::string& id) {
  const std::vector<float> vector = VectorOf(id);
  corkscrew::PutItem item{corkscrew::RecordView(id)};
  item.record.vector = vector;
  corkscrew::WriteOptions options;
  options.request_id = id;  // A retry is safe.
  return collection.Put({&item, 1}, options).status();
}

absl::Status Write(const std::string& dir, const std::string& name, int count,
                   bool print) {
  for (int i = 0; i < count;) {
    corkscrew::ClientOptions client;
    client.timeout = absl::Minutes(2);
    CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                               corkscrew::OpenOrConnect(dir, {}, client));
    // Unavailable: the node went away; once more.
    const auto notes = db->OpenCollection("notes");
    if (absl::IsUnavailable(notes.status())) continue;
    CORKSCREW_RETURN_IF_ERROR(notes.status());
    for (; i < count; ++i) {
      const std::string id = absl::StrCat(name, "/", i);
      const absl::Status put = PutOne(**notes, id);
      if (absl::IsUnavailable(put)) break;
      CORKSCREW_RETURN_IF_ERROR(put);
      if (print) {
        std::printf("%s\n", id.c_str());
        std::fflush(stdout);
      }
    }
    CORKSCREW_RETURN_IF_ERROR(db->Close());
  }
  return absl::OkStatus();
}

absl::Status Read(const std::string& dir, size_t most,
                  const std::string& stop_file) {
  corkscrew::Options options;
  options.read_only = true;
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                             Db::Open(dir, options));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> notes,
                             db->OpenCollection("notes"));
  size_t last = 0;
  while (true) {
    struct stat info;
    const bool stop = stat(stop_file.c_str(), &info) == 0;
    if (stop) absl::SleepFor(absl::Seconds(1));  // "Within a second."
    CORKSCREW_ASSIGN_OR_RETURN(const size_t count, notes->Count());
    if (count < last || count > most) {
      return absl::InternalError(
          absl::StrCat("counted ", last, ", then ", count, " of ", most));
    }
    last = count;
    corkscrew::ListOptions list;
    list.page_size = 1000;
    CORKSCREW_ASSIGN_OR_RETURN(const auto page, notes->List(list));
    for (const corkscrew::StoredRecord& found : page.records) {
      corkscrew::Query query =
          corkscrew::Query::Vector(VectorOf(found.record.id));
      query.k = 3;
      CORKSCREW_ASSIGN_OR_RETURN(const auto reply, notes->Search(query));
      if (reply.hits.empty() || reply.hits[0].score < 0.999) {
        return absl::InternalError(
            absl::StrCat(found.record.id, " is not found"));
      }
      if (!stop) break;  // One is enough while others write.
    }
    if (stop) break;
    absl::SleepFor(absl::Milliseconds(20));
  }
  std::printf("%zu\n", last);
  return db->Close();
}

absl::Status Serve(const std::string& dir) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                             Db::Open(dir, {.lock_timeout = absl::Minutes(1)}));
  CORKSCREW_ASSIGN_OR_RETURN(
      const auto server,
      corkscrew::Serve(*db,
                       {.addresses = {absl::StrCat("unix:", dir, "/socket")}}));
  std::printf("ready\n");
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server->Drain(absl::Now() + absl::Seconds(10));
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 2 ? argv[1] : "";
  absl::Status status = absl::InvalidArgumentError("usage: see child.cc");
  if (verb == "serve") status = Serve(argv[2]);
  if ((verb == "write" || verb == "hold") && argc == 5) {
    status = Write(argv[2], argv[3], std::atoi(argv[4]), verb == "hold");
  }
  if (verb == "read" && argc == 5) {
    status = Read(argv[2], static_cast<size_t>(std::atoi(argv[3])), argv[4]);
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
