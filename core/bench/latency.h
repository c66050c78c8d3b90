/* SPDX-License-Identifier: MIT */
/*
 * latency.h - latencies of one thread in logarithmic buckets, 32 per power of two. Floor 5.
 *
 * base/histogram.h counts with atomics for all threads; here each thread has its own counts and
 * the run adds them up at the end, so that counting costs a few instructions per operation.
 * Thread: owner.
 */
#ifndef LOAM_BENCH_LATENCY_H
#define LOAM_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS     5
#define LATENCY_BUCKET_COUNT ((65 - LATENCY_SUB_BITS) << LATENCY_SUB_BITS)

struct latency {
    uint64_t buckets[LATENCY_BUCKET_COUNT];
    uint64_t count;
    uint64_t max;
};

static inline unsigned latency_bucket(uint64_t ns)
{
    if (ns < (1u << LATENCY_SUB_BITS)) {
        return (unsigned)ns;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_SUB_BITS;
    unsigned rest = (unsigned)(ns >> shift) & ((1u << LATENCY_SUB_BITS) - 1);
    return ((shift + 1) << LATENCY_SUB_BITS) + rest;
}

static inline void latency_add(struct latency *latency, uint64_t ns)
{
    latency->buckets[latency_bucket(ns)]++;
    latency->count++;
    latency->max = ns > latency->max ? ns : latency->max;
}

/* Adds the counts of `from`. */
void latency_merge(struct latency *latency, const struct latency *from);
/* Returns the upper bound of the bucket that holds the quantile, at most max; 0 while empty. */
uint64_t latency_quantile(const struct latency *latency, double quantile);

#endif
