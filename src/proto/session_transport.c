/* How the session is reached: transports and their order, polls, versions of the protocol, falling behind (PROTOCOL.md, "Fallback", "Polling",
 * "Older servers"). */
#include "proto/session_internal.h"

#include <stdio.h>

/* Behind by so much, on the average of what SYNC says: too slow for a stream. As the official client has it. */
enum { LATE_MAX_MS = 7000 };

bool session_transport_polls(enum session_transport transport)
{
    return transport == SESSION_WS_POLLING || transport == SESSION_HTTP_POLLING;
}

bool session_transport_is_ws(enum session_transport transport)
{
    return transport == SESSION_WS_STREAMING || transport == SESSION_WS_POLLING;
}

enum session_transport session_transport(const struct session *s)
{
    enum session_transport t = s->options.transports[s->rung];
    if (!s->slowed)
        return t;
    return session_transport_is_ws(t) ? SESSION_WS_POLLING : SESSION_HTTP_POLLING;
}

/* Where falling back is allowed, an HTTP session is created by a short poll: if a proxy keeps streams back, its answer comes all the same, and
 * no session is left behind on the server that nobody knows of. */
void session_choose_polling(struct session *s)
{
    enum session_transport t = session_transport(s);
    bool careful = t == SESSION_HTTP_STREAMING && s->options.n_transports > 1 && !session_has_id(s);
    s->polling = session_transport_polls(t) || careful;
}

bool session_is_connected(const struct session *s)
{
    if (!session_has_id(s) || s->recovering || s->settling)
        return false;
    if (s->phase == SESSION_PHASE_BOUND)
        return true;
    bool between_polls = s->phase == SESSION_PHASE_LOOPED || s->phase == SESSION_PHASE_OPENING ||
                         s->phase == SESSION_PHASE_GREETING || s->phase == SESSION_PHASE_BINDING;
    return between_polls && s->polling && s->last.state == SESSION_CONNECTED &&
           session_transport_polls(session_transport(s));
}

/* ---- the next transport ---- */

/* A WebSocket that does not open or answer, a stream of which nothing arrives: the way there is at fault. SILENT: nothing came in time. */
bool session_blames_transport(const struct session *s, bool silent)
{
    bool opening = s->phase == SESSION_PHASE_OPENING || s->phase == SESSION_PHASE_GREETING;
    if (s->stream_websocket)
        return opening;
    bool stream = !s->polling && (opening || s->phase == SESSION_PHASE_BINDING);
    return stream && silent && session_has_id(s);
}

/* Told once the session is connected after all: else nobody would know why it is not better. */
static void keep_why(struct session *s, const char *why)
{
    size_t n = strlen(s->fell_back);
    snprintf(s->fell_back + n, sizeof s->fell_back - n, "%sno %s: %.200s", n ? "; " : "",
             session_transport_name(session_transport(s)), why);
}

bool session_fall_back(struct session *s, uint64_t now, const char *why, const int *code)
{
    if (s->rung + 1 >= s->options.n_transports)
        return false;
    keep_why(s, why);
    bool asked =
        s->phase == SESSION_PHASE_BINDING || (s->phase == SESSION_PHASE_OPENING && !s->stream_websocket);
    s->rung++;
    if (session_has_id(s) && asked && (s->dialect->recovers || s->last_sub_id)) {
        /* The server may have taken the bind, and sent what never arrived. */
        session_recover(s, now, why, code);
        return true;
    }
    session_close_stream(s);
    session_open_stream(s, now);
    session_report_state(s, now, why, code);
    return true;
}

/* ---- versions ---- */

bool session_step_down(struct session *s, uint64_t now)
{
    if (!s->dialect->has_versions)
        return false;
    if (s->version + 1 >= TLCP_N_VERSIONS) {
        s->version = TLCP_2_5;
        return false;
    }
    s->version++;
    session_close_stream(s);
    session_open_stream(s, now);
    return true;
}

/* ---- falling behind ---- */

void session_synced(struct session *s, uint64_t now, uint64_t seconds)
{
    if (!s->options.slowing || s->slowed || seconds > UINT32_MAX)
        return;
    int64_t late = (int64_t)(now - s->bound_at) - (int64_t)seconds * 1000;
    s->late_ms = (s->late_ms + late) / 2;
    if (s->late_ms < LATE_MAX_MS)
        return;
    s->slowed = true;
    session_rebind(s);
}

void session_rebind(struct session *s)
{
    if (!session_is_connected(s))
        return;
    s->rebind_wanted = true;
    s->requests_wait = true;
}
