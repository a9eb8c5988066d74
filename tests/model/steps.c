#define _GNU_SOURCE
#include "steps.h"

#include "steps_internal.h"

/* So long after the last trouble all is well again: back-offs, late answers and all. */
enum { HEAL_MS = 240000 };

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
        user_hold(&p->world, false, false);
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
        user_hold(w, false, false);
    for (uint64_t ms = 0; ms < HEAL_MS && what_is_wrong(w); ms += 500) {
        if (w->oracle.stopped || w->oracle.refused)
            user_start(w);
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
    user_add_table(&p, NULL);
    user_add_table(&p, NULL);
    user_start(w);
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
    user_stop(w);
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
