/* Percent-encoding, UTF-8, JSON strings. */
#include "base/escape.h"
#include "fuzz.h"
#include "proto/jsontext.h"

static void fuzz_percent(struct span s)
{
    AUTO_FREE char *decoded = malloc(s.len * 3 + 1);
    AUTO_BUF struct buf encoded = BUF_INIT(s.len * 3 + 1);
    MUST(decoded);
    MUST(escape_unpercent(decoded, s) <= (ptrdiff_t)s.len);
    escape_percent(&encoded, s);
    MUST(buf_error(&encoded) == 0);
    ptrdiff_t n = escape_unpercent(decoded, buf_span(&encoded));
    MUST(n >= 0 && span_equal(span_make(decoded, (size_t)n), s));
}

/* Well-formed and ill-formed parts, in turn, make up the whole. */
static void fuzz_utf8(struct span s)
{
    while (s.len) {
        size_t valid = utf8_valid_length(s);
        MUST(valid <= s.len);
        s = span_from(s, valid);
        if (!s.len)
            break;
        MUST(utf8_valid_length(s) == 0);
        size_t bad = utf8_bad_length(s);
        MUST(bad >= 1 && bad <= 3 && bad <= s.len);
        s = span_from(s, bad);
    }
}

static void fuzz_json(struct span s)
{
    AUTO_BUF struct buf out = BUF_INIT(s.len * 6 + 3);
    struct jsondoc document = {0};
    escape_json(&out, s);
    MUST(buf_error(&out) == 0);
    const struct jsondoc_node *node = jsontext_read(&document, buf_span(&out));
    MUST(node && node->type == JSONDOC_STRING);
    size_t valid = utf8_valid_length(s);
    MUST(span_starts(node->text, span_make(s.at, valid)));
    MUST(valid < s.len || span_equal(node->text, s));
    jsondoc_done(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = fuzz_input(data, size);
    fuzz_percent(s);
    fuzz_utf8(s);
    fuzz_json(s);
    return 0;
}
