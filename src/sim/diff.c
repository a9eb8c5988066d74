#include "sim/diff.h"

#include "sim/memory.h"

/* --- TLCP-diff --- */

/* Longer values are compared by what they begin and end with alone. */
#define SEARCH_MAX 512
/* A shorter common part is not worth a COPY of its own. */
#define MIN_COMMON 4

/* A value as characters, which is what the format counts. */
struct characters {
    size_t n;
    uint16_t *at; /* owned */
};

/* Decodes the character at *AT and steps over it; 0 where it is none of the format's. */
static uint16_t next_character(struct span s, size_t *at)
{
    const unsigned char *c = (const unsigned char *)s.at + *at;
    size_t left = s.len - *at;

    if (c[0] < 0x80 && c[0] > 0) {
        *at += 1;
        return c[0];
    }
    if (c[0] >= 0xc2 && c[0] < 0xe0 && left > 1) {
        *at += 2;
        return (uint16_t)((c[0] & 0x1f) << 6 | (c[1] & 0x3f));
    }
    if (c[0] >= 0xe0 && c[0] < 0xf0 && left > 2) {
        *at += 3;
        return (uint16_t)((c[0] & 0x0f) << 12 | (c[1] & 0x3f) << 6 | (c[2] & 0x3f));
    }
    return 0;
}

static bool to_characters(struct span s, struct characters *ret)
{
    *ret = (struct characters){.at = memory_get(s.len * sizeof(uint16_t))};
    for (size_t at = 0; at < s.len;) {
        uint16_t c = next_character(s, &at);

        if (c == 0)
            return false;
        ret->at[ret->n++] = c;
    }
    return true;
}

static void add_character(struct buf *out, uint16_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_add_char(out, (char)(0xc0 | c >> 6));
    } else {
        buf_add_char(out, (char)(0xe0 | c >> 12));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

/* Letters as digits of base 26; the last one is a small one. */
static void add_number(struct buf *out, size_t n)
{
    char digits[16];
    size_t at = sizeof(digits);

    digits[--at] = (char)('a' + n % 26);
    while ((n /= 26) > 0)
        digits[--at] = (char)('A' + n % 26);
    buf_add(out, digits + at, sizeof(digits) - at);
}

struct differ {
    struct buf *out;
    const struct characters *old, *now;
    size_t copy; /* not yet written, so that two COPYs in a row become one */
};

/* Writes the pending COPY, an ADD of the new value's [FROM, TO) and a DEL. */
static void change(struct differ *d, size_t from, size_t to, size_t del)
{
    if (from == to && del == 0)
        return;
    add_number(d->out, d->copy);
    add_number(d->out, to - from);
    for (size_t i = from; i < to; i++)
        add_character(d->out, d->now->at[i]);
    add_number(d->out, del);
    d->copy = 0;
}

/* Two ranges: of the old value and of the new. */
struct ranges {
    size_t old, old_end, now, now_end;
};

/* The longest run that both have, as the ranges of it; empty when there is none worth it. */
static struct ranges longest_common(const struct differ *d, struct ranges r)
{
    struct ranges best = {0};

    if (r.old_end - r.old > SEARCH_MAX || r.now_end - r.now > SEARCH_MAX)
        return best;
    for (size_t i = r.old; i < r.old_end; i++) {
        for (size_t j = r.now; j < r.now_end; j++) {
            size_t n = 0;

            while (i + n < r.old_end && j + n < r.now_end && d->old->at[i + n] == d->now->at[j + n])
                n++;
            if (n >= MIN_COMMON && n > best.old_end - best.old)
                best = (struct ranges){i, i + n, j, j + n};
        }
    }
    return best;
}

static void differ_in(struct differ *d, struct ranges r)
{
    struct ranges common;
    size_t tail = 0;

    while (r.old < r.old_end && r.now < r.now_end && d->old->at[r.old] == d->now->at[r.now])
        r.old++, r.now++, d->copy++;
    while (r.old < r.old_end && r.now < r.now_end && d->old->at[r.old_end - 1] == d->now->at[r.now_end - 1])
        r.old_end--, r.now_end--, tail++;
    common = longest_common(d, r);
    if (common.old_end > common.old) {
        differ_in(d, (struct ranges){r.old, common.old, r.now, common.now});
        d->copy += common.old_end - common.old;
        differ_in(d, (struct ranges){common.old_end, r.old_end, common.now_end, r.now_end});
    } else {
        change(d, r.now, r.now_end, r.old_end - r.old);
    }
    d->copy += tail;
}

bool diff_tlcp(struct buf *out, struct span old, struct span now)
{
    struct characters a, b;
    bool fine_old = to_characters(old, &a), fine = to_characters(now, &b) && fine_old;
    struct differ d = {.out = out, .old = &a, .now = &b};

    if (fine)
        differ_in(&d, (struct ranges){0, a.n, 0, b.n});
    if (fine && d.copy > 0)
        add_number(out, d.copy);
    free(a.at);
    free(b.at);
    return fine;
}

/* --- JSON Patch --- */

#define MAX_MEMBERS 256

struct member {
    struct span key, value; /* as they are written; the key without its quotes */
};

struct object {
    struct member list[MAX_MEMBERS];
    size_t n;
};

/* The length of the string that S begins with, quotes included; 0 when there is none, or one with an escape. */
static size_t string_length(struct span s)
{
    const char *end = s.len > 1 && s.at[0] == '"' ? memchr(s.at + 1, '"', s.len - 1) : NULL;
    size_t n = end ? (size_t)(end - s.at) + 1 : 0;

    return n > 0 && !memchr(s.at, '\\', n) ? n : 0;
}

/* The length of the value that S begins with, up to a ',' or '}' outside brackets; 0 where blanks or escapes make it
 * anything but compact. */
static size_t value_length(struct span s)
{
    size_t depth = 0, n = 0;

    for (; n < s.len; n++) {
        char c = s.at[n];

        if (c == '"') {
            size_t skip = string_length(span_from(s, n));

            if (skip == 0)
                return 0;
            n += skip - 1;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            return 0;
        } else if (depth == 0 && (c == ',' || c == '}')) {
            return n;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return 0;
}

/* Reads {"key":value,…} without blanks between. */
static bool parse_object(struct span s, struct object *ret)
{
    size_t at = 1;

    ret->n = 0;
    if (s.len < 2 || s.at[0] != '{')
        return false;
    while (ret->n < MAX_MEMBERS) {
        struct member *m = &ret->list[ret->n++];
        size_t key = string_length(span_from(s, at));

        if (key < 2 || at + key >= s.len || s.at[at + key] != ':')
            return false;
        m->key = span_make(s.at + at + 1, key - 2);
        m->value = span_from(s, at + key + 1);
        m->value.len = value_length(m->value);
        at += key + 1 + m->value.len;
        if (m->value.len == 0 || at >= s.len)
            return false;
        if (s.at[at++] == '}')
            return at == s.len;
    }
    return false;
}

bool diff_is_document(struct span value)
{
    struct object o;

    return parse_object(value, &o);
}

static const struct member *find_member(const struct object *o, struct span key)
{
    for (size_t i = 0; i < o->n; i++) {
        if (span_equal(o->list[i].key, key))
            return &o->list[i];
    }
    return NULL;
}

static void add_operation(struct buf *out, const char *operation, const struct member *m, bool with_value)
{
    buf_add_text(out, out->len > 1 ? "," : "");
    buf_printf(out, "{\"op\":\"%s\",\"path\":\"/", operation);
    for (size_t i = 0; i < m->key.len; i++) {
        if (m->key.at[i] == '~' || m->key.at[i] == '/')
            buf_add_text(out, m->key.at[i] == '~' ? "~0" : "~1");
        else
            buf_add_char(out, m->key.at[i]);
    }
    buf_add_char(out, '"');
    if (with_value) {
        buf_add_text(out, ",\"value\":");
        buf_add_span(out, m->value);
    }
    buf_add_char(out, '}');
}

/* Whether NOW has OLD's members that remain in OLD's order, and new ones last. */
static bool keeps_order(const struct object *old, const struct object *now)
{
    size_t at = 0;

    for (size_t i = 0; i < old->n; i++) {
        if (!find_member(now, old->list[i].key))
            continue;
        if (at >= now->n || !span_equal(now->list[at].key, old->list[i].key))
            return false;
        at++;
    }
    for (; at < now->n; at++) {
        if (find_member(old, now->list[at].key))
            return false;
    }
    return true;
}

bool diff_json_patch(struct buf *out, struct span old, struct span now)
{
    struct object a, b;

    if (!parse_object(old, &a) || !parse_object(now, &b) || !keeps_order(&a, &b))
        return false;
    buf_clear(out);
    buf_add_char(out, '[');
    for (size_t i = 0; i < a.n; i++) {
        const struct member *m = find_member(&b, a.list[i].key);

        if (!m)
            add_operation(out, "remove", &a.list[i], false);
        else if (!span_equal(m->value, a.list[i].value))
            add_operation(out, "replace", m, true);
    }
    for (size_t i = 0; i < b.n; i++) {
        if (!find_member(&a, b.list[i].key))
            add_operation(out, "add", &b.list[i], true);
    }
    buf_add_char(out, ']');
    return true;
}
