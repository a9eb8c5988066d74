#include "net/failure.h"

#include <stdio.h>
#include <string.h>

struct failure_row {
    CURLcode code;
    enum net_failure failure;
    const char *says;
    const char *blame; /* the setting, or NULL */
    bool detail;       /* libcurl's own words add to it, and can hold no secret */
};

static const struct failure_row rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, NET_RESOLVE, "the name does not resolve", "url", false},
    {CURLE_COULDNT_RESOLVE_PROXY, NET_PROXY, "the name of the proxy does not resolve", "proxy", false},
    {CURLE_PROXY, NET_PROXY, "the proxy refused", "proxy", false},
    {CURLE_COULDNT_CONNECT, NET_CONNECT, "cannot connect", "url", false},
    {CURLE_INTERFACE_FAILED, NET_CONNECT, "cannot connect", "url", false},
    {CURLE_SSL_CONNECT_ERROR, NET_TLS, "the TLS handshake failed", NULL, true},
    {CURLE_SSL_SHUTDOWN_FAILED, NET_TLS, "TLS did not end in good order", NULL, true},
    {CURLE_SSL_CIPHER, NET_TLS, "no TLS cipher in common", NULL, true},
    {CURLE_SSL_ENGINE_INITFAILED, NET_TLS, "the TLS library failed", NULL, true},
    {CURLE_PEER_FAILED_VERIFICATION, NET_CERTIFICATE, "the server's certificate is refused", "url, ca_file",
     true},
    {CURLE_SSL_ISSUER_ERROR, NET_CERTIFICATE, "the server's certificate is refused", "ca_file", true},
    {CURLE_SSL_INVALIDCERTSTATUS, NET_CERTIFICATE, "the server's certificate is refused", NULL, true},
    {CURLE_SSL_CACERT_BADFILE, NET_CERTIFICATE, "the file of trusted certificates cannot be used", "ca_file",
     true},
    {CURLE_SSL_CERTPROBLEM, NET_CERTIFICATE, "our own certificate cannot be used", "cert_file, key_file",
     true},
    {CURLE_SSL_CLIENTCERT, NET_CERTIFICATE, "the server wants a certificate of ours", "cert_file", false},
    {CURLE_GOT_NOTHING, NET_RESET, "the server closed the connection without an answer", NULL, false},
    {CURLE_PARTIAL_FILE, NET_RESET, "the server closed the connection in the middle", NULL, false},
    {CURLE_RECV_ERROR, NET_RESET, "the connection was cut", NULL, false},
    {CURLE_SEND_ERROR, NET_RESET, "the connection was cut while sending", NULL, false},
    {CURLE_WEIRD_SERVER_REPLY, NET_GARBAGE, "the answer is not HTTP", "url", false},
    {CURLE_UNSUPPORTED_PROTOCOL, NET_GARBAGE, "the answer is not HTTP/1.1", "url", false},
    {CURLE_BAD_CONTENT_ENCODING, NET_GARBAGE, "the answer's compression is broken", NULL, false},
    {CURLE_WRITE_ERROR, NET_GARBAGE, "the answer is not HTTP", NULL, false},
    {CURLE_OUT_OF_MEMORY, NET_MEMORY, "no memory", NULL, false},
};

static struct failure_row find_row(CURLcode code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].code == code)
            return rows[i];
    return (struct failure_row){code, NET_RESET, curl_easy_strerror(code), NULL, false};
}

static long info_long(const struct net_stream *s, CURLINFO what)
{
    long value = 0;
    return curl_easy_getinfo(s->easy, what, &value) == CURLE_OK ? value : 0;
}

static bool happened(const struct net_stream *s, CURLINFO what)
{
    curl_off_t when = 0;
    return curl_easy_getinfo(s->easy, what, &when) == CURLE_OK && when > 0;
}

/* What the TLS library says, without libcurl's preface. */
static const char *words(const struct net_stream *s)
{
    static const char *const prefaces[] = {"SSL certificate problem: ", "SSL: "};
    for (size_t i = 0; i < ARRAY_LENGTH(prefaces); i++)
        if (strncmp(s->error, prefaces[i], strlen(prefaces[i])) == 0)
            return s->error + strlen(prefaces[i]);
    return s->error;
}

/* Failures to connect are the proxy's where there is one; the kernel knows why. */
static void refine_connect(const struct net_stream *s, struct failure_row *row, const char **detail)
{
    long error = info_long(s, CURLINFO_OS_ERRNO);
    if (s->peer->proxy.url) {
        row->failure = NET_PROXY;
        row->says = "cannot connect to the proxy";
        row->blame = "proxy";
    }
    if (error > 0)
        *detail = strerror((int)error);
}

/* Whether it is the proxy that this TLS is spoken with: nothing has been tunnelled through it yet. */
static bool tls_of_proxy(const struct net_stream *s)
{
    return s->peer->proxy.tls && info_long(s, CURLINFO_HTTP_CONNECTCODE) == 0;
}

/* The same words, about the proxy. */
static void blame_proxy(struct failure_row *row)
{
    if (row->failure == NET_CERTIFICATE && row->code == CURLE_PEER_FAILED_VERIFICATION) {
        row->says = "the proxy's certificate is refused";
        row->blame = "proxy, ca_file";
    } else if (row->failure == NET_TLS) {
        row->failure = NET_PROXY;
        row->says = "the TLS handshake with the proxy failed";
        row->blame = "proxy";
    }
}

/* What a SOCKS server said. */
static void refine_proxy(const struct net_stream *s, struct failure_row *row, const char **detail)
{
    static const struct {
        long error;
        const char *says;
    } answers[] = {
        {CURLPX_REPLY_CONNECTION_REFUSED, "the server's port is closed"},
        {CURLPX_REPLY_GENERAL_SERVER_FAILURE, "it cannot reach the server"},
        {CURLPX_REPLY_HOST_UNREACHABLE, "it cannot reach the server"},
        {CURLPX_REPLY_NETWORK_UNREACHABLE, "it cannot reach the server"},
        {CURLPX_REPLY_NOT_ALLOWED, "its rules do not allow it"},
        {CURLPX_REPLY_TTL_EXPIRED, "it cannot reach the server"},
        {CURLPX_RESOLVE_HOST, "the server's name does not resolve"},
        {CURLPX_CLOSED, "it closed the connection"},
    };
    long error = info_long(s, CURLINFO_PROXY_ERROR);
    if (error == CURLPX_NO_AUTH || error == CURLPX_USER_REJECTED)
        row->says = "the proxy wants other credentials";
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++)
        if (answers[i].error == error)
            *detail = answers[i].says;
}

/* With TLS 1.3 a server refuses our certificate only after the handshake, and libcurl calls that a failed
 * read. */
static bool certificate_alert(const struct net_stream *s)
{
    return strstr(s->error, "alert") && (strstr(s->error, "certificate") || strstr(s->error, "unknown ca"));
}

/* libcurl says of a SOCKS server that "the host" does not resolve, and which host only in its words. */
static bool proxy_unresolved(const struct net_stream *s)
{
    const struct target *proxy = &s->peer->proxy;
    return proxy->url && strcmp(proxy->host, s->target.host) != 0 && strstr(s->error, proxy->host);
}

static void refine(const struct net_stream *s, struct failure_row *row, const char **detail)
{
    if (row->detail && s->error[0])
        *detail = words(s);
    if (row->code == CURLE_COULDNT_CONNECT)
        refine_connect(s, row, detail);
    if (row->code == CURLE_COULDNT_RESOLVE_HOST && proxy_unresolved(s))
        *row = find_row(CURLE_COULDNT_RESOLVE_PROXY);
    if (row->code == CURLE_PROXY)
        refine_proxy(s, row, detail);
    if ((row->code == CURLE_RECV_ERROR || row->code == CURLE_SSL_CONNECT_ERROR) && certificate_alert(s)) {
        row->failure = NET_CERTIFICATE;
        row->says = "the server refuses our certificate, or wants one";
        row->blame = "cert_file";
        *detail = words(s);
    }
    if (tls_of_proxy(s))
        blame_proxy(row);
}

static void close_with(struct net_stream *s, const struct failure_row *row, int status, const char *detail)
{
    char text[NET_TEXT_MAX];
    bool through = row->blame && strstr(row->blame, "proxy");
    const char *proxy = through ? s->peer->proxy.authority : NULL;
    (void)snprintf(text, sizeof text, "%s%s%s: %s%s%s%s%s%s", s->target.authority, proxy ? " through " : "",
                   proxy ? proxy : "", row->says, detail ? ": " : "", detail ? detail : "",
                   row->blame ? " (" : "", row->blame ? row->blame : "", row->blame ? ")" : "");
    stream_closed(s, row->failure, status, text);
}

static void tunnel_refused(struct net_stream *s, CURLcode code, long status)
{
    /* 401 is the server's, but some proxies say it all the same. */
    bool credentials = status == 407 || status == 401;
    struct failure_row row = {
        code, NET_PROXY, credentials ? "the proxy wants other credentials" : "the proxy refused the tunnel",
        "proxy", false};
    char detail[32];
    (void)snprintf(detail, sizeof detail, "HTTP status %ld", status);
    close_with(s, &row, (int)status, detail);
}

void failure_of_curl(struct net_stream *s, CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT) {
        failure_of_deadline(s);
        return;
    }
    long tunnel = info_long(s, CURLINFO_HTTP_CONNECTCODE);
    if (tunnel >= 300) {
        tunnel_refused(s, code, tunnel);
        return;
    }
    struct failure_row row = find_row(code);
    const char *detail = NULL;
    refine(s, &row, &detail);
    close_with(s, &row, 0, detail);
}

static const char *phase(const struct net_stream *s)
{
    if (s->state == STREAM_OPEN)
        return "before the answer was complete";
    if (happened(s, CURLINFO_PRETRANSFER_TIME_T))
        return "while waiting for the answer";
    if (!happened(s, CURLINFO_NAMELOOKUP_TIME_T))
        return "while the name was being resolved";
    /* libcurl takes the time of TCP's connection only when TLS is there too, but counts it at once. */
    if (info_long(s, CURLINFO_NUM_CONNECTS) == 0)
        return "while connecting";
    bool in_tls = s->target.tls && !happened(s, CURLINFO_APPCONNECT_TIME_T);
    return in_tls ? "in the TLS handshake" : "while waiting for the answer";
}

void failure_of_deadline(struct net_stream *s)
{
    struct failure_row row = {CURLE_OPERATION_TIMEDOUT, NET_TIMEOUT, "time is up", "connect_ms", false};
    close_with(s, &row, 0, phase(s));
}

/* Whether a proxy reads the requests: then it may be the one who answers. */
static bool by_way_of_proxy(const struct net_stream *s)
{
    const struct target *proxy = &s->peer->proxy;
    bool http = proxy->url && strncmp(proxy->url, "http", strlen("http")) == 0;
    return http && !s->target.tls && info_long(s, CURLINFO_HTTP_CONNECTCODE) == 0;
}

void failure_of_status(struct net_stream *s, long status, const char *location)
{
    AUTO_FREE char *where = location ? target_redirect(&s->target, location) : NULL;
    struct failure_row row = {CURLE_OK, NET_STATUS,
                              "the server answered with an HTTP status that is not expected", "url", false};
    char detail[NET_TEXT_MAX / 2];
    if (by_way_of_proxy(s) && status == 407) {
        row = (struct failure_row){CURLE_OK, NET_PROXY, "the proxy wants other credentials", "proxy", false};
    } else if (by_way_of_proxy(s)) {
        row.says = "the server or the proxy answered with an HTTP status that is not expected";
        row.blame = "url, proxy";
    }
    (void)snprintf(detail, sizeof detail, "%ld%s%s", status, where ? ", a redirect to " : "",
                   where ? where : "");
    close_with(s, &row, (int)status, detail);
}

void failure_of_page(struct net_stream *s, const char *beginning)
{
    struct failure_row row = {CURLE_OK, NET_GARBAGE,
                              "the answer is a web page, of a portal or proxy on the way, or url is not a "
                              "Lightstreamer server's",
                              "url", false};
    close_with(s, &row, 0, beginning);
}
