/* SPDX-License-Identifier: MIT */
/*
 * testing.h - what specs of the base room call: inline functions as real ones, and structures with
 * atomics behind opaque pointers. Floor 0; only in libloam_testing. Thread: owner.
 */
#ifndef LOAM_BASE_TESTING_H
#define LOAM_BASE_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loam.h"

/* ffi: begin */

/* Coding. Writers return bytes written; readers return bytes used, 0 = refused. bits: 16, 32, 64,
 * or -32 for big-endian. */
size_t testing_put_fixed(char *p, int bits, uint64_t value);
uint64_t testing_get_fixed(const char *p, int bits);
size_t testing_put_varint(char *p, uint64_t value);
size_t testing_varint_size(uint64_t value);
size_t testing_get_varint(const char *p, size_t size, uint64_t *out);
size_t testing_get_varint32(const char *p, size_t size, uint32_t *out);

/* Slices: memcmp order and prefixes. */
int testing_slice_cmp(const char *a, size_t a_size, const char *b, size_t b_size);
bool testing_slice_starts_with(const char *a, size_t a_size, const char *b, size_t b_size);

/* Arenas and histograms on the heap. _new returns NULL when out of memory. */
struct arena;
struct arena *testing_arena_new(size_t chunk_size);
void *testing_arena_alloc(struct arena *arena, size_t size);
size_t testing_arena_bytes(const struct arena *arena);
void testing_arena_free(struct arena *arena);

struct histogram;
struct histogram *testing_histogram_new(void);
void testing_histogram_add(struct histogram *histogram, uint64_t value_ns);
void testing_histogram_summary(const struct histogram *histogram, loam_histogram *out);
void testing_histogram_free(struct histogram *histogram);

/* Epochs. Retires an item that, when released, appends `tag` to a list. */
void testing_epoch_retire(int tag);
/* Moves up to `capacity` tags of released items, in order of release, to out; returns how many. */
size_t testing_epoch_take(int *out, size_t capacity);
/* A thread that sits inside a bracket until it is told to leave it. */
struct testing_reader;
struct testing_reader *testing_reader_start(void);
void testing_reader_stop(struct testing_reader *reader);

/* What a thread offers that works through `count` pieces of `bytes`. how: 0 = it never began to
 * give way, 1 = it gives way, 2 = it does but its work is urgent. */
uint64_t testing_give_way(int how, size_t bytes, size_t count);

/* ffi: end */

#endif
