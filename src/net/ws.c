#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/escape.h"
#include "net/cookies.h"
#include "net/failure.h"
#include "net/internal.h"
#include "net/ws_frames.h"
#include "net/ws_handshake.h"

enum {
    WS_OUT_MAX = NET_SEND_MAX + 1024, /* room for a pong and a close frame behind a full queue */
    WS_CLOSE_NORMAL = 1000,
};

/* A WebSocket over a connection that libcurl made and we use: its easy handle stays in the multi handle, done
 * as far as libcurl is concerned, while the socket is watched from here. */
struct ws {
    struct net_stream s;
    struct ws_frames *frames;
    char *subprotocol;
    char accept[WS_ACCEPT_TEXT];
    sd_event_source *io;
    struct buf head; /* the handshake's answer so far */
    struct buf kept; /* input that a pause found already read */
    struct buf out;  /* to be sent */
    /* Nothing can be sent any more. What is still to be read comes first, and may say why. */
    CURLcode send_error;
    bool read_again; /* there may be input that the socket does not tell of: in TLS, or in `kept` */
    uint64_t received, sent;
};

static struct ws *ws_of(struct net_stream *s)
{
    return CONTAINER_OF(s, struct ws, s);
}

static bool may_read(const struct ws *w)
{
    return !stream_deaf(&w->s) && (w->s.state == STREAM_OPENING || !w->s.paused);
}

/* Nothing to wait for means no watching at all: epoll reports a hang-up even to those who asked for
 * nothing. */
static void watch(struct ws *w)
{
    uint32_t events = (may_read(w) ? (uint32_t)EPOLLIN : 0) | (w->out.len ? (uint32_t)EPOLLOUT : 0);
    if (!w->io)
        return;
    sd_event_source_set_io_events(w->io, events);
    sd_event_source_set_enabled(w->io, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Sends what can be sent without waiting. */
static CURLcode flush(struct ws *w)
{
    size_t done = 0;
    CURLcode code = CURLE_OK;
    while (code == CURLE_OK && done < w->out.len) {
        size_t n = 0;
        code = curl_easy_send(w->s.easy, w->out.at + done, w->out.len - done, &n);
        done += code == CURLE_OK ? n : 0;
    }
    w->sent += done;
    buf_drop_front(&w->out, done);
    return code == CURLE_AGAIN ? CURLE_OK : code;
}

static void say_goodbye(struct ws *w, uint16_t code)
{
    if (ws_frames_write_close(w->frames, code, &w->out) == 0)
        flush(w);
}

static void fail(struct ws *w, enum net_failure failure, const char *what, const char *detail)
{
    char text[NET_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s: %s%s%s", w->s.target.authority, what,
                   detail && *detail ? ": " : "", detail ? detail : "");
    stream_closed(&w->s, failure, 0, text);
}

/* The server's words may hold anything; only readable ones go on. */
static void closed_by_server(struct ws *w, const struct ws_event *e)
{
    char what[96], reason[WS_CONTROL_MAX + 1];
    size_t n = utf8_valid_length(e->bytes);
    (void)snprintf(what, sizeof what, "the server closed the WebSocket with code %u", e->code);
    for (size_t i = 0; i < n; i++)
        reason[i] = (unsigned char)e->bytes.at[i] < ' ' || e->bytes.at[i] == 0x7f ? ' ' : e->bytes.at[i];
    reason[n] = '\0';
    say_goodbye(w, WS_CLOSE_NORMAL);
    fail(w, NET_EOF, what, reason);
}

static void handle(struct ws *w, const struct ws_event *e)
{
    switch (e->what) {
    case WS_TEXT: stream_data(&w->s, e->bytes); break;
    case WS_PING: /* one that finds no room goes unanswered */
        if (w->out.len <= NET_SEND_MAX)
            ws_frames_write(w->frames, WS_OPCODE_PONG, e->bytes, &w->out);
        break;
    case WS_CLOSE: closed_by_server(w, e); break;
    case WS_BAD:
        say_goodbye(w, e->code);
        fail(w, NET_GARBAGE, "the WebSocket protocol is broken", e->reason);
        break;
    case WS_MORE:
    case WS_PONG: break;
    }
}

/* Hands on what was fed; what a pause leaves over is kept, for the memory it stands in is soon somebody
 * else's. */
static void drain(struct ws *w)
{
    struct ws_event e = {.what = WS_PONG};
    while (e.what != WS_MORE && may_read(w)) {
        e = ws_frames_next(w->frames);
        handle(w, &e);
    }
    if (e.what == WS_MORE)
        buf_clear(&w->kept);
    if (e.what == WS_MORE || stream_deaf(&w->s))
        return;
    struct buf rest = BUF_INIT(NET_STREAM_BUFFER);
    if (ws_frames_keep(w->frames, &rest) < 0)
        failure_of_curl(&w->s, CURLE_OUT_OF_MEMORY);
    buf_done(&w->kept);
    w->kept = rest;
    w->read_again = true;
}

static struct cookie_place place_of(const struct net_stream *s)
{
    struct span host = span_of(s->peer->host ? s->peer->host : s->target.host);
    if (host.len > 2 && host.at[0] == '[')
        host = span_make(host.at + 1, host.len - 2);
    return (struct cookie_place){host, span_of(s->target.path), s->target.tls};
}

static void take_cookies(struct ws *w, const struct ws_response *answer)
{
    struct cookie_place here = place_of(&w->s);
    for (size_t i = 0; i < answer->n_cookies; i++)
        cookies_take(w->s.easy, &here, answer->cookies[i]);
}

static void refused(struct ws *w, const struct ws_response *answer)
{
    AUTO_FREE char *location = answer->location.len ? span_dup(answer->location) : NULL;
    failure_of_status(&w->s, answer->status, location);
}

/* The head is complete; REST came with it. */
static void shake_hands(struct ws *w, struct span head, struct span rest)
{
    struct ws_response answer;
    ws_handshake_response(head, w->accept, w->subprotocol, &answer);
    take_cookies(w, &answer);
    if (answer.fault) {
        fail(w, NET_GARBAGE, "the WebSocket handshake failed", answer.fault);
    } else if (answer.status != 101) {
        refused(w, &answer);
    } else {
        stream_opened(&w->s);
        ws_frames_feed(w->frames, rest);
        drain(w);
        buf_done(&w->head);
    }
}

/* Whatever else speaks there shows in its first bytes, and may never end a head. */
static bool speaks_http(struct span head)
{
    struct span word = SPAN("HTTP/1.");
    return span_starts(head.len < word.len ? word : head, head.len < word.len ? head : word);
}

static void take_head(struct ws *w, struct span bytes)
{
    size_t before = w->head.len;
    buf_add_span(&w->head, bytes);
    if (buf_error(&w->head)) {
        fail(w, NET_GARBAGE, "the WebSocket handshake failed", "the answer's head does not end");
        return;
    }
    struct span all = buf_span(&w->head);
    if (!speaks_http(all)) {
        fail(w, NET_GARBAGE, "the WebSocket handshake failed", "the answer is not HTTP/1.1");
        return;
    }
    size_t length = ws_handshake_head_length(all, before);
    if (length)
        shake_hands(w, span_make(all.at, length), span_from(all, length));
}

/* To the server, or just to a proxy. */
static bool is_encrypted(const struct ws *w)
{
    return w->s.target.tls || w->s.peer->proxy.tls;
}

/* Fills the loop's scratch memory. Without TLS one read is enough: the socket tells when there is more. With
 * TLS it may not know of what has been decrypted already, so go on until there is nothing. Returns how many
 * bytes are there; *RET_CODE says why there are no more (CURLE_OK with 0 bytes: the end). */
static size_t fill(struct ws *w, CURLcode *ret_code)
{
    size_t len = 0, n = 1;
    CURLcode code = CURLE_OK;
    do {
        code = curl_easy_recv(w->s.easy, w->s.peer->net->scratch + len, NET_STREAM_BUFFER - len, &n);
        len += code == CURLE_OK ? n : 0;
    } while (is_encrypted(w) && code == CURLE_OK && n > 0 && len < NET_STREAM_BUFFER);
    w->read_again = is_encrypted(w) && code == CURLE_OK && n > 0;
    w->received += len;
    *ret_code = code;
    return len;
}

/* An error behind the last bytes is met again by the next read. */
static void read_some(struct ws *w)
{
    CURLcode code = CURLE_OK;
    size_t len = fill(w, &code);
    struct span bytes = span_make(w->s.peer->net->scratch, len);
    if (len && w->s.state == STREAM_OPENING) {
        take_head(w, bytes);
    } else if (len) {
        ws_frames_feed(w->frames, bytes);
        drain(w);
    } else if (code == CURLE_OK) {
        failure_of_curl(&w->s, w->s.state == STREAM_OPENING ? CURLE_GOT_NOTHING : CURLE_PARTIAL_FILE);
    } else if (code != CURLE_AGAIN || w->send_error) {
        failure_of_curl(&w->s, code != CURLE_AGAIN ? code : w->send_error);
    }
}

static void try_to_send(struct ws *w)
{
    if (w->out.len == 0 || stream_deaf(&w->s))
        return;
    w->send_error = flush(w);
    if (w->send_error) {
        buf_clear(&w->out);
        w->read_again = true;
    }
}

/* Whatever was done: send what it queued, watch for what is wanted now, and come back for what no socket
 * tells of. */
static void settle(struct ws *w)
{
    try_to_send(w);
    watch(w);
    if (w->read_again && may_read(w))
        stream_wake(&w->s);
}

static int on_io(sd_event_source *source UNUSED, int fd UNUSED, uint32_t revents, void *userdata)
{
    struct ws *w = userdata;
    /* What was kept comes before what the socket has: ws_work() is on its way. */
    if ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) && may_read(w) && w->kept.len == 0)
        read_some(w);
    settle(w);
    return 0;
}

static void ws_work(struct net_stream *s)
{
    struct ws *w = ws_of(s);
    if (w->read_again && may_read(w)) {
        w->read_again = is_encrypted(w) && w->kept.len;
        if (w->kept.len)
            drain(w);
        else
            read_some(w);
    }
    settle(w);
}

static void add_lines(const struct curl_slist *list, struct buf *out)
{
    for (; list; list = list->next) {
        struct span line = span_of(list->data);
        bool empty = line.len && line.at[line.len - 1] == ';' && !memchr(line.at, ':', line.len);
        buf_add_span(out, empty ? span_make(line.at, line.len - 1) : line);
        buf_add_text(out, empty ? ":\r\n" : "\r\n");
    }
}

/* What libcurl would say about us, had it made the request: each header unless the user has set it. */
static int list_headers(const struct net_stream *s, struct curl_slist **ret)
{
    AUTO_BUF struct buf host = BUF_INIT(NET_HEAD_MAX), agent = BUF_INIT(NET_HEAD_MAX);
    AUTO_BUF struct buf cookie = BUF_INIT(NET_HEAD_MAX), credentials = BUF_INIT(NET_HEAD_MAX);
    const char *ours[5] = {NULL};
    size_t n = 0;
    buf_printf(&host, "Host: %s", s->target.host_header);
    ours[n++] = buf_text(&host);
    buf_printf(&agent, "User-Agent: %s", s->peer->user_agent ? s->peer->user_agent : "");
    if (s->peer->user_agent)
        ours[n++] = buf_text(&agent);
    buf_add_text(&cookie, "Cookie: ");
    const size_t bare = cookie.len;
    struct cookie_place there = place_of(s);
    int r = cookies_for(s->easy, &there, &cookie);
    if (s->peer->cookie) {
        buf_add_text(&cookie, cookie.len > bare ? "; " : "");
        buf_add_text(&cookie, s->peer->cookie);
    }
    if (cookie.len > bare)
        ours[n++] = buf_text(&cookie);
    if (r == 0 && (s->target.user || s->target.password)) {
        r = ws_handshake_credentials(s->target.user, s->target.password, &credentials);
        ours[n++] = buf_text(&credentials);
    }
    return r < 0 ? r : peer_headers(s->peer, ours, ret);
}

static int ask(struct ws *w)
{
    char key[WS_KEY_TEXT];
    AUTO_BUF struct buf headers = BUF_INIT(NET_HEAD_MAX);
    int r = list_headers(&w->s, &w->s.headers);
    if (r == 0)
        r = ws_handshake_key(key);
    if (r == 0)
        r = ws_handshake_accept(key, w->accept);
    if (r < 0)
        return r;
    add_lines(w->s.headers, &headers);
    if (buf_error(&headers))
        return buf_error(&headers);
    struct ws_request q = {w->s.target.path, w->subprotocol, buf_span(&headers)};
    return ws_handshake_request(&q, key, &w->out);
}

/* libcurl has connected, through proxy and TLS, and leaves the socket to us. */
static void ws_done(struct net_stream *s, CURLcode code)
{
    struct ws *w = ws_of(s);
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (code == CURLE_OK)
        code = curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code == CURLE_OK && fd == CURL_SOCKET_BAD)
        code = CURLE_COULDNT_CONNECT;
    if (code != CURLE_OK) {
        failure_of_curl(s, code);
        return;
    }
    if (ask(w) < 0 || sd_event_add_io(s->peer->net->event, &w->io, fd, EPOLLIN, on_io, w) < 0) {
        failure_of_curl(s, CURLE_OUT_OF_MEMORY);
        return;
    }
    settle(w);
}

static void ws_leave(struct net_stream *s)
{
    struct ws *w = ws_of(s);
    w->io = sd_event_source_disable_unref(w->io);
}

static void ws_stop(struct net_stream *s)
{
    struct ws *w = ws_of(s);
    if (s->state == STREAM_OPEN)
        say_goodbye(w, WS_CLOSE_NORMAL);
    stream_done(s);
    ws_frames_free(w->frames);
    buf_done(&w->head);
    buf_done(&w->kept);
    buf_done(&w->out);
    free(w->subprotocol);
    free(w);
}

static void ws_counters(struct net_stream *s, uint64_t *ret_received, uint64_t *ret_sent)
{
    const struct ws *w = ws_of(s);
    *ret_received = w->received;
    *ret_sent = w->sent;
}

static const struct stream_kind ws_kind = {ws_done, ws_work, ws_leave, ws_stop, ws_counters};

static int configure(struct ws *w, const char *subprotocol)
{
    buf_init(&w->head, NET_HEAD_MAX);
    buf_init(&w->kept, NET_STREAM_BUFFER);
    buf_init(&w->out, WS_OUT_MAX);
    w->subprotocol = strdup(subprotocol);
    if (!w->subprotocol || ws_frames_new(&w->frames) < 0 ||
        curl_easy_setopt(w->s.easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
        curl_easy_setopt(w->s.easy, CURLOPT_HTTPPROXYTUNNEL, 1L) != CURLE_OK)
        return -ENOMEM;
    return 0;
}

int net_ws_open(struct net_peer *p, const char *url, const char *subprotocol,
                const struct net_handlers *handlers, void *userdata, struct net_stream **ret)
{
    struct ws *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    int r = stream_init(&w->s, p, &ws_kind, url, handlers, userdata);
    if (r == 0)
        r = configure(w, subprotocol);
    if (r == 0)
        r = stream_set_deadline(&w->s, 0, 0);
    if (r < 0) {
        ws_stop(&w->s);
        return r;
    }
    stream_wake(&w->s);
    *ret = &w->s;
    return 0;
}

int net_ws_send(struct net_stream *s, struct span text)
{
    struct ws *w = ws_of(s);
    if (s->state != STREAM_OPEN || s->freed || w->send_error)
        return 1;
    if (text.len > NET_SEND_MAX || w->out.len > NET_SEND_MAX - text.len)
        return -ENOBUFS;
    int r = ws_frames_write(w->frames, WS_OPCODE_TEXT, text, &w->out);
    if (r == 0)
        stream_wake(s);
    return r;
}
