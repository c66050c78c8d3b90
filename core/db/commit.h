/* SPDX-License-Identifier: MIT */
/*
 * commit.h - the write path: one queue, one leader at a time, one log write and at most one sync
 * per group. Floor 4.
 *
 *   caller -> ticket -> queue          the first caller that finds no leader becomes it and commits
 * whole groups until its own ticket is done; leader: resolve -> frame -> write  then it hands the
 * lead on: to the next blocking caller, or to the commit thread when only
 *           -> memtable -> sync        asynchronous tickets wait
 *           -> publish -> wake         the outcome of a group is copied to every member before any
 * of them wakes
 *
 * A failed log write is taken back: none of the group is committed, and the next write begins a new
 * log. A failed sync, or a write that cannot be taken back, poisons the handle: the group's outcome
 * is unknown, later writes are refused, nothing is retried.
 */
#ifndef LOAM_DB_COMMIT_H
#define LOAM_DB_COMMIT_H

#include "base/thread.h"
#include "db/batch.h"
#include "db/gather.h"
#include "db/overlay.h"
#include "disk/wal_writer.h"
#include "lsm/memtable.h"

struct loam_db;
struct async_ticket;

/* One write on its way. Lives on its caller's stack, or in an async_ticket. */
struct ticket {
    /* The caller's. */
    const struct loam_batch *batch; /* NULL: nothing to write (a sync or a rotation). */
    bool wants_rotation;            /* loam_flush: begin a new memtable. */
    int durability;                 /* LOAM_SYNC, LOAM_INTERVAL, LOAM_OS */
    uint64_t deadline_ns;           /* Monotonic; 0 = none. */
    struct loam_outcome *outcome;   /* Never NULL. */
    struct loam_error *err;         /* May be NULL. */
    struct async_ticket *async;     /* NULL for a blocking caller. */
    /* The leader's, while the group is processed. */
    struct slice payload; /* What goes into the log: the batch's ops, or resolved. */
    struct loam_buffer resolved;
    uint64_t first_seq;
    uint32_t count;
    int code;
    bool is_decided; /* code is final; the ticket takes no further part in the group. */
    /* Protected by commit.mu. */
    struct ticket *next;
    struct loam_cond *wake; /* Of a blocking caller that waits; else NULL. */
    bool is_done;
    bool is_chosen; /* To be the next leader. */
    bool is_taken;  /* Part of a group: what becomes of it is the leader's. */
};

struct commit {
    struct loam_mutex mu;
    struct loam_cond thread_wake PROTECTED_BY(mu);
    struct loam_cond settled PROTECTED_BY(mu); /* A group is done, and somebody waits for that. */
    bool has_settler PROTECTED_BY(mu);
    uint64_t turn PROTECTED_BY(mu); /* Groups done. */
    struct ticket *head PROTECTED_BY(mu);
    struct ticket *tail PROTECTED_BY(mu);
    bool has_leader PROTECTED_BY(mu);
    bool is_stopping PROTECTED_BY(mu);
    size_t deadline_count PROTECTED_BY(mu);      /* Tickets of the queue that have a deadline. */
    uint64_t deadline_first_ns PROTECTED_BY(mu); /* None of them passes earlier. */
    uint64_t group_began_ns
        PROTECTED_BY(mu); /* Of the group at the disk, or a bit later; 0 = not known. */
    uint64_t
        sync_due_ns PROTECTED_BY(mu); /* When un-synced interval writes must be synced; 0 = none. */
    struct gather gather PROTECTED_BY(mu);   /* But has_synced and sync_ns: the leader's. */
    uint64_t gather_target PROTECTED_BY(mu); /* What a leader waits for; 0 = none does. */
    struct loam_cond gathered PROTECTED_BY(mu);
    uint64_t probe_due_ns PROTECTED_BY(mu); /* When a log that failed is tried again; 0 = never. */

    /* Leader only (or open and close, when nobody else is there). */
    struct wal_writer *wal; /* NULL between a seal and the next log. */
    struct wal_link link;   /* Of the log before. */
    uint64_t wal_number;
    uint64_t wal_limit;        /* Bytes the log may have. */
    bool is_next_asked;        /* The next log is being made. */
    uint64_t behind;           /* Bytes of the log whose write-out was started. */
    bool is_anchored;          /* The log knows that those before it are sealed. */
    bool is_failing;           /* The last write did not reach the log; health tells. */
    bool must_rotate;          /* The log takes no more records: the next write begins another. */
    struct memtable *memtable; /* The active one; the state holds the reference. */
    uint64_t next_seq;
    struct overlay overlay; /* Rows of the group that is being resolved. */
    uint64_t groups;        /* Processed so far. */
    uint64_t owed_ns;       /* Pacing not slept yet. */
};

/* Runs a ticket to its end; returns its code. Thread: any */
int commit_run(struct loam_db *db, struct ticket *ticket);
/* Adds a ticket without waiting; its completion is delivered through ticket->async. Thread: any */
void commit_enqueue(struct loam_db *db, struct ticket *ticket);
/* Answers STALLED to tickets of the queue whose deadline has passed. Called by whoever takes
 * completions, as the leader may be stuck at a disk that hangs. */
void commit_expire(struct loam_db *db);
/* Whether a write would be committed at once by its caller. A hint. */
bool commit_is_idle(struct loam_db *db);
/* Body of the commit thread: leads for asynchronous tickets, syncs interval writes. */
void *commit_thread_run(void *argument);
/* The commit thread will try to begin another log, so that the store recovers without a write. */
void commit_probe_later(struct loam_db *db);
/* Waits until no group is on its way that was begun before. */
void commit_settle(struct loam_db *db);
/* Makes the thread leave once the queue is empty. */
void commit_stop(struct loam_db *db);
/* Fills durability and deadline of a ticket from options (NULL = defaults). Errors: INVALID. */
NODISCARD int ticket_init(struct ticket *ticket,
                          struct loam_db *db,
                          const struct loam_batch *batch,
                          const struct loam_commit *commit,
                          struct loam_outcome *outcome,
                          struct loam_error *err);

#endif
