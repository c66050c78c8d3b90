/* SPDX-License-Identifier: MIT */
/* request.c - the calls of http.h that look at a request or steer its body. Thread: owner. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/status.h"
#include "http/chars.h"
#include "http/worker.h"

static bool is_open(const struct http_request *request, uint32_t generation)
{
    return request != NULL && request->generation == generation &&
           !((const struct http_exchange *)(const void *)request)->is_ended;
}

int http_request_header(const struct http_request *request,
                        uint32_t generation,
                        const char *name,
                        size_t name_size,
                        const char **value,
                        size_t *value_size)
{
    if (!is_open(request, generation)) {
        return LOAM_CLOSED;
    }
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        if (field->name_size == name_size &&
            http_same_nocase(request->head + field->name_at, name, name_size)) {
            *value = request->head + field->value_at;
            *value_size = field->value_size;
            return 1;
        }
    }
    return 0;
}

int http_request_id(const struct http_request *request,
                    uint32_t generation,
                    char *text,
                    size_t size)
{
    if (!is_open(request, generation)) {
        return LOAM_CLOSED;
    }
    if (size < 32) {
        return LOAM_INVALID;
    }
    const struct http_exchange *exchange = (const struct http_exchange *)(const void *)request;
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t serial = (uint64_t)request->serial;
    do { /* printf() of a double takes a tenth of the time of an answer 404. */
        digits[--at] = (char)('0' + serial % 10);
        serial /= 10;
    } while (serial > 0);
    size_t prefix_size = strlen(exchange->worker->prefix);
    size_t digits_size = sizeof(digits) - at;
    POST(prefix_size + 1 + digits_size < size);
    memcpy(text, exchange->worker->prefix, prefix_size);
    text[prefix_size] = '-';
    memcpy(text + prefix_size + 1, digits + at, digits_size);
    text[prefix_size + 1 + digits_size] = '\0';
    return (int)(prefix_size + 1 + digits_size);
}

int http_address_write(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        return snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        return snprintf(text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
    }
    return snprintf(text, size, "unix");
}

int http_request_peer(const struct http_request *request,
                      uint32_t generation,
                      char *text,
                      size_t size)
{
    if (!is_open(request, generation)) {
        return LOAM_CLOSED;
    }
    if (size < 64) {
        return LOAM_INVALID;
    }
    const struct http_exchange *exchange = (const struct http_exchange *)(const void *)request;
    if (exchange->conn == NULL) {
        return LOAM_CANCELLED;
    }
    return http_address_write(&exchange->conn->address, text, size);
}

/* ---- Bodies ---- */

static int
decide(struct http_request *request, uint32_t generation, double body_max, bool is_stream)
{
    if (!is_open(request, generation)) {
        return LOAM_CLOSED;
    }
    struct http_exchange *exchange = (struct http_exchange *)(void *)request;
    struct http_conn *conn = exchange->conn;
    if (conn == NULL) {
        return LOAM_CANCELLED;
    }
    /* A buffered body's size is a 32-bit field. */
    bool is_legal = body_max >= 0 && (is_stream || body_max <= UINT32_MAX);
    if (conn->receiving != exchange || !conn->is_asking || !is_legal) {
        return LOAM_INVALID;
    }
    conn->body_max = body_max;
    http_conn_decide(conn, is_stream);
    return exchange->conn == NULL ? LOAM_CANCELLED : LOAM_OK;
}

void http_request_limit_name(struct http_request *request, uint32_t generation, const char *name)
{
    struct http_exchange *exchange = (struct http_exchange *)(void *)request;
    PRE(strlen(name) < 64);
    if (is_open(request, generation) && exchange->conn != NULL &&
        exchange->conn->receiving == exchange) {
        exchange->conn->body_limit = name;
    }
}

int http_request_buffer(struct http_request *request, uint32_t generation, double body_max)
{
    return decide(request, generation, body_max, false);
}

int http_request_stream(struct http_request *request, uint32_t generation, double body_max)
{
    return decide(request, generation, body_max, true);
}

int http_request_consume(struct http_request *request, uint32_t generation)
{
    if (!is_open(request, generation)) {
        return LOAM_CLOSED;
    }
    struct http_exchange *exchange = (struct http_exchange *)(void *)request;
    if (!exchange->has_piece) {
        return LOAM_INVALID;
    }
    exchange->has_piece = false;
    exchange->body.size = 0;
    struct http_conn *conn = exchange->conn;
    if (conn == NULL) {
        return LOAM_CANCELLED;
    }
    if (conn->receiving == exchange) {
        /* The time the handler took is not the client's. */
        conn->since_ns += conn->worker->now_ns - conn->paused_ns;
        conn->paused_ns = 0;
        http_conn_mark_dirty(conn);
    }
    return LOAM_OK;
}

void http_request_drop_body(struct http_request *request, uint32_t generation)
{
    struct http_exchange *exchange = (struct http_exchange *)(void *)request;
    if (is_open(request, generation) && request->is_complete && exchange->body.data != NULL) {
        struct http_pool *pool = &exchange->worker->pool;
        exchange->body_moved += exchange->body.size;
        pool->buffer_bytes += exchange->body.size;
        http_buffer_drop(pool, &exchange->body);
        request->body = "";
        request->body_size = 0;
    }
}

int http_request_release(struct http_request *request, uint32_t generation)
{
    return http_respond_abort(request, generation);
}
