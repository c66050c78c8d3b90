/* SPDX-License-Identifier: MIT */
/*
 * env_fault_impl.h - what the files of the fault driver share. Floor 1, private to this room.
 *
 * env_fault.c has the env, plans and clocks; env_fault_handle.c the directories and files that ask
 * the plans before they pass a call on to the memory driver; env_fault_store.c the reboot and the
 * calls that look at and damage files.
 */
#ifndef LOAM_ENV_ENV_FAULT_IMPL_H
#define LOAM_ENV_ENV_FAULT_IMPL_H

#include "base/thread.h"
#include "env/env_fault.h"
#include "env/mem_tree.h"

#define FAULT_PLAN_MAX 8

struct fault_plan {
    unsigned kinds;
    char name_part[ENV_NAME_CAPACITY]; /* "" = any. */
    uint64_t after;
    uint64_t repeat; /* UINT64_MAX = for ever. */
    int os_errno;
};

struct fault_env {
    struct env base;
    struct env *inner;    /* Constant: the memory driver with a tracked tree. */
    struct loam_mutex mu; /* Before the mutex of the memory driver. */

    /* Protected by mu. */
    struct fault_plan plans[FAULT_PLAN_MAX];
    size_t plan_count;
    uint64_t tear;
    uint64_t crash_at; /* 0 = never. */
    unsigned held_kinds;
    uint64_t held_count;
    struct loam_cond released;
    uint64_t op_count;
    uint64_t hits;
    char first_hit[96];
    uint64_t generation; /* Reboots so far: handles of another one are dead. */
    uint64_t handle_count;
    bool is_owned; /* Until env_fault_free(). */
    struct mem_random random;
    bool is_wall_set;
    bool is_now_set;
    uint64_t wall_ms;    /* When set. */
    int64_t wall_offset; /* When not set. */
    uint64_t now_ns;     /* When set. */
    uint64_t now_offset; /* When not set. */
};

struct fault_op {
    unsigned kind;
    const char *name;
    uint64_t generation;
};

/*
 * Counts an operation and says whether it happens. On failure *tear, when not NULL, gets the bytes
 * that a write still writes; *is_crash whether the reason is a crash, not a plan.
 */
NODISCARD int fault_admit(struct fault_env *env,
                          struct fault_op op,
                          uint64_t *tear,
                          bool *is_crash,
                          struct loam_error *err);
/* The same without counting, for calls that no plan is about. */
NODISCARD int fault_check_alive(struct fault_env *env,
                                uint64_t generation,
                                const char *name,
                                struct loam_error *err);
/* Notes a fault that the memory driver raised: no space. */
void fault_note(struct fault_env *env, struct fault_op op);

/* A handle holds the env. */
uint64_t fault_hold(struct fault_env *env);
void fault_release(struct fault_env *env);

/* Wraps a directory of the memory driver; on failure the caller keeps it. */
NODISCARD int fault_dir_new(struct fault_env *env,
                            struct env_dir *inner,
                            struct env_dir **out,
                            struct loam_error *err);

#endif
