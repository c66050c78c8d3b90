/* SPDX-License-Identifier: MIT */
/*
 * stress_bank.c - the accounts of loam_stress: conditional transfers, and sums that never change.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

static int account_key(uint64_t account, char *key)
{
    return snprintf(key, KEY_SIZE, "account%03" PRIu64, account);
}

static long number_of(const char *data, size_t size)
{
    char text[KEY_SIZE];
    if (size == 0 || size >= sizeof(text)) {
        die("a balance is no number", NULL);
    }
    memcpy(text, data, size);
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

/* One transfer, conditional on both rows being as read. */
void work_transfer(struct worker *worker)
{
    struct stress *stress = worker->stress;
    uint64_t accounts[2] = {next_random(worker, ACCOUNTS), 0};
    accounts[1] = (accounts[0] + 1 + next_random(worker, ACCOUNTS - 1)) % ACCOUNTS;
    long amount = (long)next_random(worker, 20) - 10;
    loam_error err = {0};
    loam_buffer value = {0};
    char keys[2][KEY_SIZE];
    char texts[2][KEY_SIZE];
    loam_op ops[2] = {{0}};
    loam_batch *batch = loam_batch_new();
    for (int i = 0; i < 2; i++) {
        loam_meta meta;
        size_t size = (size_t)account_key(accounts[i], keys[i]);
        must("get of an account",
             loam_get_entry(stress->db, stress->bank, keys[i], size, NULL, &value, &meta, &err),
             &err);
        long balance = number_of(value.data, value.size) + (i == 0 ? amount : -amount);
        int text_size = snprintf(texts[i], KEY_SIZE, "%ld", balance);
        ops[i] = (loam_op){.kind = LOAM_OP_PUT,
                           .bucket = stress->bank,
                           .key = keys[i],
                           .key_size = size,
                           .value = texts[i],
                           .value_size = (size_t)text_size,
                           .condition = LOAM_IF_SEQ,
                           .if_seq = meta.seq};
        must("batch_add", loam_batch_add(batch, &ops[i], &err), &err);
    }
    loam_commit commit = {.durability = (int)next_random(worker, 40) == 0 ? LOAM_SYNC : LOAM_OS};
    loam_outcome outcome = {0};
    int rc = loam_write(stress->db, batch, &commit, &outcome, &err);
    if (rc == LOAM_MISMATCH) {
        atomic_fetch_add(&stress->conflicts, 1);
    } else {
        must("transfer", rc, &err);
        atomic_fetch_add(&stress->transfers, 1);
    }
    loam_buffer_free(&outcome.previous);
    loam_batch_free(batch);
    loam_buffer_free(&value);
}

static void check_sum(struct stress *stress, const char *how, long sum, int count)
{
    if (sum != (long)ACCOUNTS * DEPOSIT || count != ACCOUNTS) {
        (void)printf("stress: by %s %d accounts sum up to %ld\n", how, count, sum);
        die("money appeared or vanished", NULL);
    }
    atomic_fetch_add(&stress->sums, 1);
}

uint64_t sum_by_scan(struct worker *worker, const loam_snapshot *snapshot, const char *how)
{
    struct stress *stress = worker->stress;
    loam_error err = {0};
    loam_range range = {.reverse = next_random(worker, 2) == 0};
    loam_scan *scan = NULL;
    loam_rows rows = {0};
    uint64_t mark = 0;
    long sum = 0;
    int count = 0;
    must("scan_open", loam_scan_open(stress->db, stress->bank, &range, snapshot, &scan, &err),
         &err);
    for (;;) {
        must("scan_next", loam_scan_next(scan, &rows, &err), &err);
        if (rows.count == 0) {
            break;
        }
        for (size_t i = 0; i < rows.count; i++) {
            sum += number_of(rows.rows[i].value, rows.rows[i].value_size);
            mark += rows.rows[i].seq; /* Independent of the direction. */
            count++;
        }
    }
    loam_scan_close(scan);
    check_sum(stress, how, sum, count);
    return mark;
}

static void sum_by_snapshot(struct worker *worker)
{
    loam_error err = {0};
    loam_snapshot *snapshot = NULL;
    must("snapshot_open", loam_snapshot_open(worker->stress->db, &snapshot, &err), &err);
    uint64_t first = sum_by_scan(worker, snapshot, "snapshot");
    for (int i = 0; i < 3; i++) {
        if (sum_by_scan(worker, snapshot, "snapshot, again") != first) {
            die("a snapshot reads differently", NULL);
        }
    }
    loam_snapshot_close(snapshot);
}

static void sum_by_mget(struct worker *worker)
{
    struct stress *stress = worker->stress;
    loam_error err = {0};
    loam_slice keys[ACCOUNTS];
    loam_slice results[ACCOUNTS];
    char texts[ACCOUNTS][KEY_SIZE];
    loam_buffer storage = {0};
    for (uint64_t i = 0; i < ACCOUNTS; i++) {
        keys[i] = (loam_slice){.data = texts[i], .size = (size_t)account_key(i, texts[i])};
    }
    int found = loam_mget(stress->db, stress->bank, keys, ACCOUNTS, NULL, results, &storage, &err);
    must("mget", found, &err);
    long sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        sum += number_of(results[i].data, results[i].size);
    }
    check_sum(stress, "mget", sum, found);
    loam_buffer_free(&storage);
}

void work_sums(struct worker *worker)
{
    switch (next_random(worker, 3)) {
    case 0:
        (void)sum_by_scan(worker, NULL, "scan");
        break;
    case 1:
        sum_by_snapshot(worker);
        break;
    default:
        sum_by_mget(worker);
        break;
    }
}

void bank_deposit(struct stress *stress)
{
    loam_error err = {0};
    char key[KEY_SIZE];
    char value[KEY_SIZE];
    int value_size = snprintf(value, sizeof(value), "%d", DEPOSIT);
    for (uint64_t i = 0; i < ACCOUNTS; i++) {
        size_t size = (size_t)account_key(i, key);
        must("put",
             loam_put(stress->db, stress->bank, key, size, value, (size_t)value_size, NULL, &err),
             &err);
    }
}
