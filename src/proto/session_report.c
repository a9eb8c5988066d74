/* What comes out: how phases look from outside, and the order of events. */
#include "proto/session_internal.h"

#include <stdio.h>

/* ---- names ---- */

const char *session_state_name(enum session_state state)
{
    static const char *const names[] = {"connecting", "connected", "reconnecting", "disconnected"};
    return names[state];
}

const char *session_continuity_name(enum session_continuity continuity)
{
    static const char *const names[] = {NULL, "new", "preserved", "recovered", "replaced"};
    return names[continuity];
}

const char *session_transport_name(enum session_transport transport)
{
    static const char *const names[] = {"ws-streaming", "http-streaming", "ws-polling", "http-polling"};
    return names[transport];
}

/* ---- what is reported ---- */

bool session_has_id(const struct session *s)
{
    return s->id.len > 0;
}

static enum session_state public_state(const struct session *s, const char **ret_detail)
{
    *ret_detail = session_transport_name(session_transport(s));
    if (session_is_connected(s)) {
        if (s->held_told)
            *ret_detail = "held";
        else if (s->stalled)
            *ret_detail = "stalled";
        return SESSION_CONNECTED;
    }
    if (s->settling)
        return SESSION_CONNECTING;
    switch (s->phase) {
    case SESSION_PHASE_STOPPED: *ret_detail = "stopped"; return SESSION_DISCONNECTED;
    case SESSION_PHASE_REFUSED: *ret_detail = "refused"; return SESSION_DISCONNECTED;
    case SESSION_PHASE_WAITING: *ret_detail = "waiting"; return SESSION_CONNECTING;
    case SESSION_PHASE_ASKING:
    case SESSION_PHASE_CREATING: return SESSION_CONNECTING;
    case SESSION_PHASE_BOUND:
    case SESSION_PHASE_OPENING:
    case SESSION_PHASE_GREETING:
    case SESSION_PHASE_LOOPED:
    case SESSION_PHASE_BINDING:
    case SESSION_PHASE_RECOVERY_WAIT:
    case SESSION_PHASE_RECOVERING:
    case SESSION_PHASE_COUNTING:
    case SESSION_PHASE_CATCHING_UP:
    case SESSION_PHASE_CONTROL:
    case SESSION_N_PHASES:
    default:
        if (s->recovering)
            *ret_detail = "recovering";
        return session_has_id(s) ? SESSION_RECONNECTING : SESSION_CONNECTING;
    }
}

static void keep_id_end(const struct session *s, char end[static 8])
{
    /* Never the whole of it, however short it is. */
    size_t n = s->id.len > 6 ? 6 : s->id.len / 2;
    end[0] = '\0';
    if (n) {
        memcpy(end, s->id.at + s->id.len - n, n);
        end[n] = '\0';
    }
}

static void fill_report(struct session *s, uint64_t now, const char *reason, const int *code,
                        struct session_report *r)
{
    *r = (struct session_report){.previous = s->last.state};
    r->state = public_state(s, &r->detail);
    if (r->state == SESSION_CONNECTED)
        r->continuity = SESSION_PRESERVED;
    keep_id_end(s, r->id_end);
    snprintf(r->reason, sizeof r->reason, "%s", reason ? reason : "");
    r->has_code = code != NULL;
    r->code = code ? *code : 0;
    bool waits = s->phase == SESSION_PHASE_WAITING || s->phase == SESSION_PHASE_REFUSED ||
                 s->phase == SESSION_PHASE_RECOVERY_WAIT;
    r->has_retry = waits && s->wake_at != NEVER;
    r->retry_in_ms = r->has_retry ? s->wake_at - now : 0;
}

static void push_report(struct session *s, const struct session_report *r)
{
    s->last = *r;
    /* Nobody took what was there: the latest counts. */
    if (s->n_reports == SESSION_REPORTS)
        s->n_reports--;
    s->reports[(s->first_report + s->n_reports++) % SESSION_REPORTS] = *r;
}

void session_report_state(struct session *s, uint64_t now, const char *reason, const int *code)
{
    struct session_report r;
    fill_report(s, now, reason, code, &r);
    if (r.state == s->last.state && strcmp(r.detail, s->last.detail) == 0 && !reason)
        return;
    push_report(s, &r);
}

void session_report_connected(struct session *s, uint64_t now, enum session_continuity continuity)
{
    struct session_report r;
    fill_report(s, now, s->fell_back, NULL, &r);
    r.continuity = continuity;
    push_report(s, &r);
}

/* ---- events ---- */

bool session_next_report(struct session *s, struct session_event *ret)
{
    if (!s->n_reports)
        return false;
    s->current = s->reports[s->first_report];
    s->first_report = (s->first_report + 1) % SESSION_REPORTS;
    s->n_reports--;
    *ret = (struct session_event){.kind = SESSION_EVENT_STATE, .report = &s->current};
    return true;
}

bool session_next_event(struct session *s, uint64_t now, struct session_event *ret)
{
    session_bury(s);
    for (;;) {
        if (session_next_report(s, ret) || session_next_answer(s, ret))
            return true;
        if (s->oddity_waits) {
            s->oddity_waits = false;
            *ret = (struct session_event){.kind = SESSION_EVENT_ODDITY, .text = s->text};
            return true;
        }
        if (session_next_table_event(s, ret))
            return true;
        if (session_next_line_event(s, now, ret))
            return true;
        if (!s->n_reports && !s->oddity_waits && list_empty(&s->pending) && !session_answers_wait(s))
            return false;
    }
}

const struct session_report *session_last_report(const struct session *s)
{
    return &s->last;
}

bool session_is_stopped(const struct session *s)
{
    return s->phase == SESSION_PHASE_STOPPED;
}

static const char *known(const char *text)
{
    return text[0] ? text : NULL;
}

void session_terms(const struct session *s, struct session_terms *ret)
{
    static const char *const versions[TLCP_N_VERSIONS] = TLCP_VERSIONS;
    *ret = (struct session_terms){.keepalive_ms = s->options.keepalive_ms, .idle_ms = s->options.idle_ms};
    if (!session_has_id(s))
        return;
    ret->protocol = s->dialect->has_versions ? versions[s->version] : "text";
    ret->transport = session_transport_name(session_transport(s));
    /* keep_control_link() made room for its NUL. */
    ret->control_link = s->control_link.len ? s->control_link.at : NULL;
    ret->server_name = known(s->server_name);
    ret->client_ip = known(s->client_ip);
    ret->max_bandwidth_kbps = known(s->bandwidth);
    ret->request_limit_bytes = s->request_limit_bytes;
    ret->late_ms = s->late_ms;
    /* CONOK's one number means the one or the other. */
    if (session_transport_polls(session_transport(s)))
        ret->idle_ms = s->keepalive_ms;
    else if (!s->polling)
        ret->keepalive_ms = s->keepalive_ms;
}

const struct session_counters *session_counters(const struct session *s)
{
    return &s->counters;
}
