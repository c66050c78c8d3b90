/* SPDX-License-Identifier: MIT */
/*
 * ops.h - the operations of one batch as bytes: the payload of a log record, and what loam_batch
 * collects. Floor 2.
 *
 *   op := head u8 (low nibble: entry kind, 0x10 has expiry, 0x20 has content type) | varint
 * stored-key size | [varint value size, puts only] | [expire_at_ms u64] | [content_type u16] | key
 * | [value]
 *
 * Sequence numbers are not stored: operation i of a record has first_seq + i. Thread: owner.
 */
#ifndef LOAM_DISK_OPS_H
#define LOAM_DISK_OPS_H

#include "base/buf.h"
#include "disk/entry.h"

/* ffi: begin */
/* Appends one operation; entry->seq is ignored; the key is bucket id + (key, size) so that callers
 * need not join them first. Errors: NO_MEMORY; out is as before. The caller has checked the limits.
 */
int ops_append(struct loam_buffer *out, const struct entry *entry, struct loam_error *err);
/* Decodes the operation at *cursor, sets entry (seq untouched; slices point into the payload) and
 * moves *cursor behind it. Returns 0, or LOAM_CORRUPT (err not filled: the caller knows file and
 * offset). Checks every length against limit and limits.h. */
int ops_next(const char **cursor, const char *limit, struct entry *entry);
/* ffi: end */

#endif
