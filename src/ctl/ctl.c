#include "ctl/ctl.h"

#include <errno.h>
#include <unistd.h>

#include "ctl/endpoint.h"
#include "ctl/text.h"
#include "ctl/verbs.h"

enum {
    OUT_MAX_BYTES = 256 << 20,
    REPLY_MAX_BYTES = 64 << 20,
    ERROR_MAX_BYTES = 64 << 10,
    ENDPOINTS_MAX = 64
};

int ctl_init(struct ctl *c, const struct options *options)
{
    *c = (struct ctl){.options = options,
                      .wait_ms = options->timeout_ms,
                      .out = BUF_INIT(OUT_MAX_BYTES),
                      .reply = BUF_INIT(REPLY_MAX_BYTES),
                      .error = BUF_INIT(ERROR_MAX_BYTES)};
    return zmqclient_new(&c->client);
}

void ctl_done(struct ctl *c)
{
    zmqclient_free(c->client);
    buf_done(&c->out);
    buf_done(&c->reply);
    buf_done(&c->error);
}

struct json_object *ctl_request(const char *command)
{
    struct json_object *request = json_object_new_object();
    ctl_request_add(request, "cmd", command);
    return request;
}

void ctl_request_add(struct json_object *request, const char *key, const char *value)
{
    if (request && value)
        json_object_object_add(request, key, json_object_new_string(value));
}

static int reply_check(struct ctl *c, struct json_object *reply)
{
    if (reply_true(reply, "ok"))
        return CTL_OK;
    struct span words = reply_text(reply, "error");
    if (words.len == 0)
        words = SPAN("the answer is not one of lsbridged's");
    struct span line;
    for (bool first = true; words.len > 0 && span_cut(&words, '\n', &line); first = false) {
        buf_add_text(&c->error, first ? "" : "\n  ");
        text_add_plain(&c->error, line);
    }
    int64_t code = reply_integer(reply, "code", 0);
    if (code != 0)
        buf_printf(&c->error, " (code %jd)", (intmax_t)code);
    return CTL_FAILED;
}

int ctl_ask(struct ctl *c, struct json_object *taken_request, struct json_object **ret)
{
    AUTO_JSON struct json_object *request = taken_request, *reply = NULL;
    const char *text = request ? json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN) : NULL;
    if (!text)
        return -ENOMEM;
    buf_clear(&c->reply);
    buf_printf(&c->error, "%s: ", c->options->endpoint);
    int r = zmqclient_ask(c->client, c->options->endpoint, span_of(text), (int64_t)c->wait_ms, &c->reply,
                          &c->error);
    if (r != 0)
        return r;
    r = reply_parse(buf_span(&c->reply), &reply);
    if (r < 0)
        return r;
    r = reply_check(c, reply);
    if (r != CTL_OK)
        return r;
    buf_clear(&c->error);
    *ret = TAKE(reply);
    return CTL_OK;
}

int ctl_discover(struct ctl *c, const char *name, struct buf *endpoint)
{
    AUTO_JSON struct json_object *reply = NULL;
    int r = ctl_ask(c, ctl_request("status"), &reply);
    if (r != CTL_OK)
        return r;
    struct json_object *list = reply_get(reply_get(reply, "endpoints"), name);
    struct span offered[ENDPOINTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < reply_length(list) && n < ENDPOINTS_MAX; i++)
        offered[n++] = span_of(json_object_get_string(json_object_array_get_idx(list, i)));
    const char *control = c->options->endpoint;
    if (endpoint_pick(span_of(control), offered, n, endpoint) == 0)
        return buf_error(endpoint);
    buf_printf(&c->error,
               "%s: the daemon names no endpoint of its %s socket that can be reached from here; "
               "give it with --%s",
               control, name, name);
    return CTL_FAILED;
}

void ctl_add_reply(struct ctl *c)
{
    /* A newline can only stand between tokens, where a blank does as well. */
    for (size_t i = 0; i < c->reply.len; i++)
        buf_add_char(&c->out, c->reply.at[i] == '\n' || c->reply.at[i] == '\r' ? ' ' : c->reply.at[i]);
    buf_add_char(&c->out, '\n');
}

int ctl_flush(struct ctl *c)
{
    if (buf_error(&c->out))
        return buf_error(&c->out);
    for (size_t at = 0; !c->out_gone && at < c->out.len;) {
        ssize_t n = write(STDOUT_FILENO, c->out.at + at, c->out.len - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (errno == EPIPE) {
            c->out_gone = true;
        } else if (errno != EINTR) {
            buf_printf(&c->error, "cannot write the output: %s", strerror(errno));
            return CTL_FAILED;
        }
    }
    buf_clear(&c->out);
    return CTL_OK;
}

int ctl_run(struct ctl *c)
{
    const struct verb *verb = verb_find(c->options->verb);
    int r = verb_check(verb, c->options, &c->error);
    if (r == CTL_OK)
        r = verb->run(c, verb);
    int flushed = ctl_flush(c);
    return r ? r : flushed;
}
