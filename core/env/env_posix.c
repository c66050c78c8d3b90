/* SPDX-License-Identifier: MIT */
/*
 * env_posix.c - directories, clocks and random bytes of the operating system. Floor 1.
 *
 * A directory is one descriptor, and all its files are reached through the *at() calls, so a
 * directory that is renamed or a process that changes its working directory disturbs nothing.
 * Every descriptor is O_CLOEXEC; files are 0600 and directories 0700, whatever the umask allows
 * more. Thread: any.
 */
#include "env/env_posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"

#define DIR_FLAGS  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define PATH_SHOWN 120 /* Characters of a path in a message: the reason must still fit. */

static struct posix_dir *dir_of(struct env_dir *base)
{
    return (struct posix_dir *)base;
}

/* ---- Files of a directory ---- */

static int
open_read(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, name, err));
    /* O_NONBLOCK has no meaning for files, and keeps a pipe of that name from hanging us. */
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int errnum = errno;
        return errnum == ENOENT
                   ? LOAM_NOT_FOUND
                   : fail_errno(err, posix_code(errnum), errnum, "cannot open %s", name);
    }
    struct stat info;
    int rc = LOAM_OK;
    if (fstat(fd, &info) != 0) {
        rc = fail_errno(err, LOAM_IO, errno, "cannot look at %s", name);
    } else if (!S_ISREG(info.st_mode)) {
        rc = fail(err, LOAM_IO, "%s is not a regular file", name);
    } else {
        rc = posix_file_new(fd, dir->owner, name, out, err);
    }
    if (rc != LOAM_OK) {
        (void)close(fd);
    }
    return rc;
}

static int
create(struct env_dir *base, const char *name, struct env_file **out, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, name, err));
    int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int errnum = errno;
        int code = errnum == EEXIST ? LOAM_EXISTS : posix_code(errnum);
        return fail_errno(err, code, errnum, "cannot create %s in %.*s", name, PATH_SHOWN,
                          dir->path);
    }
    int rc = posix_file_new(fd, dir->owner, name, out, err);
    if (rc != LOAM_OK) {
        (void)close(fd);
        (void)unlinkat(dir->fd, name, 0);
    }
    return rc;
}

static int
rename_file(struct env_dir *base, const char *from, const char *to, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, from, err));
    if (renameat(dir->fd, from, dir->fd, to) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    return errnum == ENOENT
               ? LOAM_NOT_FOUND
               : fail_errno(err, posix_code(errnum), errnum, "cannot rename %s to %s", from, to);
}

static int remove_file(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, name, err));
    if (unlinkat(dir->fd, name, 0) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    return errnum == ENOENT ? LOAM_NOT_FOUND
                            : fail_errno(err, posix_code(errnum), errnum, "cannot remove %s", name);
}

static int link_file(struct env_dir *base,
                     const char *name,
                     struct env_dir *to_base,
                     const char *to_name,
                     struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    struct posix_dir *to = dir_of(to_base);
    TRY(posix_check_owner(dir->owner, name, err));
    TRY(posix_check_owner(to->owner, to_name, err));
    if (linkat(dir->fd, name, to->fd, to_name, 0) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    int code = posix_code(errnum);
    switch (errnum) {
    case ENOENT:
        return LOAM_NOT_FOUND;
    case EEXIST:
        code = LOAM_EXISTS;
        break;
    case EXDEV: /* Another file system. */
    case EPERM: /* A file system without hard links. */
    case EMLINK:
    case EOPNOTSUPP:
        code = LOAM_UNSUPPORTED;
        break;
    default:
        break;
    }
    return fail_errno(err, code, errnum, "cannot link %s to %s", name, to_name);
}

/* ---- Listing ---- */

static bool is_file(int fd, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type != DT_DIR;
    }
    struct stat info;
    return fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode);
}

static int list_stream(const struct posix_dir *dir,
                       DIR *stream,
                       env_list_fn each,
                       void *context,
                       struct loam_error *err)
{
    for (;;) {
        errno = 0;
        /* This stream is ours alone, so readdir is safe with threads. */
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            int errnum = errno;
            return errnum == 0 ? LOAM_OK
                               : fail_errno(err, LOAM_IO, errnum, "cannot list %.*s", PATH_SHOWN,
                                            dir->path);
        }
        if (env_name_is_valid(entry->d_name) && is_file(dir->fd, entry)) {
            TRY(each(context, entry->d_name));
        }
    }
}

static int list(struct env_dir *base, env_list_fn each, void *context, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, dir->path, err));
    /* A second opening, not a dup: a dup would share the read position between threads. */
    int fd = openat(dir->fd, ".", DIR_FLAGS);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        int errnum = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return fail_errno(err, LOAM_IO, errnum, "cannot list %.*s", PATH_SHOWN, dir->path);
    }
    int rc = list_stream(dir, stream, each, context, err);
    (void)closedir(stream);
    return rc;
}

/* ---- The directory itself ---- */

static int sync_dir(struct env_dir *base, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    TRY(posix_check_owner(dir->owner, dir->path, err));
    if (fsync(dir->fd) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    return fail_errno(err, posix_code(errnum), errnum, "cannot sync directory %.*s", PATH_SHOWN,
                      dir->path);
}

static int free_bytes(struct env_dir *base, uint64_t *bytes, struct loam_error *err)
{
    struct posix_dir *dir = dir_of(base);
    struct statvfs info;
    if (fstatvfs(dir->fd, &info) != 0) {
        return fail_errno(err, LOAM_IO, errno, "cannot ask free space of %.*s", PATH_SHOWN,
                          dir->path);
    }
    uint64_t product = 0;
    bool overflows = __builtin_mul_overflow(info.f_bavail, info.f_frsize, &product);
    *bytes = overflows ? UINT64_MAX : product;
    return LOAM_OK;
}

static void close_dir(struct env_dir *base)
{
    struct posix_dir *dir = dir_of(base);
    posix_dir_unlock(dir);
    (void)close(dir->fd);
    mem_free(dir->path);
    mem_free(dir);
}

static const struct env_dir_ops dir_ops = {
    .open_read = open_read,
    .create = create,
    .rename = rename_file,
    .remove = remove_file,
    .link = link_file,
    .list = list,
    .sync = sync_dir,
    .lock = posix_dir_lock,
    .free_bytes = free_bytes,
    .close = close_dir,
};

/* ---- The environment ---- */

/* Makes the name of a directory durable. */
static int sync_parent(int fd)
{
    int parent = openat(fd, "..", DIR_FLAGS);
    if (parent < 0) {
        return errno;
    }
    int errnum = fsync(parent) == 0 ? 0 : errno;
    (void)close(parent);
    return errnum;
}

/* Opens the directory, made first when wanted. Returns the descriptor or a LOAM_* code. */
static int open_or_make(const char *path, bool create_absent, struct loam_error *err)
{
    bool is_made = create_absent && mkdir(path, 0700) == 0;
    if (create_absent && !is_made && errno != EEXIST) {
        int errnum = errno;
        return fail_errno(err, posix_code(errnum), errnum, "cannot make directory %.*s", PATH_SHOWN,
                          path);
    }
    int fd = open(path, DIR_FLAGS);
    if (fd < 0) {
        int errnum = errno;
        return errnum == ENOENT && !create_absent
                   ? LOAM_NOT_FOUND
                   : fail_errno(err, LOAM_IO, errnum, "cannot open directory %.*s", PATH_SHOWN,
                                path);
    }
    /* Also when it was there: the process that made it may have died before its sync. Then only as
     * well as we can, because the parent may be closed to us. */
    int errnum = create_absent ? sync_parent(fd) : 0;
    if (errnum != 0 && is_made) {
        (void)close(fd);
        (void)rmdir(path);
        return fail_errno(err, posix_code(errnum), errnum, "cannot sync parent of %.*s", PATH_SHOWN,
                          path);
    }
    return fd;
}

static int dir_new(int fd, const char *path, struct posix_dir **out, struct loam_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return fail_errno(err, LOAM_IO, errno, "cannot look at %.*s", PATH_SHOWN, path);
    }
    size_t path_size = strlen(path) + 1;
    struct posix_dir *dir = mem_zalloc(1, sizeof(*dir));
    char *copy = mem_alloc(path_size);
    if (dir == NULL || copy == NULL) {
        mem_free(dir);
        mem_free(copy);
        return mem_fail(err, sizeof(*dir) + path_size);
    }
    memcpy(copy, path, path_size);
    *dir = (struct posix_dir){
        .base = {.ops = &dir_ops, .capabilities = ENV_CAN_LINK},
        .fd = fd,
        .owner = posix_process(),
        .device = info.st_dev,
        .inode = info.st_ino,
        .path = copy,
        .lock_fd = -1,
    };
    *out = dir;
    return LOAM_OK;
}

static int open_dir(struct env *env UNUSED,
                    const char *path,
                    bool create_absent,
                    struct env_dir **out,
                    struct loam_error *err)
{
    int fd = open_or_make(path, create_absent, err);
    if (fd < 0) {
        return fd;
    }
    struct posix_dir *dir = NULL;
    int rc = dir_new(fd, path, &dir, err);
    if (rc != LOAM_OK) {
        (void)close(fd);
        return rc;
    }
    *out = &dir->base;
    return LOAM_OK;
}

static int remove_dir(struct env *env UNUSED, const char *path, struct loam_error *err)
{
    if (rmdir(path) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    return errnum == ENOENT
               ? LOAM_NOT_FOUND
               : fail_errno(err, LOAM_IO, errnum, "cannot remove directory %.*s", PATH_SHOWN, path);
}

static uint64_t wall_ms(struct env *env UNUSED)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ns(struct env *env UNUSED)
{
    return monotonic_ns();
}

static int random_bytes(struct env *env UNUSED, void *data, size_t size, struct loam_error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = getrandom((char *)data + done, size - done, 0);
        if (got < 0 && errno != EINTR) {
            return fail_errno(err, LOAM_IO, errno, "cannot get random bytes");
        }
        done += got < 0 ? 0 : (size_t)got;
    }
    return LOAM_OK;
}

struct env *env_posix(void)
{
    static struct env env = {
        .open_dir = open_dir,
        .remove_dir = remove_dir,
        .wall_ms = wall_ms,
        .now_ns = now_ns,
        .random = random_bytes,
    };
    return &env;
}
