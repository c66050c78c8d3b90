/* SPDX-License-Identifier: MIT */
/* conditions.c - tags, their lists, and ranges of bytes; see conditions.h. */
#include "host/conditions.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

/* ---- Fields ---- */

static struct loam_slice *place_of(struct host_conditions *out, const char *name, uint32_t size)
{
    switch (size) {
    case 5:
        return strncasecmp(name, "Range", size) == 0 ? &out->range : NULL;
    case 8:
        return strncasecmp(name, "If-Match", size) == 0   ? &out->if_match
               : strncasecmp(name, "If-Range", size) == 0 ? &out->if_range
                                                          : NULL;
    case 13:
        return strncasecmp(name, "If-None-Match", size) == 0 ? &out->if_none_match : NULL;
    default:
        return NULL;
    }
}

/* What the fields about the body say. Returns 1 for something special, else 0. */
static int note_body(struct host_conditions *out,
                     const char *name,
                     const struct http_field *field,
                     const char *value)
{
    static const char identity[] = "identity";
    if (field->name_size == 13 && strncasecmp(name, "Content-Range", 13) == 0) {
        out->is_part = 1;
        return 1;
    }
    if (field->name_size != 16 || strncasecmp(name, "Content-Encoding", 16) != 0 ||
        (field->value_size == sizeof identity - 1 &&
         strncasecmp(value, identity, sizeof identity - 1) == 0)) {
        return 0;
    }
    out->is_coded = 1;
    return 1;
}

int host_conditions_of(const struct http_request *request, struct host_conditions *out)
{
    int count = 0;
    memset(out, 0, sizeof *out);
    if ((request->seen & HTTP_SEEN_CONDITION) == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        const char *name = request->head + field->name_at;
        struct loam_slice *place = place_of(out, name, field->name_size);
        if (place == NULL) {
            count += note_body(out, name, field, request->head + field->value_at);
            continue;
        }
        out->is_repeated |= place->data != NULL;
        place->data = request->head + field->value_at;
        place->size = field->value_size;
        count++;
    }
    return count;
}

/* ---- Tags ---- */

static size_t skip_blanks(struct loam_slice text, size_t at)
{
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t')) {
        at++;
    }
    return at;
}

/* Any byte that a field's value may have, but the quote and the blank. */
static bool is_tag_byte(char byte)
{
    uint8_t code = (uint8_t)byte;
    return code > ' ' && code != '"' && code != 0x7f;
}

/* Reads one tag at *at. Returns false when there is none. */
static bool read_tag(struct loam_slice text, size_t *at, struct loam_slice *tag, bool *is_weak)
{
    *is_weak = text.size - *at >= 2 && text.data[*at] == 'W' && text.data[*at + 1] == '/';
    size_t open = *at + (*is_weak ? 2 : 0);
    if (open >= text.size || text.data[open] != '"') {
        return false;
    }
    size_t end = open + 1;
    while (end < text.size && is_tag_byte(text.data[end])) {
        end++;
    }
    if (end >= text.size || text.data[end] != '"') {
        return false;
    }
    tag->data = text.data + open + 1;
    tag->size = end - open - 1;
    *at = end + 1;
    return true;
}

static bool is_same(struct loam_slice a, const char *tag, size_t tag_size)
{
    return a.size == tag_size && memcmp(a.data, tag, tag_size) == 0;
}

int host_tag_listed(
    const char *list, size_t list_size, const char *tag, size_t tag_size, int is_weak)
{
    struct loam_slice text = {list, list_size};
    if (list_size == 1 && list[0] == '*') {
        return 1;
    }
    int found = 0;
    int count = 0;
    size_t at = skip_blanks(text, 0);
    while (at < text.size) {
        struct loam_slice one;
        bool is_one_weak = false;
        if (text.data[at] != ',') {
            if (!read_tag(text, &at, &one, &is_one_weak)) {
                return LOAM_INVALID;
            }
            count++;
            found |= (is_weak || !is_one_weak) && is_same(one, tag, tag_size);
            at = skip_blanks(text, at);
        }
        /* Empty elements are legal. */
        if (at < text.size && text.data[at] != ',') {
            return LOAM_INVALID;
        }
        at = skip_blanks(text, at + 1);
    }
    return count == 0 ? LOAM_INVALID : found;
}

/* ---- Ranges ---- */

/* Reads digits at *at; what is above SIZE_MAX is SIZE_MAX. Returns false when there are none. */
static bool read_number(struct loam_slice text, size_t *at, size_t *number)
{
    size_t start = *at;
    *number = 0;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        size_t digit = (size_t)(text.data[*at] - '0');
        bool is_over = __builtin_mul_overflow(*number, (size_t)10, number) ||
                       __builtin_add_overflow(*number, digit, number);
        *number = is_over ? SIZE_MAX : *number;
        *at += 1;
    }
    return *at > start;
}

static void set_part(struct host_selection *out, size_t first, size_t limit)
{
    PRE(first < limit);
    out->status = 206;
    out->first = first;
    out->size = limit - first;
}

/* One range, "first-", "first-last" or "-count", of a value that is not empty. Returns false when
 * it is none, or the value has nothing of it. */
static bool apply_range(struct loam_slice text, size_t size, struct host_selection *out)
{
    size_t first = 0;
    size_t last = 0;
    size_t at = 0;
    bool has_first = read_number(text, &at, &first);
    if (at >= text.size || text.data[at] != '-') {
        return false;
    }
    at++;
    bool has_last = read_number(text, &at, &last);
    if (at < text.size || (!has_first && !has_last)) {
        return false;
    }
    if (!has_first) {
        if (last == 0) {
            return false;
        }
        set_part(out, last < size ? size - last : 0, size);
        return true;
    }
    if (first >= size || (has_last && last < first)) {
        return false;
    }
    set_part(out, first, has_last && last < size ? last + 1 : size);
    return true;
}

/* Whether If-Range lets the range be heeded: it is the tag, strongly. A date never is. */
static bool if_range_holds(const struct host_conditions *given, const char *tag, size_t tag_size)
{
    if (given->if_range.data == NULL) {
        return true;
    }
    struct loam_slice one;
    bool is_weak = false;
    size_t at = 0;
    return read_tag(given->if_range, &at, &one, &is_weak) && at == given->if_range.size &&
           !is_weak && is_same(one, tag, tag_size);
}

static void
select_range(const struct host_conditions *given, size_t size, struct host_selection *out)
{
    static const char unit[] = "bytes=";
    struct loam_slice text = given->range;
    if (text.size < sizeof unit - 1 || strncasecmp(text.data, unit, sizeof unit - 1) != 0) {
        return; /* Another unit: ignored. */
    }
    size_t at = skip_blanks(text, sizeof unit - 1);
    struct loam_slice set = {text.data + at, text.size - at};
    if (memchr(set.data, ',', set.size) != NULL) {
        return;
    }
    /* Of an empty value the last bytes are all there is, but no part can say so. */
    bool is_suffix = set.size > 1 && set.data[0] == '-' && set.data[1] != '0';
    if ((size == 0 && is_suffix) || (size > 0 && apply_range(set, size, out))) {
        return;
    }
    out->status = 416;
}

int host_select(const struct host_conditions *given,
                const char *tag,
                size_t tag_size,
                int is_get,
                size_t size,
                struct host_selection *out)
{
    *out = (struct host_selection){.status = 200, .first = 0, .size = size};
    if (given->is_repeated) {
        return LOAM_INVALID;
    }
    if (given->if_match.data != NULL) {
        int rc = host_tag_listed(given->if_match.data, given->if_match.size, tag, tag_size, 0);
        if (rc <= 0) {
            out->status = 412;
            return rc;
        }
    }
    if (given->if_none_match.data != NULL) {
        int rc =
            host_tag_listed(given->if_none_match.data, given->if_none_match.size, tag, tag_size, 1);
        if (rc != 0) {
            out->status = 304;
            return rc < 0 ? rc : LOAM_OK;
        }
    }
    if (is_get && given->range.data != NULL && if_range_holds(given, tag, tag_size)) {
        select_range(given, size, out);
    }
    return LOAM_OK;
}
