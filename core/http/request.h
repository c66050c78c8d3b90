/* SPDX-License-Identifier: MIT */
/*
 * request.h - what a request is to those who answer it: its parts, and the calls that look at it or
 * steer its body. A part of http.h. Floor 4. Thread: owner.
 */
#ifndef LOAM_HTTP_REQUEST_H
#define LOAM_HTTP_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* ffi: begin */
enum {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 3,
    HTTP_PUT = 4,
    HTTP_DELETE = 5,
    HTTP_OPTIONS = 6,
    HTTP_PATCH = 7,
};

/* Offsets into the request's `head`. */
struct http_field {
    uint32_t name_at;
    uint32_t name_size;
    uint32_t value_at; /* Without surrounding blanks. */
    uint32_t value_size;
};

/* Fields that many handlers look for; `seen` tells without a search that one is not there. */
enum {
    HTTP_SEEN_ORIGIN = 1,
    HTTP_SEEN_CONTENT_TYPE = 2,
    HTTP_SEEN_CONDITION = 4, /* If-Match, If-None-Match, If-Range, Range, Content-Range or
                                Content-Encoding. */
};

/* Read-only outside core/http. Sizes are 32 bits so that Lua reads them as plain numbers. */
struct http_request {
    uint32_t generation;  /* Changes when the handle ends. */
    int method;           /* HTTP_GET ... */
    int version_minor;    /* 0 or 1. */
    int keep_alive;       /* 1: the connection may serve another request after this one. */
    int is_complete;      /* 1: the whole body is in `body`. 0: HEAD event, or streaming. */
    int expects_continue; /* 1: the client waits for 100 before it sends the body. */
    int listener;         /* Index of the listener: 0 is the address of the options. */
    uint32_t slot;        /* Index in the pool: a small number for tables of the caller. */
    const char *head;     /* First byte of the request line; base of the fields' offsets. */
    const char *target;   /* The raw request target. */
    const char *path;     /* Raw, of the target, without query; starts with "/", or is "*". */
    const char *query;    /* Raw, without "?". */
    const char *body;     /* Decoded body when is_complete. */
    const char *host;     /* Value of Host. */
    const struct http_field *fields;
    uint32_t target_size;
    uint32_t path_size;
    uint32_t query_size; /* 0: no query, or an empty one. */
    uint32_t body_size;
    uint32_t host_size; /* 0: HTTP/1.0 without Host. */
    uint32_t field_count;
    uint32_t seen; /* HTTP_SEEN_* */
    uint32_t has_query;
    double body_expected; /* Content-Length; -1 for a chunked body; 0 without body. */
    double serial;        /* Counts the worker's requests from 1. */
};

/* Finds the first field called `name`, in any case. Returns 1 and the value (valid as long as the
 * handle), 0 when absent, LOAM_CLOSED. */
int http_request_header(const struct http_request *request,
                        uint32_t generation,
                        const char *name,
                        size_t name_size,
                        const char **value,
                        size_t *value_size);
/* Writes the printable id, "<8 hex digits of the worker>-<serial>", and a NUL into text of
 * `size` >= 32 bytes. Returns its length or LOAM_CLOSED, LOAM_INVALID. */
int http_request_id(const struct http_request *request,
                    uint32_t generation,
                    char *text,
                    size_t size);
/* Writes the client's address ("127.0.0.1:4711", "[::1]:4711", "unix") and a NUL into text of
 * `size` >= 64 bytes. Returns its length or an error code. */
int http_request_peer(const struct http_request *request,
                      uint32_t generation,
                      char *text,
                      size_t size);

/* After HEAD only: the body is to be buffered whole, up to body_max bytes, in place of the limit
 * body_bytes_max. REQUEST follows when it is complete. */
int http_request_buffer(struct http_request *request, uint32_t generation, double body_max);
/* After HEAD, before http_request_buffer(): what its limit is called in refusals, in place of
 * body_bytes_max. `name` has less than 64 bytes and stays valid until the body has ended. */
void http_request_limit_name(struct http_request *request, uint32_t generation, const char *name);
/* After HEAD only: the body comes in BODY events, up to body_max bytes in all. A body that was
 * refused half-way (too long, malformed, client gone) is announced by CLOSED. */
int http_request_stream(struct http_request *request, uint32_t generation, double body_max);
/* After a BODY event: its data may be overwritten, and the next piece may come. */
int http_request_consume(struct http_request *request, uint32_t generation);
/* Frees the memory of a body that came by itself and was taken over; `body` is empty then. Its
 * bytes count against buffers_bytes_max until the handle ends: whoever has taken it holds as many.
 */
void http_request_drop_body(struct http_request *request, uint32_t generation);
/* Ends the handle without an answer; cuts the connection unless the client is gone already. */
int http_request_release(struct http_request *request, uint32_t generation);
/* ffi: end */

#endif
