/* SPDX-License-Identifier: MIT */
/*
 * json_text.h - JSON text, read strictly and written from the engine's bytes. Floor 5.
 *
 * Called by lua/loam/json.lua and the routes of scans. json_check.c judges, json_text.c writes.
 */
#ifndef LOAM_HOST_JSON_TEXT_H
#define LOAM_HOST_JSON_TEXT_H

#include <stddef.h>

#include "loam.h"

/* ffi: begin */
/* 1 when the bytes are valid UTF-8 (no surrogates, nothing above U+10FFFF, shortest form). */
int host_is_utf8(const char *data, size_t size);
/* Judges a text of valid UTF-8 that a NUL ends. Returns NULL for JSON that every reader understands
 * alike: RFC 8259, numbers within a double, no two members of one name, depth up to 64. Else what
 * it has, as "a malformed number", and *at is about where. Thread: any */
const char *host_json_problem(const char *text, size_t size, double *at);
/* Appends a quoted JSON string of valid UTF-8. Returns LOAM_OK, INVALID when it is not UTF-8,
 * NO_MEMORY. Thread: owner of the buffer */
int host_json_string(loam_buffer *out, const char *data, size_t size);
/* Appends base64url without padding. */
int host_base64url(loam_buffer *out, const char *data, size_t size);
/* Decodes base64url, with or without padding, into out of at least size * 3 / 4 bytes. Returns the
 * decoded size or INVALID. */
int host_base64url_decode(const char *data, size_t size, char *out);

enum host_rows_flag {
    HOST_ROWS_KEYS_ONLY = 1,
    HOST_ROWS_BASE64 = 2, /* Keys always as k64. */
    HOST_ROWS_LIST = 4,   /* Commas between rows in place of line ends. */
    HOST_ROWS_FIRST = 8,  /* LIST: no comma before the first row. */
    HOST_ROWS_BARE = 16,  /* LIST: keys alone, as strings. */
    HOST_ROWS_META =
        32, /* Also "seq", and "expires_at_ms" and "content_type" where there is one. */
};
/* Appends the first `limit` rows of a block as {"k":...,"v":...} objects. Returns LOAM_OK or
 * NO_MEMORY. */
int host_json_rows(loam_db *db, loam_buffer *out, const loam_rows *rows, size_t limit, int flags);
/* ffi: end */

#endif
