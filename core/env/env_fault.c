/* SPDX-License-Identifier: MIT */
/*
 * env_fault.c - fault plans, counting and clocks of the fault driver. Floor 1, testing only.
 *
 * Every operation comes through fault_admit(), which counts it and asks the plans; what it admits
 * goes to the memory driver. Thread: any; the mutex is not held while the memory driver works.
 */
#include "env/env_fault_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "env/env_mem.h"
#include "env/env_posix.h"

static struct fault_env *env_of(struct env *base)
{
    return (struct fault_env *)base;
}

/* ---- Verdicts ---- */

static const char *kind_text(unsigned kind)
{
    static const char *const texts[] = {
        "create", "write", "sync", "rename", "remove", "sync directory", "allocate", "open",
        "read",   "close", "list", "lock",   "link",   "open directory", "cut",
    };
    unsigned index = (unsigned)__builtin_ctz(kind);
    PRE(index < sizeof(texts) / sizeof(texts[0]));
    return texts[index];
}

/* The mutex is held. */
static void note_hit(struct fault_env *env, struct fault_op op)
{
    if (env->hits++ == 0) {
        (void)snprintf(env->first_hit, sizeof(env->first_hit), "operation %llu: %s %.40s",
                       (unsigned long long)env->op_count, kind_text(op.kind), op.name);
    }
}

void fault_note(struct fault_env *env, struct fault_op op)
{
    mutex_lock(&env->mu);
    note_hit(env, op);
    mutex_unlock(&env->mu);
}

/* Lets a plan see an operation. Returns its errno when the operation is to fail, or 0. */
static int plan_step(struct fault_plan *plan, struct fault_op op)
{
    if ((plan->kinds & op.kind) == 0 || strstr(op.name, plan->name_part) == NULL) {
        return 0;
    }
    if (plan->after > 0) {
        plan->after--;
        return 0;
    }
    if (plan->repeat == 0) {
        return 0;
    }
    plan->repeat -= plan->repeat == UINT64_MAX ? 0 : 1;
    return plan->os_errno;
}

/* Every plan sees every operation, also when another one fails it. The mutex is held. */
static int plans_step(struct fault_env *env, struct fault_op op)
{
    int first = 0;
    for (size_t i = 0; i < env->plan_count; i++) {
        int errnum = plan_step(&env->plans[i], op);
        first = first == 0 ? errnum : first;
    }
    return first;
}

static bool has_crashed(const struct fault_env *env)
{
    return env->crash_at != 0 && env->op_count >= env->crash_at;
}

static int fail_dead(const char *name, struct loam_error *err)
{
    return fail(err, LOAM_IO, "%.120s: handle is from before the reboot", name);
}

int fault_admit(struct fault_env *env,
                struct fault_op op,
                uint64_t *tear,
                bool *is_crash,
                struct loam_error *err)
{
    mutex_lock(&env->mu);
    if (op.generation != env->generation) {
        mutex_unlock(&env->mu);
        return fail_dead(op.name, err);
    }
    while ((env->held_kinds & op.kind) != 0) {
        env->held_count++;
        cond_wait(&env->released, &env->mu);
        env->held_count--;
    }
    env->op_count++;
    bool crashes = has_crashed(env);
    int errnum = crashes ? EIO : plans_step(env, op);
    if (errnum != 0) {
        note_hit(env, op);
    }
    if (tear != NULL) {
        *tear = crashes && env->op_count > env->crash_at ? 0 : env->tear;
    }
    mutex_unlock(&env->mu);
    if (errnum == 0) {
        return LOAM_OK;
    }
    if (is_crash != NULL) {
        *is_crash = crashes;
    }
    return fail_errno(err, posix_code(errnum), errnum, "cannot %s %.120s (%s)", kind_text(op.kind),
                      op.name, crashes ? "crashed" : "injected");
}

int fault_check_alive(struct fault_env *env,
                      uint64_t generation,
                      const char *name,
                      struct loam_error *err)
{
    mutex_lock(&env->mu);
    bool is_dead = generation != env->generation;
    bool crashed = has_crashed(env);
    mutex_unlock(&env->mu);
    if (is_dead) {
        return fail_dead(name, err);
    }
    return crashed ? fail_errno(err, LOAM_IO, EIO, "cannot use %.120s (crashed)", name) : LOAM_OK;
}

/* ---- The environment ---- */

static int open_dir(struct env *base,
                    const char *path,
                    bool create_absent,
                    struct env_dir **out,
                    struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct fault_op op = {ENV_FAULT_OPEN_DIR, path, env->generation};
    TRY(fault_admit(env, op, NULL, NULL, err));
    struct env_dir *inner = NULL;
    TRY(env_open_dir(env->inner, path, create_absent, &inner, err));
    int rc = fault_dir_new(env, inner, out, err);
    if (rc != LOAM_OK) {
        env_dir_close(inner);
    }
    return rc;
}

static int remove_dir(struct env *base, const char *path, struct loam_error *err)
{
    struct fault_env *env = env_of(base);
    struct fault_op op = {ENV_FAULT_REMOVE, path, env->generation};
    TRY(fault_admit(env, op, NULL, NULL, err));
    return env_remove_dir(env->inner, path, err);
}

static uint64_t wall_ms(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t now =
        env->is_wall_set ? env->wall_ms : env_wall_ms(env->inner) + (uint64_t)env->wall_offset;
    mutex_unlock(&env->mu);
    return now;
}

static uint64_t now_ns(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t now = env->is_now_set ? env->now_ns : env_now_ns(env->inner) + env->now_offset;
    mutex_unlock(&env->mu);
    return now;
}

static int random_bytes(struct env *base, void *data, size_t size, struct loam_error *err UNUSED)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)data)[i] = (unsigned char)mem_random_next(&env->random);
    }
    mutex_unlock(&env->mu);
    return LOAM_OK;
}

struct env *env_fault_new(uint64_t seed)
{
    struct fault_env *env = mem_zalloc(1, sizeof(*env));
    struct env *inner = env_mem_new_tracked();
    if (env == NULL || inner == NULL) {
        mem_free(env);
        env_mem_free(inner);
        return NULL;
    }
    env->base = (struct env){
        .open_dir = open_dir,
        .remove_dir = remove_dir,
        .wall_ms = wall_ms,
        .now_ns = now_ns,
        .random = random_bytes,
    };
    env->inner = inner;
    env->random.state = seed;
    env->is_owned = true;
    mutex_init(&env->mu);
    cond_init(&env->released);
    return &env->base;
}

/* Unlocks, and frees the env when nobody is left. */
static void unlock_or_free(struct fault_env *env) NO_THREAD_CHECK
{
    bool is_last = !env->is_owned && env->handle_count == 0;
    mutex_unlock(&env->mu);
    if (is_last) {
        env_mem_free(env->inner);
        cond_deinit(&env->released);
        mutex_deinit(&env->mu);
        mem_free(env);
    }
}

void env_fault_free(struct env *base)
{
    if (base == NULL) {
        return;
    }
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    PRE(env->is_owned);
    env->is_owned = false;
    unlock_or_free(env);
}

uint64_t fault_hold(struct fault_env *env)
{
    mutex_lock(&env->mu);
    env->handle_count++;
    uint64_t generation = env->generation;
    mutex_unlock(&env->mu);
    return generation;
}

void fault_release(struct fault_env *env)
{
    mutex_lock(&env->mu);
    INV(env->handle_count > 0);
    env->handle_count--;
    unlock_or_free(env);
}

/* ---- Plans ---- */

void env_fault_fail_name(struct env *base,
                         unsigned kinds,
                         const char *name_part,
                         uint64_t after,
                         uint64_t repeat,
                         int os_errno)
{
    struct fault_env *env = env_of(base);
    PRE(os_errno > 0);
    PRE(name_part == NULL || strlen(name_part) < ENV_NAME_CAPACITY);
    mutex_lock(&env->mu);
    PRE(env->plan_count < FAULT_PLAN_MAX);
    struct fault_plan *plan = &env->plans[env->plan_count++];
    *plan =
        (struct fault_plan){.kinds = kinds, .after = after, .repeat = repeat, .os_errno = os_errno};
    if (name_part != NULL) {
        memcpy(plan->name_part, name_part, strlen(name_part) + 1);
    }
    mutex_unlock(&env->mu);
}

void env_fault_fail(struct env *base, unsigned kinds, uint64_t after, uint64_t repeat, int os_errno)
{
    env_fault_fail_name(base, kinds, NULL, after, repeat, os_errno);
}

void env_fault_tear(struct env *base, uint64_t bytes)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->tear = bytes;
    mutex_unlock(&env->mu);
}

void env_fault_space(struct env *base, uint64_t bytes)
{
    struct fault_env *env = env_of(base);
    struct mem_tree *tree = env_mem_lock(env->inner);
    bool is_unlimited = bytes > UINT64_MAX - tree->space_used;
    tree->space_max = is_unlimited ? UINT64_MAX : tree->space_used + bytes;
    env_mem_unlock(env->inner);
}

void env_fault_crash_at(struct env *base, uint64_t op)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->crash_at = op;
    mutex_unlock(&env->mu);
}

void env_fault_hold(struct env *base, unsigned kinds)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->held_kinds = kinds;
    cond_broadcast(&env->released);
    mutex_unlock(&env->mu);
}

uint64_t env_fault_held(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t count = env->held_count;
    mutex_unlock(&env->mu);
    return count;
}

void env_fault_clear(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->plan_count = 0;
    env->tear = 0;
    env->crash_at = 0;
    env->hits = 0;
    env->first_hit[0] = '\0';
    mutex_unlock(&env->mu);
    env_fault_hold(base, 0);
    env_fault_space(base, UINT64_MAX);
}

uint64_t env_fault_op_count(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t count = env->op_count;
    mutex_unlock(&env->mu);
    return count;
}

uint64_t env_fault_hits(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t hits = env->hits;
    mutex_unlock(&env->mu);
    return hits;
}

const char *env_fault_first_hit(struct env *base)
{
    return env_of(base)->first_hit;
}

uint64_t env_fault_handle_count(struct env *base)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    uint64_t count = env->handle_count;
    mutex_unlock(&env->mu);
    return count;
}

/* ---- Clocks ---- */

void env_fault_set_wall_ms(struct env *base, uint64_t now)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->is_wall_set = true;
    env->wall_ms = now;
    mutex_unlock(&env->mu);
}

void env_fault_shift_wall_ms(struct env *base, int64_t delta_ms)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    if (env->is_wall_set) {
        env->wall_ms += (uint64_t)delta_ms;
    } else {
        env->wall_offset += delta_ms;
    }
    mutex_unlock(&env->mu);
}

void env_fault_set_now_ns(struct env *base, uint64_t now)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    env->is_now_set = true;
    env->now_ns = now;
    mutex_unlock(&env->mu);
}

void env_fault_advance_ns(struct env *base, uint64_t delta_ns)
{
    struct fault_env *env = env_of(base);
    mutex_lock(&env->mu);
    if (env->is_now_set) {
        env->now_ns += delta_ns;
    } else {
        env->now_offset += delta_ns;
    }
    mutex_unlock(&env->mu);
}
