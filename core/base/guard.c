/* SPDX-License-Identifier: MIT */
/*
 * guard.c - see guard.h. Part of builds with -DLOAM_GUARDS=ON only. The environment is read once,
 * before the library is used.
 */
#include "base/guard.h"

#include <stdlib.h>
#include <string.h>

#define GUARD_NAME(name) #name,

static const char *const NAMES[GUARD_COUNT] = {GUARD_MAP(GUARD_NAME)};
static bool is_off[GUARD_COUNT];

static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += size) {
        bool is_start = at == list || at[-1] == ',';
        if (is_start && (at[size] == '\0' || at[size] == ',')) {
            return true;
        }
    }
    return false;
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *list = getenv("LOAM_GUARDS_OFF");
    for (int i = 0; list != NULL && i < GUARD_COUNT; i++) {
        is_off[i] = is_listed(list, NAMES[i]);
    }
}

bool guard_is_on(enum guard guard)
{
    return !is_off[guard];
}
