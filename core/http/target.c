/* SPDX-License-Identifier: MIT */
/*
 * target.c - percent decoding and queries on the raw request target (http.h, "Targets").
 *
 * Decoding happens exactly once and only here, on demand: the raw path decides the route, so "%2F"
 * inside a key is data and no separator. "+" stays "+". Thread: any.
 */
#include <string.h>

#include "base/status.h"
#include "http/chars.h"
#include "http/http.h"

int http_percent_decode(const char *text, size_t size, char *out)
{
    size_t to = 0;
    for (size_t from = 0; from < size; from++) {
        char byte = text[from];
        if (byte == '%') {
            int high = size - from >= 3 ? http_hex_value(text[from + 1]) : -1;
            int low = size - from >= 3 ? http_hex_value(text[from + 2]) : -1;
            if (high < 0 || low < 0) {
                return LOAM_INVALID;
            }
            byte = (char)(high << 4 | low);
            from += 2;
        }
        out[to++] = byte;
    }
    return (int)to;
}

int http_query_next(const char *query,
                    size_t query_size,
                    size_t *at,
                    struct loam_slice *name,
                    struct loam_slice *value)
{
    while (*at < query_size) {
        const char *start = query + *at;
        const char *end = memchr(start, '&', query_size - *at);
        size_t size = end == NULL ? query_size - *at : (size_t)(end - start);
        *at += size + 1;
        if (size == 0) {
            continue;
        }
        const char *equals = memchr(start, '=', size);
        size_t name_size = equals == NULL ? size : (size_t)(equals - start);
        name->data = start;
        name->size = name_size;
        value->data = equals == NULL ? start + size : equals + 1;
        value->size = equals == NULL ? 0 : size - name_size - 1;
        return 1;
    }
    return 0;
}

/* Compares a raw name, decoding as it goes. */
static int name_matches(struct loam_slice raw, const char *name, size_t name_size)
{
    size_t to = 0;
    for (size_t from = 0; from < raw.size; from++, to++) {
        char byte = raw.data[from];
        if (byte == '%' && raw.size - from >= 3) {
            byte = (char)((unsigned)http_hex_value(raw.data[from + 1]) << 4 |
                          (unsigned)http_hex_value(raw.data[from + 2]));
            from += 2;
        }
        if (to == name_size || byte != name[to]) {
            return 0;
        }
    }
    return to == name_size;
}

int http_query_find(const char *query,
                    size_t query_size,
                    const char *name,
                    size_t name_size,
                    const char **value,
                    size_t *value_size)
{
    size_t at = 0;
    struct loam_slice raw_name;
    struct loam_slice raw_value;
    while (http_query_next(query, query_size, &at, &raw_name, &raw_value)) {
        if (name_matches(raw_name, name, name_size)) {
            *value = raw_value.data;
            *value_size = raw_value.size;
            return 1;
        }
    }
    return 0;
}
