#include "sim/dialect.h"

#include <inttypes.h>

#include "sim/session.h"
#include "sim/sim.h"
#include "sim/textmode_encode.h"

/* Filler, for intermediaries that hold the first bytes of a response back. */
static void add_preamble(struct buf *out, uint64_t lines)
{
    for (uint64_t i = 0; i < lines; i++)
        buf_add_text(out, "Preamble: ..............................................................\r\n");
}

static void head(struct buf *out, const struct session *s)
{
    const struct sim_options *o = &s->sim->options;
    const struct binding *b = &s->binding;

    buf_printf(out, "OK\r\nSessionId:%s\r\n", s->id);
    if (!span_is(span_of(o->control_link), "*"))
        buf_printf(out, "ControlAddress:%s\r\n", o->control_link);
    if (b->polling)
        buf_printf(out, "PollingMillis:%" PRIu64 "\r\n", b->polling_ms);
    else
        buf_printf(out, "KeepaliveMillis:%" PRIu64 "\r\n", b->keepalive_ms);
    if (b->report_info && !span_is(span_of(s->pace.text), "unlimited"))
        buf_printf(out, "MaxBandwidth:%s\r\n", s->pace.text);
    buf_printf(out, "RequestLimit:%" PRIu64 "\r\n", o->request_limit_bytes);
    if (b->report_info)
        buf_printf(out, "ServerName:%s\r\n", o->server_name);
    buf_add_text(out, "\r\n");
    if (!b->polling)
        add_preamble(out, o->preamble_lines);
}

/* A stream whose length is used up is bound again at once; after a poll it is told when. */
static void loop(struct buf *out, uint64_t delay_ms, bool polling)
{
    buf_add_text(out, "LOOP");
    if (delay_ms > 0 || polling)
        buf_printf(out, " %" PRIu64, delay_ms);
    buf_add_text(out, "\r\n");
}

static void end(struct buf *out, int code, struct span message)
{
    (void)message; /* has no place here */
    buf_printf(out, "END %d\r\n", code);
}

/* What is code 20 in TLCP, a session that is not known, is a word of its own. */
static void refusal(struct buf *out, int code, struct span text)
{
    if (code == 20) {
        buf_add_text(out, "SYNC ERROR\r\n");
        return;
    }
    buf_printf(out, "ERROR\r\n%d\r\n", code);
    textmode_words(out, text);
    buf_add_text(out, "\r\n");
}

static void update(struct buf *out, uint64_t id, size_t pos, const struct row *previous,
                   const struct row *now, unsigned diffs)
{
    (void)diffs;
    buf_printf(out, "%" PRIu64 ",%zu", id, pos);
    textmode_values(out, previous, now);
    buf_add_text(out, "\r\n");
}

static void mark(struct buf *out, uint64_t id, size_t pos, const char *tag, const uint64_t *number)
{
    buf_printf(out, "%" PRIu64 ",%zu,%s", id, pos, tag);
    if (number)
        buf_add_u64(out, *number);
    buf_add_text(out, "\r\n");
}

static void outcome(struct buf *out, struct span sequence, uint64_t prog, int code, struct span text)
{
    buf_printf(out, "MSG,%.*s,%" PRIu64 ",%s", SPAN_ARG(sequence), prog, code == 0 ? "DONE" : "ERR,");
    if (code != 0) {
        buf_printf(out, "%d,", code);
        textmode_words(out, text);
    }
    buf_add_text(out, "\r\n");
}

const struct dialect dialect_text = {
    .name = "text",
    .head = head,
    .loop = loop,
    .end = end,
    .refusal = refusal,
    .update = update,
    .mark = mark,
    .outcome = outcome,
};
