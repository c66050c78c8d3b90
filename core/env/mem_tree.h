/* SPDX-License-Identifier: MIT */
/*
 * mem_tree.h - files and directories in memory, and what a power cut would leave of them. Floor 1,
 * private to this room: env_mem.c is its driver, env_fault.c its torturer.
 *
 * The tree is two trees in one. The live one is what calls see. The durable one is what reached the
 * disk: bytes by a sync of their file, names by a sync of their directory. A tracked tree keeps
 * both; the plain memory driver keeps the live one only.
 *
 *     inode:      data    [0, size)          durable [0, durable_size)   dirty: not yet copied
 *     directory:  live    name -> inode      durable name -> inode       changes: not yet applied
 *
 * Thread: none of this locks; the driver's mutex is held by every caller.
 */
#ifndef LOAM_ENV_MEM_TREE_H
#define LOAM_ENV_MEM_TREE_H

#include "base/slice.h"
#include "env/env.h"

/* The bytes of one file, whatever its names. */
struct mem_inode {
    uint32_t uses;  /* Live names and open handles. */
    uint32_t keeps; /* Durable names and pending changes. Freed when both are 0. */
    char *data;
    size_t size;
    size_t capacity;
    char *durable; /* Tracked trees only, as the rest. */
    size_t durable_size;
    size_t durable_capacity;
    size_t dirty_start; /* Written since the last sync: [dirty_start, dirty_limit). */
    size_t dirty_limit;
    bool is_trimmed; /* Cut since the last sync: [kept_size, durable_size) goes with the next. */
    size_t kept_size;
    uint64_t allocated; /* Disk space it would take: at least size. */
};

struct mem_entry {
    char name[ENV_NAME_CAPACITY];
    struct mem_inode *inode;
};

struct mem_names {
    struct mem_entry *entries;
    size_t count;
    size_t capacity;
    bool is_live; /* Holds `uses` of its inodes, else `keeps`. */
};

enum mem_change_kind { MEM_CHANGE_PUT, MEM_CHANGE_REMOVE, MEM_CHANGE_RENAME };

/* A change of names that no directory sync has made durable. */
struct mem_change {
    enum mem_change_kind kind;
    char name[ENV_NAME_CAPACITY];
    char to[ENV_NAME_CAPACITY]; /* Of a rename. */
    struct mem_inode *inode;
};

struct mem_dir {
    struct mem_dir *next;
    char *path;       /* Without slashes at the end. */
    uint32_t handles; /* Open handles keep the node beyond its removal. */
    bool is_removed;
    const void *lock_holder; /* The handle that has the lock, or NULL. */
    struct mem_names live;
    struct mem_names durable;
    struct mem_change *changes; /* In order. */
    size_t change_count;
    size_t change_capacity;
};

struct mem_tree {
    struct mem_dir *dirs;
    bool is_tracked;
    uint64_t space_used; /* Sum of allocated over inodes in use. */
    uint64_t space_max;  /* UINT64_MAX = no limit. */
};

/* Repeatable random numbers (splitmix64). */
struct mem_random {
    uint64_t state;
};
uint64_t mem_random_next(struct mem_random *random);
/* In [0, limit); limit > 0. */
uint64_t mem_random_below(struct mem_random *random, uint64_t limit);

/* What is left of bytes and names that no sync has reached. */
enum mem_cut {
    MEM_CUT_LOSE = 0,    /* Nothing. */
    MEM_CUT_RANDOM = 1,  /* Any part, and torn pages. */
    MEM_CUT_PROCESS = 2, /* All: only the process died. Still not durable. */
};

/* ---- Bytes (mem_inode.c) ---- */

/* A new empty inode nobody holds yet: pass it to mem_dir_put() or mem_inode_unuse(). */
struct mem_inode *mem_inode_new(void);
void mem_inode_use(struct mem_tree *tree, struct mem_inode *inode);
void mem_inode_unuse(struct mem_tree *tree, struct mem_inode *inode);
void mem_inode_keep(struct mem_inode *inode);
void mem_inode_unkeep(struct mem_inode *inode);
/* Writes what space allows; less than all is NO_SPACE with os_errno ENOSPC. */
NODISCARD int mem_inode_write(struct mem_tree *tree,
                              struct mem_inode *inode,
                              uint64_t offset,
                              struct slice bytes,
                              struct loam_error *err);
NODISCARD int mem_inode_allocate(struct mem_tree *tree,
                                 struct mem_inode *inode,
                                 uint64_t size,
                                 struct loam_error *err);
/* Cuts the live bytes to at most `size` and gives the space behind back. */
void mem_inode_trim(struct mem_tree *tree, struct mem_inode *inode, uint64_t size);
NODISCARD int
mem_inode_sync(struct mem_tree *tree, struct mem_inode *inode, struct loam_error *err);
/* A failed sync: the bytes stay readable, and no later sync writes them. */
void mem_inode_sync_lost(struct mem_inode *inode);
/* Sets size and makes all bytes durable, as damage does. New bytes are zero. */
NODISCARD int mem_inode_resize(struct mem_tree *tree,
                               struct mem_inode *inode,
                               size_t size,
                               struct loam_error *err);
/* Leaves what a power cut leaves; what is left is durable. */
NODISCARD int mem_inode_power_cut(struct mem_tree *tree,
                                  struct mem_inode *inode,
                                  enum mem_cut cut,
                                  struct mem_random *random,
                                  struct loam_error *err);

/* ---- Names (mem_tree.c) ---- */

void mem_tree_deinit(struct mem_tree *tree);
/* NULL when absent. Borrowed until its removal. */
struct mem_dir *mem_tree_dir(struct mem_tree *tree, const char *path);
/* NOT_FOUND when the parent is absent. */
NODISCARD int mem_tree_make_dir(struct mem_tree *tree,
                                const char *path,
                                struct mem_dir **out,
                                struct loam_error *err);
/* The directory has no live name. */
void mem_tree_remove_dir(struct mem_tree *tree, struct mem_dir *dir);
void mem_dir_release(struct mem_tree *tree, struct mem_dir *dir);

/* NULL when absent. */
struct mem_inode *mem_dir_find(const struct mem_dir *dir, const char *name);
/* Puts a name, in place of an old one. */
NODISCARD int mem_dir_put(struct mem_tree *tree,
                          struct mem_dir *dir,
                          const char *name,
                          struct mem_inode *inode,
                          struct loam_error *err);
/* The name is there. */
NODISCARD int mem_dir_remove(struct mem_tree *tree,
                             struct mem_dir *dir,
                             const char *name,
                             struct loam_error *err);
/* `from` is there. */
NODISCARD int mem_dir_rename(struct mem_tree *tree,
                             struct mem_dir *dir,
                             const char *from,
                             const char *to,
                             struct loam_error *err);
NODISCARD int mem_dir_sync(struct mem_tree *tree, struct mem_dir *dir, struct loam_error *err);

/* Past all calls and durable at once: puts a name, in place of an old one; removes a name that is
 * there. Pending changes of the name are forgotten. */
NODISCARD int mem_dir_put_durable(struct mem_tree *tree,
                                  struct mem_dir *dir,
                                  const char *name,
                                  struct mem_inode *inode,
                                  struct loam_error *err);
void mem_dir_remove_durable(struct mem_tree *tree, struct mem_dir *dir, const char *name);

/* All directories after a power cut, or the death of the process: no lock is held. */
NODISCARD int mem_tree_power_cut(struct mem_tree *tree,
                                 enum mem_cut cut,
                                 struct mem_random *random,
                                 struct loam_error *err);

#endif
