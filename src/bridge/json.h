/* JSON objects written straight into a buffer: for status messages and control replies, which embed rows that are JSON already.
 * Commas come by themselves. Errors stick in the buffer. */
#pragma once

#include "base/buf.h"

void json_open(struct buf *b, char bracket);  /* '{' or '[' */
void json_close(struct buf *b, char bracket); /* '}' or ']' */
void json_name(struct buf *b, const char *name);
void json_value_text(struct buf *b, struct span text);
void json_value_u64(struct buf *b, uint64_t value);

void json_text(struct buf *b, const char *name, const char *text); /* nothing when TEXT is NULL */
void json_span(struct buf *b, const char *name, struct span text);
void json_u64(struct buf *b, const char *name, uint64_t value);
void json_i64(struct buf *b, const char *name, int64_t value);
void json_bool(struct buf *b, const char *name, bool value);
/* A number where TEXT is one, else a string; nothing when it is NULL. */
void json_amount(struct buf *b, const char *name, const char *text);
void json_raw(struct buf *b, const char *name, struct span json);
