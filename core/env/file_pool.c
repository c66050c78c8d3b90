/* SPDX-License-Identifier: MIT */
/*
 * file_pool.c - open files in a list, the one used last at its end. A file that is being read is
 * pinned: it is not closed.
 */
#include "env/file_pool.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"

struct pooled_file {
    struct env_file base;
    struct file_pool *pool;
    struct env_file *inner;   /* NULL while it holds none. Protected by pool->mu, as all below. */
    uint32_t pins;            /* Reads in flight. */
    struct pooled_file *prev; /* In the list of open files. */
    struct pooled_file *next;
};

struct file_pool {
    struct env_dir base; /* What file_pool_dir() hands out. */
    struct env_dir *dir;
    size_t open_max;
    struct loam_mutex mu;
    struct pooled_file *first PROTECTED_BY(mu); /* Unused for longest. */
    struct pooled_file *last PROTECTED_BY(mu);
    size_t open_count PROTECTED_BY(mu);
    size_t file_count PROTECTED_BY(mu);
};

static void list_remove(struct file_pool *pool, struct pooled_file *file)
{
    *(file->prev != NULL ? &file->prev->next : &pool->first) = file->next;
    *(file->next != NULL ? &file->next->prev : &pool->last) = file->prev;
    file->prev = NULL;
    file->next = NULL;
    pool->open_count--;
}

static void list_append(struct file_pool *pool, struct pooled_file *file)
{
    file->prev = pool->last;
    file->next = NULL;
    *(pool->last != NULL ? &pool->last->next : &pool->first) = file;
    pool->last = file;
    pool->open_count++;
}

/* Closes the file that was unused for longest; false when all are being read. */
static bool give_one_up(struct file_pool *pool) REQUIRES(pool->mu)
{
    for (struct pooled_file *file = pool->first; file != NULL; file = file->next) {
        if (file->pins == 0) {
            list_remove(pool, file);
            DISCARD(env_close(file->inner, NULL)); /* Nothing was written through it. */
            file->inner = NULL;
            return true;
        }
    }
    return false;
}

static int open_inner(struct pooled_file *file, struct loam_error *err) REQUIRES(file->pool->mu)
{
    struct file_pool *pool = file->pool;
    while (pool->open_count >= pool->open_max && give_one_up(pool)) {
    }
    struct loam_error cause = {0};
    int rc = env_open_read(pool->dir, file->base.name, &file->inner, &cause);
    while (rc == LOAM_IO && (cause.os_errno == EMFILE || cause.os_errno == ENFILE) &&
           give_one_up(pool)) {
        rc = env_open_read(pool->dir, file->base.name, &file->inner, &cause);
    }
    if (rc != LOAM_OK && err != NULL) {
        *err = cause;
    }
    return rc;
}

/* Pins the file, opened when need be, and makes it the one used last. */
static int pin(struct pooled_file *file, struct loam_error *err)
{
    struct file_pool *pool = file->pool;
    int rc = LOAM_OK;
    mutex_lock(&pool->mu);
    if (file->inner == NULL) {
        rc = open_inner(file, err);
    } else {
        list_remove(pool, file);
    }
    if (rc == LOAM_OK) {
        list_append(pool, file);
        file->pins++;
    }
    mutex_unlock(&pool->mu);
    return rc;
}

static void unpin(struct pooled_file *file)
{
    mutex_lock(&file->pool->mu);
    INV(file->pins > 0);
    file->pins--;
    mutex_unlock(&file->pool->mu);
}

static struct pooled_file *file_of(struct env_file *base)
{
    return (struct pooled_file *)base;
}

static int pooled_read(struct env_file *base,
                       uint64_t offset,
                       void *data,
                       size_t size,
                       size_t *got,
                       struct loam_error *err)
{
    struct pooled_file *file = file_of(base);
    TRY(pin(file, err));
    int rc = env_read(file->inner, offset, data, size, got, err);
    unpin(file);
    return rc;
}

static int pooled_size(struct env_file *base, uint64_t *size, struct loam_error *err)
{
    struct pooled_file *file = file_of(base);
    TRY(pin(file, err));
    int rc = env_size(file->inner, size, err);
    unpin(file);
    return rc;
}

static int pooled_close(struct env_file *base, struct loam_error *err)
{
    struct pooled_file *file = file_of(base);
    struct file_pool *pool = file->pool;
    int rc = LOAM_OK;
    mutex_lock(&pool->mu);
    INV(file->pins == 0);
    if (file->inner != NULL) {
        list_remove(pool, file);
        rc = env_close(file->inner, err);
    }
    pool->file_count--;
    mutex_unlock(&pool->mu);
    mem_free(file);
    return rc;
}

static const struct env_file_ops file_ops = {
    .read = pooled_read,
    .size = pooled_size,
    .close = pooled_close,
};

static int pool_open_read(struct env_dir *base,
                          const char *name,
                          struct env_file **out,
                          struct loam_error *err)
{
    struct file_pool *pool = (struct file_pool *)base;
    struct pooled_file *file = mem_zalloc(1, sizeof(*file));
    if (file == NULL) {
        return mem_fail(err, sizeof(*file));
    }
    file->base.ops = &file_ops;
    file->pool = pool;
    (void)snprintf(file->base.name, sizeof(file->base.name), "%s", name);
    mutex_lock(&pool->mu);
    pool->file_count++;
    mutex_unlock(&pool->mu);
    int rc = pin(file, err);
    if (rc != LOAM_OK) {
        DISCARD(pooled_close(&file->base, NULL)); /* The first error is the one to tell. */
        return rc;
    }
    unpin(file);
    *out = &file->base;
    return LOAM_OK;
}

static const struct env_dir_ops dir_ops = {.open_read = pool_open_read};

_Static_assert(offsetof(struct file_pool, base) == 0, "pool_open_read() casts");
_Static_assert(offsetof(struct pooled_file, base) == 0, "file_of() casts");

struct file_pool *file_pool_new(struct env_dir *dir, size_t open_max)
{
    PRE(dir != NULL && open_max > 0);
    struct file_pool *pool = mem_zalloc(1, sizeof(*pool));
    if (pool != NULL) {
        pool->base.ops = &dir_ops;
        pool->dir = dir;
        pool->open_max = open_max;
        mutex_init(&pool->mu);
    }
    return pool;
}

void file_pool_free(struct file_pool *pool)
{
    if (pool != NULL) {
        INV(pool->file_count == 0);
        mutex_deinit(&pool->mu);
        mem_free(pool);
    }
}

struct env_dir *file_pool_dir(struct file_pool *pool)
{
    return &pool->base;
}

size_t file_pool_open_count(struct file_pool *pool)
{
    mutex_lock(&pool->mu);
    size_t count = pool->open_count;
    mutex_unlock(&pool->mu);
    return count;
}
