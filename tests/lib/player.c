#define _GNU_SOURCE
#include "player.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

static void __attribute__((noreturn, format(printf, 1, 2))) broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("rule broken: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* ---- lines ---- */

static void lines_add(struct player_lines *l, char *line)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->at = realloc(l->at, l->cap * sizeof l->at[0]);
    }
    l->at[l->n++] = line;
}

static void lines_clear(struct player_lines *l)
{
    while (l->n)
        free(l->at[--l->n]);
}

/* ---- values as they are published ---- */

static void put_value(struct buf *out, bool is_null, struct span value)
{
    if (is_null || value.len == 0) {
        buf_add_char(out, is_null ? '#' : '$');
        return;
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        bool marker = i == 0 && (c == '#' || c == '$' || c == '^');
        if (marker || c == '|' || c == '%' || c < 0x20 || c == 0x7f)
            buf_printf(out, "%%%02X", c);
        else
            buf_add_char(out, (char)c);
    }
}

static int encode(void *userdata, size_t field, bool is_null, struct span value, struct buf *out)
{
    (void)userdata;
    (void)field;
    put_value(out, is_null, value);
    return buf_error(out) ? -1 : 0;
}

static void drop_user(void *userdata, void *user)
{
    (void)userdata;
    free(user);
}

/* ---- rules ---- */

static void check_secret(const struct player *p, const char *line)
{
    if (p->session_id && strlen(p->session_id) > 6 && strstr(line, p->session_id))
        broken("a whole session id in: %s", line);
}

/* ---- events and actions as text ---- */

static bool all_changed(const struct table *t, const struct table_update *u)
{
    for (size_t f = 0; f < t->n_fields; f++)
        if (!(u->changed[f / 64] >> f % 64 & 1))
            return false;
    return true;
}

static void put_update(struct buf *out, const struct session_event *e)
{
    const struct table *t = e->table->table;
    const struct table_update *u = &e->update;
    buf_printf(out, "%s %s %zu ", u->snapshot ? "snapshot" : "update", t->options.name, e->item->pos);
    for (size_t f = 0; f < t->n_fields; f++) {
        if (f)
            buf_add_char(out, '|');
        buf_add_span(out, u->values[f].len ? u->values[f] : SPAN("#"));
    }
    if (t->options.mode == TABLE_COMMAND) {
        buf_printf(out, " %s key=", table_command_name(u->command));
        put_value(out, false, u->key);
        buf_printf(out, " kseq=%llu", (unsigned long long)u->kseq);
    }
    if (all_changed(t, u)) {
        buf_add_text(out, " changed=all");
        return;
    }
    buf_add_text(out, " changed=");
    const char *comma = "";
    for (size_t f = 0; f < t->n_fields; f++)
        if (u->changed[f / 64] >> f % 64 & 1) {
            buf_printf(out, "%s%zu", comma, f + 1);
            comma = ",";
        }
    if (!*comma)
        buf_add_text(out, "none");
}

static void put_reason(struct buf *out, bool has_code, int code, const char *reason)
{
    if (has_code)
        buf_printf(out, " code=%d", code);
    if (*reason)
        buf_printf(out, " : %s", reason);
}

static void put_state(struct buf *out, const struct session_report *r)
{
    buf_printf(out, "state %s %s", session_state_name(r->state), r->detail);
    if (session_continuity_name(r->continuity))
        buf_printf(out, " %s", session_continuity_name(r->continuity));
    if (r->id_end[0])
        buf_printf(out, " id=%s", r->id_end);
    if (r->has_retry)
        buf_printf(out, " retry=%llu", (unsigned long long)r->retry_in_ms);
    put_reason(out, r->has_code, r->code, r->reason);
}

static void put_table(struct buf *out, const struct session_table *t)
{
    buf_printf(out, "table %s %s", t->table->options.name, session_table_state_name(t->state));
    if (t->replaced)
        buf_add_text(out, " replaced");
    if (t->max_frequency[0])
        buf_printf(out, " frequency=%s", t->max_frequency);
    const char *before = " failed=";
    for (size_t pos = 1; pos <= t->table->options.n_items; pos++)
        if (session_item_is_failed(t, pos)) {
            buf_printf(out, "%s%zu", before, pos);
            before = ",";
        }
    put_reason(out, t->has_code, t->code, t->reason);
}

static void put_answer(struct buf *out, const struct session_answer *a)
{
    bool done = a->granted && a->response.at;
    buf_printf(out, "answer %llu %s", (unsigned long long)a->token,
               done         ? "done"
               : a->granted ? "granted"
                            : "refused");
    put_reason(out, a->has_code, a->code, a->text);
    if (done && a->response.len) {
        buf_add_text(out, " : ");
        buf_add_span(out, a->response);
    }
}

static void put_event(struct buf *out, const struct session_event *e)
{
    const char *name = e->table ? e->table->table->options.name : "";
    switch (e->kind) {
    case SESSION_EVENT_STATE: put_state(out, e->report); break;
    case SESSION_EVENT_TABLE: put_table(out, e->table); break;
    case SESSION_EVENT_UPDATE: put_update(out, e); break;
    case SESSION_EVENT_EOS: buf_printf(out, "eos %s %zu", name, e->item->pos); break;
    case SESSION_EVENT_CLEAR: buf_printf(out, "clear %s %zu", name, e->item->pos); break;
    case SESSION_EVENT_LOST:
        buf_printf(out, "lost %s %zu %llu", name, e->item->pos, (unsigned long long)e->count);
        break;
    case SESSION_EVENT_GAP: buf_printf(out, "gap %s %zu : %s", name, e->item->pos, e->text); break;
    case SESSION_EVENT_ANSWER: put_answer(out, e->answer); break;
    case SESSION_EVENT_ODDITY: buf_printf(out, "oddity %s", e->text); break;
    }
}

static void put_body(struct buf *out, struct span body)
{
    if (body.len)
        buf_add_text(out, " : ");
    for (size_t i = 0; i < body.len; i++) {
        if (body.at[i] == '\r' && i + 1 < body.len && body.at[i + 1] == '\n') {
            buf_add_text(out, " / ");
            i++;
        } else {
            buf_add_char(out, body.at[i]);
        }
    }
}

static void put_action(struct buf *out, const struct session_action *a)
{
    static const char *const names[] = {"ask",     "open",    "send",     "close",
                                        "control", "abandon", "farewell", "heartbeat"};
    buf_add_text(out, names[a->kind]);
    if (a->kind == SESSION_OPEN)
        buf_printf(out, " %s", a->websocket ? "ws" : "http");
    if (a->kind == SESSION_OPEN || a->kind == SESSION_CONTROL || a->kind == SESSION_FAREWELL ||
        a->kind == SESSION_HEARTBEAT)
        buf_printf(out, " %s", a->name);
    if (a->control_link)
        buf_printf(out, " at=%s", a->control_link);
    put_body(out, a->body);
}

/* ---- driving ---- */

struct session_options player_defaults(void)
{
    return (struct session_options){
        .transports = {SESSION_HTTP_STREAMING},
        .n_transports = 1,
        .supported_diffs = "P,T",
        .stalled_ms = 2000,
        .reconnect_ms = 3000,
        .recovery_ms = 15000,
        .connect_ms = 4000,
        .retry_ms = 125,
        .retry_max_ms = 30000,
        .retry_refused_ms = 300000,
        .content_length_bytes = 50000000,
    };
}

void player_init(struct player *p, const struct session_options *options)
{
    *p = (struct player){.now = 1000, .unread = BUF_INIT(SIZE_MAX / 2)};
    session_model_init(&p->model);
    if (session_new(options, 4711, &p->session) < 0)
        broken("no session");
}

void player_done(struct player *p)
{
    session_free(p->session);
    player_forget(p);
    free(p->events.at);
    free(p->actions.at);
    free(p->session_id);
    session_model_done(&p->model);
    buf_done(&p->unread);
    *p = (struct player){0};
}

void player_forget(struct player *p)
{
    lines_clear(&p->events);
    lines_clear(&p->actions);
}

/* While it holds, only what consumers of data do not wait for. */
static bool next_event(struct player *p, struct session_event *ret)
{
    if (p->holds)
        return session_next_report(p->session, ret) || session_next_answer(p->session, ret);
    return session_next_event(p->session, p->now, ret);
}

static void take_event(struct player *p, const struct session_event *e)
{
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    put_event(&out, e);
    session_model_event(&p->model, e);
    check_secret(p, buf_text(&out));
    lines_add(&p->events, strdup(buf_text(&out)));
    if (!p->hold_next || !e->item || e->kind == SESSION_EVENT_GAP)
        return;
    p->hold_next = false;
    p->holds = true;
    session_hold(p->session, p->now, true, false);
}

static bool drain_events(struct player *p)
{
    struct session_event e = {0};
    bool any = false;
    while (next_event(p, &e)) {
        take_event(p, &e);
        e = (struct session_event){0};
        any = true;
    }
    return any;
}

static bool drain_actions(struct player *p)
{
    struct session_action a;
    bool any = false;
    while (session_next_action(p->session, p->now, &a)) {
        AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
        put_action(&out, &a);
        request_model_action(&p->asked, &a);
        lines_add(&p->actions, strdup(buf_text(&out)));
        p->stream_gone = a.kind == SESSION_CLOSE || (p->stream_gone && a.kind != SESSION_OPEN);
        p->control_gone = a.kind == SESSION_CONTROL_ABANDON || (p->control_gone && a.kind != SESSION_CONTROL);
        any = true;
    }
    return any;
}

void player_drain(struct player *p)
{
    for (int i = 0; i < 10000; i++) {
        bool any = drain_events(p);
        any = drain_actions(p) || any;
        /* What could not be asked for is an event. */
        if (!any && !drain_events(p)) {
            if (!p->holds)
                session_model_rows(&p->model);
            return;
        }
    }
    broken("events and actions without end");
}

static void note_session_id(struct player *p, struct span bytes)
{
    static const struct {
        const char *before;
        char behind;
    } places[] = {{"CONOK,", ','}, {"SessionId:", '\r'}};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        size_t n = strlen(places[i].before);
        const char *found = memmem(bytes.at, bytes.len, places[i].before, n);
        struct span rest = found ? span_from(bytes, (size_t)(found - bytes.at) + n) : SPAN_EMPTY, id;
        if (found && span_cut(&rest, places[i].behind, &id)) {
            free(p->session_id);
            p->session_id = span_dup(id);
        }
    }
}

typedef void feed_function(struct session *s, uint64_t now, struct span bytes);

static void feed_piece(struct player *p, feed_function *feed, struct span piece)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    memcpy(copy, piece.at, piece.len);
    feed(p->session, p->now, span_make(copy, piece.len));
    player_drain(p);
    if (p->holds)
        session_keep(p->session, p->now);
    free(copy);
}

/* Returns what was not read. */
static struct span feed_pieces(struct player *p, feed_function *feed, struct span bytes, size_t cut,
                               const bool *gone)
{
    note_session_id(p, bytes);
    size_t piece = cut == SIZE_MAX ? 1 : cut && cut < bytes.len ? cut : bytes.len;
    while (bytes.len && !*gone && !p->holds) {
        feed_piece(p, feed, span_make(bytes.at, piece));
        bytes = span_from(bytes, piece);
        piece = cut == SIZE_MAX ? 1 : bytes.len;
    }
    return bytes;
}

void player_feed(struct player *p, struct span bytes, size_t cut)
{
    bytes = feed_pieces(p, session_feed, bytes, cut, &p->stream_gone);
    if (p->holds)
        buf_add_span(&p->unread, bytes);
}

void player_feed_control(struct player *p, struct span bytes, size_t cut)
{
    feed_pieces(p, session_control_feed, bytes, cut, &p->control_gone);
}

void player_release(struct player *p, bool announce)
{
    AUTO_BUF struct buf unread = p->unread;
    p->unread = BUF_INIT(SIZE_MAX / 2);
    p->holds = p->hold_next = false;
    session_hold(p->session, p->now, false, announce);
    player_drain(p);
    if (unread.len)
        feed_pieces(p, session_feed, buf_span(&unread), 0, &p->stream_gone);
}

struct session_table *player_add_table(struct player *p, const struct table_options *options,
                                       uint64_t retry_failed_ms)
{
    static const struct table_hooks hooks = {.encode = encode, .drop_user = drop_user};
    struct session_table *t = NULL;
    if (session_add_table(p->session, p->now, options, &hooks, retry_failed_ms, NULL, &t) < 0)
        broken("no table");
    return t;
}

struct session_table *player_table(const struct player *p, struct span name)
{
    for (struct session_table *t = NULL; (t = session_next_table(p->session, t));)
        if (span_is(name, t->table->options.name) && !t->replaced)
            return t;
    return NULL;
}

/* ---- patterns ---- */

/* A range at PATTERN: its length, or 0. */
static size_t parse_range(const char *pattern, unsigned long long *ret_low, unsigned long long *ret_high)
{
    int n = 0;
    if (!isdigit((unsigned char)*pattern) || sscanf(pattern, "%llu..%llu%n", ret_low, ret_high, &n) < 2)
        return 0;
    return (size_t)n;
}

bool player_match(const char *pattern, const char *text)
{
    for (;;) {
        unsigned long long low, high;
        size_t range;
        if (strncmp(pattern, "...", 3) == 0) {
            do
                if (player_match(pattern + 3, text))
                    return true;
            while (*text++);
            return false;
        }
        if ((range = parse_range(pattern, &low, &high))) {
            char *end = NULL;
            unsigned long long value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
            if (!end || value < low || value > high)
                return false;
            pattern += range;
            text = end;
            continue;
        }
        if (*pattern != *text)
            return false;
        if (!*pattern)
            return true;
        pattern++;
        text++;
    }
}
