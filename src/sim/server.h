/* The listening socket, and which request goes where. */
#pragma once

#include <systemd/sd-event.h>

#include "sim/conn.h"
#include "sim/http.h"

struct server {
    int fd; /* -1 while nothing is accepted */
    sd_event_source *io;
    uint16_t port;
    struct list connections;
    uint64_t n_connections; /* ever */
    bool look_again;        /* at some connection: see conn_look_again() */
};

/* Listens as the options say and remembers the port. Returns 0 or -errno. */
int server_start(struct sim *sim);

/* Closes the socket, or opens it again on the same port. Returns 0 or -errno. */
int server_listen(struct sim *sim, bool on);

/* Closes everything. */
void server_stop(struct sim *sim);

/* Looks at the connections that want it. */
void server_look_again(struct sim *sim);

/* An HTTP request that is complete. */
void server_request(struct conn *c, const struct http_request *r);

/* A WebSocket message. */
void server_message(struct conn *c, struct span text);
