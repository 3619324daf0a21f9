#ifndef CORKSCREW_SERVER_OUTPUT_H_
#define CORKSCREW_SERVER_OUTPUT_H_

// How records, hits, collections and statistics look: as JSON, whose keys are
// stable, and for people.

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"
#include "corkscrew/search.h"
#include "server/console.h"
#include "server/json_writer.h"

namespace corkscrew {

// "cosine" and so on: what --metric and --vectors take.
absl::string_view MetricName(Metric metric);
absl::string_view OriginalsName(Originals originals);
// "low-space" and so on.
absl::string_view StateName(DbState state);

// Each writes one JSON object (WriteMetadata: the value of "metadata").
void WriteMetadata(const Metadata& metadata, JsonWriter& json);
void WriteHit(const Hit& hit, JsonWriter& json);
void WriteRecord(const StoredRecord& stored, JsonWriter& json);
void WriteCollection(const CollectionInfo& info, JsonWriter& json);
void WriteStats(const DbStats& stats, JsonWriter& json);

// pos="noun" uses=12
std::string MetadataText(const Metadata& metadata);

// Each prints a table or a list of properties.
void PrintHits(absl::Span<const Hit> hits, const Console& console);
void PrintRecords(absl::Span<const StoredRecord> records,
                  const Console& console);
void PrintRecord(const StoredRecord& stored, const Console& console);
void PrintCollections(absl::Span<const CollectionInfo> collections,
                      const Console& console);
void PrintCollection(const CollectionInfo& info, const Console& console);
void PrintStats(const DbStats& stats, const Console& console);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_OUTPUT_H_
