/* SPDX-License-Identifier: MIT */
/*
 * file_name.h - names of the files of a store, made and parsed in one place. Floor 2. Numbers have
 * twelve digits and are never reused.
 *
 *   000000000012.wal  000000000013.sst  MANIFEST-000000000014  CURRENT  CURRENT.tmp  LOCK
 */
#ifndef LOAM_DISK_FILE_NAME_H
#define LOAM_DISK_FILE_NAME_H

#include <stdint.h>

/* ffi: begin */
enum file_kind {
    FILE_UNKNOWN = 0,
    FILE_WAL,
    FILE_TABLE,
    FILE_MANIFEST,
    FILE_CURRENT,
    FILE_CURRENT_TMP,
    FILE_LOCK
};

enum { FILE_NAME_SIZE = 40 };

/* Writes the NUL-terminated name to out[FILE_NAME_SIZE]. number is ignored where the kind has none.
 */
void file_name_make(int kind, uint64_t number, char *out);
/* Returns the kind, FILE_UNKNOWN for any name that file_name_make() does not make; *number = 0
 * where the kind has none. */
int file_name_parse(const char *name, uint64_t *number);
/* ffi: end */

#endif
