#include "bridge/link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "bridge/clock.h"
#include "bridge/json.h"

enum { HEARTBEAT_US = 1000000, TIMER_ACCURACY_US = 1000 };

struct link *link_of(struct list *in_links)
{
    return CONTAINER_OF(in_links, struct link, in_links);
}

struct list *link_in_links(struct link *l)
{
    return &l->in_links;
}

const char *link_name(const struct link *l)
{
    return l->name;
}

const struct conf_session *link_conf(const struct link *l)
{
    return l->conf;
}

bool link_is_current(const struct link *l)
{
    return !l->leaving;
}

const struct session_report *link_report(const struct link *l)
{
    return session_last_report(l->session);
}

/* ---- what is told of the session ---- */

static void add_report(const struct session_report *r, struct buf *json)
{
    json_text(json, "state", session_state_name(r->state));
    json_text(json, "previous", session_state_name(r->previous));
    json_text(json, "detail", r->detail);
    if (r->id_end[0])
        json_text(json, "session_id", r->id_end);
    json_text(json, "continuity", session_continuity_name(r->continuity));
    if (r->reason[0])
        json_text(json, "reason", r->reason);
    if (r->has_code)
        json_i64(json, "code", r->code);
    if (r->has_retry)
        json_u64(json, "retry_in_ms", r->retry_in_ms);
}

static int report_priority(const struct session_report *r)
{
    if (r->state == SESSION_CONNECTED)
        return strcmp(r->detail, "stalled") == 0 ? LOG_WARNING : LOG_INFO;
    if (r->state == SESSION_DISCONNECTED)
        return strcmp(r->detail, "refused") == 0 ? LOG_ERR : LOG_NOTICE;
    return r->reason[0] && strcmp(r->reason, "LOOP") != 0 ? LOG_WARNING : LOG_INFO;
}

static void log_report(struct link *l, const struct session_report *r)
{
    char code[32] = "", retry[48] = "";
    const char *continuity = session_continuity_name(r->continuity);
    if (r->has_code)
        snprintf(code, sizeof code, " (code %d)", r->code);
    if (r->has_retry)
        snprintf(retry, sizeof retry, "; next try in %llu ms", (unsigned long long)r->retry_in_ms);
    log_line(l->env->log, report_priority(r), l->name, NULL, "%s, %s%s%s%s%s%s%s",
             session_state_name(r->state), r->detail, continuity ? ", continuity " : "",
             continuity ? continuity : "", r->reason[0] ? ": " : "", r->reason, code, retry);
}

static void tell_state(struct link *l, const struct session_report *r)
{
    struct buf *json = status_begin(l->env->status, "session", l->name, NULL);
    l->since_us = clock_wall_us();
    json_text(json, "session", l->name);
    add_report(r, json);
    status_end(l->env->status, true);
    log_report(l, r);
    l->env->changed(l->env->userdata);
}

static void tell_heartbeat(struct link *l)
{
    if (l->last_byte_us < l->last_heartbeat_us + HEARTBEAT_US)
        return;
    l->last_heartbeat_us = l->last_byte_us;
    json_text(status_begin(l->env->status, "heartbeat", l->name, NULL), "session", l->name);
    status_end(l->env->status, false);
}

void link_add_counters(const struct link *l, struct buf *json)
{
    const struct session_counters *c = session_counters(l->session);
    uint64_t received = 0, sent = 0;
    if (l->peer)
        net_peer_counters(l->peer, &received, &sent);
    json_u64(json, "updates", c->updates);
    json_u64(json, "messages", l->messages);
    json_u64(json, "lines", c->lines);
    json_u64(json, "bytes_received", received);
    json_u64(json, "bytes_sent", sent);
    json_u64(json, "sessions", c->sessions);
    json_u64(json, "rebinds", c->rebinds);
    json_u64(json, "polls", c->polls);
    json_u64(json, "recoveries", c->recoveries);
    json_u64(json, "faults", c->faults);
    json_u64(json, "oddities", c->oddities);
    json_u64(json, "misfits", l->misfits);
    json_u64(json, "upstream_sent", c->upstream_sent);
    json_u64(json, "upstream_done", c->upstream_done);
    json_u64(json, "upstream_failed", c->upstream_failed);
    json_u64(json, "upstream_late", c->upstream_late);
    json_u64(json, "last_received", l->last_byte_us);
}

void link_add_session(const struct link *l, struct buf *json)
{
    json_text(json, "session", l->name);
    add_report(link_report(l), json);
    json_u64(json, "since", l->since_us);
    link_add_details(l, json);
    json_u64(json, "tables", link_count_tables(l));
    json_name(json, "counters");
    json_open(json, '{');
    link_add_counters(l, json);
    json_close(json, '}');
}

/* ---- taking what the session has ---- */

static void take_event(struct link *l, const struct session_event *event)
{
    int r = 0;
    l->messages += event->item != NULL;
    switch (event->kind) {
    case SESSION_EVENT_STATE: tell_state(l, event->report); break;
    case SESSION_EVENT_TABLE: link_tell_table(l, event->table); break;
    case SESSION_EVENT_ANSWER: l->env->answered(l->env->userdata, event->answer); break;
    case SESSION_EVENT_ODDITY:
        log_line(l->env->log, LOG_WARNING, l->name, NULL, "the server sent %s", event->text);
        break;
    case SESSION_EVENT_UPDATE:
    case SESSION_EVENT_EOS:
    case SESSION_EVENT_CLEAR:
    case SESSION_EVENT_LOST: r = feed_event(event->table->user, event, l->read_us); break;
    case SESSION_EVENT_GAP: r = feed_event(event->table->user, event, clock_wall_us()); break;
    default: break;
    }
    if (r < 0)
        log_line(l->env->log, LOG_ERR, l->name, NULL, "a message could not be published: %s", strerror(-r));
}

/* While a consumer is at its mark only transitions are taken, which go to the status socket, and what the control socket waits for. */
static bool next_event(struct link *l, struct session_event *ret)
{
    if (feed_is_held(l->env->feed))
        return session_next_report(l->session, ret) || session_next_answer(l->session, ret);
    return session_next_event(l->session, clock_loop_ms(l->env->event), ret);
}

static bool take_events(struct link *l)
{
    struct session_event event;
    bool any = false;
    while (next_event(l, &event)) {
        take_event(l, &event);
        any = true;
    }
    return any;
}

/* The stream's end comes after all that it brought. */
static bool take_end(struct link *l)
{
    if (!l->ended || feed_is_held(l->env->feed))
        return false;
    l->ended = false;
    session_closed(l->session, clock_loop_ms(l->env->event), l->ended_fault, l->ended_code, l->ended_why);
    return true;
}

/* A control request's response: its lines first, and, once their events are taken, its end. */
static bool take_control(struct link *l)
{
    uint64_t now = clock_loop_ms(l->env->event);
    if (feed_is_held(l->env->feed))
        return false;
    if (l->control_end == CONTROL_ENDED) {
        session_control_feed(l->session, now, buf_span(&l->control_in));
        l->control_end = CONTROL_FED;
        return true;
    }
    if (l->control_end != CONTROL_FED)
        return false;
    l->control_end = CONTROL_NONE;
    session_control_closed(l->session, now);
    return true;
}

static bool take_actions(struct link *l)
{
    struct session_action action;
    bool any = false;
    while (session_next_action(l->session, clock_loop_ms(l->env->event), &action)) {
        link_act(l, &action);
        any = true;
    }
    return any;
}

/* Set anew only when it must ring earlier: while data flows the deadline moves away with every read. */
static void set_timer(struct link *l)
{
    uint64_t at = session_deadline(l->session);
    if (at >= l->timer_ms)
        return;
    l->timer_ms = at;
    sd_event_source_set_time(l->timer, at * 1000);
    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

void link_drain(struct link *l)
{
    if (l->draining)
        return;
    l->draining = true;
    bool more = true;
    while (more) {
        more = take_events(l);
        more |= take_control(l);
        more |= !more && take_end(l);
        more |= take_actions(l);
        /* What could not be asked for is told at once. */
        more = more || take_events(l);
    }
    l->draining = false;
    tell_heartbeat(l);
    set_timer(l);
    feed_poll(l->env->feed);
    if (link_is_over(l))
        l->env->over(l->env->userdata);
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    struct link *l = userdata;
    l->timer_ms = UINT64_MAX;
    session_tick(l->session, clock_loop_ms(l->env->event));
    link_drain(l);
    return 0;
}

void link_hold(struct link *l, bool held, bool announce)
{
    if (held != l->held)
        link_pause(l, held);
    l->held = held;
    session_hold(l->session, clock_loop_ms(l->env->event), held, announce);
}

/* ---- life ---- */

bool link_waits_for(const struct link *l, const struct link *other)
{
    return l->after == other;
}

void link_is_free_of(struct link *l)
{
    l->after = NULL;
    link_start(l);
}

void link_start(struct link *l)
{
    if (l->after || l->leaving)
        return;
    session_start(l->session, clock_loop_ms(l->env->event));
    link_drain(l);
}

void link_stop(struct link *l, const char *reason)
{
    session_stop(l->session, clock_loop_ms(l->env->event), reason, "session disconnected");
    link_drain(l);
}

bool link_rebind(struct link *l)
{
    if (link_report(l)->state != SESSION_CONNECTED)
        return false;
    session_rebind(l->session);
    link_drain(l);
    return true;
}

void link_leave(struct link *l, const char *reason, const char *gap_reason, bool removed)
{
    uint64_t now = clock_loop_ms(l->env->event);
    l->leaving = true;
    for (struct session_table *t = NULL; removed && (t = session_next_table(l->session, t));)
        session_remove_table(l->session, now, t, false);
    session_stop(l->session, now, reason, gap_reason);
    link_drain(l);
}

bool link_is_over(const struct link *l)
{
    return l->leaving && !l->after && !l->draining && session_is_stopped(l->session) &&
           list_empty(&l->farewells) && !feed_is_held(l->env->feed);
}

void link_reconfigure(struct link *l, const struct conf_session *conf)
{
    l->conf = conf;
}

static void set_transports(struct session_options *o, enum conf_transport transport)
{
    static const struct {
        enum session_transport transports[SESSION_TRANSPORTS_MAX];
        size_t n;
    } rows[] = {
        [CONF_TRANSPORT_AUTO] = {{SESSION_WS_STREAMING, SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING}, 3},
        [CONF_TRANSPORT_WS] = {{SESSION_WS_STREAMING, SESSION_WS_POLLING}, 2},
        [CONF_TRANSPORT_HTTP] = {{SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING}, 2},
        [CONF_TRANSPORT_WS_STREAMING] = {{SESSION_WS_STREAMING}, 1},
        [CONF_TRANSPORT_HTTP_STREAMING] = {{SESSION_HTTP_STREAMING}, 1},
        [CONF_TRANSPORT_WS_POLLING] = {{SESSION_WS_POLLING}, 1},
        [CONF_TRANSPORT_HTTP_POLLING] = {{SESSION_HTTP_POLLING}, 1},
    };
    memcpy(o->transports, rows[transport].transports, sizeof o->transports);
    o->n_transports = rows[transport].n;
}

/* Text mode has no WebSocket. */
static enum conf_transport transport_of(const struct conf_session *c)
{
    bool text = c->protocol == CONF_PROTOCOL_TEXT;
    return text && c->transport == CONF_TRANSPORT_AUTO ? CONF_TRANSPORT_HTTP : c->transport;
}

static int make_session(struct link *l, bool replaces)
{
    const struct conf_session *c = l->conf;
    AUTO_BUF struct buf diffs = BUF_INIT(64);
    for (size_t i = 0; i < c->supported_diffs.n; i++) {
        buf_add_text(&diffs, i ? "," : "");
        buf_add_text(&diffs, c->supported_diffs.at[i]);
    }
    struct session_options options = {
        .dialect = c->protocol == CONF_PROTOCOL_TEXT ? &dialect_text : &dialect_tlcp,
        .adapter_parameter = c->adapter_parameter,
        .adapter_set = c->adapter_set,
        .max_bandwidth_kbps = c->max_bandwidth_kbps,
        .supported_diffs = buf_text(&diffs),
        .keepalive_ms = (uint64_t)c->keepalive_ms,
        .stalled_ms = (uint64_t)c->stalled_ms,
        .reconnect_ms = (uint64_t)c->reconnect_ms,
        .recovery_ms = (uint64_t)c->recovery_ms,
        .connect_ms = (uint64_t)c->connect_ms,
        .retry_ms = (uint64_t)c->retry_ms,
        .retry_max_ms = (uint64_t)c->retry_max_ms,
        .retry_refused_ms = (uint64_t)c->retry_refused_ms,
        .content_length_bytes = (uint64_t)c->content_length_bytes,
        .idle_ms = (uint64_t)c->idle_ms,
        .polling_ms = (uint64_t)c->polling_ms,
        .reverse_heartbeat_ms = (uint64_t)c->reverse_heartbeat_ms,
        .slowing = c->slowing,
        .ignore_control_link = c->ignore_control_link,
        .replaces = replaces,
    };
    set_transports(&options, transport_of(c));
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return -errno;
    return session_new(&options, seed, &l->session);
}

int link_new(const struct link_env *env, const struct conf_session *conf, bool replaces, struct link *after,
             struct link **ret)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct link){
        .env = env, .conf = conf, .after = after, .timer_ms = UINT64_MAX, .name = strdup(conf->name)};
    list_init(&l->in_links);
    list_init(&l->added);
    list_init(&l->farewells);
    list_init(&l->heartbeats);
    buf_init(&l->control_in, (size_t)4 << 20);
    int r = l->name ? make_session(l, replaces) : -ENOMEM;
    if (r == 0)
        r = link_make_peer(l);
    if (r >= 0)
        r = sd_event_add_time(env->event, &l->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_timer, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    for (size_t i = 0; r >= 0 && i < conf->n_tables; i++)
        r = link_add_table(l, &conf->tables[i]);
    if (r < 0) {
        link_free(l);
        return r;
    }
    if (feed_is_held(env->feed))
        link_hold(l, true, false);
    *ret = l;
    return 0;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    list_remove(&l->in_links);
    link_close_all(l);
    sd_event_source_unref(l->timer);
    session_free(l->session);
    link_forget_added(l, NULL);
    buf_done(&l->control_in);
    free(l->name);
    free(l);
}
