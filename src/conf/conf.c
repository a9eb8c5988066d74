#include "conf/rows.h"

#include "base/util.h"

void conf_free(struct conf *c)
{
    if (!c)
        return;
    rows_done(&conf_root_rows, c);
    strings_done(&c->files);
    free(c->path);
    free(c);
}

/* The word of a choice that has VALUE. */
static const char *word(const struct conf_rows *rows, const char *setting, unsigned value)
{
    return conf_rows_find(rows, setting)->choices[value];
}

const char *conf_transport_name(enum conf_transport transport)
{
    return word(&conf_session_rows, "transport", transport);
}

const char *conf_mode_name(enum conf_mode mode)
{
    return word(&conf_table_rows, "mode", mode);
}

const char *conf_encoding_name(enum conf_encoding encoding)
{
    return word(&conf_table_rows, "encoding", encoding);
}

size_t conf_position(const struct conf_table *table, const char *text)
{
    uint64_t position;
    if (text[0] == '0' || !span_to_u64(span_of(text), INT32_MAX, &position))
        return 0;
    return table->fields.n == 0 || position <= table->fields.n ? (size_t)position : 0;
}

size_t conf_field_position(const struct conf_table *table, const char *text)
{
    for (size_t i = 0; i < table->fields.n; i++)
        if (strcmp(table->fields.at[i], text) == 0)
            return i + 1;
    return conf_position(table, text);
}

const struct conf_session *conf_find_session(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_sessions; i++)
        if (strcmp(c->sessions[i].name, name) == 0)
            return &c->sessions[i];
    return NULL;
}

const struct conf_table *conf_find_table(const struct conf_session *s, const char *name)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (strcmp(s->tables[i].name, name) == 0)
            return &s->tables[i];
    return NULL;
}
