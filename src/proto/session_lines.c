/* What the server says: every line through the matrix, to its handler. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/escape.h"

enum outcome { outcome_unstated, outcome_take, outcome_skip, outcome_odd, outcome_brk };

enum column {
    COL_CONOK,
    COL_CONERR,
    COL_END,
    COL_REQOK,
    COL_REQERR,
    COL_ERROR,
    COL_PROBE,
    COL_LOOP,
    COL_PROG,
    COL_SUB,
    COL_CONF,
    COL_U,
    COL_ITEM,
    COL_UNSUB,
    COL_MSG,
    COL_WSOK,
    COL_INFO,
    COL_OTHER,
    COL_BAD,
    N_COLUMNS
};

static const enum column columns[TLCP_N_TAGS] = {
    [TLCP_CONOK] = COL_CONOK,   [TLCP_CONERR] = COL_CONERR, [TLCP_END] = COL_END,
    [TLCP_REQOK] = COL_REQOK,   [TLCP_REQERR] = COL_REQERR, [TLCP_ERROR] = COL_ERROR,
    [TLCP_SERVNAME] = COL_INFO, [TLCP_CLIENTIP] = COL_INFO, [TLCP_CONS] = COL_INFO,
    [TLCP_PROBE] = COL_PROBE,   [TLCP_NOOP] = COL_PROBE,    [TLCP_SYNC] = COL_INFO,
    [TLCP_LOOP] = COL_LOOP,     [TLCP_PROG] = COL_PROG,     [TLCP_SUBOK] = COL_SUB,
    [TLCP_SUBCMD] = COL_SUB,    [TLCP_CONF] = COL_CONF,     [TLCP_U] = COL_U,
    [TLCP_EOS] = COL_ITEM,      [TLCP_CS] = COL_ITEM,       [TLCP_OV] = COL_ITEM,
    [TLCP_UNSUB] = COL_UNSUB,   [TLCP_MSGDONE] = COL_MSG,   [TLCP_MSGFAIL] = COL_MSG,
    [TLCP_WSOK] = COL_WSOK,     [TLCP_MPN] = COL_INFO,      [TLCP_UNKNOWN] = COL_OTHER,
    [TLCP_BAD] = COL_BAD,
};

#define ROW(phase, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18)      \
    [SESSION_PHASE_##phase] = {outcome_##c0,  outcome_##c1,  outcome_##c2,  outcome_##c3,  outcome_##c4,     \
                               outcome_##c5,  outcome_##c6,  outcome_##c7,  outcome_##c8,  outcome_##c9,     \
                               outcome_##c10, outcome_##c11, outcome_##c12, outcome_##c13, outcome_##c14,    \
                               outcome_##c15, outcome_##c16, outcome_##c17, outcome_##c18},
static const enum outcome matrix[SESSION_N_PHASES][N_COLUMNS] = {SESSION_MATRIX(ROW)};
#undef ROW

/* ---- helpers ---- */

/* A shorter password is no secret that could be kept: hiding it would leave nothing of most texts. */
enum { SHORTEST_PASSWORD = 4 };

/* How much of RAW's beginning is not to be shown: the session's id, or a password that the server repeats. */
static size_t secret_length(const struct session *s, struct span raw)
{
    struct span id = buf_span(&s->id), password = buf_span(&s->password);
    if (id.len && span_starts(raw, id))
        return id.len;
    return password.len >= SHORTEST_PASSWORD && span_starts(raw, password) ? password.len : 0;
}

void session_show(const struct session *s, struct span raw, char *text, size_t size)
{
    size_t n = 0;
    while (raw.len && n < size - 1) {
        size_t secret = secret_length(s, raw);
        if (secret) {
            n += (size_t)snprintf(text + n, size - n, "***");
            n = n < size ? n : size - 1;
            raw = span_from(raw, secret);
            continue;
        }
        unsigned char c = (unsigned char)raw.at[0];
        text[n++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
        raw = span_from(raw, 1);
    }
    text[utf8_valid_length(span_make(text, n))] = '\0';
}

static void decode(const struct session *s, struct buf *out, struct span encoded)
{
    if (s->dialect->text_lines)
        text_decode(out, encoded);
    else
        tlcp_decode(out, encoded);
}

/* The message of a CONERR, END… */
static const char *message_text(struct session *s, struct span encoded, char *text)
{
    AUTO_BUF struct buf decoded = BUF_INIT(LIMIT_LINE_BYTES);
    decode(s, &decoded, encoded);
    session_show(s, buf_span(&decoded), text, LIMIT_REASON_BYTES);
    return text;
}

/* A line that is to be complained about: its start. A CONOK brings an id that is not ours yet, and not to be shown either. */
static void show_line(const struct session *s, struct span line, char *text, size_t size)
{
    static const char *const with_ids[] = {"CONOK,", "SessionId:"};
    for (size_t i = 0; i < ARRAY_LENGTH(with_ids); i++)
        if (span_starts(line, span_of(with_ids[i]))) {
            snprintf(text, size, "%s***", with_ids[i]);
            return;
        }
    session_show(s, line, text, size);
}

void session_oddity(struct session *s, bool *told, const char *what, struct span line)
{
    s->counters.oddities++;
    if (*told)
        return;
    *told = true;
    char shown[128];
    show_line(s, line, shown, sizeof shown);
    snprintf(s->text, sizeof s->text, "%s: %s", what, shown);
    s->oddity_waits = true;
}

/* ---- the session's own messages ---- */

/* Lightstreamer's own default. */
enum { KEEPALIVE_DEFAULT_MS = 5000 };

/* CONERR: the check of user and password failed. */
enum { USER_OR_PASSWORD = 1 };

static int keep_text(const struct session *s, struct buf *to, struct span encoded)
{
    buf_clear(to);
    decode(s, to, encoded);
    return buf_error(to);
}

/* Returns NULL, or what is wrong with it. */
static const char *keep_id(struct session *s, struct span encoded)
{
    if (s->phase == SESSION_PHASE_CREATING)
        return keep_text(s, &s->id, encoded) < 0 || s->id.len == 0
                   ? "CONOK with a session id that cannot be used"
                   : NULL;
    if (!s->dialect->repeats_id && !encoded.len)
        return NULL;
    AUTO_BUF struct buf id = BUF_INIT(LIMIT_SESSION_ID_BYTES);
    return keep_text(s, &id, encoded) < 0 || !span_equal(buf_span(&id), buf_span(&s->id))
               ? "CONOK of another session"
               : NULL;
}

/* '*' is the address that this stream was opened at: the configured one, or the link that an earlier CONOK told. */
static const char *keep_control_link(struct session *s, struct span encoded)
{
    if (s->options.ignore_control_link || span_is(encoded, "*"))
        return NULL;
    bool fine = keep_text(s, &s->control_link, encoded) == 0;
    /* The room for its NUL now, so that it can be asked for later without fail. */
    buf_text(&s->control_link);
    return fine && !buf_error(&s->control_link) &&
                   !memchr(buf_text(&s->control_link), '\0', s->control_link.len)
               ? NULL
               : "CONOK with a control link that cannot be used";
}

/* Text mode does not say how long a poll may last, and its keep-alive, if told, is that of streams: without either, what was asked for. */
static uint64_t granted_silence(const struct session *s, const struct tlcp_message *m)
{
    uint64_t ms = m->conok.keepalive_ms;
    if (!s->dialect->tells_idle) {
        uint64_t idle_ms = session_transport_polls(session_transport(s)) ? s->options.idle_ms : 0;
        ms = idle_ms ? idle_ms : ms ? ms : s->options.keepalive_ms;
    }
    return ms < LIMIT_WAIT_MS ? ms : LIMIT_WAIT_MS;
}

static void on_conok(struct session *s, uint64_t now, const struct tlcp_message *m)
{
    uint64_t limit = m->conok.request_limit_bytes;
    s->request_limit_bytes = limit < 256                       ? LIMIT_REQUEST_BYTES_DEFAULT
                             : limit < LIMIT_REQUEST_BYTES_MAX ? limit
                                                               : LIMIT_REQUEST_BYTES_MAX;
    s->keepalive_ms = granted_silence(s, m);
    const char *why = keep_id(s, m->texts[0]);
    if (!why)
        why = keep_control_link(s, m->texts[1]);
    if (why) {
        session_break(s, now, why);
        return;
    }
    if (s->phase == SESSION_PHASE_RECOVERING)
        session_set_phase(s, now, SESSION_PHASE_COUNTING);
    else
        session_bound(s, now);
}

/* Credentials expire: those that were read while the new ones came are no reason to give up where earlier ones worked. */
static bool asks_again(struct session *s, int code)
{
    if (code != USER_OR_PASSWORD || !s->had_session || !(s->has_user || s->has_password) || s->asked_again)
        return false;
    return s->asked_again = true;
}

static void on_refusal(struct session *s, uint64_t now, const struct tlcp_message *m)
{
    char text[LIMIT_REASON_BYTES];
    message_text(s, m->rest, text);
    bool end = m->tag == TLCP_END;
    bool creating = !session_has_id(s);
    if (m->no_code) {
        session_lose(s, now, ERRCODE_ANEW, "END, without a code", NULL, false);
        return;
    }
    if (creating && errcode_is_version(m->code) && session_step_down(s, now))
        return;
    enum errcode_verdict verdict = errcode_session(end        ? ERRCODE_END
                                                   : creating ? ERRCODE_CREATE
                                                              : ERRCODE_BIND,
                                                   m->code);
    if (creating && !end && asks_again(s, m->code))
        verdict = ERRCODE_RETRY;
    if (verdict == ERRCODE_RETRY && !creating)
        session_recover(s, now, text, &m->code);
    else
        session_lose(s, now, verdict, text, &m->code, false);
}

static void on_prog(struct session *s, uint64_t now, uint64_t count)
{
    if (s->phase != SESSION_PHASE_COUNTING || count > s->count) {
        session_lose(s, now, ERRCODE_ANEW, "the server's count of what it sent (PROG) does not fit ours",
                     NULL, true);
        return;
    }
    s->skip = s->count - count;
    session_set_phase(s, now, SESSION_PHASE_CATCHING_UP);
}

/* ---- requests' answers ---- */

static void on_request_answer(struct session *s, uint64_t now, const struct tlcp_message *m)
{
    char text[LIMIT_REASON_BYTES];
    uint64_t id = s->dialect->numbers_requests ? m->request_id : s->answer_id++;
    if (m->tag == TLCP_REQOK)
        session_request_done(s, now, id);
    else if (m->tag == TLCP_REQERR)
        session_request_refused(s, now, id, m->code, message_text(s, m->rest, text));
    else
        session_requests_unreadable(s, now, m->code, message_text(s, m->rest, text));
}

/* ---- data, and what else is told ---- */

static void on_cons(struct session *s, const struct tlcp_message *m)
{
    session_show(s, m->rest, s->bandwidth, sizeof s->bandwidth);
    session_asks_told(s, NULL);
}

void session_granted_bandwidth(struct session *s, const char *max_bandwidth_kbps)
{
    session_show(s, span_of(max_bandwidth_kbps), s->bandwidth, sizeof s->bandwidth);
    session_asks_told(s, NULL);
}

static void on_outcome(struct session *s, const struct tlcp_message *m)
{
    char text[LIMIT_REASON_BYTES];
    if (m->tag == TLCP_MSGDONE)
        session_message_done(s, m->texts[0], m->msg_prog, m->rest);
    else
        session_message_failed(s, m->texts[0], m->msg_prog, m->code, message_text(s, m->rest, text));
}

/* ---- the way of a line ---- */

static bool take_message(struct session *s, uint64_t now, const struct tlcp_message *m, struct span line,
                         struct session_event *ret)
{
    if (tlcp_counts(m->tag)) {
        /* The server sends again what it does not know we have (PROG below what was asked for). */
        if (s->skip) {
            s->skip--;
            return false;
        }
        s->count++;
        s->poll_brought = true;
        if (m->tag != TLCP_MSGDONE && m->tag != TLCP_MSGFAIL)
            return session_on_data(s, now, m, line, ret);
        on_outcome(s, m);
        return false;
    }
    switch ((int)m->tag) {
    case TLCP_CONOK: on_conok(s, now, m); break;
    case TLCP_CONERR:
    case TLCP_END: on_refusal(s, now, m); break;
    case TLCP_ERROR:
        if (s->phase == SESSION_PHASE_BOUND || s->phase == SESSION_PHASE_LOOPED)
            on_request_answer(s, now, m);
        else
            on_refusal(s, now, m);
        break;
    case TLCP_REQOK:
    case TLCP_REQERR: on_request_answer(s, now, m); break;
    case TLCP_LOOP: session_looped(s, now, m->delay_ms < LIMIT_WAIT_MS ? m->delay_ms : LIMIT_WAIT_MS); break;
    case TLCP_PROG: on_prog(s, now, m->count); break;
    case TLCP_CONS: on_cons(s, m); break;
    case TLCP_SERVNAME: session_show(s, m->rest, s->server_name, sizeof s->server_name); break;
    case TLCP_CLIENTIP: session_show(s, m->rest, s->client_ip, sizeof s->client_ip); break;
    case TLCP_SYNC: session_synced(s, now, m->seconds); break;
    case TLCP_WSOK:
        s->send = session_has_id(s) ? SEND_BIND : SEND_CREATE;
        session_set_phase(s, now, session_has_id(s) ? SESSION_PHASE_BINDING : SESSION_PHASE_CREATING);
        break;
    default: break;
    }
    return false;
}

static void break_at(struct session *s, uint64_t now, const char *what, struct span line)
{
    char shown[128], reason[LIMIT_REASON_BYTES];
    show_line(s, line, shown, sizeof shown);
    snprintf(reason, sizeof reason, "%s: %s", what, shown);
    session_break(s, now, reason);
}

/* A message, of LINE, to where the matrix says. Returns whether *RET is an event. */
static bool on_message(struct session *s, uint64_t now, enum session_phase phase,
                       const struct tlcp_message *m, struct span line, struct session_event *ret)
{
    switch (matrix[phase][columns[m->tag]]) {
    case outcome_take:
        if (phase == SESSION_PHASE_CONTROL) {
            on_request_answer(s, now, m);
            return false;
        }
        return take_message(s, now, m, line, ret);
    case outcome_odd:
        session_oddity(s, &s->odd_tags[m->tag],
                       m->tag == TLCP_UNKNOWN ? "an unknown message" : "an unexpected message", line);
        return false;
    case outcome_brk:
        break_at(s, now, m->tag == TLCP_BAD ? "a malformed message" : "a message that cannot be here", line);
        return false;
    case outcome_skip:
    case outcome_unstated:
    default: return false;
    }
}

/* So long the code of an END may come later than its word, before it counts as one without. */
enum { END_CODE_MS = 250 };

/* Text mode: a message may take several lines, and the end of a head makes several messages. */
static bool on_text_line(struct session *s, uint64_t now, enum session_phase phase, struct span line,
                         struct session_event *ret)
{
    struct tlcp_message m;
    int r = text_line(phase == SESSION_PHASE_CONTROL ? &s->control_text : &s->stream_text, line, &m);
    if (r < 0)
        session_break(s, now, "out of memory");
    else if (text_awaits_code(&s->stream_text))
        s->answer_by = now + END_CODE_MS;
    return r == 0 && on_message(s, now, phase, &m, line, ret);
}

static bool on_line(struct session *s, uint64_t now, enum session_phase phase, struct span line,
                    struct session_event *ret)
{
    s->counters.lines += line.len > 0;
    if (s->dialect->text_lines)
        return on_text_line(s, now, phase, line, ret);
    if (line.len == 0)
        return false;
    struct tlcp_message m;
    tlcp_parse(line, &m);
    return on_message(s, now, phase, &m, line, ret);
}

bool session_last_words(struct session *s, uint64_t now, bool complete)
{
    struct tlcp_message m;
    struct session_event none;
    enum session_phase phase = s->phase;
    struct span line = line_rest(&s->lines);
    if (!s->dialect->text_lines)
        return false;
    if (text_is_whole(&s->stream_text, line, complete) && text_line(&s->stream_text, line, &m) == 0)
        on_message(s, now, phase, &m, line, &none);
    else if (text_finish(&s->stream_text, &m) == 0)
        on_message(s, now, phase, &m, SPAN(""), &none);
    return s->phase != phase;
}

void session_stop_awaiting(struct session *s, uint64_t now)
{
    struct tlcp_message m;
    struct session_event none;
    s->answer_by = NEVER;
    if (text_finish(&s->stream_text, &m) == 0)
        on_message(s, now, s->phase, &m, SPAN("END"), &none);
}

/* Takes one line of READER. Returns false when there is none. */
static bool step(struct session *s, uint64_t now, struct line_reader *reader, enum session_phase phase,
                 struct session_event *ret, bool *is_event)
{
    struct span line;
    struct tlcp_message m;
    *is_event = false;
    if (reader == &s->lines && text_next(&s->stream_text, &m) == 0) {
        on_message(s, now, phase, &m, SPAN(""), ret);
        return true;
    }
    int r = line_next(reader, &line);
    if (r == 0) {
        *is_event = on_line(s, now, phase, line, ret);
        return true;
    }
    if (r != LINE_NONE)
        session_break(s, now, r == LINE_TOO_LONG ? "a line without an end" : "out of memory");
    return false;
}

bool session_next_line_event(struct session *s, uint64_t now, struct session_event *ret)
{
    bool is_event;
    /* A line may make reports, gaps, oddities: those go first, so stop at once. */
    while (step(s, now, &s->lines, s->phase, ret, &is_event))
        if (is_event || s->n_reports || s->oddity_waits || !list_empty(&s->pending) ||
            session_answers_wait(s))
            return is_event;
    while (step(s, now, &s->control_lines, SESSION_PHASE_CONTROL, ret, &is_event))
        if (s->n_reports || s->oddity_waits || !list_empty(&s->pending) || session_answers_wait(s))
            return false;
    return false;
}
