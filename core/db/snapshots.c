/* SPDX-License-Identifier: MIT */
/* snapshots.c - sequences that readers hold; compaction keeps what they see. */
#include "db/snapshots.h"

#include "base/check.h"
#include "base/memory.h"

int loam_snapshot_open(loam_db *db, loam_snapshot **out, loam_error *err)
{
    TRY(db_check_open(db, err));
    struct loam_snapshot *snapshot = mem_zalloc(1, sizeof(*snapshot));
    if (snapshot == NULL) {
        return mem_fail(err, sizeof(*snapshot));
    }
    snapshot->db = db;
    snapshot->opened_ns = monotonic_ns();
    mutex_lock(&db->snapshot_mu);
    /* Under the lock: the list stays ordered, and a compaction that read the list before has only
     * seen rows that this one sees too. */
    snapshot->seq = atomic_load_explicit(&db->visible_seq, memory_order_acquire);
    snapshot->prev = db->snapshots_last;
    if (db->snapshots_last == NULL) {
        db->snapshots = snapshot;
    } else {
        db->snapshots_last->next = snapshot;
    }
    db->snapshots_last = snapshot;
    db->snapshot_count++;
    mutex_unlock(&db->snapshot_mu);
    *out = snapshot;
    return LOAM_OK;
}

uint64_t loam_snapshot_seq(const loam_snapshot *snapshot)
{
    return snapshot->seq;
}

void loam_snapshot_close(loam_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    struct loam_db *db = snapshot->db;
    mutex_lock(&db->snapshot_mu);
    if (snapshot->prev == NULL) {
        db->snapshots = snapshot->next;
    } else {
        snapshot->prev->next = snapshot->next;
    }
    if (snapshot->next == NULL) {
        db->snapshots_last = snapshot->prev;
    } else {
        snapshot->next->prev = snapshot->prev;
    }
    INV(db->snapshot_count > 0);
    db->snapshot_count--;
    mutex_unlock(&db->snapshot_mu);
    mem_free(snapshot);
}

int snapshots_list(struct loam_db *db, uint64_t **out, size_t *count, struct loam_error *err)
{
    mutex_lock(&db->snapshot_mu);
    size_t n = db->snapshot_count;
    uint64_t *list = mem_zalloc(n, sizeof(*list));
    if (list != NULL) {
        size_t i = 0;
        for (struct loam_snapshot *s = db->snapshots; s != NULL; s = s->next) {
            list[i++] = s->seq;
        }
        INV(i == n);
    }
    mutex_unlock(&db->snapshot_mu);
    if (list == NULL) {
        return mem_fail(err, n * sizeof(*list));
    }
    *out = list;
    *count = n;
    return LOAM_OK;
}
