/* SPDX-License-Identifier: MIT */
/*
 * env_mem_file.c - open files of the memory driver. Floor 1.
 *
 * Thread: any; each call takes the mutex of the env.
 */
#include "env/env_mem_impl.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

static struct mem_file *file_of(struct env_file *base)
{
    return (struct mem_file *)base;
}

static int read_file(struct env_file *base,
                     uint64_t offset,
                     void *data,
                     size_t size,
                     size_t *got,
                     struct loam_error *err UNUSED)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    const struct mem_inode *inode = file->inode;
    size_t left = offset < inode->size ? inode->size - (size_t)offset : 0;
    size_t count = size < left ? size : left;
    if (count > 0) {
        memcpy(data, inode->data + offset, count);
    }
    mutex_unlock(&file->env->mu);
    *got = count;
    return LOAM_OK;
}

static int write_file(
    struct env_file *base, uint64_t offset, const void *data, size_t size, struct loam_error *err)
{
    struct mem_file *file = file_of(base);
    if (!file->is_writable) {
        return fail_errno(err, LOAM_IO, EBADF, "cannot write %s, which is open for reading",
                          base->name);
    }
    mutex_lock(&file->env->mu);
    int rc = mem_inode_write(&file->env->tree, file->inode, offset, slice_make(data, size), err);
    mutex_unlock(&file->env->mu);
    if (rc != LOAM_OK) {
        error_prefix(err, "cannot write %s at offset %llu", base->name, (unsigned long long)offset);
    }
    return rc;
}

static int sync_file(struct env_file *base, struct loam_error *err)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    int rc = mem_inode_sync(&file->env->tree, file->inode, err);
    mutex_unlock(&file->env->mu);
    return rc;
}

void env_mem_sync_lost(struct env_file *base)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    mem_inode_sync_lost(file->inode);
    mutex_unlock(&file->env->mu);
}

static int size_of_file(struct env_file *base, uint64_t *size, struct loam_error *err UNUSED)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    *size = file->inode->size;
    mutex_unlock(&file->env->mu);
    return LOAM_OK;
}

static int allocate(struct env_file *base, uint64_t size, struct loam_error *err)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    int rc = mem_inode_allocate(&file->env->tree, file->inode, size, err);
    mutex_unlock(&file->env->mu);
    if (rc != LOAM_OK) {
        error_prefix(err, "%s", base->name);
    }
    return rc;
}

static int trim(struct env_file *base, uint64_t size, struct loam_error *err UNUSED)
{
    struct mem_file *file = file_of(base);
    mutex_lock(&file->env->mu);
    mem_inode_trim(&file->env->tree, file->inode, size);
    mutex_unlock(&file->env->mu);
    return LOAM_OK;
}

static void write_behind(struct env_file *base UNUSED, uint64_t offset UNUSED, uint64_t size UNUSED)
{
}

static int close_file(struct env_file *base, struct loam_error *err UNUSED)
{
    struct mem_file *file = file_of(base);
    struct mem_env *env = file->env;
    mutex_lock(&env->mu);
    mem_inode_unuse(&env->tree, file->inode);
    INV(env->handle_count > 0);
    env->handle_count--;
    mem_free(file);
    mem_env_unlock_or_free(env);
    return LOAM_OK;
}

static const struct env_file_ops file_ops = {
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .size = size_of_file,
    .allocate = allocate,
    .trim = trim,
    .write_behind = write_behind,
    .close = close_file,
};

struct mem_file *mem_file_new(const char *name, bool is_writable)
{
    struct mem_file *file = mem_zalloc(1, sizeof(*file));
    if (file != NULL) {
        file->base.ops = &file_ops;
        env_file_set_name(&file->base, name);
        file->is_writable = is_writable;
    }
    return file;
}

void mem_file_attach(struct mem_file *file, struct mem_env *env, struct mem_inode *inode)
{
    file->env = env;
    file->inode = inode;
    mem_inode_use(&env->tree, inode);
    env->handle_count++;
}
