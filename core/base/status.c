/* SPDX-License-Identifier: MIT */
/* status.c - code texts and the birthplace of every error. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHECK_VALUE(name, value, text)                                                             \
    _Static_assert(LOAM_##name == (value), "loam.h and base/status.h disagree about " #name);
LOAM_STATUS_MAP(CHECK_VALUE)

const char *loam_code_name(int code)
{
    switch (code) {
#define CASE_NAME(name, value, text)                                                               \
    case value:                                                                                    \
        return #name;
        LOAM_STATUS_MAP(CASE_NAME)
    default:
        return "UNKNOWN_CODE";
    }
}

const char *loam_code_text(int code)
{
    switch (code) {
#define CASE_TEXT(name, value, text)                                                               \
    case value:                                                                                    \
        return text;
        LOAM_STATUS_MAP(CASE_TEXT)
    default:
        return "unknown code";
    }
}

int loam_fail(struct loam_error *err,
              int code,
              int os_errno,
              const char *file,
              int line,
              const char *format,
              ...)
{
    if (err == NULL) {
        return code;
    }
    err->code = code;
    err->os_errno = os_errno;
    err->file = file;
    err->line = line;
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (os_errno != 0 && used >= 0 && (size_t)used < sizeof(err->text)) {
        char reason[80];
        /* The GNU strerror_r returns the text, which need not be in the buffer. */
        const char *text = strerror_r(os_errno, reason, sizeof(reason));
        (void)snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s", text);
    }
    return code;
}

void error_unknown(struct loam_error *err)
{
    if (err != NULL) {
        error_prefix(err, "outcome unknown until the store is reopened");
        err->code = LOAM_UNKNOWN_OUTCOME;
    }
}

void error_prefix(struct loam_error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    char old[sizeof(err->text)];
    memcpy(old, err->text, sizeof(old));
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof(err->text)) {
        (void)snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s", old);
    }
}
