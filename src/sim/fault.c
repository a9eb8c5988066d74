#include "sim/fault.h"

#include <fnmatch.h>

#include "base/util.h"
#include "sim/memory.h"
#include "sim/options.h"

struct item_refusal {
    struct list link;
    char *pattern; /* owned */
    struct refusal refusal;
};

void faults_init(struct faults *f, const struct sim_options *o)
{
    *f = (struct faults){
        .keep = o->keep,
        .cut_every = o->cut_every,
        .loop_every = o->loop_every,
        .drop_every = o->drop_every,
        .cut_bytes = o->cut_bytes,
        .cut_ms = o->cut_ms,
    };
    f->late_ms[REQUEST_CONTROL] = (int64_t)o->late_ms;
    list_init(&f->refuse_items);
    list_init(&f->message_rules);
}

static void free_item_refusal(struct item_refusal *item)
{
    list_remove(&item->link);
    free(item->pattern);
    free(item->refusal.text);
    free(item);
}

static void free_rule(struct message_rule *rule)
{
    list_remove(&rule->link);
    free(rule->pattern);
    free(rule->text);
    free(rule);
}

void faults_done(struct faults *f)
{
    free(f->grant_bandwidth);
    for (size_t i = 0; i < ARRAY_LENGTH(f->refuse); i++)
        free(f->refuse[i].text);
    for (size_t i = 0; i < ARRAY_LENGTH(f->refuse_operation); i++)
        free(f->refuse_operation[i].text);
    LIST_EACH_SAFE(link, &f->refuse_items)
        free_item_refusal(CONTAINER_OF(link, struct item_refusal, link));
    LIST_EACH_SAFE(link, &f->message_rules)
        free_rule(CONTAINER_OF(link, struct message_rule, link));
}

/* --- refusals --- */

static const struct refusal *counted(struct refusal *r)
{
    if (r->times == 0)
        return NULL;
    if (r->times != UINT64_MAX)
        r->times--;
    return r;
}

const struct refusal *faults_refuse(struct faults *f, enum request_kind kind)
{
    return counted(&f->refuse[kind]);
}

const struct refusal *faults_refuse_operation(struct faults *f, enum rules operation)
{
    const struct refusal *r = counted(&f->refuse_operation[operation]);

    return r ? r : faults_refuse(f, REQUEST_CONTROL);
}

/* A pattern without wildcards is compared as it is, so that names of any kind can be meant. */
static bool fits(const char *pattern, struct span text)
{
    if (span_is(text, pattern))
        return true;
    if (!strpbrk(pattern, "*?["))
        return false;
    AUTO_FREE char *copy = memory_dup(text);

    return fnmatch(pattern, copy, 0) == 0;
}

const struct refusal *faults_refuse_item(struct faults *f, struct span name)
{
    LIST_EACH(link, &f->refuse_items) {
        struct item_refusal *item = CONTAINER_OF(link, struct item_refusal, link);
        const struct refusal *r = fits(item->pattern, name) ? counted(&item->refusal) : NULL;

        if (r)
            return r;
    }
    return NULL;
}

void faults_set_item(struct faults *f, struct span pattern, struct refusal *r)
{
    struct item_refusal *made;

    LIST_EACH_SAFE(link, &f->refuse_items) {
        struct item_refusal *item = CONTAINER_OF(link, struct item_refusal, link);

        if (span_is(pattern, item->pattern))
            free_item_refusal(item);
    }
    made = memory_get(sizeof(*made));
    made->pattern = memory_dup(pattern);
    made->refusal = *r;
    list_append(&f->refuse_items, &made->link);
}

/* --- messages --- */

void faults_set_message(struct faults *f, struct message_rule *rule)
{
    LIST_EACH_SAFE(link, &f->message_rules) {
        struct message_rule *old = CONTAINER_OF(link, struct message_rule, link);

        if (strcmp(old->pattern, rule->pattern) == 0)
            free_rule(old);
    }
    list_init(&rule->link);
    if (rule->fate == MESSAGE_USUAL && rule->late_ms == 0)
        free_rule(rule);
    else
        list_append(f->message_rules.next, &rule->link); /* before the first */
}

const struct message_rule *faults_message(const struct faults *f, struct span text)
{
    LIST_EACH(link, &f->message_rules) {
        const struct message_rule *rule = CONTAINER_OF(link, struct message_rule, link);

        if (fits(rule->pattern, text))
            return rule;
    }
    return NULL;
}
