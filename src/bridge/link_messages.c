/* Messages of the control socket's clients to a server. */
#include "bridge/link_internal.h"

#include <stdio.h>

#include "bridge/clock.h"

/* NULL when it can be sent, now or once the session is connected. One that is about to start waits for another to be over. */
static const char *why_not(const struct link *l)
{
    return link_report(l)->state == SESSION_DISCONNECTED && !l->after ? "the session is disconnected" : NULL;
}

static uint64_t default_timeout(const struct link *l, const struct session_message *m)
{
    uint64_t wait_ms = m->sequence.at && m->max_wait_ms != SESSION_MAX_WAIT_UNSET ? m->max_wait_ms : 0;
    return (uint64_t)l->conf->connect_ms + wait_ms;
}

int link_send_message(struct link *l, const struct session_message *message, const char **ret_why)
{
    struct session_message m = *message;
    if (!m.timeout_ms)
        m.timeout_ms = default_timeout(l, &m);
    *ret_why = why_not(l);
    if (*ret_why)
        return LINK_CANNOT;
    int r = session_send_message(l->session, clock_loop_ms(l->env->event), &m);
    if (r <= 0)
        return r;
    *ret_why = r == SESSION_SEQUENCES_FULL ? "too many sequences are in use in this session"
                                           : "too many messages wait for the server's answer";
    return LINK_CANNOT;
}
