/* The virtual server: sessions with all that they ever sent, subscriptions, answers. It is sane unless told otherwise (struct troubles). */
#define _GNU_SOURCE
#include "world.h"

#include <stdarg.h>

#include "../lib/must.h"

enum { KEEPALIVE_MS = 4000, REQUEST_LIMIT = 50000 };

/* ---- lines ---- */

void lines_push(struct lines *l, const struct line *line)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->at = realloc(l->at, l->cap * sizeof l->at[0]);
        MUST(l->at);
    }
    l->at[l->n++] = *line;
}

void lines_drop(struct lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->at[i].text);
    free(l->at);
    *l = (struct lines){0};
}

static void __attribute__((format(printf, 4, 5)))
push(struct lines *l, enum line_kind kind, const struct line *more, const char *format, ...)
{
    struct line line = more ? *more : (struct line){0};
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&line.text, format, arguments) >= 0);
    va_end(arguments);
    line.kind = kind;
    lines_push(l, &line);
}

static bool chance_of(struct world *w, size_t n)
{
    return random_below(&w->server.chance, n) == 0;
}

/* ---- life ---- */

void server_init(struct server *s, uint64_t seed)
{
    *s = (struct server){.chance = {seed}};
    list_init(&s->sessions);
    list_init(&s->requests);
    s->late_at = NEVER;
}

static void free_sub(struct sub *sub)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        values_done(&sub->items[i].last);
    free(sub);
}

static void free_session(struct served *session)
{
    for (size_t i = 0; i < session->n_notes; i++) {
        free(session->notes[i].line);
        values_done(&session->notes[i].values);
    }
    free(session->notes);
    free(session);
}

void server_done(struct server *s)
{
    LIST_EACH_SAFE(link, &s->sessions)
        free_session(CONTAINER_OF(link, struct served, link));
    LIST_EACH_SAFE(link, &s->requests)
        free(CONTAINER_OF(link, struct request, link));
    for (size_t i = 0; i < s->n_subs; i++)
        free_sub(s->subs[i]);
    free(s->subs);
    lines_drop(&s->late);
}

static struct served *find_session(struct server *s, struct span id)
{
    LIST_EACH(link, &s->sessions) {
        struct served *session = CONTAINER_OF(link, struct served, link);
        if (span_is(id, session->id))
            return session;
    }
    return NULL;
}

static struct served *new_session(struct server *s)
{
    struct served *session = calloc(1, sizeof *session);
    MUST(session);
    s->n_sessions++;
    snprintf(session->id, sizeof session->id, "S%ux%06u", s->n_sessions, 123456 + s->n_sessions * 1111);
    session->alive = true;
    list_append(&s->sessions, &session->link);
    return s->current = session;
}

struct request *server_request(struct world *w, uint64_t id)
{
    LIST_EACH(link, &w->server.requests) {
        struct request *r = CONTAINER_OF(link, struct request, link);
        if (r->id == id)
            return r;
    }
    return NULL;
}

/* ---- data notifications ---- */

static struct note *new_note(struct served *session, struct sub *sub, enum note_kind kind)
{
    if (session->n_notes == session->cap_notes) {
        session->cap_notes = session->cap_notes ? session->cap_notes * 2 : 32;
        session->notes = realloc(session->notes, session->cap_notes * sizeof session->notes[0]);
        MUST(session->notes);
    }
    struct note *note = &session->notes[session->n_notes++];
    *note = (struct note){.kind = kind, .sub = sub};
    return note;
}

struct note *server_note(struct sub *sub, enum note_kind kind, const char *format, ...)
{
    struct note *note = new_note(sub->session, sub, kind);
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&note->line, format, arguments) >= 0);
    va_end(arguments);
    return note;
}

void server_message_note(struct served *session, const char *format, ...)
{
    struct note *note = new_note(session, NULL, NOTE_MESSAGE);
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&note->line, format, arguments) >= 0);
    va_end(arguments);
}

static unsigned long long ull(uint64_t n)
{
    return n;
}

static void item_note(struct sub *sub, size_t item, enum note_kind kind)
{
    const char *name = kind == NOTE_EOS ? "EOS" : "CS";
    server_note(sub, kind, "%s,%llu,%zu", name, ull(sub->id), item)->item = item;
    if (kind == NOTE_EOS)
        sub->items[item - 1].snapshot_over = true;
}

static void lost_note(struct sub *sub, size_t item, uint64_t count)
{
    struct note *note = server_note(sub, NOTE_LOST, "OV,%llu,%zu,%llu", ull(sub->id), item, ull(count));
    note->item = item;
    note->count = count;
}

static bool snapshot_ends(const struct shape *shape)
{
    return (shape->mode == TABLE_DISTINCT || shape->mode == TABLE_COMMAND) &&
           (shape->snapshot || shape->length);
}

void server_update(struct sub *sub, size_t item, struct random *chance)
{
    const struct shape *shape = sub->shape;
    bool rows = shape->mode == TABLE_DISTINCT || shape->mode == TABLE_COMMAND;
    size_t dice = random_below(chance, 40);
    if (snapshot_ends(shape) && !sub->items[item - 1].snapshot_over && dice < 4) {
        item_note(sub, item, NOTE_EOS);
    } else if (rows && dice == 5) {
        item_note(sub, item, NOTE_CLEAR);
    } else if (dice == 6) {
        lost_note(sub, item, 1 + random_below(chance, 100));
    } else {
        AUTO_BUF struct buf tokens = BUF_INIT(SIZE_MAX / 2);
        source_update(shape, &sub->items[item - 1], chance, true, &tokens);
        struct note *note =
            server_note(sub, NOTE_UPDATE, "U,%llu,%zu,%s", ull(sub->id), item, buf_text(&tokens));
        note->item = item;
        values_copy(&note->values, &sub->items[item - 1].last);
    }
}

static void conf(struct sub *sub, const char *frequency)
{
    const char *granted = *frequency ? frequency : "unlimited";
    struct note *note = server_note(sub, NOTE_CONF, "CONF,%llu,%s,filtered", ull(sub->id), granted);
    snprintf(note->frequency, sizeof note->frequency, "%s", granted);
}

static void snapshot(struct world *w, struct sub *sub)
{
    const struct shape *shape = sub->shape;
    if (shape->mode == TABLE_RAW || !(shape->snapshot || shape->length))
        return;
    for (size_t item = 1; item <= shape->items; item++) {
        size_t n = random_below(&w->server.chance, shape->mode == TABLE_MERGE ? 2 : 5);
        while (n--)
            server_update(sub, item, &w->server.chance);
        if (snapshot_ends(shape) && !sub->items[item - 1].snapshot_over && !chance_of(w, 4))
            item_note(sub, item, NOTE_EOS);
    }
}

static void subscribed(struct world *w, struct sub *sub)
{
    const struct shape *shape = sub->shape;
    size_t items = shape->items + sub->odd_counts;
    bool early = chance_of(w, 8);
    const char *frequency = sub->table ? sub->table->wished : "";
    if (early)
        conf(sub, frequency);
    if (shape->mode == TABLE_COMMAND)
        server_note(sub, NOTE_SUBOK, "SUBCMD,%llu,%zu,%zu,%zu,%zu", ull(sub->id), items, shape->fields,
                    shape->key, shape->command);
    else
        server_note(sub, NOTE_SUBOK, "SUBOK,%llu,%zu,%zu", ull(sub->id), items, shape->fields);
    sub->stage = SUB_ON;
    if (!early && !chance_of(w, 4))
        conf(sub, frequency);
    if (w->troubles.odd_first)
        server_note(sub, NOTE_BAD, "U,%llu,1,^%zu", ull(sub->id), shape->fields);
    w->troubles.odd_first = false;
    snapshot(w, sub);
}

void server_unsubscribe(struct sub *sub)
{
    sub->stage = SUB_OFF;
    server_note(sub, NOTE_UNSUB, "UNSUB,%llu", ull(sub->id));
}

/* ---- the stream ---- */

static bool streams(const struct world *w)
{
    return w->stream.state == STREAM_OPEN && w->stream.session && !w->stream.ends;
}

static void wrote(struct world *w)
{
    struct stream *s = &w->stream;
    if (s->next_at == NEVER)
        s->next_at = w->player.now + 1;
    if (s->keepalive_ms && !s->polls)
        s->probe_at = w->player.now + s->keepalive_ms;
}

void server_say(struct world *w, enum line_kind kind, int code, const char *format, ...)
{
    struct line line = {.kind = kind, .code = code, .session = w->stream.session};
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&line.text, format, arguments) >= 0);
    va_end(arguments);
    lines_push(&w->stream.lines, &line);
    wrote(w);
}

void server_unbound(struct world *w)
{
    struct stream *s = &w->stream;
    if (s->session)
        s->session->bound = false;
    s->session = NULL;
    s->probe_at = s->loop_at = NEVER;
    lines_drop(&w->server.late);
    w->server.late_at = NEVER;
}

void server_pump(struct world *w)
{
    struct served *session = w->stream.session;
    if (!streams(w) || session->sent == session->n_notes)
        return;
    while (session->sent < session->n_notes) {
        struct line line = {.note = session->sent + 1, .session = session};
        push(&w->stream.lines, LINE_NOTE, &line, "%s", session->notes[session->sent++].line);
    }
    wrote(w);
    if (w->stream.polls && w->stream.loop_at > w->player.now + 2)
        w->stream.loop_at = w->player.now + 2;
}

void server_loop(struct world *w, uint64_t delay_ms)
{
    if (!streams(w))
        return;
    server_pump(w);
    server_say(w, LINE_LOOP, 0, "LOOP,%llu", ull(delay_ms));
    w->stream.lines.at[w->stream.lines.n - 1].number = delay_ms;
    w->stream.ends = !w->stream.websocket;
    server_unbound(w);
}

static const char *message(int code)
{
    return code % 2 ? "some%20reason%2C it says" : "the reason";
}

void server_end(struct world *w, int code)
{
    if (!streams(w))
        return;
    server_pump(w);
    server_say(w, LINE_END, code, "END,%d,%s", code, message(code));
    w->stream.session->alive = false;
    w->stream.ends = true;
    server_unbound(w);
}

static void refuse_stream(struct world *w, int code)
{
    server_say(w, LINE_CONERR, code, "CONERR,%d,%s", code, message(code));
    w->stream.ends = true;
}

static bool is_true(struct span body, const char *name)
{
    return span_is(parameter(body, name), "true");
}

static uint64_t number_of(struct span body, const char *name, uint64_t otherwise)
{
    uint64_t n;
    return span_to_u64(parameter(body, name), UINT64_MAX, &n) ? n : otherwise;
}

static void bound(struct world *w, struct served *session, struct span body)
{
    struct stream *s = &w->stream;
    uint64_t idle = number_of(body, "LS_idle_millis", 0);
    s->polls = is_true(body, "LS_polling") && !(s->kind == BIND_RECOVERY && w->troubles.streams_on);
    s->polling_ms = number_of(body, "LS_polling_millis", 0);
    s->idle_ms = idle;
    s->session = session;
    session->bound = true;
    s->keepalive_ms = s->polls ? 0 : number_of(body, "LS_keepalive_millis", KEEPALIVE_MS);
    s->loop_at = s->polls ? w->player.now + idle : NEVER;
    server_say(w, LINE_CONOK, 0, "CONOK,%s,%d,%llu,*", session->id, REQUEST_LIMIT,
               ull(s->polls ? idle : s->keepalive_ms));
    if (s->kind == BIND_RECOVERY)
        w->troubles.streams_on = false;
    if (chance_of(w, 3))
        server_say(w, LINE_NOTHING, 0, "SERVNAME,A%%20server");
    if (chance_of(w, 3))
        server_say(w, LINE_NOTHING, 0, "CLIENTIP,127.0.0.1");
}

static void create(struct world *w, struct span body)
{
    struct troubles *t = &w->troubles;
    w->stream.kind = BIND_CREATE;
    if (t->creates) {
        t->creates--;
        refuse_stream(w, t->create_code);
        return;
    }
    bound(w, new_session(&w->server), body);
}

/* What is sent again begins a little, or much, before what was asked for. */
static void say_prog(struct world *w, struct served *session, uint64_t from)
{
    struct troubles *t = &w->troubles;
    uint64_t to = from - (t->prog_less < from ? t->prog_less : from);
    if (t->prog_high)
        to = from + 1 + random_below(&w->server.chance, 3);
    t->prog_less = 0;
    struct line line = {.number = to, .session = session};
    push(&w->stream.lines, LINE_PROG, &line, "PROG,%llu", ull(to));
    session->sent = to < session->n_notes ? (size_t)to : session->n_notes;
    t->prog_high = false;
}

static void bind(struct world *w, struct span body)
{
    struct troubles *t = &w->troubles;
    struct served *session = find_session(&w->server, parameter(body, "LS_session"));
    uint64_t from = number_of(body, "LS_recovery_from", NEVER);
    w->stream.kind = from == NEVER ? BIND_PLAIN : BIND_RECOVERY;
    if (t->bind_code || !session || !session->alive) {
        refuse_stream(w, session && session->alive ? t->bind_code : 20);
        t->bind_code = 0;
        return;
    }
    if (from != NEVER && t->forget) {
        t->forget = false;
        session->alive = false;
        refuse_stream(w, 4);
        return;
    }
    bound(w, session, body);
    if (from != NEVER) {
        say_prog(w, session, from);
        server_pump(w);
        /* A recovery's poll asks for no idle time. */
        if (w->stream.polls)
            server_loop(w, 0);
        return;
    }
    server_pump(w);
}

void server_stream(struct world *w, const char *name, struct span body)
{
    if (strcmp(name, "create_session") == 0)
        create(w, body);
    else
        bind(w, body);
}

/* ---- requests ---- */

static void add(struct world *w, struct sub *sub)
{
    struct troubles *t = &w->troubles;
    sub->stage = SUB_ASKED;
    sub->due_at = w->player.now + (t->subok_ms ? t->subok_ms : random_below(&w->server.chance, 3));
    sub->odd_counts = t->odd_counts && sub->shape->counted && !sub->item;
    t->subok_ms = 0;
    t->odd_counts = false;
}

/* Returns the code that it is refused with, or 0. */
static int execute(struct world *w, const struct request *r)
{
    struct served *session = r->session;
    int code = w->troubles.request_code;
    w->troubles.request_code = 0;
    if (!session->alive)
        return r->operation == OP_MESSAGE ? messages_execute(w, r, 20) : 20;
    bool ours = r->sub && r->sub->stage != SUB_OFF && r->sub->stage != SUB_UNHEARD;
    switch (r->operation) {
    case OP_ADD:
        if (!code && r->sub->shape->splits && chance_of(w, r->sub->item ? 4 : 2))
            code = 21;
        if (!code)
            add(w, r->sub);
        else
            r->sub->stage = SUB_OFF;
        return code;
    case OP_DELETE:
        if (ours)
            server_unsubscribe(r->sub);
        return ours ? 0 : 19;
    case OP_RECONF:
        if (ours && !code)
            conf(r->sub, r->value);
        return ours ? code : 19;
    case OP_CONSTRAIN:
        if (!code && streams(w))
            server_say(w, LINE_NOTHING, 0, "CONS,%s", r->value);
        return code;
    case OP_MESSAGE: return messages_execute(w, r, code);
    case OP_REBIND: server_loop(w, random_below(&w->server.chance, 2) * 50); return 0;
    case OP_DESTROY:
    default: session->alive = false; return 0;
    }
}

void server_requests(struct world *w, struct span body, struct lines *answers)
{
    struct span line;
    while (span_cut(&body, '\n', &line)) {
        uint64_t id = number_of(line, "LS_reqId", 0);
        struct line more = {.request = server_request(w, id)};
        MUST(more.request);
        more.session = more.request->session;
        more.code = execute(w, more.request);
        if (w->troubles.silent_requests) {
            w->troubles.silent_requests--;
            continue;
        }
        if (more.code)
            push(answers, LINE_REQERR, &more, "REQERR,%llu,%d,%s", ull(id), more.code, message(more.code));
        else
            push(answers, LINE_REQOK, &more, "REQOK,%llu", ull(id));
    }
    server_pump(w);
}

/* ---- time ---- */

static void late_answers(struct world *w)
{
    struct server *s = &w->server;
    if (s->late_at > w->player.now)
        return;
    for (size_t i = 0; i < s->late.n && w->stream.state == STREAM_OPEN && w->stream.websocket; i++) {
        struct line line = s->late.at[i];
        line.text = strdup(line.text);
        MUST(line.text);
        lines_push(&w->stream.lines, &line);
        wrote(w);
    }
    lines_drop(&s->late);
    s->late_at = NEVER;
}

static bool is_due(const struct sub *sub)
{
    return sub->stage == SUB_ASKED && sub->session->alive;
}

void server_tick(struct world *w)
{
    struct server *s = &w->server;
    uint64_t now = w->player.now;
    for (size_t i = 0; i < s->n_subs; i++)
        if (is_due(s->subs[i]) && s->subs[i]->due_at <= now)
            subscribed(w, s->subs[i]);
    late_answers(w);
    server_pump(w);
    if (w->stream.loop_at <= now && w->stream.session)
        server_loop(w, w->stream.polling_ms);
    if (w->stream.probe_at <= now && streams(w))
        server_say(w, LINE_NOTHING, 0, chance_of(w, 4) ? "NOOP,filler, with a comma" : "PROBE");
}

uint64_t server_deadline(const struct world *w)
{
    const struct server *s = &w->server;
    uint64_t at = s->late_at;
    for (size_t i = 0; i < s->n_subs; i++)
        if (is_due(s->subs[i]) && s->subs[i]->due_at < at)
            at = s->subs[i]->due_at;
    if (w->stream.session && w->stream.loop_at < at)
        at = w->stream.loop_at;
    return streams(w) && w->stream.probe_at < at ? w->stream.probe_at : at;
}
