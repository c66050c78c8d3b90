/* SPDX-License-Identifier: MIT */
/*
 * guard.h - the guards of durability and integrity by name, so that a build for tests can switch
 * one off and the suite has to notice. Floor 0.
 *
 * GUARD(NAME) is the constant true, unless the build has -DLOAM_GUARDS=ON: there it is false for
 * the names in the environment variable LOAM_GUARDS_OFF (separated by commas). Such a build is for
 * spec/torture/guards_spec.lua and nothing else. Thread: any
 */
#ifndef LOAM_BASE_GUARD_H
#define LOAM_BASE_GUARD_H

#include <stdbool.h>

#define GUARD_MAP(X)                                                                               \
    X(WAL_SYNC)           /* A sync write waits for the log to be on the disk. */                  \
    X(WAL_DIR_SYNC)       /* A new log's name is durable before it is used. */                     \
    X(TABLE_SYNC)         /* A table is durable before the manifest names it. */                   \
    X(FLUSH_DIR_SYNC)     /* So is its name, after a flush. */                                     \
    X(COMPACT_DIR_SYNC)   /* So is its name, after a compaction. */                                \
    X(MANIFEST_SYNC)      /* An edit is durable before it counts. */                               \
    X(MANIFEST_DIR_SYNC)  /* A new manifest's name is durable before CURRENT has it. */            \
    X(CURRENT_SYNC)       /* CURRENT's bytes are durable before it gets its name. */               \
    X(CURRENT_DIR_SYNC)   /* The new CURRENT is durable before the old manifest goes. */           \
    X(POISON)             /* After a failed log or manifest write nothing is written. */           \
    X(WAL_TAKE_BACK)      /* A failed log write is cut off before it is called not committed. */   \
    X(MANIFEST_TAKE_BACK) /* So is a failed edit. */                                               \
    X(DIR_SYNC_ONCE)      /* A directory is not synced again after a failure. */                   \
    X(RESERVED_NUMBERS)   /* A file number that the manifest does not have is not used. */         \
    X(PUBLISH_AFTER_SYNC) /* A sync write is seen only once it is durable. */                      \
    X(CONTEXT_CHECKSUM)   /* Checksums cover file and offset. */                                   \
    X(TOMBSTONE_RULE)     /* A delete stays while it hides something. */                           \
    X(SEQUENCE_JUMP)      /* After a crash, numbers of lost writes are not used again. */          \
    X(LOG_LINK)           /* A log names the one before it, with size and chain. */                \
    X(ORPHAN_EVIDENCE)    /* A file newer than the manifest stops the sweep. */

#ifdef LOAM_GUARDS

#define GUARD_ID(name) GUARD_##name,
enum guard { GUARD_MAP(GUARD_ID) GUARD_COUNT };

bool guard_is_on(enum guard guard);

#define GUARD(name) guard_is_on(GUARD_##name)

#else

#define GUARD(name) true

#endif

#endif
