/* SPDX-License-Identifier: MIT */
/*
 * env_posix.h - what the three files of the posix driver share. Floor 1, private to this room.
 *
 * env_posix.c has directories, clocks and random bytes; env_posix_file.c has files;
 * env_posix_lock.c has the directory lock, the process-wide registry of locked directories and
 * what happens at a fork.
 */
#ifndef LOAM_ENV_ENV_POSIX_H
#define LOAM_ENV_ENV_POSIX_H

#include <errno.h>
#include <sys/types.h>

#include "env/env.h"

struct posix_dir {
    struct env_dir base;

    /* Constant after open. */
    int fd;
    pid_t owner;  /* The process that opened it. */
    dev_t device; /* With inode: the identity of the directory, whatever path led here. */
    ino_t inode;
    char *path; /* As given, for messages. */

    /* Protected by the mutex of the registry. */
    int lock_fd;                   /* -1 = not locked. */
    struct posix_dir *next_locked; /* In the registry. */
};

/* The code for an errno without a meaning of its own. */
static inline int posix_code(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG ? LOAM_NO_SPACE : LOAM_IO;
}

/* env_posix_lock.c */

/* The process this code runs in; one atomic load. The first call registers the fork handlers. */
pid_t posix_process(void);
/* CLOSED when `owner` is another process: this one is a fork of it. `name` is for the message. */
NODISCARD int posix_check_owner(pid_t owner, const char *name, struct loam_error *err);
NODISCARD int posix_dir_lock(struct env_dir *base, const char *name, struct loam_error *err);
void posix_dir_unlock(struct posix_dir *dir);

/* env_posix_file.c */

/* The descriptor belongs to the file on success only. */
NODISCARD int posix_file_new(
    int fd, pid_t owner, const char *name, struct env_file **out, struct loam_error *err);

#endif
