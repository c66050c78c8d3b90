/* SPDX-License-Identifier: MIT */
/*
 * fuzz_host.c - fuzz targets of the rooms http and host, and of the point index: pieces that fuzz.c
 * reaches only behind larger formats.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "disk/point_index.h"
#include "host/conditions.h"
#include "host/json_text.h"
#include "http/http.h"
#include "http/parser.h"
#include "targets.h"

/* What the text of rows asks the store for: here is none. */
const char *loam_content_type_name(loam_db *db, uint32_t id)
{
    (void)db;
    (void)id;
    return NULL;
}

static void must(int is_true)
{
    if (!is_true) {
        abort();
    }
}

/* A copy of exactly these bytes, so that reading one too many is seen. */
static char *copy_of(const uint8_t *data, size_t size, size_t more)
{
    char *copy = malloc(size + more + (size + more == 0));
    must(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    memset(copy + size, 0, more);
    return copy;
}

/* Two bytes choose the widths, the rest are lines. A sound index names only blocks that are there,
 * and no lookup runs for ever. */
void fuzz_point(const uint8_t *data, size_t size)
{
    if (size < 2 + POINT_LINE_SIZE) {
        return;
    }
    struct point_index index = {.row_bits = data[0] % 40,
                                .block_bits = data[1] % 40,
                                .line_count = (uint32_t)((size - 2) / POINT_LINE_SIZE)};
    size_t bytes = (size_t)index.line_count * POINT_LINE_SIZE;
    index.lines = mem_aligned(POINT_LINE_SIZE, bytes);
    must(index.lines != NULL);
    memcpy(index.lines, data + 2, bytes);
    uint64_t keys = 0;
    for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
        uint32_t slot = 0;
        memcpy(&slot, index.lines + at, sizeof(slot));
        keys += slot != POINT_EMPTY;
    }
    uint32_t block_count = data[1] + 1u;
    if (point_index_is_sound(&index, keys, block_count)) {
        for (uint64_t i = 0; i < 64; i++) {
            uint64_t hash = i * 0x9e3779b97f4a7c15u;
            bool is_full = false;
            uint32_t line = point_index_line(&index, hash);
            must(line < index.line_count);
            uint32_t mask = point_index_match(&index, hash, line, &is_full);
            for (uint32_t slot = 0; slot < POINT_LINE_SLOTS; slot++) {
                uint32_t block = 0;
                uint32_t row = 0;
                if ((mask >> slot & 1) != 0) {
                    point_index_slot(&index, line, slot, &block, &row);
                    must(block < block_count);
                }
            }
        }
    }
    mem_free(index.lines);
}

struct decoded {
    size_t used;
    size_t size;
    int rc;
    unsigned char sum;
};

/* Decodes in pieces of at most `step` bytes. */
static struct decoded decode(const char *data, size_t size, size_t step)
{
    struct http_limits limits;
    struct http_chunked chunked;
    struct decoded result = {.rc = HTTP_PARSE_MORE};
    http_limits_init(&limits);
    http_chunked_init(&chunked, &limits, limits.body_bytes_max);
    while (result.rc == HTTP_PARSE_MORE && result.used < size) {
        size_t left = size - result.used;
        size_t used = 0;
        size_t out_size = 0;
        const char *out = NULL;
        result.rc = http_chunked_feed(&chunked, data + result.used, left < step ? left : step,
                                      &used, &out, &out_size);
        must(used <= left && (used > 0 || result.rc != HTTP_PARSE_MORE));
        for (size_t i = 0; i < out_size; i++) {
            result.sum = (unsigned char)(result.sum * 31 + (unsigned char)out[i]);
        }
        result.size += out_size;
        result.used += used;
    }
    return result;
}

/* However the bytes arrive, the body is the same. */
void fuzz_chunked(const uint8_t *data, size_t size)
{
    char *copy = copy_of(data, size, 0);
    struct decoded whole = decode(copy, size, SIZE_MAX);
    for (size_t step = 1; step <= 7; step += 3) {
        struct decoded pieces = decode(copy, size, step);
        must(pieces.rc == whole.rc);
        must(whole.rc == HTTP_PARSE_FAILED ||
             (pieces.size == whole.size && pieces.sum == whole.sum && pieces.used == whole.used));
    }
    free(copy);
}

/* Percent decoding, and walking a query. */
void fuzz_target(const uint8_t *data, size_t size)
{
    char *copy = copy_of(data, size, 0);
    char *out = copy_of(data, size, 0);
    int decoded = http_percent_decode(copy, size, out);
    must(decoded < 0 || (size_t)decoded <= size);
    int again = http_percent_decode(out, decoded < 0 ? 0 : size, out); /* In place. */
    must(decoded < 0 || again <= (int)size);
    size_t at = 0;
    size_t before = 0;
    struct loam_slice name = {0};
    struct loam_slice value = {0};
    while (http_query_next(copy, size, &at, &name, &value) == 1) {
        const char *found = NULL;
        size_t found_size = 0;
        must(at > before && at <= size + 1);
        must(name.data >= copy && name.data + name.size <= copy + size);
        before = at;
        (void)http_query_find(copy, size, name.data, name.size, &found, &found_size);
        must(found == NULL || (found >= copy && found + found_size <= copy + size));
    }
    free(out);
    free(copy);
}

/* UTF-8, JSON strings and base64url: what is written reads back. */
void fuzz_text(const uint8_t *data, size_t size)
{
    char *copy = copy_of(data, size, 1);
    char *out = copy_of(data, size, 1);
    loam_buffer text = {0};
    double at = 0;
    int is_utf8 = host_is_utf8(copy, size);
    must((host_json_string(&text, copy, size) == LOAM_OK) == (is_utf8 == 1));
    if (is_utf8 == 1) {
        (void)host_json_problem(copy, size, &at);
        must(host_is_utf8(text.data, text.size) == 1);
        size_t quoted = text.size;
        must(host_base64url(&text, "", 1) == LOAM_OK); /* Room for the NUL. */
        text.data[quoted] = '\0';
        must(host_json_problem(text.data, quoted, &at) == NULL);
    }
    text.size = 0;
    must(host_base64url(&text, copy, size) == LOAM_OK);
    char *back = malloc(text.size + 1);
    must(back != NULL);
    must(host_base64url_decode(text.data, text.size, back) == (int)size);
    must(memcmp(back, copy, size) == 0);
    (void)host_base64url_decode(copy, size, out);
    free(back);
    loam_buffer_free(&text);
    free(out);
    free(copy);
}

/* The fields of a conditional request, separated by line ends. */
void fuzz_conditions(const uint8_t *data, size_t size)
{
    char *copy = copy_of(data, size, 0);
    struct host_conditions given = {0};
    struct loam_slice *fields[] = {&given.if_match, &given.if_none_match, &given.if_range,
                                   &given.range};
    size_t from = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t to = from;
        while (to < size && copy[to] != '\n') {
            to++;
        }
        if (to > from) {
            *fields[i] = (struct loam_slice){copy + from, to - from};
        }
        from = to < size ? to + 1 : size;
    }
    for (size_t value_size = 0; value_size < 40; value_size += 13) {
        struct host_selection selection = {0};
        if (host_select(&given, "17", 2, value_size % 2 == 0, value_size, &selection) == LOAM_OK &&
            selection.status == 206) {
            must(selection.size > 0 && selection.first < value_size &&
                 selection.size <= value_size - selection.first);
        }
    }
    (void)host_tag_listed(copy, size, "17", 2, 1);
    free(copy);
}
