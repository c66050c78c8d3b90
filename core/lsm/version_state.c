/* SPDX-License-Identifier: MIT */
/* version_state.c - see version_state.h. The lists are sorted arrays: they are read on every change
 * as a whole, and new numbers are mostly the largest. */
#include "lsm/version_state.h"

#include "base/check.h"
#include "base/limits.h"

#define LLU(x) ((unsigned long long)(x))

/* ---- Lists ---- */

static struct version_entry *entry_at(const struct version_state *state, size_t index)
{
    return (struct version_entry *)(void *)state->tables.data + index;
}

static size_t entry_count(const struct version_state *state)
{
    return state->tables.size / sizeof(struct version_entry);
}

/* Index of the first table with at least this number. */
static size_t entry_seek(const struct version_state *state, uint64_t number)
{
    size_t low = 0;
    size_t high = entry_count(state);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_at(state, middle)->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct version_entry *find_entry(const struct version_state *state, uint64_t number)
{
    size_t index = entry_seek(state, number);
    if (index == entry_count(state) || entry_at(state, index)->number != number) {
        return NULL;
    }
    return entry_at(state, index);
}

static size_t log_seek(const struct version_state *state, uint64_t number)
{
    const uint64_t *logs = (const void *)state->logs.data;
    size_t index = state->logs.size / sizeof(*logs);
    while (index > 0 && logs[index - 1] >= number) {
        index--;
    }
    return index;
}

static size_t bucket_seek(const struct version_state *state, struct slice name)
{
    const struct bucket_meta *buckets = (const void *)state->buckets.data;
    size_t low = 0;
    size_t high = state->buckets.size / sizeof(*buckets);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(buckets[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Puts one element of `size` bytes before the one at index. */
static int insert(struct loam_buffer *list,
                  size_t index,
                  const void *element,
                  size_t size,
                  struct loam_error *err)
{
    size_t at = index * size;
    PRE(at <= list->size);
    TRY(buf_reserve(list, size, err));
    memmove(list->data + at + size, list->data + at, list->size - at);
    memcpy(list->data + at, element, size);
    list->size += size;
    return LOAM_OK;
}

static void erase(struct loam_buffer *list, size_t index, size_t size)
{
    size_t at = index * size;
    PRE(at + size <= list->size);
    memmove(list->data + at, list->data + at + size, list->size - at - size);
    list->size -= size;
}

const struct version_entry *version_state_table(const struct version_state *state, uint64_t number)
{
    return find_entry(state, number);
}

bool version_state_has_log(const struct version_state *state, uint64_t number)
{
    const uint64_t *logs = (const void *)state->logs.data;
    size_t index = log_seek(state, number);
    return index < state->logs.size / sizeof(*logs) && logs[index] == number;
}

const struct bucket_meta *version_state_bucket(const struct version_state *state, struct slice name)
{
    size_t count = 0;
    const struct bucket_meta *buckets = version_state_buckets(state, &count);
    size_t index = bucket_seek(state, name);
    return index < count && slice_equal(buckets[index].name, name) ? &buckets[index] : NULL;
}

/* ---- Life ---- */

void version_state_deinit(struct version_state *state)
{
    for (size_t i = 0; i < entry_count(state); i++) {
        table_unref(entry_at(state, i)->table);
    }
    loam_buffer_free(&state->tables);
    loam_buffer_free(&state->logs);
    loam_buffer_free(&state->buckets);
    loam_buffer_free(&state->content_types);
    *state = (struct version_state){0};
}

static int copy_list(const struct loam_buffer *from, struct loam_buffer *to, struct loam_error *err)
{
    return from->size == 0 ? LOAM_OK : buf_append(to, from->data, from->size, err);
}

static int
copy_lists(const struct version_state *from, struct version_state *to, struct loam_error *err)
{
    TRY(copy_list(&from->logs, &to->logs, err));
    TRY(copy_list(&from->buckets, &to->buckets, err));
    TRY(copy_list(&from->content_types, &to->content_types, err));
    TRY(copy_list(&from->tables, &to->tables, err));
    for (size_t i = 0; i < entry_count(to); i++) {
        table_ref(entry_at(to, i)->table);
    }
    return LOAM_OK;
}

int version_state_clone(const struct version_state *from,
                        struct version_state *to,
                        struct loam_error *err)
{
    *to = (struct version_state){
        .next_file = from->next_file, .last_seq = from->last_seq, .next_bucket = from->next_bucket};
    int rc = copy_lists(from, to, err);
    if (rc != LOAM_OK) {
        version_state_deinit(to);
    }
    return rc;
}

/* ---- Applying an edit ---- */

static void saw_file(struct version_state *state, uint64_t number)
{
    if (state->next_file <= number) {
        state->next_file = number + 1;
    }
}

static int apply_logs(struct version_state *state,
                      const struct manifest_edit_view *view,
                      struct loam_error *err)
{
    for (size_t i = 0; i < view->logs_removed_count; i++) {
        uint64_t number = view->logs_removed[i];
        if (!version_state_has_log(state, number)) {
            return fail(err, LOAM_CORRUPT, "edit removes log %llu, which is not there",
                        LLU(number));
        }
        erase(&state->logs, log_seek(state, number), sizeof(number));
    }
    for (size_t i = 0; i < view->logs_added_count; i++) {
        uint64_t number = view->logs_added[i];
        if (version_state_has_log(state, number)) {
            return fail(err, LOAM_CORRUPT, "edit adds log %llu, which is there", LLU(number));
        }
        TRY(insert(&state->logs, log_seek(state, number), &number, sizeof(number), err));
        saw_file(state, number);
    }
    return LOAM_OK;
}

/* Whether two metas describe the same file. The run may differ. */
static bool is_same_file(const struct table_meta *a, const struct table_meta *b)
{
    return a->size == b->size && a->hash == b->hash && a->row_count == b->row_count &&
           a->seq_min == b->seq_min && a->seq_max == b->seq_max &&
           slice_equal(a->smallest, b->smallest) && slice_equal(a->largest, b->largest);
}

/* Run 0 does not exist: between removal and addition an entry carries it as its mark. */
static int mark_removed(struct version_state *state,
                        const struct manifest_edit_view *view,
                        struct loam_error *err)
{
    for (size_t i = 0; i < view->tables_removed_count; i++) {
        struct version_entry *entry = find_entry(state, view->tables_removed[i]);
        if (entry == NULL || entry->run == 0) {
            return fail(err, LOAM_CORRUPT, "edit removes table %llu, which is not there",
                        LLU(view->tables_removed[i]));
        }
        entry->run = 0;
    }
    return LOAM_OK;
}

static void drop_marked(struct version_state *state)
{
    size_t kept = 0;
    for (size_t i = 0; i < entry_count(state); i++) {
        struct version_entry entry = *entry_at(state, i);
        if (entry.run == 0) {
            table_unref(entry.table);
        } else {
            *entry_at(state, kept++) = entry;
        }
    }
    state->tables.size = kept * sizeof(struct version_entry);
}

/* The object of a table that is to be added, with a reference for the state. */
static int object_of(const struct table_context *context,
                     const struct table_meta *meta,
                     const struct table_list *made,
                     struct table **out,
                     struct loam_error *err)
{
    for (size_t i = 0; made != NULL && i < made->count; i++) {
        struct table *table = made->tables[i];
        if (table != NULL && table_meta(table)->number == meta->number) {
            INV(is_same_file(table_meta(table), meta));
            table_ref(table);
            *out = table;
            return LOAM_OK;
        }
    }
    return table_new(context, meta, out, err);
}

static int add_table(struct version_state *state,
                     const struct table_context *context,
                     const struct table_meta *meta,
                     const struct table_list *made,
                     struct loam_error *err)
{
    struct version_entry *present = find_entry(state, meta->number);
    if (present != NULL) {
        if (present->run != 0) {
            return fail(err, LOAM_CORRUPT, "edit adds table %llu, which is there",
                        LLU(meta->number));
        }
        if (!is_same_file(table_meta(present->table), meta)) {
            return fail(err, LOAM_CORRUPT, "edit moves table %llu and changes what it is",
                        LLU(meta->number));
        }
        present->run = meta->run;
        return LOAM_OK;
    }
    struct version_entry entry = {.number = meta->number, .run = meta->run};
    TRY(object_of(context, meta, made, &entry.table, err));
    size_t index = entry_seek(state, meta->number);
    int rc = insert(&state->tables, index, &entry, sizeof(entry), err);
    if (rc != LOAM_OK) {
        table_unref(entry.table);
        return rc;
    }
    saw_file(state, meta->number);
    return LOAM_OK;
}

static int apply_tables(struct version_state *state,
                        const struct table_context *context,
                        const struct manifest_edit_view *view,
                        const struct table_list *made,
                        struct loam_error *err)
{
    TRY(mark_removed(state, view, err));
    for (size_t i = 0; i < view->tables_added_count; i++) {
        TRY(add_table(state, context, &view->tables_added[i], made, err));
    }
    drop_marked(state);
    return LOAM_OK;
}

/* Copies a name so that it ends with a NUL. */
static int
keep_name(struct arena *names, struct slice name, struct slice *out, struct loam_error *err)
{
    char *copy = arena_alloc(names, name.size + 1);
    if (copy == NULL) {
        return mem_fail(err, name.size + 1);
    }
    memcpy(copy, name.data, name.size);
    copy[name.size] = '\0';
    *out = slice_make(copy, name.size);
    return LOAM_OK;
}

/* Index of a bucket with this id; the count when there is none. */
static size_t bucket_with_id(const struct version_state *state, uint32_t id)
{
    size_t count = 0;
    const struct bucket_meta *buckets = version_state_buckets(state, &count);
    size_t index = 0;
    while (index < count && buckets[index].id != id) {
        index++;
    }
    return index;
}

/* is_first: the edit's own buckets are the only ones; their ids differ, which saves a snapshot of
 * many buckets a search for each. */
static int add_bucket(struct version_state *state,
                      const struct bucket_meta *added,
                      bool is_first,
                      struct arena *names,
                      struct loam_error *err)
{
    size_t count = state->buckets.size / sizeof(*added);
    struct bucket_meta bucket = *added;
    if ((!is_first && bucket_with_id(state, bucket.id) < count) ||
        version_state_bucket(state, bucket.name) != NULL) {
        return fail(err, LOAM_CORRUPT, "edit adds bucket %u '%.*s', which is there", bucket.id,
                    (int)bucket.name.size, bucket.name.data);
    }
    if (count >= BUCKET_COUNT_MAX) {
        return fail(err, LOAM_TOO_LARGE, "a store has at most %u buckets", BUCKET_COUNT_MAX);
    }
    TRY(keep_name(names, bucket.name, &bucket.name, err));
    size_t index = bucket_seek(state, bucket.name);
    TRY(insert(&state->buckets, index, &bucket, sizeof(bucket), err));
    if (state->next_bucket <= bucket.id && bucket.id < UINT32_MAX) {
        state->next_bucket = bucket.id + 1;
    }
    return LOAM_OK;
}

static int apply_buckets(struct version_state *state,
                         const struct manifest_edit_view *view,
                         struct arena *names,
                         struct loam_error *err)
{
    for (size_t i = 0; i < view->buckets_dropped_count; i++) {
        size_t index = bucket_with_id(state, view->buckets_dropped[i]);
        if (index * sizeof(struct bucket_meta) == state->buckets.size) {
            return fail(err, LOAM_CORRUPT, "edit drops bucket %u, which is not there",
                        view->buckets_dropped[i]);
        }
        erase(&state->buckets, index, sizeof(struct bucket_meta));
    }
    bool is_first = state->buckets.size == 0;
    for (size_t i = 0; i < view->buckets_added_count; i++) {
        TRY(add_bucket(state, &view->buckets_added[i], is_first, names, err));
    }
    return LOAM_OK;
}

/* Ids of content types count up from 1 without gap. */
static int apply_content_types(struct version_state *state,
                               const struct manifest_edit_view *view,
                               struct arena *names,
                               struct loam_error *err)
{
    for (size_t i = 0; i < view->content_types_added_count; i++) {
        struct bucket_meta type = view->content_types_added[i];
        size_t count = state->content_types.size / sizeof(type);
        if (type.id != count + 1) {
            return fail(err, LOAM_CORRUPT, "edit adds content type %u behind %zu of them", type.id,
                        count);
        }
        TRY(keep_name(names, type.name, &type.name, err));
        TRY(buf_append(&state->content_types, &type, sizeof(type), err));
    }
    return LOAM_OK;
}

int version_state_apply(struct version_state *state,
                        const struct table_context *context,
                        const struct manifest_edit_view *view,
                        const struct table_list *made,
                        struct arena *names,
                        struct loam_error *err)
{
    TRY(apply_logs(state, view, err));
    TRY(apply_tables(state, context, view, made, err));
    TRY(apply_buckets(state, view, names, err));
    TRY(apply_content_types(state, view, names, err));
    /* Counters only rise. */
    state->next_file = view->next_file > state->next_file ? view->next_file : state->next_file;
    state->last_seq = view->last_seq > state->last_seq ? view->last_seq : state->last_seq;
    if (view->next_bucket > state->next_bucket) {
        state->next_bucket = view->next_bucket;
    }
    return LOAM_OK;
}

int version_state_snapshot(const struct version_state *state,
                           struct manifest_edit *edit,
                           struct loam_error *err)
{
    manifest_edit_set_next_file(edit, state->next_file);
    manifest_edit_set_last_seq(edit, state->last_seq);
    manifest_edit_set_next_bucket(edit, state->next_bucket);
    const uint64_t *logs = (const void *)state->logs.data;
    for (size_t i = 0; i < state->logs.size / sizeof(*logs); i++) {
        TRY(manifest_edit_add_log(edit, logs[i], err));
    }
    for (size_t i = 0; i < entry_count(state); i++) {
        struct table_meta meta = *table_meta(entry_at(state, i)->table);
        meta.run = entry_at(state, i)->run;
        TRY(manifest_edit_add_table(edit, &meta, err));
    }
    const struct bucket_meta *buckets = (const void *)state->buckets.data;
    for (size_t i = 0; i < state->buckets.size / sizeof(*buckets); i++) {
        TRY(manifest_edit_add_bucket(edit, &buckets[i], err));
    }
    const struct bucket_meta *types = (const void *)state->content_types.data;
    for (size_t i = 0; i < state->content_types.size / sizeof(*types); i++) {
        TRY(manifest_edit_add_content_type(edit, types[i].id, types[i].name, err));
    }
    return LOAM_OK;
}
