/* The bus against plain ZeroMQ consumers, over real sockets. Every wait ends: at WAIT_MS at the latest, as a
 * failure. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/zmq.h"

enum { WAIT_MS = 10000, MARK = 100, BODY = 1000 };

/* One end of a test: the bus under test, what listens on it, and a directory of its own. */
struct rig {
    struct zmq_bus *bus;
    struct sink *sink;
    struct zmq_router *router;
    void *peers; /* the consumers' context */
    struct buf error, text;
    char directory[32];
    char endpoint[64];
};

static struct zmq_options rig_options(const char *const *endpoints, size_t n)
{
    return (struct zmq_options){
        .endpoints = endpoints,
        .n_endpoints = n,
        .high_water_mark = MARK,
        .linger_ms = 0,
        .hold = true,
        .ipc_mode = 0600,
        .heartbeat_ms = 100,
    };
}

static struct rig rig_new(void)
{
    struct rig r = {
        .error = BUF_INIT(4096), .text = BUF_INIT(2 << 20), .directory = "/tmp/lsbridge-bus-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(r.directory));
    snprintf(r.endpoint, sizeof r.endpoint, "ipc://%s/sock", r.directory);
    ck_assert_int_eq(zmq_bus_new(&r.bus), 0);
    r.peers = zmq_ctx_new();
    ck_assert_ptr_nonnull(r.peers);
    return r;
}

static struct rig rig_with_sink(const char *endpoint)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {endpoint ? endpoint : r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_msg(zmq_sink_open(r.bus, &o, &r.sink, &r.error) == 0, "%s", buf_text(&r.error));
    return r;
}

static struct rig rig_with_router(void)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {"tcp://127.0.0.1:*"};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_msg(zmq_router_open(r.bus, &o, &r.router, &r.error) == 0, "%s", buf_text(&r.error));
    return r;
}

/* Peers' sockets must be closed. The directory must be empty then: nothing is left behind. */
static void rig_done(struct rig *r)
{
    sink_close(r->sink);
    zmq_router_close(r->router);
    zmq_ctx_term(r->peers);
    zmq_bus_free(r->bus);
    buf_done(&r->error);
    buf_done(&r->text);
    ck_assert_int_eq(rmdir(r->directory), 0);
}

static void set_int(void *socket, int option, int value)
{
    ck_assert_int_eq(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

/* A socket of a peer: gives up after WAIT_MS, leaves nothing behind. */
static void *peer_socket(const struct rig *r, int type)
{
    void *s = zmq_socket(r->peers, type);
    ck_assert_ptr_nonnull(s);
    set_int(s, ZMQ_LINGER, 0);
    set_int(s, ZMQ_RCVTIMEO, WAIT_MS);
    set_int(s, ZMQ_SNDTIMEO, WAIT_MS);
    return s;
}

static void *subscriber(const struct rig *r, const char *prefix, int mark)
{
    void *s = peer_socket(r, ZMQ_SUB);
    set_int(s, ZMQ_RCVHWM, mark);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_SUBSCRIBE, prefix, strlen(prefix)), 0);
    ck_assert_int_eq(zmq_connect(s, sink_endpoint(r->sink, 0)), 0);
    return s;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

/* The next subscription that comes within TIMEOUT_MS, as the daemon's loop takes it. */
static bool next_subscription(struct rig *r, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    for (;;) {
        int n = sink_next_subscription(r->sink, &r->text);
        ck_assert_int_ge(n, 0);
        if (n > 0)
            return true;
        int ready = sink_ready(r->sink);
        ck_assert_int_ge(ready, 0);
        if (ready)
            continue;
        int64_t left = end - now_ms();
        if (left <= 0 || !readable(sink_fd(r->sink), (int)left))
            return false;
    }
}

static void expect_subscription(struct rig *r, const char *prefix)
{
    ck_assert_msg(next_subscription(r, WAIT_MS), "no subscription to \"%s\" came", prefix);
    ck_assert_str_eq(buf_text(&r->text), prefix);
}

/* Message N: topic "t", a body of BODY bytes that begins with N. */
static int publish(struct rig *r, int n, enum sink_pressure pressure)
{
    char body[BODY] = {0};
    snprintf(body, sizeof body, "%d", n);
    int result = sink_publish(r->sink, SPAN("t"), span_make(body, sizeof body), pressure);
    ck_assert_int_ge(result, 0);
    return result;
}

/* The number of the next message, -1 when none comes within TIMEOUT_MS. Both frames, or the test fails. */
static int receive(void *s, int timeout_ms)
{
    char topic[8], body[BODY + 1];
    set_int(s, ZMQ_RCVTIMEO, timeout_ms);
    int n = zmq_recv(s, topic, sizeof topic, 0);
    if (n < 0)
        return -1;
    int more;
    size_t size = sizeof more;
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(zmq_getsockopt(s, ZMQ_RCVMORE, &more, &size), 0);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(zmq_recv(s, body, sizeof body, 0), BODY);
    ck_assert_int_eq(zmq_getsockopt(s, ZMQ_RCVMORE, &more, &size), 0);
    ck_assert_int_eq(more, 0);
    return atoi(body);
}

START_TEST(messages_have_two_frames_and_match_by_prefix)
{
    struct rig r = rig_with_sink("tcp://127.0.0.1:*");
    void *s = subscriber(&r, "item1", 0);
    expect_subscription(&r, "item1");
    ck_assert_int_eq(sink_publish(r.sink, SPAN("item2"), SPAN("no"), SINK_HOLD), 0);
    ck_assert_int_eq(sink_publish(r.sink, SPAN("item10"), SPAN("yes"), SINK_HOLD), 0);
    ck_assert_int_eq(sink_publish(r.sink, SPAN("item1"), SPAN_EMPTY, SINK_DROP), 0);
    char text[16] = "";
    ck_assert_int_eq(zmq_recv(s, text, sizeof text, 0), 6);
    ck_assert_mem_eq(text, "item10", 6);
    ck_assert_int_eq(zmq_recv(s, text, sizeof text, 0), 3);
    ck_assert_mem_eq(text, "yes", 3);
    ck_assert_int_eq(zmq_recv(s, text, sizeof text, 0), 5);
    ck_assert_int_eq(zmq_recv(s, text, sizeof text, 0), 0);
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(every_subscription_is_told_and_no_unsubscription)
{
    struct rig r = rig_with_sink(NULL);
    void *one = subscriber(&r, "a", 0);
    expect_subscription(&r, "a");
    void *two = subscriber(&r, "a", 0);
    expect_subscription(&r, "a");
    ck_assert_int_eq(zmq_setsockopt(two, ZMQ_UNSUBSCRIBE, "a", 1), 0);
    ck_assert_int_eq(zmq_setsockopt(one, ZMQ_UNSUBSCRIBE, "a", 1), 0);
    ck_assert_int_eq(zmq_setsockopt(one, ZMQ_SUBSCRIBE, "", 0), 0);
    expect_subscription(&r, "");
    ck_assert(!next_subscription(&r, 0));
    zmq_close(one);
    zmq_close(two);
    rig_done(&r);
}
END_TEST

/* XSUB lets its user write anything: more of it than one call of next_subscription() looks at. */
START_TEST(what_is_no_subscription_is_ignored)
{
    struct rig r = rig_with_sink(NULL);
    void *s = peer_socket(&r, ZMQ_XSUB);
    set_int(s, ZMQ_SNDHWM, 0);
    ck_assert_int_eq(zmq_connect(s, sink_endpoint(r.sink, 0)), 0);
    for (int i = 0; i < 2500; i++) {
        ck_assert_int_eq(zmq_send(s, "", 0, ZMQ_SNDMORE), 0);
        ck_assert_int_eq(zmq_send(s, "junk", 4, 0), 4);
    }
    ck_assert_int_eq(zmq_send(s, "\x01q", 2, 0), 2);
    expect_subscription(&r, "q");
    ck_assert(!next_subscription(&r, 0));
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(a_prefix_has_a_limit)
{
    struct rig r = rig_with_sink("tcp://127.0.0.1:*");
    AUTO_FREE char *text = malloc(SINK_PREFIX_MAX * 2);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', SINK_PREFIX_MAX * 2);
    void *greedy = peer_socket(&r, ZMQ_SUB);
    ck_assert_int_eq(zmq_setsockopt(greedy, ZMQ_SUBSCRIBE, text, SINK_PREFIX_MAX * 2), 0);
    ck_assert_int_eq(zmq_connect(greedy, sink_endpoint(r.sink, 0)), 0);
    void *s = peer_socket(&r, ZMQ_SUB);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_SUBSCRIBE, text, SINK_PREFIX_MAX), 0);
    ck_assert_int_eq(zmq_connect(s, sink_endpoint(r.sink, 0)), 0);
    ck_assert(next_subscription(&r, WAIT_MS));
    ck_assert_uint_eq(r.text.len, SINK_PREFIX_MAX);
    ck_assert(!next_subscription(&r, 100));
    zmq_close(greedy);
    zmq_close(s);
    rig_done(&r);
}
END_TEST

/* A consumer of a test: what it has received, without a hole. */
struct consumer {
    void *socket;
    int last;
};

/* Takes what is there within TIMEOUT_MS, at most MOST messages; each must follow the one before. */
static void take(struct consumer *c, int most, int timeout_ms)
{
    for (int n; most-- > 0 && (n = receive(c->socket, timeout_ms)) >= 0;) {
        ck_assert_int_eq(n, c->last + 1);
        c->last = n;
    }
}

/* Publishes on from FROM until the sink is full; returns what comes next. */
static int fill(struct rig *r, int from, struct consumer *healthy)
{
    while (from < 100000 && publish(r, from, SINK_HOLD) == 0) {
        from++;
        if (healthy)
            take(healthy, 1, WAIT_MS);
    }
    ck_assert_int_lt(from, 100000);
    return from;
}

/* Publishes on until nothing moves any more: ZeroMQ's thread may still be feeding the kernel when the sink is
 * full first. */
static int fill_up(struct rig *r, int from)
{
    do {
        ck_assert_int_ge(sink_ready(r->sink), 0);
        from = fill(r, from, NULL);
    } while (readable(sink_fd(r->sink), 50));
    return from;
}

/* Stalled, slow and healthy side by side: nothing is lost for anybody, and little is queued. */
START_TEST(hold_loses_nothing)
{
    struct rig r = rig_with_sink(NULL);
    struct consumer stalled = {subscriber(&r, "", 1), 0}, slow = {subscriber(&r, "", 1), 0},
                    healthy = {subscriber(&r, "", 0), 0};
    for (int i = 0; i < 3; i++)
        expect_subscription(&r, "");
    int next = fill(&r, 1, &healthy);
    ck_assert_int_lt(next, 2000); /* the mark and the kernel's buffers */
    take(&slow, next / 3, WAIT_MS);
    ck_assert_int_eq(publish(&r, next, SINK_HOLD), SINK_FULL);
    while (stalled.last < 2000) {
        take(&stalled, 50, 0);
        take(&slow, 20, 0);
        while (next < 3000 && publish(&r, next, SINK_HOLD) == 0)
            next++;
        take(&healthy, 100, 0);
    }
    take(&stalled, next - 1 - stalled.last, WAIT_MS);
    take(&slow, next - 1 - slow.last, WAIT_MS);
    take(&healthy, next - 1 - healthy.last, WAIT_MS);
    ck_assert_int_eq(stalled.last, next - 1);
    ck_assert_int_eq(slow.last, next - 1);
    ck_assert_int_eq(healthy.last, next - 1);
    zmq_close(stalled.socket);
    zmq_close(slow.socket);
    zmq_close(healthy.socket);
    rig_done(&r);
}
END_TEST

/* While one is at its mark, sink_ready() keeps still (no busy loop), and then the fd wakes the daemon (no
 * lost signal). */
START_TEST(a_full_sink_waits_for_its_fd)
{
    struct rig r = rig_with_sink(NULL);
    struct consumer c = {subscriber(&r, "t", 1), 0};
    expect_subscription(&r, "t");
    for (int round = 0, next = 1; round < 10; round++) {
        next = fill_up(&r, next);
        ck_assert_int_eq(sink_next_subscription(r.sink, &r.text), 0);
        ck_assert_int_eq(sink_ready(r.sink), 0);
        take(&c, next, 10);
        ck_assert_int_gt(c.last, 0);
        ck_assert(readable(sink_fd(r.sink), WAIT_MS));
        ck_assert_int_eq(sink_ready(r.sink), 1);
        ck_assert_int_eq(publish(&r, next++, SINK_HOLD), 0);
    }
    zmq_close(c.socket);
    rig_done(&r);
}
END_TEST

START_TEST(a_full_sink_still_takes_subscriptions)
{
    struct rig r = rig_with_sink(NULL);
    void *stalled = subscriber(&r, "t", 1);
    expect_subscription(&r, "t");
    int next = fill_up(&r, 1);
    void *other = subscriber(&r, "u", 1);
    expect_subscription(&r, "u");
    ck_assert_int_eq(publish(&r, next, SINK_HOLD), SINK_FULL);
    ck_assert_int_eq(sink_ready(r.sink), 0);
    /* Once the stalled one is gone, nobody is at its mark. */
    zmq_close(stalled);
    ck_assert(readable(sink_fd(r.sink), WAIT_MS));
    int64_t end = now_ms() + WAIT_MS;
    while (publish(&r, next, SINK_HOLD) == SINK_FULL) {
        ck_assert_int_lt(now_ms(), end);
        while (!sink_ready(r.sink))
            ck_assert(readable(sink_fd(r.sink), WAIT_MS));
    }
    zmq_close(other);
    rig_done(&r);
}
END_TEST

/* The stalled one alone loses, and gets messages again once it has read what it had. */
START_TEST(drop_spares_the_healthy)
{
    struct rig r = rig_with_sink(NULL);
    void *stalled = subscriber(&r, "", 1);
    struct consumer healthy = {subscriber(&r, "", 0), 0};
    for (int i = 0; i < 2; i++)
        expect_subscription(&r, "");
    int next = fill(&r, 1, &healthy), full_at = next;
    for (; next < full_at + 3000; next++) {
        if (publish(&r, next, SINK_HOLD) == SINK_FULL)
            ck_assert_int_eq(publish(&r, next, SINK_DROP), 0);
        take(&healthy, 1, WAIT_MS);
        ck_assert_int_eq(healthy.last, next);
    }
    /* Set aside: it doesn't hold anybody back now. */
    ck_assert_int_eq(publish(&r, next, SINK_HOLD), 0);
    take(&healthy, 1, WAIT_MS);
    struct consumer late = {stalled, 0};
    take(&late, full_at - 1, WAIT_MS);
    ck_assert_int_eq(late.last, full_at - 1);
    int got = -1;
    for (int64_t end = now_ms() + WAIT_MS; got < 0 && now_ms() < end;) {
        ck_assert_int_eq(publish(&r, ++next, SINK_HOLD), 0);
        take(&healthy, 1, WAIT_MS);
        got = receive(stalled, 10);
    }
    ck_assert_int_gt(got, full_at + 3000);
    late.last = got;
    ck_assert_int_eq(publish(&r, ++next, SINK_HOLD), 0);
    take(&late, next - got, WAIT_MS);
    ck_assert_int_eq(late.last, next);
    zmq_close(stalled);
    zmq_close(healthy.socket);
    rig_done(&r);
}
END_TEST

START_TEST(a_sink_that_does_not_hold_drops)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    o.hold = false;
    ck_assert_int_eq(zmq_sink_open(r.bus, &o, &r.sink, &r.error), 0);
    void *stalled = subscriber(&r, "", 1);
    expect_subscription(&r, "");
    for (int i = 1; i < 5000; i++)
        ck_assert_int_eq(publish(&r, i, SINK_HOLD), 0);
    zmq_close(stalled);
    rig_done(&r);
}
END_TEST

/* Tells of everything that happens to SOCKET's connection. */
static void *monitor(struct rig *r, void *socket)
{
    ck_assert_int_eq(zmq_socket_monitor(socket, "inproc://monitor", ZMQ_EVENT_DISCONNECTED), 0);
    void *m = peer_socket(r, ZMQ_PAIR);
    ck_assert_int_eq(zmq_connect(m, "inproc://monitor"), 0);
    return m;
}

static bool disconnected(void *m, int timeout_ms)
{
    char event[6];
    set_int(m, ZMQ_RCVTIMEO, timeout_ms);
    return zmq_recv(m, event, sizeof event, 0) >= 0;
}

/* Heartbeats go unanswered for five of their intervals and more than their TTL. */
START_TEST(who_does_not_read_is_not_cut_off)
{
    struct rig r = rig_with_sink("tcp://127.0.0.1:*");
    struct consumer c = {subscriber(&r, "", 1), 0};
    void *m = monitor(&r, c.socket);
    expect_subscription(&r, "");
    int next = fill(&r, 1, NULL);
    ck_assert(!disconnected(m, 600));
    take(&c, next - 1, WAIT_MS);
    ck_assert_int_eq(c.last, next - 1);
    zmq_close(m);
    zmq_close(c.socket);
    rig_done(&r);
}
END_TEST

/* A child opens the sink, says so, and is stopped by its parent: its sockets stay open, its heartbeats end.
 */
static pid_t start_frozen_daemon(int *ret_pipe, char *ret_endpoint, size_t size)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rig r = rig_with_sink("tcp://127.0.0.1:*");
        rmdir(r.directory);
        const char *endpoint = sink_endpoint(r.sink, 0);
        if (write(pipes[1], endpoint, strlen(endpoint) + 1) > 0 && next_subscription(&r, WAIT_MS))
            (void)!write(pipes[1], "+", 1);
        pause();
        _exit(1);
    }
    close(pipes[1]);
    ck_assert_int_gt(read(pipes[0], ret_endpoint, size), 0);
    *ret_pipe = pipes[0];
    return child;
}

START_TEST(consumers_notice_a_frozen_daemon)
{
    char endpoint[64] = "", sign = 0;
    int from_child;
    pid_t child = start_frozen_daemon(&from_child, endpoint, sizeof endpoint);
    struct rig r = rig_new();
    void *s = peer_socket(&r, ZMQ_SUB);
    void *m = monitor(&r, s);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0), 0);
    ck_assert_int_eq(zmq_connect(s, endpoint), 0);
    ck_assert_int_eq(read(from_child, &sign, 1), 1);
    ck_assert(!disconnected(m, 500));
    kill(child, SIGSTOP);
    ck_assert(disconnected(m, WAIT_MS));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(from_child);
    zmq_close(m);
    zmq_close(s);
    rig_done(&r);
}
END_TEST

/* A SUB socket sends its filters anew when its user next looks at it, as consumers do all the time. */
static bool next_filter(struct rig *r, void *consumer)
{
    for (int64_t end = now_ms() + WAIT_MS; now_ms() < end;) {
        int events;
        size_t size = sizeof events;
        ck_assert_int_eq(zmq_getsockopt(consumer, ZMQ_EVENTS, &events, &size), 0);
        if (next_subscription(r, 10))
            return true;
    }
    return false;
}

static void expect_many_subscriptions(struct rig *r, void *consumer, int n)
{
    AUTO_FREE bool *seen = calloc((size_t)n, sizeof *seen);
    ck_assert_ptr_nonnull(seen);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(next_filter(r, consumer), "%d of %d subscriptions came", i, n);
        int number = atoi(buf_text(&r->text) + strlen("filter"));
        ck_assert_int_lt(number, n);
        ck_assert(!seen[number]);
        seen[number] = true;
    }
}

/* The consumer's own mark for what it sends is off: at 1000 it would lose filters itself (libzmq #2258). */
START_TEST(many_filters_survive_a_restart)
{
    enum { FILTERS = 5000 };
    struct rig r = rig_with_sink("tcp://127.0.0.1:*");
    char endpoint[64], text[32];
    snprintf(endpoint, sizeof endpoint, "%s", sink_endpoint(r.sink, 0));
    void *s = peer_socket(&r, ZMQ_SUB);
    set_int(s, ZMQ_SNDHWM, 0);
    set_int(s, ZMQ_RECONNECT_IVL, 10);
    ck_assert_int_eq(zmq_connect(s, endpoint), 0);
    for (int i = 0; i < FILTERS; i++) {
        int n = snprintf(text, sizeof text, "filter%d/", i);
        ck_assert_int_eq(zmq_setsockopt(s, ZMQ_SUBSCRIBE, text, (size_t)n), 0);
    }
    expect_many_subscriptions(&r, s, FILTERS);
    sink_close(r.sink);
    zmq_bus_free(r.bus);
    ck_assert_int_eq(zmq_bus_new(&r.bus), 0);
    const char *const endpoints[] = {endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_msg(zmq_sink_open(r.bus, &o, &r.sink, &r.error) == 0, "%s", buf_text(&r.error));
    expect_many_subscriptions(&r, s, FILTERS);
    ck_assert_int_eq(sink_publish(r.sink, SPAN("filter4999/"), SPAN("x"), SINK_HOLD), 0);
    ck_assert_int_eq(zmq_recv(s, text, sizeof text, 0), 11);
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(closing_flushes_within_the_linger_time)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    o.linger_ms = 300;
    ck_assert_int_eq(zmq_sink_open(r.bus, &o, &r.sink, &r.error), 0);
    struct consumer healthy = {subscriber(&r, "", 0), 0}, stalled = {subscriber(&r, "", 1), 0};
    for (int i = 0; i < 2; i++)
        expect_subscription(&r, "");
    int next = fill(&r, 1, NULL);
    int64_t start = now_ms();
    sink_close(r.sink);
    zmq_bus_free(r.bus);
    ck_assert_int_lt(now_ms() - start, WAIT_MS);
    take(&healthy, next - 1, WAIT_MS);
    ck_assert_int_eq(healthy.last, next - 1);
    zmq_close(healthy.socket);
    zmq_close(stalled.socket);
    r.sink = NULL;
    r.bus = NULL;
    rig_done(&r);
}
END_TEST

/* Opens a second sink at ENDPOINTS, which must fail so. */
static void expect_refused(struct rig *r, const struct zmq_options *o, int expected, const char *sentence)
{
    struct sink *sink = NULL;
    buf_clear(&r->error);
    int result = zmq_sink_open(r->bus, o, &sink, &r->error);
    ck_assert_str_eq(buf_text(&r->error), sentence);
    ck_assert_int_eq(result, expected);
    ck_assert_ptr_null(sink);
}

static void refuse_endpoint(struct rig *r, const char *endpoint, int expected, const char *cause)
{
    char sentence[256];
    const char *const endpoints[] = {endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    snprintf(sentence, sizeof sentence, "%s: %s", endpoint, cause);
    expect_refused(r, &o, expected, sentence);
}

START_TEST(endpoints_in_use_or_impossible)
{
    struct rig r = rig_with_sink("tcp://127.0.0.1:*");
    refuse_endpoint(&r, sink_endpoint(r.sink, 0), -EADDRINUSE, "Address already in use");
    refuse_endpoint(&r, "tcp://192.0.2.1:5556", -EADDRNOTAVAIL,
                    "this machine has no such address or interface");
    refuse_endpoint(&r, "tcp://127.0.0.1", -EINVAL, "Invalid argument");
    refuse_endpoint(&r, "inproc://x", -EPROTONOSUPPORT, "neither tcp:// nor ipc://");
    refuse_endpoint(&r, "ipc://", -EINVAL,
                    "a path is needed after ipc://, for its mode and group to guard it");
    refuse_endpoint(&r, "ipc://@x", -EINVAL,
                    "a path is needed after ipc://, for its mode and group to guard it");
    refuse_endpoint(&r, "ipc:///nowhere/sock", -ENOENT,
                    "cannot create its lock /nowhere/sock.lock: No such file or directory");
    rig_done(&r);
}
END_TEST

START_TEST(several_endpoints)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {"tcp://127.0.0.1:*", r.endpoint, "tcp://127.0.0.1:*"};
    struct zmq_options o = rig_options(endpoints, 3);
    ck_assert_int_eq(zmq_sink_open(r.bus, &o, &r.sink, &r.error), 0);
    ck_assert_str_eq(sink_endpoint(r.sink, 1), r.endpoint);
    ck_assert_str_ne(sink_endpoint(r.sink, 0), sink_endpoint(r.sink, 2));
    ck_assert_ptr_null(strchr(sink_endpoint(r.sink, 0), '*'));
    ck_assert_ptr_null(sink_endpoint(r.sink, 3));
    void *peers[3];
    for (size_t i = 0; i < 3; i++) {
        peers[i] = peer_socket(&r, ZMQ_SUB);
        ck_assert_int_eq(zmq_setsockopt(peers[i], ZMQ_SUBSCRIBE, "", 0), 0);
        ck_assert_int_eq(zmq_connect(peers[i], sink_endpoint(r.sink, i)), 0);
        expect_subscription(&r, "");
    }
    publish(&r, 1, SINK_HOLD);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(receive(peers[i], WAIT_MS), 1);
        zmq_close(peers[i]);
    }
    rig_done(&r);
}
END_TEST

START_TEST(ipv6_in_brackets)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {"tcp://[::1]:*"};
    struct zmq_options o = rig_options(endpoints, 1);
    int result = zmq_sink_open(r.bus, &o, &r.sink, &r.error);
    /* Some containers have no IPv6 at all; then the refusal names the endpoint. */
    if (result == 0)
        ck_assert(span_starts(span_of(sink_endpoint(r.sink, 0)), SPAN("tcp://[::1]:")));
    else
        ck_assert(span_starts(buf_span(&r.error), SPAN("tcp://[::1]:*: ")));
    rig_done(&r);
}
END_TEST

static const char *in_directory(struct rig *r, const char *name)
{
    buf_clear(&r->text);
    buf_printf(&r->text, "%s/%s", r->directory, name);
    return buf_text(&r->text);
}

START_TEST(an_ipc_path_is_locked)
{
    struct rig r = rig_with_sink(NULL);
    refuse_endpoint(&r, r.endpoint, -EADDRINUSE, "already in use by another process");
    void *s = subscriber(&r, "", 0);
    expect_subscription(&r, "");
    zmq_close(s);
    /* Freed with the sink, at once. */
    sink_close(r.sink);
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_int_eq(zmq_sink_open(r.bus, &o, &r.sink, &r.error), 0);
    s = subscriber(&r, "", 0);
    expect_subscription(&r, "");
    zmq_close(s);
    rig_done(&r);
}
END_TEST

/* Nothing stays behind of the endpoints before the one that failed. */
START_TEST(all_endpoints_or_none)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {r.endpoint, "tcp://192.0.2.1:1"};
    struct zmq_options o = rig_options(endpoints, 2);
    expect_refused(&r, &o, -EADDRNOTAVAIL,
                   "tcp://192.0.2.1:1: this machine has no such address or interface");
    rig_done(&r);
}
END_TEST

static int listener_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

START_TEST(a_stale_socket_is_replaced_and_a_live_one_is_not)
{
    struct rig r = rig_new();
    int fd = listener_at(in_directory(&r, "sock"));
    refuse_endpoint(&r, r.endpoint, -EADDRINUSE, "already in use by another process");
    ck_assert_int_eq(access(in_directory(&r, "sock"), F_OK), 0);
    ck_assert_int_ne(access(in_directory(&r, "sock.lock"), F_OK), 0);
    close(fd);
    /* And the lock's file of a daemon that was killed. */
    close(open(in_directory(&r, "sock.lock"), O_CREAT | O_WRONLY, 0600));
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_msg(zmq_sink_open(r.bus, &o, &r.sink, &r.error) == 0, "%s", buf_text(&r.error));
    void *s = subscriber(&r, "", 0);
    expect_subscription(&r, "");
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(a_file_in_the_way_stays)
{
    struct rig r = rig_new();
    char cause[128];
    close(open(in_directory(&r, "sock"), O_CREAT | O_WRONLY, 0600));
    snprintf(cause, sizeof cause, "%s/sock exists and is not a socket", r.directory);
    refuse_endpoint(&r, r.endpoint, -EEXIST, cause);
    ck_assert_int_eq(unlink(in_directory(&r, "sock")), 0);
    rig_done(&r);
}
END_TEST

START_TEST(an_ipc_path_has_its_mode_and_group)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    struct stat there;
    const struct group *group = getgrgid(getgid());
    ck_assert_ptr_nonnull(group);
    o.ipc_mode = 0660;
    o.ipc_group = group->gr_name;
    mode_t before = umask(0027);
    ck_assert_msg(zmq_sink_open(r.bus, &o, &r.sink, &r.error) == 0, "%s", buf_text(&r.error));
    ck_assert_uint_eq(umask(before), 0027);
    ck_assert_int_eq(stat(in_directory(&r, "sock"), &there), 0);
    ck_assert_uint_eq(there.st_mode & 07777, 0660);
    ck_assert_uint_eq(there.st_gid, getgid());
    ck_assert_int_eq(stat(in_directory(&r, "sock.lock"), &there), 0);
    ck_assert_uint_eq(there.st_mode & 07777, 0600);
    rig_done(&r);
}
END_TEST

START_TEST(an_unknown_group_is_named)
{
    struct rig r = rig_new();
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    char sentence[256];
    o.ipc_group = "no-such-group";
    snprintf(sentence, sizeof sentence, "%s: ipc_group: there is no group \"no-such-group\"", r.endpoint);
    expect_refused(&r, &o, -EINVAL, sentence);
    rig_done(&r);
}
END_TEST

/* A lock whose file is gone counts for nothing: another daemon removed it when it ended. */
START_TEST(a_lock_without_its_file_is_free)
{
    struct rig r = rig_new();
    int fd = open(in_directory(&r, "sock.lock"), O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    refuse_endpoint(&r, r.endpoint, -EADDRINUSE, "already in use by another process");
    ck_assert_int_eq(unlink(in_directory(&r, "sock.lock")), 0);
    const char *const endpoints[] = {r.endpoint};
    struct zmq_options o = rig_options(endpoints, 1);
    ck_assert_int_eq(zmq_sink_open(r.bus, &o, &r.sink, &r.error), 0);
    close(fd);
    rig_done(&r);
}
END_TEST

/* What a test sends or expects: each letter is a frame of itself, '.' an empty one. */
static void send_frames(void *s, const char *frames)
{
    for (; *frames; frames++)
        ck_assert_int_ge(zmq_send(s, frames, *frames != '.', frames[1] ? ZMQ_SNDMORE : 0), 0);
}

static void expect_frames(void *s, const char *frames)
{
    char got[64] = "";
    int more = 1;
    for (size_t n = 0; more && n + 1 < sizeof got; n++) {
        char frame[8];
        size_t size = sizeof more;
        int length = zmq_recv(s, frame, sizeof frame, 0);
        ck_assert_msg(length >= 0, "no reply came, expected %s", frames);
        got[n] = length == 0 ? '.' : frame[0];
        ck_assert_int_eq(zmq_getsockopt(s, ZMQ_RCVMORE, &more, &size), 0);
    }
    ck_assert_str_eq(got, frames);
}

/* The next request within WAIT_MS: what zmq_router_receive() returned. */
static int next_request(struct rig *r, struct zmq_envelope **ret)
{
    for (;;) {
        int result = zmq_router_receive(r->router, &r->text, ret);
        ck_assert_int_ge(result, 0);
        if (result != ZMQ_ROUTER_NONE)
            return result;
        ck_assert(readable(zmq_router_fd(r->router), WAIT_MS));
    }
}

static void *requester(const struct rig *r, int type)
{
    void *s = peer_socket(r, type);
    ck_assert_int_eq(zmq_connect(s, zmq_router_endpoint(r->router, 0)), 0);
    return s;
}

/* A good request has BODY; NULL: bad frames. The reply is one frame, "R". */
static void exchange(struct rig *r, void *s, const char *request, const char *body, const char *reply)
{
    struct zmq_envelope *e;
    send_frames(s, request);
    ck_assert_int_eq(next_request(r, &e), body ? 0 : ZMQ_ROUTER_BAD_FRAMES);
    if (body)
        ck_assert_str_eq(buf_text(&r->text), body);
    ck_assert_int_eq(zmq_router_reply(r->router, e, SPAN("R")), 0);
    expect_frames(s, reply);
}

START_TEST(requests_in_every_envelope)
{
    struct rig r = rig_with_router();
    void *req = requester(&r, ZMQ_REQ), *dealer = requester(&r, ZMQ_DEALER);
    exchange(&r, req, "b", "b", "R");
    exchange(&r, req, ".", "", "R");
    exchange(&r, dealer, "b", "b", "R");
    exchange(&r, dealer, ".b", "b", ".R");
    exchange(&r, dealer, "xyz.b", "b", "xyz.R");
    exchange(&r, dealer, "x..", "", "x.R");
    exchange(&r, dealer, ".", NULL, ".R");
    exchange(&r, dealer, "x.", NULL, "x.R");
    exchange(&r, dealer, "bc", NULL, "R");
    exchange(&r, dealer, ".bc", NULL, ".R");
    exchange(&r, dealer, "x.b.", NULL, "x.R");
    exchange(&r, dealer, "...", NULL, ".R");
    exchange(&r, dealer, "abcdefghijklmn.b", "b", "abcdefghijklmn.R");
    exchange(&r, dealer, "abcdefghijklmno.b", NULL, "R");
    exchange(&r, dealer, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", NULL, "R");
    exchange(&r, dealer, "b", "b", "R");
    ck_assert_ptr_null(zmq_router_endpoint(r.router, 1));
    zmq_close(req);
    zmq_close(dealer);
    rig_done(&r);
}
END_TEST

START_TEST(requests_have_a_size)
{
    struct rig r = rig_with_router();
    void *s = requester(&r, ZMQ_DEALER);
    AUTO_FREE char *text = calloc(1, ZMQ_ROUTER_BODY_MAX + 1);
    struct zmq_envelope *e;
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(zmq_send(s, text, ZMQ_ROUTER_BODY_MAX, 0), ZMQ_ROUTER_BODY_MAX);
    ck_assert_int_eq(next_request(&r, &e), 0);
    ck_assert_uint_eq(r.text.len, ZMQ_ROUTER_BODY_MAX);
    zmq_envelope_free(e);
    ck_assert_int_eq(zmq_send(s, text, ZMQ_ROUTER_BODY_MAX + 1, 0), ZMQ_ROUTER_BODY_MAX + 1);
    ck_assert_int_eq(next_request(&r, &e), ZMQ_ROUTER_BAD_FRAMES);
    ck_assert_int_eq(zmq_router_reply(r.router, e, SPAN("R")), 0);
    expect_frames(s, "R");
    /* An envelope has one too: what doesn't fit does not come back. */
    ck_assert_int_eq(zmq_send(s, text, 5000, ZMQ_SNDMORE), 5000);
    exchange(&r, s, ".b", NULL, "R");
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(a_reply_to_who_is_gone_is_dropped)
{
    struct rig r = rig_with_router();
    struct zmq_envelope *e;
    void *gone = requester(&r, ZMQ_DEALER), *s = requester(&r, ZMQ_DEALER);
    send_frames(gone, ".b");
    ck_assert_int_eq(next_request(&r, &e), 0);
    zmq_close(gone);
    ck_assert_int_eq(zmq_router_reply(r.router, e, SPAN("late")), 0);
    exchange(&r, s, ".b", "b", ".R");
    zmq_close(s);
    rig_done(&r);
}
END_TEST

/* Who asks and never reads loses replies past its mark; the others are served. */
START_TEST(a_peer_that_does_not_read_replies)
{
    struct rig r = rig_with_router();
    AUTO_FREE char *large = calloc(1, ZMQ_ROUTER_BODY_MAX);
    struct zmq_envelope *e;
    void *deaf = peer_socket(&r, ZMQ_DEALER);
    set_int(deaf, ZMQ_RCVHWM, 1);
    ck_assert_int_eq(zmq_connect(deaf, zmq_router_endpoint(r.router, 0)), 0);
    for (int i = 0; i < MARK + 50; i++) {
        send_frames(deaf, ".b");
        ck_assert_int_eq(next_request(&r, &e), 0);
        ck_assert_int_eq(zmq_router_reply(r.router, e, span_make(large, ZMQ_ROUTER_BODY_MAX)), 0);
    }
    void *s = requester(&r, ZMQ_DEALER);
    exchange(&r, s, "b", "b", "R");
    zmq_close(deaf);
    zmq_close(s);
    rig_done(&r);
}
END_TEST

START_TEST(the_librarys_version)
{
    AUTO_BUF struct buf text = BUF_INIT(64);
    int numbers[3];
    zmq_bus_version(&text);
    ck_assert_int_eq(sscanf(buf_text(&text), "%d.%d.%d", &numbers[0], &numbers[1], &numbers[2]), 3);
    ck_assert_int_ge(numbers[0], 4);
}
END_TEST

static TCase *sink_tests(void)
{
    TCase *t = tcase_create("sink");
    tcase_add_test(t, messages_have_two_frames_and_match_by_prefix);
    tcase_add_test(t, every_subscription_is_told_and_no_unsubscription);
    tcase_add_test(t, what_is_no_subscription_is_ignored);
    tcase_add_test(t, a_prefix_has_a_limit);
    tcase_add_test(t, hold_loses_nothing);
    tcase_add_test(t, a_full_sink_waits_for_its_fd);
    tcase_add_test(t, a_full_sink_still_takes_subscriptions);
    tcase_add_test(t, drop_spares_the_healthy);
    tcase_add_test(t, a_sink_that_does_not_hold_drops);
    tcase_add_test(t, who_does_not_read_is_not_cut_off);
    tcase_add_test(t, consumers_notice_a_frozen_daemon);
    tcase_add_test(t, many_filters_survive_a_restart);
    tcase_add_test(t, closing_flushes_within_the_linger_time);
    return t;
}

static TCase *endpoint_tests(void)
{
    TCase *t = tcase_create("endpoints");
    tcase_add_test(t, endpoints_in_use_or_impossible);
    tcase_add_test(t, several_endpoints);
    tcase_add_test(t, ipv6_in_brackets);
    tcase_add_test(t, an_ipc_path_is_locked);
    tcase_add_test(t, all_endpoints_or_none);
    tcase_add_test(t, a_stale_socket_is_replaced_and_a_live_one_is_not);
    tcase_add_test(t, a_file_in_the_way_stays);
    tcase_add_test(t, an_ipc_path_has_its_mode_and_group);
    tcase_add_test(t, an_unknown_group_is_named);
    tcase_add_test(t, a_lock_without_its_file_is_free);
    return t;
}

static TCase *router_tests(void)
{
    TCase *t = tcase_create("router");
    tcase_add_test(t, requests_in_every_envelope);
    tcase_add_test(t, requests_have_a_size);
    tcase_add_test(t, a_reply_to_who_is_gone_is_dropped);
    tcase_add_test(t, a_peer_that_does_not_read_replies);
    tcase_add_test(t, the_librarys_version);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("zmq");
    TCase *cases[] = {sink_tests(), endpoint_tests(), router_tests()};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        suite_add_tcase(suite, cases[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
