/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the byte stream below a connection. Floor 4.
 *
 * conn.c knows only this vtable. transport_plain.c is a non-blocking socket with two libevent
 * events of its own, transport_tls.c is OpenSSL on the same. README.md tells what bufferevents cost
 * in their place. Thread: owner.
 */
#ifndef LOAM_HTTP_TRANSPORT_H
#define LOAM_HTTP_TRANSPORT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_READY_READ = 1, HTTP_READY_WRITE = 2 };

/* Besides sizes, read, write and handshake return one of these. */
enum {
    HTTP_IO_AGAIN = -1,
    HTTP_IO_FAILED = -2,
    HTTP_IO_TRUNCATED = -3, /* read: the stream ended and nobody vouches for that. */
    HTTP_IO_NO_TLS = -4,    /* handshake: the client speaks plain HTTP. */
};

struct http_transport;
struct http_tls;
struct ssl_st;

struct http_transport_ops {
    /* NULL, or to be called first, at each readiness, until it returns 1 (done) or fails. */
    int64_t (*handshake)(struct http_transport *transport);
    /* Returns bytes read, 0 at the end of the stream, or HTTP_IO_*. */
    int64_t (*read)(struct http_transport *transport, void *data, size_t size);
    /* Returns bytes taken (may be fewer), or HTTP_IO_*. Never raises SIGPIPE. */
    int64_t (*write)(struct http_transport *transport, const void *data, size_t size);
    /* Calls on_ready as long as a wanted direction is ready. Returns false when the loop cannot. */
    bool (*watch)(struct http_transport *transport, bool read, bool write);
    /* Tells the peer that nothing follows; reading goes on. */
    void (*finish)(struct http_transport *transport);
    /* Closes; with `reset` so that the peer sees a broken stream. */
    void (*close)(struct http_transport *transport, bool reset);
};

struct http_transport {
    const struct http_transport_ops *ops;
    void (*on_ready)(struct http_transport *transport, int ready);
    int fd;
    bool is_reading;
    bool is_writing;
    struct event read_event;
    struct event write_event;

    /* TLS only. */
    struct http_tls *tls;
    struct ssl_st *ssl;
    bool read_needs_write; /* Reading goes on when the socket takes bytes. */
    bool is_drained;       /* The last read found nothing more. */
    bool is_ended;         /* close_notify came: the end of the stream is the peer's word. */
    bool is_broken;        /* The session failed: nothing more may be asked of it. */
    bool is_finishing;     /* close_notify is still to be sent. */
};

/* Takes fd, a non-blocking connected socket; reading starts with watch. */
void http_transport_plain_init(struct http_transport *transport,
                               struct event_base *base,
                               int fd,
                               void (*on_ready)(struct http_transport *transport, int ready));
/* As above, with a TLS session of `tls`, which it refers to until it is closed. Returns false
 * without memory; fd stays the caller's then. */
bool http_transport_tls_init(struct http_transport *transport,
                             struct http_tls *tls,
                             struct event_base *base,
                             int fd,
                             void (*on_ready)(struct http_transport *transport, int ready));

/* ---- For transports ---- */

/* Adds or deletes an event. Returns false when the loop cannot. */
bool http_transport_toggle(struct event *event, bool *is_on, bool wanted);
/* Closes the socket, with a reset when asked. */
void http_transport_close_fd(struct http_transport *transport, bool reset);

#endif
