#include "net/net.h"

#include <errno.h>
#include <sys/epoll.h>
#include <wslay/wslay.h>

#include "net/internal.h"

enum { TIMER_ACCURACY_US = 1000 }; /* 0 would mean 250 ms to sd-event */

static unsigned curl_bits(uint32_t revents)
{
    /* An error or a hang-up is best found by the read that meets it: it knows the reason. */
    return ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) ? CURL_CSELECT_IN : 0U) |
           ((revents & (EPOLLOUT | EPOLLERR)) ? CURL_CSELECT_OUT : 0U);
}

static int on_socket_event(sd_event_source *source UNUSED, int fd, uint32_t revents, void *userdata)
{
    struct net *n = userdata;
    int running = 0;
    curl_multi_socket_action(n->multi, fd, (int)curl_bits(revents), &running);
    net_reap(n);
    return 0;
}

static int on_timer(sd_event_source *source UNUSED, uint64_t now UNUSED, void *userdata)
{
    struct net *n = userdata;
    int running = 0;
    curl_multi_socket_action(n->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    net_reap(n);
    return 0;
}

static int watch(struct net *n, curl_socket_t fd, uint32_t events)
{
    sd_event_source *source = NULL;
    int r = sd_event_add_io(n->event, &source, fd, events, on_socket_event, n);
    if (r < 0)
        return r;
    if (curl_multi_assign(n->multi, fd, source) != CURLM_OK) {
        sd_event_source_disable_unref(source);
        return -ENOMEM;
    }
    return 0;
}

/* libcurl 7.88 gives up an address that does not answer, and then forgets to try the next one until something
 * else wakes the transfer: at worst the end of connect_ms (its issue 11920). */
static void socket_dropped(CURL *easy)
{
    struct net_stream *s = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)(void *)&s) != CURLE_OK || !s ||
        s->state != STREAM_OPENING)
        return;
    s->nudge = true;
    stream_wake(s);
}

/* libcurl tells which sockets it wants watched; SOURCE is what watch() left with the socket. */
static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *userdata, void *source)
{
    struct net *n = userdata;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(n->multi, fd, NULL);
        sd_event_source_disable_unref(source);
        socket_dropped(easy);
        return 0;
    }
    uint32_t events =
        ((what & CURL_POLL_IN) ? (uint32_t)EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? (uint32_t)EPOLLOUT : 0);
    int r = source ? sd_event_source_set_io_events(source, events) : watch(n, fd, events);
    return r < 0 ? -1 : 0;
}

static int on_timer_wish(CURLM *multi UNUSED, long timeout_ms, void *userdata)
{
    struct net *n = userdata;
    if (timeout_ms < 0)
        return sd_event_source_set_enabled(n->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    int r = sd_event_source_set_time_relative(n->timer, (uint64_t)timeout_ms * 1000);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->timer, SD_EVENT_ONESHOT);
    return r < 0 ? -1 : 0;
}

void net_reap(struct net *n)
{
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read(n->multi, &left))) {
        struct net_stream *s = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&s) != CURLE_OK)
            continue;
        if (!stream_deaf(s))
            s->kind->done(s, code);
    }
}

static int on_work(sd_event_source *source UNUSED, void *userdata)
{
    struct net *n = userdata;
    /* What a handler adds meanwhile has its turn in the next one. */
    struct list now;
    list_init(&now);
    for (struct list *l; (l = list_first(&n->todo));) {
        list_remove(l);
        list_append(&now, l);
    }
    for (struct list *l; (l = list_first(&now));) {
        list_remove(l);
        stream_work(CONTAINER_OF(l, struct net_stream, in_todo));
    }
    return 0;
}

static int set_up_multi(struct net *n)
{
    n->multi = curl_multi_init();
    if (!n->multi)
        return -ENOMEM;
    CURLMcode code = curl_multi_setopt(n->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    if (code == CURLM_OK)
        code = curl_multi_setopt(n->multi, CURLMOPT_SOCKETDATA, n);
    if (code == CURLM_OK)
        code = curl_multi_setopt(n->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    if (code == CURLM_OK)
        code = curl_multi_setopt(n->multi, CURLMOPT_TIMERDATA, n);
    return code == CURLM_OK ? 0 : -ENOMEM;
}

static int set_up_loop(struct net *n)
{
    int r = sd_event_add_time(n->event, &n->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_timer, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(n->event, &n->work, on_work, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->work, SD_EVENT_OFF);
    return r < 0 ? r : 0;
}

int net_new(sd_event *event, struct net **ret)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    list_init(&n->todo);
    n->event = sd_event_ref(event);
    int r = -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto no_curl;
    n->scratch = malloc(NET_STREAM_BUFFER);
    if (n->scratch)
        r = set_up_loop(n);
    if (r == 0)
        r = set_up_multi(n);
    if (r == 0) {
        *ret = n;
        return 0;
    }
    net_free(n);
    return r;
no_curl:
    sd_event_unref(n->event);
    free(n);
    return r;
}

void net_free(struct net *n)
{
    if (!n)
        return;
    while (!list_empty(&n->todo))
        on_work(n->work, n);
    curl_multi_cleanup(n->multi);
    sd_event_source_disable_unref(n->timer);
    sd_event_source_disable_unref(n->work);
    sd_event_unref(n->event);
    free(n->scratch);
    free(n);
    curl_global_cleanup();
}

const char *net_version(void)
{
    return curl_version();
}

const char *net_ws_version(void)
{
    return "wslay " WSLAY_VERSION;
}
