/* SPDX-License-Identifier: MIT */
/*
 * ops.c - operations of a batch as bytes, grammar in ops.h. Encoding is canonical: a flag is set
 * only for a value other than 0, and a delete carries neither value nor flags; decoding refuses
 * everything else, so that one list of operations has one form.
 */
#include "disk/ops.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"

#define KIND_MASK        0x0f
#define HAS_EXPIRY       0x10
#define HAS_CONTENT_TYPE 0x20
#define HEAD_KNOWN       (KIND_MASK | HAS_EXPIRY | HAS_CONTENT_TYPE)
/* head, key size, value size, expiry, content type, bucket id. */
#define FIXED_SIZE_MAX (1 + VARINT64_MAX + VARINT64_MAX + 8 + 2 + BUCKET_ID_SIZE)

/* Writes all that stands in front of the key and returns the end. */
static char *put_head(char *p, const struct entry *entry, size_t key_size)
{
    bool is_put = entry->kind == ENTRY_PUT;
    unsigned head = entry->kind;
    head |= entry->expire_at_ms != 0 ? HAS_EXPIRY : 0;
    head |= entry->content_type != 0 ? HAS_CONTENT_TYPE : 0;
    *p++ = (char)head;
    p = put_varint(p, key_size);
    if (is_put) {
        p = put_varint(p, entry->value.size);
    }
    if (entry->expire_at_ms != 0) {
        put_u64(p, entry->expire_at_ms);
        p += 8;
    }
    if (entry->content_type != 0) {
        put_u16(p, (uint16_t)entry->content_type);
        p += 2;
    }
    return p;
}

static void check_entry(const struct entry *entry, size_t key_size)
{
    PRE(entry->kind == ENTRY_PUT || entry->kind == ENTRY_DELETE);
    PRE(key_size >= BUCKET_ID_SIZE && key_size <= STORED_KEY_SIZE_MAX);
    PRE(entry->value.size <= VALUE_SIZE_MAX && entry->content_type <= UINT16_MAX);
    PRE(ERGO(entry->kind == ENTRY_DELETE,
             entry->value.size == 0 && entry->expire_at_ms == 0 && entry->content_type == 0));
}

/* Copies key and value behind p. */
static void finish(struct loam_buffer *out, char *p, const struct entry *entry)
{
    if (entry->key.size > 0) {
        memcpy(p, entry->key.data, entry->key.size);
        p += entry->key.size;
    }
    if (entry->value.size > 0) {
        memcpy(p, entry->value.data, entry->value.size);
        p += entry->value.size;
    }
    out->size = (size_t)(p - out->data);
    POST(out->size <= out->capacity);
}

size_t ops_size_max(const struct entry *entry)
{
    return FIXED_SIZE_MAX + entry->key.size + entry->value.size;
}

int ops_append(struct loam_buffer *out, const struct entry *entry, struct loam_error *err)
{
    check_entry(entry, entry->key.size);
    TRY(buf_reserve(out, ops_size_max(entry), err));
    finish(out, put_head(out->data + out->size, entry, entry->key.size), entry);
    return LOAM_OK;
}

int ops_append_in(struct loam_buffer *out,
                  uint32_t bucket,
                  const struct entry *entry,
                  struct loam_error *err)
{
    size_t key_size = BUCKET_ID_SIZE + entry->key.size;
    check_entry(entry, key_size);
    TRY(buf_reserve(out, ops_size_max(entry), err));
    char *p = put_head(out->data + out->size, entry, key_size);
    put_u32_be(p, bucket);
    finish(out, p + BUCKET_ID_SIZE, entry);
    return LOAM_OK;
}

/* Reads the optional fields; returns the byte behind them, or NULL. */
static const char *get_options(const char *p, const char *limit, unsigned head, struct entry *entry)
{
    entry->expire_at_ms = 0;
    entry->content_type = 0;
    if ((head & HAS_EXPIRY) != 0) {
        if (limit - p < 8) {
            return NULL;
        }
        entry->expire_at_ms = get_u64(p);
        p += 8;
        if (entry->expire_at_ms == 0) {
            return NULL;
        }
    }
    if ((head & HAS_CONTENT_TYPE) != 0) {
        if (limit - p < 2) {
            return NULL;
        }
        entry->content_type = get_u16(p);
        p += 2;
        if (entry->content_type == 0) {
            return NULL;
        }
    }
    return p;
}

int ops_next(const char **cursor, const char *limit, struct entry *entry)
{
    const char *p = *cursor;
    if (p >= limit) {
        return LOAM_CORRUPT;
    }
    unsigned head = (unsigned char)*p++;
    unsigned kind = head & KIND_MASK;
    bool is_put = kind == ENTRY_PUT;
    if ((head & ~(unsigned)HEAD_KNOWN) != 0 || (!is_put && head != ENTRY_DELETE)) {
        return LOAM_CORRUPT;
    }
    uint64_t key_size = 0;
    uint64_t value_size = 0;
    p = get_varint(p, limit, &key_size);
    if (p == NULL || key_size < BUCKET_ID_SIZE || key_size > STORED_KEY_SIZE_MAX) {
        return LOAM_CORRUPT;
    }
    if (is_put) {
        p = get_varint(p, limit, &value_size);
        if (p == NULL || value_size > VALUE_SIZE_MAX) {
            return LOAM_CORRUPT;
        }
    }
    struct entry options;
    p = get_options(p, limit, head, &options);
    /* Both sizes are bounded, so the sum cannot wrap. */
    if (p == NULL || key_size + value_size > (uint64_t)(limit - p)) {
        return LOAM_CORRUPT;
    }
    entry->kind = kind;
    entry->expire_at_ms = options.expire_at_ms;
    entry->content_type = options.content_type;
    entry->key = slice_make(p, (size_t)key_size);
    entry->value = slice_make(p + key_size, (size_t)value_size);
    *cursor = p + key_size + value_size;
    return LOAM_OK;
}
