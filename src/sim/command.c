#include "sim/command.h"

#include <stdio.h>
#include <string.h>

#include "sim/adapter.h"
#include "sim/dialect.h"
#include "sim/http.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/subscription.h"

/* Longer lines without an end do not test more. */
#define MAX_FLOOD (256U << 20)

static struct span word(const struct call *call, size_t at)
{
    return at < call->words->n ? call->words->list[at].text : SPAN_EMPTY;
}

static bool word_is(const struct call *call, size_t at, const char *text)
{
    return span_is(word(call, at), text);
}

/* A number, or OTHERWISE where there is no word. */
static bool number(const struct call *call, size_t at, uint64_t otherwise, uint64_t *ret)
{
    *ret = otherwise;
    return !word(call, at).at || span_to_u64(word(call, at), INT64_MAX, ret);
}

static const char *const not_a_number = "a number is expected";

/* Whether the command means S; what waits in S is sent first, so that commands take effect in their order. */
static bool is_meant(const struct call *call, struct session *s)
{
    bool last = s->link.next == &call->sim->sessions;
    unsigned meant = call->target->number;

    if (call->target->last ? !last : meant != 0 && meant != s->number)
        return false;
    if (s->wake)
        session_pump(s);
    return true;
}

#define EACH_MEANT(s, call)                                                                                  \
    LIST_EACH_SAFE(link_, &(call)->sim->sessions)                                                            \
        for (struct session *s = CONTAINER_OF(link_, struct session, link); s && is_meant(call, s); s = NULL)

/* --- data --- */

/* The item that the words SET[:ADAPTER] ITEM mean, or NULL. */
static struct item *find_item(const struct call *call)
{
    struct span set, adapter_name = word(call, 1);
    const struct adapter *adapter;

    span_cut(&adapter_name, ':', &set);
    adapter = adapter_of_item(set, adapter_name, word(call, 2));
    return adapter ? feed_item(call->sim, adapter, word(call, 2)) : NULL;
}

static const char *const no_such_item = "no such item";

static const char *run_update(const struct call *call)
{
    struct item *item = find_item(call);
    const char *fault = NULL;
    struct update u;

    if (!item)
        return no_such_item;
    update_begin(&u, item);
    for (size_t i = 3; i < call->words->n; i++) {
        const struct word *w = &call->words->list[i];
        bool is_null = !w->quoted && span_is(w->value, "null");

        if (!w->value.at)
            fault = "FIELD=VALUE is expected";
        else if (!update_set(&u, w->name, is_null ? NULL : text_new(w->value)))
            fault = "no such field";
    }
    update_publish(&u);
    return fault;
}

static const char *run_clear(const struct call *call)
{
    struct item *item = find_item(call);

    if (item)
        item_clear(item);
    return item ? NULL : no_such_item;
}

static const char *run_eos(const struct call *call)
{
    struct item *item = find_item(call);

    if (item)
        item_eos(item);
    return item ? NULL : no_such_item;
}

static const char *run_lost(const struct call *call)
{
    struct item *item = find_item(call);
    uint64_t n;

    if (!number(call, 3, 1, &n))
        return not_a_number;
    if (item)
        item_lost(item, n);
    return item ? NULL : no_such_item;
}

static const char *run_burst(const struct call *call)
{
    struct item *item = find_item(call);
    uint64_t n;

    if (!number(call, 3, 1, &n))
        return not_a_number;
    for (uint64_t i = 0; item && i < n; i++)
        item_step(item);
    return item ? NULL : no_such_item;
}

static const char *run_rate(const struct call *call)
{
    return number(call, 1, 0, &call->sim->options.rate) ? NULL : not_a_number;
}

static const char *run_autoeos(const struct call *call)
{
    call->sim->faults.hold_eos = word_is(call, 1, "off");
    return call->sim->faults.hold_eos || word_is(call, 1, "on") ? NULL : "on or off is expected";
}

/* --- what is sent as it is --- */

static const char *send_line(const struct call *call, bool counts)
{
    AUTO_BUF struct buf line = BUF_INIT(2 * WORD_LINE_MAX);

    buf_add_span(&line, word(call, 1));
    buf_add_text(&line, "\r\n");
    EACH_MEANT(s, call) {
        AUTO_BUF struct buf event = BUF_INIT(4096);

        if (counts)
            session_note(s, buf_span(&line),
                         session_event(s, &event, "data") ? session_event_end(&event) : NULL);
        else
            session_say(s, buf_span(&line));
    }
    return NULL;
}

static const char *run_raw(const struct call *call)
{
    return send_line(call, false);
}

static const char *run_data(const struct call *call)
{
    return send_line(call, true);
}

static const char *run_bytes(const struct call *call)
{
    EACH_MEANT(s, call)
        session_say(s, word(call, 1));
    return NULL;
}

static const char *run_flood(const struct call *call)
{
    char piece[4096];
    uint64_t n;

    if (!number(call, 1, 1, &n) || n > MAX_FLOOD)
        return not_a_number;
    memset(piece, 'x', sizeof(piece));
    EACH_MEANT(s, call) {
        for (uint64_t left = n; left > 0; left -= left < sizeof(piece) ? left : sizeof(piece))
            session_say(s, span_make(piece, left < sizeof(piece) ? (size_t)left : sizeof(piece)));
    }
    return NULL;
}

/* --- connections --- */

static const char *cut_later(const struct call *call, bool by_close, size_t at)
{
    uint64_t n;

    if (!number(call, at + 1, 0, &n) || n == 0)
        return not_a_number;
    EACH_MEANT(s, call) {
        s->cut_by_close = by_close;
        if (word_is(call, at, "after"))
            s->cut_at = s->history.last + n;
        else if (s->conn)
            s->conn->cut_at = s->conn->written + s->conn->out.len + n;
    }
    return word_is(call, at, "after") || word_is(call, at, "bytes") ? NULL : "after or bytes is expected";
}

static const char *run_cut(const struct call *call)
{
    bool by_close = word_is(call, 1, "fin");
    size_t at = by_close || word_is(call, 1, "rst") ? 2 : 1;

    if (call->words->n > at)
        return cut_later(call, by_close, at);
    EACH_MEANT(s, call) {
        if (s->conn && by_close)
            conn_close(s->conn, "cut");
        else if (s->conn)
            conn_reset(s->conn, "cut");
    }
    return NULL;
}

static const char *run_stall(const struct call *call)
{
    bool on = !word_is(call, 1, "off");

    EACH_MEANT(s, call) {
        if (s->conn)
            conn_stall(s->conn, on);
    }
    return on && call->words->n > 1 && !word_is(call, 1, "on") ? "on or off is expected" : NULL;
}

static const char *run_half_open(const struct call *call)
{
    EACH_MEANT(s, call) {
        if (s->conn) {
            conn_stall(s->conn, true);
            conn_deafen(s->conn);
        }
    }
    return NULL;
}

static const char *run_swallow(const struct call *call)
{
    uint64_t n;

    if (!number(call, 1, 1, &n))
        return not_a_number;
    EACH_MEANT(s, call)
        s->swallow = n;
    return NULL;
}

static const char *run_split(const struct call *call)
{
    struct sim_options *o = &call->sim->options;

    o->split_random = word_is(call, 1, "random");
    o->split_bytes = 64;
    if (o->split_random)
        return NULL;
    if (!word_is(call, 1, "off"))
        return number(call, 1, 0, &o->split_bytes) ? NULL : not_a_number;
    o->split_bytes = 0;
    return NULL;
}

static const char *run_listen(const struct call *call)
{
    int r = server_listen(call->sim, word_is(call, 1, "on"));

    return r < 0 ? strerror(-r) : NULL;
}

static const char *run_drop_idle(const struct call *call)
{
    LIST_EACH_SAFE(link, &call->sim->server.connections) {
        struct conn *c = CONTAINER_OF(link, struct conn, link);

        if (!c->session)
            conn_close(c, "idle");
    }
    return NULL;
}

/* --- sessions --- */

static const char *run_session(const struct call *call)
{
    uint64_t n = 0;

    call->target->last = word_is(call, 1, "last");
    if (!call->target->last && !word_is(call, 1, "all") && !number(call, 1, 0, &n))
        return "a number, last or all is expected";
    call->target->number = (unsigned)n;
    return NULL;
}

static const char *run_loop(const struct call *call)
{
    uint64_t delay_ms;

    if (word_is(call, 1, "after")) {
        if (!number(call, 2, 1, &delay_ms))
            return not_a_number;
        EACH_MEANT(s, call)
            s->loop_at = s->history.last + delay_ms;
        return NULL;
    }
    if (!number(call, 1, 0, &delay_ms))
        return not_a_number;
    EACH_MEANT(s, call)
        session_loop(s, delay_ms, false);
    return NULL;
}

/* The words from AT on, joined by blanks; *owned* by the caller, NULL where there are none. */
static char *joined(const struct call *call, size_t at)
{
    AUTO_BUF struct buf text = BUF_INIT(WORD_LINE_MAX);

    for (size_t i = at; i < call->words->n; i++) {
        if (i > at)
            buf_add_char(&text, ' ');
        buf_add_span(&text, word(call, i));
    }
    return call->words->n > at ? memory_dup(buf_span(&text)) : NULL;
}

/* The forms of END that the text mode has beside its usual one: no code, or one in the next line. */
static const char *end_text_mode(const struct call *call)
{
    AUTO_BUF struct buf line = BUF_INIT(100);
    bool next = word_is(call, 1, "next");
    int code = 0;

    if (next && !span_to_int(word(call, 2), &code))
        return not_a_number;
    buf_add_text(&line, "END\r\n");
    if (next)
        buf_printf(&line, "%d\r\n", code);
    EACH_MEANT(s, call) {
        if (s->dialect == &dialect_text)
            session_end_saying(s, buf_span(&line), "end");
    }
    return NULL;
}

static const char *run_end(const struct call *call)
{
    AUTO_FREE char *text = joined(call, 2);
    int code;

    if (word_is(call, 1, "none") || word_is(call, 1, "next"))
        return end_text_mode(call);
    if (!span_to_int(word(call, 1), &code))
        return not_a_number;
    EACH_MEANT(s, call)
        session_end(s, code, text ? text : "Ended by the script", "end");
    return NULL;
}

static const char *run_forget(const struct call *call)
{
    EACH_MEANT(s, call) {
        struct conn *c = s->conn;

        if (word_is(call, 1, "loop"))
            session_loop(s, 0, false);
        session_end(s, 0, NULL, "forgotten");
        if (c && call->words->n == 1)
            conn_close(c, "forgotten");
    }
    return call->words->n == 1 || word_is(call, 1, "loop") || word_is(call, 1, "silent")
               ? NULL
               : "loop or silent is expected";
}

static const char *run_unsubscribe(const struct call *call)
{
    uint64_t id;

    if (!number(call, 1, 0, &id))
        return not_a_number;
    EACH_MEANT(s, call) {
        struct subscription *sub = subscription_find(s, id);

        if (sub)
            subscription_delete(sub);
    }
    return NULL;
}

static const char *run_conf(const struct call *call)
{
    uint64_t id;

    if (!number(call, 1, 0, &id))
        return not_a_number;
    EACH_MEANT(s, call) {
        struct subscription *sub = subscription_find(s, id);

        if (sub)
            subscription_reconf(sub, word(call, 2));
    }
    return NULL;
}

/* --- answers --- */

static bool kind_of(struct span name, enum request_kind *ret)
{
    static const char *const names[] = {"create", "bind", "control"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (span_is(name, names[i])) {
            *ret = (enum request_kind)i;
            return true;
        }
    }
    return false;
}

static bool times(const struct call *call, size_t at, uint64_t *ret)
{
    if (!word_is(call, at, "always"))
        return number(call, at, 1, ret);
    *ret = UINT64_MAX;
    return true;
}

static const char *run_refuse(const struct call *call)
{
    struct refusal r = {.how = REFUSE_CODE};
    enum request_kind kind;
    size_t at = 2;

    if (!kind_of(word(call, 1), &kind))
        return "create, bind or control is expected";
    if (word_is(call, at, "http"))
        r.how = REFUSE_HTTP, at++;
    else if (word_is(call, at, "close"))
        r.how = REFUSE_CLOSE;
    else if (word_is(call, at, "end"))
        r.how = REFUSE_END, r.no_code = word_is(call, ++at, "none");
    if (!word_is(call, at, "off") && !r.no_code && r.how != REFUSE_CLOSE &&
        !span_to_int(word(call, at), &r.code))
        return not_a_number;
    if (!word_is(call, at, "off") && !times(call, at + 1, &r.times))
        return not_a_number;
    free(call->sim->faults.refuse[kind].text);
    r.text = joined(call, at + 2);
    call->sim->faults.refuse[kind] = r;
    return NULL;
}

static const char *run_late(const struct call *call)
{
    enum request_kind kind;
    uint64_t ms;

    if (!kind_of(word(call, 1), &kind))
        return "create, bind or control is expected";
    if (word_is(call, 2, "never"))
        call->sim->faults.late_ms[kind] = -1;
    else if (number(call, 2, 0, &ms))
        call->sim->faults.late_ms[kind] = (int64_t)ms;
    else
        return not_a_number;
    return NULL;
}

static const char *run_keep(const struct call *call)
{
    return number(call, 1, 0, &call->sim->faults.keep) ? NULL : not_a_number;
}

static const char *run_prog(const struct call *call)
{
    struct span text = word(call, 1);
    int shift;

    if (text.len > 0 && text.at[0] == '+')
        text = span_from(text, 1);
    if (!span_to_int(text, &shift))
        return not_a_number;
    call->sim->faults.prog_shift = shift;
    return NULL;
}

static const char *run_drop(const struct call *call)
{
    return number(call, 1, 1, &call->sim->faults.drop_next) ? NULL : not_a_number;
}

static const char *run_subok(const struct call *call)
{
    struct faults *f = &call->sim->faults;

    f->wrong_counts = number(call, 1, 0, &f->wrong_items) && number(call, 2, 0, &f->wrong_fields);
    return f->wrong_counts ? NULL : not_a_number;
}

static const char *run_quit(const struct call *call)
{
    uint64_t status;

    if (!number(call, 1, 0, &status) || status > 255)
        return not_a_number;
    sim_quit(call->sim, (int)status);
    return NULL;
}

static const struct command {
    const char *name;
    size_t least, most; /* words after it */
    const char *(*run)(const struct call *call);
} commands[] = {
    {"update", 2, WORDS_MAX, run_update},
    {"clear", 2, 2, run_clear},
    {"eos", 2, 2, run_eos},
    {"lost", 2, 3, run_lost},
    {"burst", 2, 3, run_burst},
    {"rate", 1, 1, run_rate},
    {"autoeos", 1, 1, run_autoeos},
    {"raw", 0, 1, run_raw},
    {"data", 0, 1, run_data},
    {"bytes", 1, 1, run_bytes},
    {"flood", 1, 1, run_flood},
    {"cut", 0, 3, run_cut},
    {"stall", 0, 1, run_stall},
    {"half-open", 0, 0, run_half_open},
    {"swallow", 1, 1, run_swallow},
    {"split", 1, 1, run_split},
    {"listen", 1, 1, run_listen},
    {"drop-idle", 0, 0, run_drop_idle},
    {"session", 1, 1, run_session},
    {"loop", 0, 2, run_loop},
    {"end", 1, WORDS_MAX, run_end},
    {"forget", 0, 1, run_forget},
    {"unsubscribe", 1, 1, run_unsubscribe},
    {"conf", 2, 2, run_conf},
    {"refuse", 2, WORDS_MAX, run_refuse},
    {"late", 2, 2, run_late},
    {"keep", 1, 1, run_keep},
    {"prog", 1, 1, run_prog},
    {"drop", 0, 1, run_drop},
    {"subok", 2, 2, run_subok},
    {"quit", 0, 1, run_quit},
    {"wait", 1, 3, NULL},
    {"sleep", 1, 1, NULL},
};

static const struct command *find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (span_is(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

const char *command_check(struct span name, size_t n_arguments)
{
    const struct command *command = find(name);

    if (!command)
        return "unknown command";
    if (n_arguments < command->least)
        return "too few words";
    return n_arguments > command->most ? "too many words" : NULL;
}

const char *command_run(const struct call *call)
{
    const struct command *command = find(word(call, 0));

    return command && command->run ? command->run(call) : "unknown command";
}
