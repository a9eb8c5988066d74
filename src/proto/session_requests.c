/* What is asked of the server while the session is bound: adds, deletes and reconfs, batched under the request limit (PROTOCOL.md, "Requests"). Nothing is
 * queued: what is to be asked shows in the state of tables and subscriptions, so a request can neither be lost nor asked
 * twice. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

/* A batch must leave room for the request's name and the line ends around it. */
enum { BATCH_MARGIN_BYTES = 64 };

static struct session_table *table_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct session_table, link);
}

static bool may_ask(const struct session *s)
{
    bool on_websocket =
        s->stream_open && (s->phase == SESSION_PHASE_BOUND || s->phase == SESSION_PHASE_LOOPED);
    return session_is_connected(s) && !s->control_busy && (!s->stream_websocket || on_websocket);
}

static void begin_request(struct session *s, struct buf *out, uint64_t id, const char *operation)
{
    /* Over WebSocket the session is the one that is bound to it, since 2.2.0. */
    if (!s->stream_websocket || s->phase != SESSION_PHASE_BOUND || s->version > TLCP_2_2)
        tlcp_param(out, "LS_session", buf_span(&s->id));
    tlcp_param_u64(out, "LS_reqId", id);
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

static void build_add(struct session *s, struct buf *out, uint64_t id, uint64_t sub_id,
                      const struct table_options *o)
{
    begin_request(s, out, id, "add");
    tlcp_param_u64(out, "LS_subId", sub_id);
    tlcp_param_text(out, "LS_mode", table_mode_name(o->mode));
    tlcp_param_text(out, "LS_group", o->group);
    tlcp_param_text(out, "LS_schema", o->schema);
    tlcp_param_text(out, "LS_data_adapter", o->data_adapter);
    tlcp_param_text(out, "LS_selector", o->selector);
    build_snapshot(out, o);
    tlcp_param_text(out, "LS_requested_max_frequency", o->max_frequency);
    tlcp_param_text(out, "LS_requested_buffer_size", o->buffer_size);
}

void session_build_destroy(struct session *s, struct buf *out, bool with_session)
{
    if (with_session)
        tlcp_param(out, "LS_session", buf_span(&s->id));
    tlcp_param_u64(out, "LS_reqId", ++s->last_request_id);
    tlcp_param_text(out, "LS_op", "destroy");
}

/* ---- building a batch ---- */

/* Conditions of what follows. */
enum { BATCH_FULL = 1 };

/* Puts LINE behind the batch, if it fits. A line too long for any batch is put nowhere: *RET_TOO_LONG. */
static int append_line(struct session *s, struct buf *line, bool *ret_too_long)
{
    size_t limit = s->request_limit_bytes - BATCH_MARGIN_BYTES;
    *ret_too_long = line->len > limit;
    if (buf_error(line) == -ENOMEM)
        return -ENOMEM;
    if (*ret_too_long || buf_error(line))
        return *ret_too_long = true, 0;
    if (s->out.len > s->out_prefix && s->out.len - s->out_prefix + line->len + 2 > limit)
        return BATCH_FULL;
    tlcp_line_begin(&s->out);
    buf_add_span(&s->out, buf_span(line));
    return buf_error(&s->out);
}

static uint64_t answer_time(const struct session *s, uint64_t now, unsigned tries)
{
    return now + (s->options.connect_ms << (tries < 6 ? tries : 6));
}

static int ask_add(struct session *s, uint64_t now, struct session_table *t, struct buf *line)
{
    if (s->n_subs >= LIMIT_SUBSCRIPTIONS)
        return -ENOBUFS;
    if (s->n_subs == s->cap_subs) {
        size_t cap = s->cap_subs ? s->cap_subs * 2 : 16;
        struct subscription *grown = realloc(s->subs, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        s->subs = grown;
        s->cap_subs = cap;
    }
    bool too_long;
    build_add(s, line, s->last_request_id + 1, s->n_subs + 1, &t->table->options);
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    if (too_long) {
        session_table_fail(s, now, t, "table failed",
                           "its subscription is longer than the server's request limit", NULL);
        return 0;
    }
    s->subs[s->n_subs++] = (struct subscription){.table = t,
                                                 .stage = SUB_ASKED,
                                                 .request_id = ++s->last_request_id,
                                                 .answer_by = answer_time(s, now, t->retries)};
    t->sub_id = s->n_subs;
    t->retry_at = NEVER;
    t->confirmed = false;
    return 0;
}

static int ask_delete(struct session *s, uint64_t now, uint64_t sub_id, struct buf *line)
{
    struct subscription *sub = session_subscription(s, sub_id);
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "delete");
    tlcp_param_u64(line, "LS_subId", sub_id);
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    sub->stage = SUB_DROPPED;
    sub->request_id = ++s->last_request_id;
    sub->answer_by = answer_time(s, now, 0);
    return 0;
}

/* Once, and nobody waits for the answer. */
static int ask_delete_stray(struct session *s, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "delete");
    tlcp_param_u64(line, "LS_subId", s->strays[s->n_strays - 1]);
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    s->n_strays--;
    s->last_request_id++;
    return 0;
}

static int ask_reconf(struct session *s, uint64_t now, struct session_table *t, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "reconf");
    tlcp_param_u64(line, "LS_subId", t->sub_id);
    tlcp_param_text(line, "LS_requested_max_frequency", t->table->options.max_frequency);
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    t->reconf_wanted = false;
    t->reconf_id = ++s->last_request_id;
    t->reconf_by = answer_time(s, now, 0);
    session_asks_sent(s, t);
    return 0;
}

static int ask_constrain(struct session *s, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "constrain");
    tlcp_param_text(line, "LS_requested_max_bandwidth", s->bandwidth_wanted);
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    s->constrain_wanted = false;
    s->constrain_id = ++s->last_request_id;
    session_asks_sent(s, NULL);
    return 0;
}

static bool wants_add(const struct session_table *t, uint64_t now)
{
    return t->state == SESSION_TABLE_PENDING && t->sub_id == 0 &&
           (t->retry_at == NEVER || t->retry_at <= now);
}

static int ask_rebind(struct session *s, struct buf *line)
{
    bool too_long;
    begin_request(s, line, s->last_request_id + 1, "force_rebind");
    int r = append_line(s, line, &too_long);
    if (r != 0)
        return r;
    s->rebind_wanted = false;
    s->last_request_id++;
    return 0;
}

/* Deletes first: they make room on the server, and a table subscribed anew must not overlap with itself. */
static int build_batch(struct session *s, uint64_t now, struct buf *line)
{
    int r = 0;
    for (size_t i = 0; i < s->n_subs && r == 0; i++)
        if (s->subs[i].stage == SUB_DROP) {
            buf_clear(line);
            r = ask_delete(s, now, i + 1, line);
        }
    while (s->n_strays && r == 0) {
        buf_clear(line);
        r = ask_delete_stray(s, line);
    }
    LIST_EACH(link, &s->tables) {
        struct session_table *t = table_of_link(link);
        buf_clear(line);
        if (r == 0 && wants_add(t, now))
            r = ask_add(s, now, t, line);
        else if (r == 0 && t->reconf_wanted && session_table_is_active(t))
            r = ask_reconf(s, now, t, line);
    }
    buf_clear(line);
    if (r == 0 && s->constrain_wanted)
        r = ask_constrain(s, line);
    buf_clear(line);
    return r == 0 && s->rebind_wanted ? ask_rebind(s, line) : r;
}

bool session_build_requests(struct session *s, uint64_t now)
{
    if (!s->requests_wait || !may_ask(s))
        return false;
    AUTO_BUF struct buf line = BUF_INIT(LIMIT_REQUEST_BYTES_MAX);
    if (s->stream_websocket)
        buf_add_text(&s->out, "control\r\n");
    s->out_prefix = s->out.len;
    int r = build_batch(s, now, &line);
    if (r < 0) {
        session_break(s, now, r == -ENOBUFS ? "more requests than one session can have" : "out of memory");
        return false;
    }
    s->requests_wait = r == BATCH_FULL;
    return s->out.len > s->out_prefix;
}

/* ---- answers ---- */

static struct subscription *find_request(struct session *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_subs; i++)
        if (s->subs[i].request_id == id)
            return &s->subs[i];
    return NULL;
}

static struct session_table *find_reconf(struct session *s, uint64_t id)
{
    LIST_EACH(link, &s->tables)
        if (table_of_link(link)->reconf_id == id)
            return table_of_link(link);
    return NULL;
}

/* Taken: later sessions begin with it, unless another is wished for meanwhile. */
static void constrain_done(struct session *s, uint64_t now)
{
    s->constrain_id = 0;
    if (!s->constrain_wanted) {
        free((void *)(uintptr_t)s->options.max_bandwidth_kbps);
        s->options.max_bandwidth_kbps = TAKE(s->bandwidth_wanted);
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

void session_request_done(struct session *s, uint64_t now, uint64_t id)
{
    struct subscription *sub = id ? find_request(s, id) : NULL;
    if (sub) {
        sub->request_id = 0;
        if (sub->stage == SUB_ASKED)
            sub->stage = SUB_ACCEPTED;
        return;
    }
    struct session_table *t = id ? find_reconf(s, id) : NULL;
    if (t) {
        t->reconf_id = 0;
        session_asks_accepted(s, now, t);
    } else if (id && id == s->constrain_id) {
        constrain_done(s, now);
    }
}

static void add_refused(struct session *s, uint64_t now, struct subscription *sub, int code, const char *text)
{
    struct session_table *t = TAKE(sub->table);
    sub->stage = SUB_GONE;
    if (!t)
        return;
    if (errcode_request(code) == ERRCODE_ADD_AGAIN) {
        t->sub_id = 0;
        t->retry_at = now + session_backoff(s, t->retries++);
        session_table_set(s, t, SESSION_TABLE_PENDING, text, &code);
        s->requests_wait = true;
    } else {
        session_table_fail(s, now, t, "table failed", text, &code);
    }
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

/* Later subscriptions must not ask for it either. */
static void reconf_refused(struct session_table *t)
{
    if (t->reconf_wanted)
        return;
    free((void *)(uintptr_t)t->table->options.max_frequency);
    t->table->options.max_frequency = TAKE(t->frequency_before);
}

void session_request_refused(struct session *s, uint64_t now, uint64_t id, int code, const char *text)
{
    if (session_refused(s, now, code, text))
        return;
    struct subscription *sub = id ? find_request(s, id) : NULL;
    if (sub) {
        sub->request_id = 0;
        if (sub->stage == SUB_DROPPED)
            sub->stage = SUB_GONE;
        else if (sub->stage == SUB_ASKED || sub->stage == SUB_ACCEPTED)
            add_refused(s, now, sub, code, text);
        return;
    }
    struct session_table *t = id ? find_reconf(s, id) : NULL;
    if (t) {
        t->reconf_id = 0;
        reconf_refused(t);
        session_asks_refused(s, t, text, &code);
        session_table_set(s, t, t->state, text, &code);
    } else if (id && id == s->constrain_id) {
        constrain_refused(s, text, code);
    }
}

void session_requests_unreadable(struct session *s, uint64_t now, int code, const char *text)
{
    if (session_refused(s, now, code, text))
        return;
    for (size_t i = 0; i < s->n_subs; i++)
        if (s->subs[i].stage == SUB_ASKED) {
            s->subs[i].request_id = 0;
            add_refused(s, now, &s->subs[i], code, text);
        }
}

/* ---- time ---- */

void session_requests_bound(struct session *s, uint64_t now)
{
    uint64_t at_least = now + s->options.connect_ms;
    for (size_t i = 0; i < s->n_subs; i++)
        if (s->subs[i].answer_by < at_least)
            s->subs[i].answer_by = at_least;
    LIST_EACH(link, &s->tables)
        if (table_of_link(link)->reconf_by < at_least)
            table_of_link(link)->reconf_by = at_least;
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
    for (size_t i = 0; i < s->n_subs; i++)
        s->subs[i].answer_by += ms;
    LIST_EACH(link, &s->tables)
        table_of_link(link)->reconf_by += ms;
}

/* The id is given up: should the server answer it after all, its SUBOK is answered by a delete. */
static void ask_anew(struct session *s, struct subscription *sub)
{
    struct session_table *t = TAKE(sub->table);
    sub->request_id = 0;
    sub->stage = SUB_GONE;
    if (t) {
        t->sub_id = 0;
        t->retries++;
    }
    s->requests_wait = true;
}

static void ask_again(struct session *s, struct subscription *sub)
{
    if (sub->stage == SUB_ASKED || sub->stage == SUB_ACCEPTED)
        ask_anew(s, sub);
    else if (sub->stage == SUB_DROPPED)
        sub->stage = SUB_DROP;
    /* Whatever stage it is in, the answer is not waited for any more: else its time would stay due. */
    sub->request_id = 0;
    s->requests_wait = true;
}

static void reconf_again(struct session *s, struct session_table *t)
{
    t->reconf_id = 0;
    t->reconf_wanted = true;
    s->requests_wait = true;
}

void session_ask_again(struct session *s)
{
    for (size_t i = 0; i < s->n_subs; i++)
        ask_again(s, &s->subs[i]);
    LIST_EACH(link, &s->tables)
        if (table_of_link(link)->reconf_id)
            reconf_again(s, table_of_link(link));
    if (s->constrain_id)
        s->constrain_wanted = s->requests_wait = true;
    s->constrain_id = 0;
}

/* Only while bound and read: an answer that waits behind a cut or a slow consumer is not late. */
static bool answers_due(const struct session *s)
{
    return session_is_connected(s) && !s->held;
}

void session_requests_tick(struct session *s, uint64_t now)
{
    if (!answers_due(s))
        return;
    for (size_t i = 0; i < s->n_subs; i++)
        if (s->subs[i].request_id && s->subs[i].answer_by <= now)
            ask_again(s, &s->subs[i]);
    LIST_EACH(link, &s->tables) {
        struct session_table *t = table_of_link(link);
        if (t->reconf_id && t->reconf_by <= now)
            reconf_again(s, t);
        if (t->retry_at > now)
            continue;
        t->retry_at = NEVER;
        if (t->state == SESSION_TABLE_FAILED)
            session_table_set(s, t, SESSION_TABLE_PENDING, NULL, NULL);
        s->requests_wait = true;
    }
}

uint64_t session_requests_deadline(const struct session *s)
{
    uint64_t at = NEVER;
    if (!answers_due(s))
        return at;
    for (size_t i = 0; i < s->n_subs; i++)
        if (s->subs[i].request_id && s->subs[i].answer_by < at)
            at = s->subs[i].answer_by;
    LIST_EACH(link, &s->tables) {
        const struct session_table *t = table_of_link(link);
        if (t->retry_at < at)
            at = t->retry_at;
        if (t->reconf_id && t->reconf_by < at)
            at = t->reconf_by;
    }
    return at;
}
