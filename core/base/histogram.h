/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - latencies in logarithmic buckets, 16 per power of two. Floor 0.
 *
 * Adding is one relaxed increment; a summary read meanwhile may miss what is being added. Thread:
 * any.
 */
#ifndef LOAM_BASE_HISTOGRAM_H
#define LOAM_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "loam.h"

#define HISTOGRAM_SUB_BITS 4
/* One group for the values below 16, one for each power of two from 2^4 to 2^63. */
#define HISTOGRAM_BUCKET_COUNT ((65 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS)

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKET_COUNT];
    _Atomic uint64_t sum;
    _Atomic uint64_t min; /* UINT64_MAX while empty. */
    _Atomic uint64_t max;
};

void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value_ns);
/* Quantiles are the upper bounds of their buckets, capped by max. */
void histogram_summary(const struct histogram *histogram, struct loam_histogram *out);

#endif
