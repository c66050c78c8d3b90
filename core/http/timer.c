/* SPDX-License-Identifier: MIT */
/*
 * timer.c - timers and external descriptors of a worker's users (http.h). Floor 4.
 *
 * A timer's id is slot + generation * 2^20: exact in a double, and a stopped or fired id is never
 * mistaken for a later timer. Thread: owner.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/status.h"
#include "http/worker.h"

enum { SLOT_BITS = 20, TIMERS_MAX = 1 << SLOT_BITS };

struct http_timer {
    struct http_timer *next; /* In the free list. */
    struct http_worker *worker;
    struct event event;
    uint32_t slot;
    uint32_t generation;
    bool is_running;
};

struct http_watch {
    struct http_watch *next;
    struct http_worker *worker;
    struct event event;
    int fd;
    double id;
    bool is_queued;
};

static double timer_id(const struct http_timer *timer)
{
    return (double)timer->slot + (double)timer->generation * TIMERS_MAX;
}

static void timer_retire(struct http_timer *timer)
{
    struct http_timers *timers = &timer->worker->timers;
    timer->is_running = false;
    timer->generation++;
    timer->next = timers->free;
    timers->free = timer;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct http_timer *timer = context;
    (void)http_worker_push(timer->worker,
                           (struct http_event){.type = HTTP_EVENT_TIMER, .id = timer_id(timer)});
    timer_retire(timer);
}

static struct http_timer *timer_new(struct http_worker *worker)
{
    struct http_timers *timers = &worker->timers;
    if (timers->count == TIMERS_MAX) {
        return NULL;
    }
    if (timers->count == timers->capacity) {
        uint32_t capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
        struct http_timer **slots =
            mem_realloc(timers->slots, capacity * sizeof(struct http_timer *));
        if (slots == NULL) {
            return NULL;
        }
        timers->slots = slots;
        timers->capacity = capacity;
    }
    struct http_timer *timer = mem_zalloc(1, sizeof(*timer));
    if (timer == NULL) {
        return NULL;
    }
    timer->worker = worker;
    timer->slot = timers->count;
    timer->generation = 1;
    timers->slots[timers->count++] = timer;
    (void)event_assign(&timer->event, worker->base, -1, 0, on_timer, timer);
    return timer;
}

double http_timer_start(struct http_worker *worker, int delay_ms)
{
    struct http_timer *timer = worker->timers.free;
    if (timer != NULL) {
        worker->timers.free = timer->next;
    } else {
        timer = timer_new(worker);
        if (timer == NULL) {
            return LOAM_NO_MEMORY;
        }
    }
    delay_ms = delay_ms < 0 ? 0 : delay_ms;
    struct timeval delay = {.tv_sec = delay_ms / 1000,
                            .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};
    if (event_add(&timer->event, &delay) != 0) {
        timer_retire(timer);
        return LOAM_NO_MEMORY;
    }
    timer->is_running = true;
    return timer_id(timer);
}

int http_timer_stop(struct http_worker *worker, double id)
{
    if (!(id >= TIMERS_MAX && id < 9e15)) {
        return LOAM_NOT_FOUND;
    }
    uint32_t slot = (uint32_t)((uint64_t)id % TIMERS_MAX);
    struct http_timer *timer = slot < worker->timers.count ? worker->timers.slots[slot] : NULL;
    if (timer == NULL || !timer->is_running || timer_id(timer) != id) {
        return LOAM_NOT_FOUND;
    }
    (void)event_del(&timer->event);
    timer_retire(timer);
    return LOAM_OK;
}

/* ---- External descriptors ---- */

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct http_watch *watch = context;
    if (!watch->is_queued) {
        watch->is_queued = http_worker_push(
            watch->worker, (struct http_event){.type = HTTP_EVENT_FD, .id = watch->id});
    }
}

bool http_watch_deliver(struct http_worker *worker, double id)
{
    for (struct http_watch *watch = worker->watches; watch != NULL; watch = watch->next) {
        if (watch->id == id && watch->is_queued) {
            watch->is_queued = false;
            return true;
        }
    }
    return false;
}

int http_fd_add(struct http_worker *worker, int fd, double id)
{
    if (fd < 0) {
        return LOAM_INVALID;
    }
    for (struct http_watch *watch = worker->watches; watch != NULL; watch = watch->next) {
        if (watch->fd == fd) {
            return LOAM_EXISTS;
        }
    }
    struct http_watch *watch = mem_zalloc(1, sizeof(*watch));
    if (watch == NULL) {
        return LOAM_NO_MEMORY;
    }
    watch->worker = worker;
    watch->fd = fd;
    watch->id = id;
    (void)event_assign(&watch->event, worker->base, fd, EV_READ | EV_PERSIST, on_readable, watch);
    if (event_add(&watch->event, NULL) != 0) {
        mem_free(watch);
        return LOAM_IO;
    }
    watch->next = worker->watches;
    worker->watches = watch;
    return LOAM_OK;
}

int http_fd_remove(struct http_worker *worker, int fd)
{
    for (struct http_watch **at = &worker->watches; *at != NULL; at = &(*at)->next) {
        if ((*at)->fd == fd) {
            struct http_watch *watch = *at;
            *at = watch->next;
            (void)event_del(&watch->event);
            mem_free(watch);
            return LOAM_OK;
        }
    }
    return LOAM_NOT_FOUND;
}

void http_timers_deinit(struct http_worker *worker)
{
    for (uint32_t i = 0; i < worker->timers.count; i++) {
        (void)event_del(&worker->timers.slots[i]->event);
        mem_free(worker->timers.slots[i]);
    }
    mem_free(worker->timers.slots);
    worker->timers = (struct http_timers){0};
    while (worker->watches != NULL) {
        (void)http_fd_remove(worker, worker->watches->fd);
    }
}
