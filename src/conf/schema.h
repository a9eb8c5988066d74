/* Every setting there is, as one row: its name, its type and range, its default, what it is checked for, what a reload
 * does about it, and whether its function is built. Loader, printing, comparing and freeing all walk these rows: a new
 * setting is a member in conf.h and a row here. */
#pragma once

#include "conf/conf.h"
#include "conf/diff.h"

enum {
    CONF_MAX_ENDPOINTS = 64
}; /* of one socket: each is a listener, and each is compared with all others */

enum conf_kind {
    CONF_BOOL,        /* bool */
    CONF_INT,         /* int */
    CONF_INT64,       /* int64_t */
    CONF_MODE_BITS,   /* unsigned: "0660" */
    CONF_STRING,      /* char * */
    CONF_CHOICE,      /* an enum, whose values count the words in `choices` */
    CONF_CHOICE_BOOL, /* bool: false for the first word, true for the second */
    CONF_STRINGS,     /* struct conf_strings: an array */
    CONF_NUMBER,      /* char *: a number above 0, as the wire has it, or one of the words in `choices` */
    CONF_SNAPSHOT,    /* bool: true or false; int64_t `more`: a number */
    CONF_TYPES,       /* struct conf_field_type *, size_t `more`: a group of arrays by type */
    CONF_GROUP,       /* the members of `inner` */
    CONF_LIST,        /* pointer to an array of `inner`, size_t `more`: a list of groups */
};

enum conf_secrecy {
    CONF_OPEN,
    CONF_SECRET,  /* never shown */
    CONF_ADDRESS, /* a URL: never shown with its user information */
};

struct conf_rows;

struct conf_row {
    const char *name;
    enum conf_kind kind;
    size_t offset;                    /* of the value in the struct of its rows */
    size_t more;                      /* of the second member of a kind that has two */
    size_t present;                   /* of a bool that says whether it was given; 0: none */
    int64_t min, max;                 /* INT, INT64, NUMBER: range; STRINGS: elements, no `max` is none */
    const char *preset;               /* the default as text (STRINGS: separated by blanks); NULL: none */
    const char *const *choices;       /* CHOICE, CHOICE_BOOL, NUMBER */
    bool (*check)(const char *value); /* of a string, or of each in STRINGS */
    bool (*normalise)(const char *given, char **ret); /* false: no memory. Runs after `check` */
    const char *expected;                             /* what `check` wants, after "expected"; else by kind */
    unsigned change;                                  /* enum conf_change; 0: that of its rows */
    enum conf_secrecy secrecy;
    bool required;
    bool not_yet;  /* known, but its function is not built: refused unless it says what it says anyway */
    bool whole;    /* NUMBER: without a fraction */
    bool empty_ok; /* STRING: may be "" */
    bool unique;   /* STRINGS: no element twice */
    bool file;     /* STRING: must be readable */
    const char *element;           /* LIST: one of them, in messages */
    const struct conf_rows *inner; /* GROUP, LIST */
};

struct conf_rows {
    const struct conf_row *at;
    size_t n;
    size_t size;       /* of the struct */
    unsigned change;   /* enum conf_change; 0: outside sessions, so a restart */
    size_t file, line; /* offsets of the members that say where it stands; 0: none */
};

extern const struct conf_rows conf_root_rows;
extern const struct conf_rows conf_session_rows;
extern const struct conf_rows conf_table_rows;

/* The words of `types`, each a key of that group; the index is an enum conf_type. The first has none. */
extern const char *const conf_type_words[5];

/* "given" where the default was meant: the row called NAME, or NULL. */
const struct conf_row *conf_rows_find(const struct conf_rows *rows, const char *name);
