/* SPDX-License-Identifier: MIT */
/*
 * fields.h - the header fields that decide how a request is framed: Host, Content-Length,
 * Transfer-Encoding, Connection, Expect. Floor 4; called by parser.c alone. Thread: owner.
 */
#ifndef LOAM_HTTP_FIELDS_H
#define LOAM_HTTP_FIELDS_H

#include "http/parser.h"

/* Takes note of a field that matters here; others pass. Returns DONE or FAILED. */
int http_field_apply(struct http_parser *parser, const char *data, const struct http_field *field);
/* Checks what can be judged only when all fields are known. Returns DONE or FAILED. */
int http_fields_check(struct http_parser *parser, const char *data);

#endif
