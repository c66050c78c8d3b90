/* SPDX-License-Identifier: MIT */
/* commit.c - the queue: who leads, who waits, who is woken. */
#include "db/commit.h"

#include <inttypes.h>

#include "base/check.h"
#include "db/completions.h"
#include "db/db.h"
#include "db/group.h"

enum { GROUP_BYTES_MAX = 1 << 20, GROUP_TICKETS_MAX = 1024, PROBE_NS = 1000000000 };

int ticket_init(struct ticket *ticket,
                struct loam_db *db,
                const struct loam_batch *batch,
                const struct loam_commit *commit,
                struct loam_outcome *outcome,
                struct loam_error *err)
{
    int durability = commit == NULL ? LOAM_DURABILITY_DEFAULT : commit->durability;
    if (durability < LOAM_DURABILITY_DEFAULT || durability > LOAM_OS) {
        return fail(err, LOAM_INVALID, "unknown durability %d", durability);
    }
    *ticket = (struct ticket){
        .batch = batch,
        .durability = durability == LOAM_DURABILITY_DEFAULT ? db->options.durability : durability,
        .outcome = outcome,
        .err = err,
    };
    if (commit != NULL && commit->deadline_ms != 0) {
        ticket->deadline_ns = monotonic_ns() + (uint64_t)commit->deadline_ms * 1000000;
    }
    return LOAM_OK;
}

static uint64_t ticket_ops(const struct ticket *ticket)
{
    return ticket->batch == NULL ? 0 : ticket->batch->count;
}

/* Whether it must not be held up for a sync. */
static bool is_hasty(const struct ticket *ticket)
{
    return ticket->durability != LOAM_SYNC || ticket->batch == NULL;
}

/* A ticket has come into the queue. */
static void count_in(struct commit *commit, const struct ticket *ticket) REQUIRES(commit->mu)
{
    struct gather *gather = &commit->gather;
    gather->queued += ticket_ops(ticket);
    gather->hasty += is_hasty(ticket);
    if (commit->gather_target != 0 &&
        (gather->hasty > 0 || gather->queued >= commit->gather_target)) {
        cond_signal(&commit->gathered);
    }
}

static void count_out(struct commit *commit, const struct ticket *ticket) REQUIRES(commit->mu)
{
    struct gather *gather = &commit->gather;
    INV(gather->queued >= ticket_ops(ticket) && gather->hasty >= is_hasty(ticket));
    gather->queued -= ticket_ops(ticket);
    gather->hasty -= is_hasty(ticket);
}

static void enqueue(struct commit *commit, struct ticket *ticket) REQUIRES(commit->mu)
{
    count_in(commit, ticket);
    ticket->next = NULL;
    if (commit->tail == NULL) {
        commit->head = ticket;
    } else {
        commit->tail->next = ticket;
    }
    commit->tail = ticket;
    if (ticket->deadline_ns != 0) {
        bool is_first =
            commit->deadline_count++ == 0 || ticket->deadline_ns < commit->deadline_first_ns;
        commit->deadline_first_ns = is_first ? ticket->deadline_ns : commit->deadline_first_ns;
        if (commit->has_leader && commit->group_began_ns == 0) {
            commit->group_began_ns = monotonic_ns(); /* At the latest. */
        }
    }
}

static void finish(struct ticket *ticket)
{
    ticket->is_done = true;
    if (ticket->async != NULL) {
        completions_deliver(ticket->async);
    } else if (ticket->wake != NULL) {
        cond_signal(ticket->wake);
    }
}

/* Nothing has been done for a ticket of the queue: it is as if it had never come. */
static void stall(const struct commit *commit, struct ticket *ticket, uint64_t now)
    REQUIRES(commit->mu)
{
    uint64_t began_ns = commit->group_began_ns == 0 ? now : commit->group_began_ns;
    uint64_t busy_ms = (now - began_ns) / 1000000;
    struct loam_error err;
    ticket->outcome->stall_ms = busy_ms < 1 ? 1 : (uint32_t)busy_ms;
    int rc = fail(&err, LOAM_STALLED,
                  "the deadline passed in the queue: the commit in front has been at the disk for "
                  "%" PRIu64 " ms",
                  busy_ms);
    ticket_decide(ticket, rc, &err);
    finish(ticket);
}

/* Takes those out of the queue whose deadline has passed. */
static void expire(struct commit *commit) REQUIRES(commit->mu)
{
    uint64_t now = commit->deadline_count == 0 ? 0 : monotonic_ns();
    if (commit->deadline_count == 0 || now < commit->deadline_first_ns) {
        return;
    }
    commit->deadline_first_ns = UINT64_MAX;
    struct ticket *before = NULL;
    struct ticket *next = NULL;
    for (struct ticket *ticket = commit->head; ticket != NULL; ticket = next) {
        next = ticket->next;
        if (ticket->deadline_ns == 0 || ticket->deadline_ns > now || ticket->is_chosen) {
            if (ticket->deadline_ns != 0 && ticket->deadline_ns < commit->deadline_first_ns) {
                commit->deadline_first_ns = ticket->deadline_ns;
            }
            before = ticket;
            continue;
        }
        *(before == NULL ? &commit->head : &before->next) = next;
        commit->tail = commit->tail == ticket ? before : commit->tail;
        commit->deadline_count--;
        count_out(commit, ticket);
        stall(commit, ticket, now);
    }
}

static size_t ticket_bytes(const struct ticket *ticket)
{
    return ticket->batch == NULL ? 0 : loam_batch_bytes(ticket->batch);
}

/* Takes the front of the queue as one group. */
static struct ticket *cut_group(struct commit *commit) REQUIRES(commit->mu)
{
    struct ticket *first = commit->head;
    struct ticket *last = first;
    size_t bytes = ticket_bytes(first);
    size_t count = 1;
    while (last->next != NULL && count < GROUP_TICKETS_MAX) {
        bytes += ticket_bytes(last->next);
        if (bytes > GROUP_BYTES_MAX) {
            break;
        }
        last = last->next;
        count++;
    }
    commit->head = last->next;
    if (commit->head == NULL) {
        commit->tail = NULL;
    }
    last->next = NULL;
    for (struct ticket *ticket = first; ticket != NULL; ticket = ticket->next) {
        commit->deadline_count -= ticket->deadline_ns != 0;
        ticket->is_taken = true;
        count_out(commit, ticket);
    }
    commit->group_began_ns = commit->deadline_count > 0 ? monotonic_ns() : 0;
    return first;
}

/* Waits for those who are about to come, if that pays: see gather.h. The queue may change. */
static void gather(struct commit *commit) REQUIRES(commit->mu)
{
    uint64_t target = gather_target(&commit->gather);
    if (target == 0 || commit->is_stopping) {
        return;
    }
    uint64_t until_ns = monotonic_ns() + gather_span_ns(&commit->gather, target);
    bool is_in_time = true;
    commit->gather_target = target;
    while (is_in_time && commit->gather.queued < target && commit->gather.hasty == 0 &&
           !commit->is_stopping) {
        is_in_time = cond_wait_until(&commit->gathered, &commit->mu, until_ns);
    }
    commit->gather_target = 0;
    gather_note_wait(&commit->gather, target);
}

/* Every member has its outcome by now; wakes them. A blocking ticket is gone as soon as the lock
 * is. */
static void wake_group(struct ticket *first)
{
    struct ticket *next = NULL;
    for (struct ticket *ticket = first; ticket != NULL; ticket = next) {
        next = ticket->next;
        finish(ticket);
    }
}

/* Hands the lead on, or gives it up when nobody waits. */
static void pass_lead(struct commit *commit) REQUIRES(commit->mu)
{
    for (struct ticket *ticket = commit->head; ticket != NULL; ticket = ticket->next) {
        if (ticket->wake != NULL) {
            ticket->is_chosen = true;
            cond_signal(ticket->wake);
            return; /* has_leader stays set: the chosen one has the lead. */
        }
    }
    commit->has_leader = false;
    if (UNLIKELY(commit->has_settler)) {
        cond_signal(&commit->settled);
    }
    /* A thread that is to stop waits until the queue is empty and nobody leads. */
    if (commit->head != NULL || commit->is_stopping) {
        cond_signal(&commit->thread_wake);
    }
}

/* Commits groups until `own` is done (NULL: until the queue is empty). Called and left with the
 * lock held. */
static void lead(struct loam_db *db, const struct ticket *own) NO_THREAD_CHECK
{
    struct commit *commit = &db->commit;
    INV(commit->has_leader);
    while (commit->head != NULL && (own == NULL || !own->is_done)) {
        gather(commit);
        if (commit->head == NULL) {
            break; /* All have expired meanwhile. */
        }
        uint64_t queued = commit->gather.queued;
        struct ticket *first = cut_group(commit);
        uint64_t ops = queued - commit->gather.queued;
        mutex_unlock(&commit->mu);
        group_process(db, first);
        mutex_lock(&commit->mu);
        wake_group(first);
        expire(commit);
        gather_note_group(&commit->gather, ops);
        commit->turn++;
        if (UNLIKELY(commit->has_settler)) {
            cond_signal(&commit->settled);
        }
    }
    commit->group_began_ns = 0;
    pass_lead(commit);
}

/* Waits for the leader, at most until the deadline as long as nothing is done for the ticket. */
static void wait_for_outcome(struct commit *commit, struct ticket *ticket) REQUIRES(commit->mu)
{
    bool is_queued = ticket->deadline_ns != 0 && !ticket->is_taken;
    if (!is_queued) {
        cond_wait(ticket->wake, &commit->mu);
    } else if (!cond_wait_until(ticket->wake, &commit->mu, ticket->deadline_ns)) {
        expire(commit);
    }
}

int commit_run(struct loam_db *db, struct ticket *ticket)
{
    struct commit *commit = &db->commit;
    mutex_lock(&commit->mu);
    enqueue(commit, ticket);
    if (commit->has_leader) {
        struct loam_cond wake;
        cond_init(&wake);
        ticket->wake = &wake;
        while (!ticket->is_done && !ticket->is_chosen) {
            wait_for_outcome(commit, ticket);
        }
        ticket->wake = NULL;
        cond_deinit(&wake);
    } else {
        commit->has_leader = true;
        ticket->is_chosen = true;
    }
    if (ticket->is_chosen) {
        lead(db, ticket);
    }
    mutex_unlock(&commit->mu);
    INV(ticket->is_done);
    return ticket->code;
}

void commit_expire(struct loam_db *db)
{
    mutex_lock(&db->commit.mu);
    expire(&db->commit);
    mutex_unlock(&db->commit.mu);
}

void commit_enqueue(struct loam_db *db, struct ticket *ticket)
{
    PRE(ticket->async != NULL);
    mutex_lock(&db->commit.mu);
    expire(&db->commit);
    enqueue(&db->commit, ticket);
    if (!db->commit.has_leader && db->commit.is_stopping) {
        db->commit.has_leader = true; /* The thread may be gone; the ticket is refused. */
        lead(db, NULL);
    } else if (!db->commit.has_leader) {
        cond_signal(&db->commit.thread_wake);
    }
    mutex_unlock(&db->commit.mu);
}

void commit_settle(struct loam_db *db)
{
    struct commit *commit = &db->commit;
    mutex_lock(&commit->mu);
    uint64_t turn = commit->turn;
    commit->has_settler = true;
    while (commit->has_leader && commit->turn == turn) {
        cond_wait(&commit->settled, &commit->mu);
    }
    commit->has_settler = false;
    mutex_unlock(&commit->mu);
}

bool commit_is_idle(struct loam_db *db)
{
    mutex_lock(&db->commit.mu);
    bool is_idle = !db->commit.has_leader && db->commit.head == NULL;
    mutex_unlock(&db->commit.mu);
    return is_idle;
}

/* Syncs what interval writes have left behind. */
static void sync_interval(struct loam_db *db)
{
    struct loam_outcome outcome = {0};
    struct ticket ticket = {.durability = LOAM_SYNC, .outcome = &outcome};
    DISCARD(commit_run(db, &ticket)); /* A failure poisons the handle; nobody waits for this one. */
}

/* Begins another log behind one that failed. */
static void probe_log(struct loam_db *db)
{
    struct loam_outcome outcome = {0};
    struct ticket ticket = {.wants_rotation = true, .durability = LOAM_OS, .outcome = &outcome};
    DISCARD(commit_run(db, &ticket)); /* A failure has asked for the next probe. */
}

void commit_probe_later(struct loam_db *db)
{
    struct commit *commit = &db->commit;
    mutex_lock(&commit->mu);
    if (commit->probe_due_ns == 0) {
        commit->probe_due_ns = monotonic_ns() + PROBE_NS;
        cond_signal(&commit->thread_wake);
    }
    mutex_unlock(&commit->mu);
}

static bool is_due(uint64_t at_ns)
{
    return at_ns != 0 && monotonic_ns() >= at_ns;
}

static void wait_for_work(struct commit *commit) REQUIRES(commit->mu)
{
    uint64_t until = commit->sync_due_ns;
    if (until == 0 || (commit->probe_due_ns != 0 && commit->probe_due_ns < until)) {
        until = commit->probe_due_ns;
    }
    if (until != 0) {
        (void)cond_wait_until(&commit->thread_wake, &commit->mu, until);
    } else {
        cond_wait(&commit->thread_wake, &commit->mu);
    }
}

void *commit_thread_run(void *argument)
{
    struct loam_db *db = argument;
    struct commit *commit = &db->commit;
    mutex_lock(&commit->mu);
    for (;;) {
        if (commit->head != NULL && !commit->has_leader) {
            commit->has_leader = true;
            lead(db, NULL);
        } else if (is_due(commit->sync_due_ns)) {
            commit->sync_due_ns = 0;
            mutex_unlock(&commit->mu);
            sync_interval(db);
            mutex_lock(&commit->mu);
        } else if (commit->is_stopping && commit->head == NULL) {
            break;
        } else if (is_due(commit->probe_due_ns)) {
            commit->probe_due_ns = 0;
            mutex_unlock(&commit->mu);
            probe_log(db);
            mutex_lock(&commit->mu);
        } else {
            wait_for_work(commit);
        }
    }
    mutex_unlock(&commit->mu);
    return NULL;
}

void commit_stop(struct loam_db *db)
{
    mutex_lock(&db->commit.mu);
    db->commit.is_stopping = true;
    cond_signal(&db->commit.thread_wake);
    cond_signal(&db->commit.gathered);
    mutex_unlock(&db->commit.mu);
}
