#include "config.h"

#include "sim/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sim/server.h"
#include "sim/sim.h"

/* Longer heads are refused: a Lightstreamer client's has some hundred bytes. */
#define MAX_HEAD 65536

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Because";
}

static struct span trimmed(struct span s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_make(s.at + 1, s.len - 1);
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t' || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

static bool same_name(struct span s, const char *name)
{
    return s.len == strlen(name) && strncasecmp(s.at, name, s.len) == 0;
}

static void take_header(struct http_request *r, struct span name, struct span value, bool *ret_bad)
{
    if (same_name(name, "content-length"))
        *ret_bad |= !span_to_u64(value, INT64_MAX, &r->content_length);
    else if (same_name(name, "transfer-encoding"))
        r->chunked = true;
    else if (same_name(name, "connection"))
        r->keep_alive = !same_name(value, "close") && r->keep_alive;
    else if (same_name(name, "expect"))
        r->expects_continue = same_name(value, "100-continue");
    else if (same_name(name, "upgrade"))
        r->upgrade = value;
    else if (same_name(name, "sec-websocket-key"))
        r->websocket_key = value;
    else if (same_name(name, "sec-websocket-protocol"))
        r->websocket_protocol = value;
}

static bool parse_request_line(struct http_request *r, struct span line)
{
    struct span target, version, rest = trimmed(line);

    if (!span_cut(&rest, ' ', &r->method) || !span_cut(&rest, ' ', &target) ||
        !span_cut(&rest, ' ', &version))
        return false;
    r->query = target;
    span_cut(&r->query, '?', &r->path);
    r->keep_alive = r->takes_chunks = span_is(version, "HTTP/1.1");
    return span_starts(version, SPAN("HTTP/1."));
}

static bool parse_head(struct http_request *r, struct span head)
{
    struct span line, name;
    bool bad = false;

    *r = (struct http_request){0};
    if (!span_cut(&head, '\n', &line) || !parse_request_line(r, line))
        return false;
    while (span_cut(&head, '\n', &line)) {
        struct span value = line;

        if (span_cut(&value, ':', &name) && value.at)
            take_header(r, trimmed(name), trimmed(value), &bad);
    }
    return !bad;
}

static void refuse(struct conn *c, unsigned status)
{
    if (status == 413)
        sim_violation(c->sim, "client", "a request above the request limit");
    else
        sim_violation(c->sim, "client", "a request that is not HTTP as it should be (answered %u)", status);
    c->keep_alive = false;
    http_respond(c, status, SPAN_EMPTY);
    buf_clear(&c->in);
}

/* The status to refuse a request with after its head, or 0. */
static unsigned fault_of(const struct conn *c, const struct http_request *r)
{
    if (r->chunked)
        return 411;
    if (r->content_length > c->sim->options.request_limit_bytes)
        return 413;
    return 0;
}

void http_input(struct conn *c)
{
    const char *end = memmem(c->in.at, c->in.len, "\r\n\r\n", 4);
    struct http_request r;
    size_t head;

    if (!end) {
        if (c->in.len > MAX_HEAD)
            refuse(c, 431);
        return;
    }
    head = (size_t)(end - c->in.at) + 4;
    if (!parse_head(&r, span_make(c->in.at, head - 4))) {
        refuse(c, 400);
        return;
    }
    if (fault_of(c, &r) != 0) {
        refuse(c, fault_of(c, &r));
        return;
    }
    if (c->in.len - head < r.content_length) {
        if (r.expects_continue && !c->continued)
            conn_add(c, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
        c->continued = true;
        return;
    }
    r.body = span_make(c->in.at + head, (size_t)r.content_length);
    c->continued = false;
    c->keep_alive = r.keep_alive;
    c->chunks = r.takes_chunks;
    c->state = CONN_BUSY;
    server_request(c, &r);
    if (c->fd >= 0)
        buf_drop_front(&c->in, head + (size_t)r.content_length);
}

/* The response is complete. The next request is looked at by whoever called http_input(), or by answer.c. */
static void finish(struct conn *c)
{
    c->state = CONN_READY;
    if (!c->keep_alive)
        c->close_after = true;
}

#define COMMON_HEADERS                                                                                       \
    "Server: lsbridge-sim\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"

void http_respond(struct conn *c, unsigned status, struct span body)
{
    AUTO_BUF struct buf head = BUF_INIT(1024);

    buf_printf(&head, "HTTP/1.1 %u %s\r\n" COMMON_HEADERS "Content-Length: %zu\r\n%s\r\n", status,
               reason(status), body.len, c->keep_alive ? "" : "Connection: close\r\n");
    conn_add(c, buf_span(&head));
    conn_add(c, body);
    finish(c);
}

void http_begin_stream(struct conn *c)
{
    c->state = CONN_STREAM;
    conn_add(c, SPAN("HTTP/1.1 200 OK\r\n" COMMON_HEADERS));
    conn_add(c, c->chunks ? SPAN("Transfer-Encoding: chunked\r\n") : SPAN_EMPTY);
    conn_add(c, c->keep_alive ? SPAN("\r\n") : SPAN("Connection: close\r\n\r\n"));
}

void http_add_chunk(struct conn *c, struct span data)
{
    char size[24];

    if (!c->chunks) {
        conn_add(c, data);
        return;
    }
    snprintf(size, sizeof(size), "%zx\r\n", data.len);
    conn_add(c, span_of(size));
    conn_add(c, data);
    conn_add(c, SPAN("\r\n"));
}

void http_end_stream(struct conn *c)
{
    conn_add(c, c->chunks ? SPAN("0\r\n\r\n") : SPAN_EMPTY);
    finish(c);
}
