/* SPDX-License-Identifier: MIT */
/* refuse.c - answers the server gives by itself, before any handler: JSON as all errors of the API.
 * The texts are constant, so nothing of the request's bytes is echoed. Thread: owner. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "http/worker.h"

static const char *code_of(int status)
{
    switch (status) {
    case 408:
        return "TIMEOUT";
    case 413:
    case 414:
    case 431:
        return "TOO_LARGE";
    case 501:
    case 505:
        return "UNSUPPORTED";
    case 503:
        return "BUSY";
    default:
        return "INVALID";
    }
}

bool http_refusal_write(struct http_worker *worker,
                        struct http_buffer *out,
                        const struct http_failure *failure,
                        const char *limit,
                        double limit_value,
                        bool is_head)
{
    char body[512];
    int size = 0;
    double serial = ++worker->serial;
    if (limit != NULL) {
        size = snprintf(body, sizeof(body),
                        "{\"error\":\"%s: %.0f, and %s is %.0f\",\"code\":\"%s\","
                        "\"request_id\":\"%s-%.0f\",\"limit\":\"%s\",\"value\":%.0f}\n",
                        failure->reason, failure->value, limit, limit_value,
                        code_of(failure->status), worker->prefix, serial, limit, limit_value);
    } else {
        size = snprintf(body, sizeof(body),
                        "{\"error\":\"%s\",\"code\":\"%s\",\"request_id\":\"%s-%.0f\"}\n",
                        failure->reason, code_of(failure->status), worker->prefix, serial);
    }
    POST(size > 0 && (size_t)size < sizeof(body));
    static const char plain[] = "Content-Type: application/json\r\n";
    static const char retry[] = "Content-Type: application/json\r\nRetry-After: 1\r\n";
    bool is_busy = failure->status == 503;
    struct http_head_options options = {
        .status = failure->status,
        .version_minor = 1,
        .keep_alive = 0,
        .framing = HTTP_FRAMING_LENGTH,
        .content_length = size,
        .headers = is_busy ? retry : plain,
        .headers_size = is_busy ? sizeof(retry) - 1 : sizeof(plain) - 1,
    };
    worker->counters.responses++;
    return http_head_write(worker, out, &options, (size_t)size) &&
           (is_head || http_buffer_append(&worker->pool, out, body, (size_t)size));
}

/* ---- What was refused, for logs ---- */

void http_refusal_keep(struct http_worker *worker,
                       const struct http_failure *failure,
                       const struct sockaddr_storage *address)
{
    struct http_refusals *kept = &worker->refusals;
    struct http_refused *row = &kept->rows[kept->next];
    row->serial = worker->serial;
    row->status = failure->status;
    row->reason = failure->reason;
    (void)http_address_write(address, row->peer, sizeof(row->peer));
    kept->next = (kept->next + 1) % HTTP_REFUSALS_KEPT;
    kept->count += kept->count < HTTP_REFUSALS_KEPT;
}

int http_worker_refused(struct http_worker *worker, struct http_refused *out)
{
    struct http_refusals *kept = &worker->refusals;
    if (kept->count == 0) {
        return 0;
    }
    *out = kept->rows[(kept->next + HTTP_REFUSALS_KEPT - kept->count) % HTTP_REFUSALS_KEPT];
    kept->count--;
    return 1;
}
