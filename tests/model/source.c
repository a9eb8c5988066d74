#include "source.h"

#include <stdio.h>

#include "../lib/must.h"

enum { VALUE_MAX = 512 };

/* ---- values ---- */

static char *dup(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    MUST(copy || !text);
    return copy;
}

void values_copy(struct values *to, const struct values *from)
{
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        char *copy = dup(from->at[i]);
        free(to->at[i]);
        to->at[i] = copy;
    }
}

void values_done(struct values *v)
{
    for (size_t i = 0; i < FIELDS_MAX; i++)
        free(TAKE(v->at[i]));
}

bool value_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_json(const char *value)
{
    return value && strncmp(value, "{\"n\":", 5) == 0;
}

/* Numbers that a double or 64 bits would spoil. */
static const char *number(struct random *chance)
{
    static const char *const numbers[] = {"0",      "-0.0", "1.50",  "12345678901234567890123",
                                          "1e400",  "-7",   "1E+2",  "0.1000000000000000055511",
                                          "100000", "3.04", "1e-09", "9007199254740993"};
    return numbers[random_below(chance, ARRAY_LENGTH(numbers))];
}

static void json_with(struct random *chance, const char *before, char value[static VALUE_MAX])
{
    const char *rest = is_json(before) ? strchr(before, ',') : NULL;
    snprintf(value, VALUE_MAX, "{\"n\":%s%s", number(chance), rest ? rest : ",\"s\":[\"a|b\",{\"%\":null}]}");
}

static void long_text(struct random *chance, char value[static VALUE_MAX])
{
    size_t n = 20 + random_below(chance, 300);
    for (size_t i = 0; i < n; i++)
        value[i] = "abcdef|%#, ^$"[random_below(chance, 13)];
    value[n] = '\0';
}

/* Near BEFORE, so that a diff has something to copy. */
static void edited_text(struct random *chance, const char *before, char value[static VALUE_MAX])
{
    size_t n = strlen(before), at = n ? random_below(chance, n + 1) : 0;
    while (at && ((unsigned char)before[at] & 0xc0) == 0x80)
        at--;
    snprintf(value, VALUE_MAX, "%.*s%zu%s", (int)at, before, random_below(chance, 100),
             random_below(chance, 2) ? before + at : "");
}

/* Returns the new value, owned; NULL: null. */
static char *make_value(struct random *chance, const char *before)
{
    static const char *const odd[] = {"#",
                                      "$",
                                      "^3",
                                      "^Pa",
                                      "#a",
                                      "a|b",
                                      "100%",
                                      "%41",
                                      "\xef\xbb\xbf<bom>",
                                      "a\r\nb\t",
                                      "+&=",
                                      "1,2",
                                      "\xc3\xa9\xe6\x97\xa5",
                                      "\xf0\x9f\x98\x80",
                                      " ",
                                      "U,1,1,x"};
    char value[VALUE_MAX];
    switch (random_below(chance, 12)) {
    case 0: return NULL;
    case 1: return dup("");
    case 2:
    case 3: return dup(odd[random_below(chance, ARRAY_LENGTH(odd))]);
    case 4:
    case 5:
        if (!is_json(before) && random_below(chance, 3))
            return dup(number(chance));
        json_with(chance, before, value);
        return dup(value);
    case 6: long_text(chance, value); return dup(value);
    case 7:
    case 8:
    case 9:
        if (!before || is_json(before) || strlen(before) > 100)
            return dup(number(chance));
        edited_text(chance, before, value);
        return dup(value);
    default: snprintf(value, sizeof value, "%zu", random_below(chance, 10)); return dup(value);
    }
}

/* ---- how the wire has them ---- */

/* MARKERS: # $ ^ in front would mean something else. Encoding more than must be is allowed. */
static void put_encoded(struct buf *out, struct random *chance, struct span text, bool markers)
{
    bool more = random_below(chance, 8) == 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool marker = markers && i == 0 && (c == '#' || c == '$' || c == '^');
        if (marker || c == '|' || c == '%' || c < ' ' || (more && random_below(chance, 2)))
            buf_printf(out, random_below(chance, 2) ? "%%%02X" : "%%%02x", c);
        else
            buf_add_char(out, (char)c);
    }
}

static bool is_continued(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t code_points(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += !is_continued(s.at[i]);
    return n;
}

/* A count of a TLCP-diff: digits in base 26, the last of them small. */
static void put_count(struct buf *out, size_t n)
{
    char digits[16];
    size_t at = sizeof digits;
    digits[--at] = (char)('a' + n % 26);
    while (n /= 26)
        digits[--at] = (char)('A' + n % 26);
    buf_add(out, digits + at, sizeof digits - at);
}

/* The same begin and the same end are copied, what is between replaced. */
static void put_tlcp_diff(struct buf *out, struct random *chance, struct span from, struct span to)
{
    AUTO_BUF struct buf diff = BUF_INIT(SIZE_MAX / 2);
    size_t head = 0, tail = 0;
    while (head < from.len && head < to.len && from.at[head] == to.at[head])
        head++;
    while (head &&
           ((head < from.len && is_continued(from.at[head])) || (head < to.len && is_continued(to.at[head]))))
        head--;
    while (tail < from.len - head && tail < to.len - head &&
           from.at[from.len - tail - 1] == to.at[to.len - tail - 1])
        tail++;
    while (tail && is_continued(from.at[from.len - tail]))
        tail--;
    struct span added = span_make(to.at + head, to.len - head - tail);
    put_count(&diff, code_points(span_make(from.at, head)));
    if (added.len || tail) {
        put_count(&diff, code_points(added));
        buf_add_span(&diff, added);
    }
    if (tail) {
        put_count(&diff, code_points(span_make(from.at + head, from.len - head - tail)));
        put_count(&diff, code_points(span_make(from.at + from.len - tail, tail)));
    }
    buf_add_text(out, "^T");
    put_encoded(out, chance, buf_span(&diff), false);
}

/* What is replaced stays where it was in its document. */
static void put_json_patch(struct buf *out, struct random *chance, const char *to)
{
    AUTO_BUF struct buf patch = BUF_INIT(SIZE_MAX / 2);
    struct span value = span_of(to + 5);
    value.len = strcspn(value.at, ",");
    buf_printf(&patch, "[{\"op\":\"replace\",\"path\":\"/n\",\"value\":%.*s}]", SPAN_ARG(value));
    buf_add_text(out, "^P");
    put_encoded(out, chance, buf_span(&patch), false);
}

/* Surrogates in UTF-16: no diff of those. */
static bool has_surrogates(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value >= 0xf0)
            return true;
    return false;
}

static bool same_rest(const char *a, const char *b)
{
    return value_equal(strchr(a, ','), strchr(b, ','));
}

static void put_value(struct buf *out, struct random *chance, const char *from, const char *to, bool diffs)
{
    if (!to) {
        buf_add_char(out, '#');
        return;
    }
    if (diffs && is_json(from) && is_json(to) && same_rest(from, to) && random_below(chance, 2)) {
        put_json_patch(out, chance, to);
    } else if (diffs && from && !has_surrogates(from) && !has_surrogates(to) && random_below(chance, 2)) {
        put_tlcp_diff(out, chance, span_of(from), span_of(to));
    } else if (!*to) {
        buf_add_char(out, '$');
    } else {
        put_encoded(out, chance, span_of(to), true);
    }
}

/* ---- updates ---- */

static size_t unchanged_from(const struct shape *shape, const struct values *from, const struct values *to,
                             size_t at)
{
    size_t n = 0;
    while (at + n < shape->fields && value_equal(from->at[at + n], to->at[at + n]))
        n++;
    return n;
}

static void put_values(struct buf *out, const struct shape *shape, const struct source_item *item,
                       const struct values *to, struct random *chance, bool diffs)
{
    for (size_t at = 0; at < shape->fields;) {
        size_t same = item->told ? unchanged_from(shape, &item->last, to, at) : 0;
        if (at)
            buf_add_char(out, '|');
        if (same && random_below(chance, 3) == 0) {
            size_t n = 1 + random_below(chance, same);
            buf_printf(out, "^%zu", n);
            at += n;
            continue;
        }
        /* What has not changed may be said all the same. */
        if (!same || random_below(chance, 5) == 0)
            put_value(out, chance, item->told ? item->last.at[at] : NULL, to->at[at], diffs && item->told);
        at++;
    }
}

static void set(struct values *v, size_t at, char *value)
{
    free(v->at[at]);
    v->at[at] = value;
}

static void make_command(const struct shape *shape, struct values *to, struct random *chance)
{
    static const char *const keys[] = {"a", "b", "k|2", "", "#", "\xc3\xa9"};
    static const char *const commands[] = {"ADD", "UPDATE", "UPDATE", "DELETE"};
    if (random_below(chance, 3) || !to->at[shape->key - 1])
        set(to, shape->key - 1, dup(keys[random_below(chance, ARRAY_LENGTH(keys))]));
    set(to, shape->command - 1, dup(commands[random_below(chance, ARRAY_LENGTH(commands))]));
}

void source_update(const struct shape *shape, struct source_item *item, struct random *chance, bool diffs,
                   struct buf *out)
{
    struct values to = {0};
    if (item->told)
        values_copy(&to, &item->last);
    for (size_t i = 0; i < shape->fields; i++)
        if (!item->told || random_below(chance, 2))
            set(&to, i, make_value(chance, to.at[i]));
    if (shape->mode == TABLE_COMMAND) {
        /* The key is a name, not a number that changes. */
        if (item->told)
            set(&to, shape->key - 1, dup(item->last.at[shape->key - 1]));
        else
            set(&to, shape->key - 1, NULL);
        make_command(shape, &to, chance);
    }
    put_values(out, shape, item, &to, chance, diffs);
    values_done(&item->last);
    item->last = to;
    item->told = true;
}
