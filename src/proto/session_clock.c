/* The session's clocks: back-off, deadlines, what happens when one is reached. */
#include "proto/session_internal.h"

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

/* ---- time ---- */

/* Lightstreamer's own default. */
enum { KEEPALIVE_DEFAULT_MS = 5000 };

static uint64_t stall_time(const struct session *s)
{
    /* A stream without a keep-alive cannot be meant: nothing would ever be in time. */
    uint64_t keepalive = s->keepalive_ms ? s->keepalive_ms : KEEPALIVE_DEFAULT_MS;
    uint64_t late = s->heard_at + keepalive + s->options.stalled_ms;
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

static uint64_t stale_time(const struct session *s)
{
    return s->held ? NEVER : s->stale_at;
}

/* When the server is to hear from us again (LS_inactivity_millis): sooner than we said, as what is sent takes its time, and what a server does to who
 * is late is not known. */
static uint64_t heartbeat_time(const struct session *s)
{
    uint64_t ms = s->dialect->promises ? s->options.reverse_heartbeat_ms : 0;
    bool promised = ms && s->phase == SESSION_PHASE_BOUND && !s->polling;
    return promised && !s->heartbeat ? s->said_at + ms - ms / 8 : NEVER;
}

uint64_t session_deadline(const struct session *s)
{
    uint64_t at = byte_deadline(s), requests = session_requests_deadline(s);
    if (s->wake_at < at)
        at = s->wake_at;
    if (s->stable_at < at)
        at = s->stable_at;
    if (heartbeat_time(s) < at)
        at = heartbeat_time(s);
    if (stale_time(s) < at)
        at = stale_time(s);
    if (session_asks_deadline(s) < at)
        at = session_asks_deadline(s);
    if (session_messages_deadline(s) < at)
        at = session_messages_deadline(s);
    return requests < at ? requests : at;
}

static void recover_now(struct session *s, uint64_t now)
{
    s->open = true;
    s->stream_websocket = false;
    s->polling = true;
    session_set_phase(s, now, SESSION_PHASE_RECOVERING);
}

static void wake(struct session *s, uint64_t now)
{
    s->wake_at = NEVER;
    switch ((int)s->phase) {
    case SESSION_PHASE_WAITING:
    case SESSION_PHASE_REFUSED: session_begin(s, now); break;
    case SESSION_PHASE_RECOVERY_WAIT: recover_now(s, now); break;
    case SESSION_PHASE_LOOPED:
        if (s->stream_open && s->stream_websocket) {
            session_choose_polling(s);
            s->send = SEND_BIND;
            session_set_phase(s, now, SESSION_PHASE_BINDING);
        } else {
            if (s->over)
                session_close_stream(s);
            session_open_stream(s, now);
        }
        break;
    default: break;
    }
}

static void on_late(struct session *s, uint64_t now)
{
    if (text_awaits_code(&s->stream_text)) {
        session_stop_awaiting(s, now);
    } else if (s->recovering && s->recover_by <= now) {
        session_lose(s, now, ERRCODE_ANEW, "the recovery was not done within recovery_ms", NULL, true);
    } else if (s->answer_by <= now && s->settling && s->phase == SESSION_PHASE_BOUND) {
        session_settle_here(s, now);
    } else if (s->answer_by <= now && session_streams_on(s)) {
        session_caught_up(s, now);
        s->polling = false;
        session_bound(s, now);
    } else if (s->answer_by <= now) {
        const char *why = "no answer within connect_ms";
        if (session_blames_transport(s, true) && session_fall_back(s, now, why, NULL))
            return;
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
    if (heartbeat_time(s) <= now)
        s->heartbeat = true;
    if (stale_time(s) <= now)
        session_tables_tick(s, now);
    session_requests_tick(s, now);
    session_asks_tick(s, now);
    session_messages_tick(s, now);
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
        s->bound_at += ms;
        session_requests_postpone(s, ms);
        session_tables_postpone(s, ms);
    }
    s->held = held;
    s->held_told = held && announce;
    if (session_is_connected(s))
        session_report_state(s, now, NULL, NULL);
}
