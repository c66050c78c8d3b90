/* SPDX-License-Identifier: MIT */
/*
 * record_reader.c - see record_reader.h. Two questions only: does a valid record stand at this
 * offset, and is there a later one which proves that this offset was durable. The CORRUPT verdict
 * on records is born in record_reader_judge() alone.
 */
#include "disk/record_reader.h"

#include "base/check.h"
#include "base/guard.h"

#define WINDOW_SIZE     (256u << 10) /* Read at once, unless one record is larger. */
#define WINDOW_KEEP_MAX (4u << 20)   /* A larger window is given back behind its record. */
#define MARKER_SIZE     3u

static int open_checked(struct record_reader *reader,
                        const char *name,
                        struct file_header *header,
                        struct loam_error *err)
{
    char bytes[FILE_HEADER_SIZE];
    size_t got = 0;
    TRY(env_size(reader->file, &reader->file_size, err));
    TRY(env_read(reader->file, 0, bytes, sizeof(bytes), &got, err));
    TRY(file_header_decode(header, bytes, got, name, err));
    reader->key = record_key_make(&header->id, header->number);
    reader->position = FILE_HEADER_SIZE;
    reader->chain = file_header_encode(header, bytes);
    return LOAM_OK;
}

int record_reader_open(struct record_reader *reader,
                       struct env_dir *dir,
                       const char *name,
                       struct file_header *header,
                       struct loam_error *err)
{
    *reader = (struct record_reader){0};
    TRY(env_open_read(dir, name, &reader->file, err));
    int rc = open_checked(reader, name, header, err);
    if (rc != LOAM_OK) {
        record_reader_close(reader);
    }
    return rc;
}

/* Moves the window so that it begins at offset and holds at least `need` bytes; the caller has
 * compared offset + need with the size of the file. */
static int
window_move(struct record_reader *reader, uint64_t offset, size_t need, struct loam_error *err)
{
    struct loam_buffer *window = &reader->window;
    PRE(offset <= reader->file_size && need <= reader->file_size - offset);
    size_t kept = 0;
    if (offset >= reader->window_offset && offset < reader->window_offset + window->size) {
        size_t skipped = (size_t)(offset - reader->window_offset);
        kept = window->size - skipped;
        memmove(window->data, window->data + skipped, kept);
    }
    window->size = kept;
    reader->window_offset = offset;
    uint64_t left = reader->file_size - offset;
    size_t want = need > WINDOW_SIZE ? need : WINDOW_SIZE;
    want = want > left ? (size_t)left : want;
    if (kept == 0 && window->capacity > WINDOW_KEEP_MAX && want <= WINDOW_SIZE) {
        loam_buffer_free(window);
    }
    if (want > kept) {
        TRY(buf_reserve(window, want - kept, err));
        TRY(env_read_exact(reader->file, offset + kept, window->data + kept, want - kept, err));
        window->size = want;
    }
    return LOAM_OK;
}

/* Sets *data to at least `need` bytes at offset and *have to how many the window holds from there.
 * NOT_FOUND when the file ends before. */
static int window_at(struct record_reader *reader,
                     uint64_t offset,
                     size_t need,
                     const char **data,
                     size_t *have,
                     struct loam_error *err)
{
    if (offset > reader->file_size || need > reader->file_size - offset) {
        return LOAM_NOT_FOUND;
    }
    uint64_t end = reader->window_offset + reader->window.size;
    if (offset < reader->window_offset || offset > end || end - offset < need) {
        TRY(window_move(reader, offset, need, err));
    }
    size_t skipped = (size_t)(offset - reader->window_offset);
    *data = reader->window.data + skipped;
    *have = reader->window.size - skipped;
    return LOAM_OK;
}

/* Decodes and verifies the record at offset; *start is its first byte. NOT_FOUND when there is none
 * that verifies. */
static int record_at(struct record_reader *reader,
                     uint64_t offset,
                     struct record *out,
                     const char **start,
                     struct loam_error *err)
{
    struct record record;
    const char *data = NULL;
    size_t have = 0;
    TRY(window_at(reader, offset, RECORD_HEADER_SIZE, &data, &have, err));
    if (!record_decode_header(data, reader->key, offset, &record)) {
        return LOAM_NOT_FOUND;
    }
    TRY(window_at(reader, offset, RECORD_HEADER_SIZE + record.size, &data, &have, err));
    if (!record_verify(data, reader->key, &record)) {
        return LOAM_NOT_FOUND;
    }
    record.payload = data + RECORD_HEADER_SIZE;
    *out = record;
    *start = data;
    return LOAM_OK;
}

int record_reader_next(struct record_reader *reader, struct record *out, struct loam_error *err)
{
    const char *start = NULL;
    TRY(record_at(reader, reader->position, out, &start, err));
    reader->position += RECORD_HEADER_SIZE + out->size;
    reader->chain = record_chain(reader->chain, start);
    POST(reader->position <= reader->file_size);
    return LOAM_OK;
}

/* Finds the first valid record behind position with durable_upto above it; NOT_FOUND when there is
 * none. */
static int find_proof(struct record_reader *reader, struct record *out, struct loam_error *err)
{
    uint64_t at = reader->position + 1;
    for (;;) {
        const char *data = NULL;
        size_t have = 0;
        TRY(window_at(reader, at, RECORD_HEADER_SIZE, &data, &have, err));
        const char *first = data + RECORD_MARKER_AT;
        size_t searched = have - RECORD_MARKER_AT;
        const char *marker = memmem(first, searched, RECORD_MARKER, MARKER_SIZE);
        if (marker == NULL) {
            /* The last two bytes can begin a marker. */
            at += searched - (MARKER_SIZE - 1);
            continue;
        }
        at += (uint64_t)(marker - first);
        int rc = record_at(reader, at, out, &data, err);
        if (rc == LOAM_OK && out->durable_upto > reader->position) {
            return LOAM_OK;
        }
        if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
            return rc;
        }
        at += rc == LOAM_OK ? RECORD_HEADER_SIZE + out->size : 1;
    }
}

int record_reader_judge(struct record_reader *reader, struct loam_error *err)
{
    struct record proof;
    int rc = find_proof(reader, &proof, err);
    if (rc == LOAM_NOT_FOUND || !GUARD(DURABLE_PROOF)) {
        return LOAM_OK;
    }
    TRY(rc);
    return fail(err, LOAM_CORRUPT,
                "%s: damaged at offset %llu, which was durable: a record at offset %llu says so",
                reader->file->name, (unsigned long long)reader->position,
                (unsigned long long)proof.offset);
}

int record_reader_is_zero(struct record_reader *reader, bool *is_zero, struct loam_error *err)
{
    uint64_t at = reader->position;
    while (at < reader->file_size) {
        const char *data = NULL;
        size_t have = 0;
        TRY(window_at(reader, at, 1, &data, &have, err));
        /* A block of zeros equals itself moved by one. */
        if (data[0] != 0 || (have > 1 && memcmp(data, data + 1, have - 1) != 0)) {
            *is_zero = false;
            return LOAM_OK;
        }
        at += have;
    }
    *is_zero = true;
    return LOAM_OK;
}

void record_reader_close(struct record_reader *reader)
{
    loam_buffer_free(&reader->window);
    /* Nothing was written through this handle: an error tells nothing. */
    int rc = env_close(reader->file, NULL);
    (void)rc;
    *reader = (struct record_reader){0};
}
