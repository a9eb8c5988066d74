/* The session's life: phases, clocks, what is to be opened and closed, what is reported. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

/* Wrong node so often in a row: it is the balancer, not chance (PROTOCOL.md, codes 3, 11 and 21). */
enum { ASTRAY_MAX = 5 };

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

static const char *transport_name(const struct session *s)
{
    return s->options.transport == SESSION_WS_STREAMING ? "ws-streaming" : "http-streaming";
}

/* ---- chance and time ---- */

static uint64_t next_random(struct session *s)
{
    /* xorshift64*: jitter needs no more. */
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 2685821657736338717u;
}

/* Between half of MS and MS. */
uint64_t session_jitter(struct session *s, uint64_t ms)
{
    return ms - (ms / 2 ? next_random(s) % (ms / 2 + 1) : 0);
}

/* MS, and up to a quarter more: for what is due "after" a time. */
uint64_t session_spread(struct session *s, uint64_t ms)
{
    return ms + next_random(s) % (ms / 4 + 1);
}

uint64_t session_backoff(struct session *s, unsigned attempt)
{
    uint64_t ms = s->options.retry_ms;
    while (attempt-- && ms < s->options.retry_max_ms)
        ms *= 2;
    return session_jitter(s, ms < s->options.retry_max_ms ? ms : s->options.retry_max_ms);
}

/* ---- what is reported ---- */

bool session_has_id(const struct session *s)
{
    return s->id.len > 0;
}

static enum session_state public_state(const struct session *s, const char **ret_detail)
{
    *ret_detail = transport_name(s);
    switch (s->phase) {
    case SESSION_PHASE_STOPPED: *ret_detail = "stopped"; return SESSION_DISCONNECTED;
    case SESSION_PHASE_REFUSED: *ret_detail = "refused"; return SESSION_DISCONNECTED;
    case SESSION_PHASE_WAITING: *ret_detail = "waiting"; return SESSION_CONNECTING;
    case SESSION_PHASE_BOUND:
        if (s->held_told)
            *ret_detail = "held";
        else if (s->stalled)
            *ret_detail = "stalled";
        return SESSION_CONNECTED;
    case SESSION_PHASE_ASKING:
    case SESSION_PHASE_CREATING: return SESSION_CONNECTING;
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
    size_t n = s->id.len / 2 < 6 ? s->id.len / 2 : 6;
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

static void report_connected(struct session *s, uint64_t now, enum session_continuity continuity)
{
    struct session_report r;
    fill_report(s, now, NULL, NULL, &r);
    r.continuity = continuity;
    push_report(s, &r);
}

/* ---- phases ---- */

/* Those that wait for an answer of the server. */
static bool phase_awaits_answer(enum session_phase phase)
{
    return phase == SESSION_PHASE_OPENING || phase == SESSION_PHASE_GREETING ||
           phase == SESSION_PHASE_CREATING || phase == SESSION_PHASE_BINDING ||
           phase == SESSION_PHASE_RECOVERING || phase == SESSION_PHASE_COUNTING ||
           phase == SESSION_PHASE_CATCHING_UP;
}

void session_set_phase(struct session *s, uint64_t now, enum session_phase phase)
{
    s->phase = phase;
    s->answer_by = phase_awaits_answer(phase) ? now + s->options.connect_ms : NEVER;
    /* The transport below has the same time, and says better what failed: let it speak first. */
    if (phase == SESSION_PHASE_OPENING)
        s->answer_by += s->options.connect_ms / 4 + 250;
    if (phase != SESSION_PHASE_BOUND)
        s->stalled = false;
}

void session_close_stream(struct session *s)
{
    /* What was not even asked for yet needs no end. */
    s->close = s->close || s->stream_open || (phase_awaits_answer(s->phase) && !s->open);
    s->open = false;
    s->stream_open = false;
    s->send = SEND_NONE;
    line_reset(&s->lines);
}

static void abandon_control(struct session *s)
{
    s->abandon_control = s->abandon_control || s->control_busy;
    s->control_busy = false;
    line_reset(&s->control_lines);
}

/* The server is to forget the session: said on the WebSocket if it is open, else by a request of its own. */
static void say_farewell(struct session *s)
{
    if (!session_has_id(s))
        return;
    buf_clear(&s->farewell_body);
    buf_clear(&s->farewell_link);
    bool on_websocket = s->stream_open && s->stream_websocket;
    if (on_websocket)
        buf_add_text(&s->farewell_body, "control\r\n");
    /* The WebSocket may be one that no session is bound to yet. */
    session_build_destroy(s, &s->farewell_body, !on_websocket || s->phase != SESSION_PHASE_BOUND);
    buf_add_span(&s->farewell_link, buf_span(&s->control_link));
    s->farewell_on_stream = on_websocket;
    s->farewell = !buf_error(&s->farewell_body) && !buf_error(&s->farewell_link);
}

/* Everything of the session on the server is over. */
static void forget_session(struct session *s, const char *reason, bool destroy)
{
    s->stable_at = NEVER;
    if (destroy)
        say_farewell(s);
    session_close_stream(s);
    abandon_control(s);
    buf_clear(&s->id);
    buf_clear(&s->control_link);
    s->count = s->skip = 0;
    s->recovering = false;
    s->recover_by = NEVER;
    session_void_tables(s, reason);
}

static void begin_session(struct session *s, uint64_t now)
{
    s->wake_at = NEVER;
    s->ask = true;
    s->odd_subscription = false;
    memset(s->odd_tags, 0, sizeof s->odd_tags);
    session_set_phase(s, now, SESSION_PHASE_ASKING);
    session_report_state(s, now, NULL, NULL);
}

static void open_stream(struct session *s, uint64_t now)
{
    s->open = true;
    s->stream_websocket = s->options.transport == SESSION_WS_STREAMING;
    session_set_phase(s, now, SESSION_PHASE_OPENING);
    session_report_state(s, now, NULL, NULL);
}

void session_start(struct session *s, uint64_t now)
{
    if (s->phase != SESSION_PHASE_STOPPED && s->phase != SESSION_PHASE_REFUSED &&
        s->phase != SESSION_PHASE_WAITING)
        return;
    if (s->phase == SESSION_PHASE_STOPPED && s->counters.sessions)
        s->had_session = false;
    s->attempts = s->astray = 0;
    begin_session(s, now);
}

void session_stop(struct session *s, uint64_t now, const char *reason, const char *gap_reason)
{
    if (s->phase == SESSION_PHASE_STOPPED)
        return;
    forget_session(s, gap_reason, true);
    s->wake_at = NEVER;
    s->ask = false;
    session_set_phase(s, now, SESSION_PHASE_STOPPED);
    session_report_state(s, now, reason, NULL);
}

void session_credentials(struct session *s, uint64_t now, const char *user, const char *password)
{
    if (s->phase != SESSION_PHASE_ASKING)
        return;
    buf_clear(&s->user);
    buf_clear(&s->password);
    s->has_user = user != NULL;
    s->has_password = password != NULL;
    buf_add_span(&s->user, span_of(user));
    buf_add_span(&s->password, span_of(password));
    if (buf_error(&s->user) || buf_error(&s->password))
        session_lose(s, now, ERRCODE_RETRY, "credentials that cannot be kept", NULL, false);
    else
        open_stream(s, now);
}

void session_credentials_failed(struct session *s, uint64_t now, const char *why)
{
    if (s->phase == SESSION_PHASE_ASKING)
        session_lose(s, now, ERRCODE_RETRY, why, NULL, false);
}

/* ---- endings ---- */

static void refuse(struct session *s, uint64_t now, const char *reason, const int *code)
{
    s->wake_at = s->options.retry_refused_ms ? now + session_spread(s, s->options.retry_refused_ms) : NEVER;
    session_set_phase(s, now, SESSION_PHASE_REFUSED);
    session_report_state(s, now, reason, code);
}

void session_lose(struct session *s, uint64_t now, enum errcode_verdict verdict, const char *reason,
                  const int *code, bool destroy)
{
    s->counters.faults++;
    forget_session(s, "session lost", destroy);
    if (verdict == ERRCODE_REFUSED) {
        refuse(s, now, reason, code);
        return;
    }
    if (verdict == ERRCODE_AFFINITY && ++s->astray >= ASTRAY_MAX) {
        char advice[LIMIT_REASON_BYTES];
        snprintf(advice, sizeof advice,
                 "%.300s (%d times in a row: check that the load balancer keeps a client on one server)",
                 reason, ASTRAY_MAX);
        refuse(s, now, advice, code);
        return;
    }
    uint64_t delay = verdict == ERRCODE_ANEW_NOW && s->attempts == 0 ? 0 : session_backoff(s, s->attempts);
    s->attempts++;
    s->wake_at = now + delay;
    session_set_phase(s, now, SESSION_PHASE_WAITING);
    session_report_state(s, now, reason, code);
}

void session_break(struct session *s, uint64_t now, const char *reason)
{
    char text[LIMIT_REASON_BYTES];
    snprintf(text, sizeof text, "protocol error: %s", reason);
    session_lose(s, now, ERRCODE_ANEW, text, NULL, true);
}

void session_recover(struct session *s, uint64_t now, const char *reason, const int *code)
{
    session_close_stream(s);
    abandon_control(s);
    s->stable_at = NEVER;
    s->counters.faults++;
    if (s->recover_by == NEVER)
        s->recover_by = now + s->options.recovery_ms;
    if (now >= s->recover_by) {
        session_lose(s, now, ERRCODE_ANEW, reason, code, true);
        return;
    }
    s->recovering = true;
    uint64_t delay = session_backoff(s, s->attempts++);
    s->wake_at = now + delay < s->recover_by ? now + delay : s->recover_by;
    session_set_phase(s, now, SESSION_PHASE_RECOVERY_WAIT);
    session_report_state(s, now, reason, code);
}

void session_looped(struct session *s, uint64_t now, uint64_t delay_ms)
{
    bool caught_up = s->phase == SESSION_PHASE_CATCHING_UP;
    if (caught_up) {
        s->counters.recoveries++;
        s->recover_by = now + s->options.recovery_ms;
        session_ask_again(s);
    } else {
        s->counters.rebinds++;
    }
    if (!s->stream_websocket)
        session_close_stream(s);
    s->wake_at = now + delay_ms;
    session_set_phase(s, now, SESSION_PHASE_LOOPED);
    if (!caught_up)
        session_report_state(s, now, "LOOP", NULL);
}

void session_bound(struct session *s, uint64_t now)
{
    enum session_continuity continuity = s->phase != SESSION_PHASE_CREATING
                                             ? (s->recovering ? SESSION_RECOVERED : SESSION_PRESERVED)
                                         : s->had_session ? SESSION_REPLACED
                                                          : SESSION_NEW;
    if (s->phase == SESSION_PHASE_CREATING)
        s->counters.sessions++;
    s->had_session = true;
    s->recovering = false;
    s->recover_by = NEVER;
    s->heard_at = now;
    session_requests_bound(s, now);
    session_set_phase(s, now, SESSION_PHASE_BOUND);
    /* A LOOP is no fault: the time before it counts. */
    if (s->stable_at == NEVER && (s->attempts || s->astray))
        s->stable_at = now + s->options.retry_max_ms;
    report_connected(s, now, continuity);
}

/* ---- the stream ---- */

void session_opened(struct session *s, uint64_t now)
{
    s->stream_open = true;
    if (s->phase == SESSION_PHASE_RECOVERING) {
        s->answer_by = now + s->options.connect_ms;
    } else if (s->phase == SESSION_PHASE_OPENING && s->stream_websocket) {
        s->send = SEND_WSOK;
        session_set_phase(s, now, SESSION_PHASE_GREETING);
    } else if (s->phase == SESSION_PHASE_OPENING) {
        session_set_phase(s, now, session_has_id(s) ? SESSION_PHASE_BINDING : SESSION_PHASE_CREATING);
    }
}

/* There is a stream, or one is on its way. */
static bool has_stream(const struct session *s)
{
    return s->stream_open || s->phase == SESSION_PHASE_BOUND || phase_awaits_answer(s->phase);
}

void session_closed(struct session *s, uint64_t now, enum session_fault fault, int code, const char *why)
{
    if (!has_stream(s))
        return;
    s->stream_open = false;
    s->open = false;
    s->send = SEND_NONE;
    const int *shown = code ? &code : NULL;
    bool lasting = fault == SESSION_FAULT_LASTING;
    if (s->phase == SESSION_PHASE_LOOPED && s->stream_websocket) {
        /* Unbound anyway: the bind will open another. */
    } else if (!session_has_id(s)) {
        session_lose(s, now, lasting ? ERRCODE_REFUSED : ERRCODE_RETRY, why, shown, false);
    } else if (lasting) {
        session_lose(s, now, ERRCODE_ANEW, why, shown, true);
    } else {
        session_recover(s, now, why, shown);
    }
    s->close = false;
    line_reset(&s->lines);
}

static void heard(struct session *s, uint64_t now)
{
    s->heard_at = now;
    if (s->phase == SESSION_PHASE_CATCHING_UP || s->phase == SESSION_PHASE_COUNTING)
        s->answer_by = now + s->options.connect_ms;
    if (!s->stalled)
        return;
    s->stalled = false;
    session_report_state(s, now, NULL, NULL);
}

void session_feed(struct session *s, uint64_t now, struct span bytes)
{
    s->counters.bytes += bytes.len;
    heard(s, now);
    line_feed(&s->lines, bytes);
}

void session_keep(struct session *s, uint64_t now)
{
    if (line_keep(&s->lines) < 0 || line_keep(&s->control_lines) < 0)
        session_break(s, now, "out of memory");
}

void session_control_feed(struct session *s, uint64_t now, struct span bytes)
{
    (void)now;
    s->counters.bytes += bytes.len;
    line_feed(&s->control_lines, bytes);
}

void session_control_closed(struct session *s, uint64_t now)
{
    (void)now;
    s->control_busy = false;
    line_reset(&s->control_lines);
}

/* ---- time ---- */

static uint64_t stall_time(const struct session *s)
{
    uint64_t late = s->heard_at + s->keepalive_ms + s->options.stalled_ms;
    return s->stalled ? late + s->options.reconnect_ms : late;
}

/* The clocks that wait for bytes: they stand still while nothing is read. */
static uint64_t byte_deadline(const struct session *s)
{
    if (s->held)
        return NEVER;
    uint64_t at = s->answer_by;
    if (s->phase == SESSION_PHASE_BOUND && stall_time(s) < at)
        at = stall_time(s);
    if (s->recovering && s->recover_by < at)
        at = s->recover_by;
    return at;
}

uint64_t session_deadline(const struct session *s)
{
    uint64_t at = byte_deadline(s), requests = session_requests_deadline(s);
    if (s->wake_at < at)
        at = s->wake_at;
    if (s->stable_at < at)
        at = s->stable_at;
    return requests < at ? requests : at;
}

static void recover_now(struct session *s, uint64_t now)
{
    s->open = true;
    s->stream_websocket = false;
    session_set_phase(s, now, SESSION_PHASE_RECOVERING);
}

static void wake(struct session *s, uint64_t now)
{
    s->wake_at = NEVER;
    switch ((int)s->phase) {
    case SESSION_PHASE_WAITING:
    case SESSION_PHASE_REFUSED: begin_session(s, now); break;
    case SESSION_PHASE_RECOVERY_WAIT: recover_now(s, now); break;
    case SESSION_PHASE_LOOPED:
        if (s->stream_open && s->stream_websocket) {
            s->send = SEND_BIND;
            session_set_phase(s, now, SESSION_PHASE_BINDING);
        } else {
            open_stream(s, now);
        }
        break;
    default: break;
    }
}

static void on_late(struct session *s, uint64_t now)
{
    if (s->recovering && s->recover_by <= now) {
        session_lose(s, now, ERRCODE_ANEW, "the recovery was not done within recovery_ms", NULL, true);
    } else if (s->answer_by <= now) {
        const char *why = "no answer within connect_ms";
        if (session_has_id(s))
            session_recover(s, now, why, NULL);
        else
            session_lose(s, now, ERRCODE_RETRY, why, NULL, false);
    } else if (s->phase == SESSION_PHASE_BOUND && stall_time(s) <= now) {
        if (s->stalled) {
            session_recover(s, now, "nothing came for the keep-alive time, stalled_ms and reconnect_ms",
                            NULL);
        } else {
            s->stalled = true;
            session_report_state(s, now, "nothing came for the keep-alive time and stalled_ms", NULL);
        }
    }
}

void session_tick(struct session *s, uint64_t now)
{
    if (s->stable_at <= now) {
        s->stable_at = NEVER;
        s->attempts = s->astray = 0;
    }
    if (byte_deadline(s) <= now)
        on_late(s, now);
    if (s->wake_at <= now)
        wake(s, now);
    session_requests_tick(s, now);
}

static void postpone(uint64_t *at, uint64_t ms)
{
    if (*at != NEVER)
        *at += ms;
}

void session_hold(struct session *s, uint64_t now, bool held, bool announce)
{
    if (held && !s->held) {
        s->held_since = now;
    } else if (!held && s->held) {
        uint64_t ms = now - s->held_since;
        postpone(&s->answer_by, ms);
        postpone(&s->recover_by, ms);
        s->heard_at += ms;
        session_requests_postpone(s, ms);
    }
    s->held = held;
    s->held_told = held && announce;
    if (s->phase == SESSION_PHASE_BOUND)
        session_report_state(s, now, NULL, NULL);
}

/* ---- actions ---- */

static void build_streaming(struct session *s)
{
    if (s->options.content_length_bytes)
        tlcp_param_u64(&s->out, "LS_content_length", s->options.content_length_bytes);
    if (s->options.keepalive_ms)
        tlcp_param_u64(&s->out, "LS_keepalive_millis", s->options.keepalive_ms);
    tlcp_param_text(&s->out, "LS_send_sync", "false");
}

static void build_create(struct session *s)
{
    tlcp_param_cid(&s->out);
    if (s->has_user)
        tlcp_param(&s->out, "LS_user", buf_span(&s->user));
    if (s->has_password)
        tlcp_param(&s->out, "LS_password", buf_span(&s->password));
    tlcp_param_text(&s->out, "LS_adapter_set", s->options.adapter_set);
    tlcp_param_text(&s->out, "LS_requested_max_bandwidth", s->options.max_bandwidth_kbps);
    tlcp_param_text(&s->out, "LS_supported_diffs", s->options.supported_diffs);
    build_streaming(s);
}

static void build_bind(struct session *s)
{
    tlcp_param(&s->out, "LS_session", buf_span(&s->id));
    if (s->phase == SESSION_PHASE_RECOVERING) {
        tlcp_param_u64(&s->out, "LS_recovery_from", s->count);
        tlcp_param_text(&s->out, "LS_polling", "true");
        tlcp_param_u64(&s->out, "LS_polling_millis", 0);
        tlcp_param_u64(&s->out, "LS_idle_millis", 0);
    } else {
        build_streaming(s);
    }
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

static bool fill_requests(struct session *s, uint64_t now, struct session_action *ret)
{
    if (!session_build_requests(s, now))
        return false;
    s->control_busy = !s->stream_websocket;
    *ret = (struct session_action){.kind = s->stream_websocket ? SESSION_SEND : SESSION_CONTROL,
                                   .control_link = link_text(&s->control_link),
                                   .name = "control",
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
        return fill_requests(s, now, ret);
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
        if (buf_error(&s->out) && s->phase == phase)
            give_up_action(s, now);
        else if (any || s->phase == phase)
            return any;
    }
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
        if (session_next_report(s, ret))
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
        if (!s->n_reports && !s->oddity_waits && list_empty(&s->pending))
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

const struct session_counters *session_counters(const struct session *s)
{
    return &s->counters;
}

/* ---- making and freeing ---- */

static const char **option_text(struct session_options *o, size_t index)
{
    const char **texts[] = {&o->adapter_set, &o->max_bandwidth_kbps, &o->supported_diffs};
    return index < ARRAY_LENGTH(texts) ? texts[index] : NULL;
}

int session_new(const struct session_options *options, uint64_t seed, struct session **ret)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->options = *options;
    s->random = seed ? seed : 1;
    s->had_session = options->replaces;
    s->wake_at = s->answer_by = s->recover_by = s->stable_at = NEVER;
    s->last = (struct session_report){
        .state = SESSION_DISCONNECTED, .previous = SESSION_DISCONNECTED, .detail = "stopped"};
    list_init(&s->tables);
    list_init(&s->pending);
    buf_init(&s->id, LIMIT_SESSION_ID_BYTES);
    buf_init(&s->control_link, LIMIT_CONTROL_LINK_BYTES);
    buf_init(&s->user, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->password, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->out, LIMIT_REQUEST_BYTES_MAX * 4);
    buf_init(&s->farewell_body, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->farewell_link, LIMIT_CONTROL_LINK_BYTES + 1);
    line_init(&s->lines, LIMIT_LINE_BYTES);
    line_init(&s->control_lines, LIMIT_LINE_BYTES);
    int r = 0;
    for (size_t i = 0; option_text(&s->options, i); i++) {
        const char **text = option_text(&s->options, i);
        if (*text && !(*text = strdup(*text)))
            r = -ENOMEM;
    }
    if (r < 0) {
        session_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void wipe(struct buf *secret)
{
    if (secret->at)
        explicit_bzero(secret->at, secret->cap);
    buf_done(secret);
}

void session_free(struct session *s)
{
    if (!s)
        return;
    session_bury(s);
    while (!list_empty(&s->tables)) {
        struct session_table *t = CONTAINER_OF(s->tables.next, struct session_table, link);
        s->corpse = t;
        session_bury(s);
    }
    for (size_t i = 0; option_text(&s->options, i); i++)
        free((void *)(uintptr_t)*option_text(&s->options, i));
    wipe(&s->user);
    wipe(&s->password);
    wipe(&s->id);
    wipe(&s->out);
    buf_done(&s->control_link);
    wipe(&s->farewell_body);
    buf_done(&s->farewell_link);
    line_done(&s->lines);
    line_done(&s->control_lines);
    free(s->subs);
    free(s);
}
