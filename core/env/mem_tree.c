/* SPDX-License-Identifier: MIT */
/*
 * mem_tree.c - names and directories in memory, live and durable. Floor 1.
 *
 * Every change of a name goes to the live names at once and, in a tracked tree, to the list of
 * changes; a directory sync makes the durable names equal to the live ones and empties the list.
 * After a power cut each pending change has happened or not, on its own and atomically (a rename is
 * never half done); one that builds on a lost one is lost too. Making and removing a directory is
 * durable at once, as the posix driver syncs the parent.
 * Thread: the driver's mutex is held.
 */
#include "env/mem_tree.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

/* ---- Name tables ---- */

static void hold(struct mem_tree *tree, const struct mem_names *names, struct mem_inode *inode)
{
    if (names->is_live) {
        mem_inode_use(tree, inode);
    } else {
        mem_inode_keep(inode);
    }
}

static void release(struct mem_tree *tree, const struct mem_names *names, struct mem_inode *inode)
{
    if (names->is_live) {
        mem_inode_unuse(tree, inode);
    } else {
        mem_inode_unkeep(inode);
    }
}

static struct mem_entry *names_find(const struct mem_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].name, name) == 0) {
            return &names->entries[i];
        }
    }
    return NULL;
}

/* Makes room for `count` entries in all. */
static int names_reserve(struct mem_names *names, size_t count, struct loam_error *err)
{
    if (count <= names->capacity) {
        return LOAM_OK;
    }
    size_t capacity = names->capacity * 2 > count ? names->capacity * 2 : count + 8;
    struct mem_entry *entries = mem_realloc(names->entries, capacity * sizeof(*entries));
    if (entries == NULL) {
        return mem_fail(err, capacity * sizeof(*entries));
    }
    names->entries = entries;
    names->capacity = capacity;
    return LOAM_OK;
}

/* Room for one more is reserved. */
static void
names_set(struct mem_tree *tree, struct mem_names *names, const char *name, struct mem_inode *inode)
{
    hold(tree, names, inode);
    struct mem_entry *entry = names_find(names, name);
    if (entry != NULL) {
        release(tree, names, entry->inode);
    } else {
        INV(names->count < names->capacity);
        entry = &names->entries[names->count++];
        memcpy(entry->name, name, strlen(name) + 1);
    }
    entry->inode = inode;
}

static void names_unset(struct mem_tree *tree, struct mem_names *names, const char *name)
{
    struct mem_entry *entry = names_find(names, name);
    PRE(entry != NULL);
    release(tree, names, entry->inode);
    *entry = names->entries[--names->count];
}

/* Room is reserved. Holds the new ones before it lets go of the old ones. */
static void names_copy(struct mem_tree *tree, struct mem_names *to, const struct mem_names *from)
{
    PRE(to->capacity >= from->count);
    for (size_t i = 0; i < from->count; i++) {
        hold(tree, to, from->entries[i].inode);
    }
    for (size_t i = 0; i < to->count; i++) {
        release(tree, to, to->entries[i].inode);
    }
    if (from->count > 0) {
        memcpy(to->entries, from->entries, from->count * sizeof(*to->entries));
    }
    to->count = from->count;
}

static void names_deinit(struct mem_tree *tree, struct mem_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        release(tree, names, names->entries[i].inode);
    }
    mem_free(names->entries);
    *names = (struct mem_names){.is_live = names->is_live};
}

/* ---- Pending changes ---- */

static int changes_reserve(struct mem_dir *dir, struct loam_error *err)
{
    if (dir->change_count < dir->change_capacity) {
        return LOAM_OK;
    }
    size_t capacity = dir->change_capacity == 0 ? 8 : dir->change_capacity * 2;
    struct mem_change *changes = mem_realloc(dir->changes, capacity * sizeof(*changes));
    if (changes == NULL) {
        return mem_fail(err, capacity * sizeof(*changes));
    }
    dir->changes = changes;
    dir->change_capacity = capacity;
    return LOAM_OK;
}

/* Room is reserved. `to` may be NULL. */
static void changes_add(const struct mem_tree *tree,
                        struct mem_dir *dir,
                        enum mem_change_kind kind,
                        const char *name,
                        const char *to,
                        struct mem_inode *inode)
{
    if (!tree->is_tracked) {
        return;
    }
    INV(dir->change_count < dir->change_capacity);
    struct mem_change *change = &dir->changes[dir->change_count++];
    *change = (struct mem_change){.kind = kind, .inode = inode};
    memcpy(change->name, name, strlen(name) + 1);
    if (to != NULL) {
        memcpy(change->to, to, strlen(to) + 1);
    }
    mem_inode_keep(inode);
}

static void changes_clear(struct mem_dir *dir)
{
    for (size_t i = 0; i < dir->change_count; i++) {
        mem_inode_unkeep(dir->changes[i].inode);
    }
    dir->change_count = 0;
}

/* Forgets what is pending of one name. */
static void changes_drop(struct mem_dir *dir, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < dir->change_count; i++) {
        struct mem_change *change = &dir->changes[i];
        if (strcmp(change->name, name) == 0 || strcmp(change->to, name) == 0) {
            mem_inode_unkeep(change->inode);
        } else {
            dir->changes[kept++] = *change;
        }
    }
    dir->change_count = kept;
}

/* Does a change to the durable names, unless a change it builds on was lost. */
static void apply(struct mem_tree *tree, struct mem_names *names, const struct mem_change *change)
{
    const struct mem_entry *entry = names_find(names, change->name);
    if (change->kind == MEM_CHANGE_PUT) {
        names_set(tree, names, change->name, change->inode);
    } else if (entry == NULL || entry->inode != change->inode) {
        return;
    } else if (change->kind == MEM_CHANGE_REMOVE) {
        names_unset(tree, names, change->name);
    } else {
        names_set(tree, names, change->to, change->inode);
        names_unset(tree, names, change->name);
    }
}

/* ---- Directories ---- */

static size_t path_size(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    return size;
}

static struct mem_dir *find_dir(struct mem_tree *tree, const char *path, size_t size)
{
    for (struct mem_dir *dir = tree->dirs; dir != NULL; dir = dir->next) {
        if (strlen(dir->path) == size && memcmp(dir->path, path, size) == 0) {
            return dir;
        }
    }
    return NULL;
}

/* The root, and the place where relative paths begin, are always there. */
static bool has_parent(struct mem_tree *tree, const char *path, size_t size)
{
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    while (size > 0 && path[size - 1] == '/') {
        size--;
    }
    return size == 0 || find_dir(tree, path, size) != NULL;
}

struct mem_dir *mem_tree_dir(struct mem_tree *tree, const char *path)
{
    return find_dir(tree, path, path_size(path));
}

int mem_tree_make_dir(struct mem_tree *tree,
                      const char *path,
                      struct mem_dir **out,
                      struct loam_error *err)
{
    size_t size = path_size(path);
    PRE(find_dir(tree, path, size) == NULL);
    if (!has_parent(tree, path, size)) {
        return LOAM_NOT_FOUND;
    }
    struct mem_dir *dir = mem_zalloc(1, sizeof(*dir));
    char *copy = mem_zalloc(1, size + 1);
    if (dir == NULL || copy == NULL) {
        mem_free(dir);
        mem_free(copy);
        return mem_fail(err, sizeof(*dir) + size + 1);
    }
    memcpy(copy, path, size);
    *dir = (struct mem_dir){.next = tree->dirs, .path = copy, .live = {.is_live = true}};
    tree->dirs = dir;
    *out = dir;
    return LOAM_OK;
}

static void dir_free(struct mem_tree *tree, struct mem_dir *dir)
{
    changes_clear(dir);
    names_deinit(tree, &dir->live);
    names_deinit(tree, &dir->durable);
    mem_free(dir->changes);
    mem_free(dir->path);
    mem_free(dir);
}

void mem_tree_remove_dir(struct mem_tree *tree, struct mem_dir *dir)
{
    PRE(dir->live.count == 0 && !dir->is_removed);
    struct mem_dir **link = &tree->dirs;
    while (*link != dir) {
        INV(*link != NULL);
        link = &(*link)->next;
    }
    *link = dir->next;
    dir->is_removed = true;
    if (dir->handles == 0) {
        dir_free(tree, dir);
    }
}

void mem_dir_release(struct mem_tree *tree, struct mem_dir *dir)
{
    PRE(dir->handles > 0);
    if (--dir->handles == 0 && dir->is_removed) {
        dir_free(tree, dir);
    }
}

void mem_tree_deinit(struct mem_tree *tree)
{
    while (tree->dirs != NULL) {
        struct mem_dir *dir = tree->dirs;
        INV(dir->handles == 0);
        tree->dirs = dir->next;
        dir_free(tree, dir);
    }
    POST(tree->space_used == 0);
}

/* ---- Names of a directory ---- */

struct mem_inode *mem_dir_find(const struct mem_dir *dir, const char *name)
{
    const struct mem_entry *entry = names_find(&dir->live, name);
    return entry == NULL ? NULL : entry->inode;
}

int mem_dir_put(struct mem_tree *tree,
                struct mem_dir *dir,
                const char *name,
                struct mem_inode *inode,
                struct loam_error *err)
{
    TRY(names_reserve(&dir->live, dir->live.count + 1, err));
    TRY(names_reserve(&dir->durable, dir->live.count + 1, err)); /* A sync needs no memory. */
    TRY(changes_reserve(dir, err));
    names_set(tree, &dir->live, name, inode);
    changes_add(tree, dir, MEM_CHANGE_PUT, name, NULL, inode);
    return LOAM_OK;
}

int mem_dir_remove(struct mem_tree *tree,
                   struct mem_dir *dir,
                   const char *name,
                   struct loam_error *err)
{
    struct mem_inode *inode = mem_dir_find(dir, name);
    PRE(inode != NULL);
    TRY(changes_reserve(dir, err));
    changes_add(tree, dir, MEM_CHANGE_REMOVE, name, NULL, inode);
    names_unset(tree, &dir->live, name);
    return LOAM_OK;
}

int mem_dir_rename(struct mem_tree *tree,
                   struct mem_dir *dir,
                   const char *from,
                   const char *to,
                   struct loam_error *err)
{
    struct mem_inode *inode = mem_dir_find(dir, from);
    PRE(inode != NULL);
    if (strcmp(from, to) == 0) {
        return LOAM_OK;
    }
    TRY(names_reserve(&dir->live, dir->live.count + 1, err));
    TRY(names_reserve(&dir->durable, dir->live.count + 1, err)); /* A sync needs no memory. */
    TRY(changes_reserve(dir, err));
    names_set(tree, &dir->live, to, inode);
    names_unset(tree, &dir->live, from);
    changes_add(tree, dir, MEM_CHANGE_RENAME, from, to, inode);
    return LOAM_OK;
}

int mem_dir_sync(struct mem_tree *tree, struct mem_dir *dir, struct loam_error *err)
{
    if (!tree->is_tracked) {
        return LOAM_OK;
    }
    TRY(names_reserve(&dir->durable, dir->live.count, err));
    names_copy(tree, &dir->durable, &dir->live);
    changes_clear(dir);
    return LOAM_OK;
}

int mem_dir_put_durable(struct mem_tree *tree,
                        struct mem_dir *dir,
                        const char *name,
                        struct mem_inode *inode,
                        struct loam_error *err)
{
    PRE(tree->is_tracked);
    TRY(names_reserve(&dir->live, dir->live.count + 1, err));
    TRY(names_reserve(&dir->durable, dir->durable.count + 1, err));
    changes_drop(dir, name);
    names_set(tree, &dir->durable, name, inode);
    names_set(tree, &dir->live, name, inode);
    return LOAM_OK;
}

void mem_dir_remove_durable(struct mem_tree *tree, struct mem_dir *dir, const char *name)
{
    PRE(tree->is_tracked && names_find(&dir->live, name) != NULL);
    changes_drop(dir, name);
    names_unset(tree, &dir->live, name);
    if (names_find(&dir->durable, name) != NULL) {
        names_unset(tree, &dir->durable, name);
    }
}

/* ---- Power cut ---- */

static int cut_names(struct mem_tree *tree,
                     struct mem_dir *dir,
                     enum mem_cut cut,
                     struct mem_random *random,
                     struct loam_error *err)
{
    TRY(names_reserve(&dir->durable, dir->durable.count + dir->change_count + 1, err));
    TRY(names_reserve(&dir->live, dir->durable.capacity, err));
    for (size_t i = 0; cut == MEM_CUT_RANDOM && i < dir->change_count; i++) {
        if (mem_random_below(random, 2) == 0) {
            apply(tree, &dir->durable, &dir->changes[i]);
        }
    }
    names_copy(tree, &dir->live, &dir->durable);
    changes_clear(dir);
    return LOAM_OK;
}

int mem_tree_power_cut(struct mem_tree *tree,
                       enum mem_cut cut,
                       struct mem_random *random,
                       struct loam_error *err)
{
    PRE(tree->is_tracked);
    for (struct mem_dir *dir = tree->dirs; dir != NULL; dir = dir->next) {
        dir->lock_holder = NULL;
        if (cut == MEM_CUT_PROCESS) {
            continue;
        }
        TRY(cut_names(tree, dir, cut, random, err));
        for (size_t i = 0; i < dir->live.count; i++) {
            TRY(mem_inode_power_cut(tree, dir->live.entries[i].inode, cut, random, err));
        }
    }
    return LOAM_OK;
}
