/* SPDX-License-Identifier: MIT */
/*
 * record_reader.h - reads the records of a log-like file in order, and searches behind damage.
 * Floor 2. Shared by wal_reader and manifest_log.
 *
 * The file is seen through a window that grows to the largest record and no further. Thread: owner.
 */
#ifndef LOAM_DISK_RECORD_READER_H
#define LOAM_DISK_RECORD_READER_H

#include "disk/record.h"

struct record_reader {
    struct env_file *file; /* Owned; its name is for messages. */
    struct record_key key;
    uint64_t file_size;        /* When it was opened. */
    uint64_t position;         /* Behind the last valid record. */
    uint64_t chain;            /* Of header and records up to position. */
    uint64_t window_offset;    /* Of window in the file. */
    struct loam_buffer window; /* Bytes [window_offset, window_offset + window.size) of the file. */
};

/* Opens a file and checks its header; header: as file_header_decode(). Errors: NOT_FOUND, CORRUPT,
 * UNSUPPORTED, IO, NO_MEMORY: nothing to close. */
NODISCARD int record_reader_open(struct record_reader *reader,
                                 struct env_dir *dir,
                                 const char *name,
                                 struct file_header *header,
                                 struct loam_error *err);
/* Sets *out and moves behind the record at position. NOT_FOUND: no valid record stands there (the
 * end of the file, or bad bytes). Errors: IO, NO_MEMORY. */
NODISCARD int
record_reader_next(struct record_reader *reader, struct record *out, struct loam_error *err);
/*
 * Judges what stands at position, where record_reader_next() found no record. LOAM_OK: nothing that
 * was durable is lost, the file ends here, cleanly or torn. CORRUPT: a later record proves that the
 * bytes here were durable. Errors: IO, NO_MEMORY.
 */
NODISCARD int record_reader_judge(struct record_reader *reader, struct loam_error *err);
/* Whether every byte from position to the end is zero. Errors: IO, NO_MEMORY. */
NODISCARD int
record_reader_is_zero(struct record_reader *reader, bool *is_zero, struct loam_error *err);
/* A zeroed reader is fine. */
void record_reader_close(struct record_reader *reader);

#endif
