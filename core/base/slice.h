/* SPDX-License-Identifier: MIT */
/*
 * slice.h - borrowed bytes. Floor 0. A slice never owns; data may be NULL only when size is 0.
 * Thread: owner.
 */
#ifndef LOAM_BASE_SLICE_H
#define LOAM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ffi: begin */
struct slice {
    const char *data;
    size_t size;
};
/* ffi: end */

static inline struct slice slice_make(const void *data, size_t size)
{
    return (struct slice){.data = data, .size = size};
}

/* memcmp order, a prefix sorts first. Returns <0, 0, >0. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_starts_with(struct slice a, struct slice prefix)
{
    return a.size >= prefix.size &&
           (prefix.size == 0 || memcmp(a.data, prefix.data, prefix.size) == 0);
}

#endif
