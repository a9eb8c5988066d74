/* The verbs `tail` and `watch`: messages as they come. */
#pragma once

#include "ctl/verbs.h"

int feed_tail(struct ctl *c, const struct verb *verb);
int feed_watch(struct ctl *c, const struct verb *verb);
