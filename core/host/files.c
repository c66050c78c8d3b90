/* SPDX-License-Identifier: MIT */
/*
 * files.c - small files of the host that are no part of the store: the list of tokens, logs.
 * Floor 5.
 *
 * A replaced file is written beside its place, synced, renamed, and the directory is synced, so
 * that a crash leaves the old list or the new one. Thread: any.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "env/env.h"
#include "host/host_private.h"
#include "host/secure.h"

enum { PATH_SIZE_MAX = 4096, OWNER_ONLY = 0600, OTHERS = 077 };

static int file_failed(struct loam_error *err, const char *what, const char *path, int number)
{
    int code = number == ENOSPC || number == EDQUOT  ? LOAM_NO_SPACE
               : number == EACCES || number == EPERM ? LOAM_DENIED
               : number == ENOENT                    ? LOAM_NOT_FOUND
                                                     : LOAM_IO;
    return fail_errno(err, code, number, "%s %s", path, what);
}

static int write_all(int fd, const char *data, size_t size, int *number)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(fd, data + done, size - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            *number = written < 0 ? errno : EIO;
            return LOAM_IO;
        }
        done += (size_t)written;
    }
    return LOAM_OK;
}

/* Whether nobody but its owner, who is us or root, may open a file. */
static int check_private(const char *path, const struct stat *info, struct loam_error *err)
{
    if (!S_ISREG(info->st_mode)) {
        return fail(err, LOAM_INVALID, "%s is no plain file", path);
    }
    if (info->st_uid != geteuid() && info->st_uid != 0) {
        return fail(err, LOAM_DENIED, "%s belongs to user %u, and this is user %u", path,
                    info->st_uid, geteuid());
    }
    if ((info->st_mode & OTHERS) != 0) {
        return fail(err, LOAM_DENIED, "%s has mode %04o, others may open it: chmod 600", path,
                    info->st_mode & 07777);
    }
    return LOAM_OK;
}

static double read_open(int fd, const char *path, char *out, size_t capacity, loam_error *err)
{
    size_t done = 0;
    for (;;) {
        char more;
        bool is_full = done == capacity;
        ssize_t got = read(fd, is_full ? &more : out + done, is_full ? 1 : capacity - done);
        if (got < 0 && errno != EINTR) {
            return file_failed(err, "cannot be read", path, errno);
        }
        if (got == 0) {
            return (double)done;
        }
        if (got > 0 && is_full) {
            return fail(err, LOAM_TOO_LARGE, "%s has more than %zu bytes", path, capacity);
        }
        done += got > 0 ? (size_t)got : 0;
    }
}

double host_file_read_private(const char *path, char *out, size_t capacity, struct loam_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return file_failed(err, "cannot be opened", path, errno);
    }
    struct stat info;
    double rc = fstat(fd, &info) == 0 ? check_private(path, &info, err)
                                      : file_failed(err, "cannot be read", path, errno);
    if (rc == LOAM_OK) {
        rc = read_open(fd, path, out, capacity, err);
    }
    (void)close(fd);
    return rc;
}

static int
path_beside(const char *path, const char *ending, char out[PATH_SIZE_MAX], struct loam_error *err)
{
    int size = snprintf(out, PATH_SIZE_MAX, "%s%s", path, ending);
    if (size < 0 || size >= PATH_SIZE_MAX) {
        return fail(err, LOAM_INVALID, "the path has %zu bytes, most are %d", strlen(path),
                    PATH_SIZE_MAX - 16);
    }
    return LOAM_OK;
}

/* Splits a path; *directory is in `room`, *name in path. */
static void
split(const char *path, char room[PATH_SIZE_MAX], const char **directory, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(room, path, size);
    room[size] = '\0';
    *directory = slash == NULL ? "." : size == 0 ? "/" : room;
    *name = slash == NULL ? path : slash + 1;
}

/* Makes a complete, synced file of its own. */
static int write_new(
    struct env_dir *dir, const char *name, const char *data, size_t size, struct loam_error *err)
{
    int rc = env_remove(dir, name, err); /* Left by a crash; the caller holds the lock. */
    if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
        return rc;
    }
    struct env_file *file = NULL;
    TRY(env_create(dir, name, &file, err));
    rc = env_write(file, 0, data, size, err);
    rc = rc == LOAM_OK ? env_sync(file, err) : rc;
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

int host_file_replace(const char *path, const char *data, size_t size, struct loam_error *err)
{
    char beside[PATH_SIZE_MAX];
    char room[PATH_SIZE_MAX];
    TRY(path_beside(path, ".new", beside, err));
    const char *directory;
    const char *name;
    split(path, room, &directory, &name);
    const char *name_beside = beside + (name - path);
    struct env_dir *dir = NULL;
    TRY(env_open_dir(env_posix(), directory, false, &dir, err));
    int rc = write_new(dir, name_beside, data, size, err);
    rc = rc == LOAM_OK ? env_rename(dir, name_beside, name, err) : rc;
    rc = rc == LOAM_OK ? env_dir_sync(dir, err) : rc;
    env_dir_close(dir);
    return rc;
}

int host_file_lock(const char *path, struct loam_error *err)
{
    char beside[PATH_SIZE_MAX];
    TRY(path_beside(path, ".lock", beside, err));
    int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, OWNER_ONLY);
    if (fd < 0) {
        return file_failed(err, "cannot be opened", beside, errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int number = errno;
        (void)close(fd);
        return number == EWOULDBLOCK
                   ? fail(err, LOAM_BUSY, "%s is being changed by somebody else", path)
                   : file_failed(err, "cannot be locked", beside, number);
    }
    return fd;
}

int host_file_stamp(const char *path, char *text, size_t size)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        text[0] = '\0';
        return 0;
    }
    int length = snprintf(text, size, "%ju:%ju:%jd.%09ld:%jd", (uintmax_t)info.st_dev,
                          (uintmax_t)info.st_ino, (intmax_t)info.st_mtim.tv_sec,
                          info.st_mtim.tv_nsec, (intmax_t)info.st_size);
    return length < (int)size ? length : (int)size - 1;
}

int host_append_open(const char *path, struct loam_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, OWNER_ONLY);
    return fd >= 0 ? fd : file_failed(err, "cannot be opened", path, errno);
}

int host_append(int fd, const char *data, size_t size, struct loam_error *err)
{
    int number = 0;
    if (write_all(fd, data, size, &number) != LOAM_OK) {
        return file_failed(err, "cannot be written", "the log", number);
    }
    return LOAM_OK;
}

void host_file_close(int fd)
{
    (void)close(fd);
}
