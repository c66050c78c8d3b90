/* SPDX-License-Identifier: MIT */
/*
 * json_text.c - bytes of the store as JSON text: UTF-8 check, strings, base64url, rows. Floor 5.
 *
 * A scan of a million rows makes two million JSON strings; here they go from the engine's rows to
 * one buffer without becoming Lua strings. Bytes that are not UTF-8 go out as base64url under "k64"
 * and "v64". Called by lua/loam/json.lua and the scan routes. Thread: owner of the buffer.
 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "host/json_text.h"

/* ---- UTF-8 ---- */

/* Returns the length of the character at p (1..4), 0 when it is none. Unicode 15, table 3-7. */
static size_t utf8_character(const unsigned char *p, size_t size)
{
    unsigned char lead = p[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead > 0xf4 || length == 0 || length > size) {
        return 0;
    }
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < length; i++) {
        if (p[i] < low || p[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

int host_is_utf8(const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0;
    while (at < size) {
        uint64_t word;
        if (size - at >= sizeof word) {
            memcpy(&word, bytes + at, sizeof word);
            if ((word & 0x8080808080808080ULL) == 0) {
                at += sizeof word;
                continue;
            }
        }
        size_t length = utf8_character(bytes + at, size - at);
        if (length == 0) {
            return 0;
        }
        at += length;
    }
    return 1;
}

/* ---- Strings ---- */

/* Writes the escape of a byte, returns its size: 1 when it needs none. */
static size_t escape(unsigned char byte, char *out)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; byte < 0x20 || byte == '"' || byte == '\\'; i += 2) {
        if (i == sizeof shorts - 1) {
            memcpy(out, "\\u00", 4);
            out[4] = "0123456789abcdef"[byte >> 4];
            out[5] = "0123456789abcdef"[byte & 15];
            return 6;
        }
        if ((unsigned char)shorts[i] == byte) {
            out[0] = '\\';
            out[1] = shorts[i + 1];
            return 2;
        }
    }
    out[0] = (char)byte;
    return 1;
}

/* Appends the quoted text; room for 6 * size + 2 was reserved. */
static void quote(loam_buffer *out, const char *data, size_t size)
{
    char *at = out->data + out->size;
    *at++ = '"';
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (LIKELY(byte >= 0x20 && byte != '"' && byte != '\\')) {
            *at++ = (char)byte;
        } else {
            at += escape(byte, at);
        }
    }
    *at++ = '"';
    out->size = (size_t)(at - out->data);
    INV(out->size <= out->capacity);
}

int host_json_string(loam_buffer *out, const char *data, size_t size)
{
    if (!host_is_utf8(data, size)) {
        return LOAM_INVALID;
    }
    TRY(buf_reserve(out, 6 * size + 2, NULL));
    quote(out, data, size);
    return LOAM_OK;
}

/* ---- base64url ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int host_base64url(loam_buffer *out, const char *data, size_t size)
{
    TRY(buf_reserve(out, size / 3 * 4 + 4, NULL));
    const unsigned char *bytes = (const unsigned char *)data;
    for (size_t i = 0; i < size; i += 3) {
        size_t count = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= count > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= count > 2 ? bytes[i + 2] : 0;
        for (size_t digit = 0; digit <= count; digit++) {
            out->data[out->size++] = base64_digits[(group >> (18 - 6 * digit)) & 63];
        }
    }
    return LOAM_OK;
}

static int base64_value(char digit)
{
    const char *found = digit == 0 ? NULL : strchr(base64_digits, digit);
    return found == NULL ? -1 : (int)(found - base64_digits);
}

int host_base64url_decode(const char *data, size_t size, char *out)
{
    if (size % 4 == 0) {
        for (int i = 0; i < 2 && size > 0 && data[size - 1] == '='; i++) {
            size--;
        }
    }
    if (size % 4 == 1) {
        return LOAM_INVALID;
    }
    uint32_t group = 0;
    int used = 0;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(data[i]);
        if (value < 0) {
            return LOAM_INVALID;
        }
        group = (group << 6) | (uint32_t)value;
        if (i % 4 != 0) {
            out[used++] = (char)(group >> (6 - 2 * (i % 4)));
        }
    }
    /* Left-over bits must be zero: one text per key. */
    uint32_t rest = size % 4 == 2 ? group & 15 : size % 4 == 3 ? group & 3 : 0;
    return rest == 0 ? used : LOAM_INVALID;
}

/* ---- Rows ---- */

/* Appends "k":"..." or "k64":"...". */
static int row_member(loam_buffer *out, char name, struct loam_slice bytes, int is_base64)
{
    TRY(buf_reserve(out, 6 * bytes.size + 16, NULL));
    char *at = out->data + out->size;
    if (!is_base64 && host_is_utf8(bytes.data, bytes.size)) {
        memcpy(at, "\"?\":", 4);
        at[1] = name;
        out->size += 4;
        quote(out, bytes.data, bytes.size);
        return LOAM_OK;
    }
    memcpy(at, "\"?64\":\"", 7);
    at[1] = name;
    out->size += 7;
    TRY(host_base64url(out, bytes.data, bytes.size));
    return buf_append(out, "\"", 1, NULL);
}

/* Appends ,"seq":N and ,"expires_at_ms":N and ,"content_type":"...". */
static int row_meta(loam_db *db, loam_buffer *out, const loam_row *row)
{
    TRY(buf_printf(out, NULL, ",\"seq\":%" PRIu64, row->seq));
    if (row->expire_at_ms != 0) {
        TRY(buf_printf(out, NULL, ",\"expires_at_ms\":%" PRIu64, row->expire_at_ms));
    }
    const char *type =
        row->content_type == 0 ? NULL : loam_content_type_name(db, row->content_type);
    if (type == NULL || !host_is_utf8(type, strlen(type))) {
        return LOAM_OK;
    }
    TRY(buf_printf(out, NULL, ",\"content_type\":"));
    return host_json_string(out, type, strlen(type));
}

static int add_row(loam_db *db, loam_buffer *out, const loam_row *row, int flags)
{
    struct loam_slice key = {.data = row->key, .size = row->key_size};
    struct loam_slice value = {.data = row->value, .size = row->value_size};
    int is_base64 = (flags & HOST_ROWS_BASE64) != 0;
    if ((flags & HOST_ROWS_BARE) != 0 && !is_base64 && host_is_utf8(key.data, key.size)) {
        return host_json_string(out, key.data, key.size);
    }
    TRY(buf_append(out, "{", 1, NULL));
    TRY(row_member(out, 'k', key, is_base64));
    if ((flags & (HOST_ROWS_KEYS_ONLY | HOST_ROWS_BARE)) == 0) {
        TRY(buf_append(out, ",", 1, NULL));
        TRY(row_member(out, 'v', value, 0));
    }
    if ((flags & HOST_ROWS_META) != 0) {
        TRY(row_meta(db, out, row));
    }
    return buf_append(out, "}", 1, NULL);
}

int host_json_rows(loam_db *db, loam_buffer *out, const loam_rows *rows, size_t limit, int flags)
{
    PRE(limit <= rows->count);
    for (size_t i = 0; i < limit; i++) {
        bool is_list = (flags & HOST_ROWS_LIST) != 0;
        if (is_list && !(i == 0 && (flags & HOST_ROWS_FIRST) != 0)) {
            TRY(buf_append(out, ",", 1, NULL));
        }
        TRY(add_row(db, out, &rows->rows[i], flags));
        if (!is_list) {
            TRY(buf_append(out, "\n", 1, NULL));
        }
    }
    return LOAM_OK;
}
