/* SPDX-License-Identifier: MIT */
/*
 * backup_text.h - one backup as a struct and as text. Floor 4. Pure but for reading and writing the
 * file; format: backup.h. Thread: owner.
 */
#ifndef LOAM_DB_BACKUP_TEXT_H
#define LOAM_DB_BACKUP_TEXT_H

#include "base/buf.h"
#include "db/file_copy.h"
#include "disk/file_name.h"

struct backup_file {
    char name[FILE_NAME_SIZE]; /* In the store. */
    uint64_t number;
    int kind; /* FILE_TABLE or FILE_MANIFEST. */
    struct file_sum sum;
};

struct backup {
    struct loam_backup_info info;
    struct loam_buffer files; /* Array of struct backup_file; the manifest once, last. */
};

static inline const struct backup_file *backup_files(const struct backup *backup, size_t *count)
{
    *count = backup->files.size / sizeof(struct backup_file);
    return (const void *)backup->files.data;
}

void backup_deinit(struct backup *backup);
/* Adds a file of the store. Errors: NO_MEMORY. */
NODISCARD int backup_add(struct backup *backup,
                         int kind,
                         uint64_t number,
                         const struct file_sum *sum,
                         struct loam_error *err);
/* Name of the text of a backup, and the name under which a file of a store is kept. */
void backup_text_name(uint64_t id, char out[FILE_NAME_SIZE]);
void backup_stored_name(const struct backup_file *file, char out[FILE_NAME_SIZE]);
/* Whether a name is that of a backup's text; *id. */
bool backup_name_parse(const char *name, uint64_t *id);
/* Whether a name is one under which files are kept. */
bool backup_name_is_stored(const char *name);
/* Writes the text under its name, durable on return. Errors: EXISTS, IO, NO_SPACE, NO_MEMORY. */
NODISCARD int
backup_write(const struct backup *backup, struct env_dir *dir, struct loam_error *err);
/* Reads a zeroed *out. Errors: NOT_FOUND (fills err), CORRUPT, UNSUPPORTED, IO, NO_MEMORY. */
NODISCARD int
backup_read(struct env_dir *dir, uint64_t id, struct backup *out, struct loam_error *err);

#endif
