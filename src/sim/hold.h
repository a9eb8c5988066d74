/* Updates that are held back: by a frequency limit, or because too much waits to be sent. One slot for each row that
 * is limited on its own: the item, or in COMMAND mode each key. */
#pragma once

#include "sim/subscription.h"

/* Sends ROW now, or holds it; KEY is NULL but in COMMAND. ROW is *taken*. */
void hold_offer(struct sub_item *si, struct row *row, struct text *key);

/* Sends what is due of one subscription, and arms its timer for the rest. */
void hold_release(struct subscription *sub);

/* Forgets what is held for KEY (NULL: for all). */
void hold_forget(struct sub_item *si, const struct text *key);

/* In subscription.c: appends the notification. ROW is *taken*. */
void subscription_send(struct sub_item *si, struct row *row);
