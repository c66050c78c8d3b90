/* SPDX-License-Identifier: MIT */
/*
 * driver.c - the program around one store: opens it, then does what its standard input says, one
 * command a line, and answers each with one line of JSON. scripts/bench is what talks to it.
 *
 *     bench_NAME --dir DIR --n N --cache-mb MB --memory-mb MB --compress 0|1 --sync 0|1
 *
 *     run WORKLOAD OPS THREADS TIME_MS     time one workload
 *     settle                               full compaction
 *     reopen                               close and open again
 *     rest                                 write out what is dirty, so that the next program does
 *                                          not pay for it
 *     quit
 *
 * The process dies with the one that started it. Thread: main.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/usage.h"
#include "bench/workload.h"

struct driver {
    struct bench bench;
    struct bench_config config;
    uint64_t user_bytes; /* Written through this process so far. */
};

/* Readings before a command. */
struct mark {
    double cpu_seconds;
    uint64_t written_bytes;
    uint64_t at_ns;
};

void bench_die(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)fprintf(stderr, "%s: %s\n", bench_engine()->program, text);
    exit(1);
}

void *bench_alloc(size_t count, size_t size)
{
    void *block = mem_zalloc(count, size);
    if (block == NULL) {
        bench_die("out of memory: %zu times %zu bytes wanted", count, size);
    }
    return block;
}

static uint64_t number_of(const char *name, const char *text)
{
    char *end = NULL;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        bench_die("%s takes a whole number, got '%s'", name, text);
    }
    return number;
}

static void set_option(struct bench_config *config, const char *name, const char *text)
{
    if (strcmp(name, "--dir") == 0) {
        config->dir = text;
        return;
    }
    uint64_t number = number_of(name, text);
    if (strcmp(name, "--n") == 0) {
        config->row_count = number;
    } else if (strcmp(name, "--cache-mb") == 0) {
        config->cache_bytes = number << 20;
    } else if (strcmp(name, "--memory-mb") == 0) {
        config->memory_bytes = number << 20;
    } else if (strcmp(name, "--compress") == 0) {
        config->is_compressed = number != 0;
    } else if (strcmp(name, "--sync") == 0) {
        config->is_sync = number != 0;
    } else {
        bench_die("unknown option '%s'", name);
    }
}

static void read_options(struct bench_config *config, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            bench_die("option '%s' has no value", argv[i]);
        }
        set_option(config, argv[i], argv[i + 1]);
    }
    if (config->dir == NULL) {
        bench_die("--dir is missing");
    }
    if (config->row_count == 0 || config->row_count > UINT32_MAX) {
        bench_die("--n is %" PRIu64 ", it takes 1 to %" PRIu32, config->row_count, UINT32_MAX);
    }
}

static struct mark mark_take(void)
{
    usage_peak_reset();
    return (struct mark){.cpu_seconds = usage_cpu_seconds(),
                         .written_bytes = usage_written_bytes(),
                         .at_ns = usage_now_ns()};
}

/* The end of every answer: what the command has cost, and what there is now. */
static void finish_line(const struct driver *driver, const struct mark *before)
{
    uint64_t written = usage_written_bytes();
    uint64_t log_bytes = 0;
    uint64_t disk_bytes = usage_disk_bytes(driver->config.dir, &log_bytes);
    printf("\"cpu_seconds\":%.6f,\"peak_memory_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64
           ",\"log_bytes\":%" PRIu64 ",\"written_bytes\":%" PRIu64
           ",\"total_written_bytes\":%" PRIu64 ",\"total_user_bytes\":%" PRIu64 "}\n",
           usage_cpu_seconds() - before->cpu_seconds, usage_peak_bytes(), disk_bytes, log_bytes,
           written - before->written_bytes, written, driver->user_bytes);
    (void)fflush(stdout);
}

static void print_latency(const struct run_result *result)
{
    const struct latency *latency = &result->latency;
    printf("\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"p999_ns\":%" PRIu64
           ",\"max_ns\":%" PRIu64 ",",
           latency_quantile(latency, 0.5), latency_quantile(latency, 0.99),
           latency_quantile(latency, 0.999), latency->max);
}

static void do_run(struct driver *driver, char **words)
{
    struct run_request request = {.workload = workload_find(words[1]),
                                  .op_count = number_of("OPS", words[2]),
                                  .threads = number_of("THREADS", words[3]),
                                  .time_ms = number_of("TIME_MS", words[4])};
    if (request.workload == NULL) {
        bench_die("unknown workload '%s'", words[1]);
    }
    if (request.threads == 0 || request.threads > WORKLOAD_THREADS_MAX) {
        bench_die("%s threads, at most %d", words[3], WORKLOAD_THREADS_MAX);
    }
    struct run_result *result = bench_alloc(1, sizeof(*result));
    struct mark before = mark_take();
    run_workload(&driver->bench, &request, result);
    driver->user_bytes += result->user_bytes;
    printf("{\"workload\":\"%s\",\"threads\":%" PRIu64 ",\"ops\":%" PRIu64
           ",\"seconds\":%.6f,\"background_ops\":%" PRIu64 ",\"found\":%" PRIu64
           ",\"rows\":%" PRIu64 ",\"user_bytes\":%" PRIu64 ",",
           request.workload->name, request.threads, result->ops, result->seconds,
           result->background_ops, result->found, result->rows, result->user_bytes);
    if (!request.workload->counts_rows) {
        print_latency(result);
    }
    finish_line(driver, &before);
    mem_free(result);
}

static void do_settle(struct driver *driver)
{
    struct mark before = mark_take();
    bool is_skipped = driver->bench.engine->settle == NULL;
    if (!is_skipped) {
        driver->bench.engine->settle(driver->bench.store);
    }
    printf("{\"workload\":\"settle\",\"is_skipped\":%s,\"seconds\":%.6f,",
           is_skipped ? "true" : "false", (double)(usage_now_ns() - before.at_ns) / 1e9);
    finish_line(driver, &before);
}

static double open_store(struct driver *driver)
{
    uint64_t begin = usage_now_ns();
    driver->bench.store = driver->bench.engine->open(&driver->config);
    return (double)(usage_now_ns() - begin) / 1e9;
}

static void do_reopen(struct driver *driver)
{
    struct mark before = mark_take();
    driver->bench.engine->close(driver->bench.store);
    double close_seconds = (double)(usage_now_ns() - before.at_ns) / 1e9;
    double seconds = open_store(driver);
    printf("{\"workload\":\"reopen\",\"seconds\":%.6f,\"close_seconds\":%.6f,", seconds,
           close_seconds);
    finish_line(driver, &before);
}

static void do_rest(struct driver *driver)
{
    struct mark before = mark_take();
    usage_settle_disk(driver->config.dir);
    printf("{\"workload\":\"rest\",\"seconds\":%.6f,",
           (double)(usage_now_ns() - before.at_ns) / 1e9);
    finish_line(driver, &before);
}

static size_t split(char *line, char **words, size_t capacity)
{
    size_t count = 0;
    char *rest = line;
    for (char *word = strsep(&rest, " \n"); word != NULL; word = strsep(&rest, " \n")) {
        if (*word != '\0' && count < capacity) {
            words[count++] = word;
        }
    }
    return count;
}

/* Returns false when there is nothing more to do. */
static bool do_command(struct driver *driver, char *line)
{
    char *words[5];
    size_t count = split(line, words, 5);
    const char *verb = count == 0 ? "" : words[0];
    if (strcmp(verb, "quit") == 0) {
        return false;
    }
    if (strcmp(verb, "run") == 0 && count == 5) {
        do_run(driver, words);
    } else if (strcmp(verb, "settle") == 0) {
        do_settle(driver);
    } else if (strcmp(verb, "reopen") == 0) {
        do_reopen(driver);
    } else if (strcmp(verb, "rest") == 0) {
        do_rest(driver);
    } else {
        bench_die("unknown command '%s' of %zu words", verb, count);
    }
    return true;
}

static void print_ready(struct driver *driver, double open_seconds)
{
    char version[64];
    driver->bench.engine->version(version, sizeof(version));
    struct mark before = {0};
    printf("{\"workload\":\"open\",\"engine\":\"%s\",\"version\":\"%s\",\"pid\":%d,"
           "\"seconds\":%.6f,",
           driver->bench.engine->name, version, (int)getpid(), open_seconds);
    finish_line(driver, &before);
}

int main(int argc, char **argv)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct driver driver = {.bench = {.engine = bench_engine()}};
    read_options(&driver.config, argc, argv);
    driver.bench.config = &driver.config;
    driver.bench.n = driver.config.row_count;
    atomic_init(&driver.bench.record_count, driver.config.row_count);
    values_init(&driver.bench.values);
    print_ready(&driver, open_store(&driver));

    char line[256];
    while (fgets(line, sizeof(line), stdin) != NULL && do_command(&driver, line)) {
    }
    driver.bench.engine->close(driver.bench.store);
    values_deinit(&driver.bench.values);
    return 0;
}
