/* SPDX-License-Identifier: MIT */
/* number.c - strtod and printf with strict edges. */
#include "db/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARSE_SIZE_MAX = 64 };

int number_parse(struct slice text, double *out)
{
    char copy[PARSE_SIZE_MAX + 1];
    if (text.size == 0 || text.size > PARSE_SIZE_MAX) {
        return LOAM_INVALID;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    /* strtod would also take blanks, hexadecimal, "inf" and "nan". */
    if (strspn(copy, "+-.0123456789eE") != text.size) {
        return LOAM_INVALID;
    }
    char *end = NULL;
    double value = strtod(copy, &end);
    if (end != copy + text.size || !isfinite(value)) {
        return LOAM_INVALID;
    }
    *out = value;
    return LOAM_OK;
}

size_t number_format(double number, char out[NUMBER_TEXT_MAX])
{
    if (number == floor(number) && fabs(number) < 9007199254740992.0) {
        return (size_t)snprintf(out, NUMBER_TEXT_MAX, "%.0f", number);
    }
    for (int digits = 15; digits <= 17; digits++) {
        int size = snprintf(out, NUMBER_TEXT_MAX, "%.*g", digits, number);
        if (digits == 17 || strtod(out, NULL) == number) {
            return (size_t)size;
        }
    }
    return 0;
}
