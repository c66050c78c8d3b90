/* SPDX-License-Identifier: MIT */
/*
 * relief.c - keeps the buffers of a worker within buffers_bytes_max. Floor 4; called wherever they
 * have grown.
 *
 * Limits of one connection do not bound a thousand of them: 1,000 uploads of 8 MiB that stall near
 * their end, or 1,000 answers that nobody reads, hold gigabytes until their deadlines. The one that
 * holds most is ended first, so clients that ask for a little notice nothing. Thread: owner.
 */
#include "base/check.h"
#include "http/worker.h"

/* Memory that ending the connection gives back. */
static size_t held_by(const struct http_conn *conn)
{
    size_t held = conn->out.capacity;
    for (const struct http_exchange *at = conn->first; at != NULL; at = at->next) {
        held += at->out.capacity + http_loan_held(at);
        held += at->pub.is_complete || at->has_piece ? 0 : at->body.capacity;
    }
    return held;
}

static void end(struct http_conn *conn, size_t used)
{
    struct http_worker *worker = conn->worker;
    worker->counters.refused_memory++;
    bool is_body = conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_STREAM;
    if (!is_body || conn->receiving->is_begun || conn->first != conn->receiving) {
        conn->resets = true;
        http_conn_lose(conn);
        return;
    }
    struct http_failure failure;
    (void)http_refuse_limit(&failure, 503, HTTP_LIMIT_buffers_bytes_max, (double)used,
                            "too much memory in request bodies and answers");
    http_conn_refuse(conn, &failure);
}

void http_worker_relieve(struct http_worker *worker)
{
    while (worker->pool.buffer_bytes > worker->limits.buffers_bytes_max) {
        struct http_conn *greediest = NULL;
        size_t most = HTTP_PIECE_SIZE;
        for (struct http_conn *conn = worker->conns; conn != NULL; conn = conn->next) {
            size_t held = held_by(conn);
            if (held > most) {
                greediest = conn;
                most = held;
            }
        }
        if (greediest == NULL) {
            return; /* The rest is with handlers. */
        }
        /* Frees something, or makes the shares larger of those that use the same memory. */
        end(greediest, worker->pool.buffer_bytes);
    }
}
