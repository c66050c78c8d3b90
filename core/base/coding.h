/* SPDX-License-Identifier: MIT */
/*
 * coding.h - integers as bytes: little-endian fixed width, LEB128 varints, and the big-endian
 * bucket id in front of keys. Floor 0.
 *
 * Encoders write to memory that the caller has sized. Decoders take (cursor, limit), never read at
 * or past limit, and return NULL when the bytes end early or a varint is longer than its type:
 * bytes from disk are checked here, never asserted. A varint has one accepted length only as far as
 * size goes: padding with zero groups is accepted up to 10 bytes.
 */
#ifndef LOAM_BASE_CODING_H
#define LOAM_BASE_CODING_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/attrs.h"

#define VARINT32_MAX 5
#define VARINT64_MAX 10

static inline void put_u16(char *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put_u32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put_u64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint16_t get_u16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return le16toh(v);
}

static inline uint32_t get_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static inline uint64_t get_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* Big-endian: the numeric order is the memcmp order. */
static inline void put_u32_be(char *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint32_t get_u32_be(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

/* Writes 1..10 bytes and returns the end. */
static inline char *put_varint(char *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

static inline size_t varint_size(uint64_t v)
{
    size_t size = 1;
    while (v >= 0x80) {
        v >>= 7;
        size++;
    }
    return size;
}

/* Reads a varint of up to 64 bits. Returns the byte after it, or NULL. */
static inline const char *get_varint_slow(const char *p, const char *limit, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && p < limit; shift += 7) {
        uint64_t byte = (unsigned char)*p++;
        if (shift == 63 && byte > 1) {
            return NULL;
        }
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return p;
        }
    }
    return NULL;
}

static inline const char *get_varint(const char *p, const char *limit, uint64_t *out)
{
    if (LIKELY(p < limit && (unsigned char)*p < 0x80)) {
        *out = (unsigned char)*p;
        return p + 1;
    }
    return get_varint_slow(p, limit, out);
}

/* As get_varint, but NULL also when the value does not fit 32 bits. */
static inline const char *get_varint32(const char *p, const char *limit, uint32_t *out)
{
    uint64_t wide = 0;
    p = get_varint(p, limit, &wide);
    if (p == NULL || wide > UINT32_MAX) {
        return NULL;
    }
    *out = (uint32_t)wide;
    return p;
}

#endif
