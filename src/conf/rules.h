/* What concerns several settings at once: what contradicts, what needs something else, what must be unique. */
#pragma once

#include "conf/build.h"

/* C was built from ROOT, faults and all. */
void rules_check(struct conf_build *b, const struct conf *c, const struct conf_node *root);

/* One table of S, with all that does not concern the others. */
void rules_table(struct conf_build *b, const struct conf_scope *scope, const struct conf_session *s,
                 const struct conf_table *t, const struct conf_node *node);
