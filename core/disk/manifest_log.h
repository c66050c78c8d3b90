/* SPDX-License-Identifier: MIT */
/*
 * manifest_log.h - the MANIFEST file and CURRENT, which names it. Floor 2. Called by
 * lsm/version_set.
 *
 * A manifest starts with a full snapshot edit and grows by one synced record per change; a failed
 * sync poisons the writer, and after a failed write the next edit goes to another file. CURRENT is
 * replaced atomically (write CURRENT.tmp, sync, rename, sync directory); it carries the manifest's
 * name and a checksum. Thread: owner.
 */
#ifndef LOAM_DISK_MANIFEST_LOG_H
#define LOAM_DISK_MANIFEST_LOG_H

#include "disk/manifest_edit.h"
#include "disk/record.h"

/* ffi: begin */
struct manifest_writer;
struct manifest_reader;

/* Creates the file: header written and synced, directory synced. Errors: EXISTS, IO, NO_SPACE,
 * NO_MEMORY; what was created is removed again where possible. */
int manifest_writer_open(struct env_dir *dir,
                         uint64_t number,
                         const struct store_id *id,
                         struct manifest_writer **out,
                         struct loam_error *err);
/* Appends one edit and syncs. Errors: IO, NO_SPACE: every later append returns the same error, see
 * the two questions below; NO_MEMORY, TOO_LARGE: nothing written. */
int manifest_writer_append(struct manifest_writer *writer,
                           const struct manifest_edit *edit,
                           struct loam_error *err);
/* Poisoned: a sync failed, or a write that could not be taken back. What stands behind the last
 * edit is unknown. */
bool manifest_writer_has_failed(const struct manifest_writer *writer);
/* A write failed and was cut off again, durably: the edit did not happen, and this file takes no
 * more. */
bool manifest_writer_is_spent(const struct manifest_writer *writer);
uint64_t manifest_writer_size(const struct manifest_writer *writer);
/* Ends the file with an end record, unless the writer is poisoned or holds no edit, so that a later
 * loss of the last edit can be told from a torn write. Frees always; NULL is fine. Errors: IO,
 * NO_SPACE: the end record is missing, every edit is durable. */
int manifest_writer_close(struct manifest_writer *writer, struct loam_error *err);

/* Errors: CORRUPT, UNSUPPORTED, IO, NOT_FOUND. *id is read from the header. */
int manifest_reader_open(struct env_dir *dir,
                         uint64_t number,
                         struct store_id *id,
                         struct manifest_reader **out,
                         struct loam_error *err);
/* Decodes the next edit into `edit`; its slices are valid until the next call. NOT_FOUND at the end
 * (a torn last record, never acknowledged, counts as the end). Errors: CORRUPT (damage that was
 * durable, a record that makes no sense, no first edit), UNSUPPORTED, IO, NO_MEMORY. */
int manifest_reader_next(struct manifest_reader *reader,
                         struct manifest_edit *edit,
                         struct loam_error *err);
void manifest_reader_close(struct manifest_reader *reader);

/* Points CURRENT at a manifest. On success it is durable. After a failure CURRENT may be the old
 * one, the new one, or either of them after a crash: both manifests must stay. */
int current_write(struct env_dir *dir, uint64_t manifest_number, struct loam_error *err);
/* The two halves of it. After a failed first one CURRENT is what it was. */
int current_prepare(struct env_dir *dir, uint64_t manifest_number, struct loam_error *err);
int current_commit(struct env_dir *dir, struct loam_error *err);
/* Errors: NOT_FOUND, CORRUPT, IO, NO_MEMORY. */
int current_read(struct env_dir *dir, uint64_t *manifest_number, struct loam_error *err);
/* ffi: end */

#endif
