/* SPDX-License-Identifier: MIT */
/*
 * input.c - from bytes to requests: reads, parses heads, collects bodies, queues events.
 *
 * Heads are parsed in the chunk they arrive in and stay there: the request's pointers go into the
 * chunk, which is counted and never moved while a handle uses it. A body that came with its head
 * stays there too; any other is collected in the exchange. Thread: owner.
 */
#include <string.h>

#include "base/check.h"
#include "http/worker.h"

enum { BODY_READ_MIN = 65536 };

static bool can_begin(const struct http_conn *conn)
{
    const struct http_limits *limits = &conn->worker->limits;
    if (conn->worker->is_draining && conn->in_flight > 0) {
        return false; /* Those are the last ones. */
    }
    /* What the requests in flight may still bring counts as if it were there. */
    double expected =
        (double)http_buffer_pending(&conn->out) + (double)conn->in_flight * conn->answer_bytes;
    return conn->in_flight == 0
               ? http_buffer_pending(&conn->out) < limits->output_high_bytes
               : conn->in_flight < limits->pipeline_max && expected < limits->output_high_bytes;
}

bool http_conn_wants_read(const struct http_conn *conn)
{
    if (conn->is_eof) {
        return false;
    }
    switch (conn->state) {
    case HTTP_CONN_IDLE:
        return can_begin(conn);
    case HTTP_CONN_HANDSHAKE:
    case HTTP_CONN_HEAD:
    case HTTP_CONN_LINGER:
        return true;
    case HTTP_CONN_BODY:
        return !conn->is_asking;
    case HTTP_CONN_STREAM:
        return !conn->receiving->has_piece;
    default:
        return false;
    }
}

/* ---- Refusals ---- */

void http_conn_refuse(struct http_conn *conn, const struct http_failure *failure)
{
    struct http_worker *worker = conn->worker;
    if (failure->status == 413 || failure->status == 414 || failure->status == 417 ||
        failure->status == 431) {
        worker->counters.refused_limits++;
    } else if (failure->status != 408) {
        worker->counters.refused_malformed++;
    }
    bool is_head = conn->parser.method == HTTP_HEAD;
    bool is_body = failure->limit == HTTP_LIMIT_body_bytes_max;
    double limit_value =
        is_body ? conn->body_max : http_limit_value(&worker->limits, failure->limit);
    const char *limit =
        is_body && conn->body_limit != NULL ? conn->body_limit : http_limit_name(failure->limit);
    http_conn_stop_input(conn);
    if (conn->state == HTTP_CONN_CLOSED) {
        return;
    }
    struct http_exchange *exchange = http_exchange_take(&worker->pool);
    if (exchange == NULL) {
        http_conn_lose(conn);
        return;
    }
    exchange->worker = worker;
    exchange->conn = conn;
    exchange->is_ended = true;
    exchange->closes = true;
    http_conn_enqueue(conn, exchange);
    struct http_buffer *out = http_exchange_out(exchange);
    if (!http_refusal_write(worker, out, failure, limit, limit_value, is_head)) {
        http_conn_lose(conn);
        return;
    }
    http_refusal_keep(worker, failure, &conn->address);
    http_conn_promote(conn);
}

/* ---- Heads ---- */

/* Makes the exchange's public fields from the parser's result. */
static void publish_head(struct http_conn *conn, struct http_exchange *exchange)
{
    const struct http_parser *parser = &conn->parser;
    struct http_request *pub = &exchange->pub;
    const char *base = conn->input->data + conn->in_at;
    exchange->chunk = conn->input;
    exchange->chunk->refs++;
    pub->method = parser->method;
    pub->version_minor = parser->version_minor;
    pub->keep_alive = parser->keep_alive;
    pub->expects_continue = parser->expects_continue;
    pub->listener = conn->listener;
    pub->head = base;
    pub->target = base + parser->target_at;
    pub->target_size = parser->target_size;
    /* Without a path, OPTIONS is about the server (RFC 9112, 3.2.4). */
    bool is_server = parser->method == HTTP_OPTIONS && !parser->has_query;
    const char *no_path = is_server ? "*" : "/";
    pub->path = parser->path_size > 0 ? base + parser->path_at : no_path;
    pub->path_size = parser->path_size > 0 ? parser->path_size : 1;
    pub->query = base + parser->query_at;
    pub->query_size = parser->query_size;
    pub->has_query = (uint32_t)parser->has_query;
    pub->fields = exchange->fields;
    pub->host = base + parser->host_at;
    pub->host_size = parser->host_size;
    pub->field_count = parser->field_count;
    pub->seen = parser->seen;
    pub->body = "";
    pub->body_expected = parser->is_chunked ? -1 : parser->content_length;
    pub->serial = ++conn->worker->serial;
    conn->worker->counters.requests++;
    conn->served++;
    if (conn->served >= conn->worker->limits.requests_per_connection_max ||
        conn->worker->is_draining) {
        pub->keep_alive = 0;
    } else if (pub->keep_alive == 0) {
        conn->lingers = false; /* The client asked for the end: it sends nothing more. */
    }
    exchange->closes = pub->keep_alive == 0;
}

static void request_complete(struct http_conn *conn, struct http_exchange *exchange)
{
    exchange->pub.is_complete = 1;
    conn->receiving = NULL;
    http_worker_push_exchange(conn->worker, HTTP_EVENT_REQUEST, exchange);
    if (exchange->pub.keep_alive == 0) {
        http_conn_stop_input(conn);
    } else {
        http_conn_set_state(conn, HTTP_CONN_IDLE);
    }
}

static void head_complete(struct http_conn *conn)
{
    struct http_exchange *exchange = conn->receiving;
    const struct http_parser *parser = &conn->parser;
    publish_head(conn, exchange);
    conn->in_at += parser->size;
    http_conn_enqueue(conn, exchange);
    size_t there = conn->in_end - conn->in_at;
    double length = parser->content_length;
    conn->body_max = conn->worker->limits.body_bytes_max;
    conn->body_limit = NULL;
    if (!parser->is_chunked && length <= (double)there && length <= conn->body_max) {
        exchange->pub.body = conn->input->data + conn->in_at;
        exchange->pub.body_size = (uint32_t)length;
        conn->in_at += (uint32_t)length;
        request_complete(conn, exchange);
        return;
    }
    http_conn_set_state(conn, HTTP_CONN_BODY);
    conn->is_asking = true;
    conn->body_received = 0;
    conn->body_mark = 0;
    http_chunked_init(&conn->chunked, &conn->worker->limits, conn->body_max);
    http_worker_push_exchange(conn->worker, HTTP_EVENT_HEAD, exchange);
}

/* Starts or continues a head. Returns true when the state has changed. */
static bool advance_head(struct http_conn *conn)
{
    struct http_worker *worker = conn->worker;
    if (conn->state == HTTP_CONN_IDLE) {
        if (conn->in_at == conn->in_end || !can_begin(conn)) {
            return false;
        }
        conn->receiving = http_worker_reserve(worker) ? http_exchange_take(&worker->pool) : NULL;
        if (conn->receiving == NULL) {
            http_conn_lose(conn);
            return false;
        }
        conn->receiving->worker = worker;
        http_parser_init(&conn->parser, &worker->limits, conn->receiving->fields);
        http_conn_set_state(conn, HTTP_CONN_HEAD);
    }
    int rc = http_parser_head(&conn->parser, conn->input->data + conn->in_at,
                              conn->in_end - conn->in_at);
    if (rc == HTTP_PARSE_MORE) {
        return false;
    }
    if (rc == HTTP_PARSE_FAILED) {
        struct http_failure failure = conn->parser.failure;
        http_conn_refuse(conn, &failure);
        return false;
    }
    head_complete(conn);
    return true;
}

/* ---- Bodies ---- */

/* Decides about an undecided body; also sends 100 when the client waits for it. */
void http_conn_decide(struct http_conn *conn, bool stream)
{
    struct http_exchange *exchange = conn->receiving;
    PRE(conn->state == HTTP_CONN_BODY && conn->is_asking && exchange != NULL);
    double expected = exchange->pub.body_expected;
    if (expected > conn->body_max) {
        struct http_failure failure;
        (void)http_refuse_limit(&failure, exchange->pub.expects_continue ? 417 : 413,
                                HTTP_LIMIT_body_bytes_max, expected, "request body too large");
        http_conn_refuse(conn, &failure);
        return;
    }
    conn->is_asking = false;
    conn->chunked.body_max = conn->body_max;
    if (stream) {
        http_conn_set_state(conn, HTTP_CONN_STREAM);
    }
    conn->since_ns = conn->worker->now_ns;
    if (exchange->pub.expects_continue && conn->in_at == conn->in_end) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        /* Lost without memory: clients send the body after a while anyway. */
        (void)http_buffer_append(&conn->worker->pool, http_exchange_out(exchange), text,
                                 sizeof(text) - 1);
    }
    http_conn_mark_dirty(conn);
}

static bool body_is_complete(const struct http_conn *conn)
{
    return !conn->parser.is_chunked && conn->body_received == conn->parser.content_length;
}

/* Moves body bytes from the input into the exchange. Returns HTTP_PARSE_*. */
static int take_body(struct http_conn *conn, size_t room)
{
    struct http_exchange *exchange = conn->receiving;
    int rc = body_is_complete(conn) ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
    while (rc == HTTP_PARSE_MORE && conn->in_at < conn->in_end && room > 0) {
        const char *run = conn->input->data + conn->in_at;
        size_t there = conn->in_end - conn->in_at;
        size_t used = 0;
        size_t run_size = 0;
        if (conn->parser.is_chunked) {
            there = there < room ? there : room;
            rc = http_chunked_feed(&conn->chunked, run, there, &used, &run, &run_size);
        } else {
            double left = conn->parser.content_length - conn->body_received;
            run_size = (double)there < left ? there : (size_t)left;
            run_size = run_size < room ? run_size : room;
            used = run_size;
        }
        if (rc == HTTP_PARSE_FAILED) {
            return rc;
        }
        if (!http_buffer_append(&conn->worker->pool, &exchange->body, run, run_size)) {
            (void)http_refuse(&conn->chunked.failure, 503, "out of memory for the request body");
            return HTTP_PARSE_FAILED;
        }
        conn->in_at += (uint32_t)used;
        conn->body_received += (double)run_size;
        room -= run_size;
        if (body_is_complete(conn)) {
            rc = HTTP_PARSE_DONE;
        }
    }
    return rc;
}

/* Hands the collected piece to the handler. Returns true when the body is complete. */
static bool deliver_piece(struct http_conn *conn, bool is_last)
{
    struct http_exchange *exchange = conn->receiving;
    exchange->has_piece = true;
    conn->paused_ns = conn->worker->now_ns;
    (void)http_worker_push(conn->worker,
                           (struct http_event){
                               .type = HTTP_EVENT_BODY,
                               .generation = exchange->pub.generation,
                               .request = &exchange->pub,
                               .data = exchange->body.size > 0 ? exchange->body.data : "",
                               .size = (uint32_t)exchange->body.size,
                               .is_last = is_last,
                           });
    if (!is_last) {
        return false;
    }
    conn->receiving = NULL;
    conn->paused_ns = 0;
    if (exchange->pub.keep_alive == 0) {
        http_conn_stop_input(conn);
    } else {
        http_conn_set_state(conn, HTTP_CONN_IDLE);
    }
    return true;
}

static bool advance_body(struct http_conn *conn)
{
    struct http_exchange *exchange = conn->receiving;
    bool is_stream = conn->state == HTTP_CONN_STREAM;
    if (conn->is_asking) {
        if (!exchange->is_delivered) {
            return false;
        }
        http_conn_decide(conn, false); /* The handler saw the head and said nothing. */
        if (conn->state != HTTP_CONN_BODY) {
            return false;
        }
    }
    if (exchange->has_piece) {
        return false;
    }
    size_t piece_max = conn->worker->limits.stream_piece_bytes;
    size_t have = exchange->body.size;
    size_t room = !is_stream ? SIZE_MAX : have < piece_max ? piece_max - have : 0;
    int rc = take_body(conn, room);
    if (rc == HTTP_PARSE_FAILED) {
        struct http_failure failure = conn->chunked.failure;
        http_conn_refuse(conn, &failure);
        return false;
    }
    if (is_stream) {
        if (exchange->body.size == 0 && rc == HTTP_PARSE_MORE) {
            return false;
        }
        return deliver_piece(conn, rc == HTTP_PARSE_DONE);
    }
    if (rc == HTTP_PARSE_MORE) {
        return false;
    }
    exchange->pub.body = exchange->body.size > 0 ? exchange->body.data : "";
    exchange->pub.body_size = (uint32_t)exchange->body.size;
    request_complete(conn, exchange);
    return true;
}

void http_conn_advance(struct http_conn *conn)
{
    bool goes_on = true;
    while (goes_on) {
        switch (conn->state) {
        case HTTP_CONN_IDLE:
        case HTTP_CONN_HEAD:
            goes_on = advance_head(conn);
            break;
        case HTTP_CONN_BODY:
        case HTTP_CONN_STREAM:
            goes_on = advance_body(conn);
            break;
        default:
            goes_on = false;
            break;
        }
    }
    if (conn->input != NULL && conn->in_at == conn->in_end) {
        http_chunk_unref(&conn->worker->pool, conn->input);
        conn->input = NULL;
        conn->in_at = conn->in_end = 0;
    }
}

/* ---- Reading ---- */

/* Makes room in the chunk. Bytes that a handle points at are never moved. */
static bool make_room(struct http_conn *conn)
{
    struct http_pool *pool = &conn->worker->pool;
    struct http_chunk *old = conn->input;
    if (old == NULL) {
        conn->input = http_chunk_take(pool, HTTP_PIECE_SIZE);
        return conn->input != NULL;
    }
    size_t have = conn->in_end - conn->in_at;
    /* A quarter free is enough to go on; the longest head bounds how large a chunk grows. */
    if (old->capacity - conn->in_end >= old->capacity / 4) {
        return true;
    }
    if (old->refs == 1 && have <= old->capacity / 2) {
        memmove(old->data, old->data + conn->in_at, have);
    } else {
        struct http_chunk *fresh = http_chunk_take(pool, have * 2);
        if (fresh == NULL) {
            return false;
        }
        memcpy(fresh->data, old->data + conn->in_at, have);
        conn->input = fresh;
        http_chunk_unref(pool, old);
    }
    conn->in_at = 0;
    conn->in_end = (uint32_t)have;
    return true;
}

static void on_end(struct http_conn *conn)
{
    conn->is_eof = true;
    if (conn->state < HTTP_CONN_CLOSING) {
        http_conn_stop_input(conn);
    } else if (conn->state == HTTP_CONN_LINGER) {
        http_conn_lose(conn);
    }
    if (conn->state != HTTP_CONN_CLOSED) {
        http_conn_mark_dirty(conn);
        if (!conn->transport.ops->watch(&conn->transport, false, conn->transport.is_writing)) {
            http_conn_lose(conn);
        }
    }
}

static void read_failed(struct http_conn *conn, int64_t n)
{
    bool is_between = conn->state == HTTP_CONN_IDLE && conn->in_at == conn->in_end;
    if (n == 0 || (n == HTTP_IO_TRUNCATED && (is_between || conn->state >= HTTP_CONN_CLOSING))) {
        on_end(conn);
    } else if (n != HTTP_IO_AGAIN) {
        conn->worker->counters.truncated += n == HTTP_IO_TRUNCATED;
        http_conn_lose(conn);
    }
}

/* A long body of known length goes straight to where it is kept, which grows by doubling and never
 * beyond that length. */
static int64_t read_body(struct http_conn *conn)
{
    struct http_buffer *body = &conn->receiving->body;
    double left = conn->parser.content_length - conn->body_received;
    size_t room = body->size > BODY_READ_MIN ? body->size : BODY_READ_MIN;
    if (conn->state == HTTP_CONN_STREAM) {
        room = conn->worker->limits.stream_piece_bytes - body->size;
    }
    bool is_rest = left <= (double)room;
    room = is_rest ? (size_t)left : room;
    if (!(is_rest ? http_buffer_reserve_exactly(&conn->worker->pool, body, room)
                  : http_buffer_reserve(&conn->worker->pool, body, room))) {
        return HTTP_IO_FAILED;
    }
    int64_t n = conn->transport.ops->read(&conn->transport, body->data + body->size, room);
    if (n > 0) {
        body->size += (size_t)n;
        conn->body_received += (double)n;
    }
    return n;
}

static int64_t read_input(struct http_conn *conn)
{
    if (!make_room(conn)) {
        return HTTP_IO_FAILED;
    }
    int64_t n = conn->transport.ops->read(&conn->transport, conn->input->data + conn->in_end,
                                          conn->input->capacity - conn->in_end);
    if (n > 0) {
        conn->in_end += (uint32_t)n;
    }
    return n;
}

static void read_and_drop(struct http_conn *conn)
{
    char waste[HTTP_PIECE_SIZE];
    read_failed(conn, conn->transport.ops->read(&conn->transport, waste, sizeof(waste)));
}

void http_conn_read(struct http_conn *conn)
{
    if (!http_conn_wants_read(conn)) {
        if (!conn->transport.ops->watch(&conn->transport, false, conn->transport.is_writing)) {
            http_conn_lose(conn);
        }
        return;
    }
    if (conn->state == HTTP_CONN_LINGER) {
        read_and_drop(conn);
        return;
    }
    bool is_body = (conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_STREAM) &&
                   !conn->parser.is_chunked && conn->in_at == conn->in_end;
    int64_t n = is_body ? read_body(conn) : read_input(conn);
    if (n <= 0) {
        if (conn->input != NULL && conn->in_at == conn->in_end) {
            http_chunk_unref(&conn->worker->pool, conn->input);
            conn->input = NULL;
            conn->in_at = conn->in_end = 0;
        }
        read_failed(conn, n);
        return;
    }
    conn->worker->counters.bytes_in += (double)n;
    http_conn_advance(conn);
    http_worker_relieve(conn->worker);
}
