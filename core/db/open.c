/* SPDX-License-Identifier: MIT */
/*
 * open.c - opening, closing and destroying a store.
 *
 * Open: directory, lock, manifest, replay, new manifest and log, orphan sweep, threads. Anything
 * that fails takes the handle down again and leaves the files as they were, but for orphans that
 * the next open sweeps. Nothing is created in a directory that holds foreign files.
 */
#include "db/open.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/guard.h"
#include "base/limits.h"
#include "db/background.h"
#include "db/buckets.h"
#include "db/options.h"
#include "db/recover.h"
#include "db/sweep.h"
#include "disk/file_name.h"
#include "disk/manifest_log.h"
#include "env/file_pool.h"

/* What a directory holds, by name. */
struct survey {
    struct loam_db *db;
    uint64_t number_max;
    bool has_current;
    bool has_rows; /* A log or a table. */
    bool has_foreign;
    char foreign[FILE_NAME_SIZE * 2];
};

static int survey_name(void *context, const char *name)
{
    struct survey *survey = context;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    survey->number_max = number > survey->number_max ? number : survey->number_max;
    survey->has_current |= kind == FILE_CURRENT;
    survey->has_rows |= kind == FILE_WAL || kind == FILE_TABLE;
    if (kind == FILE_UNKNOWN && !survey->has_foreign) {
        survey->has_foreign = true;
        (void)snprintf(survey->foreign, sizeof(survey->foreign), "%s", name);
    }
    return LOAM_OK;
}

static int remove_manifest(void *context, const char *name)
{
    struct loam_db *db = context;
    uint64_t number = 0;
    return file_name_parse(name, &number) == FILE_MANIFEST ? env_remove(db->dir, name, NULL)
                                                           : LOAM_OK;
}

/* Refuses a directory in which a store neither is nor may be made. Asked before the lock too, so
 * that nothing is touched. */
static int
check_survey(const struct loam_db *db, const struct survey *survey, struct loam_error *err)
{
    if (survey->has_current) {
        return db->options.error_if_exists
                   ? fail(err, LOAM_EXISTS, "%s already holds a store", db->path)
                   : LOAM_OK;
    }
    if (survey->has_foreign) {
        return fail(err, LOAM_INVALID, "%s is no Loam directory: it holds '%s'", db->path,
                    survey->foreign);
    }
    /* A manifest alone is a creation that was cut short: no write was ever acknowledged. */
    if (survey->has_rows) {
        return fail(err, LOAM_CORRUPT,
                    "%s holds store files but no CURRENT: repair it, or restore a backup",
                    db->path);
    }
    if (!db->options.create || db->options.read_only) {
        return fail(err, LOAM_NOT_FOUND, "no store in %s", db->path);
    }
    return LOAM_OK;
}

static int create_store(struct loam_db *db, struct loam_error *err)
{
    TRY(env_list(db->dir, remove_manifest, db, err));
    struct store_id id = {.epoch = 1};
    TRY(db->env->random(db->env, id.uuid, sizeof(id.uuid), err));
    id.uuid[6] = (unsigned char)((id.uuid[6] & 0x0f) | 0x40); /* The marks of a random uuid. */
    id.uuid[8] = (unsigned char)((id.uuid[8] & 0x3f) | 0x80);
    return version_set_create(db->dir, &id, err);
}

static int survey_dir(struct loam_db *db, struct survey *survey, struct loam_error *err)
{
    *survey = (struct survey){.db = db};
    TRY(env_list(db->dir, survey_name, survey, err));
    return check_survey(db, survey, err);
}

static int open_manifest(struct loam_db *db, struct loam_error *err)
{
    struct survey survey;
    TRY(survey_dir(db, &survey, err));
    if (!survey.has_current) {
        TRY(create_store(db, err));
    }
    db->tables = (struct table_context){.dir = file_pool_dir(db->files),
                                        .cache = db->cache,
                                        .on_obsolete = obsolete_add,
                                        .owner = db};
    TRY(version_set_open(db->dir, &db->tables, &db->versions, err));
    version_set_saw_file(db->versions, survey.number_max);
    return LOAM_OK;
}

static int recover(struct loam_db *db, struct loam_error *err)
{
    struct recovery recovery = {0};
    int rc = recover_replay(db, &recovery, err);
    KEEP_FIRST(rc, rc == LOAM_OK ? sweep_check(db, recovery.last_seq, err) : LOAM_OK);
    if (rc == LOAM_OK && db->options.read_only) {
        atomic_store(&db->is_read_only, true);
        (void)fail(&db->poison, LOAM_READ_ONLY, "opened read-only");
        db->commit.next_seq = recovery.last_seq + 1;
        rc = recover_publish(db, recovery.memtable, err);
    } else if (rc == LOAM_OK) {
        rc = version_set_roll(db->versions, err);
        KEEP_FIRST(rc, rc == LOAM_OK ? recover_install(db, &recovery, err) : LOAM_OK);
        if (rc == LOAM_OK) {
            /* In prefix mode what was left out stays on the disk until a strict open. */
            rc = db->options.wal_recovery == LOAM_WAL_PREFIX ? LOAM_OK : sweep_remove(db, err);
        }
    }
    atomic_store(&db->visible_seq, db->commit.next_seq - 1);
    atomic_store(&db->durable_seq, db->commit.next_seq - 1);
    recovery_deinit(db, &recovery);
    return rc;
}

static struct loam_db *
handle_new(struct env *env, const char *path, const struct loam_options *options)
{
    struct loam_db *db = mem_aligned(CACHE_LINE, sizeof(*db));
    size_t path_size = strlen(path) + 1;
    char *copy = mem_alloc(path_size);
    if (db == NULL || copy == NULL) {
        mem_free(db);
        mem_free(copy);
        return NULL;
    }
    memset(db, 0, sizeof(*db));
    memcpy(copy, path, path_size);
    db->path = copy;
    db->env = env;
    db->options = *options;
    options_settle(&db->options);
    arena_pool_keep(db->options.memtable_bytes);
    picker_options_init(&db->picker);
    db->compaction_thread_count = db->options.background_threads;
    db->opened_at_ms = env->wall_ms(env);
    db->opened_ns = monotonic_ns();
    mutex_init(&db->mu);
    mutex_init(&db->bucket_mu);
    mutex_init(&db->snapshot_mu);
    mutex_init(&db->scan_mu);
    mutex_init(&db->obsolete_mu);
    mutex_init(&db->commit.mu);
    cond_init(&db->commit.thread_wake);
    cond_init(&db->commit.settled);
    cond_init(&db->commit.gathered);
    cond_init(&db->flush_wake);
    cond_init(&db->compact_wake);
    cond_init(&db->progress);
    jobs_init(&db->jobs, env);
    tasks_init(&db->tasks);
    log_ring_init(&db->log, env);
    log_ahead_init(&db->ahead);
    for (int i = 0; i < LOAM_HISTOGRAM_COUNT; i++) {
        histogram_init(&db->histograms[i]);
    }
    return db;
}

/* Releases a handle in any state of openness; nothing runs any more. Returns the first failure of
 * closing files. */
static int handle_free(struct loam_db *db, struct loam_error *err)
{
    int rc = LOAM_OK;
    struct read_state *state = atomic_exchange(&db->state, NULL);
    state_unref(state);
    epoch_drain(); /* Retired states hold tables of this handle. */
    if (db->versions != NULL) {
        KEEP_FIRST(rc, wal_writer_close(db->commit.wal, err));
        obsolete_remove(db);
        KEEP_FIRST(rc, version_set_close(db->versions, err));
    }
    epoch_drain(); /* The last version's tables retired their blocks. */
    buckets_free(db);
    if (db->cache != NULL) {
        cache_free(db->cache);
    }
    file_pool_free(db->files);
    env_dir_close(db->dir);
    overlay_deinit(&db->commit.overlay);
    log_ring_deinit(&db->log);
    log_ahead_deinit(&db->ahead);
    tasks_deinit(&db->tasks);
    jobs_deinit(&db->jobs);
    cond_deinit(&db->progress);
    cond_deinit(&db->compact_wake);
    cond_deinit(&db->flush_wake);
    cond_deinit(&db->commit.gathered);
    cond_deinit(&db->commit.settled);
    cond_deinit(&db->commit.thread_wake);
    mutex_deinit(&db->commit.mu);
    mutex_deinit(&db->obsolete_mu);
    mutex_deinit(&db->scan_mu);
    mutex_deinit(&db->snapshot_mu);
    mutex_deinit(&db->bucket_mu);
    mutex_deinit(&db->mu);
    mem_free(db->obsolete);
    mem_free(db->path);
    mem_free(db);
    return rc;
}

static int open_handle(struct loam_db *db, struct loam_error *err)
{
    bool may_create = db->options.create && !db->options.read_only;
    int rc = env_open_dir(db->env, db->path, may_create, &db->dir, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no directory %s", db->path);
    }
    TRY(rc);
    space_init(db);
    struct survey survey;
    TRY(survey_dir(db, &survey, err));
    if (!db->options.read_only && GUARD(STORE_LOCK)) {
        char lock[FILE_NAME_SIZE];
        file_name_make(FILE_LOCK, 0, lock);
        TRY(env_lock(db->dir, lock, err));
    }
    db->cache = cache_new(db->options.memory_bytes);
    db->files = file_pool_new(db->dir, db->options.max_open_files);
    if (db->cache == NULL || db->files == NULL) {
        return mem_fail(err, 1);
    }
    cache_fit(db, 0);
    TRY(open_manifest(db, err));
    TRY(buckets_publish(db, err));
    TRY(recover(db, err));
    return db->options.read_only ? LOAM_OK : background_start(db, err);
}

int db_open(struct env *env,
            const char *path,
            const struct loam_options *options,
            struct loam_db **out,
            struct loam_error *err)
{
    struct loam_options defaults;
    if (options == NULL) {
        loam_options_init(&defaults);
        options = &defaults;
    }
    TRY(options_check(options, err));
    struct loam_db *db = handle_new(env, path, options);
    if (db == NULL) {
        return mem_fail(err, sizeof(*db));
    }
    int rc = open_handle(db, err);
    if (rc != LOAM_OK) {
        background_stop(db);
        DISCARD(handle_free(db, NULL)); /* The first error is what counts. */
        return rc;
    }
    *out = db;
    return LOAM_OK;
}

int loam_open(const char *path, const loam_options *options, loam_db **out, loam_error *err)
{
    return db_open(env_posix(), path, options, out, err);
}

const char *loam_path(const loam_db *db)
{
    return db->path;
}

static int check_children(struct loam_db *db, struct loam_error *err)
{
    mutex_lock(&db->snapshot_mu);
    uint64_t snapshots = db->snapshot_count;
    mutex_unlock(&db->snapshot_mu);
    uint32_t scans = atomic_load(&db->scan_count);
    uint32_t views = atomic_load(&db->view_count);
    uint32_t queues = atomic_load(&db->queue_count);
    uint32_t works = atomic_load(&db->work_count);
    if (snapshots + scans + views + queues + works == 0) {
        return LOAM_OK;
    }
    return fail(err, LOAM_BUSY,
                "still open: %" PRIu64 " snapshots, %u scans, %u views, %u completion queues, "
                "%u checks",
                snapshots, scans, views, queues, works);
}

/* Seals the log - from there on everything is safe - and moves the memtables into tables, which
 * makes the next open fast. */
static int close_log(struct loam_db *db, struct loam_error *err)
{
    int rc = wal_writer_seal(db->commit.wal, err);
    if (rc != LOAM_OK && wal_writer_is_spent(db->commit.wal) &&
        !wal_writer_has_failed(db->commit.wal)) {
        rc = LOAM_OK; /* Without its end record; every record is durable. */
    } else if (rc == LOAM_OK) {
        wal_writer_trim(db->commit.wal);
    }
    KEEP_FIRST(rc, wal_writer_close(db->commit.wal, rc == LOAM_OK ? err : NULL));
    db->commit.wal = NULL;
    TRY(rc);
    struct read_state *state = state_get(db);
    struct memtable *memtables[IMMUTABLE_COUNT_MAX + 1];
    size_t count = 0;
    if (memtable_count(state->active) > 0) {
        memtables[count++] = state->active;
    }
    for (size_t i = 0; i < state->immutable_count; i++) {
        memtables[count++] = state->immutable[i];
    }
    if (count > 0) {
        /* A full disk here loses nothing: the sealed log is replayed at the next open. */
        DISCARD(flush_memtables(db, memtables, count, NULL));
    }
    return LOAM_OK;
}

void loam_shutdown(loam_db *db)
{
    /* From here on every new group is refused; the one on its way still has all threads to wait
     * for. */
    atomic_store_explicit(&db->is_shut, true, memory_order_release);
    commit_settle(db);
    background_stop(db);
}

int loam_close(loam_db *db, loam_error *err)
{
    if (db == NULL) {
        return LOAM_OK;
    }
    TRY(check_children(db, err));
    background_stop(db);
    int rc = LOAM_OK;
    if (!atomic_load(&db->is_read_only) && db->commit.wal != NULL) {
        rc = close_log(db, err);
    }
    KEEP_FIRST(rc, handle_free(db, rc == LOAM_OK ? err : NULL));
    return rc;
}
