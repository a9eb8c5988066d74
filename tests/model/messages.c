/* Messages to the server: how they are sent, what it makes of them, and what may be told of each. A message's text is "m" and its token, so that both sides
 * know which it is. */
#define _GNU_SOURCE
#include "world.h"

#include "../lib/must.h"

/* Those below are of outcomes that session_await() waits for. */
enum { FIRST_TOKEN = 1000000 };

static const char *const sequences[SEQUENCES] = {"A", "B_2"};

struct posted {
    size_t sequence; /* SEQUENCES: none */
    uint64_t by;
    struct served *session; /* that it was sent in */
    uint64_t prog;
    unsigned asked, received;
    bool answered;
    /* what the server said */
    bool processed, fails, skipped, refused;
    int code; /* of its refusal */
};

enum { FAIL_CODE = -7 };

static uint64_t token_of(size_t at)
{
    return FIRST_TOKEN + at;
}

static struct posted *find(struct world *w, uint64_t token)
{
    if (token < FIRST_TOKEN || token >= FIRST_TOKEN + w->n_posted)
        world_fail(w, NULL, "there is no message %llu", (unsigned long long)token);
    return &w->posted[token - FIRST_TOKEN];
}

/* ---- sending ---- */

void messages_send(struct world *w, size_t sequence, uint64_t timeout_ms)
{
    uint64_t token = token_of(w->n_posted);
    char text[24], name[24] = "";
    snprintf(text, sizeof text, "m%llu", (unsigned long long)token);
    if (sequence < SEQUENCES)
        snprintf(name, sizeof name, " sequence=%s", sequences[sequence]);
    w->posted = realloc(w->posted, (w->n_posted + 1) * sizeof w->posted[0]);
    MUST(w->posted);
    w->posted[w->n_posted++] = (struct posted){.sequence = sequence, .by = w->player.now + timeout_ms};
    const struct session_message message = {.token = token,
                                            .text = span_of(text),
                                            .sequence = sequence < SEQUENCES ? span_of(sequences[sequence])
                                                                             : SPAN_EMPTY,
                                            .max_wait_ms = SESSION_MAX_WAIT_UNSET,
                                            .timeout_ms = timeout_ms};
    world_write(w, "send %llu%s timeout=%llu : %s", (unsigned long long)token, name,
                (unsigned long long)timeout_ms, text);
    w->about_tables = true;
    MUST(session_send_message(w->player.session, w->player.now, &message) == 0);
}

/* ---- the request ---- */

void messages_asked(struct world *w, struct request *r, struct span line)
{
    struct span text = parameter(line, "LS_message");
    MUST(span_to_u64(span_from(text, 1), UINT64_MAX, &r->sub_id));
    struct posted *m = find(w, r->sub_id);
    uint64_t prog = 0;
    MUST(span_to_u64(parameter(line, "LS_msg_prog"), UINT64_MAX, &prog));
    if (m->answered)
        world_fail(w, NULL, "a message that was answered: %.*s", SPAN_ARG(line));
    if (m->asked++ && (m->sequence == SEQUENCES || m->session != r->session || m->prog != prog))
        world_fail(w, NULL, "a message that must not be sent again: %.*s", SPAN_ARG(line));
    m->session = r->session;
    m->prog = prog;
}

/* ---- what the server makes of it ---- */

static void say(struct world *w, struct served *session, const struct posted *m, bool done)
{
    const char *name = m->sequence < SEQUENCES ? sequences[m->sequence] : "*";
    unsigned long long prog = m->prog, token = token_of((size_t)(m - w->posted));
    if (done)
        server_message_note(session, "MSGDONE,%s,%llu,r%llu", name, prog, token);
    else
        server_message_note(session, "MSGFAIL,%s,%llu,%d,the%%20reason", name, prog, FAIL_CODE);
}

static void process(struct world *w, struct served *session, struct posted *m)
{
    if (m->processed)
        world_fail(w, NULL, "a message that is processed twice");
    m->processed = true;
    m->fails = random_below(&w->server.chance, 4) == 0;
    say(w, session, m, !m->fails);
}

/* Numbers that did not come are given up at once. */
static void skip(struct world *w, struct served *session, size_t sequence, uint64_t from, uint64_t to)
{
    unsigned long long n = to - from + 1, last = to;
    for (size_t i = 0; i < w->n_posted; i++) {
        struct posted *m = &w->posted[i];
        m->skipped |= m->session == session && m->sequence == sequence && m->prog >= from && m->prog <= to;
    }
    if (n == 1)
        server_message_note(session, "MSGFAIL,%s,%llu,38,skipped", sequences[sequence], last);
    else
        server_message_note(session, "MSGFAIL,%s,%llu,39,%llu", sequences[sequence], last, n);
}

static int refuse(struct posted *m, int code)
{
    m->refused = true;
    return m->code = code;
}

/* No reason to refuse it: whatever had its number first is told. */
static int is_double(struct world *w)
{
    return random_below(&w->server.chance, 2) ? 33 : 32;
}

int messages_execute(struct world *w, const struct request *r, int code)
{
    struct posted *m = find(w, r->sub_id);
    struct served *session = r->session;
    if (code)
        return refuse(m, code);
    m->received++;
    if (m->sequence == SEQUENCES) {
        if (m->received > 1)
            world_fail(w, NULL, "a message without a sequence that came twice");
        process(w, session, m);
        return 0;
    }
    uint64_t *done = &session->messages_done[m->sequence];
    if (m->prog <= *done)
        return is_double(w);
    if (m->prog > *done + 1)
        skip(w, session, m->sequence, *done + 1, m->prog - 1);
    *done = m->prog;
    /* In the order in which they were asked for. */
    if ((size_t)(m - w->posted) < session->message_last[m->sequence])
        world_fail(w, NULL, "a message that was overtaken");
    session->message_last[m->sequence] = (size_t)(m - w->posted);
    process(w, session, m);
    return 0;
}

/* ---- what is told ---- */

static bool may_be_done(const struct posted *m, uint64_t token, const char *outcome)
{
    char response[40];
    snprintf(response, sizeof response, "done : r%llu", (unsigned long long)token);
    return m->processed && !m->fails && strcmp(outcome, response) == 0;
}

static bool may_be_refused(const struct posted *m, const char *outcome)
{
    int code = 0;
    bool has_code = sscanf(outcome, "refused code=%d", &code) == 1;
    if (strstr(outcome, "the message was not sent"))
        return m->asked == 0;
    if (strstr(outcome, "the message's fate is unknown"))
        return m->asked > 0 && !has_code;
    return has_code && ((m->refused && m->code == code) || (m->fails && code == FAIL_CODE) ||
                        (m->skipped && (code == 38 || code == 39)));
}

bool messages_event(struct world *w, uint64_t token, const char *event)
{
    if (token < FIRST_TOKEN)
        return false;
    struct posted *m = find(w, token);
    const char *outcome = strchr(event + strlen("answer "), ' ');
    MUST(outcome++);
    if (m->answered || w->player.now > m->by)
        world_fail(w, NULL, "an answer twice, or too late: %s", event);
    m->answered = true;
    if (!may_be_done(m, token, outcome) && !may_be_refused(m, outcome))
        world_fail(w, NULL, "nothing explains: %s", event);
    return true;
}

bool messages_wait(const struct world *w)
{
    for (size_t i = 0; i < w->n_posted; i++)
        if (!w->posted[i].answered)
            return true;
    return false;
}

void messages_at_rest(struct world *w)
{
    for (size_t i = 0; i < w->n_posted; i++)
        if (!w->posted[i].answered && w->player.now >= w->posted[i].by)
            world_fail(w, NULL, "message %llu is not answered in time", (unsigned long long)token_of(i));
}
