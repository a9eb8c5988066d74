#include "bridge/feed_internal.h"

#include <errno.h>
#include <stdio.h>

#include "bridge/clock.h"

/* A hold shorter than this is not worth a transition: at full speed there are many, of some milliseconds each. */
enum { HOLD_TOLD_AFTER_US = 100000 };
/* sd-event takes an accuracy of 0 for 250 ms. */
enum { TIMER_ACCURACY_US = 1000 };

/* ---- the time that may be spent on slow consumers ---- */

static void budget_forward(struct feed *f, uint64_t now)
{
    uint64_t at = now / BUDGET_BUCKET_US;
    if (at - f->budget_at >= BUDGET_BUCKETS) {
        memset(f->budget, 0, sizeof f->budget);
        f->budget_at = at;
    }
    while (f->budget_at < at)
        f->budget[++f->budget_at % BUDGET_BUCKETS] = 0;
}

static uint64_t budget_left(struct feed *f, uint64_t now)
{
    uint64_t spent = 0;
    budget_forward(f, now);
    for (size_t i = 0; i < BUDGET_BUCKETS; i++)
        spent += f->budget[i];
    return spent < f->wait_us ? f->wait_us - spent : 0;
}

/* ---- holding ---- */

static void begin_hold(struct feed *f)
{
    uint64_t now = clock_monotonic_us();
    f->held = true;
    f->held_since_us = now;
    f->counters.holds++;
    sd_event_source_set_time(f->tell_timer, now + HOLD_TOLD_AFTER_US);
    sd_event_source_set_enabled(f->tell_timer, SD_EVENT_ONESHOT);
    if (f->drop) {
        sd_event_source_set_time(f->drop_timer, now + budget_left(f, now));
        sd_event_source_set_enabled(f->drop_timer, SD_EVENT_ONESHOT);
    }
    f->handlers.held(f->handlers.userdata);
}

static void end_hold(struct feed *f)
{
    uint64_t now = clock_monotonic_us(), spent = now - f->held_since_us;
    f->held = false;
    f->counters.held_us += spent;
    budget_forward(f, now);
    f->budget[f->budget_at % BUDGET_BUCKETS] += spent;
    sd_event_source_set_enabled(f->tell_timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(f->drop_timer, SD_EVENT_OFF);
    int r = feed_run_replays(f);
    if (r < 0)
        f->handlers.failed(f->handlers.userdata, r);
    if (!f->held)
        f->handlers.released(f->handlers.userdata);
}

static int send_or_drop(struct feed *f)
{
    f->counters.dropped++;
    return sink_publish(f->sink, buf_span(&f->topic), buf_span(&f->payload), SINK_DROP);
}

int feed_send(struct feed *f)
{
    f->counters.messages++;
    int r = sink_publish(f->sink, buf_span(&f->topic), buf_span(&f->payload), SINK_HOLD);
    if (r != SINK_FULL)
        return r;
    if (f->never_hold || (f->drop && budget_left(f, clock_monotonic_us()) == 0))
        return send_or_drop(f);
    begin_hold(f);
    return 0;
}

/* The message that waits goes out, to those that are not at their mark at least. */
static void give_up_holding(struct feed *f)
{
    int r = send_or_drop(f);
    if (r < 0)
        f->handlers.failed(f->handlers.userdata, r);
    end_hold(f);
}

static void retry(struct feed *f)
{
    int r = sink_publish(f->sink, buf_span(&f->topic), buf_span(&f->payload), SINK_HOLD);
    if (r == SINK_FULL)
        return;
    if (r < 0)
        f->handlers.failed(f->handlers.userdata, r);
    end_hold(f);
}

bool feed_is_held(const struct feed *f)
{
    return f->held;
}

void feed_stop_holding(struct feed *f)
{
    f->never_hold = true;
    if (f->held)
        give_up_holding(f);
}

static int on_drop_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    struct feed *f = userdata;
    if (f->held)
        give_up_holding(f);
    feed_poll(f);
    return 0;
}

static int on_tell_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    struct feed *f = userdata;
    if (f->held)
        f->handlers.held_long(f->handlers.userdata);
    return 0;
}

/* ---- the socket ---- */

static int take_subscriptions(struct feed *f)
{
    AUTO_BUF struct buf prefix = BUF_INIT(SINK_PREFIX_MAX);
    int r;
    while ((r = sink_next_subscription(f->sink, &prefix)) > 0) {
        int added = f->replay ? feed_add_replay(f, buf_span(&prefix)) : 0;
        if (added < 0)
            return added;
        buf_clear(&prefix);
    }
    return r;
}

/* What the socket has for us. Returns 1 when there may be more, 0 when it is quiet, -errno. */
static int poll_once(struct feed *f)
{
    int ready = sink_ready(f->sink);
    if (ready <= 0)
        return ready;
    if (f->held)
        retry(f);
    int r = take_subscriptions(f);
    if (r == 0 && !f->held)
        r = feed_run_replays(f);
    return r < 0 ? r : 1;
}

void feed_poll(struct feed *f)
{
    int r = poll_once(f);
    if (r > 0)
        r = sd_event_source_set_enabled(f->again, SD_EVENT_ONESHOT);
    if (r < 0)
        f->handlers.failed(f->handlers.userdata, r);
}

static int on_again(sd_event_source *source UNUSED, void *userdata)
{
    feed_poll(userdata);
    return 0;
}

static int on_io(sd_event_source *source UNUSED, int fd UNUSED, uint32_t events UNUSED, void *userdata)
{
    feed_poll(userdata);
    return 0;
}

const char *feed_endpoint(const struct feed *f, size_t index)
{
    return sink_endpoint(f->sink, index);
}

struct feed_counters feed_counters(const struct feed *f)
{
    struct feed_counters counters = f->counters;
    if (f->held)
        counters.held_us += clock_monotonic_us() - f->held_since_us;
    return counters;
}

/* ---- events ---- */

static struct encode_row row_of_update(const struct table_update *u, const struct series *series,
                                       uint64_t time_us)
{
    return (struct encode_row){.type = u->snapshot ? ENCODE_SNAPSHOT : ENCODE_UPDATE,
                               .seq = series->seq,
                               .kseq = u->kseq,
                               .time_us = time_us,
                               .values = u->values,
                               .changed = u->changed,
                               .key = u->key,
                               .command = u->kseq ? span_of(table_command_name(u->command)) : SPAN_EMPTY};
}

static struct encode_event item_event(const struct session_event *event, const struct series *series,
                                      uint64_t time_us)
{
    enum encode_event_type type = event->kind == SESSION_EVENT_EOS     ? ENCODE_EOS
                                  : event->kind == SESSION_EVENT_CLEAR ? ENCODE_CLEAR
                                  : event->kind == SESSION_EVENT_LOST  ? ENCODE_LOST
                                                                       : ENCODE_GAP;
    return (struct encode_event){.type = type,
                                 .seq = series->seq,
                                 .time_us = time_us,
                                 .count = event->count,
                                 .reason = span_of(event->text)};
}

int feed_event(struct feed_table *t, const struct session_event *event, uint64_t time_us)
{
    struct feed *f = t->feed;
    struct feed_item *item;
    int r = feed_table_prepare(t);
    if (r == 0)
        r = feed_table_item(t, event->item, &item);
    if (r < 0)
        return r;
    item->series->seq++;
    t->messages++;
    if (event->kind == SESSION_EVENT_UPDATE) {
        struct encode_row row = row_of_update(&event->update, item->series, time_us);
        if (event->update.row)
            event->update.row->stamp = (struct row_stamp){item->series->seq, time_us, event->update.snapshot};
        t->updates++;
        t->last_us = time_us;
        r = encode_row(t->encode, item->encode, &row, &f->topic, &f->payload);
    } else {
        struct encode_event e = item_event(event, item->series, time_us);
        r = encode_event(t->encode, item->encode, &e, &f->topic, &f->payload);
    }
    return r < 0 ? r : feed_send(f);
}

/* ---- making and freeing ---- */

static int make_sources(struct feed *f)
{
    int r = sd_event_add_io(f->event, &f->io, sink_fd(f->sink), EPOLLIN, on_io, f);
    if (r >= 0)
        r = sd_event_add_time(f->event, &f->drop_timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_drop_timer,
                              f);
    if (r >= 0)
        r = sd_event_source_set_enabled(f->drop_timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(f->event, &f->tell_timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_tell_timer,
                              f);
    if (r >= 0)
        r = sd_event_source_set_enabled(f->tell_timer, SD_EVENT_OFF);
    return r < 0 ? r : sd_event_add_defer(f->event, &f->again, on_again, f);
}

int feed_new(sd_event *event, const struct feed_options *options, const struct feed_handlers *handlers,
             struct feed **ret)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f) {
        sink_close(options->sink);
        return -ENOMEM;
    }
    *f = (struct feed){.sink = options->sink,
                       .event = sd_event_ref(event),
                       .handlers = *handlers,
                       .format = options->format,
                       .changed_only = options->changed_only,
                       .replay = options->replay,
                       .drop = options->drop,
                       .replay_limit = options->replay_limit,
                       .wait_us = options->wait_us};
    snprintf(f->run, sizeof f->run, "%s", options->run);
    buf_init(&f->topic, SIZE_MAX);
    buf_init(&f->payload, SIZE_MAX);
    buf_init(&f->json, SIZE_MAX);
    list_init(&f->tables);
    list_init(&f->replays);
    f->topic_template = strdup(options->topic);
    int r = f->topic_template ? make_sources(f) : -ENOMEM;
    if (r < 0) {
        feed_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    feed_forget_replays(f);
    sd_event_source_unref(f->io);
    sd_event_source_unref(f->drop_timer);
    sd_event_source_unref(f->tell_timer);
    sd_event_source_unref(f->again);
    sink_close(f->sink);
    sd_event_unref(f->event);
    for (size_t i = 0; i < f->series.n_slots; i++)
        free(f->series.slots[i].value);
    map_done(&f->series);
    buf_done(&f->topic);
    buf_done(&f->payload);
    buf_done(&f->json);
    free(f->values);
    free(f->topic_template);
    free(f);
}
