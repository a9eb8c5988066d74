/* Lines of the server, parsed, and the values of its updates, each line by itself. */
#include "fuzz.h"
#include "proto/delta.h"
#include "proto/tlcp.h"

enum { DECODED_MAX = 1 << 16 };

static bool lies_in(struct span part, struct span whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void fuzz_decode(struct span text)
{
    AUTO_BUF struct buf decoded = BUF_INIT(DECODED_MAX), encoded = BUF_INIT(DECODED_MAX * 4);
    if (text.len > DECODED_MAX)
        return;
    tlcp_decode(&decoded, text);
    MUST(buf_error(&decoded) == 0 && decoded.len <= text.len);
    tlcp_param(&encoded, "name", buf_span(&decoded));
    MUST(buf_error(&encoded) == 0 && span_starts(buf_span(&encoded), SPAN("name=")));
    struct span value = span_from(buf_span(&encoded), 5);
    AUTO_BUF struct buf back = BUF_INIT(DECODED_MAX * 4);
    tlcp_decode(&back, value);
    MUST(span_equal(buf_span(&back), buf_span(&decoded)));
}

/* Tokens tell of no more fields than there are, and lie in the line. */
static void fuzz_values(struct span values, size_t n_fields)
{
    struct span rest = values;
    size_t left = n_fields;
    struct delta delta;
    int r;
    while ((r = delta_next(DELTA_TLCP, &rest, left, &delta)) == 0) {
        MUST(delta.fields >= 1 && delta.fields <= left);
        MUST(delta.kind == DELTA_UNCHANGED || delta.fields == 1);
        MUST(lies_in(delta.text, values));
        fuzz_decode(delta.text);
        left -= delta.fields;
    }
    MUST(r == DELTA_END || r == DELTA_BAD);
    MUST(r == DELTA_BAD || rest.at == NULL);
}

static void fuzz_line(struct span line, size_t n_fields)
{
    struct tlcp_message m = {0};
    tlcp_parse(line, &m);
    MUST(m.tag < TLCP_N_TAGS);
    MUST(tlcp_tag_name(m.tag));
    MUST(m.tag < TLCP_UNKNOWN || !tlcp_counts(m.tag));
    MUST(lies_in(m.rest, line));
    for (size_t i = 0; i < TLCP_MAX_TEXTS; i++) {
        MUST(lies_in(m.texts[i], line));
        fuzz_decode(m.texts[i]);
    }
    if (m.tag == TLCP_U)
        fuzz_values(m.rest, n_fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_input(data, size), line;
    size_t n_fields = fuzz_byte(&input);
    while (span_cut(&input, '\n', &line)) {
        /* A copy of its own, so that a read past its end is seen. */
        AUTO_FREE char *copy = malloc(line.len ? line.len : 1);
        MUST(copy);
        memcpy(copy, line.at, line.len);
        fuzz_line(span_make(copy, line.len), n_fields);
    }
    return 0;
}
