/* SPDX-License-Identifier: MIT */
/*
 * glue.h - what knows both the engine and the HTTP room: a value on its way into the socket, and
 * who may ask at all. Floor 5. Called by lua/loam. Thread: worker.
 */
#ifndef LOAM_HOST_GLUE_H
#define LOAM_HOST_GLUE_H

#include <stddef.h>
#include <stdint.h>

#include "http/http.h"
#include "loam.h"

/* ffi: begin */
enum {
    HOST_ETAG_SEQ = 0, /* ETag is the sequence number. */
    HOST_ETAG_CRC = 1, /* ETag is the CRC-32 of the value, as /blobs promises. */
};

struct host_sending {
    int is_encoded; /* The key still has its %-escapes. */
    int etag;       /* HOST_ETAG_* */
    size_t size;    /* Out: bytes of the body that were sent. */
};

/*
 * Answers a GET or HEAD with the value of a key: 200 or 206 with its headers, 304, or 404 in JSON.
 * The value goes from the engine's block into the socket buffer. Returns the status sent, or a
 * negative code with nothing sent (INVALID: a bad escape, a condition that does not hold or is
 * none; a key above KEY_SIZE_MAX is TOO_LARGE).
 */
int host_send_value(struct http_request *request,
                    loam_db *db,
                    uint32_t bucket,
                    const char *key,
                    size_t key_size,
                    struct host_sending *sending,
                    struct loam_error *err);
/*
 * Decides whether a browser that was lured to another site may have sent this request: the Host and
 * Origin must be one of `names`, each ended by a NUL, lower case: hosts without port ("*" = any),
 * origins with their scheme. The server's own pages always may. Returns 0 to go on,
 * 1 a foreign Host, 2 a foreign Origin.
 */
int host_admit(const struct http_request *request, const char *names, size_t names_size);
/* ffi: end */

#endif
