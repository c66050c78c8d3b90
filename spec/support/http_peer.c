/* SPDX-License-Identifier: MIT */
/*
 * http_peer.c - the packaged HTTP parser behind one function, for spec/core/http/peer_spec.lua.
 * A library of its own, built only where the package is installed: its names clash with ours.
 *
 * Writes what it sees as text that our side writes too: per message "M method minor target\n",
 * "F name=value\n" (values without blanks around), "B size body\n", "E\n"; then how it ended:
 * "error", "closed", "more" or "idle".
 */
#include <http_parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

struct peer {
    struct text out;
    struct text name;
    struct text value;
    struct text target;
    struct text body;
    bool has_value;
    bool is_past_head;
    bool is_within;
    bool is_closed;
};

enum { PART_MAX = 65536 };

int http_peer_events(const char *data, size_t size, char *out, size_t capacity);

static void add(struct text *text, const char *data, size_t size)
{
    if (text->size + size <= text->capacity) {
        memcpy(text->data + text->size, data, size);
        text->size += size;
    }
}

static void add_word(struct text *text, const char *word)
{
    add(text, word, strlen(word));
}

static void end_field(struct peer *peer)
{
    if (peer->has_value && !peer->is_past_head) {
        while (peer->value.size > 0 && (peer->value.data[peer->value.size - 1] == ' ' ||
                                        peer->value.data[peer->value.size - 1] == '\t')) {
            peer->value.size--;
        }
        add_word(&peer->out, "F ");
        add(&peer->out, peer->name.data, peer->name.size);
        add_word(&peer->out, "=");
        add(&peer->out, peer->value.data, peer->value.size);
        add_word(&peer->out, "\n");
    }
    peer->has_value = false;
    peer->name.size = 0;
    peer->value.size = 0;
}

static void write_line(struct peer *peer, const http_parser *parser)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "M %s %u.%u ", http_method_str(parser->method),
                   parser->http_major, parser->http_minor);
    add_word(&peer->out, line);
    add(&peer->out, peer->target.data, peer->target.size);
    add_word(&peer->out, "\n");
}

static int on_begin(http_parser *parser)
{
    struct peer *peer = parser->data;
    peer->is_within = true;
    peer->is_past_head = false;
    peer->has_value = false;
    peer->name.size = peer->value.size = peer->target.size = peer->body.size = 0;
    return 0;
}

static int on_target(http_parser *parser, const char *data, size_t size)
{
    add(&((struct peer *)parser->data)->target, data, size);
    return 0;
}

static int on_name(http_parser *parser, const char *data, size_t size)
{
    struct peer *peer = parser->data;
    if (peer->has_value) {
        end_field(peer);
    } else if (peer->name.size == 0 && !peer->is_past_head && peer->target.size > 0) {
        write_line(peer, parser);
        peer->target.size = 0;
    }
    add(&peer->name, data, size);
    return 0;
}

static int on_value(http_parser *parser, const char *data, size_t size)
{
    struct peer *peer = parser->data;
    peer->has_value = true;
    add(&peer->value, data, size);
    return 0;
}

static int on_head(http_parser *parser)
{
    struct peer *peer = parser->data;
    if (peer->target.size > 0) {
        write_line(peer, parser);
    }
    end_field(peer);
    peer->is_past_head = true;
    parser->upgrade = 0; /* We take no upgrades: the message goes on as any other. */
    return 0;
}

static int on_body(http_parser *parser, const char *data, size_t size)
{
    add(&((struct peer *)parser->data)->body, data, size);
    return 0;
}

static int on_end(http_parser *parser)
{
    struct peer *peer = parser->data;
    char line[32];
    (void)snprintf(line, sizeof(line), "B %zu ", peer->body.size);
    add_word(&peer->out, line);
    add(&peer->out, peer->body.data, peer->body.size);
    add_word(&peer->out, "\nE\n");
    peer->is_within = false;
    if (!http_should_keep_alive(parser)) {
        peer->is_closed = true;
        http_parser_pause(parser, 1);
    }
    return 0;
}

/* Returns the size of the text in out. */
int http_peer_events(const char *data, size_t size, char *out, size_t capacity)
{
    static const http_parser_settings settings = {.on_message_begin = on_begin,
                                                  .on_url = on_target,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_head,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_end};
    char parts[4][PART_MAX];
    struct peer peer = {.out = {out, 0, capacity},
                        .name = {parts[0], 0, PART_MAX},
                        .value = {parts[1], 0, PART_MAX},
                        .target = {parts[2], 0, PART_MAX},
                        .body = {parts[3], 0, PART_MAX}};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &peer;
    size_t used = http_parser_execute(&parser, &settings, data, size);
    if (peer.is_closed) {
        add_word(&peer.out, "closed");
    } else if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || used != size) {
        add_word(&peer.out, "error ");
        add_word(&peer.out, http_errno_name(HTTP_PARSER_ERRNO(&parser)));
    } else {
        add_word(&peer.out, peer.is_within ? "more" : "idle");
    }
    return (int)peer.out.size;
}
