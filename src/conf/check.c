#include "config.h"

#include "conf/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char letters_and_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* At least one character, each of them a letter, a digit, or in MORE. */
static bool all_of(const char *value, const char *more)
{
    for (const char *p = value; *p; p++)
        if (!strchr(letters_and_digits, *p) && !strchr(more, *p))
            return false;
    return value[0] != '\0';
}

bool check_name(const char *value)
{
    return all_of(value, "_.-");
}

bool check_parameter(const char *value)
{
    return all_of(value, "_");
}

/* What frames a request or shakes hands: a value of the user's could only break it. */
static bool is_framing(const char *name)
{
    static const char *const names[] = {"Connection", "Content-Length",    "Expect",
                                        "Keep-Alive", "Proxy-Connection",  "TE",
                                        "Trailer",    "Transfer-Encoding", "Upgrade"};
    static const char websocket[] = "Sec-WebSocket-";
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return strncasecmp(name, websocket, strlen(websocket)) == 0;
}

bool check_header_name(const char *value)
{
    return all_of(value, "!#$%&'*+-.^_`|~") && !is_framing(value);
}

bool check_header_value(const char *value)
{
    if (strlen(value) > CHECK_HEADER_BYTES)
        return false;
    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

bool check_diff(const char *value)
{
    return strcmp(value, "P") == 0 || strcmp(value, "T") == 0;
}

bool check_mode_bits(const char *value)
{
    size_t n = strspn(value, "01234567");
    return value[n] == '\0' && (n == 3 || (n == 4 && value[0] == '0'));
}

bool check_topic(const char *value)
{
    static const char *const names[] = {"{session}", "{table}", "{item}", "{pos}", "{key}"};
    for (const char *p = strpbrk(value, "{}"); p; p = strpbrk(p, "{}")) {
        size_t n = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(names) && n == 0; i++)
            if (strncmp(p, names[i], strlen(names[i])) == 0)
                n = strlen(names[i]);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* An IPv6 address in its brackets, with a zone or not. */
static bool is_bracketed(struct span s)
{
    if (s.len < 4 || s.at[s.len - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < s.len; i++)
        if (!isalnum((unsigned char)s.at[i]) && !strchr(":.%-_", s.at[i]))
            return false;
    return true;
}

/* What stands where a host does: no blanks, nothing that ends a host in a URL. */
static bool is_host(struct span s)
{
    if (s.len == 0)
        return false;
    if (s.at[0] == '[')
        return is_bracketed(s);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] <= ' ' || strchr("\"#%/:<>?@[\\]^`{|}\x7f", s.at[i]))
            return false;
    return true;
}

/* Takes ":PORT" off the end of S; false when there is none. */
static bool split_port(struct span *s, struct span *ret_port)
{
    size_t at = s->len;
    while (at > 0 && s->at[at - 1] != ':' && s->at[at - 1] != ']')
        at--;
    if (at == 0 || s->at[at - 1] != ':')
        return false;
    *ret_port = span_from(*s, at);
    s->len = at - 1;
    return true;
}

static bool is_port(struct span s, uint64_t least)
{
    uint64_t port;
    return span_to_u64(s, 65535, &port) && port >= least;
}

bool check_listen(const char *value)
{
    struct span host = span_of(value), port;
    return split_port(&host, &port) && is_port(port, 1) && is_host(host);
}

static bool check_tcp(struct span address)
{
    struct span port;
    if (!split_port(&address, &port) || !(is_port(port, 0) || span_is(port, "*")))
        return false;
    return span_is(address, "*") || is_host(address);
}

bool check_endpoint(const char *value)
{
    struct span s = span_of(value);
    if (span_starts(s, SPAN("tcp://")))
        return check_tcp(span_from(s, 6));
    if (!span_starts(s, SPAN("ipc://")))
        return false;
    /* "@…" has no file whose mode and group could guard it, and "*" is a name that nobody can know. */
    struct span path = span_from(s, 6);
    return path.len > 0 && path.len <= CHECK_IPC_PATH_BYTES && path.at[0] != '@' && !span_is(path, "*");
}

/* Whether S is [USER[:PASSWORD]@]HOST[:PORT]. */
static bool is_authority(struct span s)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.at[i - 1] == '@') {
            s = span_make(s.at + i, s.len - i);
            break;
        }
    struct span port;
    if (split_port(&s, &port) && !is_port(port, 1))
        return false;
    return is_host(s);
}

/* The length of a scheme with its "://", case aside; 0 when S has none of SCHEMES. */
static size_t scheme_length(const char *s, const char *const *schemes)
{
    for (; *schemes; schemes++)
        if (strncasecmp(s, *schemes, strlen(*schemes)) == 0)
            return strlen(*schemes);
    return 0;
}

static bool has_blank(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == 0x7f)
            return true;
    return false;
}

static const char *const server_schemes[] = {"http://", "https://", NULL};

bool check_url(const char *value)
{
    size_t scheme = scheme_length(value, server_schemes);
    if (!scheme || has_blank(value) || strpbrk(value, "?#"))
        return false;
    struct span rest = span_of(value + scheme), authority = SPAN_EMPTY;
    return span_cut(&rest, '/', &authority) && is_authority(authority);
}

bool check_proxy(const char *value)
{
    static const char *const schemes[] = {"http://",   "https://",   "socks4://", "socks4a://",
                                          "socks5://", "socks5h://", NULL};
    size_t scheme = scheme_length(value, schemes);
    if (has_blank(value) || strpbrk(value, "?#") || (!scheme && strstr(value, "://")))
        return false;
    struct span rest = span_of(value + scheme), authority = SPAN_EMPTY;
    return span_cut(&rest, '/', &authority) && is_authority(authority) && rest.len == 0;
}

bool normalise_url(const char *given, char **ret)
{
    static const struct span path = {"/lightstreamer", sizeof "/lightstreamer" - 1};
    struct span s = span_of(given);
    size_t least =
        (size_t)(strstr(given, "://") - given) + 3; /* a host called lightstreamer is not the path */
    while (s.len && s.at[s.len - 1] == '/')
        s.len--;
    if (s.len > least + path.len && span_equal(span_from(s, s.len - path.len), path))
        s.len -= path.len;
    while (s.len && s.at[s.len - 1] == '/')
        s.len--;
    *ret = span_dup(s);
    if (!*ret)
        return false;
    for (char *p = *ret; *p && *p != ':'; p++)
        *p = (char)tolower((unsigned char)*p);
    return true;
}

bool normalise_credential(const char *given, char **ret)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory && directory[0] && !strchr(given, '/')) {
        if (asprintf(ret, "%s/%s", directory, given) < 0)
            return false;
        if (access(*ret, F_OK) == 0)
            return true;
        free(*ret);
    }
    *ret = span_dup(span_of(given));
    return *ret != NULL;
}

void mask_address(struct span address, struct buf *out)
{
    const char *at = address.len ? memrchr(address.at, '@', address.len) : NULL;
    if (!at) {
        buf_add_span(out, address);
        return;
    }
    const char *scheme = memmem(address.at, (size_t)(at - address.at), "://", 3);
    if (scheme)
        buf_add(out, address.at, (size_t)(scheme - address.at) + 3);
    buf_add_text(out, "***");
    buf_add_span(out, span_from(address, (size_t)(at - address.at)));
}

bool endpoints_collide(const char *one, const char *other)
{
    if (strcmp(one, other) == 0 && strncmp(one, "tcp://", 6) != 0)
        return true;
    struct span a = span_of(one), b = span_of(other), a_port, b_port;
    if (!span_starts(a, SPAN("tcp://")) || !span_starts(b, SPAN("tcp://")))
        return false;
    if (!split_port(&a, &a_port) || !split_port(&b, &b_port) || !span_equal(a_port, b_port) ||
        span_is(a_port, "*") || span_is(a_port, "0"))
        return false;
    a = span_from(a, 6);
    b = span_from(b, 6);
    bool all = span_is(a, "*") || span_is(b, "*") || span_is(a, "0.0.0.0") || span_is(b, "0.0.0.0");
    return all || span_equal(a, b);
}
