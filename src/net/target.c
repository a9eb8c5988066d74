#include "net/target.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "net/net.h"

enum {
    URL_MAX = 64 * 1024,     /* a request's parameters stand in its body: no honest URL comes near */
    CONTROL_LINK_MAX = 1024, /* a host name has at most 253 bytes; the prefix is short */
};

static void url_cleanup(CURLU **u)
{
    curl_url_cleanup(*u);
}
#define AUTO_URL CLEANUP(url_cleanup)

static void curl_text_cleanup(char **text)
{
    curl_free(*text);
}
#define AUTO_CURL_TEXT CLEANUP(curl_text_cleanup)

/* Copies one part into *RET, so that everything in a target is malloc's. A part that is not there leaves
 * NULL. */
static int part(CURLU *u, CURLUPart what, unsigned flags, char **ret)
{
    AUTO_CURL_TEXT char *text = NULL;
    CURLUcode code = curl_url_get(u, what, &text, flags);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code != CURLUE_OK)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int join(const char *a, const char *separator, const char *b, char **ret)
{
    AUTO_BUF struct buf joined = BUF_INIT(URL_MAX);
    buf_add_text(&joined, a);
    buf_add_text(&joined, separator);
    buf_add_text(&joined, b);
    *ret = buf_error(&joined) ? NULL : strdup(buf_text(&joined));
    return *ret ? 0 : -ENOMEM;
}

/* Names in other alphabets go out in Punycode; where libcurl cannot do that (it calls whatever is wrong "out of
 * memory"), it will say so when it resolves. */
static int host_part(CURLU *u, char **ret)
{
    AUTO_CURL_TEXT char *text = NULL;
    if (curl_url_get(u, CURLUPART_HOST, &text, CURLU_PUNYCODE) != CURLUE_OK)
        return part(u, CURLUPART_HOST, 0, ret);
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int credentials(CURLU *u, struct target *t)
{
    int r = part(u, CURLUPART_USER, CURLU_URLDECODE, &t->user);
    if (r == 0)
        r = part(u, CURLUPART_PASSWORD, CURLU_URLDECODE, &t->password);
    curl_url_set(u, CURLUPART_USER, NULL, 0);
    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    return r;
}

static int authority(CURLU *u, struct target *t)
{
    AUTO_FREE char *port = NULL, *named_port = NULL;
    int r = host_part(u, &t->host);
    if (r == 0)
        r = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port);
    if (r == 0)
        r = part(u, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &named_port);
    if (r < 0)
        return r;
    if (!t->host || !*t->host)
        return 1;
    r = join(t->host, port ? ":" : "", port ? port : "", &t->authority);
    if (r == 0)
        r = join(t->host, named_port ? ":" : "", named_port ? named_port : "", &t->host_header);
    return r;
}

static int path_and_query(CURLU *u, struct target *t)
{
    AUTO_FREE char *path = NULL, *query = NULL;
    int r = part(u, CURLUPART_PATH, 0, &path);
    if (r == 0)
        r = part(u, CURLUPART_QUERY, 0, &query);
    return r < 0 ? r : join(path ? path : "/", query ? "?" : "", query ? query : "", &t->path);
}

static int set_parsed(CURLU *u, const char *text, unsigned flags)
{
    CURLUcode code = curl_url_set(u, CURLUPART_URL, text, flags);
    return code == CURLUE_OK ? 0 : code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : 1;
}

/* An @ in a password is meant: the last one ends the user information. libcurl wants the others as %40. */
static int set_url(CURLU *u, const char *text, unsigned flags)
{
    const char *scheme = strstr(text, "://"), *start = scheme ? scheme + 3 : text;
    const char *at = start + strcspn(start, "/?#");
    while (at > start && *at != '@')
        at--;
    if (!memchr(start, '@', (size_t)(at - start)))
        return set_parsed(u, text, flags);
    AUTO_BUF struct buf encoded = BUF_INIT(URL_MAX);
    buf_add(&encoded, text, (size_t)(start - text));
    for (; start < at; start++)
        if (*start == '@')
            buf_add_text(&encoded, "%40");
        else
            buf_add_char(&encoded, *start);
    buf_add_text(&encoded, at);
    return buf_error(&encoded) == -ENOMEM ? -ENOMEM : set_parsed(u, buf_text(&encoded), flags);
}

static bool scheme_is(CURLU *u, const char *const *allowed, bool *ret_tls)
{
    AUTO_CURL_TEXT char *scheme = NULL;
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return false;
    *ret_tls = strcmp(scheme, "https") == 0;
    for (; *allowed; allowed++)
        if (strcmp(scheme, *allowed) == 0)
            return true;
    return false;
}

static int take_apart(const char *text, const char *const *schemes, unsigned flags, struct target *ret)
{
    AUTO_URL CURLU *u = curl_url();
    AUTO_TARGET struct target t = {0};
    if (!u)
        return -ENOMEM;
    int r = set_url(u, text, flags);
    if (r == 0)
        r = scheme_is(u, schemes, &t.tls) ? 0 : 1;
    if (r == 0)
        r = credentials(u, &t);
    if (r == 0)
        r = authority(u, &t);
    if (r == 0)
        r = path_and_query(u, &t);
    if (r == 0)
        r = part(u, CURLUPART_URL, 0, &t.url);
    if (r == 0) {
        *ret = t;
        t = (struct target){0};
    }
    return r;
}

int target_parse(const char *text, struct target *ret)
{
    static const char *const schemes[] = {"http", "https", NULL};
    return take_apart(text, schemes, 0, ret);
}

int target_parse_proxy(const char *text, struct target *ret)
{
    static const char *const schemes[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h", NULL};
    AUTO_FREE char *with_scheme = NULL;
    if (!strstr(text, "://")) {
        if (join("http", "://", text, &with_scheme) < 0)
            return -ENOMEM;
        text = with_scheme;
    }
    return take_apart(text, schemes, CURLU_NON_SUPPORT_SCHEME, ret);
}

void target_done(struct target *t)
{
    free(t->url);
    free(t->user);
    free(t->password);
    free(t->host);
    free(t->authority);
    free(t->host_header);
    free(t->path);
    *t = (struct target){0};
}

char *target_redirect(const struct target *t, const char *location)
{
    AUTO_URL CURLU *u = curl_url();
    char *text = NULL;
    if (!u || set_url(u, t->url, 0) != 0 || set_url(u, location, CURLU_NON_SUPPORT_SCHEME) != 0)
        return NULL;
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                       CURLUPART_FRAGMENT};
    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++)
        curl_url_set(u, hidden[i], NULL, 0);
    return part(u, CURLUPART_URL, 0, &text) == 0 ? text : NULL;
}

/* The link as host[:port][/prefix] that a URL parser takes: an IPv6 literal without brackets gets them. */
static int link_in_brackets(struct span link, struct buf *ret)
{
    struct span rest = link, host = SPAN_EMPTY;
    span_cut(&rest, '/', &host);
    AUTO_FREE char *text = span_dup(host);
    struct in6_addr unused;
    if (!text)
        return -ENOMEM;
    bool naked = inet_pton(AF_INET6, text, &unused) == 1;
    buf_add_text(ret, naked ? "[" : "");
    buf_add_span(ret, host);
    buf_add_text(ret, naked ? "]" : "");
    buf_add_span(ret, span_from(link, host.len));
    return buf_error(ret);
}

static bool has_part(CURLU *u, CURLUPart what)
{
    AUTO_CURL_TEXT char *text = NULL;
    return curl_url_get(u, what, &text, 0) == CURLUE_OK;
}

/* A control link says where, and nothing else: user information, a query or a scheme in it is none of its
 * business. */
static int parse_link(const char *scheme, const char *control_link, CURLU *ret)
{
    struct span link = span_of(control_link);
    if (link.len == 0 || link.len > CONTROL_LINK_MAX || strstr(control_link, "://") || control_link[0] == '/')
        return 1;
    AUTO_BUF struct buf text = BUF_INIT(URL_MAX);
    buf_add_text(&text, scheme);
    buf_add_text(&text, "://");
    int r = link_in_brackets(link, &text);
    if (r < 0)
        return r;
    r = set_url(ret, buf_text(&text), 0);
    if (r != 0)
        return r;
    static const CURLUPart refused[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        if (has_part(ret, refused[i]))
            return 1;
    return 0;
}

static int take_part(CURLU *to, CURLU *from, CURLUPart what)
{
    AUTO_CURL_TEXT char *text = NULL;
    if (curl_url_get(from, what, &text, 0) != CURLUE_OK)
        return 0;
    return curl_url_set(to, what, text, 0) == CURLUE_OK ? 0 : -ENOMEM;
}

/* Host and path come from the link, the port too if it names one; scheme and user information stay. */
static int replace_host(CURLU *base, const char *control_link)
{
    AUTO_CURL_TEXT char *scheme = NULL;
    AUTO_URL CURLU *link = curl_url();
    if (!link || curl_url_get(base, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return -ENOMEM;
    int r = parse_link(scheme, control_link, link);
    static const CURLUPart taken[] = {CURLUPART_HOST, CURLUPART_PORT, CURLUPART_PATH};
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(taken); i++)
        r = take_part(base, link, taken[i]);
    return r;
}

/* "https://host/", "https://host" and "https://host/lightstreamer" are the same base. */
static void without_tail(struct buf *url)
{
    const struct span tails[] = {SPAN("/"), SPAN("/lightstreamer"), SPAN("/")};
    for (size_t i = 0; i < ARRAY_LENGTH(tails); i++) {
        struct span tail = tails[i], all = buf_span(url);
        if (all.len > tail.len && span_equal(span_from(all, all.len - tail.len), tail))
            url->len -= tail.len;
    }
}

int net_url(const char *base, const char *control_link, const char *path, struct buf *ret)
{
    AUTO_URL CURLU *u = curl_url();
    AUTO_CURL_TEXT char *text = NULL;
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    if (!u)
        return -ENOMEM;
    int r = set_url(u, base, 0);
    if (r == 0 && control_link && strcmp(control_link, "*") != 0)
        r = replace_host(u, control_link);
    if (r != 0)
        return r;
    if (curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
        return -ENOMEM;
    buf_add_text(&url, text);
    without_tail(&url);
    buf_add_text(&url, "/lightstreamer");
    buf_add_text(&url, path);
    buf_clear(ret);
    buf_add_span(ret, buf_span(&url));
    return buf_error(&url) ? buf_error(&url) : buf_error(ret);
}

int net_check_url(const char *text, struct buf *error)
{
    static const char *const schemes[] = {"http", "https", NULL};
    AUTO_URL CURLU *u = curl_url();
    AUTO_CURL_TEXT char *host = NULL;
    bool tls = false;
    const char *fault = NULL;
    CURLUcode code = u ? curl_url_set(u, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK && !scheme_is(u, schemes, &tls))
        code = CURLUE_UNSUPPORTED_SCHEME;
    if (code != CURLUE_OK)
        fault = code == CURLUE_UNSUPPORTED_SCHEME || code == CURLUE_BAD_SCHEME
                    ? "an http:// or https:// URL is expected"
                    : curl_url_strerror(code);
    else if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host)
        fault = "a URL with a host name is expected";
    else if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
        fault = "a URL without ? and # is expected";
    if (fault)
        buf_add_text(error, fault);
    return fault ? 1 : 0;
}
