#include "sim/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "sim/adapter.h"
#include "sim/conn.h"
#include "sim/dialect.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"

/* How long a message waits for the ones before it, unless LS_max_wait says less. */
#define MAX_WAIT_MS 5000

struct message {
    struct list link;
    struct text *content;
    uint64_t prog; /* 0: none was given */
    bool outcome;
    uint64_t until_us; /* when the ones before it are given up */
};

struct sequence {
    struct list link; /* in the session's */
    struct session *session;
    struct text *name;
    uint64_t done;       /* the last number that was processed or given up */
    struct list waiting; /* of struct message, by number */
    size_t n_waiting;
    sd_event_source *timer;
};

static void free_message(struct message *m)
{
    list_remove(&m->link);
    text_unref(m->content);
    free(m);
}

void message_free_all(struct session *s)
{
    LIST_EACH_SAFE(link, &s->sequences) {
        struct sequence *q = CONTAINER_OF(link, struct sequence, link);

        LIST_EACH_SAFE(waiting, &q->waiting)
            free_message(CONTAINER_OF(waiting, struct message, link));
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

int message_now(struct session *s, struct span content, struct buf *ret_text)
{
    struct span text;
    int code = elaborate(s, content, &text);

    buf_add_span(ret_text, text);
    return code;
}

static void process(struct session *s, const struct text *sequence, const struct message *m)
{
    struct span text;
    int code = elaborate(s, text_span(m->content), &text);

    if (m->outcome)
        note(s, sequence, m->prog, code, text);
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

/* Processes what is next in number, and at NOW gives up what too long did not come. */
static void advance(struct sequence *q, uint64_t now)
{
    struct list *first;

    while ((first = list_first(&q->waiting))) {
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
        process(q->session, q->name, m);
        free_message(m);
        q->n_waiting--;
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

int message_take(struct session *s, const struct params *p)
{
    struct span name = params_text(p, "LS_sequence");
    uint64_t now = sim_now_us(s->sim), wait_ms = params_number(p, "LS_max_wait", MAX_WAIT_MS);
    struct message *m = memory_get(sizeof(*m));
    struct sequence *q;
    int code;

    list_init(&m->link);
    m->content = text_new(params_text(p, "LS_message"));
    m->prog = params_number(p, "LS_msg_prog", 0);
    m->outcome = !params_is(p, "LS_outcome", "false");
    m->until_us = now + (wait_ms < MAX_WAIT_MS ? wait_ms : MAX_WAIT_MS) * 1000;
    if (!name.at || span_is(name, "UNORDERED_MESSAGES")) {
        struct text *sequence = name.at ? text_new(name) : NULL;

        process(s, sequence, m);
        text_unref(sequence);
        free_message(m);
        return 0;
    }
    q = sequence_of(s, name);
    code = enqueue(q, m);
    if (code != 0)
        free_message(m);
    else
        advance(q, now);
    return code;
}
