/* SPDX-License-Identifier: MIT */
/* gen.c - keys, values and zipfian choices of gen.h. */
#include "bench/gen.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "bench/engine.h"

#define POOL_COUNT 10485 /* About 1 MiB: far more than a block or a codec's window sees. */
#define THETA      0.99

struct slice gen_key(struct gen_key *key, uint64_t number)
{
    for (int i = GEN_KEY_SIZE - 1; i >= 0; i--) {
        key->bytes[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return slice_make(key->bytes, GEN_KEY_SIZE);
}

struct slice gen_key_between(struct gen_key *key, uint64_t number)
{
    (void)gen_key(key, number);
    key->bytes[GEN_KEY_SIZE] = '5';
    return slice_make(key->bytes, GEN_KEY_SIZE + 1);
}

void values_init(struct values *values)
{
    struct rng rng = {.state = 1};
    char *pool = bench_alloc(POOL_COUNT, GEN_VALUE_SIZE);
    for (size_t i = 0; i < POOL_COUNT; i++) {
        char *value = pool + i * GEN_VALUE_SIZE;
        for (size_t k = 0; k < GEN_VALUE_SIZE / 2; k++) {
            value[k] = (char)(' ' + rng_below(&rng, 95));
        }
        memcpy(value + GEN_VALUE_SIZE / 2, value, GEN_VALUE_SIZE / 2);
    }
    values->pool = pool;
}

void values_deinit(struct values *values)
{
    mem_free(values->pool);
    values->pool = NULL;
}

struct slice values_at(const struct values *values, uint64_t index)
{
    return slice_make(values->pool + index % POOL_COUNT * GEN_VALUE_SIZE, GEN_VALUE_SIZE);
}

void zipf_init(struct zipf *zipf, uint64_t count)
{
    PRE(count > 0);
    double zeta = 0;
    for (uint64_t i = 1; i <= count; i++) {
        zeta += 1 / pow((double)i, THETA);
    }
    double half = 1 + pow(0.5, THETA);
    *zipf = (struct zipf){.count = count, .alpha = 1 / (1 - THETA), .zeta = zeta, .half = half};
    zipf->eta = (1 - pow(2 / (double)count, 1 - THETA)) / (1 - half / zeta);
}

uint64_t zipf_rank(const struct zipf *zipf, struct rng *rng)
{
    double u = rng_unit(rng);
    double uz = u * zipf->zeta;
    if (uz < 1 || zipf->count < 3) {
        return 0;
    }
    if (uz < zipf->half) {
        return 1;
    }
    double count = (double)zipf->count;
    uint64_t rank = (uint64_t)(count * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
    return rank < zipf->count ? rank : zipf->count - 1;
}

uint64_t zipf_scrambled(const struct zipf *zipf, struct rng *rng)
{
    return gen_mix(zipf_rank(zipf, rng) + 1) % zipf->count;
}
