/* One-line JSON objects, built member by member into a buffer. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* Begins an object whose first member is "event":NAME; json_end() closes it. */
void json_begin(struct buf *b, const char *event);
void json_end(struct buf *b);

void json_text(struct buf *b, const char *key, struct span value);
void json_number(struct buf *b, const char *key, int64_t value);
void json_count(struct buf *b, const char *key, uint64_t value);
void json_bool(struct buf *b, const char *key, bool value);

/* Begins the member KEY; its value comes next. */
void json_key(struct buf *b, const char *key);

/* A string: quotes, escapes; each ill-formed byte becomes U+FFFD. */
void json_string(struct buf *b, struct span value);
