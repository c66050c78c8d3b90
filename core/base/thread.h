/* SPDX-License-Identifier: MIT */
/*
 * thread.h - mutexes, condition variables on the monotonic clock, threads. Floor 0.
 *
 * Waits use CLOCK_MONOTONIC, so a clock step neither hangs nor shortens them. Lock order is one
 * list in core/README.md.
 */
#ifndef LOAM_BASE_THREAD_H
#define LOAM_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/status.h"

struct LOCKABLE loam_mutex {
    pthread_mutex_t os;
};

void mutex_init(struct loam_mutex *mutex);
void mutex_deinit(struct loam_mutex *mutex);
void mutex_lock(struct loam_mutex *mutex) ACQUIRES(*mutex);
bool mutex_try_lock(struct loam_mutex *mutex)
    LOAM_THREAD_ATTR(try_acquire_capability(true, *mutex));
void mutex_unlock(struct loam_mutex *mutex) RELEASES(*mutex);

struct loam_cond {
    pthread_cond_t os;
};

void cond_init(struct loam_cond *cond);
void cond_deinit(struct loam_cond *cond);
/* Waits; may wake without cause, so callers loop on their condition. */
void cond_wait(struct loam_cond *cond, struct loam_mutex *mutex) REQUIRES(*mutex);
/* Waits until monotonic time `until_ns`. Returns false when the time has passed. */
bool cond_wait_until(struct loam_cond *cond, struct loam_mutex *mutex, uint64_t until_ns)
    REQUIRES(*mutex);
void cond_signal(struct loam_cond *cond);
void cond_broadcast(struct loam_cond *cond);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);

struct loam_thread {
    pthread_t os;
    bool is_started;
};

/* Starts a thread with all signals blocked, named `name` (at most 15 characters). Errors:
 * NO_MEMORY, IO. */
NODISCARD int thread_start(struct loam_thread *thread,
                           const char *name,
                           void *(*run)(void *),
                           void *argument,
                           struct loam_error *err);
/* Waits for the end; does nothing for a thread that never started. */
void thread_join(struct loam_thread *thread);

#endif
