/* SPDX-License-Identifier: MIT */
/*
 * buf.h - owned, growing bytes: the functions of struct loam_buffer (loam.h). Floor 0.
 *
 * Zero-initialised is empty and valid. Capacity doubles, so appending is amortised O(1). Thread:
 * owner.
 */
#ifndef LOAM_BASE_BUF_H
#define LOAM_BASE_BUF_H

#include "base/attrs.h"
#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

/* ffi: begin */
/* Makes room for `extra` more bytes; data may move. Errors: NO_MEMORY. */
NODISCARD int buf_grow(struct loam_buffer *buf, size_t extra, struct loam_error *err);
/* Appends bytes. Errors: NO_MEMORY, and the buffer is as before. */
NODISCARD int
buf_append(struct loam_buffer *buf, const void *data, size_t size, struct loam_error *err);
/* Replaces the contents. Errors: NO_MEMORY. */
NODISCARD int
buf_assign(struct loam_buffer *buf, const void *data, size_t size, struct loam_error *err);
/* Appends formatted text without its NUL. Errors: NO_MEMORY. */
NODISCARD int buf_printf(struct loam_buffer *buf, struct loam_error *err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* ffi: end */

/* Makes room when needed; the common case is one comparison. */
static inline NODISCARD int
buf_reserve(struct loam_buffer *buf, size_t extra, struct loam_error *err)
{
    if (LIKELY(buf->capacity - buf->size >= extra)) {
        return LOAM_OK;
    }
    return buf_grow(buf, extra, err);
}

static inline struct slice buf_slice(const struct loam_buffer *buf)
{
    return slice_make(buf->data, buf->size);
}

#endif
