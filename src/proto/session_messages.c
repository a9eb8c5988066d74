/* Messages that clients send to the server (PROTOCOL.md, "msg"): numbered, sent in their order, and each answered once. What was sent is sent again
 * only where the server can tell that it has it already: in a sequence, with the same number. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/escape.h"

/* A refusal that may be about a second copy of what the server has: so long the first one's outcome is waited for. */
enum { DOUBT_MS = 1000 };

/* REQERR: the number is not free (32: or was skipped). MSGFAIL: several numbers in a row were skipped. */
enum { CODE_TOO_LOW = 32, CODE_DOUBLE = 33, CODE_SKIPPED_MANY = 39 };

struct sequence {
    struct list link;
    uint64_t last;    /* number given to a message, in this session */
    uint64_t reached; /* the highest that the server has, or may have */
    size_t users;     /* messages of it that are not answered */
    char name[];
};

struct message {
    struct list link;
    struct sequence *sequence; /* NULL: none */
    uint64_t max_wait_ms;      /* SESSION_MAX_WAIT_UNSET: the server's choice */
    uint64_t timeout_ms, by;
    uint64_t prog;       /* 0: none yet in this session */
    uint64_t request_id; /* of the request that waits for its answer; 0: none */
    bool waits;          /* to be sent, or sent again */
    bool sent, again;    /* in this session; more than once */
    bool taken;          /* the server has it */
    bool doubted;        /* refused, perhaps as a double: the answer says so unless an outcome comes */
    struct session_answer answer;
    struct buf response;
    size_t len;
    char text[];
};

static struct message *message_of(struct list *link)
{
    return CONTAINER_OF(link, struct message, link);
}

static void message_free(struct message *m)
{
    if (!m)
        return;
    buf_done(&m->response);
    free(m);
}

/* ---- sequences ---- */

bool session_is_sequence(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'))
            return false;
    }
    return name.len > 0 && name.len <= SESSION_SEQUENCE_BYTES_MAX && !span_is(name, "UNORDERED_MESSAGES");
}

static struct sequence *sequence_of(struct list *link)
{
    return CONTAINER_OF(link, struct sequence, link);
}

static void sequence_free(struct session *s, struct sequence *q)
{
    list_remove(&q->link);
    free(q);
    s->n_sequences--;
}

/* Finds or makes it. Returns 0, SESSION_SEQUENCES_FULL or -ENOMEM. */
static int find_sequence(struct session *s, struct span name, struct sequence **ret)
{
    LIST_EACH(link, &s->sequences)
        if (span_is(name, sequence_of(link)->name))
            return *ret = sequence_of(link), 0;
    if (s->n_sequences == SESSION_SEQUENCES_MAX)
        return SESSION_SEQUENCES_FULL;
    struct sequence *q = calloc(1, sizeof *q + name.len + 1);
    if (!q)
        return -ENOMEM;
    memcpy(q->name, name.at, name.len);
    list_append(&s->sequences, &q->link);
    s->n_sequences++;
    return *ret = q, 0;
}

/* The server has the message's number, or may have it. */
static void number_reached(struct message *m)
{
    if (m->sequence && m->prog > m->sequence->reached)
        m->sequence->reached = m->prog;
}

/* One message less. Numbers behind the last that the server may have are free again: a hole would make it wait. */
static void leave_sequence(struct session *s, struct sequence *q)
{
    q->users--;
    q->last = q->reached;
    LIST_EACH(link, &s->messages)
        if (message_of(link)->sequence == q && message_of(link)->prog > q->last)
            q->last = message_of(link)->prog;
    if (q->users == 0 && q->last == 0)
        sequence_free(s, q);
}

/* ---- answers ---- */

/* M is answered: it waits only to be told. */
static void settle(struct session *s, struct message *m)
{
    list_remove(&m->link);
    list_append(&s->outcomes, &m->link);
    s->n_messages--;
    s->message_bytes -= m->len;
    if (m->sequence)
        leave_sequence(s, TAKE(m->sequence));
}

static void note_refusal(struct message *m, const char *text, const int *code)
{
    m->answer.has_code = code != NULL;
    m->answer.code = code ? *code : 0;
    snprintf(m->answer.text, sizeof m->answer.text, "%s", *text ? text : "refused without a reason");
}

static void refuse(struct session *s, struct message *m, const char *text, const int *code)
{
    note_refusal(m, text, code);
    s->counters.upstream_failed++;
    settle(s, m);
}

/* WHY ended what M waited for. */
static void fail(struct session *s, struct message *m, const char *why, const int *code)
{
    char text[LIMIT_REASON_BYTES];
    snprintf(text, sizeof text, "%.400s: %s", why,
             m->sent ? "the message's fate is unknown" : "the message was not sent");
    number_reached(m);
    refuse(s, m, text, code);
}

static void give_up(struct session *s, struct message *m)
{
    if (m->doubted) {
        s->counters.upstream_failed++;
        settle(s, m);
        return;
    }
    char why[128];
    const char *what = m->taken                  ? "the server took it, but told no outcome"
                       : m->sent                 ? "no answer of the server"
                       : session_is_connected(s) ? "nothing could be sent"
                                                 : "the session was not connected";
    snprintf(why, sizeof why, "%s within %llu ms%s", what, (unsigned long long)m->timeout_ms,
             m->sent && s->held ? " (nothing is read: a consumer is at its mark)" : "");
    fail(s, m, why, NULL);
}

bool session_next_outcome(struct session *s, struct session_event *ret)
{
    message_free(TAKE(s->told));
    struct list *first = list_first(&s->outcomes);
    if (!first)
        return false;
    list_remove(first);
    s->told = message_of(first);
    *ret = (struct session_event){.kind = SESSION_EVENT_ANSWER, .answer = &s->told->answer};
    return true;
}

/* ---- taking one ---- */

int session_send_message(struct session *s, uint64_t now, const struct session_message *message)
{
    struct sequence *q = NULL;
    size_t len = message->text.len;
    if (s->n_messages == SESSION_MESSAGES_MAX || len > SESSION_MESSAGES_BYTES_MAX - s->message_bytes)
        return SESSION_MESSAGES_FULL;
    struct message *m = calloc(1, sizeof *m + len + 1);
    int r = m ? 0 : -ENOMEM;
    if (r == 0 && message->sequence.at)
        r = find_sequence(s, message->sequence, &q);
    if (r != 0) {
        free(m);
        return r;
    }
    if (q)
        q->users++;
    list_init(&m->link);
    m->sequence = q;
    m->max_wait_ms = message->max_wait_ms;
    m->timeout_ms = message->timeout_ms;
    m->by = now + message->timeout_ms;
    m->waits = s->messages_wait = true;
    m->answer.token = message->token;
    m->response = BUF_INIT(LIMIT_LINE_BYTES);
    m->len = len;
    if (len)
        memcpy(m->text, message->text.at, len);
    list_append(&s->messages, &m->link);
    s->n_messages++;
    s->message_bytes += len;
    return 0;
}

/* ---- sending ---- */

static uint64_t next_number(const struct session *s, const struct message *m)
{
    if (m->prog)
        return m->prog;
    return (m->sequence ? m->sequence->last : s->last_unordered) + 1;
}

static void build(struct session *s, struct buf *out, const struct message *m)
{
    session_begin_request(s, out, s->last_request_id + 1);
    tlcp_param(out, "LS_message", span_make(m->text, m->len));
    if (m->sequence)
        tlcp_param_text(out, "LS_sequence", m->sequence->name);
    if (m->sequence || !s->dialect->answers_messages)
        tlcp_param_u64(out, "LS_msg_prog", next_number(s, m));
    if (m->sequence && m->max_wait_ms != SESSION_MAX_WAIT_UNSET)
        tlcp_param_u64(out, "LS_max_wait", m->max_wait_ms);
}

static void mark_sent(struct session *s, struct message *m)
{
    m->prog = next_number(s, m);
    if (m->sequence && m->prog > m->sequence->last)
        m->sequence->last = m->prog;
    else if (!m->sequence)
        s->last_unordered = m->prog;
    s->counters.upstream_sent += !m->sent;
    m->again = m->sent;
    m->sent = true;
    m->waits = false;
    m->request_id = ++s->last_request_id;
}

static int send_one(struct session *s, struct message *m, struct buf *line)
{
    bool too_long;
    /* Whether text mode takes several at once is nowhere said. */
    if (!s->dialect->numbers_requests && s->out.len > s->out_prefix)
        return SESSION_BATCH_FULL;
    buf_clear(line);
    build(s, line, m);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    if (too_long)
        fail(s, m, "longer than the server's request limit", NULL);
    else
        mark_sent(s, m);
    return 0;
}

/* In the order in which they were asked for, so that none overtakes another of its sequence. */
bool session_build_messages(struct session *s, uint64_t now)
{
    if (!s->messages_wait || s->messages_at != NEVER || !session_may_ask(s))
        return false;
    AUTO_BUF struct buf line = BUF_INIT(LIMIT_REQUEST_BYTES_MAX);
    int r = 0;
    if (s->stream_websocket)
        buf_add_text(&s->out, "msg\r\n");
    s->out_prefix = s->out.len;
    s->answer_id = s->last_request_id + 1;
    LIST_EACH_SAFE(link, &s->messages)
        if (r == 0 && message_of(link)->waits)
            r = send_one(s, message_of(link), &line);
    if (r < 0) {
        session_break(s, now, "out of memory");
        return false;
    }
    s->messages_wait = r == SESSION_BATCH_FULL;
    if (s->out.len > s->out_prefix)
        return true;
    buf_clear(&s->out);
    return false;
}

/* Nothing answers the request any more. Only in a sequence the server can tell a double. */
static bool send_again(struct session *s, struct message *m)
{
    if (!m->request_id)
        return false;
    m->request_id = 0;
    number_reached(m);
    if (!m->sequence)
        return false;
    m->waits = s->messages_wait = true;
    return true;
}

void session_messages_again(struct session *s)
{
    s->messages_at = NEVER;
    LIST_EACH(link, &s->messages)
        send_again(s, message_of(link));
}

void session_messages_unanswered(struct session *s, uint64_t now)
{
    bool any = false;
    LIST_EACH(link, &s->messages)
        any |= send_again(s, message_of(link));
    /* Not at once: where nobody listens it would fail at once, too. */
    if (any)
        s->messages_at = now + session_backoff(s, s->message_tries++);
}

/* ---- what the server says ---- */

static struct message *find_request(struct session *s, uint64_t id)
{
    LIST_EACH(link, &s->messages)
        if (id && message_of(link)->request_id == id)
            return message_of(link);
    return NULL;
}

static void done(struct session *s, struct message *m, struct span response)
{
    number_reached(m);
    tlcp_decode(&m->response, response);
    if (buf_error(&m->response)) {
        refuse(s, m, "done, but there is no memory for the response", NULL);
        return;
    }
    m->answer.granted = true;
    m->answer.has_code = false;
    m->answer.text[0] = '\0';
    m->answer.response = m->response.len ? buf_span(&m->response) : SPAN("");
    s->counters.upstream_done++;
    settle(s, m);
}

bool session_message_accepted(struct session *s, uint64_t id)
{
    struct message *m = find_request(s, id);
    if (!m)
        return false;
    m->request_id = 0;
    m->taken = true;
    number_reached(m);
    s->message_tries = 0;
    if (!m->sequence && s->dialect->answers_messages)
        done(s, m, SPAN(""));
    return true;
}

/* What is refused once may have been taken before. */
static void doubt(struct message *m, uint64_t now, const char *text, int code)
{
    number_reached(m);
    m->taken = m->again && (code == CODE_TOO_LOW || code == CODE_DOUBLE);
    if (m->taken)
        return;
    m->doubted = true;
    note_refusal(m, text, &code);
    if (m->by > now + DOUBT_MS)
        m->by = now + DOUBT_MS;
}

bool session_message_refused(struct session *s, uint64_t now, uint64_t id, int code, const char *text)
{
    struct message *m = find_request(s, id);
    if (!m)
        return false;
    m->request_id = 0;
    if (m->again || code == CODE_TOO_LOW || code == CODE_DOUBLE)
        doubt(m, now, text, code);
    else
        refuse(s, m, text, &code);
    return true;
}

void session_messages_unreadable(struct session *s, uint64_t now, int code, const char *text)
{
    LIST_EACH_SAFE(link, &s->messages)
        session_message_refused(s, now, message_of(link)->request_id, code, text);
}

/* Whether an outcome of the numbers FIRST to LAST is M's. */
static bool is_meant(const struct message *m, struct span encoded, uint64_t first, uint64_t last)
{
    char decoded[SESSION_SEQUENCE_BYTES_MAX];
    if (!m->sent || m->prog < first || m->prog > last || encoded.len > sizeof decoded)
        return false;
    ptrdiff_t n = escape_unpercent(decoded, encoded);
    struct span name = n < 0 ? encoded : span_make(decoded, (size_t)n);
    return span_is(name, m->sequence ? m->sequence->name : "*");
}

void session_message_done(struct session *s, struct span sequence, uint64_t prog, struct span response)
{
    LIST_EACH(link, &s->messages)
        if (is_meant(message_of(link), sequence, prog, prog)) {
            done(s, message_of(link), response);
            return;
        }
    s->counters.upstream_late++;
}

void session_message_failed(struct session *s, struct span sequence, uint64_t prog, int code,
                            const char *text)
{
    char skipped[80];
    uint64_t count = 1;
    bool any = false;
    /* The text is the count of skipped numbers, up to this one. */
    if (code == CODE_SKIPPED_MANY && span_to_u64(span_of(text), prog, &count) && count > 0) {
        snprintf(skipped, sizeof skipped, "skipped by timeout, %llu in a row", (unsigned long long)count);
        text = skipped;
    } else {
        count = 1;
    }
    LIST_EACH_SAFE(link, &s->messages) {
        struct message *m = message_of(link);
        if (!is_meant(m, sequence, prog - count + 1, prog))
            continue;
        any = true;
        number_reached(m);
        refuse(s, m, text, &code);
    }
    s->counters.upstream_late += !any;
}

/* ---- the session's ends, and time ---- */

/* Numbers start again; what was not sent waits for the next session. */
void session_messages_lost(struct session *s, const char *reason)
{
    LIST_EACH_SAFE(link, &s->messages)
        if (message_of(link)->sent)
            fail(s, message_of(link), reason, NULL);
    LIST_EACH_SAFE(link, &s->sequences) {
        struct sequence *q = sequence_of(link);
        q->last = q->reached = 0;
        if (q->users == 0)
            sequence_free(s, q);
    }
    s->last_unordered = 0;
    s->messages_at = NEVER;
    s->message_tries = 0;
    s->messages_wait = !list_empty(&s->messages);
}

void session_messages_over(struct session *s, const char *reason, const int *code)
{
    LIST_EACH_SAFE(link, &s->messages)
        fail(s, message_of(link), reason, code);
}

void session_messages_tick(struct session *s, uint64_t now)
{
    if (s->messages_at <= now)
        s->messages_at = NEVER;
    LIST_EACH_SAFE(link, &s->messages)
        if (message_of(link)->by <= now)
            give_up(s, message_of(link));
}

uint64_t session_messages_deadline(const struct session *s)
{
    uint64_t at = s->messages_at;
    LIST_EACH(link, &s->messages)
        if (message_of(link)->by < at)
            at = message_of(link)->by;
    return at;
}

void session_messages_init(struct session *s)
{
    list_init(&s->messages);
    list_init(&s->sequences);
    list_init(&s->outcomes);
    s->messages_at = NEVER;
}

void session_messages_free(struct session *s)
{
    struct list *lists[] = {&s->messages, &s->outcomes};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
        LIST_EACH_SAFE(link, lists[i])
            message_free(message_of(link));
    message_free(s->told);
    LIST_EACH_SAFE(link, &s->sequences)
        sequence_free(s, sequence_of(link));
}
