/* SPDX-License-Identifier: MIT */
/*
 * backup.h - a directory of backups that share their tables. Floor 4. Thread: any; a lock in the
 * directory lets one caller at a time change it.
 *
 *   backup-000000000003.txt                    one per backup: what it consists of; written last
 *   000000000012-91c3a5e07b0f4d22.sst          a table, by number and hash: shared between backups
 *   000000000044-0a7be9951c4f3d10.manifest     the manifest of a backup
 *   LOCK, *.tmp                                work in progress
 *
 * The text of a backup, one field a line; the last line is the XXH3 of all lines before it:
 *
 *   loam-backup 1 / id / uuid / seq / created_at_ms / file NAME SIZE HASH ... / end HASH
 */
#ifndef LOAM_DB_BACKUP_H
#define LOAM_DB_BACKUP_H

#include "base/status.h"
#include "db/progress.h"
#include "env/env.h"

/* ffi: begin */
/* What loam_backup_list() and its neighbours are, with a driver of the caller's choice. progress
 * may be NULL; CANCELLED comes through it. */
int backup_list(struct env *env,
                const char *path,
                struct loam_backup_info *out,
                size_t capacity,
                size_t *count,
                struct loam_error *err);
int backup_delete(struct env *env, const char *path, uint64_t id, struct loam_error *err);
int backup_verify(struct env *env,
                  const char *path,
                  uint64_t id,
                  struct loam_buffer *report,
                  struct progress *progress,
                  struct loam_error *err);
int backup_restore(struct env *env,
                   const char *path,
                   uint64_t id,
                   const char *to,
                   struct progress *progress,
                   struct loam_error *err);
/* ffi: end */

#endif
