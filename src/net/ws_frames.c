#include "net/ws_frames.h"

#include <errno.h>
#include <sys/random.h>
#include <wslay/wslay.h>

enum { FRAME_HEAD_MAX = 14 };

/* wslay reads through a small buffer of its own. The text it reports also stands in what we fed, so that a
 * frame of any size leaves here in one piece; only where it stands has to be counted along. */
struct ws_frames {
    wslay_frame_context_ptr wslay;
    struct span input; /* as fed */
    size_t taken;      /* bytes of it that wslay has */
    ptrdiff_t used;    /* bytes of it that belong to what next() has returned, or to a frame's head; negative
                          while a head began in an earlier input */
    bool in_frame, in_message, final;
    uint8_t opcode;
    uint64_t left; /* payload bytes of this frame still to come */
    uint8_t control[WS_CONTROL_MAX];
    size_t control_len;
    struct buf *out; /* for the time of a write */
    int write_error;
};

static ssize_t on_read(uint8_t *to, size_t len, int flags UNUSED, void *userdata)
{
    struct ws_frames *f = userdata;
    struct span rest = span_from(f->input, f->taken);
    size_t n = rest.len < len ? rest.len : len;
    if (n == 0)
        return -1;
    memcpy(to, rest.at, n);
    f->taken += n;
    return (ssize_t)n;
}

static ssize_t on_write(const uint8_t *bytes, size_t len, int flags UNUSED, void *userdata)
{
    struct ws_frames *f = userdata;
    buf_add(f->out, bytes, len);
    return buf_error(f->out) ? -1 : (ssize_t)len;
}

static int on_mask(uint8_t *mask, size_t len, void *userdata)
{
    struct ws_frames *f = userdata;
    ssize_t n = getrandom(mask, len, 0);
    f->write_error = n < 0 ? -errno : 0;
    return n == (ssize_t)len ? 0 : -1;
}

int ws_frames_new(struct ws_frames **ret)
{
    static const struct wslay_frame_callbacks callbacks = {on_write, on_read, on_mask};
    struct ws_frames *f = calloc(1, sizeof *f);
    if (!f || wslay_frame_context_init(&f->wslay, &callbacks, f) != 0) {
        free(f);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}

void ws_frames_free(struct ws_frames *f)
{
    if (!f)
        return;
    wslay_frame_context_free(f->wslay);
    free(f);
}

void ws_frames_feed(struct ws_frames *f, struct span bytes)
{
    f->used -= (ptrdiff_t)f->input.len;
    f->input = bytes;
    f->taken = 0;
}

int ws_frames_keep(struct ws_frames *f, struct buf *keep)
{
    size_t used = f->used > 0 ? (size_t)f->used : 0;
    buf_clear(keep);
    buf_add_span(keep, span_from(f->input, used));
    f->input = buf_span(keep);
    f->taken -= used;
    f->used -= (ptrdiff_t)used;
    return buf_error(keep);
}

static struct ws_event bad(uint16_t code, const char *reason)
{
    return (struct ws_event){.what = WS_BAD, .code = code, .reason = reason};
}

static struct ws_event protocol_error(const char *reason)
{
    return bad(WSLAY_CODE_PROTOCOL_ERROR, reason);
}

static size_t head_length(uint64_t payload)
{
    return payload < 126 ? 2 : payload <= UINT16_MAX ? 4 : 10;
}

/* Which data frame may come depends on whether a message is open (RFC 6455, 5.4). NULL: this one may. */
static const char *fault_of(const struct ws_frames *f, const struct wslay_frame_iocb *io)
{
    if (io->rsv)
        return "a frame uses an extension that was not agreed upon";
    if (io->mask)
        return "the server masks its frames";
    switch (io->opcode) {
    case WSLAY_TEXT_FRAME: return f->in_message ? "a message begins inside another" : NULL;
    case WSLAY_CONTINUATION_FRAME: return f->in_message ? NULL : "a message is continued that never began";
    case WSLAY_CONNECTION_CLOSE: return io->payload_length == 1 ? "a close frame holds half a code" : NULL;
    case WSLAY_PING:
    case WSLAY_PONG: return NULL;
    default: return "a frame has an unknown opcode";
    }
}

static void begin_frame(struct ws_frames *f, const struct wslay_frame_iocb *io)
{
    f->in_frame = true;
    f->opcode = io->opcode;
    f->left = io->payload_length;
    f->control_len = 0;
    f->used += (ptrdiff_t)head_length(io->payload_length);
    if (!wslay_is_ctrl_frame(io->opcode))
        f->in_message = !io->fin;
}

/* The part of a frame that wslay has now: 1 with *IO filled, 0 when more input is needed, or wslay's
 * error. */
static ssize_t next_part(struct ws_frames *f, struct wslay_frame_iocb *io)
{
    for (;;) {
        ssize_t n = wslay_frame_recv(f->wslay, io);
        if (n >= 0)
            return 1;
        if (n != WSLAY_ERR_WANT_READ)
            return n;
        if (f->taken == f->input.len)
            return 0;
    }
}

/* A part of text, and all the rest of its frame that is there. */
static struct ws_event text(struct ws_frames *f, struct wslay_frame_iocb io)
{
    struct ws_event e = {.what = WS_TEXT, .bytes = {f->input.at + f->used, 0}};
    ssize_t more;
    do {
        e.bytes.len += io.data_length;
        f->left -= io.data_length;
        more = f->left > 0 ? next_part(f, &io) : 0;
    } while (more > 0);
    f->used += (ptrdiff_t)e.bytes.len;
    f->in_frame = f->left > 0;
    return e;
}

static struct ws_event control_complete(struct ws_frames *f)
{
    struct span payload = span_make((const char *)f->control, f->control_len);
    if (f->opcode == WSLAY_PING)
        return (struct ws_event){.what = WS_PING, .bytes = payload};
    if (f->opcode == WSLAY_PONG)
        return (struct ws_event){.what = WS_PONG, .bytes = payload};
    uint16_t code = WSLAY_CODE_NO_STATUS_RCVD;
    if (payload.len >= 2)
        code = (uint16_t)(f->control[0] << 8 | f->control[1]);
    return (struct ws_event){.what = WS_CLOSE, .code = code, .bytes = span_from(payload, 2)};
}

/* Returns whether the frame is complete. */
static bool collect_control(struct ws_frames *f, const struct wslay_frame_iocb *io)
{
    memcpy(f->control + f->control_len, io->data, io->data_length);
    f->control_len += io->data_length;
    f->used += (ptrdiff_t)io->data_length;
    f->left -= io->data_length;
    f->in_frame = f->left > 0;
    return !f->in_frame;
}

struct ws_event ws_frames_next(struct ws_frames *f)
{
    for (;;) {
        struct wslay_frame_iocb io = {0};
        ssize_t r = next_part(f, &io);
        if (r == 0)
            return (struct ws_event){.what = WS_MORE};
        if (r < 0)
            return protocol_error("a frame's head is malformed");
        if (!f->in_frame && io.opcode == WSLAY_BINARY_FRAME)
            return bad(WSLAY_CODE_UNSUPPORTED_DATA, "a message is binary");
        const char *fault = f->in_frame ? NULL : fault_of(f, &io);
        if (fault)
            return protocol_error(fault);
        if (!f->in_frame)
            begin_frame(f, &io);
        if (wslay_is_ctrl_frame(f->opcode)) {
            if (collect_control(f, &io))
                return control_complete(f);
            continue;
        }
        struct ws_event e = text(f, io);
        if (e.bytes.len)
            return e;
    }
}

int ws_frames_write(struct ws_frames *f, unsigned opcode, struct span payload, struct buf *out)
{
    struct wslay_frame_iocb io = {.fin = 1,
                                  .opcode = (uint8_t)opcode,
                                  .mask = 1,
                                  .payload_length = payload.len,
                                  .data = (const uint8_t *)payload.at,
                                  .data_length = payload.len};
    /* With all the room there beforehand, wslay cannot get stuck half way through a frame. */
    int r = buf_reserve(out, FRAME_HEAD_MAX + payload.len);
    if (r < 0) {
        out->error = 0;
        return r;
    }
    f->out = out;
    f->write_error = 0;
    ssize_t n = wslay_frame_send(f->wslay, &io);
    f->out = NULL;
    return n == (ssize_t)payload.len ? 0 : f->write_error ? f->write_error : -EIO;
}

int ws_frames_write_close(struct ws_frames *f, uint16_t code, struct buf *out)
{
    const char payload[2] = {(char)(code >> 8), (char)(code & 0xff)};
    return ws_frames_write(f, WS_OPCODE_CLOSE, span_make(payload, sizeof payload), out);
}
