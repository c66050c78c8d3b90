/* SPDX-License-Identifier: MIT */
/*
 * file_copy.h - whole files: copied, linked, summed up. Floor 4. Used by checkpoint, backup,
 * restore and repair. Thread: any.
 */
#ifndef LOAM_DB_FILE_COPY_H
#define LOAM_DB_FILE_COPY_H

#include "db/progress.h"
#include "env/env.h"

/* What identifies the contents of a file. */
struct file_sum {
    uint64_t size;
    uint64_t hash; /* XXH3 of the whole file, as in the manifest. */
};

/* Reads a file to its end. progress may be NULL. Errors: NOT_FOUND, IO, NO_MEMORY, CANCELLED. */
NODISCARD int file_sum_read(struct env_dir *dir,
                            const char *name,
                            struct file_sum *out,
                            struct progress *progress,
                            struct loam_error *err);
/* CORRUPT, naming the file and both sums, unless they are equal. */
NODISCARD int file_sum_check(const char *name,
                             const struct file_sum *found,
                             const struct file_sum *wanted,
                             struct loam_error *err);

/* A copy from one place to another. */
struct file_place {
    struct env_dir *dir;
    const char *name;
};
/* Copies a closed file to a name that must not exist, synced, read back and compared: its bytes are
 * what was read, and what `wanted` says unless that is NULL. A failed copy is removed. *out may be
 * NULL. Errors: NOT_FOUND, EXISTS, CORRUPT, IO, NO_SPACE, NO_MEMORY, CANCELLED. */
NODISCARD int file_copy(const struct file_place *from,
                        const struct file_place *to,
                        const struct file_sum *wanted,
                        struct file_sum *out,
                        struct progress *progress,
                        struct loam_error *err);
/* A second name of a closed, synced file where the driver can do that, else a copy. */
NODISCARD int file_link_or_copy(const struct file_place *from,
                                const struct file_place *to,
                                const struct file_sum *wanted,
                                struct progress *progress,
                                struct loam_error *err);

#endif
