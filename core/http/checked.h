/* SPDX-License-Identifier: MIT */
/*
 * checked.h - answers for callers in C: with header lines that need no check, and with bodies that
 * are not copied. Floor 4, public beside http.h; not for Lua. Thread: owner.
 */
#ifndef LOAM_HTTP_CHECKED_H
#define LOAM_HTTP_CHECKED_H

#include "http/http.h"

/* ffi: begin */
/* http_respond() with a block made of constants, digits and what http_header_add() has taken: it is
 * not looked at again. */
int http_respond_checked(struct http_request *request,
                         uint32_t generation,
                         int status,
                         const char *headers,
                         size_t headers_size,
                         const char *body,
                         size_t body_size);

/* A body in memory of the caller's. */
struct http_loan {
    const char *data;
    size_t size;
    const void *memory; /* What is kept alive for it: loans of the same memory count once. */
    size_t memory_size;
    void (*release)(void *context); /* Called once, when no byte of it is needed any more. */
    void *context;
};
/* http_respond_checked() with a body that goes from where it is into the socket. The loan is taken
 * whatever is returned; its end may come before the return, or with the end of the worker. */
int http_respond_lent(struct http_request *request,
                      uint32_t generation,
                      int status,
                      const char *headers,
                      size_t headers_size,
                      const struct http_loan *loan);
/* ffi: end */

#endif
