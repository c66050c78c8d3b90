/* SPDX-License-Identifier: MIT */
/*
 * crc32.c - the CRC-32 of IEEE 802.3, as zip and PNG use it, for the ETag of /blobs. Floor 5.
 *
 * Nothing in the store relies on it (those checksums are XXH3); it is part of the blob surface
 * because clients compute the same number. Four bits at a time: small table, no initialisation,
 * about 300 MB/s. Thread: any.
 */
#include "host/host.h"

static const uint32_t nibbles[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

double host_crc32(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ nibbles[crc & 15];
        crc = (crc >> 4) ^ nibbles[crc & 15];
    }
    return (double)(crc ^ 0xffffffff);
}
