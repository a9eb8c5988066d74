#include "sim/session.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/dialect.h"
#include "sim/http.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/message.h"
#include "sim/sim.h"
#include "sim/subscription.h"
#include "sim/ws.h"

/* How much one chunk or message holds at most. */
#define BATCH_SIZE 65536
/* Bytes of a stream's length that are kept for its LOOP. */
#define LOOP_RESERVE 32

/* A batch is answered line by line, and answers cross with requests: what was told within that time is told once. */
#define TOLD_APART_US 100000

/* An id that no longer means anything. */
struct old_session {
    struct list link;
    char *id; /* owned */
    unsigned told;
    uint64_t told_us; /* the last time */
};

struct session *session_new(struct sim *sim, const struct dialect *dialect, struct span adapter_set)
{
    struct session *s = memory_get(sizeof(*s));
    char id[40];

    snprintf(id, sizeof(id), "S%016" PRIx64 "T%07u", rng_next(&sim->rng), sim->n_sessions + 1);
    s->sim = sim;
    s->dialect = dialect;
    s->id = memory_dup(span_of(id));
    s->number = ++sim->n_sessions;
    s->adapter_set = memory_dup(adapter_set);
    pace_init(&s->pace);
    history_init(&s->history);
    list_init(&s->subscriptions);
    list_init(&s->sequences);
    list_init(&s->messages);
    list_init(&s->link);
    list_append(&sim->sessions, &s->link);
    memory_map_add(&sim->sessions_by_id, span_of(s->id), s);
    return s;
}

struct session *session_find(const struct sim *sim, struct span id)
{
    return map_get(&sim->sessions_by_id, id);
}

static void forget_request_ids(struct session *s)
{
    for (size_t i = 0; i < s->request_ids.n_slots; i++)
        free(s->request_ids.slots[i].value);
    map_done(&s->request_ids);
}

void session_free(struct session *s)
{
    list_remove(&s->link);
    history_done(&s->history);
    forget_request_ids(s);
    free(s->id);
    free(s->adapter_set);
    pace_done(&s->pace);
    free(s);
}

static void emit(struct session *s, const char *event, const char *cause)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    json_begin(&b, event);
    json_text(&b, "session", span_of(s->id));
    json_count(&b, "number", s->number);
    if (cause)
        json_text(&b, "cause", span_of(cause));
    json_count(&b, "sent", s->sent_most);
    json_end(&b);
    sim_emit(s->sim, &b);
}

/* --- timers --- */

static int on_probe(sd_event_source *source, uint64_t now, void *data)
{
    struct session *s = data;
    uint64_t due = s->written_us + s->binding.keepalive_ms * 1000;

    (void)source;
    if (now >= due && s->conn && !s->conn->stalled)
        session_say(s, SPAN("PROBE\r\n"));
    sim_timer(s->sim, &s->probe_timer, (now >= due ? now : s->written_us) + s->binding.keepalive_ms * 1000,
              on_probe, s);
    return 0;
}

static int on_sync(sd_event_source *source, uint64_t now, void *data)
{
    struct session *s = data;
    uint64_t passed = now - s->bound_us, behind = s->sim->faults.behind_ms * 1000;
    char line[40];

    (void)source;
    snprintf(line, sizeof(line), "SYNC,%" PRIu64 "\r\n", passed > behind ? (passed - behind) / 1000000 : 0);
    if (s->conn && !s->conn->stalled)
        session_say(s, span_of(line));
    sim_timer(s->sim, &s->sync_timer, now + s->sim->options.sync_ms * 1000, on_sync, s);
    return 0;
}

static int on_timeout(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    session_end(data, 0, NULL, "timeout");
    return 0;
}

static int on_idle(sd_event_source *source, uint64_t now, void *data)
{
    struct session *s = data;

    (void)source;
    (void)now;
    session_loop(s, s->binding.polling_ms, false);
    return 0;
}

static int on_inactivity(sd_event_source *source, uint64_t now, void *data)
{
    struct session *s = data;

    (void)source;
    (void)now;
    sim_violation(s->sim, s->id, "no request for longer than the %" PRIu64 " ms of LS_inactivity_millis",
                  s->binding.inactivity_ms);
    return 0;
}

/* A late request is forgiven so long: it was on its way. */
#define INACTIVITY_GRACE_MS 500

void session_heard(struct session *s)
{
    s->heard_us = sim_now_us(s->sim);
    if (s->conn && s->binding.inactivity_ms > 0)
        sim_timer(s->sim, &s->inactivity_timer,
                  s->heard_us + (s->binding.inactivity_ms + INACTIVITY_GRACE_MS) * 1000, on_inactivity, s);
}

static void stop_timers(struct session *s)
{
    sim_timer_off(s->probe_timer);
    sim_timer_off(s->sync_timer);
    sim_timer_off(s->life_timer);
    sim_timer_off(s->idle_timer);
    sim_timer_off(s->inactivity_timer);
}

static void start_timers(struct session *s)
{
    uint64_t now = sim_now_us(s->sim);

    stop_timers(s);
    session_heard(s);
    if (s->binding.polling)
        return;
    sim_timer(s->sim, &s->probe_timer, now + s->binding.keepalive_ms * 1000, on_probe, s);
    if (s->sim->options.sync_ms > 0 && s->binding.send_sync && s->dialect->tells_of_subs)
        sim_timer(s->sim, &s->sync_timer, now + s->sim->options.sync_ms * 1000, on_sync, s);
}

static int on_stream_too_old(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    conn_reset(data, "cut");
    return 0;
}

/* --- binding --- */

static void unbound(struct session *s, const char *cause)
{
    uint64_t life_ms = s->sim->options.session_timeout_ms;

    stop_timers(s);
    if (s->conn)
        s->conn->session = NULL;
    s->conn = NULL;
    if (s->binding.polling)
        life_ms += s->binding.polling_ms;
    sim_timer(s->sim, &s->life_timer, sim_now_us(s->sim) + life_ms * 1000, on_timeout, s);
    emit(s, "unbound", cause);
}

void session_lost(struct session *s, const char *cause)
{
    s->lost = s->broke = true;
    unbound(s, cause);
}

static const char *transport_of(const struct session *s)
{
    if (s->conn->ws)
        return s->binding.polling ? "ws-polling" : "ws-streaming";
    return s->binding.polling ? "http-polling" : "http-streaming";
}

static void emit_bound(struct session *s, uint64_t prog)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    json_begin(&b, "bound");
    json_text(&b, "session", span_of(s->id));
    json_count(&b, "number", s->number);
    json_text(&b, "transport", span_of(transport_of(s)));
    if (s->binding.recovery) {
        json_count(&b, "recovery_from", s->binding.recovery_from);
        json_count(&b, "prog", prog);
    }
    json_end(&b);
    sim_emit(s->sim, &b);
}

/* Where the response to a recovery starts: as asked, unless the script wants it otherwise. */
static uint64_t start_of_recovery(struct session *s)
{
    int64_t shift = s->sim->faults.prog_shift;
    uint64_t from = s->binding.recovery_from, back = shift < 0 ? (uint64_t)-shift : 0;

    s->sim->faults.prog_shift = 0;
    if (shift > 0)
        return from + (uint64_t)shift;
    back = back < from ? back : from;
    return from - back + 1 < s->history.first ? s->history.first - 1 : from - back;
}

/* Takes the stream from the connection that has it, for C. */
static void leave_connection(struct session *s, const struct conn *c)
{
    struct conn *old = s->conn;

    if (!old || old == c)
        return;
    old->session = NULL;
    s->conn = NULL;
    if (!old->stalled && !old->deaf)
        conn_close(old, "bound elsewhere");
}

void session_bind(struct session *s, struct conn *c, const struct binding *binding)
{
    struct sim *sim = s->sim;
    AUTO_BUF struct buf head = BUF_INIT(1 << 20);
    uint64_t prog;

    leave_connection(s, c);
    s->conn = c;
    s->binding = *binding;
    s->bound_us = s->written_us = sim_now_us(sim);
    s->stream_bytes = 0;
    s->lost = false;
    if (s->swallowed)
        s->swallowed = false, s->swallow = 0;
    c->session = s;
    free(c->last_session);
    c->last_session = memory_dup(span_of(s->id));
    c->state = c->ws ? CONN_READY : CONN_STREAM;
    prog = s->binding.recovery ? start_of_recovery(s) : s->sent;
    if (!c->ws)
        http_begin_stream(c);
    s->dialect->head(&head, s);
    if (s->binding.recovery)
        buf_printf(&head, "PROG,%" PRIu64 "\r\n", prog);
    emit_bound(s, prog);
    s->sent = prog < s->history.last ? prog : s->history.last;
    s->stream_bytes += head.len;
    conn_add_lines(c, buf_span(&head));
    start_timers(s);
    if (sim->faults.cut_bytes > 0)
        c->cut_at = c->written + c->out.len + sim->faults.cut_bytes;
    if (sim->faults.cut_ms > 0)
        sim_timer(sim, &c->cut_timer, sim_now_us(sim) + sim->faults.cut_ms * 1000, on_stream_too_old, c);
    session_wake(s);
}

void session_constrain(struct session *s, struct span bandwidth)
{
    AUTO_BUF struct buf line = BUF_INIT(65536);

    pace_grant(s, bandwidth);
    buf_printf(&line, "CONS,%s\r\n", s->pace.text);
    if (!s->no_cons && s->dialect->tells_of_subs)
        session_say(s, buf_span(&line));
}

void session_say(struct session *s, struct span line)
{
    if (!s->conn)
        return;
    s->stream_bytes += line.len;
    s->written_us = sim_now_us(s->sim);
    conn_add_lines(s->conn, line);
}

/* The stream is over; over HTTP the connection may now carry another request. */
static void end_response(struct conn *c)
{
    if (c->ws)
        return;
    http_end_stream(c);
    conn_look_again(c);
}

void session_loop(struct session *s, uint64_t delay_ms, bool close)
{
    AUTO_BUF struct buf line = BUF_INIT(100);
    struct conn *c = s->conn;

    if (!c)
        return;
    if (s->swallowed) { /* a LOOP would say that everything was sent */
        session_lost(s, "cut");
        conn_finish(c, true);
        return;
    }
    s->dialect->loop(&line, delay_ms, s->binding.polling);
    session_say(s, buf_span(&line));
    unbound(s, "loop");
    if (close)
        c->close_after = true;
    end_response(c);
}

/* --- the end --- */

static void remember(struct sim *sim, struct session *s, unsigned told)
{
    struct old_session *old = memory_get(sizeof(*old));

    old->id = memory_dup(span_of(s->id));
    old->told = told;
    list_append(&sim->old_sessions, &old->link);
    if (++sim->n_old_sessions > SESSION_MAX_OLD)
        session_forget_oldest(sim);
}

void session_forget_oldest(struct sim *sim)
{
    struct old_session *old = CONTAINER_OF(sim->old_sessions.next, struct old_session, link);

    list_remove(&old->link);
    free(old->id);
    free(old);
    sim->n_old_sessions--;
}

static struct old_session *find_old(const struct sim *sim, struct span id)
{
    LIST_EACH(link, &sim->old_sessions) {
        struct old_session *old = CONTAINER_OF(link, struct old_session, link);

        if (span_is(id, old->id))
            return old;
    }
    return NULL;
}

bool session_was(const struct sim *sim, struct span id, unsigned *ret_told)
{
    const struct old_session *old = find_old(sim, id);

    *ret_told = old ? old->told : 0;
    return old;
}

void session_tell(struct sim *sim, struct span id)
{
    struct old_session *old = find_old(sim, id);

    if (!old || sim_now_us(sim) - old->told_us < TOLD_APART_US)
        return;
    old->told++;
    old->told_us = sim_now_us(sim);
}

void session_end(struct session *s, int code, const char *message, const char *cause)
{
    AUTO_BUF struct buf line = BUF_INIT(65536);

    if (message)
        s->dialect->end(&line, code, span_of(message));
    session_end_saying(s, buf_span(&line), cause);
}

void session_end_saying(struct session *s, struct span last, const char *cause)
{
    struct sim *sim = s->sim;
    struct conn *c = s->conn;

    if (!map_remove(&sim->sessions_by_id, span_of(s->id)))
        return;
    if (c && last.len > 0)
        session_say(s, last);
    if (c)
        c->session = NULL;
    s->conn = NULL;
    subscription_free_all(s);
    message_free_all(s);
    emit(s, "ended", cause);
    remember(sim, s, c && last.len > 0 && !c->stalled);
    s->probe_timer = sd_event_source_disable_unref(s->probe_timer);
    s->sync_timer = sd_event_source_disable_unref(s->sync_timer);
    s->life_timer = sd_event_source_disable_unref(s->life_timer);
    s->idle_timer = sd_event_source_disable_unref(s->idle_timer);
    s->inactivity_timer = sd_event_source_disable_unref(s->inactivity_timer);
    sim_timer_off(s->pace.timer);
    list_remove(&s->link);
    list_append(&sim->dead_sessions, &s->link);
    if (c && last.len > 0)
        end_response(c);
}

/* --- data notifications --- */

bool session_event(struct session *s, struct buf *b, const char *kind)
{
    if (!s->sim->options.events)
        return false;
    json_begin(b, "sent");
    json_text(b, "session", span_of(s->id));
    json_count(b, "number", s->number);
    json_count(b, "count", s->history.last + 1);
    json_text(b, "kind", span_of(kind));
    return true;
}

char *session_event_end(struct buf *b)
{
    json_end(b);
    return memory_dup(buf_span(b));
}

void session_note(struct session *s, struct span line, char *event)
{
    history_add(&s->history, line, event);
    session_wake(s);
}

void session_wake(struct session *s)
{
    s->wake = true;
}

bool session_full(const struct session *s)
{
    return s->history.last - s->sent >= (s->pace.kbps > 0 ? SESSION_MAX_PACED : SESSION_MAX_UNSENT);
}

/* Counts NOTE as sent, and adds it to BATCH unless it is to be lost on its way. */
static void take_next(struct session *s, struct note *note, struct buf *batch)
{
    s->sent++;
    if (s->swallow == 0) {
        buf_add(batch, note->line, note->len);
    } else {
        s->swallowed = true;
        if (--s->swallow == 0)
            s->cut_at = s->sent; /* nothing after what was lost may arrive: it is a stream */
    }
    if (s->sent <= s->sent_most)
        return;
    s->sent_most = s->sent;
    s->sim->sent++;
    if (note->event) {
        AUTO_BUF struct buf event = {.at = note->event, .len = strlen(note->event)};

        note->event = NULL;
        sim_emit(s->sim, &event);
    }
}

static bool is_due(uint64_t number, uint64_t at, uint64_t every)
{
    return number > 0 && (number == at || (every > 0 && number % every == 0));
}

/* What is to happen after the notification that was just taken, if anything. Returns whether it ends the stream. */
static bool misbehave(struct session *s, struct buf *batch, bool first_time)
{
    struct faults *f = &s->sim->faults;
    struct conn *c = s->conn;

    if (is_due(s->sent, s->cut_at, first_time ? f->cut_every : 0)) {
        s->cut_at = 0;
        session_say(s, buf_span(batch));
        session_lost(s, "cut");
        conn_finish(c, !s->cut_by_close);
        return true;
    }
    if (is_due(s->sent, s->loop_at, first_time ? f->loop_every : 0)) {
        s->loop_at = 0;
        session_say(s, buf_span(batch));
        session_loop(s, 0, false);
        return true;
    }
    return false;
}

static bool length_used_up(const struct session *s, const struct buf *batch, const struct note *note)
{
    return !s->conn->ws &&
           s->stream_bytes + batch->len + note->len + LOOP_RESERVE > s->binding.content_length_bytes;
}

/* Sends one batch. Returns whether there may be another. */
static bool send_batch(struct session *s)
{
    AUTO_BUF struct buf batch = BUF_INIT(CONN_MAX_OUTPUT);
    size_t room = pace_room(s), most = room < BATCH_SIZE ? room : BATCH_SIZE;
    struct note *note;

    while (batch.len < most && (note = history_get(&s->history, s->sent + 1))) {
        bool first_time = s->sent == s->sent_most;

        if (length_used_up(s, &batch, note)) {
            session_say(s, buf_span(&batch));
            session_loop(s, 0, false);
            return false;
        }
        pace_spend(s, note->len);
        take_next(s, note, &batch);
        if (misbehave(s, &batch, first_time))
            return false;
    }
    if (batch.len > 0)
        session_say(s, buf_span(&batch));
    return s->sent < s->history.last && most > 0;
}

/* A poll is answered as soon as there is something, or when its time is up. */
static void finish_poll(struct session *s, bool something)
{
    if (something || s->binding.idle_ms == 0)
        session_loop(s, s->binding.polling_ms, false);
    else if (!s->idle_timer || sd_event_source_get_enabled(s->idle_timer, NULL) == 0)
        sim_timer(s->sim, &s->idle_timer, sim_now_us(s->sim) + s->binding.idle_ms * 1000, on_idle, s);
}

void session_pump(struct session *s)
{
    uint64_t before = s->sent, keep = s->sim->faults.keep;

    s->wake = false;
    while (s->conn && conn_has_room(s->conn) && send_batch(s))
        ;
    if (s->sent > keep)
        history_forget(&s->history, s->sent - keep + 1);
    if (s->conn && s->binding.polling && (s->sent == s->history.last || s->sent > before))
        finish_poll(s, s->sent > before);
    if (s->sent > before)
        subscription_resume_all(s);
}
