/* SPDX-License-Identifier: MIT */
/*
 * table_stress.h - what table_testing.c and table_stress.c share. Floor 3; only in
 * libloam_testing.
 */
#ifndef LOAM_LSM_TABLE_STRESS_H
#define LOAM_LSM_TABLE_STRESS_H

#include "lsm/table_testing.h"

struct testing_tables {
    struct table_context context;
    uint64_t obsolete;
    uint64_t obsolete_count;
};

#endif
