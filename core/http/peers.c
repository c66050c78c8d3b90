/* SPDX-License-Identifier: MIT */
/* peers.c - how many connections each address has: a chained hash with a secret seed, so that an
 * attacker with many addresses cannot pile them into one bucket. Thread: owner. */
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "base/status.h"
#include "http/worker.h"

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

static uint32_t bucket_of(const struct http_peers *peers, const uint8_t address[16])
{
    uint64_t halves[2];
    memcpy(halves, address, sizeof(halves));
    uint64_t hash = peers->seed;
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ halves[i]) * 0x9fb21c651e98df25ULL;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 32) & peers->mask;
}

int http_peers_init(struct http_peers *peers, uint32_t connections_max, struct loam_error *err)
{
    uint32_t count = 64;
    while (count < connections_max && count < (1u << 20)) {
        count *= 2;
    }
    peers->buckets = mem_zalloc(count, sizeof(struct http_peer *));
    if (peers->buckets == NULL) {
        return mem_fail(err, count * sizeof(struct http_peer *));
    }
    peers->mask = count - 1;
    if (getrandom(&peers->seed, sizeof(peers->seed), 0) != sizeof(peers->seed)) {
        return fail(err, LOAM_IO, "no random bytes for a hash seed");
    }
    return LOAM_OK;
}

void http_peers_deinit(struct http_peers *peers)
{
    for (uint32_t i = 0; peers->buckets != NULL && i <= peers->mask; i++) {
        while (peers->buckets[i] != NULL) {
            struct http_peer *peer = peers->buckets[i];
            peers->buckets[i] = peer->next;
            mem_free(peer);
        }
    }
    mem_free(peers->buckets);
    peers->buckets = NULL;
}

struct http_peer *
http_peers_enter(struct http_peers *peers, const struct sockaddr_storage *address, uint32_t max)
{
    uint8_t bytes[16];
    (void)address_bytes(address, bytes);
    struct http_peer **bucket = &peers->buckets[bucket_of(peers, bytes)];
    struct http_peer *peer = *bucket;
    while (peer != NULL && memcmp(peer->address, bytes, sizeof(bytes)) != 0) {
        peer = peer->next;
    }
    if (peer == NULL) {
        peer = mem_zalloc(1, sizeof(*peer));
        if (peer == NULL) {
            return NULL;
        }
        memcpy(peer->address, bytes, sizeof(bytes));
        peer->next = *bucket;
        *bucket = peer;
    }
    if (peer->count >= max) {
        return NULL;
    }
    peer->count++;
    return peer;
}

void http_peers_leave(struct http_peers *peers, struct http_peer *peer)
{
    if (peer == NULL || --peer->count > 0) {
        return;
    }
    struct http_peer **at = &peers->buckets[bucket_of(peers, peer->address)];
    while (*at != peer) {
        at = &(*at)->next;
    }
    *at = peer->next;
    mem_free(peer);
}
