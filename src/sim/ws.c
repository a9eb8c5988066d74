#include "sim/ws.h"

#include <stdio.h>
#include <strings.h>
#include <wslay/wslay.h>

#include "sim/memory.h"
#include "sim/server.h"
#include "sim/sha1.h"
#include "sim/sim.h"
#include "sim/text.h"

#define HANDSHAKE_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* A message that came while an earlier one was not answered yet. */
struct held {
    struct list link;
    struct text *text; /* owned */
};

struct ws {
    struct conn *conn;
    wslay_event_context_ptr context;
    uint64_t version;
    struct list held;
};

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *to, size_t len, int flags, void *data)
{
    struct ws *ws = data;
    struct buf *in = &ws->conn->in;

    (void)flags;
    if (len > in->len)
        len = in->len;
    if (len == 0 || ws->conn->fd < 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, in->at, len);
    buf_drop_front(in, len);
    return (ssize_t)len;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags,
                       void *data)
{
    struct ws *ws = data;

    (void)context;
    (void)flags;
    conn_add(ws->conn, span_make((const char *)bytes, len));
    return (ssize_t)len;
}

static void hold(struct ws *ws, struct span text)
{
    struct held *held = memory_get(sizeof(*held));

    held->text = text_new(text);
    list_append(&ws->held, &held->link);
}

static struct text *take_held(struct ws *ws)
{
    struct list *first = list_first(&ws->held);
    struct held *held = first ? CONTAINER_OF(first, struct held, link) : NULL;
    struct text *text = held ? held->text : NULL;

    if (held) {
        list_remove(first);
        free(held);
    }
    return text;
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message,
                       void *data)
{
    struct ws *ws = data;
    struct span text = span_make((const char *)message->msg, message->msg_length);

    (void)context;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        ws->conn->close_after = true;
    else if (ws->conn->close_after)
        return; /* nobody reads from it any more */
    else if (message->opcode == WSLAY_BINARY_FRAME)
        sim_violation(ws->conn->sim, "client", "a binary WebSocket message");
    else if (message->opcode == WSLAY_TEXT_FRAME && ws->conn->state != CONN_READY)
        hold(ws, text);
    else if (message->opcode == WSLAY_TEXT_FRAME && ws->conn->fd >= 0)
        server_message(ws->conn, text);
}

/* The newest TLCP version among the offered subprotocols; "TLCP-2.5.0.lightstreamer.com" is 250. */
static uint64_t offered_version(struct span protocols, struct span *ret_name)
{
    uint64_t version = 0;

    for (struct span name; span_cut(&protocols, ',', &name);) {
        while (name.len > 0 && name.at[0] == ' ')
            name = span_from(name, 1);
        if (name.len != strlen("TLCP-2.5.0.lightstreamer.com") || !span_starts(name, SPAN("TLCP-2.")))
            continue;
        version = 200 + 10 * (uint64_t)(name.at[7] - '0') + (uint64_t)(name.at[9] - '0');
        *ret_name = name;
    }
    return version;
}

static void add_handshake(struct conn *c, const struct http_request *r, struct span protocol)
{
    AUTO_BUF struct buf key = BUF_INIT(4096);
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    uint8_t digest[20];

    buf_add_span(&key, r->websocket_key);
    buf_add_text(&key, HANDSHAKE_GUID);
    sha1(buf_span(&key), digest);
    buf_add_text(&answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: ");
    base64_add(&answer, digest, sizeof(digest));
    if (protocol.len > 0)
        buf_printf(&answer, "\r\nSec-WebSocket-Protocol: %.*s", SPAN_ARG(protocol));
    buf_add_text(&answer, "\r\n\r\n");
    conn_add(c, buf_span(&answer));
}

bool ws_accept(struct conn *c, const struct http_request *r)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    struct span protocol = SPAN_EMPTY;
    struct ws *ws;

    if (r->upgrade.len != 9 || strncasecmp(r->upgrade.at, "websocket", 9) != 0 || r->websocket_key.len == 0)
        return false;
    ws = memory_get(sizeof(*ws));
    ws->conn = c;
    list_init(&ws->held);
    ws->version = offered_version(r->websocket_protocol, &protocol);
    if (ws->version == 0)
        sim_violation(c->sim, "client", "a WebSocket without the subprotocol TLCP-2.5.0.lightstreamer.com");
    if (wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0)
        abort();
    wslay_event_config_set_max_recv_msg_length(ws->context, CONN_MAX_INPUT);
    add_handshake(c, r, protocol);
    c->ws = ws;
    c->state = CONN_READY;
    return true;
}

void ws_free(struct ws *ws)
{
    if (!ws)
        return;
    for (struct text *text; (text = take_held(ws));)
        text_unref(text);
    wslay_event_context_free(ws->context);
    free(ws);
}

void ws_input(struct ws *ws)
{
    struct conn *c = ws->conn;

    for (struct text *text; c->fd >= 0 && c->state == CONN_READY && (text = take_held(ws));) {
        server_message(c, text_span(text));
        text_unref(text);
    }
    if (c->fd < 0)
        return;
    if (wslay_event_recv(ws->context) != 0) {
        sim_violation(c->sim, "client", "ill-formed WebSocket frames");
        conn_close(c, "ill-formed WebSocket frames");
        return;
    }
    if (c->fd >= 0 && wslay_event_want_write(ws->context))
        wslay_event_send(ws->context);
}

/* What remains of a text that is sent as several frames. */
struct remainder {
    struct span text;
    size_t most;
};

static ssize_t next_fragment(wslay_event_context_ptr context, uint8_t *to, size_t len,
                             const union wslay_event_msg_source *source, int *eof, void *data)
{
    struct remainder *rest = source->data;
    size_t n = rest->text.len;

    (void)context;
    (void)data;
    n = n < len ? n : len;
    n = n < rest->most ? n : rest->most;
    memcpy(to, rest->text.at, n);
    rest->text = span_make(rest->text.at + n, rest->text.len - n);
    *eof = rest->text.len == 0;
    return (ssize_t)n;
}

void ws_add_message(struct ws *ws, struct span text)
{
    uint64_t most = ws->conn->sim->options.fragment_bytes;

    if (most > 0 && text.len > most) {
        struct remainder rest = {.text = text, .most = (size_t)most};
        struct wslay_event_fragmented_msg message = {
            .opcode = WSLAY_TEXT_FRAME, .source.data = &rest, .read_callback = next_fragment};

        if (wslay_event_queue_fragmented_msg(ws->context, &message) == 0)
            wslay_event_send(ws->context);
        return;
    }
    struct wslay_event_msg message = {
        .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text.at, .msg_length = text.len};

    if (wslay_event_queue_msg(ws->context, &message) == 0)
        wslay_event_send(ws->context);
}

void ws_add_close(struct ws *ws, uint16_t code, const char *text)
{
    wslay_event_queue_close(ws->context, code, (const uint8_t *)text, strlen(text));
    wslay_event_send(ws->context);
    ws->conn->close_after = true;
}

uint64_t ws_version(const struct ws *ws)
{
    return ws->version;
}
