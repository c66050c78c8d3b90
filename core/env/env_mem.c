/* SPDX-License-Identifier: MIT */
/*
 * env_mem.c - the memory driver: mem_tree.c under a mutex. Floor 1.
 *
 * Directories, names and the env itself; env_mem_file.c has open files.
 * Thread: any; each call takes the mutex of the env.
 */
#include "env/env_mem_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/memory.h"

struct mem_dir_handle {
    struct env_dir base;
    struct mem_env *env;
    struct mem_dir *node;
};

static struct mem_env *env_of(struct env *base)
{
    return (struct mem_env *)base;
}

static struct mem_dir_handle *dir_of(struct env_dir *base)
{
    return (struct mem_dir_handle *)base;
}

void mem_env_unlock_or_free(struct mem_env *env) NO_THREAD_CHECK
{
    bool is_last = !env->is_owned && env->handle_count == 0;
    if (is_last) {
        mem_tree_deinit(&env->tree);
    }
    mutex_unlock(&env->mu);
    if (is_last) {
        mutex_deinit(&env->mu);
        mem_free(env);
    }
}

/* ---- Names ---- */

static int
open_read(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct mem_file *file = mem_file_new(name, false);
    if (file == NULL) {
        return mem_fail(err, sizeof(*file));
    }
    mutex_lock(&dir->env->mu);
    struct mem_inode *inode = mem_dir_find(dir->node, name);
    if (inode != NULL) {
        mem_file_attach(file, dir->env, inode);
    }
    mutex_unlock(&dir->env->mu);
    if (inode == NULL) {
        mem_free(file);
        return LOAM_NOT_FOUND;
    }
    *out = &file->base;
    return LOAM_OK;
}

/* Makes an empty file of a name that is free. The mutex is held. */
static int make_file(struct mem_dir_handle *dir,
                     const char *name,
                     struct mem_inode **out,
                     struct loam_error *err)
{
    if (dir->node->is_removed) {
        return fail_errno(err, LOAM_IO, ENOENT, "cannot create %s in a removed directory", name);
    }
    struct mem_inode *inode = mem_inode_new();
    if (inode == NULL) {
        return mem_fail(err, sizeof(*inode));
    }
    mem_inode_use(&dir->env->tree, inode);
    int rc = mem_dir_put(&dir->env->tree, dir->node, name, inode, err);
    if (rc == LOAM_OK) {
        *out = inode;
    }
    mem_inode_unuse(&dir->env->tree, inode);
    return rc;
}

static int
create(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct mem_file *file = mem_file_new(name, true);
    if (file == NULL) {
        return mem_fail(err, sizeof(*file));
    }
    struct mem_inode *inode = NULL;
    mutex_lock(&dir->env->mu);
    int rc = mem_dir_find(dir->node, name) != NULL
                 ? fail_errno(err, LOAM_EXISTS, EEXIST, "cannot create %s in %.120s", name,
                              dir->node->path)
                 : make_file(dir, name, &inode, err);
    if (rc == LOAM_OK) {
        mem_file_attach(file, dir->env, inode);
    }
    mutex_unlock(&dir->env->mu);
    if (rc != LOAM_OK) {
        mem_free(file);
        return rc;
    }
    *out = &file->base;
    return LOAM_OK;
}

static int
rename_file(struct env_dir *base, const char *from, const char *to, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    mutex_lock(&dir->env->mu);
    int rc = mem_dir_find(dir->node, from) == NULL
                 ? LOAM_NOT_FOUND
                 : mem_dir_rename(&dir->env->tree, dir->node, from, to, err);
    mutex_unlock(&dir->env->mu);
    return rc;
}

static int remove_file(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    mutex_lock(&dir->env->mu);
    int rc = mem_dir_find(dir->node, name) == NULL
                 ? LOAM_NOT_FOUND
                 : mem_dir_remove(&dir->env->tree, dir->node, name, err);
    mutex_unlock(&dir->env->mu);
    return rc;
}

static int link_file(struct env_dir *base,
                     const char *name,
                     struct env_dir *to_base,
                     const char *to_name,
                     struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct mem_dir_handle *to = dir_of(to_base);
    if (dir->env != to->env) {
        return fail(err, LOAM_UNSUPPORTED, "cannot link %s into another memory env", name);
    }
    mutex_lock(&dir->env->mu);
    struct mem_inode *inode = mem_dir_find(dir->node, name);
    int rc = LOAM_NOT_FOUND;
    if (inode != NULL && mem_dir_find(to->node, to_name) != NULL) {
        rc = fail_errno(err, LOAM_EXISTS, EEXIST, "cannot link %s to %s", name, to_name);
    } else if (inode != NULL) {
        rc = mem_dir_put(&dir->env->tree, to->node, to_name, inode, err);
    }
    mutex_unlock(&dir->env->mu);
    return rc;
}

/* Copies all names, one after another with their NULs. The mutex is held. */
static int copy_names(const struct mem_dir *node, struct loam_buffer *names, struct loam_error *err)
{
    for (size_t i = 0; i < node->live.count; i++) {
        const char *name = node->live.entries[i].name;
        TRY(buf_append(names, name, strlen(name) + 1, err));
    }
    return LOAM_OK;
}

static int list(struct env_dir *base, env_list_fn each, void *context, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct loam_buffer names = {0};
    mutex_lock(&dir->env->mu);
    int rc = copy_names(dir->node, &names, err);
    mutex_unlock(&dir->env->mu);
    for (size_t at = 0; rc == LOAM_OK && at < names.size; at += strlen(names.data + at) + 1) {
        rc = each(context, names.data + at);
    }
    loam_buffer_free(&names);
    return rc;
}

/* ---- The directory itself ---- */

static int sync_dir(struct env_dir *base, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    mutex_lock(&dir->env->mu);
    int rc = mem_dir_sync(&dir->env->tree, dir->node, err);
    mutex_unlock(&dir->env->mu);
    return rc;
}

static int lock_dir(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct mem_inode *inode = NULL;
    int rc = LOAM_OK;
    mutex_lock(&dir->env->mu);
    if (dir->node->lock_holder != NULL) {
        rc = fail(err, LOAM_BUSY, "%.150s is already open in this process (%ld)", dir->node->path,
                  (long)getpid());
    } else if (mem_dir_find(dir->node, name) == NULL) {
        rc = make_file(dir, name, &inode, err);
    }
    if (rc == LOAM_OK) {
        dir->node->lock_holder = dir;
    }
    mutex_unlock(&dir->env->mu);
    return rc;
}

static int free_bytes(struct env_dir *base, uint64_t *bytes, struct loam_error *err UNUSED)
{
    struct mem_env *env = dir_of(base)->env;
    mutex_lock(&env->mu);
    const struct mem_tree *tree = &env->tree;
    if (tree->space_max == UINT64_MAX) {
        *bytes = UINT64_MAX;
    } else {
        *bytes = tree->space_max > tree->space_used ? tree->space_max - tree->space_used : 0;
    }
    mutex_unlock(&env->mu);
    return LOAM_OK;
}

static void close_dir(struct env_dir *base)
{
    struct mem_dir_handle *dir = dir_of(base);
    struct mem_env *env = dir->env;
    mutex_lock(&env->mu);
    if (dir->node->lock_holder == dir) {
        dir->node->lock_holder = NULL;
    }
    mem_dir_release(&env->tree, dir->node);
    INV(env->handle_count > 0);
    env->handle_count--;
    mem_free(dir);
    mem_env_unlock_or_free(env);
}

static const struct env_dir_ops dir_ops = {
    .open_read = open_read,
    .create = create,
    .rename = rename_file,
    .remove = remove_file,
    .link = link_file,
    .list = list,
    .sync = sync_dir,
    .lock = lock_dir,
    .free_bytes = free_bytes,
    .close = close_dir,
};

/* ---- The environment ---- */

/* Finds the directory, made first when wanted. The mutex is held. */
static int find_or_make(struct mem_env *env,
                        const char *path,
                        bool create_absent,
                        struct mem_dir **out,
                        struct loam_error *err)
{
    struct mem_dir *node = mem_tree_dir(&env->tree, path);
    if (node != NULL) {
        *out = node;
        return LOAM_OK;
    }
    if (!create_absent) {
        return LOAM_NOT_FOUND;
    }
    int rc = mem_tree_make_dir(&env->tree, path, out, err);
    return rc == LOAM_NOT_FOUND
               ? fail_errno(err, LOAM_IO, ENOENT, "cannot make directory %.120s", path)
               : rc;
}

static int open_dir(struct env *base,
                    const char *path,
                    bool create_absent,
                    struct env_dir **out,
                    struct loam_error *err)
{
    struct mem_env *env = env_of(base);
    struct mem_dir_handle *dir = mem_zalloc(1, sizeof(*dir));
    if (dir == NULL) {
        return mem_fail(err, sizeof(*dir));
    }
    dir->base = (struct env_dir){.ops = &dir_ops, .capabilities = ENV_CAN_LINK};
    dir->env = env;
    mutex_lock(&env->mu);
    int rc = find_or_make(env, path, create_absent, &dir->node, err);
    if (rc == LOAM_OK) {
        dir->node->handles++;
        env->handle_count++;
    }
    mutex_unlock(&env->mu);
    if (rc != LOAM_OK) {
        mem_free(dir);
        return rc;
    }
    *out = &dir->base;
    return LOAM_OK;
}

static int remove_dir(struct env *base, const char *path, struct loam_error *err)
{
    struct mem_env *env = env_of(base);
    int rc = LOAM_NOT_FOUND;
    mutex_lock(&env->mu);
    struct mem_dir *node = mem_tree_dir(&env->tree, path);
    if (node != NULL && node->live.count > 0) {
        rc = fail_errno(err, LOAM_IO, ENOTEMPTY, "cannot remove directory %.120s", path);
    } else if (node != NULL) {
        mem_tree_remove_dir(&env->tree, node);
        rc = LOAM_OK;
    }
    mutex_unlock(&env->mu);
    return rc;
}

static uint64_t wall_ms(struct env *env UNUSED)
{
    return env_wall_ms(env_posix());
}

static uint64_t now_ns(struct env *env UNUSED)
{
    return monotonic_ns();
}

static int random_bytes(struct env *env UNUSED, void *data, size_t size, struct loam_error *err)
{
    return env_random(env_posix(), data, size, err);
}

static struct env *new_env(bool is_tracked)
{
    struct mem_env *env = mem_zalloc(1, sizeof(*env));
    if (env == NULL) {
        return NULL;
    }
    env->base = (struct env){
        .open_dir = open_dir,
        .remove_dir = remove_dir,
        .wall_ms = wall_ms,
        .now_ns = now_ns,
        .random = random_bytes,
    };
    mutex_init(&env->mu);
    env->tree = (struct mem_tree){.is_tracked = is_tracked, .space_max = UINT64_MAX};
    env->is_owned = true;
    return &env->base;
}

struct env *env_mem_new(void)
{
    return new_env(false);
}

struct env *env_mem_new_tracked(void)
{
    return new_env(true);
}

void env_mem_free(struct env *base)
{
    if (base == NULL) {
        return;
    }
    struct mem_env *env = env_of(base);
    mutex_lock(&env->mu);
    PRE(env->is_owned);
    env->is_owned = false;
    mem_env_unlock_or_free(env);
}

uint64_t env_mem_handle_count(struct env *base)
{
    struct mem_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t count = env->handle_count;
    mutex_unlock(&env->mu);
    return count;
}

struct mem_tree *env_mem_lock(struct env *base) NO_THREAD_CHECK
{
    mutex_lock(&env_of(base)->mu);
    return &env_of(base)->tree;
}

void env_mem_unlock(struct env *base) NO_THREAD_CHECK
{
    mutex_unlock(&env_of(base)->mu);
}
