/* SPDX-License-Identifier: MIT */
/* overlay.c - open addressing, linear probing, at most half full. */
#include "db/overlay.h"

#include "base/check.h"
#include "disk/ops.h"
#include "disk/table_reader.h"

enum { CAPACITY_MIN = 64 };

void overlay_clear(struct overlay *overlay)
{
    if (overlay->count > 0) {
        memset(overlay->slots, 0, overlay->capacity * sizeof(*overlay->slots));
    }
    overlay->count = 0;
}

void overlay_deinit(struct overlay *overlay)
{
    mem_free(overlay->slots);
    *overlay = (struct overlay){0};
}

static uint64_t hash_of(struct slice key)
{
    uint64_t hash = table_key_hash(key);
    return hash == 0 ? 1 : hash;
}

static void decode(const struct overlay_slot *slot, struct entry *out)
{
    const char *cursor = slot->ops->data + slot->offset;
    INV(ops_next(&cursor, slot->ops->data + slot->ops->size, out) == LOAM_OK);
    out->seq = slot->seq;
}

/* The slot of a key: its own, or the empty one where it belongs. */
static struct overlay_slot *locate(const struct overlay *overlay, struct slice key, uint64_t hash)
{
    size_t mask = overlay->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct overlay_slot *slot = &overlay->slots[i];
        if (slot->hash == 0) {
            return slot;
        }
        struct entry found;
        if (slot->hash == hash) {
            decode(slot, &found);
            if (slice_equal(found.key, key)) {
                return slot;
            }
        }
    }
}

static int grow(struct overlay *overlay, struct loam_error *err)
{
    size_t capacity = overlay->capacity == 0 ? CAPACITY_MIN : overlay->capacity * 2;
    struct overlay_slot *slots = mem_zalloc(capacity, sizeof(*slots));
    if (slots == NULL) {
        return mem_fail(err, capacity * sizeof(*slots));
    }
    for (size_t i = 0; i < overlay->capacity; i++) {
        if (overlay->slots[i].hash != 0) {
            size_t at = overlay->slots[i].hash & (capacity - 1);
            while (slots[at].hash != 0) {
                at = (at + 1) & (capacity - 1);
            }
            slots[at] = overlay->slots[i];
        }
    }
    mem_free(overlay->slots);
    overlay->slots = slots;
    overlay->capacity = capacity;
    return LOAM_OK;
}

int overlay_add(struct overlay *overlay,
                const struct loam_buffer *ops,
                size_t offset,
                uint64_t seq,
                struct loam_error *err)
{
    if ((overlay->count + 1) * 2 > overlay->capacity) {
        TRY(grow(overlay, err));
    }
    const struct overlay_slot added = {.seq = seq, .ops = ops, .offset = offset};
    struct entry entry;
    decode(&added, &entry);
    uint64_t hash = hash_of(entry.key);
    struct overlay_slot *slot = locate(overlay, entry.key, hash);
    if (slot->hash == 0) {
        overlay->count++;
    }
    *slot = added;
    slot->hash = hash;
    return LOAM_OK;
}

bool overlay_find(const struct overlay *overlay, struct slice key, struct entry *out)
{
    if (overlay->count == 0) {
        return false;
    }
    const struct overlay_slot *slot = locate(overlay, key, hash_of(key));
    if (slot->hash == 0) {
        return false;
    }
    decode(slot, out);
    return true;
}
