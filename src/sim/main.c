#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sim/json.h"
#include "sim/script.h"
#include "sim/session.h"
#include "sim/sim.h"

enum { EXIT_VIOLATIONS = 3, EXIT_USAGE = 64 };

static void pump_all(struct sim *sim)
{
    LIST_EACH_SAFE(link, &sim->sessions) {
        struct session *s = CONTAINER_OF(link, struct session, link);

        if (s->wake)
            session_pump(s);
    }
}

static void bury(struct sim *sim)
{
    LIST_EACH_SAFE(link, &sim->dead_connections)
        conn_free(CONTAINER_OF(link, struct conn, link));
    LIST_EACH_SAFE(link, &sim->dead_sessions)
        session_free(CONTAINER_OF(link, struct session, link));
}

/* The end of every turn: see sim.h. */
static int after_turn(sd_event_source *source, void *data)
{
    struct sim *sim = data;

    (void)source;
    script_run(sim);
    do {
        server_look_again(sim);
        pump_all(sim);
    } while (sim->server.look_again);
    script_run(sim); /* what it waited for may just have been sent */
    bury(sim);
    fflush(stdout);
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source;
    (void)info;
    sim_quit(data, 0);
    return 0;
}

static int handle_signals(struct sim *sim)
{
    sigset_t mask;
    int r;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    r = sd_event_add_signal(sim->loop, NULL, SIGTERM, on_signal, sim);
    return r < 0 ? r : sd_event_add_signal(sim->loop, NULL, SIGINT, on_signal, sim);
}

static void say_listening(struct sim *sim)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    json_begin(&b, "listening");
    json_text(&b, "address", span_of(sim->options.listen_address));
    json_count(&b, "port", sim->server.port);
    json_end(&b);
    sim_emit(sim, &b);
    fflush(stdout);
    fprintf(stderr, "lsbridge-sim: listening at http://%s:%u\n", sim->options.listen_address,
            sim->server.port);
}

static void say_summary(struct sim *sim)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    json_begin(&b, "summary");
    json_count(&b, "sessions", sim->n_sessions);
    json_count(&b, "connections", sim->server.n_connections);
    json_count(&b, "sent", sim->sent);
    json_count(&b, "violations", sim->violations);
    json_end(&b);
    sim_emit(sim, &b);
    fflush(stdout);
    fprintf(stderr, "lsbridge-sim: %u sessions, %llu notifications sent, %llu violations\n", sim->n_sessions,
            (unsigned long long)sim->sent, (unsigned long long)sim->violations);
}

static int start(struct sim *sim)
{
    int r = sd_event_new(&sim->loop);

    faults_init(&sim->faults, &sim->options);
    list_init(&sim->sessions);
    list_init(&sim->old_sessions);
    list_init(&sim->dead_sessions);
    list_init(&sim->dead_connections);
    sim->server.fd = -1;
    list_init(&sim->server.connections);
    if (r < 0 || (r = handle_signals(sim)) < 0 ||
        (r = sd_event_add_post(sim->loop, NULL, after_turn, sim)) < 0)
        return r;
    sim->rng.state = sim->options.seed;
    r = server_start(sim);
    if (r < 0) {
        fprintf(stderr, "lsbridge-sim: cannot listen at %s port %u: %s\n", sim->options.listen_address,
                sim->options.port, strerror(-r));
        return r;
    }
    feed_start(sim);
    return script_start(sim);
}

static void stop(struct sim *sim)
{
    /* First the sessions: one that loses its connection would want a timer, which the loop no longer gives. */
    LIST_EACH_SAFE(link, &sim->sessions)
        session_end(CONTAINER_OF(link, struct session, link), 0, NULL, "the simulator ends");
    server_stop(sim);
    bury(sim);
    if (sim->feed.timer)
        say_summary(sim);
    feed_stop(sim);
    script_stop(sim);
    while (sim->n_old_sessions > 0)
        session_forget_oldest(sim);
    map_done(&sim->sessions_by_id);
    faults_done(&sim->faults);
    sd_event_unref(sim->loop);
}

int main(int argc, char **argv)
{
    struct sim sim = {0};
    int r = options_parse(&sim.options, argc, argv);

    if (r != 0)
        return r == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    r = start(&sim);
    if (r >= 0) {
        say_listening(&sim);
        r = sd_event_loop(sim.loop);
    }
    stop(&sim);
    if (r < 0)
        return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
    return r == 0 && sim.options.strict && sim.violations > 0 ? EXIT_VIOLATIONS : r;
}
