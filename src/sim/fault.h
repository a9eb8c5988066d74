/* What the simulator was told to do wrong. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct sim_options;

enum request_kind { REQUEST_CREATE, REQUEST_BIND, REQUEST_CONTROL, REQUEST_KINDS };

enum refusal_how {
    REFUSE_CODE,  /* by CONERR or REQERR */
    REFUSE_HTTP,  /* by an HTTP status (on WebSocket: the connection is closed) */
    REFUSE_CLOSE, /* by closing the connection */
    REFUSE_END,   /* by END, as if the session had just ended */
};

struct refusal {
    uint64_t times; /* how often still; UINT64_MAX for ever, 0 not at all */
    enum refusal_how how;
    int code;
    bool no_code; /* END alone, in the text mode */
    char *text;   /* owned; NULL for a standard one */
};

struct faults {
    struct refusal refuse[REQUEST_KINDS];
    int64_t late_ms[REQUEST_KINDS]; /* 0: at once, -1: never */
    uint64_t keep;                  /* data notifications kept for a recovery after they were sent */
    int64_t prog_shift;             /* added to the PROG of the next recovery */
    uint64_t cut_every, loop_every, drop_every; /* 0: never */
    uint64_t cut_bytes, cut_ms;                 /* life of a stream; 0: unlimited */
    uint64_t drop_next;                         /* so many updates are dropped, with OV */
    bool wrong_counts;                          /* the next SUBOK or SUBCMD says the following */
    uint64_t wrong_items, wrong_fields;
    bool hold_eos; /* EOS comes by the script alone */
};

void faults_init(struct faults *f, const struct sim_options *o);
void faults_done(struct faults *f);

/* The refusal for this request of that KIND, counted down; NULL when it is welcome. */
const struct refusal *faults_refuse(struct faults *f, enum request_kind kind);
