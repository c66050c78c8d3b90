/* SPDX-License-Identifier: MIT */
/*
 * embed.c - a C program on loam.h: a book of accounts.
 *
 *     embed DIRECTORY             shows every account
 *     embed DIRECTORY FROM TO N   moves N from one account to another
 *
 * Shows opening, reading, a batch with conditions that is repeated when another writer was faster,
 * a snapshot, a scan and errors. Every account opens with 100. Exit codes: 0 done, 1 refused or
 * failed, 2 wrong usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <loam.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPENING_BALANCE = 100, ATTEMPTS = 100, DIGITS_MAX = 32, NAME_BYTES_MAX = 64 };

struct account {
    const char *name;
    int64_t balance;
    uint64_t seq; /* 0 = it is not there yet. */
};

static int complain(const char *what, const loam_error *err)
{
    (void)fprintf(stderr, "embed: %s: %s (%s)\n", what, err->text, loam_code_name(err->code));
    return err->code;
}

/* Reads account->name; an account that is not there has the opening balance. */
static int read_account(loam_db *db, struct account *account, loam_error *err)
{
    loam_buffer value = {0};
    loam_meta meta = {0};
    int rc = loam_get_entry(db, LOAM_BUCKET_DEFAULT, account->name, strlen(account->name), NULL,
                            &value, &meta, err);

    account->balance = OPENING_BALANCE;
    account->seq = 0;
    if (rc == LOAM_OK) {
        char digits[DIGITS_MAX] = "";
        memcpy(digits, value.data, value.size < DIGITS_MAX - 1 ? value.size : DIGITS_MAX - 1);
        account->balance = strtoll(digits, NULL, 10);
        account->seq = meta.seq;
    }
    loam_buffer_free(&value);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

/* Adds "set this balance if nobody has changed the account since it was read". */
static int
add_account(loam_batch *batch, const struct account *account, int64_t balance, loam_error *err)
{
    char digits[DIGITS_MAX];
    int size = snprintf(digits, sizeof(digits), "%" PRId64, balance);
    loam_op op = {
        .kind = LOAM_OP_PUT,
        .bucket = LOAM_BUCKET_DEFAULT,
        .key = account->name,
        .key_size = strlen(account->name),
        .value = digits,
        .value_size = (size_t)size,
        .condition = LOAM_IF_SEQ,
        .if_seq = account->seq,
    };
    return loam_batch_add(batch, &op, err);
}

/* One try: both accounts change, or none. MISMATCH: another writer was faster. */
static int
try_transfer(loam_db *db, struct account *from, struct account *to, int64_t amount, loam_error *err)
{
    loam_batch *batch;
    int rc = read_account(db, from, err);

    if (rc == LOAM_OK) {
        rc = read_account(db, to, err);
    }
    if (rc != LOAM_OK) {
        return rc;
    }
    if (from->balance < amount) {
        err->code = LOAM_INVALID;
        (void)snprintf(err->text, sizeof(err->text), "%.64s has %" PRId64 ", not %" PRId64,
                       from->name, from->balance, amount);
        return LOAM_INVALID;
    }
    batch = loam_batch_new();
    if (batch == NULL) {
        err->code = LOAM_NO_MEMORY;
        (void)snprintf(err->text, sizeof(err->text), "no memory for a batch");
        return LOAM_NO_MEMORY;
    }
    rc = add_account(batch, from, from->balance - amount, err);
    if (rc == LOAM_OK) {
        rc = add_account(batch, to, to->balance + amount, err);
    }
    if (rc == LOAM_OK) {
        loam_commit commit = {.durability = LOAM_SYNC};
        rc = loam_write(db, batch, &commit, NULL, err);
    }
    loam_batch_free(batch);
    return rc;
}

static int transfer(loam_db *db, char **words, int64_t amount, loam_error *err)
{
    struct account from = {.name = words[0]};
    struct account to = {.name = words[1]};
    int rc = LOAM_MISMATCH;

    for (int attempt = 0; rc == LOAM_MISMATCH && attempt < ATTEMPTS; attempt++) {
        rc = try_transfer(db, &from, &to, amount, err);
    }
    return rc;
}

/* Prints every account as of one snapshot: the total is right, whatever is written meanwhile. */
static int show(loam_db *db, loam_error *err)
{
    loam_snapshot *snapshot = NULL;
    loam_scan *scan = NULL;
    loam_rows rows = {0};
    int rc = loam_snapshot_open(db, &snapshot, err);

    if (rc == LOAM_OK) {
        rc = loam_scan_open(db, LOAM_BUCKET_DEFAULT, NULL, snapshot, &scan, err);
    }
    while (rc == LOAM_OK) {
        rc = loam_scan_next(scan, &rows, err);
        if (rc != LOAM_OK || rows.count == 0) {
            break;
        }
        for (size_t at = 0; at < rows.count; at++) {
            const loam_row *row = &rows.rows[at];
            (void)printf("%.*s\t%.*s\n", (int)row->key_size, row->key, (int)row->value_size,
                         row->value);
        }
    }
    if (rc == LOAM_OK) {
        (void)printf("as of commit %" PRIu64 "\n", loam_snapshot_seq(snapshot));
    }
    loam_scan_close(scan);
    loam_snapshot_close(snapshot);
    return rc;
}

/* Returns the amount, or 0 when the words are no transfer. */
static int64_t parse_amount(char **words)
{
    char *end = NULL;
    long long amount;

    errno = 0;
    amount = strtoll(words[2], &end, 10);
    if (errno != 0 || *end != '\0' || amount <= 0 || strcmp(words[0], words[1]) == 0 ||
        words[0][0] == '\0' || strlen(words[0]) > NAME_BYTES_MAX || words[1][0] == '\0' ||
        strlen(words[1]) > NAME_BYTES_MAX) {
        return 0;
    }
    return amount;
}

int main(int argc, char **argv)
{
    loam_db *db = NULL;
    loam_error err = {0};
    int64_t amount = argc == 5 ? parse_amount(argv + 2) : 0;
    int rc;

    if (argc != 2 && amount == 0) {
        (void)fprintf(stderr, "usage: embed DIRECTORY [FROM TO AMOUNT]; two different names of up "
                              "to 64 bytes, a whole number of at least 1\n");
        return 2;
    }
    rc = loam_open(argv[1], NULL, &db, &err);
    if (rc != LOAM_OK) {
        (void)complain("open", &err);
        return 1;
    }
    if (amount > 0) {
        rc = transfer(db, argv + 2, amount, &err);
    }
    if (rc == LOAM_OK) {
        rc = show(db, &err);
    }
    if (rc != LOAM_OK) {
        (void)complain("accounts", &err);
    }
    if (loam_close(db, &err) != LOAM_OK) {
        rc = complain("close", &err);
    }
    return rc == LOAM_OK ? 0 : 1;
}
