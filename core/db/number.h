/* SPDX-License-Identifier: MIT */
/* number.h - decimal numbers as values: what INCR and numeric merges read and write. Floor 4.
 * Thread: any. */
#ifndef LOAM_DB_NUMBER_H
#define LOAM_DB_NUMBER_H

#include "base/slice.h"
#include "base/status.h"

enum { NUMBER_TEXT_MAX = 32 };

/* Parses a whole value as one finite decimal number, without blanks. Returns LOAM_OK or
 * LOAM_INVALID. */
NODISCARD int number_parse(struct slice text, double *out);
/* Writes the shortest form that reads back the same; integers below 2^53 without exponent. Returns
 * the length. */
size_t number_format(double number, char out[NUMBER_TEXT_MAX]);

#endif
