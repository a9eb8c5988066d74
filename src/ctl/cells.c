#include "ctl/cells.h"

#include <time.h>

void cells_head(struct grid *g, const char *const *titles)
{
    for (size_t i = 0; i < g->n_columns; i++)
        grid_add(g, span_of(titles[i]));
}

void cells_add(struct grid *g, struct json_object *object, const char *key)
{
    struct json_object *value = reply_get(object, key);
    AUTO_BUF struct buf text = BUF_INIT(64 << 10);
    if (json_object_is_type(value, json_type_string))
        buf_add_span(&text, reply_text(object, key));
    else if (value)
        reply_add_value(&text, value);
    grid_add(g, text.len > 0 ? buf_span(&text) : SPAN("-"));
}

void cells_add_bytes(struct grid *g, struct json_object *object, const char *key, const char *unit)
{
    int64_t bytes = reply_integer(object, key, -1);
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (bytes >= 0) {
        text_add_bytes(&text, (uint64_t)bytes);
        buf_add_text(&text, unit);
    }
    grid_add(g, bytes >= 0 ? buf_span(&text) : SPAN("-"));
}

int64_t cells_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void cells_add_age(struct grid *g, struct json_object *object, const char *key, int64_t now_us)
{
    int64_t since_us = reply_integer(object, key, -1);
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (since_us > 0)
        text_add_duration(&text, (now_us - since_us) / 1000);
    grid_add(g, since_us > 0 ? buf_span(&text) : SPAN("-"));
}

/* BEFORE and the texts of LIST, with commas between; nothing of an empty one. */
static void add_words(struct buf *out, const char *before, struct json_object *list)
{
    for (size_t i = 0; i < reply_length(list); i++) {
        buf_add_text(out, i ? ", " : before);
        text_add_plain(out, span_of(json_object_get_string(json_object_array_get_idx(list, i))));
    }
}

void cells_add_reason(struct buf *out, struct json_object *object, const char *name_key, bool retry)
{
    struct json_object *reason = reply_get(object, "reason"), *code = reply_get(object, "code");
    int64_t retry_ms = retry ? reply_integer(object, "retry_in_ms", -1) : -1;
    if (!reason && !code && retry_ms < 0)
        return;
    buf_add_text(out, "  ");
    text_add_plain(out, reply_text(object, name_key));
    buf_add_char(out, ':');
    if (reason) {
        buf_add_char(out, ' ');
        text_add_plain(out, reply_text(object, "reason"));
    }
    if (code) {
        buf_add_text(out, " (code ");
        reply_add_value(out, code);
        buf_add_char(out, ')');
    }
    add_words(out, "; items: ", reply_get(object, "failed_items"));
    if (retry_ms >= 0)
        buf_printf(out, "%s retry in %.1f s", reason || code ? "," : "", (double)retry_ms / 1000);
    buf_add_char(out, '\n');
}
