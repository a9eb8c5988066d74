/* The clock and the network between the session and the virtual server, and the story of it all. */
#define _GNU_SOURCE
#include "world.h"

#include <stdarg.h>
#include <unistd.h>

#include "../lib/must.h"

/* More in one moment can only be an endless loop. */
enum { IN_ONE_MOMENT_MAX = 2000 };

/* ---- the story ---- */

static void __attribute__((format(printf, 2, 0)))
write_line(struct world *w, const char *format, va_list arguments)
{
    if (!w->story)
        return;
    vfprintf(w->story, format, arguments);
    fputc('\n', w->story);
    fflush(w->story);
}

void world_write(struct world *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(w, format, arguments);
    va_end(arguments);
    w->about_tables = false;
}

/* Statements about tables that stand in a row are told in a row: keep these apart. */
void world_write_table(struct world *w, const char *format, ...)
{
    if (w->about_tables)
        world_write(w, "wait 0");
    va_list arguments;
    va_start(arguments, format);
    write_line(w, format, arguments);
    va_end(arguments);
    w->about_tables = true;
}

void world_fail(struct world *w, const char *expected, const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    world_write(w, "# %s", text);
    fprintf(stderr, "at %llu ms: %s\n", (unsigned long long)w->player.now, text);
    if (expected)
        fprintf(stderr, "    expected: %s\n", expected);
    if (expected && w->story)
        oracle_write_rest(w);
    fflush(NULL);
    _exit(1);
}

static void put_escaped(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c == '\r' || c == '\n')
            buf_add_text(out, c == '\r' ? "\\r" : "\\n");
        else if (c == '\\' || c < ' ' || c >= 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
}

/* BYTES as lines of the story; the last may be without its end. */
static void write_bytes(struct world *w, const char *prefix, struct span bytes)
{
    while (w->story && bytes.len) {
        AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
        const char *end = memmem(bytes.at, bytes.len, "\r\n", 2);
        struct span line = span_make(bytes.at, end ? (size_t)(end - bytes.at) : bytes.len);
        bytes = span_from(bytes, line.len + 2);
        put_escaped(&out, line);
        world_write(w, "%s%s %s", prefix, end ? "" : "+", buf_text(&out));
    }
}

/* ---- making and ending ---- */

static void no_stream(struct stream *s)
{
    lines_drop(&s->lines);
    free(s->request);
    *s = (struct stream){
        .opens_at = NEVER, .next_at = NEVER, .cut_after = NEVER, .probe_at = NEVER, .loop_at = NEVER};
}

static void no_control(struct control *c)
{
    lines_drop(&c->answer);
    free(c->request);
    *c = (struct control){.arrives_at = NEVER, .answers_at = NEVER};
}

static uint64_t choose(struct random *chance, const uint64_t *from, size_t n)
{
    return from[random_below(chance, n)];
}

static void set(struct world *w, const char *name, uint64_t *setting, uint64_t value)
{
    *setting = value;
    world_write(w, "set %s %llu", name, (unsigned long long)value);
}

/* Most are the defaults; others are quick, so that more happens. */
static void choose_options(struct world *w, struct random *chance)
{
    static const struct {
        const char *name;
        enum session_transport transports[SESSION_TRANSPORTS_MAX];
        size_t n;
    } ways[] = {
        {"ws", {SESSION_WS_STREAMING}, 1},
        {"http", {SESSION_HTTP_STREAMING}, 1},
        {"ws", {SESSION_WS_STREAMING}, 1},
        {"http", {SESSION_HTTP_STREAMING}, 1},
        {"ws-polling", {SESSION_WS_POLLING}, 1},
        {"http-polling", {SESSION_HTTP_POLLING}, 1},
        {"auto", {SESSION_WS_STREAMING, SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING}, 3},
    };
    struct session_options *o = &w->options;
    size_t way = random_below(chance, ARRAY_LENGTH(ways));
    *o = player_defaults();
    memcpy(o->transports, ways[way].transports, sizeof o->transports);
    o->n_transports = ways[way].n;
    w->auto_transport = o->n_transports > 1;
    world_write(w, "set transport %s", ways[way].name);
    if (random_below(chance, 2)) {
        set(w, "keepalive_ms", &o->keepalive_ms, choose(chance, (uint64_t[]){1000, 2500}, 2));
        set(w, "stalled_ms", &o->stalled_ms, choose(chance, (uint64_t[]){0, 500}, 2));
        set(w, "reconnect_ms", &o->reconnect_ms, choose(chance, (uint64_t[]){300, 1000}, 2));
    }
    if (random_below(chance, 2)) {
        set(w, "connect_ms", &o->connect_ms, choose(chance, (uint64_t[]){800, 2000}, 2));
        set(w, "recovery_ms", &o->recovery_ms, choose(chance, (uint64_t[]){3000, 8000}, 2));
    }
    if (random_below(chance, 2))
        set(w, "retry_max_ms", &o->retry_max_ms, choose(chance, (uint64_t[]){500, 4000}, 2));
    set(w, "idle_ms", &o->idle_ms, choose(chance, (uint64_t[]){0, 1500, 19000}, 3));
    set(w, "polling_ms", &o->polling_ms, choose(chance, (uint64_t[]){0, 100, 500}, 3));
}

void world_init(struct world *w, uint64_t seed, FILE *story)
{
    struct random chance = {seed};
    *w = (struct world){.story = story, .ask_at = NEVER, .troubles = {.cut_after = NEVER}};
    no_stream(&w->stream);
    no_control(&w->control);
    oracle_init(w);
    choose_options(w, &chance);
    w->chance.state = random_next(&chance);
    server_init(&w->server, random_next(&chance));
    player_init(&w->player, &w->options);
}

void world_done(struct world *w)
{
    player_done(&w->player);
    no_stream(&w->stream);
    no_control(&w->control);
    oracle_done(w);
    server_done(&w->server);
    free(w->posted);
}

/* ---- what the session wants ---- */

static struct span body_of(const char *action)
{
    const char *body = strstr(action, " : ");
    return span_of(body ? body + 3 : "");
}

/* The text of transcripts has " / " where requests have a line end. */
static char *lines_of(struct span text)
{
    char *copy = span_dup(text), *to = copy;
    MUST(copy);
    for (const char *from = copy; *from;) {
        bool end = strncmp(from, " / ", 3) == 0;
        *to++ = end ? '\n' : *from;
        from += end ? 3 : 1;
    }
    *to = '\0';
    return copy;
}

static void open_stream(struct world *w, const char *action)
{
    struct stream *s = &w->stream;
    struct troubles *t = &w->troubles;
    if (s->state != STREAM_NONE)
        world_fail(w, NULL, "a second stream: %s", action);
    s->state = STREAM_OPENING;
    s->websocket = strncmp(action, "open ws", 7) == 0;
    if (!s->websocket) {
        s->request = strdup(action + strlen("open http "));
        MUST(s->request);
    }
    s->opens_at = w->player.now + (t->open_ms ? t->open_ms : random_below(&w->chance, 4));
    s->fate = (__typeof__(s->fate))t->open;
    s->cut_after = t->cut_after;
    s->dead = t->next_dead;
    t->open = OPENS;
    t->open_ms = 0;
    t->cut_after = NEVER;
    t->next_dead = false;
}

/* A message on the WebSocket: NAME, then its parameters. */
static void send_message(struct world *w, const char *action)
{
    AUTO_FREE char *text = lines_of(body_of(action));
    struct span body = span_of(text), name = body;
    if (w->stream.state != STREAM_OPEN || !w->stream.websocket)
        world_fail(w, NULL, "a message without a WebSocket: %s", action);
    span_cut(&body, '\n', &name);
    if (w->stream.dead) {
        /* Whatever it was, nobody heard it. */
        if (w->oracle.previous)
            w->oracle.previous->refused |= !w->oracle.session;
        return;
    }
    if (span_is(name, "wsok")) {
        server_say(w, LINE_NOTHING, 0, "WSOK");
    } else if (span_is(name, "control") || span_is(name, "msg")) {
        uint64_t ms = w->troubles.control_ms;
        bool late = ms || w->server.late.n;
        w->troubles.control_ms = 0;
        server_requests(w, body, late ? &w->server.late : &w->stream.lines);
        if (w->server.late.n && w->server.late_at == NEVER)
            w->server.late_at = w->player.now + ms;
        if (w->stream.lines.n && w->stream.next_at == NEVER)
            w->stream.next_at = w->player.now + 1;
    } else if (!span_is(name, "heartbeat")) {
        AUTO_FREE char *request = span_dup(name);
        server_stream(w, request, body);
    }
}

static void post_control(struct world *w, const char *action)
{
    struct control *c = &w->control;
    struct troubles *t = &w->troubles;
    if (c->busy)
        world_fail(w, NULL, "two control requests at a time: %s", action);
    c->busy = true;
    c->request = lines_of(body_of(action));
    c->arrives_at = t->control_lost ? NEVER : w->player.now + random_below(&w->chance, 3);
    c->answers_at = w->player.now + 3 + t->control_ms;
    t->control_lost = false;
    t->control_ms = 0;
}

static void arrive(struct world *w, struct lines *answers)
{
    AUTO_FREE char *request = TAKE(w->control.request);
    w->control.arrives_at = NEVER;
    if (request)
        server_requests(w, span_of(request), answers);
}

static void abandon_control(struct world *w)
{
    struct lines nowhere = {0};
    /* It may be on its way all the same. */
    if (w->control.arrives_at != NEVER && random_below(&w->chance, 2))
        arrive(w, &nowhere);
    lines_drop(&nowhere);
    no_control(&w->control);
}

static void act(struct world *w, const char *action)
{
    struct span rest = span_of(action), verb = SPAN_EMPTY;
    span_cut(&rest, ' ', &verb);
    if (span_is(verb, "ask")) {
        w->ask_at = w->player.now + random_below(&w->chance, 3);
    } else if (span_is(verb, "open")) {
        open_stream(w, action);
    } else if (span_is(verb, "send")) {
        send_message(w, action);
    } else if (span_is(verb, "close")) {
        server_unbound(w);
        no_stream(&w->stream);
    } else if (span_is(verb, "control")) {
        post_control(w, action);
    } else if (span_is(verb, "abandon")) {
        abandon_control(w);
    } else if (span_is(verb, "farewell")) {
        struct lines nowhere = {0};
        AUTO_FREE char *body = lines_of(body_of(action));
        server_requests(w, span_of(body), &nowhere);
        lines_drop(&nowhere);
    }
}

void world_settle(struct world *w)
{
    struct player *p = &w->player;
    player_drain(p);
    for (size_t i = 0; i < p->events.n; i++) {
        oracle_event(w, p->events.at[i]);
        world_write(w, "> %s", p->events.at[i]);
    }
    if (p->holds && !w->held) {
        w->held = true;
        w->hold_since = p->now;
    }
    if (!p->holds)
        oracle_nothing_left(w);
    for (size_t i = 0; i < p->actions.n; i++) {
        oracle_action(w, p->actions.at[i]);
        world_write(w, "! %s", p->actions.at[i]);
        act(w, p->actions.at[i]);
    }
    player_forget(p);
    oracle_settled(w);
}

/* ---- what the network brings ---- */

static void answer_credentials(struct world *w)
{
    bool fail = w->troubles.credentials_fail;
    w->ask_at = NEVER;
    w->troubles.credentials_fail = false;
    world_write(w, fail ? "credentials-failed no word" : "credentials");
    w->oracle.asked = fail;
    if (fail)
        session_credentials_failed(w->player.session, w->player.now, "no word");
    else
        session_credentials(w->player.session, w->player.now, NULL, NULL);
    world_settle(w);
}

static void close_stream(struct world *w, enum session_fault fault, int code, const char *why)
{
    static const char *const names[] = {"passing", "lasting", "silent"};
    server_unbound(w);
    no_stream(&w->stream);
    world_write(w, "closed %s %d %s", names[fault], code, why);
    w->oracle.faulted = true;
    w->oracle.lasting = fault == SESSION_FAULT_LASTING;
    session_closed(w->player.session, w->player.now, fault, code, why);
    world_settle(w);
}

static void finish_opening(struct world *w)
{
    struct stream *s = &w->stream;
    s->opens_at = NEVER;
    switch (s->fate) {
    case HANGS: return;
    case FAILS_PASSING: close_stream(w, SESSION_FAULT_PASSING, 0, "connection refused"); return;
    case FAILS_LASTING: close_stream(w, SESSION_FAULT_LASTING, 404, "404 Not Found"); return;
    case FAILS_SILENT: close_stream(w, SESSION_FAULT_SILENT, 0, "nothing came in time"); return;
    case OPENS:
    default: break;
    }
    s->state = STREAM_OPEN;
    world_write(w, "opened");
    w->player.stream_gone = false;
    if (s->request && !s->dead) {
        struct span body = body_of(s->request), rest = span_of(s->request), name = rest;
        span_cut(&rest, ' ', &name);
        AUTO_FREE char *text = span_dup(name);
        server_stream(w, text, body);
    }
    session_opened(w->player.session, w->player.now);
    world_settle(w);
}

/* How many bytes come now: all of them, or some. */
static size_t portion(struct world *w, size_t there)
{
    switch (random_below(&w->chance, 4)) {
    case 0: return 1 + random_below(&w->chance, there);
    case 1: return there < 40 ? there : 1 + random_below(&w->chance, 40);
    default: return there;
    }
}

static void gather(struct lines *lines, size_t in_line, struct buf *out)
{
    for (size_t i = lines->first; i < lines->n; i++) {
        buf_add_text(out, lines->at[i].text);
        buf_add_text(out, "\r\n");
    }
    buf_drop_front(out, in_line);
}

/* BYTES of the stream arrive. The oracle is told first which lines are whole by then. */
static void feed(struct world *w, struct span bytes)
{
    struct stream *s = &w->stream;
    s->in_line += bytes.len;
    oracle_heard(w);
    while (s->lines.first < s->lines.n) {
        struct line *line = &s->lines.at[s->lines.first];
        size_t whole = strlen(line->text) + 2;
        if (s->in_line < whole)
            break;
        s->in_line -= whole;
        s->lines.first++;
        oracle_line(w, line);
    }
    write_bytes(w, "<", bytes);
    player_feed(&w->player, bytes, 0);
}

static void deliver(struct world *w)
{
    struct stream *s = &w->stream;
    AUTO_BUF struct buf there = BUF_INIT(SIZE_MAX / 2);
    s->next_at = NEVER;
    if (s->dead)
        return;
    gather(&s->lines, s->in_line, &there);
    size_t n = there.len ? portion(w, there.len) : 0;
    if (n > s->cut_after)
        n = (size_t)s->cut_after;
    if (s->cut_after != NEVER)
        s->cut_after -= n;
    if (n < there.len || s->cut_after == 0 || s->ends || s->cut_soon)
        s->next_at = w->player.now + random_below(&w->chance, 3);
    if (n) {
        feed(w, span_make(there.at, n));
        world_settle(w);
    } else if (s->cut_after == 0 || s->cut_soon) {
        close_stream(w, SESSION_FAULT_PASSING, 0, "connection reset");
    } else if (s->ends) {
        close_stream(w, SESSION_FAULT_PASSING, 0, "its end");
    }
}

void world_cut(struct world *w, uint64_t more_bytes)
{
    struct stream *s = &w->stream;
    if (s->state != STREAM_OPEN)
        return;
    s->cut_after = more_bytes;
    s->cut_soon = true;
    s->next_at = w->player.now + 2;
}

static void answer_control(struct world *w)
{
    struct control *c = &w->control;
    AUTO_BUF struct buf bytes = BUF_INIT(SIZE_MAX / 2);
    c->answers_at = NEVER;
    for (size_t i = 0; i < c->answer.n; i++)
        oracle_line(w, &c->answer.at[i]);
    gather(&c->answer, 0, &bytes);
    write_bytes(w, "c<", buf_span(&bytes));
    if (bytes.len) {
        player_feed_control(&w->player, buf_span(&bytes), 0);
        world_settle(w);
    }
    /* Abandoned, or another is under way. */
    if (!c->busy || c->answers_at != NEVER)
        return;
    no_control(c);
    world_write(w, "control-closed");
    session_control_closed(w->player.session, w->player.now);
    world_settle(w);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t network_deadline(const struct world *w)
{
    uint64_t at = earlier(w->ask_at, earlier(w->stream.opens_at, w->control.arrives_at));
    at = earlier(at, server_deadline(w));
    /* Nothing is read while a consumer is at its mark. */
    return w->held ? at : earlier(at, earlier(w->stream.next_at, w->control.answers_at));
}

/* One thing that is due. */
static bool happen(struct world *w)
{
    uint64_t now = w->player.now;
    if (w->ask_at <= now) {
        answer_credentials(w);
    } else if (w->stream.opens_at <= now) {
        finish_opening(w);
    } else if (w->control.arrives_at <= now) {
        arrive(w, &w->control.answer);
    } else if (!w->held && w->control.answers_at <= now) {
        answer_control(w);
    } else if (server_deadline(w) <= now) {
        server_tick(w);
    } else if (!w->held && w->stream.next_at <= now) {
        deliver(w);
    } else {
        return false;
    }
    return true;
}

static void tick(struct world *w, uint64_t at)
{
    struct player *p = &w->player;
    world_write(w, "tick %llu", (unsigned long long)(at > p->now ? at - p->now : 0));
    if (at > p->now)
        p->now = at;
    session_tick(p->session, p->now);
    world_settle(w);
    if (session_deadline(p->session) <= p->now)
        world_fail(w, NULL, "the deadline stays in the past");
}

static void wait_until(struct world *w, uint64_t to)
{
    struct player *p = &w->player;
    if (to <= p->now)
        return;
    world_write(w, "wait %llu", (unsigned long long)(to - p->now));
    p->now = to;
    if (session_deadline(p->session) > to) {
        session_tick(p->session, to);
        world_settle(w);
    }
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t end = w->player.now + ms, moment = 0;
    for (int n = 0;; n++) {
        uint64_t deadline = session_deadline(w->player.session);
        uint64_t at = earlier(end, earlier(network_deadline(w), deadline));
        if (w->player.now != moment) {
            moment = w->player.now;
            n = 0;
        }
        if (n > IN_ONE_MOMENT_MAX)
            world_fail(w, NULL, "so much in one moment can only be an endless loop");
        if (deadline == at)
            tick(w, at);
        else
            wait_until(w, at);
        if (!happen(w) && w->player.now >= end && session_deadline(w->player.session) > end)
            break;
    }
    oracle_at_rest(w);
}
