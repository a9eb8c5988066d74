#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "net/failure.h"
#include "net/internal.h"

/* A POST whose answer is a stream, or just an answer. */
struct http {
    struct net_stream s;
    char *location; /* of a redirect, for the sentence */
    size_t head;    /* bytes of it so far */
    long status;    /* the final one, once the head is complete */
    bool head_too_long;
    bool begun;       /* the first byte of the answer's body that is no blank has come */
    char page[64];    /* and it was a web page's: how it begins; else "" */
    bool curl_paused; /* libcurl has been told to wait */
    bool sent;        /* the request is on its way, or was */
    bool sent_twice;  /* would have been */
};

static struct http *http_of(struct net_stream *s)
{
    return CONTAINER_OF(s, struct http, s);
}

/* A connection used before may die without an answer; libcurl would then send the request again on a new one. But the server
 * may have obeyed the first: a second plain bind would tell it that all it had sent arrived. */
static int on_request(void *userdata, char *remote UNUSED, char *local UNUSED, int remote_port UNUSED,
                      int local_port UNUSED)
{
    struct http *h = userdata;
    h->sent_twice = h->sent;
    h->sent = true;
    return h->sent_twice ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void take_location(struct http *h, struct span line)
{
    static const char name[] = "Location:";
    if (line.len < sizeof name - 1 || strncasecmp(line.at, name, sizeof name - 1) != 0)
        return;
    struct span value = span_from(line, sizeof name - 1);
    while (value.len && strchr(" \t", value.at[0]))
        value = span_from(value, 1);
    while (value.len && strchr(" \t\r\n", value.at[value.len - 1]))
        value.len--;
    free(h->location);
    h->location = span_dup(value);
}

/* The empty line: this was the whole head, unless a 1xx came before the answer. Returns whether to go on. */
static bool head_complete(struct http *h)
{
    long status = 0;
    curl_easy_getinfo(h->s.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 100 && status < 200 && status != 101)
        return true;
    h->status = status;
    if (status == 200)
        stream_opened(&h->s);
    return status == 200 && !h->s.freed;
}

static size_t on_header(char *at, size_t size, size_t n, void *userdata)
{
    struct http *h = userdata;
    struct span line = span_make(at, size * n);
    if (stream_deaf(&h->s))
        return 0;
    h->head += line.len;
    h->head_too_long = h->head > NET_HEAD_MAX;
    if (h->head_too_long)
        return 0;
    if (h->s.state == STREAM_OPEN) /* a trailer */
        return line.len;
    if (span_is(line, "\r\n") || span_is(line, "\n"))
        return head_complete(h) ? line.len : 0;
    take_location(h, line);
    return line.len;
}

/* The readable part of its first line. */
static void keep_page(struct http *h, struct span bytes)
{
    struct span line;
    span_cut(&bytes, '\n', &line);
    line.len = line.len < sizeof h->page ? line.len : sizeof h->page - 1;
    line.len = utf8_valid_length(line);
    for (size_t i = 0; i < line.len; i++)
        h->page[i] = (unsigned char)line.at[i] < ' ' || line.at[i] == 0x7f ? ' ' : line.at[i];
}

/* A portal's login page, a proxy's excuse: no line of a Lightstreamer server's begins like that. */
static bool is_web_page(struct http *h, struct span bytes)
{
    if (h->begun)
        return false;
    while (bytes.len && strchr(" \t\r\n\xEF\xBB\xBF", bytes.at[0]))
        bytes = span_from(bytes, 1);
    if (bytes.len == 0)
        return false;
    h->begun = true;
    if (bytes.at[0] == '<')
        keep_page(h, bytes);
    return h->page[0];
}

static size_t on_body(char *at, size_t size, size_t n, void *userdata)
{
    struct http *h = userdata;
    if (stream_deaf(&h->s))
        return 0;
    if (h->s.paused) {
        h->curl_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (is_web_page(h, span_make(at, size * n)))
        return 0;
    stream_data(&h->s, span_make(at, size * n));
    return h->s.freed ? 0 : size * n;
}

static void http_done(struct net_stream *s, CURLcode code)
{
    struct http *h = http_of(s);
    if (h->head_too_long)
        failure_of_curl(s, CURLE_WEIRD_SERVER_REPLY);
    else if (h->sent_twice)
        failure_of_curl(s, CURLE_GOT_NOTHING);
    else if (h->status && h->status != 200)
        failure_of_status(s, h->status, h->location);
    else if (h->page[0])
        failure_of_page(s, h->page);
    else if (code != CURLE_OK)
        failure_of_curl(s, code);
    else
        stream_closed(s, NET_EOF, 200, "the answer is complete");
}

/* Delivers at once what libcurl kept back, from here rather than from within the owner's call. */
static void http_work(struct net_stream *s)
{
    struct http *h = http_of(s);
    if (s->paused || !h->curl_paused)
        return;
    h->curl_paused = false;
    CURLcode code = curl_easy_pause(s->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK && !stream_deaf(s))
        failure_of_curl(s, code);
}

static void http_stop(struct net_stream *s)
{
    struct http *h = http_of(s);
    stream_done(s);
    free(h->location);
    free(h);
}

static void http_counters(struct net_stream *s, uint64_t *ret_received, uint64_t *ret_sent)
{
    curl_off_t body = 0, sent_body = 0;
    long head = 0, request = 0;
    curl_easy_getinfo(s->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    curl_easy_getinfo(s->easy, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &sent_body);
    curl_easy_getinfo(s->easy, CURLINFO_REQUEST_SIZE, &request);
    *ret_received = (uint64_t)body + (uint64_t)head;
    *ret_sent = (uint64_t)sent_body + (uint64_t)request;
}

static const struct stream_kind http_kind = {http_done, http_work, NULL, http_stop, http_counters};

#define SET(option, value)                                                                                   \
    do {                                                                                                     \
        if (code == CURLE_OK)                                                                                \
            code = curl_easy_setopt(s->easy, option, value);                                                 \
    } while (0)

static int configure_post(struct http *h, struct span body, int64_t total_ms)
{
    struct net_stream *s = &h->s;
    const char *const ours[] = {s->peer->form ? "Content-Type: application/x-www-form-urlencoded"
                                              : "Content-Type: text/plain",
                                "Expect:", NULL};
    int r = peer_headers(s->peer, ours, &s->headers);
    if (r < 0)
        return r;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_HTTPHEADER, s->headers);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    SET(CURLOPT_COPYPOSTFIELDS, body.len ? body.at : "");
    SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_BUFFERSIZE, total_ms > 0 ? (long)NET_REQUEST_BUFFER : (long)NET_STREAM_BUFFER);
    SET(CURLOPT_PREREQFUNCTION, on_request);
    SET(CURLOPT_PREREQDATA, h);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, h);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, h);
    return code == CURLE_OK ? 0 : -ENOMEM;
}

int net_http_post(struct net_peer *p, const char *url, struct span body, int64_t total_ms,
                  int64_t patience_ms, const struct net_handlers *handlers, void *userdata,
                  struct net_stream **ret)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    int r = stream_init(&h->s, p, &http_kind, url, handlers, userdata);
    if (r == 0)
        r = configure_post(h, body, total_ms);
    if (r == 0)
        r = stream_set_deadline(&h->s, total_ms, patience_ms);
    if (r < 0) {
        http_stop(&h->s);
        return r;
    }
    stream_wake(&h->s);
    *ret = &h->s;
    return 0;
}
