/* What a reload has to do: two configurations compared, setting by setting, after the schema's rows ("Reload touches only what changed",
 * INTERFACE.md). The schema row of every setting says which of these it asks for. */
#pragma once

#include "base/buf.h"
#include "conf/conf.h"

enum conf_change {
    CONF_CHANGE_LIVE = 1 << 0, /* topic, types, encoding, stale_ms: taken over at once */
    CONF_CHANGE_RECONF =
        1 << 1, /* max_frequency: asked of the server (not to or from "unfiltered": that is RESUBSCRIBE) */
    CONF_CHANGE_RESUBSCRIBE = 1 << 2, /* anything else of a table */
    CONF_CHANGE_SESSION = 1 << 3,     /* a session's own setting: the session is made anew */
};

/* The changes between two tables of the same name; 0 when they say the same. */
unsigned conf_table_changes(const struct conf_table *old, const struct conf_table *new);

/* Whether the sessions' own settings differ, tables aside. */
bool conf_session_changed(const struct conf_session *old, const struct conf_session *new);

/* Adds the names of settings outside `sessions` that differ ("publisher.replay", "control.endpoints"…) to NAMES, each ended by a newline. */
void conf_restart_needed(const struct conf *old, const struct conf *new, struct buf *names);

/* Exchanges all settings outside `sessions`. */
void conf_swap_outside(struct conf *one, struct conf *other);

/* By name; NULL when there is none. */
const struct conf_session *conf_find_session(const struct conf *c, const char *name);
const struct conf_table *conf_find_table(const struct conf_session *s, const char *name);
