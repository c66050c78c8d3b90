/* SPDX-License-Identifier: MIT */
/*
 * put.c - the plain PUT from the request to the engine and back. Floor 5.
 *
 * Called by lua/loam/fast_put.lua. What is special about a request (a query, a condition, a content
 * type that was not seen before) is not taken here; the general way in lua/loam/routes/kv.lua
 * answers it with the same headers. Thread: worker.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "host/host_private.h"

static bool
has_header(const struct http_request *request, const char *name, struct loam_slice *value)
{
    return http_request_header(request, request->generation, name, strlen(name), &value->data,
                               &value->size) == 1;
}

/* Whether the content type is none, or the remembered one; *id is then its id. */
static bool knows_type(const struct http_request *request, const struct host_put *put, uint32_t *id)
{
    struct loam_slice type;
    *id = 0;
    if (!has_header(request, "Content-Type", &type)) {
        return true;
    }
    *id = put->content_type;
    return put->type_name != NULL && type.size == put->type_size &&
           memcmp(type.data, put->type_name, type.size) == 0;
}

static bool is_plain(const struct http_request *request,
                     const struct host_put *put,
                     const char *raw,
                     size_t raw_size)
{
    struct loam_slice value;
    return request->is_complete == 1 && raw_size <= put->key_bytes_max &&
           request->body_size <= put->value_bytes_max && memchr(raw, '%', raw_size) == NULL &&
           !has_header(request, "If-Match", &value) &&
           !has_header(request, "If-None-Match", &value);
}

static int answer(struct http_request *request, uint32_t generation, const loam_outcome *outcome)
{
    char headers[96];
    int size =
        snprintf(headers, sizeof headers, "ETag: \"%" PRIu64 "\"\r\nX-KV-Seq: %" PRIu64 "\r\n",
                 outcome->seq, outcome->seq);
    INV(size > 0 && (size_t)size < sizeof headers);
    int status = outcome->existed ? 204 : 201;
    int rc = http_respond(request, generation, status, headers, (size_t)size, NULL, 0);
    if (rc == LOAM_NO_MEMORY) {
        (void)http_respond_abort(request, generation);
    }
    return status;
}

int host_put_submit(struct http_request *request,
                    const struct host_put *put,
                    const char *raw,
                    size_t raw_size,
                    double tag,
                    struct loam_error *err)
{
    PRE(put->queue != NULL && put->batch != NULL);
    uint32_t content_type = 0;
    if (!is_plain(request, put, raw, raw_size) || !knows_type(request, put, &content_type)) {
        return LOAM_UNSUPPORTED;
    }
    loam_op op = {
        .kind = LOAM_OP_PUT,
        .bucket = put->bucket,
        .key = raw,
        .key_size = raw_size,
        .value = request->body,
        .value_size = request->body_size,
        .report_previous = true,
        .content_type = content_type,
    };
    loam_outcome outcome = {0};
    loam_batch_clear(put->batch);
    TRY(loam_batch_add(put->batch, &op, err));
    int rc = loam_submit(put->queue, put->batch, &put->commit, (uint64_t)tag, &outcome, err);
    int status = rc == 1 ? answer(request, request->generation, &outcome) : rc;
    loam_buffer_free(&outcome.previous);
    return status;
}

int host_put_finish(struct http_request *request,
                    uint32_t generation,
                    const loam_completion *completion)
{
    if (completion->code < 0) {
        return completion->code;
    }
    return answer(request, generation, &completion->outcome);
}
