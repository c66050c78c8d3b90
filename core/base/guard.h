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
    X(ORPHAN_EVIDENCE)    /* A file newer than the manifest stops the sweep. */                    \
    X(SEAL_FIRST)         /* A sync write waits until the log before is sealed, too. */            \
    X(LOG_ANCHOR)         /* Until then no record claims that anything is durable. */              \
    X(RECORD_CHECKSUM)    /* A record of log or manifest counts when it verifies. */               \
    X(RECORD_SENSE)       /* And when type, count and sequence can be. */                          \
    X(DURABLE_PROOF)      /* Damage before a synced offset is damage, no torn tail. */             \
    X(HEADER_CHECKSUM)    /* The header of log and manifest verifies. */                           \
    X(FORMAT_VERSION)     /* A newer format is refused. */                                         \
    X(CURRENT_CHECKSUM)   /* CURRENT verifies. */                                                  \
    X(BLOCK_CHECKSUM)     /* A block of a table verifies before it is used. */                     \
    X(INDEX_CHECKSUM)     /* So do its index and properties. */                                    \
    X(FOOTER_CHECKSUM)    /* So does its footer. */                                                \
    X(FILE_HASH)          /* A scrub compares whole files with the manifest. */                    \
    X(COPY_HASH)          /* Backup and restore compare what they copy. */                         \
    X(TABLE_READ_BACK)    /* A new table is read back before it is installed. */                   \
    X(LOG_PRESENT)        /* A log that the manifest names must be there. */                       \
    X(SNAPSHOT_KEEP)      /* Compaction keeps versions that snapshots see. */                      \
    X(EXPIRY)             /* Rows whose time is over are hidden. */                                \
    X(FOLLOWER_OUTCOME)   /* Every member of a failed group gets its outcome. */                   \
    X(DISK_RESERVE)       /* Writes stop before the disk is full. */                               \
    X(STORE_LOCK)         /* One process opens a store. */

#ifdef LOAM_GUARDS

#define GUARD_ID(name) GUARD_##name,
enum guard { GUARD_MAP(GUARD_ID) GUARD_COUNT };

bool guard_is_on(enum guard guard);

#define GUARD(name) guard_is_on(GUARD_##name)

#else

#define GUARD(name) true

#endif

#endif
