/* SPDX-License-Identifier: MIT */
/*
 * compaction.h - merges memtables or runs into new tables: the one writer of tables. Floor 3.
 *
 * Used by flush (inputs: memtables) and compaction (inputs: neighbouring runs). Produces tables of
 * about table_bytes, disjoint, never splitting the versions of one key over two tables; keeps of
 * each key: the newest version, and for every snapshot the version it sees; drops tombstones and
 * expired rows when nothing older can exist below (is_bottom) and no snapshot needs them; drops
 * rows of dead buckets. An expired row that may hide an older one becomes a delete. All decisions
 * are in compaction_keep.h. It checks input order, counts rows in and out, and verifies each output
 * by reading it back: its own checks, and a digest of its rows against that of what was added. Does
 * not touch the manifest: the caller applies the edit.
 */
#ifndef LOAM_LSM_COMPACTION_H
#define LOAM_LSM_COMPACTION_H

#include "disk/table_builder.h"
#include "lsm/iter.h"
#include "lsm/table.h"

/* ffi: begin */
struct compaction_job {
    /* Set by the caller; constant while it runs. */
    struct env_dir *dir;
    struct store_id id;
    struct table_options table_options;
    struct iter *input; /* All versions of all inputs, merged. */
    uint64_t table_bytes;
    uint64_t run_order;  /* Of the output. */
    uint64_t log_number; /* For table_meta; 0 for compactions. */
    uint64_t now_ms;
    const uint64_t *snapshots; /* Open snapshot sequences, ascending. */
    size_t snapshot_count;
    bool is_bottom; /* Nothing older lies below the inputs for any key. */
    bool verify;    /* Read each output back before it counts. */
    /* NULL, or what table objects of the verified outputs are to be made with. */
    const struct table_context *tables;
    int (*next_file)(void *owner, uint64_t *number, struct loam_error *err);
    bool (*bucket_is_live)(void *owner, uint32_t bucket);
    /* Called every so many bytes: paces, and answers LOAM_CANCELLED to stop. */
    int (*on_progress)(void *owner, uint64_t bytes_written);
    void *owner;
    /* Filled by compaction_run(). */
    struct table_meta
        *outputs;        /* Owned by the job until compaction_job_deinit(); keys owned too. */
    struct table **made; /* By output, one reference each; NULL where there is no object. */
    size_t output_count;
    uint64_t rows_in;
    uint64_t rows_out;
    uint64_t bytes_written;
};

/* No rows left: no outputs. On failure the outputs written so far stand in outputs, an unfinished
 * or unverified one last (its number is set, its file may be missing): the caller removes the
 * files. Errors: IO, NO_SPACE, CORRUPT, CANCELLED, NO_MEMORY. */
NODISCARD int compaction_run(struct compaction_job *job, struct loam_error *err);
void compaction_job_deinit(struct compaction_job *job);
/* ffi: end */

#endif
