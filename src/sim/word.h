/* The words of a script's line: separated by blanks; "quoted" where they hold some, whole or in part (a="x y"). In
 * both forms \n \r \t \0 \\ \" and \xHH stand for themselves. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

#define WORDS_MAX     512
#define WORD_LINE_MAX (1U << 20)

struct word {
    struct span text;        /* unescaped; borrowed from the words */
    struct span name, value; /* before and after the first '=' outside quotes; without one value.at is NULL */
    bool quoted;             /* some of it */
};

struct words {
    struct word list[WORDS_MAX];
    size_t n;
    char *bytes; /* owned */
};

/* Cuts LINE up; a '#' at the start of a word begins a comment. After raw, data and bytes the rest is one word, in
 * which nothing but the escapes is special. Returns NULL, or what is wrong with it. */
const char *words_parse(struct words *ret, struct span line);
void words_done(struct words *w);
