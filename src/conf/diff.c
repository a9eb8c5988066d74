#include "conf/diff.h"

#include "conf/rows.h"

static bool is_unfiltered(const char *frequency)
{
    return frequency && strcmp(frequency, "unfiltered") == 0;
}

unsigned conf_table_changes(const struct conf_table *old, const struct conf_table *new)
{
    unsigned changes = 0;
    for (const struct conf_row *row = conf_table_rows.at; row < conf_table_rows.at + conf_table_rows.n; row++)
        if (!row_equal(row, old, new))
            changes |= row->change ? row->change : conf_table_rows.change;
    if (changes & CONF_CHANGE_RECONF &&
        is_unfiltered(old->max_frequency) != is_unfiltered(new->max_frequency))
        changes = (changes & ~(unsigned)CONF_CHANGE_RECONF) | CONF_CHANGE_RESUBSCRIBE;
    return changes;
}

bool conf_session_changed(const struct conf_session *old, const struct conf_session *new)
{
    for (const struct conf_row *row = conf_session_rows.at; row < conf_session_rows.at + conf_session_rows.n;
         row++)
        if (row->inner != &conf_table_rows && !row_equal(row, old, new))
            return true;
    return false;
}

static void add_changed(const struct conf_rows *rows, const char *prefix, const void *old, const void *new,
                        struct buf *names)
{
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n; row++) {
        if (row->inner == &conf_session_rows || row_equal(row, old, new))
            continue;
        if (row->kind == CONF_GROUP)
            add_changed(row->inner, row->name, row_in(row, old), row_in(row, new), names);
        else
            buf_printf(names, "%s.%s\n", prefix, row->name);
    }
}

void conf_restart_needed(const struct conf *old, const struct conf *new, struct buf *names)
{
    add_changed(&conf_root_rows, "", old, new, names);
}

#define SWAP(one, other)                                                                                     \
    do {                                                                                                     \
        __typeof__(one) before = (one);                                                                      \
        (one) = (other);                                                                                     \
        (other) = before;                                                                                    \
    } while (0)

void conf_swap_outside(struct conf *one, struct conf *other)
{
    SWAP(one->publisher, other->publisher);
    SWAP(one->status, other->status);
    SWAP(one->control, other->control);
    SWAP(one->metrics, other->metrics);
    SWAP(one->curve, other->curve);
}
