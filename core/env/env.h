/* SPDX-License-Identifier: MIT */
/*
 * env.h - the only way from Loam to files, locks and clocks. Floor 1.
 *
 * One vtable with three drivers: env_posix (the real thing), env_mem (files in memory), env_fault
 * (env_mem that forgets what was not synced and fails on demand; testing builds only). Everything
 * above this floor uses names, offsets and these calls, and nothing else: no path separators, no
 * mmap, no hard links. (A later driver can put a volume into a distributed store.)
 *
 * Names are plain file names inside one env_dir: 1 to 39 characters of [A-Za-z0-9._-], no dot in
 * front. Files are written front to back at explicit
 * offsets, closed, and then never changed. Errors: IO unless said otherwise; NO_SPACE for ENOSPC,
 * EDQUOT and EFBIG; NOT_FOUND for an absent name. A short write or EINTR is continued by the
 * driver; a call returns with all bytes written or an error. A failed sync is never retried: see
 * db/poison. Handles do not cross a fork: in the child every call on them but close answers CLOSED.
 *
 * Thread: any for env and env_dir; one env_file may be read by many threads, written by one.
 */
#ifndef LOAM_ENV_ENV_H
#define LOAM_ENV_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/status.h"

/* ffi: begin */
struct env;
struct env_dir;
struct env_file;
/* ffi: end */

/* What a driver can do beyond the basics; callers must work without. */
enum env_capability {
    ENV_CAN_LINK = 1, /* env_link() makes a second name of a closed file. */
};

/* Called once per name by env_list(), in no order; returning other than LOAM_OK ends the listing
 * with that code. Must not change the directory. */
typedef int (*env_list_fn)(void *context, const char *name);

struct env_file_ops {
    /* Reads up to size bytes at offset to data; *got < size only at the end of the file. */
    int (*read)(struct env_file *file,
                uint64_t offset,
                void *data,
                size_t size,
                size_t *got,
                struct loam_error *err);
    int (*write)(struct env_file *file,
                 uint64_t offset,
                 const void *data,
                 size_t size,
                 struct loam_error *err);
    /* Makes data and size durable (fdatasync). */
    int (*sync)(struct env_file *file, struct loam_error *err);
    int (*size)(struct env_file *file, uint64_t *size, struct loam_error *err);
    /* Allocates disk space of [0, size) without changing the size of the file. A driver without the
     * means answers LOAM_OK. */
    int (*allocate)(struct env_file *file, uint64_t size, struct loam_error *err);
    /* Optional (NULL = UNSUPPORTED): from then on writes to [0, size) of a file being written go
     * through memory: they cost a copy, are in the kernel's hands when they return, and fail with
     * an error as others do. Space of [0, first) is allocated at once, the rest in steps ahead of
     * the writes; the file is as long as its space. */
    int (*map)(struct env_file *file, uint64_t size, uint64_t first, struct loam_error *err);
    /* Optional: of a mapping, whole pages of [offset, offset + size) may leave the memory of the
     * process. What was written to them stays written. */
    void (*let_go)(struct env_file *file, uint64_t offset, uint64_t size);
    /* Ends a mapping and cuts a file being written to `size`; durable after sync. */
    int (*trim)(struct env_file *file, uint64_t size, struct loam_error *err);
    /* Starts write-out of [offset, offset + size) without waiting: smooths the later sync. Hint
     * only. */
    void (*write_behind)(struct env_file *file, uint64_t offset, uint64_t size);
    /* Frees the handle always; an error is a failed write. */
    int (*close)(struct env_file *file, struct loam_error *err);
};

/* A name and its NUL. */
#define ENV_NAME_CAPACITY 40

/* Drivers embed it first. */
struct env_file {
    const struct env_file_ops *ops;
    char name[ENV_NAME_CAPACITY]; /* For messages. */
};

struct env_dir_ops {
    /* Opens an existing file for reading. Errors: NOT_FOUND, IO (EMFILE too: os_errno tells). */
    int (*open_read)(struct env_dir *dir,
                     const char *name,
                     struct env_file **out,
                     struct loam_error *err);
    /* Creates a file that must not exist, for writing (and reading). Errors: EXISTS, NO_SPACE.
     * Durable after sync_dir. */
    int (*create)(struct env_dir *dir,
                  const char *name,
                  struct env_file **out,
                  struct loam_error *err);
    /* Atomic replacement of `to`; durable after sync_dir. */
    int (*rename)(struct env_dir *dir, const char *from, const char *to, struct loam_error *err);
    int (*remove)(struct env_dir *dir, const char *name, struct loam_error *err);
    /* Makes `to_name` in `to`, of the same driver, a second name of a closed file; durable after a
     * sync of `to`. NULL without ENV_CAN_LINK. Errors: NOT_FOUND, EXISTS, UNSUPPORTED (another file
     * system: copy instead). */
    int (*link)(struct env_dir *dir,
                const char *name,
                struct env_dir *to,
                const char *to_name,
                struct loam_error *err);
    /* Names of files only; names that no call here would take are left out. */
    int (*list)(struct env_dir *dir, env_list_fn each, void *context, struct loam_error *err);
    /* Makes names durable. */
    int (*sync)(struct env_dir *dir, struct loam_error *err);
    /* Takes the exclusive lock of the directory, held until close. Errors: BUSY, with who holds it
     * in the text where known. */
    int (*lock)(struct env_dir *dir, const char *name, struct loam_error *err);
    /* Free bytes of the file system behind it; UINT64_MAX when unknown. */
    int (*free_bytes)(struct env_dir *dir, uint64_t *bytes, struct loam_error *err);
    void (*close)(struct env_dir *dir);
};

struct env_dir {
    const struct env_dir_ops *ops;
    unsigned capabilities; /* Of enum env_capability. */
    /* The first failed sync, kept by env_dir_sync(). Atomic: the cause is written before the
     * release store of ENV_SYNC_FAILED. */
    _Atomic int sync_state;
    struct loam_error sync_failure;
};

enum { ENV_SYNC_FINE, ENV_SYNC_FAILING, ENV_SYNC_FAILED };

struct env {
    /* Opens a directory; with `create` makes the last component (mode 0700, durable on return) when
     * absent. Errors: NOT_FOUND (only without `create`), IO. */
    int (*open_dir)(struct env *env,
                    const char *path,
                    bool create,
                    struct env_dir **out,
                    struct loam_error *err);
    /* Removes an empty directory. Errors: NOT_FOUND, IO. */
    int (*remove_dir)(struct env *env, const char *path, struct loam_error *err);
    /* Milliseconds since the epoch; may jump. */
    uint64_t (*wall_ms)(struct env *env);
    /* Nanoseconds that never go back. */
    uint64_t (*now_ns)(struct env *env);
    /* Fills with random bytes (uuids, hash seeds). */
    int (*random)(struct env *env, void *data, size_t size, struct loam_error *err);
};

/* ffi: begin */

/* The process-wide posix driver; never freed. */
struct env *env_posix(void);

/* ---- Calls with checks in one place (env.c). A name of the wrong form is INVALID. ---- */

/* Released with env_dir_close(). */
NODISCARD int env_open_dir(
    struct env *env, const char *path, bool create, struct env_dir **out, struct loam_error *err);
NODISCARD int env_remove_dir(struct env *env, const char *path, struct loam_error *err);
uint64_t env_wall_ms(struct env *env);
uint64_t env_now_ns(struct env *env);
NODISCARD int env_random(struct env *env, void *data, size_t size, struct loam_error *err);

/* Releases the lock, if held. NULL is fine. */
void env_dir_close(struct env_dir *dir);
/* Released with env_close(), as is that of env_create(). */
NODISCARD int
env_open_read(struct env_dir *dir, const char *name, struct env_file **out, struct loam_error *err);
NODISCARD int
env_create(struct env_dir *dir, const char *name, struct env_file **out, struct loam_error *err);
NODISCARD int
env_rename(struct env_dir *dir, const char *from, const char *to, struct loam_error *err);
NODISCARD int env_remove(struct env_dir *dir, const char *name, struct loam_error *err);
/* UNSUPPORTED when the driver cannot, or the directories are of two drivers. */
NODISCARD int env_link(struct env_dir *dir,
                       const char *name,
                       struct env_dir *to,
                       const char *to_name,
                       struct loam_error *err);
/* Replaces *out with all names, each followed by a newline, in no order. */
NODISCARD int env_list_names(struct env_dir *dir, struct loam_buffer *out, struct loam_error *err);
/* After a failure every later call returns the first error without asking the disk: the kernel
 * reports a lost name once, and not to who made it. */
NODISCARD int env_dir_sync(struct env_dir *dir, struct loam_error *err);
/* Whether a sync of this directory has failed, and the cause (err may be NULL). */
bool env_dir_sync_failed(struct env_dir *dir, struct loam_error *err);
NODISCARD int env_lock(struct env_dir *dir, const char *name, struct loam_error *err);
NODISCARD int env_free_bytes(struct env_dir *dir, uint64_t *bytes, struct loam_error *err);

/* Reads exactly size bytes; fewer = CORRUPT with file and offset. */
NODISCARD int env_read_exact(
    struct env_file *file, uint64_t offset, void *data, size_t size, struct loam_error *err);
NODISCARD int env_read(struct env_file *file,
                       uint64_t offset,
                       void *data,
                       size_t size,
                       size_t *got,
                       struct loam_error *err);
NODISCARD int env_write(
    struct env_file *file, uint64_t offset, const void *data, size_t size, struct loam_error *err);
NODISCARD int env_sync(struct env_file *file, struct loam_error *err);
NODISCARD int env_size(struct env_file *file, uint64_t *size, struct loam_error *err);
NODISCARD int env_allocate(struct env_file *file, uint64_t size, struct loam_error *err);
/* Errors: UNSUPPORTED the driver or file system cannot; NO_SPACE; IO. */
void env_let_go(struct env_file *file, uint64_t offset, uint64_t size);
NODISCARD int env_map(struct env_file *file, uint64_t size, uint64_t first, struct loam_error *err);
/* What was written behind `size` is gone, after an env_sync() for good. */
NODISCARD int env_trim(struct env_file *file, uint64_t size, struct loam_error *err);
void env_write_behind(struct env_file *file, uint64_t offset, uint64_t size);
/* Frees the handle always. NULL is fine. */
NODISCARD int env_close(struct env_file *file, struct loam_error *err);

/* Replaces *out with a whole file of at most `size_max` bytes; larger = TOO_LARGE. */
NODISCARD int env_read_file(struct env_dir *dir,
                            const char *name,
                            size_t size_max,
                            struct loam_buffer *out,
                            struct loam_error *err);

/* ffi: end */

NODISCARD int
env_list(struct env_dir *dir, env_list_fn each, void *context, struct loam_error *err);

/* Whether a name has the form that every call here takes. */
bool env_name_is_valid(const char *name);
/* For drivers: copies a valid name to file->name. */
void env_file_set_name(struct env_file *file, const char *name);

#endif
