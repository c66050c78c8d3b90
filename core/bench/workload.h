/* SPDX-License-Identifier: MIT */
/*
 * workload.h - the workloads and the loop that times them. Floor 5.
 *
 * A workload is one function that does one operation; run.c calls it and takes the time of each.
 * What the operations are stands in README.md. Thread: a worker belongs to its thread.
 */
#ifndef LOAM_BENCH_WORKLOAD_H
#define LOAM_BENCH_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/engine.h"
#include "bench/gen.h"
#include "bench/latency.h"

#define WORKLOAD_BATCH_ROWS  100
#define WORKLOAD_THREADS_MAX 256

/* One open store and what all its runs share. */
struct bench {
    const struct bench_engine *engine;
    const struct bench_config *config;
    void *store;
    uint64_t n;
    struct values values;
    struct zipf zipf;
    _Atomic uint64_t record_count; /* Grows with the inserts of YCSB D and E. */
};

struct worker {
    struct bench *bench;
    const struct workload *workload;
    void *session;
    struct rng rng;
    struct gen_key key;
    uint64_t op_count;    /* Asked for. */
    uint64_t deadline_ns; /* 0 = none. */
    _Atomic bool *stop;   /* NULL for workers that end by themselves. */
    uint64_t done;        /* Operations. */
    uint64_t found;       /* Reads that met a row. */
    uint64_t user_bytes;  /* Key and value bytes of writes. */
    struct bench_sum sum; /* Rows of scans. */
    struct latency latency;
};

typedef void workload_op(struct worker *worker, uint64_t index);

struct workload {
    const char *name;
    workload_op *op;
    workload_op *background; /* Done by one more thread, full speed, until the others end. */
    uint64_t rows_per_op;    /* What one operation counts for. */
    bool counts_rows;        /* One operation reads everything: rows are counted, not timed. */
    bool needs_zipf;
};

/* Returns NULL for an unknown name. */
const struct workload *workload_find(const char *name);

/* What was asked of one run. */
struct run_request {
    const struct workload *workload;
    uint64_t op_count; /* Over all threads. */
    uint64_t threads;
    uint64_t time_ms; /* Longest time; 0 = no limit. */
};

/* What came out. */
struct run_result {
    double seconds;
    uint64_t ops;
    uint64_t background_ops;
    uint64_t found;
    uint64_t rows;
    uint64_t user_bytes;
    struct latency latency;
};

/* Runs a workload on an open store. */
void run_workload(struct bench *bench, const struct run_request *request, struct run_result *out);

#endif
