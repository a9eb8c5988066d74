#include "ctl/top.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/cells.h"
#include "ctl/clock.h"
#include "ctl/screen.h"
#include "ctl/snapshot.h"

/* Transitions may come by the hundred: what they change is looked at no more often than that. And a daemon that does not answer must not
 * keep the keys waiting. */
enum { REFRESH_MS = 100, ANSWER_MS = 1000, PICTURE_MAX_BYTES = 64 << 20 };

struct top {
    struct ctl *ctl;
    struct screen *screen;        /* NULL: --json */
    struct snapshot older, newer; /* of the last two looks at the time for one */
    struct json_object *reply;    /* the last one, with rates; owned */
    struct buf picture, notice;   /* notice: what is wrong at the moment */
    int signals, wake;            /* a signalfd, and an epoll of it and the keys */
    int64_t next_ms, asked_ms;    /* the next look; the last one */
    uint64_t looks;
    bool stirred; /* something changed since the last look */
    bool over;
};

/* ---- looking ---- */

static int ask(struct top *t, struct json_object **ret)
{
    buf_clear(&t->ctl->error);
    t->asked_ms = clock_ms();
    t->stirred = false;
    return ctl_ask(t->ctl, ctl_request("status"), ret);
}

static void show(struct top *t)
{
    buf_clear(&t->picture);
    snapshot_view(&t->picture, t->reply, cells_now_us());
    screen_show(t->screen, buf_span(&t->picture), SNAPSHOT_HEAD, t->notice.len ? buf_text(&t->notice) : NULL);
}

static int print(struct top *t)
{
    json_object_object_del(t->reply, "ok");
    const char *text =
        json_object_to_json_string_ext(t->reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!text)
        return -ENOMEM;
    buf_add_text(&t->ctl->out, text);
    buf_add_char(&t->ctl->out, '\n');
    return ctl_flush(t->ctl);
}

/* On a screen the last picture stays, and says that it is old. */
static int no_answer(struct top *t, int r)
{
    if (!t->screen || r < 0)
        return r;
    buf_clear(&t->notice);
    buf_add_span(&t->notice, buf_span(&t->ctl->error));
    buf_clear(&t->ctl->error);
    show(t);
    return 0;
}

/* REGULAR: at the time for it; not just because something changed. Rates are those since the look before the last regular one. */
static int look(struct top *t, bool regular)
{
    AUTO_JSON struct json_object *reply = NULL;
    int r = ask(t, &reply);
    if (r != CTL_OK)
        return no_answer(t, r);
    int64_t now_ms = clock_ms();
    buf_clear(&t->notice);
    if (regular) {
        snapshot_done(&t->older);
        t->older = t->newer;
        t->newer = (struct snapshot){0};
        r = snapshot_take(&t->newer, reply, now_ms);
    }
    if (r == 0)
        r = snapshot_add_rates(reply, &t->older, now_ms);
    if (r < 0)
        return r;
    json_object_put(t->reply);
    t->reply = TAKE(reply);
    if (t->screen)
        show(t);
    return r;
}

static int look_in_time(struct top *t)
{
    const struct options *o = t->ctl->options;
    int64_t now_ms = clock_ms();
    if (now_ms < t->next_ms)
        return t->stirred && now_ms >= t->asked_ms + REFRESH_MS ? look(t, false) : 0;
    while (t->next_ms <= now_ms)
        t->next_ms += (int64_t)o->interval_ms;
    int r = look(t, true);
    if (r == 0 && !t->screen)
        r = print(t);
    t->looks++;
    t->over = t->over || t->looks == o->count || t->ctl->out_gone;
    return r;
}

/* ---- what wakes it ---- */

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* From here on these signals are read. */
static int open_wake(struct top *t)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (t->screen)
        sigaddset(&set, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    t->wake = epoll_create1(EPOLL_CLOEXEC);
    if (t->signals < 0 || t->wake < 0)
        return -errno;
    int r = watch(t->wake, t->signals);
    return r == 0 && t->screen ? watch(t->wake, STDIN_FILENO) : r;
}

static void take_signals(struct top *t)
{
    struct signalfd_siginfo info;
    while (read(t->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGWINCH) {
            t->over = true;
        } else {
            screen_resize(t->screen);
            show(t);
        }
    }
}

static void take_keys(struct top *t)
{
    enum screen_key key;
    while (t->screen && (key = screen_key(t->screen)) != SCREEN_NOTHING) {
        if (key == SCREEN_QUIT)
            t->over = true;
        else if (key == SCREEN_SCROLL)
            show(t);
    }
}

/* Their content does not matter: `status` has all of it. */
static int take_messages(struct top *t)
{
    struct span topic, payload;
    int r;
    while ((r = zmqclient_receive(t->ctl->client, &topic, &payload)) == 0)
        t->stirred = true;
    return r < 0 ? r : 0;
}

/* The status socket only makes it look sooner: one that cannot be reached is done without. */
static int subscribe(struct top *t)
{
    static const struct span transitions[] = {{"session/", 8}, {"table/", 6}, {"bridge", 6}};
    AUTO_BUF struct buf endpoint = BUF_INIT(4096), words = BUF_INIT(1024);
    const char *given = t->ctl->options->status;
    if (given)
        buf_add_text(&endpoint, given);
    int r = given ? CTL_OK : ctl_discover(t->ctl, "status", &endpoint);
    if (r == CTL_OK)
        r = zmqclient_subscribe(t->ctl->client, buf_text(&endpoint), transitions, ARRAY_LENGTH(transitions),
                                &words);
    buf_clear(&t->ctl->error);
    return r < 0 ? r : 0;
}

/* ---- the verb ---- */

static int64_t wake_at(const struct top *t, int64_t end_ms)
{
    int64_t at = t->next_ms;
    if (t->stirred && t->asked_ms + REFRESH_MS < at)
        at = t->asked_ms + REFRESH_MS;
    return end_ms >= 0 && end_ms < at ? end_ms : at;
}

static int run(struct top *t)
{
    const struct options *o = t->ctl->options;
    int64_t end_ms = o->seconds ? clock_ms() + (int64_t)o->seconds * 1000 : -1;
    int r = 0;
    t->next_ms = clock_ms() + (int64_t)o->interval_ms;
    while (r == 0 && !t->over) {
        unsigned seen;
        r = zmqclient_wait(t->ctl->client, t->wake, STDOUT_FILENO, clock_until(wake_at(t, end_ms)), &seen);
        if (r < 0)
            return r;
        t->over = seen & ZMQCLIENT_OUT_GONE || (end_ms >= 0 && clock_until(end_ms) == 0);
        if (seen & ZMQCLIENT_FD) {
            take_signals(t);
            take_keys(t);
        }
        if (seen & ZMQCLIENT_MESSAGE)
            r = take_messages(t);
        if (r == 0 && !t->over)
            r = look_in_time(t);
    }
    return r;
}

/* The first look is the others' measure; and if it fails there is nothing to show. */
static int begin(struct top *t)
{
    AUTO_JSON struct json_object *reply = NULL;
    int r = ask(t, &reply);
    if (r == CTL_OK && !t->ctl->options->json)
        r = screen_open(&t->screen, &t->ctl->error);
    if (r == CTL_OK)
        r = open_wake(t);
    if (r == CTL_OK)
        r = snapshot_take(&t->newer, reply, clock_ms());
    if (r == CTL_OK)
        r = snapshot_take(&t->older, reply, t->newer.at_ms);
    if (r == CTL_OK && t->screen)
        r = subscribe(t);
    t->reply = TAKE(reply);
    if (r == CTL_OK && t->screen)
        show(t);
    return r;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int top(struct ctl *c, const struct verb *verb)
{
    (void)verb;
    struct top t = {.ctl = c,
                    .picture = BUF_INIT(PICTURE_MAX_BYTES),
                    .notice = BUF_INIT(64 << 10),
                    .signals = -1,
                    .wake = -1};
    int r = begin(&t);
    if (t.screen && c->wait_ms > ANSWER_MS)
        c->wait_ms = ANSWER_MS;
    if (r == CTL_OK)
        r = run(&t);
    screen_close(t.screen);
    json_object_put(t.reply);
    snapshot_done(&t.older);
    snapshot_done(&t.newer);
    close_fd(t.signals);
    close_fd(t.wake);
    buf_done(&t.picture);
    buf_done(&t.notice);
    return r;
}
