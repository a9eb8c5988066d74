/* What whoever uses the session does: tables, wishes, starts, stops, holds. */
#include "steps_internal.h"

#include "../lib/must.h"

enum { TABLES_MAX = 5 };

/* ---- tables ---- */

static size_t count_tables(const struct world *w)
{
    size_t n = 0;
    LIST_EACH(link, &w->oracle.tables)
        n++;
    return n;
}

static struct told_table *any_table(struct play *p)
{
    struct world *w = &p->world;
    size_t n = count_tables(w), at = n ? random_below(&p->chance, n) : 0;
    LIST_EACH(link, &w->oracle.tables)
        if (n && at-- == 0)
            return CONTAINER_OF(link, struct told_table, link);
    return NULL;
}

static struct session_table *real_table(struct world *w, const struct told_table *t)
{
    struct session_table *real = player_table(&w->player, span_of(t->shape.name));
    MUST(real);
    return real;
}

static void make_shape(struct play *p, struct shape *s)
{
    s->mode = (enum table_mode)random_below(&p->chance, 4);
    s->items = 1 + random_below(&p->chance, ITEMS_MAX);
    s->fields = 2 + random_below(&p->chance, FIELDS_MAX - 1);
    s->key = 1 + random_below(&p->chance, s->fields);
    s->command = 1 + (s->key + random_below(&p->chance, s->fields - 1)) % s->fields;
    s->snapshot = s->mode != TABLE_RAW && !one_in(p, 3);
    s->length = s->mode == TABLE_DISTINCT && one_in(p, 3) ? 10 : 0;
    s->counted = !one_in(p, 3);
    s->splits = s->counted && one_in(p, 4);
}

static void write_table(struct world *w, const struct told_table *t, bool silent)
{
    static const char *const modes[] = {"MERGE", "DISTINCT", "COMMAND", "RAW"};
    const struct shape *s = &t->shape;
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    buf_printf(&out, "table %s %s", s->name, modes[s->mode]);
    if (s->counted)
        buf_printf(&out, " items=%zu fields=%zu", s->items, s->fields);
    if (s->snapshot)
        buf_add_text(&out, " snapshot");
    if (s->length)
        buf_printf(&out, " length=%llu", (unsigned long long)s->length);
    if (*t->wished)
        buf_printf(&out, " frequency=%s", t->wished);
    buf_printf(&out, " retry=%llu stale=%llu%s", (unsigned long long)t->retry_ms,
               (unsigned long long)t->stale_ms, silent ? " silent" : "");
    for (size_t i = 1; s->splits && i <= s->items; i++)
        buf_printf(&out, "%s%s.%zu", i == 1 ? " split=" : ",", s->name, i);
    world_write_table(w, "%s", buf_text(&out));
}

static void tell_table(struct world *w, struct told_table *t, bool silent)
{
    const struct shape *s = &t->shape;
    struct table_options options = {
        .name = s->name,
        .mode = s->mode,
        .group = s->name,
        .schema = "s",
        .n_items = s->counted ? s->items : 0,
        .n_fields = s->counted ? s->fields : 0,
        .snapshot = s->snapshot,
        .snapshot_length = s->length,
        .max_frequency = *t->wished ? t->wished : NULL,
    };
    struct session_table *real = player_add_table(&w->player, &options, t->retry_ms);
    char names[ITEMS_MAX][24];
    const char *list[ITEMS_MAX];
    for (size_t i = 0; i < s->items; i++) {
        snprintf(names[i], sizeof names[i], "%s.%zu", s->name, i + 1);
        list[i] = names[i];
    }
    if (s->splits)
        MUST(session_split_on_error(real, list) == 0);
    if (silent)
        session_silence_table(w->player.session, real);
    session_set_stale(w->player.session, w->player.now, real, t->stale_ms);
    t->state = silent ? SESSION_TABLE_SILENT : SESSION_TABLE_PENDING;
    oracle_want(w, "table %s %s", s->name, oracle_state_name(t->state));
    world_settle(w);
}

/* NAME: of one that it takes the place of, or NULL. */
void user_add_table(struct play *p, const char *name)
{
    struct world *w = &p->world;
    struct told_table *t = calloc(1, sizeof *t);
    MUST(t);
    make_shape(p, &t->shape);
    if (name)
        snprintf(t->shape.name, sizeof t->shape.name, "%s", name);
    else
        snprintf(t->shape.name, sizeof t->shape.name, "t%u", ++p->n_tables);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        list_init(&t->items[i].rows);
    t->retry_ms = one_in(p, 3) ? 0 : 1000 + ms_below(p, 5000);
    /* When one in parts was heard last is not known where an answer came late. */
    t->stale_ms = one_in(p, 4) && !t->shape.splits ? 300 + ms_below(p, 3000) : 0;
    t->heard_at = w->player.now;
    snprintf(t->wished, sizeof t->wished, "%s", one_in(p, 2) ? "" : one_in(p, 2) ? "unlimited" : "2");
    list_append(&w->oracle.tables, &t->link);
    bool silent = !name && one_in(p, 8);
    write_table(w, t, silent);
    tell_table(w, t, silent);
}

void step_add(struct play *p)
{
    if (count_tables(&p->world) < TABLES_MAX)
        user_add_table(p, NULL);
}

void step_remove(struct play *p)
{
    struct world *w = &p->world;
    struct told_table *t = any_table(p);
    bool replaced = one_in(p, 3);
    if (!t)
        return;
    world_write_table(w, "remove %s%s", t->shape.name, replaced ? " replaced" : "");
    session_remove_table(w->player.session, w->player.now, real_table(w, t), replaced);
    oracle_gaps(w, t, replaced ? "table subscribed anew" : "table deleted");
    oracle_want(w, "table %s deleted%s...", t->shape.name, replaced ? " replaced" : "");
    if (t->sub)
        t->sub->table = NULL;
    split_forget(t);
    list_remove(&t->link);
    list_append(&w->oracle.gone, &t->link);
    world_settle(w);
    if (replaced)
        user_add_table(p, t->shape.name);
}

void step_start_table(struct play *p)
{
    struct world *w = &p->world;
    struct told_table *t = any_table(p);
    if (!t)
        return;
    world_write_table(w, "start-table %s", t->shape.name);
    session_start_table(w->player.session, real_table(w, t));
    if (t->split)
        split_started(w, t);
    else if (t->state == SESSION_TABLE_SILENT || t->state == SESSION_TABLE_FAILED) {
        t->state = SESSION_TABLE_PENDING;
        oracle_want(w, "table %s pending", t->shape.name);
    }
    if (t->state == SESSION_TABLE_PENDING)
        t->waits = false;
    world_settle(w);
}

void step_stale(struct play *p)
{
    struct world *w = &p->world;
    struct told_table *t = any_table(p);
    if (!t || t->shape.splits)
        return;
    t->stale_ms = one_in(p, 3) ? 0 : 200 + ms_below(p, 4000);
    world_write_table(w, "stale %s %llu", t->shape.name, (unsigned long long)t->stale_ms);
    session_set_stale(w->player.session, w->player.now, real_table(w, t), t->stale_ms);
    uint64_t silent = (w->held ? w->hold_since : w->player.now) - t->heard_at;
    if (t->state == SESSION_TABLE_STALE && (!t->stale_ms || silent < t->stale_ms)) {
        t->state = SESSION_TABLE_ACTIVE;
        oracle_want(w, "table %s active...", t->shape.name);
    }
    world_settle(w);
}

/* ---- wishes ---- */

static void ask_outcome(struct play *p, const struct told_table *t)
{
    struct world *w = &p->world;
    struct oracle *o = &w->oracle;
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (o->asks[i].token)
            continue;
        uint64_t token = ++o->last_token;
        o->asks[i].token = token;
        o->asks[i].by = w->player.now + w->options.connect_ms;
        world_write(w, "await %llu%s%s", (unsigned long long)token, t ? " " : "", t ? t->shape.name : "");
        MUST(session_await(w->player.session, w->player.now, token, t ? real_table(w, t) : NULL));
        return;
    }
}

void step_reconf(struct play *p)
{
    static const char *const frequencies[] = {"1", "2.5", "unlimited", "3"};
    struct world *w = &p->world;
    struct told_table *t = any_table(p);
    if (!t || t->split)
        return;
    const char *frequency = frequencies[random_below(&p->chance, ARRAY_LENGTH(frequencies))];
    if (w->about_tables)
        world_write(w, "wait 0");
    if (t->sub && w->oracle.view == SESSION_CONNECTED && one_in(p, 2))
        ask_outcome(p, t);
    world_write(w, "reconf %s %s", t->shape.name, frequency);
    w->about_tables = true;
    MUST(session_reconf(w->player.session, w->player.now, real_table(w, t), frequency) == 0);
    if (!t->reconf && !t->reconf_wanted)
        memcpy(t->before, t->wished, sizeof t->before);
    snprintf(t->wished, sizeof t->wished, "%s", frequency);
    t->reconf_wanted = t->reconf_wanted || t->sub;
    world_settle(w);
}

void step_constrain(struct play *p)
{
    struct world *w = &p->world;
    if (w->oracle.view != SESSION_CONNECTED)
        return;
    if (w->about_tables)
        world_write(w, "wait 0");
    if (one_in(p, 2))
        ask_outcome(p, NULL);
    world_write(w, "constrain 50");
    w->about_tables = true;
    MUST(session_constrain(w->player.session, "50") == 0);
    w->oracle.constrain_wanted = true;
    world_settle(w);
}

/* Several at a time go out together. Most have time enough for a recovery. */
void step_send(struct play *p)
{
    struct world *w = &p->world;
    size_t n = 1 + random_below(&p->chance, 4);
    if (w->oracle.stopped || w->oracle.view == SESSION_DISCONNECTED)
        return;
    if (w->about_tables)
        world_write(w, "wait 0");
    while (n--)
        messages_send(w, random_below(&p->chance, SEQUENCES + 1),
                      one_in(p, 3) ? 1 + ms_below(p, 2000) : 5000 + ms_below(p, 20000));
    world_settle(w);
}

void step_rebind(struct play *p)
{
    struct world *w = &p->world;
    world_write(w, "rebind");
    session_rebind(w->player.session);
    w->oracle.rebind_wanted |= w->oracle.view == SESSION_CONNECTED;
    world_settle(w);
}

/* ---- the session ---- */

void user_start(struct world *w)
{
    struct oracle *o = &w->oracle;
    world_write(w, "start");
    if (o->stopped)
        o->had_session = false;
    bool idle = o->stopped || o->refused || (!o->session && o->waits);
    session_start(w->player.session, w->player.now);
    if (idle)
        oracle_want(w, "state connecting ...");
    o->stopped = false;
    world_settle(w);
}

void user_stop(struct world *w)
{
    struct oracle *o = &w->oracle;
    world_write(w, "stop asked for");
    session_stop(w->player.session, w->player.now, "asked for", "session disconnected");
    if (!o->stopped) {
        oracle_want(w, "state disconnected stopped : asked for");
        oracle_lose(w, "session disconnected");
    }
    o->stopped = true;
    w->ask_at = NEVER;
    world_settle(w);
    if (messages_wait(w))
        world_fail(w, NULL, "stopped, and a message is not answered");
}

void step_stop(struct play *p)
{
    user_stop(&p->world);
}

void step_start(struct play *p)
{
    user_start(&p->world);
}

static void stood(const struct world *w, uint64_t *at, uint64_t ms)
{
    if (*at <= w->hold_since)
        *at += ms;
}

/* Nothing was read for so long: nothing is late because of it. */
static void clocks_stood(struct world *w, uint64_t ms)
{
    struct oracle *o = &w->oracle;
    stood(w, &o->heard_at, ms);
    stood(w, &o->asked_at, ms);
    o->recover_by += o->recover_by != NEVER ? ms : 0;
    LIST_EACH(link, &o->tables)
        stood(w, &CONTAINER_OF(link, struct told_table, link)->heard_at, ms);
    for (size_t i = 0; i < w->server.n_subs; i++)
        stood(w, &w->server.subs[i]->asked_at, ms);
    LIST_EACH(link, &w->server.requests)
        stood(w, &CONTAINER_OF(link, struct request, link)->at, ms);
}

void user_hold(struct world *w, bool held, bool announce)
{
    struct oracle *o = &w->oracle;
    world_write(w, "hold %s%s", held ? "on" : "off", announce ? " announce" : "");
    if (held && !w->held)
        w->hold_since = w->player.now;
    if (!held && w->held)
        clocks_stood(w, w->player.now - w->hold_since);
    bool told = o->held_told;
    o->held_told = held && announce;
    w->held = held;
    if (held)
        session_hold(w->player.session, w->player.now, held, announce);
    else
        player_release(&w->player, announce);
    if (o->view == SESSION_CONNECTED && told != o->held_told) {
        oracle_want(w, "state connected %s... preserved...", o->held_told ? "held" : "");
        o->stalled = o->stalled && !o->held_told;
    }
    world_settle(w);
}

void step_hold(struct play *p)
{
    struct world *w = &p->world;
    if (w->held || one_in(p, 2)) {
        user_hold(w, !w->held, one_in(p, 2));
        return;
    }
    world_write(w, "hold next");
    w->player.hold_next = true;
}
