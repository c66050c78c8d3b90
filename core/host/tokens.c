/* SPDX-License-Identifier: MIT */
/*
 * tokens.c - whose token a request carries. Floor 5.
 *
 * An unknown id costs the same hash and the same comparison as a known one, so the time of an
 * answer tells nothing about the list. Thread: any, on memory of the caller.
 */
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/slice.h"
#include "host/host_private.h"
#include "host/secure.h"

static const char token_prefix[] = "loam_";

enum {
    PREFIX_SIZE = sizeof token_prefix - 1,
    TOKEN_SIZE = PREFIX_SIZE + HOST_TOKEN_ID_SIZE + 1 + HOST_TOKEN_SECRET_SIZE,
};

_Static_assert(sizeof(((struct host_token *)0)->id) == HOST_TOKEN_ID_SIZE, "id of a token");
_Static_assert(sizeof(((struct host_token *)0)->hash) == HOST_HASH_SIZE, "hash of a token");

int host_sha256(const void *data, size_t size, uint8_t *out)
{
    unsigned int out_size = 0;
    if (EVP_Digest(data, size, out, &out_size, EVP_sha256(), NULL) != 1) {
        return LOAM_NO_MEMORY;
    }
    POST(out_size == HOST_HASH_SIZE);
    return LOAM_OK;
}

int host_random(void *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t taken = getrandom((char *)out + done, size - done, 0);
        if (taken <= 0) {
            return LOAM_IO;
        }
        done += (size_t)taken;
    }
    return LOAM_OK;
}

/* The row with this id, or -1. */
static int find_id(const struct host_token *list, uint32_t count, const char *id)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(list[middle].id, id, HOST_TOKEN_ID_SIZE);
        if (order == 0) {
            return (int)middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

/* The token behind "Bearer", or an empty slice. */
static struct slice bearer_token(const char *field, size_t field_size)
{
    static const char scheme[] = "Bearer";
    size_t at = sizeof scheme - 1;
    if (field_size <= at || strncasecmp(field, scheme, at) != 0 || field[at] != ' ') {
        return (struct slice){0};
    }
    while (at < field_size && field[at] == ' ') {
        at++;
    }
    return slice_make(field + at, field_size - at);
}

int host_token_find(const struct host_token *list,
                    uint32_t count,
                    const char *field,
                    size_t field_size,
                    double now_ms)
{
    static const uint8_t nobody[HOST_HASH_SIZE] = {0};
    struct slice token = bearer_token(field, field_size);
    if (token.size != TOKEN_SIZE || memcmp(token.data, token_prefix, PREFIX_SIZE) != 0 ||
        token.data[PREFIX_SIZE + HOST_TOKEN_ID_SIZE] != '_') {
        return HOST_TOKEN_WRONG;
    }
    const char *id = token.data + PREFIX_SIZE;
    uint8_t hash[HOST_HASH_SIZE];
    if (host_sha256(id + HOST_TOKEN_ID_SIZE + 1, HOST_TOKEN_SECRET_SIZE, hash) != LOAM_OK) {
        return HOST_TOKEN_WRONG;
    }
    int row = find_id(list, count, id);
    bool is_same = CRYPTO_memcmp(row < 0 ? nobody : list[row].hash, hash, sizeof hash) == 0;
    if (row < 0 || !is_same) {
        return HOST_TOKEN_WRONG;
    }
    double expires_at_ms = list[row].expires_at_ms;
    return expires_at_ms > 0 && now_ms >= expires_at_ms ? HOST_TOKEN_EXPIRED : row;
}

int host_token_of(const struct http_request *request,
                  const struct host_token *list,
                  uint32_t count,
                  double now_ms)
{
    static const char name[] = "Authorization";
    const struct http_field *found = NULL;
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        if (field->name_size != sizeof name - 1 ||
            strncasecmp(request->head + field->name_at, name, sizeof name - 1) != 0) {
            continue;
        }
        if (found != NULL) {
            /* Which of two another program in front of us looked at, nobody knows. */
            return HOST_TOKEN_WRONG;
        }
        found = field;
    }
    if (found == NULL) {
        return HOST_TOKEN_ABSENT;
    }
    return host_token_find(list, count, request->head + found->value_at, found->value_size, now_ms);
}
