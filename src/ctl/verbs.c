#include "ctl/verbs.h"

#include "ctl/add.h"
#include "ctl/feed.h"
#include "ctl/rows.h"
#include "ctl/send.h"
#include "ctl/top.h"
#include "ctl/view.h"

/* One command of the control socket: asked, and its reply shown. */
static int run_command(struct ctl *c, const struct verb *verb)
{
    AUTO_JSON struct json_object *reply = NULL;
    struct json_object *request = ctl_request(verb->name);
    for (size_t i = 0; i < c->options->n_arguments; i++)
        ctl_request_add(request, verb->keys[i], c->options->arguments[i]);
    int r = ctl_ask(c, request, &reply);
    if (c->options->json && c->reply.len > 0)
        ctl_add_reply(c);
    else if (r == CTL_OK)
        verb->view(&c->out, reply);
    if (r == CTL_OK && c->options->verbose && !c->options->json)
        verb->more(&c->out, reply);
    return r;
}

#define FEED_OPTIONS (OPTIONS_PREFIX | OPTIONS_COUNT | OPTIONS_SECONDS)

static const struct verb verbs[] = {
    {.name = "status",
     .help = "what the daemon is doing: endpoints, sessions, tables, counters",
     .takes = OPTIONS_VERBOSE,
     .run = run_command,
     .view = view_status,
     .more = view_details},
    {.name = "watch",
     .operands = "[TOPIC...]",
     .help = "state transitions as they come, from the status socket",
     .most = SIZE_MAX,
     .takes = FEED_OPTIONS,
     .run = feed_watch},
    {.name = "top",
     .help = "sessions and tables, live, on the whole screen; q quits",
     .takes = OPTIONS_COUNT | OPTIONS_SECONDS | OPTIONS_INTERVAL,
     .run = top},
    {.name = "tail",
     .operands = "[TOPIC...]",
     .help = "updates as they come, from the data socket",
     .most = SIZE_MAX,
     .takes = FEED_OPTIONS,
     .run = feed_tail},
    {.name = "get",
     .operands = "[TABLE [ITEM]]",
     .help = "current rows (TABLE, or SESSION/TABLE)",
     .most = 2,
     .run = rows_get},
    {.name = "rows",
     .operands = "[TABLE [ITEM]]",
     .help = "the same, by the name of the command that it asks",
     .most = 2,
     .run = rows_get},
    {.name = "sessions",
     .operands = "[SESSION]",
     .help = "the sessions",
     .most = 1,
     .keys = {"session"},
     .takes = OPTIONS_VERBOSE,
     .run = run_command,
     .view = view_sessions,
     .more = view_details},
    {.name = "tables",
     .operands = "[SESSION]",
     .help = "the tables",
     .most = 1,
     .keys = {"session"},
     .run = run_command,
     .view = view_tables},
    {.name = "connect",
     .operands = "SESSION",
     .help = "connect a session again at once",
     .least = 1,
     .most = 1,
     .keys = {"session"},
     .run = run_command,
     .view = view_ok},
    {.name = "disconnect",
     .operands = "SESSION",
     .help = "disconnect a session, until connect or reload",
     .least = 1,
     .most = 1,
     .keys = {"session"},
     .run = run_command,
     .view = view_ok},
    {.name = "start",
     .operands = "SESSION TABLE",
     .help = "subscribe a silent table, or ask again for a failed one",
     .least = 2,
     .most = 2,
     .keys = {"session", "table"},
     .run = run_command,
     .view = view_ok},
    {.name = "add-table",
     .operands = "SESSION TABLE",
     .help = "subscribe one more table: JSON, @FILE, or - for standard input",
     .least = 2,
     .most = 2,
     .keys = {"session"},
     .run = add_table,
     .view = view_ok},
    {.name = "delete-table",
     .operands = "SESSION TABLE",
     .help = "unsubscribe a table and forget it",
     .least = 2,
     .most = 2,
     .keys = {"session", "table"},
     .run = run_command,
     .view = view_ok},
    {.name = "reconf",
     .operands = "SESSION TABLE FREQUENCY",
     .help = "ask for another max_frequency of a table",
     .least = 3,
     .most = 3,
     .keys = {"session", "table", "max_frequency"},
     .run = run_command,
     .view = view_granted},
    {.name = "constrain",
     .operands = "SESSION KBPS",
     .help = "ask for another max_bandwidth_kbps of a session",
     .least = 2,
     .most = 2,
     .keys = {"session", "max_bandwidth_kbps"},
     .run = run_command,
     .view = view_granted},
    {.name = "rebind",
     .operands = "SESSION",
     .help = "have a session's connection renewed; nothing is lost",
     .least = 1,
     .most = 1,
     .keys = {"session"},
     .run = run_command,
     .view = view_ok},
    {.name = "send-message",
     .operands = "SESSION TEXT",
     .help = "send a message to the server, and show its response",
     .least = 2,
     .most = 2,
     .takes = OPTIONS_SEQUENCE | OPTIONS_MAX_WAIT,
     .run = send_message},
    {.name = "log-level",
     .operands = "LEVEL",
     .help = "what is logged from now on: error, warning, notice, info or debug",
     .least = 1,
     .most = 1,
     .keys = {"level"},
     .run = run_command,
     .view = view_ok},
    {.name = "reload", .help = "read the configuration again", .run = run_command, .view = view_reload},
    {.name = "config",
     .help = "the effective configuration, secrets masked",
     .run = run_command,
     .view = view_config},
    {.name = "version",
     .help = "versions of the daemon and of its libraries",
     .run = run_command,
     .view = view_version},
    {.name = "ping", .help = "whether the daemon answers", .run = run_command, .view = view_ok},
};

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

int verb_check(const struct verb *verb, const struct options *options, struct buf *error)
{
    if (!verb)
        buf_printf(error, "unknown verb \"%s\"", options->verb);
    else if (options->n_arguments < verb->least)
        buf_printf(error, "%s: %s is missing", verb->name, verb->operands);
    else if (options->n_arguments > verb->most)
        buf_printf(error, "%s: unexpected \"%s\"", verb->name, options->arguments[verb->most]);
    else if (options->given & ~verb->takes)
        buf_printf(error, "%s does not take %s", verb->name, options_name(options->given & ~verb->takes));
    else
        return CTL_OK;
    return CTL_USAGE;
}

void verbs_help(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        const char *operands = verbs[i].operands ? verbs[i].operands : "";
        buf_printf(out, "  %s %-*s %s\n", verbs[i].name, (int)(25 - strlen(verbs[i].name)), operands,
                   verbs[i].help);
    }
}
