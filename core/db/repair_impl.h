/* SPDX-License-Identifier: MIT */
/*
 * repair_impl.h - what the files of repair share. Floor 4, private. Thread: owner.
 *
 * A piece is one whole table that holds readable rows: a file that was found sound, or one that
 * repair wrote. Two ways to put pieces together:
 *   trusted   a manifest is whole: it says which tables count and which run they belong to
 *   rebuild   no manifest is whole: every readable table and log counts; who is newer is told by
 *             sequence numbers (repair_order.c)
 */
#ifndef LOAM_DB_REPAIR_IMPL_H
#define LOAM_DB_REPAIR_IMPL_H

#include "base/arena.h"
#include "base/limits.h"
#include "db/progress.h"
#include "disk/file_name.h"
#include "disk/manifest_edit.h"
#include "disk/record.h"
#include "lsm/cache.h"
#include "lsm/compaction.h"
#include "lsm/memtable.h"
#include "lsm/version_state.h"

struct piece {
    struct table_meta meta; /* Keys are in repair->names. run: its final run. */
    bool is_new;            /* Written by repair. */
    bool is_dropped;        /* Merged into other pieces. */
};

struct repair {
    struct env *env;
    const char *path;
    struct env_dir *dir;
    struct env_dir *lost; /* NULL until needed. */
    struct loam_buffer *report;
    struct store_id id;

    struct loam_buffer tables;    /* uint64_t, ascending: files in the directory. */
    struct loam_buffer logs;      /* The same. */
    struct loam_buffer manifests; /* The same. */

    struct arena names;         /* Keys of pieces, names of buckets. */
    struct version_state known; /* What the best manifest says. */
    bool is_known;              /* There is one. */
    bool is_rebuild;
    bool is_current_good;
    uint64_t new_manifest;     /* 0 = not written yet. */
    bool is_switched;          /* CURRENT may name the repaired store. */
    struct progress *progress; /* Or NULL. */

    struct cache *cache;
    struct table_context context;
    struct memtable *memtable;     /* Rows of logs, not yet in a piece. */
    struct loam_buffer pieces;     /* struct piece. */
    struct loam_buffer bucket_ids; /* uint32_t, ascending: of all readable rows. */
    uint64_t last_seq;
    uint64_t next_file;
    uint64_t next_run;
    uint32_t content_type_max;
};

static inline struct piece *repair_pieces(const struct repair *repair, size_t *count)
{
    *count = repair->pieces.size / sizeof(struct piece);
    return (struct piece *)(void *)repair->pieces.data;
}

static inline const uint64_t *repair_numbers(const struct loam_buffer *list, size_t *count)
{
    *count = list->size / sizeof(uint64_t);
    return (const void *)list->data;
}

/* Adds one line to the report. */
NODISCARD int repair_note(struct repair *repair,
                          const char *verdict,
                          const char *name,
                          struct loam_error *err,
                          const char *format,
                          ...) PRINTF_LIKE(5, 6);
/* Adds a piece; its keys are copied. */
NODISCARD int repair_add_piece(struct repair *repair,
                               const struct table_meta *meta,
                               bool is_new,
                               struct loam_error *err);
/* Remembers bucket, content type and sequence of a readable row. */
NODISCARD int
repair_note_row(struct repair *repair, const struct entry *entry, struct loam_error *err);
/* compaction_run() with what all jobs of a repair have in common; its outputs become pieces. */
NODISCARD int
repair_write(struct repair *repair, struct iter *input, uint64_t run, struct loam_error *err);

/* Counts a file that was read to its end, by its size. Errors: CANCELLED. */
NODISCARD int repair_step(struct repair *repair, const char *name, struct loam_error *err);
/* repair_find.c: lists the files, finds the identity, reads the best manifest. */
NODISCARD int repair_find(struct repair *repair, struct loam_error *err);
/* repair_log.c: logs into pieces; decides whether the manifest can be trusted. */
NODISCARD int repair_read_logs(struct repair *repair, struct loam_error *err);
/* repair_table.c: tables into pieces. */
NODISCARD int repair_read_tables(struct repair *repair, struct loam_error *err);
/* Whether a table that the manifest does not name is newer than all that was found so far. */
bool repair_has_newer_table(struct repair *repair);
/* repair_order.c: rebuild only: gives every piece its run, merges where runs cannot tell. */
NODISCARD int repair_order(struct repair *repair, struct loam_error *err);
/* repair_install.c: new manifest, leftovers to lost/, CURRENT. */
NODISCARD int repair_install(struct repair *repair, struct loam_error *err);

#endif
