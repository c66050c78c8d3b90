/* SPDX-License-Identifier: MIT */
/*
 * status.h - codes, the error object, and the three control-flow macros. Floor 0.
 *
 * Fallible functions return int: LOAM_OK (0) or a negative code of loam.h. The lowest level that
 * detects a failure fills `err` once through fail(); upper floors pass it on or prefix context with
 * error_prefix(), never overwrite. LOAM_NOT_FOUND is an answer: return it plainly, without fail().
 */
#ifndef LOAM_BASE_STATUS_H
#define LOAM_BASE_STATUS_H

#include "base/attrs.h"
#include "loam.h"

/* X(name, value, text): the one table behind loam_code_name() and loam_code_text(). */
#define LOAM_STATUS_MAP(X)                                                                         \
    X(OK, 0, "ok")                                                                                 \
    X(NOT_FOUND, -1, "not found")                                                                  \
    X(EXISTS, -2, "already exists")                                                                \
    X(MISMATCH, -3, "condition does not hold")                                                     \
    X(CONFLICT, -4, "conflict with another transaction")                                           \
    X(INVALID, -5, "invalid argument")                                                             \
    X(TOO_LARGE, -6, "limit exceeded")                                                             \
    X(CLOSED, -7, "closed")                                                                        \
    X(READ_ONLY, -8, "read-only")                                                                  \
    X(BUSY, -9, "busy")                                                                            \
    X(STALLED, -10, "stalled by back-pressure")                                                    \
    X(TIMEOUT, -11, "timed out")                                                                   \
    X(BUDGET, -12, "budget exhausted")                                                             \
    X(CANCELLED, -13, "cancelled")                                                                 \
    X(NO_SPACE, -14, "no space left")                                                              \
    X(IO, -15, "I/O error")                                                                        \
    X(CORRUPT, -16, "corrupt data")                                                                \
    X(UNKNOWN_OUTCOME, -17, "outcome unknown")                                                     \
    X(EXPIRED_CURSOR, -18, "cursor expired")                                                       \
    X(DENIED, -19, "denied")                                                                       \
    X(SCRIPT, -20, "script error")                                                                 \
    X(UNSUPPORTED, -21, "unsupported")                                                             \
    X(NO_MEMORY, -22, "out of memory")

/* ffi: begin */
/*
 * Every error is born here: one breakpoint shows each. Fills *err (may be NULL) and returns `code`.
 * os_errno 0 = none; its text is appended as ": <strerror>".
 */
NOINLINE int loam_fail(struct loam_error *err,
                       int code,
                       int os_errno,
                       const char *file,
                       int line,
                       const char *format,
                       ...) PRINTF_LIKE(6, 7);
/* Puts "<context>: " in front of the text. Keeps code and origin. err may be NULL. */
void error_prefix(struct loam_error *err, const char *format, ...) PRINTF_LIKE(2, 3);
/* Makes the error UNKNOWN_OUTCOME, and its text say so. err may be NULL. */
void error_unknown(struct loam_error *err);
/* ffi: end */

#define fail(err, code, ...) fail_errno(err, code, 0, __VA_ARGS__)
#ifdef __clang_analyzer__
/* The analyzer cannot see that loam_fail() returns `code`, so it is told. */
#define fail_errno(err, code, errnum, ...)                                                         \
    (loam_fail((err), (code), (errnum), __FILE__, __LINE__, __VA_ARGS__), (code))
#else
#define fail_errno(err, code, errnum, ...)                                                         \
    loam_fail((err), (code), (errnum), __FILE__, __LINE__, __VA_ARGS__)
#endif

/* Returns on failure; for functions with nothing to clean up. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        int try_rc_ = (expr);                                                                      \
        if (UNLIKELY(try_rc_ != LOAM_OK)) {                                                        \
            return try_rc_;                                                                        \
        }                                                                                          \
    } while (0)

/* Stores the code in rc and goes to the single label `label` on failure. */
#define TRY_TO(label, rc, expr)                                                                    \
    do {                                                                                           \
        (rc) = (expr);                                                                             \
        if (UNLIKELY((rc) != LOAM_OK)) {                                                           \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* Evaluates expr and ignores its code on purpose; say why in a comment. A (void) cast is not enough
 * for gcc where the function is NODISCARD. */
#define DISCARD(expr)                                                                              \
    do {                                                                                           \
        int discard_rc_ = (expr);                                                                  \
        (void)discard_rc_;                                                                         \
    } while (0)

/* In cleanup: evaluates expr always, keeps the first failure in rc. */
#define KEEP_FIRST(rc, expr)                                                                       \
    do {                                                                                           \
        int keep_rc_ = (expr);                                                                     \
        if ((rc) == LOAM_OK) {                                                                     \
            (rc) = keep_rc_;                                                                       \
        }                                                                                          \
    } while (0)

#endif
