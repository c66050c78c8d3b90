/* SPDX-License-Identifier: MIT */
/*
 * response.c - heads of answers. Every header passes one check, so no value of a key, a file name
 * or a script can end a line early and forge a second answer (H14). Thread: owner.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/status.h"
#include "http/chars.h"
#include "http/worker.h"

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Unknown";
}

void http_date_write(char *text, int64_t second)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t at = (time_t)second;
    struct tm tm;
    (void)gmtime_r(&at, &tm);
    (void)snprintf(text, HTTP_DATE_SIZE + 1, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                   days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000,
                   tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static char *put(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

static char *put_status(char *at, int status)
{
    if (status == 200) {
        return PUT(at, "HTTP/1.1 200 OK\r\n");
    }
    const char *text = http_status_text(status);
    at = PUT(at, "HTTP/1.1 ");
    at = put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, text, strlen(text));
    return PUT(at, "\r\n");
}

bool http_head_write(struct http_worker *worker,
                     struct http_buffer *out,
                     const struct http_head_options *options,
                     size_t extra)
{
    enum { OWN_LINES_MAX = 256 };
    if (!http_buffer_reserve(&worker->pool, out, OWN_LINES_MAX + options->headers_size + extra)) {
        return false;
    }
    char *start = out->data + out->size;
    char *at = put_status(start, options->status);
    at = put(at, worker->date, HTTP_DATE_SIZE);
    if (options->content_length >= 0) {
        at = PUT(at, "Content-Length: ");
        at = put_number(at, (uint64_t)options->content_length);
        at = PUT(at, "\r\n");
    } else if (options->framing == HTTP_FRAMING_CHUNKED) {
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    }
    if (!options->keep_alive) {
        at = PUT(at, "Connection: close\r\n");
    } else if (options->version_minor == 0) {
        at = PUT(at, "Connection: keep-alive\r\n");
    }
    POST(at - start <= OWN_LINES_MAX - 2);
    if (options->headers_size > 0) {
        at = put(at, options->headers, options->headers_size);
    }
    at = PUT(at, "\r\n");
    out->size = (size_t)(at - out->data);
    return true;
}

/* ---- Checks ---- */

static bool is_own_name(const char *name, size_t size)
{
    switch (size) {
    case 4:
        return http_equal_nocase(name, size, "date", 4);
    case 7:
        return http_equal_nocase(name, size, "trailer", 7) ||
               http_equal_nocase(name, size, "upgrade", 7);
    case 10:
        return http_equal_nocase(name, size, "connection", 10) ||
               http_equal_nocase(name, size, "keep-alive", 10);
    case 14:
        return http_equal_nocase(name, size, "content-length", 14);
    case 17:
        return http_equal_nocase(name, size, "transfer-encoding", 17);
    default:
        return false;
    }
}

static bool block_is_clean(const char *headers, size_t size)
{
    while (size > 0) {
        const char *lf = memchr(headers, '\n', size);
        if (lf == NULL || lf == headers || lf[-1] != '\r') {
            return false;
        }
        struct http_field field;
        size_t line = (size_t)(lf - headers) - 1;
        if (http_field_split(headers, line, &field) != NULL ||
            is_own_name(headers, field.name_size)) {
            return false;
        }
        headers += line + 2;
        size -= line + 2;
    }
    return true;
}

bool http_headers_check(struct http_worker *worker, const char *headers, size_t size)
{
    if (size == 0 || (size == worker->block_size && memcmp(headers, worker->block, size) == 0)) {
        return true;
    }
    if (!block_is_clean(headers, size)) {
        return false;
    }
    if (size <= sizeof(worker->block)) {
        memcpy(worker->block, headers, size);
        worker->block_size = size;
    }
    return true;
}

int http_header_add(char *text,
                    size_t used,
                    size_t capacity,
                    const char *name,
                    size_t name_size,
                    const char *value,
                    size_t value_size)
{
    if (name_size == 0 || !http_chars_all(name, name_size, HTTP_CHAR_TOKEN) ||
        is_own_name(name, name_size) || !http_chars_all(value, value_size, HTTP_CHAR_VALUE)) {
        return LOAM_INVALID;
    }
    if (used > capacity || name_size > INT32_MAX || value_size > INT32_MAX ||
        capacity - used < name_size + value_size + 4) {
        return LOAM_TOO_LARGE;
    }
    char *at = put(text + used, name, name_size);
    at = PUT(at, ": ");
    at = put(at, value, value_size);
    at = PUT(at, "\r\n");
    return (int)(at - text);
}
