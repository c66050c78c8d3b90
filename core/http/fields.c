/* SPDX-License-Identifier: MIT */
/* fields.c - framing fields; every doubt is 400, because two readers of the same bytes must agree.
 */
#include "http/fields.h"

#include <stdbool.h>
#include <string.h>

#include "http/chars.h"

/* Digits that stay exact in a double; larger lengths are above every limit anyway. */
enum { LENGTH_DIGITS_MAX = 19 };

static int apply_length(struct http_parser *parser, const char *value, size_t size)
{
    if (parser->has_length) {
        return http_refuse(&parser->failure, 400, "second Content-Length");
    }
    if (size == 0 || size > LENGTH_DIGITS_MAX) {
        return http_refuse(&parser->failure, 400, "malformed Content-Length");
    }
    uint64_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return http_refuse(&parser->failure, 400, "malformed Content-Length");
        }
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    parser->has_length = 1;
    parser->content_length = (double)length;
    return HTTP_PARSE_DONE;
}

static int apply_transfer_encoding(struct http_parser *parser, const char *value, size_t size)
{
    if (parser->version_minor == 0) {
        return http_refuse(&parser->failure, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (parser->is_chunked || !http_equal_nocase(value, size, "chunked", 7)) {
        return http_refuse(&parser->failure, 400, "Transfer-Encoding must be chunked, once");
    }
    parser->is_chunked = 1;
    return HTTP_PARSE_DONE;
}

/* A comma-separated list of options; "close" wins over "keep-alive". */
static int apply_connection(struct http_parser *parser, const char *value, size_t size)
{
    bool is_closing = parser->keep_alive < 0;
    size_t at = 0;
    while (at < size) {
        const char *comma = memchr(value + at, ',', size - at);
        size_t end = comma == NULL ? size : (size_t)(comma - value);
        size_t first = at;
        size_t limit = end;
        while (first < limit && (value[first] == ' ' || value[first] == '\t')) {
            first++;
        }
        while (limit > first && (value[limit - 1] == ' ' || value[limit - 1] == '\t')) {
            limit--;
        }
        if (!http_chars_all(value + first, limit - first, HTTP_CHAR_TOKEN)) {
            return http_refuse(&parser->failure, 400, "malformed Connection");
        }
        if (http_equal_nocase(value + first, limit - first, "close", 5)) {
            is_closing = true;
        } else if (http_equal_nocase(value + first, limit - first, "keep-alive", 10)) {
            parser->keep_alive = 1;
        }
        at = end + 1;
    }
    if (is_closing) {
        parser->keep_alive = -1;
    }
    return HTTP_PARSE_DONE;
}

static int apply_expect(struct http_parser *parser, const char *value, size_t size)
{
    if (!http_equal_nocase(value, size, "100-continue", 12)) {
        return http_refuse(&parser->failure, 417, "Expect must be 100-continue");
    }
    parser->expects_continue = parser->version_minor;
    return HTTP_PARSE_DONE;
}

static bool is_port(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return size <= 5;
}

/* Length of the name, or of the bracketed address, at the front of a Host; 0 when there is none. */
static size_t host_name_size(const char *text, size_t size)
{
    size_t end = 0;
    if (size == 0 || text[0] != '[') {
        while (end < size && (http_chars[(uint8_t)text[end]] & HTTP_CHAR_NAME) != 0) {
            end++;
        }
        return end;
    }
    const char *bracket = memchr(text, ']', size);
    if (bracket == NULL || bracket == text + 1) {
        return 0;
    }
    for (const char *at = text + 1; at < bracket; at++) {
        if (http_hex_value(*at) < 0 && *at != ':' && *at != '.') {
            return 0;
        }
    }
    return (size_t)(bracket - text) + 1;
}

/* name[:port] or [v6][:port]. */
static bool is_host(const char *text, size_t size)
{
    size_t end = host_name_size(text, size);
    return end > 0 &&
           (end == size || (text[end] == ':' && is_port(text + end + 1, size - end - 1)));
}

static int apply_host(struct http_parser *parser, const char *data, const struct http_field *field)
{
    if (parser->has_host) {
        return http_refuse(&parser->failure, 400, "second Host");
    }
    if (!is_host(data + field->value_at, field->value_size)) {
        return http_refuse(&parser->failure, 400, "malformed Host");
    }
    parser->has_host = 1;
    parser->host_at = field->value_at;
    parser->host_size = field->value_size;
    return HTTP_PARSE_DONE;
}

/* True when the name begins with `word`, where "_" is as good as "-". */
static bool begins_alike(const char *name, size_t size, const char *word, size_t word_size)
{
    if (size < word_size) {
        return false;
    }
    for (size_t i = 0; i < word_size; i++) {
        char c = name[i] == '_' ? '-' : name[i];
        if (!http_equal_nocase(&c, 1, word + i, 1)) {
            return false;
        }
    }
    return true;
}

/* Names that sloppy readers take for a framing field: parsers that compare only its beginning, and
 * gateways that make "-" of "_". Behind one of those the body would end elsewhere. */
static bool is_lookalike(const char *name, size_t size)
{
    return begins_alike(name, size, "content-length", 14) ||
           begins_alike(name, size, "transfer-encoding", 17);
}

/* Fields that handlers ask for on every request. */
static uint32_t seen_bit(const char *name, size_t size)
{
#define IS(word) http_same_nocase(name, (word), sizeof(word) - 1)
    switch (size) {
    case 5:
        return IS("range") ? HTTP_SEEN_CONDITION : 0;
    case 6:
        return IS("origin") ? HTTP_SEEN_ORIGIN : 0;
    case 8:
        return IS("if-match") || IS("if-range") ? HTTP_SEEN_CONDITION : 0;
    case 12:
        return IS("content-type") ? HTTP_SEEN_CONTENT_TYPE : 0;
    case 13:
        return IS("if-none-match") || IS("content-range") ? HTTP_SEEN_CONDITION : 0;
    case 16:
        return IS("content-encoding") ? HTTP_SEEN_CONDITION : 0;
    default:
        return 0;
    }
#undef IS
}

int http_field_apply(struct http_parser *parser, const char *data, const struct http_field *field)
{
    const char *name = data + field->name_at;
    const char *value = data + field->value_at;
    size_t size = field->name_size;
    if (size == 4 && http_equal_nocase(name, size, "host", 4)) {
        return apply_host(parser, data, field);
    }
    if (size == 10 && http_equal_nocase(name, size, "connection", 10)) {
        return apply_connection(parser, value, field->value_size);
    }
    if (size == 14 && http_equal_nocase(name, size, "content-length", 14)) {
        return apply_length(parser, value, field->value_size);
    }
    if (size == 17 && http_equal_nocase(name, size, "transfer-encoding", 17)) {
        return apply_transfer_encoding(parser, value, field->value_size);
    }
    if (size == 6 && http_equal_nocase(name, size, "expect", 6)) {
        return apply_expect(parser, value, field->value_size);
    }
    if (is_lookalike(name, size)) {
        return http_refuse(&parser->failure, 400, "header name resembles a framing field");
    }
    parser->seen |= seen_bit(name, size);
    return HTTP_PARSE_DONE;
}

int http_fields_check(struct http_parser *parser, const char *data)
{
    if (!parser->has_host && parser->version_minor == 1) {
        return http_refuse(&parser->failure, 400, "Host is missing");
    }
    if (parser->is_chunked && parser->has_length) {
        return http_refuse(&parser->failure, 400, "Content-Length together with Transfer-Encoding");
    }
    if (parser->authority_size > 0) {
        const char *authority = data + parser->authority_at;
        if (!is_host(authority, parser->authority_size)) {
            return http_refuse(&parser->failure, 400, "malformed authority in request target");
        }
        if (parser->has_host &&
            (parser->host_size != parser->authority_size ||
             !http_same_nocase(authority, data + parser->host_at, parser->host_size))) {
            return http_refuse(&parser->failure, 400, "Host differs from the request target");
        }
        /* HTTP/1.0: the target alone says who is meant. */
        parser->host_at = parser->authority_at;
        parser->host_size = parser->authority_size;
    }
    parser->keep_alive = parser->keep_alive > 0;
    return HTTP_PARSE_DONE;
}
