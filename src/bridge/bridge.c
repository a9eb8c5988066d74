#include "config.h"

#include "bridge/bridge.h"

#include <errno.h>

#include "bridge/clock.h"
#include "bridge/json.h"
#include "conf/diff.h"

struct link *bridge_find_link(const struct bridge *b, const char *name)
{
    LIST_EACH(at, &b->links)
        if (link_is_current(link_of(at)) && strcmp(link_name(link_of(at)), name) == 0)
            return link_of(at);
    return NULL;
}

int bridge_add_link(struct bridge *b, const struct conf_session *conf, bool replaces, struct link *after,
                    struct link **ret)
{
    int r = link_new(&b->env, conf, replaces, after, ret);
    if (r == 0)
        list_append(&b->links, link_in_links(*ret));
    return r;
}

static void release_waiting(struct bridge *b, const struct link *gone)
{
    LIST_EACH(at, &b->links)
        if (link_waits_for(link_of(at), gone)) {
            link_is_free_of(link_of(at));
            return;
        }
}

void bridge_sweep(struct bridge *b)
{
    LIST_EACH_SAFE(at, &b->links) {
        struct link *l = link_of(at);
        if (!link_is_over(l))
            continue;
        list_remove(at);
        release_waiting(b, l);
        link_free(l);
    }
}

const struct conf *bridge_loaded(const struct bridge *b)
{
    return b->loaded ? b->loaded : b->conf;
}

int bridge_take_conf(struct bridge *b, struct conf *taken_new, bool whole)
{
    struct conf *loaded = calloc(1, sizeof *loaded);
    if (loaded) {
        conf_swap_outside(loaded, taken_new);
        conf_swap_outside(taken_new, b->conf);
        conf_free(b->loaded);
        b->loaded = loaded;
    }
    conf_free(TAKE(b->old_conf));
    if (whole)
        conf_free(b->conf);
    else
        b->old_conf = b->conf;
    b->conf = taken_new;
    return loaded ? 0 : -ENOMEM;
}

void bridge_tell(struct bridge *b, const char *event)
{
    struct buf *json = status_begin(b->env.status, "bridge", NULL, NULL);
    json_text(json, "event", event);
    json_text(json, "version", PACKAGE_VERSION);
    json_text(json, "config", b->conf->path);
    json_raw(json, "endpoints", buf_span(&b->endpoints));
    status_end(b->env.status, true);
}

void bridge_add_stats(const struct bridge *b, struct buf *json)
{
    struct feed_counters c = feed_counters(b->env.feed);
    json_u64(json, "uptime_ms", (clock_monotonic_us() - b->started_us) / 1000);
    json_u64(json, "messages", c.messages);
    json_u64(json, "replayed", c.replayed);
    json_u64(json, "holds", c.holds);
    json_u64(json, "held_ms", c.held_us / 1000);
    json_u64(json, "dropped", c.dropped);
    json_u64(json, "misfits", c.misfits);
    json_name(json, "sessions");
    json_open(json, '{');
    LIST_EACH(at, &b->links) {
        if (!link_is_current(link_of(at)))
            continue;
        json_name(json, link_name(link_of(at)));
        json_open(json, '{');
        link_add_counters(link_of(at), json);
        json_close(json, '}');
    }
    json_close(json, '}');
}

/* The tables of S that are there, as its link L has them; those that were added come last. They stay where they are. */
static int tables_in_effect(const struct link *l, const struct conf_session *s, struct conf_session *ret)
{
    struct conf_table *tables = calloc(s->n_tables + link_count_tables(l) + 1, sizeof *tables);
    size_t n = 0;
    if (!tables)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_tables; i++)
        if (link_has_table(l, s->tables[i].name) && !link_find_added(l, s->tables[i].name))
            tables[n++] = s->tables[i];
    for (const struct added_table *a = NULL; (a = link_next_added(l, a));)
        tables[n++] = *a->conf;
    ret->tables = tables;
    ret->n_tables = n;
    return 0;
}

int bridge_add_config(const struct bridge *b, struct buf *json)
{
    struct conf shown = *b->conf;
    AUTO_FREE struct conf_session *sessions = calloc(shown.n_sessions + 1, sizeof *sessions);
    int r = sessions ? 0 : -ENOMEM;
    size_t n = 0;
    for (; r == 0 && n < shown.n_sessions; n++) {
        const struct link *l = bridge_find_link(b, shown.sessions[n].name);
        sessions[n] = shown.sessions[n];
        sessions[n].tables = NULL;
        sessions[n].n_tables = 0;
        if (l)
            r = tables_in_effect(l, &shown.sessions[n], &sessions[n]);
    }
    shown.sessions = sessions;
    if (r == 0)
        conf_print_json(&shown, json);
    while (n > 0)
        free(sessions[--n].tables);
    return r;
}

void bridge_count(const struct bridge *b, size_t *ret_all, size_t *ret_connected)
{
    *ret_all = *ret_connected = 0;
    LIST_EACH(at, &b->links) {
        if (!link_is_current(link_of(at)))
            continue;
        ++*ret_all;
        *ret_connected += link_report(link_of(at))->state == SESSION_CONNECTED;
    }
}
