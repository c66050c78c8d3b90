/* SPDX-License-Identifier: MIT */
/* destroy.c - removing a closed store: only names that Loam makes. */
#include "base/check.h"
#include "db/db.h"
#include "disk/file_name.h"

struct removal {
    struct env_dir *dir;
    struct loam_error *err;
    bool has_current;
    bool is_sweep; /* Second pass: remove. */
};

static int visit(void *context, const char *name)
{
    struct removal *removal = context;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    if (!removal->is_sweep) {
        removal->has_current |= kind == FILE_CURRENT;
        return LOAM_OK;
    }
    /* CURRENT went first, the lock is held until the end. */
    if (kind == FILE_UNKNOWN || kind == FILE_LOCK || kind == FILE_CURRENT) {
        return LOAM_OK;
    }
    return env_remove(removal->dir, name, removal->err);
}

static int remove_files(struct env_dir *dir, struct loam_error *err)
{
    char lock[FILE_NAME_SIZE];
    char current[FILE_NAME_SIZE];
    file_name_make(FILE_LOCK, 0, lock);
    file_name_make(FILE_CURRENT, 0, current);
    TRY(env_lock(dir, lock, err));
    struct removal removal = {.dir = dir, .err = err};
    TRY(env_list(dir, visit, &removal, err));
    if (removal.has_current) {
        /* First, and durable: a half-destroyed store must not look like a whole one. */
        TRY(env_remove(dir, current, err));
        TRY(env_dir_sync(dir, err));
    }
    removal.is_sweep = true;
    TRY(env_list(dir, visit, &removal, err));
    TRY(env_remove(dir, lock, err));
    return env_dir_sync(dir, err);
}

int loam_destroy(const char *path, loam_error *err)
{
    struct env *env = env_posix();
    struct env_dir *dir = NULL;
    int rc = env_open_dir(env, path, false, &dir, err);
    if (rc == LOAM_NOT_FOUND) {
        return LOAM_OK;
    }
    TRY(rc);
    rc = remove_files(dir, err);
    env_dir_close(dir);
    TRY(rc);
    DISCARD(env->remove_dir(env, path, NULL)); /* Foreign files may keep it. */
    return LOAM_OK;
}
