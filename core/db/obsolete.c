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

static void remember(struct loam_db *db, struct obsolete_file file)
{
    mutex_lock(&db->obsolete_mu);
    if (db->obsolete_count == db->obsolete_capacity) {
        size_t capacity = db->obsolete_capacity == 0 ? 64 : db->obsolete_capacity * 2;
        struct obsolete_file *list = mem_realloc(db->obsolete, capacity * sizeof(*list));
        if (list == NULL) {
            mutex_unlock(&db->obsolete_mu);
            return; /* The next open sweeps the file. */
        }
        db->obsolete = list;
        db->obsolete_capacity = capacity;
    }
    db->obsolete[db->obsolete_count++] = file;
    mutex_unlock(&db->obsolete_mu);
}

void obsolete_add(void *owner, uint64_t number)
{
    remember(owner, (struct obsolete_file){.number = number, .kind = FILE_TABLE});
}

static size_t count(struct loam_db *db)
{
    mutex_lock(&db->obsolete_mu);
    size_t found = db->obsolete_count;
    mutex_unlock(&db->obsolete_mu);
    return found;
}

/* Takes the file at `index`, or the last one; false when there is none. */
static bool take(struct loam_db *db, size_t index, struct obsolete_file *file)
{
    mutex_lock(&db->obsolete_mu);
    bool has_one = db->obsolete_count > 0;
    if (has_one) {
        size_t last = --db->obsolete_count;
        index = index < last ? index : last;
        *file = db->obsolete[index];
        db->obsolete[index] = db->obsolete[last];
    }
    mutex_unlock(&db->obsolete_mu);
    return has_one;
}

/* A failure is told once; the file is tried again at the next call. */
static bool remove_file(struct loam_db *db, struct obsolete_file file)
{
    char name[FILE_NAME_SIZE];
    struct loam_error err = {0};
    file_name_make(file.kind, file.number, name);
    int rc = env_remove(db->dir, name, &err);
    if (rc == LOAM_OK || rc == LOAM_NOT_FOUND) {
        return true;
    }
    if (!file.was_told) {
        log_ring_add(&db->log, LOAM_LOG_WARN, "%s; it is tried again", err.text);
        file.was_told = true;
    }
    remember(db, file);
    return false;
}

void obsolete_remove(struct loam_db *db)
{
    struct obsolete_file file;
    /* Each of those that are there now once, the newest first: one that cannot be removed does not
     * hold up the others. After a manifest failure nobody knows which files the disk's manifest
     * names: all stay. */
    for (size_t left = count(db); left > 0 && !version_set_failed(db->versions, NULL); left--) {
        if (!take(db, left - 1, &file)) {
            return;
        }
        (void)remove_file(db, file);
    }
}

void obsolete_remove_logs(struct loam_db *db, const uint64_t *numbers, size_t log_count)
{
    for (size_t i = 0; i < log_count; i++) {
        (void)remove_file(db, (struct obsolete_file){.number = numbers[i], .kind = FILE_WAL});
    }
}
