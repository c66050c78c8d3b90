/* SPDX-License-Identifier: MIT */
/*
 * parser.h - strict incremental parser of request heads (RFC 9112) and of chunked bodies. Floor 4.
 *
 * Pure: no I/O, no allocation, works on the caller's bytes. The caller shows the head from its
 * first byte on, each time with whatever has arrived by then; no byte is looked at twice, so any
 * fragmentation costs the same and gives the same result. What is ambiguous is refused: a proxy in
 * front and this parser must never see two different messages in the same bytes.
 *
 *   head  := [CRLF] request-line CRLF *( field-line CRLF ) CRLF
 *   chunk := 1*16HEX [";" extension] CRLF data CRLF;  last chunk := 1*16"0" ... CRLF trailers CRLF
 *
 * Lines end with CRLF only; a bare LF, a folded line, a blank before the colon, a second Host or
 * Content-Length, Content-Length with Transfer-Encoding, and any Transfer-Encoding but a single
 * "chunked" are errors; so are names that only resemble these two, and fields of the head in a
 * trailer. Thread: owner.
 */
#ifndef LOAM_HTTP_PARSER_H
#define LOAM_HTTP_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "http/http.h"

/* ffi: begin */

/* Why input was refused; the answer's status, and the limit that was hit. */
struct http_failure {
    int status;         /* 400, 413, 414, 417, 431, 501, 505; 0 = none. */
    int limit;          /* Index of http_limit_name(), or -1. */
    double value;       /* What came, when limit >= 0. */
    const char *reason; /* One clause, static. */
};

enum { HTTP_PARSE_FAILED = -1, HTTP_PARSE_MORE = 0, HTTP_PARSE_DONE = 1 };

struct http_parser {
    const struct http_limits *limits;
    struct http_field *fields; /* Room for limits->headers_count_max. */
    struct http_failure failure;

    /* Progress. */
    uint32_t line_at; /* Start of the line that is not complete yet. */
    uint32_t scan_at; /* Up to here no line end was found. */
    uint32_t headers_at;
    int phase;

    /* The result, valid after HTTP_PARSE_DONE; offsets from the first byte shown. */
    uint32_t start; /* 0, or 2 after an empty line in front. */
    uint32_t size;  /* Of the whole head, [0, size). */
    uint32_t field_count;
    uint32_t seen; /* HTTP_SEEN_* */
    int method;
    int version_minor;
    int keep_alive;
    int expects_continue;
    int is_chunked;
    int has_length;
    uint32_t target_at;
    uint32_t target_size;
    uint32_t path_at;
    uint32_t path_size; /* 0 in absolute form without a path: means "/". */
    uint32_t query_at;
    uint32_t query_size;
    int has_query;
    uint32_t host_at;
    uint32_t host_size;
    int has_host;
    uint32_t authority_at; /* Of the absolute form. */
    uint32_t authority_size;
    double content_length;
};

/* Starts on a new head. Both pointers are kept. */
void http_parser_init(struct http_parser *parser,
                      const struct http_limits *limits,
                      struct http_field *fields);
/* Goes on with the head at data[0, size). Returns HTTP_PARSE_*. */
int http_parser_head(struct http_parser *parser, const char *data, size_t size);

/* Decoder of one chunked body. */
struct http_chunked {
    const struct http_limits *limits;
    struct http_failure failure;
    uint64_t chunk_left;
    uint32_t digits;
    uint32_t line_size; /* Bytes of the extension, or of the trailer line. */
    uint32_t trailer_bytes;
    uint32_t trailer_count;
    int state;
    char trailer_name[20]; /* Its beginning. */
    double body_size;      /* Decoded bytes so far, with the announced rest of the current chunk. */
    double body_max;       /* May be changed at any time. */
};

void http_chunked_init(struct http_chunked *chunked,
                       const struct http_limits *limits,
                       double body_max);
/* Decodes from data[0, size): sets *used to the bytes taken and [*out, *out + *out_size) to the run
 * of body bytes among them (inside data; may be empty). MORE: call again with the bytes after
 * *used; when *used == size, more must arrive first. DONE: the body and its trailers ended at
 * *used. Trailers are checked and dropped. */
int http_chunked_feed(struct http_chunked *chunked,
                      const char *data,
                      size_t size,
                      size_t *used,
                      const char **out,
                      size_t *out_size);
/* ffi: end */

/* Splits a field line without its CRLF; offsets are relative to line. Returns NULL, or the reason
 * why it is malformed. */
const char *http_field_split(const char *line, size_t size, struct http_field *field);

/* Fills *failure and returns HTTP_PARSE_FAILED. */
int http_refuse(struct http_failure *failure, int status, const char *reason);
int http_refuse_limit(
    struct http_failure *failure, int status, int limit, double value, const char *reason);

#endif
