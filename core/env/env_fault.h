/* SPDX-License-Identifier: MIT */
/*
 * env_fault.h - the driver that lies: memory files that fail on demand and forget what was not
 * synced. Floor 1, in libloam_testing only.
 *
 * Method of a crash spec: run a workload; let operation n and all after it fail (crash_at); close
 * what is open; reboot, which leaves what a power cut leaves; open again and compare with what was
 * acknowledged. For every n.
 *
 * What is durable: the bytes of a file by env_sync, its name by env_dir_sync. Making and removing a
 * directory is durable at once. After a sync that failed by a plan, the bytes it should have
 * written stay readable and no later sync writes them: that is what Linux does.
 * A reboot wants no call in flight. Thread: any, otherwise.
 */
#ifndef LOAM_ENV_ENV_FAULT_H
#define LOAM_ENV_ENV_FAULT_H

#include "env/env.h"

/* ffi: begin */

/* Kinds of operations, to be added up. Each call of one counts as one operation. Asking the size,
 * free bytes, clocks and random bytes do not count, nor does closing a directory. */
enum {
    ENV_FAULT_CREATE = 1,
    ENV_FAULT_WRITE = 2,
    ENV_FAULT_SYNC = 4,
    ENV_FAULT_RENAME = 8,
    ENV_FAULT_REMOVE = 16, /* Of a file or a directory. */
    ENV_FAULT_DIR_SYNC = 32,
    ENV_FAULT_ALLOCATE = 64,
    ENV_FAULT_OPEN_READ = 128,
    ENV_FAULT_READ = 256,
    ENV_FAULT_CLOSE = 512,
    ENV_FAULT_LIST = 1024,
    ENV_FAULT_LOCK = 2048,
    ENV_FAULT_LINK = 4096,
    ENV_FAULT_OPEN_DIR = 8192,
    ENV_FAULT_TRIM = 16384,
    ENV_FAULT_ANY = 32767
};

/* What a reboot leaves of the bytes and names that no sync has reached. */
enum {
    ENV_FAULT_LOSE = 0,   /* Power cut: nothing. */
    ENV_FAULT_RANDOM = 1, /* Power cut: each page of 4 KiB kept, lost or torn, each change of a name
                             done or not, by the seed. */
    ENV_FAULT_KILL = 2    /* Only the process died: everything, yet still not durable. */
};

/* Its random bytes come from `seed`. NULL when out of memory. Released with env_fault_free(). */
struct env *env_fault_new(uint64_t seed);
/* Handles still open keep it alive until they are closed. NULL is fine. */
void env_fault_free(struct env *base);
/* Open directories and files, for leak checks. */
uint64_t env_fault_handle_count(struct env *base);

/* ---- Plans ---- */

/*
 * The next `after` operations of `kinds` work, the `repeat` ones after them fail with os_errno
 * (UINT64_MAX = all). `name_part`: only those whose file name contains it; NULL or "" = any. Up to
 * eight plans work side by side.
 */
void env_fault_fail_name(struct env *base,
                         unsigned kinds,
                         const char *name_part,
                         uint64_t after,
                         uint64_t repeat,
                         int os_errno);
/* The same for any name. */
void env_fault_fail(
    struct env *base, unsigned kinds, uint64_t after, uint64_t repeat, int os_errno);
/* A write that fails by plan, or is the one that crashes, first writes up to `bytes`. */
void env_fault_tear(struct env *base, uint64_t bytes);
/* The disk takes `bytes` more, then NO_SPACE (a write first writes what fits). Removing files gives
 * space back. UINT64_MAX = no limit. */
void env_fault_space(struct env *base, uint64_t bytes);
/* Operation number `op` (the first ever is 1) and everything after it fails with EIO and does not
 * reach the store. 0 = never. */
void env_fault_crash_at(struct env *base, uint64_t op);
/* A disk that hangs: operations of these kinds wait until another call leaves their kind out. */
void env_fault_hold(struct env *base, unsigned kinds);
/* Operations that wait now. */
uint64_t env_fault_held(struct env *base);
/* No plan, tear, limit of space, crash or hold; hits start at 0. */
void env_fault_clear(struct env *base);

/* Operations so far. */
uint64_t env_fault_op_count(struct env *base);
/* Faults that struck: a spec requires its own to be among them. */
uint64_t env_fault_hits(struct env *base);
/* The first fault that struck, as "operation 17: sync 000000000003.wal"; "" = none. Valid until
 * env_fault_clear() or env_fault_free(). */
const char *env_fault_first_hit(struct env *base);

/* Brings the env back: ENV_FAULT_LOSE, _RANDOM or _KILL. Plans, tear and crash are over; a limit of
 * space and the hits stay. Handles of before are dead: close them. Errors: NO_MEMORY. */
NODISCARD int env_fault_reboot(struct env *base, int mode, uint64_t seed, struct loam_error *err);

/* ---- Looking and damaging, past all plans; what they write is durable at once ---- */

/* Replaces *out with a line "name size synced_size" per file, sorted. Errors: NOT_FOUND. */
NODISCARD int
env_fault_list(struct env *base, const char *path, struct loam_buffer *out, struct loam_error *err);
/* Errors: NOT_FOUND. */
NODISCARD int env_fault_read_file(struct env *base,
                                  const char *path,
                                  const char *name,
                                  struct loam_buffer *out,
                                  struct loam_error *err);
/* Makes or replaces the file. Errors: NOT_FOUND (the directory), INVALID (the name). */
NODISCARD int env_fault_write_file(struct env *base,
                                   const char *path,
                                   const char *name,
                                   const void *data,
                                   size_t size,
                                   struct loam_error *err);
NODISCARD int
env_fault_remove_file(struct env *base, const char *path, const char *name, struct loam_error *err);
/* Bit rot: exclusive-or of one byte. Open handles see it. Errors: NOT_FOUND, INVALID (offset). */
NODISCARD int env_fault_flip(struct env *base,
                             const char *path,
                             const char *name,
                             uint64_t offset,
                             unsigned mask,
                             struct loam_error *err);
/* Cuts the file, or lengthens it by zeroes. Errors: NOT_FOUND. */
NODISCARD int env_fault_truncate(
    struct env *base, const char *path, const char *name, uint64_t size, struct loam_error *err);
/* Copies a file to a name of the same or another directory, in place of what is there. */
NODISCARD int env_fault_copy(struct env *base,
                             const char *path,
                             const char *name,
                             const char *to_path,
                             const char *to_name,
                             struct loam_error *err);
/* Copies all files of a directory to another, made when absent, emptied before. */
NODISCARD int
env_fault_copy_dir(struct env *base, const char *path, const char *to_path, struct loam_error *err);

/* ---- Clocks: real until set; then they stand until moved ---- */

void env_fault_set_wall_ms(struct env *base, uint64_t now);
/* Moves the wall clock, standing or running, in either direction. */
void env_fault_shift_wall_ms(struct env *base, int64_t delta_ms);
void env_fault_set_now_ns(struct env *base, uint64_t now);
/* The monotonic clock goes forward only. */
void env_fault_advance_ns(struct env *base, uint64_t delta_ns);

/* ffi: end */

#endif
