/* Outcomes that somebody waits for (session_await): each is told once, whatever happens to its table and its session. */
#include "proto/session_internal.h"

#include <stdio.h>

/* What a request grants comes on the stream, its REQOK perhaps beside it: so long one is waited for after the other. */
enum { GRANT_MS = 1000 };

bool session_await(struct session *s, uint64_t now, uint64_t token, const struct session_table *t)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (!s->asks[i].answer.token) {
            s->asks[i] = (struct session_ask){
                .table = t, .by = now + s->options.connect_ms, .answer = {.token = token}};
            return true;
        }
    return false;
}

static bool waits(const struct session_ask *ask, const struct session_table *t)
{
    return ask->answer.token && !ask->done && ask->table == t;
}

static void settle(struct session_ask *ask, const char *text, const int *code)
{
    ask->done = true;
    ask->answer.has_code = code != NULL;
    ask->answer.code = code ? *code : 0;
    snprintf(ask->answer.text, sizeof ask->answer.text, "%s", *text ? text : "refused without a reason");
}

/* The server took it: what it said last is what it granted. */
static void grant(const struct session *s, struct session_ask *ask)
{
    const char *text = ask->table ? ask->table->max_frequency : s->bandwidth;
    settle(ask, *text ? text : "accepted, but the server did not say what it granted", NULL);
    ask->answer.granted = *text;
}

void session_asks_sent(struct session *s, const struct session_table *t)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (waits(&s->asks[i], t)) {
            s->asks[i].sent = true;
            s->asks[i].accepted = s->asks[i].told = false;
        }
}

void session_asks_accepted(struct session *s, uint64_t now, const struct session_table *t)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++) {
        struct session_ask *ask = &s->asks[i];
        if (!waits(ask, t) || !ask->sent)
            continue;
        ask->accepted = true;
        if (ask->told)
            grant(s, ask);
        else if (ask->by > now + GRANT_MS)
            ask->by = now + GRANT_MS;
    }
}

void session_asks_told(struct session *s, const struct session_table *t)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++) {
        struct session_ask *ask = &s->asks[i];
        if (!waits(ask, t) || !ask->sent)
            continue;
        ask->told = true;
        if (ask->accepted)
            grant(s, ask);
    }
}

void session_asks_refused(struct session *s, const struct session_table *t, const char *text, const int *code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (waits(&s->asks[i], t) && (s->asks[i].sent || !code))
            settle(&s->asks[i], text, code);
}

void session_asks_lost(struct session *s, const char *text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (waits(&s->asks[i], s->asks[i].table))
            settle(&s->asks[i], text, NULL);
}

/* Accepted, but what is granted was not told again: it is what was granted before. */
static void give_up(const struct session *s, struct session_ask *ask)
{
    char text[64];
    snprintf(text, sizeof text, "no answer of the server within %llu ms",
             (unsigned long long)s->options.connect_ms);
    if (ask->accepted)
        grant(s, ask);
    else
        settle(ask, text, NULL);
}

void session_asks_tick(struct session *s, uint64_t now)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (waits(&s->asks[i], s->asks[i].table) && s->asks[i].by <= now)
            give_up(s, &s->asks[i]);
}

uint64_t session_asks_deadline(const struct session *s)
{
    uint64_t at = NEVER;
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (waits(&s->asks[i], s->asks[i].table) && s->asks[i].by < at)
            at = s->asks[i].by;
    return at;
}

bool session_next_answer(struct session *s, struct session_event *ret)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (s->asks[i].done) {
            s->answer = s->asks[i].answer;
            s->asks[i] = (struct session_ask){0};
            *ret = (struct session_event){.kind = SESSION_EVENT_ANSWER, .answer = &s->answer};
            return true;
        }
    return session_next_outcome(s, ret);
}

bool session_answers_wait(const struct session *s)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->asks); i++)
        if (s->asks[i].done)
            return true;
    return !list_empty(&s->outcomes);
}
