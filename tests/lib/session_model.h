/* What a consumer of a session's events may rely on, kept beside it the simple way: what is published of every item and row,
 * the states told, and whether each event fits what came before (INTERFACE.md, "Data socket", "Status socket"). */
#pragma once

#include "base/list.h"
#include "proto/session.h"

struct session_model {
    struct list tables; /* those that are not DELETED */
    enum session_state state;
    uint64_t answers; /* told */
    bool lost;        /* a gap said that the session is lost, and it was not connected since */
};

void session_model_init(struct session_model *m);
void session_model_done(struct session_model *m);

/* Hooks to make tables with: values are published so that no two look the same. */
extern const struct table_hooks session_model_hooks;

void session_model_event(struct session_model *m, const struct session_event *e);
/* Between events: the rows that a replay would show are those last published. */
void session_model_rows(const struct session_model *m);
/* After a stop: nothing that was published is left without its gap. */
void session_model_is_void(const struct session_model *m);
