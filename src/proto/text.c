#include "proto/text.h"

#include <errno.h>

#include "base/escape.h"
#include "proto/limits.h"

/* What SYNC ERROR says, as a code of TLCP's: session not found. */
enum { SESSION_NOT_FOUND = 20 };

/* ---- life ---- */

void text_init(struct text_reader *r, enum text_source source)
{
    *r = (struct text_reader){.source = source};
    buf_init(&r->session_id, LIMIT_SESSION_ID_BYTES);
    buf_init(&r->control_link, LIMIT_CONTROL_LINK_BYTES);
    buf_init(&r->bandwidth, LIMIT_REASON_BYTES);
    buf_init(&r->server_name, LIMIT_REASON_BYTES);
}

void text_done(struct text_reader *r)
{
    buf_wipe(&r->session_id);
    buf_done(&r->control_link);
    buf_done(&r->bandwidth);
    buf_done(&r->server_name);
}

void text_reset(struct text_reader *r)
{
    r->at = TEXT_AT_START;
    buf_clear(&r->session_id);
    buf_clear(&r->control_link);
    buf_clear(&r->bandwidth);
    buf_clear(&r->server_name);
    r->request_limit_bytes = r->keepalive_ms = r->polling_ms = 0;
}

/* ---- words ---- */

/* Takes PREFIX off the front of *S. */
static bool take_prefix(struct span *s, const char *prefix)
{
    struct span p = span_of(prefix);
    if (!span_starts(*s, p))
        return false;
    *s = span_make(s->at + p.len, s->len - p.len);
    return true;
}

/* A number up to TERMINATOR, which is taken, too. */
static bool take_number(struct span *rest, char terminator, uint64_t *ret)
{
    const char *p = rest->at, *end = rest->at + rest->len;
    uint64_t value = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - rest->at < 18)
        value = value * 10 + (uint64_t)(*p++ - '0');
    if (p == rest->at || p == end || *p != terminator)
        return false;
    *rest = span_make(p + 1, (size_t)(end - p) - 1);
    *ret = value;
    return true;
}

/* ---- the head ---- */

struct head_name {
    const char *name;
    size_t buf_at, number_at; /* in text_reader; one of them, the other is 0 */
};

static const struct head_name head_names[] = {
    {"SessionId:", offsetof(struct text_reader, session_id), 0},
    {"ControlAddress:", offsetof(struct text_reader, control_link), 0},
    {"MaxBandwidth:", offsetof(struct text_reader, bandwidth), 0},
    {"ServerName:", offsetof(struct text_reader, server_name), 0},
    {"KeepaliveMillis:", 0, offsetof(struct text_reader, keepalive_ms)},
    {"PollingMillis:", 0, offsetof(struct text_reader, polling_ms)},
    {"RequestLimit:", 0, offsetof(struct text_reader, request_limit_bytes)},
};

/* A line of the head. What it does not know, and what is no number where one should be, says nothing. */
static int take_head(struct text_reader *r, struct span line)
{
    for (size_t i = 0; i < ARRAY_LENGTH(head_names); i++) {
        const struct head_name *h = &head_names[i];
        struct span value = line;
        if (!take_prefix(&value, h->name))
            continue;
        while (value.len && value.at[0] == ' ')
            value = span_from(value, 1);
        if (h->number_at) {
            (void)span_to_u64(value, UINT64_MAX, (uint64_t *)(void *)((char *)r + h->number_at));
            return TEXT_NOTHING;
        }
        struct buf *text = (struct buf *)(void *)((char *)r + h->buf_at);
        buf_clear(text);
        buf_add_span(text, value);
        return buf_error(text) == -ENOMEM ? -ENOMEM : TEXT_NOTHING;
    }
    return TEXT_NOTHING;
}

/* Some servers write the address as an URL; the scheme stays as it was, whatever it says. */
static struct span link_of(const struct text_reader *r)
{
    struct span link = buf_span(&r->control_link);
    if (!take_prefix(&link, "http://"))
        take_prefix(&link, "https://");
    return link.len ? link : SPAN("*");
}

static int end_head(struct text_reader *r, struct tlcp_message *ret)
{
    r->at = TEXT_AT_BODY;
    ret->tag = TLCP_CONOK;
    ret->texts[0] = buf_span(&r->session_id);
    ret->texts[1] = buf_error(&r->control_link) ? SPAN("") : link_of(r);
    ret->conok.request_limit_bytes = r->request_limit_bytes;
    ret->conok.keepalive_ms = r->keepalive_ms;
    return 0;
}

int text_next(struct text_reader *r, struct tlcp_message *ret)
{
    if (r->at != TEXT_AT_BODY)
        return TEXT_NOTHING;
    struct buf *text = r->bandwidth.len ? &r->bandwidth : &r->server_name;
    if (!text->len)
        return TEXT_NOTHING;
    *ret = (struct tlcp_message){.tag = text == &r->bandwidth ? TLCP_CONS : TLCP_SERVNAME,
                                 .rest = buf_span(text)};
    /* Said; its bytes stay for the message. */
    text->len = 0;
    return 0;
}

/* ---- refusals ---- */

static int refusal(struct text_reader *r, int code, struct span text, struct tlcp_message *ret)
{
    ret->tag = r->source == TEXT_ANSWERS ? TLCP_REQERR : TLCP_CONERR;
    ret->code = code;
    ret->rest = text.at ? text : SPAN("");
    if (r->source == TEXT_ANSWERS)
        r->at = TEXT_AT_START;
    else if (r->at != TEXT_AT_START)
        r->at = TEXT_AT_BODY;
    return 0;
}

static int take_error_code(struct text_reader *r, struct span line, struct tlcp_message *ret)
{
    if (!span_to_int(line, &r->code)) {
        ret->tag = TLCP_BAD;
        return 0;
    }
    r->at = TEXT_AT_ERROR_TEXT;
    return TEXT_NOTHING;
}

static int end_of_session(struct text_reader *r, const int *code, struct tlcp_message *ret)
{
    r->at = TEXT_AT_BODY;
    *ret =
        (struct tlcp_message){.tag = TLCP_END, .no_code = !code, .code = code ? *code : 0, .rest = SPAN("")};
    return 0;
}

int text_finish(struct text_reader *r, struct tlcp_message *ret)
{
    *ret = (struct tlcp_message){0};
    if (r->at == TEXT_AT_END_CODE)
        return end_of_session(r, NULL, ret);
    if (r->at == TEXT_AT_ERROR_TEXT)
        return refusal(r, r->code, SPAN(""), ret);
    return TEXT_NOTHING;
}

bool text_awaits_code(const struct text_reader *r)
{
    return r->at == TEXT_AT_END_CODE;
}

bool text_is_whole(const struct text_reader *r, struct span line, bool complete)
{
    bool code = r->at == TEXT_AT_ERROR_CODE || r->at == TEXT_AT_END_CODE;
    if (r->at == TEXT_AT_ERROR_TEXT || (complete && (code || span_starts(line, SPAN("END")))))
        return true;
    return r->at != TEXT_AT_HEAD && (span_is(line, "SYNC ERROR") || span_is(line, "OK"));
}

/* ---- notifications ---- */

/* LOOP and END, with or without a number behind. */
static bool take_word(struct span line, const char *word, struct span *ret_number)
{
    if (!take_prefix(&line, word) || (line.len && line.at[0] != ' '))
        return false;
    *ret_number = span_from(line, 1);
    return true;
}

static void loop(const struct text_reader *r, struct span number, struct tlcp_message *ret)
{
    ret->tag = TLCP_LOOP;
    ret->delay_ms = r->polling_ms;
    if (number.len && !span_to_u64(number, UINT64_MAX, &ret->delay_ms))
        ret->tag = TLCP_BAD;
}

static int end(struct text_reader *r, struct span number, struct tlcp_message *ret)
{
    int code;
    if (span_to_int(number, &code))
        return end_of_session(r, &code, ret);
    if (number.len)
        ret->tag = TLCP_BAD;
    else
        r->at = TEXT_AT_END_CODE;
    return number.len ? 0 : TEXT_NOTHING;
}

/* "sequence,prog,DONE", "sequence,prog,ERR,code,text" */
static void outcome(struct span rest, struct tlcp_message *ret)
{
    struct span sequence, prog, word, code;
    ret->tag = TLCP_BAD;
    if (!span_cut(&rest, ',', &sequence) || !span_cut(&rest, ',', &prog) || !span_cut(&rest, ',', &word) ||
        !span_to_u64(prog, UINT64_MAX, &ret->msg_prog))
        return;
    ret->texts[0] = span_is(sequence, "UNORDERED_MESSAGES") ? SPAN("*") : sequence;
    if (span_is(word, "DONE") && !rest.at)
        ret->tag = TLCP_MSGDONE;
    if (!span_is(word, "ERR") || !span_cut(&rest, ',', &code) || !span_to_int(code, &ret->code))
        return;
    ret->tag = TLCP_MSGFAIL;
    ret->rest = rest.at ? rest : SPAN("");
}

/* "table,item|values", or a word behind "table,item,": by hand, nearly every line is one. */
static void data(struct span line, struct tlcp_message *ret)
{
    struct span rest = line;
    uint64_t table, item, lost = 0;
    ret->tag = TLCP_BAD;
    if (!take_number(&rest, ',', &table))
        return;
    if (take_number(&rest, '|', &item))
        ret->tag = TLCP_U;
    else if (!take_number(&rest, ',', &item))
        return;
    else if (span_is(rest, "EOS"))
        ret->tag = TLCP_EOS;
    else if (span_is(rest, "CS"))
        ret->tag = TLCP_CS;
    else if (take_prefix(&rest, "OV") && span_to_u64(rest, UINT64_MAX, &lost))
        ret->tag = TLCP_OV;
    ret->item.sub_id = table;
    ret->item.item = item;
    ret->item.lost = lost;
    ret->rest = rest;
}

/* A line that may come at any time of a stream, but within the head. */
static int notification(struct text_reader *r, struct span line, struct tlcp_message *ret)
{
    struct span number;
    if (line.at[0] >= '0' && line.at[0] <= '9')
        data(line, ret);
    else if (take_prefix(&line, "MSG,"))
        outcome(line, ret);
    else if (take_word(line, "LOOP", &number))
        loop(r, number, ret);
    else if (take_word(line, "END", &number))
        return end(r, number, ret);
    else
        ret->tag = TLCP_UNKNOWN;
    return 0;
}

static int filler(struct tlcp_message *ret)
{
    ret->tag = TLCP_PROBE;
    return 0;
}

static int start(struct text_reader *r, struct tlcp_message *ret)
{
    if (r->source == TEXT_STREAM) {
        r->at = TEXT_AT_HEAD;
        return TEXT_NOTHING;
    }
    ret->tag = TLCP_REQOK;
    return 0;
}

int text_line(struct text_reader *r, struct span line, struct tlcp_message *ret)
{
    *ret = (struct tlcp_message){.tag = TLCP_UNKNOWN};
    switch (r->at) {
    case TEXT_AT_ERROR_CODE: return take_error_code(r, line, ret);
    case TEXT_AT_ERROR_TEXT: return refusal(r, r->code, line, ret);
    case TEXT_AT_END_CODE:
        return span_to_int(line, &r->code) ? end_of_session(r, &r->code, ret) : end_of_session(r, NULL, ret);
    case TEXT_AT_HEAD:
        if (line.len == 0)
            return end_head(r, ret);
        return span_is(line, "PROBE") || span_starts(line, SPAN("Preamble:")) ? filler(ret)
                                                                              : take_head(r, line);
    case TEXT_AT_START:
    case TEXT_AT_BODY:
    default: break;
    }
    if (line.len == 0)
        return TEXT_NOTHING;
    if (span_is(line, "PROBE") || span_starts(line, SPAN("Preamble:")))
        return filler(ret);
    if (span_is(line, "SYNC ERROR"))
        return refusal(r, SESSION_NOT_FOUND, line, ret);
    if (span_is(line, "ERROR")) {
        r->at = TEXT_AT_ERROR_CODE;
        return TEXT_NOTHING;
    }
    if (r->at == TEXT_AT_START && span_is(line, "OK"))
        return start(r, ret);
    return notification(r, line, ret);
}

/* ---- values ---- */

enum { SURROGATES_BEGIN = 0xd800, SURROGATES_END = 0xe000, REPLACEMENT = 0xfffd };

size_t text_unescape(char *out, struct span text)
{
    char *to = out;
    while (text.len) {
        const char *backslash = memchr(text.at, '\\', text.len);
        size_t plain = backslash ? (size_t)(backslash - text.at) : text.len;
        memcpy(to, text.at, plain);
        to += plain;
        text = span_from(text, plain);
        if (!text.len)
            break;
        int32_t c = escape_take_unicode(&text);
        if (c < 0) {
            *to++ = '\\';
            text = span_from(text, 1);
        } else {
            bool lone = c >= SURROGATES_BEGIN && c < SURROGATES_END;
            to += utf8_put(to, lone ? REPLACEMENT : (uint32_t)c);
        }
    }
    return (size_t)(to - out);
}

void text_decode(struct buf *out, struct span text)
{
    if (text.len && buf_reserve(out, text.len) == 0)
        out->len += text_unescape(out->at + out->len, text);
}
