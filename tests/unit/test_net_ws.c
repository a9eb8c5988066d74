#include <errno.h>
#include <stdio.h>

#include "net_fixture.h"

static struct fixture f;
static struct owner o;
static struct buf got;

static void set_up(void)
{
    fixture_start(&f, NULL);
    owner_init(&o, &f);
    buf_init(&got, 64U << 20);
}

static void tear_down(void)
{
    owner_done(&o);
    fixture_stop(&f);
    buf_done(&got);
}

static void expect_closed(enum net_failure failure, int status, const char *words)
{
    RUN_UNTIL(&f, o.closed);
    ck_assert_msg(o.failure == failure && o.status == status && strstr(o.text, words), "%u %d %s", o.failure,
                  o.status, o.text);
    fixture_settle(&f);
    ck_assert_int_eq(o.closed, 1);
}

START_TEST(the_handshake_is_what_the_protocol_wants)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    const char *text = connection_text(server_request(&f));
    static const char *const lines[] = {"\r\nUpgrade: websocket\r\n",
                                        "\r\nConnection: Upgrade\r\n",
                                        "\r\nSec-WebSocket-Version: 13\r\n",
                                        "\r\nUser-Agent: test/1\r\n",
                                        "\r\nSec-WebSocket-Protocol: " SUBPROTOCOL "\r\n",
                                        "\r\nHost: 127.0.0.1:"};
    ck_assert_ptr_eq(strstr(text, "GET /lightstreamer HTTP/1.1\r\n"), text);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        ck_assert_msg(strstr(text, lines[i]), "%s", lines[i]);
    ck_assert_ptr_null(strstr(text, "Cookie"));
    ck_assert_ptr_null(strstr(text, "Authorization"));
}
END_TEST

START_TEST(text_goes_both_ways)
{
    struct connection *c = ws_accepted(&o);
    ws_text(c, "CONOK,S\r\n");
    RUN_UNTIL(&f, owner_has(&o, "CONOK,S\r\n"));
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("wsok")), 0);
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("")), 0);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert_str_eq(buf_text(&got), "wsok");
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(nothing_is_sent_before_it_is_open)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("wsok")), 1);
}
END_TEST

START_TEST(frames_come_with_the_handshake)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    ws_answer(c, "");
    ws_text(c, "at once");
    RUN_UNTIL(&f, owner_has(&o, "at once"));
}
END_TEST

/* A message in fragments, a ping between them, a frame cut anywhere: the text comes as it is there. */
START_TEST(text_does_not_wait_for_the_end_of_its_message)
{
    struct connection *c = ws_accepted(&o);
    ws_frame(c, 0x01, "U,1,", 4);
    RUN_UNTIL(&f, owner_has(&o, "U,1,"));
    ws_frame(c, 0x89, "are you there", 13);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x8a);
    ck_assert_str_eq(buf_text(&got), "are you there");
    ws_frame(c, 0x00, "", 0);
    connection_send(c, (const char[]){(char)0x80, 6, 'a', 'b', '\0'});
    RUN_UNTIL(&f, owner_has(&o, "U,1,ab"));
    connection_send(c, "cdef");
    RUN_UNTIL(&f, owner_has(&o, "U,1,abcdef"));
    ws_frame(c, 0x8a, "unasked", 7);
    ws_text(c, "!");
    RUN_UNTIL(&f, owner_has(&o, "U,1,abcdef!"));
}
END_TEST

START_TEST(ill_formed_text_and_nul_pass)
{
    struct connection *c = ws_accepted(&o);
    ws_frame(c, 0x81, "\xff\xc0\x80\0\xed\xa0\x80", 7);
    RUN_UNTIL(&f, span_equal(buf_span(&o.data), SPAN("\xff\xc0\x80\0\xed\xa0\x80")));
}
END_TEST

static const size_t sizes[] = {125, 126, 127, 65535, 65536, 300000, 3000000};

START_TEST(frames_of_every_size)
{
    struct connection *c = ws_accepted(&o);
    AUTO_BUF struct buf big = BUF_INIT(4U << 20);
    for (size_t i = 0; i < sizes[_i]; i++)
        buf_add_char(&big, (char)('a' + i % 23));
    ck_assert_int_eq(net_ws_send(o.stream, buf_span(&big)), 0);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert(span_equal(buf_span(&got), buf_span(&big)));
    /* The server's end of the loop must not wait for ours: what it sends comes in parts. */
    for (size_t sent = 0; sent < big.len; sent += 50000) {
        size_t n = big.len - sent < 50000 ? big.len - sent : 50000;
        ws_frame(c, (sent ? 0x00U : 0x01U) | (sent + n == big.len ? 0x80U : 0), big.at + sent, n);
        RUN_UNTIL(&f, o.data.len == sent + n);
    }
    ck_assert(span_equal(buf_span(&o.data), buf_span(&big)));
}
END_TEST

START_TEST(sending_is_bounded)
{
    struct connection *c = ws_accepted(&o);
    AUTO_BUF struct buf big = BUF_INIT(NET_SEND_MAX + 1);
    while (big.len < NET_SEND_MAX + 1)
        buf_add_char(&big, 'x');
    ck_assert_int_eq(net_ws_send(o.stream, buf_span(&big)), -ENOBUFS);
    big.len = NET_SEND_MAX;
    ck_assert_int_eq(net_ws_send(o.stream, buf_span(&big)), 0);
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("x")), -ENOBUFS);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert_uint_eq(got.len, NET_SEND_MAX);
    RUN_UNTIL(&f, net_ws_send(o.stream, SPAN("x")) == 0);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert_str_eq(buf_text(&got), "x");
}
END_TEST

START_TEST(the_server_closes)
{
    struct connection *c = ws_accepted(&o);
    ws_text(c, "last");
    if (_i)
        ws_frame(c, 0x88, "\x03\xe9going\naway", 12);
    else
        ws_frame(c, 0x88, "", 0);
    expect_closed(NET_EOF, 0, _i ? "code 1001: going away" : "code 1005");
    ck_assert(owner_has(&o, "last"));
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x88);
    RUN_UNTIL(&f, c->ended);
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("x")), 1);
}
END_TEST

START_TEST(we_close)
{
    struct connection *c = ws_accepted(&o);
    net_ws_send(o.stream, SPAN("destroy"));
    net_stream_free(o.stream);
    o.stream = NULL;
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ck_assert_str_eq(buf_text(&got), "destroy");
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x88);
    ck_assert_mem_eq(got.at, "\x03\xe8", 2);
    RUN_UNTIL(&f, c->ended);
    ck_assert_int_eq(o.closed, 0);
}
END_TEST

START_TEST(a_cut_is_told_from_an_end)
{
    struct connection *c = ws_accepted(&o);
    ws_text(c, "abc");
    if (_i)
        connection_reset(c);
    else
        connection_close(c);
    expect_closed(NET_RESET, 0, "127.0.0.1:");
    ck_assert(_i || owner_has(&o, "abc"));
}
END_TEST

struct breach {
    const char *bytes;
    size_t n;
    const char *words;
    unsigned code;
};

#define BREACH(bytes, words, code)                                                                           \
    {                                                                                                        \
        bytes, sizeof(bytes) - 1, words, code                                                                \
    }

static const struct breach breaches[] = {
    BREACH("\x82\x01x", "binary", 1003),
    BREACH("\x81\x81\x01\x02\x03\x04x", "masks", 1002),
    BREACH("\xc1\x01x", "extension", 1002),
    BREACH("\x83\x01x", "opcode", 1002),
    BREACH("\x80\x01x", "never began", 1002),
    BREACH("\x01\x01x\x81\x01y", "inside another", 1002),
    BREACH("\x09\x01x", "head", 1002),
    BREACH("\x89\x7e\x00\x7e", "head", 1002),
    BREACH("\x81\x7e\x00\x7d", "head", 1002),
    BREACH("\x81\x7f\x80\0\0\0\0\0\0\0", "head", 1002),
    BREACH("\x81\x7f\0\0\0\0\0\0\xff\xff", "head", 1002),
    BREACH("\x88\x01x", "half a code", 1002),
};

START_TEST(a_frame_that_breaks_the_protocol)
{
    const struct breach *b = &breaches[_i];
    struct connection *c = ws_accepted(&o);
    connection_send_bytes(c, b->bytes, b->n);
    expect_closed(NET_GARBAGE, 0, b->words);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x88);
    ck_assert_uint_eq((unsigned)(unsigned char)got.at[0] << 8 | (unsigned char)got.at[1], b->code);
}
END_TEST

/* It may promise any length: nothing is reserved for it. */
START_TEST(a_frame_of_an_absurd_length)
{
    struct connection *c = ws_accepted(&o);
    connection_send_bytes(c,
                          "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"
                          "abc",
                          13);
    RUN_UNTIL(&f, owner_has(&o, "abc"));
}
END_TEST

#define HEAD "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

static const struct {
    const char *answer, *words;
    enum net_failure failure;
    int status;
} answers[] = {
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 (url)", NET_STATUS, 404},
    {"HTTP/1.1 302 Found\r\nLocation: /x?y\r\n\r\n", "/x (url)", NET_STATUS, 302},
    {"HTTP/1.1 200 OK\r\n\r\n", "200", NET_STATUS, 200},
    {HEAD "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "Sec-WebSocket-Accept", NET_GARBAGE,
     0},
    {HEAD "\r\n", "Sec-WebSocket-Accept", NET_GARBAGE, 0},
    {"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "upgrades", NET_GARBAGE, 0},
    {"HTTP/1.1 101 X\r\nno header\r\n\r\n", "no header", NET_GARBAGE, 0},
    {"ICY 200 OK\r\n\r\n", "not HTTP", NET_GARBAGE, 0},
};

START_TEST(a_handshake_that_fails)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    connection_send(c, answers[_i].answer);
    expect_closed(answers[_i].failure, answers[_i].status, answers[_i].words);
    ck_assert_int_eq(o.opened, 0);
    RUN_UNTIL(&f, c->ended);
}
END_TEST

START_TEST(the_subprotocol_has_to_be_ours)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    ws_answer(c,
              _i ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "Sec-WebSocket-Protocol: chat\r\n");
    expect_closed(NET_GARBAGE, 0, _i ? "extension" : "subprotocol");
}
END_TEST

START_TEST(an_answer_without_end)
{
    static char filler[70000];
    memset(filler, 'a', sizeof filler);
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    connection_send(c, "HTTP/1.1 101 X\r\n");
    connection_send_bytes(c, filler, sizeof filler);
    expect_closed(NET_GARBAGE, 0, "does not end");
}
END_TEST

START_TEST(no_answer)
{
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    connection_close(server_request(&f));
    expect_closed(NET_RESET, 0, "without an answer");
}
END_TEST

static void with_options(const struct net_peer_options *options)
{
    net_peer_free(f.peer);
    ck_assert_int_eq(net_peer_new(f.net, options, &f.peer), 0);
}

START_TEST(the_answer_comes_too_late)
{
    with_options(&(struct net_peer_options){.connect_ms = 700});
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    connection_send(server_request(&f), HEAD);
    expect_closed(NET_TIMEOUT, 0, "while waiting for the answer (connect_ms)");
}
END_TEST

START_TEST(a_port_where_nobody_listens)
{
    owner_ws(&o, "http://127.0.0.1:1/lightstreamer");
    expect_closed(NET_CONNECT, 0, "127.0.0.1:1: cannot connect: Connection refused (url)");
}
END_TEST

/* Paused after every frame: each resume brings what was read already, then what the socket holds. */
START_TEST(a_paused_socket_loses_nothing)
{
    enum { FRAMES = 50 };
    struct connection *c = ws_accepted(&o);
    static char payload[3000];
    o.pause_in = IN_DATA;
    if (_i)
        net_stream_pause(o.stream);
    for (int i = 0; i < FRAMES; i++) {
        memset(payload, 'x', sizeof payload);
        (void)snprintf(payload, sizeof payload, "%06d", i);
        ws_frame(c, 0x81, payload, sizeof payload);
    }
    fixture_settle(&f);
    ck_assert_int_eq(o.data_calls, _i ? 0 : 1);
    while (o.data.len < FRAMES * sizeof payload) {
        int before = o.data_calls;
        net_stream_resume(o.stream);
        ck_assert_int_eq(o.data_calls, before);
        RUN_UNTIL(&f, o.data_calls > before);
        ck_assert_int_eq(o.data_calls, before + 1);
    }
    for (size_t i = 0; i < FRAMES; i++)
        ck_assert_int_eq(atoi(o.data.at + i * sizeof payload), (int)i);
    ws_frame(c, 0x88, "", 0);
    net_stream_resume(o.stream);
    expect_closed(NET_EOF, 0, "");
}
END_TEST

/* The socket fails while there is input from before: that comes first. */
START_TEST(what_was_kept_comes_before_a_cut)
{
    AUTO_BUF struct buf big = BUF_INIT(NET_SEND_MAX);
    struct connection *c = ws_accepted(&o);
    o.pause_in = IN_DATA;
    sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
    connection_send(c, "\x81\x03one\x81\x03two\x81\x05three");
    RUN_UNTIL(&f, o.data_calls);
    while (big.len < NET_SEND_MAX)
        buf_add_char(&big, 'x');
    ck_assert_int_eq(net_ws_send(o.stream, buf_span(&big)), 0);
    fixture_settle(&f);
    connection_reset(c);
    if (_i)
        fixture_settle(&f);
    o.pause_in = NEVER;
    net_stream_resume(o.stream);
    expect_closed(NET_RESET, 0, "");
    ck_assert(owner_has(&o, "onetwothree"));
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("x")), 1);
}
END_TEST

START_TEST(paused_in_opened)
{
    o.pause_in = IN_OPENED;
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    ws_answer(c, "");
    ws_text(c, "kept");
    RUN_UNTIL(&f, o.opened);
    ws_text(c, " back");
    fixture_settle(&f);
    ck_assert_int_eq(o.data_calls, 0);
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("still sends")), 0);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    net_stream_resume(o.stream);
    RUN_UNTIL(&f, owner_has(&o, "kept back"));
}
END_TEST

START_TEST(freed_in_a_handler)
{
    static const enum moment moments[] = {IN_OPENED, IN_DATA, IN_CLOSED};
    o.free_in = moments[_i];
    struct connection *c = ws_accepted(&o);
    ws_text(c, "one");
    ws_text(c, "two");
    ws_frame(c, 0x88, "", 0);
    RUN_UNTIL(&f, !o.stream);
    fixture_settle(&f);
    ck_assert_int_eq(o.opened, 1);
    ck_assert_int_eq(o.closed, moments[_i] == IN_CLOSED);
    ck_assert_int_le(o.data_calls, moments[_i] == IN_CLOSED ? 2 : moments[_i] == IN_DATA);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x88);
    RUN_UNTIL(&f, c->ended);
}
END_TEST

/* libcurl prunes idle connections whenever another transfer begins; a WebSocket in use must not be among
 * them. */
START_TEST(it_outlives_other_transfers)
{
    struct connection *c = ws_accepted(&o);
    for (int i = 0; i < 3; i++) {
        struct owner other;
        owner_init(&other, &f);
        ws_text(c, "x");
        owner_post(&other, fixture_url(&f, "/lightstreamer/control.txt"), "a", 1000);
        struct connection *d = server_request(&f);
        uint64_t until = fixture_now_ms() + 500;
        RUN_UNTIL(&f, fixture_now_ms() > until);
        connection_send(d, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        RUN_UNTIL(&f, other.closed);
        owner_done(&other);
    }
    ws_text(c, "y");
    RUN_UNTIL(&f, owner_has(&o, "xxxy"));
    ck_assert_int_eq(o.closed, 0);
}
END_TEST

static void take_cookie(const char *header)
{
    struct owner other;
    char answer[512];
    owner_init(&other, &f);
    owner_post(&other, fixture_url(&f, "/"), "a", 1000);
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: %s\r\nContent-Length: 0\r\n\r\n",
                   header);
    connection_send(server_request(&f), answer);
    RUN_UNTIL(&f, other.closed);
    owner_done(&other);
}

START_TEST(cookies_go_both_ways)
{
    take_cookie("node=7; Path=/");
    take_cookie("deep=1; Path=/lightstreamer/deep");
    take_cookie("tls=1; Path=/; Secure");
    take_cookie("here=1; Path=/lightstreamer; HttpOnly");
    owner_ws(&o, fixture_url(&f, "/lightstreamer"));
    struct connection *c = server_request(&f);
    const char *cookie = strstr(connection_text(c), "\r\nCookie: ");
    ck_assert_ptr_nonnull(cookie);
    ck_assert(strncmp(cookie, "\r\nCookie: node=7; here=1\r\n", 26) == 0 ||
              strncmp(cookie, "\r\nCookie: here=1; node=7\r\n", 26) == 0);
    ws_answer(
        c, "Set-Cookie: node=8; Path=/\r\nset-cookie: foreign=1; Domain=example.com\r\nSet-Cookie: w=2\r\n");
    RUN_UNTIL(&f, o.opened);
    struct owner other;
    owner_init(&other, &f);
    owner_post(&other, fixture_url(&f, "/lightstreamer/control.txt"), "a", 1000);
    cookie = strstr(connection_text(server_request(&f)), "\r\nCookie: ");
    ck_assert_ptr_nonnull(cookie);
    ck_assert_ptr_nonnull(strstr(cookie, "node=8"));
    ck_assert_ptr_nonnull(strstr(cookie, "w=2"));
    ck_assert_ptr_null(strstr(cookie, "foreign"));
    owner_done(&other);
}
END_TEST

START_TEST(user_headers_and_user_information)
{
    static const struct net_header headers[] = {{"X-Token", "abc"},
                                                {"Host", "virtual"},
                                                {"Upgrade", "no"},
                                                {"Sec-WebSocket-Key", "no"},
                                                {"X-Empty", ""}};
    char url[64];
    with_options(&(struct net_peer_options){
        .connect_ms = 1000, .headers = headers, .n_headers = ARRAY_LENGTH(headers), .user_agent = "test/1"});
    (void)snprintf(url, sizeof url, "http://user:p%%40ss@127.0.0.1:%d/lightstreamer", f.server.port);
    owner_ws(&o, url);
    struct connection *c = server_request(&f);
    const char *text = connection_text(c);
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Token: abc\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Empty:\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nHost: virtual\r\n"));
    ck_assert_ptr_null(strstr(text, "Host: 127"));
    ck_assert_ptr_null(strstr(text, ": no\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nAuthorization: Basic dXNlcjpwQHNz\r\n"));
    ws_answer(c, "");
    RUN_UNTIL(&f, o.opened);
}
END_TEST

START_TEST(through_a_tunnel)
{
    char proxy[64];
    (void)snprintf(proxy, sizeof proxy, "http://me:pw@127.0.0.1:%d", f.server.port);
    with_options(&(struct net_peer_options){.connect_ms = 2000, .proxy = proxy});
    owner_ws(&o, "http://push.example:8080/lightstreamer");
    struct connection *c = server_request(&f);
    ck_assert_ptr_eq(strstr(connection_text(c), "CONNECT push.example:8080 HTTP/1.1\r\n"),
                     connection_text(c));
    ck_assert_ptr_nonnull(strstr(connection_text(c), "\r\nProxy-Authorization: Basic bWU6cHc=\r\n"));
    connection_forget(c);
    if (_i) {
        connection_send(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        expect_closed(NET_PROXY, 403, "refused the tunnel: HTTP status 403 (proxy)");
        ck_assert_ptr_null(strstr(o.text, "pw"));
        return;
    }
    connection_send(c, "HTTP/1.1 200 Connection established\r\n\r\n");
    RUN_UNTIL(&f, strstr(connection_text(c), "\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(connection_text(c), "\r\nHost: push.example:8080\r\n"));
    ck_assert_ptr_null(strstr(connection_text(c), "Proxy-Authorization"));
    ws_answer(c, "");
    ws_text(c, "through");
    RUN_UNTIL(&f, owner_has(&o, "through"));
}
END_TEST

START_TEST(bytes_are_counted)
{
    uint64_t in = 0, out = 0, in_later = 0, out_later = 0;
    struct connection *c = ws_accepted(&o);
    net_peer_counters(f.peer, &in, &out);
    ws_text(c, "12345");
    net_ws_send(o.stream, SPAN("123"));
    RUN_UNTIL(&f, o.data.len == 5);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    net_peer_counters(f.peer, &in_later, &out_later);
    ck_assert_uint_eq(in_later - in, 2 + 5);
    ck_assert_uint_eq(out_later - out, 6 + 3);
}
END_TEST

static TCase *sockets(void)
{
    TCase *t = tcase_create("sockets");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, the_handshake_is_what_the_protocol_wants);
    tcase_add_test(t, text_goes_both_ways);
    tcase_add_test(t, nothing_is_sent_before_it_is_open);
    tcase_add_test(t, frames_come_with_the_handshake);
    tcase_add_test(t, text_does_not_wait_for_the_end_of_its_message);
    tcase_add_test(t, ill_formed_text_and_nul_pass);
    tcase_add_loop_test(t, frames_of_every_size, 0, ARRAY_LENGTH(sizes));
    tcase_add_test(t, sending_is_bounded);
    tcase_add_loop_test(t, the_server_closes, 0, 2);
    tcase_add_test(t, we_close);
    tcase_add_loop_test(t, a_paused_socket_loses_nothing, 0, 2);
    tcase_add_loop_test(t, what_was_kept_comes_before_a_cut, 0, 2);
    tcase_add_test(t, paused_in_opened);
    tcase_add_loop_test(t, freed_in_a_handler, 0, 3);
    tcase_add_test(t, it_outlives_other_transfers);
    tcase_add_test(t, cookies_go_both_ways);
    tcase_add_test(t, user_headers_and_user_information);
    tcase_add_loop_test(t, through_a_tunnel, 0, 2);
    tcase_add_test(t, bytes_are_counted);
    return t;
}

static TCase *failures(void)
{
    TCase *t = tcase_create("failures");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_cut_is_told_from_an_end, 0, 2);
    tcase_add_loop_test(t, a_frame_that_breaks_the_protocol, 0, ARRAY_LENGTH(breaches));
    tcase_add_test(t, a_frame_of_an_absurd_length);
    tcase_add_loop_test(t, a_handshake_that_fails, 0, ARRAY_LENGTH(answers));
    tcase_add_loop_test(t, the_subprotocol_has_to_be_ours, 0, 2);
    tcase_add_test(t, an_answer_without_end);
    tcase_add_test(t, no_answer);
    tcase_add_test(t, the_answer_comes_too_late);
    tcase_add_test(t, a_port_where_nobody_listens);
    return t;
}

int main(void)
{
    Suite *s = suite_create("net: WebSocket");
    suite_add_tcase(s, sockets());
    suite_add_tcase(s, failures());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
