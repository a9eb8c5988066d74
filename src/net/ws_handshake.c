#include "net/ws_handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <strings.h>
#include <sys/random.h>

enum { KEY_BYTES = 16, DIGEST_BYTES = 20, CREDENTIALS_MAX = 4096 };

int ws_handshake_key(char key[static WS_KEY_TEXT])
{
    unsigned char random[KEY_BYTES];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return errno ? -errno : -EIO;
    EVP_EncodeBlock((unsigned char *)key, random, sizeof random);
    return 0;
}

int ws_handshake_accept(const char *key, char accept[static WS_ACCEPT_TEXT])
{
    unsigned char digest[DIGEST_BYTES];
    AUTO_BUF struct buf text = BUF_INIT(256);
    buf_add_text(&text, key);
    buf_add_text(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455, 1.3 */
    if (buf_error(&text) || !EVP_Digest(text.at, text.len, digest, NULL, EVP_sha1(), NULL))
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    return 0;
}

static void add_line(struct buf *out, const char *name, const char *value)
{
    buf_add_text(out, name);
    buf_add_text(out, ": ");
    buf_add_text(out, value);
    buf_add_text(out, "\r\n");
}

int ws_handshake_credentials(const char *user, const char *password, struct buf *out)
{
    AUTO_BUF struct buf plain = BUF_INIT(CREDENTIALS_MAX);
    buf_add_text(&plain, user ? user : "");
    buf_add_char(&plain, ':');
    buf_add_text(&plain, password ? password : "");
    if (buf_error(&plain))
        return buf_error(&plain);
    AUTO_FREE char *encoded = malloc(plain.len / 3 * 4 + 5);
    if (!encoded)
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain.at, (int)plain.len);
    buf_add_text(out, "Authorization: Basic ");
    buf_add_text(out, encoded);
    return buf_error(out);
}

int ws_handshake_request(const struct ws_request *q, const char *key, struct buf *out)
{
    buf_add_text(out, "GET ");
    buf_add_text(out, q->path);
    buf_add_text(out, " HTTP/1.1\r\n");
    add_line(out, "Upgrade", "websocket");
    add_line(out, "Connection", "Upgrade");
    add_line(out, "Sec-WebSocket-Key", key);
    add_line(out, "Sec-WebSocket-Version", "13");
    add_line(out, "Sec-WebSocket-Protocol", q->subprotocol);
    buf_add_span(out, q->headers);
    buf_add_text(out, "\r\n");
    return buf_error(out);
}

size_t ws_handshake_head_length(struct span bytes, size_t from)
{
    /* The empty line may have begun in what was there already. */
    struct span rest = span_from(bytes, from > 3 ? from - 3 : 0), line;
    while (span_cut(&rest, '\n', &line))
        if (span_starts(rest, SPAN("\r\n")))
            return (size_t)(rest.at - bytes.at) + 2;
    return 0;
}

static bool same_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

static struct span trimmed(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_from(s, 1);
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t' || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

static bool lists(struct span value, const char *word)
{
    struct span item;
    while (span_cut(&value, ',', &item))
        if (same_word(trimmed(item), word))
            return true;
    return false;
}

/* "HTTP/1.1 101 …", and the reason may be missing, its blank too. */
static bool status_line(struct span line, int *ret)
{
    uint64_t status = 0;
    if (!span_starts(line, SPAN("HTTP/1.")) || line.len < 12 || line.at[8] != ' ')
        return false;
    if (line.len > 12 && line.at[12] != ' ' && line.at[12] != '\r')
        return false;
    if (!span_to_u64(span_make(line.at + 9, 3), 599, &status) || status < 100)
        return false;
    *ret = (int)status;
    return true;
}

struct seen {
    bool upgrade, connection, accept, subprotocol, extensions;
};

static void read_header(struct span name, struct span value, const char *accept, const char *subprotocol,
                        struct seen *seen, struct ws_response *ret)
{
    if (same_word(name, "Upgrade"))
        seen->upgrade = lists(value, "websocket");
    else if (same_word(name, "Connection"))
        seen->connection |= lists(value, "upgrade");
    else if (same_word(name, "Sec-WebSocket-Accept"))
        seen->accept = span_is(value, accept);
    else if (same_word(name, "Sec-WebSocket-Protocol"))
        seen->subprotocol = span_is(value, subprotocol);
    else if (same_word(name, "Sec-WebSocket-Extensions"))
        seen->extensions |= value.len > 0;
    else if (same_word(name, "Location"))
        ret->location = value;
    else if (same_word(name, "Set-Cookie") && ret->n_cookies < WS_COOKIES_MAX)
        ret->cookies[ret->n_cookies++] = value;
}

static const char *fault_in(const struct seen *seen)
{
    return !seen->upgrade || !seen->connection ? "the server does not say that it upgrades to a WebSocket"
           : !seen->accept                     ? "Sec-WebSocket-Accept is missing or wrong"
           : !seen->subprotocol                ? "the server does not accept the subprotocol"
           : seen->extensions                  ? "the server uses an extension that was not offered"
                                               : NULL;
}

int ws_handshake_response(struct span head, const char *accept, const char *subprotocol,
                          struct ws_response *ret)
{
    struct seen seen = {0};
    struct span line, name;
    *ret = (struct ws_response){.fault = "the answer is not HTTP/1.1"};
    if (!span_cut(&head, '\n', &line) || !status_line(line, &ret->status))
        return 1;
    while (span_cut(&head, '\n', &line) && trimmed(line).len) {
        struct span value = line;
        if (!span_cut(&value, ':', &name) || !value.at || name.len == 0) {
            ret->fault = "the answer's head has a line that is no header";
            return 1;
        }
        read_header(name, trimmed(value), accept, subprotocol, &seen, ret);
    }
    ret->fault = ret->status == 101 ? fault_in(&seen) : NULL;
    return 0;
}
