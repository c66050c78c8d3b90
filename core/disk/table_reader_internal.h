/* SPDX-License-Identifier: MIT */
/*
 * table_reader_internal.h - what table_reader.c and table_check.c share. Floor 2, private.
 */
#ifndef LOAM_DISK_TABLE_READER_INTERNAL_H
#define LOAM_DISK_TABLE_READER_INTERNAL_H

#include "disk/block_index.h"
#include "disk/file_name.h"
#include "disk/point_index.h"
#include "disk/table_format.h"
#include "disk/table_reader.h"

/* Constant after open. */
struct table_reader {
    /* What point lookups touch stands together. */
    struct point_index point;
    struct block_index index;
    struct env_file *file;
    uint64_t seed;
    struct table_footer footer;
    struct table_properties properties; /* Slices into property_bytes. */
    struct loam_buffer property_bytes;
    uint32_t *bucket_ids;
    bool is_point_damaged; /* The file has a point index that does not verify. */
    char name[FILE_NAME_SIZE];
};

#endif
