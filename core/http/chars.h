/* SPDX-License-Identifier: MIT */
/*
 * chars.h - which byte may stand where in HTTP (RFC 9110 5.6.2, 5.5; RFC 3986), and comparison
 * without case. Floor 4; used by the parser, the response writer and the target functions.
 * Independent of the locale: <ctype.h> is not. Thread: any.
 */
#ifndef LOAM_HTTP_CHARS_H
#define LOAM_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ffi: begin */
enum {
    HTTP_CHAR_TOKEN = 1,  /* Method, header name. */
    HTTP_CHAR_VALUE = 2,  /* Header value: tab, blank, visible, and bytes from 0x80. */
    HTTP_CHAR_TARGET = 4, /* Request target: visible ASCII without "#". */
    HTTP_CHAR_HOST = 8,   /* Host with port; a comma is legal in RFC 3986 and refused here. */
    HTTP_CHAR_NAME = 16,  /* Host name: HOST without colon and brackets. */
};

extern const uint8_t http_chars[256];

/* True when every byte belongs to `set` (one of HTTP_CHAR_*). */
bool http_chars_all(const char *text, size_t size, uint8_t set);
/* Value of a hex digit, or -1. */
int http_hex_value(char digit);
bool http_equal_nocase(const char *text, size_t size, const char *word, size_t word_size);
/* Compares `size` bytes of two texts. */
bool http_same_nocase(const char *a, const char *b, size_t size);
/* ffi: end */

#endif
