/* What the simulator was told to do wrong, or otherwise than its clients would like. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/span.h"
#include "sim/rule.h"

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

/* What becomes of a message. */
enum message_fate {
    MESSAGE_USUAL,   /* what the adapter makes of it */
    MESSAGE_DONE,    /* MSGDONE */
    MESSAGE_FAIL,    /* MSGFAIL */
    MESSAGE_SWALLOW, /* it is processed, and nobody hears of it */
    MESSAGE_SKIP,    /* as if it had never arrived */
};

struct message_rule {
    struct list link;
    char *pattern; /* owned: of the texts that it is for (fnmatch) */
    enum message_fate fate;
    uint64_t late_ms; /* how long it is being processed */
    int code;
    char *text; /* owned; NULL for the message's own */
};

struct faults {
    struct refusal refuse[REQUEST_KINDS];
    struct refusal refuse_operation[RULES_NONE]; /* of the control requests alone */
    struct list refuse_items;                    /* of struct item_refusal */
    struct list message_rules;                   /* the newest first */
    int64_t late_ms[REQUEST_KINDS];              /* 0: at once, -1: never */
    uint64_t keep;      /* data notifications kept for a recovery after they were sent */
    int64_t prog_shift; /* added to the PROG of the next recovery */
    uint64_t cut_every, loop_every, drop_every; /* 0: never */
    uint64_t cut_bytes, cut_ms;                 /* life of a stream; 0: unlimited */
    uint64_t drop_next;                         /* so many updates are dropped, with OV */
    bool wrong_counts;                          /* the next SUBOK or SUBCMD says the following */
    uint64_t wrong_items, wrong_fields;
    bool hold_eos;          /* EOS comes by the script alone */
    uint64_t behind_ms;     /* SYNC tells so much less than has passed */
    double grant_frequency; /* the most that a subscription is granted; 0: what it asks for */
    char *
        grant_bandwidth; /* owned: the most that a session is granted, in kbps, or "unmanaged"; NULL: what it asks for */
};

void faults_init(struct faults *f, const struct sim_options *o);
void faults_done(struct faults *f);

/* The refusal for this request of that KIND, counted down; NULL when it is welcome. */
const struct refusal *faults_refuse(struct faults *f, enum request_kind kind);
/* The same for a control request of that OPERATION. */
const struct refusal *faults_refuse_operation(struct faults *f, enum rules operation);
/* The same for a subscription to an item of that NAME. */
const struct refusal *faults_refuse_item(struct faults *f, struct span name);

/* Refuses items whose name fits PATTERN (fnmatch) in that way from now on, in place of what was said of them before.
 * R's text is *taken*. */
void faults_set_item(struct faults *f, struct span pattern, struct refusal *r);

/* From now on that becomes of messages that fit RULE's pattern; MESSAGE_USUAL without a delay: nothing special any
 * more. RULE, made by memory_get(), is *taken*. */
void faults_set_message(struct faults *f, struct message_rule *rule);
/* The newest rule for a message of that TEXT, or NULL. */
const struct message_rule *faults_message(const struct faults *f, struct span text);
