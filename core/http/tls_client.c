/* SPDX-License-Identifier: MIT */
/*
 * tls_client.c - a session of a client with OpenSSL; see tls_client.h. Floor 4.
 *
 * The socket may be non-blocking (luasocket's are): every call waits with poll() and a deadline.
 * Thread: owner.
 */
#include "http/tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

enum { PATIENCE_MS = 30000 };

struct http_tls_link {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd; /* Borrowed. */
    int timeout_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The rules ---- */

static int load_trust(SSL_CTX *ctx, const char *ca, struct loam_error *err)
{
    if (ca == NULL) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? LOAM_OK
                   : fail(err, LOAM_IO, "cannot read the certificates that the system trusts");
    }
    if (access(ca, R_OK) != 0) {
        int code = errno == ENOENT ? LOAM_NOT_FOUND : LOAM_IO;
        return fail_errno(err, code, errno, "cannot read %s", ca);
    }
    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
        ERR_clear_error();
        return fail(err, LOAM_INVALID, "%s has no certificates in PEM", ca);
    }
    return LOAM_OK;
}

static bool set_name(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1) {
        return true;
    }
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int make_session(struct http_tls_link *link,
                        const char *host,
                        const struct http_tls_trust *trust,
                        struct loam_error *err)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    link->ctx = SSL_CTX_new(TLS_client_method());
    if (link->ctx == NULL || SSL_CTX_set_min_proto_version(link->ctx, TLS1_2_VERSION) != 1) {
        return mem_fail(err, sizeof(void *));
    }
    (void)SSL_CTX_set_options(link->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    if (!trust->is_blind) {
        TRY(load_trust(link->ctx, trust->ca, err));
        SSL_CTX_set_verify(link->ctx, SSL_VERIFY_PEER, NULL);
    }
    link->ssl = SSL_new(link->ctx);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1 ||
        SSL_set_alpn_protos(link->ssl, protocols, sizeof protocols - 1) != 0 ||
        !set_name(link->ssl, host)) {
        return mem_fail(err, sizeof(void *));
    }
    return LOAM_OK;
}

/* ---- Waiting ---- */

static int last_failure(struct http_tls_link *link, int reason, struct loam_error *err)
{
    long verdict = SSL_get_verify_result(link->ssl);
    unsigned long code = ERR_peek_last_error();
    const char *text = ERR_reason_error_string(code);
    bool is_cut =
        reason == SSL_ERROR_SYSCALL || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    int rc = LOAM_IO;
    if (!SSL_is_init_finished(link->ssl) && verdict != X509_V_OK) {
        rc = fail(err, LOAM_DENIED, "the certificate of the server is not trusted: %s",
                  X509_verify_cert_error_string(verdict));
    } else if (is_cut) {
        rc = fail(err, LOAM_IO, "the server cut the connection");
    } else {
        rc = fail(err, LOAM_IO, "TLS: %s", text == NULL ? "the connection failed" : text);
    }
    ERR_clear_error();
    return rc;
}

/* Waits for what a call of OpenSSL asked for with its result `rc`. Returns LOAM_OK to call again.
 */
static int wait_for(struct http_tls_link *link, int rc, int64_t deadline_ms, struct loam_error *err)
{
    int reason = SSL_get_error(link->ssl, rc);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        return last_failure(link, reason, err);
    }
    short events = reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    struct pollfd entry = {.fd = link->fd, .events = events};
    int ready = 0;
    do {
        int64_t left_ms = deadline_ms - now_ms();
        ready = left_ms <= 0 ? 0 : poll(&entry, 1, (int)left_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 ? LOAM_OK : fail(err, LOAM_TIMEOUT, "the server did not answer in time");
}

static int shake_hands(struct http_tls_link *link, struct loam_error *err)
{
    int64_t deadline_ms = now_ms() + link->timeout_ms;
    while (true) {
        ERR_clear_error();
        int rc = SSL_connect(link->ssl);
        if (rc == 1) {
            return LOAM_OK;
        }
        TRY(wait_for(link, rc, deadline_ms, err));
    }
}

int http_tls_link_open(int fd,
                       const char *host,
                       const struct http_tls_trust *trust,
                       struct http_tls_link **out,
                       struct loam_error *err)
{
    PRE(fd >= 0 && host != NULL);
    struct http_tls_link *link = mem_zalloc(1, sizeof *link);
    if (link == NULL) {
        return mem_fail(err, sizeof *link);
    }
    link->fd = fd;
    link->timeout_ms = PATIENCE_MS;
    int rc = make_session(link, host, trust, err);
    if (rc == LOAM_OK) {
        rc = shake_hands(link, err);
    }
    if (rc != LOAM_OK) {
        http_tls_link_close(link);
        return rc;
    }
    *out = link;
    return LOAM_OK;
}

void http_tls_link_patience(struct http_tls_link *link, int timeout_ms)
{
    PRE(timeout_ms > 0);
    link->timeout_ms = timeout_ms;
}

int http_tls_link_read(struct http_tls_link *link, char *data, int size, struct loam_error *err)
{
    PRE(size > 0);
    int64_t deadline_ms = now_ms() + link->timeout_ms;
    while (true) {
        ERR_clear_error();
        int rc = SSL_read(link->ssl, data, size);
        if (rc > 0) {
            return rc;
        }
        if (SSL_get_error(link->ssl, rc) == SSL_ERROR_ZERO_RETURN) {
            return 0;
        }
        TRY(wait_for(link, rc, deadline_ms, err));
    }
}

int http_tls_link_write(struct http_tls_link *link,
                        const char *data,
                        size_t size,
                        struct loam_error *err)
{
    while (size > 0) {
        int64_t deadline_ms = now_ms() + link->timeout_ms;
        int step = size > 65536 ? 65536 : (int)size;
        int rc = 0;
        while (true) {
            ERR_clear_error();
            rc = SSL_write(link->ssl, data, step);
            if (rc > 0) {
                break;
            }
            TRY(wait_for(link, rc, deadline_ms, err));
        }
        data += rc;
        size -= (size_t)rc;
    }
    return LOAM_OK;
}

int http_tls_link_is_idle(struct http_tls_link *link)
{
    struct pollfd entry = {.fd = link->fd, .events = POLLIN};
    if (SSL_pending(link->ssl) > 0) {
        return 0;
    }
    if (poll(&entry, 1, 0) == 0) {
        return 1;
    }
    /* A ticket is no answer; peeking takes it in. The socket must not make this wait. */
    char byte;
    ERR_clear_error();
    int rc = SSL_peek(link->ssl, &byte, 1);
    bool is_idle = rc <= 0 && SSL_get_error(link->ssl, rc) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return is_idle;
}

void http_tls_link_close(struct http_tls_link *link)
{
    if (link == NULL) {
        return;
    }
    if (link->ssl != NULL && SSL_is_init_finished(link->ssl)) {
        (void)SSL_shutdown(link->ssl);
    }
    SSL_free(link->ssl);
    SSL_CTX_free(link->ctx);
    ERR_clear_error();
    mem_free(link);
}
