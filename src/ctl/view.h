/* The daemon's replies for people: each adds lines to OUT and takes whatever is missing as unknown. */
#pragma once

#include "ctl/reply.h"

/* What a server granted. */
void view_granted(struct buf *out, struct json_object *reply);
/* To a message. */
void view_response(struct buf *out, struct json_object *reply);
void view_ok(struct buf *out, struct json_object *reply);
void view_status(struct buf *out, struct json_object *reply);
void view_sessions(struct buf *out, struct json_object *reply);
/* What holds between each session and its server. */
void view_details(struct buf *out, struct json_object *reply);
void view_tables(struct buf *out, struct json_object *reply);
void view_reload(struct buf *out, struct json_object *reply);
void view_config(struct buf *out, struct json_object *reply);
void view_version(struct buf *out, struct json_object *reply);
