/* SPDX-License-Identifier: MIT */
/* file_copy.c - copying with a hash on the way and one more look afterwards. */
#include "db/file_copy.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "base/memory.h"

enum { STEP_BYTES = 1 << 20 };

struct copying {
    struct env_file *from;
    struct env_file *to; /* NULL: the file is only summed up. */
    struct checksum_stream hash;
    char *bytes; /* STEP_BYTES. */
    uint64_t offset;
    struct progress *progress;
};

static int copy_steps(struct copying *copying, struct loam_error *err)
{
    size_t got = STEP_BYTES;
    while (got == STEP_BYTES) {
        TRY(env_read(copying->from, copying->offset, copying->bytes, STEP_BYTES, &got, err));
        checksum_stream_add(&copying->hash, copying->bytes, got);
        if (copying->to != NULL && got > 0) {
            TRY(env_write(copying->to, copying->offset, copying->bytes, got, err));
        }
        copying->offset += got;
        give_way_after(got);
        TRY(progress_add(copying->progress, got, err));
    }
    return copying->to == NULL ? LOAM_OK : env_sync(copying->to, err);
}

/* Runs a pass over an open file; closes nothing. */
static int run(struct copying *copying, struct file_sum *out, struct loam_error *err)
{
    copying->bytes = mem_alloc(STEP_BYTES);
    if (copying->bytes == NULL || checksum_stream_init(&copying->hash) != LOAM_OK) {
        mem_free(copying->bytes);
        return mem_fail(err, STEP_BYTES);
    }
    int rc = copy_steps(copying, err);
    if (rc == LOAM_OK) {
        *out = (struct file_sum){copying->offset, checksum_stream_value(&copying->hash)};
    }
    checksum_stream_deinit(&copying->hash);
    mem_free(copying->bytes);
    return rc;
}

int file_sum_read(struct env_dir *dir,
                  const char *name,
                  struct file_sum *out,
                  struct progress *progress,
                  struct loam_error *err)
{
    struct copying copying = {.progress = progress};
    TRY(env_open_read(dir, name, &copying.from, err));
    int rc = run(&copying, out, err);
    KEEP_FIRST(rc, env_close(copying.from, rc == LOAM_OK ? err : NULL));
    return rc;
}

int file_sum_check(const char *name,
                   const struct file_sum *found,
                   const struct file_sum *wanted,
                   struct loam_error *err)
{
    if (found->size != wanted->size) {
        return fail(err, LOAM_CORRUPT, "%s: has %" PRIu64 " bytes, not %" PRIu64, name, found->size,
                    wanted->size);
    }
    if (GUARD(COPY_HASH) && found->hash != wanted->hash) {
        return fail(err, LOAM_CORRUPT,
                    "%s: hash of its %" PRIu64 " bytes is %016" PRIx64 ", not %016" PRIx64, name,
                    found->size, found->hash, wanted->hash);
    }
    return LOAM_OK;
}

/* Fills the new file and closes it. */
static int fill(const struct file_place *from,
                struct env_file *to,
                struct file_sum *sum,
                struct progress *progress,
                struct loam_error *err)
{
    struct copying copying = {.to = to, .progress = progress};
    int rc = env_open_read(from->dir, from->name, &copying.from, err);
    if (rc == LOAM_OK) {
        rc = run(&copying, sum, err);
        KEEP_FIRST(rc, env_close(copying.from, rc == LOAM_OK ? err : NULL));
    } else if (rc == LOAM_NOT_FOUND) {
        rc = fail(err, LOAM_NOT_FOUND, "%s is missing", from->name);
    }
    KEEP_FIRST(rc, env_close(to, rc == LOAM_OK ? err : NULL));
    return rc;
}

int file_copy(const struct file_place *from,
              const struct file_place *to,
              const struct file_sum *wanted,
              struct file_sum *out,
              struct progress *progress,
              struct loam_error *err)
{
    struct env_file *file = NULL;
    struct file_sum read = {0};
    struct file_sum written = {0};
    TRY(env_create(to->dir, to->name, &file, err));
    int rc = fill(from, file, &read, progress, err);
    if (rc == LOAM_OK && wanted != NULL) {
        rc = file_sum_check(from->name, &read, wanted, err);
    }
    if (rc == LOAM_OK) {
        rc = file_sum_read(to->dir, to->name, &written, NULL, err);
    }
    if (rc == LOAM_OK) {
        rc = file_sum_check(to->name, &written, &read, err);
    }
    if (rc != LOAM_OK) {
        DISCARD(env_remove(to->dir, to->name, NULL)); /* The first error is what counts. */
        return rc;
    }
    if (out != NULL) {
        *out = read;
    }
    return LOAM_OK;
}

int file_link_or_copy(const struct file_place *from,
                      const struct file_place *to,
                      const struct file_sum *wanted,
                      struct progress *progress,
                      struct loam_error *err)
{
    int rc = env_link(from->dir, from->name, to->dir, to->name, NULL);
    if (rc == LOAM_OK) {
        return progress_add(progress, wanted == NULL ? 0 : wanted->size, err);
    }
    /* Without links, over file systems, at the limit of names: a copy answers all of it, and says
     * what is wrong when that fails too. */
    return file_copy(from, to, wanted, NULL, progress, err);
}
