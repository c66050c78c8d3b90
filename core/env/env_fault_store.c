/* SPDX-License-Identifier: MIT */
/*
 * env_fault_store.c - reboot, and looking at and damaging files behind the plans. Floor 1, testing
 * only.
 *
 * Works on the tree of the memory driver, with its mutex held. Thread: any; a reboot wants no call
 * in flight.
 */
#include "env/env_fault_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "env/env_mem.h"

_Static_assert((int)ENV_FAULT_LOSE == (int)MEM_CUT_LOSE &&
                   (int)ENV_FAULT_RANDOM == (int)MEM_CUT_RANDOM &&
                   (int)ENV_FAULT_KILL == (int)MEM_CUT_PROCESS,
               "the modes of a reboot are those of the tree");

static struct fault_env *env_of(struct env *base)
{
    return (struct fault_env *)base;
}

static struct mem_inode *find(struct mem_tree *tree, const char *path, const char *name)
{
    const struct mem_dir *dir = mem_tree_dir(tree, path);
    return dir == NULL ? NULL : mem_dir_find(dir, name);
}

int env_fault_reboot(struct env *base, int mode, uint64_t seed, struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    PRE(mode == ENV_FAULT_LOSE || mode == ENV_FAULT_RANDOM || mode == ENV_FAULT_KILL);
    struct mem_random random = {.state = seed};
    mutex_lock(&env->mu);
    env->generation++;
    env->plan_count = 0;
    env->tear = 0;
    env->crash_at = 0;
    struct mem_tree *tree = env_mem_lock(env->inner);
    int rc = mem_tree_power_cut(tree, (enum mem_cut)mode, &random, err);
    env_mem_unlock(env->inner);
    mutex_unlock(&env->mu);
    return rc;
}

/* ---- Looking ---- */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct mem_entry *)a)->name, ((const struct mem_entry *)b)->name);
}

static int describe(struct mem_dir *dir, struct loam_buffer *text, struct loam_error *err)
{
    if (dir->live.count > 1) {
        qsort(dir->live.entries, dir->live.count, sizeof(*dir->live.entries), compare_entries);
    }
    for (size_t i = 0; i < dir->live.count; i++) {
        const struct mem_entry *entry = &dir->live.entries[i];
        TRY(buf_printf(text, err, "%s %zu %zu\n", entry->name, entry->inode->size,
                       entry->inode->durable_size));
    }
    return LOAM_OK;
}

int env_fault_list(struct env *base,
                   const char *path,
                   struct loam_buffer *out,
                   struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct loam_buffer text = {0};
    struct mem_tree *tree = env_mem_lock(env->inner);
    struct mem_dir *dir = mem_tree_dir(tree, path);
    int rc = dir == NULL ? LOAM_NOT_FOUND : describe(dir, &text, err);
    env_mem_unlock(env->inner);
    if (rc == LOAM_OK) {
        rc = buf_assign(out, text.data, text.size, err);
    }
    loam_buffer_free(&text);
    return rc;
}

int env_fault_read_file(struct env *base,
                        const char *path,
                        const char *name,
                        struct loam_buffer *out,
                        struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    const struct mem_inode *inode = find(tree, path, name);
    int rc = inode == NULL ? LOAM_NOT_FOUND : buf_assign(out, inode->data, inode->size, err);
    env_mem_unlock(env->inner);
    return rc;
}

/* ---- Damaging ---- */

/* Puts a new durable file in place of what is there. Limits of space do not count here. */
static int put_file(struct mem_tree *tree,
                    struct mem_dir *dir,
                    const char *name,
                    struct slice bytes,
                    struct loam_error *err)
{
    if (!env_name_is_valid(name)) {
        return fail(err, LOAM_INVALID, "file name '%.60s' is not valid", name);
    }
    struct mem_inode *inode = mem_inode_new();
    if (inode == NULL) {
        return mem_fail(err, sizeof(*inode));
    }
    mem_inode_use(tree, inode);
    int rc = mem_inode_resize(tree, inode, bytes.size, err);
    if (rc == LOAM_OK && bytes.size > 0) {
        memcpy(inode->data, bytes.data, bytes.size);
        memcpy(inode->durable, bytes.data, bytes.size);
    }
    if (rc == LOAM_OK) {
        rc = mem_dir_put_durable(tree, dir, name, inode, err);
    }
    mem_inode_unuse(tree, inode);
    return rc;
}

int env_fault_write_file(struct env *base,
                         const char *path,
                         const char *name,
                         const void *data,
                         size_t size,
                         struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    struct mem_dir *dir = mem_tree_dir(tree, path);
    int rc = dir == NULL ? LOAM_NOT_FOUND : put_file(tree, dir, name, slice_make(data, size), err);
    env_mem_unlock(env->inner);
    return rc;
}

int env_fault_remove_file(struct env *base,
                          const char *path,
                          const char *name,
                          struct loam_error *err UNUSED)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    int rc = LOAM_NOT_FOUND;
    if (find(tree, path, name) != NULL) {
        mem_dir_remove_durable(tree, mem_tree_dir(tree, path), name);
        rc = LOAM_OK;
    }
    env_mem_unlock(env->inner);
    return rc;
}

int env_fault_flip(struct env *base,
                   const char *path,
                   const char *name,
                   uint64_t offset,
                   unsigned mask,
                   struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    struct mem_inode *inode = find(tree, path, name);
    int rc = LOAM_OK;
    if (inode == NULL) {
        rc = LOAM_NOT_FOUND;
    } else if (offset >= inode->size) {
        rc = fail(err, LOAM_INVALID, "%s has %zu bytes, none at offset %llu", name, inode->size,
                  (unsigned long long)offset);
    } else {
        inode->data[offset] = (char)(inode->data[offset] ^ (int)(mask & 0xff));
        if (offset < inode->durable_size) {
            inode->durable[offset] = inode->data[offset];
        }
    }
    env_mem_unlock(env->inner);
    return rc;
}

int env_fault_truncate(
    struct env *base, const char *path, const char *name, uint64_t size, struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    struct mem_inode *inode = find(tree, path, name);
    int rc = inode == NULL ? LOAM_NOT_FOUND : mem_inode_resize(tree, inode, (size_t)size, err);
    env_mem_unlock(env->inner);
    return rc;
}

int env_fault_copy(struct env *base,
                   const char *path,
                   const char *name,
                   const char *to_path,
                   const char *to_name,
                   struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    const struct mem_inode *inode = find(tree, path, name);
    struct mem_dir *to = mem_tree_dir(tree, to_path);
    int rc = LOAM_NOT_FOUND;
    if (inode != NULL && to != NULL) {
        rc = put_file(tree, to, to_name, slice_make(inode->data, inode->size), err);
    }
    env_mem_unlock(env->inner);
    return rc;
}

static int copy_files(struct mem_tree *tree,
                      const struct mem_dir *from,
                      struct mem_dir *to,
                      struct loam_error *err)
{
    PRE(from != to);
    while (to->live.count > 0) {
        char name[ENV_NAME_CAPACITY];
        memcpy(name, to->live.entries[0].name, sizeof(name));
        mem_dir_remove_durable(tree, to, name);
    }
    for (size_t i = 0; i < from->live.count; i++) {
        const struct mem_entry *entry = &from->live.entries[i];
        struct slice bytes = slice_make(entry->inode->data, entry->inode->size);
        TRY(put_file(tree, to, entry->name, bytes, err));
    }
    return LOAM_OK;
}

int env_fault_copy_dir(struct env *base,
                       const char *path,
                       const char *to_path,
                       struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    const struct mem_dir *from = mem_tree_dir(tree, path);
    struct mem_dir *to = mem_tree_dir(tree, to_path);
    int rc = from == NULL ? LOAM_NOT_FOUND : LOAM_OK;
    if (rc == LOAM_OK && to == NULL) {
        rc = mem_tree_make_dir(tree, to_path, &to, err);
    }
    if (rc == LOAM_OK && from != to) {
        rc = copy_files(tree, from, to, err);
    }
    env_mem_unlock(env->inner);
    return rc;
}
