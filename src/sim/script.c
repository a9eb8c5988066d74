#include "sim/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sim/command.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/subscription.h"

/* A wait that lasts longer has failed. */
#define MAX_WAIT_US 30000000

struct script_line {
    struct list link;
    unsigned number;
    char *text; /* owned */
};

struct script {
    struct sim *sim;
    const char *name;  /* of the file */
    struct list lines; /* still to be run */
    unsigned n_lines;  /* ever read */
    struct buf input;  /* standard input: what is not a whole line yet */
    sd_event_source *io, *timer;
    struct target target;
    uint64_t waits_until_us; /* the line that waits gives up then; 0: none waits */
};

/* --- reading --- */

static void add_line(struct script *s, struct span text)
{
    struct script_line *line = memory_get(sizeof(*line));

    if (text.len > 0 && text.at[text.len - 1] == '\r')
        text.len--;
    line->number = ++s->n_lines;
    line->text = memory_dup(text);
    list_append(&s->lines, &line->link);
}

static void free_line(struct script_line *line)
{
    list_remove(&line->link);
    free(line->text);
    free(line);
}

static void take_lines(struct script *s, bool at_end)
{
    struct span rest = buf_span(&s->input), line;
    size_t used = 0;

    while (rest.at && (at_end ? rest.len > 0 : memchr(rest.at, '\n', rest.len) != NULL)) {
        span_cut(&rest, '\n', &line);
        used += line.len + (rest.at ? 1 : 0);
        add_line(s, line);
    }
    buf_drop_front(&s->input, used);
}

/* Reads once from FD. Returns 1 at its end, 0, or -errno. */
static int read_input(struct script *s, int fd)
{
    ssize_t n;
    int r = buf_reserve(&s->input, 65536);

    if (r < 0)
        return r;
    n = read(fd, s->input.at + s->input.len, 65536);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    s->input.len += (size_t)n;
    return n == 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct script *s = data;
    int r = read_input(s, fd);

    (void)source;
    (void)events;
    take_lines(s, r != 0);
    if (r == 0)
        return 0;
    s->io = sd_event_source_disable_unref(s->io);
    if (s->sim->options.interactive)
        add_line(s, SPAN("quit"));
    return 0;
}

static int read_all(struct script *s, int fd)
{
    int r;

    while ((r = read_input(s, fd)) == 0)
        ;
    take_lines(s, true);
    return r < 0 ? r : 0;
}

/* What is wrong with a line, NULL for nothing. */
static const char *check_line(struct span line)
{
    CLEANUP(words_done) struct words words;
    const char *fault = words_parse(&words, line);

    if (fault || words.n == 0)
        return fault;
    return command_check(words.list[0].text, words.n - 1);
}

static int check_all(struct script *s)
{
    bool bad = false;

    LIST_EACH(link, &s->lines) {
        struct script_line *line = CONTAINER_OF(link, struct script_line, link);
        const char *fault = check_line(span_of(line->text));

        if (fault)
            fprintf(stderr, "%s:%u: %s\n", s->name, line->number, fault);
        bad |= fault != NULL;
    }
    return bad ? -EINVAL : 0;
}

static int read_file(struct script *s)
{
    int r, fd = open(s->name, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        r = -errno;
        fprintf(stderr, "lsbridge-sim: cannot read %s: %s\n", s->name, strerror(-r));
        return r;
    }
    r = read_all(s, fd);
    close(fd);
    return r < 0 ? r : check_all(s);
}

int script_start(struct sim *sim)
{
    const struct sim_options *o = &sim->options;
    struct script *s;
    int r;

    if (!o->script && !o->interactive)
        return 0;
    s = sim->script = memory_get(sizeof(*s));
    s->sim = sim;
    s->name = o->script ? o->script : "-";
    s->input = BUF_INIT(4 * WORD_LINE_MAX);
    list_init(&s->lines);
    if (!o->interactive && strcmp(s->name, "-") != 0)
        return read_file(s);
    s->name = "standard input";
    r = sd_event_add_io(sim->loop, &s->io, STDIN_FILENO, EPOLLIN, on_input, s);
    return r == -EPERM ? read_all(s, STDIN_FILENO) : r; /* a plain file cannot be polled */
}

void script_stop(struct sim *sim)
{
    struct script *s = sim->script;

    if (!s)
        return;
    LIST_EACH_SAFE(link, &s->lines)
        free_line(CONTAINER_OF(link, struct script_line, link));
    sd_event_source_disable_unref(s->io);
    sd_event_source_disable_unref(s->timer);
    buf_done(&s->input);
    free(s);
    sim->script = NULL;
}

/* --- waiting --- */

static uint64_t wanted(const struct words *words, size_t at)
{
    uint64_t n = 1;

    if (at < words->n && !span_to_u64(words->list[at].text, INT64_MAX, &n))
        n = 1;
    return n;
}

/* How many subscriptions to items named NAME there are. */
static uint64_t subscribed(const struct sim *sim, struct span name)
{
    uint64_t n = 0;

    LIST_EACH(link, &sim->feed.live) {
        const struct item *item = CONTAINER_OF(link, struct item, live_link);

        if (!span_equal(item->name, name))
            continue;
        LIST_EACH(listener, &item->listeners)
            n++;
    }
    return n;
}

/* Whether all of the sessions are bound (or none is), and everything that waits was sent where SENT is asked for. */
static bool all_bound(const struct sim *sim, bool bound, bool sent)
{
    LIST_EACH(link, &sim->sessions) {
        const struct session *s = CONTAINER_OF(link, struct session, link);

        if (bound == !s->conn || (sent && (s->sent < s->history.last || s->conn->out.len > 0)))
            return false;
    }
    return !bound || !list_empty(&sim->sessions);
}

/* Whether the condition holds; anything that is none never does. */
static bool holds(const struct sim *sim, const struct words *words)
{
    struct span what = words->list[1].text;

    if (span_is(what, "session"))
        return sim->n_sessions >= wanted(words, 2);
    if (span_is(what, "bound"))
        return all_bound(sim, true, false);
    if (span_is(what, "unbound"))
        return all_bound(sim, false, false);
    if (span_is(what, "drained"))
        return all_bound(sim, true, true);
    if (span_is(what, "sent"))
        return sim->sent >= wanted(words, 2);
    if (span_is(what, "subscribed") && words->n > 2)
        return subscribed(sim, words->list[2].text) >= wanted(words, 3);
    return span_is(what, "unsubscribed") && words->n > 2 && subscribed(sim, words->list[2].text) == 0;
}

static int on_time(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    (void)data; /* the turn that it makes is what is wanted */
    return 0;
}

/* Whether the line is to be looked at again later; otherwise *RET_FAULT says whether it failed. */
static bool waits(struct script *s, const struct words *words, const char **ret_fault)
{
    uint64_t now = sim_now_us(s->sim);
    bool sleeps = span_is(words->list[0].text, "sleep");

    if (s->waits_until_us == 0) {
        s->waits_until_us = now + (sleeps ? wanted(words, 1) * 1000 : MAX_WAIT_US);
        sim_timer(s->sim, &s->timer, s->waits_until_us, on_time, s);
    }
    if (!sleeps && holds(s->sim, words)) {
        s->waits_until_us = 0;
        return false;
    }
    if (now < s->waits_until_us)
        return true;
    if (!sleeps)
        *ret_fault = "waited in vain";
    s->waits_until_us = 0;
    return false;
}

/* --- running --- */

static void say_done(struct script *s, const struct script_line *line, const char *fault)
{
    AUTO_BUF struct buf b = BUF_INIT(8 * WORD_LINE_MAX);

    if (fault)
        fprintf(stderr, "%s:%u: %s\n", s->name, line->number, fault);
    json_begin(&b, "done");
    json_count(&b, "line", line->number);
    json_text(&b, "command", span_of(line->text));
    json_bool(&b, "ok", !fault);
    if (fault)
        json_text(&b, "fault", span_of(fault));
    json_end(&b);
    sim_emit(s->sim, &b);
}

/* Runs one line. Returns false where it waits. */
static bool run_line(struct script *s, struct script_line *line)
{
    CLEANUP(words_done) struct words words;
    const char *fault = words_parse(&words, span_of(line->text));
    struct call call = {.sim = s->sim, .words = &words, .target = &s->target};

    if (!fault && words.n == 0)
        return true;
    if (!fault)
        fault = command_check(words.list[0].text, words.n - 1);
    if (!fault && (span_is(words.list[0].text, "wait") || span_is(words.list[0].text, "sleep"))) {
        if (waits(s, &words, &fault))
            return false;
    } else if (!fault) {
        fault = command_run(&call);
    }
    say_done(s, line, fault);
    return true;
}

void script_run(struct sim *sim)
{
    struct script *s = sim->script;
    struct list *first;

    while (s && (first = list_first(&s->lines))) {
        struct script_line *line = CONTAINER_OF(first, struct script_line, link);

        if (!run_line(s, line))
            return;
        free_line(line);
    }
}
