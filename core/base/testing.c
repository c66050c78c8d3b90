/* SPDX-License-Identifier: MIT */
/* testing.c - see testing.h. The list of released tags is bounded: specs retire few items. */
#include "base/testing.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/epoch.h"
#include "base/give_way.h"
#include "base/histogram.h"
#include "base/memory.h"
#include "base/slice.h"
#include "base/thread.h"

#define TAG_COUNT_MAX 1024

size_t testing_put_fixed(char *p, int bits, uint64_t value)
{
    switch (bits) {
    case 16:
        put_u16(p, (uint16_t)value);
        return 2;
    case 32:
        put_u32(p, (uint32_t)value);
        return 4;
    case -32:
        put_u32_be(p, (uint32_t)value);
        return 4;
    default:
        PRE(bits == 64);
        put_u64(p, value);
        return 8;
    }
}

uint64_t testing_get_fixed(const char *p, int bits)
{
    switch (bits) {
    case 16:
        return get_u16(p);
    case 32:
        return get_u32(p);
    case -32:
        return get_u32_be(p);
    default:
        PRE(bits == 64);
        return get_u64(p);
    }
}

size_t testing_put_varint(char *p, uint64_t value)
{
    return (size_t)(put_varint(p, value) - p);
}

size_t testing_varint_size(uint64_t value)
{
    return varint_size(value);
}

size_t testing_get_varint(const char *p, size_t size, uint64_t *out)
{
    const char *end = get_varint(p, p + size, out);
    return end == NULL ? 0 : (size_t)(end - p);
}

size_t testing_get_varint32(const char *p, size_t size, uint32_t *out)
{
    const char *end = get_varint32(p, p + size, out);
    return end == NULL ? 0 : (size_t)(end - p);
}

int testing_slice_cmp(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return slice_cmp(slice_make(a, a_size), slice_make(b, b_size));
}

bool testing_slice_starts_with(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return slice_starts_with(slice_make(a, a_size), slice_make(b, b_size));
}

struct arena *testing_arena_new(size_t chunk_size)
{
    struct arena *arena = mem_alloc(sizeof(*arena));
    if (arena != NULL) {
        arena_init(arena, chunk_size);
    }
    return arena;
}

void *testing_arena_alloc(struct arena *arena, size_t size)
{
    return arena_alloc(arena, size);
}

size_t testing_arena_bytes(const struct arena *arena)
{
    return arena_bytes(arena);
}

void testing_arena_free(struct arena *arena)
{
    if (arena != NULL) {
        arena_deinit(arena);
        mem_free(arena);
    }
}

struct histogram *testing_histogram_new(void)
{
    struct histogram *histogram = mem_alloc(sizeof(*histogram));
    if (histogram != NULL) {
        histogram_init(histogram);
    }
    return histogram;
}

void testing_histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram_add(histogram, value_ns);
}

void testing_histogram_summary(const struct histogram *histogram, loam_histogram *out)
{
    histogram_summary(histogram, out);
}

void testing_histogram_free(struct histogram *histogram)
{
    mem_free(histogram);
}

struct tagged {
    struct epoch_item item; /* First, so that the item is the object. */
    int tag;
};

/* Specs call from one thread, and release runs in the thread that collects. */
static int released[TAG_COUNT_MAX];
static size_t released_count;

static void tagged_release(struct epoch_item *item)
{
    struct tagged *tagged = (struct tagged *)item;
    INV(released_count < TAG_COUNT_MAX);
    released[released_count++] = tagged->tag;
    mem_free(tagged);
}

void testing_epoch_retire(int tag)
{
    struct tagged *tagged = mem_zalloc(1, sizeof(*tagged));
    INV(tagged != NULL);
    tagged->tag = tag;
    epoch_retire(&tagged->item, tagged_release);
}

size_t testing_epoch_take(int *out, size_t capacity)
{
    size_t count = released_count < capacity ? released_count : capacity;
    memcpy(out, released, count * sizeof(*out));
    memmove(released, released + count, (released_count - count) * sizeof(*released));
    released_count -= count;
    return count;
}

struct testing_reader {
    struct loam_mutex mu;
    struct loam_cond changed;
    bool is_inside; /* Protected by mu. */
    bool must_stop; /* Protected by mu. */
    struct loam_thread thread;
};

static void *reader_run(void *argument)
{
    struct testing_reader *reader = argument;
    epoch_enter();
    mutex_lock(&reader->mu);
    reader->is_inside = true;
    cond_broadcast(&reader->changed);
    while (!reader->must_stop) {
        cond_wait(&reader->changed, &reader->mu);
    }
    mutex_unlock(&reader->mu);
    epoch_exit();
    return NULL;
}

struct testing_reader *testing_reader_start(void)
{
    struct testing_reader *reader = mem_zalloc(1, sizeof(*reader));
    INV(reader != NULL);
    mutex_init(&reader->mu);
    cond_init(&reader->changed);
    INV(thread_start(&reader->thread, "spec-reader", reader_run, reader, NULL) == LOAM_OK);
    mutex_lock(&reader->mu);
    while (!reader->is_inside) {
        cond_wait(&reader->changed, &reader->mu);
    }
    mutex_unlock(&reader->mu);
    return reader;
}

void testing_reader_stop(struct testing_reader *reader)
{
    mutex_lock(&reader->mu);
    reader->must_stop = true;
    cond_broadcast(&reader->changed);
    mutex_unlock(&reader->mu);
    thread_join(&reader->thread);
    cond_deinit(&reader->changed);
    mutex_deinit(&reader->mu);
    mem_free(reader);
}

struct worker {
    int how;
    size_t bytes;
    size_t count;
};

static void *worker_run(void *argument)
{
    static const _Atomic bool is_urgent = true;
    const struct worker *worker = argument;
    if (worker->how != 0) {
        give_way_begin(worker->how == 2 ? &is_urgent : NULL);
    }
    for (size_t i = 0; i < worker->count; i++) {
        give_way_after(worker->bytes);
    }
    return NULL;
}

uint64_t testing_give_way(int how, size_t bytes, size_t count)
{
    struct worker worker = {.how = how, .bytes = bytes, .count = count};
    struct loam_thread thread = {0};
    uint64_t before = give_way_count();
    INV(thread_start(&thread, "spec-worker", worker_run, &worker, NULL) == LOAM_OK);
    thread_join(&thread);
    return give_way_count() - before;
}
