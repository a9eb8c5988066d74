/* The server's side of HTTP/1.1, as much of it as Lightstreamer clients use: POSTs with a Content-Length on
 * connections that stay open, and chunked responses without an end. */
#pragma once

#include "sim/conn.h"

/* Borrowed from the connection's input until the request has been answered or the next read. */
struct http_request {
    struct span method, path, query; /* path and query of the target, the '?' in neither */
    struct span body;
    struct span upgrade, websocket_key, websocket_protocol; /* headers; empty where absent */
    uint64_t content_length;
    bool chunked, keep_alive, expects_continue;
    bool takes_chunks; /* HTTP/1.1; what proxies of 1.0 get ends with the connection */
};

/* Reads one request from C's input and hands it to the server, if it is complete. */
void http_input(struct conn *c);

/* Answers the request: the whole response. C then takes the next one. */
void http_respond(struct conn *c, unsigned status, struct span body);

/* Begins a response that lasts; its lines come by conn_add_lines(). */
void http_begin_stream(struct conn *c);
void http_add_chunk(struct conn *c, struct span data);

/* Ends it. C then takes the next request. */
void http_end_stream(struct conn *c);
