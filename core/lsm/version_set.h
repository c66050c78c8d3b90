/* SPDX-License-Identifier: MIT */
/*
 * version_set.h - the current version, buckets, content types and live logs: what the manifest
 * says, and the only writer of it. Floor 3.
 *
 * version_set_apply() makes a change durable and then current: build the new version, check it,
 * append the edit, sync, publish. A failed write of the edit is taken back: it did not happen, and
 * the next change begins a new manifest. A failed sync poisons the set: nothing is published and
 * every later change returns READ_ONLY with the first cause. Changes are serialised by apply_mu,
 * which is held over the manifest write; what only looks takes state_mu, which never is. Table
 * objects live across versions: one file, one object. Thread: any.
 */
#ifndef LOAM_LSM_VERSION_SET_H
#define LOAM_LSM_VERSION_SET_H

#include "lsm/version.h"

/* ffi: begin */
struct table_context;
struct version;
struct version_set;

/* Makes a new store: manifest with one snapshot edit (bucket "default", id 1), then CURRENT. id is
 * random. What an interrupted creation left is replaced. Errors: EXISTS (there is a CURRENT),
 * CORRUPT (there is none, yet files of a store), IO, NO_SPACE, NO_MEMORY. */
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
/*
 * Begins a new manifest with the present state as its snapshot and points CURRENT at it; removes
 * the old one afterwards. Before the first roll nothing can be changed. Errors: IO, NO_SPACE,
 * NO_MEMORY: the old manifest stays the one, and the set is usable unless version_set_failed();
 * READ_ONLY.
 */
NODISCARD int version_set_roll(struct version_set *set, struct loam_error *err);
/* Errors: READ_ONLY (poisoned, or no roll yet); CORRUPT, TOO_LARGE (the edit does not fit the
 * state: nothing changed), NO_MEMORY; IO, NO_SPACE: nothing changed, unless version_set_failed().
 */
NODISCARD int version_set_apply(struct version_set *set,
                                const struct manifest_edit *edit,
                                struct loam_error *err);
/* As version_set_apply(), for an edit that adds tables whose objects are there already: they are
 * used instead of new ones. `made` may be NULL. */
NODISCARD int version_set_apply_made(struct version_set *set,
                                     const struct manifest_edit *edit,
                                     const struct table_list *made,
                                     struct loam_error *err);
/* Closes the manifest and frees always; NULL is fine. Versions that others hold stay valid, names
 * do not. Errors: IO, NO_SPACE: every change is durable all the same. */
NODISCARD int version_set_close(struct version_set *set, struct loam_error *err);
/* The current version with a reference of the caller. */
struct version *version_set_current(struct version_set *set);
/* The whole state of one moment: fills an empty edit with it, and *version is the version of the
 * same moment, with a reference of the caller. Errors: NO_MEMORY. */
NODISCARD int version_set_pin(struct version_set *set,
                              struct manifest_edit *edit,
                              struct version **version,
                              struct loam_error *err);
/* A fresh file number; unique for the life of the store (reserved in the manifest in steps, so that
 * a crash jumps ahead; one call in a hundred syncs the manifest). Errors: TOO_LARGE: the numbers
 * are used up; those of version_set_apply(), but that a set which cannot be written gives out
 * numbers all the same: nothing can install such a file in this store, and copies of it need some.
 */
NODISCARD int
version_set_next_file(struct version_set *set, uint64_t *number, struct loam_error *err);
/* Raises the number to above `seen`; opening has done so for every name in the directory. */
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
/* Lock-free. */
NODISCARD int
version_set_bucket_by_id(struct version_set *set, uint32_t id, struct bucket_meta *out);
/* Adds a bucket with a new id. Errors: INVALID (the name, the merge operator), EXISTS, TOO_LARGE
 * (the count), and those of version_set_apply(). */
NODISCARD int version_set_bucket_add(struct version_set *set,
                                     struct slice name,
                                     uint32_t merge,
                                     uint64_t ttl_ms,
                                     struct bucket_meta *out,
                                     struct loam_error *err);
/* Errors: NOT_FOUND, INVALID for "default", and those of version_set_apply(). */
NODISCARD int
version_set_bucket_drop(struct version_set *set, struct slice name, struct loam_error *err);
/* In name order; returns how many there are, writes up to capacity. */
size_t version_set_buckets(struct version_set *set, struct bucket_meta *out, size_t capacity);
/* Whether rows of this bucket id are alive. Lock-free: compaction asks per row. */
bool version_set_bucket_is_live(struct version_set *set, uint32_t id);
/* Finds a content type, lock-free, or adds it. Errors: INVALID (the name), TOO_LARGE (the count),
 * and those of version_set_apply(). */
NODISCARD int version_set_content_type(struct version_set *set,
                                       struct slice name,
                                       uint32_t *id,
                                       struct loam_error *err);
/* NUL-terminated, valid while the set lives; NULL when unknown. Lock-free. */
const char *version_set_content_type_name(struct version_set *set, uint32_t id);

/* Whether a file of this name belongs to the present state (live table, log, manifest, CURRENT,
 * LOCK), or is not ours to remove (FILE_UNKNOWN): the orphan sweep asks. */
bool version_set_is_live_file(struct version_set *set, int kind, uint64_t number);
/* ffi: end */

#endif
