/* An intrusive doubly linked list: the link is a member of what is listed, so linking never allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct list {
    struct list *next,
        *previous; /* a head that is empty, and an item that is in no list, point to themselves */
};

static inline void list_init(struct list *l)
{
    l->next = l->previous = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* ITEM must be in no list. */
static inline void list_append(struct list *head, struct list *item)
{
    item->previous = head->previous;
    item->next = head;
    head->previous->next = item;
    head->previous = item;
}

/* Fine on an item that is in no list. */
static inline void list_remove(struct list *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    list_init(item);
}

/* The first item's link, or NULL. */
static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

/* VARIABLE: a `struct list *` that walks; the item it stands on must not be removed. */
#define LIST_EACH(variable, head)                                                                            \
    for (struct list *variable = (head)->next; variable != (head); variable = variable->next)

/* The same, and the item it stands on may be removed and freed. */
#define LIST_EACH_SAFE(variable, head)                                                                       \
    for (struct list *variable = (head)->next, *variable##_next = variable->next; variable != (head);        \
         variable = variable##_next, variable##_next = variable->next)
