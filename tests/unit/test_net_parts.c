#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "net/cookies.h"
#include "net/net.h"
#include "net/target.h"
#include "net/ws_frames.h"
#include "net/ws_handshake.h"

/* The parts of net/ that need no connection. */

static const struct {
    const char *base, *link, *path, *url; /* url NULL: the link is not usable */
} urls[] = {
    {"http://base.it", NULL, "", "http://base.it/lightstreamer"},
    {"http://base.it", "*", "/create_session.txt?a=b", "http://base.it/lightstreamer/create_session.txt?a=b"},
    {"https://base.it/", NULL, "", "https://base.it/lightstreamer"},
    {"https://base.it/lightstreamer", NULL, "/x", "https://base.it/lightstreamer/x"},
    {"https://base.it/lightstreamer/", NULL, "/x", "https://base.it/lightstreamer/x"},
    {"https://base.it:8443/path", NULL, "/x", "https://base.it:8443/path/lightstreamer/x"},
    {"http://base.it", "foo.com", "/x", "http://foo.com/lightstreamer/x"},
    {"https://base.it", "foo.com", "/x", "https://foo.com/lightstreamer/x"},
    {"http://base.it:8080", "foo.com", "/x", "http://foo.com:8080/lightstreamer/x"},
    {"http://base.it:8080/path", "foo.com", "/x", "http://foo.com:8080/lightstreamer/x"},
    {"http://base.it:8080/path", "foo.com:81", "/x", "http://foo.com:81/lightstreamer/x"},
    {"http://base.it:8080/path", "foo.com/bar", "/x", "http://foo.com:8080/bar/lightstreamer/x"},
    {"http://base.it", "foo.com:81/bar/", "/x", "http://foo.com:81/bar/lightstreamer/x"},
    {"https://user:pw@base.it", "foo.com", "/x", "https://user:pw@foo.com/lightstreamer/x"},
    {"https://user:p@w@base.it", "foo.com", "/x", "https://user:p%40w@foo.com/lightstreamer/x"},
    {"http://base.it:8080", "10.0.0.1", "/x", "http://10.0.0.1:8080/lightstreamer/x"},
    {"http://base.it:8080", "::1", "/x", "http://[::1]:8080/lightstreamer/x"},
    {"http://base.it:8080", "[::1]", "/x", "http://[::1]:8080/lightstreamer/x"},
    {"http://base.it:8080", "[2001:db8::7]:81", "/x", "http://[2001:db8::7]:81/lightstreamer/x"},
    {"http://base.it", "2001:db8::7/bar", "/x", "http://[2001:db8::7]/bar/lightstreamer/x"},
    {"http://[::1]:8080", "*", "/x", "http://[::1]:8080/lightstreamer/x"},
    {"http://base.it", "", "/x", NULL},
    {"http://base.it", "/bar", "/x", NULL},
    {"http://base.it", "user@foo.com", "/x", NULL},
    {"http://base.it", "u:p@foo.com", "/x", NULL},
    {"http://base.it", "foo.com?a", "/x", NULL},
    {"http://base.it", "foo.com#a", "/x", NULL},
    {"http://base.it", "foo com", "/x", NULL},
    {"http://base.it", "foo.com:99999", "/x", NULL},
    {"http://base.it", "foo.com\r\nX: y", "/x", NULL},
    {"http://base.it", "ftp://foo.com", "/x", NULL},
    {"http://base.it", "[::1", "/x", NULL},
};

START_TEST(a_url_from_base_and_control_link)
{
    AUTO_BUF struct buf url = BUF_INIT(4096);
    buf_add_text(&url, "old");
    int r = net_url(urls[_i].base, urls[_i].link, urls[_i].path, &url);
    ck_assert_int_eq(r, urls[_i].url ? 0 : 1);
    ck_assert_str_eq(buf_text(&url), urls[_i].url ? urls[_i].url : "old");
}
END_TEST

START_TEST(a_control_link_as_long_as_it_likes)
{
    AUTO_BUF struct buf url = BUF_INIT(1 << 20), link = BUF_INIT(1 << 20);
    while (link.len < 100000)
        buf_add_text(&link, "a.");
    ck_assert_int_eq(net_url("http://base.it", buf_text(&link), "", &url), 1);
}
END_TEST

static const struct {
    const char *text, *fault;
} bases[] = {
    {"http://base.it", NULL},
    {"https://user:pw@base.it:8443/path/lightstreamer", NULL},
    {"http://[::1]:8080", NULL},
    {"base.it", "http:// or https://"},
    {"ftp://base.it", "http:// or https://"},
    {"wss://base.it", "http:// or https://"},
    {"http://", ""},
    {"", ""},
    {"http://base.it/?a", "without ? and #"},
    {"http://base.it/#a", "without ? and #"},
    {"http://base it/", ""},
    {"http://base.it:port/", ""},
};

START_TEST(what_can_be_a_base)
{
    AUTO_BUF struct buf error = BUF_INIT(256);
    ck_assert_int_eq(net_check_url(bases[_i].text, &error), bases[_i].fault != NULL);
    ck_assert_int_eq(error.len > 0, bases[_i].fault != NULL);
    ck_assert_msg(!bases[_i].fault || strstr(buf_text(&error), bases[_i].fault), "%s", buf_text(&error));
}
END_TEST

START_TEST(a_target_keeps_its_secrets_apart)
{
    AUTO_TARGET struct target t = {0};
    ck_assert_int_eq(target_parse("https://us%40er:p%3Aw@[::1]/a?b", &t), 0);
    ck_assert_str_eq(t.url, "https://[::1]/a?b");
    ck_assert_str_eq(t.user, "us@er");
    ck_assert_str_eq(t.password, "p:w");
    ck_assert_str_eq(t.authority, "[::1]:443");
    ck_assert_str_eq(t.host_header, "[::1]");
    ck_assert_str_eq(t.path, "/a?b");
    ck_assert(t.tls);
    target_done(&t);
    ck_assert_int_eq(target_parse("http://us@er:p@s%40@host:81/a@b", &t), 0);
    ck_assert_str_eq(t.url, "http://host:81/a@b");
    ck_assert_str_eq(t.user, "us@er");
    ck_assert_str_eq(t.password, "p@s@");
    target_done(&t);
    ck_assert_int_eq(target_parse_proxy("me:p@w@proxy:3128", &t), 0);
    ck_assert_str_eq(t.password, "p@w");
    target_done(&t);
    ck_assert_int_eq(target_parse_proxy("me:pw@proxy:3128", &t), 0);
    ck_assert_str_eq(t.url, "http://proxy:3128/");
    ck_assert_str_eq(t.user, "me");
    target_done(&t);
    ck_assert_int_eq(target_parse_proxy("socks5h://10.0.0.1:1080", &t), 0);
    ck_assert_int_eq(target_parse_proxy("gopher://10.0.0.1", &(struct target){0}), 1);
}
END_TEST

/* One cookie, set at host/path, and whether it is sent to another place. */
static const struct {
    const char *set, *at, *path, *to, *to_path;
    bool at_tls, to_tls, sent;
} cookies[] = {
    {"a=1", "push.it", "/lightstreamer", "push.it", "/lightstreamer/x.txt", false, false, true},
    {"a=1", "push.it", "/deep/lightstreamer", "push.it", "/deep", false, false, true},
    {"a=1", "push.it", "/deep/lightstreamer", "push.it", "/deeper", false, false, false},
    {"a=1", "push.it", "/deep/lightstreamer?x=/y/z", "push.it", "/", false, false, false},
    {"a=1", "push.it", "/", "sub.push.it", "/", false, false, false},
    {"a=1; Domain=push.it", "push.it", "/", "sub.push.it", "/", false, false, true},
    {"a=1; domain=.PUSH.it", "a.push.it", "/", "b.push.it", "/", false, false, true},
    {"a=1; Domain=push.it", "push.it", "/", "mypush.it", "/", false, false, false},
    {"a=1; Domain=other.it", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Domain=sub.push.it", "push.it", "/", "sub.push.it", "/", false, false, false},
    {"a=1; Domain=it", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Domain=localhost", "localhost", "/", "localhost", "/", false, false, true},
    {"a=1; Domain=0.0.1", "127.0.0.1", "/", "127.0.0.1", "/", false, false, false},
    {"a=1; Domain=127.0.0.1", "127.0.0.1", "/", "127.0.0.1", "/", false, false, true},
    {"a=1", "::1", "/", "::1", "/", false, false, true},
    {"a=1; Domain=", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Path=/x", "push.it", "/", "push.it", "/x/y", false, false, true},
    {"a=1; Path=/x", "push.it", "/", "push.it", "/xy", false, false, false},
    {"a=1; Path=x", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Path=/lightstreamer/", "push.it", "/", "push.it", "/lightstreamer?q", false, false, true},
    {"a=1; Secure", "push.it", "/", "push.it", "/", true, true, true},
    {"a=1; Secure", "push.it", "/", "push.it", "/", true, false, false},
    {"a=1; secure=yes; HttpOnly", "push.it", "/", "push.it", "/", false, true, false},
    {"__Host-a=1; Secure; Path=/", "push.it", "/", "push.it", "/", true, true, true},
    {"a=1; Max-Age=100", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Max-Age=99999999999999999999", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Max-Age=0", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Max-Age=-1", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Max-Age=x", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:01 GMT", "push.it", "/", "push.it", "/", false, false,
     true},
    {"a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Expires=Fri, 01 Jan 2100 00:00:01 GMT", "push.it", "/", "push.it", "/", false, false, true},
    {"a=1; Expires=whenever", "push.it", "/", "push.it", "/", false, false, true},
    {" a = 1 ;;; x", "push.it", "/", "push.it", "/", false, false, true},
    {"a", "push.it", "/", "push.it", "/", false, false, false},
    {"=1", "push.it", "/", "push.it", "/", false, false, false},
    {"", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1\tFALSE", "push.it", "/", "push.it", "/", false, false, false},
    {"a=1; Path=/\x01", "push.it", "/", "push.it", "/", false, false, false},
};

START_TEST(a_cookie_goes_where_it_may)
{
    CURL *easy = curl_easy_init();
    AUTO_BUF struct buf out = BUF_INIT(1024);
    ck_assert_int_eq(curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""), CURLE_OK);
    struct cookie_place at = {span_of(cookies[_i].at), span_of(cookies[_i].path), cookies[_i].at_tls};
    struct cookie_place to = {span_of(cookies[_i].to), span_of(cookies[_i].to_path), cookies[_i].to_tls};
    ck_assert_int_eq(cookies_take(easy, &at, span_of(cookies[_i].set)), 0);
    ck_assert_int_eq(cookies_for(easy, &to, &out), 0);
    bool host = strstr(cookies[_i].set, "__Host-") != NULL;
    ck_assert_str_eq(buf_text(&out), !cookies[_i].sent ? "" : host ? "__Host-a=1" : "a=1");
    curl_easy_cleanup(easy);
}
END_TEST

START_TEST(a_cookie_is_set_anew_and_taken_back)
{
    static const char *const sets[] = {"a=1; Path=/", "b=; Path=/", "a=2; Path=/", "b=3; Path=/; Max-Age=0"};
    static const char *const sent[] = {"a=1", "a=1; b=", "a=2; b=", "a=2"};
    const struct cookie_place place = {SPAN("push.it"), SPAN("/"), false};
    CURL *easy = curl_easy_init();
    ck_assert_int_eq(curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""), CURLE_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(sets); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1024);
        ck_assert_int_eq(cookies_take(easy, &place, span_of(sets[i])), 0);
        ck_assert_int_eq(cookies_for(easy, &place, &out), 0);
        ck_assert_msg(strlen(buf_text(&out)) == strlen(sent[i]) &&
                          strstr(buf_text(&out), strchr(sent[i], '2') ? "a=2" : "a=1"),
                      "%s", buf_text(&out));
    }
    curl_easy_cleanup(easy);
}
END_TEST

START_TEST(the_example_of_the_rfc)
{
    char accept[WS_ACCEPT_TEXT], key[WS_KEY_TEXT], other[WS_KEY_TEXT];
    ck_assert_int_eq(ws_handshake_accept("dGhlIHNhbXBsZSBub25jZQ==", accept), 0);
    ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ck_assert_int_eq(ws_handshake_key(key) | ws_handshake_key(other), 0);
    ck_assert_uint_eq(strlen(key), 24);
    ck_assert_str_ne(key, other);
}
END_TEST

START_TEST(a_head_is_found_wherever_it_is_cut)
{
    struct span bytes = SPAN("HTTP/1.1 101 X\r\nA: b\r\n\r\nrest\r\n\r\n");
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        size_t first = ws_handshake_head_length(span_make(bytes.at, cut), 0);
        ck_assert_uint_eq(first, cut >= 24 ? 24 : 0);
        if (!first)
            ck_assert_uint_eq(ws_handshake_head_length(bytes, cut), 24);
    }
}
END_TEST

/* An event as text; parts of text are joined. Returns whether more may follow. */
static bool describe(struct ws_event e, struct buf *out)
{
    static const char *const names[] = {"", "", "<ping ", "<pong ", "<close ", "<bad "};
    const bool last = e.what == WS_CLOSE || e.what == WS_BAD;
    buf_add_text(out, names[e.what]);
    if (last)
        buf_printf(out, "%u ", e.code);
    buf_add_span(out, e.bytes);
    buf_add_text(out, e.what <= WS_TEXT ? "" : ">");
    return !last;
}

static void collect(struct ws_frames *f, struct buf *out)
{
    struct ws_event e;
    do
        e = ws_frames_next(f);
    while (describe(e, out) && e.what != WS_MORE);
}

#define LONG_PAYLOAD                                                                                         \
    "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"                               \
    "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"

static const char stream[] =
    "\x81\x03one\x01\x02tw\x89\x04ping\x80\x01o\x81\x00\x8a\x00\x81\x7e\x00\x90" LONG_PAYLOAD
    "\x01\x00\x00\x01!\x80\x00\x88\x05\x03\xe8"
    "bye";
static const char wanted[] = "onetw<ping ping>o<pong >" LONG_PAYLOAD "!<close 1000 bye>";

START_TEST(frames_cut_in_two_anywhere)
{
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        AUTO_BUF struct buf out = BUF_INIT(1024);
        struct ws_frames *f = NULL;
        ck_assert_int_eq(ws_frames_new(&f), 0);
        ws_frames_feed(f, span_make(stream, cut));
        collect(f, &out);
        ws_frames_feed(f, span_make(stream + cut, sizeof stream - 1 - cut));
        collect(f, &out);
        ck_assert_str_eq(buf_text(&out), wanted);
        ws_frames_free(f);
    }
}
END_TEST

START_TEST(frames_byte_by_byte)
{
    AUTO_BUF struct buf out = BUF_INIT(1024);
    struct ws_frames *f = NULL;
    ck_assert_int_eq(ws_frames_new(&f), 0);
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        char one = stream[i]; /* from memory that is soon something else */
        ws_frames_feed(f, span_make(&one, 1));
        collect(f, &out);
        one = 0;
    }
    ck_assert_str_eq(buf_text(&out), wanted);
    ws_frames_free(f);
}
END_TEST

/* Before every event the input moves elsewhere, as a pause makes it, and the memory it stood in is gone. */
static void collect_moving(struct ws_frames *f, struct span input, struct buf *out)
{
    struct buf here = BUF_INIT(1024), there = BUF_INIT(1024);
    struct ws_event e;
    buf_add_span(&here, input);
    ws_frames_feed(f, buf_span(&here));
    do {
        ck_assert_int_eq(ws_frames_keep(f, &there), 0);
        buf_done(&here);
        here = there;
        there = BUF_INIT(1024);
        e = ws_frames_next(f);
    } while (describe(e, out) && e.what != WS_MORE);
    buf_done(&here);
}

START_TEST(input_is_kept_at_any_event)
{
    for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
        AUTO_BUF struct buf out = BUF_INIT(1024);
        struct ws_frames *f = NULL;
        ck_assert_int_eq(ws_frames_new(&f), 0);
        collect_moving(f, span_make(stream, cut), &out);
        collect_moving(f, span_make(stream + cut, sizeof stream - 1 - cut), &out);
        ck_assert_str_eq(buf_text(&out), wanted);
        ws_frames_free(f);
    }
}
END_TEST

START_TEST(a_frame_leaves_in_one_piece)
{
    enum { SIZE = 100000 };
    AUTO_BUF struct buf in = BUF_INIT(1 << 20);
    struct ws_frames *f = NULL;
    ck_assert_int_eq(ws_frames_new(&f), 0);
    buf_add(&in, "\x81\x02hi\x81\x7f\0\0\0\0\0\x01\x86\xa0", 14);
    for (int i = 0; i < SIZE; i++)
        buf_add_char(&in, (char)('a' + i % 26));
    ws_frames_feed(f, buf_span(&in));
    ck_assert(span_is(ws_frames_next(f).bytes, "hi"));
    struct ws_event e = ws_frames_next(f);
    ck_assert_uint_eq(e.bytes.len, SIZE);
    ck_assert_ptr_eq(e.bytes.at, in.at + 14);
    ck_assert_int_eq(ws_frames_next(f).what, WS_MORE);
    ws_frames_free(f);
}
END_TEST

START_TEST(a_full_buffer_takes_no_half_frames)
{
    AUTO_BUF struct buf out = BUF_INIT(64);
    struct ws_frames *f = NULL;
    ck_assert_int_eq(ws_frames_new(&f), 0);
    ck_assert_int_eq(ws_frames_write(f, WS_OPCODE_TEXT, SPAN(LONG_PAYLOAD), &out), -ENOBUFS);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(ws_frames_write(f, WS_OPCODE_TEXT, SPAN("abc"), &out), 0);
    ck_assert_uint_eq(out.len, 2 + 4 + 3);
    ck_assert_int_eq(ws_frames_write_close(f, 1000, &out), 0);
    ck_assert_uint_eq(out.len, 9 + 2 + 4 + 2);
    ws_frames_free(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net: parts");
    TCase *t = tcase_create("parts");
    tcase_add_loop_test(t, a_url_from_base_and_control_link, 0, ARRAY_LENGTH(urls));
    tcase_add_test(t, a_control_link_as_long_as_it_likes);
    tcase_add_loop_test(t, what_can_be_a_base, 0, ARRAY_LENGTH(bases));
    tcase_add_test(t, a_target_keeps_its_secrets_apart);
    tcase_add_loop_test(t, a_cookie_goes_where_it_may, 0, ARRAY_LENGTH(cookies));
    tcase_add_test(t, a_cookie_is_set_anew_and_taken_back);
    tcase_add_test(t, the_example_of_the_rfc);
    tcase_add_test(t, a_head_is_found_wherever_it_is_cut);
    tcase_add_test(t, frames_cut_in_two_anywhere);
    tcase_add_test(t, frames_byte_by_byte);
    tcase_add_test(t, input_is_kept_at_any_event);
    tcase_add_test(t, a_frame_leaves_in_one_piece);
    tcase_add_test(t, a_full_buffer_takes_no_half_frames);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
