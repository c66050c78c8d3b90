/* SPDX-License-Identifier: MIT */
/*
 * logins.c - counts failed log-ins per address, for all workers of a server. Floor 5.
 *
 * Called by lua/loam/failed_logins.lua for requests without a good token. A table of fixed size:
 * sets of four places, the set of an address by a hash with a secret seed. A flood from many
 * addresses takes the place of those that failed least, and nobody can choose whose. Thread: any.
 */
#include <string.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "host/host_private.h"
#include "host/secure.h"

enum { SET_COUNT = 1024, SET_SIZE = 4 };

#define WINDOW_MS 60000.0

struct login_count {
    uint64_t key;    /* Hash of the address. */
    uint64_t window; /* The minute that `now` counts. */
    uint32_t now;    /* 0 = an empty place. */
    uint32_t before; /* In the minute before. */
};

struct host_logins {
    struct loam_mutex mutex;
    uint64_t seed; /* Constant. */
    struct login_count sets[SET_COUNT][SET_SIZE] PROTECTED_BY(mutex);
};

struct host_logins *host_logins_open(void)
{
    struct host_logins *logins = mem_zalloc(1, sizeof *logins);
    if (logins == NULL) {
        return NULL;
    }
    if (host_random(&logins->seed, sizeof logins->seed) != LOAM_OK) {
        mem_free(logins);
        return NULL;
    }
    mutex_init(&logins->mutex);
    return logins;
}

void host_logins_close(struct host_logins *logins)
{
    if (logins != NULL) {
        mutex_deinit(&logins->mutex);
        mem_free(logins);
    }
}

/* Lets the counts of an entry be those of this minute and the one before. */
static void turn(struct login_count *entry, uint64_t window)
{
    if (entry->window == window) {
        return;
    }
    entry->before = entry->window + 1 == window ? entry->now : 0;
    entry->now = 0;
    entry->window = window;
}

/* The place of a key; else the one to give up: an old one, or who failed least. */
static struct login_count *place_of(struct login_count *set, uint64_t key, uint64_t window)
{
    struct login_count *least = &set[0];
    uint64_t least_count = UINT64_MAX;
    for (int i = 0; i < SET_SIZE; i++) {
        struct login_count *entry = &set[i];
        if (entry->key == key && entry->now > 0) {
            return entry;
        }
        bool is_old = entry->window != window && entry->window + 1 != window;
        uint64_t count = is_old ? 0 : (uint64_t)entry->now + entry->before;
        if (count < least_count) {
            least = entry;
            least_count = count;
        }
    }
    memset(least, 0, sizeof *least);
    least->key = key;
    least->window = window;
    return least;
}

double host_logins_add(struct host_logins *logins, const char *address, size_t size, double now_ms)
{
    PRE(now_ms >= 0);
    uint64_t key = checksum_64(address, size, logins->seed);
    uint64_t window = (uint64_t)(now_ms / WINDOW_MS);
    mutex_lock(&logins->mutex);
    struct login_count *entry = place_of(logins->sets[key % SET_COUNT], key, window);
    turn(entry, window);
    entry->now += entry->now < UINT32_MAX;
    /* What is left of the minute before counts by its share in the sliding minute. */
    double share = 1 - (now_ms / WINDOW_MS - (double)window);
    double count = entry->now + entry->before * share;
    mutex_unlock(&logins->mutex);
    return count;
}
