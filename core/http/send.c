/* SPDX-License-Identifier: MIT */
/*
 * send.c - what goes out of a connection: its buffer, then the loan of the first exchange, and so
 * on as exchanges end. A loan is sent from where it lies; its exchange stays first until it is out.
 * Called by conn.c and answer.c. Thread: owner.
 */
#include "base/check.h"
#include "base/memory.h"
#include "http/worker.h"

/* ---- Loans ---- */

static struct http_lent *find_lent(const struct http_pool *pool, const void *memory)
{
    struct http_lent *lent = pool->lent;
    while (lent != NULL && lent->memory != memory) {
        lent = lent->next;
    }
    return lent;
}

bool http_loan_begin(struct http_exchange *exchange, const struct http_loan *loan)
{
    PRE(exchange->loan.data == NULL && loan->data != NULL && loan->size > 0);
    struct http_pool *pool = &exchange->worker->pool;
    struct http_lent *lent = find_lent(pool, loan->memory);
    if (lent == NULL) {
        lent = mem_zalloc(1, sizeof(*lent));
        if (lent == NULL) {
            loan->release(loan->context);
            return false;
        }
        lent->memory = loan->memory;
        lent->size = loan->memory_size;
        lent->next = pool->lent;
        pool->lent = lent;
        pool->buffer_bytes += lent->size;
    }
    lent->users++;
    exchange->lent = lent;
    exchange->loan = *loan;
    exchange->loan_sent = 0;
    return true;
}

void http_loan_end(struct http_exchange *exchange)
{
    if (exchange->loan.data == NULL) {
        return;
    }
    struct http_pool *pool = &exchange->worker->pool;
    struct http_lent *lent = exchange->lent;
    INV(lent->users > 0);
    if (--lent->users == 0) {
        struct http_lent **at = &pool->lent;
        while (*at != lent) {
            INV(*at != NULL);
            at = &(*at)->next;
        }
        *at = lent->next;
        INV(pool->buffer_bytes >= lent->size);
        pool->buffer_bytes -= lent->size;
        mem_free(lent);
    }
    struct http_loan loan = exchange->loan;
    exchange->loan = (struct http_loan){0};
    exchange->lent = NULL;
    loan.release(loan.context);
}

size_t http_loan_held(const struct http_exchange *exchange)
{
    return exchange->lent == NULL ? 0 : exchange->lent->size / exchange->lent->users;
}

/* ---- Sending ---- */

bool http_conn_has_output(const struct http_conn *conn)
{
    return http_buffer_pending(&conn->out) > 0 ||
           (conn->first != NULL && conn->first->loan.data != NULL);
}

static void note_sent(struct http_conn *conn, size_t size)
{
    const struct http_limits *limits = &conn->worker->limits;
    conn->worker->counters.bytes_out += (double)size;
    conn->write_sent += (double)size;
    if (conn->write_sent >= http_share_of(limits->write_stall_ms, limits->write_rate_min)) {
        conn->write_sent = 0;
        conn->write_since_ns = conn->worker->now_ns;
    }
}

/* Sends from one place. Returns the bytes taken, 0 when the socket takes none or has failed. */
static size_t send_from(struct http_conn *conn, const char *data, size_t size)
{
    int64_t n = conn->transport.ops->write(&conn->transport, data, size);
    if (n == HTTP_IO_FAILED) {
        http_conn_lose(conn);
    }
    if (n <= 0) {
        return 0;
    }
    note_sent(conn, (size_t)n);
    return (size_t)n;
}

/* Returns whether the buffer is empty. */
static bool send_buffer(struct http_conn *conn)
{
    struct http_buffer *out = &conn->out;
    size_t pending = http_buffer_pending(out);
    if (pending == 0) {
        return true;
    }
    out->at += send_from(conn, out->data + out->at, pending);
    if (conn->state == HTTP_CONN_CLOSED || out->at < out->size) {
        return false;
    }
    http_buffer_drop(&conn->worker->pool, out);
    return true;
}

/* Returns whether a loan has come to its end, so that what is behind it may follow. */
static bool send_loan(struct http_conn *conn)
{
    struct http_exchange *first = conn->first;
    if (first == NULL || first->loan.data == NULL) {
        return false;
    }
    size_t left = first->loan.size - first->loan_sent;
    size_t sent = send_from(conn, first->loan.data + first->loan_sent, left);
    if (conn->state == HTTP_CONN_CLOSED) {
        return false;
    }
    first->loan_sent += sent;
    if (sent < left) {
        return false;
    }
    http_loan_end(first);
    http_conn_promote(conn);
    return true;
}

void http_conn_flush(struct http_conn *conn)
{
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    bool had_output = http_conn_has_output(conn);
    while (send_buffer(conn) && send_loan(conn)) {
    }
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    if (!http_conn_has_output(conn)) {
        conn->write_since_ns = 0;
        conn->write_sent = 0;
        if (had_output && conn->state == HTTP_CONN_IDLE) {
            conn->since_ns = conn->worker->now_ns;
        }
    } else if (conn->write_since_ns == 0) {
        conn->write_since_ns = conn->worker->now_ns;
        conn->write_sent = 0;
    }
    struct http_exchange *first = conn->first;
    if (first != NULL && first->wants_writable &&
        http_buffer_pending(&conn->out) <= conn->worker->limits.output_low_bytes) {
        first->wants_writable = false;
        http_worker_push_exchange(conn->worker, HTTP_EVENT_WRITABLE, first);
    }
}
