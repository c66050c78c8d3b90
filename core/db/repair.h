/* SPDX-License-Identifier: MIT */
/* repair.h - loam_repair() with a driver of the caller's choice. Floor 4. Thread: any. */
#ifndef LOAM_DB_REPAIR_H
#define LOAM_DB_REPAIR_H

#include "base/status.h"
#include "db/progress.h"
#include "env/env.h"

/* ffi: begin */
int repair_store(struct env *env,
                 const char *path,
                 struct loam_buffer *report,
                 struct progress *progress,
                 struct loam_error *err);
/* ffi: end */

#endif
