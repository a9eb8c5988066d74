/* The commands of the control socket. */
#include "config.h"

#include "bridge/control_internal.h"

#include <errno.h>
#include <unistd.h>

#include "bridge/clock.h"
#include "bridge/json.h"
#include "bridge/reload.h"

/* Tables are found by walking over them, and each may be as large as a request. What the daemon remembers of those that it had (the number
 * of each item's last message, which never goes back; the last state) stays for its run: some 500 bytes of each. */
enum { TABLES_MAX = 10000, ADDED_MAX = 1000000 };
/* ---- what a request names ---- */

/* The link of `session`, or NULL and an error. */
static struct link *named_link(struct request *q)
{
    struct link *l = bridge_find_link(q->b, q->texts[KEY_SESSION]);
    if (!l)
        request_fail(q, "there is no session \"%s\"", q->texts[KEY_SESSION]);
    return l;
}

/* Whether `table`, if given, is there: in `session`, or in any. */
static bool table_exists(struct request *q)
{
    const char *session = q->texts[KEY_SESSION], *table = q->texts[KEY_TABLE];
    if (!table)
        return true;
    LIST_EACH(at, &q->b->links) {
        const struct link *l = link_of(at);
        if (link_is_current(l) && (!session || strcmp(session, link_name(l)) == 0) &&
            link_has_table(l, table))
            return true;
    }
    request_fail(q, "there is no table \"%s\"", table);
    return false;
}

/* ---- commands ---- */

static int cmd_ping(struct request *q)
{
    json_u64(q->reply, "time", clock_wall_us());
    return 0;
}

static int cmd_version(struct request *q)
{
    AUTO_BUF struct buf zmq = BUF_INIT(64);
    zmq_bus_version(&zmq);
    json_text(q->reply, "version", PACKAGE_VERSION);
    json_name(q->reply, "libraries");
    json_open(q->reply, '{');
    json_text(q->reply, "libzmq", buf_text(&zmq));
    json_text(q->reply, "libcurl", net_version());
    json_text(q->reply, "wslay", net_ws_version());
    json_close(q->reply, '}');
    return 0;
}

static void add_sessions(struct request *q)
{
    json_name(q->reply, "sessions");
    json_open(q->reply, '[');
    LIST_EACH(at, &q->b->links) {
        struct link *l = link_of(at);
        if (!link_is_current(l) ||
            (q->texts[KEY_SESSION] && strcmp(q->texts[KEY_SESSION], link_name(l)) != 0))
            continue;
        json_open(q->reply, '{');
        link_add_session(l, q->reply);
        json_close(q->reply, '}');
    }
    json_close(q->reply, ']');
}

static void add_tables(struct request *q)
{
    json_name(q->reply, "tables");
    json_open(q->reply, '[');
    LIST_EACH(at, &q->b->links) {
        struct link *l = link_of(at);
        if (link_is_current(l) &&
            (!q->texts[KEY_SESSION] || strcmp(q->texts[KEY_SESSION], link_name(l)) == 0))
            link_add_tables(l, q->reply);
    }
    json_close(q->reply, ']');
}

static int cmd_status(struct request *q)
{
    json_text(q->reply, "version", PACKAGE_VERSION);
    json_text(q->reply, "run", q->b->run);
    json_u64(q->reply, "pid", (uint64_t)getpid());
    json_text(q->reply, "config", q->b->conf->path);
    json_raw(q->reply, "endpoints", buf_span(&q->b->endpoints));
    add_sessions(q);
    add_tables(q);
    json_name(q->reply, "stats");
    json_open(q->reply, '{');
    bridge_add_stats(q->b, q->reply);
    json_close(q->reply, '}');
    return 0;
}

static int cmd_config(struct request *q)
{
    json_name(q->reply, "config");
    return bridge_add_config(q->b, q->reply);
}

static int cmd_sessions(struct request *q)
{
    if (q->texts[KEY_SESSION] && !named_link(q))
        return 0;
    add_sessions(q);
    return 0;
}

static int cmd_tables(struct request *q)
{
    if (q->texts[KEY_SESSION] && !named_link(q))
        return 0;
    add_tables(q);
    return 0;
}

static int cmd_rows(struct request *q)
{
    struct feed_query query = {.session = q->texts[KEY_SESSION],
                               .table = q->texts[KEY_TABLE],
                               .item = span_make(q->texts[KEY_ITEM], q->lengths[KEY_ITEM]),
                               .key = span_make(q->texts[KEY_KEY], q->lengths[KEY_KEY]),
                               .limit = q->limit,
                               .max_bytes = ROWS_MAX_BYTES,
                               .after = q->texts[KEY_AFTER]};
    if ((q->texts[KEY_SESSION] && !named_link(q)) || !table_exists(q))
        return 0;
    json_text(q->reply, "run", q->b->run);
    int r = feed_rows(q->b->env.feed, &query, q->reply);
    return r == FEED_BAD_CURSOR ? request_fail(q, "\"after\" is not a cursor of an earlier page") : r;
}

static int cmd_connect(struct request *q)
{
    struct link *l = named_link(q);
    if (l)
        link_start(l);
    return 0;
}

static int cmd_disconnect(struct request *q)
{
    struct link *l = named_link(q);
    if (l)
        link_stop(l, "disconnected on request");
    return 0;
}

static int cmd_rebind(struct request *q)
{
    struct link *l = named_link(q);
    if (l && !link_rebind(l))
        return request_fail(q, "session \"%s\" is not connected", link_name(l));
    return 0;
}

static int cmd_log_level(struct request *q)
{
    int level = log_level_of(q->texts[KEY_LEVEL]);
    if (level < 0)
        return request_fail(q, "\"level\" must be \"error\", \"warning\", \"notice\", \"info\" or \"debug\"");
    log_set_level(q->b->env.log, level);
    return 0;
}

/* The command asked a server, or says why it could not. */
static int wait_for_answer(struct request *q, struct link *l, int r, const char *why, const char *granted)
{
    if (r == LINK_CANNOT)
        return request_fail(q, "%s", why);
    if (r == 0)
        q->later = (struct control_later){q->b->last_token, granted, l};
    return r;
}

/* The link that has the table of the request, or NULL and an error. */
static struct link *link_of_table(struct request *q)
{
    struct link *l = named_link(q);
    return l && table_exists(q) ? l : NULL;
}

static int cmd_start(struct request *q)
{
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    link_start_table(l, q->texts[KEY_TABLE]);
    link_drain(l);
    return 0;
}

static bool is_taken(const void *link, const char *name)
{
    return link_has_table(link, name);
}

static int cmd_add_table(struct request *q)
{
    struct link *l = named_link(q);
    if (!l)
        return 0;
    if (q->b->stopping)
        return request_fail(q, "the daemon is stopping");
    if (link_count_tables(l) >= TABLES_MAX || q->b->tables_added >= ADDED_MAX)
        return request_fail(q, "there is no room for more tables in %s", link_name(l));
    struct added_table *added = NULL;
    int r = added_read(link_conf(l), q->doc, q->table, is_taken, l, &added, &q->error);
    if (r == ADDED_FAULT)
        return q->error.len ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    q->b->tables_added++;
    r = link_add_added(l, added);
    link_drain(l);
    return r;
}

static int cmd_delete_table(struct request *q)
{
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    link_remove_table(l, q->texts[KEY_TABLE], false);
    link_drain(l);
    return 0;
}

static int cmd_reconf(struct request *q)
{
    const char *why;
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    int r = link_reconf(l, q->texts[KEY_TABLE], q->texts[KEY_MAX_FREQUENCY], ++q->b->last_token, &why);
    return wait_for_answer(q, l, r, why, "max_frequency");
}

static int cmd_constrain(struct request *q)
{
    const char *why;
    struct link *l = named_link(q);
    if (!l)
        return 0;
    int r = link_constrain(l, q->texts[KEY_MAX_BANDWIDTH], ++q->b->last_token, &why);
    return wait_for_answer(q, l, r, why, "max_bandwidth_kbps");
}

static int cmd_send_message(struct request *q)
{
    const char *why;
    struct link *l = named_link(q);
    struct session_message m = {.token = ++q->b->last_token,
                                .text = span_make(q->texts[KEY_TEXT], q->lengths[KEY_TEXT]),
                                .sequence = span_make(q->texts[KEY_SEQUENCE], q->lengths[KEY_SEQUENCE]),
                                .max_wait_ms = q->max_wait_ms,
                                .timeout_ms = q->timeout_ms};
    if (!l)
        return 0;
    if (m.sequence.at && !session_is_sequence(m.sequence))
        return request_fail(q,
                            "\"sequence\" must be 1 to %d of A-Z, a-z, 0-9 and _, and not UNORDERED_MESSAGES",
                            SESSION_SEQUENCE_BYTES_MAX);
    int r = link_send_message(l, &m, &why);
    return wait_for_answer(q, l, r, why, "response");
}

static int cmd_reload(struct request *q)
{
    if (q->b->stopping)
        return request_fail(q, "the daemon is stopping");
    int r = reload(q->b, q->reply, &q->error);
    if (r == RELOAD_FAULT && !q->error.len)
        return request_fail(q, "the configuration was not reloaded");
    return r < 0 ? r : 0;
}

static const struct command commands[] = {
    {"ping", cmd_ping, 0, 0},
    {"version", cmd_version, 0, 0},
    {"status", cmd_status, 0, 0},
    {"config", cmd_config, 0, 0},
    {"sessions", cmd_sessions, 0, BIT(KEY_SESSION)},
    {"tables", cmd_tables, 0, BIT(KEY_SESSION)},
    {"rows", cmd_rows, 0,
     BIT(KEY_SESSION) | BIT(KEY_TABLE) | BIT(KEY_ITEM) | BIT(KEY_KEY) | BIT(KEY_LIMIT) | BIT(KEY_AFTER)},
    {"connect", cmd_connect, BIT(KEY_SESSION), 0},
    {"disconnect", cmd_disconnect, BIT(KEY_SESSION), 0},
    {"start", cmd_start, BIT(KEY_SESSION) | BIT(KEY_TABLE), 0},
    {"add-table", cmd_add_table, BIT(KEY_SESSION) | BIT(KEY_TABLE_OBJECT), 0},
    {"delete-table", cmd_delete_table, BIT(KEY_SESSION) | BIT(KEY_TABLE), 0},
    {"reconf", cmd_reconf, BIT(KEY_SESSION) | BIT(KEY_TABLE) | BIT(KEY_MAX_FREQUENCY), 0},
    {"constrain", cmd_constrain, BIT(KEY_SESSION) | BIT(KEY_MAX_BANDWIDTH), 0},
    {"rebind", cmd_rebind, BIT(KEY_SESSION), 0},
    {"send-message", cmd_send_message, BIT(KEY_SESSION) | BIT(KEY_TEXT),
     BIT(KEY_SEQUENCE) | BIT(KEY_MAX_WAIT) | BIT(KEY_TIMEOUT)},
    {"reload", cmd_reload, 0, 0},
    {"log-level", cmd_log_level, BIT(KEY_LEVEL), 0},
};

const struct command *command_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (span_is(name, commands[i].name))
            return &commands[i];
    return NULL;
}
