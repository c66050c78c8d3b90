/* SPDX-License-Identifier: MIT */
/* log_ring.c - a ring of lines under one mutex. */
#include "db/log_ring.h"

#include <stdarg.h>
#include <stdio.h>

void log_ring_init(struct log_ring *ring, struct env *env)
{
    mutex_init(&ring->mu);
    ring->env = env;
    ring->written = 0;
    ring->taken = 0;
}

void log_ring_deinit(struct log_ring *ring)
{
    mutex_deinit(&ring->mu);
}

void log_ring_add(struct log_ring *ring, int level, const char *format, ...)
{
    mutex_lock(&ring->mu);
    struct loam_log_line *line = &ring->lines[ring->written % LOG_RING_SIZE];
    line->at_ms = ring->env->wall_ms(ring->env);
    line->level = level;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
    ring->written++;
    if (ring->written - ring->taken > LOG_RING_SIZE) {
        ring->taken = ring->written - LOG_RING_SIZE;
    }
    mutex_unlock(&ring->mu);
}

size_t log_ring_take(struct log_ring *ring, struct loam_log_line *out, size_t capacity)
{
    size_t count = 0;
    mutex_lock(&ring->mu);
    while (count < capacity && ring->taken < ring->written) {
        out[count++] = ring->lines[ring->taken++ % LOG_RING_SIZE];
    }
    mutex_unlock(&ring->mu);
    return count;
}
