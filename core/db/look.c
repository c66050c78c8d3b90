/* SPDX-License-Identifier: MIT */
/*
 * look.c - what an operator asks of an open store: where a key is, who holds what, which files
 * there are, what fills the disk. Floor 4. Reads only. Thread: any.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "db/background.h"
#include "db/buckets.h"
#include "db/scan.h"
#include "db/snapshots.h"
#include "disk/file_name.h"

/* ---- Where a key is ---- */

struct explaining {
    struct loam_explain_step *steps;
    size_t capacity;
    size_t count;
    uint64_t now_ms;
};

static void add_step(struct explaining *explaining,
                     const struct loam_explain_step *from,
                     int code,
                     const struct entry *entry)
{
    struct loam_explain_step step = *from;
    step.code = code;
    step.outcome = LOAM_STEP_ABSENT;
    if (code != LOAM_OK && code != LOAM_NOT_FOUND) {
        step.outcome = LOAM_STEP_FAILED;
    } else if (code == LOAM_OK) {
        bool is_expired = entry_is_expired(entry, explaining->now_ms);
        step.outcome = entry->kind != ENTRY_PUT ? LOAM_STEP_DELETE
                       : is_expired             ? LOAM_STEP_EXPIRED
                                                : LOAM_STEP_VALUE;
        step.seq = entry->seq;
        step.expire_at_ms = entry->expire_at_ms;
        step.value_size = entry->value.size;
    }
    if (explaining->count < explaining->capacity) {
        explaining->steps[explaining->count] = step;
    }
    explaining->count++;
}

static void
explain_memtable(struct explaining *explaining, const struct memtable *memtable, struct slice key)
{
    const struct loam_explain_step step = {.place = LOAM_PLACE_MEMORY,
                                           .number = memtable_log_number(memtable)};
    struct entry entry = {0};
    bool is_there = memtable_get(memtable, key, table_key_hash(key), UINT64_MAX, &entry);
    add_step(explaining, &step, is_there ? LOAM_OK : LOAM_NOT_FOUND, &entry);
}

static void explain_run(struct explaining *explaining,
                        const struct version *version,
                        size_t run,
                        struct slice key)
{
    struct loam_explain_step step = {.place = LOAM_PLACE_TABLE, .run = (uint32_t)run};
    struct table *table = run_find(&version->runs[run], key);
    struct entry entry = {0};
    int rc = LOAM_NOT_FOUND;
    if (table != NULL) {
        step.number = table_meta(table)->number;
        struct lookup wanted = lookup_make(key, UINT64_MAX);
        rc = table_get(table, &wanted, &entry, NULL, NULL);
    }
    add_step(explaining, &step, rc, &entry);
}

int loam_explain(loam_db *db,
                 uint32_t bucket,
                 const loam_slice *key,
                 loam_explain_step *out,
                 size_t capacity,
                 size_t *count,
                 loam_error *err)
{
    struct explaining explaining = {
        .steps = out, .capacity = capacity, .now_ms = db->env->wall_ms(db->env)};
    struct stored_key stored;
    TRY(stored_key_init(&stored, bucket, key->data, key->size, err));
    epoch_enter();
    int rc = bucket_check(db, bucket, err);
    if (rc == LOAM_OK) {
        const struct read_state *state = state_get(db);
        explain_memtable(&explaining, state->active, stored.slice);
        for (size_t i = 0; i < state->immutable_count; i++) {
            explain_memtable(&explaining, state->immutable[i], stored.slice);
        }
        for (size_t i = 0; i < state->version->run_count; i++) {
            explain_run(&explaining, state->version, i, stored.slice);
        }
        *count = explaining.count;
    }
    epoch_exit();
    stored_key_deinit(&stored);
    return rc;
}

/* ---- Who holds what ---- */

static bool version_has(const struct version *version, uint64_t number)
{
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t t = 0; t < version->runs[r].table_count; t++) {
            if (table_meta(version->runs[r].tables[t])->number == number) {
                return true;
            }
        }
    }
    return false;
}

/* Bytes of the tables of `held` that the store itself no longer needs. */
static uint64_t pinned_bytes(const struct version *held, const struct version *current)
{
    uint64_t bytes = 0;
    for (size_t r = 0; held != current && r < held->run_count; r++) {
        for (size_t t = 0; t < held->runs[r].table_count; t++) {
            const struct table_meta *meta = table_meta(held->runs[r].tables[t]);
            bytes += version_has(current, meta->number) ? 0 : meta->size;
        }
    }
    return bytes;
}

struct handing {
    struct loam_handle_info *out;
    size_t capacity;
    size_t count;
    uint64_t now_ns;
};

static void
add_handle(struct handing *handing, int kind, uint64_t seq, uint64_t since_ns, uint64_t bytes)
{
    if (handing->count < handing->capacity) {
        handing->out[handing->count] =
            (struct loam_handle_info){.kind = kind,
                                      .seq = seq,
                                      .age_ms = (handing->now_ns - since_ns) / 1000000,
                                      .pinned_bytes = bytes};
    }
    handing->count++;
}

size_t loam_handles(loam_db *db, loam_handle_info *out, size_t capacity)
{
    struct handing handing = {.out = out, .capacity = capacity, .now_ns = monotonic_ns()};
    mutex_lock(&db->snapshot_mu);
    for (const struct loam_snapshot *s = db->snapshots; s != NULL; s = s->next) {
        add_handle(&handing, LOAM_HANDLE_SNAPSHOT, s->seq, s->opened_ns, 0);
    }
    mutex_unlock(&db->snapshot_mu);
    struct version *current = version_set_current(db->versions);
    mutex_lock(&db->scan_mu);
    for (const struct loam_scan *scan = db->scans; scan != NULL; scan = scan->next) {
        if (scan->state != NULL) {
            add_handle(&handing, LOAM_HANDLE_SCAN, scan->state_seq, scan->state_ns,
                       pinned_bytes(scan->state->version, current));
        }
    }
    mutex_unlock(&db->scan_mu);
    version_unref(current);
    return handing.count;
}

/* ---- Files ---- */

struct filing {
    struct loam_db *db;
    struct loam_file_info *out;
    size_t capacity;
    size_t count;
};

static uint64_t size_of(struct env_dir *dir, const char *name)
{
    struct env_file *file = NULL;
    uint64_t size = 0;
    if (env_open_read(dir, name, &file, NULL) == LOAM_OK) {
        if (env_size(file, &size, NULL) != LOAM_OK) {
            size = 0;
        }
        DISCARD(env_close(file, NULL)); /* Only asked for its size. */
    }
    return size;
}

static const char *kind_name(int kind)
{
    switch (kind) {
    case FILE_TABLE:
        return "table";
    case FILE_WAL:
        return "log";
    case FILE_MANIFEST:
        return "manifest";
    case FILE_CURRENT:
        return "current";
    case FILE_LOCK:
        return "lock";
    default:
        return "other";
    }
}

static int add_file(void *context, const char *name)
{
    struct filing *filing = context;
    if (filing->count < filing->capacity) {
        struct loam_file_info *info = &filing->out[filing->count];
        uint64_t number = 0;
        int kind = file_name_parse(name, &number);
        *info = (struct loam_file_info){0};
        (void)snprintf(info->name, sizeof(info->name), "%s", name);
        (void)snprintf(info->kind, sizeof(info->kind), "%s", kind_name(kind));
        info->size = kind == FILE_UNKNOWN ? 0 : size_of(filing->db->dir, name);
        info->is_live =
            kind != FILE_UNKNOWN && version_set_is_live_file(filing->db->versions, kind, number);
    }
    filing->count++;
    return LOAM_OK;
}

int loam_files(loam_db *db, loam_file_info *out, size_t capacity, size_t *count, loam_error *err)
{
    struct filing filing = {.db = db, .out = out, .capacity = capacity};
    TRY(env_list(db->dir, add_file, &filing, err));
    *count = filing.count;
    return LOAM_OK;
}

/* ---- Space ---- */

static void add_tables(const struct version *version, struct loam_space_info *out)
{
    uint64_t rows = 0;
    uint64_t deletes = 0;
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t t = 0; t < version->runs[r].table_count; t++) {
            const struct table_meta *meta = table_meta(version->runs[r].tables[t]);
            rows += meta->row_count;
            deletes += meta->delete_count;
        }
        out->table_bytes += version->runs[r].bytes;
    }
    /* A delete and the row that it hides, by the average row. */
    uint64_t dead = 2 * deletes < rows ? 2 * deletes : rows;
    out->garbage_bytes =
        rows == 0 ? 0 : (uint64_t)((double)out->table_bytes * (double)dead / (double)rows);
}

int loam_space(loam_db *db, loam_space_info *out, loam_error *err)
{
    size_t count = 0;
    *out = (struct loam_space_info){0};
    TRY(loam_files(db, NULL, 0, &count, err));
    size_t capacity = count + 16; /* Some more may come. */
    struct loam_file_info *files = mem_zalloc(capacity, sizeof(*files));
    if (files == NULL) {
        return mem_fail(err, capacity * sizeof(*files));
    }
    int rc = loam_files(db, files, capacity, &count, err);
    for (size_t i = 0; rc == LOAM_OK && i < count && i < capacity; i++) {
        bool is_table = strcmp(files[i].kind, "table") == 0;
        out->total_bytes += files[i].size;
        out->wal_bytes += strcmp(files[i].kind, "log") == 0 ? files[i].size : 0;
        out->unused_bytes += is_table && !files[i].is_live ? files[i].size : 0;
    }
    mem_free(files);
    TRY(rc);
    struct version *version = version_set_current(db->versions);
    add_tables(version, out);
    version_unref(version);
    out->reserve_bytes = db->space.reserve;
    out->free_bytes = space_free_bytes(db);
    return LOAM_OK;
}
