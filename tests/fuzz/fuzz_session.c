/* The session machine, in a world that the input makes up. The input is lines:
 *
 *   first        options: t = text mode, w = WebSocket, q = quick time-outs, n = never retried when refused, k = credentials by hand
 *   !o !c !C     the stream opens; closes with a passing, with a lasting fault
 *   !s !S        start, stop
 *   !k !K        credentials come; fail
 *   !h           a consumer is at its mark, or not any more
 *   !zN          from here on bytes come N at a time, borrowed; !y: kept after the first event of each
 *   !aMIF        adds a table in mode M (M D C R) with I items and F fields (digits, 0: unknown); an s behind: split if it is refused, an
 *                l: silent, a 2: a second level of two fields; !t: starts the first; !d !D removes, replaces the first
 *   !f           asks for another frequency for the first
 *   !mStext      sends a message, in the sequence that the letter S names; S -: in none
 *   !>text       a line of the answer to a control request; !x: that answer ends
 *   +N           N ms pass; =: as many as the session wants to wait
 *   other        a line of the stream; !.text: the start of one
 *
 * What a transport would not do (bytes on a closed stream…) is left out. */
#include "../lib/request_model.h"
#include "../lib/session_model.h"
#include "fuzz.h"

enum {
    EVENTS_MAX = 1 << 20, /* in one go: more can only be an endless loop */
    TICKS_MAX = 32,
    TABLES_MAX = 8,
};

struct world {
    struct session *session;
    struct session_model model;
    struct request_model requests;
    uint64_t now;
    enum { CLOSED, OPENING, OPEN } stream;
    bool websocket, polls, control, held, asked, by_hand, keep;
    size_t chunk_bytes;
    size_t n_tables;
    uint64_t awaited; /* outcomes */
};

/* ---- what it asks for ---- */

static void on_action(struct world *w, const struct session_action *a)
{
    request_model_action(&w->requests, a);
    switch (a->kind) {
    case SESSION_ASK_CREDENTIALS:
        MUST(w->stream == CLOSED);
        w->asked = true;
        break;
    case SESSION_OPEN:
        MUST(w->stream == CLOSED);
        w->stream = OPENING;
        w->websocket = a->websocket;
        break;
    case SESSION_SEND: MUST(w->stream == OPEN && w->websocket); break;
    case SESSION_CLOSE: w->stream = CLOSED; break;
    case SESSION_CONTROL:
        MUST(!w->control && !w->websocket && (w->polls || w->stream == OPEN));
        w->control = true;
        break;
    case SESSION_CONTROL_ABANDON: w->control = false; break;
    case SESSION_FAREWELL:
    case SESSION_HEARTBEAT: break;
    }
}

/* ---- what happens ---- */

static void take_events(struct world *w)
{
    struct session_event event;
    int n = 0;
    while (session_next_event(w->session, w->now, &event)) {
        MUST(++n < EVENTS_MAX);
        session_model_event(&w->model, &event);
    }
}

/* Everything it wants, and after a tick it wants nothing that is due already. */
static void settle(struct world *w)
{
    struct session_action action;
    for (int n = 0;; n++) {
        MUST(n < TICKS_MAX);
        take_events(w);
        for (int actions = 0; session_next_action(w->session, w->now, &action); actions++) {
            MUST(actions < EVENTS_MAX);
            on_action(w, &action);
        }
        take_events(w);
        if (w->asked && !w->by_hand) {
            w->asked = false;
            session_credentials(w->session, w->now, "user", "pass word");
        } else if (session_deadline(w->session) <= w->now) {
            session_tick(w->session, w->now);
        } else {
            break;
        }
    }
    session_model_rows(&w->model);
}

/* Bytes from memory that is gone as soon as the session may not use it any more. */
static void feed_chunk(struct world *w, struct span bytes, bool control)
{
    AUTO_FREE char *chunk = malloc(bytes.len ? bytes.len : 1);
    MUST(chunk);
    if (bytes.len)
        memcpy(chunk, bytes.at, bytes.len);
    if (control)
        session_control_feed(w->session, w->now, span_make(chunk, bytes.len));
    else
        session_feed(w->session, w->now, span_make(chunk, bytes.len));
    struct session_event event;
    if (w->keep && session_next_event(w->session, w->now, &event)) {
        session_model_event(&w->model, &event);
        session_keep(w->session, w->now);
    } else {
        take_events(w);
    }
}

static void feed(struct world *w, struct span bytes, bool control)
{
    while (bytes.len && (control ? w->control : w->stream == OPEN && !w->held)) {
        size_t n = bytes.len < w->chunk_bytes ? bytes.len : w->chunk_bytes;
        feed_chunk(w, span_make(bytes.at, n), control);
        settle(w);
        bytes = span_from(bytes, n);
    }
}

static void feed_line(struct world *w, struct span line, bool control)
{
    AUTO_BUF struct buf whole = BUF_INIT(line.len + 2);
    buf_add_span(&whole, line);
    buf_add_text(&whole, "\r\n");
    feed(w, buf_span(&whole), control);
}

static void add_table(struct world *w, struct span how)
{
    static const char modes[] = "MDCR";
    unsigned char letter = fuzz_byte(&how), items = fuzz_byte(&how), fields = fuzz_byte(&how);
    const char *mode = letter ? strchr(modes, letter) : NULL;
    struct session_table *table;
    if (!mode || w->n_tables == TABLES_MAX)
        return;
    struct table_options options = {
        .name = "table",
        .mode = (enum table_mode[]){TABLE_MERGE, TABLE_DISTINCT, TABLE_COMMAND, TABLE_RAW}[mode - modes],
        .group = "a b",
        .schema = "c\r\n=%",
        .n_items = items >= '0' && items <= '9' ? items - '0' : 0,
        .n_fields = fields >= '0' && fields <= '9' ? fields - '0' : 0,
        .max_frequency = "unlimited",
        .snapshot = *mode != 'R',
        .key_field = *mode == 'C' ? 1 : 0,
        .command_field = *mode == 'C' ? 2 : 0,
    };
    unsigned char more = fuzz_byte(&how);
    if (more == '2' && *mode == 'C') {
        options.n_second = 2;
        options.second_schema = "x y";
        options.second_adapter = "+";
    }
    MUST(session_add_table(w->session, w->now, &options, &session_model_hooks, 60000, NULL, &table) == 0);
    static const char *const names[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    if (options.n_items && more == 's')
        MUST(session_split_on_error(table, names) == 0);
    else if (more == 'l')
        session_silence_table(w->session, table);
    w->n_tables++;
}

static void remove_table(struct world *w, bool replaced)
{
    struct session_table *table = session_next_table(w->session, NULL);
    if (!table)
        return;
    session_remove_table(w->session, w->now, table, replaced);
    w->n_tables--;
}

static void await(struct world *w, const struct session_table *table)
{
    if (w->model.state == SESSION_CONNECTED)
        w->awaited += session_await(w->session, w->now, w->awaited + 1, table);
}

static void reconf(struct world *w)
{
    struct session_table *table = session_next_table(w->session, NULL);
    if (!table)
        return;
    await(w, table);
    MUST(session_reconf(w->session, w->now, table, "2.5") == 0);
}

static void constrain(struct world *w)
{
    if (w->model.state != SESSION_CONNECTED)
        return;
    await(w, NULL);
    MUST(session_constrain(w->session, "50") == 0);
}

static void send_message(struct world *w, struct span text)
{
    struct span name = span_make(text.at, text.len ? 1 : 0);
    struct session_message m = {.token = w->awaited + 1,
                                .text = span_from(text, name.len),
                                .sequence = session_is_sequence(name) ? name : SPAN_EMPTY,
                                .max_wait_ms = text.len % 2 ? SESSION_MAX_WAIT_UNSET : text.len,
                                .timeout_ms = 1 + text.len * 500};
    int r = session_send_message(w->session, w->now, &m);
    MUST(r >= 0);
    w->awaited += r == 0;
}

static void start_table(struct world *w)
{
    struct session_table *table = session_next_table(w->session, NULL);
    if (table)
        session_start_table(w->session, table);
}

static void end_stream(struct world *w, enum session_fault fault)
{
    if (w->stream == CLOSED)
        return;
    w->stream = CLOSED;
    session_closed(w->session, w->now, fault, fault == SESSION_FAULT_LASTING ? 404 : 0, "closed");
}

static void open_stream(struct world *w)
{
    if (w->stream != OPENING)
        return;
    w->stream = OPEN;
    session_opened(w->session, w->now);
}

static void answer_credentials(struct world *w, bool good)
{
    if (!w->asked)
        return;
    w->asked = false;
    if (good)
        session_credentials(w->session, w->now, NULL, NULL);
    else
        session_credentials_failed(w->session, w->now, "no credentials");
}

static void end_control(struct world *w)
{
    if (!w->control)
        return;
    w->control = false;
    session_control_closed(w->session, w->now);
}

static void pass_time(struct world *w, struct span text)
{
    uint64_t ms;
    if (span_to_u64(text, UINT32_MAX, &ms))
        w->now += ms;
    session_tick(w->session, w->now);
}

static void wait_for_deadline(struct world *w)
{
    uint64_t at = session_deadline(w->session);
    if (at != UINT64_MAX)
        w->now = at;
    session_tick(w->session, w->now);
}

static void set_chunk(struct world *w, struct span text)
{
    uint64_t bytes;
    if (span_to_u64(text, 1 << 16, &bytes) && bytes)
        w->chunk_bytes = (size_t)bytes;
    w->keep = false;
}

static void command(struct world *w, struct span line)
{
    switch (fuzz_byte(&line)) {
    case 'o': open_stream(w); break;
    case 'c': end_stream(w, SESSION_FAULT_PASSING); break;
    case 'C': end_stream(w, SESSION_FAULT_LASTING); break;
    case 's': session_start(w->session, w->now); break;
    case 'S': session_stop(w->session, w->now, "stopped", "session disconnected"); break;
    case 'k': answer_credentials(w, true); break;
    case 'K': answer_credentials(w, false); break;
    case 'h':
        w->held = !w->held;
        session_hold(w->session, w->now, w->held, true);
        break;
    case 'z': set_chunk(w, line); break;
    case 'y': w->keep = true; break;
    case 'a': add_table(w, line); break;
    case 'd': remove_table(w, false); break;
    case 'D': remove_table(w, true); break;
    case 'f': reconf(w); break;
    case 't': start_table(w); break;
    case 'b': constrain(w); break;
    case 'm': send_message(w, line); break;
    case '>': feed_line(w, line, true); break;
    case 'x': end_control(w); break;
    case '.': feed(w, line, false); break;
    default: break;
    }
}

static void one_line(struct world *w, struct span line)
{
    if (span_starts(line, SPAN("!")))
        command(w, span_from(line, 1));
    else if (span_starts(line, SPAN("+")))
        pass_time(w, span_from(line, 1));
    else if (span_is(line, "="))
        wait_for_deadline(w);
    else
        feed_line(w, line, false);
    settle(w);
}

static bool has_letter(struct span options, char letter)
{
    return options.len && memchr(options.at, letter, options.len);
}

static void new_session(struct world *w, struct span letters)
{
    bool quick = has_letter(letters, 'q');
    bool text = has_letter(letters, 't'), polls = has_letter(letters, 'p');
    bool ws = !text && has_letter(letters, 'w'), falls_back = !text && has_letter(letters, 'a');
    enum session_transport streaming = ws || falls_back ? SESSION_WS_STREAMING : SESSION_HTTP_STREAMING;
    enum session_transport polling = ws ? SESSION_WS_POLLING : SESSION_HTTP_POLLING;
    w->polls = polls || falls_back || has_letter(letters, 's');
    struct session_options options = {
        .dialect = text ? &dialect_text : &dialect_tlcp,
        .transports = {polls ? polling : streaming, SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING},
        .n_transports = falls_back ? 3 : 1,
        .idle_ms = quick ? 1 : 19000,
        .polling_ms = quick ? 1 : 500,
        .reverse_heartbeat_ms = has_letter(letters, 'h') ? (quick ? 1 : 5000) : 0,
        .slowing = !text && has_letter(letters, 's'),
        .adapter_set = "A&B",
        .supported_diffs = "P,T",
        .stalled_ms = quick ? 1 : 2000,
        .reconnect_ms = quick ? 1 : 3000,
        .recovery_ms = quick ? 2 : 15000,
        .connect_ms = quick ? 1 : 4000,
        .retry_ms = quick ? 1 : 125,
        .retry_max_ms = quick ? 2 : 30000,
        .retry_refused_ms = has_letter(letters, 'n') ? 0 : 300000,
        .content_length_bytes = 50000000,
    };
    w->by_hand = has_letter(letters, 'k');
    MUST(session_new(&options, 1, &w->session) == 0);
    session_model_init(&w->model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now = 1000, .chunk_bytes = 1 << 16};
    struct span input = fuzz_input(data, size), line = SPAN_EMPTY;
    span_cut(&input, '\n', &line);
    new_session(&w, line);
    settle(&w);
    while (span_cut(&input, '\n', &line))
        one_line(&w, line);
    session_stop(w.session, w.now, "end", "session disconnected");
    settle(&w);
    MUST(w.model.state == SESSION_DISCONNECTED && session_is_stopped(w.session));
    MUST(session_deadline(w.session) == UINT64_MAX);
    MUST(w.awaited == w.model.answers);
    session_model_is_void(&w.model);
    session_free(w.session);
    session_model_done(&w.model);
    return 0;
}
