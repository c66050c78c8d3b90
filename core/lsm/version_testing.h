/* SPDX-License-Identifier: MIT */
/*
 * version_testing.h - what specs of version sets need beside version_set.h: a context that
 * remembers obsolete tables, and versions as text. Floor 3; only in libloam_testing. Thread: owner.
 */
#ifndef LOAM_LSM_VERSION_TESTING_H
#define LOAM_LSM_VERSION_TESTING_H

#include "lsm/version_set.h"

/* ffi: begin */
struct testing_context;

/* A table_context of this directory. Released with testing_context_free(), after all that uses it;
 * NULL when out of memory. */
struct testing_context *testing_context_new(struct env_dir *dir);
void testing_context_free(struct testing_context *context);
struct table_context *testing_context_get(struct testing_context *context);
/* The store's id, as version_set_open() found it. */
struct store_id testing_context_id(const struct testing_context *context);
/* Numbers of the obsolete tables that lost their last reference since the last call, in that order;
 * returns how many, writes up to capacity. */
size_t testing_context_obsolete(struct testing_context *context, uint64_t *out, size_t capacity);

/* Appends one line per run, newest first: "run 9: 12 13". */
int testing_version_text(const struct version *version,
                         struct loam_buffer *out,
                         struct loam_error *err);
/* The run at index, 0 the newest. */
const struct run *testing_version_run(const struct version *version, size_t index);
/* Number of the table of a run that may hold the key; 0 = none. */
uint64_t testing_run_find(const struct run *run, struct slice key);
/* ffi: end */

#endif
