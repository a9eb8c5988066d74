/* What must come out: every line that was delivered has its effects, in its turn, and nothing else has any but time and the network. Lines are looked at one by
 * one, when the effects of those before were seen: so that what a line means is decided by all that came before it. */
#define _GNU_SOURCE
#include "world.h"

#include "../lib/must.h"

/* ---- the session's own messages ---- */

static const char *continuity_name(const struct oracle *o)
{
    static const char *const names[] = {NULL, "new", "preserved", "recovered", "replaced"};
    return names[o->owed ? o->owed : o->recover_by != NEVER ? SESSION_RECOVERED : SESSION_PRESERVED];
}

static void want_connected(struct world *w)
{
    struct oracle *o = &w->oracle;
    const char *id = o->session->id;
    oracle_want(w, "state connected ... %s id=%s%s", continuity_name(o), id + strlen(id) - 6,
                w->auto_transport ? "..." : "");
}

static void on_conok(struct world *w, const struct line *line)
{
    struct oracle *o = &w->oracle;
    o->bound = true;
    o->keepalive_ms = line->number ? line->number : 5000;
    if (o->bind == BIND_CREATE) {
        o->session = line->session;
        o->session->known = true;
        o->got = 0;
        o->last_sub_id = 0;
        o->odd = false;
        o->owed = o->had_session ? SESSION_REPLACED : SESSION_NEW;
        o->had_session = true;
    }
    if (o->bind != BIND_RECOVERY && !(o->bind == BIND_CREATE && o->settles) && o->view != SESSION_CONNECTED)
        want_connected(w);
}

static void on_prog(struct world *w, const struct line *line)
{
    struct oracle *o = &w->oracle;
    if (o->bind == BIND_RECOVERY && line->number <= o->got)
        return;
    oracle_want(w, "state connecting waiting ...(PROG)...");
    oracle_lose(w, "session lost");
}

/* What was asked before the connection broke and is not answered by now is asked again. */
static void doubt_all(struct world *w)
{
    for (size_t i = 0; i < w->server.n_subs; i++) {
        struct sub *sub = w->server.subs[i];
        sub->doubtful |= !sub->on || sub->delete_asked;
        sub->given_up |= !sub->on;
    }
    LIST_EACH(link, &w->server.requests)
        CONTAINER_OF(link, struct request, link)->doubtful = true;
}

static void on_loop(struct world *w, const struct line *line)
{
    struct oracle *o = &w->oracle;
    o->bind_at = w->player.now + line->number;
    o->over = o->clean = true;
    o->bound = false;
    o->loops++;
    if (o->bind == BIND_RECOVERY) {
        o->recover_by = w->player.now + w->options.recovery_ms;
        doubt_all(w);
    } else if (!(o->bind == BIND_CREATE && o->settles) && !w->stream.polls) {
        oracle_want(w, "state reconnecting ... : LOOP");
    }
}

/* PROTOCOL.md's table of codes. */
static enum { REFUSED, RETRY, ANEW, ASTRAY, DOWN } verdict_of(bool creating, bool end, int code)
{
    static const int refused[] = {1, 2, 11, 31, 35, 40, 64, 66, 67, 70};
    static const int anew[] = {4, 20, 41, 48, 32, 33, 34};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        if (code <= 0 || code == refused[i])
            return REFUSED;
    for (size_t i = 0; i < ARRAY_LENGTH(anew); i++)
        if (code == anew[i])
            return ANEW;
    if (code == 3 || code == 21)
        return ASTRAY;
    if (code == 60 || code == 65 || code == 71)
        return creating ? DOWN : REFUSED;
    return creating || end ? ANEW : RETRY;
}

static void lost_by_code(struct world *w, const struct line *line, bool refused)
{
    if (w->oracle.session)
        w->oracle.session->refused = true;
    oracle_want(w, "state %s... code=%d : ...", refused ? "disconnected refused" : "connecting waiting",
                line->code);
    oracle_lose(w, "session lost");
}

static void on_refusal(struct world *w, const struct line *line)
{
    struct oracle *o = &w->oracle;
    bool creating = !o->session;
    o->dead = true;
    switch (verdict_of(creating, line->kind == LINE_END, line->code)) {
    case RETRY:
        oracle_want(w, "state %s ... code=%d : ...", o->owed ? "connecting" : "reconnecting recovering",
                    line->code);
        break;
    case REFUSED: lost_by_code(w, line, true); break;
    case ANEW:
    case ASTRAY: lost_by_code(w, line, false); break;
    case DOWN:
        /* To the next older version; from the oldest it is refused, and begins with the newest again. */
        o->version = (o->version + 1) % VERSIONS;
        if (!o->version)
            lost_by_code(w, line, true);
        break;
    default: break;
    }
    o->bound = false;
}

/* ---- answers to requests ---- */

static void reconf_refused(struct world *w, const struct request *r, int code)
{
    struct told_table *t = r->sub ? r->sub->table : NULL;
    if (!t || t->reconf != r)
        return;
    char frequency[48];
    struct want *wanted = oracle_want(w, "table %s %s%s code=%d : ...", t->shape.name,
                                      oracle_state_name(t->state), oracle_frequency_text(t, frequency), code);
    wanted->effect = EFFECT_REFUSED;
    wanted->sub = r->sub;
    wanted->maybe = r->doubtful || w->player.now >= r->at + w->options.connect_ms;
}

/* Too late, and it is asked for once more. */
static void reconf_taken(struct world *w, const struct request *r)
{
    struct told_table *t = r->sub ? r->sub->table : NULL;
    bool late = r->doubtful || w->player.now >= r->at + w->options.connect_ms;
    if (t && t->reconf == r && !late)
        t->reconf = NULL;
}

static void add_refused(struct world *w, struct sub *sub, int code)
{
    struct told_table *t = sub->table;
    if (!t || sub->on)
        return;
    bool again = code == 66 || code == 68, split = t->shape.splits && !again;
    if (sub->item) {
        split_refused(w, sub, code, oracle_overdue(w, sub));
        return;
    }
    bool open = again || (split && t->shape.items > 1);
    struct want *wanted =
        oracle_want(w, "table %s %s... code=%d : ...", t->shape.name, open ? "pending" : "failed", code);
    wanted->effect = again ? EFFECT_WAITS : split ? EFFECT_SPLIT : EFFECT_FAILED;
    wanted->sub = sub;
    wanted->maybe = oracle_overdue(w, sub);
}

static void on_answer(struct world *w, const struct line *line)
{
    const struct request *r = line->request;
    struct oracle *o = &w->oracle;
    /* Of a session that is gone: nobody waits for it. */
    if (r->session != o->session)
        return;
    bool fine = line->kind == LINE_REQOK;
    if (!fine && (line->code == 20 || line->code == 11)) {
        lost_by_code(w, line, false);
    } else if (r->operation == OP_ADD) {
        if (!fine)
            add_refused(w, r->sub, line->code);
        else if (oracle_overdue(w, r->sub))
            r->sub->doubtful = true;
        else
            r->sub->asked_at = w->player.now;
    } else if (r->operation == OP_DELETE) {
        /* A SUBOK that comes all the same is answered by another. */
        if (!fine && r->sub)
            r->sub->delete_asked = false;
    } else if (r->operation == OP_RECONF) {
        if (!fine)
            reconf_refused(w, r, line->code);
        else
            reconf_taken(w, r);
    }
}

/* ---- lines ---- */

void oracle_line(struct world *w, const struct line *line)
{
    struct line copy = *line;
    copy.text = NULL;
    if (line->kind == LINE_CONOK)
        copy.number = w->stream.polls ? w->stream.idle_ms : w->stream.keepalive_ms;
    lines_push(&w->oracle.queue, &copy);
}

/* Looks at the next line. Returns whether there was one. */
static bool next_line(struct world *w)
{
    struct oracle *o = &w->oracle;
    if (o->queue.first == o->queue.n) {
        o->queue.first = o->queue.n = 0;
        return false;
    }
    struct line line = o->queue.at[o->queue.first++];
    if (o->dead)
        return true;
    switch (line.kind) {
    case LINE_CONOK: on_conok(w, &line); break;
    case LINE_CONERR:
    case LINE_END: on_refusal(w, &line); break;
    case LINE_PROG: on_prog(w, &line); break;
    case LINE_LOOP: on_loop(w, &line); break;
    case LINE_NOTE: oracle_note(w, &line); break;
    case LINE_REQOK:
    case LINE_REQERR: on_answer(w, &line); break;
    case LINE_ODD: o->odd = true; break;
    case LINE_BAD: oracle_bad(w); break;
    case LINE_NOTHING:
    default: break;
    }
    return true;
}

void oracle_heard(struct world *w)
{
    struct oracle *o = &w->oracle;
    o->heard_at = w->player.now;
    if (!o->stalled)
        return;
    o->stalled = false;
    oracle_want(w, "state connected ... preserved...");
}

/* ---- effects of what was seen ---- */

static void begin_table(struct world *w, struct sub *sub)
{
    struct told_table *t = sub->table;
    bool snapshot = t->shape.mode != TABLE_RAW && (t->shape.snapshot || t->shape.length);
    sub->on = true;
    t->state = SESSION_TABLE_ACTIVE;
    t->heard_at = w->player.now;
    for (size_t i = 0; i < t->shape.items; i++)
        t->items[i].in_snapshot = snapshot;
}

static void seen(struct world *w, const struct want *wanted)
{
    struct told_table *t = wanted->sub ? wanted->sub->table : NULL;
    switch (wanted->effect) {
    case EFFECT_ACTIVE: begin_table(w, wanted->sub); break;
    case EFFECT_FREQUENCY: snprintf(t->frequency, sizeof t->frequency, "%s", wanted->note->frequency); break;
    case EFFECT_REFUSED:
        t->reconf = NULL;
        if (!t->reconf_wanted)
            memcpy(t->wished, t->before, sizeof t->wished);
        break;
    case EFFECT_WAITS:
        oracle_drop_sub(t);
        t->waits = true;
        t->waits_since = w->player.now;
        break;
    case EFFECT_FAILED:
        oracle_forget_sub(t);
        t->frequency[0] = '\0';
        t->failed_at = w->player.now;
        t->state = SESSION_TABLE_FAILED;
        break;
    case EFFECT_SPLIT:
        oracle_forget_sub(t);
        split_begin(w, t);
        break;
    case EFFECT_MESSAGE:
        wanted->sub->unsure = t->parts[wanted->sub->item - 1].unsure = false;
        t->items[oracle_position(wanted->note) - 1].has_messages = true;
        t->heard_at = w->player.now;
        break;
    case EFFECT_BAD: oracle_lose(w, "session lost"); break;
    case EFFECT_SPLIT_STATE: /* the event says it */
    case EFFECT_NONE:
    default: break;
    }
}

/* It was given up before the server's word came. */
static void not_seen(const struct want *wanted)
{
    if ((wanted->effect == EFFECT_MESSAGE || wanted->effect == EFFECT_BAD) && wanted->sub->table) {
        /* It would have been the subscription's first. */
        oracle_void_item(&wanted->sub->table->items[wanted->sub->item - 1]);
        wanted->sub->table->parts[wanted->sub->item - 1].sub = NULL;
        wanted->sub->table = NULL;
    }
    if (wanted->effect == EFFECT_ACTIVE || wanted->effect == EFFECT_FAILED || wanted->effect == EFFECT_SPLIT)
        oracle_drop_sub(wanted->sub->table);
}

/* Which want may be EVENT: the first, or, when a session is lost, the first of any table. */
static size_t find_want(const struct oracle *o, const char *event)
{
    const struct told_table *before = NULL;
    for (size_t i = 0; i < o->n_wants; i++) {
        const struct want *wanted = &o->wants[i];
        if (i && (!wanted->lost || !o->wants[0].lost))
            break;
        if ((!i || wanted->lost != before) && player_match(wanted->text, event))
            return i;
        before = wanted->lost;
    }
    return SIZE_MAX;
}

static struct want pop(struct oracle *o, size_t at)
{
    struct want first = o->wants[at];
    memmove(o->wants + at, o->wants + at + 1, (--o->n_wants - at) * sizeof o->wants[0]);
    free(first.text);
    first.text = NULL;
    return first;
}

/* ---- events that no line explains ---- */

static void lose_in_time(struct world *w)
{
    struct oracle *o = &w->oracle;
    bool spent = w->player.now >= o->recover_by;
    if (!o->session)
        return;
    if (!o->lasting && !spent)
        world_fail(w, NULL, "the session is given up without a reason");
    oracle_lose(w, "session lost");
}

static bool silent_for(const struct world *w, uint64_t ms)
{
    return w->player.now >= w->oracle.heard_at + ms;
}

static bool unanswered(const struct world *w)
{
    return w->player.now >= w->oracle.asked_at + w->options.connect_ms;
}

/* Faults that the session was told, or that it must notice by itself. */
static bool has_fault(const struct world *w)
{
    const struct oracle *o = &w->oracle;
    const struct session_options *s = &w->options;
    if (o->faulted || o->asked)
        return true;
    if (o->bound && o->bind != BIND_RECOVERY)
        return silent_for(w, o->keepalive_ms + s->stalled_ms + s->reconnect_ms);
    return unanswered(w) && (!o->bound || silent_for(w, s->connect_ms));
}

static bool explained_state(struct world *w, const char *event)
{
    struct oracle *o = &w->oracle;
    const struct session_options *s = &w->options;
    if (player_match("state connected stalled...", event))
        return o->bound && !o->stalled && silent_for(w, o->keepalive_ms + s->stalled_ms);
    if (player_match("state reconnecting recovering...", event))
        return o->session && has_fault(w);
    if (player_match("state reconnecting ...", event))
        return w->auto_transport && o->session && has_fault(w);
    if (player_match("state connecting waiting...", event)) {
        bool fine = has_fault(w) || w->player.now >= o->recover_by;
        lose_in_time(w);
        return fine;
    }
    if (player_match("state connecting ...", event))
        return !o->session || o->owed;
    if (player_match("state disconnected refused...", event))
        return !o->session && o->lasting;
    /* The server streams where a poll was asked for. */
    bool streams = o->bound && o->bind == BIND_RECOVERY && !w->stream.polls && unanswered(w);
    char connected[40];
    snprintf(connected, sizeof connected, "state connected ... %s id=...", continuity_name(o));
    if (!streams || !player_match(connected, event))
        return false;
    doubt_all(w);
    o->bind = BIND_PLAIN;
    return true;
}

static bool explained_table(struct world *w, const char *event)
{
    struct span rest = span_of(event), word = SPAN_EMPTY, name = SPAN_EMPTY;
    span_cut(&rest, ' ', &word);
    span_cut(&rest, ' ', &name);
    struct told_table *t = oracle_table(w, name);
    if (!t || !span_is(word, "table"))
        return false;
    if (span_starts(rest, SPAN("stale")) && t->state == SESSION_TABLE_ACTIVE && t->stale_ms &&
        w->player.now >= t->heard_at + t->stale_ms) {
        t->state = SESSION_TABLE_STALE;
        return true;
    }
    if (span_starts(rest, SPAN("pending")) && t->state == SESSION_TABLE_FAILED && t->retry_ms &&
        w->player.now >= t->failed_at + t->retry_ms) {
        split_retried(t);
        t->state = SESSION_TABLE_PENDING;
        return true;
    }
    if (!t->split || !(split_is_unsure(t) || span_starts(rest, span_of(oracle_state_name(split_state(t))))))
        return false;
    split_seen_state(t, event);
    return true;
}

/* ---- events ---- */

static void on_state(struct world *w, const char *event)
{
    static const char *const names[] = {"state connecting ...", "state connected ...",
                                        "state reconnecting ...", "state disconnected ..."};
    struct oracle *o = &w->oracle;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (player_match(names[i], event))
            o->view = (enum session_state)i;
    o->stalled = player_match("state connected stalled...", event);
    o->waits = player_match("state connecting waiting...", event);
    o->refused = player_match("state disconnected refused...", event);
    if (o->view == SESSION_CONNECTED) {
        o->owed = SESSION_CONTINUITY_NONE;
        o->recover_by = NEVER;
    }
    /* One that was never told as connected is still connecting. */
    if (player_match("state reconnecting recovering...", event) || (o->session && strstr(event, " retry="))) {
        o->bound = o->stalled = false;
        if (o->recover_by == NEVER)
            o->recover_by = w->player.now + w->options.recovery_ms;
    }
}

static void on_answer_event(struct world *w, const char *event)
{
    struct oracle *o = &w->oracle;
    uint64_t token = strtoull(event + strlen("answer "), NULL, 10);
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (token && o->asks[i].token == token) {
            o->asks[i].token = 0;
            return;
        }
    if (!messages_event(w, token, event))
        world_fail(w, NULL, "an answer that nobody waits for: %s", event);
}

static void on_oddity(struct world *w, const char *event)
{
    struct oracle *o = &w->oracle;
    bool fine = o->odd;
    for (size_t i = o->queue.first; i < o->queue.n; i++)
        fine |= o->queue.at[i].kind == LINE_ODD;
    if (!fine)
        world_fail(w, NULL, "nothing was odd: %s", event);
}

void oracle_event(struct world *w, const char *event)
{
    struct oracle *o = &w->oracle;
    bool state = strncmp(event, "state ", 6) == 0;
    if (strncmp(event, "answer ", 7) == 0) {
        on_answer_event(w, event);
        return;
    }
    if (strncmp(event, "oddity ", 7) == 0) {
        on_oddity(w, event);
        return;
    }
    for (;;) {
        if (!o->n_wants) {
            if (next_line(w))
                continue;
            if (!(state ? explained_state(w, event) : explained_table(w, event)))
                world_fail(w, NULL, "nothing explains: %s", event);
            break;
        }
        size_t at = find_want(o, event);
        if (at == SIZE_MAX && !o->wants[0].maybe)
            world_fail(w, o->wants[0].text, "instead: %s", event);
        struct want wanted = pop(o, at == SIZE_MAX ? 0 : at);
        if (at != SIZE_MAX) {
            seen(w, &wanted);
            if (wanted.effect == EFFECT_SPLIT_STATE)
                split_seen_state(wanted.told, event);
            break;
        }
        not_seen(&wanted);
    }
    if (state)
        on_state(w, event);
}

void oracle_nothing_left(struct world *w)
{
    struct oracle *o = &w->oracle;
    for (;;) {
        if (!o->n_wants) {
            if (!next_line(w))
                return;
            continue;
        }
        if (!o->wants[0].maybe)
            world_fail(w, o->wants[0].text, "and it is missing");
        struct want wanted = pop(o, 0);
        not_seen(&wanted);
    }
}

void oracle_write_rest(struct world *w)
{
    struct oracle *o = &w->oracle;
    for (;;) {
        if (!o->n_wants) {
            if (!next_line(w))
                return;
            continue;
        }
        bool maybe = o->wants[0].maybe;
        if (!maybe)
            world_write(w, "> %s", o->wants[0].text);
        struct want wanted = pop(o, 0);
        if (!maybe)
            seen(w, &wanted);
        else
            not_seen(&wanted);
    }
}
