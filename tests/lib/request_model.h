/* What is asked of a server, held against what TLCP or text mode knows (PROTOCOL.md, "Requests", "Text mode"): each request has the parameters that its name allows and no others,
 * none twice, written as the wire wants them; ids go up. */
#pragma once

#include "proto/session.h"

/* All zero to begin with; one for each struct session. */
struct request_model {
    uint64_t
        request_id;  /* the last LS_reqId: they are never used again, in no session and on no connection */
    bool text;       /* the last action was in text mode */
    uint64_t sub_id; /* the last LS_subId or LS_table of an add: 1, 2, … in each session on the server */
    uint64_t recovery_from; /* the last LS_recovery_from: what we have never gets less within a session */
    uint64_t unordered, numbers[64]; /* the last LS_msg_prog, by sequence */
};

/* Aborts where A asks for something else. */
void request_model_action(struct request_model *m, const struct session_action *a);
