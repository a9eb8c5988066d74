#include "ctl/rows.h"

#include <errno.h>

#include "ctl/text.h"

enum { ROWS_A_PAGE = 1000 }; /* the most that INTERFACE.md allows */

/* [SESSION/]TABLE [ITEM] */
static struct json_object *page_request(const struct options *o, struct span after)
{
    struct json_object *request = ctl_request("rows");
    if (!request)
        return NULL;
    const char *table = o->n_arguments > 0 ? o->arguments[0] : NULL,
               *slash = table ? strchr(table, '/') : NULL;
    if (slash)
        json_object_object_add(request, "session", json_object_new_string_len(table, (int)(slash - table)));
    ctl_request_add(request, "table", slash ? slash + 1 : table);
    ctl_request_add(request, "item", o->n_arguments > 1 ? o->arguments[1] : NULL);
    json_object_object_add(request, "limit", json_object_new_int(ROWS_A_PAGE));
    if (after.at)
        json_object_object_add(request, "after", json_object_new_string_len(after.at, (int)after.len));
    return request;
}

static void add_row(struct buf *out, struct json_object *row)
{
    text_add_value(out, reply_text(row, "session"));
    buf_add_char(out, '/');
    text_add_value(out, reply_text(row, "table"));
    buf_add_char(out, ' ');
    text_add_value(out, reply_text(row, "item"));
    reply_add_members(out, reply_get(row, "fields"));
    buf_add_char(out, '\n');
}

static int add_page(struct ctl *c, struct json_object *page)
{
    struct json_object *rows = reply_get(page, "rows");
    for (size_t i = 0; i < reply_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        if (!c->options->json) {
            add_row(&c->out, row);
            continue;
        }
        buf_add_text(&c->out, json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
        buf_add_char(&c->out, '\n');
    }
    return ctl_flush(c);
}

/* Copies KEY's text to KEEP. Returns whether it was there before with another value. */
static bool keep_text(struct buf *keep, struct json_object *page, const char *key)
{
    struct span now = reply_text(page, key);
    bool other = keep->len > 0 && !span_equal(buf_span(keep), now);
    buf_clear(keep);
    buf_add_span(keep, now);
    return other;
}

int rows_get(struct ctl *c, const struct verb *verb)
{
    (void)verb;
    AUTO_BUF struct buf run = BUF_INIT(256), next = BUF_INIT(1 << 20);
    do {
        AUTO_JSON struct json_object *page = NULL;
        int r = ctl_ask(c, page_request(c->options, buf_span(&next)), &page);
        if (r == CTL_FAILED && c->options->json && c->reply.len > 0)
            ctl_add_reply(c);
        if (r != CTL_OK)
            return r;
        if (keep_text(&run, page, "run")) {
            buf_printf(&c->error, "%s: the daemon was restarted while its rows were read",
                       c->options->endpoint);
            return CTL_FAILED;
        }
        keep_text(&next, page, "next");
        r = add_page(c, page);
        if (r != CTL_OK)
            return r;
        if (buf_error(&run) || buf_error(&next))
            return -ENOMEM;
    } while (next.len > 0 && !c->out_gone);
    return CTL_OK;
}
