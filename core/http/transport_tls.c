/* SPDX-License-Identifier: MIT */
/*
 * transport_tls.c - a socket with OpenSSL on it; see transport.h, and tls.c for the rules.
 *
 * Readiness of the socket and of the session differ in three ways, all settled here. Bytes may wait
 * decrypted while the socket is empty: a read event goes on as long as the session holds some, and
 * watching again wakes it. A read may have to write first (key update): the write event then counts
 * as a read. A write may be asked for less often than records leave: one call sends them all.
 *
 * The end of the stream is the peer's word only with close_notify. Without, it is TRUNCATED, and
 * conn.c takes it for an end only between requests. Thread: owner.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/check.h"
#include "http/tls.h"
#include "http/transport.h"

/* What one call sends, and how often one event reads, at most: a fast client is not to keep the
 * loop for itself. */
enum { WRITE_MAX = 256 * 1024, READS_PER_EVENT = 16 };

/* ---- The socket below OpenSSL: its own BIO would raise SIGPIPE ---- */

static int bio_result(BIO *bio, ssize_t n, int retry)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    }
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    const struct http_transport *transport = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return bio_result(bio, send(transport->fd, data, (size_t)size, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static int bio_read(BIO *bio, char *data, int size)
{
    const struct http_transport *transport = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(transport->fd, data, (size_t)size, 0);
    if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return bio_result(bio, n, BIO_FLAGS_READ);
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
    (void)number;
    (void)data;
    switch (command) {
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_FLUSH:
        return 1;
    default:
        return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

struct bio_method_st *http_tls_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "loam socket");
    if (method == NULL || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1 ||
        BIO_meth_set_create(method, bio_create) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* ---- Watching ---- */

static bool sync_events(struct http_transport *transport, bool read, bool write)
{
    transport->is_reading = read;
    transport->is_writing = write;
    bool needs_write = write || transport->is_finishing || (read && transport->read_needs_write);
    bool is_read_on = event_pending(&transport->read_event, EV_READ, NULL) != 0;
    bool is_write_on = event_pending(&transport->write_event, EV_WRITE, NULL) != 0;
    return http_transport_toggle(&transport->read_event, &is_read_on, read) &&
           http_transport_toggle(&transport->write_event, &is_write_on, needs_write);
}

static bool tls_watch(struct http_transport *transport, bool read, bool write)
{
    if (!sync_events(transport, read, write)) {
        return false;
    }
    if (read && !transport->is_drained && SSL_has_pending(transport->ssl)) {
        event_active(&transport->read_event, EV_READ, 0);
    }
    return true;
}

/* Turns the session's verdict on a call that did not succeed into one of ours. */
static int64_t io_result(struct http_transport *transport, int rc, bool is_read)
{
    switch (SSL_get_error(transport->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        transport->is_drained = transport->is_drained || is_read;
        return HTTP_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        transport->is_drained = transport->is_drained || is_read;
        if (is_read && !transport->read_needs_write) {
            transport->read_needs_write = true;
            if (!sync_events(transport, transport->is_reading, transport->is_writing)) {
                return HTTP_IO_FAILED;
            }
        }
        return HTTP_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        if (is_read) {
            transport->is_drained = true;
            return transport->is_ended ? 0 : HTTP_IO_TRUNCATED;
        }
        return HTTP_IO_FAILED;
    default:
        transport->is_drained = true;
        transport->is_broken = true;
        return HTTP_IO_FAILED;
    }
}

/* ---- Operations ---- */

static int64_t tls_handshake(struct http_transport *transport)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(transport->ssl);
    if (rc == 1) {
        return 1;
    }
    int reason = ERR_GET_REASON(ERR_peek_error());
    int64_t result = io_result(transport, rc, true);
    bool is_plain = result == HTTP_IO_FAILED && reason == SSL_R_HTTP_REQUEST;
    ERR_clear_error();
    if (result == HTTP_IO_TRUNCATED || result == 0) {
        transport->is_broken = true;
        return HTTP_IO_FAILED;
    }
    return is_plain ? HTTP_IO_NO_TLS : result;
}

static int64_t tls_read(struct http_transport *transport, void *data, size_t size)
{
    PRE(size > 0);
    if (transport->is_broken) {
        return HTTP_IO_FAILED;
    }
    ERR_clear_error();
    int n = SSL_read(transport->ssl, data, size < INT_MAX ? (int)size : INT_MAX);
    if (n > 0) {
        transport->is_drained = false;
        return n;
    }
    int64_t result = io_result(transport, n, true);
    ERR_clear_error();
    return result;
}

static int64_t tls_write(struct http_transport *transport, const void *data, size_t size)
{
    if (transport->is_broken) {
        return HTTP_IO_FAILED;
    }
    size_t wanted = size < WRITE_MAX ? size : WRITE_MAX;
    size_t sent = 0;
    while (sent < wanted) {
        ERR_clear_error();
        /* The whole rest, always: a write that waits may be repeated longer, never shorter. */
        size_t rest = size - sent < INT_MAX ? size - sent : INT_MAX;
        int n = SSL_write(transport->ssl, (const char *)data + sent, (int)rest);
        if (n <= 0) {
            int64_t result = io_result(transport, n, false);
            ERR_clear_error();
            return sent > 0 && result == HTTP_IO_AGAIN ? (int64_t)sent : result;
        }
        sent += (size_t)n;
    }
    return (int64_t)sent;
}

/* Sends close_notify. Returns false when the socket does not take it yet. */
static bool send_close_notify(struct http_transport *transport)
{
    if (transport->is_broken || !SSL_is_init_finished(transport->ssl)) {
        return true;
    }
    ERR_clear_error();
    int rc = SSL_shutdown(transport->ssl);
    bool waits = rc < 0 && SSL_get_error(transport->ssl, rc) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !waits;
}

static void tls_finish(struct http_transport *transport)
{
    transport->is_finishing = !send_close_notify(transport);
    if (!transport->is_finishing) {
        (void)shutdown(transport->fd, SHUT_WR);
    }
    (void)sync_events(transport, transport->is_reading, transport->is_writing);
}

static void tls_close(struct http_transport *transport, bool reset)
{
    if (!reset) {
        (void)send_close_notify(transport);
    }
    transport->is_finishing = false;
    (void)sync_events(transport, false, false);
    http_transport_close_fd(transport, reset);
    SSL_free(transport->ssl);
    transport->ssl = NULL;
    http_tls_close(transport->tls);
    transport->tls = NULL;
}

static const struct http_transport_ops tls_ops = {
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .watch = tls_watch,
    .finish = tls_finish,
    .close = tls_close,
};

/* ---- Events ---- */

static bool has_more(const struct http_transport *transport)
{
    return transport->fd >= 0 && transport->is_reading && !transport->is_drained &&
           SSL_has_pending(transport->ssl);
}

static void ready_to_read(struct http_transport *transport)
{
    int rounds = 0;
    do {
        transport->is_drained = false;
        transport->on_ready(transport, HTTP_READY_READ);
    } while (has_more(transport) && ++rounds < READS_PER_EVENT);
    if (rounds == READS_PER_EVENT) {
        event_active(&transport->read_event, EV_READ, 0);
    }
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct http_transport *transport = context;
    if ((what & EV_READ) != 0) {
        ready_to_read(transport);
        return;
    }
    if (transport->is_finishing) {
        tls_finish(transport);
        return;
    }
    if (transport->read_needs_write) {
        transport->read_needs_write = false;
        (void)sync_events(transport, transport->is_reading, transport->is_writing);
        ready_to_read(transport);
    }
    if (transport->fd >= 0 && transport->is_writing) {
        transport->on_ready(transport, HTTP_READY_WRITE);
    }
}

static void on_info(const SSL *ssl, int where, int value)
{
    if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY) {
        struct http_transport *transport = SSL_get_app_data(ssl);
        transport->is_ended = true;
    }
}

bool http_transport_tls_init(struct http_transport *transport,
                             struct http_tls *tls,
                             struct event_base *base,
                             int fd,
                             void (*on_ready)(struct http_transport *transport, int ready))
{
    PRE(fd >= 0);
    SSL *ssl = http_tls_session(tls, transport);
    if (ssl == NULL) {
        return false;
    }
    *transport = (struct http_transport){
        .ops = &tls_ops, .on_ready = on_ready, .fd = fd, .tls = http_tls_ref(tls), .ssl = ssl};
    SSL_set_info_callback(ssl, on_info);
    (void)event_assign(&transport->read_event, base, fd, EV_READ | EV_PERSIST, on_event, transport);
    (void)event_assign(&transport->write_event, base, fd, EV_WRITE | EV_PERSIST, on_event,
                       transport);
    return true;
}
