#include "db/store_options.h"

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <memory>

#include "db/flaws.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"

namespace corkscrew {
namespace {

// Drops what RocksDB logs. Its own logger writes to a file, and builds with
// assertions abort in it after a failed write: a full disk would end the
// process.
class NoLog : public rocksdb::Logger {
 public:
  NoLog() : rocksdb::Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

}  // namespace

rocksdb::DBOptions DbOptions(const StoreOptions& options) {
  rocksdb::DBOptions db;
  if (options.env != nullptr) db.env = options.env;
  db.info_log = std::make_shared<NoLog>();
  db.create_if_missing = options.create_if_missing;
  db.create_missing_column_families = options.create_if_missing;
  // The default drops acknowledged writes behind damage in silence.
  db.wal_recovery_mode = options.recovery == LogRecovery::kUpToDamage ||
                                 FlawsForTests().default_recovery
                             ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                             : rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  // What was recovered is in synced tables when Open() returns.
  db.avoid_flush_during_recovery = false;
  db.max_bgerror_resume_count = 0;  // Stop at the first background error.
  db.atomic_flush = true;
  // Replay takes 6-8 ms per MiB.
  db.max_total_wal_size = std::min(size_t{8} << 20, options.memtable_bytes / 2);
  // While one half goes to files the other is filled.
  db.db_write_buffer_size = options.memtable_bytes / 2;
  db.max_background_jobs = 2;
  db.max_open_files = 256;
  // Many processes live shortly: no threads for opening a dozen tables, and no
  // reading of their statistics, which only order compactions.
  db.max_file_opening_threads = 1;
  db.skip_stats_update_on_db_open = true;
  db.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    Family family, const StoreOptions& options,
    const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  // A block of the default 4 KiB holds two or three vectors: nothing repeats in
  // it.
  table.block_size = size_t{16} << 10;
  rocksdb::ColumnFamilyOptions out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.write_buffer_size =
      std::min(family == Family::kBodies ? size_t{16} << 20 : size_t{4} << 20,
               options.memtable_bytes / 4);
  out.max_write_buffer_number = 2;
  out.memtable_protection_bytes_per_key = kProtectionBytes;
  // At level 1 it takes no longer than LZ4 and makes codes, texts and small
  // rows smaller; vectors hardly shrink with either.
  out.compression = rocksdb::kZSTD;
  out.compression_opts.level = 1;
  // Flushes are small, because the log is: with fewer files at a time, merging
  // them would write everything several times.
  out.level0_file_num_compaction_trigger = 16;
  out.level0_slowdown_writes_trigger = 32;
  out.level0_stop_writes_trigger = 48;
  if (family == Family::kBodies) {
    // Bodies are written once and never changed: levels rewrite them at every
    // step down. There they took 5.1 bytes per byte (with 8 files), and a
    // quarter more processor time; the disk they take in the end is the same.
    out.compaction_style = rocksdb::kCompactionStyleUniversal;
    // A read asks the filter of each run. Of 400,000 vectors of 384 float32
    // tables take 2.1 bytes written per byte put.
    out.level0_file_num_compaction_trigger = 24;
    out.level0_slowdown_writes_trigger = 40;
    out.level0_stop_writes_trigger = 56;
    // What repeats in a flush is found at this level too; at level 1 to look
    // for more in what are mostly vectors took a fifth of the processor time of
    // a put. What is merged to the last level, once, is done thoroughly.
    out.bottommost_compression = out.compression;
    out.bottommost_compression_opts = out.compression_opts;
    out.bottommost_compression_opts.enabled = true;
    out.compression_opts.level = -1;
  }
  return out;
}

}  // namespace corkscrew
