#include "net/cookies.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

enum { COOKIE_MAX = 8192 };

/* One line of the Netscape format, in which libcurl lists its cookies. */
struct cookie {
    struct span domain, tail_match, path, secure, expires, name, value;
};

static bool parse_line(struct span line, struct cookie *ret)
{
    struct span *const fields[] = {&ret->domain,  &ret->tail_match, &ret->path, &ret->secure,
                                   &ret->expires, &ret->name,       &ret->value};
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        if (!span_cut(&line, '\t', fields[i]))
            return false;
    struct span mark = SPAN("#HttpOnly_");
    if (span_starts(ret->domain, mark))
        ret->domain = span_from(ret->domain, mark.len);
    return true;
}

/* Whether HOST is DOMAIN, or with TAIL lies below it (RFC 6265, 5.1.3). */
static bool domain_matches(struct span domain, bool tail, struct span host)
{
    if (domain.len && domain.at[0] == '.')
        domain = span_from(domain, 1);
    if (domain.len == 0 || domain.len > host.len)
        return false;
    struct span end = span_from(host, host.len - domain.len);
    if (strncasecmp(end.at, domain.at, domain.len) != 0)
        return false;
    return end.len == host.len || (tail && host.at[host.len - domain.len - 1] == '.');
}

/* RFC 6265, 5.1.4. */
static bool path_matches(struct span cookie, struct span path)
{
    struct span rest = path;
    span_cut(&rest, '?', &path);
    if (!span_starts(path, cookie))
        return false;
    return cookie.len == path.len || cookie.len == 0 || cookie.at[cookie.len - 1] == '/' ||
           path.at[cookie.len] == '/';
}

/* libcurl keeps an IPv6 address without brackets. */
static struct span bare_host(const struct target *t)
{
    struct span host = span_of(t->host);
    bool brackets = host.len > 2 && host.at[0] == '[';
    return brackets ? span_make(host.at + 1, host.len - 2) : host;
}

static bool belongs(const struct cookie *c, const struct target *t)
{
    return domain_matches(c->domain, span_is(c->tail_match, "TRUE"), bare_host(t)) &&
           path_matches(c->path, span_of(t->path)) && (t->tls || !span_is(c->secure, "TRUE"));
}

int cookies_for(CURL *easy, const struct target *t, struct buf *out)
{
    struct curl_slist *all = NULL;
    const size_t before = out->len;
    if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &all) != CURLE_OK)
        return -ENOMEM;
    for (const struct curl_slist *l = all; l; l = l->next) {
        struct cookie c;
        if (!parse_line(span_of(l->data), &c) || !belongs(&c, t))
            continue;
        buf_add_text(out, out->len > before ? "; " : "");
        buf_add_span(out, c.name);
        buf_add_char(out, '=');
        buf_add_span(out, c.value);
    }
    curl_slist_free_all(all);
    return buf_error(out);
}

static struct span trimmed(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_from(s, 1);
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* The value of the attribute NAME; empty when there is none. */
static struct span attribute(struct span cookie, const char *name)
{
    struct span part, value = SPAN_EMPTY;
    span_cut(&cookie, ';', &part); /* the cookie itself */
    while (span_cut(&cookie, ';', &part)) {
        struct span key, rest = trimmed(part);
        span_cut(&rest, '=', &key);
        key = trimmed(key);
        if (key.len == strlen(name) && strncasecmp(key.at, name, key.len) == 0)
            value = trimmed(rest);
    }
    return value;
}

/* libcurl takes a Set-Cookie line from us without knowing whose it is: it would send one that names no domain
 * to every host. So the domain is checked here, and added where it is missing. */
int cookies_take(CURL *easy, const struct target *t, struct span value)
{
    AUTO_BUF struct buf line = BUF_INIT(COOKIE_MAX);
    struct span domain = attribute(value, "domain");
    if (domain.len && !domain_matches(domain, true, bare_host(t)))
        return 0;
    buf_add_text(&line, "Set-Cookie: ");
    buf_add_span(&line, value);
    if (domain.len == 0) {
        buf_add_text(&line, "; Domain=");
        buf_add_span(&line, bare_host(t));
    }
    if (buf_error(&line))
        return buf_error(&line) == -ENOMEM ? -ENOMEM : 0;
    return curl_easy_setopt(easy, CURLOPT_COOKIELIST, buf_text(&line)) == CURLE_OUT_OF_MEMORY ? -ENOMEM : 0;
}
