/* SPDX-License-Identifier: MIT */
/* stress.h - what the parts of loam_stress share; see stress.c. */
#ifndef LOAM_SPEC_TORTURE_STRESS_H
#define LOAM_SPEC_TORTURE_STRESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "loam.h"

enum { THREADS = 16, ACCOUNTS = 40, DEPOSIT = 1000, OWN_KEYS = 64, KEY_SIZE = 32 };

struct stress {
    loam_db *db;
    uint32_t bank;
    uint64_t seed;
    atomic_bool is_stopping;
    atomic_uint_fast64_t transfers;
    atomic_uint_fast64_t conflicts;
    atomic_uint_fast64_t sums;
    atomic_uint_fast64_t operations;
};

struct worker {
    struct stress *stress;
    uint64_t random;
    int number;
    int own[OWN_KEYS]; /* What this thread wrote last; 0 = nothing, or deleted. */
};

/* Prints and aborts. */
_Noreturn void die(const char *what, const loam_error *err);
/* Dies when rc is an error. */
void must(const char *what, int rc, const loam_error *err);
uint64_t next_random(struct worker *worker, uint64_t limit);

/* stress_bank.c */
void bank_deposit(struct stress *stress);
void work_transfer(struct worker *worker);
void work_sums(struct worker *worker);
/* Sums up what a scan shows; returns a mark of the rows. */
uint64_t sum_by_scan(struct worker *worker, const loam_snapshot *snapshot, const char *how);

#endif
