/* SPDX-License-Identifier: MIT */
/*
 * listener.c - listening sockets, TCP and Unix, and the caps on who gets in. Floor 4.
 *
 * Workers share a port with SO_REUSEPORT: the kernel spreads connections, no lock between them. As
 * that flag would also let a second server of the same user in silently, the first worker tries the
 * port without it before. Beyond a cap a client gets 503 and the connection ends; without
 * descriptors accepting pauses, so that the store keeps its own. Thread: owner.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/status.h"
#include "http/worker.h"

enum { ACCEPTS_PER_EVENT = 64, ACCEPT_PAUSE_MS = 100, NOTSENT_BYTES_MAX = 128 * 1024 };

/* ---- Accepting ---- */

static void resume_later(struct http_worker *worker)
{
    struct timeval delay = {.tv_usec = (suseconds_t)ACCEPT_PAUSE_MS * 1000};
    (void)event_add(&worker->accept_resume, &delay);
}

static void pause_accept(struct http_worker *worker)
{
    worker->counters.refused_descriptors++;
    for (int i = 0; i < worker->listener_count; i++) {
        struct http_listener *listener = &worker->listeners[i];
        if (listener->fd >= 0 && !listener->is_paused) {
            (void)event_del(&listener->event);
            listener->is_paused = true;
        }
    }
    resume_later(worker);
}

void http_listeners_resume(struct http_worker *worker)
{
    bool is_any_paused = false;
    for (int i = 0; i < worker->listener_count; i++) {
        struct http_listener *listener = &worker->listeners[i];
        if (listener->fd >= 0 && listener->is_paused) {
            listener->is_paused = event_add(&listener->event, NULL) != 0;
            is_any_paused = is_any_paused || listener->is_paused;
        }
    }
    if (is_any_paused) {
        resume_later(worker); /* The kernel may have had no memory for it. */
    }
}

void http_refuse_socket(struct http_worker *worker,
                        int fd,
                        const struct http_failure *failure,
                        double limit_value)
{
    struct http_buffer out = {0};
    const char *limit = http_limit_name(failure->limit);
    if (http_refusal_write(worker, &out, failure, limit, limit_value, false)) {
        (void)send(fd, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    http_buffer_drop(&worker->pool, &out);
    (void)shutdown(fd, SHUT_WR);
    /* Closing with unread bytes would reset the connection and take the answer with it. */
    char waste[4096];
    (void)recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
}

/* Best effort: the answer may be lost, the connection ends in any case. */
static void refuse(const struct http_listener *listener, int fd, int limit, uint32_t value)
{
    /* A client that waits for a handshake could not read it. */
    if (listener->tls == NULL) {
        struct http_failure failure;
        (void)http_refuse_limit(&failure, 503, limit, value + 1.0, "too many connections");
        http_refuse_socket(listener->worker, fd, &failure, value);
    }
    (void)close(fd);
}

static void admit(struct http_listener *listener, int fd, const struct sockaddr_storage *address)
{
    struct http_worker *worker = listener->worker;
    const struct http_limits *limits = &worker->limits;
    worker->counters.accepted++;
    struct http_peer *peer = NULL;
    switch (http_gate_enter(worker->gate, address, &peer)) {
    case HTTP_GATE_FULL:
        worker->counters.refused_connections_max++;
        refuse(listener, fd, HTTP_LIMIT_connections_max, limits->connections_max);
        break;
    case HTTP_GATE_PEER_FULL:
        worker->counters.refused_connections_per_ip++;
        refuse(listener, fd, HTTP_LIMIT_connections_per_ip_max, limits->connections_per_ip_max);
        break;
    default:
        http_conn_open(worker, fd, listener->index, address, peer);
        break;
    }
}

static void on_accept(evutil_socket_t listen_fd, short what, void *context)
{
    (void)what;
    struct http_listener *listener = context;
    http_worker_refresh_time(listener->worker);
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int fd =
            accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(listener, fd, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accept(listener->worker);
        }
        if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* ---- Binding ---- */

static int bind_failed(int fd, const char *address, struct loam_error *err)
{
    int os_errno = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    int code = LOAM_IO;
    if (os_errno == EADDRINUSE) {
        code = LOAM_BUSY;
    } else if (os_errno == EACCES || os_errno == EPERM) {
        code = LOAM_DENIED;
    }
    return fail_errno(err, code, os_errno, "cannot listen on %s", address);
}

/* Connections inherit these. Keep-alive probes find clients that are gone without a word while a
 * handler works for them. What the kernel takes beyond what it has sent is bounded, so that a
 * client who reads slowly pins no megabytes there, where buffers_bytes_max does not see them. */
static void set_tcp_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } wanted[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},   {IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES_MAX}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        (void)setsockopt(fd, wanted[i].level, wanted[i].name, &wanted[i].value, sizeof(int));
    }
}

/* Opens and binds; *out is owned by the caller. */
static int bind_tcp(
    const struct addrinfo *info, bool share, const char *address, int *out, struct loam_error *err)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        return bind_failed(fd, address, err);
    }
    *out = fd;
    return LOAM_OK;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t size = sizeof(bound);
    if (getsockname(fd, &bound.any, &size) != 0) {
        return 0;
    }
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

/* Splits "HOST:PORT" or "[V6]:PORT" and looks it up; *out is released with freeaddrinfo(). */
static int look_up(const char *address, struct addrinfo **out, struct loam_error *err)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - address);
    if (colon == NULL || size >= sizeof(host) || colon[1] == '\0') {
        return fail(err, LOAM_INVALID, "address %s is not HOST:PORT or unix:PATH", address);
    }
    long port = 0;
    for (const char *at = colon + 1; *at != '\0'; at++) {
        port = *at >= '0' && *at <= '9' && port <= 65535 ? port * 10 + (*at - '0') : 65536;
    }
    if (port > 65535) {
        return fail(err, LOAM_INVALID, "port of %s is not a number up to 65535", address);
    }
    bool is_bracketed = size >= 2 && address[0] == '[' && address[size - 1] == ']';
    size_t inner = is_bracketed ? size - 2 : size;
    memcpy(host, address + (is_bracketed ? 1 : 0), inner);
    host[inner] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    bool is_any = inner == 0 || strcmp(host, "*") == 0;
    int rc = getaddrinfo(is_any ? NULL : host, colon + 1, &hints, out);
    if (rc != 0) {
        return fail(err, LOAM_INVALID, "cannot listen on %s: %s", address, gai_strerror(rc));
    }
    return LOAM_OK;
}

static int open_tcp(struct http_listener *listener, const char *address, struct loam_error *err)
{
    struct addrinfo *info = NULL;
    int share = listener->worker->reuse_port;
    TRY(look_up(address, &info, err));
    int rc = LOAM_OK;
    if (share == 1) {
        int probe = -1;
        TRY_TO(out, rc, bind_tcp(info, false, address, &probe, err));
        int probed = listen(probe, 1);
        if (probed != 0) {
            rc = bind_failed(probe, address, err);
            goto out;
        }
        (void)close(probe);
    }
    TRY_TO(out, rc, bind_tcp(info, share != 0, address, &listener->fd, err));
    set_tcp_options(listener->fd);
    listener->port = port_of(listener->fd);
out:
    freeaddrinfo(info);
    return rc;
}

static bool is_socket(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* True when a socket file is left over: nobody answers there. A plain file refuses, too, and is not
 * ours to remove. */
static bool is_stale(const struct sockaddr_un *address)
{
    if (!is_socket(address->sun_path)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_refused = fd >= 0 &&
                      connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                      errno == ECONNREFUSED;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_refused;
}

/* Replaces a socket file that is left over. Returns 0, or the errno. */
static int bind_path(int fd, const struct sockaddr_un *address)
{
    const struct sockaddr *any = (const struct sockaddr *)address;
    /* The mode before bind(), so that there is no moment in which others could connect: that of the
     * file is that of the socket. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 && bind(fd, any, sizeof(*address)) == 0) {
        return 0;
    }
    int number = errno;
    if (number != EADDRINUSE || !is_stale(address)) {
        return number;
    }
    (void)unlink(address->sun_path);
    return bind(fd, any, sizeof(*address)) == 0 ? 0 : errno;
}

static int open_unix(struct http_listener *listener, const char *path, struct loam_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path)) {
        return fail(err, LOAM_INVALID, "socket path has %zu bytes, 1 to %zu are possible",
                    strlen(path), sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return bind_failed(fd, path, err);
    }
    int number = bind_path(fd, &address);
    if (number == EADDRINUSE && !is_socket(path)) {
        (void)close(fd);
        return fail(err, LOAM_EXISTS, "cannot listen on %s: it is there already, and no socket",
                    path);
    }
    if (number != 0) {
        errno = number;
        return bind_failed(fd, path, err);
    }
    listener->fd = fd;
    listener->is_unix = true;
    listener->owns_path = true;
    memcpy(listener->path, path, strlen(path) + 1);
    return LOAM_OK;
}

int http_listener_open(struct http_worker *worker,
                       const char *address,
                       struct http_tls *tls,
                       struct loam_error *err)
{
    if (worker->listener_count == HTTP_LISTENERS_MAX) {
        return fail(err, LOAM_TOO_LARGE, "a worker has at most %d listeners", HTTP_LISTENERS_MAX);
    }
    struct http_listener *listener = &worker->listeners[worker->listener_count];
    *listener = (struct http_listener){.fd = -1, .worker = worker, .index = worker->listener_count};
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    TRY(is_unix ? open_unix(listener, address + 5, err) : open_tcp(listener, address, err));
    (void)event_assign(&listener->event, worker->base, listener->fd, EV_READ | EV_PERSIST,
                       on_accept, listener);
    if (listen(listener->fd, worker->backlog) != 0 || event_add(&listener->event, NULL) != 0) {
        int rc = bind_failed(-1, address, err);
        http_listener_close(listener);
        return rc;
    }
    listener->tls = tls == NULL ? NULL : http_tls_ref(tls);
    return worker->listener_count++;
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->fd < 0) {
        return;
    }
    (void)event_del(&listener->event);
    (void)close(listener->fd);
    listener->fd = -1;
    http_tls_close(listener->tls);
    listener->tls = NULL;
    if (listener->owns_path) {
        (void)unlink(listener->path);
    }
}

void http_listeners_close(struct http_worker *worker)
{
    for (int i = 0; i < worker->listener_count; i++) {
        http_listener_close(&worker->listeners[i]);
    }
}
