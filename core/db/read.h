/* SPDX-License-Identifier: MIT */
/* read.h - helpers that every reading call shares. Floor 4. Thread: any. */
#ifndef LOAM_DB_READ_H
#define LOAM_DB_READ_H

#include "base/coding.h"
#include "base/limits.h"
#include "db/snapshots.h"

/* A stored key built for one lookup: on the stack for ordinary keys. */
struct stored_key {
    char small[256];
    char *large; /* NULL for ordinary keys; released with stored_key_deinit(). */
    struct slice slice;
};

/* Errors: TOO_LARGE, NO_MEMORY. */
NODISCARD int stored_key_large(
    struct stored_key *key, uint32_t bucket, const void *data, size_t size, struct loam_error *err);

static inline NODISCARD int stored_key_init(
    struct stored_key *key, uint32_t bucket, const void *data, size_t size, struct loam_error *err)
{
    if (UNLIKELY(size > sizeof(key->small) - BUCKET_ID_SIZE)) {
        return stored_key_large(key, bucket, data, size, err);
    }
    key->large = NULL;
    put_u32_be(key->small, bucket);
    if (size > 0) {
        memcpy(key->small + BUCKET_ID_SIZE, data, size);
    }
    key->slice = slice_make(key->small, size + BUCKET_ID_SIZE);
    return LOAM_OK;
}

static inline void stored_key_deinit(struct stored_key *key)
{
    if (UNLIKELY(key->large != NULL)) {
        mem_free(key->large);
    }
}

#endif
