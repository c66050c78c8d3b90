/* SPDX-License-Identifier: MIT */
/*
 * record.h - the framing of log-like files (WAL and MANIFEST): one file header, then records.
 * Floor 2.
 *
 *   file header (64 bytes): magic u64 | format version u16 | reserved u16 | required features u32 |
 * optional features u32 | file number u64 | uuid 16 bytes | epoch u64 | reserved | checksum u64
 * (exact table in core/FORMAT.md; a WAL header also has the number, final size and chain of the log
 * before it) record (40 bytes + payload): checksum u64 | payload size u32 | type u8 | marker 3
 * bytes | first_seq u64 | count u32 | reserved u32 | durable_upto u64 | payload
 *
 * The checksum covers everything behind it and is seeded with the database's uuid, the file number
 * and the record's offset: stale, misplaced or user-supplied bytes do not verify. The marker makes
 * the search for a later record cheap. durable_upto is the offset known to be synced when the
 * record was written: damage below it is rot, damage at or above it can be a torn tail.
 */
#ifndef LOAM_DISK_RECORD_H
#define LOAM_DISK_RECORD_H

#include <stdint.h>

#include "base/buf.h"
#include "env/env.h"

/* ffi: begin */
enum record_type { RECORD_BATCH = 1, RECORD_END = 2, RECORD_EDIT = 3 };
enum { RECORD_HEADER_SIZE = 40 };

/* Identity of a store: in every file header. */
struct store_id {
    unsigned char uuid[16];
    uint64_t epoch; /* Constant 1 on one machine. */
};

struct record {
    uint64_t offset; /* Of the record header in its file. */
    uint64_t first_seq;
    uint64_t durable_upto;
    const char *payload; /* Borrowed: valid until the next call on the reader. */
    size_t size;
    uint32_t count;
    uint32_t type; /* enum record_type */
};
/* ffi: end */

#endif
