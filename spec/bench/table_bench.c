/* SPDX-License-Identifier: MIT */
/*
 * table_bench.c - what one resident table costs: building, point reads, scans, seeks.
 *
 *     cc -O2 -D_GNU_SOURCE -Icore spec/bench/table_bench.c build/libloam_testing.so \
 *         -Wl,-rpath,"$PWD/build" -o build/table_bench
 *     build/table_bench DIRECTORY [rows]          the directory exists and is empty
 *
 * Keys are 16 digits behind the bucket id, values 100 bytes, sequences in random order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "lsm/table.h"

#define VALUE_SIZE 100
#define READS      2000000u

static struct loam_error err;

static void must(int rc)
{
    if (rc != LOAM_OK) {
        (void)fprintf(stderr, "table_bench: %s: %s\n", loam_code_name(rc), err.text);
        exit(1);
    }
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct slice key_make(char *out, uint64_t number)
{
    put_u32_be(out, 1);
    (void)snprintf(out + 4, 24, "%016" PRIu64, number);
    return slice_make(out, 20);
}

/* Keys in advance, so that making them is not measured. */
static char *keys_make(uint64_t rows, bool is_present)
{
    char *keys = malloc((size_t)READS * 32);
    uint64_t state = 88172645463325252ULL;
    for (size_t i = 0; keys != NULL && i < READS; i++) {
        (void)key_make(keys + 32 * i, random_next(&state) % rows * 2 + !is_present);
    }
    return keys;
}

static void report(const char *what, uint64_t from_ns, double count)
{
    (void)printf("%-34s %8.1f ns\n", what, (double)(monotonic_ns() - from_ns) / count);
}

static void
build(struct env_dir *dir, const struct store_id *id, uint64_t rows, struct table_meta *meta)
{
    struct table_options options = {
        .block_bytes = 4096, .point_index = true, .write_behind_bytes = 8u << 20};
    struct table_builder *builder = NULL;
    char value[VALUE_SIZE];
    uint64_t state = 1234567;
    uint64_t from = monotonic_ns();
    must(table_builder_open(dir, 1, id, &options, &builder, &err));
    for (uint64_t i = 0; i < rows; i++) {
        char key[32];
        memset(value, (int)(random_next(&state) & 0xff), sizeof(value));
        struct entry entry = {
            .key = key_make(key, i * 2),
            .value = slice_make(value, sizeof(value)),
            .seq = random_next(&state) % 10000000 + 1,
            .kind = ENTRY_PUT,
        };
        must(table_builder_add(builder, &entry, &err));
    }
    must(table_builder_finish(builder, meta, &err));
    double seconds = (double)(monotonic_ns() - from) / 1e9;
    (void)printf("%-34s %8.1f MB/s\n", "build, with keys made and sync",
                 (double)meta->raw_size / 1e6 / seconds);
    (void)printf("%-34s %8.2f (raw %.2f)\n", "bytes a row on disk",
                 (double)meta->size / (double)rows, (double)meta->raw_size / (double)rows);
}

static void scan(struct table *table, bool fill_cache, const char *what)
{
    struct table_iter it;
    uint64_t sum = 0;
    double count = 0;
    uint64_t from = monotonic_ns();
    table_iter_init(&it, table, fill_cache);
    for (iter_first(&it.iter); it.iter.is_valid; iter_next(&it.iter)) {
        sum += (unsigned char)it.iter.entry.value.data[0];
        count++;
    }
    must(it.iter.status);
    iter_free(&it.iter);
    report(what, from, count);
    if (sum == 1) {
        (void)puts("");
    }
}

static void gets(struct table *table, const char *keys, int expected, const char *what)
{
    uint64_t sum = 0;
    uint64_t from = monotonic_ns();
    for (size_t i = 0; i < READS; i++) {
        struct entry entry;
        struct slice key = slice_make(keys + 32 * i, 20);
        char value[VALUE_SIZE];
        epoch_enter();
        int rc = table_get(table, key, table_key_hash(key), UINT64_MAX >> 11, &entry, NULL, &err);
        if (rc == LOAM_OK) {
            memcpy(value, entry.value.data, VALUE_SIZE);
            sum += (unsigned char)value[VALUE_SIZE - 1];
        }
        epoch_exit();
        if (rc != expected) {
            must(rc == LOAM_OK ? LOAM_CORRUPT : rc);
        }
    }
    report(what, from, READS);
    if (sum == 1) {
        (void)puts("");
    }
}

static void seeks(struct table *table, const char *keys)
{
    struct table_iter it;
    uint64_t sum = 0;
    table_iter_init(&it, table, true);
    uint64_t from = monotonic_ns();
    for (size_t i = 0; i < READS / 4; i++) {
        iter_seek(&it.iter, slice_make(keys + 32 * i, 20), UINT64_MAX >> 11);
        for (int step = 0; step < 10 && it.iter.is_valid; step++) {
            sum += (unsigned char)it.iter.entry.value.data[0];
            iter_next(&it.iter);
        }
    }
    must(it.iter.status);
    report("seek + 10 rows", from, READS / 4);
    iter_free(&it.iter);
    if (sum == 1) {
        (void)puts("");
    }
}

static void verify(struct env_dir *dir, const struct store_id *id, const struct table_meta *meta)
{
    struct table_reader *reader = NULL;
    uint64_t from = monotonic_ns();
    must(table_reader_open(dir, 1, meta->size, id, &reader, &err));
    report("open, a key", from, (double)meta->row_count);
    (void)printf("%-34s %8.2f bytes\n", "index + point index, a key",
                 (double)table_reader_memory(reader) / (double)meta->row_count);
    struct block *block = NULL;
    must(table_reader_block(reader, 0, &block, &err));
    from = monotonic_ns();
    for (int i = 0; i < 20000; i++) {
        must(block_validate(block));
    }
    report("validate, a row", from, 20000.0 * block->row_count);
    block_unref(block);
    from = monotonic_ns();
    must(table_reader_check(reader, meta, &err));
    report("check, a row", from, (double)meta->row_count);
    table_reader_close(reader);
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
    if (argc < 2 || rows == 0) {
        (void)fputs("usage: table_bench DIRECTORY [rows]\n", stderr);
        return 2;
    }
    struct store_id id = {.epoch = 1};
    struct env_dir *dir = NULL;
    must(env_open_dir(env_posix(), argv[1], false, &dir, &err));
    struct table_meta meta;
    build(dir, &id, rows, &meta);
    char smallest[32];
    char largest[32];
    meta.smallest = key_make(smallest, 0);
    meta.largest = key_make(largest, (rows - 1) * 2);
    verify(dir, &id, &meta);

    struct table_context context = {.dir = dir, .id = id, .cache = cache_new(1ULL << 32)};
    struct table *table = NULL;
    must(table_new(&context, &meta, &table, &err));
    char *present = keys_make(rows, true);
    char *absent = keys_make(rows, false);
    scan(table, false, "scan without the cache, a row");
    scan(table, true, "scan that fills the cache, a row");
    scan(table, true, "scan of resident blocks, a row");
    gets(table, present, LOAM_OK, "get of a present key");
    gets(table, absent, LOAM_NOT_FOUND, "get of an absent key");
    seeks(table, present);
    table_unref(table);
    epoch_drain();
    cache_free(context.cache);
    must(env_remove(dir, "000000000001.sst", &err));
    env_dir_close(dir);
    free(present);
    free(absent);
    return 0;
}
