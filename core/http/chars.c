/* SPDX-License-Identifier: MIT */
/* chars.c - the byte classes of HTTP as one table, and eight bytes at a time where that is easy. */
#include "http/chars.h"

#include <string.h>

#define T HTTP_CHAR_TOKEN
#define V HTTP_CHAR_VALUE
#define G HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST
#define N (HTTP_CHAR_HOST | HTTP_CHAR_NAME)

/* Bytes that are not listed belong nowhere: controls and DEL. */
/* clang-format off */
const uint8_t http_chars[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T | V | G | N, ['"'] = V | G, ['#'] = T | V, ['$'] = T | V | G | N,
    ['%'] = T | V | G | N, ['&'] = T | V | G | N, ['\''] = T | V | G | N,
    ['('] = V | G | N, [')'] = V | G | N, ['*'] = T | V | G | N, ['+'] = T | V | G | N,
    [','] = V | G, ['-'] = T | V | G | N, ['.'] = T | V | G | N, ['/'] = V | G,
    ['0' ... '9'] = T | V | G | N,
    [':'] = V | G | H, [';'] = V | G | N, ['<'] = V | G, ['='] = V | G | N, ['>'] = V | G,
    ['?'] = V | G, ['@'] = V | G,
    ['A' ... 'Z'] = T | V | G | N,
    ['['] = V | G | H, ['\\'] = V | G, [']'] = V | G | H, ['^'] = T | V | G,
    ['_'] = T | V | G | N, ['`'] = T | V | G,
    ['a' ... 'z'] = T | V | G | N,
    ['{'] = V | G, ['|'] = T | V | G, ['}'] = V | G, ['~'] = T | V | G | N,
    [0x80 ... 0xff] = V,
};
/* clang-format on */

#define EACH(byte) ((uint64_t)0x0101010101010101 * (byte))

/* True when all eight bytes are visible ASCII; for targets also none a "#". False does not say that
 * one is wrong: values may have other bytes too. */
static bool is_visible_word(const char *text, uint8_t set)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    /* The high bit of a byte comes out as 1 when it was set, below "!" or DEL. */
    uint64_t wrong = word | ~(word + EACH(0x80 - '!')) | (word + EACH(1));
    if (set == HTTP_CHAR_TARGET) {
        uint64_t other = word ^ EACH('#');
        wrong |= (other - EACH(1)) & ~other;
    }
    return (wrong & EACH(0x80)) == 0;
}

static uint8_t common_set(const char *text, size_t size, uint8_t set)
{
    for (size_t i = 0; i < size; i++) {
        set &= http_chars[(uint8_t)text[i]];
    }
    return set;
}

bool http_chars_all(const char *text, size_t size, uint8_t set)
{
    enum { WORD = sizeof(uint64_t) };
    if (size < WORD || (set != HTTP_CHAR_TARGET && set != HTTP_CHAR_VALUE)) {
        return common_set(text, size, set) != 0;
    }
    uint8_t seen = set;
    size_t last = size - WORD; /* The last word overlaps the one before it. */
    for (size_t at = 0; at < size; at += WORD) {
        const char *word = text + (at < last ? at : last);
        if (!is_visible_word(word, set)) {
            seen &= common_set(word, WORD, set);
        }
    }
    return seen != 0;
}

int http_hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    int lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool http_equal_nocase(const char *text, size_t size, const char *word, size_t word_size)
{
    return size == word_size && http_same_nocase(text, word, size);
}

bool http_same_nocase(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}
