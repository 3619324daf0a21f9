#include "tests/conformance/harness.h"

#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"

namespace corkscrew::testing {

namespace {
constexpr absl::string_view kToken = "conformance-0123456789abcdef";
}

Options ConformanceOptions() {
  auto embedders = std::make_shared<EmbedderMap>();
  embedders->Add(
      "words", std::make_shared<HashEmbedder>(kTextDim, std::string(64, 'a')));
  embedders->Add(
      "other", std::make_shared<HashEmbedder>(kTextDim, std::string(64, 'b')));
  Options options;
  options.embedders = std::move(embedders);
  return options;
}

std::ostream& operator<<(std::ostream& out, Kind kind) {
  return out << (kind == Kind::kLocal ? "Local" : "Remote");
}

void ConformanceTest::Start(bool read_only) {
  std::filesystem::create_directories(path() + "/saved");
  Options options = ConformanceOptions();
  options.read_only = read_only;
  if (now_.has_value()) {
    options.now = [now = *now_] { return now; };
  }
  auto local = Db::Open(path() + "/db", options);
  ASSERT_THAT(local, IsOk());
  local_ = *std::move(local);
  tested_ = local_.get();
  if (GetParam() == Kind::kLocal) return;
  ServerOptions server_options;
  server_options.token = std::string(kToken);
  server_options.backup_directory = path() + "/saved";
  auto server = Serve(*local_, server_options);
  ASSERT_THAT(server, IsOk());
  server_ = *std::move(server);
  ClientOptions client_options;
  client_options.token = std::string(kToken);
  auto remote = Connect(server_->address(), client_options);
  ASSERT_THAT(remote, IsOk());
  remote_ = *std::move(remote);
  tested_ = remote_.get();
}

void ConformanceTest::AdvanceClock(absl::Duration by) {
  now_ = now_.value_or(absl::FromUnixSeconds(1'700'000'000)) + by;
  Restart();
}

void ConformanceTest::Stop() {
  remote_.reset();
  server_.reset();
  if (local_ != nullptr) {
    EXPECT_THAT(local_->Close(), IsOk());
  }
  local_.reset();
}

std::shared_ptr<Collection> ConformanceTest::Vectors(const std::string& name,
                                                     size_t dim,
                                                     Metric metric) {
  CollectionOptions options;
  options.dim = dim;
  options.metric = metric;
  auto collection = db().CreateCollection(name, options);
  EXPECT_THAT(collection, IsOk());
  return collection.ok() ? *collection : nullptr;
}

std::shared_ptr<Collection> ConformanceTest::Texts(const std::string& name) {
  CollectionOptions options;
  options.model = "words";
  auto collection = db().CreateCollection(name, options);
  EXPECT_THAT(collection, IsOk());
  return collection.ok() ? *collection : nullptr;
}

absl::StatusOr<PutReply> PutVector(Collection& collection, absl::string_view id,
                                   absl::Span<const float> vector,
                                   const Metadata& metadata,
                                   const WriteOptions& options) {
  PutItem item{RecordView(id)};
  item.record.vector = vector;
  item.record.metadata = &metadata;
  return collection.Put({&item, 1}, options);
}

absl::StatusOr<PutReply> PutText(Collection& collection, absl::string_view id,
                                 absl::string_view text,
                                 const Metadata& metadata,
                                 const WriteOptions& options) {
  PutItem item{RecordView(id)};
  item.record.text = text;
  item.record.metadata = &metadata;
  return collection.Put({&item, 1}, options);
}

absl::StatusOr<DeleteReply> DeleteId(Collection& collection,
                                     absl::string_view id,
                                     const WriteOptions& options) {
  return collection.Delete({&id, 1}, options);
}

std::vector<std::string> Ids(const SearchReply& reply) {
  std::vector<std::string> ids;
  for (const Hit& hit : reply.hits) ids.push_back(hit.id);
  return ids;
}

std::vector<std::string> Ids(const ListReply& reply) {
  std::vector<std::string> ids;
  for (const StoredRecord& record : reply.records) {
    ids.push_back(record.record.id);
  }
  return ids;
}

}  // namespace corkscrew::testing
