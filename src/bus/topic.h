/* Topic templates: "{table}/{item}/" -> the topic of each message. Pure; sees base alone. */
#pragma once

#include "base/buf.h"

/* What the configuration alone may make of a topic. Keys come on top. */
enum { TOPIC_MAX_BYTES = 16 * 1024 };

/* One item's topic, expanded but for its {key}s. */
struct topic {
    struct buf text; /* owned; ill-formed UTF-8 already replaced */
    size_t *keys;    /* owned; where in TEXT each {key} goes, ascending */
    size_t n_keys;
};

struct topic_names {
    struct span session, table, item;
    size_t pos;
};

/* Checks a template: 0, or 1 with a sentence in ERROR (an unknown {name}, an unclosed brace). */
int topic_check(struct span text, struct buf *error);

/* Expands a template that topic_check() found good. Returns 0, -ENOMEM, -ENOBUFS (longer than
 * TOPIC_MAX_BYTES), or -EINVAL (never checked). *RET is *owned* (topic_done), in any case. */
int topic_expand(struct span text, const struct topic_names *names, struct topic *ret);
/* Fine on a zeroed one, and twice. */
void topic_done(struct topic *t);

/* Adds the topic of a message whose key is KEY (empty: none). Errors stick in OUT. */
void topic_write(const struct topic *t, struct span key, struct buf *out);
