/* proto/text: the lines of text mode, and the TLCP messages that say the same. */
#include <check.h>

#include "proto/text.h"

static void write_message(struct buf *out, const struct tlcp_message *m)
{
    buf_printf(out, "%s", tlcp_tag_name(m->tag));
    switch ((int)m->tag) {
    case TLCP_CONOK:
        buf_printf(out, "(%.*s %.*s %zu %zu)", SPAN_ARG(m->texts[0]), SPAN_ARG(m->texts[1]),
                   (size_t)m->conok.request_limit_bytes, (size_t)m->conok.keepalive_ms);
        break;
    case TLCP_CONERR:
    case TLCP_REQERR: buf_printf(out, "(%d %.*s)", m->code, SPAN_ARG(m->rest)); break;
    case TLCP_END: buf_printf(out, m->no_code ? "()" : "(%d)", m->code); break;
    case TLCP_CONS:
    case TLCP_SERVNAME: buf_printf(out, "(%.*s)", SPAN_ARG(m->rest)); break;
    case TLCP_LOOP: buf_printf(out, "(%zu)", (size_t)m->delay_ms); break;
    case TLCP_U:
        buf_printf(out, "(%zu %zu %.*s)", (size_t)m->item.sub_id, (size_t)m->item.item, SPAN_ARG(m->rest));
        break;
    case TLCP_EOS:
    case TLCP_CS: buf_printf(out, "(%zu %zu)", (size_t)m->item.sub_id, (size_t)m->item.item); break;
    case TLCP_OV:
        buf_printf(out, "(%zu %zu %zu)", (size_t)m->item.sub_id, (size_t)m->item.item, (size_t)m->item.lost);
        break;
    case TLCP_MSGDONE: buf_printf(out, "(%.*s %zu)", SPAN_ARG(m->texts[0]), (size_t)m->msg_prog); break;
    case TLCP_MSGFAIL:
        buf_printf(out, "(%.*s %zu %d %.*s)", SPAN_ARG(m->texts[0]), (size_t)m->msg_prog, m->code,
                   SPAN_ARG(m->rest));
        break;
    default: break;
    }
    buf_add_char(out, ';');
}

/* Reads RESPONSE, whose lines end with LF, to its end; writes down the messages. */
static void expect(enum text_source source, const char *response, const char *want)
{
    AUTO_BUF struct buf out = BUF_INIT(4000);
    struct text_reader r;
    struct tlcp_message m;
    struct span rest = span_of(response), line;
    text_init(&r, source);
    while (span_cut(&rest, '\n', &line) && rest.at) {
        /* A copy of its own, so that a read past its end is seen. */
        AUTO_FREE char *copy = malloc(line.len ? line.len : 1);
        memcpy(copy, line.at, line.len);
        int got = text_line(&r, span_make(copy, line.len), &m);
        ck_assert_int_ge(got, 0);
        if (got == 0)
            write_message(&out, &m);
        while (text_next(&r, &m) == 0)
            write_message(&out, &m);
    }
    if (text_finish(&r, &m) == 0) {
        write_message(&out, &m);
        ck_assert_int_eq(text_finish(&r, &m), TEXT_NOTHING);
    }
    ck_assert_msg(span_is(buf_span(&out), want), "%s: %s, not %s", response, buf_text(&out), want);
    text_done(&r);
}

START_TEST(heads)
{
    expect(TEXT_STREAM, "OK\nSessionId:S123\n\n", "CONOK(S123 * 0 0);");
    expect(TEXT_STREAM,
           "OK\nSessionId: S123\nControlAddress: push2.example.com\nKeepaliveMillis: 5000\n"
           "MaxBandwidth: 50.0\nRequestLimit: 50000\nServerName: Lightstreamer HTTP Server\n\nPROBE\n",
           "CONOK(S123 push2.example.com 50000 5000);CONS(50.0);SERVNAME(Lightstreamer HTTP Server);PROBE;");
    expect(TEXT_STREAM, "OK\nControlAddress:http://push2.example.com:8080\nSessionId:S1\n\n",
           "CONOK(S1 push2.example.com:8080 0 0);");
    expect(TEXT_STREAM, "OK\nControlAddress:https://push2.example.com\nSessionId:S1\n\n",
           "CONOK(S1 push2.example.com 0 0);");
    /* What nobody knows, no numbers, and filler before the end of the head. */
    expect(TEXT_STREAM, "OK\nSessionId:S1\nNew:thing\nKeepaliveMillis:soon\nPROBE\nPreamble: x\n\n",
           "PROBE;PROBE;CONOK(S1 * 0 0);");
    expect(TEXT_STREAM, "\n\nOK\n\n", "CONOK( * 0 0);");
}
END_TEST

START_TEST(refusals)
{
    expect(TEXT_STREAM, "ERROR\n1\nUser/password check failed\n", "CONERR(1 User/password check failed);");
    expect(TEXT_STREAM, "ERROR\n-12\n\n", "CONERR(-12 );");
    expect(TEXT_STREAM, "ERROR\n7\n", "CONERR(7 );");
    expect(TEXT_STREAM, "ERROR\nno\n", "malformed;");
    expect(TEXT_STREAM, "ERROR\n", "");
    expect(TEXT_STREAM, "SYNC ERROR\n", "CONERR(20 SYNC ERROR);");
    expect(TEXT_STREAM, "<html>\n", "unknown;");
    expect(TEXT_STREAM, "END\n31\n", "END(31);");
    expect(TEXT_STREAM, "END\n", "END();");
}
END_TEST

#define HEAD    "OK\nSessionId:S1\n\n"
#define GREETED "CONOK(S1 * 0 0);"

START_TEST(endings)
{
    expect(TEXT_STREAM, HEAD "LOOP\n", GREETED "LOOP(0);");
    expect(TEXT_STREAM, HEAD "LOOP 1500\n", GREETED "LOOP(1500);");
    expect(TEXT_STREAM, HEAD "LOOP soon\n", GREETED "malformed;");
    expect(TEXT_STREAM, HEAD "LOOPING\n", GREETED "unknown;");
    expect(TEXT_STREAM, "OK\nSessionId:S1\nPollingMillis:2000\n\nLOOP\n", GREETED "LOOP(2000);");
    expect(TEXT_STREAM, "OK\nSessionId:S1\nPollingMillis:2000\n\nLOOP 0\n", GREETED "LOOP(0);");
    expect(TEXT_STREAM, HEAD "END 35\n", GREETED "END(35);");
    expect(TEXT_STREAM, HEAD "END -4\n", GREETED "END(-4);");
    expect(TEXT_STREAM, HEAD "END\n40\n", GREETED "END(40);");
    expect(TEXT_STREAM, HEAD "END\n\n", GREETED "END();");
    expect(TEXT_STREAM, HEAD "END\n", GREETED "END();");
    expect(TEXT_STREAM, HEAD "END of it\n", GREETED "malformed;");
    expect(TEXT_STREAM, HEAD "ENDE\n", GREETED "unknown;");
    expect(TEXT_STREAM, HEAD "SYNC ERROR\n", GREETED "CONERR(20 SYNC ERROR);");
}
END_TEST

START_TEST(notifications)
{
    expect(TEXT_STREAM, HEAD "1,2|a|b,c|\n3,1|\n", GREETED "U(1 2 a|b,c|);U(3 1 );");
    expect(TEXT_STREAM, HEAD "1,2,EOS\n1,2,CS\n1,2,OV15\n", GREETED "EOS(1 2);CS(1 2);OV(1 2 15);");
    expect(TEXT_STREAM, HEAD "1,2,OV\n1,2,EOSX\n1,2\n1,\n1|a\n1,a|b\n",
           GREETED "malformed;malformed;malformed;malformed;malformed;malformed;");
    expect(TEXT_STREAM, HEAD "99999999999999999999,1|a\n", GREETED "malformed;");
    expect(TEXT_STREAM, HEAD "PROBE\nPreamble: xxxxxx\n\nOK\n", GREETED "PROBE;PROBE;unknown;");
    expect(TEXT_STREAM, HEAD "MSG,Name_123,99,DONE\nMSG,UNORDERED_MESSAGES,1,DONE\n",
           GREETED "MSGDONE(Name_123 99);MSGDONE(* 1);");
    expect(TEXT_STREAM, HEAD "MSG,Name,1,ERR,34,a, b\nMSG,Name,4,ERR,39,3\nMSG,Name,5,ERR,-2\n",
           GREETED "MSGFAIL(Name 1 34 a, b);MSGFAIL(Name 4 39 3);MSGFAIL(Name 5 -2 );");
    expect(TEXT_STREAM, HEAD "MSG,Name,x,DONE\nMSG,Name,1,DONE,\nMSG,Name\nMSG,N,1,ERR,no,x\n",
           GREETED "malformed;malformed;malformed;malformed;");
}
END_TEST

START_TEST(answers)
{
    expect(TEXT_ANSWERS, "OK\n", "REQOK;");
    expect(TEXT_ANSWERS, "OK\nERROR\n17\nUnknown adapter\nOK\nSYNC ERROR\n",
           "REQOK;REQERR(17 Unknown adapter);REQOK;REQERR(20 SYNC ERROR);");
    expect(TEXT_ANSWERS, "ERROR\n-1\n\nOK\n", "REQERR(-1 );REQOK;");
    expect(TEXT_ANSWERS, "ERROR\n19\n", "REQERR(19 );");
    expect(TEXT_ANSWERS, "\nOK\n\nOK\n", "REQOK;REQOK;");
}
END_TEST

START_TEST(whole_without_an_end)
{
    struct text_reader r;
    struct tlcp_message m;
    text_init(&r, TEXT_ANSWERS);
    ck_assert(text_is_whole(&r, SPAN("OK"), false));
    ck_assert(text_is_whole(&r, SPAN("SYNC ERROR"), false));
    ck_assert(!text_is_whole(&r, SPAN("SYNC"), true));
    ck_assert(!text_is_whole(&r, SPAN("END 3"), false) && text_is_whole(&r, SPAN("END 35"), true));
    ck_assert(!text_is_whole(&r, SPAN("1,1|a"), true));
    ck_assert_int_eq(text_line(&r, SPAN("ERROR"), &m), TEXT_NOTHING);
    /* Of a code more digits may be missing. */
    ck_assert(!text_is_whole(&r, SPAN("1"), false) && text_is_whole(&r, SPAN("1"), true));
    ck_assert_int_eq(text_line(&r, SPAN("17"), &m), TEXT_NOTHING);
    ck_assert(text_is_whole(&r, SPAN("what there is of it"), false));
    text_done(&r);
}
END_TEST

START_TEST(reset)
{
    struct text_reader r;
    struct tlcp_message m;
    text_init(&r, TEXT_STREAM);
    text_line(&r, SPAN("OK"), &m);
    text_line(&r, SPAN("SessionId:S1"), &m);
    text_line(&r, SPAN("MaxBandwidth:1"), &m);
    text_reset(&r);
    text_line(&r, SPAN("OK"), &m);
    ck_assert_int_eq(text_line(&r, SPAN(""), &m), 0);
    ck_assert_int_eq(m.tag, TLCP_CONOK);
    ck_assert_uint_eq(m.texts[0].len, 0);
    ck_assert_int_eq(text_next(&r, &m), TEXT_NOTHING);
    ck_assert(!text_awaits_code(&r));
    text_line(&r, SPAN("END"), &m);
    ck_assert(text_awaits_code(&r));
    text_done(&r);
}
END_TEST

START_TEST(escapes)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac"},
        {"\\u0040\\\\u0041", "@\\A"},
        {"x\\uD834\\uDD1Ey", "x\xf0\x9d\x84\x9ey"},
        {"\\ud834", "\xef\xbf\xbd"},
        {"\\udd1e\\ud834", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\\ud834\\u0041", "\xef\xbf\xbd"
                           "A"},
        {"\\n \\u12 \\u12g4 \\U0041 \\", "\\n \\u12 \\u12g4 \\U0041 \\"},
        {"\\u007c\\u000d\\u000a", "|\r\n"},
        {"100%41", "100%41"},
        {"\\uefff", "\xee\xbf\xbf"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_BUF struct buf out = BUF_INIT(100);
        text_decode(&out, span_of(rows[i].text));
        ck_assert_msg(span_is(buf_span(&out), rows[i].want), "%s: %s", rows[i].text, buf_text(&out));
    }
    AUTO_BUF struct buf out = BUF_INIT(100);
    text_decode(&out, SPAN("a\\u0000b"));
    ck_assert_uint_eq(out.len, 3);
    ck_assert_int_eq(out.at[1], '\0');
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *cases = tcase_create("text");
    tcase_add_test(cases, heads);
    tcase_add_test(cases, refusals);
    tcase_add_test(cases, endings);
    tcase_add_test(cases, notifications);
    tcase_add_test(cases, answers);
    tcase_add_test(cases, whole_without_an_end);
    tcase_add_test(cases, reset);
    tcase_add_test(cases, escapes);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
