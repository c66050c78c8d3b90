/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the byte stream below a connection. Floor 4.
 *
 * conn.c knows only this vtable. transport_plain.c is a non-blocking socket with two libevent
 * events of its own. Bufferevents were measured beside it (wrk -t1 -c32, 100-byte answers, one
 * run): without any parser 11.4 to 13.1 us of CPU per request, against 9.3 to 10.2 us for this
 * server with its parser and a Lua handler, and 8.7 to 11.8 us for nginx with a constant reply. A
 * TLS transport fits in as a second set of operations over bufferevent_openssl: read and write move
 * bytes to and from its evbuffers, watch enables its directions, and its callbacks call on_ready.
 * Thread: owner.
 */
#ifndef LOAM_HTTP_TRANSPORT_H
#define LOAM_HTTP_TRANSPORT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_READY_READ = 1, HTTP_READY_WRITE = 2 };

/* Besides sizes, read and write return one of these. */
enum { HTTP_IO_AGAIN = -1, HTTP_IO_FAILED = -2 };

struct http_transport;

struct http_transport_ops {
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
};

/* Takes fd, a non-blocking connected socket; reading starts with watch. */
void http_transport_plain_init(struct http_transport *transport,
                               struct event_base *base,
                               int fd,
                               void (*on_ready)(struct http_transport *transport, int ready));

#endif
