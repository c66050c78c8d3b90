/* SPDX-License-Identifier: MIT */
/* group.h - what the leader does with one group of tickets. Floor 4. Thread: the commit leader. */
#ifndef LOAM_DB_GROUP_H
#define LOAM_DB_GROUP_H

#include "db/commit.h"

/* Commits the tickets of the list; each has its code afterwards. */
void group_process(struct loam_db *db, struct ticket *first);

/* Marks a ticket as decided with a code and its text (cause may be NULL: then only the code). */
void ticket_decide(struct ticket *ticket, int code, const struct loam_error *cause);

/* resolve.c: turns the batch of a ticket into plain operations; first_seq is set. Sets payload and
 * count, or decides the ticket. Inside an epoch bracket. */
void resolve_ticket(struct loam_db *db, struct ticket *ticket);
/* Whether resolve_ticket() must read rows: then the group's earlier rows must stand in the overlay.
 */
bool resolve_reads(const struct loam_batch *batch);

/* room.c: waits for and makes room for `bytes` of payload: pacing, rotation. Tickets whose deadline
 * would pass are decided as STALLED. */
NODISCARD int
room_make(struct loam_db *db, struct ticket *first, size_t bytes, struct loam_error *err);

/* Begins a new log and memtable, after waiting until one more memtable may wait for its flush.
 * Tickets as for room_make(). */
NODISCARD int
room_rotate(struct loam_db *db, struct ticket *first, size_t bytes, struct loam_error *err);

/* rotate.c: seals the log, begins the next one and a new memtable, and hands the old one to the
 * flush thread. Errors: NO_SPACE (nothing changed but that the log is sealed; the next write tries
 * again), IO; poisons the handle when sealing or the manifest fails. */
NODISCARD int rotate(struct loam_db *db, uint64_t wal_bytes_min, struct loam_error *err);

#endif
