/* SPDX-License-Identifier: MIT */
/*
 * manifest_edit_impl.h - what manifest_edit.c and manifest_edit_decode.c share. Floor 2.
 *
 * The lists are buffers of structs. Bytes of slices are in `strings` when a setter copied them, in
 * the decoded data otherwise. Thread: owner.
 */
#ifndef LOAM_DISK_MANIFEST_EDIT_IMPL_H
#define LOAM_DISK_MANIFEST_EDIT_IMPL_H

#include "base/arena.h"
#include "disk/manifest_edit.h"

enum edit_tag {
    EDIT_NEXT_FILE = 1,
    EDIT_LAST_SEQ = 2,
    EDIT_NEXT_BUCKET = 3,
    EDIT_LOG_REMOVED = 4,
    EDIT_LOG_ADDED = 5,
    EDIT_TABLE_REMOVED = 6,
    EDIT_TABLE_ADDED = 7,
    EDIT_BUCKET_DROPPED = 8,
    EDIT_BUCKET_ADDED = 9,
    EDIT_CONTENT_TYPE_ADDED = 10,
};

#define EDIT_TAG_OPTIONAL 64u /* Unknown tags from here on are skipped. */

struct manifest_edit {
    struct arena strings;
    struct loam_buffer logs_removed;        /* uint64_t */
    struct loam_buffer logs_added;          /* uint64_t */
    struct loam_buffer tables_removed;      /* uint64_t */
    struct loam_buffer tables_added;        /* struct table_meta */
    struct loam_buffer buckets_dropped;     /* uint32_t */
    struct loam_buffer buckets_added;       /* struct bucket_meta */
    struct loam_buffer content_types_added; /* struct bucket_meta */
    uint64_t next_file;                     /* 0 = not set, as are the next two. */
    uint64_t last_seq;
    uint32_t next_bucket;
};

#endif
