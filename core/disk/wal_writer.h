/* SPDX-License-Identifier: MIT */
/*
 * wal_writer.h - appends records to one write-ahead log. Floor 2. Called by db's commit path only.
 *
 * A log is made behind a sealed one (wal_writer_open() with its link), or ahead, while another is
 * still written: then it begins with a record that holds the link (wal_writer_begin()), and until
 * the one before is sealed (wal_writer_anchor()) its records claim nothing to be durable.
 *
 * Records are framed into memory by wal_writer_add() and reach the kernel by wal_writer_write();
 * wal_writer_sync() makes them durable. A failed write is taken back: the file is cut to what was
 * written before and synced, and from then on the log is spent: it can be sealed, and takes no
 * other record. A failed sync, or a write that cannot be taken back, poisons the writer: every
 * later call returns the first error. Never appends to an existing file. Thread: owner (the commit
 * leader, then whoever seals it).
 */
#ifndef LOAM_DISK_WAL_WRITER_H
#define LOAM_DISK_WAL_WRITER_H

#include "disk/record.h"

/* ffi: begin */
struct wal_writer;

/* Creates log `number`: header written and synced, directory synced. It is expected to grow to
 * `expected` bytes (0 = unknown), of which `allocated` are reserved now. `previous` may be NULL for
 * the first log of a store. Errors: EXISTS, IO, NO_SPACE, NO_MEMORY; what was created is removed
 * again where possible. */
int wal_writer_open(struct env_dir *dir,
                    uint64_t number,
                    const struct store_id *id,
                    const struct wal_link *previous,
                    uint64_t expected,
                    uint64_t allocated,
                    struct wal_writer **out,
                    struct loam_error *err);
/* The same for a log that is made ahead: all of `expected` is reserved. Nothing may be added before
 * wal_writer_begin(). */
int wal_writer_open_ahead(struct env_dir *dir,
                          uint64_t number,
                          const struct store_id *id,
                          uint64_t expected,
                          struct wal_writer **out,
                          struct loam_error *err);
/* Writes the record that says which log is the one before; not synced. Errors as those of
 * wal_writer_write(). */
int wal_writer_begin(struct wal_writer *writer,
                     const struct wal_link *previous,
                     struct loam_error *err);
/* The log before is sealed: a sync of this one is worth something from now on. */
void wal_writer_anchor(struct wal_writer *writer);
/* Frames one batch of `count` operations, the first with number first_seq, into memory; no I/O. A
 * large payload is borrowed until the write or wal_writer_forget(). Errors: NO_MEMORY, TOO_LARGE:
 * nothing added; the last failure once the log is spent. */
int wal_writer_add(struct wal_writer *writer,
                   uint64_t first_seq,
                   uint32_t count,
                   const char *payload,
                   size_t size,
                   struct loam_error *err);
/* Forgets what was added since the last write: for a group that is refused before any I/O. */
void wal_writer_forget(struct wal_writer *writer);
/* Hands everything added to the kernel: one write, three around a borrowed payload. Errors: IO,
 * NO_SPACE: the log is spent, and nothing of it was written, unless wal_writer_has_failed(). */
int wal_writer_write(struct wal_writer *writer, struct loam_error *err);
/* Makes everything written durable. Errors: IO, NO_SPACE: poisoned. */
int wal_writer_sync(struct wal_writer *writer, struct loam_error *err);
/* Poisoned: what the last write has left behind is unknown. */
bool wal_writer_has_failed(const struct wal_writer *writer);
/* A write was taken back; the records before it are durable. */
bool wal_writer_is_spent(const struct wal_writer *writer);
/* Holds no batch. */
bool wal_writer_is_empty(const struct wal_writer *writer);
/* Whether its space is reserved and mapped, so that writing to it cannot fail for want of space. */
bool wal_writer_is_mapped(const struct wal_writer *writer);
/* The pages of [from, limit) need not stay in this process's memory; their bytes stay. Owner. */
void wal_writer_let_go(struct wal_writer *writer, uint64_t from, uint64_t limit);
/* Starts write-out of [from, limit) without waiting. Thread: any, while nobody closes the writer.
 */
void wal_writer_write_behind(struct wal_writer *writer, uint64_t from, uint64_t limit);
/* Bytes written so far, and of those known durable. */
uint64_t wal_writer_size(const struct wal_writer *writer);
uint64_t wal_writer_durable(const struct wal_writer *writer);
/* Link for the next log, over what was written; final after wal_writer_seal(). */
struct wal_link wal_writer_link(const struct wal_writer *writer);
/* All logs before must be sealed. Syncs what was written, then writes the end record and syncs it:
 * the log is complete. Nothing may be added and not yet written. Errors: IO, NO_SPACE: the end
 * record was taken back, all else is durable, and sealing can be tried again, unless
 * wal_writer_has_failed(). */
int wal_writer_seal(struct wal_writer *writer, struct loam_error *err);
/* Gives back the space behind the end of a sealed log that may stay for long; one that is flushed
 * and removed within seconds is not worth the time. */
void wal_writer_trim(struct wal_writer *writer);
/* Closes the file and frees always; NULL is fine. The error of closing an unsealed log is reported:
 * a sealed one is durable. */
int wal_writer_close(struct wal_writer *writer, struct loam_error *err);
/* ffi: end */

#endif
