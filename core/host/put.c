/* SPDX-License-Identifier: MIT */
/*
 * put.c - plain PUTs from the requests of one poll to the engine and back. Floor 5.
 *
 * Called by lua/loam/fast_put.lua. Requests that follow each other become one batch: one ticket,
 * one record in the log, one completion; each is answered with its own sequence number. What is
 * special about a request (another query than the durability, a condition, a content type that was
 * not seen before) is not taken here; the general way in lua/loam/routes/kv.lua answers it with the
 * same headers. Thread: worker.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "host/conditions.h"
#include "host/host_private.h"

static bool
has_header(const struct http_request *request, const char *name, struct loam_slice *value)
{
    return http_request_header(request, request->generation, name, strlen(name), &value->data,
                               &value->size) == 1;
}

/* Whether the content type is none, or the remembered one; *id is then its id. */
static bool
knows_type(const struct http_request *request, const struct host_puts *puts, uint32_t *id)
{
    struct loam_slice type;
    *id = 0;
    if ((request->seen & HTTP_SEEN_CONTENT_TYPE) == 0 ||
        !has_header(request, "Content-Type", &type)) {
        return true;
    }
    *id = puts->content_type;
    return puts->type_name != NULL && type.size == puts->type_size &&
           memcmp(type.data, puts->type_name, type.size) == 0;
}

/* Whether the query is none, or a durability alone; *durability is then what holds. */
static bool
knows_query(const struct http_request *request, const struct host_puts *puts, int *durability)
{
    static const struct {
        struct loam_slice text;
        int durability;
    } known[] = {
        {{"durability=sync", 15}, LOAM_SYNC},
        {{"durability=os", 13}, LOAM_OS},
        {{"durability=interval", 19}, LOAM_INTERVAL},
    };
    *durability = puts->durability;
    if (request->has_query == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (request->query_size == known[i].text.size &&
            memcmp(request->query, known[i].text.data, known[i].text.size) == 0) {
            *durability = known[i].durability;
            return true;
        }
    }
    return false;
}

static bool is_plain(const struct http_request *request,
                     const struct host_puts *puts,
                     const char *raw,
                     size_t raw_size)
{
    struct host_conditions given;
    return request->is_complete == 1 && raw_size <= puts->key_bytes_max &&
           request->body_size <= puts->value_bytes_max && memchr(raw, '%', raw_size) == NULL &&
           host_conditions_of(request, &given) == 0;
}

/* ---- Groups ---- */

static struct host_put_group *make_group(struct host_puts *puts, struct loam_error *err)
{
    if (puts->group_count == puts->group_capacity) {
        uint32_t capacity = puts->group_capacity == 0 ? 16 : puts->group_capacity * 2;
        struct host_put_group **groups =
            mem_realloc(puts->groups, capacity * sizeof(struct host_put_group *));
        if (groups == NULL) {
            (void)mem_fail(err, capacity * sizeof(struct host_put_group *));
            return NULL;
        }
        puts->groups = groups;
        puts->group_capacity = capacity;
    }
    struct host_put_group *group = mem_zalloc(1, sizeof *group);
    loam_batch *batch = group == NULL ? NULL : loam_batch_new();
    if (batch == NULL) {
        mem_free(group);
        (void)mem_fail(err, sizeof *group);
        return NULL;
    }
    group->batch = batch;
    group->index = puts->group_count;
    puts->groups[puts->group_count++] = group;
    return group;
}

static struct host_put_group *take_group(struct host_puts *puts, struct loam_error *err)
{
    struct host_put_group *group = puts->free;
    if (group == NULL) {
        return make_group(puts, err);
    }
    puts->free = group->next_free;
    return group;
}

static void give_group(struct host_puts *puts, struct host_put_group *group)
{
    group->count = 0;
    loam_batch_clear(group->batch);
    group->next_free = puts->free;
    puts->free = group;
}

int host_puts_open(struct host_puts *puts, struct loam_error *err)
{
    PRE(puts->queue != NULL && puts->open == NULL);
    puts->open = make_group(puts, err);
    return puts->open == NULL ? LOAM_NO_MEMORY : LOAM_OK;
}

void host_puts_close(struct host_puts *puts)
{
    if (puts->pending > 0) {
        return; /* A worker that failed: the engine may still read their batches. */
    }
    for (uint32_t i = 0; i < puts->group_count; i++) {
        loam_batch_free(puts->groups[i]->batch);
        mem_free(puts->groups[i]);
    }
    mem_free(puts->groups);
    puts->groups = NULL;
    puts->group_count = puts->group_capacity = 0;
    puts->open = puts->free = NULL;
}

/* ---- Answers ---- */

static void answer(struct host_puts *puts,
                   struct http_request *request,
                   uint32_t generation,
                   uint64_t seq,
                   bool existed)
{
    struct host_head head;
    head.size = 0;
    host_head_seq(&head, seq);
    int rc = http_respond_checked(request, generation, existed ? 204 : 201, head.text, head.size,
                                  NULL, 0);
    if (rc == LOAM_NO_MEMORY) {
        (void)http_respond_abort(request, generation);
    }
    double *counter = existed ? puts->replaced : puts->created;
    if (counter != NULL) {
        *counter += 1;
    }
}

static void answer_group(struct host_puts *puts,
                         const struct host_put_group *group,
                         const struct loam_outcome *outcome)
{
    uint64_t first_seq = outcome->seq - group->count + 1;
    for (uint32_t i = 0; i < group->count; i++) {
        bool existed = (outcome->existed_bits[i / 64] >> i % 64 & 1) != 0;
        answer(puts, group->requests[i], group->generations[i], first_seq + i, existed);
    }
}

/* ---- From the requests to the engine ---- */

static bool fits(const struct host_puts *puts, uint32_t bucket, int durability, size_t bytes)
{
    return puts->waiting == 0 || (puts->waiting < HOST_PUT_GROUP_MAX && puts->bucket == bucket &&
                                  puts->open_durability == durability &&
                                  bytes <= puts->group_bytes_max - puts->open_bytes);
}

int host_puts_add(struct host_puts *puts,
                  struct http_request *request,
                  uint32_t bucket,
                  const char *raw,
                  size_t raw_size)
{
    uint32_t content_type = 0;
    int durability = 0;
    if (!is_plain(request, puts, raw, raw_size) || !knows_type(request, puts, &content_type) ||
        !knows_query(request, puts, &durability)) {
        return HOST_PUT_OTHER;
    }
    size_t bytes = raw_size + request->body_size;
    if (!fits(puts, bucket, durability, bytes)) {
        return HOST_PUT_FLUSH;
    }
    struct host_put_group *group = puts->open;
    if (puts->waiting == 0) {
        loam_batch_clear(group->batch);
        puts->open_bytes = 0;
    }
    loam_op op = {
        .kind = LOAM_OP_PUT,
        .bucket = bucket,
        .key = raw,
        .key_size = raw_size,
        .value = request->body,
        .value_size = request->body_size,
        .report_previous = true,
        .content_type = content_type,
    };
    struct loam_error ignored; /* The general way answers with its own. */
    if (loam_batch_add(group->batch, &op, &ignored) != LOAM_OK) {
        return HOST_PUT_OTHER;
    }
    /* Large bodies would be there twice until the commit is through. */
    http_request_drop_body(request, request->generation);
    group->requests[puts->waiting] = request;
    group->generations[puts->waiting] = request->generation;
    group->count = ++puts->waiting;
    puts->bucket = bucket;
    puts->open_durability = durability;
    /* A value larger than a group is a group of its own. */
    puts->open_bytes = bytes < puts->group_bytes_max - puts->open_bytes ? puts->open_bytes + bytes
                                                                        : puts->group_bytes_max;
    return HOST_PUT_TAKEN;
}

int host_puts_flush(struct host_puts *puts, uint32_t *stall_ms, struct loam_error *err)
{
    PRE(puts->waiting > 0);
    *stall_ms = 0;
    /* The next open group, before the engine has this one. */
    struct host_put_group *next = take_group(puts, err);
    if (next == NULL) {
        return LOAM_NO_MEMORY;
    }
    struct host_put_group *group = puts->open;
    loam_commit commit = {.durability = puts->open_durability, .deadline_ms = puts->deadline_ms};
    loam_outcome outcome = {0};
    uint64_t tag = (uint64_t)puts->tag_base + group->index;
    int rc = loam_submit_lent(puts->queue, group->batch, &commit, tag, &outcome, err);
    if (rc == 0) {
        puts->open = next;
        puts->pending++;
        puts->waiting = 0;
        return LOAM_OK;
    }
    give_group(puts, next);
    if (rc == 1) {
        puts->waiting = 0;
        answer_group(puts, group, &outcome);
        loam_batch_clear(group->batch);
        rc = LOAM_OK;
    }
    *stall_ms = outcome.stall_ms;
    loam_buffer_free(&outcome.previous);
    return rc;
}

int host_puts_finish(struct host_puts *puts, uint32_t index, const loam_completion *completion)
{
    PRE(index < puts->group_count && puts->groups[index]->count > 0);
    if (completion->code < 0) {
        return completion->code;
    }
    answer_group(puts, puts->groups[index], &completion->outcome);
    return LOAM_OK;
}

void host_puts_recycle(struct host_puts *puts, uint32_t index)
{
    PRE(index < puts->group_count && puts->pending > 0);
    puts->pending--;
    give_group(puts, puts->groups[index]);
}
