/* SPDX-License-Identifier: MIT */
/*
 * checked.h - answers whose header lines need no check, for callers in C. Floor 4, public beside
 * http.h; not for Lua, where a block may hold anything. Thread: owner.
 */
#ifndef LOAM_HTTP_CHECKED_H
#define LOAM_HTTP_CHECKED_H

#include "http/http.h"

/* http_respond() with a block made of constants, digits and what http_header_add() has taken: it is
 * not looked at again. */
int http_respond_checked(struct http_request *request,
                         uint32_t generation,
                         int status,
                         const char *headers,
                         size_t headers_size,
                         const char *body,
                         size_t body_size);

#endif
