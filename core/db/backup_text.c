/* SPDX-License-Identifier: MIT */
/* backup_text.c - see backup_text.h. Every line is checked; a text that was cut does not verify. */
#include "db/backup_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/limits.h"

enum { TEXT_SIZE_MAX = 256 << 20, VERSION = 1, LINE_MAX_BYTES = 160 };

void backup_deinit(struct backup *backup)
{
    loam_buffer_free(&backup->files);
}

int backup_add(struct backup *backup,
               int kind,
               uint64_t number,
               const struct file_sum *sum,
               struct loam_error *err)
{
    struct backup_file file = {.number = number, .kind = kind, .sum = *sum};
    file_name_make(kind, number, file.name);
    backup->info.bytes += sum->size;
    backup->info.file_count++;
    return buf_append(&backup->files, &file, sizeof(file), err);
}

/* ---- Names ---- */

void backup_text_name(uint64_t id, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "backup-%012" PRIu64 ".txt", id);
}

void backup_stored_name(const struct backup_file *file, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%012" PRIu64 "-%016" PRIx64 "%s", file->number,
                   file->sum.hash, file->kind == FILE_TABLE ? ".sst" : ".manifest");
}

bool backup_name_parse(const char *name, uint64_t *id)
{
    char again[FILE_NAME_SIZE];
    if (strncmp(name, "backup-", 7) != 0) {
        return false;
    }
    *id = strtoull(name + 7, NULL, 10);
    backup_text_name(*id, again);
    return *id > 0 && strcmp(name, again) == 0;
}

bool backup_name_is_stored(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits != 12 || name[12] != '-' || strspn(name + 13, "0123456789abcdef") != 16) {
        return false;
    }
    return strcmp(name + 29, ".sst") == 0 || strcmp(name + 29, ".manifest") == 0;
}

/* ---- Writing ---- */

static int encode(const struct backup *backup, struct loam_buffer *out, struct loam_error *err)
{
    const struct loam_backup_info *info = &backup->info;
    TRY(buf_printf(out, err,
                   "loam-backup %d\nid %" PRIu64 "\nuuid %s\nseq %" PRIu64
                   "\ncreated_at_ms %" PRIu64 "\n",
                   (int)VERSION, info->id, info->uuid, info->seq, info->created_at_ms));
    size_t count = 0;
    const struct backup_file *files = backup_files(backup, &count);
    for (size_t i = 0; i < count; i++) {
        TRY(buf_printf(out, err, "file %s %" PRIu64 " %016" PRIx64 "\n", files[i].name,
                       files[i].sum.size, files[i].sum.hash));
    }
    return buf_printf(out, err, "end %016" PRIx64 "\n", checksum_64(out->data, out->size, 0));
}

static int write_synced(struct env_dir *dir,
                        const char *name,
                        const struct loam_buffer *text,
                        struct loam_error *err)
{
    struct env_file *file = NULL;
    TRY(env_create(dir, name, &file, err));
    int rc = env_write(file, 0, text->data, text->size, err);
    if (rc == LOAM_OK) {
        rc = env_sync(file, err);
    }
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

int backup_write(const struct backup *backup, struct env_dir *dir, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    backup_text_name(backup->info.id, name);
    struct loam_buffer text = {0};
    DISCARD(env_remove(dir, "backup.tmp", NULL)); /* Left by one that was cut short. */
    int rc = encode(backup, &text, err);
    if (rc == LOAM_OK) {
        rc = write_synced(dir, "backup.tmp", &text, err);
    }
    if (rc == LOAM_OK) {
        rc = env_rename(dir, "backup.tmp", name, err);
    }
    loam_buffer_free(&text);
    TRY(rc);
    return env_dir_sync(dir, err);
}

/* ---- Reading ---- */

/* Splits the next line off; false at the end. Lines are short. */
static bool next_line(const char **cursor, const char *limit, char line[LINE_MAX_BYTES])
{
    const char *end = memchr(*cursor, '\n', (size_t)(limit - *cursor));
    if (end == NULL || end - *cursor >= LINE_MAX_BYTES) {
        return false;
    }
    memcpy(line, *cursor, (size_t)(end - *cursor));
    line[end - *cursor] = '\0';
    *cursor = end + 1;
    return true;
}

/* "word number" with nothing behind; bytes were checked as a whole before. */
static bool take_number(const char *line, const char *word, uint64_t *out)
{
    size_t size = strlen(word);
    char *end = NULL;
    if (strncmp(line, word, size) != 0 || line[size] != ' ') {
        return false;
    }
    *out = strtoull(line + size + 1, &end, 10);
    return end != line + size + 1 && *end == '\0';
}

/* LOAM_OK, CORRUPT, NO_MEMORY; no error is filled. */
static int take_file(const char *line, struct backup *out)
{
    char name[FILE_NAME_SIZE] = {0};
    struct file_sum sum = {0};
    uint64_t number = 0;
    const char *blank = strncmp(line, "file ", 5) == 0 ? strchr(line + 5, ' ') : NULL;
    if (blank == NULL || blank - (line + 5) >= FILE_NAME_SIZE) {
        return LOAM_CORRUPT;
    }
    memcpy(name, line + 5, (size_t)(blank - (line + 5)));
    char *end = NULL;
    sum.size = strtoull(blank + 1, &end, 10);
    if (*end != ' ') {
        return LOAM_CORRUPT;
    }
    sum.hash = strtoull(end + 1, &end, 16);
    int kind = file_name_parse(name, &number);
    if (*end != '\0' || (kind != FILE_TABLE && kind != FILE_MANIFEST)) {
        return LOAM_CORRUPT;
    }
    return backup_add(out, kind, number, &sum, NULL);
}

static bool parse_head(const char **cursor, const char *limit, uint64_t id, struct backup *out)
{
    char line[LINE_MAX_BYTES];
    struct loam_backup_info *info = &out->info;
    bool is_good = next_line(cursor, limit, line) && take_number(line, "id", &info->id) &&
                   info->id == id && next_line(cursor, limit, line) &&
                   strncmp(line, "uuid ", 5) == 0 && strlen(line + 5) == 36;
    if (is_good) {
        (void)snprintf(info->uuid, sizeof(info->uuid), "%.36s", line + 5);
    }
    return is_good && next_line(cursor, limit, line) && take_number(line, "seq", &info->seq) &&
           next_line(cursor, limit, line) &&
           take_number(line, "created_at_ms", &info->created_at_ms);
}

static int parse_files(const char *cursor, const char *limit, struct backup *out)
{
    char line[LINE_MAX_BYTES];
    while (cursor < limit) {
        TRY(next_line(&cursor, limit, line) ? take_file(line, out) : LOAM_CORRUPT);
    }
    size_t count = 0;
    const struct backup_file *files = backup_files(out, &count);
    /* One manifest, which is the last. */
    for (size_t i = 0; i < count; i++) {
        if ((files[i].kind == FILE_MANIFEST) != (i + 1 == count)) {
            return LOAM_CORRUPT;
        }
    }
    return count > 0 ? LOAM_OK : LOAM_CORRUPT;
}

static int parse(struct slice text, const char *name, struct backup *out, struct loam_error *err)
{
    enum { END_SIZE = 4 + 16 + 1 };
    char line[LINE_MAX_BYTES];
    const char *cursor = text.data;
    const char *limit = text.data + text.size;
    char end[END_SIZE + 1];
    uint64_t version = 0;
    bool is_whole = text.size > END_SIZE;
    if (is_whole) {
        limit -= END_SIZE;
        (void)snprintf(end, sizeof(end), "end %016" PRIx64 "\n",
                       checksum_64(text.data, text.size - END_SIZE, 0));
        is_whole = memcmp(limit, end, END_SIZE) == 0;
    }
    if (!is_whole) {
        return fail(err, LOAM_CORRUPT, "%s: damaged or cut: its last line is not the hash of it",
                    name);
    }
    if (!next_line(&cursor, limit, line) || !take_number(line, "loam-backup", &version)) {
        return fail(err, LOAM_CORRUPT, "%s: not the text of a backup", name);
    }
    if (version != VERSION) {
        return fail(err, LOAM_UNSUPPORTED, "%s: format %" PRIu64 "; this build reads %d", name,
                    version, (int)VERSION);
    }
    uint64_t id = 0;
    int rc = backup_name_parse(name, &id) && parse_head(&cursor, limit, id, out)
                 ? parse_files(cursor, limit, out)
                 : LOAM_CORRUPT;
    if (rc == LOAM_NO_MEMORY) {
        return mem_fail(err, text.size);
    }
    if (rc != LOAM_OK) {
        return fail(err, LOAM_CORRUPT, "%s: a line of it makes no sense", name);
    }
    return LOAM_OK;
}

int backup_read(struct env_dir *dir, uint64_t id, struct backup *out, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    struct loam_buffer text = {0};
    backup_text_name(id, name);
    int rc = env_read_file(dir, name, TEXT_SIZE_MAX, &text, err);
    if (rc == LOAM_NOT_FOUND) {
        rc = fail(err, LOAM_NOT_FOUND, "there is no backup %" PRIu64, id);
    } else if (rc == LOAM_OK) {
        rc = parse(buf_slice(&text), name, out, err);
    }
    loam_buffer_free(&text);
    if (rc != LOAM_OK) {
        backup_deinit(out);
        *out = (struct backup){0};
    }
    return rc;
}
