/* SPDX-License-Identifier: MIT */
/* latency.c - sums and quantiles of latency.h. Called once per run, after the clock has stopped. */
#include "bench/latency.h"

#include "base/check.h"

/* Largest value of a bucket: the inverse of latency_bucket(). */
static uint64_t bucket_limit(unsigned bucket)
{
    unsigned group = bucket >> LATENCY_SUB_BITS;
    if (group == 0) {
        return bucket;
    }
    uint64_t rest = bucket & ((1u << LATENCY_SUB_BITS) - 1);
    uint64_t base = ((1ULL << LATENCY_SUB_BITS) + rest) << (group - 1);
    return base + ((1ULL << (group - 1)) - 1);
}

void latency_merge(struct latency *latency, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        latency->buckets[i] += from->buckets[i];
    }
    latency->count += from->count;
    latency->max = from->max > latency->max ? from->max : latency->max;
}

uint64_t latency_quantile(const struct latency *latency, double quantile)
{
    PRE(quantile >= 0 && quantile < 1);
    uint64_t rank = (uint64_t)((double)latency->count * quantile);
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        seen += latency->buckets[i];
        if (seen > rank) {
            uint64_t limit = bucket_limit(i);
            return limit < latency->max ? limit : latency->max;
        }
    }
    return latency->max;
}
