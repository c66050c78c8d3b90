/* SPDX-License-Identifier: MIT */
/*
 * pin.h - one commit point of an open store, held still: what checkpoints and backups are made of.
 * Floor 4. Thread: owner of the pin.
 *
 *   tables of one version (referenced, so that no file of them is removed)
 * + rows of the memtables up to the pinned sequence, minus memtables that the version already holds
 *
 * Nothing of the store is changed, rotated or flushed: a poisoned or read-only handle can be pinned
 * too. The edit is the manifest of the copy; it lists no log.
 */
#ifndef LOAM_DB_PIN_H
#define LOAM_DB_PIN_H

#include "db/background.h"
#include "db/progress.h"

struct pin {
    struct loam_db *db;
    uint64_t seq; /* Every commit up to it is in the copy, and nothing behind it. */
    struct read_state *state;
    struct version *version;
    struct manifest_edit *source; /* All the store's manifest said at that moment. */
    struct manifest_edit *target; /* Of the copy. */
    struct compaction_job job;    /* Its outputs: tables of the memtables' rows. */
    uint64_t table_bytes;         /* Of the version. */
};

/* Errors: NO_MEMORY; BUSY when flushes keep overtaking. On failure there is nothing to release. */
NODISCARD int pin_open(struct pin *pin, struct loam_db *db, struct loam_error *err);
/* Writes the memtables' rows as tables into `dir`, synced and read back, and completes the target.
 * On failure the caller removes job.outputs' files. Errors: IO, NO_SPACE, CORRUPT, NO_MEMORY. */
NODISCARD int pin_write_rows(struct pin *pin, struct env_dir *dir, struct loam_error *err);
/* Writes the target as manifest `number` into `dir`, synced. */
NODISCARD int
pin_write_manifest(struct pin *pin, struct env_dir *dir, uint64_t number, struct loam_error *err);
void pin_close(struct pin *pin);

#endif
