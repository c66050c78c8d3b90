/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - loam_checkpoint(): a store of its own, equal to one commit point of this one.
 *
 *   pin -> new directory, locked -> tables linked (or copied), rows of the memtables as new tables,
 * all synced -> directory synced -> manifest, synced -> CURRENT, synced -> opened once to see
 *
 * CURRENT comes last: cut short anywhere before, the directory never opens as a store. Tables come
 * before the manifest: a manifest alone would look like the creation of an empty store.
 */
#include "db/checkpoint.h"

#include "base/check.h"
#include "db/file_copy.h"
#include "db/pin.h"
#include "disk/file_name.h"
#include "disk/manifest_log.h"

static int bring_tables(struct pin *pin,
                        struct env_dir *dir,
                        struct progress *progress,
                        struct loam_error *err)
{
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    for (size_t i = 0; i < view.tables_added_count; i++) {
        const struct table_meta *meta = &view.tables_added[i];
        const struct file_sum sum = {meta->size, meta->hash};
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, meta->number, name);
        const struct file_place from = {pin->db->dir, name};
        const struct file_place to = {dir, name};
        TRY(file_link_or_copy(&from, &to, &sum, progress, err));
    }
    return LOAM_OK;
}

static int
fill(struct pin *pin, struct new_dir *made, struct progress *progress, struct loam_error *err)
{
    TRY(bring_tables(pin, made->dir, progress, err));
    TRY(pin_write_rows(pin, made->dir, err));
    TRY(env_dir_sync(made->dir, err));
    uint64_t number = 0;
    TRY(version_set_next_file(pin->db->versions, &number, err));
    TRY(pin_write_manifest(pin, made->dir, number, err));
    TRY(current_write(made->dir, number, err));
    size_t count = manifest_edit_get(pin->target).tables_added_count;
    return new_dir_check(made, pin->seq, count, err);
}

int checkpoint_make(struct loam_db *db,
                    const char *path,
                    uint64_t *seq,
                    struct progress *progress,
                    struct loam_error *err)
{
    struct new_dir made;
    struct pin pin;
    TRY(new_dir_open(&made, db->env, path, err));
    int rc = pin_open(&pin, db, err);
    if (rc == LOAM_OK) {
        rc = fill(&pin, &made, progress, err);
        if (rc == LOAM_OK && seq != NULL) {
            *seq = pin.seq;
        }
        pin_close(&pin);
    }
    new_dir_close(&made, rc != LOAM_OK);
    if (rc != LOAM_OK) {
        error_prefix(err, "checkpoint in %s", path);
    }
    return rc;
}

int loam_checkpoint(loam_db *db, const char *path, uint64_t *seq, loam_error *err)
{
    return checkpoint_make(db, path, seq, NULL, err);
}
