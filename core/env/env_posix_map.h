/* SPDX-License-Identifier: MIT */
/*
 * env_posix_map.h - writing to a file through memory, with errors that stay errors. Floor 1,
 * private to the posix driver.
 *
 * A 140-byte append costs about 1.1 us by pwrite and 0.35 us by a copy into mapped, allocated
 * space, and both are in the kernel's hands when they return: they survive the process. But where
 * the kernel cannot provide a page (full disk, I/O error, a file that somebody cut), a copy ends in
 * SIGBUS instead of an error. So space is allocated first, and every copy is guarded: a handler
 * takes the signal when, and only when, its address lies in the mapping that this thread is copying
 * to, and the copy answers an error.
 */
#ifndef LOAM_ENV_ENV_POSIX_MAP_H
#define LOAM_ENV_ENV_POSIX_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attrs.h"

/* Installs the SIGBUS handler of the process, once; signals that are not ours go to the handler
 * before it. */
void map_guard_install(void);
/* Copies size bytes to `to`, which lies in a mapping. Returns false when the kernel had no page for
 * it; an unknown part may have been copied. Thread: any */
NODISCARD bool map_copy(char *to, const void *data, size_t size);

#endif
