/* SPDX-License-Identifier: MIT */
/* stats.c - what a handle tells about itself. Figures are read one by one: they need not be of one
 * moment. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "db/background.h"
#include "db/snapshots.h"

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void fill_health(struct loam_db *db, struct loam_stats *out)
{
    mutex_lock(&db->mu);
    if (atomic_load(&db->is_read_only)) {
        out->health = LOAM_HEALTH_READ_ONLY;
        (void)snprintf(out->health_text, sizeof(out->health_text), "%s", db->poison.text);
    }
    for (int kind = 0; kind < WORK_KIND_COUNT && out->health == LOAM_HEALTH_OK; kind++) {
        if (db->background[kind].code != LOAM_OK) {
            out->health = LOAM_HEALTH_DEGRADED;
            (void)snprintf(out->health_text, sizeof(out->health_text), "%s",
                           db->background[kind].error.text);
        }
    }
    if (out->health == LOAM_HEALTH_OK && atomic_load(&db->space.is_low)) {
        out->health = LOAM_HEALTH_DEGRADED;
        (void)snprintf(out->health_text, sizeof(out->health_text),
                       "the disk is nearly full: writes are refused below reserve_bytes %" PRIu64,
                       db->space.reserve);
    }
    for (int kind = 0; kind < DAMAGE_KIND_COUNT; kind++) {
        const struct damage *damage = &db->damage[kind];
        out->damaged_files += damage->file_count;
        if (out->health == LOAM_HEALTH_OK && damage->file_count > 0) {
            out->health = LOAM_HEALTH_DEGRADED;
            (void)snprintf(out->health_text, sizeof(out->health_text), "damaged: %s",
                           damage->first.text);
        }
    }
    out->scrub_finished_at_ms = db->scrub_finished_at_ms;
    mutex_unlock(&db->mu);
}

void db_set_damage(struct loam_db *db, enum damage_kind kind, const struct damage *found)
{
    mutex_lock(&db->mu);
    db->damage[kind] = *found;
    mutex_unlock(&db->mu);
}

static void fill_uuid(const struct loam_db *db, struct loam_stats *out)
{
    const unsigned char *u = db->tables.id.uuid;
    char *to = out->uuid;
    for (int i = 0; i < 16; i++) {
        (void)snprintf(to, 3, "%02x", u[i]);
        to += 2;
        if (i == 3 || i == 5 || i == 7 || i == 9) {
            *to++ = '-';
        }
    }
    *to = '\0';
}

static void fill_structure(const struct read_state *state, struct loam_stats *out)
{
    uint64_t rows = memtable_count(state->active);
    uint64_t deletes = memtable_delete_count(state->active);
    out->memtable_bytes = memtable_bytes(state->active);
    out->wal_number = memtable_log_number(state->active); /* One made ahead is newer. */
    for (size_t i = 0; i < state->immutable_count; i++) {
        rows += memtable_count(state->immutable[i]);
        deletes += memtable_delete_count(state->immutable[i]);
        out->immutable_bytes += memtable_bytes(state->immutable[i]);
    }
    out->run_count = state->version->run_count;
    for (size_t r = 0; r < state->version->run_count; r++) {
        const struct run *run = &state->version->runs[r];
        out->table_count += run->table_count;
        for (size_t t = 0; t < run->table_count; t++) {
            const struct table_meta *meta = table_meta(run->tables[t]);
            out->table_bytes += meta->size;
            rows += meta->row_count;
            deletes += meta->delete_count;
        }
    }
    /* A delete is a row too, and hides another one. */
    out->key_count_estimate = rows > 2 * deletes ? rows - 2 * deletes : 0;
}

static void fill_logs(struct loam_db *db, struct loam_stats *out)
{
    uint64_t logs[LIVE_LOGS_MAX];
    size_t count = version_set_logs(db->versions, logs, LIVE_LOGS_MAX);
    out->wal_count = count;
    if (count > 0 && count <= LIVE_LOGS_MAX) {
        out->oldest_wal_number = logs[0];
    }
    out->wal_bytes = out->memtable_bytes + out->immutable_bytes;
}

static void fill_children(struct loam_db *db, struct loam_stats *out)
{
    mutex_lock(&db->snapshot_mu);
    out->snapshot_count = db->snapshot_count;
    if (db->snapshots != NULL) {
        out->oldest_snapshot_age_ms = (monotonic_ns() - db->snapshots->opened_ns) / 1000000;
    }
    mutex_unlock(&db->snapshot_mu);
    out->scan_count = atomic_load(&db->scan_count);
    out->view_count = atomic_load(&db->view_count);
}

static void fill_counters(const struct loam_db *db, struct loam_stats *out)
{
    const struct db_counters *c = &db->counters;
    for (size_t i = 0; i < READ_SHARD_COUNT; i++) {
        out->gets += load(&db->read_shards[i].gets);
        out->get_misses += load(&db->read_shards[i].misses);
    }
    out->puts = load(&c->puts);
    out->deletes = load(&c->deletes);
    out->commits = load(&c->commits);
    out->commit_groups = load(&c->commit_groups);
    out->scans = load(&c->scans);
    out->scan_rows = load(&c->scan_rows);
    out->syncs = load(&c->syncs);
    out->wal_written_bytes = load(&c->wal_written_bytes);
    out->user_written_bytes = load(&c->user_written_bytes);
    out->flushes = load(&c->flushes);
    out->flush_written_bytes = load(&c->flush_written_bytes);
    out->compactions = load(&c->compactions);
    out->compaction_read_bytes = load(&c->compaction_read_bytes);
    out->compaction_written_bytes = load(&c->compaction_written_bytes);
    out->stalls = load(&c->stalls);
    out->stall_us = load(&c->stall_us);
    out->background_errors = load(&c->background_errors);
    out->scrubs = load(&c->scrubs);
    out->scrub_read_bytes = load(&c->scrub_read_bytes);
}

void loam_stats_get(loam_db *db, loam_stats *out)
{
    *out = (struct loam_stats){.struct_size = sizeof(*out)};
    fill_health(db, out);
    fill_uuid(db, out);
    out->seq = atomic_load_explicit(&db->visible_seq, memory_order_acquire);
    out->durable_seq = atomic_load_explicit(&db->durable_seq, memory_order_acquire);
    out->opened_at_ms = db->opened_at_ms;
    uint64_t seq = 0;
    struct read_state *state = state_get_at_newest(db, &seq);
    fill_structure(state, out);
    state_unref(state);
    fill_logs(db, out);
    fill_children(db, out);
    fill_counters(db, out);
    struct cache_counts cache;
    cache_counts(db->cache, &cache);
    out->memory_budget_bytes = db->options.memory_bytes;
    out->block_bytes = cache.block_bytes;
    out->index_bytes = cache.index_bytes;
    out->block_hits = cache.hits;
    out->block_misses = cache.misses;
    out->block_evictions = cache.evictions;
    out->memory_bytes =
        out->memtable_bytes + out->immutable_bytes + out->block_bytes + out->index_bytes;
}

void loam_histogram_get(loam_db *db, int which, loam_histogram *out)
{
    *out = (struct loam_histogram){0};
    if (which >= 0 && which < LOAM_HISTOGRAM_COUNT) {
        histogram_summary(&db->histograms[which], out);
    }
}

uint64_t loam_seq(loam_db *db)
{
    return atomic_load_explicit(&db->visible_seq, memory_order_acquire);
}

uint64_t loam_durable_seq(loam_db *db)
{
    return atomic_load_explicit(&db->durable_seq, memory_order_acquire);
}

size_t loam_log_take(loam_db *db, loam_log_line *out, size_t capacity)
{
    return log_ring_take(&db->log, out, capacity);
}

static void fill_key(struct slice key, char *out, uint32_t *size)
{
    enum { SHOWN = sizeof(((struct loam_table_info *)0)->smallest) };
    size_t user_size = key.size > 4 ? key.size - 4 : 0;
    *size = (uint32_t)(user_size < SHOWN ? user_size : SHOWN);
    if (*size > 0) {
        memcpy(out, key.data + 4, *size);
    }
}

static void fill_table(const struct table_meta *meta, size_t run, struct loam_table_info *out)
{
    *out = (struct loam_table_info){
        .number = meta->number,
        .run = (uint32_t)run,
        .size = meta->size,
        .row_count = meta->row_count,
        .delete_count = meta->delete_count,
        .seq_min = meta->seq_min,
        .seq_max = meta->seq_max,
    };
    fill_key(meta->smallest, out->smallest, &out->smallest_size);
    fill_key(meta->largest, out->largest, &out->largest_size);
}

size_t loam_tables(loam_db *db, loam_table_info *out, size_t capacity)
{
    size_t count = 0;
    struct version *version = version_set_current(db->versions);
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t t = 0; t < version->runs[r].table_count; t++) {
            if (count < capacity) {
                fill_table(table_meta(version->runs[r].tables[t]), r, &out[count]);
            }
            count++;
        }
    }
    version_unref(version);
    return count;
}
