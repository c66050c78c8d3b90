/* SPDX-License-Identifier: MIT */
/*
 * attrs.h - compiler attributes under house names. Floor 0, included by everything.
 *
 * The thread words become clang's thread-safety attributes where the compiler has them, so that
 * `-Wthread-safety` checks what the comments say. PROTECTED_BY on a struct member is text only:
 * clang 14 cannot parse guarded_by in C members, but the word is mandatory all the same.
 */
#ifndef LOAM_BASE_ATTRS_H
#define LOAM_BASE_ATTRS_H

#define NODISCARD         __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define NOINLINE          __attribute__((noinline))
#define ALWAYS_INLINE     inline __attribute__((always_inline))
#define UNUSED            __attribute__((unused))
#define CACHE_LINE        64
#define CACHE_ALIGNED     __attribute__((aligned(CACHE_LINE)))

#if defined(__has_feature)
#if __has_feature(c_thread_safety_attributes)
#define LOAM_THREAD_ATTR(x) __attribute__((x))
#endif
#endif
#ifndef LOAM_THREAD_ATTR
#define LOAM_THREAD_ATTR(x)
#endif

#define LOCKABLE        LOAM_THREAD_ATTR(capability("mutex"))
#define REQUIRES(mu)    LOAM_THREAD_ATTR(requires_capability(mu))
#define EXCLUDES(mu)    LOAM_THREAD_ATTR(locks_excluded(mu))
#define ACQUIRES(mu)    LOAM_THREAD_ATTR(acquire_capability(mu))
#define RELEASES(mu)    LOAM_THREAD_ATTR(release_capability(mu))
#define NO_THREAD_CHECK LOAM_THREAD_ATTR(no_thread_safety_analysis)
#define PROTECTED_BY(mu)

#endif
