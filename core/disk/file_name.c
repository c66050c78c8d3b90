/* SPDX-License-Identifier: MIT */
/* file_name.c - names of the files of a store. A name is ours only when making it again gives the
 * same bytes, so parsing is strict: twelve digits, no sign, never number zero. */
#include "disk/file_name.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"

#define DIGIT_COUNT 12

struct name_form {
    const char *prefix;
    const char *suffix;
    bool has_number;
};

static const struct name_form forms[] = {
    [FILE_UNKNOWN] = {NULL, NULL, false},    [FILE_WAL] = {"", ".wal", true},
    [FILE_TABLE] = {"", ".sst", true},       [FILE_MANIFEST] = {"MANIFEST-", "", true},
    [FILE_CURRENT] = {"CURRENT", "", false}, [FILE_CURRENT_TMP] = {"CURRENT.tmp", "", false},
    [FILE_LOCK] = {"LOCK", "", false},
};

enum { FORM_COUNT = sizeof(forms) / sizeof(forms[0]) };

void file_name_make(int kind, uint64_t number, char *out)
{
    PRE(kind > FILE_UNKNOWN && kind < FORM_COUNT);
    const struct name_form *form = &forms[kind];
    if (!form->has_number) {
        (void)snprintf(out, FILE_NAME_SIZE, "%s", form->prefix);
        return;
    }
    PRE(number > 0 && number <= FILE_NUMBER_MAX);
    (void)snprintf(out, FILE_NAME_SIZE, "%s%0*" PRIu64 "%s", form->prefix, DIGIT_COUNT, number,
                   form->suffix);
}

/* Whether `name` is prefix, twelve digits and suffix. */
static bool parse_numbered(const struct name_form *form, const char *name, uint64_t *number)
{
    size_t prefix_size = strlen(form->prefix);
    if (strncmp(name, form->prefix, prefix_size) != 0) {
        return false;
    }
    const char *digits = name + prefix_size;
    uint64_t value = 0;
    for (size_t i = 0; i < DIGIT_COUNT; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    if (value == 0 || strcmp(digits + DIGIT_COUNT, form->suffix) != 0) {
        return false;
    }
    *number = value;
    return true;
}

int file_name_parse(const char *name, uint64_t *number)
{
    PRE(name != NULL && number != NULL);
    *number = 0;
    for (int kind = FILE_UNKNOWN + 1; kind < FORM_COUNT; kind++) {
        const struct name_form *form = &forms[kind];
        if (form->has_number ? parse_numbered(form, name, number)
                             : strcmp(name, form->prefix) == 0) {
            return kind;
        }
    }
    return FILE_UNKNOWN;
}
