/* SPDX-License-Identifier: MIT */
/*
 * manifest_edit.h - one change of the store's structure, as a struct and as bytes. Floor 2.
 *
 * The payload of a manifest record is a sequence of tagged fields, each: tag varint | size varint |
 * body. Unknown tags below 64 are refused (UNSUPPORTED), those from 64 on are skipped: room for
 * optional fields. Exact bytes in core/FORMAT.md.
 *
 * An edit is applied as a whole: what it removes goes first, then what it adds comes, so that a
 * table moves to another run by being removed and added in one edit. A snapshot is an edit that is
 * applied to nothing.
 *
 * Runs: every table belongs to one sorted run, named by a number that also orders runs: a higher
 * run is newer for each key. Thread: owner.
 */
#ifndef LOAM_DISK_MANIFEST_EDIT_H
#define LOAM_DISK_MANIFEST_EDIT_H

#include "base/buf.h"
#include "base/slice.h"

/* ffi: begin */
/* What the manifest knows of a table. Slices are borrowed from the edit or owned by the table
 * object. */
struct table_meta {
    uint64_t number;
    uint64_t run;  /* Order of its sorted run; higher = newer. */
    uint64_t size; /* Of the file. */
    uint64_t hash; /* XXH3 of the whole file. */
    uint64_t row_count;
    uint64_t delete_count;
    uint64_t expiry_count; /* Rows that carry an expiry. */
    uint64_t raw_size;     /* Stored key + value bytes. */
    uint64_t seq_min;
    uint64_t seq_max;
    uint64_t log_number;   /* Newest log whose rows it holds; 0 for a compaction's output. */
    struct slice smallest; /* First and last stored key. */
    struct slice largest;
};

struct bucket_meta {
    uint32_t id;
    uint32_t merge; /* LOAM_MERGE_* */
    uint64_t ttl_ms;
    struct slice name;
};

struct manifest_edit;
struct manifest_edit *manifest_edit_new(void);
void manifest_edit_free(struct manifest_edit *edit);
void manifest_edit_clear(struct manifest_edit *edit);
/* Setters copy their bytes. Errors: NO_MEMORY. */
int manifest_edit_add_table(struct manifest_edit *edit,
                            const struct table_meta *table,
                            struct loam_error *err);
int manifest_edit_remove_table(struct manifest_edit *edit, uint64_t number, struct loam_error *err);
int manifest_edit_add_log(struct manifest_edit *edit, uint64_t number, struct loam_error *err);
int manifest_edit_remove_log(struct manifest_edit *edit, uint64_t number, struct loam_error *err);
int manifest_edit_add_bucket(struct manifest_edit *edit,
                             const struct bucket_meta *bucket,
                             struct loam_error *err);
int manifest_edit_drop_bucket(struct manifest_edit *edit, uint32_t id, struct loam_error *err);
int manifest_edit_add_content_type(struct manifest_edit *edit,
                                   uint32_t id,
                                   struct slice name,
                                   struct loam_error *err);
void manifest_edit_set_next_file(struct manifest_edit *edit, uint64_t number);
void manifest_edit_set_last_seq(struct manifest_edit *edit, uint64_t seq);
void manifest_edit_set_next_bucket(struct manifest_edit *edit, uint32_t id);
/* Appends the bytes to *out. Errors: NO_MEMORY, TOO_LARGE: more than a record carries. */
int manifest_edit_encode(const struct manifest_edit *edit,
                         struct loam_buffer *out,
                         struct loam_error *err);
/* Replaces the edit by what data says; its slices then point into data. Checks every field against
 * its bounds, and that nothing is said twice. Errors: CORRUPT, UNSUPPORTED, NO_MEMORY: the edit is
 * then empty. */
int manifest_edit_decode(struct manifest_edit *edit,
                         const char *data,
                         size_t size,
                         struct loam_error *err);

/* Contents, for version_set: arrays owned by the edit, valid until it changes. */
struct manifest_edit_view {
    const struct table_meta *tables_added;
    const uint64_t *tables_removed;
    const uint64_t *logs_added;
    const uint64_t *logs_removed;
    const struct bucket_meta *buckets_added;
    const uint32_t *buckets_dropped;
    const struct bucket_meta *content_types_added; /* id and name only. */
    size_t tables_added_count;
    size_t tables_removed_count;
    size_t logs_added_count;
    size_t logs_removed_count;
    size_t buckets_added_count;
    size_t buckets_dropped_count;
    size_t content_types_added_count;
    uint64_t next_file;   /* 0 = unchanged. */
    uint64_t last_seq;    /* 0 = unchanged. */
    uint32_t next_bucket; /* 0 = unchanged. */
};
struct manifest_edit_view manifest_edit_get(const struct manifest_edit *edit);

/* What is wrong with the meta of a table, as a static text; NULL when nothing is. */
const char *table_meta_problem(const struct table_meta *table);
/* Whether a bucket's name is 1..64 of [A-Za-z0-9._-]. */
bool bucket_name_is_valid(struct slice name);
/* Whether a content type is 1..127 printable ASCII characters. */
bool content_type_is_valid(struct slice name);
/* ffi: end */

#endif
