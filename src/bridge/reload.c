#include "bridge/reload.h"

#include <errno.h>

#include "bridge/json.h"
#include "conf/diff.h"

/* What changed, as it will be told: arrays of SESSION or SESSION/TABLE. */
struct changes {
    struct buf added, removed, changed;
};

static void note(struct buf *array, const char *session, const char *table)
{
    AUTO_BUF struct buf name = BUF_INIT(SIZE_MAX);
    buf_add_text(&name, session);
    if (table) {
        buf_add_char(&name, '/');
        buf_add_text(&name, table);
    }
    json_value_text(array, buf_span(&name));
}

/* ---- tables ---- */

static int change_table(struct link *l, const struct conf_table *old, const struct conf_table *new,
                        struct changes *c)
{
    unsigned changes = conf_table_changes(old, new);
    if (!changes)
        return 0;
    note(&c->changed, link_name(l), new->name);
    /* One that was deleted meanwhile is wanted again by whoever changes it, whatever the change. */
    if (!(changes & CONF_CHANGE_RESUBSCRIBE) && link_has_table(l, new->name))
        return link_change_table(l, new, changes);
    bool started = link_table_started(l, new->name);
    link_remove_table(l, new->name, true);
    int r = link_add_table(l, new);
    if (r == 0 && started)
        link_start_table(l, new->name);
    return r;
}

static void remove_tables(struct link *l, const struct conf_session *old, const struct conf_session *new,
                          struct changes *c)
{
    for (size_t i = 0; i < old->n_tables; i++)
        if (!conf_find_table(new, old->tables[i].name)) {
            note(&c->removed, link_name(l), old->tables[i].name);
            link_remove_table(l, old->tables[i].name, false);
        }
}

static int change_tables(struct link *l, const struct conf_session *old, const struct conf_session *new,
                         struct changes *c)
{
    int r = 0;
    remove_tables(l, old, new, c);
    for (size_t i = 0; i < new->n_tables &&r == 0; i++) {
        const struct conf_table *before = conf_find_table(old, new->tables[i].name);
        if (before) {
            r = change_table(l, before, &new->tables[i], c);
        } else {
            note(&c->added, link_name(l), new->tables[i].name);
            r = link_add_table(l, &new->tables[i]);
        }
    }
    return r;
}

/* ---- sessions ---- */

static int replace_session(struct bridge *b, struct link *old, const struct conf_session *conf)
{
    struct link *made;
    /* The old link is left first: a hold or an end of it must find it leaving. */
    link_leave(old, "the configuration changed", "session replaced", false);
    int r = bridge_add_link(b, conf, true, old, &made);
    for (size_t i = 0; r == 0 && i < conf->n_tables; i++)
        if (link_table_started(old, conf->tables[i].name))
            link_start_table(made, conf->tables[i].name);
    return r;
}

/* The tables of a session that is made anew: those that go are deleted, all others come with the new session. */
static void note_tables(struct link *l, const struct conf_session *old, const struct conf_session *new,
                        struct changes *c)
{
    for (size_t i = 0; i < new->n_tables; i++) {
        const struct conf_table *before = conf_find_table(old, new->tables[i].name);
        if (!before || conf_table_changes(before, &new->tables[i]))
            note(before ? &c->changed : &c->added, new->name, new->tables[i].name);
    }
    remove_tables(l, old, new, c);
}

static int change_session(struct bridge *b, struct link *l, const struct conf_session *old,
                          const struct conf_session *new, struct changes *c)
{
    if (conf_session_changed(old, new)) {
        note(&c->changed, new->name, NULL);
        note_tables(l, old, new, c);
        return replace_session(b, l, new);
    }
    link_reconfigure(l, new);
    int r = change_tables(l, old, new, c);
    link_drain(l); /* what that asks for goes out now, not with the next that the server says */
    return r;
}

static int add_session(struct bridge *b, const struct conf_session *conf, struct changes *c)
{
    struct link *made;
    note(&c->added, conf->name, NULL);
    int r = bridge_add_link(b, conf, false, NULL, &made);
    if (r == 0)
        link_start(made);
    return r;
}

static int change_sessions(struct bridge *b, const struct conf *old, const struct conf *new,
                           struct changes *c)
{
    int r = 0;
    for (size_t i = 0; i < old->n_sessions; i++) {
        struct link *l = bridge_find_link(b, old->sessions[i].name);
        if (conf_find_session(new, old->sessions[i].name) || !l)
            continue;
        note(&c->removed, old->sessions[i].name, NULL);
        link_leave(l, "no longer configured", "session deleted", true);
    }
    for (size_t i = 0; i < new->n_sessions &&r == 0; i++) {
        const struct conf_session *before = conf_find_session(old, new->sessions[i].name);
        struct link *l = bridge_find_link(b, new->sessions[i].name);
        r = before && l ? change_session(b, l, before, &new->sessions[i], c)
                        : add_session(b, &new->sessions[i], c);
    }
    return r;
}

/* ---- all ---- */

static void add_array(struct buf *json, const char *name, struct buf *array)
{
    json_close(array, ']');
    json_raw(json, name, buf_span(array));
    buf_done(array);
}

static void add_restart_needed(struct buf *json, const struct conf *old, const struct conf *new)
{
    AUTO_BUF struct buf names = BUF_INIT(SIZE_MAX);
    conf_restart_needed(old, new, &names);
    json_name(json, "restart_needed");
    buf_add_char(json, '[');
    struct span rest = buf_span(&names), name;
    while (span_cut(&rest, '\n', &name))
        if (name.len)
            json_value_text(json, name);
    json_close(json, ']');
}

static void describe_faults(const struct conf_faults *faults, struct bridge *b, struct buf *error)
{
    for (size_t i = 0; i < faults->n; i++) {
        const struct conf_fault *f = &faults->at[i];
        log_line(b->env.log, LOG_ERR, NULL, NULL, "%s:%u: %s", f->file ? f->file : b->conf->path, f->line,
                 f->text);
        buf_printf(error, "%s%s:%u: %s", i ? "\n" : "", f->file ? f->file : b->conf->path, f->line, f->text);
    }
}

int reload(struct bridge *b, struct buf *json, struct buf *error)
{
    struct conf_faults faults = {0};
    struct conf *new;
    int r = conf_load(b->conf->path, &new, &faults);
    if (r > 0)
        describe_faults(&faults, b, error);
    conf_faults_done(&faults);
    if (r != 0)
        return r > 0 ? RELOAD_FAULT : r;
    struct changes c = {BUF_INIT(SIZE_MAX), BUF_INIT(SIZE_MAX), BUF_INIT(SIZE_MAX)};
    buf_add_char(&c.added, '[');
    buf_add_char(&c.removed, '[');
    buf_add_char(&c.changed, '[');
    r = change_sessions(b, b->conf, new, &c);
    add_array(json, "added", &c.added);
    add_array(json, "removed", &c.removed);
    add_array(json, "changed", &c.changed);
    add_restart_needed(json, bridge_loaded(b), new);
    int taken = bridge_take_conf(b, new, r == 0);
    r = r ? r : taken;
    if (r == 0)
        bridge_tell(b, "reload");
    return r;
}
