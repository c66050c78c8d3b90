/* SPDX-License-Identifier: MIT */
/* workload.c - one function per kind of operation, and the table of workloads. */
#include "bench/workload.h"

#include <string.h>

static void put(struct worker *worker, uint64_t number)
{
    struct slice key = gen_key(&worker->key, number);
    struct slice value = values_at(&worker->bench->values, rng_next(&worker->rng) >> 32);
    worker->bench->engine->put(worker->session, key, value);
    worker->user_bytes += key.size + value.size;
}

static void get(struct worker *worker, struct slice key)
{
    struct slice value;
    if (worker->bench->engine->get(worker->session, key, &value)) {
        worker->found++;
        worker->sum.mixed += value.size > 0 ? (unsigned char)value.data[value.size - 1] : 0;
    }
}

static void get_number(struct worker *worker, uint64_t number)
{
    get(worker, gen_key(&worker->key, number));
}

static void scan(struct worker *worker, uint64_t from, uint64_t limit)
{
    struct slice key = gen_key(&worker->key, from);
    worker->bench->engine->scan(worker->session, key, limit, &worker->sum);
}

static uint64_t any_number(struct worker *worker)
{
    return rng_below(&worker->rng, worker->bench->n);
}

static void op_put_random(struct worker *worker, uint64_t index)
{
    (void)index;
    put(worker, any_number(worker));
}

static void op_put_next(struct worker *worker, uint64_t index)
{
    put(worker, index);
}

static void op_put_batch(struct worker *worker, uint64_t index)
{
    (void)index;
    struct bench_row rows[WORKLOAD_BATCH_ROWS];
    struct gen_key keys[WORKLOAD_BATCH_ROWS];
    for (size_t i = 0; i < WORKLOAD_BATCH_ROWS; i++) {
        rows[i].key = gen_key(&keys[i], any_number(worker));
        rows[i].value = values_at(&worker->bench->values, rng_next(&worker->rng) >> 32);
        worker->user_bytes += rows[i].key.size + rows[i].value.size;
    }
    worker->bench->engine->put_batch(worker->session, rows, WORKLOAD_BATCH_ROWS);
}

static void op_get_random(struct worker *worker, uint64_t index)
{
    (void)index;
    get_number(worker, any_number(worker));
}

static void op_get_missing(struct worker *worker, uint64_t index)
{
    (void)index;
    get(worker, gen_key_between(&worker->key, any_number(worker)));
}

static void op_get_hot(struct worker *worker, uint64_t index)
{
    (void)index;
    uint64_t hot = worker->bench->n / 100;
    get_number(worker, rng_below(&worker->rng, hot == 0 ? 1 : hot));
}

static void op_scan_all(struct worker *worker, uint64_t index)
{
    (void)index;
    scan(worker, 0, UINT64_MAX);
}

static void op_scan_10(struct worker *worker, uint64_t index)
{
    (void)index;
    scan(worker, any_number(worker), 10);
}

static void op_scan_100(struct worker *worker, uint64_t index)
{
    (void)index;
    scan(worker, any_number(worker), 100);
}

static void op_remove(struct worker *worker, uint64_t index)
{
    (void)index;
    struct slice key = gen_key(&worker->key, any_number(worker));
    worker->bench->engine->remove(worker->session, key);
    worker->user_bytes += key.size;
}

static bool percent(struct worker *worker, uint64_t share)
{
    return rng_below(&worker->rng, 100) < share;
}

static uint64_t zipf_number(struct worker *worker)
{
    return zipf_scrambled(&worker->bench->zipf, &worker->rng);
}

static void read_or_update(struct worker *worker, uint64_t read_share)
{
    if (percent(worker, read_share)) {
        get_number(worker, zipf_number(worker));
    } else {
        put(worker, zipf_number(worker));
    }
}

static void insert(struct worker *worker)
{
    put(worker, atomic_fetch_add(&worker->bench->record_count, 1));
}

static void op_ycsb_a(struct worker *worker, uint64_t index)
{
    (void)index;
    read_or_update(worker, 50);
}

static void op_ycsb_b(struct worker *worker, uint64_t index)
{
    (void)index;
    read_or_update(worker, 95);
}

static void op_ycsb_c(struct worker *worker, uint64_t index)
{
    (void)index;
    get_number(worker, zipf_number(worker));
}

/* Reads prefer the rows inserted last. */
static void op_ycsb_d(struct worker *worker, uint64_t index)
{
    (void)index;
    if (percent(worker, 5)) {
        insert(worker);
        return;
    }
    uint64_t newest = atomic_load(&worker->bench->record_count) - 1;
    get_number(worker, newest - zipf_rank(&worker->bench->zipf, &worker->rng));
}

static void op_ycsb_e(struct worker *worker, uint64_t index)
{
    (void)index;
    if (percent(worker, 5)) {
        insert(worker);
        return;
    }
    uint64_t from = zipf_number(worker);
    scan(worker, from, 1 + rng_below(&worker->rng, 100));
}

/* Read, change, write back. */
static void op_ycsb_f(struct worker *worker, uint64_t index)
{
    (void)index;
    uint64_t number = zipf_number(worker);
    get_number(worker, number);
    if (percent(worker, 50)) {
        put(worker, number);
    }
}

/* clang-format off */
static const struct workload workloads[] = {
    {.name = "fillrandom", .op = op_put_random},
    {.name = "fillseq", .op = op_put_next},
    {.name = "fillbatch", .op = op_put_batch, .rows_per_op = WORKLOAD_BATCH_ROWS},
    {.name = "fillsync", .op = op_put_random},
    {.name = "overwrite", .op = op_put_random},
    {.name = "deleterandom", .op = op_remove},
    {.name = "readrandom", .op = op_get_random},
    {.name = "readmissing", .op = op_get_missing},
    {.name = "readhot", .op = op_get_hot},
    {.name = "readthreads", .op = op_get_random},
    {.name = "readwhilewriting", .op = op_get_random, .background = op_put_random},
    {.name = "readseq", .op = op_scan_all, .counts_rows = true},
    {.name = "seekrandom", .op = op_scan_10},
    {.name = "scan100", .op = op_scan_100},
    {.name = "ycsba", .op = op_ycsb_a, .needs_zipf = true},
    {.name = "ycsbb", .op = op_ycsb_b, .needs_zipf = true},
    {.name = "ycsbc", .op = op_ycsb_c, .needs_zipf = true},
    {.name = "ycsbd", .op = op_ycsb_d, .needs_zipf = true},
    {.name = "ycsbe", .op = op_ycsb_e, .needs_zipf = true},
    {.name = "ycsbf", .op = op_ycsb_f, .needs_zipf = true},
};
/* clang-format on */

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (strcmp(workloads[i].name, name) == 0) {
            return &workloads[i];
        }
    }
    return NULL;
}
