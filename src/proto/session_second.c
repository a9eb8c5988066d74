/* Two-level COMMAND (PROTOCOL.md): every key is an item of its own as well, subscribed in mode MERGE, whose fields stand behind the first level's in
 * the key's row. A key's part lives as long as its row. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

struct session_key {
    struct session_part part;
    struct row_ref ref;
    struct item *item;
};

static struct session_key *key_of(struct session_part *p)
{
    return CONTAINER_OF(p, struct session_key, part);
}

/* ---- with the rows they come and go ---- */

int session_second_begin(struct session *s, struct session_table *t, struct item *item, struct row *row)
{
    struct session_key *k = calloc(1, sizeof *k);
    if (!k || timers_reserve(&s->retries, s->n_parts + 1) < 0) {
        free(k);
        return -ENOMEM;
    }
    session_part_init(s, &k->part, t, PART_KEY, item->pos);
    k->item = item;
    list_init(&k->ref.link);
    k->ref.row = row;
    row->ref = &k->ref;
    t->n_keys++;
    session_part_ask(s, &k->part);
    return 0;
}

static void set_failed(struct session_part *p, bool failed)
{
    p->table->n_keys_failed += (size_t)failed - (size_t)p->failed;
    p->failed = failed;
}

void session_second_sweep(struct session *s, struct session_table *t)
{
    struct list *link;
    while ((link = list_first(&t->table->orphans))) {
        struct session_key *k = CONTAINER_OF(link, struct session_key, ref.link);
        list_remove(link);
        set_failed(&k->part, false);
        session_part_done(s, &k->part);
        t->n_keys--;
        free(k);
    }
}

struct span session_second_name(struct session_part *p)
{
    const struct row *row = key_of(p)->ref.row;
    return span_make(row->key, row->key_len);
}

void session_second_reconf(struct session *s, struct session_table *t)
{
    struct item *item = NULL;
    struct row *row = NULL;
    while (t->n_keys && table_next_row(t->table, &item, &row))
        if (row->ref)
            session_part_reconf(s, &CONTAINER_OF(row->ref, struct session_key, ref)->part);
}

/* ---- what becomes of one ---- */

/* Once for a table and session: of thousands of keys each may be refused, again and again. */
void session_second_tell(struct session *s, struct session_part *p, const char *reason, const int *code)
{
    struct session_table *t = p->table;
    char key[64], number[32] = "";
    if (t->second_told || s->oddity_waits)
        return;
    t->second_told = s->oddity_waits = true;
    session_show(s, session_second_name(p), key, sizeof key);
    if (code)
        snprintf(number, sizeof number, " (code %d)", *code);
    snprintf(s->text, sizeof s->text, "no second level for key %s of table %.100s: %.200s%s (told once)", key,
             t->table->options.name, reason, number);
}

void session_second_failed(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                           const int *code)
{
    uint64_t ms = p->table->retry_failed_ms;
    set_failed(p, true);
    session_second_tell(s, p, reason, code);
    if (ms)
        timers_set(&s->retries, &p->retry, now + session_spread(s, ms));
}

void session_second_active(struct session_part *p)
{
    set_failed(p, false);
}

const char *session_second_check(const struct session_part *p, const struct tlcp_message *m)
{
    if (m->tag == TLCP_SUBCMD)
        return "SUBCMD for a table that is not in mode COMMAND";
    if (m->sub.items != 1)
        return "the server counts other items than are configured";
    return m->sub.fields != p->table->table->options.n_second
               ? "the server counts other fields than are configured"
               : NULL;
}

static void fill_update(struct session_part *p, struct session_event *ret)
{
    ret->kind = SESSION_EVENT_UPDATE;
    ret->table = p->table;
    ret->item = ret->update.item;
    ret->item->has_messages = true;
}

bool session_second_unsub(struct session *s, uint64_t now, struct session_part *p, struct session_event *ret)
{
    struct session_key *k = key_of(p);
    session_part_fail(s, now, p, NULL, "unsubscribed by the server", NULL);
    int r = table_void_second(p->table->table, k->item, k->ref.row, &ret->update);
    if (r < 0)
        session_break(s, now, "out of memory");
    else if (r > 0)
        fill_update(p, ret);
    return r > 0;
}

static bool on_second_update(struct session *s, uint64_t now, struct session_part *p,
                             const struct tlcp_message *m, struct session_event *ret)
{
    struct session_key *k = key_of(p);
    const char *why = "out of memory";
    int r = table_apply_second(p->table->table, k->item, k->ref.row, m->rest, &ret->update, &why);
    if (r != 0) {
        char reason[LIMIT_REASON_BYTES];
        snprintf(reason, sizeof reason, "table %s, second level: %s", p->table->table->options.name, why);
        session_break(s, now, reason);
        return false;
    }
    s->counters.updates++;
    fill_update(p, ret);
    return true;
}

/* In mode MERGE there is no EOS, and nothing that CS could clear: neither means anything. */
bool session_second_data(struct session *s, uint64_t now, struct session_part *p,
                         const struct tlcp_message *m, struct session_event *ret)
{
    if (m->item.item != 1) {
        session_break(s, now, "an item that the table does not have");
        return false;
    }
    if (m->tag == TLCP_U)
        return on_second_update(s, now, p, m, ret);
    if (m->tag != TLCP_OV)
        return false;
    struct item *item = key_of(p)->item;
    *ret = (struct session_event){
        .kind = SESSION_EVENT_LOST, .table = p->table, .item = item, .count = m->item.lost};
    item->has_messages = true;
    return true;
}
