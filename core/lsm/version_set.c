/* SPDX-License-Identifier: MIT */
/*
 * version_set.c - see version_set.h: changes and what only looks. Creation, opening, rolling and
 * closing are in version_set_open.c; buckets and content types in version_set_names.c.
 *
 * A change works on a copy of the state, so that nothing shows before it is durable: copy, apply,
 * build and check the version, append the edit, swap. Only the append can poison: by a failed sync.
 * After a failed write the edit is off the disk again, and the next change begins a new manifest.
 */
#include "lsm/version_set.h"

#include "base/check.h"
#include "base/guard.h"
#include "disk/file_name.h"
#include "lsm/version_set_impl.h"

int version_set_check_writable(const struct version_set *set, struct loam_error *err)
{
    if (set->failed_code != LOAM_OK) {
        return fail(err, LOAM_READ_ONLY, "the manifest failed before: %.200s", set->failed.text);
    }
    if (set->writer == NULL) {
        return fail(err, LOAM_READ_ONLY, "opened for reading: no manifest was begun");
    }
    return LOAM_OK;
}

/* Makes the edit durable; a failure that leaves that open is the poison. */
static int append(struct version_set *set, const struct manifest_edit *edit, struct loam_error *err)
    REQUIRES(set->apply_mu)
{
    struct loam_error cause = {0};
    int rc = manifest_writer_append(set->writer, edit, &cause);
    if (rc == LOAM_OK) {
        return LOAM_OK;
    }
    if (manifest_writer_has_failed(set->writer)) {
        mutex_lock(&set->state_mu);
        set->failed = cause;
        set->failed_code = rc;
        mutex_unlock(&set->state_mu);
    }
    if (err != NULL) {
        *err = cause;
    }
    return rc;
}

/* Swaps in what the change made; *change holds the old things afterwards. */
static void publish(struct version_set *set, struct version_set_change *change)
    REQUIRES(set->apply_mu)
{
    mutex_lock(&set->state_mu);
    struct version_state old_state = set->state;
    set->state = change->old_state;
    change->old_state = old_state;
    struct version *old_version = set->current;
    set->current = change->old_version;
    change->old_version = old_version;
    mutex_unlock(&set->state_mu);
    /* Release pairs with the acquire of the readers: they see the map's contents. */
    change->old_map =
        atomic_exchange_explicit(&set->bucket_map, change->old_map, memory_order_acq_rel);
    version_set_publish_types(set);
}

/* Tables that are in no version to come. The state before still references them. */
static void mark_obsolete(const struct version_set *set, const struct version_set_change *change)
{
    size_t count = 0;
    const struct version_entry *entries = version_state_tables(&change->old_state, &count);
    for (size_t i = 0; i < count; i++) {
        if (version_state_table(&set->state, entries[i].number) == NULL) {
            table_mark_obsolete(entries[i].table);
        }
    }
}

/* Builds what is to be published. */
static int prepare(struct version_set *set,
                   const struct manifest_edit_view *view,
                   const struct table_list *made,
                   struct version_set_change *change,
                   struct loam_error *err) REQUIRES(set->apply_mu)
{
    TRY(version_state_clone(&set->state, &change->old_state, err));
    TRY(version_state_apply(&change->old_state, set->context, view, made, &set->names, err));
    size_t count = 0;
    const struct version_entry *entries = version_state_tables(&change->old_state, &count);
    TRY(version_new(entries, count, &change->old_version, err));
    return bucket_map_new(&change->old_state, &change->old_map, err);
}

int version_set_apply_locked(struct version_set *set,
                             const struct manifest_edit *edit,
                             const struct table_list *made,
                             struct version_set_change *change,
                             struct loam_error *err)
{
    *change = (struct version_set_change){0};
    TRY(version_set_check_writable(set, err));
    if (manifest_writer_is_spent(set->writer)) {
        TRY(version_set_roll_locked(set, err));
    }
    struct manifest_edit_view view = manifest_edit_get(edit);
    TRY(prepare(set, &view, made, change, err));
    TRY(append(set, edit, err));
    publish(set, change);
    if (view.tables_removed_count > 0) {
        mark_obsolete(set, change);
    }
    return LOAM_OK;
}

void version_set_release(struct version_set_change *change)
{
    version_unref(change->old_version);
    version_state_deinit(&change->old_state);
    bucket_map_retire(change->old_map);
}

int version_set_apply(struct version_set *set,
                      const struct manifest_edit *edit,
                      struct loam_error *err)
{
    return version_set_apply_made(set, edit, NULL, err);
}

int version_set_apply_made(struct version_set *set,
                           const struct manifest_edit *edit,
                           const struct table_list *made,
                           struct loam_error *err)
{
    PRE(set != NULL && edit != NULL);
    struct version_set_change change;
    mutex_lock(&set->apply_mu);
    int rc = version_set_apply_locked(set, edit, made, &change, err);
    mutex_unlock(&set->apply_mu);
    version_set_release(&change);
    return rc;
}

struct version *version_set_current(struct version_set *set)
{
    mutex_lock(&set->state_mu);
    struct version *version = set->current;
    version_ref(version);
    mutex_unlock(&set->state_mu);
    return version;
}

int version_set_pin(struct version_set *set,
                    struct manifest_edit *edit,
                    struct version **version,
                    struct loam_error *err)
{
    PRE(set != NULL && edit != NULL);
    /* Held by every change: list and version are of one moment, and no reader waits. */
    mutex_lock(&set->apply_mu);
    int rc = version_state_snapshot(&set->state, edit, err);
    if (rc == LOAM_OK) {
        *version = set->current;
        version_ref(*version);
    }
    mutex_unlock(&set->apply_mu);
    return rc;
}

/* Reserves numbers up to a step above `number`. */
static int reserve_files(struct version_set *set, uint64_t number, struct loam_error *err)
{
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    uint64_t limit = number + FILE_NUMBER_STEP;
    limit = limit > FILE_NUMBER_MAX ? FILE_NUMBER_MAX + 1 : limit;
    manifest_edit_set_next_file(edit, limit);
    int rc = version_set_apply(set, edit, err);
    manifest_edit_free(edit);
    return rc;
}

int version_set_next_file(struct version_set *set, uint64_t *number, struct loam_error *err)
{
    mutex_lock(&set->state_mu);
    uint64_t next = set->next_number;
    bool is_left = next <= FILE_NUMBER_MAX;
    set->next_number += is_left;
    bool is_reserved = next < set->state.next_file;
    mutex_unlock(&set->state_mu);
    if (!is_left) {
        return fail(err, LOAM_TOO_LARGE, "file numbers are used up at %llu", FILE_NUMBER_MAX);
    }
    int rc = is_reserved ? LOAM_OK : reserve_files(set, next, err);
    if (rc == LOAM_OK || !GUARD(RESERVED_NUMBERS) || rc == LOAM_READ_ONLY ||
        version_set_failed(set, NULL)) {
        *number = next;
        return LOAM_OK;
    }
    return rc;
}

void version_set_saw_file(struct version_set *set, uint64_t seen)
{
    mutex_lock(&set->state_mu);
    if (set->next_number <= seen) {
        set->next_number = seen + 1;
    }
    mutex_unlock(&set->state_mu);
}

uint64_t version_set_last_seq(struct version_set *set)
{
    mutex_lock(&set->state_mu);
    uint64_t seq = set->state.last_seq;
    mutex_unlock(&set->state_mu);
    return seq;
}

bool version_set_failed(struct version_set *set, struct loam_error *err)
{
    mutex_lock(&set->state_mu);
    bool has_failed = set->failed_code != LOAM_OK;
    if (has_failed && err != NULL) {
        *err = set->failed;
    }
    mutex_unlock(&set->state_mu);
    return has_failed;
}

uint64_t version_set_manifest_number(struct version_set *set)
{
    mutex_lock(&set->state_mu);
    uint64_t number = set->manifest_number;
    mutex_unlock(&set->state_mu);
    return number;
}

size_t version_set_logs(struct version_set *set, uint64_t *out, size_t capacity)
{
    mutex_lock(&set->state_mu);
    size_t count = set->state.logs.size / sizeof(*out);
    size_t copied = count < capacity ? count : capacity;
    if (copied > 0) {
        memcpy(out, set->state.logs.data, copied * sizeof(*out));
    }
    mutex_unlock(&set->state_mu);
    return count;
}

bool version_set_is_live_file(struct version_set *set, int kind, uint64_t number)
{
    bool is_live = true;
    mutex_lock(&set->state_mu);
    switch (kind) {
    case FILE_TABLE:
        is_live = version_state_table(&set->state, number) != NULL;
        break;
    case FILE_WAL:
        is_live = version_state_has_log(&set->state, number);
        break;
    case FILE_MANIFEST:
        is_live = number == set->manifest_number;
        break;
    case FILE_CURRENT_TMP:
        is_live = false;
        break;
    default:
        break;
    }
    mutex_unlock(&set->state_mu);
    return is_live;
}
