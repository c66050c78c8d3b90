/* SPDX-License-Identifier: MIT */
/* transport_plain.c - a socket without encryption; see transport.h. */
#include "http/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

static int64_t io_result(ssize_t n)
{
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? HTTP_IO_AGAIN
                                                                     : HTTP_IO_FAILED;
}

static int64_t plain_read(struct http_transport *transport, void *data, size_t size)
{
    return io_result(recv(transport->fd, data, size, 0));
}

static int64_t plain_write(struct http_transport *transport, const void *data, size_t size)
{
    return io_result(send(transport->fd, data, size, MSG_NOSIGNAL));
}

bool http_transport_toggle(struct event *event, bool *is_on, bool wanted)
{
    if (*is_on == wanted) {
        return true;
    }
    int rc = wanted ? event_add(event, NULL) : event_del(event);
    *is_on = wanted && rc == 0;
    return rc == 0;
}

static bool plain_watch(struct http_transport *transport, bool read, bool write)
{
    return http_transport_toggle(&transport->read_event, &transport->is_reading, read) &&
           http_transport_toggle(&transport->write_event, &transport->is_writing, write);
}

static void plain_finish(struct http_transport *transport)
{
    (void)shutdown(transport->fd, SHUT_WR);
}

void http_transport_close_fd(struct http_transport *transport, bool reset)
{
    PRE(transport->fd >= 0);
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(transport->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    (void)close(transport->fd);
    transport->fd = -1;
}

static void plain_close(struct http_transport *transport, bool reset)
{
    (void)plain_watch(transport, false, false);
    http_transport_close_fd(transport, reset);
}

static const struct http_transport_ops plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .watch = plain_watch,
    .finish = plain_finish,
    .close = plain_close,
};

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct http_transport *transport = context;
    transport->on_ready(transport, (what & EV_READ) != 0 ? HTTP_READY_READ : HTTP_READY_WRITE);
}

void http_transport_plain_init(struct http_transport *transport,
                               struct event_base *base,
                               int fd,
                               void (*on_ready)(struct http_transport *transport, int ready))
{
    PRE(fd >= 0);
    *transport = (struct http_transport){.ops = &plain_ops, .on_ready = on_ready, .fd = fd};
    /* event_assign fails only for a bad combination of flags. */
    (void)event_assign(&transport->read_event, base, fd, EV_READ | EV_PERSIST, on_event, transport);
    (void)event_assign(&transport->write_event, base, fd, EV_WRITE | EV_PERSIST, on_event,
                       transport);
}
