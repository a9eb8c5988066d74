#include "net/net.h"

#include <errno.h>
#include <strings.h>
#include <sys/socket.h>

#include "net/internal.h"

enum {
    KEEPALIVE_IDLE_S =
        30, /* a half-open connection is found by TCP even where the protocol is silent for long */
    KEEPALIVE_INTERVAL_S = 10,
    HEADER_MAX = 16 * 1024,
};

static int copy_text(const char *text, char **ret)
{
    if (!text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

/* These frame the request or shake hands; a user's value for them could only break it. */
static bool header_is_ours(const char *name)
{
    static const char *const ours[] = {"Connection",     "Content-Length",    "Expect",
                                       "Sec-WebSocket-", "Transfer-Encoding", "Upgrade"};
    for (size_t i = 0; i < ARRAY_LENGTH(ours); i++) {
        size_t n = strlen(ours[i]);
        if (strncasecmp(name, ours[i], n) == 0 && (name[n] == '\0' || ours[i][n - 1] == '-'))
            return true;
    }
    return false;
}

/* A request has one Cookie header: the user's cookies stand in it beside the server's. */
static int add_cookie(struct net_peer *p, const char *value)
{
    AUTO_BUF struct buf all = BUF_INIT(HEADER_MAX);
    buf_printf(&all, "%s%s%s", p->cookie ? p->cookie : "", p->cookie ? "; " : "", value);
    if (buf_error(&all))
        return -EINVAL;
    free(p->cookie);
    p->cookie = NULL;
    return copy_text(buf_text(&all), &p->cookie);
}

/* "name:8080" or "[::1]:8080", without port and brackets: as libcurl has it for the requests that it makes. */
static int keep_host(struct net_peer *p, const char *value)
{
    bool brackets = value[0] == '[';
    struct span host = span_make(value + brackets, strcspn(value + brackets, brackets ? "]" : ":"));
    free(p->host);
    p->host = span_dup(host);
    return p->host ? 0 : -ENOMEM;
}

static int copy_header(struct net_peer *p, const struct net_header *h)
{
    if (!*h->name || strpbrk(h->name, "\r\n:; ") || strpbrk(h->value, "\r\n"))
        return -EINVAL;
    if (header_is_ours(h->name))
        return 0;
    if (strcasecmp(h->name, "Cookie") == 0)
        return add_cookie(p, h->value);
    if (strcasecmp(h->name, "Host") == 0 && keep_host(p, h->value) < 0)
        return -ENOMEM;
    AUTO_BUF struct buf line = BUF_INIT(HEADER_MAX);
    /* For libcurl "name:" takes a header away, and "name;" gives an empty one. */
    buf_printf(&line, *h->value ? "%s: %s" : "%s;", h->name, h->value);
    return buf_error(&line) ? -EINVAL : append(&p->headers, buf_text(&line));
}

static int copy_options(struct net_peer *p, const struct net_peer_options *o)
{
    int r = copy_text(o->ca_file, &p->ca_file);
    if (r == 0)
        r = copy_text(o->cert_file, &p->cert_file);
    if (r == 0)
        r = copy_text(o->key_file, &p->key_file);
    if (r == 0)
        r = copy_text(o->user_agent, &p->user_agent);
    if (r == 0 && o->proxy && *o->proxy)
        r = target_parse_proxy(o->proxy, &p->proxy);
    for (size_t i = 0; r == 0 && i < o->n_headers; i++)
        r = copy_header(p, &o->headers[i]);
    p->connect_ms = o->connect_ms;
    p->tls_verify = o->tls_verify;
    p->form = o->form;
    return r > 0 ? -EINVAL : r;
}

static int share_cookies(struct net_peer *p)
{
    p->share = curl_share_init();
    if (!p->share || curl_share_setopt(p->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) != CURLSHE_OK)
        return -ENOMEM;
    return 0;
}

int net_peer_new(struct net *n, const struct net_peer_options *options, struct net_peer **ret)
{
    struct net_peer *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->net = n;
    list_init(&p->streams);
    int r = copy_options(p, options);
    if (r == 0)
        r = share_cookies(p);
    if (r < 0)
        net_peer_free(p);
    else
        *ret = p;
    return r;
}

void peer_release(struct net_peer *p)
{
    if (!p->freed || !list_empty(&p->streams))
        return;
    curl_share_cleanup(p->share);
    curl_slist_free_all(p->headers);
    free(p->cookie);
    free(p->host);
    target_done(&p->proxy);
    free(p->ca_file);
    free(p->cert_file);
    free(p->key_file);
    free(p->user_agent);
    free(p);
}

void net_peer_free(struct net_peer *p)
{
    if (!p)
        return;
    p->freed = true;
    peer_release(p);
}

void net_peer_counters(const struct net_peer *p, uint64_t *ret_received, uint64_t *ret_sent)
{
    uint64_t received = p->received, sent = p->sent;
    LIST_EACH(l, &p->streams) {
        struct net_stream *s = CONTAINER_OF(l, struct net_stream, in_peer);
        uint64_t in = 0, out = 0;
        s->kind->counters(s, &in, &out);
        received += in;
        sent += out;
    }
    *ret_received = received;
    *ret_sent = sent;
}

#define SET(option, value)                                                                                   \
    do {                                                                                                     \
        if (code == CURLE_OK)                                                                                \
            code = curl_easy_setopt(s->easy, option, value);                                                 \
    } while (0)

static CURLcode configure_tls(const struct net_peer *p, struct net_stream *s)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_SSL_VERIFYPEER, p->tls_verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, p->tls_verify ? 2L : 0L);
    SET(CURLOPT_PROXY_SSL_VERIFYPEER, p->tls_verify ? 1L : 0L);
    SET(CURLOPT_PROXY_SSL_VERIFYHOST, p->tls_verify ? 2L : 0L);
    if (p->ca_file) {
        /* Read anew for each connection: by default a file that was put right would be looked at a day later. */
        SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
        SET(CURLOPT_CAINFO, p->ca_file);
        SET(CURLOPT_PROXY_CAINFO, p->ca_file);
        /* Else the system's would be trusted as well. */
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_PROXY_CAPATH, NULL);
    }
    if (p->cert_file)
        SET(CURLOPT_SSLCERT, p->cert_file);
    if (p->key_file)
        SET(CURLOPT_SSLKEY, p->key_file);
    /* For a key that wants a passphrase OpenSSL would ask at the terminal, and the loop would wait. */
    if (p->cert_file)
        SET(CURLOPT_KEYPASSWD, "");
    return code;
}

/* Empty rather than absent: otherwise the environment's variables would say. */
static CURLcode configure_proxy(const struct net_peer *p, struct net_stream *s)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROXY, p->proxy.url ? p->proxy.url : "");
    SET(CURLOPT_NOPROXY, "");
    if (p->proxy.user)
        SET(CURLOPT_PROXYUSERNAME, p->proxy.user);
    if (p->proxy.password)
        SET(CURLOPT_PROXYPASSWORD, p->proxy.password);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return code;
}

/* libcurl's own sockets would be inherited by child processes. */
static curl_socket_t open_socket(void *userdata UNUSED, curlsocktype purpose UNUSED,
                                 struct curl_sockaddr *address)
{
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static CURLcode configure_transport(const struct net_peer *p, struct net_stream *s)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    /* A name whose resolver hangs is left to its thread: otherwise libcurl would stop the loop until it
     * answers. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    /* libcurl gives each of several addresses its share of this; the stream's own deadline bounds the
     * whole. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_ms);
    return code;
}

int peer_configure(const struct net_peer *p, struct net_stream *s)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, s->target.url);
    if (s->target.user)
        SET(CURLOPT_USERNAME, s->target.user);
    if (s->target.password)
        SET(CURLOPT_PASSWORD, s->target.password);
    if (p->user_agent)
        SET(CURLOPT_USERAGENT, p->user_agent);
    SET(CURLOPT_PRIVATE, (void *)s);
    SET(CURLOPT_ERRORBUFFER, s->error);
    SET(CURLOPT_SHARE, p->share);
    SET(CURLOPT_COOKIEFILE, "");
    if (p->cookie)
        SET(CURLOPT_COOKIE, p->cookie);
    if (code == CURLE_OK)
        code = configure_transport(p, s);
    if (code == CURLE_OK)
        code = configure_proxy(p, s);
    if (code == CURLE_OK)
        code = configure_tls(p, s);
    return code == CURLE_OK ? 0 : -ENOMEM;
}

static bool same_header(const char *a, const char *b)
{
    size_t n = strcspn(a, ":;");
    return n == strcspn(b, ":;") && strncasecmp(a, b, n) == 0;
}

int peer_headers(const struct net_peer *p, const char *const *ours, struct curl_slist **ret)
{
    int r = 0;
    for (const struct curl_slist *h = p->headers; r == 0 && h; h = h->next)
        r = append(ret, h->data);
    for (; r == 0 && *ours; ours++) {
        const struct curl_slist *h = p->headers;
        while (h && !same_header(h->data, *ours))
            h = h->next;
        if (!h)
            r = append(ret, *ours);
    }
    return r;
}
