/* What can be done with any struct that has schema rows. BASE is the struct. */
#pragma once

#include "conf/schema.h"

static inline void *row_at(const struct conf_row *row, void *base)
{
    return (char *)base + row->offset;
}

static inline const void *row_in(const struct conf_row *row, const void *base)
{
    return (const char *)base + row->offset;
}

static inline void *row_more(const struct conf_row *row, void *base)
{
    return (char *)base + row->more;
}

static inline const void *row_more_in(const struct conf_row *row, const void *base)
{
    return (const char *)base + row->more;
}

/* LIST: its array, of elements of row->inner->size bytes, and how many. */
void *row_list(const struct conf_row *row, const void *base, size_t *ret_n);

/* Fills the zeroed BASE with the defaults. Returns 0 or -ENOMEM; BASE can be freed in any case. */
int rows_preset(const struct conf_rows *rows, void *base);

/* Sets one row from text as `preset` has it. Kinds without such a text: nothing. Returns 0 or -ENOMEM. */
int row_set_text(const struct conf_row *row, const char *text, void *base);

/* Frees what BASE owns, not BASE itself. */
void rows_done(const struct conf_rows *rows, void *base);

/* Whether both say the same; groups and lists with all that is in them. */
bool row_equal(const struct conf_row *row, const void *one, const void *other);

/* Whether the row still says its default: so "not yet supported" does not matter. */
bool row_is_preset(const struct conf_row *row, const void *base);

/* The value of a word; -1 when it is none of them. */
int row_choice(const struct conf_row *row, const char *word);

/* Adds a copy of TEXT. Returns 0 or -ENOMEM. */
int strings_add(struct conf_strings *strings, const char *text);
void strings_done(struct conf_strings *strings);
