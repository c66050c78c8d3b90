/* SPDX-License-Identifier: MIT */
/*
 * env.c - the calls of env.h: every name is checked here, once, before a driver sees it. Floor 1.
 *
 * Everything above this floor comes through here; drivers are reached through their vtables only.
 * Names can come from bytes on disk (CURRENT names a manifest), so a bad one is INVALID and never
 * an assertion: the check is also what keeps a damaged file from leading out of the directory.
 * Thread: any, as the drivers.
 */
#include "env/env.h"

#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/guard.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool env_name_is_valid(const char *name)
{
    if (name[0] == '.') {
        return false;
    }
    size_t size = 0;
    while (size < ENV_NAME_CAPACITY && name[size] != '\0') {
        if (!is_name_byte(name[size])) {
            return false;
        }
        size++;
    }
    return size > 0 && size < ENV_NAME_CAPACITY;
}

void env_file_set_name(struct env_file *file, const char *name)
{
    PRE(env_name_is_valid(name));
    memcpy(file->name, name, strlen(name) + 1);
}

static int check_name(const char *name, struct loam_error *err)
{
    PRE(name != NULL);
    if (LIKELY(env_name_is_valid(name))) {
        return LOAM_OK;
    }
    return fail(err, LOAM_INVALID,
                "file name '%.60s' is not 1..%d characters of A-Z a-z 0-9 . _ - without a dot in "
                "front",
                name, ENV_NAME_CAPACITY - 1);
}

int env_open_dir(
    struct env *env, const char *path, bool create, struct env_dir **out, struct loam_error *err)
{
    PRE(env != NULL && path != NULL && out != NULL);
    if (path[0] == '\0') {
        return fail(err, LOAM_INVALID, "directory path is empty");
    }
    return env->open_dir(env, path, create, out, err);
}

int env_remove_dir(struct env *env, const char *path, struct loam_error *err)
{
    PRE(env != NULL && path != NULL);
    return env->remove_dir(env, path, err);
}

uint64_t env_wall_ms(struct env *env)
{
    return env->wall_ms(env);
}

uint64_t env_now_ns(struct env *env)
{
    return env->now_ns(env);
}

int env_random(struct env *env, void *data, size_t size, struct loam_error *err)
{
    PRE(data != NULL || size == 0);
    return env->random(env, data, size, err);
}

void env_dir_close(struct env_dir *dir)
{
    if (dir != NULL) {
        dir->ops->close(dir);
    }
}

int env_open_read(struct env_dir *dir,
                  const char *name,
                  struct env_file **out,
                  struct loam_error *err)
{
    PRE(dir != NULL && out != NULL);
    TRY(check_name(name, err));
    return dir->ops->open_read(dir, name, out, err);
}

int env_create(struct env_dir *dir, const char *name, struct env_file **out, struct loam_error *err)
{
    PRE(dir != NULL && out != NULL);
    TRY(check_name(name, err));
    return dir->ops->create(dir, name, out, err);
}

int env_rename(struct env_dir *dir, const char *from, const char *to, struct loam_error *err)
{
    PRE(dir != NULL);
    TRY(check_name(from, err));
    TRY(check_name(to, err));
    return dir->ops->rename(dir, from, to, err);
}

int env_remove(struct env_dir *dir, const char *name, struct loam_error *err)
{
    PRE(dir != NULL);
    TRY(check_name(name, err));
    return dir->ops->remove(dir, name, err);
}

int env_link(struct env_dir *dir,
             const char *name,
             struct env_dir *to,
             const char *to_name,
             struct loam_error *err)
{
    PRE(dir != NULL && to != NULL);
    TRY(check_name(name, err));
    TRY(check_name(to_name, err));
    if ((dir->capabilities & ENV_CAN_LINK) == 0 || dir->ops != to->ops) {
        return fail(err, LOAM_UNSUPPORTED, "cannot link %s: these directories have no links", name);
    }
    return dir->ops->link(dir, name, to, to_name, err);
}

int env_list(struct env_dir *dir, env_list_fn each, void *context, struct loam_error *err)
{
    PRE(dir != NULL && each != NULL);
    return dir->ops->list(dir, each, context, err);
}

struct name_list {
    struct loam_buffer names;
    struct loam_error *err;
};

static int append_name(void *context, const char *name)
{
    struct name_list *list = context;
    TRY(buf_append(&list->names, name, strlen(name), list->err));
    return buf_append(&list->names, "\n", 1, list->err);
}

int env_list_names(struct env_dir *dir, struct loam_buffer *out, struct loam_error *err)
{
    PRE(out != NULL);
    struct name_list list = {.err = err};
    int rc = env_list(dir, append_name, &list, err);
    if (rc == LOAM_OK) {
        rc = buf_assign(out, list.names.data, list.names.size, err);
    }
    loam_buffer_free(&list.names);
    return rc;
}

bool env_dir_sync_failed(struct env_dir *dir, struct loam_error *err)
{
    /* Acquire: pairs with the release in keep_failure(). */
    int state = atomic_load_explicit(&dir->sync_state, memory_order_acquire);
    if (state == ENV_SYNC_FAILED && err != NULL) {
        *err = dir->sync_failure;
    } else if (state == ENV_SYNC_FAILING) {
        (void)fail(err, LOAM_IO, "a sync of the directory has failed");
    }
    return state != ENV_SYNC_FINE;
}

/* Keeps the first failure. */
static void keep_failure(struct env_dir *dir, const struct loam_error *cause)
{
    int fine = ENV_SYNC_FINE;
    if (GUARD(DIR_SYNC_ONCE) &&
        atomic_compare_exchange_strong(&dir->sync_state, &fine, ENV_SYNC_FAILING)) {
        dir->sync_failure = *cause;
        atomic_store_explicit(&dir->sync_state, ENV_SYNC_FAILED, memory_order_release);
    }
}

int env_dir_sync(struct env_dir *dir, struct loam_error *err)
{
    PRE(dir != NULL);
    struct loam_error cause = {0};
    int rc = env_dir_sync_failed(dir, &cause) ? cause.code : dir->ops->sync(dir, &cause);
    if (rc != LOAM_OK) {
        keep_failure(dir, &cause);
        if (err != NULL) {
            *err = cause;
        }
    }
    return rc;
}

int env_lock(struct env_dir *dir, const char *name, struct loam_error *err)
{
    PRE(dir != NULL);
    TRY(check_name(name, err));
    return dir->ops->lock(dir, name, err);
}

int env_free_bytes(struct env_dir *dir, uint64_t *bytes, struct loam_error *err)
{
    PRE(dir != NULL && bytes != NULL);
    return dir->ops->free_bytes(dir, bytes, err);
}

int env_read(struct env_file *file,
             uint64_t offset,
             void *data,
             size_t size,
             size_t *got,
             struct loam_error *err)
{
    PRE(file != NULL && got != NULL && (data != NULL || size == 0));
    size_t count = 0;
    TRY(file->ops->read(file, offset, data, size, &count, err));
    POST(count <= size);
    *got = count;
    return LOAM_OK;
}

int env_read_exact(
    struct env_file *file, uint64_t offset, void *data, size_t size, struct loam_error *err)
{
    size_t got = 0;
    TRY(env_read(file, offset, data, size, &got, err));
    if (LIKELY(got == size)) {
        return LOAM_OK;
    }
    return fail(err, LOAM_CORRUPT, "%s ends early: %zu bytes wanted at offset %llu, %zu are there",
                file->name, size, (unsigned long long)offset, got);
}

int env_write(
    struct env_file *file, uint64_t offset, const void *data, size_t size, struct loam_error *err)
{
    PRE(file != NULL && (data != NULL || size == 0));
    return file->ops->write(file, offset, data, size, err);
}

int env_sync(struct env_file *file, struct loam_error *err)
{
    PRE(file != NULL);
    return file->ops->sync(file, err);
}

int env_size(struct env_file *file, uint64_t *size, struct loam_error *err)
{
    PRE(file != NULL && size != NULL);
    return file->ops->size(file, size, err);
}

int env_allocate(struct env_file *file, uint64_t size, struct loam_error *err)
{
    PRE(file != NULL);
    return size == 0 ? LOAM_OK : file->ops->allocate(file, size, err);
}

int env_map(struct env_file *file, uint64_t size, uint64_t first, struct loam_error *err)
{
    PRE(file != NULL && size > 0);
    if (file->ops->map == NULL) {
        return fail(err, LOAM_UNSUPPORTED, "%s cannot be mapped", file->name);
    }
    return file->ops->map(file, size, first, err);
}

int env_trim(struct env_file *file, uint64_t size, struct loam_error *err)
{
    PRE(file != NULL);
    if (file->ops->trim == NULL) {
        return fail(err, LOAM_UNSUPPORTED, "%s cannot be cut", file->name);
    }
    return file->ops->trim(file, size, err);
}

void env_let_go(struct env_file *file, uint64_t offset, uint64_t size)
{
    PRE(file != NULL);
    if (file->ops->let_go != NULL) {
        file->ops->let_go(file, offset, size);
    }
}

void env_write_behind(struct env_file *file, uint64_t offset, uint64_t size)
{
    PRE(file != NULL);
    if (size > 0) {
        file->ops->write_behind(file, offset, size);
    }
}

int env_close(struct env_file *file, struct loam_error *err)
{
    return file == NULL ? LOAM_OK : file->ops->close(file, err);
}

/* Reads all of an open file; the buffer keeps its contents on failure. */
static int
read_whole(struct env_file *file, size_t size_max, struct loam_buffer *out, struct loam_error *err)
{
    uint64_t size = 0;
    TRY(env_size(file, &size, err));
    if (size > size_max) {
        return fail(err, LOAM_TOO_LARGE, "%s has %llu bytes, at most %zu are read", file->name,
                    (unsigned long long)size, size_max);
    }
    struct loam_buffer data = {0};
    int rc = buf_reserve(&data, (size_t)size, err);
    if (rc == LOAM_OK) {
        rc = env_read_exact(file, 0, data.data, (size_t)size, err);
    }
    if (rc == LOAM_OK) {
        data.size = (size_t)size;
        loam_buffer_free(out);
        *out = data;
    } else {
        loam_buffer_free(&data);
    }
    return rc;
}

int env_read_file(struct env_dir *dir,
                  const char *name,
                  size_t size_max,
                  struct loam_buffer *out,
                  struct loam_error *err)
{
    PRE(out != NULL);
    struct env_file *file = NULL;
    TRY(env_open_read(dir, name, &file, err));
    int rc = read_whole(file, size_max, out, err);
    KEEP_FIRST(rc, env_close(file, err));
    return rc;
}
