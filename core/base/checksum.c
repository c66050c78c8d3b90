/* SPDX-License-Identifier: MIT */
/* checksum.c - XXH3 from libxxhash, compiled in so that short inputs cost no call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "base/status.h"

uint64_t checksum_64(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t checksum_64_joined(struct slice first, struct slice second, uint64_t seed)
{
    XXH3_state_t state;
    /* The reset looks at what was there before: a state that seems to have this seed keeps its
     * secret. */
    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset_withSeed(&state, seed);
    (void)XXH3_64bits_update(&state, first.data, first.size);
    (void)XXH3_64bits_update(&state, second.data, second.size);
    return XXH3_64bits_digest(&state);
}

int checksum_stream_init(struct checksum_stream *stream)
{
    XXH3_state_t *state = mem_aligned(64, sizeof(*state));
    if (state == NULL) {
        return LOAM_NO_MEMORY;
    }
    (void)XXH3_64bits_reset(state);
    stream->state = state;
    return LOAM_OK;
}

void checksum_stream_add(struct checksum_stream *stream, const void *data, size_t size)
{
    PRE(stream->state != NULL);
    (void)XXH3_64bits_update(stream->state, data, size);
}

uint64_t checksum_stream_value(const struct checksum_stream *stream)
{
    PRE(stream->state != NULL);
    return XXH3_64bits_digest(stream->state);
}

void checksum_stream_deinit(struct checksum_stream *stream)
{
    mem_free(stream->state);
    stream->state = NULL;
}
