/* What the session may ask for: whatever it opens, sends and posts is held against what it knows and what it was told to do. */
#define _GNU_SOURCE
#include "world.h"

#include "../lib/must.h"

/* Streams opened in one second without a LOOP that asked for it: the back-off is at least 62 ms, and another transport may be tried at once. */
enum { OPENS_MAX = 24 };

/* ---- life ---- */

void oracle_init(struct world *w)
{
    struct oracle *o = &w->oracle;
    *o = (struct oracle){.view = SESSION_DISCONNECTED, .stopped = true, .recover_by = NEVER};
    list_init(&o->tables);
    list_init(&o->gone);
}

static struct told_table *table_of(struct list *link)
{
    return CONTAINER_OF(link, struct told_table, link);
}

static void free_table(struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++)
        oracle_void_item(&t->items[i]);
    list_remove(&t->link);
    free(t);
}

void oracle_done(struct world *w)
{
    struct oracle *o = &w->oracle;
    LIST_EACH_SAFE(link, &o->tables)
        free_table(table_of(link));
    LIST_EACH_SAFE(link, &o->gone)
        free_table(table_of(link));
    free(o->queue.at);
    for (size_t i = 0; i < o->n_wants; i++)
        free(o->wants[i].text);
}

struct told_table *oracle_table(struct world *w, struct span name)
{
    LIST_EACH(link, &w->oracle.tables)
        if (span_is(name, table_of(link)->shape.name))
            return table_of(link);
    return NULL;
}

/* ---- requests ---- */

struct span parameter(struct span line, const char *name)
{
    struct span pair, key;
    while (span_cut(&line, '&', &pair))
        if (span_cut(&pair, '=', &key) && span_is(key, name))
            return pair.at ? pair : SPAN("");
    return SPAN_EMPTY;
}

static uint64_t number_of(struct world *w, struct span line, const char *name)
{
    uint64_t n;
    if (!span_to_u64(parameter(line, name), UINT64_MAX, &n))
        world_fail(w, NULL, "%s is no number: %.*s", name, SPAN_ARG(line));
    return n;
}

static void must_be(struct world *w, bool fine, const char *what, struct span line)
{
    if (!fine)
        world_fail(w, NULL, "%s: %.*s", what, SPAN_ARG(line));
}

static struct sub *find_sub(struct world *w, const struct served *session, uint64_t id)
{
    for (size_t i = 0; i < w->server.n_subs; i++)
        if (w->server.subs[i]->session == session && w->server.subs[i]->id == id)
            return w->server.subs[i];
    return NULL;
}

static struct sub *new_sub(struct world *w)
{
    struct server *s = &w->server;
    if (s->n_subs == s->cap_subs) {
        s->cap_subs = s->cap_subs ? s->cap_subs * 2 : 16;
        s->subs = realloc(s->subs, s->cap_subs * sizeof(struct sub *));
        MUST(s->subs);
    }
    struct sub *sub = calloc(1, sizeof *sub);
    MUST(sub);
    return s->subs[s->n_subs++] = sub;
}

static void check_add(struct world *w, const struct told_table *t, struct span line)
{
    static const char *const modes[] = {"MERGE", "DISTINCT", "COMMAND", "RAW"};
    char snapshot[24];
    snprintf(snapshot, sizeof snapshot,
             t->shape.length     ? "%llu"
             : t->shape.snapshot ? "true"
                                 : "false",
             (unsigned long long)t->shape.length);
    must_be(w, span_is(parameter(line, "LS_mode"), modes[t->shape.mode]), "another mode", line);
    must_be(w, span_is(parameter(line, "LS_snapshot"), t->shape.mode == TABLE_RAW ? "" : snapshot),
            "another snapshot", line);
    must_be(w, span_is(parameter(line, "LS_requested_max_frequency"), t->wished), "another frequency", line);
    if (t->split)
        return;
    must_be(w, t->state == SESSION_TABLE_PENDING, "an add of a table that is not to be asked for", line);
    must_be(w, !t->waits || w->player.now >= t->waits_since + w->options.retry_ms / 2, "an add too soon",
            line);
    must_be(w, !t->sub || oracle_overdue(w, t->sub), "an add while another waits for its answer", line);
}

static struct sub *on_add(struct world *w, struct span line, uint64_t id)
{
    struct oracle *o = &w->oracle;
    struct span group = parameter(line, "LS_group");
    struct told_table *t = oracle_table(w, group);
    size_t item = 0;
    if (!t && !split_name(w, group, &t, &item))
        t = NULL;
    must_be(w, t && t->split == (item > 0), "an add of a table that nobody wants", line);
    must_be(w, id == o->last_sub_id + 1, "LS_subId does not count on", line);
    check_add(w, t, line);
    o->last_sub_id = id;
    struct sub *sub = new_sub(w);
    *sub = (struct sub){
        .id = id, .session = o->session, .shape = &t->shape, .table = t, .asked_at = w->player.now};
    if (item) {
        const struct sub *last = t->parts[item - 1].sub;
        sub->item = item;
        sub->shape = &t->part_shape;
        split_asked(w, t, sub, last && oracle_overdue(w, last));
        return sub;
    }
    if (t->sub)
        t->sub->table = NULL;
    t->sub = sub;
    t->waits = false;
    return sub;
}

static struct sub *on_delete(struct world *w, struct span line, uint64_t id)
{
    struct sub *sub = find_sub(w, w->oracle.session, id);
    /* One that the server made up is deleted once. */
    if (!sub)
        return NULL;
    if (sub->table && (!sub->on || sub->unsure) && oracle_overdue(w, sub)) {
        if (sub->item) {
            sub->table->parts[sub->item - 1].sub = NULL;
            sub->table->parts[sub->item - 1].state = PART_IS_OPEN;
        } else {
            sub->table->sub = NULL;
        }
        sub->table = NULL;
    }
    must_be(w, !sub->table, "a delete of a table that is wanted", line);
    must_be(w, !sub->delete_asked || oracle_overdue(w, sub), "a delete while another waits for its answer",
            line);
    sub->delete_asked = true;
    sub->doubtful = false;
    sub->asked_at = w->player.now;
    return sub;
}

static struct sub *on_reconf(struct world *w, struct span line, uint64_t id, const struct request *r)
{
    struct sub *sub = find_sub(w, w->oracle.session, id);
    must_be(w, sub && sub->table && sub->on, "a reconf of a table that is not active", line);
    struct told_table *t = sub->table;
    must_be(w,
            t->reconf_wanted || (t->reconf && w->player.now >= t->reconf->at + w->options.connect_ms) ||
                (t->reconf && t->reconf->doubtful),
            "a reconf that nobody asked for", line);
    must_be(w, span_is(parameter(line, "LS_requested_max_frequency"), t->wished), "another frequency", line);
    t->reconf_wanted = false;
    t->reconf = r;
    return sub;
}

static enum operation operation_of(struct world *w, struct span line)
{
    static const char *const names[] = {"add", "delete", "reconf", "constrain", "force_rebind", "destroy"};
    struct span name = parameter(line, "LS_op");
    if (parameter(line, "LS_message").at)
        return OP_MESSAGE;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (span_is(name, names[i]))
            return (enum operation)i;
    world_fail(w, NULL, "an unknown operation: %.*s", SPAN_ARG(line));
}

static void copy_value(struct request *r, struct span value)
{
    snprintf(r->value, sizeof r->value, "%.*s", SPAN_ARG(value));
}

static void on_request(struct world *w, struct span line)
{
    struct oracle *o = &w->oracle;
    struct request *r = calloc(1, sizeof *r);
    MUST(r);
    list_append(&w->server.requests, &r->link);
    r->id = number_of(w, line, "LS_reqId");
    r->operation = operation_of(w, line);
    r->session = o->session;
    r->at = w->player.now;
    must_be(w, r->id > o->last_request_id, "LS_reqId does not count on", line);
    o->last_request_id = r->id;
    must_be(w, o->session && (o->view == SESSION_CONNECTED || r->operation == OP_DESTROY),
            "a request without a session", line);
    struct span id = parameter(line, "LS_session");
    must_be(w, !id.at || span_is(id, o->session->id), "a request of another session", line);
    if (r->operation <= OP_RECONF)
        r->sub_id = number_of(w, line, "LS_subId");
    switch (r->operation) {
    case OP_ADD: r->sub = on_add(w, line, r->sub_id); break;
    case OP_DELETE: r->sub = on_delete(w, line, r->sub_id); break;
    case OP_RECONF:
        r->sub = on_reconf(w, line, r->sub_id, r);
        copy_value(r, parameter(line, "LS_requested_max_frequency"));
        break;
    case OP_CONSTRAIN:
        must_be(w, o->constrain_wanted, "a constrain that nobody asked for", line);
        copy_value(r, parameter(line, "LS_requested_max_bandwidth"));
        break;
    case OP_MESSAGE: messages_asked(w, r, line); break;
    case OP_REBIND:
        must_be(w, o->rebind_wanted, "a force_rebind that nobody asked for", line);
        o->rebind_wanted = false;
        break;
    case OP_DESTROY:
    default: break;
    }
}

static void on_requests(struct world *w, struct span body)
{
    static const struct span separator = {" / ", 3};
    while (body.len) {
        const char *end = memmem(body.at, body.len, separator.at, separator.len);
        struct span line = span_make(body.at, end ? (size_t)(end - body.at) : body.len);
        on_request(w, line);
        body = end ? span_from(body, line.len + separator.len) : SPAN_EMPTY;
    }
}

/* The session is over for the client: it tells the server. The oracle knows it no more by then. */
static void on_farewell(struct world *w, struct span line)
{
    struct request *r = calloc(1, sizeof *r);
    MUST(r);
    list_append(&w->server.requests, &r->link);
    must_be(w, span_is(parameter(line, "LS_op"), "destroy"), "a farewell that is none", line);
    must_be(w, !w->oracle.session, "a session that is destroyed, but not lost", line);
    r->id = number_of(w, line, "LS_reqId");
    must_be(w, r->id > w->oracle.last_request_id, "LS_reqId does not count on", line);
    w->oracle.last_request_id = r->id;
    r->operation = OP_DESTROY;
    r->session = w->oracle.previous ? w->oracle.previous : w->server.current;
}

/* ---- streams ---- */

static void on_create(struct world *w, struct span body)
{
    struct oracle *o = &w->oracle;
    must_be(w, span_starts(body, SPAN("LS_cid=mgQkwtwdysogQz2BJ4Ji%20kOj2Bg&")), "no LS_cid", body);
    must_be(w, !o->session, "a new session while there is one", body);
    o->bind = BIND_CREATE;
    o->settles = span_is(parameter(body, "LS_polling"), "true") && w->auto_transport &&
                 span_is(parameter(body, "LS_idle_millis"), "0");
}

static void on_bind(struct world *w, struct span body)
{
    struct oracle *o = &w->oracle;
    struct span from = parameter(body, "LS_recovery_from");
    must_be(w, o->session && span_is(parameter(body, "LS_session"), o->session->id),
            "a bind of another session", body);
    o->bind = from.at ? BIND_RECOVERY : BIND_PLAIN;
    must_be(w, from.at || o->clean, "a plain bind although something may be missing", body);
    must_be(w, from.at || w->player.now >= o->bind_at, "a bind before its time", body);
    if (from.at)
        must_be(w, number_of(w, body, "LS_recovery_from") == o->got, "a recovery with another count", body);
    o->clean = false;
}

static void on_stream_request(struct world *w, struct span name, struct span body)
{
    struct oracle *o = &w->oracle;
    o->bind_sent = true;
    o->bound = o->over = o->caught_up = o->dead = false;
    o->asked_at = w->player.now;
    if (span_is(name, "create_session"))
        on_create(w, body);
    else
        on_bind(w, body);
    o->polls = span_is(parameter(body, "LS_polling"), "true") && o->bind != BIND_RECOVERY &&
               !(o->bind == BIND_CREATE && o->settles);
}

/* No storm: in any second so many streams at most. */
static void on_open(struct world *w, struct span rest)
{
    struct oracle *o = &w->oracle;
    struct span kind, name;
    span_cut(&rest, ' ', &kind);
    if (w->player.now >= o->second + 1000) {
        o->second = w->player.now;
        o->opens = o->loops = 0;
    }
    must_be(w, ++o->opens <= OPENS_MAX + o->loops, "too many streams in a second", rest);
    o->bind_sent = o->bound = o->over = o->dead = false;
    o->asked_at = w->player.now;
    if (!span_is(kind, "http"))
        return;
    struct span body = rest;
    span_cut(&body, ' ', &name);
    on_stream_request(w, name, span_from(body, 2));
}

static void on_send(struct world *w, struct span message)
{
    static const struct span separator = {" / ", 3};
    const char *end = memmem(message.at, message.len, separator.at, separator.len);
    struct span name = span_make(message.at, end ? (size_t)(end - message.at) : message.len);
    struct span body = end ? span_from(message, name.len + separator.len) : SPAN_EMPTY;
    if (span_is(name, "wsok") || span_is(name, "heartbeat"))
        return;
    if (!span_is(name, "control") && !span_is(name, "msg"))
        on_stream_request(w, name, body);
    else if (!w->oracle.session)
        on_farewell(w, body);
    else
        on_requests(w, body);
}

static struct span behind(const char *action)
{
    const char *body = strstr(action, " : ");
    return span_of(body ? body + 3 : "");
}

void oracle_action(struct world *w, const char *action)
{
    struct span rest = span_of(action), verb = SPAN_EMPTY;
    struct oracle *o = &w->oracle;
    span_cut(&rest, ' ', &verb);
    if (span_is(verb, "open")) {
        on_open(w, rest);
    } else if (span_is(verb, "send")) {
        on_send(w, behind(action));
    } else if (span_is(verb, "close")) {
        o->bound = o->bind_sent = false;
    } else if (span_is(verb, "control")) {
        must_be(w, !w->stream.websocket || !o->bound, "a POST beside a WebSocket", rest);
        on_requests(w, behind(action));
    } else if (span_is(verb, "farewell")) {
        on_farewell(w, behind(action));
    }
}

/* ---- at rest ---- */

/* Everything that is wanted is asked for as soon as it can be. */
static void check_asked(struct world *w)
{
    const struct oracle *o = &w->oracle;
    if (!o->bound || o->over || o->view != SESSION_CONNECTED || w->control.busy || w->held)
        return;
    LIST_EACH(link, &o->tables) {
        const struct told_table *t = table_of(link);
        if (t->split) {
            split_check_asked(w, t);
            continue;
        }
        bool asked = t->sub && !(t->sub->given_up && !t->sub->on);
        if (t->state == SESSION_TABLE_PENDING && !asked && !t->waits)
            world_fail(w, NULL, "table %s is not asked for", t->shape.name);
    }
}

static void check_asks(struct world *w)
{
    const struct oracle *o = &w->oracle;
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (o->asks[i].token && w->player.now > o->asks[i].by)
            world_fail(w, NULL, "answer %llu is not told in time", (unsigned long long)o->asks[i].token);
}

static void check_stale(struct world *w)
{
    LIST_EACH(link, &w->oracle.tables) {
        const struct told_table *t = table_of(link);
        if (t->state == SESSION_TABLE_ACTIVE && t->stale_ms && !w->held && !split_is_unsure(t) &&
            w->player.now >= t->heard_at + t->stale_ms)
            world_fail(w, NULL, "table %s is not told as stale", t->shape.name);
    }
}

void oracle_settled(struct world *w)
{
    struct oracle *o = &w->oracle;
    bool polls_between = o->polls && o->over;
    if (o->faulted && o->view == SESSION_CONNECTED && !polls_between)
        world_fail(w, NULL, "still connected, but without a stream");
    o->faulted = o->lasting = o->asked = false;
    check_asked(w);
}

/* At the latest a quarter of the time after it, once connected. */
static void check_retried(struct world *w)
{
    const struct oracle *o = &w->oracle;
    if (!o->bound || o->over || o->view != SESSION_CONNECTED || w->held)
        return;
    LIST_EACH(link, &o->tables) {
        const struct told_table *t = table_of(link);
        if (t->state == SESSION_TABLE_FAILED && t->retry_ms &&
            w->player.now > t->failed_at + t->retry_ms + t->retry_ms / 4 + 1)
            world_fail(w, NULL, "table %s is not tried again", t->shape.name);
    }
}

void oracle_at_rest(struct world *w)
{
    LIST_EACH(link, &w->oracle.tables)
        if (table_of(link)->split && !w->held)
            split_at_rest(w, table_of(link));
    check_retried(w);
    check_asks(w);
    check_stale(w);
    messages_at_rest(w);
}
