/* SPDX-License-Identifier: MIT */
/*
 * conn.h - one connection and its exchanges (request + answer), shared by the files of this room.
 * Floor 4, private to core/http.
 *
 *           bytes            head done        body done / no body
 *    IDLE ---------> HEAD -------------> BODY ------------------> IDLE
 *      |              |                   |  ^ asked: STREAM         (next request)
 *      | EOF, idle    | refused           | refused, answered early, EOF
 *      v              v                   v
 *    CLOSED <------ CLOSING --all answers sent--> LINGER --EOF or deadline--> CLOSED
 *
 * The state tells how input is taken. Answers are a queue beside it: exchanges from `first` to
 * `last` in request order; only the first writes into conn->out, the others collect in their own
 * buffer until it is their turn. CLOSING takes no more input and ends when the queue and the output
 * are empty. A closed connection stays allocated until the next poll, so callers up the stack may
 * still look at its state. Thread: owner.
 */
#ifndef LOAM_HTTP_CONN_H
#define LOAM_HTTP_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "http/checked.h"
#include "http/parser.h"
#include "http/pool.h"
#include "http/transport.h"
#include "http/wheel.h"

struct http_worker;
struct http_peer;

enum http_conn_state {
    HTTP_CONN_HANDSHAKE, /* TLS only; then IDLE. */
    HTTP_CONN_IDLE,
    HTTP_CONN_HEAD,
    HTTP_CONN_BODY,
    HTTP_CONN_STREAM,
    HTTP_CONN_CLOSING,
    HTTP_CONN_LINGER,
    HTTP_CONN_CLOSED,
};

/* How an answer's body is framed. */
enum http_framing {
    HTTP_FRAMING_NONE, /* HEAD, 204, 304: dropped. */
    HTTP_FRAMING_LENGTH,
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_CLOSE, /* HTTP/1.0 without a length. */
};

struct http_exchange {
    struct http_request pub; /* First: a handle points here. */
    struct http_worker *worker;
    struct http_conn *conn; /* NULL when the client is gone. */
    struct http_exchange *next;
    struct http_chunk *chunk; /* Holds the head, counted. */
    struct http_buffer body;  /* Of bodies that did not arrive with the head. */
    size_t body_moved;        /* Bytes of one that the handler has taken over; they still count. */
    struct http_buffer out;   /* The answer, while another exchange is first. */
    struct http_loan loan;    /* Follows what was written; data == NULL: none. */
    size_t loan_sent;
    struct http_lent *lent;
    uint64_t length_left; /* HTTP_FRAMING_LENGTH: bytes still to be written. */
    enum http_framing framing;
    bool is_delivered;   /* The owner of handles knows it and will end it. */
    bool is_begun;       /* Answer has begun. */
    bool is_ended;       /* Handle ended: generation has moved on. */
    bool closes;         /* The connection closes after this answer. */
    bool is_cut;         /* ... and so that the client notices. */
    bool wants_writable; /* http_respond_write() returned 0. */
    bool has_piece;      /* A BODY event is with the handler. */
    struct http_field fields[];
};

struct http_conn {
    struct http_transport transport; /* First: on_ready gets it. */
    struct http_worker *worker;
    enum http_conn_state state;

    /* Input. */
    struct http_chunk *input; /* Unparsed bytes [in_at, in_end); NULL when there are none. */
    uint32_t in_at;
    uint32_t in_end;
    struct http_parser parser;
    struct http_chunked chunked;
    struct http_exchange *receiving; /* Its head or body is not complete. */
    double body_max;
    const char *body_limit; /* What body_max is called; NULL = body_bytes_max. */
    double body_received;
    double body_mark; /* What was received when the window of its deadline began. */
    bool is_asking;   /* BODY: the handler has not decided about the body yet. */
    bool is_eof;      /* The client sends nothing more. */
    bool lingers;     /* Input may be unread at the end: linger before closing. */

    /* Answers. */
    struct http_exchange *first;
    struct http_exchange *last;
    uint32_t in_flight;    /* Exchanges in the queue. */
    uint32_t served;       /* Requests so far. */
    uint32_t answer_bytes; /* Size to be expected of an answer: the largest of late, fading. */
    struct http_buffer out;
    bool resets; /* Close with a reset. */

    /* Time, monotonic. */
    struct wheel_entry deadline;
    uint64_t since_ns;       /* Start of the phase that the state's deadline counts from. */
    uint64_t paused_ns;      /* STREAM: since when the handler holds a piece. */
    uint64_t write_since_ns; /* Start of the window in which output waits; 0 = none waits. */
    double write_sent;       /* Bytes sent in that window. */

    /* Lists of the worker. */
    struct http_conn *prev;
    struct http_conn *next;
    struct http_conn *dirty_next;
    bool is_dirty;

    int listener;
    struct http_peer *peer;
    struct sockaddr_storage address;
};

/* ---- conn.c: life ---- */

/* Takes a connected socket. On failure the socket is closed. */
void http_conn_open(struct http_worker *worker,
                    int fd,
                    int listener,
                    const struct sockaddr_storage *address,
                    struct http_peer *peer);
void http_conn_set_state(struct http_conn *conn, enum http_conn_state state);
/* Has the connection flushed and advanced in the next pass. */
void http_conn_mark_dirty(struct http_conn *conn);
/* One pass over a dirty connection: send, go on parsing, adjust what is watched. */
void http_conn_settle(struct http_conn *conn);
/* Takes no more input; closes when all answers are out. */
void http_conn_stop_input(struct http_conn *conn);
/* Closes now; handles in flight get CLOSED events. */
void http_conn_lose(struct http_conn *conn);
/* Its deadline has passed. */
void http_conn_expire(struct http_conn *conn);
/* The handle's owner hears CLOSED, or, when it never knew the exchange, it is freed. */
void http_conn_detach(struct http_exchange *exchange);

/* Bytes that must move within each `window_ms`. What came faster earns nothing for later: a client
 * that stalls after a quick start is found out one window on. */
static inline double http_share_of(uint32_t window_ms, uint32_t rate)
{
    double share = (double)window_ms * rate / 1000;
    return share > 1 ? share : 1;
}

/* ---- input.c: requests ---- */

/* Reads once and advances. */
void http_conn_read(struct http_conn *conn);
/* Parses what has arrived, as far as the limits allow. */
void http_conn_advance(struct http_conn *conn);
bool http_conn_wants_read(const struct http_conn *conn);
/* Ends IDLE/HEAD/BODY with an answer of the server's own, then closes. */
void http_conn_refuse(struct http_conn *conn, const struct http_failure *failure);
/* Lets the undecided body be buffered up to the limit (413, 417 when it cannot fit). */
void http_conn_decide(struct http_conn *conn, bool stream);

/* ---- send.c ---- */

/* Sends what is pending, as far as the socket takes it. */
void http_conn_flush(struct http_conn *conn);
/* Whether bytes wait for the socket. */
bool http_conn_has_output(const struct http_conn *conn);
/* Makes the loan follow the exchange's head. The loan is taken in any case; returns false without
 * memory. */
bool http_loan_begin(struct http_exchange *exchange, const struct http_loan *loan);
/* Gives the loan back, if there is one. */
void http_loan_end(struct http_exchange *exchange);
/* What ending the exchange's loan would free: its share of memory that several may use. */
size_t http_loan_held(const struct http_exchange *exchange);

/* ---- answer.c ---- */

void http_conn_enqueue(struct http_conn *conn, struct http_exchange *exchange);
/* Moves on in the queue as far as answers are complete. */
void http_conn_promote(struct http_conn *conn);
/* Ends the handle: pointers go, generation moves on. */
void http_exchange_end(struct http_exchange *exchange);
/* The buffer that the exchange's answer goes to now. */
struct http_buffer *http_exchange_out(struct http_exchange *exchange);

#endif
