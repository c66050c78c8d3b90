/* SPDX-License-Identifier: MIT */
/*
 * env_fault_handle.c - directories and files of the fault driver. Floor 1, testing only.
 *
 * Each call asks fault_admit() and then does what the memory driver does. A handle remembers the
 * boot it belongs to; after a reboot only its close works. Thread: any.
 */
#include "env/env_fault_impl.h"

#include "base/check.h"
#include "base/memory.h"
#include "env/env_mem.h"

struct fault_dir {
    struct env_dir base;
    struct fault_env *env;
    struct env_dir *inner;
    uint64_t generation;
};

struct fault_file {
    struct env_file base;
    struct fault_env *env;
    struct env_file *inner;
    uint64_t generation;
};

static struct fault_dir *dir_of(struct env_dir *base)
{
    return (struct fault_dir *)base;
}

static struct fault_file *file_of(struct env_file *base)
{
    return (struct fault_file *)base;
}

static struct fault_op dir_op(const struct fault_dir *dir, unsigned kind, const char *name)
{
    return (struct fault_op){kind, name, dir->generation};
}

static struct fault_op file_op(const struct fault_file *file, unsigned kind)
{
    return (struct fault_op){kind, file->base.name, file->generation};
}

static int admit_dir(struct fault_dir *dir, unsigned kind, const char *name, struct loam_error *err)
{
    return fault_admit(dir->env, dir_op(dir, kind, name), NULL, NULL, err);
}

/* ---- Files ---- */

static int read_file(struct env_file *base,
                     uint64_t offset,
                     void *data,
                     size_t size,
                     size_t *got,
                     struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    TRY(fault_admit(file->env, file_op(file, ENV_FAULT_READ), NULL, NULL, err));
    return env_read(file->inner, offset, data, size, got, err);
}

static int write_file(
    struct env_file *base, uint64_t offset, const void *data, size_t size, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    struct fault_op op = file_op(file, ENV_FAULT_WRITE);
    uint64_t tear = 0;
    int rc = fault_admit(file->env, op, &tear, NULL, err);
    if (rc != LOAM_OK) {
        /* A handle of before the reboot left tear at 0. */
        size_t torn = size < tear ? size : (size_t)tear;
        (void)!env_write(file->inner, offset, data, torn, NULL);
        return rc;
    }
    rc = env_write(file->inner, offset, data, size, err);
    if (rc == LOAM_NO_SPACE) {
        fault_note(file->env, op);
    }
    return rc;
}

static int sync_file(struct env_file *base, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    bool is_crash = true;
    int rc = fault_admit(file->env, file_op(file, ENV_FAULT_SYNC), NULL, &is_crash, err);
    if (rc == LOAM_OK) {
        return env_sync(file->inner, err);
    }
    if (!is_crash) {
        env_mem_sync_lost(file->inner);
    }
    return rc;
}

static int size_of_file(struct env_file *base, uint64_t *size, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    TRY(fault_check_alive(file->env, file->generation, base->name, err));
    return env_size(file->inner, size, err);
}

static int allocate(struct env_file *base, uint64_t size, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    struct fault_op op = file_op(file, ENV_FAULT_ALLOCATE);
    TRY(fault_admit(file->env, op, NULL, NULL, err));
    int rc = env_allocate(file->inner, size, err);
    if (rc == LOAM_NO_SPACE) {
        fault_note(file->env, op);
    }
    return rc;
}

static int trim(struct env_file *base, uint64_t size, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    TRY(fault_admit(file->env, file_op(file, ENV_FAULT_TRIM), NULL, NULL, err));
    return env_trim(file->inner, size, err);
}

static void write_behind(struct env_file *base UNUSED, uint64_t offset UNUSED, uint64_t size UNUSED)
{
}

static int close_file(struct env_file *base, struct loam_error *err)
{
    struct fault_file *file = file_of(base);
    struct fault_env *env = file->env;
    int rc = fault_admit(env, file_op(file, ENV_FAULT_CLOSE), NULL, NULL, err);
    KEEP_FIRST(rc, env_close(file->inner, rc == LOAM_OK ? err : NULL));
    mem_free(file);
    fault_release(env);
    return rc;
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

/* Opens or creates through the memory driver, which is asked last so that nothing is to be undone.
 */
static int open_file(struct fault_dir *dir,
                     unsigned kind,
                     const char *name,
                     struct env_file **out,
                     struct loam_error *err)
{
    TRY(admit_dir(dir, kind, name, err));
    struct fault_file *file = mem_zalloc(1, sizeof(*file));
    if (file == NULL) {
        return mem_fail(err, sizeof(*file));
    }
    int rc = kind == ENV_FAULT_CREATE ? env_create(dir->inner, name, &file->inner, err)
                                      : env_open_read(dir->inner, name, &file->inner, err);
    if (rc != LOAM_OK) {
        mem_free(file);
        return rc;
    }
    file->base.ops = &file_ops;
    env_file_set_name(&file->base, name);
    file->env = dir->env;
    file->generation = fault_hold(dir->env);
    *out = &file->base;
    return LOAM_OK;
}

/* ---- Directories ---- */

static int
open_read(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    return open_file(dir_of(base), ENV_FAULT_OPEN_READ, name, out, err);
}

static int
create(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    return open_file(dir_of(base), ENV_FAULT_CREATE, name, out, err);
}

static int
rename_file(struct env_dir *base, const char *from, const char *to, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(admit_dir(dir, ENV_FAULT_RENAME, from, err));
    return env_rename(dir->inner, from, to, err);
}

static int remove_file(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(admit_dir(dir, ENV_FAULT_REMOVE, name, err));
    return env_remove(dir->inner, name, err);
}

static int link_file(struct env_dir *base,
                     const char *name,
                     struct env_dir *to_base,
                     const char *to_name,
                     struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    struct fault_dir *to = dir_of(to_base);
    TRY(admit_dir(dir, ENV_FAULT_LINK, name, err));
    TRY(fault_check_alive(to->env, to->generation, to_name, err));
    return env_link(dir->inner, name, to->inner, to_name, err);
}

static int list(struct env_dir *base, env_list_fn each, void *context, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(admit_dir(dir, ENV_FAULT_LIST, ".", err));
    return env_list(dir->inner, each, context, err);
}

static int sync_dir(struct env_dir *base, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(admit_dir(dir, ENV_FAULT_DIR_SYNC, ".", err));
    return env_dir_sync(dir->inner, err);
}

static int lock_dir(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(admit_dir(dir, ENV_FAULT_LOCK, name, err));
    return env_lock(dir->inner, name, err);
}

static int free_bytes(struct env_dir *base, uint64_t *bytes, struct loam_error *err)
{
    struct fault_dir *dir = dir_of(base);
    TRY(fault_check_alive(dir->env, dir->generation, "free space", err));
    return env_free_bytes(dir->inner, bytes, err);
}

static void close_dir(struct env_dir *base)
{
    struct fault_dir *dir = dir_of(base);
    struct fault_env *env = dir->env;
    env_dir_close(dir->inner);
    mem_free(dir);
    fault_release(env);
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

int fault_dir_new(struct fault_env *env,
                  struct env_dir *inner,
                  struct env_dir **out,
                  struct loam_error *err)
{
    struct fault_dir *dir = mem_zalloc(1, sizeof(*dir));
    if (dir == NULL) {
        return mem_fail(err, sizeof(*dir));
    }
    *dir = (struct fault_dir){
        .base = {.ops = &dir_ops, .capabilities = inner->capabilities},
        .env = env,
        .inner = inner,
        .generation = fault_hold(env),
    };
    *out = &dir->base;
    return LOAM_OK;
}
