/* SPDX-License-Identifier: MIT */
/*
 * instructions.c - the hot paths, each a fixed number of times, for spec/instructions_spec.lua to
 * count their instructions under valgrind.
 *
 *     instructions DIRECTORY          the directory exists and is empty
 *
 * Every function measure_NAME() does one kind of operation and returns how often; main() prints
 * "NAME COUNT" for each. The instructions of a path are what callgrind sees inside measure_NAME()
 * and what it calls, by COUNT; set-up stays outside. What runs in threads of the store is told by
 * the name of a function of the library: "@FUNCTION COUNT". Thread: main.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "disk/wal_writer.h"
#include "env/env.h"
#include "http/http.h"
#include "http/parser.h"
#include "loam.h"

#define ROWS       12000u
#define OPS        2000u
#define BATCH_ROWS 100u
#define UPDATED    (ROWS / 10)
#define KEY_SIZE   16u
#define VALUE_SIZE 100u
#define MEASURE    __attribute__((noinline, noclone)) static uint64_t

struct bench {
    char path[4096];
    loam_db *db;
    loam_batch *batch;
    loam_scan *scan;
    loam_buffer value;
    struct wal_writer *log;
    struct http_worker *worker;
    int client;
    uint64_t random;
    char payload[VALUE_SIZE];
    char keys[OPS][KEY_SIZE]; /* Of stored rows, drawn anew before each measurement. */
    char absent[OPS][KEY_SIZE];
};

static loam_error err;
static volatile uint64_t sink; /* What was read: nothing is optimised away. */

static void must(int rc, const char *what)
{
    if (rc < 0) {
        (void)fprintf(stderr, "instructions: %s: %s %s\n", what, loam_code_name(rc), err.text);
        exit(1);
    }
}

static uint64_t next_number(struct bench *bench)
{
    bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
    return (bench->random >> 33) % ROWS;
}

/* 16 digits; keys of even numbers are stored. */
static void make_key(char *key, uint64_t number)
{
    for (size_t i = KEY_SIZE; i > 0; i--) {
        key[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

static void draw_keys(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i++) {
        uint64_t number = next_number(bench) * 2;
        make_key(bench->keys[i], number);
        make_key(bench->absent[i], number + 1);
    }
}

static void put(struct bench *bench, const char *key)
{
    must(loam_put(bench->db, LOAM_BUCKET_DEFAULT, key, KEY_SIZE, bench->payload, VALUE_SIZE, NULL,
                  &err),
         "put");
}

static uint64_t get(struct bench *bench, const char *key)
{
    int rc = loam_get(bench->db, LOAM_BUCKET_DEFAULT, key, KEY_SIZE, NULL, &bench->value, &err);
    if (rc != LOAM_NOT_FOUND) {
        must(rc, "get");
    }
    return rc == LOAM_OK;
}

static void fill(struct bench *bench)
{
    char key[KEY_SIZE];
    for (uint64_t i = 0; i < ROWS; i++) {
        make_key(key, i * 7919 % ROWS * 2); /* 7919 is prime: every number once, out of order. */
        put(bench, key);
    }
}

static uint64_t read_rows(struct bench *bench)
{
    uint64_t count = 0;
    loam_rows rows = {0};
    do {
        must(loam_scan_next(bench->scan, &rows, &err), "scan");
        for (size_t i = 0; i < rows.count; i++) {
            sink += (unsigned char)rows.rows[i].key[0] + rows.rows[i].value_size;
        }
        count += rows.count;
    } while (rows.count > 0);
    return count;
}

static void aim(struct bench *bench, const char *from, uint64_t limit)
{
    loam_range range = {.from = from, .from_size = from != NULL ? KEY_SIZE : 0, .limit = limit};
    if (bench->scan == NULL) {
        must(loam_scan_open(bench->db, LOAM_BUCKET_DEFAULT, &range, NULL, &bench->scan, &err),
             "scan");
    } else {
        must(loam_scan_reset(bench->scan, LOAM_BUCKET_DEFAULT, &range, NULL, &err), "reset");
    }
}

static uint64_t get_stored(struct bench *bench)
{
    uint64_t found = 0;
    for (unsigned i = 0; i < OPS; i++) {
        found += get(bench, bench->keys[i]);
    }
    must(found == OPS ? LOAM_OK : LOAM_NOT_FOUND, "a stored row");
    return OPS;
}

static uint64_t seek(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i++) {
        aim(bench, bench->keys[i], 10);
        sink += read_rows(bench);
    }
    return OPS;
}

MEASURE measure_put(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i++) {
        put(bench, bench->keys[i]);
    }
    return OPS;
}

MEASURE measure_batch_row(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i += BATCH_ROWS) {
        loam_batch_clear(bench->batch);
        for (unsigned row = 0; row < BATCH_ROWS; row++) {
            must(loam_batch_put(bench->batch, LOAM_BUCKET_DEFAULT, bench->keys[i + row], KEY_SIZE,
                                bench->payload, VALUE_SIZE, &err),
                 "batch");
        }
        must(loam_write(bench->db, bench->batch, NULL, NULL, &err), "write");
    }
    return OPS;
}

MEASURE measure_get_memtable(struct bench *bench)
{
    return get_stored(bench);
}

MEASURE measure_get_table(struct bench *bench)
{
    return get_stored(bench);
}

MEASURE measure_get_missing(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i++) {
        sink += get(bench, bench->absent[i]);
    }
    return OPS;
}

MEASURE measure_seek_memtable(struct bench *bench)
{
    return seek(bench);
}

MEASURE measure_seek_table(struct bench *bench)
{
    return seek(bench);
}

MEASURE measure_scan_row(struct bench *bench)
{
    aim(bench, NULL, 0);
    return read_rows(bench);
}

MEASURE measure_log_frame(struct bench *bench)
{
    for (unsigned i = 0; i < OPS; i++) {
        must(wal_writer_add(bench->log, 1 + i, 1, bench->payload, VALUE_SIZE, &err), "frame");
        must(wal_writer_write(bench->log, &err), "log");
    }
    return OPS;
}

static const char request_text[] = "GET /v1/kv/default/0000000000001234?ttl=1 HTTP/1.1\r\n"
                                   "Host: localhost:8080\r\n"
                                   "User-Agent: instructions/1\r\n"
                                   "Accept: */*\r\n\r\n";

MEASURE measure_http_parse(struct bench *bench)
{
    (void)bench;
    struct http_limits limits;
    struct http_field fields[100];
    http_limits_init(&limits);
    for (unsigned i = 0; i < OPS; i++) {
        struct http_parser parser;
        http_parser_init(&parser, &limits, fields);
        int done = http_parser_head(&parser, request_text, sizeof(request_text) - 1);
        must(done == HTTP_PARSE_DONE ? LOAM_OK : LOAM_INVALID, "parse");
    }
    return OPS;
}

/* Sends the request and waits for it. Returns its event. */
static struct http_event request_arrive(struct bench *bench)
{
    struct http_event event;
    ssize_t sent = send(bench->client, request_text, sizeof(request_text) - 1, 0);
    must(sent == (ssize_t)sizeof(request_text) - 1 ? LOAM_OK : LOAM_IO, "send");
    must(http_poll(bench->worker, 10000, &event, 1) == 1 ? LOAM_OK : LOAM_TIMEOUT, "poll");
    must(event.type == HTTP_EVENT_REQUEST ? LOAM_OK : LOAM_INVALID, "event");
    return event;
}

static void answer_read(struct bench *bench)
{
    char text[1024];
    struct http_event event;
    (void)http_poll(bench->worker, 0, &event, 1);
    must(recv(bench->client, text, sizeof(text), 0) > 0 ? LOAM_OK : LOAM_IO, "answer");
}

/* GETs from arrival to answer, over loopback: what the kernel does is not counted. */
static uint64_t serve(struct bench *bench)
{
    static const char headers[] = "Content-Type: application/octet-stream\r\n";
    for (unsigned i = 0; i < OPS; i++) {
        struct http_event event = request_arrive(bench);
        must(http_respond(event.request, event.generation, 200, headers, sizeof(headers) - 1,
                          bench->payload, VALUE_SIZE),
             "respond");
        answer_read(bench);
    }
    return OPS;
}

MEASURE measure_http_get(struct bench *bench)
{
    return serve(bench);
}

typedef uint64_t measure_fn(struct bench *bench);

/* `warm` runs before, uncounted: what is loaded and grown on first use is there then. */
static void report(struct bench *bench, const char *name, measure_fn *measure, measure_fn *warm)
{
    if (warm != NULL) {
        sink += warm(bench);
    }
    draw_keys(bench);
    printf("%s %" PRIu64 "\n", name, measure(bench));
}

static void open_store(struct bench *bench)
{
    char path[4200];
    loam_options options;
    loam_options_init(&options);
    options.durability = LOAM_OS;
    options.compression = LOAM_COMPRESS_NONE;
    options.memory_bytes = 64u << 20;
    options.background_threads = 1;
    (void)snprintf(path, sizeof(path), "%s/store", bench->path);
    must(loam_open(path, &options, &bench->db, &err), "open");
    bench->batch = loam_batch_new();
}

static void measure_memtable(struct bench *bench)
{
    fill(bench);
    report(bench, "put", measure_put, NULL);
    report(bench, "batch_row", measure_batch_row, NULL);
    report(bench, "get_memtable", measure_get_memtable, get_stored);
    report(bench, "seek_memtable", measure_seek_memtable, seek);
    loam_scan_close(bench->scan);
    bench->scan = NULL;
}

/* Flushes, flushes a tenth of the rows again - too few for a compaction that nobody asked for - and
 * merges both runs. Returns the rows that flushes and the compaction have read. */
static uint64_t settle(struct bench *bench)
{
    uint64_t job = 0;
    loam_job_info info;
    must(loam_flush(bench->db, &err), "flush");
    char key[KEY_SIZE];
    for (uint64_t i = 0; i < UPDATED; i++) {
        make_key(key, i * 20);
        put(bench, key);
    }
    must(loam_flush(bench->db, &err), "flush");
    must(loam_compact(bench->db, &job, &err), "compact");
    must(loam_job_wait(bench->db, job, 0, &info, &err), "wait");
    must(info.code, info.text);
    uint64_t first = ROWS + 2 * OPS; /* With the rows of measure_put and measure_batch_row. */
    return first + UPDATED + ROWS + UPDATED;
}

static void measure_tables(struct bench *bench)
{
    printf("@compaction_run %" PRIu64 "\n", settle(bench));
    report(bench, "get_table", measure_get_table, get_stored);
    report(bench, "get_missing", measure_get_missing, NULL);
    report(bench, "seek_table", measure_seek_table, seek);
    report(bench, "scan_row", measure_scan_row, NULL);
}

static void measure_log(struct bench *bench)
{
    struct env_dir *dir = NULL;
    struct env *env = env_posix();
    struct store_id id = {.uuid = {1}, .epoch = 1};
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/log", bench->path);
    must(env->open_dir(env, path, true, &dir, &err), "directory");
    must(wal_writer_open(dir, 1, &id, NULL, 4u << 20, 4u << 20, &bench->log, &err), "log");
    report(bench, "log_frame", measure_log_frame, NULL);
    must(wal_writer_close(bench->log, &err), "close");
    dir->ops->close(dir);
}

static void measure_http(struct bench *bench)
{
    struct http_worker_options options;
    http_worker_options_init(&options);
    options.address = "127.0.0.1:0";
    must(http_worker_open(&options, &bench->worker, &err), "worker");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_worker_port(bench->worker)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bench->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(bench->client, (struct sockaddr *)&address, sizeof(address)), "connect");
    report(bench, "http_parse", measure_http_parse, NULL);
    report(bench, "http_get", measure_http_get, serve);
    close(bench->client);
    http_worker_close(bench->worker);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.random = 1};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: instructions DIRECTORY\n");
        return 2;
    }
    (void)snprintf(bench.path, sizeof(bench.path), "%s", argv[1]);
    memset(bench.payload, 'v', VALUE_SIZE);
    open_store(&bench);
    measure_memtable(&bench);
    measure_tables(&bench);
    loam_scan_close(bench.scan);
    loam_batch_free(bench.batch);
    loam_buffer_free(&bench.value);
    must(loam_close(bench.db, &err), "close");
    measure_log(&bench);
    measure_http(&bench);
    return 0;
}
