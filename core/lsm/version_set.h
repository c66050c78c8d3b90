/* SPDX-License-Identifier: MIT */
/*
 * version_set.h - the current version, buckets, content types and live logs: what the manifest
 * says, and the only writer of it. Floor 3.
 *
 * version_set_apply() makes a change durable and then current: build the new version, check it,
 * append the edit, sync, publish. A failed append poisons the set: nothing is published and every
 * later apply returns READ_ONLY with the first cause. Serialised by its own mutex, which is held
 * over the manifest write (no reader ever takes it). Thread: any.
 */
#ifndef LOAM_LSM_VERSION_SET_H
#define LOAM_LSM_VERSION_SET_H

#include "lsm/version.h"

struct version_set;

/* Makes a new store: manifest with one snapshot edit (bucket "default", id 1), then CURRENT. id is
 * random. Errors: IO, NO_SPACE. */
NODISCARD int
version_set_create(struct env_dir *dir, const struct store_id *id, struct loam_error *err);
/*
 * Reads CURRENT and the manifest, checks that each table exists with its size. context->id is
 * filled in. Writes nothing: version_set_roll() begins a new manifest. Errors: NOT_FOUND no
 * CURRENT; CORRUPT; UNSUPPORTED; IO.
 */
NODISCARD int version_set_open(struct env_dir *dir,
                               struct table_context *context,
                               struct version_set **out,
                               struct loam_error *err);
/* Begins a new manifest with the present state as its snapshot and points CURRENT at it; removes
 * the old one afterwards. */
NODISCARD int version_set_roll(struct version_set *set, struct loam_error *err);
NODISCARD int version_set_apply(struct version_set *set,
                                const struct manifest_edit *edit,
                                struct loam_error *err);
NODISCARD int version_set_close(struct version_set *set, struct loam_error *err);
/* The current version with a reference of the caller. */
struct version *version_set_current(struct version_set *set);
/* A fresh file number; unique for the life of the store (reserved in the manifest in steps, so that
 * a crash jumps ahead). */
uint64_t version_set_next_file(struct version_set *set);
/* Raises the number to above `seen` (names found in the directory). */
void version_set_saw_file(struct version_set *set, uint64_t seen);
uint64_t version_set_last_seq(struct version_set *set);
/* Cause of the poison, or false. */
bool version_set_failed(struct version_set *set, struct loam_error *err);
uint64_t version_set_manifest_number(struct version_set *set);

/* Live logs in number order; returns how many there are, writes up to capacity. */
size_t version_set_logs(struct version_set *set, uint64_t *out, size_t capacity);
/* Buckets. find: NOT_FOUND when absent. The name in *out is valid while the set lives. */
NODISCARD int
version_set_bucket(struct version_set *set, struct slice name, struct bucket_meta *out);
NODISCARD int
version_set_bucket_by_id(struct version_set *set, uint32_t id, struct bucket_meta *out);
NODISCARD int version_set_bucket_add(struct version_set *set,
                                     struct slice name,
                                     uint32_t merge,
                                     uint64_t ttl_ms,
                                     struct bucket_meta *out,
                                     struct loam_error *err);
NODISCARD int
version_set_bucket_drop(struct version_set *set, struct slice name, struct loam_error *err);
size_t version_set_buckets(struct version_set *set, struct bucket_meta *out, size_t capacity);
/* Whether rows of this bucket id are dead. Lock-free: compaction asks per row. */
bool version_set_bucket_is_live(struct version_set *set, uint32_t id);
NODISCARD int version_set_content_type(struct version_set *set,
                                       struct slice name,
                                       uint32_t *id,
                                       struct loam_error *err);
/* NULL-terminated, valid while the set lives; NULL when unknown. */
const char *version_set_content_type_name(struct version_set *set, uint32_t id);

/* Whether a file of this name belongs to the present state (live table, log, manifest): the orphan
 * sweep asks. */
bool version_set_is_live_file(struct version_set *set, int kind, uint64_t number);

#endif
