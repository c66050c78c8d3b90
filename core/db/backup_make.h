/* SPDX-License-Identifier: MIT */
/* backup_make.h - what the files of backups share. Floor 4, private to this room. Thread: any. */
#ifndef LOAM_DB_BACKUP_MAKE_H
#define LOAM_DB_BACKUP_MAKE_H

#include "db/progress.h"
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
/* One above the highest there is. */
NODISCARD int backup_next_id(struct env_dir *dir, uint64_t *id, struct loam_error *err);

#endif
