#include "net/cookies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
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

/* RFC 6265, 5.1.4. A slash at the end does not count: libcurl adds one where the server names no path. */
static bool path_matches(struct span cookie, struct span path)
{
    struct span rest = path;
    span_cut(&rest, '?', &path);
    if (cookie.len > 1 && cookie.at[cookie.len - 1] == '/')
        cookie.len--;
    if (!span_starts(path, cookie))
        return false;
    return cookie.len == path.len || cookie.len == 0 || cookie.at[cookie.len - 1] == '/' ||
           path.at[cookie.len] == '/';
}

/* libcurl lists those too that are over. */
static bool is_over(struct span expires)
{
    uint64_t end = 0;
    return span_to_u64(expires, INT64_MAX, &end) && end != 0 && end <= (uint64_t)time(NULL);
}

static bool belongs(const struct cookie *c, const struct cookie_place *p)
{
    return !is_over(c->expires) && domain_matches(c->domain, span_is(c->tail_match, "TRUE"), p->host) &&
           path_matches(c->path, p->path) && (p->tls || !span_is(c->secure, "TRUE"));
}

int cookies_for(CURL *easy, const struct cookie_place *place, struct buf *out)
{
    struct curl_slist *all = NULL;
    const size_t before = out->len;
    if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &all) != CURLE_OK)
        return -ENOMEM;
    for (const struct curl_slist *l = all; l; l = l->next) {
        struct cookie c;
        if (!parse_line(span_of(l->data), &c) || !belongs(&c, place))
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

/* What a Set-Cookie header says (RFC 6265, 5.2). Empty where it says nothing. */
struct set_cookie {
    struct span name, value, domain, path, max_age, expires;
    bool secure;
};

static bool same_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

static void take_attribute(struct set_cookie *c, struct span key, struct span value)
{
    if (same_word(key, "Domain"))
        c->domain = value.len && value.at[0] == '.' ? span_from(value, 1) : value;
    else if (same_word(key, "Path"))
        c->path = value.len && value.at[0] == '/' ? value : SPAN_EMPTY;
    else if (same_word(key, "Max-Age"))
        c->max_age = value;
    else if (same_word(key, "Expires"))
        c->expires = value;
    else if (same_word(key, "Secure"))
        c->secure = true;
}

/* Returns false for what is no cookie, or cannot be kept. */
static bool parse_set_cookie(struct span text, struct set_cookie *ret)
{
    struct span part;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f)
            return false;
    *ret = (struct set_cookie){0};
    span_cut(&text, ';', &part);
    span_cut(&part, '=', &ret->name);
    if (!part.at || !trimmed(ret->name).len)
        return false;
    ret->name = trimmed(ret->name);
    ret->value = trimmed(part);
    while (span_cut(&text, ';', &part)) {
        struct span key, value = part;
        span_cut(&value, '=', &key);
        take_attribute(ret, trimmed(key), trimmed(value));
    }
    return true;
}

static bool is_address(struct span host)
{
    struct in6_addr unused;
    AUTO_FREE char *text = span_dup(host);
    return text && (inet_pton(AF_INET, text, &unused) == 1 || inet_pton(AF_INET6, text, &unused) == 1);
}

/* Whether a server at HOST may set it for all of DOMAIN. A domain of one word would be everybody's. */
static bool may_name(struct span domain, struct span host)
{
    if (domain.len == host.len)
        return domain_matches(domain, false, host);
    return memchr(domain.at, '.', domain.len) && !is_address(host) && domain_matches(domain, true, host);
}

/* RFC 6265, 5.1.4: up to the last slash. */
static struct span default_path(const struct cookie_place *p)
{
    struct span path, rest = p->path;
    span_cut(&rest, '?', &path);
    while (path.len && path.at[path.len - 1] != '/')
        path.len--;
    return path.len > 1 ? span_make(path.at, path.len - 1) : SPAN("/");
}

/* Seconds since 1970; 0: as long as we run; 1: over. */
static int64_t end_of(const struct set_cookie *c)
{
    enum { LONGEST_S = 400 * 24 * 3600 }; /* as browsers have it */
    uint64_t seconds = 0;
    if (c->max_age.len && strchr("-0123456789", c->max_age.at[0])) {
        bool over = c->max_age.at[0] == '-';
        if (!over && !span_to_u64(c->max_age, LONGEST_S, &seconds))
            seconds = LONGEST_S;
        return seconds ? (int64_t)time(NULL) + (int64_t)seconds : 1;
    }
    AUTO_FREE char *date = c->expires.len ? span_dup(c->expires) : NULL;
    time_t end = date ? curl_getdate(date, NULL) : -1;
    return end == -1 ? 0 : end < 1 ? 1 : (int64_t)end;
}

static void add_field(struct buf *line, struct span text)
{
    buf_add_char(line, '\t');
    buf_add_span(line, text);
}

/* Not given to libcurl as it came: it would not know whose it is, and send it to every host. */
int cookies_take(CURL *easy, const struct cookie_place *place, struct span text)
{
    AUTO_BUF struct buf line = BUF_INIT(COOKIE_MAX);
    struct span host = place->host;
    struct set_cookie c;
    if (!parse_set_cookie(text, &c) || (c.domain.len && !may_name(c.domain, host)) ||
        (c.secure && !place->tls))
        return 0;
    bool tail = c.domain.len && !is_address(host);
    buf_add_span(&line, c.domain.len ? c.domain : host);
    add_field(&line, tail ? SPAN("TRUE") : SPAN("FALSE"));
    add_field(&line, c.path.len ? c.path : default_path(place));
    add_field(&line, c.secure ? SPAN("TRUE") : SPAN("FALSE"));
    buf_printf(&line, "\t%lld", (long long)end_of(&c));
    add_field(&line, c.name);
    add_field(&line, c.value);
    if (buf_error(&line))
        return buf_error(&line) == -ENOMEM ? -ENOMEM : 0;
    return curl_easy_setopt(easy, CURLOPT_COOKIELIST, buf_text(&line)) == CURLE_OUT_OF_MEMORY ? -ENOMEM : 0;
}
