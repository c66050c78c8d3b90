/* SPDX-License-Identifier: MIT */
/*
 * repair_table.c - tables into pieces: a sound file stays what it is, the readable blocks of a
 * damaged one go into a new file.
 */
#include <inttypes.h>

#include "db/repair_impl.h"
#include "disk/table_builder.h"
#include "disk/table_salvage.h"

/* What one pass over the readable blocks of a file sees. */
struct reading {
    struct repair *repair;
    struct table_builder *builder; /* NULL: rows are only looked at. */
    struct loam_buffer key;
    uint64_t rows;
    uint64_t rows_refused;
};

static int read_row(struct reading *reading, const struct block_row *row, struct loam_error *err)
{
    const struct entry entry = {.key = buf_slice(&reading->key),
                                .value = row->value,
                                .seq = row->seq,
                                .expire_at_ms = row->expire_at_ms,
                                .content_type = row->content_type,
                                .kind = row->kind};
    if (reading->builder == NULL) {
        reading->rows++;
        return repair_note_row(reading->repair, &entry, err);
    }
    int rc = table_builder_add(reading->builder, &entry, err);
    if (rc == LOAM_INVALID) {
        reading->rows_refused++; /* Out of order: found twice, by a search. */
        return LOAM_OK;
    }
    reading->rows++;
    return rc;
}

static int read_block(struct reading *reading, const struct block *block, struct loam_error *err)
{
    for (uint32_t i = 0; i < block->row_count; i++) {
        struct block_row row;
        block_row(block, i, &row);
        TRY(buf_assign(&reading->key, block->prefix.data, block->prefix.size, err));
        TRY(buf_append(&reading->key, row.suffix.data, row.suffix.size, err));
        if (reading->key.size >= BUCKET_ID_SIZE) {
            TRY(read_row(reading, &row, err));
        }
    }
    return LOAM_OK;
}

static int
read_blocks(struct reading *reading, struct table_salvage *salvage, struct loam_error *err)
{
    int rc = LOAM_OK;
    while (rc == LOAM_OK) {
        struct block *block = NULL;
        rc = table_salvage_next(salvage, &block, err);
        if (rc == LOAM_OK) {
            rc = read_block(reading, block, err);
            block_unref(block);
        }
    }
    loam_buffer_free(&reading->key);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

/* Whether the file is sound, by all its own checks and by the manifest's meta where there is one.
 */
static int check_sound(const struct table_salvage *salvage,
                       const struct table_meta *named,
                       struct table_meta *meta,
                       struct loam_error *why)
{
    const struct table_reader *reader = table_salvage_reader(salvage, why);
    if (reader == NULL) {
        return LOAM_CORRUPT;
    }
    *meta = *table_reader_meta(reader);
    meta->hash = table_salvage_hash(salvage);
    if (named != NULL) {
        *meta = *named;
    }
    return table_reader_check(reader, meta, why);
}

static int rewrite(struct repair *repair,
                   struct table_salvage *salvage,
                   uint64_t run,
                   struct reading *reading,
                   struct loam_error *err)
{
    const struct table_options options = {
        .block_bytes = 4096, .compression = LOAM_COMPRESS_LZ4, .point_index = true};
    struct table_meta meta = {0};
    uint64_t number = repair->next_file++;
    TRY(table_builder_open(repair->dir, number, &repair->id, &options, &reading->builder, err));
    int rc = read_blocks(reading, salvage, err);
    if (rc == LOAM_OK && reading->rows > 0) {
        rc = table_builder_finish(reading->builder, &meta, err);
    }
    if (rc == LOAM_OK && reading->rows > 0) {
        meta.run = run;
        rc = repair_add_piece(repair, &meta, true, err);
    }
    table_builder_close(reading->builder);
    if (rc != LOAM_OK || reading->rows == 0) {
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, number, name);
        DISCARD(env_remove(repair->dir, name, NULL)); /* Ours, and no part of the store. */
    }
    return rc;
}

/* Writes the readable rows of a damaged file to a new one. */
static int salvage_table(struct repair *repair,
                         uint64_t number,
                         uint64_t run,
                         const struct loam_error *why,
                         struct loam_error *err)
{
    struct table_salvage *salvage = NULL;
    struct reading reading = {.repair = repair};
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_TABLE, number, name);
    TRY(table_salvage_open(repair->dir, number, &repair->id, &salvage, err));
    int rc = rewrite(repair, salvage, run, &reading, err);
    uint32_t gaps = table_salvage_gaps(salvage);
    table_salvage_close(salvage);
    TRY(rc);
    return repair_note(repair, "damaged", name, err,
                       "%s; %" PRIu64 " rows saved, %u stretches unreadable", why->text,
                       reading.rows, gaps);
}

/* Looks at all rows of a file, and makes it a piece when it is sound; else *why tells. */
static int take_table(struct repair *repair,
                      uint64_t number,
                      const struct table_meta *named,
                      struct loam_error *why,
                      struct loam_error *err)
{
    struct table_salvage *salvage = NULL;
    struct table_meta meta = {0};
    TRY(table_salvage_open(repair->dir, number, &repair->id, &salvage, err));
    struct reading reading = {.repair = repair};
    int sound = check_sound(salvage, named, &meta, why);
    int rc = sound == LOAM_NO_MEMORY ? mem_fail(err, 1) : LOAM_OK;
    if (rc == LOAM_OK) {
        /* Rows of a damaged file are noted too: the salvaged ones are among them. */
        rc = read_blocks(&reading, salvage, err);
    }
    if (rc == LOAM_OK && sound == LOAM_OK) {
        meta.run = named != NULL ? named->run : 0;
        rc = repair_add_piece(repair, &meta, false, err);
    }
    table_salvage_close(salvage);
    return rc;
}

static int read_table(struct repair *repair,
                      uint64_t number,
                      const struct table_meta *named,
                      struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    struct loam_error why = {0};
    file_name_make(FILE_TABLE, number, name);
    int rc = take_table(repair, number, named, &why, err);
    if (rc == LOAM_NOT_FOUND || rc == LOAM_IO) { /* Of reading: nothing was written yet. */
        struct loam_error cause = err == NULL ? (struct loam_error){0} : *err;
        return repair_note(repair, "lost", name, err, "%s", cause.text);
    }
    TRY(rc);
    TRY(repair_step(repair, name, err));
    if (why.text[0] == '\0') {
        return repair_note(repair, "whole", name, err, "kept");
    }
    return salvage_table(repair, number, named != NULL ? named->run : 0, &why, err);
}

bool repair_has_newer_table(struct repair *repair)
{
    size_t count = 0;
    bool is_newer = false;
    const uint64_t *tables = repair_numbers(&repair->tables, &count);
    for (size_t i = 0; i < count && !is_newer; i++) {
        struct table_salvage *salvage = NULL;
        if (version_state_table(&repair->known, tables[i]) != NULL ||
            table_salvage_open(repair->dir, tables[i], &repair->id, &salvage, NULL) != LOAM_OK) {
            continue;
        }
        const struct table_reader *reader = table_salvage_reader(salvage, NULL);
        is_newer = reader != NULL && table_reader_meta(reader)->seq_max > repair->last_seq;
        table_salvage_close(salvage);
    }
    return is_newer;
}

static int note_missing(struct repair *repair, struct loam_error *err)
{
    size_t count = 0;
    const struct version_entry *entries = version_state_tables(&repair->known, &count);
    for (size_t i = 0; i < count; i++) {
        char name[FILE_NAME_SIZE];
        struct env_file *file = NULL;
        file_name_make(FILE_TABLE, entries[i].number, name);
        int rc = env_open_read(repair->dir, name, &file, NULL);
        if (rc == LOAM_OK) {
            DISCARD(env_close(file, NULL)); /* It was only looked for. */
        } else if (rc == LOAM_NOT_FOUND) {
            TRY(repair_note(repair, "lost", name, err, "named by the manifest, and missing"));
        }
    }
    return LOAM_OK;
}

int repair_read_tables(struct repair *repair, struct loam_error *err)
{
    size_t count = 0;
    const uint64_t *tables = repair_numbers(&repair->tables, &count);
    TRY(note_missing(repair, err));
    for (size_t i = 0; i < count; i++) {
        const struct version_entry *entry = version_state_table(&repair->known, tables[i]);
        if (repair->is_rebuild) {
            TRY(read_table(repair, tables[i], NULL, err));
        } else if (entry != NULL) {
            struct table_meta named = *table_meta(entry->table);
            named.run = entry->run;
            TRY(read_table(repair, tables[i], &named, err));
        }
    }
    return LOAM_OK;
}
