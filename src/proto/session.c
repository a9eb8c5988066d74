/* The session's life: phases, clocks, what is to be opened and closed, what is reported. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

/* Wrong node so often in a row: it is the balancer, not chance (PROTOCOL.md, codes 3, 11 and 21). */
enum { ASTRAY_MAX = 5 };
enum { SESSION_NOT_FOUND = 20 };

/* So long a poll may take from its LOOP to its end. */
enum { POLL_END_MS = 50 };

/* ---- phases ---- */

/* Those that wait for an answer of the server. */
static bool awaits_answer(enum session_phase phase)
{
    return phase == SESSION_PHASE_OPENING || phase == SESSION_PHASE_GREETING ||
           phase == SESSION_PHASE_CREATING || phase == SESSION_PHASE_BINDING ||
           phase == SESSION_PHASE_RECOVERING || phase == SESSION_PHASE_COUNTING ||
           phase == SESSION_PHASE_CATCHING_UP;
}

uint64_t session_patience(const struct session *s)
{
    bool short_poll = s->settling || s->recovering || !session_transport_polls(session_transport(s));
    return s->polling && !short_poll ? s->options.idle_ms : 0;
}

void session_set_phase(struct session *s, uint64_t now, enum session_phase phase)
{
    s->phase = phase;
    s->answer_by = awaits_answer(phase) ? now + s->options.connect_ms + session_patience(s) : NEVER;
    /* The transport below has the same time, and says better what failed: let it speak first. */
    if (phase == SESSION_PHASE_OPENING)
        s->answer_by += s->options.connect_ms / 4 + 250;
    if (phase != SESSION_PHASE_BOUND)
        s->stalled = false;
}

void session_close_stream(struct session *s)
{
    /* What was not even asked for yet needs no end. */
    s->close = s->close || s->stream_open || (awaits_answer(s->phase) && !s->open);
    s->open = false;
    s->stream_open = s->over = false;
    s->send = SEND_NONE;
    line_reset(&s->lines);
    text_reset(&s->stream_text);
}

static void abandon_control(struct session *s)
{
    s->abandon_control = s->abandon_control || s->control_busy;
    s->control_busy = false;
    line_reset(&s->control_lines);
    text_reset(&s->control_text);
}

/* The server is to forget the session: said on the WebSocket if it is open, else by a request of its own. So too when nothing was
 * read from it: to close it then resets it, and the server may never see what it was sent last. */
static void say_farewell(struct session *s)
{
    if (!session_has_id(s))
        return;
    buf_clear(&s->farewell_body);
    buf_clear(&s->farewell_link);
    bool on_websocket = s->stream_open && s->stream_websocket && !s->held && !s->stalled;
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
    s->recovering = s->settling = s->slowed = s->rebind_wanted = false;
    s->recover_by = NEVER;
    free(TAKE(s->bandwidth_wanted));
    s->constrain_wanted = false;
    s->constrain_id = 0;
    s->bandwidth[0] = s->server_name[0] = s->client_ip[0] = '\0';
    session_void_tables(s, reason);
    session_messages_lost(s, reason);
}

void session_begin(struct session *s, uint64_t now)
{
    s->wake_at = NEVER;
    s->ask = true;
    s->rung = 0;
    s->fell_back[0] = '\0';
    s->odd_subscription = false;
    memset(s->odd_tags, 0, sizeof s->odd_tags);
    session_set_phase(s, now, SESSION_PHASE_ASKING);
    session_report_state(s, now, NULL, NULL);
}

void session_open_stream(struct session *s, uint64_t now)
{
    s->open = true;
    s->stream_websocket = session_transport_is_ws(session_transport(s));
    session_choose_polling(s);
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
    session_begin(s, now);
}

void session_stop(struct session *s, uint64_t now, const char *reason, const char *gap_reason)
{
    if (s->phase != SESSION_PHASE_STOPPED)
        forget_session(s, gap_reason, true);
    session_messages_over(s, gap_reason, NULL);
    if (s->phase == SESSION_PHASE_STOPPED)
        return;
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
        session_open_stream(s, now);
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
    session_messages_over(s, reason, code);
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
    char advice[LIMIT_REASON_BYTES];
    bool astray = verdict == ERRCODE_AFFINITY && ++s->astray >= ASTRAY_MAX;
    /* Servers that do not know of each other say "not found": which may have other reasons, so go on. */
    if (astray || (code && *code == SESSION_NOT_FOUND && s->attempts >= ASTRAY_MAX)) {
        snprintf(advice, sizeof advice,
                 "%.300s (%u times in a row: check that the load balancer keeps a client on one server)",
                 reason, astray ? s->astray : s->attempts + 1);
        reason = advice;
    }
    if (astray) {
        refuse(s, now, reason, code);
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
    if (!s->dialect->recovers) {
        session_lose(s, now, ERRCODE_ANEW, reason, code, true);
        return;
    }
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
    /* However often connections broke before: a recovery is tried several times before its time is spent. */
    uint64_t delay = session_backoff(s, s->attempts++), most = session_jitter(s, s->options.recovery_ms / 4);
    if (delay > most)
        delay = most;
    s->wake_at = now + delay < s->recover_by ? now + delay : s->recover_by;
    session_set_phase(s, now, SESSION_PHASE_RECOVERY_WAIT);
    session_report_state(s, now, reason, code);
}

bool session_streams_on(const struct session *s)
{
    return s->phase == SESSION_PHASE_CATCHING_UP && s->keepalive_ms > 0;
}

void session_caught_up(struct session *s, uint64_t now)
{
    s->counters.recoveries++;
    s->recover_by = now + s->options.recovery_ms;
    session_ask_again(s);
    session_messages_again(s);
}

/* Cut off, the connection of a poll could not serve the next one. */
static void let_end(struct session *s, uint64_t now)
{
    s->over = true;
    line_reset(&s->lines);
    text_reset(&s->stream_text);
    if (s->wake_at < now + POLL_END_MS)
        s->wake_at = now + POLL_END_MS;
}

void session_looped(struct session *s, uint64_t now, uint64_t delay_ms)
{
    bool caught_up = s->phase == SESSION_PHASE_CATCHING_UP, poll = s->polling && !caught_up;
    const char *why = poll ? NULL : s->slowed ? "LOOP; too far behind for a stream" : "LOOP";
    if (caught_up) {
        session_caught_up(s, now);
    } else if (poll) {
        s->counters.polls++;
        /* A poll that brought nothing: nothing waits on the server any more. */
        if (s->slowed && !s->poll_brought)
            why = "no longer behind";
        s->slowed = s->slowed && s->poll_brought;
    } else {
        s->counters.rebinds++;
        s->unbound_at = now;
    }
    s->wake_at = s->due_at = now + delay_ms;
    if (!s->stream_websocket && poll)
        let_end(s, now);
    else if (!s->stream_websocket)
        session_close_stream(s);
    session_set_phase(s, now, SESSION_PHASE_LOOPED);
    if (!caught_up)
        session_report_state(s, now, why, NULL);
}

/* Bound to its own transport. */
static void settled(struct session *s, uint64_t now, bool was_connected)
{
    if (!was_connected)
        session_requests_bound(s, now);
    /* A LOOP is no fault: the time before it counts. */
    if (s->stable_at == NEVER && (s->attempts || s->astray))
        s->stable_at = now + s->options.retry_max_ms;
    if (!was_connected)
        session_report_connected(s, now, s->continuity);
}

/* A create's short poll that is granted a keep-alive looks like a stream; it is one if its LOOP does not come within this part of connect_ms. */
enum { SETTLES_WITHIN = 4 };

void session_bound(struct session *s, uint64_t now)
{
    bool created = s->phase == SESSION_PHASE_CREATING, was_connected = session_is_connected(s);
    if (created) {
        s->counters.sessions++;
        s->continuity = s->had_session ? SESSION_REPLACED : SESSION_NEW;
        s->asked_again = false;
        s->settling = s->polling && !session_transport_polls(session_transport(s));
    } else if (!s->settling) {
        s->continuity = s->recovering ? SESSION_RECOVERED : SESSION_PRESERVED;
    }
    s->settling = s->settling && created;
    s->fresh = created;
    s->had_session = true;
    s->recovering = false;
    s->recover_by = NEVER;
    s->heard_at = s->bound_at = s->said_at = now;
    s->late_ms = 0;
    s->poll_brought = false;
    session_set_phase(s, now, SESSION_PHASE_BOUND);
    if (!s->settling)
        settled(s, now, was_connected);
    else if (s->keepalive_ms)
        s->answer_by = now + s->options.connect_ms / SETTLES_WITHIN;
}

void session_settle_here(struct session *s, uint64_t now)
{
    s->settling = s->polling = false;
    s->answer_by = NEVER;
    settled(s, now, false);
}

/* ---- the stream ---- */

void session_opened(struct session *s, uint64_t now)
{
    s->stream_open = true;
    if (s->phase == SESSION_PHASE_RECOVERING) {
        s->answer_by = now + s->options.connect_ms;
    } else if (s->phase == SESSION_PHASE_OPENING && s->stream_websocket && s->version <= TLCP_2_2) {
        s->send = SEND_WSOK;
        session_set_phase(s, now, SESSION_PHASE_GREETING);
    } else if (s->phase == SESSION_PHASE_OPENING) {
        if (s->stream_websocket)
            s->send = session_has_id(s) ? SEND_BIND : SEND_CREATE;
        session_set_phase(s, now, session_has_id(s) ? SESSION_PHASE_BINDING : SESSION_PHASE_CREATING);
    }
}

/* The server has taken a table, and may have sent data that never arrived. */
static bool serves_a_table(const struct session *s)
{
    LIST_EACH(link, &s->subs)
        if (CONTAINER_OF(link, struct subscription, link)->stage == SUB_ACTIVE)
            return true;
    return false;
}

/* Servers of text mode may create a session without a stream, and end the response without a LOOP: all that they had to say. */
static bool created_without_a_stream(const struct session *s, enum session_fault fault)
{
    return !s->dialect->recovers && fault == SESSION_FAULT_ENDED && s->phase == SESSION_PHASE_BOUND &&
           s->fresh && !s->poll_brought && !serves_a_table(s) && !line_rest(&s->lines).len;
}

/* There is a stream, or one is on its way. */
static bool has_stream(const struct session *s)
{
    return s->stream_open || s->phase == SESSION_PHASE_BOUND || awaits_answer(s->phase);
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
    if (session_last_words(s, now, fault == SESSION_FAULT_ENDED)) {
        /* Said and done there. */
    } else if (s->phase == SESSION_PHASE_LOOPED && (s->stream_websocket || s->over)) {
        /* Unbound anyway: the bind will open another. */
        s->wake_at = s->due_at;
        s->over = false;
    } else if (created_without_a_stream(s, fault)) {
        s->wake_at = s->due_at = now;
        session_set_phase(s, now, SESSION_PHASE_LOOPED);
        session_report_state(s, now, NULL, NULL);
    } else if (session_blames_transport(s, fault == SESSION_FAULT_SILENT) &&
               session_fall_back(s, now, why, shown)) {
        /* Said and done there. */
    } else if (!session_has_id(s)) {
        session_lose(s, now, lasting ? ERRCODE_REFUSED : ERRCODE_RETRY, why, shown, false);
    } else if (lasting) {
        session_lose(s, now, ERRCODE_ANEW, why, shown, true);
    } else {
        session_recover(s, now, why, shown);
    }
    s->close = false;
    line_reset(&s->lines);
    text_reset(&s->stream_text);
}

static void heard(struct session *s, uint64_t now)
{
    s->heard_at = now;
    bool waits = s->phase == SESSION_PHASE_CATCHING_UP || s->phase == SESSION_PHASE_COUNTING;
    if (waits && !session_streams_on(s))
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
    if (!s->over)
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
    bool messages = s->control_busy && s->control_messages;
    s->control_busy = false;
    line_reset(&s->control_lines);
    text_reset(&s->control_text);
    if (messages)
        session_messages_unanswered(s, now);
}

/* ---- making and freeing ---- */

static const char **option_text(struct session_options *o, size_t index)
{
    const char **texts[] = {&o->adapter_set, &o->adapter_parameter, &o->max_bandwidth_kbps,
                            &o->supported_diffs};
    return index < ARRAY_LENGTH(texts) ? texts[index] : NULL;
}

int session_new(const struct session_options *options, uint64_t seed, struct session **ret)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->options = *options;
    s->dialect = options->dialect ? options->dialect : &dialect_tlcp;
    s->random = seed ? seed : 1;
    s->had_session = options->replaces;
    s->wake_at = s->unbound_at = s->answer_by = s->recover_by = s->stable_at = s->stale_at = NEVER;
    s->last = (struct session_report){
        .state = SESSION_DISCONNECTED, .previous = SESSION_DISCONNECTED, .detail = "stopped"};
    list_init(&s->tables);
    list_init(&s->pending);
    list_init(&s->subs);
    list_init(&s->dropping);
    list_init(&s->dropping_many);
    session_messages_init(s);
    buf_init(&s->id, LIMIT_SESSION_ID_BYTES);
    buf_init(&s->control_link, LIMIT_CONTROL_LINK_BYTES);
    buf_init(&s->user, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->password, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->out, LIMIT_REQUEST_BYTES_MAX * 4);
    buf_init(&s->farewell_body, LIMIT_REQUEST_BYTES_MAX);
    buf_init(&s->farewell_link, LIMIT_CONTROL_LINK_BYTES + 1);
    line_init(&s->lines, LIMIT_LINE_BYTES);
    line_init(&s->control_lines, LIMIT_LINE_BYTES);
    text_init(&s->stream_text, TEXT_STREAM);
    text_init(&s->control_text, TEXT_ANSWERS);
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

void session_free(struct session *s)
{
    if (!s)
        return;
    session_bury(s);
    session_forget_subs(s);
    while (!list_empty(&s->tables)) {
        struct session_table *t = CONTAINER_OF(s->tables.next, struct session_table, link);
        s->corpse = t;
        session_bury(s);
    }
    for (size_t i = 0; option_text(&s->options, i); i++)
        free((void *)(uintptr_t)*option_text(&s->options, i));
    buf_wipe(&s->user);
    buf_wipe(&s->password);
    buf_wipe(&s->id);
    buf_wipe(&s->out);
    buf_done(&s->control_link);
    buf_wipe(&s->farewell_body);
    buf_done(&s->farewell_link);
    line_done(&s->lines);
    line_done(&s->control_lines);
    text_done(&s->stream_text);
    text_done(&s->control_text);
    idmap_done(&s->by_id);
    idmap_done(&s->requests);
    timers_done(&s->answers);
    timers_done(&s->retries);
    session_messages_free(s);
    free(s->bandwidth_wanted);
    free(s);
}
