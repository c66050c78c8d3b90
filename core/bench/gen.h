/* SPDX-License-Identifier: MIT */
/*
 * gen.h - the data of the workloads: random numbers, keys, values, zipfian choices. Floor 5.
 *
 * Everything follows from a seed, so that each store gets the same operations in the same order and
 * the counts of found rows can be compared. Thread: owner; struct zipf and struct values are
 * constant after init and shared.
 */
#ifndef LOAM_BENCH_GEN_H
#define LOAM_BENCH_GEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define GEN_KEY_SIZE   16
#define GEN_VALUE_SIZE 100

/* splitmix64: one multiply-xor chain per number, any seed is good. */
struct rng {
    uint64_t state;
};

static inline uint64_t gen_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
    rng->state += 0x9e3779b97f4a7c15ULL;
    return gen_mix(rng->state);
}

/* Returns a number below limit, limit < 2^32: by multiplication, without a division. */
static inline uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    return ((rng_next(rng) >> 32) * limit) >> 32;
}

/* Returns a number in [0, 1). */
static inline double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* A key: 16 decimal digits; a 17th byte makes one that sorts between two of them. */
struct gen_key {
    char bytes[GEN_KEY_SIZE + 1];
};

/* Writes `number` below 10^16 and returns the key; valid as long as *key. */
struct slice gen_key(struct gen_key *key, uint64_t number);
/* The same with one byte more: never stored by any workload. */
struct slice gen_key_between(struct gen_key *key, uint64_t number);

/* Values of 100 bytes, 50 random ones twice: half compressible. */
struct values {
    char *pool;
};

void values_init(struct values *values);
void values_deinit(struct values *values);
/* Returns one of some 10,000 values. */
struct slice values_at(const struct values *values, uint64_t index);

/* Zipfian ranks in [0, count), the method of the YCSB core workloads, exponent 0.99. */
struct zipf {
    uint64_t count;
    double alpha;
    double zeta;
    double eta;
    double half; /* 1 + 0.5^0.99: below it the rank is 1. */
};

void zipf_init(struct zipf *zipf, uint64_t count);
uint64_t zipf_rank(const struct zipf *zipf, struct rng *rng);
/* Spreads ranks over the key range: hot keys are not neighbours. */
uint64_t zipf_scrambled(const struct zipf *zipf, struct rng *rng);

#endif
