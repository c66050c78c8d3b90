/* SPDX-License-Identifier: MIT */
/*
 * repair_find.c - what is there: files by kind, whose they are, and how much of a manifest can be
 * read. Nothing is changed here.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "db/repair_impl.h"
#include "disk/manifest_log.h"
#include "disk/table_salvage.h"
#include "disk/wal_reader.h"

struct listing {
    struct repair *repair;
    struct loam_error *err;
};

static int list_name(void *context, const char *name)
{
    struct listing *listing = context;
    struct repair *repair = listing->repair;
    struct loam_buffer *list = NULL;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    if (kind == FILE_TABLE) {
        list = &repair->tables;
    } else if (kind == FILE_WAL) {
        list = &repair->logs;
    } else if (kind == FILE_MANIFEST) {
        list = &repair->manifests;
    } else {
        return LOAM_OK;
    }
    repair->next_file = number >= repair->next_file ? number + 1 : repair->next_file;
    return buf_append(list, &number, sizeof(number), listing->err);
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void sort_numbers(struct loam_buffer *list)
{
    if (list->size > 0) {
        qsort(list->data, list->size / sizeof(uint64_t), sizeof(uint64_t), ascending);
    }
}

/* ---- Identity ---- */

static bool log_id(struct repair *repair)
{
    size_t count = 0;
    const uint64_t *logs = repair_numbers(&repair->logs, &count);
    for (size_t i = count; i-- > 0;) {
        char name[FILE_NAME_SIZE];
        char bytes[FILE_HEADER_SIZE];
        struct env_file *file = NULL;
        file_name_make(FILE_WAL, logs[i], name);
        if (env_open_read(repair->dir, name, &file, NULL) != LOAM_OK) {
            continue;
        }
        struct file_header header = {.magic = WAL_MAGIC, .version = WAL_VERSION, .number = logs[i]};
        int rc = env_read_exact(file, 0, bytes, sizeof(bytes), NULL);
        if (rc == LOAM_OK) {
            rc = file_header_decode(&header, bytes, sizeof(bytes), name, NULL);
        }
        DISCARD(env_close(file, NULL)); /* It was only read. */
        if (rc == LOAM_OK) {
            repair->id = header.id;
            return true;
        }
    }
    return false;
}

static bool table_id(struct repair *repair)
{
    size_t count = 0;
    const uint64_t *tables = repair_numbers(&repair->tables, &count);
    for (size_t i = count; i-- > 0;) {
        if (table_salvage_uuid(repair->dir, tables[i], &repair->id) == LOAM_OK) {
            return true;
        }
    }
    return false;
}

static bool manifest_id(struct repair *repair)
{
    size_t count = 0;
    const uint64_t *manifests = repair_numbers(&repair->manifests, &count);
    for (size_t i = count; i-- > 0;) {
        struct manifest_reader *reader = NULL;
        if (manifest_reader_open(repair->dir, manifests[i], &repair->id, &reader, NULL) ==
            LOAM_OK) {
            manifest_reader_close(reader);
            return true;
        }
    }
    return false;
}

/* ---- The best manifest ---- */

/* Applies every edit that can be read. *is_whole: it ends where a manifest ends. */
static int replay(struct repair *repair,
                  struct manifest_reader *reader,
                  bool *is_whole,
                  struct loam_error *why)
{
    struct manifest_edit *edit = manifest_edit_new();
    int rc = edit == NULL ? mem_fail(why, 1) : LOAM_OK;
    while (rc == LOAM_OK) {
        struct version_state next = {0};
        rc = manifest_reader_next(reader, edit, why);
        if (rc != LOAM_OK) {
            break;
        }
        struct manifest_edit_view view = manifest_edit_get(edit);
        rc = version_state_clone(&repair->known, &next, why);
        if (rc == LOAM_OK) {
            rc = version_state_apply(&next, &repair->context, &view, NULL, &repair->names, why);
        }
        if (rc == LOAM_OK) {
            version_state_deinit(&repair->known);
            repair->known = next;
            repair->is_known = true;
        } else {
            version_state_deinit(&next);
        }
    }
    manifest_edit_free(edit);
    *is_whole = rc == LOAM_NOT_FOUND && repair->is_known;
    return rc == LOAM_NO_MEMORY ? rc : LOAM_OK;
}

static int try_manifest(struct repair *repair, uint64_t number, struct loam_error *err)
{
    struct manifest_reader *reader = NULL;
    struct loam_error why = {0};
    bool is_whole = false;
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_MANIFEST, number, name);
    int rc = manifest_reader_open(repair->dir, number, &repair->id, &reader, &why);
    if (rc == LOAM_OK) {
        rc = replay(repair, reader, &is_whole, &why);
        manifest_reader_close(reader);
        if (rc == LOAM_NO_MEMORY) {
            return mem_fail(err, 1);
        }
    }
    if (is_whole) {
        repair->is_rebuild = false;
        return repair_note(repair, "whole", name, err, "is the manifest");
    }
    return repair_note(repair, "damaged", name, err, "%s", why.text);
}

static int read_manifests(struct repair *repair, struct loam_error *err)
{
    size_t count = 0;
    uint64_t current = 0;
    struct loam_error why = {0};
    const uint64_t *manifests = repair_numbers(&repair->manifests, &count);
    repair->is_rebuild = true;
    repair->is_current_good = current_read(repair->dir, &current, &why) == LOAM_OK;
    if (repair->is_current_good) {
        TRY(try_manifest(repair, current, err));
    } else {
        TRY(repair_note(repair, "damaged", "CURRENT", err, "%s",
                        why.text[0] == '\0' ? "is missing" : why.text));
    }
    for (size_t i = count; i-- > 0 && !repair->is_known;) {
        if (!repair->is_current_good || manifests[i] != current) {
            TRY(try_manifest(repair, manifests[i], err));
        }
    }
    return LOAM_OK;
}

static bool has_number(const struct loam_buffer *list, uint64_t number)
{
    size_t count = 0;
    const uint64_t *numbers = repair_numbers(list, &count);
    return count > 0 && bsearch(&number, numbers, count, sizeof(*numbers), ascending) != NULL;
}

/* Whether every file that the manifest names is there. A manifest that was cut at its end still
 * reads as a whole one; but its last edits took out logs and tables, and those are gone. */
static bool is_everything_there(const struct repair *repair)
{
    size_t count = 0;
    const struct version_entry *tables = version_state_tables(&repair->known, &count);
    for (size_t i = 0; i < count; i++) {
        if (!has_number(&repair->tables, table_meta(tables[i].table)->number)) {
            return false;
        }
    }
    const uint64_t *logs = repair_numbers(&repair->known.logs, &count);
    for (size_t i = 0; i < count; i++) {
        if (!has_number(&repair->logs, logs[i])) {
            return false;
        }
    }
    return true;
}

int repair_find(struct repair *repair, struct loam_error *err)
{
    struct listing listing = {.repair = repair, .err = err};
    TRY(env_list(repair->dir, list_name, &listing, err));
    sort_numbers(&repair->tables);
    sort_numbers(&repair->logs);
    sort_numbers(&repair->manifests);
    if (repair->tables.size + repair->logs.size + repair->manifests.size == 0) {
        return fail(err, LOAM_NOT_FOUND, "%s holds no file of a store", repair->path);
    }
    if (!manifest_id(repair) && !log_id(repair) && !table_id(repair)) {
        return fail(
            err, LOAM_CORRUPT,
            "%s: no manifest, log or table tells the uuid of the store; nothing was changed",
            repair->path);
    }
    repair->context.id = repair->id;
    TRY(read_manifests(repair, err));
    if (!repair->is_rebuild && !is_everything_there(repair)) {
        repair->is_rebuild = true;
        TRY(repair_note(repair, "damaged", "manifest", err,
                        "names files that are gone: the store is rebuilt from what is there"));
    }
    repair->last_seq = repair->known.last_seq;
    if (repair->known.next_file > repair->next_file) {
        repair->next_file = repair->known.next_file;
    }
    repair->next_run = repair->next_file;
    return LOAM_OK;
}
