/* SPDX-License-Identifier: MIT */
/*
 * room.c - makes room for a group before it is framed: pacing, rotation, and the honest answer when
 * that would take too long.
 */
#include <inttypes.h>
#include <time.h>

#include "base/check.h"
#include "db/db.h"
#include "db/group.h"
#include "db/pace.h"

enum {
    RUNS_HARD = 48,
    SLEEP_MIN_NS = 1000000, /* Owed time is slept in pieces that a timer can keep. */
    SLEEP_MAX_NS = 10000000,
    WAIT_STEP_NS = 20000000, /* How often a waiting leader looks at deadlines. */
    WAIT_MAX_MS = 60000,
    RETRY_MS = 500, /* What flush.c pauses after a failure. */
};
#define RATE_GUESS (64.0 * 1024 * 1024)

static size_t backlog_bytes(const struct read_state *state)
{
    size_t bytes = memtable_bytes(state->active);
    for (size_t i = 0; i < state->immutable_count; i++) {
        bytes += memtable_bytes(state->immutable[i]);
    }
    return bytes;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec span = {.tv_sec = (time_t)(ns / 1000000000),
                            .tv_nsec = (long)(ns % 1000000000)};
    (void)nanosleep(&span, NULL);
}

/* Slows the writers down while flush or compaction is behind. */
static void pace(struct loam_db *db, size_t bytes)
{
    epoch_enter();
    const struct read_state *state = state_get(db);
    struct pace_input input = {
        .run_count = (uint32_t)state->version->run_count,
        .run_soft = RUNS_SOFT,
        .run_hard = RUNS_HARD,
        .room_bytes = db->options.memtable_bytes * (IMMUTABLE_COUNT_MAX + 1),
    };
    input.backlog_bytes = backlog_bytes(state);
    epoch_exit();
    mutex_lock(&db->mu);
    input.flush_rate = db->flush_rate;
    input.compact_rate = db->compact_rate;
    mutex_unlock(&db->mu);
    db->commit.owed_ns += pace_delay_ns(&input, bytes);
    if (db->commit.owed_ns >= SLEEP_MIN_NS) {
        uint64_t span = db->commit.owed_ns < SLEEP_MAX_NS ? db->commit.owed_ns : SLEEP_MAX_NS;
        db->commit.owed_ns = 0;
        db_count(&db->counters.stalls, 1);
        db_count(&db->counters.stall_us, span / 1000);
        sleep_ns(span);
    }
}

/* What a write waits for while no more memtables may wait. */
struct flush_wait {
    uint64_t bytes;   /* Of the memtables that are or will be flushed. */
    double rate;      /* Measured, or a guess before the first flush; bytes per second. */
    uint32_t wait_ms; /* Predicted, from now on; at least 1. */
};

static struct flush_wait predict(struct loam_db *db) REQUIRES(db->mu)
{
    const struct read_state *state = state_get(db);
    struct flush_wait wait = {.rate = db->flush_rate > 0 ? db->flush_rate : RATE_GUESS};
    for (size_t i = 0; i < state->immutable_count; i++) {
        wait.bytes += memtable_bytes(state->immutable[i]);
    }
    double ms = (double)wait.bytes / wait.rate * 1000;
    if (db->flush_began_ns != 0) {
        double since_ms = (double)(monotonic_ns() - db->flush_began_ns) / 1e6;
        /* One that has taken longer than predicted will take a while yet. */
        ms = ms > since_ms ? ms - since_ms : since_ms / 4;
    } else if (db->background[WORK_FLUSH].code != LOAM_OK) {
        ms += RETRY_MS;
    }
    wait.wait_ms = ms < 1 ? 1 : (ms > WAIT_MAX_MS ? WAIT_MAX_MS : (uint32_t)ms);
    return wait;
}

static void tell_wait(struct ticket *first, uint32_t wait_ms)
{
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (!ticket->is_decided) {
            ticket->outcome->stall_ms = wait_ms;
        }
    }
}

/* Decides every ticket that cannot wait so long; returns whether any is left. */
static bool drop_impatient(struct ticket *first, const struct flush_wait *wait)
{
    uint64_t ready_ns = monotonic_ns() + (uint64_t)wait->wait_ms * 1000000;
    bool is_any_left = false;
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        if (ticket->is_decided) {
            continue;
        }
        if (ticket->deadline_ns != 0 && ticket->deadline_ns < ready_ns) {
            struct loam_error err;
            ticket->outcome->stall_ms = wait->wait_ms;
            int rc = fail(&err, LOAM_STALLED,
                          "writes wait for a flush of %" PRIu64
                          " bytes at %.0f bytes/s: about %u ms, over the deadline",
                          wait->bytes, wait->rate, wait->wait_ms);
            ticket_decide(ticket, rc, &err);
        } else {
            is_any_left = true;
        }
    }
    return is_any_left;
}

/* Waits until one more memtable may become immutable; *has_room stays false when every ticket was
 * decided as stalled. */
static int
wait_for_flush(struct loam_db *db, struct ticket *first, bool *has_room, struct loam_error *err)
{
    int rc = LOAM_OK;
    uint64_t start = monotonic_ns();
    bool has_waited = false;
    mutex_lock(&db->mu);
    while (state_get(db)->immutable_count >= IMMUTABLE_COUNT_MAX) {
        if (db->background[WORK_FLUSH].code != LOAM_OK) {
            *err = db->background[WORK_FLUSH].error;
            error_prefix(err, "no room for writes, the memtable cannot be flushed");
            rc = err->code = err->code == LOAM_NO_SPACE ? LOAM_NO_SPACE : LOAM_STALLED;
            tell_wait(first, predict(db).wait_ms);
            break;
        }
        struct flush_wait wait = predict(db);
        if (!drop_impatient(first, &wait)) {
            break;
        }
        has_waited = true;
        (void)cond_wait_until(&db->progress, &db->mu, monotonic_ns() + WAIT_STEP_NS);
    }
    *has_room = state_get(db)->immutable_count < IMMUTABLE_COUNT_MAX;
    mutex_unlock(&db->mu);
    if (has_waited) {
        db_count(&db->counters.stalls, 1);
        db_count(&db->counters.stall_us, (monotonic_ns() - start) / 1000);
    }
    return rc;
}

int room_rotate(struct loam_db *db, struct ticket *first, size_t bytes, struct loam_error *err)
{
    if (memtable_count(db->commit.memtable) > 0) {
        bool has_room = false;
        TRY(wait_for_flush(db, first, &has_room, err));
        if (!has_room) {
            return LOAM_OK;
        }
    }
    return rotate(db, bytes, err);
}

int room_make(struct loam_db *db, struct ticket *first, size_t bytes, struct loam_error *err)
{
    struct commit *commit = &db->commit;
    if (bytes == 0) {
        return LOAM_OK;
    }
    if (UNLIKELY(atomic_load_explicit(&db->is_paced, memory_order_relaxed))) {
        pace(db, bytes);
    }
    size_t filled = memtable_bytes(commit->memtable);
    bool is_full = filled >= db->options.memtable_bytes;
    bool is_empty = memtable_count(commit->memtable) == 0;
    if (UNLIKELY(filled >= db->options.memtable_bytes / 4 * 3 && !commit->is_next_asked)) {
        commit->is_next_asked = true;
        log_ahead_want(db);
    }
    if (commit->wal != NULL && !commit->must_rotate && !is_full &&
        (is_empty || wal_writer_size(commit->wal) + bytes <= commit->wal_limit)) {
        return LOAM_OK;
    }
    return room_rotate(db, first, bytes, err);
}
