/* SPDX-License-Identifier: MIT */
/*
 * run.c - runs one workload: sessions, threads, the clock.
 *
 * Between two operations the clock is read once: the end of one is the start of the next, so making
 * the key counts as part of the operation, for every store alike. Sessions are opened before and
 * closed after the measured time. Workers wait for each other at the start.
 */
#include <pthread.h>

#include "base/check.h"
#include "base/memory.h"
#include "bench/usage.h"
#include "bench/workload.h"

/* Constant while the threads run, but for what is atomic. */
struct run {
    struct bench *bench;
    const struct run_request *request;
    struct worker *workers;
    struct worker *background; /* NULL without a background operation. */
    pthread_barrier_t start;
    _Atomic bool stop; /* For the background thread. */
};

struct thread_start {
    struct run *run;
    struct worker *worker;
    workload_op *op;
};

static uint64_t seed_of(const char *name, uint64_t thread)
{
    uint64_t seed = thread;
    for (; *name != '\0'; name++) {
        seed = gen_mix(seed * 31 + (unsigned char)*name);
    }
    return seed;
}

static bool is_over(const struct worker *worker, uint64_t now_ns)
{
    return (worker->deadline_ns != 0 && now_ns >= worker->deadline_ns) ||
           (worker->stop != NULL && atomic_load_explicit(worker->stop, memory_order_relaxed));
}

static void work(struct worker *worker, workload_op *op)
{
    uint64_t before = usage_now_ns();
    while (worker->done < worker->op_count && !is_over(worker, before)) {
        op(worker, worker->done);
        uint64_t after = usage_now_ns();
        latency_add(&worker->latency, after - before);
        before = after;
        worker->done++;
    }
}

static void *thread_main(void *argument)
{
    struct thread_start *start = argument;
    (void)pthread_barrier_wait(&start->run->start);
    work(start->worker, start->op);
    return NULL;
}

static void worker_init(struct worker *worker, struct run *run, uint64_t index)
{
    worker->bench = run->bench;
    worker->workload = run->request->workload;
    worker->session = run->bench->engine->session_open(run->bench->store);
    worker->rng.state = seed_of(run->request->workload->name, index);
}

static struct worker *workers_new(struct run *run)
{
    const struct run_request *request = run->request;
    struct worker *workers = bench_alloc(request->threads + 1, sizeof(*workers));
    for (uint64_t i = 0; i < request->threads; i++) {
        worker_init(&workers[i], run, i);
        workers[i].op_count = request->op_count / request->threads;
    }
    workers[0].op_count += request->op_count % request->threads;
    if (request->workload->background != NULL) {
        run->background = &workers[request->threads];
        worker_init(run->background, run, request->threads);
        run->background->op_count = UINT64_MAX;
        run->background->stop = &run->stop;
    }
    return workers;
}

static void start_thread(pthread_t *thread, struct thread_start *start)
{
    int code = pthread_create(thread, NULL, thread_main, start);
    if (code != 0) {
        bench_die("cannot start a thread: error %d", code);
    }
}

/* Runs all workers and returns the seconds from the common start to the end of the last one. */
static double work_all(struct run *run)
{
    uint64_t count = run->request->threads + (run->background != NULL ? 1 : 0);
    pthread_t threads[WORKLOAD_THREADS_MAX + 1] = {0};
    struct thread_start starts[WORKLOAD_THREADS_MAX + 1];
    INV(count <= WORKLOAD_THREADS_MAX + 1);
    (void)pthread_barrier_init(&run->start, NULL, (unsigned)count);
    for (uint64_t i = 0; i < count; i++) {
        struct worker *worker = &run->workers[i];
        bool is_background = worker == run->background;
        starts[i] = (struct thread_start){
            .run = run,
            .worker = worker,
            .op = is_background ? worker->workload->background : worker->workload->op,
        };
    }
    for (uint64_t i = 1; i < count; i++) {
        start_thread(&threads[i], &starts[i]);
    }
    uint64_t begin = usage_now_ns();
    (void)thread_main(&starts[0]);
    for (uint64_t i = 1; i < run->request->threads; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    uint64_t end = usage_now_ns();
    if (run->background != NULL) {
        atomic_store(&run->stop, true);
        (void)pthread_join(threads[count - 1], NULL);
    }
    (void)pthread_barrier_destroy(&run->start);
    return (double)(end - begin) / 1e9;
}

static void add_up(const struct run *run, struct run_result *out)
{
    const struct workload *workload = run->request->workload;
    for (uint64_t i = 0; i < run->request->threads; i++) {
        const struct worker *worker = &run->workers[i];
        out->ops += worker->done;
        out->found += worker->found;
        out->rows += worker->sum.rows;
        out->user_bytes += worker->user_bytes;
        latency_merge(&out->latency, &worker->latency);
    }
    if (run->background != NULL) {
        out->background_ops = run->background->done;
        out->user_bytes += run->background->user_bytes;
    }
    if (workload->rows_per_op > 0) {
        out->ops *= workload->rows_per_op;
    }
    if (workload->counts_rows) {
        out->ops = out->rows;
    }
}

void run_workload(struct bench *bench, const struct run_request *request, struct run_result *out)
{
    PRE(request->threads > 0 && request->threads <= WORKLOAD_THREADS_MAX);
    if (request->workload->needs_zipf && bench->zipf.count == 0) {
        zipf_init(&bench->zipf, bench->n);
    }
    struct run run = {.bench = bench, .request = request};
    run.workers = workers_new(&run);
    if (request->time_ms > 0) {
        for (uint64_t i = 0; i < request->threads; i++) {
            run.workers[i].deadline_ns = usage_now_ns() + request->time_ms * 1000000;
        }
    }
    *out = (struct run_result){0};
    out->seconds = work_all(&run);
    add_up(&run, out);
    for (uint64_t i = 0; i < request->threads; i++) {
        bench->engine->session_close(run.workers[i].session);
    }
    if (run.background != NULL) {
        bench->engine->session_close(run.background->session);
    }
    mem_free(run.workers);
}
