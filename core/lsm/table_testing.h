/* SPDX-License-Identifier: MIT */
/*
 * table_testing.h - what specs of tables, their cache and runs call. Floor 3; only in
 * libloam_testing. Thread: owner.
 */
#ifndef LOAM_LSM_TABLE_TESTING_H
#define LOAM_LSM_TABLE_TESTING_H

#include "lsm/version.h"

/* ffi: begin */
/* Tables of one directory with a cache of their own. Numbers of obsolete tables are collected. */
struct testing_tables;
struct testing_tables *
testing_tables_new(struct env_dir *dir, const struct store_id *id, uint64_t capacity);
void testing_tables_free(struct testing_tables *tables);
struct cache *testing_tables_cache(struct testing_tables *tables);
int testing_tables_add(struct testing_tables *tables,
                       const struct table_meta *meta,
                       struct table **out,
                       struct loam_error *err);
/* The newest number that on_obsolete was called with, and how often it was called. */
uint64_t testing_tables_obsolete(const struct testing_tables *tables, uint64_t *count);

/* table_get() in a bracket; *out stays valid until *pin is given to testing_pin_free(). */
struct block;
int testing_table_get(struct table *table,
                      struct slice key,
                      uint64_t snapshot_seq,
                      struct entry *out,
                      struct block **pin,
                      struct loam_error *err);
void testing_pin_free(struct block *pin);

/* A version of runs of tables, newest first; holds a reference on each table. */
struct testing_version;
struct testing_version *testing_version_new(void);
int testing_version_add_run(struct testing_version *version, struct table **tables, size_t count);
int testing_version_get(struct testing_version *version,
                        struct slice key,
                        uint64_t snapshot_seq,
                        struct entry *out,
                        struct block **pin,
                        struct loam_error *err);
void testing_version_free(struct testing_version *version);

/* An iterator on the heap: of a table, or of run `run` of a version. Moves: 'f'irst, 'l'ast,
 * 's'eek, seek 'b'efore, 'n'ext, 'p'rev. Returns the status; *is_valid and *out as in the iterator.
 */
struct iter *testing_table_iter_new(struct table *table, bool fill_cache);
struct iter *
testing_run_iter_new(const struct testing_version *version, size_t run, bool fill_cache);
int testing_iter_move(
    struct iter *iter, int move, struct slice key, uint64_t seq, bool *is_valid, struct entry *out);
void testing_iter_set_error(struct iter *iter, struct loam_error *err);
void testing_iter_free(struct iter *iter);

/* Threads read and scan tables while another replaces the table objects, so that blocks are
 * evicted, tables dropped and opened anew. Row i of 1..row_count of each table has the key "%010d"
 * of 2 * i in bucket 1 and the value "value %d" of i. Returns the number of wrong answers, or a
 * negative code. */
struct testing_stress {
    uint32_t reader_count;
    uint32_t rounds;     /* Reads of each reader. */
    uint32_t drop_count; /* Replaced tables. */
    uint32_t row_count;
};
int64_t testing_tables_stress(struct testing_tables *tables,
                              const struct table_meta *metas,
                              size_t count,
                              const struct testing_stress *stress,
                              struct loam_error *err);
/* ffi: end */

#endif
