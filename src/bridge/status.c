#include "bridge/status.h"

#include <errno.h>

#include "base/map.h"
#include "bridge/clock.h"
#include "bridge/json.h"

struct topic {
    uint64_t seq;
    struct buf latest; /* without its closing brace; empty: nothing to repeat */
    char name[];
};

struct status {
    struct sink *sink;
    sd_event_source *io, *again;
    char run[17];
    struct map topics;
    struct topic *current; /* between status_begin() and status_end(); NULL without memory */
    struct buf message, name;
};

static void repeat(struct status *s, struct topic *t)
{
    buf_clear(&s->message);
    buf_add_span(&s->message, buf_span(&t->latest));
    json_bool(&s->message, "replay", true);
    json_close(&s->message, '}');
    if (!buf_error(&s->message))
        sink_publish(s->sink, span_of(t->name), buf_span(&s->message), SINK_DROP);
}

static void repeat_matching(struct status *s, struct span prefix)
{
    for (size_t i = 0; i < s->topics.n_slots; i++) {
        struct topic *t = s->topics.slots[i].value;
        if (t && t->latest.len && span_starts(span_of(t->name), prefix))
            repeat(s, t);
    }
}

static void poll_sink(struct status *s)
{
    AUTO_BUF struct buf prefix = BUF_INIT(SINK_PREFIX_MAX);
    if (sink_ready(s->sink) <= 0)
        return;
    while (sink_next_subscription(s->sink, &prefix) > 0) {
        repeat_matching(s, buf_span(&prefix));
        buf_clear(&prefix);
    }
    sd_event_source_set_enabled(s->again, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source UNUSED, int fd UNUSED, uint32_t events UNUSED, void *userdata)
{
    poll_sink(userdata);
    return 0;
}

static int on_again(sd_event_source *source UNUSED, void *userdata)
{
    poll_sink(userdata);
    return 0;
}

int status_new(sd_event *event, struct sink *taken_sink, const char *run, struct status **ret)
{
    struct status *s = calloc(1, sizeof *s);
    if (!s) {
        sink_close(taken_sink);
        return -ENOMEM;
    }
    s->sink = taken_sink;
    memcpy(s->run, run, strnlen(run, sizeof s->run - 1));
    buf_init(&s->message, SIZE_MAX);
    buf_init(&s->name, SIZE_MAX);
    int r = sd_event_add_io(event, &s->io, sink_fd(s->sink), EPOLLIN, on_io, s);
    if (r >= 0)
        r = sd_event_add_defer(event, &s->again, on_again, s);
    if (r < 0) {
        status_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void status_free(struct status *s)
{
    if (!s)
        return;
    sd_event_source_unref(s->io);
    sd_event_source_unref(s->again);
    sink_close(s->sink);
    for (size_t i = 0; i < s->topics.n_slots; i++) {
        struct topic *t = s->topics.slots[i].value;
        if (t)
            buf_done(&t->latest);
        free(t);
    }
    map_done(&s->topics);
    buf_done(&s->message);
    buf_done(&s->name);
    free(s);
}

const char *status_endpoint(const struct status *s, size_t index)
{
    return sink_endpoint(s->sink, index);
}

static struct topic *find_topic(struct status *s, const char *name)
{
    struct topic *t = map_get(&s->topics, span_of(name));
    if (t)
        return t;
    size_t len = strlen(name);
    t = calloc(1, sizeof *t + len + 1);
    if (!t)
        return NULL;
    memcpy(t->name, name, len);
    buf_init(&t->latest, SIZE_MAX);
    if (map_add(&s->topics, span_of(t->name), t) < 0) {
        free(t);
        return NULL;
    }
    return t;
}

static const char *topic_name(struct status *s, const char *kind, const char *session, const char *table)
{
    const char *const parts[] = {kind, session, table};
    buf_clear(&s->name);
    for (size_t i = 0; i < ARRAY_LENGTH(parts) && parts[i]; i++) {
        buf_add_text(&s->name, i ? "/" : "");
        buf_add_text(&s->name, parts[i]);
    }
    return buf_error(&s->name) ? NULL : buf_text(&s->name);
}

struct buf *status_begin(struct status *s, const char *kind, const char *session, const char *table)
{
    const char *name = topic_name(s, kind, session, table);
    s->current = name ? find_topic(s, name) : NULL;
    buf_clear(&s->message);
    json_open(&s->message, '{');
    json_u64(&s->message, "v", 1);
    json_text(&s->message, "run", s->run);
    json_u64(&s->message, "time", clock_wall_us());
    if (s->current)
        json_u64(&s->message, "seq", ++s->current->seq);
    return &s->message;
}

void status_end(struct status *s, bool keep)
{
    struct topic *t = TAKE(s->current);
    if (!t || buf_error(&s->message))
        return;
    buf_clear(&t->latest);
    if (keep)
        buf_add_span(&t->latest, buf_span(&s->message));
    if (buf_error(&t->latest))
        buf_clear(&t->latest);
    json_close(&s->message, '}');
    sink_publish(s->sink, span_of(t->name), buf_span(&s->message), SINK_DROP);
    poll_sink(s);
}
