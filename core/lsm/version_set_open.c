/* SPDX-License-Identifier: MIT */
/*
 * version_set_open.c - creating, opening, rolling and closing a version set.
 *
 * A new manifest becomes the one in this order: file with header (synced, directory synced), first
 * edit (synced), CURRENT (written aside, synced, renamed, directory synced), removal of the old
 * file. A crash anywhere leaves a CURRENT that names a whole manifest.
 */
#include "base/check.h"
#include "base/memory.h"
#include "disk/file_name.h"
#include "lsm/version_set_impl.h"

#define NAMES_CHUNK    4096
#define FIRST_MANIFEST 1u

/* ---- Creating ---- */

/* What a directory holds of a store. */
struct store_files {
    bool has_current;
    char other[FILE_NAME_SIZE]; /* A file that a whole store has, or "". */
};

/* env_list callback. Only the first manifest can be there without CURRENT by an interrupted
 * creation. */
static int note_file(void *context, const char *name)
{
    struct store_files *files = context;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    files->has_current = files->has_current || kind == FILE_CURRENT;
    if (kind == FILE_WAL || kind == FILE_TABLE ||
        (kind == FILE_MANIFEST && number != FIRST_MANIFEST)) {
        file_name_make(kind, number, files->other);
    }
    return LOAM_OK;
}

static int check_no_store(struct env_dir *dir, struct loam_error *err)
{
    struct store_files files = {0};
    TRY(env_list(dir, note_file, &files, err));
    if (files.has_current) {
        return fail(err, LOAM_EXISTS, "there is a store already: CURRENT exists");
    }
    if (files.other[0] != '\0') {
        return fail(err, LOAM_CORRUPT, "CURRENT is missing, yet %s of a store is there",
                    files.other);
    }
    return LOAM_OK;
}

static int remove_if_there(struct env_dir *dir, int kind, uint64_t number, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(kind, number, name);
    int rc = env_remove(dir, name, err);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

/* Writes a whole manifest of one edit and leaves it open. */
static int begin_manifest(struct env_dir *dir,
                          uint64_t number,
                          const struct store_id *id,
                          const struct manifest_edit *edit,
                          struct manifest_writer **out,
                          struct loam_error *err)
{
    struct manifest_writer *writer = NULL;
    TRY(manifest_writer_open(dir, number, id, &writer, err));
    int rc = manifest_writer_append(writer, edit, err);
    if (rc != LOAM_OK) {
        KEEP_FIRST(rc, manifest_writer_close(writer, NULL));
        KEEP_FIRST(rc, remove_if_there(dir, FILE_MANIFEST, number, NULL));
        return rc;
    }
    *out = writer;
    return LOAM_OK;
}

static int first_edit(struct manifest_edit *edit, struct loam_error *err)
{
    const struct bucket_meta bucket = {.id = LOAM_BUCKET_DEFAULT,
                                       .name = slice_make("default", strlen("default"))};
    manifest_edit_set_next_file(edit, FIRST_MANIFEST + 1);
    manifest_edit_set_next_bucket(edit, LOAM_BUCKET_DEFAULT + 1);
    return manifest_edit_add_bucket(edit, &bucket, err);
}

static int create_with(struct env_dir *dir,
                       const struct store_id *id,
                       struct manifest_edit *edit,
                       struct loam_error *err)
{
    struct manifest_writer *writer = NULL;
    TRY(first_edit(edit, err));
    TRY(remove_if_there(dir, FILE_MANIFEST, FIRST_MANIFEST, err));
    TRY(begin_manifest(dir, FIRST_MANIFEST, id, edit, &writer, err));
    TRY(manifest_writer_close(writer, err));
    return current_write(dir, FIRST_MANIFEST, err);
}

int version_set_create(struct env_dir *dir, const struct store_id *id, struct loam_error *err)
{
    PRE(dir != NULL && id != NULL);
    TRY(check_no_store(dir, err));
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    int rc = create_with(dir, id, edit, err);
    manifest_edit_free(edit);
    return rc;
}

/* ---- Opening ---- */

static int replay(struct version_set *set,
                  struct manifest_reader *reader,
                  struct manifest_edit *edit,
                  struct loam_error *err)
{
    for (;;) {
        int rc = manifest_reader_next(reader, edit, err);
        if (rc == LOAM_NOT_FOUND) {
            return LOAM_OK;
        }
        TRY(rc);
        struct manifest_edit_view view = manifest_edit_get(edit);
        rc = version_state_apply(&set->state, set->context, &view, NULL, &set->names, err);
        if (rc != LOAM_OK) {
            error_prefix(err, "MANIFEST-%012llu", (unsigned long long)set->manifest_number);
            /* A limit that the store kept when it wrote this. */
            return rc == LOAM_TOO_LARGE ? LOAM_CORRUPT : rc;
        }
    }
}

static int
read_manifest(struct version_set *set, struct table_context *context, struct loam_error *err)
{
    struct manifest_reader *reader = NULL;
    int rc = manifest_reader_open(set->dir, set->manifest_number, &context->id, &reader, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_CORRUPT, "CURRENT names MANIFEST-%012llu, which is missing",
                    (unsigned long long)set->manifest_number);
    }
    TRY(rc);
    struct manifest_edit *edit = manifest_edit_new();
    rc = edit == NULL ? mem_fail(err, sizeof(void *)) : replay(set, reader, edit, err);
    manifest_edit_free(edit);
    manifest_reader_close(reader);
    return rc;
}

static int check_file(struct env_dir *dir, const struct table_meta *meta, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_TABLE, meta->number, name);
    struct env_file *file = NULL;
    int rc = env_open_read(dir, name, &file, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_CORRUPT, "%s: named by the manifest, and missing", name);
    }
    TRY(rc);
    uint64_t size = 0;
    rc = env_size(file, &size, err);
    if (rc == LOAM_OK && size != meta->size) {
        rc = fail(err, LOAM_CORRUPT, "%s: has %llu bytes, the manifest says %llu", name,
                  (unsigned long long)size, (unsigned long long)meta->size);
    }
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

/* env_list callback: no number of a file that is there is given out, whatever the manifest says. */
static int skip_number(void *context, const char *name)
{
    uint64_t number = 0;
    if (file_name_parse(name, &number) != FILE_UNKNOWN) {
        version_set_saw_file(context, number);
    }
    return LOAM_OK;
}

/* Checks the state as a whole and makes it the current one. */
static int begin(struct version_set *set, struct loam_error *err)
{
    const struct slice name = slice_make("default", strlen("default"));
    const struct bucket_meta *bucket = version_state_bucket(&set->state, name);
    if (bucket == NULL || bucket->id != LOAM_BUCKET_DEFAULT) {
        return fail(err, LOAM_CORRUPT, "MANIFEST-%012llu: there is no bucket 'default'",
                    (unsigned long long)set->manifest_number);
    }
    size_t count = 0;
    const struct version_entry *entries = version_state_tables(&set->state, &count);
    for (size_t i = 0; i < count; i++) {
        TRY(check_file(set->dir, table_meta(entries[i].table), err));
    }
    TRY(version_new(entries, count, &set->current, err));
    struct bucket_map *map = NULL;
    TRY(bucket_map_new(&set->state, &map, err));
    atomic_store_explicit(&set->bucket_map, map, memory_order_release);
    version_set_publish_types(set);
    set->next_number = set->state.next_file;
    return env_list(set->dir, skip_number, set, err);
}

static int open_with(struct version_set *set, struct table_context *context, struct loam_error *err)
{
    TRY(current_read(set->dir, &set->manifest_number, err));
    TRY(read_manifest(set, context, err));
    return begin(set, err);
}

int version_set_open(struct env_dir *dir,
                     struct table_context *context,
                     struct version_set **out,
                     struct loam_error *err)
{
    PRE(dir != NULL && context != NULL && out != NULL);
    struct version_set *set = mem_zalloc(1, sizeof(*set));
    if (set == NULL) {
        return mem_fail(err, sizeof(*set));
    }
    set->dir = dir;
    set->context = context;
    mutex_init(&set->apply_mu);
    mutex_init(&set->state_mu);
    arena_init(&set->names, NAMES_CHUNK);
    int rc = open_with(set, context, err);
    if (rc != LOAM_OK) {
        KEEP_FIRST(rc, version_set_close(set, NULL));
        return rc;
    }
    *out = set;
    return LOAM_OK;
}

/* ---- Rolling ---- */

/* Switches to the new manifest. Once CURRENT is being replaced, a failure leaves open which one a
 * reader will find: neither may be written any more, and both stay. */
static int switch_to(struct version_set *set,
                     struct manifest_writer *writer,
                     uint64_t number,
                     uint64_t next_file,
                     struct loam_error *err) REQUIRES(set->apply_mu)
{
    struct loam_error cause = {0};
    int rc = current_prepare(set->dir, number, err);
    if (rc != LOAM_OK) {
        KEEP_FIRST(rc, manifest_writer_close(writer, NULL));
        KEEP_FIRST(rc, remove_if_there(set->dir, FILE_MANIFEST, number, NULL));
        return rc;
    }
    rc = current_commit(set->dir, &cause);
    mutex_lock(&set->state_mu);
    if (rc == LOAM_OK) {
        set->manifest_number = number;
        set->state.next_file = next_file;
    } else {
        set->failed = cause;
        set->failed_code = rc;
    }
    mutex_unlock(&set->state_mu);
    if (rc != LOAM_OK) {
        KEEP_FIRST(rc, manifest_writer_close(writer, NULL));
        if (err != NULL) {
            *err = cause;
        }
        return rc;
    }
    struct manifest_writer *old = set->writer;
    set->writer = writer;
    /* The old manifest is not the one any more: what becomes of it is of no importance. */
    int ignored = manifest_writer_close(old, NULL);
    (void)ignored;
    return LOAM_OK;
}

/* Begins a new manifest; `edit` is scratch. */
static int roll_with(struct version_set *set, struct manifest_edit *edit, struct loam_error *err)
    REQUIRES(set->apply_mu)
{
    mutex_lock(&set->state_mu);
    uint64_t number = set->next_number;
    set->next_number += number <= FILE_NUMBER_MAX;
    mutex_unlock(&set->state_mu);
    if (number > FILE_NUMBER_MAX) {
        return fail(err, LOAM_TOO_LARGE, "file numbers are used up at %llu", FILE_NUMBER_MAX);
    }
    uint64_t next_file = number + FILE_NUMBER_STEP;
    next_file = next_file > FILE_NUMBER_MAX ? FILE_NUMBER_MAX + 1 : next_file;
    next_file = next_file > set->state.next_file ? next_file : set->state.next_file;
    TRY(version_state_snapshot(&set->state, edit, err));
    manifest_edit_set_next_file(edit, next_file);
    struct manifest_writer *writer = NULL;
    TRY(begin_manifest(set->dir, number, &set->context->id, edit, &writer, err));
    uint64_t old_number = set->manifest_number;
    TRY(switch_to(set, writer, number, next_file, err));
    /* One that stays is an orphan. */
    int ignored = remove_if_there(set->dir, FILE_MANIFEST, old_number, NULL);
    (void)ignored;
    return LOAM_OK;
}

int version_set_roll_locked(struct version_set *set, struct loam_error *err)
{
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    int rc = roll_with(set, edit, err);
    manifest_edit_free(edit);
    return rc;
}

int version_set_roll(struct version_set *set, struct loam_error *err)
{
    PRE(set != NULL);
    mutex_lock(&set->apply_mu);
    /* Before the first roll there is no writer, and that is fine here. */
    int rc = set->failed_code == LOAM_OK ? LOAM_OK : version_set_check_writable(set, err);
    if (rc == LOAM_OK) {
        rc = version_set_roll_locked(set, err);
    }
    mutex_unlock(&set->apply_mu);
    return rc;
}

int version_set_close(struct version_set *set, struct loam_error *err)
{
    if (set == NULL) {
        return LOAM_OK;
    }
    int rc = set->failed_code == LOAM_OK ? manifest_writer_close(set->writer, err)
                                         : manifest_writer_close(set->writer, NULL);
    rc = set->failed_code == LOAM_OK ? rc : LOAM_OK;
    version_unref(set->current);
    version_state_deinit(&set->state);
    bucket_map_retire(atomic_load_explicit(&set->bucket_map, memory_order_relaxed));
    arena_deinit(&set->names);
    mutex_deinit(&set->state_mu);
    mutex_deinit(&set->apply_mu);
    mem_free(set);
    return rc;
}
