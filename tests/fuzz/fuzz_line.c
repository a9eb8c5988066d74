/* Lines out of bytes: the same lines in any chunking, and the same ones as memchr() finds. The first byte sets the
 * longest line, the second the chunks' size. */
#include "fuzz.h"
#include "proto/line.h"

/* Takes the next line from REST the simple way: 0, LINE_NONE or LINE_TOO_LONG. */
static int model_next(struct span *rest, size_t max, struct span *ret)
{
    const char *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;
    size_t length = end ? (size_t)(end - rest->at) : rest->len;
    if (length > max)
        return LINE_TOO_LONG;
    if (!end)
        return LINE_NONE;
    *ret = span_make(rest->at, length);
    *rest = span_from(*rest, length + 1);
    if (length && ret->at[length - 1] == '\r')
        ret->len--;
    return 0;
}

static void fuzz_chunks(struct span bytes, size_t max, size_t chunk_size)
{
    struct line_reader reader;
    struct span model = bytes, line, want;
    int r = LINE_NONE;
    line_init(&reader, max);
    while (bytes.len && r == LINE_NONE) {
        size_t n = bytes.len < chunk_size ? bytes.len : chunk_size;
        AUTO_FREE char *chunk = malloc(n);
        MUST(chunk);
        memcpy(chunk, bytes.at, n);
        bytes = span_from(bytes, n);
        line_feed(&reader, span_make(chunk, n));
        while ((r = line_next(&reader, &line)) == 0) {
            MUST(model_next(&model, max, &want) == 0);
            MUST(span_equal(line, want));
        }
        MUST(r == LINE_NONE || r == LINE_TOO_LONG);
    }
    MUST(model_next(&model, max, &want) == r);
    line_reset(&reader);
    line_feed(&reader, SPAN("again\n"));
    r = line_next(&reader, &line);
    MUST(max < 5 ? r == LINE_TOO_LONG : r == 0 && span_is(line, "again"));
    line_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_input(data, size);
    size_t max = (size_t)fuzz_byte(&input) + 1, chunk_size = (size_t)fuzz_byte(&input) + 1;
    fuzz_chunks(input, max, chunk_size);
    fuzz_chunks(input, max, 1);
    fuzz_chunks(input, max, input.len + 1);
    return 0;
}
