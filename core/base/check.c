/* SPDX-License-Identifier: MIT */
/* check.c - the one place where a broken assertion ends the process. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_abort(const char *kind, const char *text, const char *file, int line)
{
    (void)fprintf(stderr, "loam: %s:%d: %s does not hold: %s\n", file, line, kind, text);
    abort();
}
