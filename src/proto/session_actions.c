/* What the session wants done: streams opened, messages sent, requests posted. */
#include "proto/session_internal.h"

#include <errno.h>

static const char *const versions[TLCP_N_VERSIONS] = TLCP_VERSIONS;

void session_param_limit(const struct session *s, struct buf *out, const char *name, const char *value)
{
    bool unlimited = value && strcmp(value, "unlimited") == 0;
    tlcp_param_text(out, name, unlimited ? s->dialect->unlimited : value);
}

static void build_poll(struct session *s)
{
    bool short_poll = !session_transport_polls(session_transport(s)) || s->phase == SESSION_PHASE_RECOVERING;
    tlcp_param_text(&s->out, "LS_polling", "true");
    tlcp_param_u64(&s->out, "LS_polling_millis", short_poll ? 0 : s->options.polling_ms);
    tlcp_param_u64(&s->out, "LS_idle_millis", short_poll ? 0 : s->options.idle_ms);
}

static void build_stream(struct session *s)
{
    if (s->options.content_length_bytes)
        tlcp_param_u64(&s->out, "LS_content_length", s->options.content_length_bytes);
    if (s->options.keepalive_ms)
        tlcp_param_u64(&s->out, "LS_keepalive_millis", s->options.keepalive_ms);
    if (s->options.reverse_heartbeat_ms && s->dialect->promises)
        tlcp_param_u64(&s->out, "LS_inactivity_millis", s->options.reverse_heartbeat_ms);
    if (!s->options.slowing && s->dialect->has_sync)
        tlcp_param_text(&s->out, "LS_send_sync", "false");
}

static void build_connection(struct session *s)
{
    if (s->polling)
        build_poll(s);
    else
        build_stream(s);
}

static void build_create(struct session *s)
{
    tlcp_param_text(&s->out, "LS_op2", s->dialect->create_op);
    tlcp_param_cid(&s->out);
    if (s->has_user)
        tlcp_param(&s->out, "LS_user", buf_span(&s->user));
    if (s->has_password)
        tlcp_param(&s->out, "LS_password", buf_span(&s->password));
    tlcp_param_text(&s->out, "LS_adapter_set", s->options.adapter_set);
    session_param_limit(s, &s->out, "LS_requested_max_bandwidth", s->options.max_bandwidth_kbps);
    if (s->dialect->asks_for_report)
        tlcp_param_text(&s->out, "LS_report_info", "true");
    if (s->dialect->has_versions && s->version <= TLCP_2_4)
        tlcp_param_text(&s->out, "LS_supported_diffs", s->options.supported_diffs);
    build_connection(s);
}

static void build_bind(struct session *s)
{
    tlcp_param(&s->out, "LS_session", buf_span(&s->id));
    if (s->phase == SESSION_PHASE_RECOVERING)
        tlcp_param_u64(&s->out, "LS_recovery_from", s->count);
    build_connection(s);
}

static const char *link_text(struct buf *link)
{
    return link->len ? buf_text(link) : NULL;
}

static void fill_open(struct session *s, struct session_action *ret)
{
    bool bind = session_has_id(s);
    s->open = false;
    if (!s->stream_websocket && bind)
        build_bind(s);
    else if (!s->stream_websocket)
        build_create(s);
    *ret = (struct session_action){.kind = SESSION_OPEN,
                                   .websocket = s->stream_websocket,
                                   .control_link = link_text(&s->control_link),
                                   .name = bind ? "bind_session" : "create_session",
                                   .patience_ms = session_patience(s),
                                   .body = buf_span(&s->out)};
}

static void fill_send(struct session *s, struct session_action *ret)
{
    if (s->send == SEND_WSOK) {
        buf_add_text(&s->out, "wsok");
    } else if (s->send == SEND_CREATE) {
        buf_add_text(&s->out, "create_session\r\n");
        build_create(s);
    } else {
        buf_add_text(&s->out, "bind_session\r\n");
        build_bind(s);
    }
    s->send = SEND_NONE;
    *ret = (struct session_action){.kind = SESSION_SEND, .body = buf_span(&s->out)};
}

static bool fill_farewell(struct session *s, bool on_stream, struct session_action *ret)
{
    if (!s->farewell || s->farewell_on_stream != on_stream)
        return false;
    s->farewell = false;
    *ret = (struct session_action){.kind = on_stream ? SESSION_SEND : SESSION_FAREWELL,
                                   .control_link = link_text(&s->farewell_link),
                                   .name = "control",
                                   .body = buf_span(&s->farewell_body)};
    return true;
}

static bool take_flag(bool *flag, enum session_action_kind kind, struct session_action *ret)
{
    if (!*flag)
        return false;
    *flag = false;
    *ret = (struct session_action){.kind = kind};
    return true;
}

/* A sign of life that was promised; anything else that is sent is one as well. */
static bool fill_heartbeat(struct session *s, struct session_action *ret)
{
    if (!s->heartbeat)
        return false;
    s->heartbeat = false;
    if (s->stream_websocket)
        buf_add_text(&s->out, "heartbeat\r\n");
    else
        tlcp_param(&s->out, "LS_session", buf_span(&s->id));
    *ret = (struct session_action){.kind = s->stream_websocket ? SESSION_SEND : SESSION_HEARTBEAT,
                                   .control_link = link_text(&s->control_link),
                                   .name = "heartbeat",
                                   .body = buf_span(&s->out)};
    return true;
}

static bool fill_requests(struct session *s, uint64_t now, struct session_action *ret)
{
    bool control = session_build_requests(s, now);
    if (!control && !session_build_messages(s, now))
        return false;
    s->control_messages = !control;
    s->control_busy = !s->stream_websocket;
    *ret = (struct session_action){.kind = s->stream_websocket ? SESSION_SEND : SESSION_CONTROL,
                                   .control_link = link_text(&s->control_link),
                                   .name = control ? "control" : s->dialect->message,
                                   .body = buf_span(&s->out)};
    return true;
}

/* In the order in which they make sense: the old stream's last word, its end, then what is new. */
static bool next_action(struct session *s, uint64_t now, struct session_action *ret)
{
    if (fill_farewell(s, true, ret) || take_flag(&s->abandon_control, SESSION_CONTROL_ABANDON, ret) ||
        take_flag(&s->close, SESSION_CLOSE, ret) || fill_farewell(s, false, ret) ||
        take_flag(&s->ask, SESSION_ASK_CREDENTIALS, ret))
        return true;
    if (s->open)
        fill_open(s, ret);
    else if (s->send != SEND_NONE)
        fill_send(s, ret);
    else
        return fill_requests(s, now, ret) || fill_heartbeat(s, ret);
    return true;
}

/* What to open or send could not be built whole. Half of a bind would be another request: one that tells the server that everything arrived. */
static void give_up_action(struct session *s, uint64_t now)
{
    if (session_has_id(s))
        session_recover(s, now, "out of memory", NULL);
    else
        session_lose(s, now, ERRCODE_RETRY, "out of memory", NULL, false);
}

bool session_next_action(struct session *s, uint64_t now, struct session_action *ret)
{
    for (;;) {
        enum session_phase phase = s->phase;
        buf_clear(&s->out);
        bool any = next_action(s, now, ret);
        ret->version = s->dialect->has_versions ? versions[s->version] : NULL;
        if (any)
            s->said_at = now;
        if (buf_error(&s->out) && s->phase == phase)
            give_up_action(s, now);
        else if (any || s->phase == phase)
            return any;
    }
}
