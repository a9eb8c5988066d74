#include "ctl/send.h"

#include "ctl/view.h"

/* The daemon answers in time; its answer takes a moment. */
enum { MARGIN_MS = 1000 };

static void add_number(struct json_object *request, const char *key, uint64_t value)
{
    if (request)
        json_object_object_add(request, key, json_object_new_int64((int64_t)value));
}

/* Without --timeout the server's wait comes on top of ours. */
static uint64_t timeout_of(const struct options *o)
{
    uint64_t ms = o->timeout_ms + (o->timeout_given ? 0 : o->max_wait_ms);
    return ms < OPTIONS_TIMEOUT_MAX_MS ? ms : OPTIONS_TIMEOUT_MAX_MS;
}

static struct json_object *build(const struct verb *verb, const struct options *o)
{
    struct json_object *request = ctl_request(verb->name);
    ctl_request_add(request, "session", o->arguments[0]);
    ctl_request_add(request, "text", o->arguments[1]);
    ctl_request_add(request, "sequence", o->sequence);
    if (o->max_wait_ms)
        add_number(request, "max_wait_ms", o->max_wait_ms);
    add_number(request, "timeout_ms", timeout_of(o));
    return request;
}

int send_message(struct ctl *c, const struct verb *verb)
{
    AUTO_JSON struct json_object *reply = NULL;
    c->wait_ms = timeout_of(c->options) + MARGIN_MS;
    int r = ctl_ask(c, build(verb, c->options), &reply);
    if (c->options->json && c->reply.len > 0)
        ctl_add_reply(c);
    else if (r == CTL_OK)
        view_response(&c->out, reply);
    return r;
}
