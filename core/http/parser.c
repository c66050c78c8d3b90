/* SPDX-License-Identifier: MIT */
/* parser.c - request heads, line by line; see parser.h for the rules, fields.c for what single
 * header fields mean. */
#include "http/parser.h"

#include <string.h>

#include "base/check.h"
#include "http/chars.h"
#include "http/fields.h"

enum { PHASE_START, PHASE_REQUEST_LINE, PHASE_FIELDS, PHASE_DONE };

int http_refuse(struct http_failure *failure, int status, const char *reason)
{
    return http_refuse_limit(failure, status, -1, 0, reason);
}

int http_refuse_limit(
    struct http_failure *failure, int status, int limit, double value, const char *reason)
{
    PRE(status >= 400 && status <= 599);
    failure->status = status;
    failure->limit = limit;
    failure->value = value;
    failure->reason = reason;
    return HTTP_PARSE_FAILED;
}

void http_parser_init(struct http_parser *parser,
                      const struct http_limits *limits,
                      struct http_field *fields)
{
    memset(parser, 0, sizeof(*parser));
    parser->limits = limits;
    parser->fields = fields;
    parser->failure.limit = -1;
}

/* ---- Request line ---- */

static int method_of(const char *text, size_t size)
{
    static const struct {
        const char *name;
        uint8_t size;
        uint8_t method;
    } methods[] = {
        {"GET", 3, HTTP_GET},     {"PUT", 3, HTTP_PUT},       {"POST", 4, HTTP_POST},
        {"HEAD", 4, HTTP_HEAD},   {"DELETE", 6, HTTP_DELETE}, {"OPTIONS", 7, HTTP_OPTIONS},
        {"PATCH", 5, HTTP_PATCH},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (size == methods[i].size && memcmp(text, methods[i].name, size) == 0) {
            return methods[i].method;
        }
    }
    return 0;
}

static int parse_version(struct http_parser *parser, const char *text, size_t size)
{
    if (size != 8 || memcmp(text, "HTTP/", 5) != 0 || text[6] != '.' || text[5] < '0' ||
        text[5] > '9' || text[7] < '0' || text[7] > '9') {
        return http_refuse(&parser->failure, 400, "malformed HTTP version");
    }
    if (text[5] != '1' || text[7] > '1') {
        return http_refuse(&parser->failure, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    parser->version_minor = text[7] - '0';
    parser->keep_alive = parser->version_minor;
    return HTTP_PARSE_DONE;
}

static int parse_method(struct http_parser *parser, const char *text, size_t size)
{
    parser->method = method_of(text, size);
    if (parser->method != 0) {
        return HTTP_PARSE_DONE;
    }
    if (size == 0) {
        return http_refuse(&parser->failure, 400, "request line without a method");
    }
    for (size_t i = 0; i < size; i++) {
        if ((http_chars[(uint8_t)text[i]] & HTTP_CHAR_TOKEN) == 0 ||
            (text[i] >= 'a' && text[i] <= 'z')) {
            return http_refuse(&parser->failure, 400, "malformed method");
        }
    }
    return http_refuse(&parser->failure, 501, "method is not implemented");
}

/* Finds the end of "http://authority" at the front of the target; 0 when it is no such form. */
static uint32_t skip_authority(struct http_parser *parser, const char *target, uint32_t size)
{
    uint32_t scheme = 0;
    if (size > 7 && http_equal_nocase(target, 7, "http://", 7)) {
        scheme = 7;
    } else if (size > 8 && http_equal_nocase(target, 8, "https://", 8)) {
        scheme = 8;
    } else {
        return 0;
    }
    uint32_t end = scheme;
    while (end < size && target[end] != '/' && target[end] != '?') {
        end++;
    }
    parser->authority_at = parser->target_at + scheme;
    parser->authority_size = end - scheme;
    return end;
}

static int check_escapes(struct http_parser *parser, const char *text, size_t size)
{
    const char *limit = text + size;
    while ((text = memchr(text, '%', (size_t)(limit - text))) != NULL) {
        if (limit - text < 3 || http_hex_value(text[1]) < 0 || http_hex_value(text[2]) < 0) {
            return http_refuse(&parser->failure, 400, "malformed percent escape in target");
        }
        text += 3;
    }
    return HTTP_PARSE_DONE;
}

static int check_query(struct http_parser *parser, const char *query, size_t size)
{
    uint32_t count = 1;
    for (size_t i = 0; i < size; i++) {
        count += query[i] == '&';
    }
    if (count > parser->limits->query_params_max) {
        return http_refuse_limit(&parser->failure, 400, HTTP_LIMIT_query_params_max, count,
                                 "too many query parameters");
    }
    return HTTP_PARSE_DONE;
}

static int parse_target(struct http_parser *parser, const char *data)
{
    const char *target = data + parser->target_at;
    uint32_t size = parser->target_size;
    if (size == 0 || !http_chars_all(target, size, HTTP_CHAR_TARGET)) {
        return http_refuse(&parser->failure, 400, "malformed request target");
    }
    uint32_t path = 0;
    if (target[0] != '/') {
        if (size == 1 && target[0] == '*' && parser->method == HTTP_OPTIONS) {
            parser->path_at = parser->target_at;
            parser->path_size = 1;
            return HTTP_PARSE_DONE;
        }
        path = skip_authority(parser, target, size);
        if (path == 0 || parser->authority_size == 0) {
            return http_refuse(&parser->failure, 400, "request target must begin with /");
        }
    }
    const char *query = memchr(target + path, '?', size - path);
    uint32_t path_end = query == NULL ? size : (uint32_t)(query - target);
    parser->path_at = parser->target_at + path;
    parser->path_size = path_end - path;
    if (query != NULL) {
        parser->has_query = 1;
        parser->query_at = parser->target_at + path_end + 1;
        parser->query_size = size - path_end - 1;
        if (check_query(parser, query + 1, parser->query_size) != HTTP_PARSE_DONE) {
            return HTTP_PARSE_FAILED;
        }
    }
    return check_escapes(parser, target + path, size - path);
}

/* method SP target SP version, each separated by exactly one blank. */
static int parse_request_line(struct http_parser *parser, const char *data, uint32_t at, uint32_t n)
{
    const char *line = data + at;
    const char *first = memchr(line, ' ', n);
    if (first == NULL) {
        return http_refuse(&parser->failure, 400, "malformed request line");
    }
    size_t rest = n - (size_t)(first + 1 - line);
    const char *second = memchr(first + 1, ' ', rest);
    if (second == NULL) {
        return http_refuse(&parser->failure, 400, "request line without an HTTP version");
    }
    parser->target_at = (uint32_t)(first + 1 - data);
    parser->target_size = (uint32_t)(second - first - 1);
    size_t version_size = (size_t)(line + n - second - 1);
    if (parse_version(parser, second + 1, version_size) != HTTP_PARSE_DONE ||
        parse_method(parser, line, (size_t)(first - line)) != HTTP_PARSE_DONE) {
        return HTTP_PARSE_FAILED;
    }
    return parse_target(parser, data);
}

/* ---- Field lines ---- */

const char *http_field_split(const char *line, size_t size, struct http_field *field)
{
    if (size == 0 || line[0] == ' ' || line[0] == '\t') {
        return "folded or indented header line";
    }
    size_t name = 0;
    while (name < size && (http_chars[(uint8_t)line[name]] & HTTP_CHAR_TOKEN) != 0) {
        name++;
    }
    if (name == size || line[name] != ':') {
        return "malformed header name";
    }
    if (name == 0) {
        return "empty header name";
    }
    size_t value = name + 1;
    size_t end = size;
    while (value < end && (line[value] == ' ' || line[value] == '\t')) {
        value++;
    }
    while (end > value && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
        end--;
    }
    if (!http_chars_all(line + value, end - value, HTTP_CHAR_VALUE)) {
        return "control byte in header value";
    }
    field->name_at = 0;
    field->name_size = (uint32_t)name;
    field->value_at = (uint32_t)value;
    field->value_size = (uint32_t)(end - value);
    return NULL;
}

static int parse_field_line(struct http_parser *parser, const char *data, uint32_t at, uint32_t n)
{
    if (parser->field_count == parser->limits->headers_count_max) {
        return http_refuse_limit(&parser->failure, 431, HTTP_LIMIT_headers_count_max,
                                 parser->field_count + 1.0, "too many header fields");
    }
    struct http_field *field = &parser->fields[parser->field_count];
    const char *reason = http_field_split(data + at, n, field);
    if (reason != NULL) {
        return http_refuse(&parser->failure, 400, reason);
    }
    field->name_at += at;
    field->value_at += at;
    parser->field_count++;
    return http_field_apply(parser, data, field);
}

/* ---- Lines ---- */

/* Refuses a line as soon as it is too long, complete or not. `end` counts its CRLF. */
static int check_size(struct http_parser *parser, uint32_t end)
{
    const struct http_limits *limits = parser->limits;
    uint32_t line = end - parser->line_at;
    if (parser->phase != PHASE_FIELDS) {
        return line <= limits->request_line_bytes_max
                   ? HTTP_PARSE_DONE
                   : http_refuse_limit(&parser->failure, 414, HTTP_LIMIT_request_line_bytes_max,
                                       line, "request line too long");
    }
    if (line > limits->header_line_bytes_max) {
        return http_refuse_limit(&parser->failure, 431, HTTP_LIMIT_header_line_bytes_max, line,
                                 "header line too long");
    }
    uint32_t total = end - parser->headers_at;
    if (total > limits->headers_bytes_max) {
        return http_refuse_limit(&parser->failure, 431, HTTP_LIMIT_headers_bytes_max, total,
                                 "headers too large");
    }
    return HTTP_PARSE_DONE;
}

/* Handles the line [at, at + n) without its CRLF; `next` is the offset after the CRLF. */
static int
parse_line(struct http_parser *parser, const char *data, uint32_t at, uint32_t n, uint32_t next)
{
    if (parser->phase == PHASE_START && n == 0) {
        parser->start = next;
        parser->phase = PHASE_REQUEST_LINE;
        return HTTP_PARSE_DONE;
    }
    if (parser->phase != PHASE_FIELDS) {
        parser->phase = PHASE_FIELDS;
        parser->headers_at = next;
        return parse_request_line(parser, data, at, n);
    }
    if (n == 0) {
        parser->phase = PHASE_DONE;
        parser->size = next;
        return http_fields_check(parser, data);
    }
    return parse_field_line(parser, data, at, n);
}

int http_parser_head(struct http_parser *parser, const char *data, size_t size)
{
    PRE(size <= UINT32_MAX && size >= parser->scan_at);
    if (parser->failure.status != 0) {
        return HTTP_PARSE_FAILED;
    }
    while (parser->phase != PHASE_DONE) {
        const char *lf = memchr(data + parser->scan_at, '\n', size - parser->scan_at);
        uint32_t next = lf == NULL ? (uint32_t)size : (uint32_t)(lf - data) + 1;
        if (check_size(parser, next) != HTTP_PARSE_DONE) {
            return HTTP_PARSE_FAILED;
        }
        parser->scan_at = next;
        if (lf == NULL) {
            return HTTP_PARSE_MORE;
        }
        uint32_t at = parser->line_at;
        if (next - at < 2 || lf[-1] != '\r') {
            return http_refuse(&parser->failure, 400, "line does not end with CR LF");
        }
        parser->line_at = next;
        if (parse_line(parser, data, at, next - at - 2, next) != HTTP_PARSE_DONE) {
            return HTTP_PARSE_FAILED;
        }
    }
    return HTTP_PARSE_DONE;
}
