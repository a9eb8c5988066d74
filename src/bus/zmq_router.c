#include "bus/zmq_socket.h"

#include <errno.h>

struct zmq_router {
    struct zmq_socket socket;
};

enum {
    /* The peer's identity and the frames before the body: REQ adds one, each proxy on the way one more. A
     * request with more is read to its end and answered with an error, without what came after. */
    ENVELOPE_MAX_FRAMES = 16,
    ENVELOPE_MAX_BYTES = 4096, /* in sum; identities have at most 255 */
    /* Requests that ZeroMQ takes from one peer before we do; the rest waits in the peer. */
    ROUTER_REQUESTS_WAITING = 8,
};

struct zmq_envelope {
    size_t n;                              /* frames that are there */
    size_t first_empty;                    /* its index; 0 (the identity's): none yet */
    zmq_msg_t frames[ENVELOPE_MAX_FRAMES]; /* owned; the identity first */
};

/* A request while it is read. */
struct request {
    struct zmq_envelope *envelope;
    zmq_msg_t body;
    size_t bodies; /* frames after the first empty one */
    bool overflow; /* more frames before it than an envelope holds */
};

static struct span frame_span(zmq_msg_t *frame)
{
    return span_make(zmq_msg_data(frame), zmq_msg_size(frame));
}

static void envelope_cut(struct zmq_envelope *e, size_t n)
{
    while (e->n > n)
        zmq_msg_close(&e->frames[--e->n]);
}

void zmq_envelope_free(struct zmq_envelope *e)
{
    if (!e)
        return;
    envelope_cut(e, 0);
    free(e);
}

static void keep_before_empty(struct request *q, zmq_msg_t *frame)
{
    struct zmq_envelope *e = q->envelope;
    if (e->n == ENVELOPE_MAX_FRAMES) {
        q->overflow = true;
        return;
    }
    zmq_msg_init(&e->frames[e->n]);
    zmq_msg_move(&e->frames[e->n], frame);
    if (e->n > 0 && !e->first_empty && zmq_msg_size(&e->frames[e->n]) == 0)
        e->first_empty = e->n;
    e->n++;
}

static void keep_frame(struct request *q, zmq_msg_t *frame)
{
    if (q->envelope->first_empty) {
        if (q->bodies++ == 0)
            zmq_msg_move(&q->body, frame);
    } else {
        keep_before_empty(q, frame);
    }
}

static size_t envelope_bytes(struct zmq_envelope *e)
{
    size_t sum = 0;
    for (size_t i = 0; i < e->n; i++)
        sum += zmq_msg_size(&e->frames[i]);
    return sum;
}

/* All frames are there: what is envelope, what is body? Without an empty frame, the only one after the
 * identity is the body. */
static bool well_formed(struct request *q)
{
    struct zmq_envelope *e = q->envelope;
    if (!e->first_empty && e->n == 2) {
        zmq_msg_move(&q->body, &e->frames[1]);
        q->bodies = 1;
    }
    envelope_cut(e, e->first_empty ? e->first_empty + 1 : 1);
    bool fits = envelope_bytes(e) <= ENVELOPE_MAX_BYTES;
    if (!fits)
        envelope_cut(e, 1);
    return fits && !q->overflow && q->bodies == 1 && zmq_msg_size(&q->body) <= ZMQ_ROUTER_BODY_MAX;
}

/* Reads one request to its last frame. A message is handed over whole, so -EAGAIN comes at the first frame or
 * not at all. */
static int read_frames(struct zmq_router *r, struct request *q)
{
    bool more = true;
    int result = 0;
    while (result == 0 && more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        result = zmq_socket_receive(&r->socket, &frame);
        if (result == 0) {
            more = zmq_msg_more(&frame);
            keep_frame(q, &frame);
        }
        zmq_msg_close(&frame);
    }
    return result;
}

static int finish(struct request *q, struct buf *body)
{
    buf_clear(body);
    if (!well_formed(q))
        return ZMQ_ROUTER_BAD_FRAMES;
    buf_add_span(body, frame_span(&q->body));
    return buf_error(body);
}

int zmq_router_receive(struct zmq_router *r, struct buf *body, struct zmq_envelope **ret)
{
    struct request q = {.envelope = calloc(1, sizeof *q.envelope)};
    if (!q.envelope)
        return -ENOMEM;
    zmq_msg_init(&q.body);
    int result = read_frames(r, &q);
    if (result == 0)
        result = finish(&q, body);
    else if (result == -EAGAIN)
        result = ZMQ_ROUTER_NONE;
    zmq_msg_close(&q.body);
    if (result == 0 || result == ZMQ_ROUTER_BAD_FRAMES)
        *ret = TAKE(q.envelope);
    zmq_envelope_free(q.envelope);
    return result;
}

/* ROUTER_MANDATORY is off: what a peer that is gone or full would have got is dropped without an error. */
int zmq_router_reply(struct zmq_router *r, struct zmq_envelope *taken_envelope, struct span body)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < taken_envelope->n; i++)
        result = zmq_socket_send(&r->socket, frame_span(&taken_envelope->frames[i]), ZMQ_SNDMORE);
    result = result < 0 ? result : zmq_socket_send(&r->socket, body, 0);
    zmq_envelope_free(taken_envelope);
    return result;
}

int zmq_router_fd(const struct zmq_router *r)
{
    return r->socket.fd;
}

const char *zmq_router_endpoint(const struct zmq_router *r, size_t index)
{
    return zmq_socket_endpoint(&r->socket, index);
}

int zmq_router_open(struct zmq_bus *bus, const struct zmq_options *options, struct zmq_router **ret,
                    struct buf *error)
{
    struct zmq_router *r = calloc(1, sizeof *r);
    if (!r) {
        buf_add_text(error, "out of memory");
        return -ENOMEM;
    }
    const struct zmq_setting settings[] = {{ZMQ_RCVHWM, ROUTER_REQUESTS_WAITING}};
    const struct zmq_kind kind = {ZMQ_ROUTER, ZMQ_ROUTER_BODY_MAX + ZMQ_FRAME_OVERHEAD, settings,
                                  ARRAY_LENGTH(settings)};
    int result = zmq_socket_open(bus, &kind, options, &r->socket, error);
    if (result < 0) {
        free(r);
        return result;
    }
    *ret = r;
    return 0;
}

void zmq_router_close(struct zmq_router *r)
{
    if (!r)
        return;
    zmq_socket_close(&r->socket);
    free(r);
}
