#include "config.h"

#include "bridge/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "bridge/bridge.h"
#include "bridge/clock.h"
#include "bridge/control.h"
#include "bridge/json.h"
#include "bridge/reload.h"

struct daemon {
    struct bridge bridge;
    struct link_env *env; /* the bridge's */
    struct zmq_bus *bus;
    struct control *control;
    sd_event_source *stats_timer, *released, *sweep, *stop_timer;
    size_t turn; /* which link is drained first after a hold, so that none starves */
    int failure; /* of the bus, told once; 0: none */
};

enum { TIMER_ACCURACY_US = 1000 };

/* A status consumer that does not read loses messages; a control client that does not, its replies. A new status consumer gets the latest
 * of every topic in one go, a message for each session and table; a control client that does not wait for each reply gets as many as it may have messages under
 * way when their session ends: all of them must fit. */
enum { STATUS_HIGH_WATER_MARK = 50000, CONTROL_HIGH_WATER_MARK = 2 * SESSION_MESSAGES_MAX };

/* ---- what is told of all ---- */

static void notify_status(struct daemon *d)
{
    size_t all, connected;
    if (d->bridge.stopping)
        return;
    bridge_count(&d->bridge, &all, &connected);
    sd_notifyf(0, "STATUS=%zu of %zu sessions connected", connected, all);
}

static void on_link_changed(void *userdata)
{
    notify_status(userdata);
}

static int on_stats(sd_event_source *source, uint64_t usec UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    struct buf *json = status_begin(d->env->status, "stats", NULL, NULL);
    bridge_add_stats(&d->bridge, json);
    status_end(d->env->status, true);
    sd_event_source_set_time_relative(source, (uint64_t)d->bridge.conf->status.stats_interval_ms * 1000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- slow consumers ---- */

static void on_held(void *userdata)
{
    struct daemon *d = userdata;
    LIST_EACH(at, &d->bridge.links)
        link_hold(link_of(at), true, false);
}

static void on_held_long(void *userdata)
{
    struct daemon *d = userdata;
    log_line(d->env->log, LOG_NOTICE, NULL, NULL,
             "a consumer is at its high_water_mark: nothing is read from the servers until it reads");
    LIST_EACH(at, &d->bridge.links) {
        link_hold(link_of(at), true, true);
        link_drain(link_of(at));
    }
}

static void on_released(void *userdata)
{
    struct daemon *d = userdata;
    sd_event_source_set_enabled(d->released, SD_EVENT_ONESHOT);
}

static struct link *link_at(const struct daemon *d, size_t index)
{
    LIST_EACH(at, &d->bridge.links)
        if (index-- == 0)
            return link_of(at);
    return NULL;
}

static int on_release(sd_event_source *source UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    size_t n = 0;
    LIST_EACH(at, &d->bridge.links) {
        n++;
        link_hold(link_of(at), false, false);
    }
    for (size_t i = 0; i < n && !feed_is_held(d->env->feed); i++) {
        d->turn = (d->turn + 1) % n;
        link_drain(link_at(d, d->turn));
    }
    return 0;
}

static void on_answered(void *userdata, const struct session_answer *answer)
{
    struct daemon *d = userdata;
    control_tell(d->control, answer);
}

static void on_bus_failed(void *userdata, int error)
{
    struct daemon *d = userdata;
    if (d->failure == error)
        return;
    d->failure = error;
    log_line(d->env->log, LOG_ERR, NULL, NULL, "the data socket fails: %s", strerror(-error));
}

/* ---- ends ---- */

static void on_link_over(void *userdata)
{
    struct daemon *d = userdata;
    sd_event_source_set_enabled(d->sweep, SD_EVENT_ONESHOT);
}

static void finish(struct daemon *d)
{
    bridge_tell(&d->bridge, "stop");
    sd_event_exit(d->env->event, 0);
}

static int on_sweep(sd_event_source *source UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    bridge_sweep(&d->bridge);
    if (d->bridge.stopping && list_empty(&d->bridge.links))
        finish(d);
    return 0;
}

/* linger_ms is spent: what could not be said stays unsaid. */
static int on_stop_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    log_line(d->env->log, LOG_WARNING, NULL, NULL,
             "linger_ms is spent before every server and consumer took its last message");
    feed_stop_holding(d->env->feed);
    LIST_EACH(at, &d->bridge.links) {
        link_hold(link_of(at), false, false);
        link_drain(link_of(at));
    }
    finish(d);
    return 0;
}

static int on_terminate(sd_event_source *source UNUSED, const struct signalfd_siginfo *info, void *userdata)
{
    struct daemon *d = userdata;
    if (d->bridge.stopping)
        return 0;
    d->bridge.stopping = true;
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
    log_line(d->env->log, LOG_NOTICE, NULL, NULL, "stopping: %s",
             info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    int r = sd_event_add_time_relative(d->env->event, &d->stop_timer, CLOCK_MONOTONIC,
                                       (uint64_t)d->bridge.conf->publisher.linger_ms * 1000,
                                       TIMER_ACCURACY_US, on_stop_timer, d);
    if (r < 0)
        return sd_event_exit(d->env->event, r);
    LIST_EACH(at, &d->bridge.links)
        link_leave(link_of(at), "the daemon stops", "session disconnected", false);
    on_link_over(d);
    return 0;
}

static int on_hangup(sd_event_source *source UNUSED, const struct signalfd_siginfo *info UNUSED,
                     void *userdata)
{
    struct daemon *d = userdata;
    AUTO_BUF struct buf json = BUF_INIT(SIZE_MAX), error = BUF_INIT(SIZE_MAX);
    if (d->bridge.stopping)
        return 0;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
    int r = reload(&d->bridge, &json, &error);
    if (r == RELOAD_FAULT)
        log_line(d->env->log, LOG_ERR, NULL, NULL, "the configuration was not reloaded: nothing changed");
    else if (r < 0)
        log_line(d->env->log, LOG_ERR, NULL, NULL, "the reload failed: %s", strerror(-r));
    else
        log_line(d->env->log, LOG_NOTICE, NULL, NULL, "configuration reloaded: %s", buf_text(&json));
    sd_notify(0, "READY=1");
    notify_status(d);
    return 0;
}

/* ---- making ---- */

/* Puts the name of the SETTING before what ERROR says; returns R. */
static int blame(const char *setting, int r, struct buf *error)
{
    AUTO_BUF struct buf said = BUF_INIT(SIZE_MAX);
    buf_add_span(&said, error->len ? buf_span(error) : span_of(strerror(-r)));
    buf_clear(error);
    buf_printf(error, "%s: %s", setting, buf_text(&said));
    return r;
}

static int open_feed(struct daemon *d, struct buf *error)
{
    const struct conf_publisher *c = &d->bridge.conf->publisher;
    struct zmq_options socket = {.endpoints = (const char *const *)c->socket.endpoints.at,
                                 .n_endpoints = c->socket.endpoints.n,
                                 .high_water_mark = c->high_water_mark,
                                 .linger_ms = c->linger_ms,
                                 .hold = true,
                                 .ipc_mode = c->socket.ipc_mode,
                                 .ipc_group = c->socket.ipc_group};
    struct feed_options options = {.run = d->bridge.run,
                                   .format = link_format(c->encoding),
                                   .changed_only = c->changed_only,
                                   .topic = c->topic,
                                   .replay = c->replay,
                                   .replay_limit = (uint64_t)c->replay_limit,
                                   .drop = c->slow_consumer == CONF_SLOW_DROP,
                                   .wait_us = (uint64_t)c->slow_consumer_wait_ms * 1000};
    struct feed_handlers handlers = {on_held, on_held_long, on_released, on_bus_failed, d};
    int r = zmq_sink_open(d->bus, &socket, &options.sink, error);
    return r < 0 ? blame("publisher.endpoints", r, error)
                 : feed_new(d->env->event, &options, &handlers, &d->env->feed);
}

static struct zmq_options side_socket(const struct daemon *d, const struct conf_socket *c,
                                      int high_water_mark)
{
    return (struct zmq_options){.endpoints = (const char *const *)c->endpoints.at,
                                .n_endpoints = c->endpoints.n,
                                .high_water_mark = high_water_mark,
                                .linger_ms = d->bridge.conf->publisher.linger_ms,
                                .ipc_mode = c->ipc_mode,
                                .ipc_group = c->ipc_group};
}

static int open_status(struct daemon *d, struct buf *error)
{
    struct zmq_options socket = side_socket(d, &d->bridge.conf->status.socket, STATUS_HIGH_WATER_MARK);
    struct sink *sink;
    int r = zmq_sink_open(d->bus, &socket, &sink, error);
    return r < 0 ? blame("status.endpoints", r, error)
                 : status_new(d->env->event, sink, d->bridge.run, &d->env->status);
}

static int open_control(struct daemon *d, struct buf *error)
{
    struct zmq_options socket = side_socket(d, &d->bridge.conf->control, CONTROL_HIGH_WATER_MARK);
    struct zmq_router *router;
    int r = zmq_router_open(d->bus, &socket, &router, error);
    return r < 0 ? blame("control.endpoints", r, error) : control_new(&d->bridge, router, &d->control);
}

/* A WATCHDOG_USEC that is no number is systemd's affair, not a reason to do nothing at all. */
static int watch(struct daemon *d)
{
    int r = sd_event_set_watchdog(d->env->event, true);
    if (r != -EINVAL)
        return r;
    log_line(d->env->log, LOG_WARNING, NULL, NULL, "WATCHDOG_USEC or WATCHDOG_PID is no number: no watchdog");
    return 0;
}

static int make_sources(struct daemon *d)
{
    static const struct {
        int signal;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGTERM, on_terminate}, {SIGINT, on_terminate}, {SIGHUP, on_hangup}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(signals) && r >= 0; i++)
        r = sd_event_add_signal(d->env->event, NULL, signals[i].signal, signals[i].handler, d);
    if (r >= 0)
        r = sd_event_add_time_relative(d->env->event, &d->stats_timer, CLOCK_MONOTONIC,
                                       (uint64_t)d->bridge.conf->status.stats_interval_ms * 1000,
                                       TIMER_ACCURACY_US, on_stats, d);
    if (r >= 0)
        r = sd_event_add_defer(d->env->event, &d->released, on_release, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->released, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(d->env->event, &d->sweep, on_sweep, d);
    return r < 0 ? r : watch(d);
}

static int make_run(struct daemon *d)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -errno;
    snprintf(d->bridge.run, sizeof d->bridge.run, "%016llx", (unsigned long long)random);
    return 0;
}

static int make_links(struct daemon *d)
{
    int r = 0;
    for (size_t i = 0; i < d->bridge.conf->n_sessions && r == 0; i++) {
        struct link *l;
        r = bridge_add_link(&d->bridge, &d->bridge.conf->sessions[i], false, NULL, &l);
    }
    return r;
}

static int daemon_make(struct daemon *d, struct buf *error)
{
    int r = make_run(d);
    d->bridge.started_us = clock_monotonic_us();
    if (r >= 0)
        r = sd_event_new(&d->env->event);
    if (r >= 0)
        r = net_new(d->env->event, &d->env->net);
    if (r >= 0)
        r = zmq_bus_new(&d->bus);
    if (r >= 0)
        r = open_feed(d, error);
    if (r >= 0)
        r = open_status(d, error);
    if (r >= 0)
        r = open_control(d, error);
    if (r >= 0)
        r = make_sources(d);
    return r < 0 ? r : make_links(d);
}

int daemon_new(struct conf *taken_conf, struct log *taken_log, struct daemon **ret)
{
    AUTO_BUF struct buf error = BUF_INIT(4096);
    struct daemon *d = calloc(1, sizeof *d);
    if (!d) {
        conf_free(taken_conf);
        log_free(taken_log);
        return -ENOMEM;
    }
    d->env = &d->bridge.env;
    *d->env = (struct link_env){.log = taken_log,
                                .changed = on_link_changed,
                                .answered = on_answered,
                                .over = on_link_over,
                                .userdata = d};
    d->bridge.conf = taken_conf;
    buf_init(&d->bridge.endpoints, SIZE_MAX);
    list_init(&d->bridge.links);
    int r = daemon_make(d, &error);
    if (r < 0) {
        log_line(d->env->log, LOG_ERR, NULL, NULL, "%s", error.len ? buf_text(&error) : strerror(-r));
        daemon_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

/* Says what is bound under NAME, in the log and in the bridge's endpoints. */
static void say_bound(struct daemon *d, const char *name, const char *(*endpoint)(const void *, size_t),
                      const void *of)
{
    const char *at;
    json_name(&d->bridge.endpoints, name);
    json_open(&d->bridge.endpoints, '[');
    for (size_t i = 0; (at = endpoint(of, i)); i++) {
        log_line(d->env->log, LOG_NOTICE, NULL, NULL, "%s on %s", name, at);
        json_value_text(&d->bridge.endpoints, span_of(at));
    }
    json_close(&d->bridge.endpoints, ']');
}

static const char *data_endpoint(const void *of, size_t index)
{
    return feed_endpoint(of, index);
}

static const char *status_endpoint_at(const void *of, size_t index)
{
    return status_endpoint(of, index);
}

static const char *control_endpoint_at(const void *of, size_t index)
{
    return control_endpoint(of, index);
}

static void say_ready(struct daemon *d)
{
    json_open(&d->bridge.endpoints, '{');
    say_bound(d, "data", data_endpoint, d->env->feed);
    say_bound(d, "status", status_endpoint_at, d->env->status);
    say_bound(d, "control", control_endpoint_at, d->control);
    json_close(&d->bridge.endpoints, '}');
    log_line(d->env->log, LOG_NOTICE, NULL, NULL, "high_water_mark is %d messages per consumer",
             d->bridge.conf->publisher.high_water_mark);
    bridge_tell(&d->bridge, "start");
    sd_notify(0, "READY=1");
}

int daemon_run(struct daemon *d)
{
    say_ready(d);
    LIST_EACH(at, &d->bridge.links)
        link_start(link_of(at));
    return sd_event_loop(d->env->event);
}

void daemon_free(struct daemon *d)
{
    if (!d)
        return;
    LIST_EACH_SAFE(at, &d->bridge.links)
        link_free(link_of(at));
    sd_event_source_unref(d->stats_timer);
    sd_event_source_unref(d->released);
    sd_event_source_unref(d->sweep);
    sd_event_source_unref(d->stop_timer);
    control_free(d->control);
    feed_free(d->env->feed);
    status_free(d->env->status);
    zmq_bus_free(d->bus);
    net_free(d->env->net);
    sd_event_unref(d->env->event);
    buf_done(&d->bridge.endpoints);
    conf_free(d->bridge.old_conf);
    conf_free(d->bridge.loaded);
    conf_free(d->bridge.conf);
    log_free(d->env->log);
    free(d);
}
