/* SPDX-License-Identifier: MIT */
/*
 * glue.c - the two things a request needs from C: its value straight into the socket, and the
 * question whether a browser was lured. Floor 5, the only place that knows both loam.h and http.h.
 *
 * Called by lua/loam/fast.lua and lua/loam/routes. A small value is copied, a large one is sent
 * from the engine's block, which is pinned until the client has it. Thread: worker.
 */
#include "host/glue.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/slice.h"
#include "host/conditions.h"
#include "host/host_private.h"
#include "http/chars.h"

enum {
    RAW_KEY_ON_STACK = 2048,
    SMALL_VALUE_MAX = 2048, /* Copied out under the epoch. */
    LEND_MIN = 65536,       /* From here a value is sent from its block. */
};

/* The tag without its quotes. */
static void make_tag(struct host_head *tag, const loam_view *view, int etag)
{
    if (etag == HOST_ETAG_SEQ) {
        host_head_number(tag, view->meta.seq);
        return;
    }
    uint32_t crc = (uint32_t)host_crc32(view->data, view->size);
    for (int shift = 28; shift >= 0; shift -= 4) {
        host_head_text(tag, &"0123456789abcdef"[(crc >> shift) & 15], 1);
    }
}

static struct slice find_header(const struct http_request *request, const char *name)
{
    struct slice value = {0};
    if (http_request_header(request, request->generation, name, strlen(name), &value.data,
                            &value.size) != 1) {
        return (struct slice){0};
    }
    return value;
}

/* Keeps a browser from running what somebody stored; lua/loam/browser.lua does the same. */
static void head_guard(struct host_head *head, const char *type, size_t size)
{
    HOST_HEAD_LITERAL(head, "X-Content-Type-Options: nosniff\r\n");
    for (size_t i = 0; i + 3 <= size; i++) {
        bool is_page = i + 4 <= size && strncasecmp(type + i, "html", 4) == 0;
        if (is_page || strncasecmp(type + i, "xml", 3) == 0) {
            HOST_HEAD_LITERAL(head, "Content-Security-Policy: sandbox\r\n");
            return;
        }
    }
}

/* Returns false when the stored content type is no header value. */
static bool
make_head(struct host_head *head, loam_db *db, const loam_view *view, const struct host_head *tag)
{
    if (tag->size == 0) {
        host_head_seq(head, view->meta.seq);
    } else {
        HOST_HEAD_LITERAL(head, "ETag: \"");
        host_head_text(head, tag->text, tag->size);
        HOST_HEAD_LITERAL(head, "\"\r\nX-KV-Seq: ");
        host_head_number(head, view->meta.seq);
        HOST_HEAD_LITERAL(head, "\r\n");
    }
    if (view->meta.expire_at_ms != 0) {
        HOST_HEAD_LITERAL(head, "X-KV-Expires-At: ");
        host_head_number(head, view->meta.expire_at_ms);
        HOST_HEAD_LITERAL(head, "\r\n");
    }
    const char *type =
        view->meta.content_type == 0 ? NULL : loam_content_type_name(db, view->meta.content_type);
    if (type == NULL) {
        HOST_HEAD_LITERAL(head, "Content-Type: application/octet-stream\r\n");
        return true;
    }
    static const char name[] = "Content-Type";
    size_t type_size = strnlen(type, CONTENT_TYPE_SIZE_MAX);
    int size = http_header_add(head->text, head->size, sizeof head->text, name, sizeof name - 1,
                               type, type_size);
    if (size < 0) {
        return false;
    }
    head->size = (size_t)size;
    head_guard(head, type, type_size);
    return true;
}

static int send_absent(struct http_request *request, struct host_sending *sending)
{
    char id[32];
    int id_size = http_request_id(request, request->generation, id, sizeof id);
    struct host_head body;
    body.size = 0;
    HOST_HEAD_LITERAL(&body, "{\"error\":\"");
    if (sending->etag == HOST_ETAG_CRC) {
        HOST_HEAD_LITERAL(&body, "Blob not found");
    } else {
        HOST_HEAD_LITERAL(&body, "no such key");
    }
    HOST_HEAD_LITERAL(&body, "\",\"code\":\"NOT_FOUND\",\"request_id\":\"");
    host_head_text(&body, id, id_size > 0 ? (size_t)id_size : 0);
    HOST_HEAD_LITERAL(&body, "\"}\n");
    static const char headers[] = "Content-Type: application/json\r\n";
    sending->size = request->method == HTTP_HEAD ? 0 : body.size;
    (void)http_respond(request, request->generation, 404, headers, sizeof headers - 1, body.text,
                       body.size);
    return 404;
}

/* "Content-Range: bytes 2-5/10" and what goes with it. */
static void head_range(struct host_head *head, const struct host_selection *part, size_t size)
{
    HOST_HEAD_LITERAL(head, "Content-Range: bytes ");
    host_head_number(head, part->first);
    HOST_HEAD_LITERAL(head, "-");
    host_head_number(head, part->first + part->size - 1);
    HOST_HEAD_LITERAL(head, "/");
    host_head_number(head, size);
    HOST_HEAD_LITERAL(head, "\r\n");
}

static void release_kept(void *context)
{
    loam_view *view = context;
    loam_view_release(view);
    mem_free(view);
}

/* Sends the head and a part of the value. A large one of a table is not copied: *view is moved, and
 * ends when the client has it. One of a memtable would keep all of that memtable for a slow client.
 */
static int respond_view(struct http_request *request,
                        const struct host_head *head,
                        const struct host_selection *part,
                        loam_view *view)
{
    const char *body = part->size == 0 ? NULL : view->data + part->first;
    bool may_lend = part->size >= LEND_MIN && view->pin != NULL && loam_view_is_light(view);
    loam_view *kept = may_lend ? mem_alloc(sizeof *kept) : NULL;
    if (kept == NULL) {
        return http_respond_checked(request, request->generation, part->status, head->text,
                                    head->size, body, part->size);
    }
    *kept = *view;
    *view = (loam_view){0};
    struct http_loan loan = {
        .data = body,
        .size = part->size,
        .memory = kept->data,
        .memory_size = kept->size,
        .release = release_kept,
        .context = kept,
    };
    return http_respond_lent(request, request->generation, part->status, head->text, head->size,
                             &loan);
}

/* Answers with a value that was found. What is refused for its conditions is the general way's. */
static int send_view(struct http_request *request,
                     loam_db *db,
                     loam_view *view,
                     struct host_sending *sending,
                     struct loam_error *err)
{
    struct host_head tag;
    struct host_head head;
    struct host_conditions given;
    struct host_selection part = {.status = 200, .first = 0, .size = view->size};
    bool is_conditional = host_conditions_of(request, &given) > 0;
    tag.size = head.size = 0;
    if (sending->etag != HOST_ETAG_SEQ || is_conditional) {
        make_tag(&tag, view, sending->etag);
    }
    if (is_conditional && (host_select(&given, tag.text, tag.size, request->method == HTTP_GET,
                                       view->size, &part) != LOAM_OK ||
                           part.status > 400)) {
        return fail(err, LOAM_INVALID, "the conditions of the request are refused");
    }
    if (!make_head(&head, db, view, &tag)) {
        return fail(err, LOAM_INVALID, "the stored content type is no header value");
    }
    if (request->method == HTTP_HEAD) {
        HOST_HEAD_LITERAL(&head, "Accept-Ranges: bytes\r\n");
    }
    if (part.status == 206) {
        head_range(&head, &part, view->size);
    } else if (part.status == 304) {
        part.size = 0;
    }
    sending->size = request->method == HTTP_HEAD ? 0 : part.size;
    int rc = respond_view(request, &head, &part, view);
    /* A client that is gone, or a stale handle, needs no other answer. */
    if (rc == LOAM_INVALID || rc == LOAM_NO_MEMORY) {
        return fail(err, rc, "the answer with a value of %zu bytes was refused", part.size);
    }
    return part.status;
}

/* A small value is copied twice, which costs less than pinning its block for the time between. */
static int send_small(struct http_request *request,
                      loam_db *db,
                      uint32_t bucket,
                      struct slice key,
                      struct host_sending *sending,
                      struct loam_error *err)
{
    char bytes[SMALL_VALUE_MAX];
    loam_buffer place = {.data = bytes, .capacity = sizeof bytes};
    loam_view view = {0};
    TRY(loam_get_into(db, bucket, key.data, key.size, NULL, &place, &view.meta, err));
    view.data = bytes;
    view.size = place.size;
    return send_view(request, db, &view, sending, err);
}

static int send_pinned(struct http_request *request,
                       loam_db *db,
                       uint32_t bucket,
                       struct slice key,
                       struct host_sending *sending,
                       struct loam_error *err)
{
    loam_view view = {0};
    TRY(loam_get_view(db, bucket, key.data, key.size, NULL, &view, err));
    int rc = send_view(request, db, &view, sending, err);
    loam_view_release(&view);
    return rc;
}

static int send_key(struct http_request *request,
                    loam_db *db,
                    uint32_t bucket,
                    struct slice key,
                    struct host_sending *sending,
                    struct loam_error *err)
{
    int rc = send_small(request, db, bucket, key, sending, err);
    if (rc == LOAM_TOO_LARGE && key.size <= KEY_SIZE_MAX) {
        rc = send_pinned(request, db, bucket, key, sending, err);
    }
    if (rc == LOAM_NOT_FOUND) {
        return send_absent(request, sending);
    }
    return rc;
}

int host_send_value(struct http_request *request,
                    loam_db *db,
                    uint32_t bucket,
                    const char *key,
                    size_t key_size,
                    struct host_sending *sending,
                    struct loam_error *err)
{
    sending->size = 0;
    if (sending->is_encoded == 0 || memchr(key, '%', key_size) == NULL) {
        return send_key(request, db, bucket, slice_make(key, key_size), sending, err);
    }
    char stack[RAW_KEY_ON_STACK];
    char *decoded = key_size <= sizeof stack ? stack : mem_alloc(key_size);
    if (decoded == NULL) {
        return mem_fail(err, key_size);
    }
    int size = http_percent_decode(key, key_size, decoded);
    int rc = size < 0
                 ? fail(err, LOAM_INVALID, "bad %%-escape in the key")
                 : send_key(request, db, bucket, slice_make(decoded, (size_t)size), sending, err);
    if (decoded != stack) {
        mem_free(decoded);
    }
    return rc;
}

/* ---- Admission ---- */

/* "[::1]:80" -> "[::1]", "a:80" -> "a". */
static struct slice without_port(struct slice authority)
{
    size_t size = authority.size;
    while (size > 0 && authority.data[size - 1] >= '0' && authority.data[size - 1] <= '9') {
        size--;
    }
    bool has_port = size > 0 && authority.data[size - 1] == ':';
    return slice_make(authority.data, has_port ? size - 1 : authority.size);
}

/* "*" stands for every name. */
static bool name_is_listed(struct slice name, const char *names, size_t names_size)
{
    size_t at = 0;
    while (at < names_size) {
        size_t size = strnlen(names + at, names_size - at);
        bool is_any = size == 1 && names[at] == '*';
        if (is_any || http_equal_nocase(names + at, size, name.data, name.size)) {
            return true;
        }
        at += size + 1;
    }
    return false;
}

/* Whether a page comes from the host and port that its request goes to. */
static bool is_own_page(struct slice origin, struct slice host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (host.size > 0 && origin.size == skip + host.size &&
            memcmp(origin.data, schemes[i], skip) == 0 &&
            strncasecmp(origin.data + skip, host.data, host.size) == 0) {
            return true;
        }
    }
    return false;
}

/* An origin that was configured: it has a scheme, by which it differs from the hosts. */
static bool origin_is_listed(struct slice origin, const char *names, size_t names_size)
{
    size_t at = 0;
    while (at < names_size) {
        size_t size = strnlen(names + at, names_size - at);
        if (size == origin.size && memchr(names + at, '/', size) != NULL &&
            strncasecmp(names + at, origin.data, size) == 0) {
            return true;
        }
        at += size + 1;
    }
    return false;
}

int host_admit(const struct http_request *request, const char *names, size_t names_size)
{
    struct slice host = slice_make(request->host, request->host_size);
    if (host.size > 0 && !name_is_listed(without_port(host), names, names_size)) {
        return 1;
    }
    if ((request->seen & HTTP_SEEN_ORIGIN) == 0) {
        return 0;
    }
    struct slice origin = find_header(request, "Origin");
    if (origin.size == 0) {
        return 0;
    }
    return is_own_page(origin, host) || origin_is_listed(origin, names, names_size) ? 0 : 2;
}
