#include "config.h"

#include "bridge/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "bridge/control.h"
#include "bridge/json.h"
#include "bridge/link.h"
#include "bridge/reload.h"

enum { TIMER_ACCURACY_US = 1000 };

/* A status consumer that does not read loses messages; a control client that does not, its replies. */
enum { STATUS_HIGH_WATER_MARK = 1000, CONTROL_HIGH_WATER_MARK = 100 };

uint64_t daemon_now_ms(const struct daemon *d)
{
    uint64_t us;
    return sd_event_now(d->event, CLOCK_MONOTONIC, &us) < 0 ? 0 : us / 1000;
}

uint64_t daemon_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct link *daemon_find_link(const struct daemon *d, const char *name)
{
    LIST_EACH(at, &d->links)
        if (link_is_current(link_of(at)) && strcmp(link_name(link_of(at)), name) == 0)
            return link_of(at);
    return NULL;
}

/* ---- what is told of all ---- */

void daemon_notify_status(struct daemon *d)
{
    size_t all = 0, connected = 0;
    LIST_EACH(at, &d->links) {
        if (!link_is_current(link_of(at)))
            continue;
        all++;
        connected += link_report(link_of(at))->state == SESSION_CONNECTED;
    }
    sd_notifyf(0, "STATUS=%zu of %zu sessions connected", connected, all);
}

static void add_list(struct buf *json, const char *name, const char *(*endpoint)(const void *, size_t),
                     const void *of)
{
    json_name(json, name);
    json_open(json, '[');
    for (size_t i = 0; endpoint(of, i); i++)
        json_value_text(json, span_of(endpoint(of, i)));
    json_close(json, ']');
}

static const char *data_endpoint(const void *of, size_t index)
{
    return feed_endpoint(of, index);
}

static const char *status_endpoint_(const void *of, size_t index)
{
    return status_endpoint(of, index);
}

static const char *control_endpoint_(const void *of, size_t index)
{
    return control_endpoint(of, index);
}

void daemon_add_endpoints(const struct daemon *d, struct buf *json)
{
    json_name(json, "endpoints");
    json_open(json, '{');
    add_list(json, "data", data_endpoint, d->feed);
    add_list(json, "status", status_endpoint_, d->status);
    add_list(json, "control", control_endpoint_, d->control);
    json_close(json, '}');
}

void daemon_tell_bridge(struct daemon *d, const char *event)
{
    struct buf *json = status_begin(d->status, "bridge");
    json_text(json, "event", event);
    json_text(json, "version", PACKAGE_VERSION);
    json_text(json, "config", d->conf->path);
    daemon_add_endpoints(d, json);
    status_end(d->status, true);
}

void daemon_add_stats(const struct daemon *d, struct buf *json)
{
    struct feed_counters c = feed_counters(d->feed);
    json_u64(json, "uptime_ms", (monotonic_us() - d->started_us) / 1000);
    json_u64(json, "messages", c.messages);
    json_u64(json, "replayed", c.replayed);
    json_u64(json, "holds", c.holds);
    json_u64(json, "held_ms", c.held_us / 1000);
    json_u64(json, "dropped", c.dropped);
    json_name(json, "sessions");
    json_open(json, '{');
    LIST_EACH(at, &d->links) {
        if (!link_is_current(link_of(at)))
            continue;
        json_name(json, link_name(link_of(at)));
        json_open(json, '{');
        link_add_counters(link_of(at), json);
        json_close(json, '}');
    }
    json_close(json, '}');
}

static int on_stats(sd_event_source *source, uint64_t usec UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    struct buf *json = status_begin(d->status, "stats");
    daemon_add_stats(d, json);
    status_end(d->status, true);
    sd_event_source_set_time_relative(source, (uint64_t)d->conf->status.stats_interval_ms * 1000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- slow consumers ---- */

static void on_held(void *userdata)
{
    struct daemon *d = userdata;
    LIST_EACH(at, &d->links)
        link_hold(link_of(at), true, false);
}

static void on_held_long(void *userdata)
{
    struct daemon *d = userdata;
    log_line(d->log, LOG_NOTICE, NULL, NULL,
             "a consumer is at its high_water_mark: nothing is read from the servers until it reads");
    LIST_EACH(at, &d->links) {
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
    LIST_EACH(at, &d->links)
        if (index-- == 0)
            return link_of(at);
    return NULL;
}

static int on_release(sd_event_source *source UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    size_t n = 0;
    LIST_EACH(at, &d->links) {
        n++;
        link_hold(link_of(at), false, false);
    }
    for (size_t i = 0; i < n && !feed_is_held(d->feed); i++) {
        d->turn = (d->turn + 1) % n;
        link_drain(link_at(d, d->turn));
    }
    return 0;
}

static void on_bus_failed(void *userdata, int error)
{
    struct daemon *d = userdata;
    if (d->failure == error)
        return;
    d->failure = error;
    log_line(d->log, LOG_ERR, NULL, NULL, "the data socket fails: %s", strerror(-error));
}

/* ---- ends ---- */

void daemon_sweep(struct daemon *d)
{
    sd_event_source_set_enabled(d->sweep, SD_EVENT_ONESHOT);
}

static void release_waiting(struct daemon *d, const struct link *gone)
{
    LIST_EACH(at, &d->links)
        if (link_waits_for(link_of(at), gone)) {
            link_is_free_of(link_of(at));
            return;
        }
}

static void finish(struct daemon *d)
{
    daemon_tell_bridge(d, "stop");
    sd_event_exit(d->event, 0);
}

static int on_sweep(sd_event_source *source UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    LIST_EACH_SAFE(at, &d->links) {
        struct link *l = link_of(at);
        if (!link_is_over(l))
            continue;
        list_remove(at);
        release_waiting(d, l);
        link_free(l);
    }
    if (d->stopping && list_empty(&d->links))
        finish(d);
    return 0;
}

/* linger_ms is spent: what could not be said stays unsaid. */
static int on_stop_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    struct daemon *d = userdata;
    log_line(d->log, LOG_WARNING, NULL, NULL,
             "linger_ms is spent before every server and consumer took its last message");
    feed_stop_holding(d->feed);
    LIST_EACH(at, &d->links) {
        link_hold(link_of(at), false, false);
        link_drain(link_of(at));
    }
    finish(d);
    return 0;
}

static int on_terminate(sd_event_source *source UNUSED, const struct signalfd_siginfo *info, void *userdata)
{
    struct daemon *d = userdata;
    if (d->stopping)
        return 0;
    d->stopping = true;
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
    log_line(d->log, LOG_NOTICE, NULL, NULL, "stopping: %s",
             info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    int r = sd_event_add_time_relative(d->event, &d->stop_timer, CLOCK_MONOTONIC,
                                       (uint64_t)d->conf->publisher.linger_ms * 1000, TIMER_ACCURACY_US,
                                       on_stop_timer, d);
    if (r < 0)
        return sd_event_exit(d->event, r);
    LIST_EACH(at, &d->links)
        link_leave(link_of(at), "the daemon stops", false);
    daemon_sweep(d);
    return 0;
}

static int on_hangup(sd_event_source *source UNUSED, const struct signalfd_siginfo *info UNUSED,
                     void *userdata)
{
    struct daemon *d = userdata;
    AUTO_BUF struct buf json = BUF_INIT(SIZE_MAX), error = BUF_INIT(SIZE_MAX);
    if (d->stopping)
        return 0;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)monotonic_us());
    int r = reload(d, &json, &error);
    if (r == RELOAD_FAULT)
        log_line(d->log, LOG_ERR, NULL, NULL, "the configuration was not reloaded: nothing changed");
    else if (r < 0)
        log_line(d->log, LOG_ERR, NULL, NULL, "the reload failed: %s", strerror(-r));
    else
        log_line(d->log, LOG_NOTICE, NULL, NULL, "configuration reloaded: %s", buf_text(&json));
    sd_notify(0, "READY=1");
    daemon_notify_status(d);
    return 0;
}

/* ---- making ---- */

static int open_feed(struct daemon *d, struct buf *error)
{
    const struct conf_publisher *c = &d->conf->publisher;
    struct zmq_options socket = {.endpoints = (const char *const *)c->socket.endpoints.at,
                                 .n_endpoints = c->socket.endpoints.n,
                                 .high_water_mark = c->high_water_mark,
                                 .linger_ms = c->linger_ms,
                                 .hold = true,
                                 .ipc_mode = c->socket.ipc_mode,
                                 .ipc_group = c->socket.ipc_group};
    struct feed_options options = {.run = d->run,
                                   .format = c->encoding == CONF_ENCODING_JSON ? ENCODE_JSON : ENCODE_MSGPACK,
                                   .changed_only = c->changed_only,
                                   .topic = c->topic,
                                   .replay = c->replay,
                                   .replay_limit = (uint64_t)c->replay_limit,
                                   .drop = c->slow_consumer == CONF_SLOW_DROP,
                                   .wait_us = (uint64_t)c->slow_consumer_wait_ms * 1000};
    struct feed_handlers handlers = {on_held, on_held_long, on_released, on_bus_failed, d};
    int r = zmq_sink_open(d->bus, &socket, &options.sink, error);
    return r < 0 ? r : feed_new(d->event, &options, &handlers, &d->feed);
}

static struct zmq_options side_socket(const struct daemon *d, const struct conf_socket *c,
                                      int high_water_mark)
{
    return (struct zmq_options){.endpoints = (const char *const *)c->endpoints.at,
                                .n_endpoints = c->endpoints.n,
                                .high_water_mark = high_water_mark,
                                .linger_ms = d->conf->publisher.linger_ms,
                                .ipc_mode = c->ipc_mode,
                                .ipc_group = c->ipc_group};
}

static int open_status(struct daemon *d, struct buf *error)
{
    struct zmq_options socket = side_socket(d, &d->conf->status.socket, STATUS_HIGH_WATER_MARK);
    struct sink *sink;
    int r = zmq_sink_open(d->bus, &socket, &sink, error);
    return r < 0 ? r : status_new(d->event, sink, d->run, &d->status);
}

static int open_control(struct daemon *d, struct buf *error)
{
    struct zmq_options socket = side_socket(d, &d->conf->control, CONTROL_HIGH_WATER_MARK);
    struct zmq_router *router;
    int r = zmq_router_open(d->bus, &socket, &router, error);
    return r < 0 ? r : control_new(d, router, &d->control);
}

static int make_sources(struct daemon *d)
{
    static const struct {
        int signal;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGTERM, on_terminate}, {SIGINT, on_terminate}, {SIGHUP, on_hangup}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(signals) && r >= 0; i++)
        r = sd_event_add_signal(d->event, NULL, signals[i].signal, signals[i].handler, d);
    if (r >= 0)
        r = sd_event_add_time_relative(d->event, &d->stats_timer, CLOCK_MONOTONIC,
                                       (uint64_t)d->conf->status.stats_interval_ms * 1000, TIMER_ACCURACY_US,
                                       on_stats, d);
    if (r >= 0)
        r = sd_event_add_defer(d->event, &d->released, on_release, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->released, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(d->event, &d->sweep, on_sweep, d);
    return r < 0 ? r : sd_event_set_watchdog(d->event, true);
}

static int make_run(struct daemon *d)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -errno;
    snprintf(d->run, sizeof d->run, "%016llx", (unsigned long long)random);
    return 0;
}

static int make_links(struct daemon *d)
{
    int r = 0;
    for (size_t i = 0; i < d->conf->n_sessions && r == 0; i++) {
        struct link *l;
        r = link_new(d, &d->conf->sessions[i], false, NULL, &l);
    }
    return r;
}

static int daemon_make(struct daemon *d, struct buf *error)
{
    int r = make_run(d);
    d->started_us = monotonic_us();
    if (r >= 0)
        r = sd_event_new(&d->event);
    if (r >= 0)
        r = net_new(d->event, &d->net);
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
    d->conf = taken_conf;
    d->log = taken_log;
    list_init(&d->links);
    int r = daemon_make(d, &error);
    if (r < 0) {
        log_line(d->log, LOG_ERR, NULL, NULL, "%s", error.len ? buf_text(&error) : strerror(-r));
        daemon_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

static void say_ready(struct daemon *d)
{
    const char *at;
    for (size_t i = 0; (at = feed_endpoint(d->feed, i)); i++)
        log_line(d->log, LOG_NOTICE, NULL, NULL, "data on %s (high_water_mark %d messages per consumer)", at,
                 d->conf->publisher.high_water_mark);
    for (size_t i = 0; (at = status_endpoint(d->status, i)); i++)
        log_line(d->log, LOG_NOTICE, NULL, NULL, "status on %s", at);
    for (size_t i = 0; (at = control_endpoint(d->control, i)); i++)
        log_line(d->log, LOG_NOTICE, NULL, NULL, "control on %s", at);
    daemon_tell_bridge(d, "start");
    sd_notify(0, "READY=1");
}

int daemon_run(struct daemon *d)
{
    say_ready(d);
    LIST_EACH(at, &d->links)
        link_start(link_of(at));
    return sd_event_loop(d->event);
}

void daemon_take_conf(struct daemon *d, struct conf *new, bool whole)
{
    conf_free(TAKE(d->old_conf));
    if (whole)
        conf_free(d->conf);
    else
        d->old_conf = d->conf;
    d->conf = new;
}

void daemon_free(struct daemon *d)
{
    if (!d)
        return;
    LIST_EACH_SAFE(at, &d->links)
        link_free(link_of(at));
    sd_event_source_unref(d->stats_timer);
    sd_event_source_unref(d->released);
    sd_event_source_unref(d->sweep);
    sd_event_source_unref(d->stop_timer);
    control_free(d->control);
    feed_free(d->feed);
    status_free(d->status);
    zmq_bus_free(d->bus);
    net_free(d->net);
    sd_event_unref(d->event);
    conf_free(d->old_conf);
    conf_free(d->conf);
    log_free(d->log);
    free(d);
}
