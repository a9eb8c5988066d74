/* A WebSocket's answer and its frames: the same in any chunking, also when the input moves between two events
 * as a pause makes it. The first byte sets the chunks' size. */
#include "fuzz.h"
#include "net/ws_frames.h"
#include "net/ws_handshake.h"

enum { RESULT_MAX = 8 * 1024 * 1024 };

static void must_lie_in(struct span part, struct span whole)
{
    MUST(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void fuzz_head(struct span head)
{
    struct ws_response answer;
    int r =
        ws_handshake_response(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "TLCP-2.5.0.lightstreamer.com", &answer);
    MUST(r == 0 || (r == 1 && answer.fault));
    MUST(r == 1 || (answer.status >= 100 && answer.status < 600));
    MUST(answer.n_cookies <= WS_COOKIES_MAX);
    must_lie_in(answer.location, head);
    for (size_t i = 0; i < answer.n_cookies; i++)
        must_lie_in(answer.cookies[i], head);
}

/* The head's length, asked for in steps, as it comes. */
static size_t head_length(struct span bytes, size_t step)
{
    size_t length = 0;
    for (size_t had = 0, n = step; !length && had < bytes.len; had = n, n += step) {
        n = n < bytes.len ? n : bytes.len;
        length = ws_handshake_head_length(span_make(bytes.at, n), had);
    }
    MUST(length == ws_handshake_head_length(bytes, 0));
    return length;
}

static bool is_last(const struct ws_event *e)
{
    return e->what == WS_CLOSE || e->what == WS_BAD;
}

static void describe(const struct ws_event *e, struct buf *out)
{
    if (e->what == WS_MORE)
        return;
    MUST(e->what == WS_TEXT ? e->bytes.len > 0 : e->bytes.len <= WS_CONTROL_MAX);
    if (e->what != WS_TEXT)
        buf_printf(out, "<%u %u ", (unsigned)e->what, (unsigned)e->code);
    buf_add_span(out, e->bytes);
}

/* Feeds CHUNK, from memory of its own; MOVING: which changes before every event. Returns whether more may
 * follow. */
static bool fuzz_chunk(struct ws_frames *f, struct span chunk, bool moving, struct buf *out)
{
    struct buf here = BUF_INIT(chunk.len + 1), there = BUF_INIT(chunk.len + 1);
    struct ws_event e;
    buf_add_span(&here, chunk);
    ws_frames_feed(f, buf_span(&here));
    do {
        if (moving) {
            MUST(ws_frames_keep(f, &there) == 0);
            buf_done(&here);
            here = there;
            there = BUF_INIT(chunk.len + 1);
        }
        e = ws_frames_next(f);
        describe(&e, out);
    } while (e.what != WS_MORE && !is_last(&e));
    buf_done(&here);
    return !is_last(&e);
}

static void fuzz_frames(struct span bytes, size_t chunk_size, bool moving, struct buf *out)
{
    struct ws_frames *f = NULL;
    MUST(ws_frames_new(&f) == 0);
    bool more = true;
    while (bytes.len && more) {
        size_t n = bytes.len < chunk_size ? bytes.len : chunk_size;
        more = fuzz_chunk(f, span_make(bytes.at, n), moving, out);
        bytes = span_from(bytes, n);
    }
    ws_frames_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_input(data, size);
    size_t chunk_size = (size_t)fuzz_byte(&input) + 1, head = head_length(input, chunk_size);
    AUTO_BUF struct buf whole = BUF_INIT(RESULT_MAX), cut = BUF_INIT(RESULT_MAX),
                        moved = BUF_INIT(RESULT_MAX);
    fuzz_head(head ? span_make(input.at, head) : input);
    input = span_from(input, head);
    fuzz_frames(input, input.len + 1, false, &whole);
    fuzz_frames(input, chunk_size, false, &cut);
    fuzz_frames(input, chunk_size, true, &moved);
    MUST(span_equal(buf_span(&whole), buf_span(&cut)) && span_equal(buf_span(&whole), buf_span(&moved)));
    return 0;
}
