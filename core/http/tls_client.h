/* SPDX-License-Identifier: MIT */
/*
 * tls_client.h - TLS of a blocking client, on a socket that is connected already. Floor 4, public
 * beside http.h.
 *
 * Called by lua/loam/client/tls_socket.lua for `loam --url https://...`. The certificate is checked
 * for trust and for the host's name unless the caller says otherwise. The descriptor stays the
 * caller's. Thread: owner.
 */
#ifndef LOAM_HTTP_TLS_CLIENT_H
#define LOAM_HTTP_TLS_CLIENT_H

#include <stddef.h>

#include "base/status.h"

/* ffi: begin */
struct http_tls_link;

/* Whom a client believes. */
struct http_tls_trust {
    const char *ca; /* PEM file of who signs servers; NULL: those that the system trusts. */
    int is_blind;   /* Any certificate of any name will do. */
};

/* Makes the handshake. Errors: NOT_FOUND and INVALID the file; DENIED a certificate that is not
 * trusted or has another name; TIMEOUT; IO. *out is released with http_tls_link_close(). */
int http_tls_link_open(int fd,
                       const char *host,
                       const struct http_tls_trust *trust,
                       struct http_tls_link **out,
                       struct loam_error *err);
/* How long later calls wait for the server to take or to send something; 30 s at first. */
void http_tls_link_patience(struct http_tls_link *link, int timeout_ms);
/* Receives 1 to `size` bytes. Returns how many; 0 = the server has ended the stream as it should.
 * Errors: TIMEOUT; IO, also for a stream that was cut. */
int http_tls_link_read(struct http_tls_link *link, char *data, int size, struct loam_error *err);
/* Sends all. Errors: TIMEOUT, IO. */
int http_tls_link_write(struct http_tls_link *link,
                        const char *data,
                        size_t size,
                        struct loam_error *err);
/* Whether nothing has come since the last answer: false for an end, too. */
int http_tls_link_is_idle(struct http_tls_link *link);
/* Says goodbye when that does not wait, and forgets the session. NULL is fine. */
void http_tls_link_close(struct http_tls_link *link);
/* ffi: end */

#endif
