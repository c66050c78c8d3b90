/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - names and slots of the counters that all workers share. Floor 5.
 *
 * lua/loam/metrics.lua registers a key once per series and then adds to its own row through the
 * FFI. Metrics are few and live as long as the process, so finding one is a walk.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "host/host_private.h"

/* Returns the position of a key, or -1. */
static int find_metric(const struct host *host, const char *key, size_t key_size)
{
    int count = atomic_load_explicit(&host->metric_count, memory_order_acquire);
    for (int i = 0; i < count; i++) {
        const struct host_metric *metric = &host->metrics[i];
        if (metric->key_size == key_size && memcmp(metric->key, key, key_size) == 0) {
            return i;
        }
    }
    return -1;
}

static int add_metric(struct host *host, const char *key, size_t key_size, int width)
    REQUIRES(host->mutex)
{
    int count = atomic_load_explicit(&host->metric_count, memory_order_relaxed);
    if (count == HOST_METRIC_COUNT_MAX || host->slot_count > HOST_METRIC_SLOTS - width) {
        return LOAM_TOO_LARGE;
    }
    struct host_metric *metric = &host->metrics[count];
    metric->key = mem_alloc(key_size);
    if (metric->key == NULL) {
        return LOAM_NO_MEMORY;
    }
    memcpy(metric->key, key, key_size);
    metric->key_size = key_size;
    metric->slot = host->slot_count;
    metric->width = width;
    host->slot_count += width;
    atomic_store_explicit(&host->metric_count, count + 1, memory_order_release);
    return metric->slot;
}

int host_metric_slot(struct host *host, const char *key, size_t key_size, int width)
{
    PRE(key_size > 0);
    PRE(width > 0 && width <= HOST_METRIC_SLOTS);
    mutex_lock(&host->mutex);
    int at = find_metric(host, key, key_size);
    int slot = at >= 0 ? host->metrics[at].slot : add_metric(host, key, key_size, width);
    mutex_unlock(&host->mutex);
    return slot;
}

double *host_metric_row(struct host *host, int index)
{
    PRE(index >= 0 && index <= (int)host->shared.worker_count);
    return host->rows + (size_t)index * HOST_METRIC_SLOTS;
}

int host_metric_count(struct host *host)
{
    return atomic_load_explicit(&host->metric_count, memory_order_acquire);
}

const char *host_metric_get(struct host *host, int at, size_t *key_size, int *slot, int *width)
{
    PRE(at >= 0 && at < host_metric_count(host));
    const struct host_metric *metric = &host->metrics[at];
    *key_size = metric->key_size;
    *slot = metric->slot;
    *width = metric->width;
    return metric->key;
}

double host_metric_sum(struct host *host, int slot)
{
    PRE(slot >= 0 && slot < HOST_METRIC_SLOTS);
    double sum = 0;
    for (uint32_t row = 0; row <= host->shared.worker_count; row++) {
        sum += host->rows[(size_t)row * HOST_METRIC_SLOTS + (size_t)slot];
    }
    return sum;
}
