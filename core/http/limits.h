/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every bound of the HTTP server, with its name and default. Floor 4.
 *
 * One table makes the struct, the defaults and the names that error answers print, so a client that
 * runs into a limit reads the name of the option to change. Limits are per worker, but those of
 * connections count over all workers that share a gate (http.h, http_worker_options). Thread:
 * constant after the worker opened.
 */
#ifndef LOAM_HTTP_LIMITS_H
#define LOAM_HTTP_LIMITS_H

#include <stdint.h>

/* X(field, default, meaning). The field name is the name in messages. */
#define HTTP_LIMIT_MAP(X)                                                                          \
    X(request_line_bytes_max, 8192, "longest request line")                                        \
    X(header_line_bytes_max, 8192, "longest header line")                                          \
    X(headers_bytes_max, 32768, "all header lines of a request together")                          \
    X(headers_count_max, 100, "header fields of a request")                                        \
    X(query_params_max, 64, "parameters in a query")                                               \
    X(body_bytes_max, 8388608, "request body, unless the handler sets another limit")              \
    X(chunk_extension_bytes_max, 256, "extension of one chunk")                                    \
    X(pipeline_max, 32, "requests of one connection that wait for answers")                        \
    X(requests_per_connection_max, 10000, "requests before a connection is closed")                \
    X(connections_max, 1024, "open connections")                                                   \
    X(connections_per_ip_max, 64, "open connections of one address")                               \
    X(handshake_ms, 5000, "first to last byte of a TLS handshake")                                 \
    X(header_ms, 5000, "first byte to last byte of a request head")                                \
    X(body_ms, 30000, "in each such time a body must end or bring its body_rate_min")              \
    X(body_rate_min, 1024, "bytes per second of a request body")                                   \
    X(write_stall_ms, 30000, "in each such time a client must read all or its write_rate_min")     \
    X(write_rate_min, 1024, "bytes per second of an answer that waits")                            \
    X(idle_ms, 60000, "keep-alive without a request")                                              \
    X(linger_ms, 2000, "reading on after an early close, so that the answer arrives")              \
    X(output_high_bytes, 262144, "unsent bytes at which a streamed answer must wait")              \
    X(output_low_bytes, 65536, "unsent bytes below which it may go on")                            \
    X(stream_piece_bytes, 65536, "largest piece of a streamed request body")                       \
    X(buffers_bytes_max, 268435456, "request bodies and unsent answers of a worker together")

enum http_limit {
#define HTTP_LIMIT_ENUM(field, value, meaning) HTTP_LIMIT_##field,
    HTTP_LIMIT_MAP(HTTP_LIMIT_ENUM)
#undef HTTP_LIMIT_ENUM
        HTTP_LIMIT_COUNT
};

/* ffi: begin */
/* Bytes, counts, milliseconds, bytes per second. 0 switches a deadline (fields in _ms) off; every
 * other field must be at least 1. */
struct http_limits {
    uint32_t request_line_bytes_max;
    uint32_t header_line_bytes_max;
    uint32_t headers_bytes_max;
    uint32_t headers_count_max;
    uint32_t query_params_max;
    uint32_t body_bytes_max;
    uint32_t chunk_extension_bytes_max;
    uint32_t pipeline_max;
    uint32_t requests_per_connection_max;
    uint32_t connections_max;
    uint32_t connections_per_ip_max;
    uint32_t handshake_ms;
    uint32_t header_ms;
    uint32_t body_ms;
    uint32_t body_rate_min;
    uint32_t write_stall_ms;
    uint32_t write_rate_min;
    uint32_t idle_ms;
    uint32_t linger_ms;
    uint32_t output_high_bytes;
    uint32_t output_low_bytes;
    uint32_t stream_piece_bytes;
    uint32_t buffers_bytes_max;
};

/* Sets every default. */
void http_limits_init(struct http_limits *limits);
/* Returns the name of limit `index` counted from 0 in the order of the struct, or NULL past the
 * last; static. */
const char *http_limit_name(int index);
/* Returns its meaning in a few words, or NULL; static. */
const char *http_limit_meaning(int index);
/* Returns its value; 0 past the last. */
uint32_t http_limit_value(const struct http_limits *limits, int index);
/* ffi: end */

#endif
