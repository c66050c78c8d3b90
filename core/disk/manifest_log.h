/* SPDX-License-Identifier: MIT */
/*
 * manifest_log.h - the MANIFEST file and CURRENT, which names it. Floor 2. Called by
 * lsm/version_set.
 *
 * A manifest starts with a full snapshot edit and grows by one synced record per change; a failed
 * append or sync poisons the writer. CURRENT is replaced atomically (write CURRENT.tmp, sync,
 * rename, sync directory); it carries the manifest's name and a checksum. Thread: owner.
 */
#ifndef LOAM_DISK_MANIFEST_LOG_H
#define LOAM_DISK_MANIFEST_LOG_H

#include "disk/manifest_edit.h"
#include "disk/record.h"

/* ffi: begin */
struct manifest_writer;
struct manifest_reader;

int manifest_writer_open(struct env_dir *dir,
                         uint64_t number,
                         const struct store_id *id,
                         struct manifest_writer **out,
                         struct loam_error *err);
/* Appends one edit and syncs. Errors: IO, NO_SPACE: poisoned. */
int manifest_writer_append(struct manifest_writer *writer,
                           const struct manifest_edit *edit,
                           struct loam_error *err);
uint64_t manifest_writer_size(const struct manifest_writer *writer);
int manifest_writer_close(struct manifest_writer *writer, struct loam_error *err);

/* Errors: CORRUPT, UNSUPPORTED, IO, NOT_FOUND. *id is read from the header. */
int manifest_reader_open(struct env_dir *dir,
                         uint64_t number,
                         struct store_id *id,
                         struct manifest_reader **out,
                         struct loam_error *err);
/* Decodes the next edit into `edit`; its slices are valid until the next call. NOT_FOUND at the end
 * (a torn last record, never acknowledged, counts as the end). */
int manifest_reader_next(struct manifest_reader *reader,
                         struct manifest_edit *edit,
                         struct loam_error *err);
void manifest_reader_close(struct manifest_reader *reader);

/* Points CURRENT at a manifest. On return it is durable. */
int current_write(struct env_dir *dir, uint64_t manifest_number, struct loam_error *err);
/* Errors: NOT_FOUND, CORRUPT, IO. */
int current_read(struct env_dir *dir, uint64_t *manifest_number, struct loam_error *err);
/* ffi: end */

#endif
