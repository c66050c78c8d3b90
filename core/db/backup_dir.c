/* SPDX-License-Identifier: MIT */
/* backup_dir.c - listing, verifying and deleting backups, and restoring one. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/backup.h"
#include "db/backup_make.h"
#include "db/backup_text.h"
#include "db/checkpoint.h"
#include "disk/manifest_log.h"

/* ---- The directory ---- */

static int refuse_store(void *context, const char *name)
{
    uint64_t number = 0;
    return file_name_parse(name, &number) == FILE_CURRENT
               ? fail(context, LOAM_INVALID, "the directory holds a store, not backups")
               : LOAM_OK;
}

int backup_dir_open(
    struct env *env, const char *path, bool create, struct env_dir **out, struct loam_error *err)
{
    struct env_dir *dir = NULL;
    char lock[FILE_NAME_SIZE];
    int rc = env_open_dir(env, path, create, &dir, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no directory %s", path);
    }
    TRY(rc);
    file_name_make(FILE_LOCK, 0, lock);
    rc = env_list(dir, refuse_store, err, err);
    if (rc == LOAM_OK) {
        rc = env_lock(dir, lock, err);
    }
    if (rc != LOAM_OK) {
        env_dir_close(dir);
        return rc;
    }
    *out = dir;
    return LOAM_OK;
}

struct ids {
    struct loam_buffer list; /* uint64_t each. */
    struct loam_error *err;
};

static int note_id(void *context, const char *name)
{
    struct ids *ids = context;
    uint64_t id = 0;
    return backup_name_parse(name, &id) ? buf_append(&ids->list, &id, sizeof(id), ids->err)
                                        : LOAM_OK;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left < right) - (left > right);
}

/* The ids of all backups, newest first. *ids is released with loam_buffer_free(&ids->list). */
static int list_ids(struct env_dir *dir, struct ids *ids, struct loam_error *err)
{
    *ids = (struct ids){.err = err};
    int rc = env_list(dir, note_id, ids, err);
    if (rc == LOAM_OK && ids->list.size > 0) {
        qsort(ids->list.data, ids->list.size / sizeof(uint64_t), sizeof(uint64_t), newest_first);
    } else if (rc != LOAM_OK) {
        loam_buffer_free(&ids->list);
    }
    return rc;
}

static const uint64_t *ids_get(const struct ids *ids, size_t *count)
{
    *count = ids->list.size / sizeof(uint64_t);
    return (const void *)ids->list.data;
}

int backup_next_id(struct env_dir *dir, uint64_t *id, struct loam_error *err)
{
    struct ids ids;
    TRY(list_ids(dir, &ids, err));
    size_t count = 0;
    const uint64_t *list = ids_get(&ids, &count);
    *id = count == 0 ? 1 : list[0] + 1;
    loam_buffer_free(&ids.list);
    return LOAM_OK;
}

/* Reads one backup; id 0 = the newest. */
static int read_one(struct env_dir *dir, uint64_t id, struct backup *out, struct loam_error *err)
{
    if (id == 0) {
        TRY(backup_next_id(dir, &id, err));
        if (--id == 0) {
            return fail(err, LOAM_NOT_FOUND, "there is no backup");
        }
    }
    return backup_read(dir, id, out, err);
}

/* ---- Listing ---- */

static int list_all(struct env_dir *dir,
                    const struct ids *ids,
                    struct loam_backup_info *out,
                    size_t capacity,
                    struct loam_error *err)
{
    size_t count = 0;
    const uint64_t *list = ids_get(ids, &count);
    for (size_t i = 0; i < count && i < capacity; i++) {
        struct backup backup = {0};
        int rc = backup_read(dir, list[i], &backup, NULL);
        if (rc != LOAM_OK && rc != LOAM_CORRUPT && rc != LOAM_UNSUPPORTED) {
            return backup_read(dir, list[i], &backup, err);
        }
        out[i] = backup.info;
        out[i].id = list[i];
        out[i].is_damaged = rc != LOAM_OK;
        backup_deinit(&backup);
    }
    return LOAM_OK;
}

int backup_list(struct env *env,
                const char *path,
                struct loam_backup_info *out,
                size_t capacity,
                size_t *count,
                struct loam_error *err)
{
    struct env_dir *dir = NULL;
    struct ids ids;
    int rc = env_open_dir(env, path, false, &dir, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no directory %s", path);
    }
    TRY(rc);
    rc = list_ids(dir, &ids, err);
    if (rc == LOAM_OK) {
        rc = list_all(dir, &ids, out, capacity, err);
        *count = ids.list.size / sizeof(uint64_t);
        loam_buffer_free(&ids.list);
    }
    env_dir_close(dir);
    return rc;
}

/* ---- Verifying ---- */

static int check_file(struct env_dir *dir,
                      const struct backup_file *file,
                      struct progress *progress,
                      struct loam_error *err)
{
    char stored[FILE_NAME_SIZE];
    struct file_sum found = {0};
    backup_stored_name(file, stored);
    int rc = file_sum_read(dir, stored, &found, progress, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_CORRUPT, "%s: is missing", stored);
    }
    TRY(rc);
    return file_sum_check(stored, &found, &file->sum, err);
}

/* A line per file. Returns the first finding; what the caller cancels ends at once. */
static int check_files(struct env_dir *dir,
                       const struct backup *backup,
                       struct loam_buffer *report,
                       struct progress *progress,
                       struct loam_error *err)
{
    size_t count = 0;
    int first = LOAM_OK;
    const struct backup_file *files = backup_files(backup, &count);
    for (size_t i = 0; i < count; i++) {
        struct loam_error cause = {0};
        int rc = check_file(dir, &files[i], progress, &cause);
        if (rc != LOAM_OK && (first == LOAM_OK || rc == LOAM_CANCELLED)) {
            first = rc;
            *err = cause;
        }
        if (rc == LOAM_CANCELLED) {
            break;
        }
        int noted = rc == LOAM_OK ? buf_printf(report, NULL, "ok       %s\n", files[i].name)
                                  : buf_printf(report, NULL, "damaged  %s\n", cause.text);
        if (noted != LOAM_OK && first == LOAM_OK) {
            first = mem_fail(err, 1);
        }
    }
    return first;
}

int backup_verify(struct env *env,
                  const char *path,
                  uint64_t id,
                  struct loam_buffer *report,
                  struct progress *progress,
                  struct loam_error *err)
{
    struct env_dir *dir = NULL;
    struct backup backup = {0};
    struct loam_error local;
    report->size = 0;
    TRY(backup_dir_open(env, path, false, &dir, err));
    int rc = read_one(dir, id, &backup, err);
    if (rc == LOAM_OK) {
        progress_expect(progress, backup.info.bytes);
        rc = check_files(dir, &backup, report, progress, err == NULL ? &local : err);
        backup_deinit(&backup);
    }
    env_dir_close(dir);
    return rc;
}

/* ---- Deleting ---- */

struct sweeping {
    struct env_dir *dir;
    struct loam_buffer kept; /* See backup_names(). */
    struct loam_error *err;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int sweep_file(void *context, const char *name)
{
    struct sweeping *sweeping = context;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    bool is_kept = backup_names_have(&sweeping->kept, name);
    if ((backup_name_is_stored(name) && !is_kept) || kind == FILE_TABLE || kind == FILE_MANIFEST) {
        return env_remove(sweeping->dir, name, sweeping->err);
    }
    return LOAM_OK;
}

static int add_names(struct loam_buffer *names, const struct backup *backup, struct loam_error *err)
{
    size_t count = 0;
    const struct backup_file *files = backup_files(backup, &count);
    for (size_t i = 0; i < count; i++) {
        char stored[FILE_NAME_SIZE] = {0};
        backup_stored_name(&files[i], stored);
        TRY(buf_append(names, stored, sizeof(stored), err));
    }
    return LOAM_OK;
}

static int add_all_names(struct env_dir *dir,
                         const struct ids *ids,
                         bool skip_damaged,
                         struct loam_buffer *names,
                         struct loam_error *err)
{
    size_t count = 0;
    const uint64_t *list = ids_get(ids, &count);
    for (size_t i = 0; i < count; i++) {
        struct backup backup = {0};
        struct loam_error cause = {0};
        int rc = backup_read(dir, list[i], &backup, &cause);
        if (skip_damaged && (rc == LOAM_CORRUPT || rc == LOAM_UNSUPPORTED)) {
            continue;
        }
        if (rc != LOAM_OK) {
            if (err != NULL) {
                *err = cause;
            }
            return rc;
        }
        rc = add_names(names, &backup, err);
        backup_deinit(&backup);
        TRY(rc);
    }
    return LOAM_OK;
}

int backup_names(struct env_dir *dir,
                 bool skip_damaged,
                 struct loam_buffer *names,
                 struct loam_error *err)
{
    struct ids ids;
    TRY(list_ids(dir, &ids, err));
    int rc = add_all_names(dir, &ids, skip_damaged, names, err);
    loam_buffer_free(&ids.list);
    if (rc == LOAM_OK && names->size > 0) {
        qsort(names->data, names->size / FILE_NAME_SIZE, FILE_NAME_SIZE, compare_names);
    }
    return rc;
}

bool backup_names_have(const struct loam_buffer *names, const char *name)
{
    size_t count = names->size / FILE_NAME_SIZE;
    return count > 0 && bsearch(name, names->data, count, FILE_NAME_SIZE, compare_names) != NULL;
}

/* Removes files that no backup names. With a text that cannot be read nothing is removed. */
static int sweep(struct env_dir *dir, struct loam_error *err)
{
    struct sweeping sweeping = {.dir = dir, .err = err};
    int rc = backup_names(dir, false, &sweeping.kept, err);
    if (rc != LOAM_OK) {
        error_prefix(err, "the backup is deleted, shared files stay");
    } else {
        rc = env_list(dir, sweep_file, &sweeping, err);
    }
    loam_buffer_free(&sweeping.kept);
    return rc == LOAM_OK ? env_dir_sync(dir, err) : rc;
}

static int delete_one(struct env_dir *dir, uint64_t id, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    backup_text_name(id, name);
    /* First, and durable: a backup whose files go must not be listed. */
    int rc = env_remove(dir, name, err);
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "there is no backup %" PRIu64, id);
    }
    TRY(rc);
    TRY(env_dir_sync(dir, err));
    return sweep(dir, err);
}

int backup_delete(struct env *env, const char *path, uint64_t id, struct loam_error *err)
{
    struct env_dir *dir = NULL;
    TRY(backup_dir_open(env, path, false, &dir, err));
    int rc = delete_one(dir, id, err);
    env_dir_close(dir);
    return rc;
}

/* ---- Restoring ---- */

static int fill(struct env_dir *dir,
                const struct backup *backup,
                struct new_dir *made,
                struct progress *progress,
                struct loam_error *err)
{
    size_t count = 0;
    const struct backup_file *files = backup_files(backup, &count);
    for (size_t i = 0; i < count; i++) {
        char stored[FILE_NAME_SIZE];
        backup_stored_name(&files[i], stored);
        const struct file_place from = {dir, stored};
        const struct file_place to = {made->dir, files[i].name};
        if (i + 1 == count) {
            TRY(env_dir_sync(made->dir, err)); /* Tables before the manifest. */
        }
        TRY(file_copy(&from, &to, &files[i].sum, NULL, progress, err));
    }
    TRY(env_dir_sync(made->dir, err));
    /* Every file was verified on its way: now it may be a store. */
    TRY(current_write(made->dir, files[count - 1].number, err));
    return new_dir_check(made, backup->info.seq, count - 1, err);
}

static int check_all(struct env_dir *dir,
                     const struct backup *backup,
                     struct progress *progress,
                     struct loam_error *err)
{
    size_t count = 0;
    const struct backup_file *files = backup_files(backup, &count);
    for (size_t i = 0; i < count; i++) {
        TRY(check_file(dir, &files[i], progress, err));
    }
    return LOAM_OK;
}

static int restore(struct env *env,
                   struct env_dir *dir,
                   const struct backup *backup,
                   const char *to,
                   struct progress *progress,
                   struct loam_error *err)
{
    struct new_dir made;
    progress_expect(progress, 2 * backup->info.bytes);
    TRY(check_all(dir, backup, progress, err)); /* Before anything is made. */
    TRY(new_dir_open(&made, env, to, err));
    int rc = fill(dir, backup, &made, progress, err);
    new_dir_close(&made, rc != LOAM_OK);
    return rc;
}

int backup_restore(struct env *env,
                   const char *path,
                   uint64_t id,
                   const char *to,
                   struct progress *progress,
                   struct loam_error *err)
{
    struct env_dir *dir = NULL;
    struct backup backup = {0};
    TRY(backup_dir_open(env, path, false, &dir, err));
    int rc = read_one(dir, id, &backup, err);
    if (rc == LOAM_OK) {
        rc = restore(env, dir, &backup, to, progress, err);
        backup_deinit(&backup);
    }
    env_dir_close(dir);
    if (rc != LOAM_OK) {
        error_prefix(err, "restore from %s", path);
    }
    return rc;
}

/* ---- The public names ---- */

int loam_backup_list(
    const char *path, loam_backup_info *out, size_t capacity, size_t *count, loam_error *err)
{
    return backup_list(env_posix(), path, out, capacity, count, err);
}

int loam_backup_delete(const char *path, uint64_t id, loam_error *err)
{
    return backup_delete(env_posix(), path, id, err);
}

int loam_backup_verify(const char *path, uint64_t id, loam_buffer *report, loam_error *err)
{
    return backup_verify(env_posix(), path, id, report, NULL, err);
}

int loam_restore(const char *path, uint64_t id, const char *to, loam_error *err)
{
    return backup_restore(env_posix(), path, id, to, NULL, err);
}
