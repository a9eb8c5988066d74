/* Where the two protocols differ, in one table: how the parameters of a request are called, and the few rules of a session's life (PROTOCOL.md,
 * "Requests", "Text mode"). How lines read is tlcp.h's and text.h's; how values do, delta.h's. */
#pragma once

#include "proto/delta.h"

struct dialect {
    enum delta_syntax syntax; /* of values */
    bool text_lines;          /* lines are text.h's, else tlcp.h's */

    /* requests */
    const char *create_op; /* LS_op2 of create_session; NULL: none */
    const char *sub_id, *group;
    const char *message;   /* the request that sends one: "msg" */
    const char *unlimited; /* how that is written where a number is asked for */
    bool has_versions;     /* LS_protocol says which; refused, an older one is tried */
    bool
        numbers_requests; /* LS_reqId, which the answer repeats; else answers come in the order of the requests */
    bool asks_for_report;        /* LS_report_info */
    bool silences_on_the_server; /* add_silent, and start */

    /* a session's life */
    bool repeats_id; /* the answer to a bind says whose session it is */
    bool tells_idle; /* and how long this poll may last */
    bool
        confirms; /* SUBOK, SUBCMD, CONF, UNSUB and CONS; else REQOK says it all, and counts show in the data */
    bool answers_messages; /* the answer to a message that is in no sequence is its outcome */
    bool recovers;         /* LS_recovery_from; else what a cut lost is lost */
    bool has_sync;         /* SYNC, LS_send_sync */
    bool promises;         /* LS_inactivity_millis, and heartbeats to keep it */
};

extern const struct dialect dialect_tlcp, dialect_text;
