/* SPDX-License-Identifier: MIT */
/*
 * loam.h - the public C API of libloam, and the only header that is installed.
 *
 * One loam_db is one ordered, durable key-value store in one directory. Keys are 0..64 KiB of
 * arbitrary bytes in memcmp order, values 0..64 MiB. A bucket is a named key space; a batch is
 * atomic across buckets.
 *
 * Conventions
 *   - Functions return 0 (LOAM_OK) or a negative LOAM_* code. LOAM_NOT_FOUND is an answer: it
 * leaves `err` alone. For every other code the caller's `err` (may be NULL) is filled once, with
 * one line of text.
 *   - Outputs are untouched on failure, unless a comment says otherwise.
 *   - `out` pointers are owned by the caller, who releases them with the call named beside them.
 * Returned pointers are borrowed, and the comment says until when.
 *   - Sizes are bytes. Times are milliseconds: durations end in _ms, points in time are since the
 * Unix epoch and end in _at_ms. 0 means "none" unless said otherwise.
 *   - Sequence numbers stay below 2^53.
 *   - "Thread: any" may be called from every thread at once; "Thread: owner" by one thread at a
 * time.
 */
#ifndef LOAM_H
#define LOAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LOAM_API       __attribute__((visibility("default")))
#define LOAM_NODISCARD __attribute__((warn_unused_result))
#else
#define LOAM_API
#define LOAM_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ffi: begin */

/* ---- Codes and errors ---- */

enum {
    LOAM_OK = 0,
    LOAM_NOT_FOUND = -1,
    LOAM_EXISTS = -2,    /* Condition if_absent did not hold. */
    LOAM_MISMATCH = -3,  /* Condition if_seq or if_value did not hold. */
    LOAM_CONFLICT = -4,  /* A transaction lost against another one. */
    LOAM_INVALID = -5,   /* An argument, option or stored value has the wrong form. */
    LOAM_TOO_LARGE = -6, /* A named limit was exceeded. */
    LOAM_CLOSED = -7, /* The handle is closed, or belongs to the parent of this forked process. */
    LOAM_READ_ONLY = -8, /* Opened read-only, or poisoned by a failed log or manifest write. */
    LOAM_BUSY = -9, /* Locked by another process, or children (scans, snapshots) are still open. */
    LOAM_STALLED = -10, /* Back-pressure would outlast the caller's deadline. Not committed. */
    LOAM_TIMEOUT = -11,
    LOAM_BUDGET = -12,
    LOAM_CANCELLED = -13,
    LOAM_NO_SPACE = -14, /* Disk full, before anything became durable. Not committed. */
    LOAM_IO = -15,
    LOAM_CORRUPT = -16,
    LOAM_UNKNOWN_OUTCOME =
        -17, /* The write may or may not survive: the log failed while writing it. */
    LOAM_EXPIRED_CURSOR = -18,
    LOAM_DENIED = -19,
    LOAM_SCRIPT = -20,
    LOAM_UNSUPPORTED = -21, /* Newer format, unknown required feature. */
    LOAM_NO_MEMORY = -22,
};

typedef struct loam_error {
    int code;         /* LOAM_* */
    int os_errno;     /* errno of the failed system call, or 0. */
    const char *file; /* Source file that detected it; static storage. */
    int line;
    char text[256]; /* One line, NUL-terminated. */
} loam_error;

/* Returns the name of a code without prefix, "CORRUPT" for LOAM_CORRUPT; "UNKNOWN_CODE" otherwise.
 * Static. Thread: any */
const char *loam_code_name(int code);
/* Returns a short text of a code, "corrupt data"; static. Thread: any */
const char *loam_code_text(int code);

/* ---- Version and ABI ---- */

/* Returns "MAJOR.MINOR.PATCH"; static. Thread: any */
const char *loam_version(void);
/* Bytes of memory that this process may use: the machine's, or fewer where its control group allows
 * no more. Thread: any */
uint64_t loam_memory_limit(void);
/* Returns a number that grows with every incompatible change of this header. Thread: any */
uint32_t loam_abi_version(void);
/* Returns sizeof(loam_options), sizeof(loam_op), sizeof(loam_rows), sizeof(loam_stats) for which =
 * 0, 1, 2, 3. Bindings compare. */
size_t loam_abi_size(int which);

/* ---- Plain data ---- */

typedef struct loam_slice {
    const char *data;
    size_t size;
} loam_slice;

/* Owned, growing memory. Zero-initialise it; calls reuse its capacity; loam_buffer_free() releases
 * it. */
typedef struct loam_buffer {
    char *data;
    size_t size;
    size_t capacity;
} loam_buffer;

/* Releases the memory and zeroes *buffer; NULL is fine. Thread: owner */
void loam_buffer_free(loam_buffer *buffer);

typedef struct loam_db loam_db;
typedef struct loam_batch loam_batch;
typedef struct loam_snapshot loam_snapshot;
typedef struct loam_scan loam_scan;
typedef struct loam_completions loam_completions;

/* ---- Options ---- */

enum { LOAM_DURABILITY_DEFAULT = 0, LOAM_SYNC = 1, LOAM_INTERVAL = 2, LOAM_OS = 3 };
enum { LOAM_COMPRESS_NONE = 0, LOAM_COMPRESS_LZ4 = 1, LOAM_COMPRESS_ZSTD = 2 };
enum { LOAM_WAL_STRICT = 0, LOAM_WAL_PREFIX = 1 };
enum { LOAM_LOG_DEBUG = 0, LOAM_LOG_INFO = 1, LOAM_LOG_WARN = 2, LOAM_LOG_ERROR = 3 };

typedef struct loam_options {
    size_t struct_size; /* Set by loam_options_init(). */
    bool create;        /* Create the store when the directory is absent or empty. Default true. */
    bool error_if_exists;
    bool read_only;   /* Opens without the write lock; no recovery is written, unclean logs are
                         replayed in memory. */
    bool point_index; /* Tables carry a point index. Default true. */
    int durability;   /* Default of writes: LOAM_SYNC. */
    int compression;  /* Default LOAM_COMPRESS_LZ4. */
    int wal_recovery; /* LOAM_WAL_STRICT refuses a damaged log; LOAM_WAL_PREFIX keeps what precedes
                         the damage. */
    int background_threads;    /* Compaction threads; 0 = max(1, cores - 1). */
    uint32_t sync_interval_ms; /* LOAM_INTERVAL: longest time between fsyncs. Default 100. */
    uint64_t sync_batch_bytes; /* LOAM_INTERVAL: most un-synced log bytes. Default 1 MiB. */
    uint64_t memory_bytes;   /* One budget: memtables + blocks + indexes. 0, the default = 512 MiB,
                                at most three eighths of loam_memory_limit(). */
    uint64_t memtable_bytes; /* Size at which a memtable is flushed. 0 = an eighth of
                                memory_bytes, up to 128 MiB. At most a sixth of memory_bytes. */
    uint32_t block_bytes;    /* Target size of a table's blocks before compression. Default 4096. */
    uint64_t table_bytes;    /* Target size of a table file. Default 64 MiB. */
    uint64_t compaction_rate_bytes; /* Bytes written by compaction per second; 0 = unlimited. */
    uint32_t max_open_files;        /* Most table files held open. Default 1000. */
    uint32_t key_bytes_max;         /* Default 64 KiB, also the largest. */
    uint64_t value_bytes_max;       /* Default 64 MiB, also the largest. */
    uint64_t batch_bytes_max;       /* Default 128 MiB. */
    uint64_t scrub_interval_ms;     /* Every so often all tables are read and compared in the
                                       background, the first time so long after opening; 0 = never.
                                       Default 7 days. */
    uint64_t scrub_rate_bytes;      /* Read by that per second; 0 = unlimited. Default 8 MiB. */
    uint64_t reserve_bytes; /* With less free on the disk, writes answer NO_SPACE; deletes go on to
                               half of it, flush and compaction live from it. 0 = automatic:
                               memtable_bytes, on a small disk less. */
} loam_options;

/* Fills *options with the defaults. Thread: owner */
void loam_options_init(loam_options *options);

/* ---- Opening ---- */

/*
 * Opens the store in directory `path` and recovers it. options may be NULL.
 * Errors: NOT_FOUND absent and create is false (fills err) · EXISTS error_if_exists · BUSY locked
 * by another handle or process · CORRUPT · UNSUPPORTED newer format · INVALID not a Loam directory,
 * or a bad option · IO · NO_SPACE. *out is released with loam_close(). A program that runs under
 * RLIMIT_FSIZE ignores SIGXFSZ: then a file at the limit is NO_SPACE, not its end. Thread: any
 */
LOAM_NODISCARD int
loam_open(const char *path, const loam_options *options, loam_db **out, loam_error *err);

/*
 * Closes the store: waits for background work, flushes the memtable, syncs and seals the log. NULL
 * is fine. Errors: BUSY while scans, snapshots or completion queues are open (nothing changed); IO,
 * UNKNOWN_OUTCOME: closed, but something could not be written. Thread: owner
 */
int loam_close(loam_db *db, loam_error *err);

/*
 * Ends the work of a store that other threads still use, so that they can be joined before
 * loam_close(): the threads of the store stop, and every call that waits returns, with CLOSED where
 * it was not done. From then on writes, flushes, syncs, jobs, copies, bucket changes, scans,
 * snapshots and completion queues that would be new answer CLOSED; submitted writes are completed.
 * Handles stay valid until loam_close(), and point reads and open scans go on. Thread: any, one
 * caller
 */
void loam_shutdown(loam_db *db);

/* Removes every file of a closed store, only names that Loam makes, and the directory when it is
 * then empty. Thread: any */
LOAM_NODISCARD int loam_destroy(const char *path, loam_error *err);

/* Borrowed until close. Thread: any */
const char *loam_path(const loam_db *db);

/* ---- Buckets ---- */

enum { LOAM_BUCKET_DEFAULT = 1 }; /* The id of bucket "default", which always exists. */
enum {
    LOAM_MERGE_NONE = 0,
    LOAM_MERGE_ADD = 1,
    LOAM_MERGE_MAX = 2,
    LOAM_MERGE_MIN = 3,
    LOAM_MERGE_APPEND = 4
};

typedef struct loam_bucket_options {
    bool create;
    uint64_t ttl_ms; /* Default time to live of new rows; 0 = none. Fixed at creation. */
    int merge;       /* LOAM_MERGE_*: what loam_batch_merge does here. Fixed at creation. */
} loam_bucket_options;

typedef struct loam_bucket_info {
    uint32_t id;
    char name[65];
    uint64_t ttl_ms;
    int merge;
} loam_bucket_info;

/* Finds or (options->create) creates a bucket. Name: 1..64 of [A-Za-z0-9._-]. Errors: NOT_FOUND,
 * INVALID, IO. Thread: any */
LOAM_NODISCARD int loam_bucket_open(loam_db *db,
                                    const char *name,
                                    const loam_bucket_options *options,
                                    loam_bucket_info *out,
                                    loam_error *err);
/* Drops a bucket with all its rows; its id is never used again. Errors: NOT_FOUND; INVALID for
 * "default". Thread: any */
LOAM_NODISCARD int loam_bucket_drop(loam_db *db, const char *name, loam_error *err);
/* Writes up to `capacity` buckets in name order to `out` and returns how many there are. Thread:
 * any */
size_t loam_bucket_list(loam_db *db, loam_bucket_info *out, size_t capacity);

/* ---- Reading ---- */

typedef struct loam_meta {
    uint64_t seq;
    uint64_t expire_at_ms; /* 0 = never. */
    uint64_t value_size;
    uint32_t content_type; /* 0 = none; loam_content_type_name(). */
} loam_meta;

/*
 * Copies the value of a key to *value (reused, grown). snapshot NULL = newest. Errors: NOT_FOUND,
 * CORRUPT, IO, NO_MEMORY. Thread: any (value: owner)
 */
LOAM_NODISCARD int loam_get(loam_db *db,
                            uint32_t bucket,
                            const void *key,
                            size_t key_size,
                            const loam_snapshot *snapshot,
                            loam_buffer *value,
                            loam_error *err);
/* As loam_get, with the row's meta; value may be NULL to read the meta only. Thread: any */
LOAM_NODISCARD int loam_get_entry(loam_db *db,
                                  uint32_t bucket,
                                  const void *key,
                                  size_t key_size,
                                  const loam_snapshot *snapshot,
                                  loam_buffer *value,
                                  loam_meta *meta,
                                  loam_error *err);
/* As loam_get_entry, for small values: `place` is never grown, so nothing is allocated. TOO_LARGE,
 * with *meta filled and no message, when its capacity is less than the value. Thread: any */
LOAM_NODISCARD int loam_get_into(loam_db *db,
                                 uint32_t bucket,
                                 const void *key,
                                 size_t key_size,
                                 const loam_snapshot *snapshot,
                                 loam_buffer *place,
                                 loam_meta *meta,
                                 loam_error *err);

/* A value in place: no copy. Valid until loam_view_release(). */
typedef struct loam_view {
    const char *data;
    size_t size;
    loam_meta meta;
    void *pin; /* Private. */
} loam_view;
LOAM_NODISCARD int loam_get_view(loam_db *db,
                                 uint32_t bucket,
                                 const void *key,
                                 size_t key_size,
                                 const loam_snapshot *snapshot,
                                 loam_view *out,
                                 loam_error *err);
/* Whether the view keeps alive not much more than its value (a block of a table), and not whole
 * memtables: then it may be held for long. Thread: any */
bool loam_view_is_light(const loam_view *view);
/* Releases a view and zeroes it; a zeroed view is fine. Thread: any */
void loam_view_release(loam_view *view);

/*
 * Reads `count` keys at one sequence. results[i].data is NULL where a key is absent, else points
 * into *storage and is valid until storage is next changed. Returns how many were found, or a
 * negative code. Thread: any
 */
LOAM_NODISCARD int loam_mget(loam_db *db,
                             uint32_t bucket,
                             const loam_slice *keys,
                             size_t count,
                             const loam_snapshot *snapshot,
                             loam_slice *results,
                             loam_buffer *storage,
                             loam_error *err);

/* ---- Writing ---- */

enum {
    LOAM_OP_PUT = 1,
    LOAM_OP_DELETE = 2,
    LOAM_OP_MERGE = 3, /* By the bucket's merge operator. */
    LOAM_OP_INCR =
        4, /* Adds `by` to a decimal number, absent = `init` when has_init, else NOT_FOUND. */
    LOAM_OP_TOUCH = 5,  /* New expiry, same value; absent = NOT_FOUND. */
    LOAM_OP_APPEND = 6, /* Appends; absent = empty. */
};
enum {
    LOAM_IF_NONE = 0,
    LOAM_IF_ABSENT = 1,
    LOAM_IF_PRESENT = 2,
    LOAM_IF_SEQ = 3,
    LOAM_IF_VALUE = 4
};

/* One operation with everything it can carry. Zero-initialise it. Bytes are borrowed for the call.
 */
typedef struct loam_op {
    int kind; /* LOAM_OP_* */
    uint32_t bucket;
    const char *key;
    size_t key_size;
    const char *value;
    size_t value_size;
    uint64_t ttl_ms;       /* 0 = the bucket's default. */
    uint64_t expire_at_ms; /* Instead of ttl_ms. */
    bool no_expiry;        /* Never expires, whatever the bucket's default. */
    bool has_init;
    bool report_previous; /* Fills existed (and previous, when previous is asked for) of the
                             outcome. */
    bool want_previous;   /* Also copies the previous value to outcome.previous. */
    uint32_t content_type;
    int condition;        /* LOAM_IF_*; failing: EXISTS, NOT_FOUND or MISMATCH, nothing of the batch
                             applied. */
    uint64_t if_seq;      /* LOAM_IF_SEQ; 0 = must be absent. */
    const char *if_value; /* LOAM_IF_VALUE. */
    size_t if_value_size;
    double by;
    double init;
} loam_op;

typedef struct loam_commit {
    int durability;       /* LOAM_DURABILITY_DEFAULT = the database's. */
    uint32_t deadline_ms; /* Longest wait for room and for commits in front; 0 = no limit. */
} loam_commit;

/* What became of a write. Zero-initialise; `previous` is reused and released with
 * loam_buffer_free(&outcome.previous). */
typedef struct loam_outcome {
    uint64_t seq;         /* Sequence number of the last operation; 0 when nothing was committed. */
    uint64_t current_seq; /* After EXISTS or MISMATCH: the row there now, 0 = absent. */
    uint32_t failed_index; /* After a failed condition: 0-based operation of the batch. */
    bool existed;          /* With report_previous: the last such op's key was present before. */
    double number;         /* After INCR or a numeric MERGE: the new number. */
    uint32_t stall_ms;     /* After STALLED: predicted wait. */
    loam_buffer
        previous; /* With want_previous, and the current value after MISMATCH of LOAM_IF_VALUE. */
    uint64_t existed_bits[4]; /* As existed, for each of the first 256 operations; the first is bit
                                 0 of the first word. */
} loam_outcome;

/* One put with the database's defaults. seq may be NULL. Errors: as loam_write. Thread: any */
LOAM_NODISCARD int loam_put(loam_db *db,
                            uint32_t bucket,
                            const void *key,
                            size_t key_size,
                            const void *value,
                            size_t value_size,
                            uint64_t *seq,
                            loam_error *err);
/* One blind delete. Thread: any */
LOAM_NODISCARD int loam_delete(
    loam_db *db, uint32_t bucket, const void *key, size_t key_size, uint64_t *seq, loam_error *err);
/* One operation with conditions and options; commit and outcome may be NULL. Thread: any */
LOAM_NODISCARD int loam_apply(loam_db *db,
                              const loam_op *op,
                              const loam_commit *commit,
                              loam_outcome *outcome,
                              loam_error *err);

/* Returns NULL when out of memory. Thread: any; a batch itself: owner */
loam_batch *loam_batch_new(void);
void loam_batch_free(loam_batch *batch);
void loam_batch_clear(loam_batch *batch);
size_t loam_batch_count(const loam_batch *batch);
size_t loam_batch_bytes(const loam_batch *batch);
/* Errors: TOO_LARGE (key 64 KiB, value 64 MiB, batch 2^31 - 1 bytes), INVALID, NO_MEMORY; the batch
 * is as before. */
LOAM_NODISCARD int loam_batch_put(loam_batch *batch,
                                  uint32_t bucket,
                                  const void *key,
                                  size_t key_size,
                                  const void *value,
                                  size_t value_size,
                                  loam_error *err);
LOAM_NODISCARD int loam_batch_delete(
    loam_batch *batch, uint32_t bucket, const void *key, size_t key_size, loam_error *err);
LOAM_NODISCARD int loam_batch_add(loam_batch *batch, const loam_op *op, loam_error *err);

/*
 * Commits a batch atomically; commit and outcome may be NULL. The batch is unchanged and may be
 * reused. An empty batch is a no-op. Errors: EXISTS, MISMATCH, NOT_FOUND a condition failed (see
 * outcome) · TOO_LARGE · STALLED · READ_ONLY · NO_SPACE and IO (the disk refused; the store goes on
 * when it can) · UNKNOWN_OUTCOME (a sync failed; the handle is now read-only). After every code but
 * the last nothing of the batch is there or will be. Thread: any
 */
LOAM_NODISCARD int loam_write(loam_db *db,
                              const loam_batch *batch,
                              const loam_commit *commit,
                              loam_outcome *outcome,
                              loam_error *err);

/* Asynchronous commits. A queue belongs to one consumer; its descriptor becomes readable when
 * completions wait. */
typedef struct loam_completion {
    uint64_t tag;         /* The caller's. */
    int code;             /* As loam_write returns. */
    loam_error error;     /* Filled when code needs a text. */
    loam_outcome outcome; /* outcome.previous now belongs to the taker. */
} loam_completion;
LOAM_NODISCARD int loam_completions_open(loam_db *db, loam_completions **out, loam_error *err);
/* Errors: BUSY while submitted writes are not taken. Thread: owner */
int loam_completions_close(loam_completions *queue, loam_error *err);
int loam_completions_fd(const loam_completions *queue);
/* Moves up to `capacity` finished writes to `out`; returns how many. Writes whose deadline has
 * passed before anything was done for them are among them, as STALLED: asked now and then, it tells
 * of a disk that hangs. Never waits. Thread: owner */
size_t loam_completions_take(loam_completions *queue, loam_completion *out, size_t capacity);
/*
 * Submits a batch, whose bytes are copied (the batch may be reused at once). Returns 1 when it was
 * committed before the return: *outcome is filled and nothing is queued; 0 when a completion with
 * `tag` will follow; a negative code when it was refused. Thread: any
 */
LOAM_NODISCARD int loam_submit(loam_completions *queue,
                               const loam_batch *batch,
                               const loam_commit *commit,
                               uint64_t tag,
                               loam_outcome *outcome,
                               loam_error *err);
/* As loam_submit, without a copy: when 0 is returned the batch must not change until its completion
 * was taken. Thread: any */
LOAM_NODISCARD int loam_submit_lent(loam_completions *queue,
                                    const loam_batch *batch,
                                    const loam_commit *commit,
                                    uint64_t tag,
                                    loam_outcome *outcome,
                                    loam_error *err);

/* ---- Snapshots and scans ---- */

LOAM_NODISCARD int loam_snapshot_open(loam_db *db, loam_snapshot **out, loam_error *err);
uint64_t loam_snapshot_seq(const loam_snapshot *snapshot);
void loam_snapshot_close(loam_snapshot *snapshot);

/* Bounds of a scan. Zero-initialise: everything, forward. A NULL pointer = no bound. Bytes are
 * copied. */
typedef struct loam_range {
    const char *from; /* Inclusive. */
    size_t from_size;
    const char *to; /* Exclusive. */
    size_t to_size;
    const char *prefix; /* Intersected with from and to. */
    size_t prefix_size;
    const char *after; /* Cursor: rows strictly after this key in scan direction. */
    size_t after_size;
    uint64_t limit; /* Most rows; 0 = no limit. */
    uint64_t
        max_bytes; /* Stop after the row that reaches so many key + value bytes; 0 = no limit. */
    bool reverse;
    bool keys_only; /* Values are not copied: value is NULL, meta.value_size is right. */
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

/* A block of rows. Valid until the next loam_scan_next(), loam_scan_reset() or loam_scan_close() of
 * its scan. */
typedef struct loam_rows {
    const loam_row *rows;
    size_t count; /* 0 = the scan has ended. */
} loam_rows;

/* A scan fixes one version and one sequence number for its life. snapshot NULL = newest. Thread:
 * any; a scan: owner */
LOAM_NODISCARD int loam_scan_open(loam_db *db,
                                  uint32_t bucket,
                                  const loam_range *range,
                                  const loam_snapshot *snapshot,
                                  loam_scan **out,
                                  loam_error *err);
/* Re-aims an open scan at other bounds, same database, newest sequence; allocates nothing once
 * warm. */
LOAM_NODISCARD int loam_scan_reset(loam_scan *scan,
                                   uint32_t bucket,
                                   const loam_range *range,
                                   const loam_snapshot *snapshot,
                                   loam_error *err);
/* Hands out the next 1..256 rows. An error stays: later calls return it again. Errors: CORRUPT, IO,
 * NO_MEMORY. */
LOAM_NODISCARD int loam_scan_next(loam_scan *scan, loam_rows *out, loam_error *err);
uint64_t loam_scan_seq(const loam_scan *scan);
void loam_scan_close(loam_scan *scan);

/* Counts rows of a range without handing them out. Thread: any */
LOAM_NODISCARD int loam_count(loam_db *db,
                              uint32_t bucket,
                              const loam_range *range,
                              const loam_snapshot *snapshot,
                              uint64_t *count,
                              loam_error *err);
/* Deletes a range: a snapshot scan plus batched deletes; *count rows deleted so far also on
 * failure. Thread: any */
LOAM_NODISCARD int loam_delete_range(loam_db *db,
                                     uint32_t bucket,
                                     const loam_range *range,
                                     const loam_commit *commit,
                                     uint64_t *count,
                                     loam_error *err);

/* ---- Content types ---- */

/* Returns the id (> 0) of a content type, made durable when new. Errors: TOO_LARGE (127 bytes, 1000
 * types). Thread: any */
LOAM_NODISCARD int loam_content_type_id(
    loam_db *db, const char *name, size_t name_size, uint32_t *id, loam_error *err);
/* Borrowed until close; NULL for an unknown id. Thread: any */
const char *loam_content_type_name(loam_db *db, uint32_t id);

/* ---- Administration ---- */

uint64_t loam_seq(loam_db *db);         /* Newest visible sequence number. */
uint64_t loam_durable_seq(loam_db *db); /* Everything up to it is on stable storage. */
/* Writes the memtable to tables and waits. Thread: any */
LOAM_NODISCARD int loam_flush(loam_db *db, loam_error *err);
/* Makes every write acknowledged so far durable. Thread: any */
LOAM_NODISCARD int loam_sync(loam_db *db, loam_error *err);

enum { LOAM_JOB_RUNNING = 0, LOAM_JOB_DONE = 1, LOAM_JOB_FAILED = 2, LOAM_JOB_CANCELLED = 3 };
typedef struct loam_job_info {
    uint64_t id;
    int state;     /* LOAM_JOB_* */
    int code;      /* Of a failed job. */
    char kind[16]; /* "compact", "check", ... */
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint64_t started_at_ms;
    uint64_t finished_at_ms; /* 0 = not yet. */
    char text[256];          /* Error or result, one line. */
} loam_job_info;
/* Starts a full compaction in the background. *job = its id. Thread: any */
LOAM_NODISCARD int loam_compact(loam_db *db, uint64_t *job, loam_error *err);
/* Errors: NOT_FOUND. Thread: any */
LOAM_NODISCARD int loam_job_get(loam_db *db, uint64_t job, loam_job_info *out, loam_error *err);
/* Waits until a job ended or timeout_ms passed (TIMEOUT); 0 = no limit. */
LOAM_NODISCARD int
loam_job_wait(loam_db *db, uint64_t job, uint32_t timeout_ms, loam_job_info *out, loam_error *err);
LOAM_NODISCARD int loam_job_cancel(loam_db *db, uint64_t job, loam_error *err);
/* Newest first; returns how many were written. */
size_t loam_job_list(loam_db *db, loam_job_info *out, size_t capacity);

/*
 * Makes a store of its own in directory `path` (absent or empty), equal to the newest commit point
 * *seq of this one: tables are linked where the file system can, copied otherwise; everything is
 * synced and was opened once before this returns. Writers go on meanwhile. On failure nothing stays
 * behind. seq may be NULL. Errors: EXISTS the directory is not empty; IO, NO_SPACE, CORRUPT, BUSY.
 * Thread: any
 */
LOAM_NODISCARD int loam_checkpoint(loam_db *db, const char *path, uint64_t *seq, loam_error *err);

/* Backups. A directory holds any number of them; they share the tables they have in common. */
typedef struct loam_backup_options {
    bool incremental; /* Trusts files that are there by number, hash and size; false: reads them all
                         again and replaces damaged ones. */
    uint64_t bytes_per_second; /* Of a backup that runs as a job; 0 = unlimited. */
} loam_backup_options;
typedef struct loam_backup_info {
    uint64_t id;  /* From 1, rising. */
    uint64_t seq; /* The commit point it equals. */
    uint64_t created_at_ms;
    uint64_t file_count;
    uint64_t bytes;     /* Of all its files. */
    uint64_t new_bytes; /* Written by loam_backup(); 0 in lists. */
    char uuid[37];      /* Of the database. */
    bool is_damaged;    /* In lists: its text cannot be read; only id is right. */
} loam_backup_info;
/*
 * Adds a backup of the newest commit point to the directory `path` (made when absent): files are
 * copied, read back and compared by hash; the backup exists once its text is durable. options NULL:
 * incremental; info may be NULL. Errors: BUSY another backup or deletion runs there; INVALID the
 * directory is a store; IO, NO_SPACE, CORRUPT. Thread: any
 */
LOAM_NODISCARD int loam_backup(loam_db *db,
                               const char *path,
                               const loam_backup_options *options,
                               loam_backup_info *info,
                               loam_error *err);
/* Writes up to `capacity` backups, newest first, to out; *count = how many there are. */
LOAM_NODISCARD int loam_backup_list(
    const char *path, loam_backup_info *out, size_t capacity, size_t *count, loam_error *err);
/* Deletes one backup, then files that no other needs. Errors: NOT_FOUND, BUSY, IO; CORRUPT:
 * deleted, but the text of another cannot be read, so its files stay. Thread: any */
LOAM_NODISCARD int loam_backup_delete(const char *path, uint64_t id, loam_error *err);
/* Reads every file of a backup (0 = the newest) and compares size and hash; a line per file in
 * *report. Errors: CORRUPT, NOT_FOUND, IO. Thread: any */
LOAM_NODISCARD int
loam_backup_verify(const char *path, uint64_t id, loam_buffer *report, loam_error *err);
/*
 * Makes a store in directory `to` (absent or empty) of a backup (0 = the newest). Every file is
 * verified before anything is written, and again on its way; CURRENT, which makes it a store, comes
 * last. On failure nothing stays behind. Errors: CORRUPT, NOT_FOUND, EXISTS, IO, NO_SPACE. Thread:
 * any
 */
LOAM_NODISCARD int loam_restore(const char *path, uint64_t id, const char *to, loam_error *err);

/*
 * Makes a closed store that does not open any more one that does, with every row that can be read:
 * sound tables stay, readable blocks of damaged ones and readable records of logs go into new
 * tables. Destroys nothing: what the new store does not use stands in its subdirectory lost/. Rows
 * that are lost may uncover older versions of themselves. *report gets a line per file. Errors:
 * NOT_FOUND nothing of a store there; BUSY it is open; CORRUPT nothing can be told from what is
 * left (nothing was changed); IO, NO_SPACE. Thread: any
 */
LOAM_NODISCARD int loam_repair(const char *path, loam_buffer *report, loam_error *err);

/*
 * Checks every checksum, order, overlap and count of the store against its manifest. report gets
 * one line per finding. Errors: CORRUPT something is wrong; IO. Thread: any
 */
LOAM_NODISCARD int loam_check(loam_db *db, loam_buffer *report, loam_error *err);

/* Checks as a job, "check": its text is the first finding. What it finds makes the health DEGRADED
 * until a check finds nothing. Errors: BUSY one runs. Thread: any */
LOAM_NODISCARD int loam_check_start(loam_db *db, uint64_t *job, loam_error *err);
/* Checkpoint and backup as jobs, "checkpoint" and "backup"; and three that do not touch this store,
 * as jobs beside its own: "restore", "verify" of a backup, "delete" of one. Thread: any */
LOAM_NODISCARD int
loam_checkpoint_start(loam_db *db, const char *path, uint64_t *job, loam_error *err);
LOAM_NODISCARD int loam_backup_start(loam_db *db,
                                     const char *path,
                                     const loam_backup_options *options,
                                     uint64_t *job,
                                     loam_error *err);
LOAM_NODISCARD int loam_restore_start(
    loam_db *db, const char *path, uint64_t id, const char *to, uint64_t *job, loam_error *err);
LOAM_NODISCARD int loam_backup_verify_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err);
LOAM_NODISCARD int loam_backup_delete_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err);

/* A long call made by a thread of its own, followed and cancelled by its owner: loam_restore(),
 * loam_repair(), loam_backup_verify() and loam_backup_delete() without an open store, and
 * loam_check() with its report.
 */
typedef struct loam_work loam_work;
LOAM_NODISCARD int
loam_restore_begin(const char *path, uint64_t id, const char *to, loam_work **out, loam_error *err);
LOAM_NODISCARD int loam_repair_begin(const char *path, loam_work **out, loam_error *err);
LOAM_NODISCARD int
loam_backup_verify_begin(const char *path, uint64_t id, loam_work **out, loam_error *err);
LOAM_NODISCARD int
loam_backup_delete_begin(const char *path, uint64_t id, loam_work **out, loam_error *err);
/* loam_check(): the store is not closed before loam_work_free(): BUSY. */
LOAM_NODISCARD int loam_check_begin(loam_db *db, loam_work **out, loam_error *err);
/* Waits until it ended or timeout_ms passed (0 = no wait) and tells how it stands. Thread: owner */
void loam_work_wait(loam_work *work, uint32_t timeout_ms, loam_job_info *out);
/* Asks it to stop: it undoes what it did and ends as CANCELLED. A repair that already changes the
 * store goes on. Thread: owner */
void loam_work_cancel(loam_work *work);
/* The report of a repair or a verification that has ended; borrowed until loam_work_free(). NULL
 * while it runs. Thread: owner */
const loam_buffer *loam_work_report(loam_work *work);
/* Cancels and waits when it still runs. NULL is fine. Thread: owner */
void loam_work_free(loam_work *work);
/*
 * Starts a job, "scrub", that reads every table at most so fast (0 = no limit) and compares its
 * hash with the manifest's. Damaged files are lines of the log and make the health DEGRADED until a
 * scrub finds none; the job then fails with CORRUPT. Errors: BUSY one runs, which may be the one
 * of scrub_interval_ms. Thread: any
 */
LOAM_NODISCARD int
loam_scrub(loam_db *db, uint64_t bytes_per_second, uint64_t *job, loam_error *err);

typedef struct loam_table_info {
    uint64_t number;
    uint32_t run; /* 0 = newest sorted run. */
    uint32_t reserved;
    uint64_t size;
    uint64_t row_count;
    uint64_t delete_count;
    uint64_t seq_min;
    uint64_t seq_max;
    uint32_t smallest_size; /* Bytes used of smallest. */
    uint32_t largest_size;
    char smallest[64]; /* First bytes of the smallest key, after the bucket id. */
    char largest[64];
} loam_table_info;
/* Writes up to `capacity` live tables, newest run first, to out; returns how many there are.
 * Thread: any */
size_t loam_tables(loam_db *db, loam_table_info *out, size_t capacity);

/* One place in which a read of a key looks. */
enum { LOAM_PLACE_MEMORY = 0, LOAM_PLACE_TABLE = 1 };
enum {
    LOAM_STEP_ABSENT = 0,
    LOAM_STEP_VALUE = 1,
    LOAM_STEP_DELETE = 2,
    LOAM_STEP_EXPIRED = 3,
    LOAM_STEP_FAILED = 4
};
typedef struct loam_explain_step {
    int place;       /* LOAM_PLACE_* */
    int outcome;     /* LOAM_STEP_*: the newest version there. */
    int code;        /* Of LOAM_STEP_FAILED. */
    uint32_t run;    /* Of a table; 0 = newest. */
    uint64_t number; /* Of the table, or of the log of a memtable; 0 = no table of the run can have
                        it. */
    uint64_t seq;
    uint64_t expire_at_ms;
    uint64_t value_size;
} loam_explain_step;
/*
 * Tells where a read of a key looks, newest place first: the first that is not ABSENT is what it
 * answers, the others are hidden. Writes up to `capacity` steps; *count = how many there are.
 * Errors: CLOSED no such bucket any more, TOO_LARGE. Thread: any
 */
LOAM_NODISCARD int loam_explain(loam_db *db,
                                uint32_t bucket,
                                const loam_slice *key,
                                loam_explain_step *out,
                                size_t capacity,
                                size_t *count,
                                loam_error *err);

enum { LOAM_HANDLE_SNAPSHOT = 0, LOAM_HANDLE_SCAN = 1 };
typedef struct loam_handle_info {
    int kind;              /* LOAM_HANDLE_* */
    uint64_t seq;          /* What it sees. */
    uint64_t age_ms;       /* Of a scan: since it took this state of the store. */
    uint64_t pinned_bytes; /* Tables that the store itself does not need any more. */
} loam_handle_info;
/* Writes up to `capacity` open snapshots and scans to out; returns how many there are. Thread: any
 */
size_t loam_handles(loam_db *db, loam_handle_info *out, size_t capacity);

typedef struct loam_file_info {
    char name[64];
    char kind[16]; /* "table", "log", "manifest", "current", "lock", "other" */
    uint64_t size; /* 0 for "other". */
    bool is_live;  /* Part of the store now. */
} loam_file_info;
/* Lists the directory of the store; *count = how many there are. Errors: IO. Thread: any */
LOAM_NODISCARD int
loam_files(loam_db *db, loam_file_info *out, size_t capacity, size_t *count, loam_error *err);

typedef struct loam_space_info {
    uint64_t total_bytes;   /* All files that Loam made. */
    uint64_t table_bytes;   /* Live tables. */
    uint64_t garbage_bytes; /* Of them, an estimate: deletes and what they hide. Overwritten rows
                               count as live until they are compacted. */
    uint64_t wal_bytes;     /* Logs, with the space that is allocated ahead. */
    uint64_t unused_bytes; /* Tables that are replaced and still there: in use, or to be removed. */
    uint64_t free_bytes;   /* On the disk. */
    uint64_t reserve_bytes; /* As in the options, settled. */
} loam_space_info;
/* Tells what fills the disk. Errors: IO, NO_MEMORY. Thread: any */
LOAM_NODISCARD int loam_space(loam_db *db, loam_space_info *out, loam_error *err);

enum { LOAM_HEALTH_OK = 0, LOAM_HEALTH_DEGRADED = 1, LOAM_HEALTH_READ_ONLY = 2 };
typedef struct loam_stats {
    size_t struct_size;
    int health;            /* LOAM_HEALTH_* */
    char health_text[256]; /* First cause, when not OK. */
    char uuid[37];         /* Of the database. */
    uint64_t seq;
    uint64_t durable_seq;
    uint64_t opened_at_ms;
    uint64_t key_count_estimate; /* Rows in tables and memtables minus deletes; overwritten rows
                                    count until compacted. */
    uint64_t table_count;
    uint64_t table_bytes;
    uint64_t run_count;
    uint64_t wal_count;
    uint64_t wal_bytes;
    uint64_t wal_number; /* Active log. */
    uint64_t oldest_wal_number;
    uint64_t memory_budget_bytes;
    uint64_t memory_bytes; /* Used of the budget: the sum of the next four. */
    uint64_t memtable_bytes;
    uint64_t immutable_bytes;
    uint64_t block_bytes;
    uint64_t index_bytes;
    uint64_t snapshot_count;
    uint64_t scan_count;
    uint64_t view_count;
    uint64_t oldest_snapshot_age_ms;
    /* Counters since open. */
    uint64_t gets;
    uint64_t get_misses;
    uint64_t puts;
    uint64_t deletes;
    uint64_t commits;
    uint64_t commit_groups; /* Groups the commits were written in. */
    uint64_t scans;
    uint64_t scan_rows;
    uint64_t syncs;
    uint64_t wal_written_bytes;
    uint64_t user_written_bytes; /* Key + value bytes of commits. */
    uint64_t flushes;
    uint64_t flush_written_bytes;
    uint64_t compactions;
    uint64_t compaction_read_bytes;
    uint64_t compaction_written_bytes;
    uint64_t block_hits;
    uint64_t block_misses;
    uint64_t block_evictions;
    uint64_t stalls; /* Writes that were delayed by back-pressure. */
    uint64_t stall_us;
    uint64_t background_errors;
    uint64_t scrubs;               /* Finished ones. */
    uint64_t scrub_read_bytes;     /* By them. */
    uint64_t scrub_finished_at_ms; /* The last one; 0 = none yet. Not a counter. */
    uint64_t damaged_files;        /* Found by the last scrub or check. Not a counter. */
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
/* Latencies in nanoseconds. Quantiles are upper bounds of buckets, at most 1/16 too large. GET is
 * sampled (1 of 64). */
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

/* Takes up to `capacity` pending log lines of background threads, oldest first; returns how many.
 * Thread: any */
typedef struct loam_log_line {
    uint64_t at_ms;
    int level; /* LOAM_LOG_* */
    char text[244];
} loam_log_line;
size_t loam_log_take(loam_db *db, loam_log_line *out, size_t capacity);

/* Writes a readable form of one WAL, table, MANIFEST or CURRENT file to *out. Works on a store that
 * is open elsewhere. */
LOAM_NODISCARD int loam_inspect(const char *path, loam_buffer *out, loam_error *err);

/* ffi: end */

#ifdef __cplusplus
}
#endif

#endif
