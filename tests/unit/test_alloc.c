/* The allocation sweep: one story of a session, with a small server beside it, in which the 1st, 2nd, … nth allocation fails, alone or with the four behind it.
 * Every time: no crash, nothing leaked, the session comes back by itself, and every row that the server sent is delivered
 * once, in order and as it was, or followed by a gap. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/session.h"

/* ---- the allocator ---- */

static struct {
    /* Inside the session. Volatile: compilers know that malloc() and free() do not look at it. */
    volatile bool armed;
    uint64_t calls;     /* while armed */
    uint64_t fail_from; /* the first call that fails; 0: none */
    uint64_t fail_n;
    int64_t live;
} allocator;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
char *__wrap_strdup(const char *text);
void __wrap_free(void *p);

static bool fails(void)
{
    if (!allocator.armed)
        return false;
    allocator.calls++;
    return allocator.fail_from && allocator.calls >= allocator.fail_from &&
           allocator.calls < allocator.fail_from + allocator.fail_n;
}

static void *count(void *p)
{
    if (p && allocator.armed)
        allocator.live++;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t n)
{
    if (fails())
        return NULL;
    void *p = __real_realloc(old, n);
    return old ? p : count(p);
}

char *__wrap_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = __wrap_malloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void __wrap_free(void *p)
{
    if (p && allocator.armed)
        allocator.live--;
    __real_free(p);
}

/* Calls the session with the allocator armed. */
#define IN_SESSION(...)                                                                                      \
    do {                                                                                                     \
        allocator.armed = true;                                                                              \
        __VA_ARGS__;                                                                                         \
        allocator.armed = false;                                                                             \
    } while (0)

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "allocations %llu to %llu: ", (unsigned long long)allocator.fail_from,
            (unsigned long long)(allocator.fail_from + allocator.fail_n - 1));
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- the world: a server, its session, and what consumers must see ---- */

enum { TABLES = 5, ITEMS = 2, LOG_MAX = 400, PENDING_MAX = 60, TOKENS_MAX = 64 };

struct expected {
    char row[80];
};

/* What one item's consumers wait for. */
struct feed {
    struct expected pending[PENDING_MAX];
    size_t n;
    bool had_messages; /* since the last gap */
};

struct server_item {
    bool sent;      /* a whole row was, to this subscription */
    char value[40]; /* of the second field */
    int number;     /* in the third */
    bool key;       /* COMMAND: the key is there */
};

enum way { WAY_HTTP, WAY_WEBSOCKET, WAY_TEXT, N_WAYS };

struct world {
    enum way way;
    struct session *session;
    struct session_options options;
    struct session_table *tables[TABLES];
    struct feed feeds[TABLES][ITEMS];
    uint64_t now;
    bool bound; /* as the session reports it */
    bool held;
    uint64_t tokens;       /* messages that were taken */
    bool told[TOKENS_MAX]; /* their answers */

    /* the server */
    bool exists, streaming, polling, forgets;
    unsigned sessions, serial;
    char id[24];
    char *log[LOG_MAX]; /* data notifications of the session */
    size_t n_log, sent;
    int sub_of[TABLES][ITEMS]; /* 0: not subscribed */
    struct server_item items[TABLES][ITEMS];
    struct buf stream, control; /* on their way to the client */
    bool control_open;
};

/* Its group is refused: it is asked for item by item. */
enum { SPLIT = 4 };

static const enum table_mode modes[TABLES] = {TABLE_MERGE, TABLE_DISTINCT, TABLE_COMMAND, TABLE_RAW,
                                              TABLE_MERGE};

static bool has_snapshot(int table)
{
    return modes[table] != TABLE_RAW;
}

/* ---- the server's side ---- */

static void __attribute__((format(printf, 2, 3))) server_says(struct world *w, const char *format, ...)
{
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (w->n_log == LOG_MAX || vasprintf(&line, format, arguments) < 0)
        die("the server's log is full");
    va_end(arguments);
    w->log[w->n_log++] = line;
}

static void server_forget(struct world *w)
{
    while (w->n_log)
        __real_free(w->log[--w->n_log]);
    w->sent = 0;
    w->exists = w->streaming = w->polling = false;
    memset(w->sub_of, 0, sizeof w->sub_of);
    memset(w->items, 0, sizeof w->items);
}

static const char *loop(const struct world *w)
{
    return w->way == WAY_TEXT ? "LOOP\r\n" : "LOOP,0\r\n";
}

/* Puts onto the stream what the log has, and LOOP behind it where the client polls. */
static void server_flush(struct world *w)
{
    if (!w->streaming)
        return;
    while (w->sent < w->n_log)
        buf_printf(&w->stream, "%s\r\n", w->log[w->sent++]);
    if (w->polling)
        buf_add_text(&w->stream, loop(w));
    if (w->polling)
        w->streaming = w->polling = false;
}

static void wait_for(struct world *w, int table, int item, const char *row)
{
    struct feed *f = &w->feeds[table][item];
    if (f->n == PENDING_MAX)
        die("too much is waited for");
    snprintf(f->pending[f->n++].row, sizeof f->pending[0].row, "%s", row);
}

/* "U,2,1,", "2,1|": what an item's updates begin with. */
static const char *server_item_name(const struct world *w, int table, int item, char name[static 40])
{
    snprintf(name, 40, w->way == WAY_TEXT ? "%d,%d|" : "U,%d,%d,", w->sub_of[table][item],
             table == SPLIT ? 1 : item + 1);
    return name;
}

static void server_command(struct world *w, int table, int item, bool delete)
{
    struct server_item *i = &w->items[table][item];
    char row[80], name[40];
    const char *command = delete ? "DELETE" : i->key ? "UPDATE" : "ADD";
    i->key = !delete;
    w->serial++;
    server_says(w, "%skey%s%d|%s|n%u", server_item_name(w, table, item, name),
                w->way == WAY_TEXT ? "\\u0020" : "%20", item, command, w->serial);
    if (delete)
        snprintf(row, sizeof row, "key %d|DELETE|#", item);
    else
        snprintf(row, sizeof row, "key %d|%s|n%u", item, command, w->serial);
    wait_for(w, table, item, row);
}

/* A row: a serial number; a value told whole, as a TLCP-diff, or unchanged; a document told whole, or patched. */
static void server_row(struct world *w, int table, int item)
{
    struct server_item *i = &w->items[table][item];
    char second[40] = "", third[120] = "", row[80], name[40];
    unsigned kind = ++w->serial % 3;
    int number = (int)w->serial;
    if (!i->sent || kind == 0) {
        snprintf(i->value, sizeof i->value, "v%u%s", w->serial, w->serial % 2 ? "-a-longer-value" : "");
        snprintf(second, sizeof second, "%s", i->value);
        snprintf(third, sizeof third, "{ \"a\": %d}", number);
    } else if (kind == 1 && w->way == WAY_TEXT) {
        snprintf(i->value, sizeof i->value, "vx");
        snprintf(second, sizeof second, "\\u0076x");
        snprintf(third, sizeof third, "{ \"a\": %d}", number);
    } else if (kind == 1) {
        snprintf(i->value, sizeof i->value, "vx");
        snprintf(second, sizeof second, "^Tbbx");
        snprintf(third, sizeof third, "^P[{\"op\":\"replace\",\"path\":\"/a\",\"value\":%d}]", number);
    } else {
        number = i->number;
    }
    bool compact = i->sent && kind != 0;
    i->sent = true;
    i->number = kind == 2 && compact ? i->number : number;
    server_says(w, "%sn%u|%s|%s", server_item_name(w, table, item, name), w->serial, second, third);
    snprintf(row, sizeof row, "n%u|%s|%d", w->serial, i->value, i->number);
    wait_for(w, table, item, row);
}

static void server_update(struct world *w, int table, int item)
{
    if (!w->exists || !w->sub_of[table][item])
        return;
    if (modes[table] == TABLE_COMMAND)
        server_command(w, table, item, w->items[table][item].key && w->serial % 5 == 4);
    else
        server_row(w, table, item);
}

/* Items from FIRST to before LAST. */
static void server_add(struct world *w, int table, int first, int last, int sub)
{
    if (w->way != WAY_TEXT && modes[table] == TABLE_COMMAND)
        server_says(w, "SUBCMD,%d,%d,3,1,2", sub, last - first);
    else if (w->way != WAY_TEXT)
        server_says(w, "SUBOK,%d,%d,3", sub, last - first);
    if (w->way != WAY_TEXT)
        server_says(w, "CONF,%d,unlimited,filtered", sub);
    for (int item = first; item < last; item++) {
        w->sub_of[table][item] = sub;
        w->items[table][item] = (struct server_item){0};
    }
    for (int item = first; has_snapshot(table) && item < last; item++) {
        server_update(w, table, item);
        if (modes[table] != TABLE_MERGE)
            server_says(w, w->way == WAY_TEXT ? "%d,%d,EOS" : "EOS,%d,%d", sub, item + 1);
    }
}

/* The second level of some key. */
static void server_add_key(struct world *w, long sub)
{
    if (w->way != WAY_TEXT)
        server_says(w, "SUBOK,%ld,1,1", sub);
    server_says(w, w->way == WAY_TEXT ? "%ld,1|q%u" : "U,%ld,1,q%u", sub, ++w->serial);
}

/* GROUP is the number of a table, and perhaps a point and an item's. Returns false: refused. */
static bool server_add_group(struct world *w, const char *group, int sub)
{
    char *end;
    int table = (int)strtol(group, &end, 10), item = *end == '.' ? (int)strtol(end + 1, NULL, 10) : -1;
    if (table == SPLIT && item < 0)
        return false;
    server_add(w, table, item < 0 ? 0 : item, item < 0 ? ITEMS : item + 1, sub);
    return true;
}

static void server_delete(struct world *w, long sub)
{
    for (int t = 0; t < TABLES; t++)
        for (int i = 0; i < ITEMS; i++)
            if (w->sub_of[t][i] == sub)
                w->sub_of[t][i] = 0;
    if (w->way != WAY_TEXT)
        server_says(w, "UNSUB,%ld", sub);
}

static long parameter(const char *line, const char *name)
{
    const char *found = strstr(line, name);
    return found ? strtol(found + strlen(name), NULL, 10) : -1;
}

/* The answer to LINE: a code, or 0 for yes. */
static void answer(const struct world *w, const char *line, int code, struct buf *answers)
{
    long id = parameter(line, "LS_reqId=");
    if (w->way == WAY_TEXT && code)
        buf_printf(answers, "ERROR\r\n%d\r\nNo\r\n", code);
    else if (w->way == WAY_TEXT)
        buf_add_text(answers, "OK\r\n");
    else if (code)
        buf_printf(answers, "REQERR,%ld,%d,No\r\n", id, code);
    else
        buf_printf(answers, "REQOK,%ld\r\n", id);
}

static void server_control(struct world *w, char *line, struct buf *answers)
{
    const char *group_is = w->way == WAY_TEXT ? "LS_id=g" : "LS_group=g";
    long sub = parameter(line, w->way == WAY_TEXT ? "LS_table=" : "LS_subId=");
    const char *group = strstr(line, group_is);
    int code = !w->exists ? 20 : 0;
    if (!code && group && !server_add_group(w, group + strlen(group_is), (int)sub))
        code = 21;
    answer(w, line, code, answers);
    if (code)
        return;
    if (strstr(line, w->way == WAY_TEXT ? "LS_id=key" : "LS_group=key")) {
        server_add_key(w, sub);
        return;
    }
    if (group) {
        return;
    } else if (strstr(line, "LS_op=delete")) {
        server_delete(w, sub);
    } else if (strstr(line, "LS_op=reconf")) {
        if (w->way != WAY_TEXT)
            server_says(w, "CONF,%ld,2.0,filtered", sub);
    } else if (strstr(line, "LS_op=constrain")) {
        if (w->way != WAY_TEXT)
            server_says(w, "CONS,40");
    } else {
        server_forget(w);
    }
}

/* Every third is refused, another third fails. */
static void server_message(struct world *w, char *line, struct buf *answers)
{
    long prog = parameter(line, "LS_msg_prog=");
    const char *sequence = strstr(line, "LS_sequence=") ? "S" : "*";
    answer(w, line, !w->exists ? 20 : ++w->serial % 3 == 0 ? -5 : 0, answers);
    if (w->exists && w->way == WAY_TEXT && prog > 0 && w->serial % 3)
        server_says(w, w->serial % 3 == 1 ? "MSG,S,%ld,ERR,-6,Failed" : "MSG,S,%ld,DONE", prog);
    else if (w->way == WAY_TEXT)
        return;
    else if (w->exists && w->serial % 3 == 1)
        server_says(w, "MSGFAIL,%s,%ld,-6,Failed", sequence, prog);
    else if (w->exists && w->serial % 3 == 2)
        server_says(w, "MSGDONE,%s,%ld,A%%20long%%20response%%20to%%20number%%20%ld", sequence, prog, prog);
}

static void each_line(struct world *w, char *lines, struct buf *answers)
{
    for (char *rest = lines, *line; (line = strsep(&rest, "\n"));)
        if (strstr(line, "LS_op="))
            server_control(w, line, answers);
        else if (strstr(line, "LS_message="))
            server_message(w, line, answers);
}

/* The rows that were not delivered: their item had no messages, or a gap said so. */
static void check_given_up(struct world *w)
{
    for (int t = 0; t < TABLES; t++)
        for (int i = 0; i < ITEMS; i++) {
            struct feed *f = &w->feeds[t][i];
            if (f->n && f->had_messages)
                die("table %d item %d: row %s is lost without a gap", t, i + 1, f->pending[0].row);
            f->n = 0;
        }
}

static void server_greet(struct world *w)
{
    buf_printf(&w->stream,
               w->way == WAY_TEXT ? "OK\r\nSessionId:%s\r\nMaxBandwidth:50\r\nServerName:x\r\n\r\n"
                                  : "CONOK,%s,50000,5000,*\r\n",
               w->id);
}

static void server_create(struct world *w, const char *body)
{
    if (!strstr(body, "LS_user=user&LS_password=password&LS_adapter_set=TEST&"))
        die("half a request: %s", body);
    check_given_up(w);
    server_forget(w);
    w->exists = w->streaming = true;
    snprintf(w->id, sizeof w->id, "Session%09u", ++w->sessions);
    server_greet(w);
}

static void server_bind(struct world *w, const char *body)
{
    long from = parameter(body, "LS_recovery_from=");
    if (!w->exists || w->forgets || !strstr(body, w->id)) {
        w->forgets = false;
        server_forget(w);
        buf_add_text(&w->stream, w->way == WAY_TEXT ? "SYNC ERROR\r\n" : "CONERR,20,Session not found\r\n");
        return;
    }
    w->streaming = true;
    w->polling = strstr(body, "LS_polling=true") != NULL;
    server_greet(w);
    if (from < 0)
        return;
    if ((size_t)from > w->n_log)
        die("the client counted %ld, the server %zu", from, w->n_log);
    w->sent = (size_t)from > 3 ? (size_t)from - 3 : 0;
    buf_printf(&w->stream, "PROG,%zu\r\n", w->sent);
}

/* ---- what the session wants and tells ---- */

static void stream_request(struct world *w, const char *name, char *body)
{
    if (strcmp(name, "wsok") == 0)
        buf_add_text(&w->stream, "WSOK\r\n");
    else if (strcmp(name, "create_session") == 0)
        server_create(w, body);
    else if (strcmp(name, "bind_session") == 0)
        server_bind(w, body);
    else
        each_line(w, body, &w->stream);
}

static void on_action(struct world *w, const struct session_action *a)
{
    char *body = span_dup(a->body), *name = body;
    if (a->kind == SESSION_ASK_CREDENTIALS) {
        IN_SESSION(session_credentials(w->session, w->now, "user", "password"));
    } else if (a->kind == SESSION_OPEN) {
        buf_clear(&w->stream);
        IN_SESSION(session_opened(w->session, w->now));
        if (!a->websocket)
            stream_request(w, a->name, body);
    } else if (a->kind == SESSION_SEND) {
        char *rest = strstr(body, "\r\n");
        if (rest)
            *rest = '\0';
        stream_request(w, name, rest ? rest + 2 : name);
    } else if (a->kind == SESSION_CLOSE) {
        buf_clear(&w->stream);
        w->streaming = w->polling = false;
    } else if (a->kind == SESSION_CONTROL) {
        each_line(w, body, &w->control);
        w->control_open = true;
    } else if (a->kind == SESSION_CONTROL_ABANDON) {
        buf_clear(&w->control);
        w->control_open = false;
    } else if (strstr(body, w->id)) {
        server_forget(w);
    }
    free(body);
}

static bool take_actions(struct world *w)
{
    bool any = false;
    for (;;) {
        struct session_action a;
        bool one;
        IN_SESSION(one = session_next_action(w->session, w->now, &a));
        if (!one)
            return any;
        any = true;
        on_action(w, &a);
    }
}

static void find_feed(struct world *w, const struct session_event *e, struct feed **ret)
{
    long t = strtol(e->table->table->options.name + 1, NULL, 10);
    *ret = &w->feeds[t][e->item->pos - 1];
}

static void on_update(struct feed *f, const struct session_event *e)
{
    char row[200];
    size_t n = 0;
    const struct table *t = e->table->table;
    /* The second level's fields are looked at nowhere; its updates change none of the first level's. */
    bool second =
        t->options.n_second && e->update.command == TABLE_UPDATE && !(e->update.changed[0] >> 2 & 1);
    if (second)
        return;
    for (size_t i = 0; i < t->n_first; i++)
        n += (size_t)snprintf(row + n, sizeof row - n, "%s%.*s", i ? "|" : "", SPAN_ARG(e->update.values[i]));
    if (f->n == 0 || strcmp(f->pending[0].row, row) != 0)
        die("table %s: row %s, not %s", e->table->table->options.name, row,
            f->n ? f->pending[0].row : "nothing");
    memmove(&f->pending[0], &f->pending[1], --f->n * sizeof f->pending[0]);
}

static void on_answer(struct world *w, const struct session_answer *a)
{
    if (a->token == 0 || a->token > w->tokens || w->told[a->token])
        die("an answer to nobody");
    if (a->granted && w->way != WAY_TEXT && !span_starts(a->response, SPAN("A long response to number ")))
        die("half a response");
    w->told[a->token] = true;
}

static void on_event(struct world *w, const struct session_event *e)
{
    struct feed *f = NULL;
    if (e->item)
        find_feed(w, e, &f);
    if (e->kind == SESSION_EVENT_STATE)
        w->bound = e->report->state == SESSION_CONNECTED;
    else if (e->kind == SESSION_EVENT_UPDATE)
        on_update(f, e);
    else if (e->kind == SESSION_EVENT_GAP && !f->had_messages)
        die("a gap where nothing was");
    else if (e->kind == SESSION_EVENT_GAP)
        f->n = 0;
    else if (e->kind == SESSION_EVENT_ANSWER)
        on_answer(w, e->answer);
    if (f)
        f->had_messages = e->kind != SESSION_EVENT_GAP;
}

static bool take_events(struct world *w)
{
    bool any = false;
    for (;;) {
        struct session_event e = {0};
        bool one;
        if (w->held) /* what a slow consumer does to it */
            IN_SESSION(session_keep(w->session, w->now));
        IN_SESSION(one = session_next_event(w->session, w->now, &e));
        if (!one)
            return any;
        any = true;
        on_event(w, &e);
    }
}

/* ---- time goes by ---- */

/* Gives the client the first N bytes of what is on its way. */
static void deliver(struct world *w, size_t n)
{
    char *piece = span_dup(span_make(w->stream.at, n));
    buf_drop_front(&w->stream, n);
    IN_SESSION(session_feed(w->session, w->now, span_make(piece, n)));
    take_events(w);
    free(piece);
}

static bool deliver_control(struct world *w)
{
    if (!w->control_open)
        return false;
    char *piece = span_dup(buf_span(&w->control));
    size_t n = w->control.len;
    buf_clear(&w->control);
    w->control_open = false;
    IN_SESSION(session_control_feed(w->session, w->now, span_make(piece, n)));
    take_events(w);
    IN_SESSION(session_control_closed(w->session, w->now));
    free(piece);
    return true;
}

static bool step(struct world *w)
{
    bool any = take_events(w);
    any = take_actions(w) || any;
    server_flush(w);
    if (w->stream.len) {
        deliver(w, w->stream.len < 97 ? w->stream.len : 97);
        any = true;
    }
    return deliver_control(w) || any;
}

static bool all_well(const struct world *w)
{
    for (int t = 0; t < TABLES; t++)
        if (w->tables[t] &&
            (w->tables[t]->state != SESSION_TABLE_ACTIVE || !w->sub_of[t][0] || !w->sub_of[t][ITEMS - 1]))
            return false;
    return w->bound && w->streaming && w->sent == w->n_log;
}

/* Until everything is as it should be; no failed allocation may keep it from getting there. */
static void settle(struct world *w)
{
    for (int i = 0; i < 3000; i++) {
        if (step(w))
            continue;
        if (all_well(w))
            return;
        uint64_t at;
        IN_SESSION(at = session_deadline(w->session));
        if (at == UINT64_MAX)
            die("it waits for nothing");
        if (w->streaming)
            buf_add_text(&w->stream, "PROBE\r\n");
        w->now = at > w->now ? at : w->now;
        IN_SESSION(session_tick(w->session, w->now));
    }
    die("it does not come back: %s, %s", session_state_name(session_last_report(w->session)->state),
        session_last_report(w->session)->reason);
}

/* The connection ends in the middle of a line, with more lost behind it. */
static void cut(struct world *w)
{
    server_flush(w);
    size_t n = w->stream.len / 2;
    if (n)
        deliver(w, n);
    take_actions(w);
    buf_clear(&w->stream);
    w->streaming = w->polling = false;
    IN_SESSION(session_closed(w->session, w->now, SESSION_FAULT_PASSING, 0, "cut"));
    settle(w);
}

/* ---- the story ---- */

static int encode(void *userdata, size_t field, bool is_null, struct span value, struct buf *out)
{
    (void)field;
    (void)userdata;
    struct span number = value.len > 5 && value.at[0] == '{' ? value : SPAN_EMPTY;
    if (is_null) {
        buf_add_char(out, '#');
    } else if (number.len) {
        /* Of the document only its number: how it is written down is not the matter here. */
        for (size_t i = 0; i < value.len; i++)
            if (value.at[i] >= '0' && value.at[i] <= '9')
                buf_add_char(out, value.at[i]);
    } else {
        buf_add_span(out, value);
        if (value.len == 0)
            buf_add_char(out, '$');
    }
    return buf_error(out) ? -ENOMEM : 0;
}

static void drop_user(void *userdata, void *user)
{
    (void)userdata;
    (void)user;
}

static void add_table(struct world *w, int t)
{
    char name[8], group[8];
    snprintf(name, sizeof name, "t%d", t);
    snprintf(group, sizeof group, "g%d", t);
    const struct table_options o = {.name = name,
                                    .mode = modes[t],
                                    .group = group,
                                    .schema = "s",
                                    .n_items = ITEMS,
                                    .n_fields = 3,
                                    .snapshot = has_snapshot(t),
                                    .key_field = modes[t] == TABLE_COMMAND ? 1 : 0,
                                    .command_field = modes[t] == TABLE_COMMAND ? 2 : 0,
                                    .n_second = modes[t] == TABLE_COMMAND,
                                    .second_schema = "q"};
    const struct table_hooks hooks = {.encode = encode, .drop_user = drop_user};
    int r = -1;
    for (int tries = 0; r < 0 && tries < 10; tries++)
        IN_SESSION(r = session_add_table(w->session, w->now, &o, &hooks, 1000, NULL, &w->tables[t]));
    static const char *const names[ITEMS] = {"g4.0", "g4.1"};
    r = r == 0 && t == SPLIT ? -1 : r;
    for (int tries = 0; r < 0 && tries < 10; tries++)
        IN_SESSION(r = session_split_on_error(w->tables[t], names));
    if (r < 0)
        die("the table is not added");
}

static void updates(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        server_update(w, i % TABLES, i / TABLES % ITEMS);
}

static void begin(struct world *w, enum way way)
{
    *w = (struct world){.way = way, .now = 1000};
    w->stream = w->control = BUF_INIT(1 << 20);
    w->options = (struct session_options){
        .dialect = way == WAY_TEXT ? &dialect_text : &dialect_tlcp,
        .transports = {way == WAY_WEBSOCKET ? SESSION_WS_STREAMING : SESSION_HTTP_STREAMING},
        .n_transports = 1,
        .adapter_set = "TEST",
        .supported_diffs = "P,T",
        .stalled_ms = 2000,
        .reconnect_ms = 3000,
        .recovery_ms = 15000,
        .connect_ms = 4000,
        .retry_ms = 125,
        .retry_max_ms = 30000,
        .retry_refused_ms = 300000,
    };
    int r = -1;
    for (int tries = 0; r < 0 && tries < 10; tries++)
        IN_SESSION(r = session_new(&w->options, 1, &w->session));
    if (r < 0)
        die("no session");
}

static void check_told(const struct world *w)
{
    for (uint64_t token = 1; token <= w->tokens; token++)
        if (!w->told[token])
            die("message %llu is not answered", (unsigned long long)token);
}

static void end(struct world *w)
{
    IN_SESSION(session_stop(w->session, w->now, "end", "session disconnected"));
    while (step(w))
        ;
    check_given_up(w);
    check_told(w);
    IN_SESSION(session_free(w->session));
    server_forget(w);
    buf_done(&w->stream);
    buf_done(&w->control);
    if (allocator.live)
        die("%lld blocks are leaked", (long long)allocator.live);
}

static void replace_table(struct world *w)
{
    IN_SESSION(session_remove_table(w->session, w->now, w->tables[4], true));
    take_events(w);
    add_table(w, 4);
    settle(w);
}

static void send_messages(struct world *w, int n)
{
    for (int i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %d", i);
        struct session_message m = {.token = w->tokens + 1,
                                    .text = span_of(text),
                                    .sequence = i % 2 ? SPAN("S") : SPAN_EMPTY,
                                    .max_wait_ms = SESSION_MAX_WAIT_UNSET,
                                    .timeout_ms = 9000};
        int r;
        IN_SESSION(r = session_send_message(w->session, w->now, &m));
        if (r > 0 || m.token == TOKENS_MAX)
            die("too many messages");
        w->tokens += r == 0;
    }
}

static void story(struct world *w)
{
    for (int t = 0; t < TABLES - 1; t++)
        add_table(w, t);
    IN_SESSION(session_start(w->session, w->now));
    settle(w);
    updates(w, 20);
    send_messages(w, 8);
    settle(w);
    if (w->streaming)
        buf_printf(&w->stream, "HELLO,you\r\n%s", loop(w));
    w->streaming = false;
    settle(w);
    updates(w, 10);
    send_messages(w, 4);
    take_actions(w);
    cut(w);
    add_table(w, 4);
    settle(w);
    updates(w, 20);
    w->held = true;
    settle(w);
    w->held = false;
    IN_SESSION((void)session_reconf(w->session, w->now, w->tables[0], "2.0"));
    IN_SESSION((void)session_constrain(w->session, "50"));
    settle(w);
    w->forgets = true;
    updates(w, 10);
    send_messages(w, 4);
    take_actions(w);
    cut(w);
    updates(w, 10);
    settle(w);
    replace_table(w);
    updates(w, 10);
    settle(w);
    send_messages(w, 4);
}

static uint64_t play(enum way way, uint64_t fail_from, uint64_t fail_n)
{
    struct world w;
    allocator.calls = 0;
    allocator.live = 0;
    allocator.fail_from = fail_from;
    allocator.fail_n = fail_n;
    begin(&w, way);
    story(&w);
    end(&w);
    return allocator.calls;
}

int main(void)
{
    static const char *const names[N_WAYS] = {"http", "ws", "text mode"};
    for (enum way way = WAY_HTTP; way < N_WAYS; way++) {
        uint64_t n = play(way, 0, 0);
        for (uint64_t i = 1; i <= n; i++) {
            play(way, i, 1);
            play(way, i, 5);
        }
        printf("%s: %llu allocations, each failed\n", names[way], (unsigned long long)n);
    }
    return 0;
}
