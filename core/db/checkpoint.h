/* SPDX-License-Identifier: MIT */
/* checkpoint.h - a whole copy of the store in another directory. Floor 4. Thread: any. */
#ifndef LOAM_DB_CHECKPOINT_H
#define LOAM_DB_CHECKPOINT_H

#include "db/progress.h"
#include "env/env.h"

struct loam_db;

/* loam_checkpoint() with progress, which may be NULL. */
NODISCARD int checkpoint_make(struct loam_db *db,
                              const char *path,
                              uint64_t *seq,
                              struct progress *progress,
                              struct loam_error *err);

/* A directory that is to become a store: made when absent, locked, refused unless empty. */
struct new_dir {
    struct env *env;
    const char *path;
    struct env_dir *dir;
    bool is_made;
};
/* Errors: EXISTS it holds files; BUSY somebody else fills it; IO. Nothing to close then. */
NODISCARD int
new_dir_open(struct new_dir *made, struct env *env, const char *path, struct loam_error *err);
/* Closes; with is_failed first removes what was written there, CURRENT before all else. */
void new_dir_close(struct new_dir *made, bool is_failed);
/* Opens the files of a finished copy as a store would, without writing: manifest, sizes, and every
 * table's footer and indexes. Errors: CORRUPT, IO. */
NODISCARD int
new_dir_check(struct new_dir *made, uint64_t seq, size_t table_count, struct loam_error *err);

#endif
