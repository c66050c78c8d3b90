/* SPDX-License-Identifier: MIT */
/*
 * repair_install.c - makes the pieces a store.
 *
 *   tables synced -> manifest, synced -> what is no part of it gets a second name in lost/, synced
 * -> CURRENT -> the first names go
 *
 * Cut short before CURRENT, the old state is as it was; behind it, lost/ has all the rest. A file
 * that repair itself wrote and merged away again is simply removed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "db/file_copy.h"
#include "db/repair_impl.h"
#include "disk/manifest_log.h"

enum { SEQ_JUMP = 1 << 20, PATH_BYTES_MAX = 4096 };

/* ---- The manifest ---- */

static bool name_is_taken(const struct manifest_edit *edit, struct slice name)
{
    struct manifest_edit_view view = manifest_edit_get(edit);
    for (size_t i = 0; i < view.buckets_added_count; i++) {
        if (slice_equal(view.buckets_added[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool id_is_taken(const struct manifest_edit *edit, uint32_t id)
{
    struct manifest_edit_view view = manifest_edit_get(edit);
    for (size_t i = 0; i < view.buckets_added_count; i++) {
        if (view.buckets_added[i].id == id) {
            return true;
        }
    }
    return false;
}

static int
add_bucket(struct repair *repair, struct manifest_edit *edit, uint32_t id, struct loam_error *err)
{
    char name[BUCKET_NAME_MAX + 1];
    if (id_is_taken(edit, id)) {
        return LOAM_OK;
    }
    (void)snprintf(name, sizeof(name), id == LOAM_BUCKET_DEFAULT ? "default" : "bucket-%u", id);
    for (int i = 2; name_is_taken(edit, slice_make(name, strlen(name))); i++) {
        (void)snprintf(name, sizeof(name), "bucket-%u-%d", id, i);
    }
    const struct bucket_meta bucket = {.id = id, .name = slice_make(name, strlen(name))};
    TRY(manifest_edit_add_bucket(edit, &bucket, err));
    return repair_note(repair, "named", name, err, "bucket %u: its name is lost, or it is new here",
                       id);
}

static int add_buckets(struct repair *repair, struct manifest_edit *edit, struct loam_error *err)
{
    size_t count = 0;
    uint32_t next = repair->known.next_bucket;
    const struct bucket_meta *known = version_state_buckets(&repair->known, &count);
    for (size_t i = 0; i < count; i++) {
        TRY(manifest_edit_add_bucket(edit, &known[i], err));
    }
    const uint32_t *ids = (const void *)repair->bucket_ids.data;
    size_t id_count = repair->bucket_ids.size / sizeof(*ids);
    if (!id_is_taken(edit, LOAM_BUCKET_DEFAULT)) {
        TRY(add_bucket(repair, edit, LOAM_BUCKET_DEFAULT, err));
    }
    for (size_t i = 0; i < id_count; i++) {
        next = ids[i] >= next && ids[i] < UINT32_MAX ? ids[i] + 1 : next;
        /* With a whole manifest an unknown id is a bucket that was dropped. */
        if (repair->is_rebuild) {
            TRY(add_bucket(repair, edit, ids[i], err));
        }
    }
    manifest_edit_set_next_bucket(edit,
                                  next > LOAM_BUCKET_DEFAULT ? next : LOAM_BUCKET_DEFAULT + 1);
    return LOAM_OK;
}

static int
add_content_types(struct repair *repair, struct manifest_edit *edit, struct loam_error *err)
{
    const struct bucket_meta *types = (const void *)repair->known.content_types.data;
    uint32_t count = (uint32_t)(repair->known.content_types.size / sizeof(*types));
    for (uint32_t i = 0; i < count; i++) {
        TRY(manifest_edit_add_content_type(edit, types[i].id, types[i].name, err));
    }
    /* Ids in use must not be given to other types later. */
    for (uint32_t id = count + 1; id <= repair->content_type_max && id <= CONTENT_TYPE_MAX; id++) {
        char name[CONTENT_TYPE_SIZE_MAX];
        (void)snprintf(name, sizeof(name), "application/x-lost-%u", id);
        TRY(manifest_edit_add_content_type(edit, id, slice_make(name, strlen(name)), err));
    }
    return LOAM_OK;
}

/* The edit, applied to nothing: that it makes a store is known before it becomes one. */
static int
check_edit(struct repair *repair, const struct manifest_edit *edit, struct loam_error *err)
{
    struct version_state state = {0};
    struct version *version = NULL;
    struct manifest_edit_view view = manifest_edit_get(edit);
    int rc = version_state_apply(&state, &repair->context, &view, NULL, &repair->names, err);
    if (rc == LOAM_OK) {
        size_t count = 0;
        const struct version_entry *entries = version_state_tables(&state, &count);
        rc = version_new(entries, count, &version, err);
    }
    version_unref(version);
    version_state_deinit(&state);
    return rc;
}

static int fill_edit(struct repair *repair, struct manifest_edit *edit, struct loam_error *err)
{
    size_t count = 0;
    const struct piece *pieces = repair_pieces(repair, &count);
    for (size_t i = 0; i < count; i++) {
        if (!pieces[i].is_dropped) {
            TRY(manifest_edit_add_table(edit, &pieces[i].meta, err));
        }
    }
    TRY(add_buckets(repair, edit, err));
    TRY(add_content_types(repair, edit, err));
    /* Numbers that lost rows had are not given out again. */
    uint64_t jump = repair->last_seq < SEQ_MAX - SEQ_JUMP ? SEQ_JUMP : 0;
    manifest_edit_set_last_seq(edit, repair->last_seq + jump);
    manifest_edit_set_next_file(edit, repair->next_file > repair->next_run ? repair->next_file
                                                                           : repair->next_run);
    return check_edit(repair, edit, err);
}

static int write_manifest(struct repair *repair, uint64_t number, struct loam_error *err)
{
    struct manifest_writer *writer = NULL;
    struct manifest_edit *edit = manifest_edit_new();
    int rc = edit == NULL ? mem_fail(err, 1) : fill_edit(repair, edit, err);
    if (rc == LOAM_OK) {
        rc = manifest_writer_open(repair->dir, number, &repair->id, &writer, err);
    }
    if (rc == LOAM_OK) {
        rc = manifest_writer_append(writer, edit, err);
        KEEP_FIRST(rc, manifest_writer_close(writer, rc == LOAM_OK ? err : NULL));
    }
    manifest_edit_free(edit);
    return rc;
}

/* ---- Leftovers ---- */

static int open_lost(struct repair *repair, struct loam_error *err)
{
    char path[PATH_BYTES_MAX];
    if (repair->lost != NULL) {
        return LOAM_OK;
    }
    if (snprintf(path, sizeof(path), "%s/lost", repair->path) >= (int)sizeof(path)) {
        return fail(err, LOAM_TOO_LARGE, "the path of %s is too long", repair->path);
    }
    return env_open_dir(repair->env, path, true, &repair->lost, err);
}

static int save(struct repair *repair, const char *name, const char *as, struct loam_error *err)
{
    TRY(open_lost(repair, err));
    const struct file_place from = {repair->dir, name};
    const struct file_place to = {repair->lost, as};
    int rc = file_link_or_copy(&from, &to, NULL, NULL, err);
    /* There already: an attempt of before was cut short. Numbers are never reused. */
    return rc == LOAM_EXISTS ? LOAM_OK : rc;
}

static bool is_part(const struct repair *repair, int kind, uint64_t number, uint64_t manifest)
{
    size_t count = 0;
    const struct piece *pieces = repair_pieces(repair, &count);
    for (size_t i = 0; i < count && kind == FILE_TABLE; i++) {
        if (pieces[i].meta.number == number && !pieces[i].is_dropped) {
            return true;
        }
    }
    return kind == FILE_MANIFEST && number == manifest;
}

/* One list of files: saves or removes what is no part of the store. */
static int each_of(struct repair *repair,
                   int kind,
                   const struct loam_buffer *list,
                   uint64_t manifest,
                   bool is_removal,
                   struct loam_error *err)
{
    size_t count = 0;
    const uint64_t *numbers = repair_numbers(list, &count);
    for (size_t i = 0; i < count; i++) {
        char name[FILE_NAME_SIZE];
        file_name_make(kind, numbers[i], name);
        if (is_part(repair, kind, numbers[i], manifest)) {
            continue;
        }
        if (is_removal) {
            DISCARD(env_remove(repair->dir, name, NULL)); /* The next open sweeps it. */
        } else {
            TRY(save(repair, name, name, err));
            TRY(repair_note(repair, "moved", name, err, "to lost/"));
        }
    }
    return LOAM_OK;
}

static int
each_leftover(struct repair *repair, uint64_t manifest, bool is_removal, struct loam_error *err)
{
    TRY(each_of(repair, FILE_TABLE, &repair->tables, manifest, is_removal, err));
    TRY(each_of(repair, FILE_WAL, &repair->logs, manifest, is_removal, err));
    return each_of(repair, FILE_MANIFEST, &repair->manifests, manifest, is_removal, err);
}

static int save_current(struct repair *repair, struct loam_error *err)
{
    char current[FILE_NAME_SIZE];
    char as[FILE_NAME_SIZE];
    struct env_file *file = NULL;
    file_name_make(FILE_CURRENT, 0, current);
    int rc = env_open_read(repair->dir, current, &file, NULL);
    if (rc == LOAM_NOT_FOUND) {
        return LOAM_OK;
    }
    if (rc == LOAM_NO_MEMORY) {
        return mem_fail(err, 1);
    }
    TRY(rc == LOAM_OK ? env_close(file, err) : LOAM_OK);
    (void)snprintf(as, sizeof(as), "CURRENT-%012" PRIu64, repair->next_file);
    return save(repair, current, as, err);
}

/* Tables that repair wrote, and no longer needs. */
static void remove_own(struct repair *repair)
{
    size_t count = 0;
    const struct piece *pieces = repair_pieces(repair, &count);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].is_new && pieces[i].is_dropped) {
            char name[FILE_NAME_SIZE];
            file_name_make(FILE_TABLE, pieces[i].meta.number, name);
            DISCARD(env_remove(repair->dir, name, NULL)); /* The next open sweeps it. */
        }
    }
}

/* Writes CURRENT. A failure may come before or behind the rename, and only before it may the rest
 * be undone. */
static int switch_to(struct repair *repair, uint64_t number, struct loam_error *err)
{
    int rc = current_write(repair->dir, number, err);
    repair->is_switched = true;
    if (rc != LOAM_OK) {
        uint64_t present = 0;
        int seen = current_read(repair->dir, &present, NULL);
        repair->is_switched = seen == LOAM_OK ? present == number : seen != LOAM_NOT_FOUND;
    }
    return rc;
}

int repair_install(struct repair *repair, struct loam_error *err)
{
    uint64_t number = repair->next_file++;
    TRY(env_dir_sync(repair->dir, err));
    repair->new_manifest = number;
    TRY(write_manifest(repair, number, err));
    TRY(each_leftover(repair, number, false, err));
    if (!repair->is_current_good) {
        TRY(save_current(repair, err));
    }
    if (repair->lost != NULL) {
        TRY(env_dir_sync(repair->lost, err));
    }
    TRY(switch_to(repair, number, err));
    TRY(each_leftover(repair, number, true, err));
    remove_own(repair);
    return env_dir_sync(repair->dir, err);
}
