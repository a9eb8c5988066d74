#include "ctl/feed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/escape.h"
#include "ctl/clock.h"
#include "ctl/text.h"
#include "ctl/unpack.h"

/* Messages taken before what they gave is written and the clock and the signals are looked at. */
enum { BATCH_MESSAGES = 1000 };

struct feed {
    struct ctl *ctl;
    const char *name;           /* the socket, as `status` calls it in "endpoints" */
    const struct span *filters; /* whole topics, or prefixes */
    size_t n_filters;
    bool whole; /* filters are whole topics */
    void (*add)(struct buf *out, struct json_object *message);
    struct buf endpoint;
    int signals; /* a signalfd for SIGINT and SIGTERM */
    uint64_t printed;
    bool over; /* asked to end, by whatever */
};

static int feed_fail(struct feed *f, const char *words)
{
    buf_printf(&f->ctl->error, "%s: %s", buf_text(&f->endpoint), words);
    return CTL_FAILED;
}

/* From here on these end the feed and not the process. */
static int feed_open_signals(struct feed *f)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return f->signals < 0 ? -errno : 0;
}

static int feed_connect(struct feed *f, const char *given)
{
    if (given)
        buf_add_text(&f->endpoint, given);
    int r = given ? CTL_OK : ctl_discover(f->ctl, f->name, &f->endpoint);
    if (r != CTL_OK)
        return r;
    r = feed_open_signals(f);
    if (r < 0)
        return r;
    AUTO_BUF struct buf words = BUF_INIT(1024);
    r = zmqclient_subscribe(f->ctl->client, buf_text(&f->endpoint), f->filters, f->n_filters, &words);
    return r == ZMQCLIENT_FAILED ? feed_fail(f, buf_text(&words)) : r;
}

static bool feed_matches(const struct feed *f, struct span topic)
{
    if (!f->whole)
        return true;
    for (size_t i = 0; i < f->n_filters; i++)
        if (span_equal(f->filters[i], topic))
            return true;
    return false;
}

/* {"topic":"…", and then what the message says. Only the end of the line is looked at: it came as one object on one line. */
static bool add_json(struct buf *out, struct span topic, struct span payload)
{
    if (payload.len < 2 || payload.at[0] != '{' || memchr(payload.at, '\n', payload.len))
        return false;
    buf_add_text(out, "{\"topic\":");
    escape_json(out, topic);
    if (payload.at[1] != '}')
        buf_add_char(out, ',');
    buf_add_span(out, span_from(payload, 1));
    buf_add_char(out, '\n');
    return true;
}

static bool add_line(const struct feed *f, struct buf *out, struct span topic, struct span payload)
{
    AUTO_JSON struct json_object *message = NULL;
    if (reply_parse(payload, &message) != 0)
        return false;
    text_add_time(out, reply_integer(message, "time", -1));
    buf_add_char(out, ' ');
    text_add_value(out, topic);
    f->add(out, message);
    buf_add_char(out, '\n');
    return true;
}

static int feed_take(struct feed *f, struct span topic, struct span payload)
{
    if (!feed_matches(f, topic))
        return CTL_OK;
    struct buf *out = &f->ctl->out;
    AUTO_BUF struct buf unpacked = BUF_INIT(SIZE_MAX);
    if (payload.len && payload.at[0] != '{') {
        int r = unpack_message(payload, &unpacked);
        if (r != 0)
            return r < 0 ? r : feed_fail(f, "a message came that is neither JSON nor MessagePack");
        payload = buf_span(&unpacked);
    }
    bool added = f->ctl->options->json ? add_json(out, topic, payload) : add_line(f, out, topic, payload);
    if (!added)
        return feed_fail(f, "a message came that is not JSON");
    f->printed++;
    f->over = f->printed == f->ctl->options->count;
    return CTL_OK;
}

/* One batch: what waits, up to a limit, and then to stdout. */
static int feed_drain(struct feed *f)
{
    struct span topic, payload;
    int r = 0;
    for (int i = 0; r == 0 && i < BATCH_MESSAGES && !f->over; i++) {
        r = zmqclient_receive(f->ctl->client, &topic, &payload);
        if (r == 1)
            return ctl_flush(f->ctl);
        if (r == 0)
            r = feed_take(f, topic, payload);
    }
    int flushed = ctl_flush(f->ctl);
    return r ? r : flushed;
}

/* Whether one of the signals came. */
static bool feed_signalled(struct feed *f)
{
    struct signalfd_siginfo info;
    return read(f->signals, &info, sizeof info) == (ssize_t)sizeof info;
}

/* Until the connection is there; then until `over` or the end of the time. */
static int feed_run(struct feed *f)
{
    const struct options *o = f->ctl->options;
    int64_t connect_by = clock_ms() + (int64_t)o->timeout_ms;
    int64_t end = o->seconds ? clock_ms() + (int64_t)o->seconds * 1000 : -1;
    bool connected = false;
    while (!f->over) {
        unsigned seen;
        int64_t until = connected || (end >= 0 && end < connect_by) ? end : connect_by;
        int r = zmqclient_wait(f->ctl->client, f->signals, STDOUT_FILENO, clock_until(until), &seen);
        if (r < 0)
            return r;
        if (seen & (ZMQCLIENT_CONNECTED | ZMQCLIENT_MESSAGE))
            connected = true;
        if (seen & ZMQCLIENT_LOST)
            fprintf(stderr, "lsbridgectl: %s: the connection broke; trying again\n", buf_text(&f->endpoint));
        f->over = seen & ZMQCLIENT_OUT_GONE || feed_signalled(f);
        if (seen & ZMQCLIENT_MESSAGE && !f->over)
            r = feed_drain(f);
        if (r != 0)
            return r;
        if (f->ctl->out_gone || (end >= 0 && clock_until(end) == 0))
            break;
        if (!connected && clock_until(connect_by) == 0)
            break;
    }
    return connected ? CTL_OK : feed_fail(f, "no connection");
}

/* Running out of time before --count is a failure, so that a script can tell. */
static int feed_verdict(struct feed *f)
{
    const struct options *o = f->ctl->options;
    if (f->over || f->ctl->out_gone || o->count == 0)
        return CTL_OK;
    buf_printf(&f->ctl->error, "%s: %ju messages within %ju s, not %ju", buf_text(&f->endpoint),
               (uintmax_t)f->printed, (uintmax_t)o->seconds, (uintmax_t)o->count);
    return CTL_FAILED;
}

static int feed(struct feed *f, const char *given)
{
    const struct options *o = f->ctl->options;
    AUTO_FREE struct span *arguments = calloc(o->n_arguments + 1, sizeof *arguments);
    if (!arguments)
        return -ENOMEM;
    for (size_t i = 0; i < o->n_arguments; i++)
        arguments[i] = span_of(o->arguments[i]);
    if (o->n_arguments > 0) {
        f->filters = arguments;
        f->n_filters = o->n_arguments;
        f->whole = !o->prefix;
    }
    int r = feed_connect(f, given);
    if (r == CTL_OK)
        r = feed_run(f);
    if (r == CTL_OK)
        r = feed_verdict(f);
    if (f->signals >= 0)
        close(f->signals);
    buf_done(&f->endpoint);
    return r;
}

/* Only what changed, where the message says so. */
static void add_fields(struct buf *out, struct json_object *message)
{
    struct json_object *fields = reply_get(message, "fields"), *changed = reply_get(message, "changed");
    if (!changed) {
        reply_add_members(out, fields);
        return;
    }
    for (size_t i = 0; i < reply_length(changed); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(changed, i));
        buf_add_char(out, ' ');
        text_add_value(out, span_of(name));
        buf_add_char(out, '=');
        reply_add_value(out, name ? reply_get(fields, name) : NULL);
    }
}

static void add_update(struct buf *out, struct json_object *message)
{
    static const char *const shown[] = {"v",      "run",  "session", "table", "item",   "pos",
                                        "seq",    "kseq", "time",    "type",  "fields", "changed",
                                        "replay", "key",  "command", NULL};
    int64_t seq = reply_integer(message, "seq", 0);
    if (seq > 0)
        buf_printf(out, " #%jd", (intmax_t)seq);
    buf_add_char(out, ' ');
    text_add_plain(out, reply_text(message, "type"));
    if (reply_true(message, "replay"))
        buf_add_text(out, " (replay)");
    if (reply_get(message, "key")) {
        buf_add_char(out, ' ');
        text_add_plain(out, reply_text(message, "command"));
        buf_add_char(out, ' ');
        reply_add_value(out, reply_get(message, "key"));
    }
    add_fields(out, message);
    reply_add_known(out, message, shown);
}

int feed_tail(struct ctl *c, const struct verb *verb)
{
    (void)verb;
    static const struct span everything[] = {{"", 0}};
    struct feed f = {.ctl = c,
                     .name = "data",
                     .filters = everything,
                     .n_filters = 1,
                     .add = add_update,
                     .endpoint = BUF_INIT(4096),
                     .signals = -1};
    return feed(&f, c->options->data);
}

static void add_transition(struct buf *out, struct json_object *message)
{
    static const char *const shown[] = {"v",     "run",   "seq",    "time", "session",
                                        "table", "state", "replay", NULL};
    struct json_object *state = reply_get(message, "state");
    if (state) {
        buf_add_char(out, ' ');
        reply_add_value(out, state);
    }
    if (reply_true(message, "replay"))
        buf_add_text(out, " (replay)");
    reply_add_known(out, message, shown);
}

int feed_watch(struct ctl *c, const struct verb *verb)
{
    (void)verb;
    static const struct span transitions[] = {{"session/", 8}, {"table/", 6}, {"bridge", 6}};
    struct feed f = {.ctl = c,
                     .name = "status",
                     .filters = transitions,
                     .n_filters = ARRAY_LENGTH(transitions),
                     .add = add_transition,
                     .endpoint = BUF_INIT(4096),
                     .signals = -1};
    return feed(&f, c->options->status);
}
