/* SPDX-License-Identifier: MIT */
/* options.h - checking and completing loam_options. Floor 4. Thread: any. */
#ifndef LOAM_DB_OPTIONS_H
#define LOAM_DB_OPTIONS_H

#include "base/status.h"

/* ffi: begin */
/* Errors: INVALID with the option's name, limits and value. */
NODISCARD int options_check(const struct loam_options *options, struct loam_error *err);
/* Replaces automatic values by what they mean here. */
void options_settle(struct loam_options *options);
/* ffi: end */

#endif
