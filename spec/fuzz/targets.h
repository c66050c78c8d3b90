/* SPDX-License-Identifier: MIT */
/* targets.h - the fuzz targets that are not in fuzz.c. Each takes any bytes. */
#ifndef LOAM_FUZZ_TARGETS_H
#define LOAM_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

void fuzz_point(const uint8_t *data, size_t size);
void fuzz_chunked(const uint8_t *data, size_t size);
void fuzz_target(const uint8_t *data, size_t size);
void fuzz_text(const uint8_t *data, size_t size);
void fuzz_conditions(const uint8_t *data, size_t size);

/* In Lua, by lua/loam/json.lua and lua/loam/config/file.lua. */
void fuzz_body(const uint8_t *data, size_t size);
void fuzz_config(const uint8_t *data, size_t size);

#endif
