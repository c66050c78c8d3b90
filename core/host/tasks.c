/* SPDX-License-Identifier: MIT */
/*
 * tasks.c - calls of the engine that wait for the disk, made in a worker's stead. Floor 5.
 *
 * A worker's thread serves all its connections, so it must not sit in a flush or in the fsync of a
 * new bucket. It queues the call, its handler yields, and a thread here makes the call, puts the
 * result on the worker's list and wakes it. Commits do not come this way: loam_submit() has its own
 * queue.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "host/host_private.h"

void host_task_run(loam_db *db, struct host_task *task)
{
    struct loam_error *err = &task->error;
    switch (task->kind) {
    case HOST_TASK_FLUSH:
        task->code = loam_flush(db, err);
        break;
    case HOST_TASK_SYNC:
        task->code = loam_sync(db, err);
        break;
    case HOST_TASK_BUCKET_OPEN:
        task->code = loam_bucket_open(db, task->name, &task->bucket_options, &task->bucket, err);
        break;
    case HOST_TASK_BUCKET_DROP:
        task->code = loam_bucket_drop(db, task->name, err);
        break;
    case HOST_TASK_CONTENT_TYPE:
        task->code =
            loam_content_type_id(db, task->name, task->name_size, &task->content_type, err);
        break;
    case HOST_TASK_COMPACT:
        task->code = loam_compact(db, &task->job, err);
        break;
    default:
        task->code = fail(err, LOAM_INVALID, "no task of kind %d", task->kind);
    }
}

static void list_give(struct host_task_list *list, struct host_task_node *node)
{
    node->next = NULL;
    if (list->first == NULL) {
        list->first = node;
    } else {
        list->last->next = node;
    }
    list->last = node;
}

static struct host_task_node *list_take(struct host_task_list *list)
{
    struct host_task_node *node = list->first;
    if (node != NULL) {
        list->first = node->next;
    }
    return node;
}

static void *run_tasks(void *argument)
{
    struct host *host = argument;
    struct host_tasks *tasks = &host->tasks;
    mutex_lock(&tasks->mutex);
    while (true) {
        struct host_task_node *node = list_take(&tasks->queued);
        if (node == NULL && tasks->is_stopping) {
            break;
        }
        if (node == NULL) {
            cond_wait(&tasks->cond, &tasks->mutex);
            continue;
        }
        mutex_unlock(&tasks->mutex);
        host_task_run(node->worker->db, &node->task);
        mutex_lock(&tasks->mutex);
        list_give(&node->worker->done, node);
        http_worker_wake(node->worker->http);
    }
    mutex_unlock(&tasks->mutex);
    return NULL;
}

int host_tasks_start(struct host *host, struct loam_error *err)
{
    mutex_init(&host->tasks.mutex);
    cond_init(&host->tasks.cond);
    for (int i = 0; i < HOST_TASK_THREADS; i++) {
        TRY(thread_start(&host->tasks.threads[i], "loam-task", run_tasks, host, err));
    }
    return LOAM_OK;
}

void host_tasks_stop(struct host *host)
{
    struct host_tasks *tasks = &host->tasks;
    mutex_lock(&tasks->mutex);
    tasks->is_stopping = true;
    cond_broadcast(&tasks->cond);
    mutex_unlock(&tasks->mutex);
    for (int i = 0; i < HOST_TASK_THREADS; i++) {
        thread_join(&tasks->threads[i]);
    }
    for (int i = 0; i < host->worker_count; i++) {
        struct host_task_node *node;
        while ((node = list_take(&host->workers[i]->done)) != NULL) {
            mem_free(node);
        }
    }
    cond_deinit(&tasks->cond);
    mutex_deinit(&tasks->mutex);
}

int host_task_submit(struct host_worker *worker,
                     const struct host_task *task,
                     struct loam_error *err)
{
    PRE(task->name_size < sizeof task->name);
    struct host_task_node *node = mem_alloc(sizeof *node);
    if (node == NULL) {
        return mem_fail(err, sizeof *node);
    }
    node->worker = worker;
    node->task = *task;
    struct host_tasks *tasks = &worker->host->tasks;
    mutex_lock(&tasks->mutex);
    list_give(&tasks->queued, node);
    cond_signal(&tasks->cond);
    mutex_unlock(&tasks->mutex);
    return LOAM_OK;
}

int host_task_take(struct host_worker *worker, struct host_task *out)
{
    struct host_tasks *tasks = &worker->host->tasks;
    mutex_lock(&tasks->mutex);
    struct host_task_node *node = list_take(&worker->done);
    mutex_unlock(&tasks->mutex);
    if (node == NULL) {
        return 0;
    }
    *out = node->task;
    mem_free(node);
    return 1;
}
