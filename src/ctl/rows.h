/* The verb `get`: current rows, page by page. */
#pragma once

#include "ctl/verbs.h"

int rows_get(struct ctl *c, const struct verb *verb);
