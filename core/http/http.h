/* SPDX-License-Identifier: MIT */
/*
 * http.h - the HTTP/1.1 server as its users (core/host, Lua) see it. Floor 4.
 *
 * Pull, never push: a worker's loop calls http_poll(), gets a batch of events, answers them with
 * the calls below and polls again. Nothing here calls back. What was answered during a batch goes
 * to the sockets at the start of the next http_poll(), one write per connection.
 *
 * A request, from REQUEST (or HEAD) event to its end
 *   - Its handle is the pair (request, generation) of the event. The struct's memory belongs to the
 *     worker's pool and stays readable until http_worker_close(), so a stale handle is answered
 *     with LOAM_CLOSED and never crashes.
 *   - The owner of the handle ends it exactly once: http_respond(), http_respond_end(),
 *     http_respond_abort() or http_request_release(). Pointers in the struct are valid until then,
 *     also when the client has vanished meanwhile.
 *   - When the client vanishes, one CLOSED event is a notice, no end: http_respond() and
 *     http_respond_end() then return LOAM_CANCELLED and end the handle all the same.
 *   - Requests of one connection may be answered in any order; answers leave in request order.
 *
 * Codes: LOAM_OK; LOAM_CLOSED a stale handle; LOAM_CANCELLED the client is gone; LOAM_INVALID a
 * status, header or order of calls that is refused (the handle stays open: answer with something
 * else); LOAM_NO_MEMORY.
 *
 * Thread: owner (the worker's thread) everywhere, except http_worker_wake(): any.
 */
#ifndef LOAM_HTTP_HTTP_H
#define LOAM_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "http/limits.h"
#include "http/request.h"
#include "http/tls.h"
#include "loam.h"

/* ffi: begin */
struct http_worker;

/* ---- Events ---- */

enum {
    HTTP_EVENT_REQUEST = 1, /* Head and whole body are there (is_complete = 1). */
    HTTP_EVENT_HEAD = 2, /* The head is there, the body is not. The handler may answer at once, or
                            call http_request_buffer() or http_request_stream(); one that does
                            nothing gets the body buffered up to body_bytes_max. */
    HTTP_EVENT_BODY = 3, /* Piece of a streamed body: data, size, is_last. */
    HTTP_EVENT_WRITABLE = 4, /* http_respond_write() had returned 0 and may be called again. */
    HTTP_EVENT_CLOSED = 5,   /* The client vanished. The handle is still to be ended. */
    HTTP_EVENT_TIMER = 6,    /* id = what http_timer_start() returned. */
    HTTP_EVENT_FD = 7,       /* id = what http_fd_add() was given. */
    HTTP_EVENT_WAKE = 8,     /* http_worker_wake() was called, once or more. */
    HTTP_EVENT_DRAINED = 9,  /* After http_worker_drain(): no connection is left. */
};

struct http_event {
    int type;
    uint32_t generation; /* Of the request, or 0. */
    struct http_request *request;
    const char *data; /* BODY: valid until http_request_consume() or the end of the handle. */
    uint32_t size;
    int is_last;
    double id;
};

/* Sends what was answered since the last call, then runs the loop until at least one event is
 * there or timeout_ms has passed (-1 = no limit, 0 = only look). Fills at most `capacity` events;
 * what did not fit comes with the next call. Returns their number, 0 after the timeout, or
 * LOAM_IO when the kernel's poll itself failed. */
int http_poll(struct http_worker *worker, int timeout_ms, struct http_event *events, int capacity);

/* ---- Answers ---- */

/* `headers` is a block of complete lines "Name: value\r\n" (may be empty). Each is checked: a
 * malformed line, CR, LF or NUL inside, and the names that the server writes itself (Connection,
 * Content-Length, Date, Keep-Alive, Transfer-Encoding, Trailer, Upgrade) are LOAM_INVALID. Status
 * is 200 to 599. HEAD answers, 204 and 304 drop the body; HEAD keeps its Content-Length. */
int http_respond(struct http_request *request,
                 uint32_t generation,
                 int status,
                 const char *headers,
                 size_t headers_size,
                 const char *body,
                 size_t body_size);
/* Starts a streamed answer; content_length -1 = not known: chunked (for HTTP/1.0: until close). */
int http_respond_begin(struct http_request *request,
                       uint32_t generation,
                       int status,
                       const char *headers,
                       size_t headers_size,
                       double content_length);
/* Adds body bytes; they are copied. Returns 1: go on; 0: taken, but wait for WRITABLE before the
 * next; LOAM_CANCELLED, LOAM_CLOSED, LOAM_INVALID (more than content_length; not begun). */
int http_respond_write(struct http_request *request,
                       uint32_t generation,
                       const char *data,
                       size_t size);
/* As write, but gives the place in the output (exactly size bytes) for the caller to fill before
 * any other call on this worker. Only with a content_length. Returns NULL where write fails, for
 * HEAD, and without memory. */
char *http_respond_reserve(struct http_request *request, uint32_t generation, size_t size);
/* Ends a streamed answer. Fewer bytes than content_length: cuts the connection, LOAM_INVALID. */
int http_respond_end(struct http_request *request, uint32_t generation);
/* Ends the handle and cuts the connection after what was sent so far: the client sees a broken
 * answer and never a complete one. */
int http_respond_abort(struct http_request *request, uint32_t generation);
/* The connection closes after this answer. To be called before http_respond(_begin). */
int http_respond_close(struct http_request *request, uint32_t generation);

/* Checks one header and appends "Name: value\r\n" at text[used]. Returns the new length, or
 * LOAM_INVALID (refused name or byte), LOAM_TOO_LARGE (does not fit `capacity`). */
int http_header_add(char *text,
                    size_t used,
                    size_t capacity,
                    const char *name,
                    size_t name_size,
                    const char *value,
                    size_t value_size);
/* Returns "Not Found" for 404, "Unknown" for an unnamed status; static. */
const char *http_status_text(int status);

/* ---- Workers ---- */

struct http_worker_options {
    size_t struct_size;  /* Set by http_worker_options_init(). */
    const char *address; /* "HOST:PORT" (IPv6 as "[::1]:80"; port 0 picks one) or "unix:PATH". */
    int backlog;         /* Default 1024. */
    int reuse_port; /* 0: the port is for this worker alone. 1 (default): others may join; a port
                       that is in use already is an error all the same. 2: joins the port that
                       another worker of this process has opened with 1. */
    struct http_tls *tls;        /* NULL: plain HTTP. Else kept alive by the worker. */
    struct http_worker *gate_of; /* NULL, or an open worker whose count of connections, and limits
                                    of it, this one shares. */
    struct http_limits limits;
};

/* Per worker; grows only, except `active`, `in_flight`. Doubles: exact up to 2^53. */
struct http_counters {
    double accepted;
    double active;    /* Connections open now. */
    double requests;  /* Complete heads. */
    double in_flight; /* Handles not yet ended. */
    double responses;
    double bytes_in;
    double bytes_out;
    double refused_connections_max;
    double refused_connections_per_ip;
    double refused_descriptors; /* accept() ran out of descriptors and paused. */
    double refused_malformed;   /* 400, 501, 505. */
    double refused_limits;      /* 413, 414, 417, 431. */
    double refused_handshakes;  /* TLS: no common version, no certificate, plain HTTP. */
    double handshakes;          /* TLS: done. */
    double truncated;           /* TLS: ended within a request and without close_notify. */
    double timeouts_handshake;
    double timeouts_header;
    double timeouts_body;
    double timeouts_write;
    double timeouts_idle;
    double refused_memory; /* Connections ended by buffers_bytes_max. */
    double resets;         /* Clients that vanished with requests in flight. */
    double drained;        /* Connections cut by the drain deadline. */
};

void http_worker_options_init(struct http_worker_options *options);
/* Binds and listens. *out is released with http_worker_close(). Errors: INVALID (address, a limit
 * of 0), BUSY (address in use), DENIED, IO, NO_MEMORY. */
int http_worker_open(const struct http_worker_options *options,
                     struct http_worker **out,
                     struct loam_error *err);
/* Cuts all connections and frees everything, requests too. NULL is fine. */
void http_worker_close(struct http_worker *worker);
/* Adds another listener, "unix:PATH" for administration say. Returns its index (1, 2, ... 7) or an
 * error as http_worker_open(). */
int http_worker_listen(struct http_worker *worker, const char *address, struct loam_error *err);
/* The same with TLS. */
int http_worker_listen_tls(struct http_worker *worker,
                           const char *address,
                           struct http_tls *tls,
                           struct loam_error *err);
/* The TCP port of listener 0, also after port 0; 0 for a Unix socket. */
int http_worker_port(const struct http_worker *worker);
/* Makes http_poll() return with WAKE. Thread: any, until http_worker_close(). */
void http_worker_wake(struct http_worker *worker);
/* Stops accepting, closes idle connections, lets the rest finish; cuts what is left after
 * deadline_ms (-1 = never). DRAINED comes when none is left. Calling again sets a new deadline. */
int http_worker_drain(struct http_worker *worker, int deadline_ms);
/* Valid until http_worker_close(). */
const struct http_counters *http_worker_counters(const struct http_worker *worker);
/* Eight hex digits that begin the worker's request ids; valid until http_worker_close(). */
const char *http_worker_prefix(const struct http_worker *worker);

enum { HTTP_REFUSALS_KEPT = 32 };

/* A request that was answered without a handler: malformed, above a limit, too slow. */
struct http_refused {
    double serial; /* Of its id, behind http_worker_prefix(). */
    int status;
    const char *reason; /* Static. */
    char peer[64];
};

/* Takes the oldest of the last HTTP_REFUSALS_KEPT refused requests. Returns 1, or 0 for none. */
int http_worker_refused(struct http_worker *worker, struct http_refused *out);

/* One TIMER event after delay_ms. Returns its id (> 0), or LOAM_NO_MEMORY. */
double http_timer_start(struct http_worker *worker, int delay_ms);
/* LOAM_NOT_FOUND when it fired or was stopped already. */
int http_timer_stop(struct http_worker *worker, double id);
/* FD events with `id` as long as fd is readable, at most one per poll. The caller keeps fd and
 * removes it before closing it. Errors: INVALID, EXISTS, NO_MEMORY, IO. */
int http_fd_add(struct http_worker *worker, int fd, double id);
int http_fd_remove(struct http_worker *worker, int fd);

/* ---- Targets ---- */

/* Decodes %XX once; "+" stays "+". out has room for `size` bytes and may be `text` itself.
 * Returns the decoded size, or LOAM_INVALID at a bad escape (nothing useful is in out). */
int http_percent_decode(const char *text, size_t size, char *out);
/* Finds parameter `name` (compared after decoding) in a raw query. Returns 1 and the raw value
 * (inside query; size 0 without "="), or 0. */
int http_query_find(const char *query,
                    size_t query_size,
                    const char *name,
                    size_t name_size,
                    const char **value,
                    size_t *value_size);
/* Walks a query: sets the raw name and value of the parameter at *at and moves *at past it. Start
 * with *at = 0. Returns 1, or 0 at the end. Empty parameters ("a&&b") are skipped. */
int http_query_next(const char *query,
                    size_t query_size,
                    size_t *at,
                    struct loam_slice *name,
                    struct loam_slice *value);
/* ffi: end */

#endif
