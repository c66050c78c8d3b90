/* SPDX-License-Identifier: MIT */
/*
 * conn.c - life of a connection: states, deadlines, the end. See conn.h for the graph. Input is
 * taken by input.c, answers are produced by answer.c and sent by send.c.
 */
#include "http/conn.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "http/worker.h"

#define MS_NS ((uint64_t)1000000)

enum { PROBE_MS = 1000 };

static const struct {
    const char *name;
    unsigned next; /* Bits of the states that may follow. */
} conn_states[] = {
#define TO(state) (1u << HTTP_CONN_##state)
    [HTTP_CONN_HANDSHAKE] = {"handshake", TO(IDLE) | TO(CLOSED)},
    [HTTP_CONN_IDLE] = {"idle", TO(HEAD) | TO(CLOSING) | TO(CLOSED)},
    [HTTP_CONN_HEAD] = {"head", TO(IDLE) | TO(BODY) | TO(CLOSING) | TO(CLOSED)},
    [HTTP_CONN_BODY] = {"body", TO(IDLE) | TO(STREAM) | TO(CLOSING) | TO(CLOSED)},
    [HTTP_CONN_STREAM] = {"stream", TO(IDLE) | TO(CLOSING) | TO(CLOSED)},
    [HTTP_CONN_CLOSING] = {"closing", TO(LINGER) | TO(CLOSED)},
    [HTTP_CONN_LINGER] = {"linger", TO(CLOSED)},
    [HTTP_CONN_CLOSED] = {"closed", 0},
#undef TO
};

void http_conn_set_state(struct http_conn *conn, enum http_conn_state state)
{
    INV((conn_states[conn->state].next >> state & 1u) != 0);
    conn->state = state;
    conn->since_ns = conn->worker->now_ns;
}

void http_conn_mark_dirty(struct http_conn *conn)
{
    if (!conn->is_dirty && conn->state != HTTP_CONN_CLOSED) {
        conn->is_dirty = true;
        conn->dirty_next = conn->worker->dirty;
        conn->worker->dirty = conn;
    }
}

/* ---- Deadlines ---- */

/* Starts the next window of a body that has brought its share. */
static void note_body(struct http_conn *conn)
{
    const struct http_limits *limits = &conn->worker->limits;
    if (conn->body_received - conn->body_mark >=
        http_share_of(limits->body_ms, limits->body_rate_min)) {
        conn->body_mark = conn->body_received;
        conn->since_ns = conn->worker->now_ns;
    }
}

static uint64_t input_deadline(const struct http_conn *conn)
{
    const struct http_limits *limits = &conn->worker->limits;
    uint32_t grace_ms = 0;
    switch (conn->state) {
    case HTTP_CONN_HANDSHAKE:
        grace_ms = limits->handshake_ms;
        break;
    case HTTP_CONN_IDLE:
        grace_ms = conn->first == NULL && !http_conn_has_output(conn) ? limits->idle_ms : 0;
        break;
    case HTTP_CONN_HEAD:
        grace_ms = limits->header_ms;
        break;
    case HTTP_CONN_CLOSING:
        grace_ms = conn->is_eof && conn->first != NULL ? PROBE_MS : 0;
        break;
    case HTTP_CONN_LINGER:
        /* Without this one a closed connection could stay for ever: 0 means at once. */
        grace_ms = limits->linger_ms > 0 ? limits->linger_ms : 1;
        break;
    case HTTP_CONN_BODY:
    case HTTP_CONN_STREAM:
        if (conn->is_asking || conn->paused_ns != 0) {
            return WHEEL_NEVER;
        }
        grace_ms = limits->body_ms;
        break;
    default:
        break;
    }
    return grace_ms == 0 ? WHEEL_NEVER : conn->since_ns + grace_ms * MS_NS;
}

static uint64_t output_deadline(const struct http_conn *conn)
{
    const struct http_limits *limits = &conn->worker->limits;
    if (conn->write_since_ns == 0 || limits->write_stall_ms == 0) {
        return WHEEL_NEVER;
    }
    return conn->write_since_ns + limits->write_stall_ms * MS_NS;
}

static void update_deadline(struct http_conn *conn)
{
    if (conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_STREAM) {
        note_body(conn);
    }
    uint64_t input = input_deadline(conn);
    uint64_t output = output_deadline(conn);
    wheel_set(&conn->worker->wheel, &conn->deadline, input < output ? input : output);
}

/* A client that has ended its half waits for its answer, or is gone for good: the socket knows once
 * a reset has come, but nothing is watched that would tell. */
static void probe(struct http_conn *conn)
{
    struct pollfd state = {.fd = conn->transport.fd};
    if (poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0) {
        http_conn_lose(conn);
        return;
    }
    conn->since_ns = conn->worker->now_ns;
    update_deadline(conn);
}

void http_conn_expire(struct http_conn *conn)
{
    struct http_worker *worker = conn->worker;
    struct http_counters *counters = &worker->counters;
    if (output_deadline(conn) <= worker->now_ns) {
        counters->timeouts_write++;
        conn->resets = true;
        http_conn_lose(conn);
        return;
    }
    if (input_deadline(conn) > worker->now_ns) {
        update_deadline(conn);
        return;
    }
    struct http_failure failure = {.status = 408, .limit = -1};
    switch (conn->state) {
    case HTTP_CONN_HANDSHAKE:
        counters->timeouts_handshake++;
        http_conn_lose(conn);
        break;
    case HTTP_CONN_IDLE:
        counters->timeouts_idle++;
        http_conn_lose(conn);
        break;
    case HTTP_CONN_HEAD:
        counters->timeouts_header++;
        failure.limit = HTTP_LIMIT_header_ms;
        failure.value = worker->limits.header_ms;
        failure.reason = "request head did not arrive in time";
        http_conn_refuse(conn, &failure);
        break;
    case HTTP_CONN_BODY:
    case HTTP_CONN_STREAM:
        counters->timeouts_body++;
        failure.limit = HTTP_LIMIT_body_ms;
        failure.value = worker->limits.body_ms;
        failure.reason = "request body did not arrive in time";
        http_conn_refuse(conn, &failure);
        break;
    case HTTP_CONN_CLOSING:
        probe(conn);
        break;
    default:
        http_conn_lose(conn);
        break;
    }
}

/* ---- The end ---- */

void http_conn_detach(struct http_exchange *exchange)
{
    struct http_worker *worker = exchange->worker;
    exchange->conn = NULL;
    exchange->next = NULL;
    http_buffer_drop(&worker->pool, &exchange->out);
    http_loan_end(exchange);
    if (!exchange->pub.is_complete && !exchange->has_piece) {
        http_buffer_drop(&worker->pool, &exchange->body); /* No handler has seen it. */
    }
    if (exchange->is_ended) {
        http_exchange_give(&worker->pool, exchange);
    } else if (exchange->is_delivered) {
        worker->counters.resets++;
        http_worker_push_exchange(worker, HTTP_EVENT_CLOSED, exchange);
    } else {
        /* Its event, if one is queued, goes stale with the generation. */
        http_exchange_end(exchange);
        http_exchange_give(&worker->pool, exchange);
    }
}

void http_conn_lose(struct http_conn *conn)
{
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    struct http_worker *worker = conn->worker;
    if (conn->receiving != NULL && conn->state == HTTP_CONN_HEAD) {
        http_conn_detach(conn->receiving);
    }
    conn->receiving = NULL;
    while (conn->first != NULL) {
        struct http_exchange *exchange = conn->first;
        conn->first = exchange->next;
        http_conn_detach(exchange);
    }
    conn->last = NULL;
    conn->in_flight = 0;
    conn->transport.ops->close(&conn->transport, conn->resets);
    http_buffer_drop(&worker->pool, &conn->out);
    if (conn->input != NULL) {
        http_chunk_unref(&worker->pool, conn->input);
        conn->input = NULL;
    }
    wheel_remove(&worker->wheel, &conn->deadline);
    http_gate_leave(worker->gate, conn->peer);
    http_conn_set_state(conn, HTTP_CONN_CLOSED);

    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        worker->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    conn->next = worker->graves;
    worker->graves = conn;
    worker->counters.active--;
}

/* All answers are out, and no further request is taken. */
static void finish(struct http_conn *conn)
{
    INV(conn->state == HTTP_CONN_CLOSING && conn->first == NULL);
    if (conn->is_eof || !conn->lingers || conn->resets) {
        http_conn_lose(conn);
        return;
    }
    conn->transport.ops->finish(&conn->transport);
    http_conn_set_state(conn, HTTP_CONN_LINGER);
}

void http_conn_stop_input(struct http_conn *conn)
{
    struct http_exchange *receiving = conn->receiving;
    conn->receiving = NULL;
    if (receiving != NULL && conn->state == HTTP_CONN_HEAD) {
        http_conn_detach(receiving);
    } else if (receiving != NULL && !receiving->is_ended) {
        /* It waits in the queue, as the last one, for a body that will not come. */
        if (receiving->is_begun) {
            http_conn_lose(conn);
            return;
        }
        struct http_exchange **at = &conn->first;
        struct http_exchange *before = NULL;
        while (*at != receiving) {
            INV(*at != NULL);
            before = *at;
            at = &before->next;
        }
        *at = NULL;
        conn->last = before;
        conn->in_flight--;
        http_conn_detach(receiving);
    }
    conn->is_asking = false;
    http_conn_set_state(conn, HTTP_CONN_CLOSING);
    if (conn->input != NULL) {
        http_chunk_unref(&conn->worker->pool, conn->input);
        conn->input = NULL;
        conn->in_at = conn->in_end = 0;
    }
    http_conn_mark_dirty(conn);
}

/* ---- The pass ---- */

/* Closing with unread bytes makes a reset, which may overtake answers that were sent. */
static bool has_unread(const struct http_conn *conn)
{
    int count = 0;
    return conn->in_at != conn->in_end ||
           (ioctl(conn->transport.fd, FIONREAD, &count) == 0 && count > 0);
}

void http_conn_settle(struct http_conn *conn)
{
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    http_conn_flush(conn);
    if (conn->state <= HTTP_CONN_IDLE && conn->worker->is_draining && conn->first == NULL &&
        !http_conn_has_output(conn)) {
        if (conn->state == HTTP_CONN_HANDSHAKE || !has_unread(conn)) {
            http_conn_lose(conn);
            return;
        }
        http_conn_stop_input(conn); /* Lingers. */
    }
    if (conn->state < HTTP_CONN_CLOSING) {
        http_conn_advance(conn);
    }
    /* Not sooner: what the advance refused is answered by the next flush. */
    if (conn->state == HTTP_CONN_CLOSING && conn->first == NULL && !http_conn_has_output(conn)) {
        finish(conn);
    }
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    /* Reading is switched off by the read that finds it unwanted, so that a connection which is
     * busy for the length of one batch costs no system call. */
    bool reads = http_conn_wants_read(conn) || conn->transport.is_reading;
    bool writes = http_conn_has_output(conn);
    if (reads != conn->transport.is_reading || writes != conn->transport.is_writing) {
        if (!conn->transport.ops->watch(&conn->transport, reads, writes)) {
            http_conn_lose(conn);
            return;
        }
    }
    update_deadline(conn);
}

/* ---- Birth ---- */

static void shake_hands(struct http_conn *conn)
{
    struct http_worker *worker = conn->worker;
    int64_t rc = conn->transport.ops->handshake(&conn->transport);
    if (rc == HTTP_IO_AGAIN) {
        return;
    }
    if (rc == 1) {
        worker->counters.handshakes++;
        http_conn_set_state(conn, HTTP_CONN_IDLE);
        update_deadline(conn);
        return;
    }
    worker->counters.refused_handshakes++;
    if (rc == HTTP_IO_NO_TLS) {
        struct http_failure failure;
        (void)http_refuse(&failure, 400, "this port speaks TLS, plain HTTP came");
        http_refuse_socket(worker, conn->transport.fd, &failure, 0);
    }
    http_conn_lose(conn);
}

static void on_ready(struct http_transport *transport, int ready)
{
    struct http_conn *conn = (struct http_conn *)(void *)transport;
    if (conn->state == HTTP_CONN_HANDSHAKE) {
        shake_hands(conn);
        return;
    }
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    if ((ready & HTTP_READY_READ) != 0) {
        http_conn_read(conn);
        if (conn->state != HTTP_CONN_CLOSED) {
            update_deadline(conn);
        }
    }
    if ((ready & HTTP_READY_WRITE) != 0) {
        http_conn_settle(conn);
    }
}

void http_conn_open(struct http_worker *worker,
                    int fd,
                    int listener,
                    const struct sockaddr_storage *address,
                    struct http_peer *peer)
{
    struct http_tls *tls = worker->listeners[listener].tls;
    struct http_conn *conn = mem_zalloc(1, sizeof(*conn));
    if (conn == NULL || (tls != NULL && !http_transport_tls_init(&conn->transport, tls,
                                                                 worker->base, fd, on_ready))) {
        mem_free(conn);
        http_gate_leave(worker->gate, peer);
        (void)close(fd);
        return;
    }
    if (tls == NULL) {
        http_transport_plain_init(&conn->transport, worker->base, fd, on_ready);
    }
    conn->worker = worker;
    conn->state = tls == NULL ? HTTP_CONN_IDLE : HTTP_CONN_HANDSHAKE;
    conn->since_ns = worker->now_ns;
    conn->lingers = true;
    /* Eight requests at first; more when the answers turn out small. */
    conn->answer_bytes = worker->limits.output_high_bytes / 8;
    conn->listener = listener;
    conn->peer = peer;
    conn->address = *address;
    conn->next = worker->conns;
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    worker->conns = conn;
    worker->counters.active++;
    if (!conn->transport.ops->watch(&conn->transport, true, false)) {
        http_conn_lose(conn);
        return;
    }
    update_deadline(conn);
}
