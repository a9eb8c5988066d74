/* What is asked of the server while the session is bound: adds, deletes and reconfs, batched under the request limit (PROTOCOL.md, "Requests"). No
 * request is queued: what is to be asked shows in the state of parts and subscriptions, so none can be lost or asked
 * twice; lists only say which of them to look at. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

/* A batch must leave room for the request's name and the line ends around it. */
enum { BATCH_MARGIN_BYTES = 64 };

static struct subscription *sub_of(struct list *link)
{
    return CONTAINER_OF(link, struct subscription, link);
}

bool session_may_ask(const struct session *s)
{
    bool on_websocket =
        s->stream_open && (s->phase == SESSION_PHASE_BOUND || s->phase == SESSION_PHASE_LOOPED);
    return session_is_connected(s) && !s->control_busy && (!s->stream_websocket || on_websocket);
}

void session_begin_request(struct session *s, struct buf *out, uint64_t id)
{
    /* Over WebSocket the session is the one that is bound to it, since 2.2.0. */
    if (!s->stream_websocket || s->phase != SESSION_PHASE_BOUND || s->version > TLCP_2_2)
        tlcp_param(out, "LS_session", buf_span(&s->id));
    if (s->dialect->numbers_requests)
        tlcp_param_u64(out, "LS_reqId", id);
}

static void begin_request(struct session *s, struct buf *out, uint64_t id, const char *operation)
{
    session_begin_request(s, out, id);
    tlcp_param_text(out, "LS_op", operation);
}

static void build_snapshot(struct buf *out, const struct table_options *o)
{
    if (o->mode == TABLE_RAW)
        return;
    if (o->snapshot_length)
        tlcp_param_u64(out, "LS_snapshot", o->snapshot_length);
    else
        tlcp_param_text(out, "LS_snapshot", o->snapshot ? "true" : "false");
}

static const char *adapter_parameter(const struct session *s)
{
    return s->options.adapter_parameter ? s->options.adapter_parameter : "LS_data_adapter";
}

/* As the official client has it: always with its snapshot, and with the frequency of the first level. */
static void build_add_key(struct session *s, struct buf *out, uint64_t id, uint64_t sub_id,
                          struct session_part *p)
{
    const struct table_options *o = &p->table->table->options;
    begin_request(s, out, id, "add");
    tlcp_param_u64(out, s->dialect->sub_id, sub_id);
    tlcp_param_text(out, "LS_mode", table_mode_name(TABLE_MERGE));
    tlcp_param(out, s->dialect->group, session_second_name(p));
    tlcp_param_text(out, "LS_schema", o->second_schema);
    tlcp_param_text(out, adapter_parameter(s), o->second_adapter);
    tlcp_param_text(out, "LS_snapshot", "true");
    session_param_limit(s, out, "LS_requested_max_frequency", o->max_frequency);
}

static void build_add(struct session *s, struct buf *out, uint64_t id, uint64_t sub_id,
                      const struct session_part *p)
{
    const struct session_table *t = p->table;
    const struct table_options *o = &t->table->options;
    begin_request(s, out, id, t->state == SESSION_TABLE_SILENT ? "add_silent" : "add");
    tlcp_param_u64(out, s->dialect->sub_id, sub_id);
    tlcp_param_text(out, "LS_mode", table_mode_name(o->mode));
    tlcp_param_text(out, s->dialect->group, p->kind == PART_ITEM ? t->item_names[p->item - 1] : o->group);
    tlcp_param_text(out, "LS_schema", o->schema);
    tlcp_param_text(out, adapter_parameter(s), o->data_adapter);
    tlcp_param_text(out, "LS_selector", o->selector);
    build_snapshot(out, o);
    session_param_limit(s, out, "LS_requested_max_frequency", o->max_frequency);
    session_param_limit(s, out, "LS_requested_buffer_size", o->buffer_size);
}

void session_build_destroy(struct session *s, struct buf *out, bool with_session)
{
    if (with_session || s->version > TLCP_2_2)
        tlcp_param(out, "LS_session", buf_span(&s->id));
    s->last_request_id++;
    if (s->dialect->numbers_requests)
        tlcp_param_u64(out, "LS_reqId", s->last_request_id);
    tlcp_param_text(out, "LS_op", "destroy");
}

/* ---- building a batch ---- */

int session_append_request(struct session *s, struct buf *line, bool *ret_too_long)
{
    size_t limit = s->request_limit_bytes - BATCH_MARGIN_BYTES;
    *ret_too_long = line->len > limit;
    if (buf_error(line) == -ENOMEM)
        return -ENOMEM;
    if (*ret_too_long || buf_error(line))
        return *ret_too_long = true, 0;
    if (s->out.len > s->out_prefix && s->out.len - s->out_prefix + line->len + 2 > limit)
        return SESSION_BATCH_FULL;
    tlcp_line_begin(&s->out);
    buf_add_span(&s->out, buf_span(line));
    return buf_error(&s->out);
}

static uint64_t answer_time(const struct session *s, uint64_t now, unsigned tries)
{
    return now + (s->options.connect_ms << (tries < 6 ? tries : 6));
}

static void ask_add_failed(struct session *s, uint64_t now, struct session_part *p)
{
    list_remove(&p->ask_link);
    session_part_fail(s, now, p, "table failed", "its subscription is longer than the server's request limit",
                      NULL);
}

static int ask_add(struct session *s, uint64_t now, struct session_part *p, struct buf *line)
{
    bool too_long;
    struct subscription *sub;
    if (s->by_id.count >= LIMIT_SUBSCRIPTIONS)
        return -ENOBUFS;
    if (p->kind == PART_KEY)
        build_add_key(s, line, s->last_request_id + 1, s->last_sub_id + 1, p);
    else
        build_add(s, line, s->last_request_id + 1, s->last_sub_id + 1, p);
    int r = session_append_request(s, line, &too_long);
    if (r == 0 && too_long)
        return ask_add_failed(s, now, p), 0;
    if (r == 0)
        r = session_sub_new(s, s->last_sub_id + 1, p, &sub);
    if (r != 0)
        return r;
    s->last_sub_id++;
    s->last_request_id++;
    session_sub_asked(s, sub, answer_time(s, now, p->retries));
    list_remove(&p->ask_link);
    p->confirmed = false;
    return 0;
}

static int ask_delete(struct session *s, uint64_t now, struct subscription *sub, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "delete");
    tlcp_param_u64(line, s->dialect->sub_id, sub->id);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    list_remove(&sub->drop_link);
    sub->stage = SUB_DROPPED;
    s->last_request_id++;
    session_sub_asked(s, sub, answer_time(s, now, 0));
    return 0;
}

/* Once, and nobody waits for the answer. */
static int ask_delete_stray(struct session *s, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "delete");
    tlcp_param_u64(line, s->dialect->sub_id, s->strays[s->n_strays - 1]);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    s->n_strays--;
    s->last_request_id++;
    return 0;
}

/* Text mode: the server has the table, and is to send its data from now on. */
static int ask_start(struct session *s, uint64_t now, struct session_part *p, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "start");
    tlcp_param_u64(line, s->dialect->sub_id, p->sub->id);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    list_remove(&p->ask_link);
    p->start = PART_START_ASKED;
    s->last_request_id++;
    session_sub_asked(s, p->sub, answer_time(s, now, 0));
    return 0;
}

static int ask_reconf(struct session *s, uint64_t now, struct session_part *p, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "reconf");
    tlcp_param_u64(line, s->dialect->sub_id, p->sub->id);
    session_param_limit(s, line, "LS_requested_max_frequency", p->table->table->options.max_frequency);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    list_remove(&p->ask_link);
    p->reconf = PART_RECONF_ASKED;
    s->last_request_id++;
    session_sub_asked(s, p->sub, answer_time(s, now, 0));
    if (p->kind != PART_KEY)
        session_asks_sent(s, p->table);
    return 0;
}

static int ask_constrain(struct session *s, uint64_t now, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "constrain");
    session_param_limit(s, line, "LS_requested_max_bandwidth", s->bandwidth_wanted);
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    s->constrain_wanted = false;
    s->constrain_id = ++s->last_request_id;
    s->constrain_by = answer_time(s, now, 0);
    session_asks_sent(s, NULL);
    return 0;
}

static int ask_rebind(struct session *s, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "force_rebind");
    int r = session_append_request(s, line, &too_long);
    if (r != 0)
        return r;
    s->rebind_wanted = false;
    s->last_request_id++;
    return 0;
}

/* Whether another item or second level may be asked for or deleted now. */
static bool room_for_many(struct session *s)
{
    s->many_wait = s->answers.n >= LIMIT_MANY_ASKED;
    return !s->many_wait;
}

static int ask_deletes(struct session *s, uint64_t now, struct list *dropping, struct buf *line)
{
    struct list *link;
    int r = 0;
    while (r == 0 && (link = list_first(dropping))) {
        if (dropping == &s->dropping_many && !room_for_many(s))
            break;
        buf_clear(line);
        r = ask_delete(s, now, CONTAINER_OF(link, struct subscription, drop_link), line);
    }
    return r;
}

static int ask_strays(struct session *s, struct buf *line)
{
    int r = 0;
    while (s->n_strays && r == 0) {
        buf_clear(line);
        r = ask_delete_stray(s, line);
    }
    return r;
}

static int ask_parts(struct session *s, uint64_t now, struct list *asking, struct buf *line)
{
    struct list *link;
    int r = 0;
    while (r == 0 && (link = list_first(asking))) {
        struct session_part *p = CONTAINER_OF(link, struct session_part, ask_link);
        if (p->kind != PART_WHOLE && !room_for_many(s))
            break;
        if (p->kind == PART_KEY && !p->sub && s->n_second >= LIMIT_SECOND_LEVELS)
            break;
        buf_clear(line);
        if (!p->sub)
            r = ask_add(s, now, p, line);
        else
            r = p->start == PART_START_WANTED ? ask_start(s, now, p, line) : ask_reconf(s, now, p, line);
    }
    return r;
}

/* Deletes first: they make room on the server, and a table subscribed anew must not overlap with itself. What may be many, last. */
static int build_batch(struct session *s, uint64_t now, struct buf *line)
{
    int r = ask_deletes(s, now, &s->dropping, line);
    if (r == 0)
        r = ask_strays(s, line);
    LIST_EACH(link, &s->tables)
        if (r == 0)
            r = ask_parts(s, now, &CONTAINER_OF(link, struct session_table, link)->asking, line);
    if (r == 0)
        r = ask_deletes(s, now, &s->dropping_many, line);
    LIST_EACH(link, &s->tables)
        if (r == 0)
            r = ask_parts(s, now, &CONTAINER_OF(link, struct session_table, link)->asking_many, line);
    buf_clear(line);
    if (r == 0 && s->constrain_wanted)
        r = ask_constrain(s, now, line);
    buf_clear(line);
    return r == 0 && s->rebind_wanted ? ask_rebind(s, line) : r;
}

bool session_build_requests(struct session *s, uint64_t now)
{
    if (!s->requests_wait || !session_may_ask(s))
        return false;
    AUTO_BUF struct buf line = BUF_INIT(LIMIT_REQUEST_BYTES_MAX);
    if (s->stream_websocket)
        buf_add_text(&s->out, "control\r\n");
    s->out_prefix = s->out.len;
    s->answer_id = s->last_request_id + 1;
    int r = build_batch(s, now, &line);
    if (r < 0) {
        session_break(s, now, r == -ENOBUFS ? "more requests than one session can have" : "out of memory");
        return false;
    }
    s->requests_wait = r == SESSION_BATCH_FULL;
    if (s->out.len > s->out_prefix)
        return true;
    buf_clear(&s->out);
    return false;
}

/* ---- answers ---- */

/* Taken: later sessions begin with it, unless another is wished for meanwhile. In text mode nothing but this says what is granted. */
static void constrain_done(struct session *s, uint64_t now)
{
    s->constrain_id = 0;
    if (!s->constrain_wanted) {
        free((void *)(uintptr_t)s->options.max_bandwidth_kbps);
        s->options.max_bandwidth_kbps = TAKE(s->bandwidth_wanted);
        if (!s->dialect->confirms)
            session_granted_bandwidth(s, s->options.max_bandwidth_kbps);
    }
    session_asks_accepted(s, now, NULL);
}

static void constrain_refused(struct session *s, const char *text, int code)
{
    s->constrain_id = 0;
    if (!s->constrain_wanted)
        free(TAKE(s->bandwidth_wanted));
    session_asks_refused(s, NULL, text, &code);
}

/* The answer to a part's reconf came. Returns whether no other of its table is waited for. */
static bool reconf_over(struct session_part *p)
{
    if (p->reconf == PART_RECONF_ASKED)
        session_part_forget_reconf(p);
    return p->table->reconfs == 0;
}

static void reconf_done(struct session *s, uint64_t now, struct session_part *p)
{
    if (!reconf_over(p) || p->kind == PART_KEY)
        return;
    if (!s->dialect->confirms)
        session_granted_frequency(s, p->table, p->table->table->options.max_frequency);
    session_asks_accepted(s, now, p->table);
}

/* The answer to an add, in TLCP: SUBOK is still to come. */
static void add_accepted(struct session *s, uint64_t now, struct subscription *sub)
{
    /* What it leads to has as long again; where we poll, until the poll after this one. */
    uint64_t poll_ms = s->polling ? s->options.polling_ms + session_patience(s) : 0;
    sub->stage = SUB_ACCEPTED;
    timers_set(&s->answers, &sub->answer, answer_time(s, now, sub->part ? sub->part->retries : 0) + poll_ms);
}

void session_request_done(struct session *s, uint64_t now, uint64_t id)
{
    if (session_message_accepted(s, id))
        return;
    struct subscription *sub = idmap_get(&s->requests, id);
    if (!sub) {
        if (id && id == s->constrain_id)
            constrain_done(s, now);
        return;
    }
    session_sub_answered(s, sub);
    if (sub->stage == SUB_ASKED && s->dialect->confirms)
        add_accepted(s, now, sub);
    else if (sub->stage == SUB_ASKED)
        session_sub_confirm(s, now, sub);
    else if (sub->stage == SUB_DROPPED && !s->dialect->confirms)
        session_sub_free(s, sub);
    else if (sub->stage == SUB_ACTIVE && sub->part->start == PART_START_ASKED)
        session_part_started(s, now, sub->part);
    else if (sub->stage == SUB_ACTIVE)
        reconf_done(s, now, sub->part);
}

static void add_refused(struct session *s, uint64_t now, struct subscription *sub, int code, const char *text)
{
    struct session_part *p = sub->part;
    session_sub_free(s, sub);
    if (errcode_request(code) == ERRCODE_ADD_AGAIN)
        session_part_again(s, now, p, text, &code);
    else
        session_part_refused(s, now, p, text, &code);
}

/* A code that speaks of the session, not of the request: it is lost. */
static bool session_refused(struct session *s, uint64_t now, int code, const char *text)
{
    enum errcode_add verdict = errcode_request(code);
    if (verdict != ERRCODE_ADD_SESSION_LOST && verdict != ERRCODE_ADD_WRONG_NODE)
        return false;
    session_lose(s, now, verdict == ERRCODE_ADD_WRONG_NODE ? ERRCODE_AFFINITY : ERRCODE_ANEW, text, &code,
                 false);
    return true;
}

static void reconf_refused(struct session *s, struct session_part *p, int code, const char *text)
{
    struct session_table *t = p->table;
    bool over = reconf_over(p);
    if (p->kind == PART_KEY) {
        session_second_tell(s, p, text, &code);
        return;
    }
    /* Later subscriptions must not ask for it either. */
    if (over) {
        free((void *)(uintptr_t)t->table->options.max_frequency);
        t->table->options.max_frequency = TAKE(t->frequency_before);
    }
    session_asks_refused(s, t, text, &code);
    session_table_set(s, t, t->state, text, &code);
}

void session_request_refused(struct session *s, uint64_t now, uint64_t id, int code, const char *text)
{
    bool message = session_message_refused(s, now, id, code, text);
    if (session_refused(s, now, code, text) || message)
        return;
    struct subscription *sub = idmap_get(&s->requests, id);
    if (!sub) {
        if (id && id == s->constrain_id)
            constrain_refused(s, text, code);
        return;
    }
    session_sub_answered(s, sub);
    if (sub->stage == SUB_ACTIVE && sub->part->start == PART_START_ASKED)
        session_part_fail(s, now, sub->part, "table failed", text, &code);
    else if (sub->stage == SUB_ACTIVE)
        reconf_refused(s, sub->part, code, text);
    else if (sub->stage == SUB_DROPPED)
        session_sub_free(s, sub);
    else
        add_refused(s, now, sub, code, text);
}

/* Returns whether there were any. */
static bool control_unreadable(struct session *s, uint64_t now, int code, const char *text)
{
    bool any = s->constrain_id != 0;
    LIST_EACH_SAFE(link, &s->subs) {
        struct subscription *sub = sub_of(link);
        any = any || sub->stage == SUB_ASKED || (sub->stage == SUB_ACTIVE && sub->request_id);
        if (sub->stage == SUB_ASKED) {
            add_refused(s, now, sub, code, text);
        } else if (sub->stage == SUB_ACTIVE && sub->request_id) {
            session_sub_answered(s, sub);
            reconf_refused(s, sub->part, code, text);
        }
    }
    if (s->constrain_id)
        constrain_refused(s, text, code);
    return any;
}

/* Which of them is not told; what it says must be wrong in one is wrong in all. A message can do with less: what became of it will be told,
 * unless it alone can be meant. */
void session_requests_unreadable(struct session *s, uint64_t now, int code, const char *text)
{
    if (session_refused(s, now, code, text))
        return;
    bool messages = s->control_busy && s->control_messages;
    if (messages || !control_unreadable(s, now, code, text))
        session_messages_unreadable(s, now, code, text);
}

/* ---- time ---- */

void session_requests_bound(struct session *s, uint64_t now)
{
    if (s->unbound_at != NEVER)
        session_requests_postpone(s, now - s->unbound_at);
    s->unbound_at = NEVER;
    s->requests_wait = true;
}

void session_delete_stray(struct session *s, uint64_t sub_id)
{
    if (s->n_strays == ARRAY_LENGTH(s->strays))
        return;
    s->strays[s->n_strays++] = sub_id;
    s->requests_wait = true;
}

void session_requests_postpone(struct session *s, uint64_t ms)
{
    timers_postpone(&s->answers, ms);
    s->constrain_by += ms;
}

/* The id is given up: should the server answer it after all, its SUBOK is answered by a delete. If the server has it for certain, or will not say so,
 * that is asked for now. */
static void ask_anew(struct session *s, struct subscription *sub, bool late)
{
    struct session_part *p = sub->part;
    if (!s->dialect->confirms || (late && sub->stage == SUB_ACCEPTED))
        session_sub_drop(s, sub);
    else
        session_sub_free(s, sub);
    p->retries++;
    session_part_ask(s, p);
    if (p->kind == PART_ITEM)
        session_split_late(s, p);
}

static void reconf_again(struct session *s, struct session_part *p)
{
    p->reconf = PART_RECONF_WANTED;
    session_part_ask(s, p);
}

/* LATE: by the clock, not by a recovery. */
static void ask_again(struct session *s, struct subscription *sub, bool late)
{
    bool waits = sub->request_id;
    session_sub_answered(s, sub);
    if (sub->stage == SUB_ASKED || sub->stage == SUB_ACCEPTED)
        ask_anew(s, sub, late);
    else if (sub->stage == SUB_DROPPED)
        session_sub_drop(s, sub);
    else if (sub->stage == SUB_ACTIVE && waits && sub->part->start == PART_START_ASKED)
        session_part_start(s, sub->part);
    else if (sub->stage == SUB_ACTIVE && waits)
        reconf_again(s, sub->part);
}

static void constrain_again(struct session *s)
{
    if (s->constrain_id)
        s->constrain_wanted = s->requests_wait = true;
    s->constrain_id = 0;
}

void session_ask_again(struct session *s)
{
    LIST_EACH_SAFE(link, &s->subs)
        ask_again(s, sub_of(link), false);
    constrain_again(s);
}

/* Only while bound and read: an answer that waits behind a cut or a slow consumer is not late. */
static bool answers_due(const struct session *s)
{
    return session_is_connected(s) && !s->held;
}

void session_requests_tick(struct session *s, uint64_t now)
{
    struct timer *due;
    if (!answers_due(s))
        return;
    while ((due = timers_take(&s->answers, now)))
        ask_again(s, CONTAINER_OF(due, struct subscription, answer), true);
    if (s->constrain_id && s->constrain_by <= now)
        constrain_again(s);
    while ((due = timers_take(&s->retries, now)))
        session_part_retry(s, CONTAINER_OF(due, struct session_part, retry));
}

uint64_t session_requests_deadline(const struct session *s)
{
    if (!answers_due(s))
        return NEVER;
    uint64_t at = timers_next(&s->answers), retry = timers_next(&s->retries);
    if (retry < at)
        at = retry;
    return s->constrain_id && s->constrain_by < at ? s->constrain_by : at;
}
