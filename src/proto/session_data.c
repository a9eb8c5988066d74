/* Data notifications: what the server says of subscriptions, and the events that their tables make of it. */
#include "proto/session_internal.h"

#include <stdio.h>

/* A SUBOK for an id that was given up, or never given out: the server is to have neither. */
static void on_subok_unknown(struct session *s, uint64_t now, uint64_t sub_id)
{
    struct subscription *sub;
    if (!sub_id || sub_id > s->last_sub_id || s->by_id.count >= LIMIT_SUBSCRIPTIONS)
        session_delete_stray(s, sub_id);
    else if (session_sub_new(s, sub_id, NULL, &sub) < 0)
        session_break(s, now, "out of memory");
    else
        session_sub_drop(s, sub);
}

/* Its table begins, if R is 0; else as table_begin() says. */
static void begun(struct session *s, uint64_t now, struct subscription *sub, int r, const char *why)
{
    if (r < 0) {
        session_break(s, now, "out of memory");
    } else if (r > 0) {
        session_part_fail(s, now, sub->part, "table failed", why, NULL);
    } else {
        session_sub_answered(s, sub);
        sub->stage = SUB_ACTIVE;
        session_part_active(s, now, sub->part);
    }
}

static int begin(const struct session_part *p, const struct tlcp_message *m, const char **ret_why)
{
    bool command = m->tag == TLCP_SUBCMD;
    struct table_counts counts = {m->sub.items, m->sub.fields, command ? m->sub.key_field : 0,
                                  command ? m->sub.command_field : 0};
    struct table *t = p->table->table;
    if (p->kind == PART_KEY) {
        *ret_why = session_second_check(p, m);
        return *ret_why ? TABLE_BAD : 0;
    }
    return p->kind == PART_ITEM ? table_begin_item(t, p->item, p->table->split->n_active, &counts, ret_why)
                                : table_begin(t, &counts, ret_why);
}

static void on_subok(struct session *s, uint64_t now, struct subscription *sub, const struct tlcp_message *m,
                     struct span line)
{
    struct session_part *p = sub->part;
    if (!p)
        return;
    if (sub->stage == SUB_ACTIVE) {
        session_oddity(s, &s->odd_tags[m->tag], "a table subscribed twice", line);
        return;
    }
    const char *why = NULL;
    int r = begin(p, m, &why);
    begun(s, now, sub, r, why);
}

void session_sub_confirm(struct session *s, uint64_t now, struct subscription *sub)
{
    const struct session_part *p = sub->part;
    struct table *t = p->table->table;
    const char *why = NULL;
    int r = 0;
    if (p->kind == PART_ITEM)
        r = table_begin_untold_item(t, p->item, p->table->split->n_active, &why);
    else if (p->kind == PART_WHOLE)
        r = table_begin_untold(t, &why);
    begun(s, now, sub, r, why);
}

static void keep_frequency(struct session *s, struct session_table *t, const char *granted)
{
    if (strcmp(granted, t->max_frequency) == 0)
        return;
    snprintf(t->max_frequency, sizeof t->max_frequency, "%s", granted);
    session_table_set(s, t, t->state, NULL, NULL);
}

void session_granted_frequency(struct session *s, struct session_table *t, const char *max_frequency)
{
    keep_frequency(s, t, max_frequency);
    session_asks_told(s, t);
}

static void on_conf(struct session *s, struct session_part *p, const struct tlcp_message *m)
{
    struct session_table *t = p->table;
    char shown[sizeof t->max_frequency];
    if (p->kind == PART_KEY)
        return;
    session_show(s, span_is(m->texts[1], "unfiltered") ? m->texts[1] : m->texts[0], shown, sizeof shown);
    keep_frequency(s, t, shown);
    /* The first belongs to the subscription, even if another frequency was asked for before it came. */
    if (p->confirmed)
        session_asks_told(s, t);
    p->confirmed = true;
}

static bool on_unsub(struct session *s, uint64_t now, struct subscription *sub, struct session_event *ret)
{
    struct session_part *p = sub->part;
    session_sub_free(s, sub);
    if (p && p->kind == PART_KEY)
        return session_second_unsub(s, now, p, ret);
    if (p)
        session_part_fail(s, now, p, "unsubscribed by the server", "unsubscribed by the server", NULL);
    return false;
}

/* The number, in its table, of item ITEM of a part's subscription; 0: it has no such one. */
static uint64_t item_number(const struct session_part *p, uint64_t item)
{
    if (p->kind == PART_WHOLE)
        return item;
    return item == 1 ? p->item : 0;
}

static bool on_item_message(struct session *s, uint64_t now, const struct session_part *p,
                            const struct tlcp_message *m, struct session_event *ret)
{
    struct session_table *t = p->table;
    struct item *item = table_item(t->table, item_number(p, m->item.item));
    if (!item) {
        session_break(s, now, "an item that the table does not have");
        return false;
    }
    *ret = (struct session_event){.table = t, .item = item, .count = m->item.lost};
    if (m->tag == TLCP_EOS) {
        table_end_snapshot(item);
        ret->kind = SESSION_EVENT_EOS;
    } else if (m->tag == TLCP_CS) {
        table_clear(t->table, item);
        session_second_sweep(s, t);
        ret->kind = SESSION_EVENT_CLEAR;
    } else {
        ret->kind = SESSION_EVENT_LOST;
    }
    item->has_messages = true;
    return true;
}

/* A row that is new has a second level from now on; that of one that is gone goes as well. */
static bool follow_keys(struct session *s, uint64_t now, struct session_table *t,
                        const struct table_update *u)
{
    session_second_sweep(s, t);
    if (!u->row || u->row->ref || session_second_begin(s, t, u->item, u->row) == 0)
        return true;
    session_break(s, now, "out of memory");
    return false;
}

static bool on_update(struct session *s, uint64_t now, const struct session_part *p,
                      const struct tlcp_message *m, struct session_event *ret)
{
    struct session_table *t = p->table;
    const char *why = "out of memory";
    int r = table_apply(t->table, item_number(p, m->item.item), m->rest, &ret->update, &why);
    if (r != 0) {
        char reason[LIMIT_REASON_BYTES];
        snprintf(reason, sizeof reason, "table %s: %s", t->table->options.name, why);
        session_break(s, now, reason);
        return false;
    }
    if (t->table->options.n_second && !follow_keys(s, now, t, &ret->update))
        return false;
    s->counters.updates++;
    ret->update.item->has_messages = true;
    ret->kind = SESSION_EVENT_UPDATE;
    ret->table = t;
    ret->item = ret->update.item;
    return true;
}

/* That the table is active comes before its data: this line is looked at again then. */
static bool again_once_told(struct session *s)
{
    line_again(&s->lines);
    s->counters.lines--;
    return false;
}

/* Text mode: data may overtake the answer to its request, and alone tells how many items and fields there are. Returns whether it can be taken. */
static bool data_confirms(struct session *s, uint64_t now, struct subscription *sub,
                          const struct tlcp_message *m)
{
    uint64_t id = sub->id;
    if (sub->part->table->state == SESSION_TABLE_SILENT) {
        session_break(s, now, "data for a table that was not started");
        return false;
    }
    if (sub->stage != SUB_ACTIVE) {
        session_sub_confirm(s, now, sub);
        sub = session_subscription(s, id);
        return sub && sub->stage == SUB_ACTIVE && again_once_told(s);
    }
    if (sub->part->start != PART_START_NONE) {
        session_sub_answered(s, sub);
        session_part_started(s, now, sub->part);
        return again_once_told(s);
    }
    if (sub->part->kind == PART_KEY)
        return true;
    struct table *t = sub->part->table->table;
    const char *why = "out of memory";
    size_t fields = m->tag == TLCP_U && !t->told_fields ? delta_text_count(m->rest) : 0;
    if (table_meet(t, item_number(sub->part, m->item.item), fields, &why) == 0)
        return true;
    session_break(s, now, why);
    return false;
}

bool session_on_data(struct session *s, uint64_t now, const struct tlcp_message *m, struct span line,
                     struct session_event *ret)
{
    /* sub_id is the first number of all of them. */
    struct subscription *sub = session_subscription(s, m->sub.sub_id);
    bool subok = m->tag == TLCP_SUBOK || m->tag == TLCP_SUBCMD;
    if (!sub) {
        /* What still comes for one that was given up is nothing. */
        if (!m->sub.sub_id || m->sub.sub_id > s->last_sub_id)
            session_oddity(s, &s->odd_subscription, "a table that was never asked for", line);
        if (subok)
            on_subok_unknown(s, now, m->sub.sub_id);
        return false;
    }
    if (subok) {
        on_subok(s, now, sub, m, line);
        return false;
    }
    if (m->tag == TLCP_UNSUB)
        return on_unsub(s, now, sub, ret);
    struct session_part *p = sub->part;
    if (!p)
        return false;
    /* It says nothing of items and rows; nothing tells that it comes behind SUBOK. */
    if (m->tag == TLCP_CONF) {
        on_conf(s, p, m);
        return false;
    }
    if (s->dialect->confirms && sub->stage != SUB_ACTIVE) {
        session_break(s, now, "data for a table before its SUBOK");
        return false;
    }
    if (!s->dialect->confirms && !data_confirms(s, now, sub, m))
        return false;
    session_table_heard(s, now, p->table);
    if (p->kind == PART_KEY)
        return session_second_data(s, now, p, m, ret);
    if (m->tag == TLCP_U)
        return on_update(s, now, p, m, ret);
    return on_item_message(s, now, p, m, ret);
}
