#include "sim/dialect.h"

#include <inttypes.h>

#include "sim/conn.h"
#include "sim/encode.h"
#include "sim/session.h"
#include "sim/sim.h"

static void head(struct buf *out, const struct session *s)
{
    const struct sim_options *o = &s->sim->options;
    uint64_t life_ms = s->binding.polling ? s->binding.idle_ms : s->binding.keepalive_ms;

    buf_printf(out, "CONOK,%s,%" PRIu64 ",%" PRIu64 ",%s\r\n", s->id, o->request_limit_bytes, life_ms,
               o->control_link);
    if (!s->binding.reduce_head) {
        buf_add_text(out, "SERVNAME,");
        encode_argument(out, span_of(o->server_name));
        buf_printf(out, "\r\nCLIENTIP,%s\r\n", s->conn->peer);
    }
    for (uint64_t i = 0; i < o->preamble_lines && !s->conn->ws && !s->binding.polling; i++)
        buf_add_text(out, "NOOP,sending placeholder data\r\n");
    if (!s->no_cons)
        buf_printf(out, "CONS,%s\r\n", s->pace.text);
}

static void loop(struct buf *out, uint64_t delay_ms, bool polling)
{
    (void)polling;
    buf_printf(out, "LOOP,%" PRIu64 "\r\n", delay_ms);
}

static void coded(struct buf *out, const char *tag, int code, struct span text)
{
    buf_printf(out, "%s,%d,", tag, code);
    encode_argument(out, text);
    buf_add_text(out, "\r\n");
}

static void end(struct buf *out, int code, struct span message)
{
    coded(out, "END", code, message);
}

static void refusal(struct buf *out, int code, struct span text)
{
    coded(out, "CONERR", code, text);
}

static void update(struct buf *out, uint64_t id, size_t pos, const struct row *previous,
                   const struct row *now, unsigned diffs)
{
    buf_printf(out, "U,%" PRIu64 ",%zu,", id, pos);
    encode_values(out, previous, now, diffs);
    buf_add_text(out, "\r\n");
}

static void mark(struct buf *out, uint64_t id, size_t pos, const char *tag, const uint64_t *number)
{
    buf_printf(out, "%s,%" PRIu64 ",%zu", tag, id, pos);
    if (number)
        buf_printf(out, ",%" PRIu64, *number);
    buf_add_text(out, "\r\n");
}

static void outcome(struct buf *out, struct span sequence, uint64_t prog, int code, struct span text)
{
    buf_printf(out, "%s,%.*s,%" PRIu64, code == 0 ? "MSGDONE" : "MSGFAIL", SPAN_ARG(sequence), prog);
    if (code != 0)
        buf_printf(out, ",%d", code);
    if (text.at)
        buf_add_char(out, ',');
    encode_argument(out, text);
    buf_add_text(out, "\r\n");
}

const struct dialect dialect_tlcp = {
    .name = "tlcp",
    .tells_of_subs = true,
    .head = head,
    .loop = loop,
    .end = end,
    .refusal = refusal,
    .update = update,
    .mark = mark,
    .outcome = outcome,
};
