/* SPDX-License-Identifier: MIT */
/*
 * iter.h - the one iterator interface over entries: memtable, table, run, merge. Floor 3.
 *
 * An iterator stands on one entry (is_valid) or nowhere. Entries come in entry order (key
 * ascending, seq descending); all versions are seen, deletes and expired rows too: hiding them is
 * row_iter's work. `entry` is borrowed: valid until the iterator moves or is freed. An error puts
 * it nowhere with status set, and status stays: every later move leaves the iterator nowhere, so
 * that no read skips what could not be read. Whoever wants to try again makes a new iterator. next,
 * prev, stretch and skip may be called only while is_valid. Iterators are embedded in larger
 * structs where possible: ops->free releases what they hold, not the struct, unless stated. Thread:
 * owner.
 */
#ifndef LOAM_LSM_ITER_H
#define LOAM_LSM_ITER_H

#include "base/status.h"
#include "disk/entry.h"

/* ffi: begin */
struct iter;
struct block;

/* Rows that follow one another in one block with nothing of any other source between them, no two
 * of the same key, beginning with the row that the iterator stands on. */
struct iter_stretch {
    struct block *block; /* Borrowed until the iterator moves. */
    uint32_t row_index;  /* Of the current row. */
    uint32_t row_end;    /* Behind the last; may be row_index + 1. */
    const struct block
        *next; /* The block behind it or NULL, only to be sent for: it need not live. */
    /* The stretch ends before this position, which the caller looks for: it reads the rows in order
     * anyway, so comparing them costs less than a search over rows that are not in the cache. */
    bool has_limit;
    struct slice limit; /* Borrowed like the block. */
    uint64_t limit_seq;
};

struct iter_ops {
    void (*first)(struct iter *iter);
    void (*last)(struct iter *iter);
    /* First entry at or after (key, seq). */
    void (*seek)(struct iter *iter, struct slice key, uint64_t seq);
    /* Last entry before (key, seq). */
    void (*seek_before)(struct iter *iter, struct slice key, uint64_t seq);
    void (*next)(struct iter *iter);
    void (*prev)(struct iter *iter);
    void (*free)(struct iter *iter);
    /* Both NULL when the iterator has no blocks. Whether there is a stretch here, forward: callers
     * go by next when there is none. */
    bool (*stretch)(struct iter *iter, struct iter_stretch *out);
    /* Moves to a row of the stretch or to the one right behind it, forward. */
    void (*skip)(struct iter *iter, uint32_t row_index);
    /* NULL, or the next step towards a seek to this position, which must be the next move: uses
     * what the step before has sent for and sends for more. round: 0, 1, 2... Returns whether there
     * is another one; else it is not called again. Several iterators that take their steps in turn
     * wait once for the memory of all. */
    bool (*aim)(struct iter *iter, struct slice key, uint64_t seq, unsigned round);
    /* NULL, or a better way to iter_next_key() than steps and a seek. */
    void (*next_key)(struct iter *iter, struct slice key);
};

struct iter {
    const struct iter_ops *ops;
    bool is_valid;
    int status;             /* LOAM_OK, or why it stands nowhere. */
    struct entry entry;     /* Meaningful while is_valid. */
    struct loam_error *err; /* Where a failure leaves its text; the owner's, may be NULL. */
};
/* ffi: end */

static inline void iter_first(struct iter *iter)
{
    iter->ops->first(iter);
}
static inline void iter_last(struct iter *iter)
{
    iter->ops->last(iter);
}
static inline void iter_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    iter->ops->seek(iter, key, seq);
}
static inline void iter_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    iter->ops->seek_before(iter, key, seq);
}
static inline void iter_next(struct iter *iter)
{
    iter->ops->next(iter);
}
static inline void iter_prev(struct iter *iter)
{
    iter->ops->prev(iter);
}
static inline bool iter_stretch(struct iter *iter, struct iter_stretch *out)
{
    return iter->ops->stretch != NULL && iter->ops->stretch(iter, out);
}
static inline void iter_skip(struct iter *iter, uint32_t row_index)
{
    iter->ops->skip(iter, row_index);
}
static inline bool iter_aim(struct iter *iter, struct slice key, uint64_t seq, unsigned round)
{
    return iter->ops->aim != NULL && iter->ops->aim(iter, key, seq, round);
}

/* Versions stepped over before a seek leaves them: a step to a row of a memtable is a cache miss,
 * the way down its tree has just been gone. */
#define ITER_VERSION_STEPS 2u

/* Leaves the versions of `key`, on one of which the iterator stands, forward: to the first entry of
 * another key. The key's bytes are the caller's. */
static inline void iter_next_key(struct iter *iter, struct slice key)
{
    if (iter->ops->next_key != NULL) {
        iter->ops->next_key(iter, key);
        return;
    }
    unsigned steps = 0;
    do {
        if (steps++ == ITER_VERSION_STEPS) {
            iter_seek(iter, key, 0);
            return;
        }
        iter_next(iter);
    } while (iter->is_valid && slice_equal(iter->entry.key, key));
}
static inline void iter_free(struct iter *iter)
{
    if (iter != NULL && iter->ops != NULL) {
        iter->ops->free(iter);
    }
}

#endif
