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

/* The table that is there, NOW, becomes NEW. One that was deleted meanwhile is wanted again by whoever changes it,
 * whatever the change. */
static int change_table(struct link *l, const struct conf_table *now, const struct conf_table *new)
{
    unsigned changes = conf_table_changes(now, new);
    if (!(changes & CONF_CHANGE_RESUBSCRIBE) && link_has_table(l, new->name)) {
        link_forget_added(l, new->name);
        return link_change_table(l, new, changes);
    }
    bool started = link_table_started(l, new->name);
    link_remove_table(l, new->name, true);
    int r = link_add_table(l, new);
    if (r == 0 && started)
        link_start_table(l, new->name);
    return r;
}

/* OLD is what the last file said; NULL: nothing. One that was added at run time takes part as what it is: only what the file says
 * otherwise is touched. */
static int take_table(struct link *l, const struct conf_table *old, const struct conf_table *new,
                      struct changes *c)
{
    const struct added_table *added = link_find_added(l, new->name);
    if (old && !conf_table_changes(old, new))
        return 0;
    note(old ? &c->changed : &c->added, link_name(l), new->name);
    if (!old && !added)
        return link_add_table(l, new);
    return change_table(l, added ? added->conf : old, new);
}

static void remove_tables(struct link *l, const struct conf_session *old, const struct conf_session *new,
                          struct changes *c)
{
    for (size_t i = 0; i < old->n_tables; i++) {
        const char *name = old->tables[i].name;
        if (conf_find_table(new, name) || link_find_added(l, name))
            continue;
        note(&c->removed, link_name(l), name);
        link_remove_table(l, name, false);
    }
}

static int change_tables(struct link *l, const struct conf_session *old, const struct conf_session *new,
                         struct changes *c)
{
    int r = 0;
    remove_tables(l, old, new, c);
    for (size_t i = 0; i < new->n_tables &&r == 0; i++)
        r = take_table(l, conf_find_table(old, new->tables[i].name), &new->tables[i], c);
    return r;
}

/* ---- sessions ---- */

/* Whether a table that was added at run time stays: the file says nothing new of that name. */
static bool added_stays(const struct added_table *a, const struct conf_session *old,
                        const struct conf_session *new)
{
    const struct conf_table *before = conf_find_table(old, a->conf->name),
                            *now = conf_find_table(new, a->conf->name);
    return !now || (before && !conf_table_changes(before, now));
}

/* Those of LEFT, whose session was OLD, come along to MADE. That they fit was found before. */
static int carry_added(struct link *left, const struct conf_session *old, const struct conf_session *new,
                       struct link *made)
{
    AUTO_BUF struct buf ignored = BUF_INIT(SIZE_MAX);
    int r = 0;
    for (const struct added_table *a = NULL; r == 0 && (a = link_next_added(left, a));) {
        struct added_table *again = NULL;
        if (!added_stays(a, old, new))
            continue;
        r = added_again(new, a, &again, &ignored);
        if (r == 0)
            link_remove_table(made, a->conf->name, true);
        if (r == 0)
            r = link_add_added(made, again);
        if (r == 0 && link_table_started(left, a->conf->name))
            link_start_table(made, a->conf->name);
    }
    return r < 0 ? r : 0;
}

static int replace_session(struct bridge *b, struct link *left, const struct conf_session *old,
                           const struct conf_session *new)
{
    struct link *made;
    /* The old link is left first: a hold or an end of it must find it leaving. */
    link_leave(left, "the configuration changed", "session replaced", false);
    int r = bridge_add_link(b, new, true, left, &made);
    for (size_t i = 0; r == 0 && i < new->n_tables; i++)
        if (link_table_started(left, new->tables[i].name))
            link_start_table(made, new->tables[i].name);
    return r == 0 ? carry_added(left, old, new, made) : r;
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
        return replace_session(b, l, old, new);
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

static void describe_misfit(struct bridge *b, const char *session, const char *table, struct span faults,
                            struct buf *error)
{
    struct span fault;
    while (faults.len && span_cut(&faults, '\n', &fault)) {
        log_line(b->env.log, LOG_ERR, session, table, "added at run time, does not fit the new file: %.*s",
                 SPAN_ARG(fault));
        buf_printf(error, "%ssession %s: table %s, added at run time: %.*s", error->len ? "\n" : "", session,
                   table, SPAN_ARG(fault));
    }
}

/* Whether the tables that were added at run time fit the sessions that are made anew. Returns 0, RELOAD_FAULT or -ENOMEM. */
static int check_added(struct bridge *b, const struct conf *new, struct buf *error)
{
    int result = 0;
    LIST_EACH(at, &b->links) {
        const struct link *l = link_of(at);
        const struct conf_session *before = conf_find_session(b->conf, link_name(l)),
                                  *s = conf_find_session(new, link_name(l));
        if (!link_is_current(l) || !s || !before || !conf_session_changed(before, s))
            continue;
        for (const struct added_table *a = NULL; (a = link_next_added(l, a));) {
            AUTO_BUF struct buf faults = BUF_INIT(SIZE_MAX);
            struct added_table *again = NULL;
            int r = added_stays(a, before, s) ? added_again(s, a, &again, &faults) : 0;
            added_free(again);
            if (r < 0)
                return r;
            if (r > 0)
                result = RELOAD_FAULT;
            describe_misfit(b, link_name(l), a->conf->name, buf_span(&faults), error);
        }
    }
    return result;
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
    r = check_added(b, new, error);
    if (r != 0) {
        conf_free(new);
        return r;
    }
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
