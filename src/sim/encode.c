#include "sim/encode.h"

#include "sim/diff.h"

/* A run this long is shorter as ^n than as empty values. */
#define MIN_RUN 3

static void add_encoded(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";

    buf_add_char(out, '%');
    buf_add_char(out, digits[c >> 4]);
    buf_add_char(out, digits[c & 15]);
}

static bool special_in_value(unsigned char c)
{
    return c == '|' || c == '%' || c == '\r' || c == '\n' || c == 0;
}

static bool special_at_start(unsigned char c)
{
    return c == '#' || c == '$' || c == '^';
}

static void add_content(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (special_in_value(c) || (i == 0 && special_at_start(c)))
            add_encoded(out, c);
        else
            buf_add_char(out, (char)c);
    }
}

static void add_diff(struct buf *out, char letter, struct span diff)
{
    buf_add_char(out, '^');
    buf_add_char(out, letter);
    for (size_t i = 0; i < diff.len; i++) {
        if (special_in_value((unsigned char)diff.at[i]))
            add_encoded(out, (unsigned char)diff.at[i]);
        else
            buf_add_char(out, diff.at[i]);
    }
}

/* Whether a diff from OLD to NOW, shorter than NOW, was added. A value that a patch may have made is never the base of
 * a TLCP-diff: the official clients hold it as a document then, and cannot apply one. */
static bool try_diffs(struct buf *out, const struct text *old, const struct text *now, unsigned diffs)
{
    AUTO_BUF struct buf diff = BUF_INIT(4U << 20);
    bool patch = diffs & ENCODE_PATCH && diff_is_document(text_span(old));
    bool made = false;

    if (patch)
        made = diff_json_patch(&diff, text_span(old), text_span(now));
    else if (diffs & ENCODE_TLCP_DIFF)
        made = diff_tlcp(&diff, text_span(old), text_span(now));
    if (!made || diff.len >= now->len)
        return false;
    add_diff(out, patch ? 'P' : 'T', buf_span(&diff));
    return true;
}

static void add_value(struct buf *out, const struct text *old, const struct text *now, unsigned diffs)
{
    if (!now)
        buf_add_char(out, '#');
    else if (now->len == 0)
        buf_add_char(out, '$');
    else if (!old || !diffs || !try_diffs(out, old, now, diffs))
        add_content(out, text_span(now));
}

static size_t unchanged_run(const struct row *previous, const struct row *now, size_t at)
{
    size_t n = 0;

    while (previous && at + n < now->n && text_equal(row_get(previous, at + n), now->values[at + n]))
        n++;
    return n;
}

void encode_values(struct buf *out, const struct row *previous, const struct row *now, unsigned diffs)
{
    for (size_t i = 0; i < now->n;) {
        size_t run = unchanged_run(previous, now, i);

        if (i > 0)
            buf_add_char(out, '|');
        if (run >= MIN_RUN) {
            buf_printf(out, "^%zu", run);
            i += run;
            continue;
        }
        if (run == 0)
            add_value(out, previous ? row_get(previous, i) : NULL, now->values[i], previous ? diffs : 0);
        i++;
    }
}

void encode_argument(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c == ',' || c == '%' || c < ' ' || c == 0x7f)
            add_encoded(out, c);
        else
            buf_add_char(out, (char)c);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t encode_undo(char *out, struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int high = s.at[i] == '%' && i + 2 < s.len ? hex_digit(s.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.at[i + 2]) : -1;

        if (low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.at[i];
        }
    }
    return n;
}
