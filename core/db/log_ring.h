/* SPDX-License-Identifier: MIT */
/*
 * log_ring.h - the last lines that background threads had to say; the host takes them. Floor 4.
 * Thread: any.
 */
#ifndef LOAM_DB_LOG_RING_H
#define LOAM_DB_LOG_RING_H

#include "base/thread.h"
#include "env/env.h"

enum { LOG_RING_SIZE = 128 };

struct log_ring {
    struct loam_mutex mu;
    struct loam_log_line lines[LOG_RING_SIZE] PROTECTED_BY(mu);
    uint64_t
        written PROTECTED_BY(mu); /* Lines ever added; line i stands in lines[i % LOG_RING_SIZE]. */
    uint64_t taken PROTECTED_BY(mu);
    struct env *env;
};

void log_ring_init(struct log_ring *ring, struct env *env);
void log_ring_deinit(struct log_ring *ring);
/* Adds a line; the oldest is overwritten when nobody takes them. */
void log_ring_add(struct log_ring *ring, int level, const char *format, ...) PRINTF_LIKE(3, 4);
size_t log_ring_take(struct log_ring *ring, struct loam_log_line *out, size_t capacity);

#endif
