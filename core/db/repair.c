/* SPDX-License-Identifier: MIT */
/*
 * repair.c - loam_repair(): a closed store whose files are damaged becomes one that opens, with
 * every row that can be read. Explicit, never part of opening; nothing is destroyed: what the new
 * store does not use stands in lost/.
 *
 *   lock -> what is there, whose, how much of a manifest -> logs, tables -> order -> install
 */
#include "db/repair.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "db/repair_impl.h"

enum { CACHE_BYTES = 16 << 20, TABLE_BYTES = 64 << 20, NAMES_CHUNK = 4096, NOTE_MAX = 400 };

int repair_note(struct repair *repair,
                const char *verdict,
                const char *name,
                struct loam_error *err,
                const char *format,
                ...)
{
    char text[NOTE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return buf_printf(repair->report, err, "%-8s %s: %s\n", verdict, name, text);
}

static int keep_key(struct repair *repair, struct slice *key, struct loam_error *err)
{
    char *copy = arena_alloc(&repair->names, key->size);
    if (copy == NULL) {
        return mem_fail(err, key->size);
    }
    memcpy(copy, key->data, key->size);
    key->data = copy;
    return LOAM_OK;
}

int repair_add_piece(struct repair *repair,
                     const struct table_meta *meta,
                     bool is_new,
                     struct loam_error *err)
{
    struct piece piece = {.meta = *meta, .is_new = is_new};
    piece.meta.log_number = 0;
    TRY(keep_key(repair, &piece.meta.smallest, err));
    TRY(keep_key(repair, &piece.meta.largest, err));
    repair->last_seq = meta->seq_max > repair->last_seq ? meta->seq_max : repair->last_seq;
    return buf_append(&repair->pieces, &piece, sizeof(piece), err);
}

/* Adds a bucket id to the ascending list. */
static int note_bucket(struct repair *repair, uint32_t id, struct loam_error *err)
{
    struct loam_buffer *list = &repair->bucket_ids;
    size_t count = list->size / sizeof(id);
    const uint32_t *ids = (const void *)list->data;
    size_t at = count;
    while (at > 0 && ids[at - 1] >= id) {
        if (ids[--at] == id) {
            return LOAM_OK;
        }
    }
    TRY(buf_append(list, &id, sizeof(id), err));
    uint32_t *grown = (void *)list->data;
    memmove(grown + at + 1, grown + at, (count - at) * sizeof(id));
    grown[at] = id;
    return LOAM_OK;
}

int repair_note_row(struct repair *repair, const struct entry *entry, struct loam_error *err)
{
    uint32_t id = get_u32_be(entry->key.data);
    const uint32_t *ids = (const void *)repair->bucket_ids.data;
    size_t count = repair->bucket_ids.size / sizeof(id);
    repair->last_seq = entry->seq > repair->last_seq ? entry->seq : repair->last_seq;
    if (entry->content_type > repair->content_type_max) {
        repair->content_type_max = entry->content_type;
    }
    return count > 0 && ids[count - 1] == id ? LOAM_OK : note_bucket(repair, id, err);
}

/* ---- Writing ---- */

static int next_file(void *owner, uint64_t *number, struct loam_error *err UNUSED)
{
    struct repair *repair = owner;
    *number = repair->next_file++;
    return LOAM_OK;
}

static bool keep_bucket(void *owner UNUSED, uint32_t bucket UNUSED)
{
    return true; /* Compaction removes rows of dropped buckets later. */
}

int repair_write(struct repair *repair, struct iter *input, uint64_t run, struct loam_error *err)
{
    struct compaction_job job = {
        .dir = repair->dir,
        .id = repair->id,
        .table_options = {.block_bytes = 4096,
                          .compression = LOAM_COMPRESS_LZ4,
                          .point_index = true},
        .input = input,
        .table_bytes = TABLE_BYTES,
        .run_order = run,
        .now_ms = 0, /* Nothing expires here. */
        .verify = true,
        .next_file = next_file,
        .bucket_is_live = keep_bucket,
        .owner = repair,
    };
    int rc = compaction_run(&job, err);
    for (size_t i = 0; i < job.output_count; i++) {
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, job.outputs[i].number, name);
        if (rc == LOAM_OK) {
            rc = repair_add_piece(repair, &job.outputs[i], true, err);
        }
        if (rc == LOAM_OK) {
            rc = repair_note(repair, "made", name, err, "%" PRIu64 " rows",
                             job.outputs[i].row_count);
        }
        if (rc != LOAM_OK) {
            DISCARD(env_remove(repair->dir, name, NULL)); /* Ours, and part of nothing. */
        }
    }
    compaction_job_deinit(&job);
    return rc;
}

/* ---- Progress ---- */

static uint64_t size_of(struct repair *repair, const char *name)
{
    struct env_file *file = NULL;
    uint64_t size = 0;
    if (env_open_read(repair->dir, name, &file, NULL) == LOAM_OK) {
        if (env_size(file, &size, NULL) != LOAM_OK) {
            size = 0;
        }
        DISCARD(env_close(file, NULL)); /* Only asked for its size. */
    }
    return size;
}

static uint64_t size_of_all(struct repair *repair, int kind, const struct loam_buffer *list)
{
    uint64_t bytes = 0;
    size_t count = 0;
    const uint64_t *numbers = repair_numbers(list, &count);
    for (size_t i = 0; i < count; i++) {
        char name[FILE_NAME_SIZE];
        file_name_make(kind, numbers[i], name);
        bytes += size_of(repair, name);
    }
    return bytes;
}

static void expect(struct repair *repair)
{
    if (repair->progress != NULL) {
        progress_expect(repair->progress, size_of_all(repair, FILE_TABLE, &repair->tables) +
                                              size_of_all(repair, FILE_WAL, &repair->logs));
    }
}

int repair_step(struct repair *repair, const char *name, struct loam_error *err)
{
    return repair->progress == NULL ? LOAM_OK
                                    : progress_add(repair->progress, size_of(repair, name), err);
}

/* ---- The whole ---- */

static void ignore_obsolete(void *owner UNUSED, uint64_t number UNUSED) {}

static int run(struct repair *repair, struct loam_error *err)
{
    char lock[FILE_NAME_SIZE];
    file_name_make(FILE_LOCK, 0, lock);
    TRY(env_lock(repair->dir, lock, err));
    repair->cache = cache_new(CACHE_BYTES);
    if (repair->cache == NULL) {
        return mem_fail(err, CACHE_BYTES);
    }
    repair->context = (struct table_context){
        .dir = repair->dir, .cache = repair->cache, .on_obsolete = ignore_obsolete};
    TRY(repair_find(repair, err));
    expect(repair);
    TRY(repair_read_logs(repair, err));
    TRY(repair_read_tables(repair, err));
    if (repair->is_rebuild) {
        TRY(repair_order(repair, err));
    }
    return repair_install(repair, err);
}

/* A repair that was cut short leaves the directory as it was. */
static void undo(struct repair *repair)
{
    size_t count = 0;
    char manifest[FILE_NAME_SIZE];
    if (repair->new_manifest != 0) { /* First: without its tables it would mislead. */
        file_name_make(FILE_MANIFEST, repair->new_manifest, manifest);
        DISCARD(env_remove(repair->dir, manifest, NULL));
    }
    const struct piece *pieces = repair_pieces(repair, &count);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].is_new) {
            char name[FILE_NAME_SIZE];
            file_name_make(FILE_TABLE, pieces[i].meta.number, name);
            DISCARD(env_remove(repair->dir, name, NULL)); /* The next open sweeps it. */
        }
    }
}

static void release(struct repair *repair)
{
    memtable_unref(repair->memtable);
    version_state_deinit(&repair->known);
    epoch_drain(); /* Tables retire their blocks. */
    if (repair->cache != NULL) {
        cache_free(repair->cache);
    }
    arena_deinit(&repair->names);
    loam_buffer_free(&repair->tables);
    loam_buffer_free(&repair->logs);
    loam_buffer_free(&repair->manifests);
    loam_buffer_free(&repair->pieces);
    loam_buffer_free(&repair->bucket_ids);
    env_dir_close(repair->lost);
    env_dir_close(repair->dir);
}

int repair_store(struct env *env,
                 const char *path,
                 struct loam_buffer *report,
                 struct progress *progress,
                 struct loam_error *err)
{
    struct repair repair = {.env = env, .path = path, .report = report, .progress = progress};
    struct loam_error local = {0};
    struct loam_error *cause = err == NULL ? &local : err;
    report->size = 0;
    int rc = env_open_dir(env, path, false, &repair.dir, cause);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no directory %s", path);
    }
    TRY(rc);
    arena_init(&repair.names, NAMES_CHUNK);
    rc = run(&repair, cause);
    if (rc != LOAM_OK && !repair.is_switched) {
        undo(&repair);
    }
    release(&repair);
    if (rc != LOAM_OK) {
        error_prefix(err, "repair of %s", path);
    }
    return rc;
}

int loam_repair(const char *path, loam_buffer *report, loam_error *err)
{
    return repair_store(env_posix(), path, report, NULL, err);
}
