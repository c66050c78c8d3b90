/* SPDX-License-Identifier: MIT */
/* buf.c - growing bytes. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

#define BUF_CAPACITY_MIN 64

int buf_grow(struct loam_buffer *buf, size_t extra, struct loam_error *err)
{
    PRE(buf->size <= buf->capacity);
    size_t need = 0;
    if (__builtin_add_overflow(buf->size, extra, &need)) {
        return mem_fail(err, SIZE_MAX);
    }
    size_t capacity = buf->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : buf->capacity;
    while (capacity < need) {
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    }
    char *data = mem_realloc(buf->data, capacity);
    if (data == NULL) {
        return mem_fail(err, capacity);
    }
    buf->data = data;
    buf->capacity = capacity;
    return LOAM_OK;
}

int buf_append(struct loam_buffer *buf, const void *data, size_t size, struct loam_error *err)
{
    TRY(buf_reserve(buf, size, err));
    if (size > 0) {
        memcpy(buf->data + buf->size, data, size);
    }
    buf->size += size;
    return LOAM_OK;
}

int buf_assign(struct loam_buffer *buf, const void *data, size_t size, struct loam_error *err)
{
    if (size > buf->capacity) {
        TRY(buf_grow(buf, size - buf->size, err));
    }
    if (size > 0) {
        memcpy(buf->data, data, size);
    }
    buf->size = size;
    return LOAM_OK;
}

int buf_printf(struct loam_buffer *buf, struct loam_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc =
        need < 0 ? fail(err, LOAM_INVALID, "bad format") : buf_reserve(buf, (size_t)need + 1, err);
    if (rc == LOAM_OK) {
        (void)vsnprintf(buf->data + buf->size, (size_t)need + 1, format, again);
        buf->size += (size_t)need;
    }
    va_end(again);
    return rc;
}

void loam_buffer_free(struct loam_buffer *buffer)
{
    if (buffer != NULL) {
        mem_free(buffer->data);
        *buffer = (struct loam_buffer){0};
    }
}
