/* The server's side of WebSocket (RFC 6455): the handshake here, the frames by wslay. */
#pragma once

#include "sim/conn.h"
#include "sim/http.h"

struct ws;

/* Answers the handshake R on C, which then speaks WebSocket. Returns false, with nothing done, where R is none. */
bool ws_accept(struct conn *c, const struct http_request *r);
void ws_free(struct ws *ws);

/* Takes frames from the connection's input and hands complete messages to the server. */
void ws_input(struct ws *ws);

/* Adds a text message. */
void ws_add_message(struct ws *ws, struct span text);

/* Adds a close frame; the connection is closed once it is written. */
void ws_add_close(struct ws *ws, uint16_t code, const char *text);

/* The protocol version that the client offered, as 250 for 2.5.0; 0 when none. */
uint64_t ws_version(const struct ws *ws);
