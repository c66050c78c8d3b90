/* SPDX-License-Identifier: MIT */
/*
 * obsolete.c - files that nothing refers to any more. They are removed by background threads, never
 * where the last reference happened to go; a failed removal is tried again, and what remains is
 * swept at the next open.
 */
#include <inttypes.h>

#include "base/check.h"
#include "db/background.h"
#include "disk/file_name.h"

void obsolete_add(void *owner, uint64_t number)
{
    struct loam_db *db = owner;
    mutex_lock(&db->obsolete_mu);
    if (db->obsolete_count == db->obsolete_capacity) {
        size_t capacity = db->obsolete_capacity == 0 ? 64 : db->obsolete_capacity * 2;
        uint64_t *list = mem_realloc(db->obsolete_tables, capacity * sizeof(*list));
        if (list == NULL) {
            mutex_unlock(&db->obsolete_mu);
            return; /* The next open sweeps the file. */
        }
        db->obsolete_tables = list;
        db->obsolete_capacity = capacity;
    }
    db->obsolete_tables[db->obsolete_count++] = number;
    mutex_unlock(&db->obsolete_mu);
}

static bool take(struct loam_db *db, uint64_t *number)
{
    mutex_lock(&db->obsolete_mu);
    bool has_one = db->obsolete_count > 0;
    if (has_one) {
        *number = db->obsolete_tables[--db->obsolete_count];
    }
    mutex_unlock(&db->obsolete_mu);
    return has_one;
}

void obsolete_remove(struct loam_db *db)
{
    uint64_t number = 0;
    /* After a manifest failure nobody knows which files the disk's manifest names: all stay. */
    while (!version_set_failed(db->versions, NULL) && take(db, &number)) {
        char name[FILE_NAME_SIZE];
        struct loam_error err = {0};
        file_name_make(FILE_TABLE, number, name);
        int rc = env_remove(db->dir, name, &err);
        if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
            log_ring_add(&db->log, LOAM_LOG_WARN, "%s", err.text);
            obsolete_add(db, number);
            return;
        }
    }
}

void obsolete_remove_logs(struct loam_db *db, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[FILE_NAME_SIZE];
        struct loam_error err = {0};
        file_name_make(FILE_WAL, numbers[i], name);
        int rc = env_remove(db->dir, name, &err);
        if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
            log_ring_add(&db->log, LOAM_LOG_WARN, "%s", err.text); /* Swept at the next open. */
        }
    }
}
