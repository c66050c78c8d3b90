/* SPDX-License-Identifier: MIT */
/*
 * json_check.c - whether a text is JSON that every reader understands alike (RFC 8259, H15). Floor
 * 5.
 *
 * Called by lua/loam/json.lua in front of lua-cjson, which takes bytes behind a NUL, control bytes
 * in strings, "1.", numbers beyond a double, and of equal members the last one. Depth and time are
 * bounded: no recursion, members are compared by sorting them. The text is UTF-8 already. Thread:
 * any.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/slice.h"
#include "host/json_text.h"
#include "http/chars.h"

enum { DEPTH_MAX = 64, FEW_MEMBERS = 8 };

/* The name of a member, without its quotes. */
struct member {
    const unsigned char *text;
    size_t size;
    bool has_escape;
};

struct json_checker {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *limit;
    const char *problem;
    int depth;
    bool is_object[DEPTH_MAX];
    size_t first_member[DEPTH_MAX]; /* Of that object, in `members`. */
    struct member *members;         /* Of all open objects. */
    size_t count;
    size_t capacity;
};

enum json_state { STATE_FAILED, STATE_VALUE, STATE_FIRST, STATE_MEMBER, STATE_AFTER, STATE_DONE };

static enum json_state refuse(struct json_checker *json, const char *problem)
{
    json->problem = problem;
    return STATE_FAILED;
}

static int peek(const struct json_checker *json)
{
    return json->at < json->limit ? *json->at : -1;
}

static void skip_blanks(struct json_checker *json)
{
    while (json->at < json->limit &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t')) {
        json->at++;
    }
}

/* ---- Strings ---- */

/* The four hex digits at text, or -1. */
static int hex4(const unsigned char *text, const unsigned char *limit)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = limit - text > i ? http_hex_value((char)text[i]) : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Steps over one character of a string, given as it stands or as an escape. Returns its code (a
 * byte of UTF-8 counts as one), or -1 for a bad escape, which *at stays at. */
static int next_code(const unsigned char **at, const unsigned char *limit)
{
    static const char shorts[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    const unsigned char *text = *at;
    if (*text != '\\') {
        *at = text + 1;
        return *text;
    }
    if (limit - text < 2) {
        return -1;
    }
    for (size_t i = 0; i < sizeof shorts - 1; i += 2) {
        if ((char)text[1] == shorts[i]) {
            *at = text + 2;
            return (unsigned char)shorts[i + 1];
        }
    }
    int code = text[1] == 'u' ? hex4(text + 2, limit) : -1;
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return -1;
    }
    if (code < 0xd800 || code > 0xdbff) {
        *at = text + 6;
        return code;
    }
    bool has_low = limit - text >= 12 && text[6] == '\\' && text[7] == 'u';
    int low = has_low ? hex4(text + 8, limit) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    *at = text + 12;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* Steps over a string, from behind its first quote. Returns false when it is none. */
static bool check_string(struct json_checker *json, struct member *out)
{
    out->text = json->at;
    out->has_escape = false;
    while (json->at < json->limit && *json->at != '"') {
        out->has_escape |= *json->at == '\\';
        if (*json->at < 0x20) {
            (void)refuse(json, "a control byte in a string");
            return false;
        }
        if (*json->at != '\\') {
            json->at++;
        } else if (next_code(&json->at, json->limit) < 0) {
            (void)refuse(json, "a bad escape in a string");
            return false;
        }
    }
    if (json->at >= json->limit) {
        (void)refuse(json, "a string without its end");
        return false;
    }
    out->size = (size_t)(json->at - out->text);
    json->at++;
    return true;
}

/* ---- Members ---- */

/* The UTF-8 of a code, as next_code() gives it: bytes above ASCII come from the text as they are.
 */
struct name_reader {
    const unsigned char *at;
    const unsigned char *limit;
    unsigned char bytes[4];
    int left; /* Of bytes. */
};

static int next_byte(struct name_reader *name)
{
    if (name->left > 0) {
        return name->bytes[4 - name->left--];
    }
    if (name->at >= name->limit) {
        return -1;
    }
    bool is_escape = *name->at == '\\';
    int code = next_code(&name->at, name->limit);
    if (!is_escape || code < 0x80) {
        return code;
    }
    int size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = 3; i > 4 - size; i--) {
        name->bytes[i] = (unsigned char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    name->left = size - 1;
    return (0xf00 >> size & 0xff) | code;
}

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    if (!a->has_escape && !b->has_escape) {
        return slice_cmp(slice_make(a->text, a->size), slice_make(b->text, b->size));
    }
    struct name_reader x = {.at = a->text, .limit = a->text + a->size};
    struct name_reader y = {.at = b->text, .limit = b->text + b->size};
    int from_x = 0;
    int from_y = 0;
    do {
        from_x = next_byte(&x);
        from_y = next_byte(&y);
    } while (from_x == from_y && from_x >= 0);
    return from_x - from_y;
}

/* Whether two of the members have one name. Changes their order. */
static bool has_twins(struct member *members, size_t count)
{
    if (count > FEW_MEMBERS) {
        qsort(members, count, sizeof *members, compare_members);
        for (size_t i = 1; i < count; i++) {
            if (compare_members(&members[i - 1], &members[i]) == 0) {
                return true;
            }
        }
        return false;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (compare_members(&members[i], &members[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool keep_member(struct json_checker *json, const struct member *member)
{
    if (json->count == json->capacity) {
        size_t capacity = json->capacity == 0 ? 32 : json->capacity * 2;
        struct member *members = mem_realloc(json->members, capacity * sizeof *members);
        if (members == NULL) {
            (void)refuse(json, "no memory for so many members");
            return false;
        }
        json->members = members;
        json->capacity = capacity;
    }
    json->members[json->count++] = *member;
    return true;
}

/* ---- Values ---- */

static size_t skip_digits(struct json_checker *json)
{
    const unsigned char *from = json->at;
    while (json->at < json->limit && *json->at >= '0' && *json->at <= '9') {
        json->at++;
    }
    return (size_t)(json->at - from);
}

static enum json_state check_number(struct json_checker *json)
{
    const unsigned char *from = json->at;
    json->at += *json->at == '-';
    int lead = peek(json);
    size_t digits = skip_digits(json);
    bool is_good = digits == 1 || (digits > 1 && lead != '0');
    bool may_be_large = digits > 300;
    if (is_good && peek(json) == '.') {
        json->at++;
        is_good = skip_digits(json) > 0;
    }
    if (is_good && (peek(json) == 'e' || peek(json) == 'E')) {
        json->at++;
        json->at += peek(json) == '+' || peek(json) == '-';
        is_good = skip_digits(json) > 0;
        may_be_large = true;
    }
    if (!is_good) {
        return refuse(json, "a malformed number");
    }
    /* A NUL or a byte that is part of no number follows the digits. */
    if (may_be_large && isinf(strtod((const char *)from, NULL))) {
        return refuse(json, "a number that is too large");
    }
    return STATE_AFTER;
}

static enum json_state check_word(struct json_checker *json)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(json->limit - json->at) >= size && memcmp(json->at, words[i], size) == 0) {
            json->at += size;
            return STATE_AFTER;
        }
    }
    return refuse(json, json->at < json->limit ? "no JSON value" : "the end in front of a value");
}

static enum json_state enter(struct json_checker *json, bool is_object)
{
    if (json->depth == DEPTH_MAX) {
        return refuse(json, "lists and objects deeper than 64");
    }
    json->is_object[json->depth] = is_object;
    json->first_member[json->depth] = json->count;
    json->depth++;
    json->at++;
    return STATE_FIRST;
}

static enum json_state leave(struct json_checker *json)
{
    size_t first = json->first_member[--json->depth];
    if (json->count > first && has_twins(json->members + first, json->count - first)) {
        return refuse(json, "an object with two members of one name");
    }
    json->count = first;
    json->at++;
    return STATE_AFTER;
}

static enum json_state check_value(struct json_checker *json)
{
    struct member ignored;
    int byte = peek(json);
    if (byte == '{' || byte == '[') {
        return enter(json, byte == '{');
    }
    if (byte == '"') {
        json->at++;
        return check_string(json, &ignored) ? STATE_AFTER : STATE_FAILED;
    }
    return byte == '-' || (byte >= '0' && byte <= '9') ? check_number(json) : check_word(json);
}

static enum json_state check_member(struct json_checker *json)
{
    struct member member;
    if (peek(json) != '"') {
        return refuse(json, "a member without a name in quotes");
    }
    json->at++;
    if (!check_string(json, &member) || !keep_member(json, &member)) {
        return STATE_FAILED;
    }
    skip_blanks(json);
    if (peek(json) != ':') {
        return refuse(json, "a member without a colon");
    }
    json->at++;
    return STATE_VALUE;
}

/* Behind a value, or (is_first) behind the bracket that opens its list or object. */
static enum json_state check_next(struct json_checker *json, bool is_first)
{
    if (json->depth == 0) {
        return json->at == json->limit ? STATE_DONE : refuse(json, "something behind the value");
    }
    bool is_object = json->is_object[json->depth - 1];
    int byte = peek(json);
    if (byte == (is_object ? '}' : ']')) {
        return leave(json);
    }
    if (is_first) {
        return is_object ? STATE_MEMBER : STATE_VALUE;
    }
    if (byte != ',') {
        return refuse(json, is_object ? "an object without its end" : "a list without its end");
    }
    json->at++;
    return is_object ? STATE_MEMBER : STATE_VALUE;
}

static enum json_state step(struct json_checker *json, enum json_state state)
{
    skip_blanks(json);
    switch (state) {
    case STATE_VALUE:
        return check_value(json);
    case STATE_MEMBER:
        return check_member(json);
    default:
        return check_next(json, state == STATE_FIRST);
    }
}

const char *host_json_problem(const char *text, size_t size, double *at)
{
    struct json_checker json = {
        .start = (const unsigned char *)text,
        .at = (const unsigned char *)text,
        .limit = (const unsigned char *)text + size,
    };
    enum json_state state = STATE_VALUE;
    while (state != STATE_DONE && state != STATE_FAILED) {
        state = step(&json, state);
    }
    mem_free(json.members);
    *at = (double)(json.at - json.start);
    POST(state == STATE_DONE ? json.problem == NULL : json.problem != NULL);
    return json.problem;
}
