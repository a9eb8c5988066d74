#define _GNU_SOURCE
#include "steps.h"

#include "../lib/must.h"

enum {
    TABLES_MAX = 5,
    HEAL_MS = 240000, /* so long after the last trouble all is well again: back-offs, late answers and all */
};

struct play {
    struct world world;
    struct random chance; /* of the step */
    unsigned n_tables;
};

static bool one_in(struct play *p, size_t n)
{
    return random_below(&p->chance, n) == 0;
}

static uint64_t ms_below(struct play *p, size_t n)
{
    return random_below(&p->chance, n);
}

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
static void add_table(struct play *p, const char *name)
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
    t->stale_ms = one_in(p, 4) ? 300 + ms_below(p, 3000) : 0;
    t->heard_at = w->player.now;
    snprintf(t->wished, sizeof t->wished, "%s", one_in(p, 2) ? "" : one_in(p, 2) ? "unlimited" : "2");
    list_append(&w->oracle.tables, &t->link);
    bool silent = !name && one_in(p, 8);
    write_table(w, t, silent);
    tell_table(w, t, silent);
}

static void step_add(struct play *p)
{
    if (count_tables(&p->world) < TABLES_MAX)
        add_table(p, NULL);
}

static void step_remove(struct play *p)
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
        add_table(p, t->shape.name);
}

static void step_start_table(struct play *p)
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

static void step_stale(struct play *p)
{
    struct world *w = &p->world;
    struct told_table *t = any_table(p);
    if (!t)
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

static void step_reconf(struct play *p)
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

static void step_constrain(struct play *p)
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
static void step_send(struct play *p)
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

static void step_rebind(struct play *p)
{
    struct world *w = &p->world;
    world_write(w, "rebind");
    session_rebind(w->player.session);
    w->oracle.rebind_wanted |= w->oracle.view == SESSION_CONNECTED;
    world_settle(w);
}

/* ---- the session ---- */

static void start(struct world *w)
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

static void stop(struct world *w)
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

static void step_stop(struct play *p)
{
    stop(&p->world);
}

static void step_start(struct play *p)
{
    start(&p->world);
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

static void hold(struct world *w, bool held, bool announce)
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

static void step_hold(struct play *p)
{
    struct world *w = &p->world;
    if (w->held || one_in(p, 2)) {
        hold(w, !w->held, one_in(p, 2));
        return;
    }
    world_write(w, "hold next");
    w->player.hold_next = true;
}

/* ---- what the server says ---- */

static struct sub *any_sub(struct play *p)
{
    struct world *w = &p->world;
    struct sub *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < w->server.n_subs; i++) {
        struct sub *sub = w->server.subs[i];
        if (sub->session == w->server.current && sub->session->alive && sub->stage == SUB_ON &&
            one_in(p, ++n))
            found = sub;
    }
    return found;
}

static void step_updates(struct play *p)
{
    size_t n = 1 + random_below(&p->chance, 12);
    while (n--) {
        struct sub *sub = any_sub(p);
        if (!sub)
            return;
        server_update(sub, 1 + random_below(&p->chance, sub->shape->items), &p->chance);
        if (one_in(p, 3))
            server_pump(&p->world);
    }
    server_pump(&p->world);
}

static bool is_bound(const struct world *w)
{
    return w->stream.state == STREAM_OPEN && w->stream.session && !w->stream.ends;
}

static void step_filler(struct play *p)
{
    struct world *w = &p->world;
    if (!is_bound(w))
        return;
    switch (random_below(&p->chance, 5)) {
    case 0: server_say(w, LINE_NOTHING, 0, "SYNC,%zu", random_below(&p->chance, 100)); break;
    case 1: server_say(w, LINE_NOTHING, 0, "CONS,unlimited"); break;
    case 2: server_say(w, LINE_ODD, 0, "LOOPING,%zu", random_below(&p->chance, 100)); break;
    case 3: server_say(w, LINE_ODD, 0, "FUTURE,a,b"); break;
    default: server_say(w, LINE_NOTHING, 0, "%s", ""); break;
    }
}

static void step_loop(struct play *p)
{
    server_loop(&p->world, one_in(p, 2) ? 0 : ms_below(p, 800));
}

static void step_unsub(struct play *p)
{
    struct sub *sub = any_sub(p);
    if (!sub)
        return;
    server_unsubscribe(sub);
    server_pump(&p->world);
}

static void step_end(struct play *p)
{
    static const int codes[] = {4, 20, 41, 48, 32, 33, 34, 31, 35, 40, 0, -5, 7, 777};
    server_end(&p->world, codes[random_below(&p->chance, ARRAY_LENGTH(codes))]);
}

/* It forgets the session, and says so when it is asked. */
static void step_forget(struct play *p)
{
    struct world *w = &p->world;
    if (one_in(p, 2))
        w->troubles.forget = true;
    else if (w->server.current)
        w->server.current->alive = false;
}

/* Data that cannot be. */
static void bad_data(struct play *p, struct sub *sub)
{
    unsigned long long id = sub->id;
    size_t items = sub->shape->items, fields = sub->shape->fields;
    switch (random_below(&p->chance, 6)) {
    case 0: server_note(sub, NOTE_BAD, "U,%llu,0,a|b", id); break;
    case 1: server_note(sub, NOTE_BAD, "U,%llu,%zu,a|b", id, items + 1); break;
    case 2: server_note(sub, NOTE_BAD, "U,%llu,1,^%zu", id, sub->items[0].told ? fields + 1 : fields); break;
    case 3: server_note(sub, NOTE_BAD, "U,%llu,1,%%4|^%zu", id, fields - 1); break;
    case 4: server_note(sub, NOTE_BAD, "U,%llu,1,^X|^%zu", id, fields - 1); break;
    default: server_note(sub, NOTE_BAD, "EOS,%llu,%zu", id, items + 1); break;
    }
}

static void step_bad(struct play *p)
{
    static const char *const lines[] = {"PROG,x", "U,one,1,a|b", "LOOP,soon", "SUBOK,1"};
    struct world *w = &p->world;
    struct sub *sub = any_sub(p);
    if (!is_bound(w))
        return;
    if (sub && one_in(p, 2))
        bad_data(p, sub);
    server_pump(w);
    if (!sub || one_in(p, 2))
        server_say(w, LINE_BAD, 0, "%s", lines[random_below(&p->chance, ARRAY_LENGTH(lines))]);
}

/* ---- what goes wrong ---- */

static void step_cut(struct play *p)
{
    world_cut(&p->world, one_in(p, 2) ? 0 : ms_below(p, 120));
}

static void step_cut_next(struct play *p)
{
    p->world.troubles.cut_after = ms_below(p, one_in(p, 2) ? 60 : 400);
}

static void step_half_open(struct play *p)
{
    struct world *w = &p->world;
    if (w->stream.state == STREAM_OPEN && one_in(p, 2))
        w->stream.dead = true;
    else
        w->troubles.next_dead = true;
}

/* Nothing arrives for a while, then all of it. */
static void step_stall(struct play *p)
{
    struct world *w = &p->world;
    if (w->stream.state == STREAM_OPEN)
        w->stream.next_at = w->player.now + ms_below(p, 9000);
}

static void step_open(struct play *p)
{
    static const int fates[] = {FAILS_PASSING, FAILS_PASSING, FAILS_LASTING, FAILS_SILENT, HANGS, OPENS};
    struct troubles *t = &p->world.troubles;
    t->open = fates[random_below(&p->chance, ARRAY_LENGTH(fates))];
    t->open_ms = ms_below(p, 3000);
}

static void step_create_refused(struct play *p)
{
    static const int codes[] = {5, 7, 9, 2, 1, 65, 60, -3, 999, 20};
    struct troubles *t = &p->world.troubles;
    t->create_code = codes[random_below(&p->chance, ARRAY_LENGTH(codes))];
    t->creates = 1 + (unsigned)random_below(&p->chance, 3);
}

static void step_bind_refused(struct play *p)
{
    static const int codes[] = {5, 6, 10, 8, 20, 21, 4, 41, 31, 2, 888};
    p->world.troubles.bind_code = codes[random_below(&p->chance, ARRAY_LENGTH(codes))];
}

static void step_prog(struct play *p)
{
    struct troubles *t = &p->world.troubles;
    t->prog_high = one_in(p, 5);
    t->prog_less = ms_below(p, 30);
    t->streams_on = one_in(p, 4);
}

static void step_requests(struct play *p)
{
    static const int codes[] = {17, 21, -1, 66, 68, 20, 11, 13};
    struct troubles *t = &p->world.troubles;
    switch (random_below(&p->chance, 7)) {
    case 0: t->control_lost = true; break;
    case 1: t->control_ms = ms_below(p, 6000); break;
    case 2: t->silent_requests = 1 + (unsigned)random_below(&p->chance, 3); break;
    case 3: t->subok_ms = ms_below(p, 6000); break;
    case 4: t->odd_counts = true; break;
    case 5: t->odd_first = one_in(p, 2); break;
    default: t->request_code = codes[random_below(&p->chance, ARRAY_LENGTH(codes))]; break;
    }
}

static void step_credentials(struct play *p)
{
    p->world.troubles.credentials_fail = true;
}

static void step_wait(struct play *p)
{
    world_run(&p->world, one_in(p, 4) ? ms_below(p, 30000) : ms_below(p, 3000));
}

/* ---- playing ---- */

static const struct {
    unsigned weight;
    void (*play)(struct play *p);
} kinds[] = {
    {30, step_updates},     {6, step_add},    {4, step_remove},    {2, step_start_table},
    {2, step_stale},        {4, step_reconf}, {2, step_constrain}, {8, step_send},
    {2, step_rebind},       {1, step_stop},   {1, step_start},     {3, step_hold},
    {5, step_filler},       {6, step_loop},   {2, step_unsub},     {1, step_end},
    {1, step_forget},       {1, step_bad},    {10, step_cut},      {5, step_cut_next},
    {2, step_half_open},    {2, step_stall},  {3, step_open},      {1, step_create_refused},
    {2, step_bind_refused}, {5, step_prog},   {8, step_requests},  {1, step_credentials},
    {5, step_wait},
};

static void play_step(struct play *p, uint64_t seed)
{
    unsigned total = 0, at;
    size_t kind = 0;
    p->chance.state = seed;
    /* Amid the messages of one read nothing else happens. */
    if (p->world.player.holds)
        hold(&p->world, false, false);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        total += kinds[i].weight;
    for (at = (unsigned)random_below(&p->chance, total); at >= kinds[kind].weight; kind++)
        at -= kinds[kind].weight;
    kinds[kind].play(p);
    world_run(&p->world, one_in(p, 8) ? ms_below(p, 3000) : ms_below(p, 30));
}

/* Returns NULL, or what is not as it should be. */
static const char *what_is_wrong(const struct world *w)
{
    const struct oracle *o = &w->oracle;
    if (o->view != SESSION_CONNECTED || !o->session)
        return "it is not connected";
    if (o->got != o->session->n_notes)
        return "not everything arrived";
    if (messages_wait(w))
        return "a message is not answered";
    LIST_EACH(link, &o->tables)
        if (CONTAINER_OF(link, struct told_table, link)->state == SESSION_TABLE_PENDING)
            return "a table is pending";
    for (size_t i = 0; i < w->server.n_subs; i++) {
        const struct sub *sub = w->server.subs[i];
        bool wanted = sub->table != NULL, there = sub->stage == SUB_ON;
        if (sub->session == o->session && wanted != there)
            return there ? "the server has a subscription that nobody wants"
                         : "the server does not have a subscription that is wanted";
    }
    return NULL;
}

/* No more troubles: everything wanted is subscribed, everything sent has arrived, and the server has nothing that nobody wants. */
static void heal(struct play *p)
{
    struct world *w = &p->world;
    w->troubles = (struct troubles){.cut_after = NEVER};
    if (w->held || w->player.hold_next)
        hold(w, false, false);
    for (uint64_t ms = 0; ms < HEAL_MS && what_is_wrong(w); ms += 500) {
        if (w->oracle.stopped || w->oracle.refused)
            start(w);
        world_run(w, 500);
    }
    if (what_is_wrong(w))
        world_fail(w, NULL, "long after the last trouble, %s", what_is_wrong(w));
}

size_t steps_play(uint64_t seed, const bool *without, FILE *story)
{
    struct play p = {.chance = {seed | 1}};
    struct world *w = &p.world;
    size_t n = 8 + random_below(&p.chance, STEPS_MAX - 8);
    struct random seeds = {random_next(&p.chance)};
    world_init(w, random_next(&p.chance), story);
    add_table(&p, NULL);
    add_table(&p, NULL);
    start(w);
    for (size_t i = 0; i < n; i++) {
        uint64_t own = random_next(&seeds);
        if (!without || !without[i])
            play_step(&p, own);
    }
    heal(&p);
    p.chance.state = seed | 1;
    step_updates(&p);
    world_run(w, 2000);
    heal(&p);
    stop(w);
    world_run(w, 1000);
    LIST_EACH(link, &w->server.sessions) {
        const struct served *session = CONTAINER_OF(link, struct served, link);
        if (session->known && session->alive && !session->refused)
            world_fail(w, NULL, "session %s was left behind on the server", session->id);
    }
    if (session_deadline(w->player.session) != NEVER)
        world_fail(w, NULL, "stopped, but it waits for a time");
    world_done(w);
    return n;
}
