/* SPDX-License-Identifier: MIT */
/* record.c - file headers and record headers as bytes; grammar in record.h. */
#include "disk/record.h"

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/guard.h"
#include "base/limits.h"

#define MAGIC_SIZE  8
#define MARKER_SIZE 3
#define TYPE_AT     16
#define CHECK_AT    8
#define CHECK_FROM  12 /* The header check covers [12, 40). */
#define UUID_AT     32
#define LINK_AT     56
#define HEADER_SUM  (FILE_HEADER_SIZE - 8)

_Static_assert(RECORD_MARKER_AT == TYPE_AT + 1, "the marker follows the type");
_Static_assert(BATCH_SIZE_MAX <= UINT32_MAX, "a payload size has 32 bits");

void wal_link_encode(const struct wal_link *link, char *out)
{
    put_u64(out, link->number);
    put_u64(out + 8, link->size);
    put_u64(out + 16, link->chain);
}

void wal_link_decode(struct wal_link *link, const char *data)
{
    link->number = get_u64(data);
    link->size = get_u64(data + 8);
    link->chain = get_u64(data + 16);
}

uint64_t file_header_encode(const struct file_header *header, char *out)
{
    memset(out, 0, FILE_HEADER_SIZE);
    memcpy(out, header->magic, MAGIC_SIZE);
    put_u16(out + 8, (uint16_t)header->version);
    put_u64(out + 24, header->number);
    memcpy(out + UUID_AT, header->id.uuid, sizeof(header->id.uuid));
    put_u64(out + 48, header->id.epoch);
    wal_link_encode(&header->link, out + LINK_AT);
    uint64_t sum = checksum_64(out, HEADER_SUM, 0);
    put_u64(out + HEADER_SUM, sum);
    return sum;
}

int file_header_decode(struct file_header *header,
                       const char *data,
                       size_t size,
                       const char *name,
                       struct loam_error *err)
{
    if (size < FILE_HEADER_SIZE) {
        return fail(err, LOAM_CORRUPT, "%s: %zu bytes are too few for the file header of %d", name,
                    size, FILE_HEADER_SIZE);
    }
    if (memcmp(data, header->magic, MAGIC_SIZE) != 0) {
        return fail(err, LOAM_CORRUPT, "%s: does not begin with %s", name, header->magic);
    }
    /* Size and checksum of this header stay the same in every later version, so that damage is told
     * from news. */
    if (GUARD(HEADER_CHECKSUM) && get_u64(data + HEADER_SUM) != checksum_64(data, HEADER_SUM, 0)) {
        return fail(err, LOAM_CORRUPT, "%s: checksum of the file header does not match", name);
    }
    uint32_t version = get_u16(data + 8);
    uint32_t required = get_u32(data + 12);
    if (GUARD(FORMAT_VERSION) && (version == 0 || version > header->version)) {
        return fail(err, LOAM_UNSUPPORTED, "%s: format version %u, this build reads 1 to %u", name,
                    version, header->version);
    }
    if (required != 0) {
        return fail(err, LOAM_UNSUPPORTED,
                    "%s: format version %u with required features 0x%x, this build knows none",
                    name, version, required);
    }
    if (get_u64(data + 24) != header->number) {
        return fail(err, LOAM_CORRUPT, "%s: header says file number %llu", name,
                    (unsigned long long)get_u64(data + 24));
    }
    header->version = version;
    memcpy(header->id.uuid, data + UUID_AT, sizeof(header->id.uuid));
    header->id.epoch = get_u64(data + 48);
    wal_link_decode(&header->link, data + LINK_AT);
    return LOAM_OK;
}

struct record_key record_key_make(const struct store_id *id, uint64_t number)
{
    return (struct record_key){.store = checksum_64(id->uuid, sizeof(id->uuid), 0),
                               .number = number};
}

static uint64_t seed_at(struct record_key key, uint64_t offset)
{
    return key.store ^ checksum_context(key.number, offset);
}

static uint32_t header_check(const char *data, uint64_t seed)
{
    return (uint32_t)checksum_64(data + CHECK_FROM, RECORD_HEADER_SIZE - CHECK_FROM, seed);
}

/* Makes room for a header and `inside` bytes of payload, and writes the header but for the checksum
 * in its first eight bytes. */
static int begin_record(struct loam_buffer *out,
                        const struct record *record,
                        size_t inside,
                        uint64_t seed,
                        struct loam_error *err)
{
    if (record->size > BATCH_SIZE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "log record of %zu bytes, the limit is %u", record->size,
                    BATCH_SIZE_MAX);
    }
    PRE(record->durable_upto <= record->offset);
    TRY(buf_reserve(out, RECORD_HEADER_SIZE + inside, err));
    char *data = out->data + out->size;
    put_u32(data + 12, (uint32_t)record->size);
    data[TYPE_AT] = (char)record->type;
    memcpy(data + RECORD_MARKER_AT, RECORD_MARKER, MARKER_SIZE);
    put_u32(data + 20, record->count);
    put_u64(data + 24, record->first_seq);
    put_u64(data + 32, record->durable_upto);
    put_u32(data + CHECK_AT, header_check(data, seed));
    return LOAM_OK;
}

int record_append(struct loam_buffer *out,
                  struct record_key key,
                  const struct record *record,
                  uint64_t *chain,
                  struct loam_error *err)
{
    uint64_t seed = seed_at(key, record->offset);
    TRY(begin_record(out, record, record->size, seed, err));
    char *data = out->data + out->size;
    if (record->size > 0) {
        memcpy(data + RECORD_HEADER_SIZE, record->payload, record->size);
    }
    put_u64(data, checksum_64(data + 8, RECORD_HEADER_SIZE - 8 + record->size, seed));
    *chain = record_chain(*chain, data);
    out->size += RECORD_HEADER_SIZE + record->size;
    return LOAM_OK;
}

int record_append_header(struct loam_buffer *out,
                         struct record_key key,
                         const struct record *record,
                         uint64_t *chain,
                         struct loam_error *err)
{
    uint64_t seed = seed_at(key, record->offset);
    TRY(begin_record(out, record, 0, seed, err));
    char *data = out->data + out->size;
    put_u64(data, checksum_64_joined(slice_make(data + 8, RECORD_HEADER_SIZE - 8),
                                     slice_make(record->payload, record->size), seed));
    *chain = record_chain(*chain, data);
    out->size += RECORD_HEADER_SIZE;
    return LOAM_OK;
}

bool record_decode_header(const char *data,
                          struct record_key key,
                          uint64_t offset,
                          struct record *out)
{
    if (memcmp(data + RECORD_MARKER_AT, RECORD_MARKER, MARKER_SIZE) != 0 ||
        get_u32(data + CHECK_AT) != header_check(data, seed_at(key, offset))) {
        return false;
    }
    uint32_t size = get_u32(data + 12);
    uint64_t durable_upto = get_u64(data + 32);
    if (size > BATCH_SIZE_MAX || durable_upto > offset) {
        return false;
    }
    *out = (struct record){
        .offset = offset,
        .first_seq = get_u64(data + 24),
        .durable_upto = durable_upto,
        .payload = NULL,
        .size = size,
        .count = get_u32(data + 20),
        .type = (unsigned char)data[TYPE_AT],
    };
    return true;
}

bool record_verify(const char *data, struct record_key key, const struct record *record)
{
    return !GUARD(RECORD_CHECKSUM) ||
           get_u64(data) == checksum_64(data + 8, RECORD_HEADER_SIZE - 8 + record->size,
                                        seed_at(key, record->offset));
}

uint64_t record_chain(uint64_t chain, const char *data)
{
    char pair[16];
    put_u64(pair, chain);
    memcpy(pair + 8, data, 8);
    return checksum_64(pair, sizeof(pair), 0);
}
