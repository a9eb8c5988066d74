/* Lines of text mode, from a stream and in answers, and the values of its updates. */
#include "fuzz.h"
#include "proto/delta.h"
#include "proto/text.h"

static bool lies_in(struct span part, struct span whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

/* No value grows by being decoded. */
static void fuzz_values(struct span values, size_t n_fields)
{
    struct span rest = values;
    size_t left = n_fields;
    struct delta delta;
    int r;
    while ((r = delta_next(DELTA_TEXT, &rest, left, &delta)) == 0) {
        MUST(delta.fields == 1 && left >= 1);
        MUST(delta.kind == DELTA_UNCHANGED || delta.kind == DELTA_NULL || delta.kind == DELTA_VALUE);
        MUST(lies_in(delta.text, values));
        AUTO_FREE char *decoded = malloc(delta.text.len ? delta.text.len : 1);
        MUST(decoded);
        ptrdiff_t n = delta_decode(DELTA_TEXT, decoded, delta.text);
        MUST(n >= 0 && (size_t)n <= delta.text.len);
        if (delta_is_plain(DELTA_TEXT, delta.text))
            MUST(span_equal(span_make(decoded, (size_t)n), delta.text));
        left--;
    }
    MUST(r == DELTA_END || left == 0);
}

static void check(const struct tlcp_message *m, size_t n_fields)
{
    MUST(m->tag < TLCP_N_TAGS && m->tag != TLCP_SUBOK && m->tag != TLCP_SUBCMD && m->tag != TLCP_PROG);
    MUST(m->tag == TLCP_END || !m->no_code);
    if (m->tag == TLCP_U)
        fuzz_values(m->rest, n_fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_input(data, size), line;
    struct text_reader r;
    struct tlcp_message m;
    size_t n_fields = fuzz_byte(&input);
    text_init(&r, fuzz_byte(&input) & 1 ? TEXT_ANSWERS : TEXT_STREAM);
    while (span_cut(&input, '\n', &line)) {
        /* A copy of its own, so that a read past its end is seen. */
        AUTO_FREE char *copy = malloc(line.len ? line.len : 1);
        MUST(copy);
        memcpy(copy, line.at, line.len);
        int got = text_line(&r, span_make(copy, line.len), &m);
        MUST(got == 0 || got == TEXT_NOTHING);
        if (got == 0)
            check(&m, n_fields);
        for (int i = 0; i < 3 && text_next(&r, &m) == 0; i++)
            MUST(i < 2 && (m.tag == TLCP_CONS || m.tag == TLCP_SERVNAME));
    }
    if (text_finish(&r, &m) == 0)
        check(&m, n_fields);
    MUST(text_finish(&r, &m) == TEXT_NOTHING);
    text_done(&r);
    return 0;
}
