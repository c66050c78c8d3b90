/* SPDX-License-Identifier: MIT */
/*
 * tls.h - certificates for TLS listeners, as users of core/http see them. Floor 4.
 *
 * One http_tls serves any number of listeners of any number of workers. TLS 1.2 and 1.3, ALPN
 * "http/1.1", no renegotiation, no compression, no session tickets, no early data. The connections'
 * side of it is transport_tls.c. Thread: any, in every function here.
 */
#ifndef LOAM_HTTP_TLS_H
#define LOAM_HTTP_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "loam.h"

/* ffi: begin */
struct http_tls;

struct http_tls_options {
    size_t struct_size;      /* Set by http_tls_options_init(). */
    const char *certificate; /* PEM file: the server's certificate, then those that sign it. */
    const char *key;         /* PEM file, not encrypted, that only its owner may read or write. */
    const char *client_ca;   /* NULL, or a PEM file: clients must show a certificate signed by one
                                of these. */
};

void http_tls_options_init(struct http_tls_options *options);
/* Reads the files; their names are kept for http_tls_reload(). *out is released with
 * http_tls_close(). Errors: NOT_FOUND or IO (a file), DENIED (key readable by others), INVALID (not
 * PEM, key and certificate do not belong together), NO_MEMORY. */
int http_tls_open(const struct http_tls_options *options,
                  struct http_tls **out,
                  struct loam_error *err);
/* Reads the files again. New connections get what they hold now, those that are open keep what they
 * have. On failure nothing changes. Errors as http_tls_open(). */
int http_tls_reload(struct http_tls *tls, struct loam_error *err);
/* Second at which the certificate in use expires, since the epoch. */
double http_tls_expires(struct http_tls *tls);
/* Lets go of it; listeners that use it keep it alive. NULL is fine. */
void http_tls_close(struct http_tls *tls);
/* ffi: end */

/* ---- For core/http ---- */

struct ssl_st;
struct bio_method_st;

/* Counts one more user, who ends with http_tls_close(). */
struct http_tls *http_tls_ref(struct http_tls *tls);
/* Returns a session in server mode, released with SSL_free() before its user lets go of tls; NULL
 * without memory. `context` is the data of its BIO and of itself. */
struct ssl_st *http_tls_session(struct http_tls *tls, void *context);
/* How a BIO reaches the socket of the transport that is its data (transport_tls.c). Released with
 * BIO_meth_free(); NULL without memory. */
struct bio_method_st *http_tls_method_new(void);

#endif
