#include <errno.h>
#include <time.h>

#include "net/failure.h"
#include "net/internal.h"

enum { DEADLINE_ACCURACY_US = 1000 }; /* 0 would mean 250 ms to sd-event */

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int stream_init(struct net_stream *s, struct net_peer *p, const struct stream_kind *kind, const char *url,
                const struct net_handlers *handlers, void *userdata)
{
    s->peer = p;
    s->kind = kind;
    s->handlers = *handlers;
    s->userdata = userdata;
    list_init(&s->in_todo);
    list_init(&s->in_peer);
    int r = target_parse(url, &s->target);
    if (r != 0)
        return r < 0 ? r : -EINVAL;
    s->easy = curl_easy_init();
    if (!s->easy)
        return -ENOMEM;
    r = peer_configure(p, s);
    if (r < 0)
        return r;
    list_append(&p->streams, &s->in_peer);
    return 0;
}

static void leave_multi(struct net_stream *s)
{
    if (s->in_multi && s->kind->leave)
        s->kind->leave(s);
    if (s->in_multi)
        curl_multi_remove_handle(s->peer->net->multi, s->easy);
    s->in_multi = false;
}

void stream_done(struct net_stream *s)
{
    leave_multi(s);
    list_remove(&s->in_todo);
    list_remove(&s->in_peer);
    sd_event_source_disable_unref(s->deadline);
    curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->headers);
    target_done(&s->target);
}

void stream_wake(struct net_stream *s)
{
    struct net *n = s->peer->net;
    if (!list_empty(&s->in_todo))
        return;
    list_append(&n->todo, &s->in_todo);
    sd_event_source_set_enabled(n->work, SD_EVENT_ONESHOT);
}

static int on_deadline(sd_event_source *source UNUSED, uint64_t now UNUSED, void *userdata)
{
    failure_of_deadline(userdata);
    return 0;
}

int stream_set_deadline(struct net_stream *s, int64_t total_ms, int64_t patience_ms)
{
    uint64_t now = now_us(), until = now + (uint64_t)(s->peer->connect_ms + patience_ms) * 1000;
    if (total_ms > 0)
        s->total_until = now + (uint64_t)total_ms * 1000;
    if (s->total_until && s->total_until < until)
        until = s->total_until;
    int r = sd_event_add_time(s->peer->net->event, &s->deadline, CLOCK_MONOTONIC, until, DEADLINE_ACCURACY_US,
                              on_deadline, s);
    return r < 0 ? r : 0;
}

static void start(struct net_stream *s)
{
    s->state = STREAM_OPENING;
    s->in_multi = curl_multi_add_handle(s->peer->net->multi, s->easy) == CURLM_OK;
    if (!s->in_multi)
        failure_of_curl(s, CURLE_OUT_OF_MEMORY);
}

static void destroy(struct net_stream *s)
{
    struct net_peer *p = s->peer;
    uint64_t received = 0, sent = 0;
    s->kind->counters(s, &received, &sent);
    p->received += received;
    p->sent += sent;
    s->kind->stop(s);
    peer_release(p);
}

/* Has libcurl look at a transfer that is still connecting. */
static void nudge(struct net_stream *s)
{
    long connections = 0;
    s->nudge = false;
    if (curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connections) != CURLE_OK || connections)
        return;
    curl_easy_pause(s->easy, CURLPAUSE_RECV);
    curl_easy_pause(s->easy, CURLPAUSE_CONT);
}

void stream_work(struct net_stream *s)
{
    if (s->nudge && !stream_deaf(s))
        nudge(s);
    if (s->freed)
        destroy(s);
    else if (s->state == STREAM_NEW)
        start(s);
    else if (s->state != STREAM_CLOSED)
        s->kind->work(s);
}

void stream_opened(struct net_stream *s)
{
    s->state = STREAM_OPEN;
    if (s->total_until)
        sd_event_source_set_time(s->deadline, s->total_until);
    else
        sd_event_source_set_enabled(s->deadline, SD_EVENT_OFF);
    if (!s->freed)
        s->handlers.opened(s->userdata);
}

void stream_data(struct net_stream *s, struct span bytes)
{
    if (!stream_deaf(s))
        s->handlers.data(s->userdata, bytes);
}

void stream_closed(struct net_stream *s, enum net_failure failure, int http_status, const char *text)
{
    if (stream_deaf(s))
        return;
    struct net_close why = {failure, http_status, text};
    s->state = STREAM_CLOSED;
    sd_event_source_set_enabled(s->deadline, SD_EVENT_OFF);
    leave_multi(s);
    s->handlers.closed(s->userdata, &why);
}

void net_stream_pause(struct net_stream *s)
{
    s->paused = true;
}

void net_stream_resume(struct net_stream *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    stream_wake(s);
}

void net_stream_free(struct net_stream *s)
{
    if (!s)
        return;
    s->freed = true;
    stream_wake(s);
}
