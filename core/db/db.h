/* SPDX-License-Identifier: MIT */
/*
 * db.h - the inside of one database handle: which thread owns what. Floor 4, private to this room.
 *
 * Lock order (the whole list is in core/README.md): bucket_mu, then commit.mu, then mu, then
 * snapshot_mu, then scan_mu, then jobs.mu, then obsolete_mu, then log.mu. No lock is held over a
 * file operation; the commit leader owns the log without one.
 */
#ifndef LOAM_DB_DB_H
#define LOAM_DB_DB_H

#include <stdatomic.h>

#include "base/histogram.h"
#include "base/thread.h"
#include "db/commit.h"
#include "db/jobs.h"
#include "db/log_ahead.h"
#include "db/log_ring.h"
#include "db/space.h"
#include "db/state.h"
#include "db/tasks.h"
#include "env/env.h"
#include "lsm/cache.h"
#include "lsm/picker.h"
#include "lsm/version_set.h"

enum {
    COMPACTION_THREADS_MAX = 16,
    BUSY_RUNS_MAX = 256,
    GET_SAMPLE = 64,
    WRITE_SAMPLE = 16,
    RUNS_SOFT = 24,
    RUNS_URGENT = 16 /* Writers are not slowed yet. */
};

struct bucket_table;

/* Counters of one handle; relaxed: they order nothing. */
struct db_counters {
    _Atomic uint64_t puts;
    _Atomic uint64_t deletes;
    _Atomic uint64_t commits;
    _Atomic uint64_t commit_groups;
    _Atomic uint64_t scans;
    _Atomic uint64_t scan_rows;
    _Atomic uint64_t syncs;
    _Atomic uint64_t wal_written_bytes;
    _Atomic uint64_t user_written_bytes;
    _Atomic uint64_t flushes;
    _Atomic uint64_t flush_written_bytes;
    _Atomic uint64_t compactions;
    _Atomic uint64_t compaction_read_bytes;
    _Atomic uint64_t compaction_written_bytes;
    _Atomic uint64_t stalls;
    _Atomic uint64_t stall_us;
    _Atomic uint64_t background_errors;
    _Atomic uint64_t scrubs;
    _Atomic uint64_t scrub_read_bytes;
};

/* Reads are counted on lines of their own, one per thread group, so that counting costs no sharing.
 */
enum { READ_SHARD_COUNT = 16 };
struct CACHE_ALIGNED read_shard {
    _Atomic uint64_t gets;
    _Atomic uint64_t misses;
};

/* How a kind of background work fares. */
enum work_kind { WORK_FLUSH, WORK_COMPACTION, WORK_LOG, WORK_KIND_COUNT };
struct work_state {
    int code;                /* Of the last attempt: LOAM_OK, or why it failed. */
    struct loam_error error; /* Meaningful while code is a failure. */
};

/* What the last look at the files found. A scrub looks at tables, a check at everything. */
enum damage_kind { DAMAGE_TABLES, DAMAGE_OTHERS, DAMAGE_KIND_COUNT };
struct damage {
    uint64_t file_count;
    struct loam_error first; /* Meaningful while file_count > 0. */
};

/* A file that nothing refers to any more. */
struct obsolete_file {
    uint64_t number;
    int kind;      /* FILE_TABLE, FILE_WAL */
    bool was_told; /* That it cannot be removed. */
};

struct loam_db {
    /* Constant after open. */
    struct env *env;
    struct env_dir *dir;
    struct file_pool *files; /* Tables are read through it. */
    char *path;
    struct loam_options options;
    struct table_context tables;
    struct cache *cache;
    struct version_set *versions;
    struct picker_options picker;
    uint64_t opened_at_ms;
    uint64_t opened_ns;

    /* Atomic: what readers need. state: see state.h. visible_seq: stored with release by the commit
     * leader after the rows are in the memtable; pairs with the acquire of readers. durable_seq: as
     * far as the log is synced or tables hold it. */
    CACHE_ALIGNED _Atomic(struct read_state *) state;
    _Atomic(struct bucket_table *) buckets; /* See buckets.h. */
    _Atomic uint64_t visible_seq;
    _Atomic uint64_t durable_seq;
    _Atomic bool is_paced; /* Flush or compaction may be behind: writers ask pace(). A hint. */
    /* So far behind that the thread does not give way (base/give_way.h). Hints. */
    _Atomic bool is_flush_urgent;
    _Atomic bool is_merge_urgent;
    _Atomic bool
        is_read_only;     /* Poisoned, or opened read-only: writes are refused. Never goes back. */
    _Atomic bool is_shut; /* loam_shutdown() was called. Never goes back. */
    _Atomic uint32_t scan_count;
    _Atomic uint32_t view_count;
    _Atomic uint32_t queue_count;
    _Atomic uint32_t work_count;

    CACHE_ALIGNED struct commit commit;
    struct log_ahead ahead;

    /* Protected by mu: background work. */
    struct loam_mutex mu;
    struct loam_cond flush_wake;   /* Flush thread: immutable memtables, closing. */
    struct loam_cond compact_wake; /* Compaction threads: new runs, closing, a forced plan. */
    struct loam_cond
        progress; /* Writers and waiters: a flush or compaction ended, an error came. */
    bool is_closing PROTECTED_BY(mu);
    uint64_t
        busy_runs[BUSY_RUNS_MAX] PROTECTED_BY(mu); /* Orders of runs that are being compacted. */
    size_t busy_run_count PROTECTED_BY(mu);
    uint32_t compactions_running PROTECTED_BY(mu);
    uint64_t full_compaction_job PROTECTED_BY(mu); /* Job that wants everything merged; 0 = none. */
    struct work_state background[WORK_KIND_COUNT] PROTECTED_BY(mu);
    struct loam_error poison PROTECTED_BY(mu); /* First cause; meaningful once is_read_only. */
    struct damage damage[DAMAGE_KIND_COUNT] PROTECTED_BY(mu);
    double flush_rate
        PROTECTED_BY(mu); /* Bytes of memtable per second, smoothed; 0 = not known yet. */
    uint64_t flush_began_ns PROTECTED_BY(mu); /* Of the flush under way; 0 = none. */
    double compact_rate PROTECTED_BY(mu);     /* Bytes written per second, smoothed. */

    struct loam_mutex obsolete_mu;
    struct obsolete_file *obsolete PROTECTED_BY(obsolete_mu); /* Files to remove: owned array. */
    size_t obsolete_count PROTECTED_BY(obsolete_mu);
    size_t obsolete_capacity PROTECTED_BY(obsolete_mu);

    struct loam_thread flush_thread;
    struct loam_thread commit_thread;
    struct loam_thread compaction_threads[COMPACTION_THREADS_MAX];
    int compaction_thread_count;

    struct loam_mutex
        bucket_mu; /* Held while a bucket is made or dropped, over the manifest write. */

    struct loam_mutex snapshot_mu;
    struct loam_snapshot *snapshots PROTECTED_BY(snapshot_mu); /* Oldest first, doubly linked. */
    struct loam_snapshot *snapshots_last PROTECTED_BY(snapshot_mu);
    uint64_t snapshot_count PROTECTED_BY(snapshot_mu);

    uint64_t scrub_due_ns;                          /* Flush thread only. */
    uint64_t scrub_finished_at_ms PROTECTED_BY(mu); /* 0 = none was finished. */

    struct loam_mutex scan_mu;
    struct loam_scan *scans PROTECTED_BY(scan_mu); /* Newest first, doubly linked. */

    struct jobs jobs;
    struct tasks tasks;
    struct space space;
    struct log_ring log;

    struct db_counters counters;
    struct read_shard read_shards[READ_SHARD_COUNT];
    struct histogram histograms[LOAM_HISTOGRAM_COUNT];
};

/* Makes the handle read-only for good and keeps the first cause; later calls change nothing.
 * Thread: any */
void db_poison(struct loam_db *db, const struct loam_error *cause);
/* Whether manifest or directory have failed for good, so that nothing can be installed any more. */
bool db_cannot_install(struct loam_db *db, struct loam_error *cause);
/* Asked after a failure: poisons the handle when that is so, and says whether. */
bool db_poison_if_lost(struct loam_db *db);
/* CLOSED after loam_shutdown(), or LOAM_OK. */
NODISCARD int db_check_open(struct loam_db *db, struct loam_error *err);
/* CLOSED, READ_ONLY with the first cause, or LOAM_OK. */
NODISCARD int db_check_writable(struct loam_db *db, struct loam_error *err);

/* Makes what a look at the files found the truth. Thread: any */
void db_set_damage(struct loam_db *db, enum damage_kind kind, const struct damage *found);

/* For counters that only one thread changes (the commit leader): no locked instruction. */
static inline void db_count_owned(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline void db_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
