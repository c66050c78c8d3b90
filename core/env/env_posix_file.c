/* SPDX-License-Identifier: MIT */
/*
 * env_posix_file.c - files of the operating system: pread, pwrite, fdatasync. Floor 1.
 *
 * One descriptor per file, no position and no buffer, so reads need no lock. Short transfers and
 * EINTR are continued here. fdatasync is called once: after a failure the kernel may have dropped
 * the dirty pages and a second call would answer success for data that is gone.
 * Thread: read by any, written by one.
 */
#include "env/env_posix.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "env/env_posix_map.h"

struct posix_file {
    struct env_file base;
    int fd;
    pid_t owner; /* The process that opened it. */
    char *map;   /* [0, map_size) of the file, or NULL. */
    uint64_t map_size;
    uint64_t map_allocated; /* Of the mapping, bytes that have disk space and lie in the file. */
};

/* How much more space a mapping gets when it needs some. */
#define MAP_STEP_MIN (1u << 20)
#define MAP_STEP_MAX (16u << 20)
/* A larger piece gains nothing by the copy, and its pages would count as memory of the process. */
#define MAP_COPY_MAX (1u << 20)

static struct posix_file *file_of(struct env_file *base)
{
    return (struct posix_file *)base;
}

/* Whether [offset, offset + size) has numbers that the system calls can carry. */
static bool fits_offset(uint64_t offset, uint64_t size)
{
    return offset <= INT64_MAX && size <= INT64_MAX - offset;
}

static int read_file(struct env_file *base,
                     uint64_t offset,
                     void *data,
                     size_t size,
                     size_t *got,
                     struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    if (!fits_offset(offset, size)) {
        /* No file is that long: an offset out of damaged bytes finds the end of the file. */
        *got = 0;
        return LOAM_OK;
    }
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (count == 0) {
            break;
        }
        if (count < 0 && errno != EINTR) {
            return fail_errno(err, LOAM_IO, errno, "cannot read %s at offset %llu", base->name,
                              (unsigned long long)(offset + done));
        }
        done += count < 0 ? 0 : (size_t)count;
    }
    *got = done;
    return LOAM_OK;
}

/* Disk space of [from, end). Errors: UNSUPPORTED the file system has no such call; NO_SPACE; IO. */
static int
reserve(struct posix_file *file, int mode, uint64_t from, uint64_t end, struct loam_error *err)
{
    int rc = 0;
    do {
        rc = fallocate(file->fd, mode, (off_t)from, (off_t)(end - from));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    bool is_missing = errnum == EOPNOTSUPP || errnum == EINVAL || errnum == ENOSYS;
    return fail_errno(err, is_missing ? LOAM_UNSUPPORTED : posix_code(errnum), errnum,
                      "cannot allocate %llu bytes for %s", (unsigned long long)end,
                      file->base.name);
}

/* Allocates what a mapping needs up to `end`, and as much again as there is, within a step's
 * bounds: a page must have its space and lie inside the file before it is touched. */
static NOINLINE int map_grow(struct posix_file *file, uint64_t end, struct loam_error *err)
{
    uint64_t step = file->map_allocated < MAP_STEP_MIN   ? MAP_STEP_MIN
                    : file->map_allocated > MAP_STEP_MAX ? MAP_STEP_MAX
                                                         : file->map_allocated;
    uint64_t size = file->map_allocated + step;
    size = size < end ? end : size;
    size = size > file->map_size ? file->map_size : size;
    TRY(reserve(file, 0, file->map_allocated, size, err));
    file->map_allocated = size;
    return LOAM_OK;
}

static int write_mapped(
    struct posix_file *file, uint64_t offset, const void *data, size_t size, struct loam_error *err)
{
    if (UNLIKELY(offset + size > file->map_allocated)) {
        TRY(map_grow(file, offset + size, err));
    }
    if (LIKELY(map_copy(file->map + offset, data, size))) {
        return LOAM_OK;
    }
    return fail(err, LOAM_IO, "cannot write %s at offset %llu: the kernel has no page for it",
                file->base.name, (unsigned long long)offset);
}

static int write_file(
    struct env_file *base, uint64_t offset, const void *data, size_t size, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    PRE(fits_offset(offset, size));
    if (file->map != NULL && size < MAP_COPY_MAX && offset + size <= file->map_size) {
        return write_mapped(file, offset, data, size, err);
    }
    size_t done = 0;
    while (done < size) {
        ssize_t count =
            pwrite(file->fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (count > 0) {
            done += (size_t)count;
            continue;
        }
        /* Nothing written and no reason given: a device at its end. */
        int errnum = count == 0 ? ENOSPC : errno;
        if (errnum != EINTR) {
            return fail_errno(err, posix_code(errnum), errnum, "cannot write %s at offset %llu",
                              base->name, (unsigned long long)(offset + done));
        }
    }
    return LOAM_OK;
}

static int sync_file(struct env_file *base, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    if (fdatasync(file->fd) == 0) {
        return LOAM_OK;
    }
    int errnum = errno;
    return fail_errno(err, posix_code(errnum), errnum, "cannot sync %s", base->name);
}

static int size_of_file(struct env_file *base, uint64_t *size, struct loam_error *err)
{
    off_t end = lseek(file_of(base)->fd, 0, SEEK_END);
    if (end < 0) {
        return fail_errno(err, LOAM_IO, errno, "cannot ask size of %s", base->name);
    }
    *size = (uint64_t)end;
    return LOAM_OK;
}

static int allocate(struct env_file *base, uint64_t size, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    PRE(fits_offset(0, size));
    int rc = reserve(file, FALLOC_FL_KEEP_SIZE, 0, size, err);
    return rc == LOAM_UNSUPPORTED ? LOAM_OK : rc;
}

static int map_file(struct env_file *base, uint64_t size, uint64_t first, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    PRE(fits_offset(0, size) && size > 0 && first <= size && file->map == NULL);
    /* Longer than the file for now: what lies behind its end is not touched. */
    file->map_size = size;
    file->map_allocated = 0;
    TRY(map_grow(file, first, err));
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED) {
        return fail_errno(err, LOAM_UNSUPPORTED, errno, "cannot map %s", base->name);
    }
    map_guard_install();
    file->map = map;
    return LOAM_OK;
}

static void let_go(struct env_file *base, uint64_t offset, uint64_t size)
{
    struct posix_file *file = file_of(base);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = (offset + page - 1) / page * page;
    uint64_t end = (offset + size) / page * page;
    if (file->map != NULL && start < end && end <= file->map_size) {
        /* Of a shared mapping this drops the page tables' entries only: the file has the bytes. */
        (void)madvise(file->map + start, end - start, MADV_DONTNEED);
    }
}

static void unmap(struct posix_file *file)
{
    if (file->map != NULL) {
        INV(munmap(file->map, file->map_size) == 0);
        file->map = NULL;
    }
}

static int trim(struct env_file *base, uint64_t size, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    TRY(posix_check_owner(file->owner, base->name, err));
    unmap(file);
    if (ftruncate(file->fd, (off_t)size) != 0) {
        int errnum = errno;
        return fail_errno(err, posix_code(errnum), errnum, "cannot cut %s to %llu bytes",
                          base->name, (unsigned long long)size);
    }
    return LOAM_OK;
}

static void write_behind(struct env_file *base, uint64_t offset, uint64_t size)
{
    struct posix_file *file = file_of(base);
    if (fits_offset(offset, size) && file->owner == posix_process()) {
        /* Without the waiting flags this neither reports nor consumes a writeback error, so the
         * later fdatasync still sees it. */
        (void)sync_file_range(file->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    }
}

static int close_file(struct env_file *base, struct loam_error *err)
{
    struct posix_file *file = file_of(base);
    int rc = LOAM_OK;
    unmap(file);
    /* Linux frees the descriptor even when it answers EINTR: calling again could close another. */
    if (close(file->fd) != 0 && errno != EINTR) {
        int errnum = errno;
        rc = fail_errno(err, posix_code(errnum), errnum, "cannot close %s", base->name);
    }
    mem_free(file);
    return rc;
}

static const struct env_file_ops file_ops = {
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .size = size_of_file,
    .allocate = allocate,
    .map = map_file,
    .let_go = let_go,
    .trim = trim,
    .write_behind = write_behind,
    .close = close_file,
};

int posix_file_new(
    int fd, pid_t owner, const char *name, struct env_file **out, struct loam_error *err)
{
    PRE(fd >= 0);
    struct posix_file *file = mem_zalloc(1, sizeof(*file));
    if (file == NULL) {
        return mem_fail(err, sizeof(*file));
    }
    file->base.ops = &file_ops;
    env_file_set_name(&file->base, name);
    file->fd = fd;
    file->owner = owner;
    *out = &file->base;
    return LOAM_OK;
}
