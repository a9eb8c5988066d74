/* What a bus must offer to the bridge: messages go out under a topic, subscriptions come in, and a consumer
 * that is at its mark shows as SINK_FULL. Narrow on purpose: a second kind of bus must not touch proto or
 * bridge. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* sink_publish: a consumer of this message is at its mark, and nothing was sent to anybody. Try the same
 * message again, and no other before it, after sink_ready() said so (or with SINK_DROP). */
enum { SINK_FULL = 1 };

/* A longer prefix costs its consumer the connection: each byte of a prefix takes memory here. What the
 * configuration makes of a topic is no longer than that. */
enum { SINK_PREFIX_MAX = 16 * 1024 };

enum sink_pressure {
    SINK_HOLD, /* full: send nothing, return SINK_FULL */
    SINK_DROP, /* full: those at their mark lose this message (and what follows until they have drained half);
                  never SINK_FULL */
};

struct sink;

struct sink_ops {
    int (*publish)(struct sink *s, struct span topic, struct span payload, enum sink_pressure pressure);
    int (*next_subscription)(struct sink *s, struct buf *ret_prefix);
    int (*ready)(struct sink *s);
    int (*fd)(const struct sink *s);
    const char *(*endpoint)(const struct sink *s, size_t index);
    void (*close)(struct sink *s);
};

/* The first member of every bus's own struct. */
struct sink {
    const struct sink_ops *ops;
};

/* Sends one message. Both spans are borrowed for the call. Returns 0, SINK_FULL, or -errno for our own
 * trouble. */
static inline int sink_publish(struct sink *s, struct span topic, struct span payload,
                               enum sink_pressure pressure)
{
    return s->ops->publish(s, topic, payload, pressure);
}

/* Takes the next new subscription: returns 1 with its prefix (which may be empty) in RET_PREFIX, 0 when there
 * is none, -errno. A second consumer with the same prefix counts again; unsubscriptions are not told.
 * RET_PREFIX must have room for SINK_PREFIX_MAX. The work of one call is bounded: after 0, sink_ready() says
 * whether more waits. While a message is SINK_FULL and nothing has happened since, new subscriptions wait. */
static inline int sink_next_subscription(struct sink *s, struct buf *ret_prefix)
{
    return s->ops->next_subscription(s, ret_prefix);
}

/* To be called when the fd became readable, after every batch of publishing and after taking subscriptions
 * (the fd is edge-triggered): lets the bus do its work. Returns 1 when subscriptions wait or a publish that
 * was SINK_FULL is worth trying again: do both and call it again, now or in the loop's next turn, until it
 * returns 0: then wait for the fd. Or -errno. A consumer that stays at its mark does not keep it at 1. */
static inline int sink_ready(struct sink *s)
{
    return s->ops->ready(s);
}

/* Becomes readable when sink_ready() is to be called; edge-triggered. */
static inline int sink_fd(const struct sink *s)
{
    return s->ops->fd(s);
}

/* The INDEXth endpoint as bound (a wildcard port resolved), NULL past the last. */
static inline const char *sink_endpoint(const struct sink *s, size_t index)
{
    return s->ops->endpoint(s, index);
}

/* Flushes within the linger time it was made with and frees it. Takes NULL. */
static inline void sink_close(struct sink *s)
{
    if (s)
        s->ops->close(s);
}
