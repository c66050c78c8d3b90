/* SPDX-License-Identifier: MIT */
/* wheel.c - see wheel.h. */
#include "http/wheel.h"

#include <string.h>

#include "base/check.h"

_Static_assert(sizeof(((struct wheel *)0)->used) * 8 == WHEEL_SLOTS, "one bit per slot");

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick = now_ns / WHEEL_TICK_NS;
}

static void file_entry(struct wheel *wheel, struct wheel_entry *entry)
{
    INV(!entry->is_filed);
    /* A slot is due when its tick has passed entirely, so an expiry is never early. */
    uint64_t tick = entry->at_ns / WHEEL_TICK_NS + 1;
    if (tick < wheel->tick) {
        tick = wheel->tick;
    }
    if (tick >= wheel->tick + WHEEL_SLOTS) {
        tick = wheel->tick + WHEEL_SLOTS - 1;
    }
    size_t slot = tick % WHEEL_SLOTS;
    entry->filed_for = tick;
    entry->is_filed = true;
    entry->prev = NULL;
    entry->next = wheel->slots[slot];
    if (entry->next != NULL) {
        entry->next->prev = entry;
    }
    wheel->slots[slot] = entry;
    wheel->used[slot / 64] |= 1ULL << (slot % 64);
}

void wheel_remove(struct wheel *wheel, struct wheel_entry *entry)
{
    if (!entry->is_filed) {
        return;
    }
    size_t slot = entry->filed_for % WHEEL_SLOTS;
    if (entry->prev != NULL) {
        entry->prev->next = entry->next;
    } else {
        INV(wheel->slots[slot] == entry);
        wheel->slots[slot] = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->prev = entry->prev;
    }
    if (wheel->slots[slot] == NULL) {
        wheel->used[slot / 64] &= ~(1ULL << (slot % 64));
    }
    entry->is_filed = false;
}

void wheel_set(struct wheel *wheel, struct wheel_entry *entry, uint64_t at_ns)
{
    entry->at_ns = at_ns;
    if (at_ns == WHEEL_NEVER) {
        return;
    }
    if (entry->is_filed && entry->filed_for <= at_ns / WHEEL_TICK_NS + 1) {
        return;
    }
    wheel_remove(wheel, entry);
    file_entry(wheel, entry);
}

struct wheel_entry *wheel_expire(struct wheel *wheel, uint64_t now_ns)
{
    uint64_t now_tick = now_ns / WHEEL_TICK_NS;
    if (now_tick > wheel->tick + WHEEL_SLOTS) {
        wheel->tick = now_tick - WHEEL_SLOTS; /* After a long pause once round is enough. */
    }
    while (wheel->tick <= now_tick) {
        struct wheel_entry *entry = wheel->slots[wheel->tick % WHEEL_SLOTS];
        if (entry == NULL) {
            wheel->tick++;
            continue;
        }
        wheel_remove(wheel, entry);
        if (entry->at_ns <= now_ns) {
            return entry;
        }
        if (entry->at_ns != WHEEL_NEVER) {
            /* Moved later in the meantime: into the slot it belongs to, which is not this one. */
            file_entry(wheel, entry);
            INV(entry->filed_for > wheel->tick);
        }
    }
    return NULL;
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
    for (uint64_t i = 0; i <= WHEEL_SLOTS / 64; i++) {
        size_t first = wheel->tick % WHEEL_SLOTS;
        size_t word = (first / 64 + i) % (WHEEL_SLOTS / 64);
        uint64_t bits = wheel->used[word];
        if (i == 0) {
            bits &= ~0ULL << (first % 64);
        } else if (i == WHEEL_SLOTS / 64) {
            bits &= ~(~0ULL << (first % 64));
        }
        if (bits != 0) {
            size_t slot = word * 64 + (size_t)__builtin_ctzll(bits);
            uint64_t ahead = (slot + WHEEL_SLOTS - first) % WHEEL_SLOTS;
            return (wheel->tick + ahead) * WHEEL_TICK_NS;
        }
    }
    return WHEEL_NEVER;
}
