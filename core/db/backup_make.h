/* SPDX-License-Identifier: MIT */
/* backup_make.h - what the files of backups share. Floor 4, private to this room. Thread: any. */
#ifndef LOAM_DB_BACKUP_MAKE_H
#define LOAM_DB_BACKUP_MAKE_H

#include "db/progress.h"
#include "disk/file_name.h"
#include "env/env.h"

/* loam_backup() with progress; info and progress may be NULL. */
NODISCARD int backup_make(struct loam_db *db,
                          const char *path,
                          const struct loam_backup_options *options,
                          struct loam_backup_info *info,
                          struct progress *progress,
                          struct loam_error *err);
/* Opens and locks a directory of backups. Errors: NOT_FOUND (fills err), BUSY, INVALID it is the
 * directory of a store, IO. */
NODISCARD int backup_dir_open(
    struct env *env, const char *path, bool create, struct env_dir **out, struct loam_error *err);
/* Appends the stored names of all backups to *names, FILE_NAME_SIZE each, sorted. A text that
 * cannot be read is passed over with skip_damaged, else the error. Errors: CORRUPT, UNSUPPORTED,
 * IO, NO_MEMORY. */
NODISCARD int backup_names(struct env_dir *dir,
                           bool skip_damaged,
                           struct loam_buffer *names,
                           struct loam_error *err);
bool backup_names_have(const struct loam_buffer *names, const char *name);
/* One above the highest there is. */
NODISCARD int backup_next_id(struct env_dir *dir, uint64_t *id, struct loam_error *err);

#endif
