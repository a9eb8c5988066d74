/* What control_request.c (reading a request, the reply) and control_commands.c (what is done) share. */
#pragma once

#include "bridge/control.h"
#include "proto/jsondoc.h"

/* A page of `rows` ends here, or at its limit. */
enum { ROWS_MAX_BYTES = 1 << 20, ROWS_LIMIT_DEFAULT = 100, ROWS_LIMIT_MAX = 1000 };

enum key {
    KEY_SESSION,
    KEY_TABLE,
    KEY_ITEM,
    KEY_KEY,
    KEY_LIMIT,
    KEY_AFTER,
    KEY_LEVEL,
    KEY_MAX_FREQUENCY,
    KEY_MAX_BANDWIDTH,
    KEY_TABLE_OBJECT,
    KEY_TEXT,
    KEY_SEQUENCE,
    KEY_MAX_WAIT,
    KEY_TIMEOUT,
    N_KEYS
};

struct request {
    struct bridge *b;
    char *texts[N_KEYS];    /* owned; NULL: not given */
    size_t lengths[N_KEYS]; /* of the texts, which may hold NULs */
    unsigned given;         /* bits of KEY_… */
    uint64_t limit;
    struct jsondoc *doc; /* the request; borrowed */
    const struct jsondoc_node *table;
    uint64_t max_wait_ms, timeout_ms; /* UINT64_MAX, 0: not given */
    struct control_later later;       /* token set: the command asked a server */
    struct buf *reply;                /* an open object with "ok":true */
    struct buf error;                 /* anything in it: the answer is that instead */
};

/* A command fails by writing what is wrong to q->error. Returns 0 or -errno for our own trouble. */
typedef int command_function(struct request *q);

struct command {
    const char *name;
    command_function *run;
    unsigned required, optional; /* bits of KEY_… */
};

#define BIT(key) (1u << (key))

/* ---- control_request.c ---- */
/* Writes why the command fails. Returns 0. */
int request_fail(struct request *q, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- control_commands.c ---- */
/* NULL when there is none of that name. */
const struct command *command_find(struct span name);
