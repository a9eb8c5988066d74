/* The verb `add-table`. */
#pragma once

#include "ctl/verbs.h"

int add_table(struct ctl *c, const struct verb *verb);
