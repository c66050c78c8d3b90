-- The C declarations of libloam for LuaJIT. Made by scripts/gen_cdef.lua from core/loam.h: do not
-- edit; change the header and run scripts/gen_cdef.lua.
--
-- Returns {codes = {[number] = name}, stats = {{name, is_text}}}: the codes of core/loam.h without
-- their prefix, and the members of loam_stats. Types are
-- declared once per process, also when this module is loaded again.
local ffi = require "ffi"

if not pcall(ffi.typeof, "loam_db") then
  ffi.cdef [[
enum {
    LOAM_OK = 0,
    LOAM_NOT_FOUND = -1,
    LOAM_EXISTS = -2,
    LOAM_MISMATCH = -3,
    LOAM_CONFLICT = -4,
    LOAM_INVALID = -5,
    LOAM_TOO_LARGE = -6,
    LOAM_CLOSED = -7,
    LOAM_READ_ONLY = -8,
    LOAM_BUSY = -9,
    LOAM_STALLED = -10,
    LOAM_TIMEOUT = -11,
    LOAM_BUDGET = -12,
    LOAM_CANCELLED = -13,
    LOAM_NO_SPACE = -14,
    LOAM_IO = -15,
    LOAM_CORRUPT = -16,
    LOAM_UNKNOWN_OUTCOME = -17,
    LOAM_EXPIRED_CURSOR = -18,
    LOAM_DENIED = -19,
    LOAM_SCRIPT = -20,
    LOAM_UNSUPPORTED = -21,
    LOAM_NO_MEMORY = -22,
};
typedef struct loam_error {
    int code;
    int os_errno;
    const char *file;
    int line;
    char text[256];
} loam_error;
const char *loam_code_name(int code);
const char *loam_code_text(int code);
const char *loam_version(void);
uint64_t loam_memory_limit(void);
uint32_t loam_abi_version(void);
size_t loam_abi_size(int which);
typedef struct loam_slice {
    const char *data;
    size_t size;
} loam_slice;
typedef struct loam_buffer {
    char *data;
    size_t size;
    size_t capacity;
} loam_buffer;
void loam_buffer_free(loam_buffer *buffer);
typedef struct loam_db loam_db;
typedef struct loam_batch loam_batch;
typedef struct loam_snapshot loam_snapshot;
typedef struct loam_scan loam_scan;
typedef struct loam_completions loam_completions;
enum { LOAM_DURABILITY_DEFAULT = 0, LOAM_SYNC = 1, LOAM_INTERVAL = 2, LOAM_OS = 3 };
enum { LOAM_COMPRESS_NONE = 0, LOAM_COMPRESS_LZ4 = 1, LOAM_COMPRESS_ZSTD = 2 };
enum { LOAM_WAL_STRICT = 0, LOAM_WAL_PREFIX = 1 };
enum { LOAM_LOG_DEBUG = 0, LOAM_LOG_INFO = 1, LOAM_LOG_WARN = 2, LOAM_LOG_ERROR = 3 };
typedef struct loam_options {
    size_t struct_size;
    bool create;
    bool error_if_exists;
    bool read_only;
    bool point_index;
    int durability;
    int compression;
    int wal_recovery;
    int background_threads;
    uint32_t sync_interval_ms;
    uint64_t sync_batch_bytes;
    uint64_t memory_bytes;
    uint64_t memtable_bytes;
    uint32_t block_bytes;
    uint64_t table_bytes;
    uint64_t compaction_rate_bytes;
    uint32_t max_open_files;
    uint32_t key_bytes_max;
    uint64_t value_bytes_max;
    uint64_t batch_bytes_max;
    uint64_t scrub_interval_ms;
    uint64_t scrub_rate_bytes;
    uint64_t reserve_bytes;
} loam_options;
void loam_options_init(loam_options *options);
    int
loam_open(const char *path, const loam_options *options, loam_db **out, loam_error *err);
int loam_close(loam_db *db, loam_error *err);
void loam_shutdown(loam_db *db);
    int loam_destroy(const char *path, loam_error *err);
const char *loam_path(const loam_db *db);
enum { LOAM_BUCKET_DEFAULT = 1 };
enum {
    LOAM_MERGE_NONE = 0,
    LOAM_MERGE_ADD = 1,
    LOAM_MERGE_MAX = 2,
    LOAM_MERGE_MIN = 3,
    LOAM_MERGE_APPEND = 4
};
typedef struct loam_bucket_options {
    bool create;
    uint64_t ttl_ms;
    int merge;
} loam_bucket_options;
typedef struct loam_bucket_info {
    uint32_t id;
    char name[65];
    uint64_t ttl_ms;
    int merge;
} loam_bucket_info;
    int loam_bucket_open(loam_db *db,
    const char *name,
    const loam_bucket_options *options,
    loam_bucket_info *out,
    loam_error *err);
    int loam_bucket_drop(loam_db *db, const char *name, loam_error *err);
size_t loam_bucket_list(loam_db *db, loam_bucket_info *out, size_t capacity);
typedef struct loam_meta {
    uint64_t seq;
    uint64_t expire_at_ms;
    uint64_t value_size;
    uint32_t content_type;
} loam_meta;
    int loam_get(loam_db *db,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const loam_snapshot *snapshot,
    loam_buffer *value,
    loam_error *err);
    int loam_get_entry(loam_db *db,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const loam_snapshot *snapshot,
    loam_buffer *value,
    loam_meta *meta,
    loam_error *err);
    int loam_get_into(loam_db *db,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const loam_snapshot *snapshot,
    loam_buffer *place,
    loam_meta *meta,
    loam_error *err);
typedef struct loam_view {
    const char *data;
    size_t size;
    loam_meta meta;
    void *pin;
} loam_view;
    int loam_get_view(loam_db *db,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const loam_snapshot *snapshot,
    loam_view *out,
    loam_error *err);
bool loam_view_is_light(const loam_view *view);
void loam_view_release(loam_view *view);
    int loam_mget(loam_db *db,
    uint32_t bucket,
    const loam_slice *keys,
    size_t count,
    const loam_snapshot *snapshot,
    loam_slice *results,
    loam_buffer *storage,
    loam_error *err);
enum {
    LOAM_OP_PUT = 1,
    LOAM_OP_DELETE = 2,
    LOAM_OP_MERGE = 3,
    LOAM_OP_INCR = 4,
    LOAM_OP_TOUCH = 5,
    LOAM_OP_APPEND = 6,
};
enum {
    LOAM_IF_NONE = 0,
    LOAM_IF_ABSENT = 1,
    LOAM_IF_PRESENT = 2,
    LOAM_IF_SEQ = 3,
    LOAM_IF_VALUE = 4
};
typedef struct loam_op {
    int kind;
    uint32_t bucket;
    const char *key;
    size_t key_size;
    const char *value;
    size_t value_size;
    uint64_t ttl_ms;
    uint64_t expire_at_ms;
    bool no_expiry;
    bool has_init;
    bool report_previous;
    bool want_previous;
    uint32_t content_type;
    int condition;
    uint64_t if_seq;
    const char *if_value;
    size_t if_value_size;
    double by;
    double init;
} loam_op;
typedef struct loam_commit {
    int durability;
    uint32_t deadline_ms;
} loam_commit;
typedef struct loam_outcome {
    uint64_t seq;
    uint64_t current_seq;
    uint32_t failed_index;
    bool existed;
    double number;
    uint32_t stall_ms;
    loam_buffer
    previous;
    uint64_t existed_bits[4];
} loam_outcome;
    int loam_put(loam_db *db,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const void *value,
    size_t value_size,
    uint64_t *seq,
    loam_error *err);
    int loam_delete(
    loam_db *db, uint32_t bucket, const void *key, size_t key_size, uint64_t *seq, loam_error *err);
    int loam_apply(loam_db *db,
    const loam_op *op,
    const loam_commit *commit,
    loam_outcome *outcome,
    loam_error *err);
loam_batch *loam_batch_new(void);
void loam_batch_free(loam_batch *batch);
void loam_batch_clear(loam_batch *batch);
size_t loam_batch_count(const loam_batch *batch);
size_t loam_batch_bytes(const loam_batch *batch);
    int loam_batch_put(loam_batch *batch,
    uint32_t bucket,
    const void *key,
    size_t key_size,
    const void *value,
    size_t value_size,
    loam_error *err);
    int loam_batch_delete(
    loam_batch *batch, uint32_t bucket, const void *key, size_t key_size, loam_error *err);
    int loam_batch_add(loam_batch *batch, const loam_op *op, loam_error *err);
    int loam_write(loam_db *db,
    const loam_batch *batch,
    const loam_commit *commit,
    loam_outcome *outcome,
    loam_error *err);
typedef struct loam_completion {
    uint64_t tag;
    int code;
    loam_error error;
    loam_outcome outcome;
} loam_completion;
    int loam_completions_open(loam_db *db, loam_completions **out, loam_error *err);
int loam_completions_close(loam_completions *queue, loam_error *err);
int loam_completions_fd(const loam_completions *queue);
size_t loam_completions_take(loam_completions *queue, loam_completion *out, size_t capacity);
    int loam_submit(loam_completions *queue,
    const loam_batch *batch,
    const loam_commit *commit,
    uint64_t tag,
    loam_outcome *outcome,
    loam_error *err);
    int loam_submit_lent(loam_completions *queue,
    const loam_batch *batch,
    const loam_commit *commit,
    uint64_t tag,
    loam_outcome *outcome,
    loam_error *err);
    int loam_snapshot_open(loam_db *db, loam_snapshot **out, loam_error *err);
uint64_t loam_snapshot_seq(const loam_snapshot *snapshot);
void loam_snapshot_close(loam_snapshot *snapshot);
typedef struct loam_range {
    const char *from;
    size_t from_size;
    const char *to;
    size_t to_size;
    const char *prefix;
    size_t prefix_size;
    const char *after;
    size_t after_size;
    uint64_t limit;
    uint64_t
    max_bytes;
    bool reverse;
    bool keys_only;
} loam_range;
typedef struct loam_row {
    const char *key;
    const char *value;
    size_t key_size;
    size_t value_size;
    uint64_t seq;
    uint64_t expire_at_ms;
    uint32_t content_type;
    uint32_t reserved;
} loam_row;
typedef struct loam_rows {
    const loam_row *rows;
    size_t count;
} loam_rows;
    int loam_scan_open(loam_db *db,
    uint32_t bucket,
    const loam_range *range,
    const loam_snapshot *snapshot,
    loam_scan **out,
    loam_error *err);
    int loam_scan_reset(loam_scan *scan,
    uint32_t bucket,
    const loam_range *range,
    const loam_snapshot *snapshot,
    loam_error *err);
    int loam_scan_next(loam_scan *scan, loam_rows *out, loam_error *err);
uint64_t loam_scan_seq(const loam_scan *scan);
void loam_scan_close(loam_scan *scan);
    int loam_count(loam_db *db,
    uint32_t bucket,
    const loam_range *range,
    const loam_snapshot *snapshot,
    uint64_t *count,
    loam_error *err);
    int loam_delete_range(loam_db *db,
    uint32_t bucket,
    const loam_range *range,
    const loam_commit *commit,
    uint64_t *count,
    loam_error *err);
    int loam_content_type_id(
    loam_db *db, const char *name, size_t name_size, uint32_t *id, loam_error *err);
const char *loam_content_type_name(loam_db *db, uint32_t id);
uint64_t loam_seq(loam_db *db);
uint64_t loam_durable_seq(loam_db *db);
    int loam_flush(loam_db *db, loam_error *err);
    int loam_sync(loam_db *db, loam_error *err);
enum { LOAM_JOB_RUNNING = 0, LOAM_JOB_DONE = 1, LOAM_JOB_FAILED = 2, LOAM_JOB_CANCELLED = 3 };
typedef struct loam_job_info {
    uint64_t id;
    int state;
    int code;
    char kind[16];
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint64_t started_at_ms;
    uint64_t finished_at_ms;
    char text[256];
} loam_job_info;
    int loam_compact(loam_db *db, uint64_t *job, loam_error *err);
    int loam_job_get(loam_db *db, uint64_t job, loam_job_info *out, loam_error *err);
    int
loam_job_wait(loam_db *db, uint64_t job, uint32_t timeout_ms, loam_job_info *out, loam_error *err);
    int loam_job_cancel(loam_db *db, uint64_t job, loam_error *err);
size_t loam_job_list(loam_db *db, loam_job_info *out, size_t capacity);
    int loam_checkpoint(loam_db *db, const char *path, uint64_t *seq, loam_error *err);
typedef struct loam_backup_options {
    bool incremental;
    uint64_t bytes_per_second;
} loam_backup_options;
typedef struct loam_backup_info {
    uint64_t id;
    uint64_t seq;
    uint64_t created_at_ms;
    uint64_t file_count;
    uint64_t bytes;
    uint64_t new_bytes;
    char uuid[37];
    bool is_damaged;
} loam_backup_info;
    int loam_backup(loam_db *db,
    const char *path,
    const loam_backup_options *options,
    loam_backup_info *info,
    loam_error *err);
    int loam_backup_list(
    const char *path, loam_backup_info *out, size_t capacity, size_t *count, loam_error *err);
    int loam_backup_delete(const char *path, uint64_t id, loam_error *err);
    int
loam_backup_verify(const char *path, uint64_t id, loam_buffer *report, loam_error *err);
    int loam_restore(const char *path, uint64_t id, const char *to, loam_error *err);
    int loam_repair(const char *path, loam_buffer *report, loam_error *err);
    int loam_check(loam_db *db, loam_buffer *report, loam_error *err);
    int loam_check_start(loam_db *db, uint64_t *job, loam_error *err);
    int
loam_checkpoint_start(loam_db *db, const char *path, uint64_t *job, loam_error *err);
    int loam_backup_start(loam_db *db,
    const char *path,
    const loam_backup_options *options,
    uint64_t *job,
    loam_error *err);
    int loam_restore_start(
    loam_db *db, const char *path, uint64_t id, const char *to, uint64_t *job, loam_error *err);
    int loam_backup_verify_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err);
    int loam_backup_delete_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err);
typedef struct loam_work loam_work;
    int
loam_restore_begin(const char *path, uint64_t id, const char *to, loam_work **out, loam_error *err);
    int loam_repair_begin(const char *path, loam_work **out, loam_error *err);
    int
loam_backup_verify_begin(const char *path, uint64_t id, loam_work **out, loam_error *err);
    int
loam_backup_delete_begin(const char *path, uint64_t id, loam_work **out, loam_error *err);
    int loam_check_begin(loam_db *db, loam_work **out, loam_error *err);
void loam_work_wait(loam_work *work, uint32_t timeout_ms, loam_job_info *out);
void loam_work_cancel(loam_work *work);
const loam_buffer *loam_work_report(loam_work *work);
void loam_work_free(loam_work *work);
    int
loam_scrub(loam_db *db, uint64_t bytes_per_second, uint64_t *job, loam_error *err);
typedef struct loam_table_info {
    uint64_t number;
    uint32_t run;
    uint32_t reserved;
    uint64_t size;
    uint64_t row_count;
    uint64_t delete_count;
    uint64_t seq_min;
    uint64_t seq_max;
    uint32_t smallest_size;
    uint32_t largest_size;
    char smallest[64];
    char largest[64];
} loam_table_info;
size_t loam_tables(loam_db *db, loam_table_info *out, size_t capacity);
enum { LOAM_PLACE_MEMORY = 0, LOAM_PLACE_TABLE = 1 };
enum {
    LOAM_STEP_ABSENT = 0,
    LOAM_STEP_VALUE = 1,
    LOAM_STEP_DELETE = 2,
    LOAM_STEP_EXPIRED = 3,
    LOAM_STEP_FAILED = 4
};
typedef struct loam_explain_step {
    int place;
    int outcome;
    int code;
    uint32_t run;
    uint64_t number;
    uint64_t seq;
    uint64_t expire_at_ms;
    uint64_t value_size;
} loam_explain_step;
    int loam_explain(loam_db *db,
    uint32_t bucket,
    const loam_slice *key,
    loam_explain_step *out,
    size_t capacity,
    size_t *count,
    loam_error *err);
enum { LOAM_HANDLE_SNAPSHOT = 0, LOAM_HANDLE_SCAN = 1 };
typedef struct loam_handle_info {
    int kind;
    uint64_t seq;
    uint64_t age_ms;
    uint64_t pinned_bytes;
} loam_handle_info;
size_t loam_handles(loam_db *db, loam_handle_info *out, size_t capacity);
typedef struct loam_file_info {
    char name[64];
    char kind[16];
    uint64_t size;
    bool is_live;
} loam_file_info;
    int
loam_files(loam_db *db, loam_file_info *out, size_t capacity, size_t *count, loam_error *err);
typedef struct loam_space_info {
    uint64_t total_bytes;
    uint64_t table_bytes;
    uint64_t garbage_bytes;
    uint64_t wal_bytes;
    uint64_t unused_bytes;
    uint64_t free_bytes;
    uint64_t reserve_bytes;
} loam_space_info;
    int loam_space(loam_db *db, loam_space_info *out, loam_error *err);
enum { LOAM_HEALTH_OK = 0, LOAM_HEALTH_DEGRADED = 1, LOAM_HEALTH_READ_ONLY = 2 };
typedef struct loam_stats {
    size_t struct_size;
    int health;
    char health_text[256];
    char uuid[37];
    uint64_t seq;
    uint64_t durable_seq;
    uint64_t opened_at_ms;
    uint64_t key_count_estimate;
    uint64_t table_count;
    uint64_t table_bytes;
    uint64_t run_count;
    uint64_t wal_count;
    uint64_t wal_bytes;
    uint64_t wal_number;
    uint64_t oldest_wal_number;
    uint64_t memory_budget_bytes;
    uint64_t memory_bytes;
    uint64_t memtable_bytes;
    uint64_t immutable_bytes;
    uint64_t block_bytes;
    uint64_t index_bytes;
    uint64_t snapshot_count;
    uint64_t scan_count;
    uint64_t view_count;
    uint64_t oldest_snapshot_age_ms;
    uint64_t gets;
    uint64_t get_misses;
    uint64_t puts;
    uint64_t deletes;
    uint64_t commits;
    uint64_t commit_groups;
    uint64_t scans;
    uint64_t scan_rows;
    uint64_t syncs;
    uint64_t wal_written_bytes;
    uint64_t user_written_bytes;
    uint64_t flushes;
    uint64_t flush_written_bytes;
    uint64_t compactions;
    uint64_t compaction_read_bytes;
    uint64_t compaction_written_bytes;
    uint64_t block_hits;
    uint64_t block_misses;
    uint64_t block_evictions;
    uint64_t stalls;
    uint64_t stall_us;
    uint64_t background_errors;
    uint64_t scrubs;
    uint64_t scrub_read_bytes;
    uint64_t scrub_finished_at_ms;
    uint64_t damaged_files;
} loam_stats;
void loam_stats_get(loam_db *db, loam_stats *out);
enum {
    LOAM_HISTOGRAM_GET = 0,
    LOAM_HISTOGRAM_WRITE = 1,
    LOAM_HISTOGRAM_SYNC = 2,
    LOAM_HISTOGRAM_FLUSH = 3,
    LOAM_HISTOGRAM_COMPACTION = 4,
    LOAM_HISTOGRAM_COUNT = 5
};
typedef struct loam_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns;
    uint64_t max_ns;
    uint64_t p50_ns;
    uint64_t p90_ns;
    uint64_t p99_ns;
    uint64_t p999_ns;
} loam_histogram;
void loam_histogram_get(loam_db *db, int which, loam_histogram *out);
typedef struct loam_log_line {
    uint64_t at_ms;
    int level;
    char text[244];
} loam_log_line;
size_t loam_log_take(loam_db *db, loam_log_line *out, size_t capacity);
    int loam_inspect(const char *path, loam_buffer *out, loam_error *err);
]]
end

return {
  codes = {
    [0] = "OK",
    [-1] = "NOT_FOUND",
    [-2] = "EXISTS",
    [-3] = "MISMATCH",
    [-4] = "CONFLICT",
    [-5] = "INVALID",
    [-6] = "TOO_LARGE",
    [-7] = "CLOSED",
    [-8] = "READ_ONLY",
    [-9] = "BUSY",
    [-10] = "STALLED",
    [-11] = "TIMEOUT",
    [-12] = "BUDGET",
    [-13] = "CANCELLED",
    [-14] = "NO_SPACE",
    [-15] = "IO",
    [-16] = "CORRUPT",
    [-17] = "UNKNOWN_OUTCOME",
    [-18] = "EXPIRED_CURSOR",
    [-19] = "DENIED",
    [-20] = "SCRIPT",
    [-21] = "UNSUPPORTED",
    [-22] = "NO_MEMORY",
  },
  stats = {
    { name = "health", is_text = false },
    { name = "health_text", is_text = true },
    { name = "uuid", is_text = true },
    { name = "seq", is_text = false },
    { name = "durable_seq", is_text = false },
    { name = "opened_at_ms", is_text = false },
    { name = "key_count_estimate", is_text = false },
    { name = "table_count", is_text = false },
    { name = "table_bytes", is_text = false },
    { name = "run_count", is_text = false },
    { name = "wal_count", is_text = false },
    { name = "wal_bytes", is_text = false },
    { name = "wal_number", is_text = false },
    { name = "oldest_wal_number", is_text = false },
    { name = "memory_budget_bytes", is_text = false },
    { name = "memory_bytes", is_text = false },
    { name = "memtable_bytes", is_text = false },
    { name = "immutable_bytes", is_text = false },
    { name = "block_bytes", is_text = false },
    { name = "index_bytes", is_text = false },
    { name = "snapshot_count", is_text = false },
    { name = "scan_count", is_text = false },
    { name = "view_count", is_text = false },
    { name = "oldest_snapshot_age_ms", is_text = false },
    { name = "gets", is_text = false },
    { name = "get_misses", is_text = false },
    { name = "puts", is_text = false },
    { name = "deletes", is_text = false },
    { name = "commits", is_text = false },
    { name = "commit_groups", is_text = false },
    { name = "scans", is_text = false },
    { name = "scan_rows", is_text = false },
    { name = "syncs", is_text = false },
    { name = "wal_written_bytes", is_text = false },
    { name = "user_written_bytes", is_text = false },
    { name = "flushes", is_text = false },
    { name = "flush_written_bytes", is_text = false },
    { name = "compactions", is_text = false },
    { name = "compaction_read_bytes", is_text = false },
    { name = "compaction_written_bytes", is_text = false },
    { name = "block_hits", is_text = false },
    { name = "block_misses", is_text = false },
    { name = "block_evictions", is_text = false },
    { name = "stalls", is_text = false },
    { name = "stall_us", is_text = false },
    { name = "background_errors", is_text = false },
    { name = "scrubs", is_text = false },
    { name = "scrub_read_bytes", is_text = false },
    { name = "scrub_finished_at_ms", is_text = false },
    { name = "damaged_files", is_text = false },
  },
}
