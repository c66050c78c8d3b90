/* SPDX-License-Identifier: MIT */
/*
 * board.c - questions to all workers and their answers: a text each, under one lock. Floor 5.
 *
 * Place 0 holds the last question, place i the last answer of worker i. A new question takes the
 * place of the old one; who asked that finds no answers with its number and asks again. What a
 * question means is up to lua/loam/calls.lua. Thread: any.
 */
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "host/host_private.h"

static int put(struct host *host, int place, double number, const char *text, size_t size)
    REQUIRES(host->mutex)
{
    struct loam_buffer *buffer = &host->board_texts[place];
    size_t before = buffer->size;
    buffer->size = 0;
    if (buf_grow(buffer, size + 1, NULL) != LOAM_OK) {
        buffer->size = before; /* What was there stays readable. */
        return LOAM_NO_MEMORY;
    }
    memcpy(buffer->data, text, size);
    buffer->size = size;
    host->board_numbers[place] = number;
    return LOAM_OK;
}

double host_board_ask(struct host *host, const char *text, size_t size)
{
    mutex_lock(&host->mutex);
    uint32_t number = host->shared.question_count + 1;
    int rc = put(host, 0, number, text, size);
    if (rc == LOAM_OK) {
        __atomic_store_n(&host->shared.question_count, number, __ATOMIC_RELEASE);
    }
    mutex_unlock(&host->mutex);
    if (rc != LOAM_OK) {
        return rc;
    }
    host_wake_all(host);
    return number;
}

int host_board_answer(struct host *host, int worker, double number, const char *text, size_t size)
{
    PRE(worker >= 1 && worker <= HOST_WORKER_COUNT_MAX);
    mutex_lock(&host->mutex);
    int rc = put(host, worker, number, text, size);
    mutex_unlock(&host->mutex);
    return rc;
}

double host_board_read(struct host *host, int place, loam_buffer *out)
{
    PRE(place >= 0 && place <= HOST_WORKER_COUNT_MAX);
    out->size = 0;
    mutex_lock(&host->mutex);
    const struct loam_buffer *text = &host->board_texts[place];
    double number = host->board_numbers[place];
    int rc = buf_grow(out, text->size + 1, NULL);
    if (rc == LOAM_OK && text->size > 0) {
        memcpy(out->data, text->data, text->size);
        out->size = text->size;
    }
    mutex_unlock(&host->mutex);
    return rc == LOAM_OK ? number : rc;
}
