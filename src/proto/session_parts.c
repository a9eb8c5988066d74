/* What has subscriptions (parts), and the subscriptions themselves: found by id, by request and by time, never looked for one by one. */
#include "proto/session_internal.h"

#include <errno.h>

/* ---- parts ---- */

void session_part_init(struct session *s, struct session_part *p, struct session_table *t,
                       enum session_part_kind kind, size_t item)
{
    s->n_parts++;
    p->table = t;
    p->kind = kind;
    p->item = item;
    p->retry = (struct timer)TIMER_INIT;
    list_init(&p->ask_link);
}

void session_part_done(struct session *s, struct session_part *p)
{
    session_part_reset(s, p);
    s->n_parts--;
}

void session_part_ask(struct session *s, struct session_part *p)
{
    struct session_table *t = p->table;
    if (list_empty(&p->ask_link))
        list_append(p->kind == PART_WHOLE ? &t->asking : &t->asking_many, &p->ask_link);
    s->requests_wait = true;
}

void session_part_now(struct session *s, struct session_part *p)
{
    timers_set(&s->retries, &p->retry, TIMER_OFF);
    p->retries = 0;
    session_part_ask(s, p);
}

/* One that is not asked for yet takes the new frequency along; one that is not active yet asks for it then. */
void session_part_reconf(struct session *s, struct session_part *p)
{
    if (!p->sub)
        return;
    if (p->reconf == PART_RECONF_NONE && p->kind != PART_KEY)
        p->table->reconfs++;
    p->reconf = PART_RECONF_WANTED;
    if (p->sub->stage == SUB_ACTIVE)
        session_part_ask(s, p);
}

void session_part_start(struct session *s, struct session_part *p)
{
    p->start = PART_START_WANTED;
    if (p->sub && p->sub->stage == SUB_ACTIVE)
        session_part_ask(s, p);
}

void session_part_forget_reconf(struct session_part *p)
{
    if (p->reconf != PART_RECONF_NONE && p->kind != PART_KEY)
        p->table->reconfs--;
    p->reconf = PART_RECONF_NONE;
}

void session_part_reset(struct session *s, struct session_part *p)
{
    list_remove(&p->ask_link);
    timers_set(&s->retries, &p->retry, TIMER_OFF);
    p->retries = 0;
    session_part_forget_reconf(p);
    p->start = PART_START_NONE;
    if (p->sub)
        session_sub_drop(s, p->sub);
}

/* ---- subscriptions ---- */

int session_sub_new(struct session *s, uint64_t id, struct session_part *part, struct subscription **ret)
{
    size_t n = s->by_id.count + 1;
    if (idmap_reserve(&s->by_id, n) < 0 || idmap_reserve(&s->requests, n) < 0 ||
        timers_reserve(&s->answers, n) < 0)
        return -ENOMEM;
    struct subscription *sub = calloc(1, sizeof *sub);
    if (!sub)
        return -ENOMEM;
    *sub = (struct subscription){.id = id, .part = part, .answer = TIMER_INIT};
    list_init(&sub->drop_link);
    list_append(&s->subs, &sub->link);
    idmap_add(&s->by_id, id, sub);
    if (part)
        part->sub = sub;
    sub->one_of_many = part && part->kind != PART_WHOLE;
    sub->second = part && part->kind == PART_KEY;
    s->n_second += sub->second;
    *ret = sub;
    return 0;
}

void session_sub_free(struct session *s, struct subscription *sub)
{
    session_sub_answered(s, sub);
    if (sub->part)
        sub->part->sub = NULL;
    list_remove(&sub->link);
    list_remove(&sub->drop_link);
    idmap_remove(&s->by_id, sub->id);
    /* There is room for another. */
    if (sub->second && s->n_second-- == LIMIT_SECOND_LEVELS)
        s->requests_wait = true;
    free(sub);
}

void session_sub_drop(struct session *s, struct subscription *sub)
{
    session_sub_answered(s, sub);
    if (sub->part)
        sub->part->sub = NULL;
    sub->part = NULL;
    sub->stage = SUB_DROP;
    if (list_empty(&sub->drop_link))
        list_append(sub->one_of_many ? &s->dropping_many : &s->dropping, &sub->drop_link);
    s->requests_wait = true;
}

void session_sub_asked(struct session *s, struct subscription *sub, uint64_t by)
{
    session_sub_answered(s, sub);
    sub->request_id = s->last_request_id;
    idmap_add(&s->requests, sub->request_id, sub);
    timers_set(&s->answers, &sub->answer, by);
}

void session_sub_answered(struct session *s, struct subscription *sub)
{
    if (sub->request_id)
        idmap_remove(&s->requests, sub->request_id);
    sub->request_id = 0;
    timers_set(&s->answers, &sub->answer, TIMER_OFF);
    if (s->many_wait && s->answers.n <= LIMIT_MANY_ASKED / 2) {
        s->many_wait = false;
        s->requests_wait = true;
    }
}

void session_forget_subs(struct session *s)
{
    while (!list_empty(&s->subs))
        session_sub_free(s, CONTAINER_OF(s->subs.next, struct subscription, link));
    s->last_sub_id = 0;
}
