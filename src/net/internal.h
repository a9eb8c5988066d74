/* What the rooms of net/ share: the multi handle on the loop, a peer, and the life that both kinds of stream
 * have in common.
 *
 * libcurl forbids most of its calls from within its callbacks, and that is where data() and opened() run. So
 * whatever changes a transfer (start, resume, send, stop) is only noted there, and done by stream_work() in
 * the loop's next turn. */
#pragma once

#include <curl/curl.h>

#include "base/list.h"
#include "net/net.h"
#include "net/target.h"

enum {
    NET_STREAM_BUFFER = 512 * 1024, /* one read of a stream: what a socket holds after a busy moment, so that
                                       one turn takes it all */
    NET_REQUEST_BUFFER = 16 * 1024, /* one read of a control request's answer */
    NET_HEAD_MAX = 64 * 1024, /* a response's head: a server that never ends it must not fill the memory */
    NET_TEXT_MAX = 512,       /* a sentence in net_close */
};

struct net {
    sd_event *event;
    CURLM *multi;
    sd_event_source *timer; /* libcurl's */
    sd_event_source *work;  /* armed while todo is not empty */
    struct list todo;       /* net_stream.in_todo */
    char *scratch;          /* NET_STREAM_BUFFER bytes for whichever WebSocket is being read */
};

struct net_peer {
    struct net *net;
    struct target proxy; /* proxy.url NULL: none */
    char *ca_file, *cert_file, *key_file, *user_agent;
    bool form;                  /* what posts say that they are */
    struct curl_slist *headers; /* the user's, "name: value" */
    char *cookie;               /* the user's Cookie header: goes with the others */
    char *host;                 /* whom the user's Host header names: whose cookies are sent */
    CURLSH *share;              /* the cookies */
    int64_t connect_ms;
    bool tls_verify;
    bool freed;              /* by its owner; it goes with its last stream */
    struct list streams;     /* net_stream.in_peer */
    uint64_t received, sent; /* by streams that are gone */
};

enum stream_state {
    STREAM_NEW,     /* not yet in the multi handle */
    STREAM_OPENING, /* until opened() */
    STREAM_OPEN,
    STREAM_CLOSED, /* closed() has been called */
};

/* What differs between a POST and a WebSocket. */
struct stream_kind {
    /* libcurl is through with the transfer: a POST's end, or a WebSocket's connection (or why there is
     * none). */
    void (*done)(struct net_stream *s, CURLcode code);
    /* Something was noted: resume, send, more to read. Not on closed streams. */
    void (*work)(struct net_stream *s);
    /* The easy handle is about to leave the multi handle, and its connection with it. May be NULL. */
    void (*leave)(struct net_stream *s);
    /* The stream goes: the last chance to say good-bye. Its easy handle is still in the multi handle if it
     * ever was. */
    void (*stop)(struct net_stream *s);
    void (*counters)(struct net_stream *s, uint64_t *ret_received, uint64_t *ret_sent);
};

struct net_stream {
    struct net_peer *peer;
    struct list in_peer, in_todo;
    const struct stream_kind *kind;
    struct net_handlers handlers;
    void *userdata;
    enum stream_state state;
    bool freed; /* by its owner: no handler is called any more */
    bool paused;
    bool in_multi;
    bool nudge; /* libcurl dropped its socket: it may have to be told to try the next address */
    CURL *easy;
    struct curl_slist *headers;
    struct target target;
    sd_event_source *deadline;
    uint64_t total_until; /* CLOCK_MONOTONIC µs; 0: no bound once open */
    char error[CURL_ERROR_SIZE];
};

/* Creates what both kinds have; the caller's object embeds S (zeroed) and frees itself when this fails.
 * Returns 0, -EINVAL for a URL that net_url() did not make, -ENOMEM. */
int stream_init(struct net_stream *s, struct net_peer *p, const struct stream_kind *kind, const char *url,
                const struct net_handlers *handlers, void *userdata);
/* Undoes it; fine on a half-made stream. */
void stream_done(struct net_stream *s);
/* Has stream_work() run in the loop's next turn. */
void stream_wake(struct net_stream *s);
void stream_work(struct net_stream *s);
/* Starts the clock for opening: connect_ms, or total_ms (0: none) if that is shorter. */
int stream_set_deadline(struct net_stream *s, int64_t total_ms, int64_t patience_ms);

/* The head or the handshake is there. */
void stream_opened(struct net_stream *s);
void stream_data(struct net_stream *s, struct span bytes);
/* The transfer leaves the multi handle, then the owner hears of it. Not to be called from within libcurl. */
void stream_closed(struct net_stream *s, enum net_failure failure, int http_status, const char *text);
static inline bool stream_deaf(const struct net_stream *s)
{
    return s->freed || s->state == STREAM_CLOSED;
}

/* The options that every transfer of the peer has. Returns 0 or -ENOMEM. */
int peer_configure(const struct net_peer *p, struct net_stream *s);
/* The user's headers, then those of OURS ("name: value", NULL at the end) whose names the user has not taken.
 * Returns 0 or -ENOMEM. */
int peer_headers(const struct net_peer *p, const char *const *ours, struct curl_slist **ret);
/* Frees a peer that its owner has freed once its last stream is gone. */
void peer_release(struct net_peer *p);

/* Reads what curl has to say and hands it to the streams. */
void net_reap(struct net *n);
