/* SPDX-License-Identifier: MIT */
/*
 * mem_inode.c - the bytes of a file in memory, live and durable. Floor 1.
 *
 * Bytes become durable by copying the dirty range at a sync, so a log of many small synced appends
 * costs what it writes. After a power cut a page of 4 KiB that was not synced is lost, kept or
 * torn; bytes that a sync has reached never change, also when a later write shared their page.
 * Thread: the driver's mutex is held.
 */
#include "env/mem_tree.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define TEAR_PAGE_SIZE    4096u
#define CAPACITY_MIN      256u
#define MEM_FILE_SIZE_MAX (1ULL << 40) /* An offset beyond is a mistake, not a file in memory. */

uint64_t mem_random_next(struct mem_random *random)
{
    random->state += 0x9e3779b97f4a7c15ULL;
    uint64_t x = random->state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

uint64_t mem_random_below(struct mem_random *random, uint64_t limit)
{
    PRE(limit > 0);
    return mem_random_next(random) % limit;
}

struct mem_inode *mem_inode_new(void)
{
    return mem_zalloc(1, sizeof(struct mem_inode));
}

static void free_unheld(struct mem_inode *inode)
{
    if (inode->uses == 0 && inode->keeps == 0) {
        mem_free(inode->data);
        mem_free(inode->durable);
        mem_free(inode);
    }
}

void mem_inode_use(struct mem_tree *tree, struct mem_inode *inode)
{
    if (inode->uses++ == 0) {
        tree->space_used += inode->allocated;
    }
}

void mem_inode_unuse(struct mem_tree *tree, struct mem_inode *inode)
{
    PRE(inode->uses > 0);
    if (--inode->uses == 0) {
        INV(tree->space_used >= inode->allocated);
        tree->space_used -= inode->allocated;
        free_unheld(inode);
    }
}

void mem_inode_keep(struct mem_inode *inode)
{
    inode->keeps++;
}

void mem_inode_unkeep(struct mem_inode *inode)
{
    PRE(inode->keeps > 0);
    inode->keeps--;
    free_unheld(inode);
}

/* Makes *data hold `need` bytes; doubles, so that appending is cheap. */
static int grow(char **data, size_t *capacity, size_t need, struct loam_error *err)
{
    if (need <= *capacity) {
        return LOAM_OK;
    }
    size_t next = *capacity < CAPACITY_MIN ? CAPACITY_MIN : *capacity;
    while (next < need) {
        next = next > SIZE_MAX / 2 ? need : next * 2;
    }
    char *block = mem_realloc(*data, next);
    if (block == NULL) {
        return mem_fail(err, next);
    }
    *data = block;
    *capacity = next;
    return LOAM_OK;
}

/* Changes the space an inode in use takes. */
static void set_allocated(struct mem_tree *tree, struct mem_inode *inode, uint64_t allocated)
{
    PRE(inode->uses > 0);
    tree->space_used = tree->space_used - inode->allocated + allocated;
    inode->allocated = allocated;
}

/* How far the file may reach now. */
static uint64_t reach_max(const struct mem_tree *tree, const struct mem_inode *inode)
{
    uint64_t room = tree->space_max > tree->space_used ? tree->space_max - tree->space_used : 0;
    return room > UINT64_MAX - inode->allocated ? UINT64_MAX : inode->allocated + room;
}

static void mark_dirty(struct mem_inode *inode, size_t start, size_t limit)
{
    if (inode->dirty_start == inode->dirty_limit) {
        inode->dirty_start = start;
        inode->dirty_limit = limit;
        return;
    }
    inode->dirty_start = start < inode->dirty_start ? start : inode->dirty_start;
    inode->dirty_limit = limit > inode->dirty_limit ? limit : inode->dirty_limit;
}

int mem_inode_write(struct mem_tree *tree,
                    struct mem_inode *inode,
                    uint64_t offset,
                    struct slice bytes,
                    struct loam_error *err)
{
    PRE(offset <= MEM_FILE_SIZE_MAX && bytes.size <= MEM_FILE_SIZE_MAX);
    uint64_t reach = reach_max(tree, inode);
    uint64_t room = reach > offset ? reach - offset : 0;
    size_t size = bytes.size < room ? bytes.size : (size_t)room;
    size_t start = (size_t)offset;
    size_t limit = start + size;
    if (size > 0) {
        TRY(grow(&inode->data, &inode->capacity, limit, err));
        if (tree->is_tracked) { /* So that a sync never fails for want of memory: no disk does. */
            TRY(grow(&inode->durable, &inode->durable_capacity, limit, err));
        }
        /* A hole reads as zeroes, and is as little durable as the bytes behind it. */
        size_t hole = start > inode->size ? start - inode->size : 0;
        memset(inode->data + start - hole, 0, hole);
        memcpy(inode->data + start, bytes.data, size);
        mark_dirty(inode, start - hole, limit);
        inode->size = limit > inode->size ? limit : inode->size;
        if (limit > inode->allocated) {
            set_allocated(tree, inode, limit);
        }
    }
    return size == bytes.size
               ? LOAM_OK
               : fail_errno(err, LOAM_NO_SPACE, ENOSPC, "%zu of %zu bytes fit", size, bytes.size);
}

int mem_inode_allocate(struct mem_tree *tree,
                       struct mem_inode *inode,
                       uint64_t size,
                       struct loam_error *err)
{
    if (size <= inode->allocated) {
        return LOAM_OK;
    }
    if (size > reach_max(tree, inode)) {
        return fail_errno(err, LOAM_NO_SPACE, ENOSPC, "cannot allocate %llu bytes",
                          (unsigned long long)size);
    }
    set_allocated(tree, inode, size);
    return LOAM_OK;
}

void mem_inode_trim(struct mem_tree *tree, struct mem_inode *inode, uint64_t size)
{
    if (size < inode->size) {
        inode->size = (size_t)size;
    }
    if (inode->dirty_limit > inode->size) {
        inode->dirty_limit = inode->size;
        inode->dirty_start =
            inode->dirty_start < inode->size ? inode->dirty_start : inode->dirty_limit;
    }
    bool is_first = !inode->is_trimmed || inode->size < inode->kept_size;
    inode->kept_size = is_first ? inode->size : inode->kept_size;
    inode->is_trimmed = tree->is_tracked;
    set_allocated(tree, inode, inode->size);
}

/* What a cut has made durable. */
static void apply_trim(struct mem_inode *inode)
{
    if (inode->is_trimmed && inode->durable_size > inode->kept_size) {
        inode->durable_size = inode->kept_size;
    }
    inode->is_trimmed = false;
}

int mem_inode_sync(struct mem_tree *tree, struct mem_inode *inode, struct loam_error *err)
{
    apply_trim(inode);
    if (!tree->is_tracked || inode->dirty_start == inode->dirty_limit) {
        return LOAM_OK;
    }
    TRY(grow(&inode->durable, &inode->durable_capacity, inode->dirty_limit, err));
    size_t start = inode->dirty_start;
    /* A range that a failed sync lost may lie between: on disk that is a hole. */
    size_t hole = start > inode->durable_size ? start - inode->durable_size : 0;
    memset(inode->durable + start - hole, 0, hole);
    memcpy(inode->durable + start, inode->data + start, inode->dirty_limit - start);
    if (inode->dirty_limit > inode->durable_size) {
        inode->durable_size = inode->dirty_limit;
    }
    inode->dirty_start = inode->dirty_limit = 0;
    POST(inode->durable_size <= inode->size);
    return LOAM_OK;
}

void mem_inode_sync_lost(struct mem_inode *inode)
{
    inode->dirty_start = inode->dirty_limit = 0;
}

/* What is live is durable. */
static int settle(struct mem_tree *tree, struct mem_inode *inode, struct loam_error *err)
{
    if (tree->is_tracked && inode->size > 0) {
        TRY(grow(&inode->durable, &inode->durable_capacity, inode->size, err));
        memcpy(inode->durable, inode->data, inode->size);
    }
    inode->durable_size = tree->is_tracked ? inode->size : 0;
    inode->is_trimmed = false;
    inode->dirty_start = inode->dirty_limit = 0;
    return LOAM_OK;
}

int mem_inode_resize(struct mem_tree *tree,
                     struct mem_inode *inode,
                     size_t size,
                     struct loam_error *err)
{
    TRY(grow(&inode->data, &inode->capacity, size, err));
    if (size > inode->size) {
        memset(inode->data + inode->size, 0, size - inode->size);
    }
    inode->size = size;
    set_allocated(tree, inode, size);
    return settle(tree, inode, err);
}

/* ---- Power cut ---- */

/* Puts back the durable byte; beyond the durable size that is zero, a hole. */
static void lose_byte(struct mem_inode *inode, size_t offset)
{
    inode->data[offset] = '\0';
    if (offset < inode->durable_size) {
        inode->data[offset] = inode->durable[offset];
    }
}

static bool is_durable_byte(const struct mem_inode *inode, size_t offset)
{
    return offset < inode->durable_size && inode->data[offset] == inode->durable[offset];
}

/* Leaves [start, cut) of a page and loses or spoils [cut, limit). */
static void tear(struct mem_inode *inode, size_t cut, size_t limit, struct mem_random *random)
{
    bool is_garbage = mem_random_below(random, 2) == 0;
    for (size_t i = cut; i < limit; i++) {
        if (!is_garbage) {
            lose_byte(inode, i);
        } else if (!is_durable_byte(inode, i)) {
            inode->data[i] = (char)mem_random_next(random);
        }
    }
}

static void cut_page(struct mem_inode *inode, size_t start, size_t limit, struct mem_random *random)
{
    if (limit <= inode->durable_size &&
        memcmp(inode->data + start, inode->durable + start, limit - start) == 0) {
        return;
    }
    switch (mem_random_below(random, 3)) {
    case 0:
        break;
    case 1:
        tear(inode, start + (size_t)mem_random_below(random, limit - start), limit, random);
        break;
    default:
        for (size_t i = start; i < limit; i++) {
            lose_byte(inode, i);
        }
    }
}

/* The size of a file is metadata and reaches the disk apart from its bytes. */
static size_t cut_size(const struct mem_inode *inode, struct mem_random *random)
{
    size_t unsynced = inode->size - inode->durable_size;
    switch (mem_random_below(random, 3)) {
    case 0:
        return inode->size;
    case 1:
        return inode->durable_size;
    default:
        return inode->durable_size + (size_t)mem_random_below(random, unsynced + 1);
    }
}

/* A cut that no sync has reached: done or undone. The bytes behind the end of the live file are
 * then those of before. */
static void cut_trim(struct mem_inode *inode, enum mem_cut cut, struct mem_random *random)
{
    bool is_done = cut == MEM_CUT_RANDOM && mem_random_below(random, 2) == 0;
    if (inode->is_trimmed && is_done) {
        apply_trim(inode);
    }
    inode->is_trimmed = false;
    if (inode->durable_size > inode->size) {
        memcpy(inode->data + inode->size, inode->durable + inode->size,
               inode->durable_size - inode->size);
        inode->size = inode->durable_size;
    }
}

int mem_inode_power_cut(struct mem_tree *tree,
                        struct mem_inode *inode,
                        enum mem_cut cut,
                        struct mem_random *random,
                        struct loam_error *err)
{
    PRE(tree->is_tracked && cut != MEM_CUT_PROCESS);
    cut_trim(inode, cut, random);
    INV(inode->durable_size <= inode->size);
    if (cut == MEM_CUT_LOSE) {
        inode->size = inode->durable_size;
        if (inode->size > 0) {
            memcpy(inode->data, inode->durable, inode->size);
        }
        inode->dirty_start = inode->dirty_limit = 0;
    } else {
        inode->size = cut_size(inode, random);
        for (size_t start = 0; start < inode->size; start += TEAR_PAGE_SIZE) {
            size_t left = inode->size - start;
            cut_page(inode, start, start + (left < TEAR_PAGE_SIZE ? left : TEAR_PAGE_SIZE), random);
        }
        TRY(settle(tree, inode, err));
    }
    set_allocated(tree, inode, inode->size);
    return LOAM_OK;
}
