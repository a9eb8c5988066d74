#include "ctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/escape.h"

/* Bytes of the control character at the start of S (C0, DEL, or C1 as UTF-8 has it); 0 when there is none. */
static size_t control_length(struct span s)
{
    unsigned char first = (unsigned char)s.at[0];
    if (first < 0x20 || first == 0x7f)
        return 1;
    return first == 0xc2 && s.len > 1 && (unsigned char)s.at[1] < 0xa0 ? 2 : 0;
}

/* One character that is well formed; its length is told by its first byte. */
static size_t character_length(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool needs_quotes(struct span s)
{
    if (s.len == 0 || span_is(s, "null") || utf8_valid_length(s) != s.len)
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (strchr(" \"\\=", s.at[i]) || control_length(span_from(s, i)))
            return true; /* strchr finds NUL as well, which is right */
    return false;
}

/* Walks S, escaping what a terminal might obey, and quote and backslash too when QUOTED. */
static void add_escaped(struct buf *out, struct span s, bool quoted)
{
    while (s.len > 0) {
        unsigned char first = (unsigned char)s.at[0];
        size_t control = control_length(s), n = character_length(first);
        if (control) {
            n = control;
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)s.at[control - 1]);
        } else if (first >= 0x80 && utf8_valid_length(span_make(s.at, n < s.len ? n : s.len)) != n) {
            n = utf8_bad_length(s);
            buf_add_text(out, "\xef\xbf\xbd");
        } else {
            if (quoted && (first == '"' || first == '\\'))
                buf_add_char(out, '\\');
            buf_add(out, s.at, n);
        }
        s = span_from(s, n);
    }
}

void text_add_value(struct buf *out, struct span s)
{
    bool quoted = needs_quotes(s);
    if (quoted)
        buf_add_char(out, '"');
    add_escaped(out, s, quoted);
    if (quoted)
        buf_add_char(out, '"');
}

void text_add_plain(struct buf *out, struct span s)
{
    add_escaped(out, s, false);
}

void text_add_duration(struct buf *out, int64_t ms)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;
    if (s < 60)
        buf_printf(out, "%jd s", (intmax_t)s);
    else if (s < 3600)
        buf_printf(out, "%jd min", (intmax_t)(s / 60));
    else if (s < 24 * 3600)
        buf_printf(out, "%jd h %jd min", (intmax_t)(s / 3600), (intmax_t)(s / 60 % 60));
    else
        buf_printf(out, "%jd d %jd h", (intmax_t)(s / 3600 / 24), (intmax_t)(s / 3600 % 24));
}

void text_add_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        buf_printf(out, "%ju B", (uintmax_t)bytes);
        return;
    }
    size_t unit = 0;
    for (; bytes >= 1000 * 1000; unit++)
        bytes /= 1000;
    buf_printf(out, "%ju.%ju %s", (uintmax_t)(bytes / 1000), (uintmax_t)(bytes % 1000 / 100), units[unit]);
}

void text_add_clock(struct buf *out, int64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm local;
    if (time_us < 0 || !localtime_r(&seconds, &local))
        buf_add_text(out, "--:--:--");
    else
        buf_printf(out, "%02d:%02d:%02d", local.tm_hour, local.tm_min, local.tm_sec);
}

void text_add_time(struct buf *out, int64_t time_us)
{
    text_add_clock(out, time_us);
    if (time_us < 0)
        buf_add_text(out, ".------");
    else
        buf_printf(out, ".%06jd", (intmax_t)(time_us % 1000000));
}

void grid_done(struct grid *g)
{
    buf_done(&g->cells);
}

void grid_add(struct grid *g, struct span text)
{
    text_add_plain(&g->cells, text);
    buf_add_char(&g->cells, '\n');
}

void grid_printf(struct grid *g, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    grid_add(g, span_of(text));
}

/* Characters, each taken as one column wide. */
static size_t width_of(struct span s)
{
    size_t width = 0;
    for (size_t i = 0; i < s.len; i++)
        width += ((unsigned char)s.at[i] & 0xc0) != 0x80;
    return width;
}

static void add_cell(struct buf *out, struct span cell, size_t width, bool right, bool last)
{
    size_t pad = width - width_of(cell);
    if (right)
        buf_printf(out, "%*s", (int)pad, "");
    buf_add_span(out, cell);
    if (!right && !last)
        buf_printf(out, "%*s", (int)pad, "");
    buf_add_text(out, last ? "\n" : "  ");
}

void grid_print(const struct grid *g, struct buf *out)
{
    size_t widths[GRID_COLUMNS_MAX] = {0}, column = 0;
    struct span rest = buf_span(&g->cells), cell;
    for (; rest.len > 0 && span_cut(&rest, '\n', &cell); column = (column + 1) % g->n_columns) {
        size_t width = width_of(cell);
        if (width > widths[column])
            widths[column] = width;
    }
    rest = buf_span(&g->cells);
    for (column = 0; rest.len > 0 && span_cut(&rest, '\n', &cell); column = (column + 1) % g->n_columns)
        add_cell(out, cell, widths[column], g->right >> column & 1, column == g->n_columns - 1);
}
