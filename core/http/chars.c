/* SPDX-License-Identifier: MIT */
/* chars.c - the byte classes of HTTP as one table. */
#include "http/chars.h"

#define T HTTP_CHAR_TOKEN
#define V HTTP_CHAR_VALUE
#define G HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST

/* Bytes that are not listed belong nowhere: controls and DEL. */
/* clang-format off */
const uint8_t http_chars[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T | V | G | H, ['"'] = V | G, ['#'] = T | V, ['$'] = T | V | G | H,
    ['%'] = T | V | G | H, ['&'] = T | V | G | H, ['\''] = T | V | G | H,
    ['('] = V | G | H, [')'] = V | G | H, ['*'] = T | V | G | H, ['+'] = T | V | G | H,
    [','] = V | G, ['-'] = T | V | G | H, ['.'] = T | V | G | H, ['/'] = V | G,
    ['0' ... '9'] = T | V | G | H,
    [':'] = V | G | H, [';'] = V | G | H, ['<'] = V | G, ['='] = V | G | H, ['>'] = V | G,
    ['?'] = V | G, ['@'] = V | G,
    ['A' ... 'Z'] = T | V | G | H,
    ['['] = V | G | H, ['\\'] = V | G, [']'] = V | G | H, ['^'] = T | V | G,
    ['_'] = T | V | G | H, ['`'] = T | V | G,
    ['a' ... 'z'] = T | V | G | H,
    ['{'] = V | G, ['|'] = T | V | G, ['}'] = V | G, ['~'] = T | V | G | H,
    [0x80 ... 0xff] = V,
};
/* clang-format on */

bool http_chars_all(const char *text, size_t size, uint8_t set)
{
    uint8_t seen = set;
    for (size_t i = 0; i < size; i++) {
        seen &= http_chars[(uint8_t)text[i]];
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
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}
