/* SPDX-License-Identifier: MIT */
/* options.c - defaults and limits of loam_options; version and ABI. */
#include "db/options.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/limits.h"
#include "db/db.h"
#include "env/memory_limit.h"

#define MIB               (1ULL << 20)
#define MEMORY_MIN        (4 * MIB)
#define MEMORY_AUTO_MAX   (512 * MIB)
#define MEMTABLE_MIN      65536
#define MEMTABLE_AUTO_MAX (128 * MIB) /* Replaying its log takes less than a second. */

uint64_t loam_memory_limit(void)
{
    return memory_limit();
}

const char *loam_version(void)
{
    return LOAM_VERSION;
}

uint32_t loam_abi_version(void)
{
    return 1;
}

size_t loam_abi_size(int which)
{
    switch (which) {
    case 0:
        return sizeof(loam_options);
    case 1:
        return sizeof(loam_op);
    case 2:
        return sizeof(loam_rows);
    case 3:
        return sizeof(loam_stats);
    default:
        return 0;
    }
}

void loam_options_init(loam_options *options)
{
    *options = (loam_options){
        .struct_size = sizeof(*options),
        .create = true,
        .point_index = true,
        .durability = LOAM_SYNC,
        .compression = LOAM_COMPRESS_LZ4,
        .wal_recovery = LOAM_WAL_STRICT,
        .sync_interval_ms = 100,
        .sync_batch_bytes = MIB,
        .block_bytes = 4096,
        .table_bytes = 64 * MIB,
        .max_open_files = 1000,
        .scrub_interval_ms = 7ULL * 24 * 3600 * 1000,
        .scrub_rate_bytes = 8 * MIB,
        .key_bytes_max = KEY_SIZE_MAX,
        .value_bytes_max = VALUE_SIZE_MAX,
        .batch_bytes_max = 128 * MIB,
    };
}

/* One numeric option: its name, its value and what it takes. */
struct bound {
    const char *name;
    uint64_t value;
    uint64_t min;
    uint64_t max;
};

static int check_bounds(const struct bound *bounds, size_t count, struct loam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (bounds[i].value < bounds[i].min || bounds[i].value > bounds[i].max) {
            return fail(err, LOAM_INVALID,
                        "option %s is %" PRIu64 "; it takes %" PRIu64 " to %" PRIu64,
                        bounds[i].name, bounds[i].value, bounds[i].min, bounds[i].max);
        }
    }
    return LOAM_OK;
}

int options_check(const struct loam_options *o, struct loam_error *err)
{
    if (o->struct_size != sizeof(*o)) {
        return fail(err, LOAM_INVALID,
                    "options were not made by loam_options_init() of this library");
    }
    uint64_t memtable_bytes = o->memtable_bytes == 0 ? MEMTABLE_MIN : o->memtable_bytes;
    uint64_t memory_bytes = o->memory_bytes == 0 ? MEMORY_MIN : o->memory_bytes;
    const struct bound bounds[] = {
        {"durability", (uint64_t)o->durability, LOAM_SYNC, LOAM_OS},
        {"compression", (uint64_t)o->compression, LOAM_COMPRESS_NONE, LOAM_COMPRESS_ZSTD},
        {"wal_recovery", (uint64_t)o->wal_recovery, LOAM_WAL_STRICT, LOAM_WAL_PREFIX},
        {"background_threads", (uint64_t)o->background_threads, 0, COMPACTION_THREADS_MAX},
        {"sync_interval_ms", o->sync_interval_ms, 1, 3600000},
        {"sync_batch_bytes", o->sync_batch_bytes, 1, UINT64_MAX},
        {"memory_bytes", memory_bytes, MEMORY_MIN, UINT64_MAX / 2},
        {"memtable_bytes", memtable_bytes, MEMTABLE_MIN, UINT64_MAX / 16},
        {"block_bytes", o->block_bytes, 512, 1 << 20},
        {"table_bytes", o->table_bytes, 65536, 1ULL << 32},
        {"max_open_files", o->max_open_files, 16, 1000000},
        {"key_bytes_max", o->key_bytes_max, 1, KEY_SIZE_MAX},
        {"value_bytes_max", o->value_bytes_max, 1, VALUE_SIZE_MAX},
        {"batch_bytes_max", o->batch_bytes_max, 1024, BATCH_SIZE_MAX},
        {"scrub_interval_ms", o->scrub_interval_ms, 0, 10ULL * 366 * 24 * 3600 * 1000},
        {"scrub_rate_bytes", o->scrub_rate_bytes, 0, UINT64_MAX / 16},
        {"reserve_bytes", o->reserve_bytes, 0, UINT64_MAX / 16},
    };
    return check_bounds(bounds, sizeof(bounds) / sizeof(bounds[0]), err);
}

/* Beside the budget a container holds logs that are mapped, buffers of clients and the program. */
static uint64_t memory_auto(void)
{
    uint64_t share = memory_limit() / 8 * 3;
    share = share < MEMORY_MIN ? MEMORY_MIN : share;
    return share < MEMORY_AUTO_MAX ? share : MEMORY_AUTO_MAX;
}

void options_settle(struct loam_options *options)
{
    if (options->memory_bytes == 0) {
        options->memory_bytes = memory_auto();
    }
    if (options->background_threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        long threads = cores > 1 ? cores - 1 : 1;
        options->background_threads =
            threads < COMPACTION_THREADS_MAX ? (int)threads : COMPACTION_THREADS_MAX;
    }
    if (options->memtable_bytes == 0) {
        uint64_t share = options->memory_bytes / 8;
        options->memtable_bytes = share < MEMTABLE_AUTO_MAX ? share : MEMTABLE_AUTO_MAX;
    }
    /* One memtable is written to and IMMUTABLE_COUNT_MAX may wait: all must fit the budget. */
    uint64_t most = options->memory_bytes / (IMMUTABLE_COUNT_MAX + 2);
    if (options->memtable_bytes > most) {
        options->memtable_bytes = most;
    }
}
