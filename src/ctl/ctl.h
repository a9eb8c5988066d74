/* One run of lsbridgectl: what was asked for, the connection, what is to be printed. */
#pragma once

#include "ctl/options.h"
#include "ctl/reply.h"
#include "ctl/zmqclient.h"

/* What ctl_run() and every verb return, beside -errno for our own trouble. */
enum {
    CTL_OK = 0,     /* the daemon answered and said yes */
    CTL_FAILED = 1, /* the sentence in `error` says why */
    CTL_USAGE = 64, /* likewise */
};

struct ctl {
    const struct options *options;
    struct zmqclient *client; /* owned */
    uint64_t wait_ms;         /* for the daemon's answer */
    struct buf out;           /* for stdout, until ctl_flush() */
    struct buf reply;         /* the last answer as it came */
    struct buf error;         /* a sentence */
    bool out_gone; /* nobody reads stdout any more: nothing more is written, and that is no failure */
};

/* OPTIONS is borrowed for as long as C. Returns 0 or -errno. */
int ctl_init(struct ctl *c, const struct options *options);
void ctl_done(struct ctl *c);

/* Asks the control socket; takes REQUEST (NULL counts as no memory). The reply is parsed into *RET (*owned*). Returns 0 when it says
 * yes; CTL_FAILED, when `reply` has what was answered, if anything was. */
int ctl_ask(struct ctl *c, struct json_object *taken_request, struct json_object **ret);

/* Asks the daemon where its socket NAME ("data", "status") is, and adds the endpoint that is to be used from here. Returns 0, CTL_FAILED or
 * -errno. */
int ctl_discover(struct ctl *c, const char *name, struct buf *endpoint);

/* A request, *owned*; NULL without memory. */
struct json_object *ctl_request(const char *command);
/* Adds a member; nothing when VALUE is NULL. */
void ctl_request_add(struct json_object *request, const char *key, const char *value);

/* Adds `reply` to `out` as one line. */
void ctl_add_reply(struct ctl *c);

/* Writes `out` to stdout and empties it. Returns 0 (also once nobody reads it) or CTL_FAILED. */
int ctl_flush(struct ctl *c);

/* Finds and runs the verb. */
int ctl_run(struct ctl *c);
