/* SPDX-License-Identifier: MIT */
/*
 * worker.c - a worker: its event base, the queue of events, the poll, drain and close. Floor 4.
 *
 * http_poll() is one turn: settle what the handlers answered, run libevent once, settle what the
 * server itself answered, hand over the queue. Thread: owner; http_worker_wake(): any.
 */
#include "http/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/status.h"

#define MS_NS ((uint64_t)1000000)

/* ---- Queue ---- */

static bool queue_grow(struct http_worker *worker)
{
    uint32_t capacity = worker->queue_capacity == 0 ? 256 : worker->queue_capacity * 2;
    struct http_event *queue = mem_alloc(capacity * sizeof(*queue));
    if (queue == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < worker->queue_count; i++) {
        queue[i] = worker->queue[(worker->queue_at + i) & (worker->queue_capacity - 1)];
    }
    mem_free(worker->queue);
    worker->queue = queue;
    worker->queue_at = 0;
    worker->queue_capacity = capacity;
    return true;
}

bool http_worker_reserve(struct http_worker *worker)
{
    /* HEAD or REQUEST, BODY, WRITABLE, CLOSED; and what does not belong to a request. */
    enum { EVENTS_PER_EXCHANGE = 4, OTHER_EVENTS = 64 };
    uint64_t wanted =
        ((uint64_t)worker->pool.exchanges_used + 1) * EVENTS_PER_EXCHANGE + OTHER_EVENTS;
    while (worker->queue_capacity < wanted) {
        if (!queue_grow(worker)) {
            return false;
        }
    }
    return true;
}

bool http_worker_push(struct http_worker *worker, struct http_event event)
{
    if (worker->queue_count == worker->queue_capacity && !queue_grow(worker)) {
        return false;
    }
    uint32_t at = (worker->queue_at + worker->queue_count) & (worker->queue_capacity - 1);
    worker->queue[at] = event;
    worker->queue_count++;
    return true;
}

void http_worker_push_exchange(struct http_worker *worker, int type, struct http_exchange *exchange)
{
    (void)http_worker_push(worker, (struct http_event){.type = type,
                                                       .generation = exchange->pub.generation,
                                                       .request = &exchange->pub});
}

/* Decides whether a queued event still means something, and marks what its delivery changes. */
static bool deliver(struct http_worker *worker, const struct http_event *event)
{
    if (event->type == HTTP_EVENT_FD) {
        return http_watch_deliver(worker, event->id);
    }
    if (event->type == HTTP_EVENT_WAKE) {
        worker->is_woken = false;
    }
    if (event->request == NULL) {
        return true;
    }
    struct http_exchange *exchange = (struct http_exchange *)(void *)event->request;
    if (exchange->pub.generation != event->generation || exchange->is_ended ||
        (exchange->conn == NULL && event->type != HTTP_EVENT_CLOSED)) {
        return false;
    }
    if (!exchange->is_delivered) {
        exchange->is_delivered = true;
        worker->counters.in_flight++;
    }
    if (event->type == HTTP_EVENT_HEAD) {
        http_conn_mark_dirty(exchange->conn); /* The next poll decides for a silent handler. */
    }
    return true;
}

static int take_events(struct http_worker *worker, struct http_event *events, int capacity)
{
    int count = 0;
    while (count < capacity && worker->queue_count > 0) {
        struct http_event *event = &worker->queue[worker->queue_at];
        if (deliver(worker, event)) {
            events[count++] = *event;
        }
        worker->queue_at = (worker->queue_at + 1) & (worker->queue_capacity - 1);
        worker->queue_count--;
    }
    return count;
}

/* ---- Poll ---- */

void http_worker_refresh_time(struct http_worker *worker)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    worker->now_ns = (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != worker->date_second) {
        worker->date_second = now.tv_sec;
        http_date_write(worker->date, now.tv_sec);
    }
}

static void settle_dirty(struct http_worker *worker)
{
    struct http_conn *conn = worker->dirty;
    worker->dirty = NULL;
    while (conn != NULL) {
        struct http_conn *next = conn->dirty_next;
        conn->is_dirty = false;
        http_conn_settle(conn);
        conn = next;
    }
}

/* Frees closed connections. None of them is in the dirty list: settle_dirty() ran before. */
static void bury(struct http_worker *worker)
{
    while (worker->graves != NULL && worker->dirty == NULL) {
        struct http_conn *conn = worker->graves;
        worker->graves = conn->next;
        mem_free(conn);
    }
}

static void expire(struct http_worker *worker)
{
    struct wheel_entry *entry;
    while ((entry = wheel_expire(&worker->wheel, worker->now_ns)) != NULL) {
        http_conn_expire(
            (struct http_conn *)(void *)((char *)entry - offsetof(struct http_conn, deadline)));
    }
    if (worker->is_draining && worker->conns != NULL && worker->drain_at_ns <= worker->now_ns) {
        while (worker->conns != NULL) {
            worker->counters.drained++;
            worker->conns->resets = true;
            http_conn_lose(worker->conns);
        }
    }
    if (worker->is_draining && !worker->is_drained && worker->conns == NULL) {
        worker->is_drained =
            http_worker_push(worker, (struct http_event){.type = HTTP_EVENT_DRAINED});
    }
}

/* Makes sure that the loop returns at `until_ns` at the latest. A timer that would fire sooner is
 * left alone: a turn too many costs less than setting it in every turn. */
static void arm_poll_timer(struct http_worker *worker, uint64_t until_ns)
{
    if (until_ns == WHEEL_NEVER || worker->poll_timer_ns <= until_ns) {
        return;
    }
    uint64_t delay = until_ns > worker->now_ns ? until_ns - worker->now_ns : 0;
    struct timeval tv = {.tv_sec = (time_t)(delay / (1000 * MS_NS)),
                         .tv_usec = (suseconds_t)(delay % (1000 * MS_NS) / 1000)};
    if (event_add(&worker->poll_timer, &tv) == 0) {
        worker->poll_timer_ns = until_ns;
    }
}

static void on_poll_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ((struct http_worker *)context)->poll_timer_ns = WHEEL_NEVER;
}

static uint64_t wait_limit(const struct http_worker *worker, uint64_t until_ns)
{
    uint64_t next = wheel_next_ns(&worker->wheel);
    until_ns = next < until_ns ? next : until_ns;
    if (worker->is_draining && !worker->is_drained && worker->drain_at_ns < until_ns) {
        until_ns = worker->drain_at_ns;
    }
    return until_ns;
}

int http_poll(struct http_worker *worker, int timeout_ms, struct http_event *events, int capacity)
{
    PRE(worker != NULL && capacity > 0);
    http_worker_refresh_time(worker);
    uint64_t until_ns =
        timeout_ms < 0 ? WHEEL_NEVER : worker->now_ns + (uint64_t)timeout_ms * MS_NS;
    for (;;) {
        settle_dirty(worker);
        bury(worker);
        if (worker->is_draining) {
            expire(worker);
        }
        bool waits = worker->queue_count == 0 && worker->dirty == NULL && until_ns > worker->now_ns;
        if (waits) {
            arm_poll_timer(worker, wait_limit(worker, until_ns));
        }
        /* ONCE in both cases: without it libevent goes on as long as anything is ready, so that
         * clients who keep sending or connecting would keep this worker from all answers. */
        if (event_base_loop(worker->base, EVLOOP_ONCE | (waits ? 0 : EVLOOP_NONBLOCK)) < 0) {
            return LOAM_IO;
        }
        http_worker_refresh_time(worker);
        expire(worker);
        int count = take_events(worker, events, capacity);
        if (count > 0 || (until_ns <= worker->now_ns && worker->dirty == NULL)) {
            return count;
        }
    }
}

/* ---- Wake, drain ---- */

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct http_worker *worker = context;
    uint64_t count = 0;
    (void)!read(fd, &count, sizeof(count));
    if (!worker->is_woken) {
        worker->is_woken = http_worker_push(worker, (struct http_event){.type = HTTP_EVENT_WAKE});
    }
}

void http_worker_wake(struct http_worker *worker)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the worker is woken anyway. */
    (void)!write(worker->wake_fd, &one, sizeof(one));
}

int http_worker_drain(struct http_worker *worker, int deadline_ms)
{
    http_worker_refresh_time(worker);
    worker->is_draining = true;
    worker->drain_at_ns =
        deadline_ms < 0 ? WHEEL_NEVER : worker->now_ns + (uint64_t)deadline_ms * MS_NS;
    http_listeners_close(worker);
    for (struct http_conn *conn = worker->conns; conn != NULL; conn = conn->next) {
        http_conn_mark_dirty(conn); /* The next poll closes those that are idle. */
    }
    return LOAM_OK;
}

/* ---- Open, close ---- */

static void on_accept_resume(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    http_listeners_resume(context);
}

void http_worker_options_init(struct http_worker_options *options)
{
    memset(options, 0, sizeof(*options));
    options->struct_size = sizeof(*options);
    options->address = "127.0.0.1:8080";
    options->backlog = 1024;
    options->reuse_port = 1;
    http_limits_init(&options->limits);
}

static int check_limits(const struct http_limits *limits, struct loam_error *err)
{
    for (int i = 0; i < HTTP_LIMIT_COUNT; i++) {
        const char *name = http_limit_name(i);
        size_t size = strlen(name);
        bool may_be_off = size > 3 && strcmp(name + size - 3, "_ms") == 0;
        if (http_limit_value(limits, i) == 0 && !may_be_off) {
            return fail(err, LOAM_INVALID, "%s is 0, at least 1 is needed", name);
        }
    }
    /* Offsets in a head are 32 bits and chunks grow by doubling: far from either. */
    static const int head_limits[] = {
        HTTP_LIMIT_request_line_bytes_max, HTTP_LIMIT_header_line_bytes_max,
        HTTP_LIMIT_headers_bytes_max, HTTP_LIMIT_headers_count_max, HTTP_LIMIT_stream_piece_bytes};
    for (size_t i = 0; i < sizeof(head_limits) / sizeof(head_limits[0]); i++) {
        uint32_t value = http_limit_value(limits, head_limits[i]);
        if (value > 16u << 20) {
            return fail(err, LOAM_INVALID, "%s is %u, at most %u is possible",
                        http_limit_name(head_limits[i]), value, 16u << 20);
        }
    }
    return LOAM_OK;
}

enum { EVENT_BASE_FDS = 4 }; /* Its epoll, a pair, and one to spare. */

/* libevent ends the process when it lacks descriptors for its pair for signals: look before. */
static bool has_descriptors(void)
{
    int fds[EVENT_BASE_FDS];
    int count = 0;
    while (count < EVENT_BASE_FDS && (fds[count] = eventfd(0, EFD_CLOEXEC)) >= 0) {
        count++;
    }
    for (int i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
    return count == EVENT_BASE_FDS;
}

static int open_base(struct http_worker *worker, struct loam_error *err)
{
    if (!has_descriptors()) {
        return fail_errno(err, LOAM_IO, errno, "cannot make an event loop");
    }
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    /* One thread owns the base, so libevent needs no locks. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL) {
        return fail(err, LOAM_IO, "cannot make an event loop");
    }
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->wake_fd < 0) {
        return fail(err, LOAM_IO, "cannot make an eventfd");
    }
    (void)event_assign(&worker->wake_event, worker->base, worker->wake_fd, EV_READ | EV_PERSIST,
                       on_wake, worker);
    (void)event_assign(&worker->poll_timer, worker->base, -1, 0, on_poll_timer, worker);
    (void)event_assign(&worker->accept_resume, worker->base, -1, 0, on_accept_resume, worker);
    if (event_add(&worker->wake_event, NULL) != 0) {
        return fail(err, LOAM_IO, "cannot watch an eventfd");
    }
    return LOAM_OK;
}

static int open_worker(struct http_worker *worker,
                       const struct http_worker_options *options,
                       struct loam_error *err)
{
    uint32_t prefix = 0;
    if (getrandom(&prefix, sizeof(prefix), 0) != sizeof(prefix)) {
        return fail(err, LOAM_IO, "no random bytes for request ids");
    }
    (void)snprintf(worker->prefix, sizeof(worker->prefix), "%08x", prefix);
    http_worker_refresh_time(worker);
    wheel_init(&worker->wheel, worker->now_ns);
    http_pool_init(&worker->pool, worker->limits.headers_count_max);
    if (options->gate_of != NULL) {
        worker->gate = http_gate_ref(options->gate_of->gate);
    } else {
        TRY(http_gate_new(worker->limits.connections_max, worker->limits.connections_per_ip_max,
                          &worker->gate, err));
    }
    TRY(open_base(worker, err));
    if (!queue_grow(worker)) {
        return mem_fail(err, 256 * sizeof(struct http_event));
    }
    int index = http_listener_open(worker, options->address, options->tls, err);
    return index < 0 ? index : LOAM_OK;
}

int http_worker_open(const struct http_worker_options *options,
                     struct http_worker **out,
                     struct loam_error *err)
{
    if (options->struct_size != sizeof(*options)) {
        return fail(err, LOAM_INVALID, "http_worker_options has %zu bytes, %zu are expected",
                    options->struct_size, sizeof(*options));
    }
    TRY(check_limits(&options->limits, err));
    struct http_worker *worker = mem_zalloc(1, sizeof(*worker));
    if (worker == NULL) {
        return mem_fail(err, sizeof(*worker));
    }
    worker->limits = options->limits;
    worker->backlog = options->backlog;
    worker->reuse_port = options->reuse_port;
    worker->wake_fd = -1;
    worker->poll_timer_ns = WHEEL_NEVER;
    worker->date_second = -1;
    int rc = open_worker(worker, options, err);
    if (rc != LOAM_OK) {
        http_worker_close(worker);
        return rc;
    }
    *out = worker;
    return LOAM_OK;
}

void http_worker_close(struct http_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    while (worker->conns != NULL) {
        http_conn_lose(worker->conns);
    }
    worker->dirty = NULL;
    bury(worker);
    http_timers_deinit(worker);
    if (worker->base != NULL) {
        http_listeners_close(worker);
        if (worker->wake_fd >= 0) {
            (void)event_del(&worker->wake_event);
            (void)event_del(&worker->poll_timer);
            (void)event_del(&worker->accept_resume);
        }
        event_base_free(worker->base);
    }
    if (worker->wake_fd >= 0) {
        (void)close(worker->wake_fd);
    }
    http_gate_unref(worker->gate);
    http_pool_deinit(&worker->pool);
    mem_free(worker->queue);
    mem_free(worker);
}

int http_worker_listen(struct http_worker *worker, const char *address, struct loam_error *err)
{
    return http_listener_open(worker, address, NULL, err);
}

int http_worker_listen_tls(struct http_worker *worker,
                           const char *address,
                           struct http_tls *tls,
                           struct loam_error *err)
{
    PRE(tls != NULL);
    return http_listener_open(worker, address, tls, err);
}

int http_worker_port(const struct http_worker *worker)
{
    return worker->listeners[0].port;
}

const struct http_counters *http_worker_counters(const struct http_worker *worker)
{
    return &worker->counters;
}

const char *http_worker_prefix(const struct http_worker *worker)
{
    return worker->prefix;
}
