/* SPDX-License-Identifier: MIT */
/*
 * secure.h - what tokens and logs need from C: who a request comes from, hashes, random bytes, and
 * small files that are replaced whole or only appended to. Floor 5.
 *
 * Called by lua/loam/gate.lua, tokens.lua and line_file.lua. A token is
 * "loam_<id>_<secret>": 16 hex digits that name it and 43 characters of base64url (256 random
 * bits). Only the SHA-256 of the secret's text is kept anywhere. The id is no secret and is found
 * by bisection; the secret is compared as a whole, in constant time, also when no such id exists.
 *
 * Thread: any, on memory of the caller.
 */
#ifndef LOAM_HOST_SECURE_H
#define LOAM_HOST_SECURE_H

#include <stddef.h>
#include <stdint.h>

#include "host/host.h"
#include "http/http.h"
#include "loam.h"

/* ffi: begin */
enum {
    HOST_TOKEN_ID_SIZE = 16,
    HOST_TOKEN_SECRET_SIZE = 43,
    HOST_HASH_SIZE = 32,
};

/* One row of a list that is sorted by id. */
struct host_token {
    char id[16];          /* Lower-case hex digits, without a NUL. */
    uint8_t hash[32];     /* SHA-256 of the secret's text. */
    double expires_at_ms; /* Since the Unix epoch; 0 = never. */
};

/* Besides the row of a token. */
enum {
    HOST_TOKEN_ABSENT = -1,  /* No Authorization field. */
    HOST_TOKEN_WRONG = -2,   /* Malformed, given twice, unknown, or another secret. */
    HOST_TOKEN_EXPIRED = -3, /* It was good once. */
};

/* Finds the token of an Authorization field, "Bearer loam_...". Returns its row in the list, or
 * HOST_TOKEN_*. */
int host_token_find(const struct host_token *list,
                    uint32_t count,
                    const char *field,
                    size_t field_size,
                    double now_ms);
/* The same for the one Authorization field of a request. Thread: worker */
int host_token_of(const struct http_request *request,
                  const struct host_token *list,
                  uint32_t count,
                  double now_ms);

/* ---- Failed log-ins ---- */

struct host_logins;

/* NULL without memory or random bytes. Released with host_logins_close(). */
struct host_logins *host_logins_open(void);
void host_logins_close(struct host_logins *logins);
/* Those of a host, for all its workers; valid until host_close(). */
struct host_logins *host_logins_of(struct host *host);
/* Counts one failure of an address at a time since the Unix epoch. Returns how many there were in
 * the last minute, this one included; of the minute before by its share. */
double host_logins_add(struct host_logins *logins, const char *address, size_t size, double now_ms);

/* ---- Hashes ---- */

/* SHA-256 into 32 bytes at out. Returns LOAM_OK, or NO_MEMORY. */
int host_sha256(const void *data, size_t size, uint8_t *out);
/* Unpredictable bytes. Returns LOAM_OK, or IO when the system has none. */
int host_random(void *out, size_t size);

/* ---- Small files ---- */

/* Reads a file that belongs to this user or root and that nobody else may open. Returns its size,
 * at most `capacity`. Errors: NOT_FOUND, DENIED (owner or mode), TOO_LARGE, IO: all fill err. */
double host_file_read_private(const char *path, char *out, size_t capacity, struct loam_error *err);
/* Puts a file of mode 0600 in the place of what is at path: readers see the old one or the new one
 * whole, also after a crash. Errors: DENIED, IO, NO_SPACE. */
int host_file_replace(const char *path, const char *data, size_t size, struct loam_error *err);
/* Takes the lock of a file, "<path>.lock" beside it, without waiting. Returns a descriptor for
 * host_file_close(). Errors: BUSY, IO. */
int host_file_lock(const char *path, struct loam_error *err);
/* Writes a text that changes when another file is at path, "" for none. Returns its length. */
int host_file_stamp(const char *path, char *text, size_t size);

/* Opens a file, made with mode 0600 when absent, for appending. Returns a descriptor for
 * host_file_close(). Errors: DENIED, IO. */
int host_append_open(const char *path, struct loam_error *err);
/* Appends in one write, so that lines of several writers do not mix. Errors: IO, NO_SPACE. */
int host_append(int fd, const char *data, size_t size, struct loam_error *err);
void host_file_close(int fd);
/* ffi: end */

#endif
