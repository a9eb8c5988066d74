/* create_session and bind_session. */
#pragma once

#include "sim/conn.h"
#include "sim/session.h"

struct params;

/* What every client but the official ones says as its LS_cid. */
#define CONNECT_CID "mgQkwtwdysogQz2BJ4Ji kOj2Bg"

void connect_create(struct conn *c, uint64_t version, struct span lines);

/* SESSION: LS_session of the query string, or a NULL `at`. */
void connect_bind(struct conn *c, uint64_t version, struct span session, struct span lines);

/* --- what they have in common with those of the older text mode --- */

/* The first of LINES; complains of a second one. */
struct span connect_only_line(struct conn *c, struct span lines);

void connect_read_binding(struct conn *c, const struct params *p, struct binding *ret);

/* Why a create is refused by what it asks for: a code, with its *RET_TEXT; 0 when it is not. */
int connect_admit(const struct conn *c, const struct params *p, const char **ret_text);

/* A session as P wants it. */
struct session *connect_new_session(struct conn *c, const struct dialect *dialect, const struct params *p);

/* Refuses a create or bind. */
void connect_refuse(struct conn *c, const struct dialect *dialect, const char *request, int code,
                    const char *text);

/* Notes a bind of the session ID, of which nothing is known any more. */
void connect_note_unknown(struct conn *c, struct span id);
