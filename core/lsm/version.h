/* SPDX-License-Identifier: MIT */
/*
 * version.h - one immutable state of the store's structure: sorted runs of tables. Floor 3.
 *
 * runs[0] is the newest. The tables of one run are disjoint and ordered by key: no two share a key,
 * all versions of a key stand in one table of a run. For each key, a row in runs[i] is newer than
 * any in runs[j], j > i. Reference counted; holds one reference on each table.
 */
#ifndef LOAM_LSM_VERSION_H
#define LOAM_LSM_VERSION_H

#include "lsm/table.h"

/* ffi: begin */
struct table;

struct run {
    uint64_t order;        /* Its number: higher = newer. */
    struct table **tables; /* In key order. */
    size_t table_count;    /* At least 1. */
    uint64_t bytes;
    struct slice shared;    /* What every key of the run begins with; in memory of a table. */
    const uint64_t *fences; /* Two for each table: key_prefix() behind `shared` of its smallest and
                               its largest key. */
};
/* ffi: end */

struct version {
    struct epoch_item epoch_item; /* For deferred release by db. */
    _Atomic uint32_t refs;
    size_t run_count;
    struct run *runs;
};

/* ffi: begin */
/* A table and the run it belongs to. This run is the true one: table_meta(table)->run is the run in
 * which the table was first, and stays when a table moves to another run. */
struct version_entry {
    struct table *table;
    uint64_t number;
    uint64_t run;
};

struct version;
/* Makes a version of these tables, in any order; takes a reference on each. refs = 1. Errors:
 * NO_MEMORY; CORRUPT, TOO_LARGE: as version_check(). */
NODISCARD int version_new(const struct version_entry *entries,
                          size_t count,
                          struct version **out,
                          struct loam_error *err);
void version_ref(struct version *version);
/* Releases tables and memory with the last reference. NULL is fine. */
void version_unref(struct version *version);

/* Sets shared and fences, for which there are two numbers a table in `memory`. */
void run_fence(struct run *run, uint64_t *memory);
/* The table of a run that may hold the key, or NULL. */
struct table *run_find(const struct run *run, struct slice key);
/* Index of the first table whose largest key is >= key; table_count when none. */
size_t run_seek(const struct run *run, struct slice key);

/* ffi: end */

/* What a read of one key looks at first, found before it is looked at. */
#define VERSION_AHEAD 4u /* Runs; eight gained nothing more. */
struct version_ahead {
    struct table *tables[VERSION_AHEAD]; /* Of run i the one that may hold the key, or NULL, at i %
                                            VERSION_AHEAD. Borrowed from the version. */
};
/* Sends for the point indexes that version_get() of this key will ask first. */
void version_look_ahead(const struct version *version,
                        const struct lookup *wanted,
                        struct version_ahead *out);
/*
 * The wanted version in any run; as table_get(): inside an epoch bracket. ahead: of
 * version_look_ahead(), used up.
 */
NODISCARD int version_get(const struct version *version,
                          const struct lookup *wanted,
                          struct version_ahead *ahead,
                          struct entry *out,
                          struct block **pin,
                          struct loam_error *err);

/* Concatenation of one run's tables as one iterator. */
struct run_iter {
    struct iter iter;
    const struct run *run; /* Borrowed: its version must outlive the iterator. */
    size_t table_index;
    struct table_iter table_iter;
};
void run_iter_init(struct run_iter *it, const struct run *run, bool fill_cache);
/* Re-aims an initialised iterator at another run, keeping its memory; an error is forgotten. */
void run_iter_reset(struct run_iter *it, const struct run *run);
/* Stands nowhere and holds no block any more; only run_iter_reset() and free may follow. */
void run_iter_drop(struct run_iter *it);

/* Runs ordered and not too many, tables disjoint and ordered, metas sane. Errors: CORRUPT,
 * TOO_LARGE. */
NODISCARD int version_check(const struct version *version, struct loam_error *err);

#endif
