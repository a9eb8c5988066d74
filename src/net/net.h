/* Connections to Lightstreamer servers: libcurl's multi interface and wslay on sd-event. The only folder with
 * curl.h and wslay.h. Knows bytes and HTTP; knows nothing of sessions.
 *
 * SIGPIPE has to be ignored. Every call below may be made from within a handler, but for net_free(). What
 * changes a connection takes effect in the loop's next turn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buf.h"

struct net; /* one per daemon: the multi handle, its sockets and its timer on the loop */

/* *RET is *owned*; takes a reference on EVENT. Returns 0 or -errno. */
int net_new(sd_event *event, struct net **ret);
/* All peers must be freed. Not to be called from within a handler. Takes NULL. */
void net_free(struct net *n);

struct net_header {
    const char *name, *value;
};

/* How one server is reached; all strings are copied. */
struct net_peer_options {
    const char *proxy;   /* NULL: none (the environment's proxy variables are not used). http, https, socks4,
                            socks4a, socks5, socks5h; http where it names no scheme */
    const char *ca_file; /* NULL: the system's. For the server and for an https proxy */
    const char *cert_file, *key_file;
    bool tls_verify;
    const struct net_header *
        headers; /* a name that we send too is the user's, Cookie stands beside ours; those that frame the request
                                         or shake hands (Connection, Content-Length, Expect,
                                         Sec-WebSocket-…, Transfer-Encoding, Upgrade) are left out */
    size_t n_headers;
    int64_t connect_ms; /* for name, TCP, proxy, TLS, WebSocket handshake, until the HTTP response's head */
    const char *user_agent;
    bool form; /* posts are application/x-www-form-urlencoded, not text/plain */
};
struct net_peer; /* options, and the cookies that its requests share */

/* Returns 0, -ENOMEM, or -EINVAL: a proxy that is no URL, a header with a line break or without a name. */
int net_peer_new(struct net *n, const struct net_peer_options *options, struct net_peer **ret);
/* All its streams must be freed. Takes NULL. */
void net_peer_free(struct net_peer *p);

enum net_failure {
    NET_EOF = 0,     /* ended in good order (HTTP: response complete; WebSocket: closing handshake) */
    NET_RESOLVE,     /* the name does not resolve */
    NET_CONNECT,     /* refused, unreachable */
    NET_PROXY,       /* the proxy is not there, or would not; http_status holds what it said, if it did */
    NET_TLS,         /* time-out or trouble of TLS that may pass */
    NET_CERTIFICATE, /* the server's certificate is refused, or ours could not be used */
    NET_TIMEOUT,     /* connect_ms or total_ms spent */
    NET_STATUS, /* an HTTP status other than 200 (101 for WebSocket); http_status says which. Redirects are
                    never followed; `text` names where to */
    NET_RESET,  /* cut in the middle */
    NET_GARBAGE, /* not HTTP, a web page, a wrong handshake, a frame that breaks RFC 6455 or is binary; not: ill-formed
                    UTF-8 */
    NET_MEMORY,
};

struct net_close {
    enum net_failure failure;
    int http_status;  /* 0 where none */
    const char *text; /* one sentence for log and status: what failed, with host and port and the name of the
                         setting where one is to blame (ca_file, proxy, url…); no secrets (user information in
                         url or proxy is cut out) */
};

/* Called from the loop, never from within a call into net. The stream may be freed in any of them. */
struct net_handlers {
    /* The response's head (200) or the WebSocket handshake (101) is there. */
    void (*opened)(void *userdata);
    /* Bytes of the body, or of text messages (a message's end adds nothing: TLCP lines end themselves).
     * Borrowed for the call. */
    void (*data)(void *userdata, struct span bytes);
    /* The end; nothing follows. WHY is borrowed for the call. */
    void (*closed)(void *userdata, const struct net_close *why);
};

struct net_stream;

/* Starts a POST of BODY (copied) to URL, which net_url() made. HTTP/1.1, no Expect.
 * total_ms > 0 bounds the whole exchange (control requests), 0 leaves it open once the head is there
 * (streams). HANDLERS are copied. Returns 0 with *RET *owned*, -ENOMEM, or -EINVAL for what is no URL. */
int net_http_post(struct net_peer *p, const char *url, struct span body, int64_t total_ms,
                  int64_t patience_ms, const struct net_handlers *handlers, void *userdata,
                  struct net_stream **ret);

/* Starts a WebSocket to URL (http:// or https://, as for net_http_post, with the same errors) with the given
 * subprotocol, which the server has to accept. */
int net_ws_open(struct net_peer *p, const char *url, const char *subprotocol,
                const struct net_handlers *handlers, void *userdata, struct net_stream **ret);

/* What may wait to be sent on one WebSocket: a server that stops reading must not fill the memory. */
enum { NET_SEND_MAX = 4 * 1024 * 1024 };

/* Queues one text message (copied) on an opened WebSocket. Returns 0, 1 when it is not open (any more),
 * -ENOMEM, or -ENOBUFS when more than NET_SEND_MAX bytes would wait. */
int net_ws_send(struct net_stream *s, struct span text);

/* No more data() after this until net_stream_resume(); closed() may come. Nothing is lost. */
void net_stream_pause(struct net_stream *s);
/* What was kept back comes in the loop's next turn. */
void net_stream_resume(struct net_stream *s);

/* No handler is called any more; the connection closes in the loop's next turn, or in net_free(). What a
 * WebSocket has queued, and then a close frame, goes out first as far as that needs no waiting. Takes
 * NULL. */
void net_stream_free(struct net_stream *s);

/* Bytes read from and written to the network by this peer's streams so far (HTTP: without the framing of
 * chunks). */
void net_peer_counters(const struct net_peer *p, uint64_t *ret_received, uint64_t *ret_sent);

/* Replaces RET by BASE + "/lightstreamer" + PATH ("/create_session.txt?…" or ""). BASE may end in
 * "/lightstreamer". CONTROL_LINK, unless it is NULL or "*", replaces BASE's host and path: host, host:port,
 * an IP (v6 with or without brackets), or host/prefix; scheme and user information stay, the port too unless
 * the link names one (TLCP, CONOK). Returns 0, 1 when the link is not usable, -ENOMEM. */
int net_url(const char *base, const char *control_link, const char *path, struct buf *ret);

/* Checks that TEXT is an http(s) URL that can be used as a base. Returns 0, or 1 with a sentence added to
 * ERROR. */
int net_check_url(const char *text, struct buf *error);

/* "libcurl/7.88.1 …" and "wslay …" for `version`. */
const char *net_version(void);
const char *net_ws_version(void);
