/* SPDX-License-Identifier: MIT */
/*
 * chunked.c - decoder of chunked bodies, one byte class per state; see parser.h.
 *
 * Size lines and trailers are walked byte by byte (they are short), data is passed on in runs. The
 * trailer is not kept: a field that arrives after the body must not change what the handler
 * already believes about the head.
 */
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "http/chars.h"
#include "http/parser.h"

enum {
    CHUNK_SIZE,      /* Hex digits. */
    CHUNK_EXTENSION, /* After ";". */
    CHUNK_SIZE_LF,   /* LF of the size line. */
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* First byte of a trailer line. */
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_DONE,
};

enum { SIZE_DIGITS_MAX = 16 };

void http_chunked_init(struct http_chunked *chunked,
                       const struct http_limits *limits,
                       double body_max)
{
    memset(chunked, 0, sizeof(*chunked));
    chunked->limits = limits;
    chunked->failure.limit = -1;
    chunked->body_max = body_max;
}

static int size_line_end(struct http_chunked *chunked)
{
    if (chunked->digits == 0) {
        return http_refuse(&chunked->failure, 400, "chunk without a size");
    }
    chunked->body_size += (double)chunked->chunk_left;
    if (chunked->body_size > chunked->body_max) {
        return http_refuse_limit(&chunked->failure, 413, HTTP_LIMIT_body_bytes_max,
                                 chunked->body_size, "request body too large");
    }
    chunked->state = CHUNK_SIZE_LF;
    return HTTP_PARSE_MORE;
}

static int size_byte(struct http_chunked *chunked, char byte)
{
    int digit = http_hex_value(byte);
    if (digit >= 0) {
        if (++chunked->digits > SIZE_DIGITS_MAX) {
            return http_refuse(&chunked->failure, 400, "chunk size has too many digits");
        }
        chunked->chunk_left = chunked->chunk_left << 4 | (uint64_t)digit;
        return HTTP_PARSE_MORE;
    }
    if (byte == '\r') {
        return size_line_end(chunked);
    }
    if (byte == ';' && chunked->digits > 0) {
        chunked->state = CHUNK_EXTENSION;
        chunked->line_size = 0;
        return HTTP_PARSE_MORE;
    }
    return http_refuse(&chunked->failure, 400, "malformed chunk size");
}

static int extension_byte(struct http_chunked *chunked, char byte)
{
    if (byte == '\r') {
        return size_line_end(chunked);
    }
    if ((http_chars[(uint8_t)byte] & HTTP_CHAR_VALUE) == 0) {
        return http_refuse(&chunked->failure, 400, "control byte in chunk extension");
    }
    if (++chunked->line_size > chunked->limits->chunk_extension_bytes_max) {
        return http_refuse_limit(&chunked->failure, 400, HTTP_LIMIT_chunk_extension_bytes_max,
                                 chunked->line_size, "chunk extension too long");
    }
    return HTTP_PARSE_MORE;
}

/* Counts a byte of the trailer section against the limits of headers. */
static int trailer_count(struct http_chunked *chunked)
{
    const struct http_limits *limits = chunked->limits;
    if (++chunked->line_size > limits->header_line_bytes_max) {
        return http_refuse_limit(&chunked->failure, 431, HTTP_LIMIT_header_line_bytes_max,
                                 chunked->line_size, "trailer line too long");
    }
    if (++chunked->trailer_bytes > limits->headers_bytes_max) {
        return http_refuse_limit(&chunked->failure, 431, HTTP_LIMIT_headers_bytes_max,
                                 chunked->trailer_bytes, "trailers too large");
    }
    return HTTP_PARSE_MORE;
}

static int trailer_start(struct http_chunked *chunked, char byte)
{
    if (byte == '\r') {
        chunked->state = CHUNK_END_LF;
        return HTTP_PARSE_MORE;
    }
    if (++chunked->trailer_count > chunked->limits->headers_count_max) {
        return http_refuse_limit(&chunked->failure, 431, HTTP_LIMIT_headers_count_max,
                                 chunked->trailer_count, "too many trailer fields");
    }
    if ((http_chars[(uint8_t)byte] & HTTP_CHAR_TOKEN) == 0) {
        return http_refuse(&chunked->failure, 400, "malformed trailer");
    }
    chunked->line_size = 0;
    chunked->trailer_name[0] = byte;
    chunked->state = CHUNK_TRAILER_NAME;
    return trailer_count(chunked);
}

/* Fields that other readers might heed although the body has begun long before. */
static bool is_framing(const struct http_chunked *chunked)
{
    static const char *const names[] = {
        "connection", "content-length", "expect",  "host",
        "te",         "trailer",        "upgrade", "transfer-encoding"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t size = strlen(names[i]);
        if (chunked->line_size == size &&
            http_equal_nocase(chunked->trailer_name, size, names[i], size)) {
            return true;
        }
    }
    return false;
}

static int trailer_byte(struct http_chunked *chunked, char byte)
{
    bool is_name = chunked->state == CHUNK_TRAILER_NAME;
    if (!is_name && byte == '\r') {
        chunked->state = CHUNK_TRAILER_LF;
        return HTTP_PARSE_MORE;
    }
    if (is_name && byte == ':') {
        if (is_framing(chunked)) {
            return http_refuse(&chunked->failure, 400, "trailer with a field of the head");
        }
        chunked->state = CHUNK_TRAILER_VALUE;
        return trailer_count(chunked);
    }
    if (is_name && chunked->line_size < sizeof(chunked->trailer_name)) {
        chunked->trailer_name[chunked->line_size] = byte;
    }
    uint8_t set = is_name ? HTTP_CHAR_TOKEN : HTTP_CHAR_VALUE;
    if ((http_chars[(uint8_t)byte] & set) == 0) {
        return http_refuse(&chunked->failure, 400, "malformed trailer");
    }
    return trailer_count(chunked);
}

/* The byte that must follow a CR or a chunk's data, and the state after it. */
static int
expect_byte(struct http_chunked *chunked, char byte, char wanted, int next, const char *reason)
{
    if (byte != wanted) {
        return http_refuse(&chunked->failure, 400, reason);
    }
    chunked->state = next;
    if (next == CHUNK_SIZE) {
        chunked->digits = 0;
        chunked->chunk_left = 0;
    }
    return next == CHUNK_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}

static int frame_byte(struct http_chunked *chunked, char byte)
{
    switch (chunked->state) {
    case CHUNK_SIZE:
        return size_byte(chunked, byte);
    case CHUNK_EXTENSION:
        return extension_byte(chunked, byte);
    case CHUNK_SIZE_LF:
        return expect_byte(chunked, byte, '\n',
                           chunked->chunk_left > 0 ? CHUNK_DATA : CHUNK_TRAILER,
                           "chunk size does not end with CR LF");
    case CHUNK_DATA_CR:
        return expect_byte(chunked, byte, '\r', CHUNK_DATA_LF,
                           "chunk data does not end with CR LF");
    case CHUNK_DATA_LF:
        return expect_byte(chunked, byte, '\n', CHUNK_SIZE, "chunk data does not end with CR LF");
    case CHUNK_TRAILER:
        return trailer_start(chunked, byte);
    case CHUNK_TRAILER_NAME:
    case CHUNK_TRAILER_VALUE:
        return trailer_byte(chunked, byte);
    case CHUNK_TRAILER_LF:
        return expect_byte(chunked, byte, '\n', CHUNK_TRAILER,
                           "trailer line does not end with CR LF");
    default:
        INV(chunked->state == CHUNK_END_LF);
        return expect_byte(chunked, byte, '\n', CHUNK_DONE, "body does not end with CR LF");
    }
}

int http_chunked_feed(struct http_chunked *chunked,
                      const char *data,
                      size_t size,
                      size_t *used,
                      const char **out,
                      size_t *out_size)
{
    *used = 0;
    *out = data;
    *out_size = 0;
    int rc = chunked->failure.status != 0   ? HTTP_PARSE_FAILED
             : chunked->state == CHUNK_DONE ? HTTP_PARSE_DONE
                                            : HTTP_PARSE_MORE;
    while (rc == HTTP_PARSE_MORE && *used < size) {
        if (chunked->state != CHUNK_DATA) {
            rc = frame_byte(chunked, data[*used]);
            *used += 1;
            continue;
        }
        size_t run = size - *used;
        run = run < chunked->chunk_left ? run : (size_t)chunked->chunk_left;
        *out = data + *used;
        *out_size = run;
        *used += run;
        chunked->chunk_left -= run;
        if (chunked->chunk_left == 0) {
            chunked->state = CHUNK_DATA_CR;
        }
        break;
    }
    return rc;
}
