/* SPDX-License-Identifier: MIT */
/*
 * calls.h - loops of calls into libloam in C, beside which scripts/bench --lua times the same loops
 * in Lua.
 *
 * Built as a module that LuaJIT loads: both languages call one library, in one process, on one
 * store, with keys and values at the same addresses. Keys are GEN_KEY_SIZE bytes, values
 * GEN_VALUE_SIZE, in bucket "default". Every function returns 0 or the code of the call that
 * failed. Floor 5. Thread: any
 */
#ifndef LOAM_BENCH_CALLS_H
#define LOAM_BENCH_CALLS_H

#include "loam.h"

/* ffi: begin */

/* What a loop saw; it adds to it. */
typedef struct bench_seen {
    size_t rows;
    size_t bytes; /* Of keys and values. */
} bench_seen;

LOAM_API int
bench_put_all(loam_db *db, const loam_slice *keys, const loam_slice *values, size_t count);
LOAM_API int bench_get_all(loam_db *db, const loam_slice *keys, size_t count, bench_seen *seen);
/* Looks at the sizes of all rows. */
LOAM_API int bench_scan_all(loam_db *db, bench_seen *seen);
/* Opens a scan at each key, looks at its first `limit` rows and closes it. */
LOAM_API int
bench_seek_all(loam_db *db, const loam_slice *keys, size_t count, uint64_t limit, bench_seen *seen);
/* Copies key and value of each row into memory of their own, which lives as long as that of some
 * garbage collector would: until 256 rows later. */
LOAM_API int bench_scan_copies(loam_db *db, bench_seen *seen);
/* Writes keys and values of the first rows, one behind the other, to `to`; *count: in most rows,
 * out how many there were. Every row must have both of the sizes above. */
LOAM_API int bench_rows_copy(loam_db *db, char *to, size_t *count);

/* ffi: end */

#endif
