/* SPDX-License-Identifier: MIT */
/*
 * epoch.c - three-epoch reclamation.
 *
 * `global` only grows. A reader publishes (global << 1 | 1) in its slot, an idle slot holds 0. The
 * epoch may advance from e to e + 1 when every active slot shows e; so readers are never more than
 * one epoch behind, and an item retired in epoch e is unreachable once the global epoch is e + 2.
 *
 * liburcu was considered: its readers cost the same, but its atomics are invisible to
 * ThreadSanitizer, and the whole point of a TSAN build is to check just this code.
 */
#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

#define COLLECT_EVERY 64 /* Retired items between two attempts to collect. */

struct CACHE_ALIGNED epoch_slot {
    _Atomic uint64_t
        state;            /* 0 idle, else epoch << 1 | 1; pairs with the fence in try_advance(). */
    unsigned depth;       /* Owning thread only. */
    _Atomic bool is_used; /* Whether a live thread owns it. */
    struct epoch_slot *next; /* Constant once linked: slots are never freed, only reused. */
};

static _Atomic uint64_t global = 1;
static _Atomic(struct epoch_slot *) slots;
static _Thread_local struct epoch_slot *mine;

static pthread_mutex_t limbo_mu = PTHREAD_MUTEX_INITIALIZER;
static struct epoch_item *limbo_head; /* Oldest first. Protected by limbo_mu. */
static struct epoch_item *limbo_tail; /* Protected by limbo_mu. */
static unsigned limbo_new;            /* Items since the last attempt. Protected by limbo_mu. */

static pthread_key_t slot_key;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void slot_release(void *value)
{
    struct epoch_slot *slot = value;
    atomic_store_explicit(&slot->state, 0, memory_order_release);
    slot->depth = 0;
    atomic_store_explicit(&slot->is_used, false, memory_order_release);
    mine = NULL;
}

static void slot_key_make(void)
{
    INV(pthread_key_create(&slot_key, slot_release) == 0);
}

/* Reuses a slot of an ended thread or adds one. Slots are not counted as memory of a store; running
 * out of it here ends the process. */
static NOINLINE struct epoch_slot *slot_claim(void)
{
    (void)pthread_once(&slot_once, slot_key_make);
    struct epoch_slot *slot = atomic_load_explicit(&slots, memory_order_acquire);
    for (; slot != NULL; slot = slot->next) {
        bool expected = false;
        if (!atomic_load_explicit(&slot->is_used, memory_order_relaxed) &&
            atomic_compare_exchange_strong(&slot->is_used, &expected, true)) {
            break;
        }
    }
    if (slot == NULL) {
        void *block = NULL;
        INV(posix_memalign(&block, CACHE_LINE, sizeof(*slot)) == 0);
        slot = block;
        atomic_init(&slot->state, 0);
        atomic_init(&slot->is_used, true);
        slot->depth = 0;
        struct epoch_slot *head = atomic_load_explicit(&slots, memory_order_relaxed);
        do {
            slot->next = head;
        } while (!atomic_compare_exchange_weak_explicit(&slots, &head, slot, memory_order_release,
                                                        memory_order_relaxed));
    }
    mine = slot;
    (void)pthread_setspecific(slot_key, slot);
    return slot;
}

void epoch_enter(void)
{
    struct epoch_slot *slot = LIKELY(mine != NULL) ? mine : slot_claim();
    if (slot->depth++ > 0) {
        return;
    }
    uint64_t now = atomic_load_explicit(&global, memory_order_relaxed);
    /* An exchange is the cheapest full barrier on x86 and, unlike a bare fence, visible to
     * ThreadSanitizer: no load of the bracket may move above it. */
    (void)atomic_exchange_explicit(&slot->state, now << 1 | 1, memory_order_seq_cst);
}

void epoch_exit(void)
{
    struct epoch_slot *slot = mine;
    PRE(slot != NULL && slot->depth > 0);
    if (--slot->depth == 0) {
        atomic_store_explicit(&slot->state, 0, memory_order_release);
    }
}

/* Returns the global epoch after trying to advance it. */
static uint64_t try_advance(void)
{
    uint64_t now = atomic_load_explicit(&global, memory_order_seq_cst);
    struct epoch_slot *slot = atomic_load_explicit(&slots, memory_order_acquire);
    for (; slot != NULL; slot = slot->next) {
        uint64_t state = atomic_load_explicit(&slot->state, memory_order_seq_cst);
        if (state != 0 && state != (now << 1 | 1)) {
            return now;
        }
    }
    if (atomic_compare_exchange_strong(&global, &now, now + 1)) {
        return now + 1;
    }
    return now;
}

/* Cuts what is due from the limbo list. */
static struct epoch_item *limbo_cut(uint64_t now)
{
    struct epoch_item *first = limbo_head;
    struct epoch_item *last = NULL;
    struct epoch_item *item = first;
    while (item != NULL && item->epoch + 2 <= now) {
        last = item;
        item = item->next;
    }
    if (last == NULL) {
        return NULL;
    }
    last->next = NULL;
    limbo_head = item;
    if (item == NULL) {
        limbo_tail = NULL;
    }
    return first;
}

void epoch_collect(void)
{
    uint64_t now = try_advance();
    (void)pthread_mutex_lock(&limbo_mu);
    limbo_new = 0;
    struct epoch_item *due = limbo_cut(now);
    (void)pthread_mutex_unlock(&limbo_mu);
    while (due != NULL) {
        struct epoch_item *next = due->next;
        due->release(due);
        due = next;
    }
}

void epoch_retire(struct epoch_item *item, void (*release)(struct epoch_item *item))
{
    PRE(release != NULL);
    item->next = NULL;
    item->release = release;
    (void)pthread_mutex_lock(&limbo_mu);
    /* Read under the lock, so that epochs in the list never decrease. */
    item->epoch = atomic_load_explicit(&global, memory_order_seq_cst);
    if (limbo_tail == NULL) {
        limbo_head = item;
    } else {
        limbo_tail->next = item;
    }
    limbo_tail = item;
    bool is_time = ++limbo_new >= COLLECT_EVERY;
    (void)pthread_mutex_unlock(&limbo_mu);
    if (is_time) {
        epoch_collect();
    }
}

void epoch_drain(void)
{
    PRE(mine == NULL || mine->depth == 0);
    (void)pthread_mutex_lock(&limbo_mu);
    uint64_t target = atomic_load_explicit(&global, memory_order_seq_cst) + 2;
    (void)pthread_mutex_unlock(&limbo_mu);
    while (atomic_load_explicit(&global, memory_order_seq_cst) < target) {
        (void)try_advance();
        (void)sched_yield();
    }
    epoch_collect();
}
