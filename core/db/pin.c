/* SPDX-License-Identifier: MIT */
/* pin.c - holding a commit point, and writing what only memory has of it. */
#include "db/pin.h"

#include "base/check.h"
#include "disk/manifest_log.h"
#include "lsm/merge_iter.h"

enum { PIN_TRIES = 1000 };

/* ---- Rows up to a sequence ---- */

/* Forward only, as compaction reads: what was committed later is passed over. */
struct seq_filter {
    struct iter iter;
    struct iter *from;
    uint64_t seq;
};

static void filter_settle(struct seq_filter *filter)
{
    while (filter->from->is_valid && filter->from->entry.seq > filter->seq) {
        iter_next(filter->from);
    }
    filter->iter.is_valid = filter->from->is_valid;
    filter->iter.status = filter->from->status;
    filter->iter.entry = filter->from->entry;
}

static void filter_first(struct iter *iter)
{
    struct seq_filter *filter = (struct seq_filter *)iter;
    iter_first(filter->from);
    filter_settle(filter);
}

static void filter_next(struct iter *iter)
{
    struct seq_filter *filter = (struct seq_filter *)iter;
    iter_next(filter->from);
    filter_settle(filter);
}

static const struct iter_ops filter_ops = {.first = filter_first, .next = filter_next};

_Static_assert(offsetof(struct seq_filter, iter) == 0, "the iterator is cast");

/* ---- Pinning ---- */

static uint64_t newest_in_tables(const struct manifest_edit_view *view, uint64_t *bytes)
{
    uint64_t newest = 0;
    *bytes = 0;
    for (size_t i = 0; i < view->tables_added_count; i++) {
        uint64_t seq = view->tables_added[i].seq_max;
        newest = seq > newest ? seq : newest;
        *bytes += view->tables_added[i].size;
    }
    return newest;
}

/* One attempt; *is_overtaken: a flush came between state and version. */
static int try_pin(struct pin *pin, bool *is_overtaken, struct loam_error *err)
{
    manifest_edit_clear(pin->source);
    pin->state = state_get_at_newest(pin->db, &pin->seq);
    int rc = version_set_pin(pin->db->versions, pin->source, &pin->version, err);
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    *is_overtaken = rc == LOAM_OK && newest_in_tables(&view, &pin->table_bytes) > pin->seq;
    if (rc != LOAM_OK || *is_overtaken) {
        version_unref(pin->version);
        state_unref(pin->state);
        pin->version = NULL;
        pin->state = NULL;
    }
    return rc;
}

int pin_open(struct pin *pin, struct loam_db *db, struct loam_error *err)
{
    *pin = (struct pin){0};
    TRY(db_check_open(db, err));
    *pin = (struct pin){.db = db, .source = manifest_edit_new(), .target = manifest_edit_new()};
    bool is_overtaken = true;
    int rc = pin->source == NULL || pin->target == NULL ? mem_fail(err, 1) : LOAM_OK;
    for (int i = 0; i < PIN_TRIES && rc == LOAM_OK && is_overtaken; i++) {
        rc = try_pin(pin, &is_overtaken, err);
    }
    if (rc == LOAM_OK && is_overtaken) {
        rc = fail(err, LOAM_BUSY, "no moment found between flushes in %d attempts", (int)PIN_TRIES);
    }
    if (rc != LOAM_OK) {
        pin_close(pin);
    }
    return rc;
}

void pin_close(struct pin *pin)
{
    compaction_job_deinit(&pin->job);
    version_unref(pin->version);
    if (pin->state != NULL) {
        state_unref(pin->state);
    }
    manifest_edit_free(pin->source);
    manifest_edit_free(pin->target);
    *pin = (struct pin){0};
}

/* ---- Writing ---- */

/* A memtable whose log is not live any more stands in the version's tables. */
static bool is_pinned_log(const struct manifest_edit_view *view, uint64_t number)
{
    for (size_t i = 0; i < view->logs_added_count; i++) {
        if (view->logs_added[i] == number) {
            return true;
        }
    }
    return false;
}

static size_t
add_iter(struct pin *pin, struct memtable *memtable, struct memtable_iter *iters, size_t count)
{
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    if (memtable_count(memtable) == 0 || !is_pinned_log(&view, memtable_log_number(memtable))) {
        return count;
    }
    memtable_iter_init(&iters[count], memtable);
    return count + 1;
}

static bool bucket_is_pinned(void *owner, uint32_t bucket)
{
    const struct pin *pin = owner;
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    for (size_t i = 0; i < view.buckets_added_count; i++) {
        if (view.buckets_added[i].id == bucket) {
            return true;
        }
    }
    return false;
}

static int next_file(void *owner, uint64_t *number, struct loam_error *err)
{
    const struct pin *pin = owner;
    return version_set_next_file(pin->db->versions, number, err);
}

static int run_job(struct pin *pin, struct iter **children, size_t count, struct loam_error *err)
{
    struct merge_iter merge;
    merge_iter_init(&merge);
    merge.iter.err = err;
    int rc = merge_iter_set(&merge, children, count, err);
    if (rc == LOAM_OK) {
        struct seq_filter filter = {
            .iter = {.ops = &filter_ops, .err = err}, .from = &merge.iter, .seq = pin->seq};
        pin->job.input = &filter.iter;
        rc = compaction_run(&pin->job, err);
        pin->job.input = NULL;
    }
    iter_free(&merge.iter);
    return rc;
}

static int write_tables(struct pin *pin, struct env_dir *dir, struct loam_error *err)
{
    struct memtable_iter iters[IMMUTABLE_COUNT_MAX + 1];
    struct iter *children[IMMUTABLE_COUNT_MAX + 1];
    uint64_t run = 0;
    TRY(version_set_next_file(pin->db->versions, &run, err));
    size_t count = add_iter(pin, pin->state->active, iters, 0);
    for (size_t i = 0; i < pin->state->immutable_count; i++) {
        count = add_iter(pin, pin->state->immutable[i], iters, count);
    }
    for (size_t i = 0; i < count; i++) {
        children[i] = &iters[i].iter;
    }
    job_init(pin->db, &pin->job, NULL, 0);
    pin->job.dir = dir;
    pin->job.owner = pin;
    pin->job.next_file = next_file;
    pin->job.bucket_is_live = bucket_is_pinned;
    pin->job.run_order = run;
    int rc = count == 0 ? LOAM_OK : run_job(pin, children, count, err);
    for (size_t i = 0; i < count; i++) {
        iter_free(children[i]);
    }
    return rc;
}

static int fill_target(struct pin *pin, struct loam_error *err)
{
    struct manifest_edit_view view = manifest_edit_get(pin->source);
    struct manifest_edit *target = pin->target;
    for (size_t i = 0; i < view.tables_added_count; i++) {
        TRY(manifest_edit_add_table(target, &view.tables_added[i], err));
    }
    TRY(job_add_outputs(&pin->job, target, err));
    for (size_t i = 0; i < view.buckets_added_count; i++) {
        TRY(manifest_edit_add_bucket(target, &view.buckets_added[i], err));
    }
    for (size_t i = 0; i < view.content_types_added_count; i++) {
        const struct bucket_meta *type = &view.content_types_added[i];
        TRY(manifest_edit_add_content_type(target, type->id, type->name, err));
    }
    manifest_edit_set_last_seq(target, pin->seq);
    manifest_edit_set_next_bucket(target, view.next_bucket);
    return LOAM_OK;
}

int pin_write_rows(struct pin *pin, struct env_dir *dir, struct loam_error *err)
{
    TRY(write_tables(pin, dir, err));
    return fill_target(pin, err);
}

int pin_write_manifest(struct pin *pin,
                       struct env_dir *dir,
                       uint64_t number,
                       struct loam_error *err)
{
    struct manifest_writer *writer = NULL;
    manifest_edit_set_next_file(pin->target, number + 1);
    TRY(manifest_writer_open(dir, number, &pin->db->tables.id, &writer, err));
    int rc = manifest_writer_append(writer, pin->target, err);
    KEEP_FIRST(rc, manifest_writer_close(writer, rc == LOAM_OK ? err : NULL));
    return rc;
}
