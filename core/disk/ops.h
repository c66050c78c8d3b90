/* SPDX-License-Identifier: MIT */
/*
 * ops.h - the operations of one batch as bytes: the payload of a log record, and what loam_batch
 * collects. Floor 2.
 *
 *   op := head u8 | key size varint | [value size varint] | [expire_at_ms u64] |
 *         [content_type u16] | key | [value]
 *   head := kind (low nibble, enum entry_kind) | 0x10 has expiry | 0x20 has content type
 *
 * Only a put has value size and value, expiry and content type. The key is a stored key: the
 * bucket's id in four bytes and the user's key.
 *
 * Sequence numbers are not stored: operation i of a record has first_seq + i. Thread: owner.
 */
#ifndef LOAM_DISK_OPS_H
#define LOAM_DISK_OPS_H

#include "base/buf.h"
#include "disk/entry.h"

/* ffi: begin */
/* Appends one operation, a put or a delete; entry->key is the stored key, entry->seq is ignored.
 * The caller has checked the limits; a delete has neither value, expiry nor content type. Errors:
 * NO_MEMORY, and out is as before. */
int ops_append(struct loam_buffer *out, const struct entry *entry, struct loam_error *err);
/* Room that appending an operation needs at most. */
size_t ops_size_max(const struct entry *entry);
/* The same with entry->key the user's key, which is stored behind the bucket's id: saves callers a
 * join. */
int ops_append_in(struct loam_buffer *out,
                  uint32_t bucket,
                  const struct entry *entry,
                  struct loam_error *err);
/* Decodes the operation at *cursor, sets entry (seq untouched; slices point into the payload) and
 * moves *cursor behind it. Returns 0, or LOAM_CORRUPT (err not filled: the caller knows file and
 * offset; cursor and entry untouched), also at the limit. Checks every length against limit and
 * limits.h. */
int ops_next(const char **cursor, const char *limit, struct entry *entry);
/* ffi: end */

#endif
