/* Cells of a grid out of JSON objects: "-" for what is not known. */
#pragma once

#include "ctl/reply.h"
#include "ctl/text.h"

/* A row of titles, as many as the grid has columns. */
void cells_head(struct grid *g, const char *const *titles);
/* KEY's value; "-" when it is missing, null or empty. */
void cells_add(struct grid *g, struct json_object *object, const char *key);
/* An integer as bytes, with UNIT ("/s") behind it. */
void cells_add_bytes(struct grid *g, struct json_object *object, const char *key, const char *unit);
/* How long before NOW_US KEY (both in microseconds since 1970) was; "-" also for never, which is 0. */
void cells_add_age(struct grid *g, struct json_object *object, const char *key, int64_t now_us);

/* Microseconds since 1970. */
int64_t cells_now_us(void);

/* Adds why an object is as it is, as one line: "  demo: refused by the server (code 7), retry in 12.0 s"; RETRY: with the last of these. Nothing
 * when it does not say. */
void cells_add_reason(struct buf *out, struct json_object *object, const char *name_key, bool retry);
