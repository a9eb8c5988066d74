#include "sim/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "sim/adapter.h"
#include "sim/conn.h"
#include "sim/dialect.h"
#include "sim/fault.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"

/* How long a message waits for the ones before it, unless LS_max_wait says less. */
#define MAX_WAIT_MS 5000

struct message {
    struct list link;
    struct session *session;
    struct sequence *sequence; /* NULL: it is in none */
    struct text *name;         /* owned: then what its outcome says in place of one, or NULL */
    struct text *content;
    uint64_t prog; /* 0: none was given */
    bool outcome;
    uint64_t until_us;      /* when the ones before it are given up */
    sd_event_source *timer; /* while it is being processed for longer than a moment */
};

struct sequence {
    struct list link; /* in the session's */
    struct session *session;
    struct text *name;
    uint64_t done;           /* the last number that was taken up or given up */
    struct message *present; /* owned: the one that is being processed */
    struct list waiting;     /* of struct message, by number */
    size_t n_waiting;
    sd_event_source *timer;
};

static void free_message(struct message *m)
{
    list_remove(&m->link);
    sd_event_source_disable_unref(m->timer);
    text_unref(m->content);
    text_unref(m->name);
    free(m);
}

static void free_messages(struct list *messages)
{
    LIST_EACH_SAFE(link, messages)
        free_message(CONTAINER_OF(link, struct message, link));
}

void message_free_all(struct session *s)
{
    free_messages(&s->messages);
    LIST_EACH_SAFE(link, &s->sequences) {
        struct sequence *q = CONTAINER_OF(link, struct sequence, link);

        free_messages(&q->waiting);
        if (q->present)
            free_message(q->present);
        list_remove(&q->link);
        sd_event_source_disable_unref(q->timer);
        text_unref(q->name);
        free(q);
    }
}

/* Appends MSGDONE (CODE 0) or MSGFAIL. */
static void note(struct session *s, const struct text *sequence, uint64_t prog, int code, struct span text)
{
    AUTO_BUF struct buf line = BUF_INIT(CONN_MAX_INPUT);
    AUTO_BUF struct buf event = BUF_INIT(CONN_MAX_INPUT);
    struct span name = sequence ? text_span(sequence) : SPAN("*");
    char *made = NULL;

    /* Before 2.5.0 success had no words. */
    if (code == 0 && s->version > 0 && s->version < 250)
        text = SPAN_EMPTY;
    else if (!text.at)
        text = span_make("", 0);
    s->dialect->outcome(&line, name, prog, code, text);
    if (session_event(s, &event, code == 0 ? "msgdone" : "msgfail")) {
        json_text(&event, "sequence", name);
        json_count(&event, "prog", prog);
        if (code != 0)
            json_number(&event, "code", code);
        json_text(&event, "text", text);
        made = session_event_end(&event);
    }
    session_note(s, buf_span(&line), made);
}

static void say_in_chat(struct session *s, const struct adapter *chat, struct span text)
{
    struct update u;
    struct timespec now;
    uint64_t ms;

    clock_gettime(CLOCK_REALTIME, &now);
    ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    update_begin(&u, feed_item(s->sim, chat, SPAN("chat_room")));
    update_set(&u, SPAN("raw_timestamp"), text_printf("%" PRIu64, ms));
    update_set_text(&u, "IP", s->conn ? s->conn->peer : "127.0.0.1");
    update_set(&u, SPAN("message"), text_new(text));
    update_publish(&u);
}

/* What the metadata adapter makes of a message: chat lines go to the room; "fail:CODE:TEXT" fails; any other is
 * answered with itself. Returns the code, 0 for success, with *RET_TEXT, a part of TEXT. */
static int elaborate(struct session *s, struct span text, struct span *ret_text)
{
    struct span rest = text, word = SPAN_EMPTY, code_text = SPAN_EMPTY;
    const struct adapter *chat = adapter_of_item(span_of(s->adapter_set), SPAN_EMPTY, SPAN("chat_room"));
    int code = 0;

    if (chat && chat->fields && span_starts(text, SPAN("CHAT|"))) {
        say_in_chat(s, chat, span_from(text, 5));
        text = SPAN_EMPTY;
    } else if (span_starts(text, SPAN("fail:"))) {
        span_cut(&rest, ':', &word);
        span_cut(&rest, ':', &code_text);
        code = span_to_int(code_text, &code) && code != 0 ? code : -1;
        text = rest;
    }
    *ret_text = text;
    return code;
}

/* What the script wants to become of a message: false where that is nothing special, else the code and text of its
 * outcome. */
static bool decree(const struct message_rule *rule, int *ret_code, struct span *ret_text)
{
    if (!rule || (rule->fate != MESSAGE_DONE && rule->fate != MESSAGE_FAIL))
        return false;
    *ret_code = rule->fate == MESSAGE_FAIL ? rule->code : 0;
    *ret_text = rule->text ? span_of(rule->text) : SPAN_EMPTY;
    return true;
}

int message_now(struct session *s, struct span content, struct buf *ret_text)
{
    struct span text;
    int code;

    if (!decree(faults_message(&s->sim->faults, content), &code, &text))
        code = elaborate(s, content, &text);
    buf_add_span(ret_text, text);
    return code;
}

/* The outcome, by the script's rule if there is one; frees M. */
static void finish(struct message *m)
{
    const struct message_rule *rule = faults_message(&m->session->sim->faults, text_span(m->content));
    struct span text;
    int code = 38;

    if (rule && rule->fate == MESSAGE_SKIP)
        text = SPAN("Skipped by timeout");
    else if (!decree(rule, &code, &text))
        code = elaborate(m->session, text_span(m->content), &text);
    if (m->outcome && !(rule && rule->fate == MESSAGE_SWALLOW))
        note(m->session, m->sequence ? m->sequence->name : m->name, m->prog, code, text);
    if (m->sequence)
        m->sequence->present = NULL;
    free_message(m);
}

static void advance(struct sequence *q, uint64_t now);

static int on_processed(sd_event_source *source, uint64_t now, void *data)
{
    struct message *m = data;
    struct sequence *q = m->sequence;

    (void)source;
    finish(m);
    if (q)
        advance(q, now);
    return 0;
}

/* Begins to process M, which is in no list. It may be over at once. */
static void begin(struct message *m, uint64_t late_ms)
{
    if (m->sequence)
        m->sequence->present = m;
    else
        list_append(&m->session->messages, &m->link);
    if (late_ms > 0)
        sim_timer(m->session->sim, &m->timer, sim_now_us(m->session->sim) + late_ms * 1000, on_processed, m);
    else
        finish(m);
}

static struct sequence *sequence_of(struct session *s, struct span name)
{
    struct sequence *q;

    LIST_EACH(link, &s->sequences) {
        q = CONTAINER_OF(link, struct sequence, link);
        if (span_equal(text_span(q->name), name))
            return q;
    }
    q = memory_get(sizeof(*q));
    q->session = s;
    q->name = text_new(name);
    list_init(&q->waiting);
    list_append(&s->sequences, &q->link);
    return q;
}

static int on_wait_over(sd_event_source *source, uint64_t now, void *data);

static uint64_t late_ms_of(const struct message_rule *rule)
{
    return rule ? rule->late_ms : 0;
}

/* Processes what is next in number, and at NOW gives up what too long did not come. */
static void advance(struct sequence *q, uint64_t now)
{
    struct list *first;

    while (!q->present && (first = list_first(&q->waiting))) {
        struct message *m = CONTAINER_OF(first, struct message, link);
        uint64_t missing = m->prog - q->done - 1;
        char count[24];

        if (missing > 0 && m->until_us > now) {
            sim_timer(q->session->sim, &q->timer, m->until_us, on_wait_over, q);
            return;
        }
        snprintf(count, sizeof(count), "%" PRIu64, missing);
        if (missing == 1)
            note(q->session, q->name, m->prog - 1, 38, SPAN("Skipped by timeout"));
        else if (missing > 1)
            note(q->session, q->name, m->prog - 1, 39, span_of(count));
        q->done = m->prog;
        list_remove(&m->link);
        q->n_waiting--;
        begin(m, late_ms_of(faults_message(&q->session->sim->faults, text_span(m->content))));
    }
}

static int on_wait_over(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    advance(data, now);
    return 0;
}

/* Puts M among those that wait, by its number. Returns 0, or 33 for a number that is there already. */
static int enqueue(struct sequence *q, struct message *m)
{
    struct list *before = &q->waiting;

    LIST_EACH(link, &q->waiting) {
        uint64_t prog = CONTAINER_OF(link, struct message, link)->prog;

        if (prog == m->prog)
            return 33;
        if (prog > m->prog) {
            before = link;
            break;
        }
    }
    if (m->prog <= q->done || q->n_waiting == MESSAGE_MAX_WAITING)
        return 32;
    list_append(before, &m->link);
    q->n_waiting++;
    return 0;
}

/* A message that is in no sequence is not waited for by any: after a while its number is told to be missing. */
static void take_alone(struct message *m, const struct message_rule *rule)
{
    if (rule && rule->fate == MESSAGE_SKIP)
        begin(m, rule->late_ms > 0 ? rule->late_ms : MAX_WAIT_MS);
    else
        begin(m, late_ms_of(rule));
}

static struct message *read_message(struct session *s, const struct params *p)
{
    uint64_t wait_ms = params_number(p, "LS_max_wait", MAX_WAIT_MS);
    struct message *m = memory_get(sizeof(*m));

    list_init(&m->link);
    m->session = s;
    m->content = text_new(params_text(p, "LS_message"));
    m->prog = params_number(p, "LS_msg_prog", 0);
    m->outcome = !params_is(p, "LS_outcome", "false");
    m->until_us = sim_now_us(s->sim) + (wait_ms < MAX_WAIT_MS ? wait_ms : MAX_WAIT_MS) * 1000;
    return m;
}

int message_take(struct session *s, const struct params *p)
{
    struct span name = params_text(p, "LS_sequence");
    struct message *m = read_message(s, p);
    const struct message_rule *rule = faults_message(&s->sim->faults, text_span(m->content));
    int code = 0;

    if (!name.at || span_is(name, "UNORDERED_MESSAGES")) {
        m->name = name.at ? text_new(name) : NULL;
        take_alone(m, rule);
        return 0;
    }
    m->sequence = sequence_of(s, name);
    if (!rule || rule->fate != MESSAGE_SKIP)
        code = enqueue(m->sequence, m);
    if (code != 0 || (rule && rule->fate == MESSAGE_SKIP))
        free_message(m);
    else
        advance(m->sequence, sim_now_us(s->sim));
    return code;
}
