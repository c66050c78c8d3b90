/* SPDX-License-Identifier: MIT */
/*
 * paced.c - an HTTP client that sends at a given rate, whatever the server does. Floor 5.
 *
 * A client that waits for each answer before it sends again measures a slow server kindly: while an
 * answer is late it asks for nothing. Here each request has its time, evenly spaced, and its
 * latency counts from that time, also when no connection was free to send it. Used by scripts/bench
 * --http for the latency below full load:
 *
 *     bench_paced PORT CONNECTIONS RATE SECONDS KEYS [COMPACT_PORT]
 *
 * asks for GET /v1/kv/default/<16 digits> on loopback and prints
 * "RESULT answers microseconds errors p50_us p99_us max_us late_p99_us". Busy: it never sleeps, so
 * it has a processor of its own. Where that is taken away, requests leave late although a
 * connection was free: the last figure is what of the latencies is the client's own. With
 * COMPACT_PORT the Loam there compacts all the time, asked for by this process: any other would
 * take time from one of the two processors. Thread: the only one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "bench/latency.h"

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 4096, EVENTS_MAX = 256, KEY_STEP = 7919 };
#define SECOND_NS ((uint64_t)1000000000)

struct client {
    int fd;
    uint64_t due_ns; /* When its request should have been sent. */
    size_t received;
    char answer[ANSWER_MAX];
};

struct run {
    struct client clients[CONNECTIONS_MAX];
    struct client compactor; /* Waits for one compaction after the other. */
    struct client *idle[CONNECTIONS_MAX];
    int idle_count;
    int epoll_fd;
    uint64_t interval_ns;
    uint64_t sent;
    uint64_t errors;
    uint64_t keys;
    uint64_t looked_ns; /* When it was last seen whether a request is due. */
    struct latency latency;
    struct latency late; /* By how much requests left late for no server's sake. */
};

static struct run run; /* Large, and there is one. */

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void give_up(const char *what)
{
    (void)fprintf(stderr, "bench_paced: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void connect_client(struct client *client, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        give_up("connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    if (epoll_ctl(run.epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        give_up("epoll_ctl");
    }
}

static void send_text(struct client *client, const char *text, size_t size)
{
    client->received = 0;
    if (send(client->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
        give_up("send");
    }
}

static void ask_for_compaction(void)
{
    static const char text[] = "POST /v1/admin/compact?wait=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Content-Length: 0\r\n\r\n";
    send_text(&run.compactor, text, sizeof text - 1);
}

static void send_request(uint64_t due_ns)
{
    struct client *client = run.idle[--run.idle_count];
    char text[128];
    int size = snprintf(text, sizeof text,
                        "GET /v1/kv/default/%016" PRIu64 " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                        run.sent * KEY_STEP % run.keys);
    client->due_ns = due_ns;
    run.sent++;
    /* One that was due at the last look had to wait for a connection: that is the server's. */
    latency_add(&run.late, due_ns > run.looked_ns ? now_ns() - due_ns : 0);
    send_text(client, text, (size_t)size);
}

/* Bytes of the whole answer, 0 while its head is not complete. */
static size_t answer_size(const struct client *client)
{
    const char *end = memmem(client->answer, client->received, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    static const char name[] = "\r\nContent-Length: ";
    const char *length = memmem(client->answer, client->received, name, sizeof name - 1);
    size_t body = length == NULL ? 0 : strtoul(length + sizeof name - 1, NULL, 10);
    return (size_t)(end - client->answer) + 4 + body;
}

static void receive(struct client *client)
{
    ssize_t n = recv(client->fd, client->answer + client->received,
                     sizeof client->answer - 1 - client->received, MSG_DONTWAIT);
    if (n <= 0) {
        give_up("recv");
    }
    client->received += (size_t)n;
    client->answer[client->received] = '\0';
    size_t wanted = answer_size(client);
    if (wanted == 0 || client->received < wanted) {
        return;
    }
    run.errors += memcmp(client->answer, "HTTP/1.1 200", 12) != 0;
    if (client == &run.compactor) {
        ask_for_compaction();
        return;
    }
    latency_add(&run.latency, now_ns() - client->due_ns);
    run.idle[run.idle_count++] = client;
}

static void receive_ready(void)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(run.epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        receive(events[i].data.ptr);
    }
}

static void send_for(uint64_t start_ns, uint64_t total, int connections)
{
    uint64_t deadline_ns = start_ns + total * run.interval_ns + 30 * SECOND_NS;
    while (run.sent < total || run.idle_count < connections) {
        uint64_t now = now_ns();
        while (run.sent < total && run.idle_count > 0 &&
               start_ns + run.sent * run.interval_ns <= now) {
            send_request(start_ns + run.sent * run.interval_ns);
        }
        run.looked_ns = now;
        receive_ready();
        if (now > deadline_ns) {
            errno = ETIMEDOUT;
            give_up("answers are missing");
        }
    }
}

enum { ARGUMENTS = 5 };

int main(int argc, char **argv)
{
    uint64_t given[ARGUMENTS + 1] = {0};
    bool is_right = argc == ARGUMENTS + 1 || argc == ARGUMENTS + 2;
    for (int i = 0; is_right && i < argc - 1; i++) {
        given[i] = strtoull(argv[i + 1], NULL, 10);
        is_right = given[i] != 0;
    }
    if (!is_right) {
        (void)fprintf(stderr,
                      "usage: bench_paced PORT CONNECTIONS RATE SECONDS KEYS [COMPACT_PORT]\n");
        return 2;
    }
    int connections = given[1] < CONNECTIONS_MAX ? (int)given[1] : CONNECTIONS_MAX;
    run.interval_ns = SECOND_NS / given[2];
    run.keys = given[4];
    run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (run.epoll_fd < 0) {
        give_up("epoll_create1");
    }
    for (int i = 0; i < connections; i++) {
        connect_client(&run.clients[i], (uint16_t)given[0]);
        run.idle[run.idle_count++] = &run.clients[i];
    }
    if (given[ARGUMENTS] != 0) {
        connect_client(&run.compactor, (uint16_t)given[ARGUMENTS]);
        ask_for_compaction();
    }
    uint64_t start_ns = now_ns();
    send_for(start_ns, given[2] * given[3], connections);
    double us = (double)(now_ns() - start_ns) / 1000;
    (void)printf("RESULT %" PRIu64 " %.0f %" PRIu64 " %.1f %.1f %.1f %.1f\n", run.latency.count, us,
                 run.errors, (double)latency_quantile(&run.latency, 0.5) / 1000,
                 (double)latency_quantile(&run.latency, 0.99) / 1000,
                 (double)run.latency.max / 1000, (double)latency_quantile(&run.late, 0.99) / 1000);
    return 0;
}
