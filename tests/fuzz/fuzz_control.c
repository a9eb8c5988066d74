/* Requests to the control socket, one a line, to a daemon that has two sessions, rows, and neither sockets nor a loop that
 * runs: each gets one JSON object, with "ok", and the "id" that it brought. */
#include "config.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/escape.h"
#include "bridge/control.h"
#include "fuzz.h"
#include "proto/jsontext.h"

enum { REPLY_MAX = 16 << 20, ROWS = 7 };

/* ---- a bus without consumers ---- */

struct deaf_sink {
    struct sink sink; /* first */
    int fd;
};

static int deaf_publish(struct sink *s UNUSED, struct span topic UNUSED, struct span payload UNUSED,
                        enum sink_pressure pressure UNUSED)
{
    return 0;
}

static int deaf_next_subscription(struct sink *s UNUSED, struct buf *ret_prefix UNUSED)
{
    return 0;
}

static int deaf_ready(struct sink *s UNUSED)
{
    return 0;
}

static int deaf_fd(const struct sink *s)
{
    return ((const struct deaf_sink *)s)->fd;
}

static const char *deaf_endpoint(const struct sink *s UNUSED, size_t index UNUSED)
{
    return NULL;
}

static void deaf_close(struct sink *s)
{
    close(deaf_fd(s));
    free(s);
}

static struct sink *deaf_new(void)
{
    static const struct sink_ops ops = {.publish = deaf_publish,
                                        .next_subscription = deaf_next_subscription,
                                        .ready = deaf_ready,
                                        .fd = deaf_fd,
                                        .endpoint = deaf_endpoint,
                                        .close = deaf_close};
    struct deaf_sink *s = calloc(1, sizeof *s);
    MUST(s);
    *s = (struct deaf_sink){.sink = {.ops = &ops}, .fd = eventfd(0, EFD_CLOEXEC)};
    MUST(s->fd >= 0);
    return &s->sink;
}

/* ---- the daemon ---- */

struct world {
    struct bridge bridge;
    int conf_fd;
    struct table *table; /* with rows, beside the sessions' own */
    size_t waiting;      /* requests that a server is to answer */
};

static void nothing(void *userdata UNUSED) {}

static void on_answered(void *userdata, const struct session_answer *answer)
{
    struct world *w = userdata;
    MUST(answer->token && !answer->granted);
    w->waiting--;
}

static void no_failure(void *userdata UNUSED, int error UNUSED) {}

/* The file stays open, as `reload` reads it again. */
static void load_conf(struct world *w)
{
    static const char text[] =
        "sessions: ( { name = \"a\"; url = \"http://127.0.0.1:1\"; password = \"s3same\";\n"
        "  tables: ( { name = \"t\"; mode = \"MERGE\"; items = [ \"i\", \"j\" ]; fields = [ \"f\" ]; } ); },\n"
        "  { name = \"b\"; url = \"http://127.0.0.1:1\"; transport = \"http-streaming\"; } );\n";
    char path[64];
    struct conf_faults faults = {0};
    w->conf_fd = memfd_create("conf", MFD_CLOEXEC);
    MUST(w->conf_fd >= 0 && write(w->conf_fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", w->conf_fd);
    MUST(conf_load(path, &w->bridge.conf, &faults) == 0);
}

static void open_feed(struct world *w)
{
    struct link_env *env = &w->bridge.env;
    struct feed_options options = {.sink = deaf_new(),
                                   .run = w->bridge.run,
                                   .format = ENCODE_JSON,
                                   .topic = w->bridge.conf->publisher.topic,
                                   .replay = true,
                                   .replay_limit = 100};
    struct feed_handlers handlers = {nothing, nothing, nothing, no_failure, NULL};
    MUST(feed_new(env->event, &options, &handlers, &env->feed) == 0);
    MUST(status_new(env->event, deaf_new(), w->bridge.run, &env->status) == 0);
}

/* One COMMAND table of its own whose rows `rows` can page through. */
static void add_rows(struct world *w)
{
    struct feed_table *side;
    struct feed_table_options shown = {.session = "a", .name = "u"};
    const char *why;
    MUST(feed_table_new(w->bridge.env.feed, &shown, &side) == 0);
    struct table_hooks hooks = feed_table_hooks(side);
    struct table_options options = {.name = "u", .mode = TABLE_COMMAND, .group = "g", .schema = "s"};
    MUST(table_new(&options, &hooks, &w->table) == 0);
    feed_table_attach(side, w->table);
    MUST(table_begin(w->table, &(struct table_counts){2, 3, 1, 2}, &why) == 0);
    for (unsigned i = 0; i < ROWS; i++) {
        char values[32];
        struct session_event event = {.kind = SESSION_EVENT_UPDATE};
        snprintf(values, sizeof values, "k%u|ADD|v%u", i, i);
        MUST(table_apply(w->table, 1 + i % 2, span_of(values), &event.update, &why) == 0);
        event.item = event.update.item;
        MUST(feed_event(side, &event, 1) == 0);
    }
}

static void make_world(struct world *w)
{
    struct link_env *env = &w->bridge.env;
    struct link *link;
    memcpy(w->bridge.run, "0123456789abcdef", sizeof w->bridge.run);
    load_conf(w);
    buf_init(&w->bridge.endpoints, 64);
    buf_add_text(&w->bridge.endpoints, "{}");
    list_init(&w->bridge.links);
    env->changed = env->over = nothing;
    env->answered = on_answered;
    env->userdata = w;
    MUST(log_new(LOG_EMERG, &env->log) == 0);
    MUST(sd_event_new(&env->event) >= 0 && net_new(env->event, &env->net) == 0);
    open_feed(w);
    add_rows(w);
    for (size_t i = 0; i < w->bridge.conf->n_sessions; i++)
        MUST(bridge_add_link(&w->bridge, &w->bridge.conf->sessions[i], false, NULL, &link) == 0);
}

static void free_world(struct world *w)
{
    struct link_env *env = &w->bridge.env;
    LIST_EACH(link, &w->bridge.links)
        link_stop(link_of(link), "the end");
    MUST(w->waiting == 0);
    LIST_EACH_SAFE(link, &w->bridge.links) {
        list_remove(link);
        link_free(link_of(link));
    }
    table_free(w->table);
    feed_free(env->feed);
    status_free(env->status);
    net_free(env->net);
    sd_event_unref(env->event);
    log_free(env->log);
    conf_free(w->bridge.conf);
    conf_free(w->bridge.old_conf);
    conf_free(w->bridge.loaded);
    buf_done(&w->bridge.endpoints);
    close(w->conf_fd);
}

/* ---- requests ---- */

static void check_id(struct jsondoc *d, struct span request, const struct jsondoc_node *reply)
{
    struct jsondoc asked = {0};
    const struct jsondoc_node *root = jsontext_read(&asked, request);
    const struct jsondoc_node *want =
        root && root->type == JSONDOC_OBJECT ? jsondoc_member(&asked, root, SPAN("id")) : NULL;
    const struct jsondoc_node *got = jsondoc_member(d, reply, SPAN("id"));
    MUST(!want == !got && (!want || jsondoc_equal(d, want, got)));
    jsondoc_done(&asked);
}

static bool holds(struct span s, const char *text)
{
    return s.len && memmem(s.at, s.len, text, strlen(text));
}

/* The password of the configuration must be in no reply. */
static void check_reply(struct span request, struct span reply)
{
    struct jsondoc d = {0};
    const struct jsondoc_node *root = jsontext_read(&d, reply);
    MUST(root && root->type == JSONDOC_OBJECT);
    const struct jsondoc_node *ok = jsondoc_member(&d, root, SPAN("ok")),
                              *error = jsondoc_member(&d, root, SPAN("error"));
    MUST(ok && ok->type == JSONDOC_LITERAL);
    MUST(span_is(ok->text, "true") ? !error : error && error->type == JSONDOC_STRING && error->text.len);
    check_id(&d, request, root);
    jsondoc_done(&d);
    MUST(!holds(reply, "s3same") || holds(request, "s3same"));
}

/* No session is connected: of all that a server can be asked only a message waits for one that will be. END is the reply's. */
static void wait_for(struct world *w, const struct control_later *later, struct span request, struct span end)
{
    struct jsondoc d = {0};
    AUTO_BUF struct buf reply = BUF_INIT(REPLY_MAX);
    MUST(strcmp(later->granted, "response") == 0);
    w->waiting++;
    buf_add_char(&reply, '{');
    buf_add_span(&reply, end);
    const struct jsondoc_node *root = jsontext_read(&d, buf_span(&reply));
    MUST(root && root->type == JSONDOC_OBJECT);
    check_id(&d, request, root);
    jsondoc_done(&d);
    link_drain(later->link);
}

/* Pages of LIMIT rows, one after the other: every row once. */
static void check_pages(struct world *w, size_t limit)
{
    AUTO_BUF struct buf request = BUF_INIT(4096), reply = BUF_INIT(REPLY_MAX);
    const struct jsondoc_node *next;
    size_t n = 0;
    buf_printf(&request, "{\"cmd\":\"rows\",\"limit\":%zu}", limit);
    do {
        struct jsondoc d = {0};
        struct control_later later;
        control_answer(&w->bridge, buf_span(&request), &reply, &later);
        check_reply(buf_span(&request), buf_span(&reply));
        const struct jsondoc_node *root = jsontext_read(&d, buf_span(&reply));
        const struct jsondoc_node *rows = jsondoc_member(&d, root, SPAN("rows"));
        MUST(rows && rows->type == JSONDOC_ARRAY && rows->n_children <= limit);
        n += rows->n_children;
        next = jsondoc_member(&d, root, SPAN("next"));
        MUST(!next || rows->n_children);
        buf_clear(&request);
        buf_printf(&request, "{\"cmd\":\"rows\",\"limit\":%zu,\"after\":", limit);
        if (next)
            escape_json(&request, next->text);
        buf_add_char(&request, '}');
        jsondoc_done(&d);
    } while (next);
    MUST(n == ROWS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    struct span input = fuzz_input(data, size), line;
    AUTO_BUF struct buf reply = BUF_INIT(REPLY_MAX);
    make_world(&w);
    while (span_cut(&input, '\n', &line)) {
        struct control_later later;
        control_answer(&w.bridge, line, &reply, &later);
        MUST(buf_error(&reply) == 0);
        if (later.token)
            wait_for(&w, &later, line, buf_span(&reply));
        else
            check_reply(line, buf_span(&reply));
    }
    check_pages(&w, 1 + size % ROWS);
    free_world(&w);
    return 0;
}
