/* SPDX-License-Identifier: MIT */
/* histogram.c - bucket arithmetic: values below 16 have their own bucket, larger ones keep 4 bits
 * behind the first. */
#include "base/histogram.h"

#include <string.h>

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return (unsigned)value;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((value >> shift) & (SUB_COUNT - 1));
}

/* Largest value of a bucket. */
static uint64_t bucket_limit(unsigned bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t base = (uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return base + ((1ULL << shift) - 1);
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    atomic_init(&histogram->min, UINT64_MAX);
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(value_ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value_ns, memory_order_relaxed);
    uint64_t seen = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (value_ns > seen &&
           !atomic_compare_exchange_weak_explicit(&histogram->max, &seen, value_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    seen = atomic_load_explicit(&histogram->min, memory_order_relaxed);
    while (value_ns < seen &&
           !atomic_compare_exchange_weak_explicit(&histogram->min, &seen, value_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static uint64_t quantile(const uint64_t *counts, uint64_t total, double q, uint64_t max)
{
    uint64_t rank = (uint64_t)((double)total * q);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
        seen += counts[i];
        if (seen > rank) {
            uint64_t limit = bucket_limit(i);
            return limit < max ? limit : max;
        }
    }
    return max;
}

void histogram_summary(const struct histogram *histogram, struct loam_histogram *out)
{
    uint64_t counts[HISTOGRAM_BUCKET_COUNT];
    uint64_t total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
        counts[i] = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        total += counts[i];
    }
    *out = (struct loam_histogram){0};
    if (total == 0) {
        return;
    }
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    out->count = total;
    out->sum_ns = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    out->min_ns = atomic_load_explicit(&histogram->min, memory_order_relaxed);
    out->max_ns = max;
    out->p50_ns = quantile(counts, total, 0.50, max);
    out->p90_ns = quantile(counts, total, 0.90, max);
    out->p99_ns = quantile(counts, total, 0.99, max);
    out->p999_ns = quantile(counts, total, 0.999, max);
}
