#include "conf/expand.h"

#include <errno.h>

static bool is_variable(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

/* AT stands on `${`. Returns what follows its end, or NULL with what is wrong in ERROR. */
static const char *expand_one(const char *at, struct buf *out, struct buf *error)
{
    const char *end = strchr(at, '}');
    struct span name = end ? span_make(at + 2, (size_t)(end - at) - 2) : SPAN_EMPTY;
    if (!is_variable(name)) {
        buf_add_text(error, "${ must be followed by a name and }; a literal ${ is written $${");
        return NULL;
    }
    AUTO_FREE char *variable = span_dup(name);
    const char *value = variable ? getenv(variable) : NULL;
    if (!value) {
        buf_printf(error, "${%.*s} is not defined in the environment", SPAN_ARG(name));
        if (!variable)
            error->error = -ENOMEM;
        return NULL;
    }
    buf_add_text(out, value);
    return end + 1;
}

int expand_environment(const char *text, struct buf *out, struct buf *error)
{
    const char *at = text;
    while (*at) {
        if (strncmp(at, "$${", 3) == 0) {
            buf_add_text(out, "${");
            at += 3;
        } else if (strncmp(at, "${", 2) == 0) {
            at = expand_one(at, out, error);
            if (!at)
                return 1;
        } else {
            buf_add_char(out, *at++);
        }
    }
    return 0;
}

void expand_protect(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '$' && i + 1 < text.len && text.at[i + 1] == '{')
            buf_add_char(out, '$');
        buf_add_char(out, text.at[i]);
    }
}
