/* SPDX-License-Identifier: MIT */
/*
 * worker.h - the inside of a worker, shared by the files of this room. Floor 4, private to
 * core/http. Thread: owner, except wake_fd, which http_worker_wake() writes from any thread.
 */
#ifndef LOAM_HTTP_WORKER_H
#define LOAM_HTTP_WORKER_H

#include "http/conn.h"
#include "http/gate.h"
#include "http/http.h"

enum { HTTP_LISTENERS_MAX = 8, HTTP_DATE_SIZE = 37, HTTP_BLOCK_CACHE = 512 };

struct http_listener {
    struct event event;
    int fd; /* -1 = closed. */
    int port;
    bool is_unix;
    bool owns_path;
    bool is_paused;
    char path[108];
    struct http_tls *tls; /* NULL: plain. */
    struct http_worker *worker;
    int index;
};

struct http_timer;
struct http_watch;

struct http_timers {
    struct http_timer **slots;
    uint32_t count;
    uint32_t capacity;
    struct http_timer *free;
};

/* Refused requests that nobody took yet: a ring, the oldest give way. */
struct http_refusals {
    struct http_refused rows[HTTP_REFUSALS_KEPT];
    uint32_t count;
    uint32_t next; /* The place of the next one. */
};

struct http_worker {
    /* Constant after open. */
    struct http_limits limits;
    struct event_base *base;
    int wake_fd;
    int backlog;
    int reuse_port;
    char prefix[9];

    struct http_listener listeners[HTTP_LISTENERS_MAX];
    int listener_count;
    struct event accept_resume;
    struct event wake_event;
    struct event poll_timer;
    uint64_t poll_timer_ns; /* When it fires; WHEEL_NEVER = not armed. */

    struct http_pool pool;
    struct http_gate *gate;
    struct wheel wheel;
    struct http_timers timers;
    struct http_watch *watches;
    struct http_conn *conns;
    struct http_conn *dirty;
    struct http_conn *graves; /* Closed; freed at the next poll. */

    /* Events that wait for http_poll(): a ring. */
    struct http_event *queue;
    uint32_t queue_at;
    uint32_t queue_count;
    uint32_t queue_capacity; /* A power of two. */

    uint64_t now_ns; /* Of the current pass. */
    int64_t date_second;
    char date[HTTP_DATE_SIZE + 1]; /* "Date: ...\r\n". */
    double serial;
    bool is_woken; /* WAKE is queued. */
    bool is_draining;
    bool is_drained; /* DRAINED was queued. */
    uint64_t drain_at_ns;
    struct http_counters counters;
    struct http_refusals refusals;

    /* The last header block that was checked: most handlers use one over and over. */
    size_t block_size;
    char block[HTTP_BLOCK_CACHE];
};

/* ---- queue (worker.c) ---- */

/* Makes room for every event that the exchanges in use and one more can have queued at a time: a
 * request that was taken on never loses an event. Returns false without memory. */
bool http_worker_reserve(struct http_worker *worker);
/* Appends an event. Without memory it is lost, and false is returned. */
bool http_worker_push(struct http_worker *worker, struct http_event event);
void http_worker_push_exchange(struct http_worker *worker,
                               int type,
                               struct http_exchange *exchange);
/* When buffers hold more than buffers_bytes_max, ends the connections that hold most until the rest
 * fits: slow ones that fill the memory go, not those that ask for a little. May close any
 * connection. */
void http_worker_relieve(struct http_worker *worker);
void http_worker_refresh_time(struct http_worker *worker);

/* ---- listener.c ---- */

int http_listener_open(struct http_worker *worker,
                       const char *address,
                       struct http_tls *tls,
                       struct loam_error *err);
void http_listener_close(struct http_listener *listener);
void http_listeners_close(struct http_worker *worker);
void http_listeners_resume(struct http_worker *worker);
/* Sends a refusal on a plain socket, best effort, and ends its sending half. */
void http_refuse_socket(struct http_worker *worker,
                        int fd,
                        const struct http_failure *failure,
                        double limit_value);

/* ---- timer.c ---- */

void http_timers_deinit(struct http_worker *worker);
/* An FD event leaves the queue. Returns false when its watch is gone. */
bool http_watch_deliver(struct http_worker *worker, double id);

/* ---- refuse.c ---- */

/* Writes the whole answer to a refused request into *out; `limit` is the name of the limit that was
 * hit, NULL for none. Returns false without memory. */
bool http_refusal_write(struct http_worker *worker,
                        struct http_buffer *out,
                        const struct http_failure *failure,
                        const char *limit,
                        double limit_value,
                        bool is_head);

/* Keeps for http_worker_refused() what was refused last, and whom. */
void http_refusal_keep(struct http_worker *worker,
                       const struct http_failure *failure,
                       const struct sockaddr_storage *address);

/* ---- request.c ---- */

/* Writes "host:port", or "unix", into text of at least 64 bytes. Returns its length. */
int http_address_write(const struct sockaddr_storage *address, char *text, size_t size);

/* ---- response.c ---- */

struct http_head_options {
    int status;
    int version_minor;
    int keep_alive;
    enum http_framing framing;
    double content_length; /* -1: no Content-Length. */
    const char *headers;
    size_t headers_size;
};

/* Appends a head, with room for `extra` bytes behind it. Returns false without memory. */
bool http_head_write(struct http_worker *worker,
                     struct http_buffer *out,
                     const struct http_head_options *options,
                     size_t extra);
/* True when the block may be sent (http_respond() in http.h says what is refused). */
bool http_headers_check(struct http_worker *worker, const char *headers, size_t size);
/* Makes the Date line for a second since the epoch. */
void http_date_write(char *text, int64_t second);

#endif
