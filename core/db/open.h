/* SPDX-License-Identifier: MIT */
/* open.h - opening with a driver of the caller's choice. Floor 4. Thread: any. */
#ifndef LOAM_DB_OPEN_H
#define LOAM_DB_OPEN_H

#include "base/status.h"
#include "env/env.h"

/* ffi: begin */
/* loam_open() is this with env_posix(). The env outlives the handle. */
int db_open(struct env *env,
            const char *path,
            const struct loam_options *options,
            struct loam_db **out,
            struct loam_error *err);
/* ffi: end */

#endif
