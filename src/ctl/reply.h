/* Looking into JSON that may lack anything: a missing key, or one of another type, is NULL, empty or the default. */
#pragma once

#include <json-c/json.h>

#include "base/buf.h"

#define AUTO_JSON CLEANUP(reply_free)
void reply_free(struct json_object **object);

/* Parses TEXT, strictly. *RET is *owned*. Returns 0, 1 when it is no JSON object, or -ENOMEM. */
int reply_parse(struct span text, struct json_object **ret);

/* The value of KEY in OBJECT; all of these take a NULL object and return borrowed values. */
struct json_object *reply_get(struct json_object *object, const char *key);
/* Only a string's; otherwise empty. */
struct span reply_text(struct json_object *object, const char *key);
int64_t reply_integer(struct json_object *object, const char *key, int64_t otherwise);
bool reply_true(struct json_object *object, const char *key);
/* Elements of an array; 0 when it is none. */
size_t reply_length(struct json_object *array);

/* Adds any value as one word for people: strings by text_add_value(), null as "null", the rest as JSON. */
void reply_add_value(struct buf *out, struct json_object *value);

/* Calls TAKE for each member of OBJECT, in its order; for those of nested objects too, with PATH "key.key". Members of OBJECT itself
 * that SKIP (ending with NULL; may be NULL) names are left out. PATH is borrowed for the call, ready for people. */
void reply_each(struct json_object *object, const char *const *skip,
                void (*take)(void *to, struct span path, struct json_object *value), void *to);

/* Adds " path=value" for each member. */
void reply_add_members(struct buf *out, struct json_object *object);
/* The same without those that are null or in SKIP. */
void reply_add_known(struct buf *out, struct json_object *object, const char *const *skip);
