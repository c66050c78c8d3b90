/* SPDX-License-Identifier: MIT */
/*
 * record.h - the framing of log-like files (WAL and MANIFEST): one file header, then records.
 * Floor 2. Exact bytes in core/FORMAT.md.
 *
 *   file header (96 bytes) := magic 8 bytes | format version u16 | reserved u16 | required features
 *     u32 | optional features u32 | reserved u32 | file number u64 | uuid 16 bytes | epoch u64 |
 *     link: number u64, size u64, chain u64 | reserved u64 | checksum u64
 *   record := checksum u64 | header check u32 | payload size u32 | type u8 | marker 3 bytes |
 *     count u32 | first_seq u64 | durable_upto u64 | payload
 *
 * The checksum covers everything behind it, the header check the rest of the 40 header bytes; both
 * are seeded with the database's uuid, the file number and the record's offset: stale, misplaced or
 * user-supplied bytes do not verify. The header check makes the payload size trustworthy before
 * anything of that size is allocated or hashed; the marker makes the search for a later record
 * cheap. durable_upto is the offset known to be synced when the record was written: damage below it
 * is rot, damage at or above it can be a torn tail. Thread: any (pure functions).
 */
#ifndef LOAM_DISK_RECORD_H
#define LOAM_DISK_RECORD_H

#include <stdint.h>

#include "base/buf.h"
#include "env/env.h"

/* ffi: begin */
enum record_type { RECORD_BATCH = 1, RECORD_END = 2, RECORD_EDIT = 3, RECORD_BEGIN = 4 };
enum { RECORD_HEADER_SIZE = 40, FILE_HEADER_SIZE = 96 };

/* Identity of a store: in every file header. */
struct store_id {
    unsigned char uuid[16];
    uint64_t epoch; /* Constant 1 on one machine. */
};

/* What a log remembers of the one before it: in its header, or in its first record when it was made
 * ahead. All zero for the first log of a store, and in a manifest. */
enum { WAL_LINK_SIZE = 24 };
struct wal_link {
    uint64_t number;
    uint64_t size;  /* Length in bytes, with or without its end record. */
    uint64_t chain; /* Running hash over the checksums of its header and records. */
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

#define WAL_MAGIC        "LOAM.WAL"
#define MANIFEST_MAGIC   "LOAM.MAN"
#define WAL_VERSION      2u
#define MANIFEST_VERSION 1u

struct file_header {
    const char *magic; /* Eight bytes. */
    uint32_t version;
    uint64_t number;
    struct store_id id;
    struct wal_link link;
};

/* WAL_LINK_SIZE bytes. */
void wal_link_encode(const struct wal_link *link, char *out);
void wal_link_decode(struct wal_link *link, const char *data);
/* Writes FILE_HEADER_SIZE bytes to out and returns the header's checksum, where the chain begins.
 */
uint64_t file_header_encode(const struct file_header *header, char *out);
/*
 * Reads a header of which magic, version (the newest we read) and number are given; fills the rest.
 * `name` is for messages. Errors: CORRUPT (short, other magic, checksum, other number), UNSUPPORTED
 * (newer version, unknown required feature).
 */
NODISCARD int file_header_decode(struct file_header *header,
                                 const char *data,
                                 size_t size,
                                 const char *name,
                                 struct loam_error *err);

/* What seeds the checksums of one file. */
struct record_key {
    uint64_t store;  /* Hash of the uuid. */
    uint64_t number; /* Of the file. */
};
struct record_key record_key_make(const struct store_id *id, uint64_t number);

/* Appends a framed record to `out`; record->offset is where it will stand in its file. Moves *chain
 * on. Errors: NO_MEMORY, nothing appended; TOO_LARGE. */
NODISCARD int record_append(struct loam_buffer *out,
                            struct record_key key,
                            const struct record *record,
                            uint64_t *chain,
                            struct loam_error *err);
/* The same, but for the payload: the caller writes it behind the header by itself. */
NODISCARD int record_append_header(struct loam_buffer *out,
                                   struct record_key key,
                                   const struct record *record,
                                   uint64_t *chain,
                                   struct loam_error *err);
/* Decodes RECORD_HEADER_SIZE bytes that stand at `offset`: everything but the payload. Returns
 * whether they verify and all sizes are within bounds. */
bool record_decode_header(const char *data,
                          struct record_key key,
                          uint64_t offset,
                          struct record *out);
/* Whether the whole record verifies: header and record->size bytes of payload behind it. */
bool record_verify(const char *data, struct record_key key, const struct record *record);
/* The chain behind a verified record that starts at data. */
uint64_t record_chain(uint64_t chain, const char *data);

/* Where in a record header the marker stands, and the marker, for the search. */
#define RECORD_MARKER_AT 17
#define RECORD_MARKER    "\xb5\x4c\xd6"

#endif
