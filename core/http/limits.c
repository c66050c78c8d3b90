/* SPDX-License-Identifier: MIT */
/* limits.c - defaults and names of the HTTP limits, all made from the one table of limits.h. */
#include "http/limits.h"

#include <stddef.h>
#include <string.h>

struct limit_row {
    const char *name;
    const char *meaning;
    size_t offset;
};

static const struct limit_row limit_rows[] = {
#define LIMIT_ROW(field, value, meaning) {#field, meaning, offsetof(struct http_limits, field)},
    HTTP_LIMIT_MAP(LIMIT_ROW)
#undef LIMIT_ROW
};

_Static_assert(sizeof(struct http_limits) == HTTP_LIMIT_COUNT * sizeof(uint32_t),
               "the table and the struct of limits.h list the same fields");

void http_limits_init(struct http_limits *limits)
{
    *limits = (struct http_limits){
#define LIMIT_DEFAULT(field, value, meaning) .field = (value),
        HTTP_LIMIT_MAP(LIMIT_DEFAULT)
#undef LIMIT_DEFAULT
    };
}

const char *http_limit_name(int index)
{
    return index >= 0 && index < HTTP_LIMIT_COUNT ? limit_rows[index].name : NULL;
}

const char *http_limit_meaning(int index)
{
    return index >= 0 && index < HTTP_LIMIT_COUNT ? limit_rows[index].meaning : NULL;
}

uint32_t http_limit_value(const struct http_limits *limits, int index)
{
    uint32_t value = 0;
    if (index >= 0 && index < HTTP_LIMIT_COUNT) {
        memcpy(&value, (const char *)limits + limit_rows[index].offset, sizeof(value));
    }
    return value;
}
