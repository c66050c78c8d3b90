/* SPDX-License-Identifier: MIT */
/*
 * wal_reader.h - replays one write-ahead log. Floor 2. Called by recovery, check and inspect.
 *
 * Verdict about bad bytes at offset p (the first place where no valid record starts):
 *   - a valid record further on with durable_upto above p (the end record is always one): bytes
 *     that were durable have changed: CORRUPT;
 *   - else p is in the tail that was never known to be durable (torn, zero-filled, stale): the log
 *     ends at p, WAL_END_TORN.
 * Thread: owner.
 */
#ifndef LOAM_DISK_WAL_READER_H
#define LOAM_DISK_WAL_READER_H

#include <stdbool.h>

#include "disk/record.h"

/* ffi: begin */
struct wal_reader;

enum wal_end {
    WAL_END_NONE = 0,    /* Not reached. */
    WAL_END_SEALED = 1,  /* End record seen: complete. */
    WAL_END_OPEN = 2,    /* Ends exactly behind a record, without end record. */
    WAL_END_TORN = 3,    /* Ends at a torn or zero-filled tail. */
    WAL_END_DAMAGED = 4, /* Prefix mode only: ended early at damage, or at a record that makes no
                            sense. */
};

/* Opens and checks the header. Errors: NOT_FOUND, CORRUPT (magic, checksum, other store's uuid,
 * other number, later epoch), UNSUPPORTED, IO, NO_MEMORY. A file shorter than a header, or all
 * zero, whose header was never synced, is CORRUPT too: the manifest names a log only after its
 * header is durable. */
int wal_reader_open(struct env_dir *dir,
                    uint64_t number,
                    const struct store_id *id,
                    bool prefix_mode,
                    struct wal_reader **out,
                    struct loam_error *err);
/* Returns 0 with the next batch, NOT_FOUND at the end (wal_reader_end tells which), CORRUPT with
 * file and offset, IO. Payload is not decoded. */
int wal_reader_next(struct wal_reader *reader, struct record *out, struct loam_error *err);
int wal_reader_end(const struct wal_reader *reader);
/* Offset behind the last valid record, and bytes behind it that are dropped (once the end was
 * reached; bytes behind an end record count too). */
uint64_t wal_reader_position(const struct wal_reader *reader);
uint64_t wal_reader_dropped(const struct wal_reader *reader);
/* The log before this one, from the header or the first record: number 0 when there is none, or
 * when a log that was made ahead has not been written to. */
struct wal_link wal_reader_previous(const struct wal_reader *reader);
/* Once its end was reached: this log's own link, end record included; and whether `link` means this
 * log as it was read, with or without its end record, which the next log may not have waited for.
 */
struct wal_link wal_reader_link(const struct wal_reader *reader);
bool wal_reader_is_named_by(const struct wal_reader *reader, const struct wal_link *link);
void wal_reader_close(struct wal_reader *reader);
/* ffi: end */

#endif
