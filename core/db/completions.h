/* SPDX-License-Identifier: MIT */
/*
 * completions.h - finished asynchronous writes on their way to the consumer's poll loop. Floor 4.
 *
 * The queue's eventfd is readable while completions wait. Delivery happens in the leader's thread
 * under commit.mu; taking happens in the consumer's.
 */
#ifndef LOAM_DB_COMPLETIONS_H
#define LOAM_DB_COMPLETIONS_H

#include "db/commit.h"

struct async_ticket {
    struct ticket ticket;
    struct loam_batch batch; /* The caller's bytes, copied. */
    struct loam_completions *queue;
    struct loam_completion completion;
    struct async_ticket *next;
};

/* Queues a ticket that has its outcome. Takes the queue's lock only. */
void completions_deliver(struct async_ticket *async);

#endif
