/* What steps.c and steps_user.c share: a session that is played, step by step. */
#pragma once

#include "world.h"

struct play {
    struct world world;
    struct random chance; /* of the step */
    unsigned n_tables;
};

static inline bool one_in(struct play *p, size_t n)
{
    return random_below(&p->chance, n) == 0;
}

static inline uint64_t ms_below(struct play *p, size_t n)
{
    return random_below(&p->chance, n);
}

/* NAME: of one that it takes the place of, or NULL. */
void user_add_table(struct play *p, const char *name);
void user_start(struct world *w);
void user_stop(struct world *w);
void user_hold(struct world *w, bool held, bool announce);

void step_add(struct play *p);
void step_remove(struct play *p);
void step_start_table(struct play *p);
void step_stale(struct play *p);
void step_reconf(struct play *p);
void step_constrain(struct play *p);
void step_send(struct play *p);
void step_rebind(struct play *p);
void step_stop(struct play *p);
void step_start(struct play *p);
void step_hold(struct play *p);
