#include "sim/word.h"

#include "sim/memory.h"

struct cursor {
    struct span line;
    size_t at;
    char *to; /* where the next unescaped byte goes */
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool at_end(const struct cursor *c)
{
    return c->at >= c->line.len;
}

static bool at_blank(const struct cursor *c)
{
    return c->line.at[c->at] == ' ' || c->line.at[c->at] == '\t';
}

/* Takes what follows a backslash. */
static const char *take_escape(struct cursor *c)
{
    static const char letters[] = "nrt0\\\"# ", meanings[] = "\n\r\t\0\\\"# ";
    const char *found;

    if (at_end(c))
        return "a backslash at the end of the line";
    if (c->line.at[c->at] == 'x' && c->at + 2 < c->line.len && hex(c->line.at[c->at + 1]) >= 0 &&
        hex(c->line.at[c->at + 2]) >= 0) {
        *c->to++ = (char)(hex(c->line.at[c->at + 1]) << 4 | hex(c->line.at[c->at + 2]));
        c->at += 3;
        return NULL;
    }
    found = strchr(letters, c->line.at[c->at++]);
    if (!found || !*found)
        return "an unknown escape";
    *c->to++ = meanings[found - letters];
    return NULL;
}

static const char *take_quoted(struct cursor *c)
{
    const char *fault = NULL;

    for (c->at++; !fault;) {
        if (at_end(c))
            return "a quote that is not closed";
        char next = c->line.at[c->at++];

        if (next == '"')
            return NULL;
        if (next == '\\')
            fault = take_escape(c);
        else
            *c->to++ = next;
    }
    return fault;
}

static const char *take_word(struct cursor *c, struct word *ret)
{
    const char *begin = c->to, *equals = NULL, *fault = NULL;

    while (!at_end(c) && !at_blank(c) && !fault) {
        char next = c->line.at[c->at];

        if (next == '"') {
            ret->quoted = true;
            fault = take_quoted(c);
            continue;
        }
        c->at++;
        if (next == '\\') {
            fault = take_escape(c);
            continue;
        }
        if (next == '=' && !equals)
            equals = c->to;
        *c->to++ = next;
    }
    ret->text = ret->name = span_make(begin, (size_t)(c->to - begin));
    if (equals) {
        ret->name.len = (size_t)(equals - begin);
        ret->value = span_make(equals + 1, (size_t)(c->to - equals) - 1);
    }
    return fault;
}

static void skip_blanks(struct cursor *c)
{
    while (!at_end(c) && at_blank(c))
        c->at++;
}

/* Whether what follows that word is taken as it stands, quotes, blanks and '#' included. */
static bool takes_text(struct span word)
{
    return span_is(word, "raw") || span_is(word, "data") || span_is(word, "bytes");
}

static const char *take_text(struct cursor *c, struct word *ret)
{
    const char *begin = c->to, *fault = NULL;

    while (!at_end(c) && !fault) {
        char next = c->line.at[c->at++];

        if (next == '\\')
            fault = take_escape(c);
        else
            *c->to++ = next;
    }
    ret->text = span_make(begin, (size_t)(c->to - begin));
    return fault;
}

const char *words_parse(struct words *ret, struct span line)
{
    struct cursor c = {.line = line};
    const char *fault = NULL;

    *ret = (struct words){.bytes = memory_get(line.len)};
    c.to = ret->bytes;
    for (skip_blanks(&c); !at_end(&c) && !fault; skip_blanks(&c)) {
        if (ret->n == WORDS_MAX)
            return "too many words";
        if (ret->n == 1 && takes_text(ret->list[0].text))
            return take_text(&c, &ret->list[ret->n++]);
        if (c.line.at[c.at] == '#')
            return NULL;
        fault = take_word(&c, &ret->list[ret->n++]);
    }
    return fault;
}

void words_done(struct words *w)
{
    free(w->bytes);
    w->bytes = NULL;
}
