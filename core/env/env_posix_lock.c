/* SPDX-License-Identifier: MIT */
/*
 * env_posix_lock.c - one owner per directory, across processes and inside one. Floor 1.
 *
 * Across processes: flock on the lock file. It dies with its holder, and unlike the fcntl locks it
 * is not lost when some other descriptor of the file is closed. The file holds the process number
 * of the holder, for the message of the one who comes second; it is never removed, because a third
 * process may be about to lock the removed one.
 * Inside a process: a registry of locked directories by device and inode, so that a second open by
 * any path (a symbolic link, ./) is refused with a clear text.
 * At a fork: a child shares the parent's flock through the inherited descriptor and would keep the
 * directory locked after the parent's death. So the child closes its copies at once, which leaves
 * the parent's lock alone, and forgets the registry. Its handles carry the parent's process number
 * and answer CLOSED.
 *
 * The registry and the process number are the only globals of the core: both are properties of the
 * process. Lock order: the registry's mutex is a leaf. Thread: any.
 */
#include "env/env_posix.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"

#define LOCK_TRIES 10 /* Of a lock file that is removed under our hands. */

static struct {
    struct loam_mutex mu;
    struct posix_dir *first; /* Protected by mu. */
} registry = {.mu = {PTHREAD_MUTEX_INITIALIZER}};

/* Atomic: relaxed, as a fork's child starts with one thread. */
static _Atomic pid_t process;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

/* ---- Fork ---- */

static void before_fork(void) NO_THREAD_CHECK
{
    mutex_lock(&registry.mu);
}

static void after_fork_parent(void) NO_THREAD_CHECK
{
    mutex_unlock(&registry.mu);
}

static void after_fork_child(void) NO_THREAD_CHECK
{
    for (struct posix_dir *dir = registry.first; dir != NULL; dir = dir->next_locked) {
        (void)close(dir->lock_fd);
        dir->lock_fd = -1;
    }
    registry.first = NULL;
    atomic_store_explicit(&process, getpid(), memory_order_relaxed);
    mutex_unlock(&registry.mu);
}

static void process_init(void)
{
    atomic_store_explicit(&process, getpid(), memory_order_relaxed);
    /* Fails for want of memory only; then a child is told nothing, as without this file. */
    (void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

pid_t posix_process(void)
{
    (void)pthread_once(&process_once, process_init);
    return atomic_load_explicit(&process, memory_order_relaxed);
}

int posix_check_owner(pid_t owner, const char *name, struct loam_error *err)
{
    if (LIKELY(owner == posix_process())) {
        return LOAM_OK;
    }
    return fail(err, LOAM_CLOSED,
                "%.150s: handle belongs to process %ld, of which this one is a fork", name,
                (long)owner);
}

/* ---- Lock ---- */

/* The process number in a lock file, or 0. */
static long holder_of(int fd)
{
    char text[24] = {0};
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    long number = size > 0 ? strtol(text, NULL, 10) : 0;
    return number > 0 ? number : 0;
}

static int fail_busy(const struct posix_dir *dir, long holder, struct loam_error *err)
{
    if (holder == 0) {
        return fail(err, LOAM_BUSY, "%.150s is locked by another process", dir->path);
    }
    return fail(err, LOAM_BUSY, "%.150s is locked by process %ld", dir->path, holder);
}

/* Only the message of others depends on it, so a full disk must not keep us from opening. */
static void write_holder(int fd)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)posix_process());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        return;
    }
}

/* Whether the name still leads to the file we locked. */
static bool is_current(const struct posix_dir *dir, const char *name, int fd)
{
    struct stat ours;
    struct stat named;
    return fstat(fd, &ours) == 0 && fstatat(dir->fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Locks the file once. Returns the descriptor or a LOAM_* code. */
static int lock_file(const struct posix_dir *dir, const char *name, struct loam_error *err)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int errnum = errno;
        return fail_errno(err, posix_code(errnum), errnum, "cannot open lock file %s in %.120s",
                          name, dir->path);
    }
    int rc = 0;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        return fd;
    }
    int errnum = errno;
    int code = errnum == EWOULDBLOCK
                   ? fail_busy(dir, holder_of(fd), err)
                   : fail_errno(err, LOAM_IO, errnum, "cannot lock %s in %.120s", name, dir->path);
    (void)close(fd);
    return code;
}

static int
lock_current_file(const struct posix_dir *dir, const char *name, int *out, struct loam_error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = lock_file(dir, name, err);
        if (fd < 0) {
            return fd;
        }
        if (is_current(dir, name, fd)) {
            write_holder(fd);
            *out = fd;
            return LOAM_OK;
        }
        (void)close(fd);
    }
    return fail(err, LOAM_BUSY, "lock file %s of %.120s keeps being replaced", name, dir->path);
}

int posix_dir_lock(struct env_dir *base, const char *name, struct loam_error *err)
{
    struct posix_dir *dir = (struct posix_dir *)base;
    TRY(posix_check_owner(dir->owner, dir->path, err));
    int rc = LOAM_OK;
    /* Held over the file operations of the lock: they do not wait. */
    mutex_lock(&registry.mu);
    for (struct posix_dir *other = registry.first; other != NULL; other = other->next_locked) {
        if (other->device == dir->device && other->inode == dir->inode) {
            rc = fail(err, LOAM_BUSY, "%.150s is already open in this process (%ld)", dir->path,
                      (long)posix_process());
            break;
        }
    }
    if (rc == LOAM_OK) {
        rc = lock_current_file(dir, name, &dir->lock_fd, err);
    }
    if (rc == LOAM_OK) {
        dir->next_locked = registry.first;
        registry.first = dir;
    }
    mutex_unlock(&registry.mu);
    return rc;
}

void posix_dir_unlock(struct posix_dir *dir)
{
    mutex_lock(&registry.mu);
    /* In a fork's child it is -1: the lock is the parent's. */
    if (dir->lock_fd >= 0) {
        INV(dir->owner == posix_process());
        struct posix_dir **link = &registry.first;
        while (*link != dir) {
            INV(*link != NULL);
            link = &(*link)->next_locked;
        }
        *link = dir->next_locked;
        /* Said aloud: closing alone would leave the lock to a descriptor inherited elsewhere. */
        (void)flock(dir->lock_fd, LOCK_UN);
        (void)close(dir->lock_fd);
        dir->lock_fd = -1;
    }
    mutex_unlock(&registry.mu);
}
