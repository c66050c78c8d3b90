/* SPDX-License-Identifier: MIT */
/*
 * backup.c - loam_backup(): the files of one commit point, copied into a directory of backups.
 *
 *   flush, so that the next backup can share the tables -> pin -> tables copied under number and
 * hash, read back -> rows of the memtables as tables, manifest -> directory synced -> text, synced
 *
 * The text comes last: without it there is no backup, only files that the next deletion removes.
 * Files are copied, never linked: bit rot in the store must not reach its backup.
 */
#include "db/backup.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "db/backup_make.h"
#include "db/backup_text.h"
#include "db/pin.h"

struct making {
    struct loam_db *db;
    struct env_dir *dir;
    const struct loam_backup_options *options;
    struct progress *progress;
    struct pin pin;
    struct backup backup;
    struct loam_buffer trusted; /* See backup_names(): files of whole backups. */
    struct loam_buffer made;    /* Names of files that are new, FILE_NAME_SIZE each. */
};

static int note_made(struct making *making, const char *stored, struct loam_error *err)
{
    char name[FILE_NAME_SIZE] = {0};
    (void)snprintf(name, sizeof(name), "%s", stored);
    return buf_append(&making->made, name, sizeof(name), err);
}

/* Whether a file that a backup names is as it was written; read only when nothing is trusted. What
 * could not be looked at, above all for want of memory, is an error and no verdict. */
static int check_shared(struct making *making,
                        const char *stored,
                        const struct file_sum *sum,
                        bool *is_sound,
                        struct loam_error *err)
{
    struct file_sum found = {0};
    struct env_file *file = NULL;
    int rc = env_open_read(making->dir, stored, &file, err);
    *is_sound = false;
    if (rc == LOAM_NOT_FOUND) {
        return LOAM_OK;
    }
    TRY(rc);
    rc = env_size(file, &found.size, err);
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    TRY(rc);
    if (making->options->incremental && found.size == sum->size) {
        *is_sound = true;
        return LOAM_OK;
    }
    rc = file_sum_read(making->dir, stored, &found, making->progress, err);
    if (rc == LOAM_CANCELLED || rc == LOAM_NO_MEMORY) {
        return rc;
    }
    *is_sound = rc == LOAM_OK && file_sum_check(stored, &found, sum, NULL) == LOAM_OK;
    return LOAM_OK;
}

/*
 * Whether the file is there already and may be shared. Only what the text of a backup names was
 * ever synced: anything else is left from an attempt that was cut short, and may lack pages
 * although its size is right. It is removed, as a damaged one is.
 */
static int find_shared(struct making *making,
                       const char *stored,
                       const struct file_sum *sum,
                       bool *is_there,
                       struct loam_error *err)
{
    *is_there = false;
    if (backup_names_have(&making->trusted, stored)) {
        TRY(check_shared(making, stored, sum, is_there, err));
    }
    if (*is_there) {
        return LOAM_OK;
    }
    int rc = env_remove(making->dir, stored, err);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

static int copy_table(struct making *making, const struct table_meta *meta, struct loam_error *err)
{
    const struct file_sum sum = {meta->size, meta->hash};
    struct backup_file file = {.number = meta->number, .kind = FILE_TABLE, .sum = sum};
    char stored[FILE_NAME_SIZE];
    bool is_there = false;
    file_name_make(FILE_TABLE, meta->number, file.name);
    backup_stored_name(&file, stored);
    TRY(backup_add(&making->backup, FILE_TABLE, meta->number, &sum, err));
    TRY(find_shared(making, stored, &sum, &is_there, err));
    if (is_there) {
        return LOAM_OK;
    }
    TRY(note_made(making, stored, err));
    making->backup.info.new_bytes += sum.size;
    const struct file_place from = {making->db->dir, file.name};
    const struct file_place to = {making->dir, stored};
    return file_copy(&from, &to, &sum, NULL, making->progress, err);
}

/* Gives a file that was written under the name of a store the one under which it is kept. */
static int keep(struct making *making,
                int kind,
                uint64_t number,
                const struct file_sum *sum,
                struct loam_error *err)
{
    struct backup_file file = {.number = number, .kind = kind, .sum = *sum};
    char stored[FILE_NAME_SIZE];
    file_name_make(kind, number, file.name);
    backup_stored_name(&file, stored);
    TRY(backup_add(&making->backup, kind, number, sum, err));
    TRY(note_made(making, stored, err));
    making->backup.info.new_bytes += sum->size;
    return env_rename(making->dir, file.name, stored, err);
}

static int copy_files(struct making *making, struct loam_error *err)
{
    struct pin *pin = &making->pin;
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    for (size_t i = 0; i < view.tables_added_count; i++) {
        TRY(copy_table(making, &view.tables_added[i], err));
    }
    TRY(pin_write_rows(pin, making->dir, err));
    for (size_t i = 0; i < pin->job.output_count; i++) {
        const struct table_meta *meta = &pin->job.outputs[i];
        const struct file_sum sum = {meta->size, meta->hash};
        TRY(keep(making, FILE_TABLE, meta->number, &sum, err));
    }
    uint64_t number = 0;
    TRY(version_set_next_file(making->db->versions, &number, err));
    char name[FILE_NAME_SIZE];
    struct file_sum sum = {0};
    file_name_make(FILE_MANIFEST, number, name);
    TRY(pin_write_manifest(pin, making->dir, number, err));
    TRY(file_sum_read(making->dir, name, &sum, NULL, err));
    TRY(keep(making, FILE_MANIFEST, number, &sum, err));
    return env_dir_sync(making->dir, err);
}

/* Removes what this attempt brought. Files of earlier ones are never among it. */
static void undo(struct making *making)
{
    for (size_t at = 0; at < making->made.size; at += FILE_NAME_SIZE) {
        DISCARD(env_remove(making->dir, making->made.data + at, NULL));
    }
    for (size_t i = 0; i < making->pin.job.output_count; i++) {
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, making->pin.job.outputs[i].number, name);
        DISCARD(env_remove(making->dir, name, NULL));
    }
}

static int make(struct making *making, struct loam_error *err)
{
    struct loam_backup_info *info = &making->backup.info;
    struct loam_stats *stats = mem_zalloc(1, sizeof(*stats));
    if (stats == NULL) {
        return mem_fail(err, sizeof(*stats));
    }
    loam_stats_get(making->db, stats);
    memcpy(info->uuid, stats->uuid, sizeof(info->uuid));
    mem_free(stats);
    TRY(backup_next_id(making->dir, &info->id, err));
    TRY(backup_names(making->dir, true, &making->trusted, err));
    TRY(pin_open(&making->pin, making->db, err));
    info->seq = making->pin.seq;
    info->created_at_ms = making->db->env->wall_ms(making->db->env);
    int rc = copy_files(making, err);
    if (rc == LOAM_OK) {
        rc = backup_write(&making->backup, making->dir, err);
    } else {
        undo(making);
    }
    pin_close(&making->pin);
    return rc;
}

int backup_make(struct loam_db *db,
                const char *path,
                const struct loam_backup_options *options,
                struct loam_backup_info *info,
                struct progress *progress,
                struct loam_error *err)
{
    static const struct loam_backup_options defaults = {.incremental = true};
    struct making making = {
        .db = db, .options = options == NULL ? &defaults : options, .progress = progress};
    TRY(backup_dir_open(db->env, path, true, &making.dir, err));
    if (!atomic_load(&db->is_read_only)) {
        DISCARD(loam_flush(db, NULL)); /* Only for sharing: rows in memory are written below. */
    }
    int rc = make(&making, err);
    if (rc == LOAM_OK && info != NULL) {
        *info = making.backup.info;
    }
    backup_deinit(&making.backup);
    loam_buffer_free(&making.made);
    loam_buffer_free(&making.trusted);
    env_dir_close(making.dir);
    if (rc != LOAM_OK) {
        error_prefix(err, "backup to %s", path);
    }
    return rc;
}

int loam_backup(loam_db *db,
                const char *path,
                const loam_backup_options *options,
                loam_backup_info *info,
                loam_error *err)
{
    return backup_make(db, path, options, info, NULL, err);
}
