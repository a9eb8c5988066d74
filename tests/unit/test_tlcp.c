/* proto/tlcp: every tag with what fits and what does not; requests as the wire wants them. */
#include <check.h>

#include "proto/tlcp.h"

static struct tlcp_message parse(const char *line)
{
    struct tlcp_message m;
    memset(&m, 0xa5, sizeof m);
    tlcp_parse(span_of(line), &m);
    return m;
}

static void expect_tag(const char *line, enum tlcp_tag tag)
{
    enum tlcp_tag got = parse(line).tag;
    ck_assert_msg(got == tag, "%s is %s, not %s", line, tlcp_tag_name(got), tlcp_tag_name(tag));
}

START_TEST(good_lines)
{
    static const struct {
        const char *line;
        enum tlcp_tag tag;
    } rows[] = {
        {"CONOK,S1d7c802482843a26T5626355,50000,5000,*", TLCP_CONOK},
        {"CONERR,4,text, with commas", TLCP_CONERR},
        {"CONERR,-7,", TLCP_CONERR},
        {"END,31,Destroy invoked by client", TLCP_END},
        {"END,31", TLCP_END},
        {"REQOK", TLCP_REQOK},
        {"REQOK,17", TLCP_REQOK},
        {"REQERR,17,-3,no", TLCP_REQERR},
        {"ERROR,67,malformed", TLCP_ERROR},
        {"SERVNAME,Lightstreamer HTTP Server", TLCP_SERVNAME},
        {"CLIENTIP,0:0:0:0:0:0:0:1", TLCP_CLIENTIP},
        {"CONS,12.5", TLCP_CONS},
        {"PROBE", TLCP_PROBE},
        {"NOOP,sending placeholder data", TLCP_NOOP},
        {"SYNC,14", TLCP_SYNC},
        {"LOOP,0", TLCP_LOOP},
        {"PROG,1234567890123", TLCP_PROG},
        {"SUBOK,3,1,10", TLCP_SUBOK},
        {"SUBCMD,3,1,10,1,2", TLCP_SUBCMD},
        {"CONF,3,3.0,filtered", TLCP_CONF},
        {"U,3,1,a|b,c|", TLCP_U},
        {"U,3,1,", TLCP_U},
        {"U,1,1,x", TLCP_U},
        {"EOS,3,1", TLCP_EOS},
        {"CS,3,1", TLCP_CS},
        {"OV,3,1,5", TLCP_OV},
        {"UNSUB,3", TLCP_UNSUB},
        {"MSGDONE,seq,1,", TLCP_MSGDONE},
        {"MSGDONE,seq,1", TLCP_MSGDONE},
        {"MSGFAIL,*,12,39,5", TLCP_MSGFAIL},
        {"WSOK", TLCP_WSOK},
        {"MPNREG,a,b", TLCP_MPN},
        {"MPNZERO", TLCP_MPN},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        expect_tag(rows[i].line, rows[i].tag);
}
END_TEST

START_TEST(unknown_lines)
{
    static const char *const lines[] = {"",      ",",        "LOOPING,5",   "LOO",     "loop,0",
                                        "U",     "UX,1,1,a", " U,1,1,",     "REQOKAY", "MP",
                                        "HELLO", "\xff",     "SUBOKS,1,2,3"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        if (strcmp(lines[i], "U") != 0)
            expect_tag(lines[i], TLCP_UNKNOWN);
    expect_tag("U", TLCP_BAD);
}
END_TEST

START_TEST(bad_lines)
{
    static const char *const lines[] = {
        "CONOK",
        "CONOK,S1,50000,5000",
        "CONOK,S1,x,5000,*",
        "CONOK,S1,50000,5000,*,more",
        "CONERR",
        "CONERR,4",
        "CONERR,x,text",
        "CONERR,99999999999,text",
        "CONERR,--1,x",
        "END",
        "END,",
        "END,x,y",
        "REQOK,",
        "REQOK,x",
        "REQOK,1,2",
        "REQERR,1,2",
        "REQERR,,2,x",
        "ERROR,x,y",
        "SERVNAME",
        "SYNC",
        "SYNC,-1",
        "LOOP",
        "LOOP,",
        "LOOP,1.5",
        "LOOP,0,0",
        "LOOP,%30",
        "PROG,",
        "PROG,18446744073709551616",
        "SUBOK,1,2",
        "SUBOK,1,2,3,4",
        "SUBOK,%31,2,3",
        "SUBCMD,1,2,3,4",
        "CONF,1,2",
        "CONF,1,2,3,4",
        "U,",
        "U,1",
        "U,1,1",
        "U,,1,a",
        "U,1,,abc",
        "U,x,1,a",
        "U,1,x,abc",
        "U,-1,1,a",
        "U,1 ,1,a",
        "U,1234567890123456789,1,a",
        "EOS,1",
        "EOS,1,2,3",
        "CS,1,x",
        "OV,1,1",
        "UNSUB",
        "UNSUB,1,2",
        "MSGDONE,s",
        "MSGFAIL,s,1,2",
        "WSOK,1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        expect_tag(lines[i], TLCP_BAD);
}
END_TEST

START_TEST(arguments)
{
    struct tlcp_message m = parse("CONOK,S%2C1,50000,5000,push.example.com:80");
    ck_assert(span_is(m.texts[0], "S%2C1") && span_is(m.texts[1], "push.example.com:80"));
    ck_assert_uint_eq(m.conok.request_limit_bytes, 50000);
    ck_assert_uint_eq(m.conok.keepalive_ms, 5000);
    m = parse("SUBCMD,3,4,10,1,2");
    ck_assert(m.sub.sub_id == 3 && m.sub.items == 4 && m.sub.fields == 10 && m.sub.key_field == 1 &&
              m.sub.command_field == 2);
    m = parse("OV,3,7,18446744073709551615");
    ck_assert(m.item.sub_id == 3 && m.item.item == 7 && m.item.lost == UINT64_MAX);
    m = parse("U,123456789,42,a|,b|");
    ck_assert(m.item.sub_id == 123456789 && m.item.item == 42 && span_is(m.rest, "a|,b|"));
    m = parse("REQERR,17,-21,text, more");
    ck_assert(m.request_id == 17 && m.code == -21 && span_is(m.rest, "text, more"));
    m = parse("REQOK");
    ck_assert_uint_eq(m.request_id, 0);
    m = parse("CONF,3,3.0,unfiltered");
    ck_assert(m.sub.sub_id == 3 && span_is(m.texts[0], "3.0") && span_is(m.texts[1], "unfiltered"));
    m = parse("MSGFAIL,*,12,39,5");
    ck_assert(span_is(m.texts[0], "*") && m.msg_prog == 12 && m.code == 39 && span_is(m.rest, "5"));
    m = parse("END,-4");
    ck_assert(m.code == -4 && m.rest.len == 0);
    ck_assert_uint_eq(parse("LOOP,250").delay_ms, 250);
    ck_assert_uint_eq(parse("PROG,9").count, 9);
    ck_assert_uint_eq(parse("SYNC,102").seconds, 102);
}
END_TEST

/* PROTOCOL.md's column "counts for recovery". */
START_TEST(counting)
{
    static const enum tlcp_tag counted[] = {TLCP_SUBOK, TLCP_SUBCMD, TLCP_CONF,  TLCP_U,       TLCP_EOS,
                                            TLCP_CS,    TLCP_OV,     TLCP_UNSUB, TLCP_MSGDONE, TLCP_MSGFAIL};
    for (int tag = 0; tag < TLCP_N_TAGS; tag++) {
        bool want = false;
        for (size_t i = 0; i < ARRAY_LENGTH(counted); i++)
            want |= counted[i] == (enum tlcp_tag)tag;
        ck_assert_msg(tlcp_counts((enum tlcp_tag)tag) == want, "%s", tlcp_tag_name((enum tlcp_tag)tag));
    }
    ck_assert_str_eq(tlcp_tag_name(TLCP_UNKNOWN), "unknown");
    ck_assert_str_eq(tlcp_tag_name(TLCP_BAD), "malformed");
}
END_TEST

START_TEST(decoding)
{
    static const char *const rows[][2] = {
        {"", ""},        {"plain", "plain"}, {"a%2Cb%20c", "a,b c"}, {"+", "+"},
        {"%c3%a9", "é"}, {"100%", "100%"},   {"%zz%20", "%zz%20"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_BUF struct buf out = BUF_INIT(100);
        buf_add_text(&out, ">");
        tlcp_decode(&out, span_of(rows[i][0]));
        ck_assert(span_is(span_from(buf_span(&out), 1), rows[i][1]));
    }
}
END_TEST

START_TEST(requests)
{
    AUTO_BUF struct buf out = BUF_INIT(1000);
    tlcp_param_cid(&out);
    tlcp_param(&out, "LS_password", SPAN("a+b=c&d%e\r\n|é\0"));
    tlcp_param_text(&out, "LS_user", NULL);
    tlcp_param_text(&out, "LS_adapter_set", "");
    tlcp_line_begin(&out);
    tlcp_param_u64(&out, "LS_reqId", UINT64_MAX);
    tlcp_param_text(&out, "LS_group", "item 1");
    ck_assert(span_equal(
        buf_span(&out),
        SPAN("LS_cid=mgQkwtwdysogQz2BJ4Ji%20kOj2Bg&LS_password=a%2Bb%3Dc%26d%25e%0D%0A%7C%C3%A9%00&"
             "LS_adapter_set=\r\nLS_reqId=18446744073709551615&LS_group=item%201")));
    buf_clear(&out);
    tlcp_line_begin(&out);
    ck_assert_uint_eq(out.len, 0);
    buf_add_text(&out, "control\r\n");
    tlcp_line_begin(&out);
    tlcp_param_text(&out, "LS_op", "destroy");
    ck_assert(span_is(buf_span(&out), "control\r\nLS_op=destroy"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tlcp");
    TCase *c = tcase_create("tlcp");
    tcase_add_test(c, good_lines);
    tcase_add_test(c, unknown_lines);
    tcase_add_test(c, bad_lines);
    tcase_add_test(c, arguments);
    tcase_add_test(c, counting);
    tcase_add_test(c, decoding);
    tcase_add_test(c, requests);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
