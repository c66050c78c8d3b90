/* SPDX-License-Identifier: MIT */
/*
 * check.h - assertions for our own mistakes. Floor 0.
 *
 * PRE, POST and INV are always on: O(1), no side effects, one condition each. ASSERT_SLOW walks
 * structures and exists only with LOAM_SLOW_CHECKS. Never assert on bytes from disk, network or
 * Lua: those return CORRUPT or INVALID.
 */
#ifndef LOAM_BASE_CHECK_H
#define LOAM_BASE_CHECK_H

#include "base/attrs.h"

/* Prints "file:line: kind text" to standard error and aborts. */
__attribute__((noreturn, cold)) void
check_abort(const char *kind, const char *text, const char *file, int line);

#define CHECK_IMPL(kind, x) (LIKELY(x) ? (void)0 : check_abort((kind), #x, __FILE__, __LINE__))

#define PRE(x)  CHECK_IMPL("precondition", x)
#define POST(x) CHECK_IMPL("postcondition", x)
#define INV(x)  CHECK_IMPL("invariant", x)
/* a implies b. */
#define ERGO(a, b) (!(a) || (b))

#ifdef LOAM_SLOW_CHECKS
#define ASSERT_SLOW(x) CHECK_IMPL("slow check", x)
#else
#define ASSERT_SLOW(x) ((void)0)
#endif

#endif
