#include "ctl/endpoint.h"

static const struct span tcp = {"tcp://", 6};

/* "tcp://HOST:PORT" cut in two; false when it is not of that form. */
static bool tcp_cut(struct span endpoint, struct span *ret_host, struct span *ret_port)
{
    if (!span_starts(endpoint, tcp))
        return false;
    struct span rest = span_from(endpoint, tcp.len);
    size_t colon = rest.len;
    while (colon > 0 && rest.at[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    *ret_host = span_make(rest.at, colon - 1);
    *ret_port = span_from(rest, colon);
    return true;
}

static bool is_wildcard(struct span host)
{
    return span_is(host, "*") || span_is(host, "0.0.0.0") || span_is(host, "[::]") || span_is(host, "::");
}

int endpoint_pick(struct span control, const struct span *offered, size_t n_offered, struct buf *out)
{
    struct span control_host, host, port;
    bool over_tcp = tcp_cut(control, &control_host, &port);
    for (size_t i = 0; i < n_offered; i++) {
        bool is_tcp = tcp_cut(offered[i], &host, &port);
        if (over_tcp && !is_tcp)
            continue;
        if (!is_tcp || !is_wildcard(host)) {
            buf_add_span(out, offered[i]);
            return 0;
        }
        /* "[::]" takes IPv4 too, unless the machine says otherwise; its own kind is the safe choice. */
        struct span loopback = memchr(host.at, ':', host.len) ? SPAN("[::1]") : SPAN("127.0.0.1");
        buf_add_span(out, tcp);
        buf_add_span(out, over_tcp ? control_host : loopback);
        buf_add_char(out, ':');
        buf_add_span(out, port);
        return 0;
    }
    return 1;
}
