/* SPDX-License-Identifier: MIT */
/* space.c - see space.h. */
#include "db/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/db.h"
#include "disk/ops.h"

#define MIB (1ULL << 20)

enum { RESERVE_MIN_MIB = 16, LOOK_SHARE = 4 };

uint64_t space_free_bytes(struct loam_db *db)
{
    uint64_t bytes = UINT64_MAX;
    return env_free_bytes(db->dir, &bytes, NULL) == LOAM_OK ? bytes : UINT64_MAX;
}

void space_init(struct loam_db *db)
{
    uint64_t reserve = db->options.reserve_bytes;
    if (reserve == 0) {
        /* Room to flush one memtable; on a small disk an eighth, yet never less than a log and a
         * few tables need. */
        uint64_t share = space_free_bytes(db) / 8;
        uint64_t least = RESERVE_MIN_MIB * MIB;
        share = share > least ? share : least;
        reserve = db->options.memtable_bytes < share ? db->options.memtable_bytes : share;
    }
    db->space.reserve = reserve;
}

/* Says it once when it begins and once when it ends. */
static void note(struct loam_db *db, bool is_low, uint64_t free)
{
    if (atomic_exchange_explicit(&db->space.is_low, is_low, memory_order_relaxed) == is_low) {
        return;
    }
    if (is_low) {
        log_ring_add(&db->log, LOAM_LOG_WARN,
                     "%" PRIu64 " bytes are free on the disk, below reserve_bytes %" PRIu64
                     ": writes are refused, deletes are not",
                     free, db->space.reserve);
    } else {
        log_ring_add(&db->log, LOAM_LOG_INFO, "there is space on the disk again");
    }
}

/* Looks at the disk; returns whether `bytes` more leave the reserve alone. */
static bool look(struct loam_db *db, uint64_t bytes, uint64_t *free)
{
    struct space *space = &db->space;
    uint64_t most = space->reserve * LOOK_SHARE;
    *free = space_free_bytes(db);
    bool has_room = *free >= space->reserve && *free - space->reserve >= bytes;
    uint64_t left = 0;
    if (has_room) {
        left = (*free - space->reserve - bytes) / LOOK_SHARE;
        left = left < most ? left : most;
    }
    atomic_store_explicit(&space->left, left, memory_order_relaxed);
    return has_room;
}

void space_refresh(struct loam_db *db)
{
    uint64_t free = 0;
    bool has_room = look(db, 0, &free);
    note(db, !has_room, free);
}

void space_explain(struct loam_db *db, struct loam_error *err)
{
    size_t used = strlen(err->text);
    uint64_t free = space_free_bytes(db);
    if (err->code == LOAM_NO_SPACE && free != UINT64_MAX) {
        (void)snprintf(err->text + used, sizeof(err->text) - used,
                       "; %" PRIu64 " bytes are free on the disk, reserve_bytes is %" PRIu64, free,
                       db->space.reserve);
    }
}

/* Whether nothing in the batch stores a row. */
static bool only_deletes(const struct loam_batch *batch)
{
    const char *cursor = batch->ops.data;
    const char *limit = cursor + batch->ops.size;
    struct entry entry;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (ops_next(&cursor, limit, &entry) != LOAM_OK || entry.kind != ENTRY_DELETE) {
            return false;
        }
    }
    return true;
}

int space_ask(struct loam_db *db, const struct loam_batch *batch, struct loam_error *err)
{
    uint64_t free = 0;
    bool has_room = look(db, loam_batch_bytes(batch), &free);
    note(db, !has_room, free);
    /* Deletes leave compaction the other half: it is what turns them into space. */
    if (has_room || (free >= db->space.reserve / 2 && only_deletes(batch))) {
        return LOAM_OK;
    }
    return fail(err, LOAM_NO_SPACE,
                "%" PRIu64 " bytes are free on the disk; writes stop below reserve_bytes %" PRIu64
                ", deletes below half of it",
                free, db->space.reserve);
}
