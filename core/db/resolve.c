/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - turns what a batch asks for into plain puts and deletes, under the leader's eyes:
 * nobody else writes meanwhile.
 *
 * Conditions are judged against the newest committed row, or the row that an earlier operation of
 * the same group will make. Any failing condition decides the whole ticket; nothing of it is
 * applied.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"
#include "db/buckets.h"
#include "db/db.h"
#include "db/group.h"
#include "db/number.h"
#include "disk/ops.h"

enum { EXISTED_BITS = 256, WORD_BITS = 64 };

/* One operation while it is resolved. */
struct resolving {
    struct loam_db *db;
    struct ticket *ticket;
    const struct bucket_rule *rule;
    const struct batch_extra *extra; /* NULL for a plain operation. */
    struct entry entry;              /* In: as the batch has it. Out: what is committed. */
    struct entry now;                /* The row there is, when has_now. */
    bool has_now;
    uint64_t now_ms;
    char number[NUMBER_TEXT_MAX];
    struct loam_buffer joined; /* Result of an append. */
};

static bool extra_reads(const struct batch_extra *extra)
{
    return (extra->kind != LOAM_OP_PUT && extra->kind != LOAM_OP_DELETE) ||
           extra->condition != LOAM_IF_NONE || extra->report_previous || extra->want_previous;
}

bool resolve_reads(const struct loam_batch *batch)
{
    const struct batch_extra *extras = (const struct batch_extra *)(const void *)batch->extras.data;
    for (size_t i = 0; i < batch_extra_count(batch); i++) {
        if (extra_reads(&extras[i])) {
            return true;
        }
    }
    return false;
}

/* Loads the live row of the operation's key. */
static int load_now(struct resolving *r, struct loam_error *err)
{
    r->has_now = overlay_find(&r->db->commit.overlay, r->entry.key, &r->now);
    if (!r->has_now) {
        struct lookup wanted = lookup_make(r->entry.key, SEQ_MAX);
        int rc = state_lookup(state_get(r->db), &wanted, &r->now, NULL, err);
        if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
            return rc;
        }
        r->has_now = rc == LOAM_OK;
    }
    if (r->has_now && (r->now.kind != ENTRY_PUT || entry_is_expired(&r->now, r->now_ms))) {
        r->has_now = false;
    }
    return LOAM_OK;
}

static int report_mismatch(struct resolving *r, int code, bool with_value, struct loam_error *err)
{
    struct loam_outcome *outcome = r->ticket->outcome;
    outcome->failed_index = r->extra->index;
    outcome->current_seq = r->has_now ? r->now.seq : 0;
    if (with_value && r->has_now) {
        TRY(buf_assign(&outcome->previous, r->now.value.data, r->now.value.size, err));
    }
    return code == LOAM_NOT_FOUND ? code : fail(err, code, "%s", loam_code_text(code));
}

static int check_condition(struct resolving *r, struct loam_error *err)
{
    switch (r->extra->condition) {
    case LOAM_IF_ABSENT:
        return r->has_now ? report_mismatch(r, LOAM_EXISTS, false, err) : LOAM_OK;
    case LOAM_IF_PRESENT:
        return r->has_now ? LOAM_OK : report_mismatch(r, LOAM_NOT_FOUND, false, err);
    case LOAM_IF_SEQ: {
        uint64_t seq = r->has_now ? r->now.seq : 0;
        return seq == r->extra->if_seq ? LOAM_OK : report_mismatch(r, LOAM_MISMATCH, true, err);
    }
    case LOAM_IF_VALUE: {
        struct slice wanted = slice_make(r->ticket->batch->values.data + r->extra->if_value_offset,
                                         r->extra->if_value_size);
        bool is_equal = r->has_now && slice_equal(wanted, r->now.value);
        return is_equal ? LOAM_OK : report_mismatch(r, LOAM_MISMATCH, true, err);
    }
    default:
        return LOAM_OK;
    }
}

/* Expiry of a row that is written anew. */
static uint64_t fresh_expiry(const struct resolving *r)
{
    if (r->extra != NULL && r->extra->no_expiry) {
        return 0;
    }
    if (r->entry.expire_at_ms != 0) {
        return r->entry.expire_at_ms;
    }
    uint64_t ttl_ms = r->extra != NULL && r->extra->has_ttl ? r->extra->ttl_ms : r->rule->ttl_ms;
    if (ttl_ms == 0) {
        return 0;
    }
    return ttl_ms > UINT64_MAX - r->now_ms ? 0 : r->now_ms + ttl_ms;
}

/* A row derived from the present one keeps expiry and content type; a new one gets a fresh expiry.
 */
static void inherit(struct resolving *r)
{
    r->entry.expire_at_ms = r->has_now ? r->now.expire_at_ms : fresh_expiry(r);
    if (r->has_now) {
        r->entry.content_type = r->now.content_type;
    }
}

static int set_number(struct resolving *r, double number, struct loam_error *err)
{
    if (!(number - number == 0)) {
        return fail(err, LOAM_INVALID, "the result is no finite number");
    }
    inherit(r);
    r->ticket->outcome->number = number;
    r->entry.value = slice_make(r->number, number_format(number, r->number));
    return LOAM_OK;
}

static int read_number(struct slice text, double *out, const char *what, struct loam_error *err)
{
    if (number_parse(text, out) != LOAM_OK) {
        return fail(err, LOAM_INVALID, "%s is no number: '%.*s'", what,
                    (int)(text.size > 40 ? 40 : text.size), text.data == NULL ? "" : text.data);
    }
    return LOAM_OK;
}

static int apply_incr(struct resolving *r, struct loam_error *err)
{
    double base = r->extra->init;
    if (r->has_now) {
        TRY(read_number(r->now.value, &base, "the value", err));
    } else if (!r->extra->has_init) {
        return report_mismatch(r, LOAM_NOT_FOUND, false, err);
    }
    return set_number(r, base + r->extra->by, err);
}

static int apply_append(struct resolving *r, struct loam_error *err)
{
    if (!r->has_now) {
        inherit(r);
        return LOAM_OK;
    }
    size_t size = r->now.value.size + r->entry.value.size;
    if (size > r->db->options.value_bytes_max) {
        return fail(err, LOAM_TOO_LARGE, "value of %zu bytes is over value_bytes_max %" PRIu64,
                    size, r->db->options.value_bytes_max);
    }
    r->joined.size = 0;
    TRY(buf_append(&r->joined, r->now.value.data, r->now.value.size, err));
    TRY(buf_append(&r->joined, r->entry.value.data, r->entry.value.size, err));
    inherit(r);
    r->entry.value = buf_slice(&r->joined);
    return LOAM_OK;
}

static int apply_merge(struct resolving *r, struct loam_error *err)
{
    if (r->rule->merge == LOAM_MERGE_NONE) {
        return fail(err, LOAM_INVALID, "the bucket has no merge operator");
    }
    if (r->rule->merge == LOAM_MERGE_APPEND) {
        return apply_append(r, err);
    }
    double operand = 0;
    TRY(read_number(r->entry.value, &operand, "the merge operand", err));
    if (!r->has_now) {
        return set_number(r, operand, err);
    }
    double base = 0;
    TRY(read_number(r->now.value, &base, "the value", err));
    switch (r->rule->merge) {
    case LOAM_MERGE_ADD:
        return set_number(r, base + operand, err);
    case LOAM_MERGE_MAX:
        return set_number(r, base > operand ? base : operand, err);
    default:
        return set_number(r, base < operand ? base : operand, err);
    }
}

static int apply_touch(struct resolving *r, struct loam_error *err)
{
    if (!r->has_now) {
        return report_mismatch(r, LOAM_NOT_FOUND, false, err);
    }
    r->entry.expire_at_ms = fresh_expiry(r);
    r->entry.value = r->now.value;
    r->entry.content_type = r->now.content_type;
    return LOAM_OK;
}

static int apply_kind(struct resolving *r, struct loam_error *err)
{
    switch (r->extra->kind) {
    case LOAM_OP_INCR:
        return apply_incr(r, err);
    case LOAM_OP_MERGE:
        return apply_merge(r, err);
    case LOAM_OP_APPEND:
        return apply_append(r, err);
    case LOAM_OP_TOUCH:
        return apply_touch(r, err);
    case LOAM_OP_PUT:
        r->entry.expire_at_ms = fresh_expiry(r);
        return LOAM_OK;
    default:
        INV(r->extra->kind == LOAM_OP_DELETE);
        return LOAM_OK;
    }
}

static int resolve_op(struct resolving *r, struct loam_error *err)
{
    uint32_t bucket = get_u32_be(r->entry.key.data);
    if (r->rule == NULL || r->rule->id != bucket) {
        TRY(bucket_check(r->db, bucket, err));
        r->rule = bucket_find(r->db, bucket);
    }
    if (r->extra == NULL) {
        if (r->entry.kind == ENTRY_PUT) {
            r->entry.expire_at_ms = fresh_expiry(r);
        }
        return LOAM_OK;
    }
    if (extra_reads(r->extra)) {
        TRY(load_now(r, err));
        TRY(check_condition(r, err));
        struct loam_outcome *outcome = r->ticket->outcome;
        outcome->existed = r->has_now;
        if (r->extra->index < EXISTED_BITS) {
            uint64_t *word = &outcome->existed_bits[r->extra->index / WORD_BITS];
            uint64_t bit = (uint64_t)1 << r->extra->index % WORD_BITS;
            *word = r->has_now ? *word | bit : *word & ~bit;
        }
        if (r->extra->want_previous) {
            struct slice value = r->has_now ? r->now.value : slice_make(NULL, 0);
            TRY(buf_assign(&outcome->previous, value.data, value.size, err));
        }
    }
    return apply_kind(r, err);
}

/* Whether an operation goes into the log as the batch has it. */
static bool is_as_given(const struct entry *given, const struct entry *now)
{
    return now->kind == given->kind && now->value.data == given->value.data &&
           now->value.size == given->value.size && now->expire_at_ms == given->expire_at_ms &&
           now->content_type == given->content_type;
}

/* Adds an operation to those that were resolved. Its value may be that of one before it, in the
 * very buffer that moves when it grows. */
static int add_resolved(struct resolving *r, struct loam_error *err)
{
    struct loam_buffer *out = &r->ticket->resolved;
    uintptr_t start = (uintptr_t)out->data;
    uintptr_t value = (uintptr_t)r->entry.value.data;
    bool is_inside = out->size > 0 && value >= start && value < start + out->size;
    TRY(buf_reserve(out, ops_size_max(&r->entry), err));
    if (is_inside) {
        r->entry.value.data = out->data + (value - start);
    }
    return ops_append(out, &r->entry, err);
}

/* Most batches are committed as they came, and then nothing of them is copied. From the first
 * operation on that differs they are put together anew. */
static int resolve_all(struct resolving *r, struct loam_error *err)
{
    const struct loam_batch *batch = r->ticket->batch;
    const struct batch_extra *extras = (const struct batch_extra *)(const void *)batch->extras.data;
    size_t extra_count = batch_extra_count(batch);
    size_t next_extra = 0;
    bool reads = resolve_reads(batch);
    const struct loam_buffer *ops = &batch->ops;
    const char *cursor = batch->ops.data;
    const char *limit = cursor + batch->ops.size;
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t offset = (size_t)(cursor - batch->ops.data);
        INV(ops_next(&cursor, limit, &r->entry) == LOAM_OK);
        const struct entry given = r->entry;
        bool has_extra = next_extra < extra_count && extras[next_extra].index == i;
        r->extra = has_extra ? &extras[next_extra++] : NULL;
        TRY(resolve_op(r, err));
        if (ops == &batch->ops && !is_as_given(&given, &r->entry)) {
            ops = &r->ticket->resolved;
            TRY(buf_append(&r->ticket->resolved, batch->ops.data, offset, err));
        }
        if (ops != &batch->ops) {
            offset = ops->size;
            TRY(add_resolved(r, err));
        }
        if (reads) {
            TRY(overlay_add(&r->db->commit.overlay, ops, offset, r->ticket->first_seq + i, err));
        }
    }
    r->ticket->payload = buf_slice(ops);
    return LOAM_OK;
}

/* Inside an epoch bracket. A batch of plain operations on live buckets without a default time to
 * live goes into the log as it is. */
static bool is_plain(struct loam_db *db, const struct loam_batch *batch)
{
    if (batch->extras.size > 0 || batch->bucket_count > BATCH_BUCKETS_KEPT) {
        return false;
    }
    for (uint32_t i = 0; i < batch->bucket_count; i++) {
        const struct bucket_rule *rule = bucket_find(db, batch->buckets[i]);
        if (rule == NULL || rule->ttl_ms != 0) {
            return false;
        }
    }
    return true;
}

/* The default bucket always exists and has no rules: nothing to look up. */
static bool is_plain_default(const struct loam_batch *batch)
{
    return batch->extras.size == 0 && batch->bucket_count == 1 &&
           batch->buckets[0] == LOAM_BUCKET_DEFAULT;
}

void resolve_ticket(struct loam_db *db, struct ticket *ticket)
{
    const struct loam_batch *batch = ticket->batch;
    if (LIKELY(is_plain_default(batch))) {
        ticket->payload = buf_slice(&batch->ops);
        ticket->count = batch->count;
        return;
    }
    epoch_enter();
    if (is_plain(db, batch)) {
        ticket->payload = buf_slice(&batch->ops);
        ticket->count = batch->count;
        epoch_exit();
        return;
    }
    struct resolving r = {.db = db, .ticket = ticket, .now_ms = db->env->wall_ms(db->env)};
    struct loam_error err = {0};
    int rc = resolve_all(&r, &err);
    epoch_exit();
    loam_buffer_free(&r.joined);
    if (rc != LOAM_OK) {
        ticket_decide(ticket, rc, rc == LOAM_NOT_FOUND ? NULL : &err);
        return;
    }
    ticket->count = batch->count;
}
