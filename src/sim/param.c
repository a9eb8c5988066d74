#include "sim/param.h"

#include "sim/encode.h"
#include "sim/memory.h"

/* Decodes RAW to TO, which has room for as much. Returns the bytes written. */
static size_t decode(char *to, struct span raw, bool form)
{
    if (raw.len > 0)
        memmove(to, raw.at, raw.len);
    for (size_t i = 0; form && i < raw.len; i++) {
        if (to[i] == '+')
            to[i] = ' ';
    }
    return encode_undo(to, span_make(to, raw.len));
}

static void parse(struct params *ret, struct span line, bool form)
{
    char *to = ret->decoded = memory_get(line.len);

    for (struct span rest = line, pair; span_cut(&rest, '&', &pair);) {
        struct param *p = &ret->list[ret->n];

        if (pair.len == 0)
            continue;
        if (ret->n == PARAMS_MAX) {
            ret->too_many = true;
            return;
        }
        p->raw = pair;
        span_cut(&p->raw, '=', &p->name);
        p->value = span_make(to, decode(to, p->raw, form));
        to += p->value.len;
        ret->n++;
    }
}

void params_parse(struct params *ret, struct span line)
{
    parse(ret, line, false);
}

void params_parse_form(struct params *ret, struct span line)
{
    parse(ret, line, true);
}

void params_done(struct params *p)
{
    free(p->decoded);
    p->decoded = NULL;
}

const struct param *params_get(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (span_is(p->list[i].name, name))
            return &p->list[i];
    }
    return NULL;
}

struct span params_text(const struct params *p, const char *name)
{
    const struct param *found = params_get(p, name);

    return found ? found->value : SPAN_EMPTY;
}

bool params_is(const struct params *p, const char *name, const char *value)
{
    const struct param *found = params_get(p, name);

    return found && span_is(found->value, value);
}

uint64_t params_number(const struct params *p, const char *name, uint64_t otherwise)
{
    uint64_t number;

    return span_to_u64(params_text(p, name), INT64_MAX, &number) ? number : otherwise;
}
