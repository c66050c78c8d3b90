/* SPDX-License-Identifier: MIT */
/* thread.c - pthreads under house names. Failures of a valid mutex are our mistakes and abort. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/check.h"

void mutex_init(struct loam_mutex *mutex)
{
    INV(pthread_mutex_init(&mutex->os, NULL) == 0);
}

void mutex_deinit(struct loam_mutex *mutex)
{
    INV(pthread_mutex_destroy(&mutex->os) == 0);
}

void mutex_lock(struct loam_mutex *mutex) NO_THREAD_CHECK
{
    INV(pthread_mutex_lock(&mutex->os) == 0);
}

bool mutex_try_lock(struct loam_mutex *mutex) NO_THREAD_CHECK
{
    return pthread_mutex_trylock(&mutex->os) == 0;
}

void mutex_unlock(struct loam_mutex *mutex) NO_THREAD_CHECK
{
    INV(pthread_mutex_unlock(&mutex->os) == 0);
}

void cond_init(struct loam_cond *cond)
{
    pthread_condattr_t attr;
    INV(pthread_condattr_init(&attr) == 0);
    INV(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    INV(pthread_cond_init(&cond->os, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

void cond_deinit(struct loam_cond *cond)
{
    INV(pthread_cond_destroy(&cond->os) == 0);
}

void cond_wait(struct loam_cond *cond, struct loam_mutex *mutex)
{
    INV(pthread_cond_wait(&cond->os, &mutex->os) == 0);
}

bool cond_wait_until(struct loam_cond *cond, struct loam_mutex *mutex, uint64_t until_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / 1000000000ULL),
        .tv_nsec = (long)(until_ns % 1000000000ULL),
    };
    int rc = pthread_cond_timedwait(&cond->os, &mutex->os, &until);
    INV(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct loam_cond *cond)
{
    INV(pthread_cond_signal(&cond->os) == 0);
}

void cond_broadcast(struct loam_cond *cond)
{
    INV(pthread_cond_broadcast(&cond->os) == 0);
}

uint64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

int thread_start(struct loam_thread *thread,
                 const char *name,
                 void *(*run)(void *),
                 void *argument,
                 struct loam_error *err)
{
    PRE(!thread->is_started);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    /* A new thread inherits the mask: signals belong to the host's main thread only. */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->os, NULL, run, argument);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return fail_errno(err, LOAM_IO, rc, "cannot start thread %s", name);
    }
    thread->is_started = true;
    (void)pthread_setname_np(thread->os, name);
    return LOAM_OK;
}

void thread_join(struct loam_thread *thread)
{
    if (thread->is_started) {
        INV(pthread_join(thread->os, NULL) == 0);
        thread->is_started = false;
    }
}
