/* The text of a configuration: the main file with every included one in the place of its @include, and its tokens.
 * libconfig reads the same text; the tokens tell what its tree does not: the place of every value, and integers as
 * they were written. */
#pragma once

#include "conf/fault.h"

enum {
    SOURCE_MAX_BYTES = 8 * 1024 * 1024, /* a device, or a file that grows; 100,000 item names take 2 MiB */
    SOURCE_MAX_INCLUDES = 10,           /* one inside the other: a file that includes itself */
    SOURCE_MAX_NESTING = 32,            /* groups, lists, arrays: libconfig frees its tree recursively */
};

enum source_kind { SOURCE_NAME, SOURCE_NUMBER, SOURCE_STRING, SOURCE_OTHER };

struct source_token {
    enum source_kind kind; /* true and false are names, OTHER is one byte */
    bool nul;              /* a string with a U+0000 in it */
    unsigned file;         /* index into `files` */
    unsigned line;
    size_t at, len; /* in `text` */
};

struct source_line {
    unsigned file, line;
};

struct source {
    struct buf text; /* ends in a newline: libconfig takes no comment on a last line without one */
    struct source_token *tokens;
    size_t n_tokens, cap_tokens;
    struct source_line *lines; /* of `text`: where each came from */
    size_t n_lines, cap_lines;
    struct conf_strings files; /* names, for messages */
    size_t cap_files;
    bool incomplete; /* an @include could not be read: what is missing may have been there */
};

/* Reads PATH and what it includes, relative to PATH's directory. Returns 0 (an @include that could not be read is in
 * FAULTS, and empty), 1 when there is nothing to go on with (why is in FAULTS), or -ENOMEM. RET, zeroed by the
 * caller, is *owned* in any case. */
int source_read(struct source *ret, const char *path, struct fault_list *faults);
void source_done(struct source *s);

struct conf_place source_token_place(const struct source *s, const struct source_token *token);
/* LINE of `text`, 1-based, as a place; one past the end gives the last. */
struct conf_place source_line_place(const struct source *s, unsigned line);

static inline struct span source_token_text(const struct source *s, const struct source_token *token)
{
    return span_make(s->text.at + token->at, token->len);
}
