/* SPDX-License-Identifier: MIT */
/*
 * fuzz.c - libFuzzer targets for every reader of bytes from outside; scripts/fuzz builds and runs
 * it.
 *
 * One program: LOAM_FUZZ_TARGET names the target, LOAM_FUZZ_SEEDS a folder to write that target's
 * seeds to (then nothing is fuzzed). Checksums are all 0 here, see checksum.c. A target may find
 * any bytes wrong; it may not crash, read outside, allocate by a number it was told, or never end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "disk/block.h"
#include "disk/file_name.h"
#include "disk/manifest_log.h"
#include "disk/ops.h"
#include "disk/table_builder.h"
#include "disk/table_reader.h"
#include "disk/wal_reader.h"
#include "disk/wal_writer.h"
#include "env/env_mem.h"
#include "host/conditions.h"
#include "host/json_text.h"
#include "http/http.h"
#include "http/parser.h"
#include "targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct store_id STORE = {.uuid = "0123456789abcdef", .epoch = 1};
enum { NUMBER = 7 };

/* ---- Files ---- */

struct place {
    struct env *env;
    struct env_dir *dir;
};

static void ok(int rc)
{
    if (rc != LOAM_OK) {
        abort();
    }
}

static struct place place_new(void)
{
    struct place place = {.env = env_mem_new()};
    ok(env_open_dir(place.env, "/fuzz", true, &place.dir, NULL));
    return place;
}

static void place_free(struct place *place)
{
    env_dir_close(place->dir);
    env_mem_free(place->env);
}

static struct place place_with(int kind, const uint8_t *data, size_t size)
{
    struct place place = place_new();
    char name[FILE_NAME_SIZE];
    struct env_file *file = NULL;
    file_name_make(kind, NUMBER, name);
    ok(env_create(place.dir, name, &file, NULL));
    if (size > 0) {
        ok(env_write(file, 0, data, size, NULL));
    }
    ok(env_close(file, NULL));
    return place;
}

/* ---- Targets ---- */

static void walk_ops(const char *data, size_t size)
{
    const char *cursor = data;
    struct entry entry;
    while (ops_next(&cursor, data + size, &entry) == LOAM_OK) {
    }
}

static void fuzz_ops(const uint8_t *data, size_t size)
{
    walk_ops((const char *)data, size);
}

static void fuzz_wal(const uint8_t *data, size_t size)
{
    struct place place = place_with(FILE_WAL, data, size);
    for (int prefix = 0; prefix < 2; prefix++) {
        struct wal_reader *reader = NULL;
        struct loam_error err;
        if (wal_reader_open(place.dir, NUMBER, &STORE, prefix != 0, &reader, &err) != LOAM_OK) {
            continue;
        }
        struct record record;
        while (wal_reader_next(reader, &record, &err) == LOAM_OK) {
            walk_ops(record.payload, record.size);
        }
        (void)wal_reader_dropped(reader);
        wal_reader_close(reader);
    }
    place_free(&place);
}

static void walk_block(struct block *block)
{
    struct block_row row;
    for (uint32_t i = 0; i < block->row_count; i++) {
        block_row(block, i, &row);
        (void)block_seek(block, row.suffix, row.seq);
        (void)block_rows_before(block, row.suffix, row.seq);
    }
}

static void fuzz_block(const uint8_t *data, size_t size)
{
    struct block *block = block_new(size);
    if (block == NULL) {
        return;
    }
    memcpy(block_data(block), data, size);
    if (block_validate(block) == LOAM_OK) {
        walk_block(block);
    }
    block_unref(block);
}

static void walk_table(struct table_reader *reader)
{
    struct loam_error err;
    for (uint32_t i = 0; i < table_reader_block_count(reader); i++) {
        struct block *block = NULL;
        if (table_reader_block(reader, i, &block, &err) == LOAM_OK) {
            walk_block(block);
            block_unref(block);
        }
        if (!table_reader_has_point_index(reader)) {
            continue;
        }
        struct point_probe probe;
        uint32_t at = 0;
        uint32_t row = 0;
        point_probe_init(&probe, reader, i * 0x9e3779b97f4a7c15u);
        while (point_probe_next(&probe, reader, &at, &row)) {
        }
    }
    (void)table_reader_find(reader, slice_make("key", 3), 1);
    int rc = table_reader_check(reader, table_reader_meta(reader), &err);
    (void)rc;
}

static void fuzz_table(const uint8_t *data, size_t size)
{
    struct place place = place_with(FILE_TABLE, data, size);
    struct table_reader *reader = NULL;
    struct loam_error err;
    if (table_reader_open(place.dir, NUMBER, size, &STORE, &reader, &err) == LOAM_OK) {
        walk_table(reader);
        table_reader_close(reader);
    }
    place_free(&place);
}

static void fuzz_edit(const uint8_t *data, size_t size)
{
    struct manifest_edit *edit = manifest_edit_new();
    struct loam_error err;
    struct loam_buffer out = {0};
    if (manifest_edit_decode(edit, (const char *)data, size, &err) == LOAM_OK) {
        ok(manifest_edit_encode(edit, &out, NULL));
    }
    loam_buffer_free(&out);
    manifest_edit_free(edit);
}

static void fuzz_manifest(const uint8_t *data, size_t size)
{
    struct place place = place_with(FILE_MANIFEST, data, size);
    struct manifest_reader *reader = NULL;
    struct store_id id;
    struct loam_error err;
    if (manifest_reader_open(place.dir, NUMBER, &id, &reader, &err) == LOAM_OK) {
        struct manifest_edit *edit = manifest_edit_new();
        while (manifest_reader_next(reader, edit, &err) == LOAM_OK) {
        }
        manifest_edit_free(edit);
        manifest_reader_close(reader);
    }
    place_free(&place);
}

static void fuzz_current(const uint8_t *data, size_t size)
{
    struct place place = place_with(FILE_CURRENT, data, size);
    uint64_t number = 0;
    struct loam_error err;
    int rc = current_read(place.dir, &number, &err);
    (void)rc;
    place_free(&place);
}

/* The head whole and byte by byte has to get the same verdict; the rest is a chunked body. */
/* The bytes as each of the fields of a conditional request, for a value of 1000 bytes. */
static void judge_conditions(const char *text, size_t size)
{
    for (int which = 0; which < 4; which++) {
        struct host_conditions given = {0};
        struct host_selection out;
        struct loam_slice *places[] = {&given.if_match, &given.if_none_match, &given.if_range,
                                       &given.range};
        given.range = (struct loam_slice){"bytes=1-2", 9};
        *places[which] = (struct loam_slice){text, size};
        int rc = host_select(&given, "7", 1, 1, 1000, &out);
        bool is_part = out.first < 1000 && out.size > 0 && out.size <= 1000 - out.first;
        if (rc > 0 || (rc == LOAM_OK && out.status == 206 && !is_part)) {
            abort();
        }
    }
}

static void fuzz_http(const uint8_t *data, size_t size)
{
    judge_conditions((const char *)data, size);
    struct http_limits limits;
    struct http_parser whole;
    struct http_parser pieces;
    http_limits_init(&limits);
    struct http_field *fields = calloc(limits.headers_count_max, sizeof(*fields));
    http_parser_init(&whole, &limits, fields);
    int verdict = http_parser_head(&whole, (const char *)data, size);
    http_parser_init(&pieces, &limits, fields);
    int last = HTTP_PARSE_MORE;
    for (size_t shown = 1; shown <= size && last == HTTP_PARSE_MORE; shown++) {
        last = http_parser_head(&pieces, (const char *)data, shown);
    }
    if (size > 0 && (last != verdict || whole.failure.status != pieces.failure.status)) {
        abort();
    }
    size_t at = verdict == HTTP_PARSE_DONE ? whole.size : 0;
    struct http_chunked chunked;
    http_chunked_init(&chunked, &limits, limits.body_bytes_max);
    int rc = HTTP_PARSE_MORE;
    while (rc == HTTP_PARSE_MORE && at < size) {
        size_t used = 0;
        const char *out = NULL;
        size_t out_size = 0;
        rc =
            http_chunked_feed(&chunked, (const char *)data + at, size - at, &used, &out, &out_size);
        if (used > size - at || (rc == HTTP_PARSE_MORE && used == 0)) {
            abort();
        }
        at += used;
    }
    free(fields);
}

/* What is good stays good between brackets, but for the depth. */
static void fuzz_json(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 3);
    double at = 0;
    text[0] = '[';
    memcpy(text + 1, data, size);
    const char *problem = host_json_problem(text + 1, size, &at);
    if (at < 0 || at > (double)size) {
        abort();
    }
    bool is_good = problem == NULL;
    text[size + 1] = ']';
    problem = host_json_problem(text, size + 2, &at);
    if (is_good && problem != NULL && strstr(problem, "deeper") == NULL) {
        abort();
    }
    free(text);
}

/* ---- Seeds: whole files as the writers make them ---- */

static void put_seed(const char *folder, const char *name, const void *data, size_t size)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || (size > 0 && fwrite(data, size, 1, file) != 1) || fclose(file) != 0) {
        abort();
    }
}

static void put_file_seed(const char *folder, struct place *place, const char *name)
{
    struct loam_buffer bytes = {0};
    ok(env_read_file(place->dir, name, 1 << 20, &bytes, NULL));
    put_seed(folder, name, bytes.data, bytes.size);
    loam_buffer_free(&bytes);
}

static struct entry seed_entry(int i, char *key)
{
    int size = snprintf(key, 32, "%c%c%c%ckey%03d", 0, 0, 0, 1, i);
    bool is_delete = i % 7 == 0;
    return (struct entry){.key = slice_make(key, (size_t)size),
                          .value = slice_make("value value value", is_delete ? 0 : (size_t)i % 17),
                          .seq = (uint64_t)i,
                          .expire_at_ms = i % 5 == 1 ? 1000u : 0,
                          .kind = is_delete ? ENTRY_DELETE : ENTRY_PUT};
}

static void seed_ops(struct loam_buffer *out)
{
    char key[32];
    for (int i = 1; i < 10; i++) {
        struct entry entry = seed_entry(i, key);
        ok(ops_append(out, &entry, NULL));
    }
}

static void seed_wal(const char *folder, const char *ops_folder)
{
    struct place place = place_new();
    struct loam_buffer ops = {0};
    struct wal_writer *writer = NULL;
    char name[FILE_NAME_SIZE];
    seed_ops(&ops);
    put_seed(ops_folder, "ops", ops.data, ops.size);
    ok(wal_writer_open(place.dir, NUMBER, &STORE, NULL, 4096, 4096, &writer, NULL));
    for (uint64_t i = 0; i < 4; i++) {
        ok(wal_writer_add(writer, 1 + 9 * i, 9, ops.data, ops.size, NULL));
        ok(wal_writer_write(writer, NULL));
        ok(wal_writer_sync(writer, NULL));
    }
    ok(wal_writer_seal(writer, NULL));
    ok(wal_writer_close(writer, NULL));
    file_name_make(FILE_WAL, NUMBER, name);
    put_file_seed(folder, &place, name);
    loam_buffer_free(&ops);
    place_free(&place);
}

static void seed_table(const char *folder, int compression, bool is_block)
{
    struct place place = place_new();
    struct table_options options = {
        .block_bytes = 512, .compression = compression, .point_index = compression != 1};
    struct table_builder *builder = NULL;
    struct table_reader *reader = NULL;
    struct block *block = NULL;
    struct table_meta meta;
    char name[FILE_NAME_SIZE];
    char key[32];
    ok(table_builder_open(place.dir, NUMBER, &STORE, &options, &builder, NULL));
    for (int i = 1; i < 60; i++) {
        struct entry entry = seed_entry(i, key);
        ok(table_builder_add(builder, &entry, NULL));
    }
    ok(table_builder_finish(builder, &meta, NULL));
    ok(table_reader_open(place.dir, NUMBER, meta.size, &STORE, &reader, NULL));
    ok(table_reader_block(reader, 0, &block, NULL));
    file_name_make(FILE_TABLE, NUMBER, name);
    struct loam_buffer bytes = {0};
    ok(env_read_file(place.dir, name, 1 << 20, &bytes, NULL));
    char seed[32];
    (void)snprintf(seed, sizeof(seed), "table%d", compression);
    if (is_block) {
        put_seed(folder, "block", block_data(block), block->size);
    } else {
        put_seed(folder, seed, bytes.data, bytes.size);
    }
    loam_buffer_free(&bytes);
    block_unref(block);
    table_reader_close(reader);
    table_builder_close(builder);
    place_free(&place);
}

static void seed_manifest(const char *folder, const char *edit_folder)
{
    struct place place = place_new();
    struct manifest_writer *writer = NULL;
    struct manifest_edit *edit = manifest_edit_new();
    const struct bucket_meta bucket = {.id = 1, .name = slice_make("default", 7)};
    struct loam_buffer bytes = {0};
    char name[FILE_NAME_SIZE];
    manifest_edit_set_next_file(edit, 20);
    manifest_edit_set_last_seq(edit, 99);
    manifest_edit_set_next_bucket(edit, 2);
    ok(manifest_edit_add_bucket(edit, &bucket, NULL));
    ok(manifest_edit_add_log(edit, 9, NULL));
    ok(manifest_edit_encode(edit, &bytes, NULL));
    put_seed(edit_folder, "edit", bytes.data, bytes.size);
    ok(manifest_writer_open(place.dir, NUMBER, &STORE, &writer, NULL));
    ok(manifest_writer_append(writer, edit, NULL));
    ok(manifest_writer_append(writer, edit, NULL));
    ok(manifest_writer_close(writer, NULL));
    file_name_make(FILE_MANIFEST, NUMBER, name);
    put_file_seed(folder, &place, name);
    loam_buffer_free(&bytes);
    manifest_edit_free(edit);
    place_free(&place);
}

static void seed_rest(const char *target, const char *folder)
{
    static const char HTTP[] = "PUT /v1/kv/b/a%20b?ttl=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n";
    static const char JSON[] = "{\"a\":[1,-2.5e+3,true,null],\"\\u0061b\":\"\\ud83d\\ude00\\n\"}";
    struct place place = place_new();
    if (strcmp(target, "http") == 0) {
        put_seed(folder, "http", HTTP, sizeof(HTTP) - 1);
    } else if (strcmp(target, "json") == 0) {
        put_seed(folder, "json", JSON, sizeof(JSON) - 1);
    } else if (strcmp(target, "current") == 0) {
        ok(current_write(place.dir, NUMBER, NULL));
        put_file_seed(folder, &place, "CURRENT");
    }
    place_free(&place);
}

static void write_seeds(const char *target, const char *folder)
{
    if (strcmp(target, "wal") == 0 || strcmp(target, "ops") == 0) {
        seed_wal(folder, folder);
    } else if (strcmp(target, "manifest") == 0 || strcmp(target, "edit") == 0) {
        seed_manifest(folder, folder);
    } else if (strcmp(target, "table") == 0) {
        seed_table(folder, LOAM_COMPRESS_NONE, false);
        seed_table(folder, LOAM_COMPRESS_LZ4, false);
        seed_table(folder, LOAM_COMPRESS_ZSTD, false);
    } else if (strcmp(target, "block") == 0) {
        seed_table(folder, LOAM_COMPRESS_NONE, true);
    } else {
        seed_rest(target, folder);
    }
}

/* ---- Choice of the target ---- */

struct target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
};

static const struct target TARGETS[] = {
    {"wal", fuzz_wal},         {"ops", fuzz_ops},
    {"block", fuzz_block},     {"table", fuzz_table},
    {"edit", fuzz_edit},       {"manifest", fuzz_manifest},
    {"current", fuzz_current}, {"http", fuzz_http},
    {"point", fuzz_point},     {"chunked", fuzz_chunked},
    {"target", fuzz_target},   {"text", fuzz_text},
    {"json", fuzz_json},       {"body", fuzz_body},
    {"config", fuzz_config},   {"conditions", fuzz_conditions},
};

static const struct target *chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("LOAM_FUZZ_TARGET");
    const char *folder = getenv("LOAM_FUZZ_SEEDS");
    for (size_t i = 0; name != NULL && i < sizeof(TARGETS) / sizeof(TARGETS[0]); i++) {
        chosen = strcmp(TARGETS[i].name, name) == 0 ? &TARGETS[i] : chosen;
    }
    if (chosen == NULL) {
        (void)fprintf(stderr, "LOAM_FUZZ_TARGET names no target\n");
        exit(2);
    }
    if (folder != NULL) {
        write_seeds(name, folder);
        exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chosen->run(data, size);
    return 0;
}
