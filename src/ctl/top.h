/* The verb `top`: what `status` shows, and how fast, as it changes. */
#pragma once

#include "ctl/verbs.h"

int top(struct ctl *c, const struct verb *verb);
