/* What the session asks for, done with real connections; and what they bring, told to the session. */
#include "config.h"

#include "bridge/link_internal.h"

#include <errno.h>
#include <stdio.h>

#include "bridge/clock.h"
#include "proto/errcode.h"

enum {
    /* The longest path with its query. */
    URL_MAX_BYTES = 8192,
    /* A response to a batch of control requests: a line for each of them. */
    CONTROL_RESPONSE_MAX_BYTES = 4 << 20,
};

/* The commonest cause of control requests that fail while the stream works: a server behind a proxy. */
#define ON_CONTROL_LINK                                                                                      \
    " (at the server's control link; ignore_control_link = true keeps to the configured address)"

int link_make_peer(struct link *l)
{
    const struct conf_session *c = l->conf;
    struct net_header *headers = calloc(c->n_headers + 1, sizeof *headers);
    if (!headers)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_headers; i++)
        headers[i] = (struct net_header){c->headers[i].name, c->headers[i].value};
    struct net_peer_options options = {.proxy = c->proxy,
                                       .ca_file = c->ca_file,
                                       .cert_file = c->cert_file,
                                       .key_file = c->key_file,
                                       .tls_verify = c->tls_verify,
                                       .headers = headers,
                                       .n_headers = c->n_headers,
                                       .connect_ms = c->connect_ms,
                                       .user_agent = PACKAGE_NAME "/" PACKAGE_VERSION,
                                       .form = c->protocol == CONF_PROTOCOL_TEXT};
    int r = net_peer_new(l->env->net, &options, &l->peer);
    free(headers);
    return r;
}

void link_pause(struct link *l, bool pause)
{
    if (l->stream && pause)
        net_stream_pause(l->stream);
    else if (l->stream)
        net_stream_resume(l->stream);
}

/* ---- the stream ---- */

static enum session_fault fault_of(const struct net_close *why)
{
    if (why->failure == NET_CERTIFICATE)
        return SESSION_FAULT_LASTING;
    if (why->http_status && errcode_http(why->http_status) == ERRCODE_REFUSED)
        return SESSION_FAULT_LASTING;
    if (why->failure == NET_EOF)
        return SESSION_FAULT_ENDED;
    return why->failure == NET_TIMEOUT ? SESSION_FAULT_SILENT : SESSION_FAULT_PASSING;
}

static void on_stream_opened(void *userdata)
{
    struct link *l = userdata;
    session_opened(l->session, clock_loop_ms(l->env->event));
    link_drain(l);
}

static void on_stream_data(void *userdata, struct span bytes)
{
    struct link *l = userdata;
    l->read_us = l->last_byte_us = clock_wall_us();
    session_feed(l->session, clock_loop_ms(l->env->event), bytes);
    link_drain(l);
    if (l->held)
        session_keep(l->session, clock_loop_ms(l->env->event));
}

static void end_stream(struct link *l, enum session_fault fault, int code, const char *why)
{
    net_stream_free(TAKE(l->stream));
    l->ended = true;
    l->ended_fault = fault;
    l->ended_code = code;
    snprintf(l->ended_why, sizeof l->ended_why, "%s", why);
}

static void on_stream_closed(void *userdata, const struct net_close *why)
{
    struct link *l = userdata;
    const char *text = why->failure == NET_EOF ? "the server closed the connection" : why->text;
    end_stream(l, fault_of(why), why->failure == NET_EOF ? 0 : why->http_status, text);
    link_drain(l);
}

static const struct net_handlers stream_handlers = {on_stream_opened, on_stream_data, on_stream_closed};

/* Returns 0, or a condition or error that is said in WHY. */
static int build_url(struct link *l, const struct session_action *a, struct buf *url, const char **ret_why)
{
    char path[64] = "";
    if (a->name && !a->websocket)
        snprintf(path, sizeof path, "/%s.txt%s%s", a->name, a->version ? "?LS_protocol=" : "",
                 a->version ? a->version : "");
    int r = net_url(l->conf->url, a->control_link, path, url);
    *ret_why = r > 0 ? "the server's control link cannot be used" : "out of memory";
    return r;
}

static void open_stream(struct link *l, const struct session_action *a)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX_BYTES);
    const char *why;
    net_stream_free(TAKE(l->stream));
    l->ended = false;
    int r = build_url(l, a, &url, &why);
    char subprotocol[64];
    snprintf(subprotocol, sizeof subprotocol, "%s.lightstreamer.com", a->version);
    if (r == 0 && a->websocket)
        r = net_ws_open(l->peer, buf_text(&url), subprotocol, &stream_handlers, l, &l->stream);
    else if (r == 0)
        r = net_http_post(l->peer, buf_text(&url), a->body, 0, (int64_t)a->patience_ms, &stream_handlers, l,
                          &l->stream);
    if (r != 0)
        end_stream(l, SESSION_FAULT_PASSING, 0, why);
    else if (l->held)
        link_pause(l, true);
}

static void send_message(struct link *l, const struct session_action *a)
{
    int r = l->stream ? net_ws_send(l->stream, a->body) : 1;
    /* Not open any more: its end is on the way. */
    if (r < 0 && l->stream)
        end_stream(l, SESSION_FAULT_PASSING, 0,
                   r == -ENOBUFS ? "the server does not take what is sent to it" : "out of memory");
}

/* ---- control requests ---- */

static void on_control_opened(void *userdata UNUSED) {}

static void on_control_data(void *userdata, struct span bytes)
{
    struct link *l = userdata;
    l->last_byte_us = clock_wall_us();
    buf_add_span(&l->control_in, bytes);
}

static void on_control_closed(void *userdata, const struct net_close *why)
{
    struct link *l = userdata;
    bool too_long = buf_error(&l->control_in) != 0;
    net_stream_free(TAKE(l->control));
    /* A response that arrived whole ends its last line, whether the server wrote so or not. */
    if (why->failure == NET_EOF && l->control_in.len && l->control_in.at[l->control_in.len - 1] != '\n')
        buf_add_text(&l->control_in, "\r\n");
    l->control_end = CONTROL_ENDED;
    if (why->failure != NET_EOF || too_long)
        log_line(l->env->log, LOG_WARNING, l->name, NULL, "a control request failed: %s%s",
                 too_long ? "a response too long" : why->text, l->on_control_link ? ON_CONTROL_LINK : "");
    link_drain(l);
}

static const struct net_handlers control_handlers = {on_control_opened, on_control_data, on_control_closed};

static void send_control(struct link *l, const struct session_action *a)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX_BYTES);
    const char *why;
    net_stream_free(TAKE(l->control));
    buf_clear(&l->control_in);
    l->on_control_link = a->control_link != NULL;
    int r = build_url(l, a, &url, &why);
    if (r == 0)
        r = net_http_post(l->peer, buf_text(&url), a->body, l->conf->connect_ms, 0, &control_handlers, l,
                          &l->control);
    l->control_end = r == 0 ? CONTROL_OPEN : CONTROL_ENDED;
    if (r != 0)
        log_line(l->env->log, LOG_WARNING, l->name, NULL, "a control request failed: %s", why);
}

/* ---- requests whose answers nobody waits for ---- */

struct errand {
    struct list in_errands; /* l->farewells, or l->heartbeats */
    struct link *link;
    struct net_stream *stream;
};

static void errand_free(struct errand *e)
{
    list_remove(&e->in_errands);
    net_stream_free(e->stream);
    free(e);
}

static void errands_free(struct list *errands)
{
    while (!list_empty(errands))
        errand_free(CONTAINER_OF(errands->next, struct errand, in_errands));
}

static void on_errand_data(void *userdata UNUSED, struct span bytes UNUSED) {}

static void on_farewell_closed(void *userdata, const struct net_close *why)
{
    struct errand *e = userdata;
    struct link *l = e->link;
    if (why->failure != NET_EOF)
        log_line(l->env->log, LOG_INFO, l->name, NULL,
                 "the session's end could not be told to the server: %s", why->text);
    errand_free(e);
    link_drain(l);
}

/* One that does not arrive shows as the server's silence soon enough. */
static void on_heartbeat_closed(void *userdata, const struct net_close *why UNUSED)
{
    errand_free(userdata);
}

static const struct net_handlers farewell_handlers = {on_control_opened, on_errand_data, on_farewell_closed};
static const struct net_handlers heartbeat_handlers = {on_control_opened, on_errand_data,
                                                       on_heartbeat_closed};

static void run_errand(struct link *l, const struct session_action *a, const struct net_handlers *handlers,
                       struct list *errands)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX_BYTES);
    const char *why;
    struct errand *e = calloc(1, sizeof *e);
    if (!e)
        return;
    e->link = l;
    list_init(&e->in_errands);
    int r = build_url(l, a, &url, &why);
    if (r == 0)
        r = net_http_post(l->peer, buf_text(&url), a->body, l->conf->connect_ms, 0, handlers, e, &e->stream);
    if (r == 0)
        list_append(errands, &e->in_errands);
    else
        errand_free(e);
}

/* ---- credentials ---- */

static void on_given(void *userdata, const char *user, const char *password)
{
    struct link *l = userdata;
    session_credentials(l->session, clock_loop_ms(l->env->event), user, password);
    credentials_free(TAKE(l->credentials));
    link_drain(l);
}

static void on_failed(void *userdata, const char *why)
{
    struct link *l = userdata;
    session_credentials_failed(l->session, clock_loop_ms(l->env->event), why);
    credentials_free(TAKE(l->credentials));
    link_drain(l);
}

static void on_said(void *userdata, struct span line)
{
    struct link *l = userdata;
    log_line(l->env->log, LOG_WARNING, l->name, NULL, "credentials_command: %.*s", (int)line.len, line.at);
}

static void give_credentials(struct link *l)
{
    const struct conf_session *c = l->conf;
    struct credentials_source source = {.user = c->user,
                                        .password = c->password,
                                        .password_file = c->password_file,
                                        .command = c->credentials_command};
    struct credentials_handlers handlers = {on_given, on_failed, on_said, l};
    credentials_free(TAKE(l->credentials));
    credentials_ask(l->env->event, &source, &handlers, &l->credentials);
}

/* ---- all of it ---- */

void link_act(struct link *l, const struct session_action *action)
{
    switch (action->kind) {
    case SESSION_ASK_CREDENTIALS: give_credentials(l); break;
    case SESSION_OPEN: open_stream(l, action); break;
    case SESSION_SEND: send_message(l, action); break;
    case SESSION_CLOSE:
        net_stream_free(TAKE(l->stream));
        l->ended = false;
        break;
    case SESSION_CONTROL: send_control(l, action); break;
    case SESSION_CONTROL_ABANDON:
        net_stream_free(TAKE(l->control));
        l->control_end = CONTROL_NONE;
        break;
    case SESSION_FAREWELL: run_errand(l, action, &farewell_handlers, &l->farewells); break;
    case SESSION_HEARTBEAT: run_errand(l, action, &heartbeat_handlers, &l->heartbeats); break;
    default: break;
    }
}

void link_close_all(struct link *l)
{
    credentials_free(TAKE(l->credentials));
    net_stream_free(TAKE(l->stream));
    net_stream_free(TAKE(l->control));
    errands_free(&l->farewells);
    errands_free(&l->heartbeats);
    net_peer_free(TAKE(l->peer));
}
