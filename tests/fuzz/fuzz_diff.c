/* TLCP-diff and JSON Patch. The first line is the base, the rest the diff; both readings of it are tried. */
#include <errno.h>

#include "base/buf.h"
#include "fuzz.h"
#include "proto/diff.h"

enum { RESULT_MAX = 1 << 16, SHALLOW_BYTES = 500 };

static bool holds(struct buf *b, int r)
{
    return (r == 0 || r == DIFF_BAD) && buf_error(b) == 0 && b->len <= b->max && (r == 0 || b->len == 0);
}

static void fuzz_tlcp_diff(struct span base, struct span diff)
{
    AUTO_BUF struct buf result = BUF_INIT(RESULT_MAX);
    int r = diff_tlcp(base, diff, &result);
    MUST(holds(&result, r));
    MUST(result.len <= base.len + diff.len);
}

/* What a patch gives is JSON already in its own form, and equal to itself. */
static void fuzz_json_patch(struct span base, struct span patch)
{
    AUTO_BUF struct buf once = BUF_INIT(RESULT_MAX), twice = BUF_INIT(RESULT_MAX),
                        test = BUF_INIT(RESULT_MAX * 2);
    int r = diff_json_patch(base, patch, &once);
    MUST(holds(&once, r));
    if (r)
        return;
    MUST(diff_json_patch(buf_span(&once), SPAN("[]"), &twice) == 0);
    MUST(span_equal(buf_span(&once), buf_span(&twice)));
    /* Inside a patch it stands two levels deeper. */
    if (once.len > SHALLOW_BYTES)
        return;
    buf_add_text(&test, "[{\"op\":\"test\",\"path\":\"\",\"value\":");
    buf_add_span(&test, buf_span(&once));
    buf_add_text(&test, "}]");
    buf_clear(&twice);
    MUST(diff_json_patch(buf_span(&once), buf_span(&test), &twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span diff = fuzz_input(data, size), base = SPAN_EMPTY;
    span_cut(&diff, '\n', &base);
    fuzz_tlcp_diff(base, diff);
    fuzz_json_patch(base, diff);
    return 0;
}
