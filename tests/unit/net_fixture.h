/* What the tests of net/ stand on: a server in the test's own loop that says what the test tells it to, and
 * an owner of streams that writes down what it hears. Every wait is bounded. */
#pragma once

#include <check.h>
#include <stdint.h>

#include "base/list.h"
#include "net/net.h"

struct connection { /* of the server */
    struct list in_server;
    struct server *server;
    int fd;
    sd_event_source *io;
    struct buf in; /* what came and was not taken yet */
    bool met;      /* by server_request() */
    bool ended;    /* the client has closed */
};

struct server {
    sd_event *event;
    int fd;
    int port;
    sd_event_source *io;
    struct list connections;
    int accepted;
};

struct fixture {
    sd_event *event;
    struct net *net;
    struct net_peer *peer;
    struct server server;
    struct buf url; /* of the last fixture_url() */
};

enum { WAIT_MS = 5000 };

/* Runs the loop until CONDITION holds; a test fails when that takes too long. */
#define RUN_UNTIL(f, condition)                                                                              \
    do {                                                                                                     \
        uint64_t until_ = fixture_now_ms() + WAIT_MS;                                                        \
        while (!(condition)) {                                                                               \
            ck_assert_msg(fixture_now_ms() < until_, "waited in vain for: %s", #condition);                  \
            ck_assert_int_ge(sd_event_run((f)->event, 10000), 0);                                            \
        }                                                                                                    \
    } while (0)

uint64_t fixture_now_ms(void);
/* Runs the loop as long as it has something to do at once: for what must not happen. */
void fixture_settle(struct fixture *f);

/* With a peer of these options; NULL: connect_ms 2000, verification on. */
void fixture_start(struct fixture *f, const struct net_peer_options *options);
void fixture_stop(struct fixture *f);
/* http://127.0.0.1:PORT + PATH; borrowed until the next call. */
const char *fixture_url(struct fixture *f, const char *path);

/* Waits for a new connection and for the whole of its first request. */
struct connection *server_request(struct fixture *f);
/* The last connection's request is in C->in: its text, NUL-terminated. */
const char *connection_text(struct connection *c);
/* Takes everything that came. */
void connection_forget(struct connection *c);
void connection_send(struct connection *c, const char *text);
void connection_send_bytes(struct connection *c, const void *bytes, size_t n);
/* With a FIN, or with an RST. */
void connection_close(struct connection *c);
void connection_reset(struct connection *c);

enum moment { NEVER, IN_OPENED, IN_DATA, IN_CLOSED };

struct owner {
    struct fixture *f;
    struct net_stream *stream;
    int opened, closed, data_calls;
    struct buf data;
    enum net_failure failure;
    int status;
    char text[600];
    enum moment free_in, pause_in;
    size_t largest;
};

void owner_init(struct owner *o, struct fixture *f);
void owner_done(struct owner *o);
extern const struct net_handlers owner_handlers;
void owner_post(struct owner *o, const char *url, const char *body, int64_t total_ms);
void owner_ws(struct owner *o, const char *url);
bool owner_has(const struct owner *o, const char *data);

#define SUBPROTOCOL "TLCP-2.5.0.lightstreamer.com"

/* The whole handshake for OWNER, up to opened(). */
struct connection *ws_accepted(struct owner *o);
/* Answers C's handshake request; EXTRA: more header lines. */
void ws_answer(struct connection *c, const char *extra);
/* A frame of the server: FIRST is FIN, RSV and opcode. */
void ws_frame(struct connection *c, unsigned first, const void *payload, size_t n);
void ws_text(struct connection *c, const char *text);
/* Takes the next frame of the client from C, unmasked, into PAYLOAD; waits for it. Returns FIN, RSV and
 * opcode. */
unsigned ws_received(struct owner *o, struct connection *c, struct buf *payload);
