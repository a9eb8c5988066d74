#include "sim/command.h"

#include <stdio.h>
#include <string.h>

#include "sim/adapter.h"
#include "sim/command_internal.h"
#include "sim/dialect.h"
#include "sim/http.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/subscription.h"

/* Longer lines without an end do not test more. */
#define MAX_FLOOD (256U << 20)

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
    struct span set, adapter_name = command_word(call, 1);
    const struct adapter *adapter;

    span_cut(&adapter_name, ':', &set);
    adapter = adapter_of_item(set, adapter_name, command_word(call, 2));
    return adapter ? feed_item(call->sim, adapter, command_word(call, 2)) : NULL;
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

    if (!command_number(call, 3, 1, &n))
        return command_not_a_number;
    if (item)
        item_lost(item, n);
    return item ? NULL : no_such_item;
}

static const char *run_burst(const struct call *call)
{
    struct item *item = find_item(call);
    uint64_t n;

    if (!command_number(call, 3, 1, &n))
        return command_not_a_number;
    for (uint64_t i = 0; item && i < n; i++)
        item_step(item);
    return item ? NULL : no_such_item;
}

static const char *run_rate(const struct call *call)
{
    return command_number(call, 1, 0, &call->sim->options.rate) ? NULL : command_not_a_number;
}

static const char *run_autoeos(const struct call *call)
{
    call->sim->faults.hold_eos = command_word_is(call, 1, "off");
    return call->sim->faults.hold_eos || command_word_is(call, 1, "on") ? NULL : "on or off is expected";
}

/* --- what is sent as it is --- */

static const char *send_line(const struct call *call, bool counts)
{
    AUTO_BUF struct buf line = BUF_INIT(2 * WORD_LINE_MAX);

    buf_add_span(&line, command_word(call, 1));
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
        session_say(s, command_word(call, 1));
    return NULL;
}

static const char *run_flood(const struct call *call)
{
    char piece[4096];
    uint64_t n;

    if (!command_number(call, 1, 1, &n) || n > MAX_FLOOD)
        return command_not_a_number;
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

    if (!command_number(call, at + 1, 0, &n) || n == 0)
        return command_not_a_number;
    EACH_MEANT(s, call) {
        s->cut_by_close = by_close;
        if (command_word_is(call, at, "after"))
            s->cut_at = s->history.last + n;
        else if (s->conn)
            s->conn->cut_at = s->conn->written + s->conn->out.len + n;
    }
    return command_word_is(call, at, "after") || command_word_is(call, at, "bytes")
               ? NULL
               : "after or bytes is expected";
}

static const char *run_cut(const struct call *call)
{
    bool by_close = command_word_is(call, 1, "fin");
    size_t at = by_close || command_word_is(call, 1, "rst") ? 2 : 1;

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
    bool on = !command_word_is(call, 1, "off");

    EACH_MEANT(s, call) {
        if (s->conn)
            conn_stall(s->conn, on);
    }
    return on && call->words->n > 1 && !command_word_is(call, 1, "on") ? "on or off is expected" : NULL;
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

    if (!command_number(call, 1, 1, &n))
        return command_not_a_number;
    EACH_MEANT(s, call)
        s->swallow = n;
    return NULL;
}

static const char *run_split(const struct call *call)
{
    struct sim_options *o = &call->sim->options;

    o->split_random = command_word_is(call, 1, "random");
    o->split_bytes = 64;
    if (o->split_random)
        return NULL;
    if (!command_word_is(call, 1, "off"))
        return command_number(call, 1, 0, &o->split_bytes) ? NULL : command_not_a_number;
    o->split_bytes = 0;
    return NULL;
}

static const char *run_listen(const struct call *call)
{
    int r = server_listen(call->sim, command_word_is(call, 1, "on"));

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

    call->target->last = command_word_is(call, 1, "last");
    if (!call->target->last && !command_word_is(call, 1, "all") && !command_number(call, 1, 0, &n))
        return "a number, last or all is expected";
    call->target->number = (unsigned)n;
    return NULL;
}

static const char *run_loop(const struct call *call)
{
    uint64_t delay_ms;

    if (command_word_is(call, 1, "after")) {
        if (!command_number(call, 2, 1, &delay_ms))
            return command_not_a_number;
        EACH_MEANT(s, call)
            s->loop_at = s->history.last + delay_ms;
        return NULL;
    }
    if (!command_number(call, 1, 0, &delay_ms))
        return command_not_a_number;
    EACH_MEANT(s, call)
        session_loop(s, delay_ms, false);
    return NULL;
}

/* The forms of END that the text mode has beside its usual one: no code, or one in the next line. */
static const char *end_text_mode(const struct call *call)
{
    AUTO_BUF struct buf line = BUF_INIT(100);
    bool next = command_word_is(call, 1, "next");
    int code = 0;

    if (next && !span_to_int(command_word(call, 2), &code))
        return command_not_a_number;
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
    AUTO_FREE char *text = command_joined(call, 2);
    int code;

    if (command_word_is(call, 1, "none") || command_word_is(call, 1, "next"))
        return end_text_mode(call);
    if (!span_to_int(command_word(call, 1), &code))
        return command_not_a_number;
    EACH_MEANT(s, call)
        session_end(s, code, text ? text : "Ended by the script", "end");
    return NULL;
}

static const char *run_forget(const struct call *call)
{
    EACH_MEANT(s, call) {
        struct conn *c = s->conn;

        if (command_word_is(call, 1, "loop"))
            session_loop(s, 0, false);
        session_end(s, 0, NULL, "forgotten");
        if (c && call->words->n == 1)
            conn_close(c, "forgotten");
    }
    return call->words->n == 1 || command_word_is(call, 1, "loop") || command_word_is(call, 1, "silent")
               ? NULL
               : "loop or silent is expected";
}

static const char *run_unsubscribe(const struct call *call)
{
    uint64_t id;

    if (!command_number(call, 1, 0, &id))
        return command_not_a_number;
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

    if (!command_number(call, 1, 0, &id))
        return command_not_a_number;
    EACH_MEANT(s, call) {
        struct subscription *sub = subscription_find(s, id);

        if (sub)
            subscription_reconf(sub, command_word(call, 2));
    }
    return NULL;
}

/* --- all of them --- */

static const char *run_quit(const struct call *call)
{
    uint64_t status;

    if (!command_number(call, 1, 0, &status) || status > 255)
        return command_not_a_number;
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
    {"refuse", 2, WORDS_MAX, command_refuse},
    {"late", 2, 2, command_late},
    {"message", 2, WORDS_MAX, command_message},
    {"grant", 2, 2, command_grant},
    {"behind", 1, 1, command_behind},
    {"keep", 1, 1, command_keep},
    {"prog", 1, 1, command_prog},
    {"drop", 0, 1, command_drop},
    {"subok", 2, 2, command_subok},
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
    const struct command *command = find(command_word(call, 0));

    return command && command->run ? command->run(call) : "unknown command";
}
