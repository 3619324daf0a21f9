#ifndef CORKSCREW_DB_STORE_OPTIONS_H_
#define CORKSCREW_DB_STORE_OPTIONS_H_

// How RocksDB is set up, for db/store.cc alone, and why.

#include <cstddef>
#include <memory>

#include "db/store.h"
#include "rocksdb/cache.h"
#include "rocksdb/options.h"

namespace corkscrew {

// In-memory checksums of keys and values on their way to the memtable.
inline constexpr size_t kProtectionBytes = 8;

rocksdb::DBOptions DbOptions(const StoreOptions& options);

// Tables of all families share `cache`.
rocksdb::ColumnFamilyOptions FamilyOptions(
    Family family, const StoreOptions& options,
    const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STORE_OPTIONS_H_
