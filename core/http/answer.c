/* SPDX-License-Identifier: MIT */
/*
 * answer.c - the answering calls of http.h, and the queue that keeps answers in request order.
 *
 * An answer is written once, into the connection's output when its request is the oldest, else into
 * the exchange's own buffer, which is appended when its turn comes. Thread: owner.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "http/checked.h"
#include "http/worker.h"

/* ---- Queue ---- */

void http_conn_enqueue(struct http_conn *conn, struct http_exchange *exchange)
{
    exchange->conn = conn;
    exchange->next = NULL;
    if (conn->last != NULL) {
        conn->last->next = exchange;
    } else {
        conn->first = exchange;
    }
    conn->last = exchange;
    conn->in_flight++;
}

struct http_buffer *http_exchange_out(struct http_exchange *exchange)
{
    PRE(exchange->conn != NULL);
    return exchange->conn->first == exchange ? &exchange->conn->out : &exchange->out;
}

void http_exchange_end(struct http_exchange *exchange)
{
    PRE(!exchange->is_ended);
    struct http_pool *pool = &exchange->worker->pool;
    if (exchange->is_delivered) {
        exchange->worker->counters.in_flight--;
    }
    if (exchange->chunk != NULL) {
        http_chunk_unref(pool, exchange->chunk);
        exchange->chunk = NULL;
    }
    http_buffer_drop(pool, &exchange->body);
    INV(pool->buffer_bytes >= exchange->body_moved);
    pool->buffer_bytes -= exchange->body_moved;
    exchange->body_moved = 0;
    struct http_request *pub = &exchange->pub;
    *pub = (struct http_request){.generation = pub->generation + 1,
                                 .slot = pub->slot,
                                 .head = "",
                                 .target = "",
                                 .path = "",
                                 .query = "",
                                 .body = "",
                                 .host = ""};
    exchange->is_ended = true;
}

/* The first answer asked for the end of the connection: what follows it is lost. */
static void cut_after_first(struct http_conn *conn)
{
    while (conn->first != NULL) {
        struct http_exchange *exchange = conn->first;
        conn->first = exchange->next;
        http_conn_detach(exchange);
    }
    conn->last = NULL;
    conn->in_flight = 0;
    conn->receiving = conn->state == HTTP_CONN_HEAD ? conn->receiving : NULL;
    if (conn->state < HTTP_CONN_CLOSING) {
        http_conn_stop_input(conn);
    }
}

void http_conn_promote(struct http_conn *conn)
{
    struct http_pool *pool = &conn->worker->pool;
    http_conn_mark_dirty(conn);
    while (conn->first != NULL && conn->first->is_ended && conn->first->loan.data == NULL) {
        struct http_exchange *done = conn->first;
        bool closes = done->closes;
        conn->resets = conn->resets || done->is_cut;
        conn->first = done->next;
        conn->in_flight--;
        INV(done->out.data == NULL);
        http_exchange_give(pool, done);
        if (conn->first == NULL) {
            conn->last = NULL;
        }
        if (closes) {
            cut_after_first(conn);
            return;
        }
        struct http_exchange *next = conn->first;
        if (next == NULL || next->out.data == NULL) {
            continue;
        }
        size_t size = http_buffer_pending(&next->out);
        if (!http_buffer_append(pool, &conn->out, next->out.data + next->out.at, size)) {
            http_conn_lose(conn);
            return;
        }
        http_buffer_drop(pool, &next->out);
    }
}

/* ---- Handles ---- */

static int
open_handle(struct http_request *request, uint32_t generation, struct http_exchange **exchange)
{
    *exchange = (struct http_exchange *)(void *)request;
    if (request == NULL || request->generation != generation || (*exchange)->is_ended) {
        return LOAM_CLOSED;
    }
    return LOAM_OK;
}

/* Takes note of an answer's size: it decides how many requests are let in at a time. */
static void note_size(struct http_conn *conn, size_t size)
{
    uint32_t now = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    uint32_t before = conn->answer_bytes;
    conn->answer_bytes = now > before ? now : before - (before - now + 7) / 8;
}

/* Ends the handle of an answer that is complete in its buffer. */
static void answered(struct http_exchange *exchange)
{
    struct http_conn *conn = exchange->conn;
    bool is_receiving = conn->receiving == exchange && conn->state != HTTP_CONN_HEAD;
    exchange->worker->counters.responses++;
    http_exchange_end(exchange);
    if (is_receiving) {
        /* Answered before its body was here: the rest of the body is not waited for. */
        exchange->closes = true;
        http_conn_stop_input(conn);
    }
    if (conn->first == exchange) {
        http_conn_promote(conn);
    }
}

static void cut(struct http_exchange *exchange)
{
    exchange->closes = true;
    exchange->is_cut = exchange->framing == HTTP_FRAMING_CLOSE;
    exchange->conn->lingers = false;
    answered(exchange);
}

/* The client is gone: ends the handle. */
static int end_orphan(struct http_exchange *exchange)
{
    struct http_worker *worker = exchange->worker;
    http_exchange_end(exchange);
    http_exchange_give(&worker->pool, exchange);
    return LOAM_CANCELLED;
}

static bool has_no_body(const struct http_exchange *exchange, int status)
{
    return exchange->pub.method == HTTP_HEAD || status == 204 || status == 304;
}

static bool
write_head(struct http_exchange *exchange, struct http_head_options *options, size_t extra)
{
    bool is_receiving =
        exchange->conn->receiving == exchange && exchange->conn->state != HTTP_CONN_HEAD;
    /* Whoever drains ends a connection with the last answer of what it has taken. */
    exchange->closes =
        exchange->closes || (exchange->worker->is_draining && exchange->conn->last == exchange);
    options->version_minor = exchange->pub.version_minor;
    options->keep_alive = !exchange->closes && !is_receiving;
    exchange->framing = options->framing;
    exchange->is_begun = true;
    return http_head_write(exchange->worker, http_exchange_out(exchange), options, extra);
}

static int check_begin(struct http_exchange *exchange, const struct http_head_options *options)
{
    if (exchange->is_begun || options->status < 200 || options->status > 599 ||
        !http_headers_check(exchange->worker, options->headers, options->headers_size)) {
        return LOAM_INVALID;
    }
    return LOAM_OK;
}

/* ---- Whole answers ---- */

/* Writes an answer in one piece and ends the handle; the header block was checked. A loan is given
 * in place of the body and taken in any case. */
static int write_whole(struct http_exchange *exchange,
                       struct http_head_options *options,
                       const char *body,
                       size_t body_size,
                       const struct http_loan *loan)
{
    bool drops_body = has_no_body(exchange, options->status);
    bool has_length = options->status != 204 && options->status != 304;
    options->framing = drops_body ? HTTP_FRAMING_NONE : HTTP_FRAMING_LENGTH;
    options->content_length = has_length ? (double)body_size : -1;
    size_t body_sent = drops_body ? 0 : body_size;
    bool is_lent = loan != NULL && body_sent > 0;
    if (loan != NULL && !is_lent) {
        loan->release(loan->context);
    } else if (is_lent && !http_loan_begin(exchange, loan)) {
        return LOAM_NO_MEMORY;
    }
    if (!write_head(exchange, options, is_lent ? 0 : body_sent)) {
        http_loan_end(exchange);
        exchange->is_begun = false;
        return LOAM_NO_MEMORY;
    }
    struct http_buffer *out = http_exchange_out(exchange);
    if (body_sent > 0 && !is_lent) {
        memcpy(out->data + out->size, body, body_sent);
        out->size += body_sent;
    }
    note_size(exchange->conn, body_sent);
    answered(exchange);
    return LOAM_OK;
}

/* When nothing of this connection is waited for any more, its answers go out now, in the one write
 * they would get at the end of the batch anyway: the client works on them while the rest of the
 * batch is handled. Large answers are not to pile up either. */
static void send_early(struct http_conn *conn)
{
    bool is_all = conn->first == NULL && conn->in_at == conn->in_end;
    bool is_lent = conn->first != NULL && conn->first->loan.data != NULL;
    if (is_all || is_lent ||
        http_buffer_pending(&conn->out) >= conn->worker->limits.output_high_bytes) {
        http_conn_flush(conn);
    }
    http_worker_relieve(conn->worker);
}

static int respond_whole(struct http_exchange *exchange,
                         struct http_head_options *options,
                         const char *body,
                         size_t body_size)
{
    struct http_conn *conn = exchange->conn;
    TRY(write_whole(exchange, options, body, body_size, NULL));
    send_early(conn);
    return LOAM_OK;
}

int http_respond(struct http_request *request,
                 uint32_t generation,
                 int status,
                 const char *headers,
                 size_t headers_size,
                 const char *body,
                 size_t body_size)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->conn == NULL) {
        return end_orphan(exchange);
    }
    struct http_head_options options = {
        .status = status, .headers = headers, .headers_size = headers_size};
    TRY(check_begin(exchange, &options));
    return respond_whole(exchange, &options, body, body_size);
}

int http_respond_checked(struct http_request *request,
                         uint32_t generation,
                         int status,
                         const char *headers,
                         size_t headers_size,
                         const char *body,
                         size_t body_size)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->conn == NULL) {
        return end_orphan(exchange);
    }
    if (exchange->is_begun) {
        return LOAM_INVALID;
    }
    PRE(status >= 200 && status <= 599);
    struct http_head_options options = {
        .status = status, .headers = headers, .headers_size = headers_size};
    return respond_whole(exchange, &options, body, body_size);
}

int http_respond_lent(struct http_request *request,
                      uint32_t generation,
                      int status,
                      const char *headers,
                      size_t headers_size,
                      const struct http_loan *loan)
{
    struct http_exchange *exchange;
    PRE(status >= 200 && status <= 599);
    int rc = open_handle(request, generation, &exchange);
    if (rc == LOAM_OK && exchange->conn == NULL) {
        rc = end_orphan(exchange);
    } else if (rc == LOAM_OK && exchange->is_begun) {
        rc = LOAM_INVALID;
    }
    if (rc != LOAM_OK) {
        loan->release(loan->context);
        return rc;
    }
    struct http_conn *conn = exchange->conn;
    struct http_head_options options = {
        .status = status, .headers = headers, .headers_size = headers_size};
    TRY(write_whole(exchange, &options, NULL, loan->size, loan));
    send_early(conn);
    return LOAM_OK;
}

int http_respond_close(struct http_request *request, uint32_t generation)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->is_begun) {
        return LOAM_INVALID;
    }
    exchange->closes = true;
    return LOAM_OK;
}

/* ---- Streamed answers ---- */

int http_respond_begin(struct http_request *request,
                       uint32_t generation,
                       int status,
                       const char *headers,
                       size_t headers_size,
                       double content_length)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->conn == NULL) {
        return LOAM_CANCELLED;
    }
    if (content_length != -1 && !(content_length >= 0 && content_length < 9e15)) {
        return LOAM_INVALID;
    }
    bool is_known = content_length >= 0;
    enum http_framing framing = is_known ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_CHUNKED;
    if (has_no_body(exchange, status)) {
        framing = HTTP_FRAMING_NONE;
    } else if (!is_known && exchange->pub.version_minor == 0) {
        framing = HTTP_FRAMING_CLOSE;
    }
    struct http_head_options options = {
        .status = status,
        .framing = framing,
        .content_length = status == 204 || status == 304 ? -1 : content_length,
        .headers = headers,
        .headers_size = headers_size,
    };
    TRY(check_begin(exchange, &options));
    bool closed = exchange->closes;
    exchange->closes = closed || framing == HTTP_FRAMING_CLOSE;
    if (!write_head(exchange, &options, 0)) {
        exchange->closes = closed;
        exchange->is_begun = false;
        return LOAM_NO_MEMORY;
    }
    exchange->length_left = is_known ? (uint64_t)content_length : 0;
    note_size(exchange->conn, exchange->worker->limits.output_high_bytes / 4);
    http_conn_mark_dirty(exchange->conn);
    return LOAM_OK;
}

static int check_write(struct http_request *request,
                       uint32_t generation,
                       size_t size,
                       struct http_exchange **exchange)
{
    TRY(open_handle(request, generation, exchange));
    if ((*exchange)->conn == NULL) {
        return LOAM_CANCELLED;
    }
    if (!(*exchange)->is_begun ||
        ((*exchange)->framing == HTTP_FRAMING_LENGTH && size > (*exchange)->length_left)) {
        return LOAM_INVALID;
    }
    return LOAM_OK;
}

/* After bytes were added: 1 to go on, 0 to wait. */
static int after_write(struct http_exchange *exchange)
{
    struct http_conn *conn = exchange->conn;
    size_t high = conn->worker->limits.output_high_bytes;
    if (conn->first != exchange) {
        exchange->wants_writable = http_buffer_pending(&exchange->out) >= high;
        return exchange->wants_writable ? 0 : 1;
    }
    http_conn_mark_dirty(conn);
    if (http_buffer_pending(&conn->out) < high) {
        return 1;
    }
    http_conn_flush(conn);
    http_worker_relieve(conn->worker);
    if (exchange->conn == NULL) {
        return LOAM_CANCELLED;
    }
    exchange->wants_writable = http_buffer_pending(&conn->out) >= high;
    return exchange->wants_writable ? 0 : 1;
}

int http_respond_write(struct http_request *request,
                       uint32_t generation,
                       const char *data,
                       size_t size)
{
    struct http_exchange *exchange;
    TRY(check_write(request, generation, size, &exchange));
    if (exchange->framing == HTTP_FRAMING_NONE || size == 0) {
        return 1;
    }
    enum { FRAME_MAX = 24 };
    struct http_buffer *out = http_exchange_out(exchange);
    if (!http_buffer_reserve(&exchange->worker->pool, out, size + FRAME_MAX)) {
        return LOAM_NO_MEMORY;
    }
    bool is_chunked = exchange->framing == HTTP_FRAMING_CHUNKED;
    if (is_chunked) {
        int n = snprintf(out->data + out->size, FRAME_MAX, "%zx\r\n", size);
        out->size += (size_t)n;
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
    if (is_chunked) {
        memcpy(out->data + out->size, "\r\n", 2);
        out->size += 2;
    } else if (exchange->framing == HTTP_FRAMING_LENGTH) {
        exchange->length_left -= size;
    }
    return after_write(exchange);
}

char *http_respond_reserve(struct http_request *request, uint32_t generation, size_t size)
{
    struct http_exchange *exchange;
    if (check_write(request, generation, size, &exchange) != LOAM_OK ||
        exchange->framing != HTTP_FRAMING_LENGTH) {
        return NULL;
    }
    struct http_buffer *out = http_exchange_out(exchange);
    if (!http_buffer_reserve(&exchange->worker->pool, out, size)) {
        return NULL;
    }
    char *place = out->data + out->size;
    out->size += size;
    exchange->length_left -= size;
    http_conn_mark_dirty(exchange->conn);
    return place;
}

int http_respond_end(struct http_request *request, uint32_t generation)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->conn == NULL) {
        return end_orphan(exchange);
    }
    if (!exchange->is_begun) {
        return LOAM_INVALID;
    }
    if (exchange->framing == HTTP_FRAMING_LENGTH && exchange->length_left > 0) {
        cut(exchange);
        return LOAM_INVALID;
    }
    if (exchange->framing == HTTP_FRAMING_CHUNKED &&
        !http_buffer_append(&exchange->worker->pool, http_exchange_out(exchange), "0\r\n\r\n", 5)) {
        cut(exchange);
        return LOAM_NO_MEMORY;
    }
    answered(exchange);
    return LOAM_OK;
}

int http_respond_abort(struct http_request *request, uint32_t generation)
{
    struct http_exchange *exchange;
    TRY(open_handle(request, generation, &exchange));
    if (exchange->conn == NULL) {
        (void)end_orphan(exchange);
        return LOAM_OK;
    }
    cut(exchange);
    return LOAM_OK;
}
