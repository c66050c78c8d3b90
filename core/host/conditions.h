/* SPDX-License-Identifier: MIT */
/*
 * conditions.h - conditional requests and ranges of one value: RFC 9110, 13 and 14. Floor 5.
 *
 * Pure: fields and a tag in, a verdict out. glue.c asks for the plain GET, lua/loam/conditions.lua
 * for everything else, so that both ways judge alike. Values have no date of change: the fields
 * with dates are ignored, as the RFC wants. Thread: any, on memory of the caller.
 */
#ifndef LOAM_HOST_CONDITIONS_H
#define LOAM_HOST_CONDITIONS_H

#include <stddef.h>
#include <stdint.h>

#include "http/http.h"
#include "loam.h"

/* ffi: begin */
/* The fields of a request; data == NULL: absent. Borrowed. */
struct host_conditions {
    struct loam_slice if_match;
    struct loam_slice if_none_match;
    struct loam_slice if_range;
    struct loam_slice range;
    int is_repeated; /* One of them came twice: which one holds, nobody knows. */
    int is_part;     /* Content-Range: the body is a part of a value. */
    int is_coded;    /* Content-Encoding other than identity. */
};

/* What a GET or HEAD of a value is answered with. */
struct host_selection {
    int status;   /* 200, 206, 304, 412 or 416. */
    size_t first; /* The part, when 206. */
    size_t size;
};

/* Collects the fields of a request that is open. Returns how many there are, so 0 for a request
 * that is plain in all these ways. Thread: worker */
int host_conditions_of(const struct http_request *request, struct host_conditions *out);

/* Whether a list of tags ("*" stands for all) holds a tag, which is given without its quotes; weak
 * tags count only when is_weak. Returns 1, 0, or INVALID for what is no list of tags. */
int host_tag_listed(
    const char *list, size_t list_size, const char *tag, size_t tag_size, int is_weak);

/*
 * Judges a GET (is_get) or HEAD of a value of `size` bytes, in the order of RFC 9110 13.2.2. A
 * range that no value can satisfy, or that is none, is 416; several ranges are answered with the
 * whole value, which the RFC leaves to servers: no request multiplies what it is answered with.
 * Returns LOAM_OK, or INVALID for a malformed or repeated field.
 */
int host_select(const struct host_conditions *given,
                const char *tag,
                size_t tag_size,
                int is_get,
                size_t size,
                struct host_selection *out);
/* ffi: end */

#endif
