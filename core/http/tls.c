/* SPDX-License-Identifier: MIT */
/*
 * tls.c - certificates and the rules of TLS; see tls.h. Floor 4.
 *
 * An SSL_CTX is never changed once sessions come from it: a reload builds a new one and swaps the
 * pointer under a mutex that is held for the swap and for taking a reference, never for a file.
 * Session tickets are off: their key would have to be rotated and shared by all workers to keep
 * forward secrecy, and keep-alive makes a full handshake rare. Thread: any.
 */
#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"

/* AEAD with forward secrecy only. TLS 1.3 has no others. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct http_tls {
    /* Constant after open. */
    char *certificate;
    char *key;
    char *client_ca;    /* NULL: clients show none. */
    BIO_METHOD *method; /* How sessions reach their sockets. */

    struct loam_mutex mu;
    SSL_CTX *ctx PROTECTED_BY(mu);
    double expires PROTECTED_BY(mu);

    atomic_uint refs; /* Atomic: listeners of several threads let go of it. */
};

/* ---- Reading files ---- */

/* Whether an error of OpenSSL says that a file is no PEM of the kind that was looked for. */
static bool is_no_pem(unsigned long code)
{
    return (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
           (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED);
}

/* Fills err with what OpenSSL says about `path`: its first error is the cause, the last one tells
 * only who called. */
static int ssl_failed(const char *what, const char *path, struct loam_error *err)
{
    unsigned long cause = ERR_peek_error();
    const char *reason = ERR_reason_error_string(cause);
    int rc = fail(err, LOAM_INVALID, "%s %s: %s", what, path,
                  reason == NULL || is_no_pem(cause) ? "the file holds none in PEM" : reason);
    ERR_clear_error();
    return rc;
}

static int open_failed(const char *what, const char *path, struct loam_error *err)
{
    int os_errno = errno;
    int code = os_errno == ENOENT ? LOAM_NOT_FOUND : LOAM_IO;
    return fail_errno(err, code, os_errno, "cannot read %s %s", what, path);
}

/* OpenSSL would ask for a pass phrase on the terminal. Notes that it wanted one. */
static int no_passphrase(char *text, int size, int is_writing, void *context)
{
    (void)text;
    (void)size;
    (void)is_writing;
    *(bool *)context = true;
    return -1;
}

/* Checks the very file that is then read: a name could lead elsewhere the second time. */
static int read_key(const char *path, EVP_PKEY **out, struct loam_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        int rc = open_failed("private key", path, err);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    if (!S_ISREG(status.st_mode) || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)close(fd);
        return fail(err, LOAM_DENIED,
                    "private key %s has mode %04o, it must be a file with mode 0600 or 0400", path,
                    (unsigned)status.st_mode & 07777u);
    }
    FILE *file = fdopen(fd, "r");
    if (file == NULL) {
        (void)close(fd);
        return mem_fail(err, BUFSIZ);
    }
    bool is_encrypted = false;
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, &is_encrypted);
    (void)fclose(file);
    if (key == NULL && is_encrypted) {
        ERR_clear_error();
        return fail(err, LOAM_INVALID,
                    "private key %s has a pass phrase, which nobody is asked for", path);
    }
    if (key == NULL) {
        return ssl_failed("private key", path, err);
    }
    *out = key;
    return LOAM_OK;
}

static int check_readable(const char *what, const char *path, struct loam_error *err)
{
    return access(path, R_OK) == 0 ? LOAM_OK : open_failed(what, path, err);
}

/* ---- The rules ---- */

/* A client that speaks of ALPN must speak HTTP/1.1; one that does not is taken at its word. */
static int select_protocol(SSL *ssl,
                           const unsigned char **out,
                           unsigned char *out_size,
                           const unsigned char *in,
                           unsigned in_size,
                           void *context)
{
    (void)ssl;
    (void)context;
    static const unsigned char name[] = "http/1.1";
    enum { NAME_SIZE = sizeof(name) - 1 };
    for (unsigned at = 0; at < in_size; at += in[at] + 1u) {
        if (in[at] == NAME_SIZE && in_size - at > NAME_SIZE &&
            memcmp(in + at + 1, name, NAME_SIZE) == 0) {
            *out = in + at + 1;
            *out_size = NAME_SIZE;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Returns false without memory. */
static bool apply_rules(SSL_CTX *ctx)
{
    /* IGNORE_UNEXPECTED_EOF: a stream that ends without close_notify is told apart in
     * transport_tls.c; as an error it would also stop answers to requests that came whole. */
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1); /* One system call for a record, not two. */
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) == 1;
}

static int ask_clients(SSL_CTX *ctx, const char *path, struct loam_error *err)
{
    TRY(check_readable("client certificates", path, err));
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return ssl_failed("client certificates", path, err);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return LOAM_OK;
}

static double expiry_of(const SSL_CTX *ctx)
{
    struct tm tm;
    const X509 *certificate = SSL_CTX_get0_certificate(ctx);
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1) {
        return 0;
    }
    return (double)timegm(&tm);
}

static int fill_context(SSL_CTX *ctx, const struct http_tls *tls, struct loam_error *err)
{
    if (!apply_rules(ctx)) {
        return fail(err, LOAM_UNSUPPORTED, "OpenSSL offers no TLS 1.2 with %s", TLS12_CIPHERS);
    }
    TRY(check_readable("certificate", tls->certificate, err));
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->certificate) != 1) {
        return ssl_failed("certificate", tls->certificate, err);
    }
    EVP_PKEY *key = NULL;
    TRY(read_key(tls->key, &key, err));
    int is_taken = SSL_CTX_use_PrivateKey(ctx, key);
    EVP_PKEY_free(key);
    if (is_taken != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        return ssl_failed("private key", tls->key, err);
    }
    return tls->client_ca == NULL ? LOAM_OK : ask_clients(ctx, tls->client_ca, err);
}

/* ---- Life ---- */

/* Returns a copy that is released with mem_free(), or NULL. */
static char *copy_name(const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = mem_alloc(size);
    if (copy != NULL) {
        memcpy(copy, name, size);
    }
    return copy;
}

void http_tls_options_init(struct http_tls_options *options)
{
    *options = (struct http_tls_options){.struct_size = sizeof(*options)};
}

int http_tls_reload(struct http_tls *tls, struct loam_error *err)
{
    ERR_clear_error();
    SSL_CTX *fresh = SSL_CTX_new(TLS_server_method());
    if (fresh == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    int rc = fill_context(fresh, tls, err);
    if (rc != LOAM_OK) {
        SSL_CTX_free(fresh);
        return rc;
    }
    double expires = expiry_of(fresh);
    mutex_lock(&tls->mu);
    SSL_CTX *old = tls->ctx;
    tls->ctx = fresh;
    tls->expires = expires;
    mutex_unlock(&tls->mu);
    SSL_CTX_free(old);
    return LOAM_OK;
}

int http_tls_open(const struct http_tls_options *options,
                  struct http_tls **out,
                  struct loam_error *err)
{
    if (options->struct_size != sizeof(*options)) {
        return fail(err, LOAM_INVALID, "http_tls_options has %zu bytes, %zu are expected",
                    options->struct_size, sizeof(*options));
    }
    if (options->certificate == NULL || options->key == NULL) {
        return fail(err, LOAM_INVALID, "TLS needs the names of a certificate and of its key");
    }
    struct http_tls *tls = mem_zalloc(1, sizeof(*tls));
    if (tls == NULL) {
        return mem_fail(err, sizeof(*tls));
    }
    mutex_init(&tls->mu);
    atomic_init(&tls->refs, 1);
    tls->certificate = copy_name(options->certificate);
    tls->key = copy_name(options->key);
    tls->client_ca = options->client_ca == NULL ? NULL : copy_name(options->client_ca);
    tls->method = http_tls_method_new();
    bool is_whole = tls->certificate != NULL && tls->key != NULL && tls->method != NULL &&
                    (options->client_ca == NULL || tls->client_ca != NULL);
    int rc = is_whole ? http_tls_reload(tls, err) : mem_fail(err, sizeof(void *));
    if (rc != LOAM_OK) {
        http_tls_close(tls);
        return rc;
    }
    *out = tls;
    return LOAM_OK;
}

struct http_tls *http_tls_ref(struct http_tls *tls)
{
    (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void http_tls_close(struct http_tls *tls)
{
    /* The release pairs with the acquire of whoever is last. */
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->method);
    mutex_deinit(&tls->mu);
    mem_free(tls->certificate);
    mem_free(tls->key);
    mem_free(tls->client_ca);
    mem_free(tls);
}

double http_tls_expires(struct http_tls *tls)
{
    mutex_lock(&tls->mu);
    double expires = tls->expires;
    mutex_unlock(&tls->mu);
    return expires;
}

struct ssl_st *http_tls_session(struct http_tls *tls, void *context)
{
    mutex_lock(&tls->mu);
    SSL_CTX *ctx = tls->ctx;
    int is_held = SSL_CTX_up_ref(ctx);
    mutex_unlock(&tls->mu);
    if (is_held != 1) {
        return NULL;
    }
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *bio = BIO_new(tls->method);
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        (void)BIO_free(bio);
        return NULL;
    }
    BIO_set_data(bio, context);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, context);
    SSL_set_accept_state(ssl);
    return ssl;
}
