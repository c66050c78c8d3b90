/* SPDX-License-Identifier: MIT */
/* completions.c - asynchronous submission, and the queue of outcomes. */
#include "db/completions.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "db/commit.h"
#include "db/db.h"

struct loam_completions {
    struct loam_db *db;
    int fd;
    struct loam_mutex mu;
    struct async_ticket *head PROTECTED_BY(mu); /* Oldest first. */
    struct async_ticket *tail PROTECTED_BY(mu);
    uint64_t outstanding PROTECTED_BY(mu); /* Submitted and not taken. */
};

int loam_completions_open(loam_db *db, loam_completions **out, loam_error *err)
{
    TRY(db_check_open(db, err));
    struct loam_completions *queue = mem_zalloc(1, sizeof(*queue));
    if (queue == NULL) {
        return mem_fail(err, sizeof(*queue));
    }
    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->fd < 0) {
        int errnum = errno;
        mem_free(queue);
        return fail_errno(err, LOAM_IO, errnum, "eventfd");
    }
    queue->db = db;
    mutex_init(&queue->mu);
    atomic_fetch_add(&db->queue_count, 1);
    *out = queue;
    return LOAM_OK;
}

int loam_completions_close(loam_completions *queue, loam_error *err)
{
    if (queue == NULL) {
        return LOAM_OK;
    }
    mutex_lock(&queue->mu);
    uint64_t outstanding = queue->outstanding;
    mutex_unlock(&queue->mu);
    if (outstanding > 0) {
        return fail(err, LOAM_BUSY, "%llu submitted writes are not taken",
                    (unsigned long long)outstanding);
    }
    atomic_fetch_sub(&queue->db->queue_count, 1);
    mutex_deinit(&queue->mu);
    (void)close(queue->fd);
    mem_free(queue);
    return LOAM_OK;
}

int loam_completions_fd(const loam_completions *queue)
{
    return queue->fd;
}

void completions_deliver(struct async_ticket *async)
{
    struct loam_completions *queue = async->queue;
    async->completion.code = async->ticket.code;
    async->next = NULL;
    mutex_lock(&queue->mu);
    bool was_empty = queue->head == NULL;
    if (was_empty) {
        queue->head = async;
    } else {
        queue->tail->next = async;
    }
    queue->tail = async;
    if (was_empty) {
        uint64_t one = 1;
        ssize_t written = write(queue->fd, &one, sizeof(one));
        INV(written == sizeof(one) ||
            errno == EAGAIN); /* EAGAIN: the counter is full, so it is readable. */
    }
    mutex_unlock(&queue->mu);
}

static void async_free(struct async_ticket *async)
{
    batch_deinit(&async->batch);
    mem_free(async);
}

size_t loam_completions_take(loam_completions *queue, loam_completion *out, size_t capacity)
{
    size_t count = 0;
    commit_expire(queue->db);
    mutex_lock(&queue->mu);
    while (count < capacity && queue->head != NULL) {
        struct async_ticket *async = queue->head;
        queue->head = async->next;
        out[count++] = async->completion;
        INV(queue->outstanding > 0);
        queue->outstanding--;
        async_free(async);
    }
    if (queue->head == NULL) {
        queue->tail = NULL;
        uint64_t drained = 0;
        ssize_t got = read(queue->fd, &drained, sizeof(drained));
        INV(got == sizeof(drained) || errno == EAGAIN);
    }
    mutex_unlock(&queue->mu);
    return count;
}

/* `copied` is NULL for a batch that stays the caller's. */
static struct async_ticket *async_new(struct loam_completions *queue,
                                      const struct loam_batch *copied,
                                      uint64_t tag,
                                      struct loam_error *err)
{
    struct async_ticket *async = mem_zalloc(1, sizeof(*async));
    if (async == NULL) {
        (void)mem_fail(err, sizeof(*async));
        return NULL;
    }
    if (copied != NULL && batch_copy(&async->batch, copied, err) != LOAM_OK) {
        mem_free(async);
        return NULL;
    }
    async->queue = queue;
    async->completion.tag = tag;
    return async;
}

static int submit(struct loam_completions *queue,
                  const struct loam_batch *batch,
                  bool is_lent,
                  struct ticket *ticket,
                  uint64_t tag,
                  struct loam_error *err)
{
    struct loam_db *db = queue->db;
    TRY(db_check_writable(db, err));
    if (batch->count == 0 || (ticket->durability != LOAM_SYNC && commit_is_idle(db))) {
        TRY(batch->count == 0 ? LOAM_OK : commit_run(db, ticket));
        return 1;
    }
    struct async_ticket *async = async_new(queue, is_lent ? NULL : batch, tag, err);
    if (async == NULL) {
        return LOAM_NO_MEMORY;
    }
    async->ticket = *ticket;
    async->ticket.batch = is_lent ? batch : &async->batch;
    async->ticket.outcome = &async->completion.outcome;
    async->ticket.err = &async->completion.error;
    async->ticket.async = async;
    mutex_lock(&queue->mu);
    queue->outstanding++;
    mutex_unlock(&queue->mu);
    commit_enqueue(db, &async->ticket);
    return 0;
}

int loam_submit(loam_completions *queue,
                const loam_batch *batch,
                const loam_commit *commit,
                uint64_t tag,
                loam_outcome *outcome,
                loam_error *err)
{
    struct ticket ticket;
    TRY(ticket_init(&ticket, queue->db, batch, commit, outcome, err));
    return submit(queue, batch, false, &ticket, tag, err);
}

int loam_submit_lent(loam_completions *queue,
                     const loam_batch *batch,
                     const loam_commit *commit,
                     uint64_t tag,
                     loam_outcome *outcome,
                     loam_error *err)
{
    struct ticket ticket;
    TRY(ticket_init(&ticket, queue->db, batch, commit, outcome, err));
    return submit(queue, batch, true, &ticket, tag, err);
}
