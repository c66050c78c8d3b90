/* SPDX-License-Identifier: MIT */
/* gate.c - counts connections; see gate.h. Addresses stand in a chained hash with a secret seed, so
 * that an attacker with many addresses cannot pile them into one bucket. Thread: any. */
#include "http/gate.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"

struct http_peer {
    struct http_peer *next;
    uint8_t address[16];
    uint32_t count;
};

struct http_gate {
    /* Constant after new. */
    uint32_t connections_max;
    uint32_t per_ip_max;
    uint32_t mask;
    uint64_t seed;

    struct loam_mutex mu;
    uint32_t active PROTECTED_BY(mu);
    struct http_peer **buckets PROTECTED_BY(mu);

    atomic_uint refs; /* Atomic: workers end in any thread. */
};

static bool address_bytes(const struct sockaddr_storage *address, uint8_t out[16])
{
    memset(out, 0, 16);
    if (address->ss_family == AF_INET) {
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return true;
    }
    if (address->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    return false;
}

static uint32_t bucket_of(const struct http_gate *gate, const uint8_t address[16])
{
    uint64_t halves[2];
    memcpy(halves, address, sizeof(halves));
    uint64_t hash = gate->seed;
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ halves[i]) * 0x9fb21c651e98df25ULL;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 32) & gate->mask;
}

int http_gate_new(uint32_t connections_max,
                  uint32_t per_ip_max,
                  struct http_gate **out,
                  struct loam_error *err)
{
    int rc = LOAM_OK;
    uint32_t count = 64;
    while (count < connections_max && count < (1u << 20)) {
        count *= 2;
    }
    struct http_gate *gate = mem_zalloc(1, sizeof(*gate));
    struct http_peer **buckets = mem_zalloc(count, sizeof(struct http_peer *));
    uint64_t seed = 0;
    if (gate == NULL || buckets == NULL) {
        rc = mem_fail(err, count * sizeof(struct http_peer *));
        goto failed;
    }
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
        rc = fail(err, LOAM_IO, "no random bytes for a hash seed");
        goto failed;
    }
    gate->connections_max = connections_max;
    gate->per_ip_max = per_ip_max;
    gate->mask = count - 1;
    gate->seed = seed;
    gate->buckets = buckets;
    mutex_init(&gate->mu);
    atomic_init(&gate->refs, 1);
    *out = gate;
    return LOAM_OK;
failed:
    mem_free(gate);
    mem_free(buckets);
    return rc;
}

struct http_gate *http_gate_ref(struct http_gate *gate)
{
    (void)atomic_fetch_add_explicit(&gate->refs, 1, memory_order_relaxed);
    return gate;
}

void http_gate_unref(struct http_gate *gate)
{
    /* The release pairs with the acquire of whoever is last. */
    if (gate == NULL || atomic_fetch_sub_explicit(&gate->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    INV(gate->active == 0);
    mutex_deinit(&gate->mu);
    mem_free(gate->buckets);
    mem_free(gate);
}

/* Counts one more connection of an address. Returns NULL when it has its share, or no memory. */
static struct http_peer *enter_peer(struct http_gate *gate, const uint8_t bytes[16])
    REQUIRES(gate->mu)
{
    struct http_peer **bucket = &gate->buckets[bucket_of(gate, bytes)];
    struct http_peer *peer = *bucket;
    while (peer != NULL && memcmp(peer->address, bytes, sizeof(peer->address)) != 0) {
        peer = peer->next;
    }
    if (peer == NULL) {
        peer = mem_zalloc(1, sizeof(*peer));
        if (peer == NULL) {
            return NULL;
        }
        memcpy(peer->address, bytes, sizeof(peer->address));
        peer->next = *bucket;
        *bucket = peer;
    }
    if (peer->count >= gate->per_ip_max) {
        return NULL;
    }
    peer->count++;
    return peer;
}

int http_gate_enter(struct http_gate *gate,
                    const struct sockaddr_storage *address,
                    struct http_peer **peer)
{
    uint8_t bytes[16];
    bool has_address = address_bytes(address, bytes);
    uint32_t max = gate->connections_max + (has_address ? 0 : HTTP_GATE_RESERVE);
    int rc = HTTP_GATE_ENTERED;
    *peer = NULL;
    mutex_lock(&gate->mu);
    if (gate->active >= max) {
        rc = HTTP_GATE_FULL;
    } else if (has_address) {
        *peer = enter_peer(gate, bytes);
        rc = *peer == NULL ? HTTP_GATE_PEER_FULL : HTTP_GATE_ENTERED;
    }
    gate->active += rc == HTTP_GATE_ENTERED;
    mutex_unlock(&gate->mu);
    return rc;
}

void http_gate_leave(struct http_gate *gate, struct http_peer *peer)
{
    mutex_lock(&gate->mu);
    INV(gate->active > 0);
    gate->active--;
    if (peer != NULL && --peer->count == 0) {
        struct http_peer **at = &gate->buckets[bucket_of(gate, peer->address)];
        while (*at != peer) {
            at = &(*at)->next;
        }
        *at = peer->next;
        mem_free(peer);
    }
    mutex_unlock(&gate->mu);
}
