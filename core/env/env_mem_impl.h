/* SPDX-License-Identifier: MIT */
/*
 * env_mem_impl.h - what the two files of the memory driver share. Floor 1, private to this room.
 *
 * env_mem.c has the env, directories and names; env_mem_file.c has files. Handles hold their inode
 * and their directory, so a file that is removed or replaced while open stays readable, as POSIX
 * has it. The env lives until its owner and the last handle let it go.
 */
#ifndef LOAM_ENV_ENV_MEM_IMPL_H
#define LOAM_ENV_ENV_MEM_IMPL_H

#include "base/thread.h"
#include "env/env_mem.h"
#include "env/mem_tree.h"

struct mem_env {
    struct env base;
    struct loam_mutex mu; /* A leaf: never held while a caller's function runs. */

    /* Protected by mu. */
    struct mem_tree tree;
    uint64_t handle_count;
    bool is_owned; /* Until env_mem_free(). */
};

struct mem_file {
    struct env_file base;
    struct mem_env *env;
    struct mem_inode *inode; /* NULL before mem_file_attach(). */
    bool is_writable;
};

/* A handle without an inode, or NULL. */
struct mem_file *mem_file_new(const char *name, bool is_writable);
/* Ties a handle to its env and inode. The mutex is held. */
void mem_file_attach(struct mem_file *file, struct mem_env *env, struct mem_inode *inode);
/* Unlocks, and frees the env when nobody is left. */
void mem_env_unlock_or_free(struct mem_env *env) RELEASES(env->mu);

#endif
