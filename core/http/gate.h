/* SPDX-License-Identifier: MIT */
/*
 * gate.h - who gets in: connections are counted, in all and by address, over all workers that
 * share a gate. Floor 4, private to core/http.
 *
 * The kernel spreads a client's connections over the workers' sockets as it likes; only a common
 * count makes a cap mean what it says. Entering and leaving take one mutex for a few lines each.
 * Thread: any.
 */
#ifndef LOAM_HTTP_GATE_H
#define LOAM_HTTP_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attrs.h"
#include "loam.h"

/* Connections over a Unix socket that are let in beyond the cap: whoever administers the server has
 * to get in when it is full. */
enum { HTTP_GATE_RESERVE = 16 };

enum { HTTP_GATE_ENTERED, HTTP_GATE_FULL, HTTP_GATE_PEER_FULL };

struct http_gate;
struct http_peer; /* Connections of one address. */

/* Makes a gate with one user. Errors: NO_MEMORY; IO, the system gives no random bytes. */
NODISCARD int http_gate_new(uint32_t connections_max,
                            uint32_t per_ip_max,
                            struct http_gate **out,
                            struct loam_error *err);
struct http_gate *http_gate_ref(struct http_gate *gate);
/* NULL is fine. */
void http_gate_unref(struct http_gate *gate);
/* Counts a connection of `address`; one without an IP address has no *peer. Returns HTTP_GATE_*;
 * *peer is given to http_gate_leave() after ENTERED. */
int http_gate_enter(struct http_gate *gate,
                    const struct sockaddr_storage *address,
                    struct http_peer **peer);
void http_gate_leave(struct http_gate *gate, struct http_peer *peer);

#endif
