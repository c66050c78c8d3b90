/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every bound of the store in one place. Floor 0. A stored length is compared with these
 * before it is used.
 */
#ifndef LOAM_BASE_LIMITS_H
#define LOAM_BASE_LIMITS_H

#include <stdint.h>

#define BUCKET_ID_SIZE      4u          /* Big-endian id in front of each stored key. */
#define KEY_SIZE_MAX        (64u << 10) /* A user's key. */
#define STORED_KEY_SIZE_MAX (KEY_SIZE_MAX + BUCKET_ID_SIZE)
#define VALUE_SIZE_MAX      (64u << 20)
#define BATCH_SIZE_MAX      (512u << 20) /* Payload of one log record. */
#define BLOCK_SIZE_MAX                                                                             \
    (VALUE_SIZE_MAX + (1u << 20)) /* One block before compression: one largest row fits. */
#define SEQ_MAX               ((1ULL << 53) - 1) /* Exact in Lua numbers and JSON. */
#define FILE_NUMBER_MAX       999999999999ULL    /* Twelve digits. */
#define BUCKET_COUNT_MAX      65536u
#define BUCKET_NAME_MAX       64u
#define CONTENT_TYPE_MAX      1000u
#define CONTENT_TYPE_SIZE_MAX 127u
#define RUN_COUNT_MAX         256u /* Sorted runs of one version. */

_Static_assert(BATCH_SIZE_MAX > VALUE_SIZE_MAX + STORED_KEY_SIZE_MAX,
               "one largest row fits a batch");

#endif
