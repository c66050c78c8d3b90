/* SPDX-License-Identifier: MIT */
/*
 * group.c - one group through the log: resolve, frame, write, insert, sync, publish.
 *
 * The order matters. Rows go into the memtable after the log write, so that a failed write leaves
 * nothing behind; visible_seq is published after the sync when any member asked for one, so that a
 * sync write is seen only once durable.
 */
#include "db/group.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/guard.h"
#include "base/limits.h"
#include "db/background.h"
#include "disk/ops.h"

void ticket_decide(struct ticket *ticket, int code, const struct loam_error *cause)
{
    ticket->code = code;
    ticket->is_decided = true;
    if (cause != NULL && ticket->err != NULL) {
        *ticket->err = *cause;
        ticket->err->code = code;
    }
}

static void decide_rest(struct ticket *first, int code, const struct loam_error *cause)
{
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (!ticket->is_decided && (ticket == first || GUARD(FOLLOWER_OUTCOME))) {
            ticket_decide(ticket, code, cause);
        }
    }
}

/* A log failure: the handle is finished with writing, and what becomes of these writes nobody can
 * tell before the store is reopened. */
static void poison_group(struct loam_db *db, struct ticket *first, const struct loam_error *cause)
{
    db_poison(db, cause);
    struct loam_error unknown = *cause;
    error_unknown(&unknown);
    decide_rest(first, LOAM_UNKNOWN_OUTCOME, &unknown);
}

/* Nothing of the group is in log or memtable. */
static void refuse_group(struct loam_db *db, struct ticket *first, const struct loam_error *cause)
{
    struct loam_error refused = *cause;
    if (atomic_load_explicit(&db->is_read_only, memory_order_relaxed)) {
        refused.code = db_check_writable(db, &refused);
    } else if (cause->code == LOAM_IO || cause->code == LOAM_NO_SPACE) {
        db->commit.is_failing = true;
        background_report(db, WORK_LOG, cause->code, cause);
        commit_probe_later(db);
        error_prefix(&refused, "not committed");
        space_explain(db, &refused);
    }
    decide_rest(first, refused.code, &refused);
}

/* The numbers of the group are not given out again; those of before are durable with the cut. */
static void write_failed(struct loam_db *db, struct ticket *first, const struct loam_error *cause)
{
    struct loam_error seal;
    if (wal_writer_has_failed(db->commit.wal)) {
        poison_group(db, first, cause);
        return;
    }
    if (log_ahead_settle(db, &seal) != LOAM_OK) {
        poison_group(db, first, &seal);
        return;
    }
    db->commit.must_rotate = true;
    uint64_t visible = atomic_load_explicit(&db->visible_seq, memory_order_relaxed);
    atomic_store_explicit(&db->durable_seq, visible, memory_order_release);
    refuse_group(db, first, cause);
}

static int
check_limits(const struct loam_db *db, const struct loam_batch *batch, struct loam_error *err)
{
    if (batch->key_size_max > db->options.key_bytes_max) {
        return fail(err, LOAM_TOO_LARGE, "key of %zu bytes is over key_bytes_max %u",
                    batch->key_size_max, db->options.key_bytes_max);
    }
    if (batch->value_size_max > db->options.value_bytes_max) {
        return fail(err, LOAM_TOO_LARGE, "value of %zu bytes is over value_bytes_max %" PRIu64,
                    batch->value_size_max, db->options.value_bytes_max);
    }
    if (loam_batch_bytes(batch) > db->options.batch_bytes_max) {
        return fail(err, LOAM_TOO_LARGE, "batch of %zu bytes is over batch_bytes_max %" PRIu64,
                    loam_batch_bytes(batch), db->options.batch_bytes_max);
    }
    return LOAM_OK;
}

/* Keeps what cannot take part out of the group; returns the payload bytes of the rest. */
static size_t admit(struct loam_db *db, struct ticket *first)
{
    size_t bytes = 0;
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        struct loam_error err;
        int rc = db_check_writable(db, &err);
        if (rc == LOAM_OK && ticket->batch != NULL) {
            rc = check_limits(db, ticket->batch, &err);
        }
        if (rc == LOAM_OK && ticket->batch != NULL && ticket->batch->count > 0 &&
            GUARD(DISK_RESERVE)) {
            size_t size = loam_batch_bytes(ticket->batch);
            rc = space_admit(db, &db->space, ticket->batch, size, &err);
        }
        if (rc != LOAM_OK) {
            ticket_decide(ticket, rc, &err);
        } else if (ticket->batch != NULL) {
            bytes += loam_batch_bytes(ticket->batch) + RECORD_HEADER_SIZE;
        }
    }
    return bytes;
}

static int
overlay_payload(struct overlay *overlay, const struct ticket *ticket, struct loam_error *err)
{
    const struct loam_buffer *own = &ticket->batch->ops;
    const struct loam_buffer *ops = ticket->payload.data == own->data ? own : &ticket->resolved;
    const char *cursor = ops->data;
    struct entry entry;
    for (uint32_t i = 0; i < ticket->count; i++) {
        size_t offset = (size_t)(cursor - ops->data);
        INV(ops_next(&cursor, ops->data + ops->size, &entry) == LOAM_OK);
        TRY(overlay_add(overlay, ops, offset, ticket->first_seq + i, err));
    }
    return LOAM_OK;
}

/* A ticket that was refused half-way may have left rows in the overlay: builds it anew from those
 * before it. */
static int overlay_rebuild(struct loam_db *db,
                           const struct ticket *first,
                           const struct ticket *limit,
                           struct loam_error *err)
{
    overlay_clear(&db->commit.overlay);
    for (const struct ticket *ticket = first; ticket != limit; ticket = ticket->next) {
        if (!ticket->is_decided && ticket->count > 0) {
            TRY(overlay_payload(&db->commit.overlay, ticket, err));
        }
    }
    return LOAM_OK;
}

/* The last ticket of a group, when it has one operation: what its row will touch in the memtable
 * is sent for before the log, so that it arrives while the record is framed and written. */
static bool is_sent_for(const struct ticket *ticket)
{
    return ticket->next == NULL && ticket->count == 1;
}

static struct entry only_entry(const struct ticket *ticket)
{
    const char *cursor = ticket->payload.data;
    struct entry entry;
    INV(ops_next(&cursor, cursor + ticket->payload.size, &entry) == LOAM_OK);
    entry.seq = ticket->first_seq;
    return entry;
}

static int add_record(struct loam_db *db, const struct ticket *ticket, struct loam_error *err)
{
    struct entry entry;
    if (is_sent_for(ticket)) {
        entry = only_entry(ticket);
        memtable_send_for_leaf(db->commit.memtable, &entry);
    }
    TRY(wal_writer_add(db->commit.wal, ticket->first_seq, ticket->count, ticket->payload.data,
                       ticket->payload.size, err));
    if (is_sent_for(ticket)) {
        memtable_send_for_rows(db->commit.memtable, &entry);
    }
    return LOAM_OK;
}

/* Resolves and frames one ticket at seq. Decides it on failure. */
static void
frame_ticket(struct loam_db *db, struct ticket *ticket, uint64_t seq, bool needs_overlay)
{
    struct loam_error err;
    ticket->first_seq = seq;
    resolve_ticket(db, ticket);
    if (ticket->is_decided) {
        return;
    }
    int rc = LOAM_OK;
    if (SEQ_MAX - seq < ticket->count) {
        rc = fail(&err, LOAM_READ_ONLY, "sequence numbers are used up");
    }
    if (rc == LOAM_OK && needs_overlay && !resolve_reads(ticket->batch)) {
        rc =
            overlay_payload(&db->commit.overlay, ticket, &err); /* resolve_ticket() adds its own. */
    }
    if (rc == LOAM_OK) {
        rc = add_record(db, ticket, &err);
    }
    if (rc != LOAM_OK) {
        ticket_decide(ticket, rc, &err);
    }
}

/* Records claim what is durable only once the logs before are. */
static void anchor(struct loam_db *db)
{
    struct commit *commit = &db->commit;
    /* Acquire: pairs with the release of whoever sealed. */
    if (UNLIKELY(!commit->is_anchored) &&
        atomic_load_explicit(&db->ahead.is_sealed, memory_order_acquire)) {
        wal_writer_anchor(commit->wal);
        commit->is_anchored = true;
    }
}

/* Write-out is started for every whole piece of so many bytes, so that a sync finds little left to
 * do. Never for a piece that is still being filled: its pages would be written again, and a page of
 * a mapped file may be as large as the piece. */
#define BEHIND_STEP (2u << 20)

static void write_behind(struct loam_db *db)
{
    struct commit *commit = &db->commit;
    uint64_t size = wal_writer_size(commit->wal);
    uint64_t whole = size - size % BEHIND_STEP;
    if (UNLIKELY(whole > commit->behind)) {
        wal_writer_let_go(commit->wal, commit->behind, whole);
        log_ahead_hint(db, commit->behind, whole);
        commit->behind = whole;
    }
}

/* Resolves and frames every open ticket; sequence numbers are given out in order. Returns how many
 * operations were framed. */
static uint64_t frame(struct loam_db *db, struct ticket *first)
{
    struct commit *commit = &db->commit;
    uint64_t seq = commit->next_seq;
    bool needs_overlay = false;
    for (struct ticket *ticket = first; ticket != NULL && !needs_overlay; ticket = ticket->next) {
        needs_overlay =
            !ticket->is_decided && ticket->batch != NULL && resolve_reads(ticket->batch);
    }
    overlay_clear(&commit->overlay);
    int overlay_rc = LOAM_OK;
    struct loam_error err;
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (ticket->is_decided || ticket->batch == NULL || ticket->batch->count == 0) {
            continue;
        }
        if (overlay_rc != LOAM_OK) {
            ticket_decide(ticket, overlay_rc, &err);
            continue;
        }
        frame_ticket(db, ticket, seq, needs_overlay);
        if (ticket->is_decided && needs_overlay) {
            overlay_rc = overlay_rebuild(db, first, ticket, &err);
        } else if (!ticket->is_decided) {
            seq += ticket->count;
        }
    }
    uint64_t framed = seq - commit->next_seq;
    commit->next_seq = seq;
    return framed;
}

static int insert_ticket(struct loam_db *db, const struct ticket *ticket, struct loam_error *err)
{
    const char *cursor = ticket->payload.data;
    const char *limit = cursor + ticket->payload.size;
    struct entry entries[MEMTABLE_ABREAST];
    uint64_t deletes = 0;
    for (uint32_t done = 0; done < ticket->count;) {
        size_t count = 0;
        for (; count < MEMTABLE_ABREAST && done < ticket->count; count++, done++) {
            INV(ops_next(&cursor, limit, &entries[count]) == LOAM_OK);
            entries[count].seq = ticket->first_seq + done;
            deletes += entries[count].kind == ENTRY_DELETE;
        }
        TRY(memtable_insert_abreast(db->commit.memtable, entries, count, err));
    }
    INV(cursor == limit);
    db_count_owned(&db->counters.deletes, deletes);
    db_count_owned(&db->counters.puts, ticket->count - deletes);
    db_count_owned(&db->counters.user_written_bytes, ticket->batch->user_bytes);
    return LOAM_OK;
}

static int insert_group(struct loam_db *db, const struct ticket *first, struct loam_error *err)
{
    uint64_t commits = 0;
    for (const struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (!ticket->is_decided && ticket->count > 0) {
            TRY(insert_ticket(db, ticket, err));
            commits++;
        }
    }
    db_count_owned(&db->counters.commits, commits);
    db_count_owned(&db->counters.commit_groups, 1);
    return LOAM_OK;
}

static bool wants_sync(const struct ticket *first)
{
    for (const struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (!ticket->is_decided && ticket->durability == LOAM_SYNC) {
            return true;
        }
    }
    return false;
}

static int sync_log(struct loam_db *db, struct loam_error *err)
{
    struct wal_writer *wal = db->commit.wal;
    if (wal_writer_durable(wal) == wal_writer_size(wal)) {
        return LOAM_OK;
    }
    uint64_t start = monotonic_ns();
    if (GUARD(SEAL_FIRST)) {
        TRY(log_ahead_settle(db, err));
    }
    TRY(wal_writer_sync(wal, err));
    uint64_t span = monotonic_ns() - start;
    histogram_add(&db->histograms[LOAM_HISTOGRAM_SYNC], span);
    gather_note_sync(&db->commit.gather, span);
    db_count_owned(&db->counters.syncs, 1);
    return LOAM_OK;
}

/* Interval writes: the commit thread syncs them when they get old, or at once when they have become
 * many. */
static void schedule_sync(struct loam_db *db, const struct ticket *first)
{
    struct commit *commit = &db->commit;
    bool has_interval = false;
    for (const struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        has_interval |= !ticket->is_decided && ticket->durability == LOAM_INTERVAL;
    }
    if (!has_interval) {
        return;
    }
    uint64_t unsynced = wal_writer_size(commit->wal) - wal_writer_durable(commit->wal);
    bool is_due = unsynced >= db->options.sync_batch_bytes;
    mutex_lock(&commit->mu);
    if (commit->sync_due_ns == 0 || is_due) {
        uint64_t now = monotonic_ns();
        commit->sync_due_ns = is_due ? now : now + (uint64_t)db->options.sync_interval_ms * 1000000;
        cond_signal(&commit->thread_wake);
    }
    mutex_unlock(&commit->mu);
}

static void publish(struct loam_db *db, struct ticket *first, bool is_durable)
{
    uint64_t last = db->commit.next_seq - 1;
    /* Release: pairs with readers' acquire; the rows are in the memtable. */
    atomic_store_explicit(&db->visible_seq, last, memory_order_release);
    if (is_durable) {
        atomic_store_explicit(&db->durable_seq, last, memory_order_release);
    }
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (!ticket->is_decided) {
            ticket->code = LOAM_OK;
            ticket->outcome->seq = ticket->count == 0 ? 0 : ticket->first_seq + ticket->count - 1;
        }
    }
}

static void commit_group(struct loam_db *db, struct ticket *first)
{
    struct commit *commit = &db->commit;
    struct loam_error err;
    anchor(db);
    uint64_t framed = frame(db, first);
    if (framed > 0) {
        uint64_t before = wal_writer_size(commit->wal);
        if (wal_writer_write(commit->wal, &err) != LOAM_OK) {
            write_failed(db, first, &err);
            return;
        }
        write_behind(db);
        /* Out of memory: the log has the rows, the memtable a part of them. Nobody sees that part,
         * as nothing is published any more. */
        if (insert_group(db, first, &err) != LOAM_OK) {
            poison_group(db, first, &err);
            return;
        }
        db_count_owned(&db->counters.wal_written_bytes, wal_writer_size(commit->wal) - before);
    }
    bool is_sync = wants_sync(first);
    if (!GUARD(PUBLISH_AFTER_SYNC)) {
        publish(db, first, false);
    }
    if (is_sync && sync_log(db, &err) != LOAM_OK) {
        poison_group(db, first, &err);
        return;
    }
    publish(db, first, is_sync);
    schedule_sync(db, first);
    if (UNLIKELY(db->ahead.is_manual)) {
        log_ahead_step(db);
    }
}

void group_process(struct loam_db *db, struct ticket *first)
{
    /* Reading the clock twice would be felt in each unsynced write. */
    bool is_timed = wants_sync(first) || db->commit.groups++ % WRITE_SAMPLE == 0;
    uint64_t start = is_timed ? monotonic_ns() : 0;
    struct loam_error err;
    size_t bytes = admit(db, first);
    bool is_rotation = false;
    bool is_any_open = false;
    for (const struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        is_rotation |= !ticket->is_decided && ticket->wants_rotation;
        is_any_open |= !ticket->is_decided;
    }
    if (!is_any_open) {
        return; /* Above all after a poison: publishing would show rows whose outcome is unknown. */
    }
    int rc = LOAM_OK;
    if (is_rotation && (memtable_count(db->commit.memtable) > 0 || db->commit.is_failing)) {
        rc = room_rotate(db, first, 0, &err);
    }
    if (rc == LOAM_OK) {
        rc = room_make(db, first, bytes, &err);
    }
    if (rc != LOAM_OK) {
        refuse_group(db, first, &err);
    } else if (db->commit.wal != NULL) {
        commit_group(db, first);
    }
    if (is_timed) {
        histogram_add(&db->histograms[LOAM_HISTOGRAM_WRITE], monotonic_ns() - start);
    }
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        loam_buffer_free(&ticket->resolved);
    }
}
