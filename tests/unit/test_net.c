#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "net_fixture.h"

#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct fixture f;
static struct owner o;

static void set_up(void)
{
    fixture_start(&f, NULL);
    owner_init(&o, &f);
}

static void tear_down(void)
{
    owner_done(&o);
    fixture_stop(&f);
}

static struct connection *post(const char *body)
{
    owner_post(&o, fixture_url(&f, "/lightstreamer/create_session.txt?LS_protocol=TLCP-2.5.0"), body, 0);
    return server_request(&f);
}

static void expect_closed(enum net_failure failure, int status, const char *words)
{
    RUN_UNTIL(&f, o.closed);
    ck_assert_int_eq(o.closed, 1);
    ck_assert_msg(o.failure == failure && o.status == status && strstr(o.text, words), "%u %d %s", o.failure,
                  o.status, o.text);
    fixture_settle(&f);
    ck_assert_int_eq(o.closed, 1);
}

START_TEST(a_post_is_what_the_protocol_wants)
{
    struct connection *c = post("LS_cid=x&LS_password=100%25");
    const char *text = connection_text(c);
    ck_assert_ptr_eq(
        strstr(text, "POST /lightstreamer/create_session.txt?LS_protocol=TLCP-2.5.0 HTTP/1.1\r\n"), text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: test/1\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 27\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nLS_cid=x&LS_password=100%25"));
    ck_assert_ptr_null(strstr(text, "Expect"));
    ck_assert_ptr_null(strstr(text, "Upgrade"));
}
END_TEST

START_TEST(a_stream_is_delivered_as_it_comes)
{
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED);
    RUN_UNTIL(&f, o.opened);
    ck_assert_int_eq(o.data_calls, 0);
    connection_send(c, "7\r\nCONOK,S\r\n");
    RUN_UNTIL(&f, owner_has(&o, "CONOK,S"));
    connection_send(c, "3\r\nab");
    RUN_UNTIL(&f, owner_has(&o, "CONOK,Sab"));
    connection_send(c, "c\r\n0");
    connection_send(c, "\r\n\r\n");
    RUN_UNTIL(&f, o.closed);
    ck_assert(owner_has(&o, "CONOK,Sabc"));
    expect_closed(NET_EOF, 200, "complete");
}
END_TEST

START_TEST(an_answer_with_a_length_ends)
{
    struct connection *c = post("a");
    connection_send(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nREQOK");
    expect_closed(NET_EOF, 200, "complete");
    ck_assert(owner_has(&o, "REQOK"));
    ck_assert_int_eq(o.opened, 1);
}
END_TEST

START_TEST(an_answer_may_be_empty)
{
    connection_send(post(""), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_closed(NET_EOF, 200, "");
    ck_assert_int_eq(o.opened, 1);
    ck_assert_int_eq(o.data_calls, 0);
}
END_TEST

START_TEST(bytes_are_counted)
{
    uint64_t in = 0, out = 0;
    connection_send(post("12345"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nREQOK");
    RUN_UNTIL(&f, o.closed);
    net_peer_counters(f.peer, &in, &out);
    ck_assert_uint_eq(in, 38 + 5);
    ck_assert_uint_gt(out, 100);
    net_stream_free(o.stream);
    o.stream = NULL;
    fixture_settle(&f);
    net_peer_counters(f.peer, &in, &out);
    ck_assert_uint_eq(in, 38 + 5);
}
END_TEST

START_TEST(a_cut_is_told_from_an_end)
{
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED "3\r\nabc\r\n");
    RUN_UNTIL(&f, o.data.len == 3);
    if (_i)
        connection_reset(c);
    else
        connection_close(c);
    expect_closed(NET_RESET, 0, "127.0.0.1:");
    ck_assert(owner_has(&o, "abc"));
}
END_TEST

START_TEST(no_answer_at_all)
{
    struct connection *c = post("a");
    connection_close(c);
    expect_closed(NET_RESET, 0, "without an answer");
    ck_assert_int_eq(o.opened, 0);
}
END_TEST

START_TEST(a_port_where_nobody_listens)
{
    owner_post(&o, "http://user:secret@127.0.0.1:1/", "a", 0);
    expect_closed(NET_CONNECT, 0, "127.0.0.1:1: cannot connect: Connection refused (url)");
    ck_assert_ptr_null(strstr(o.text, "secret"));
}
END_TEST

START_TEST(a_name_that_does_not_resolve)
{
    owner_post(&o, "http://name.invalid:8080/", "a", 0);
    expect_closed(NET_RESOLVE, 0, "name.invalid:8080: the name does not resolve (url)");
}
END_TEST

/* A peer in place of the fixture's. */
static void with_options(const struct net_peer_options *options)
{
    net_peer_free(f.peer);
    ck_assert_int_eq(net_peer_new(f.net, options, &f.peer), 0);
}

/* Stands before libc's: a resolver that answers only when the test lets it. */
static int resolver_pipe[2];
static atomic_int resolver_calls, resolver_answers;

int getaddrinfo(const char *name, const char *service UNUSED, const struct addrinfo *hints UNUSED,
                struct addrinfo **ret UNUSED)
{
    ck_assert_str_ne(name, "");
    resolver_calls++;
    struct pollfd p = {.fd = resolver_pipe[0], .events = POLLIN};
    if (strcmp(name, "slow.invalid") == 0)
        poll(&p, 1, 2 * WAIT_MS);
    resolver_answers++;
    return EAI_NONAME;
}

START_TEST(a_resolver_that_hangs_does_not_stop_the_loop)
{
    ck_assert_int_eq(pipe(resolver_pipe), 0);
    resolver_calls = resolver_answers = 0;
    with_options(&(struct net_peer_options){.connect_ms = 200});
    uint64_t start = fixture_now_ms();
    if (_i)
        owner_ws(&o, "http://slow.invalid/");
    else
        owner_post(&o, "http://slow.invalid/", "a", 0);
    expect_closed(NET_TIMEOUT, 0, "while the name was being resolved (connect_ms)");
    owner_done(&o);
    fixture_settle(&f);
    ck_assert_uint_lt(fixture_now_ms() - start, WAIT_MS);
    ck_assert_int_eq(resolver_calls, 1);
    ck_assert_int_eq(resolver_answers, 0);
    ck_assert_int_eq(write(resolver_pipe[1], "", 1), 1);
    RUN_UNTIL(&f, resolver_answers);
}
END_TEST

START_TEST(no_child_inherits_a_connection)
{
    post("a");
    DIR *d = opendir("/proc/self/fd");
    int checked = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct sockaddr_in a = {0};
        socklen_t n = sizeof a;
        int fd = atoi(e->d_name);
        if (getpeername(fd, (struct sockaddr *)&a, &n) == 0 && ntohs(a.sin_port) == f.server.port) {
            ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
            checked++;
        }
    }
    closedir(d);
    ck_assert_int_eq(checked, 1);
}
END_TEST

static const struct {
    const char *answer, *words;
    int status;
} refusals[] = {
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", "404 (url)", 404},
    {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "500", 500},
    {"HTTP/1.1 204 No Content\r\n\r\n", "204", 204},
    {"HTTP/1.1 302 Found\r\nLocation: https://u:p@other.example/path?session=S\r\nContent-Length: 0\r\n\r\n",
     "302, a redirect to https://other.example/path (url)", 302},
    {"HTTP/1.1 301 Moved\r\nlocation:/elsewhere\r\nContent-Length: 0\r\n\r\n", "/elsewhere (url)", 301},
};

START_TEST(another_status_than_200)
{
    connection_send(post("a"), refusals[_i].answer);
    expect_closed(NET_STATUS, refusals[_i].status, refusals[_i].words);
    ck_assert_int_eq(o.opened + o.data_calls, 0);
}
END_TEST

START_TEST(what_is_not_http)
{
    static const char *const answers[] = {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/3.7 banana\r\n\r\n"};
    connection_send(post("a"), answers[_i]);
    expect_closed(NET_GARBAGE, 0, "not HTTP");
}
END_TEST

START_TEST(a_head_without_end)
{
    static char line[1024];
    memset(line, 'a', sizeof line);
    memcpy(line, "X-Filler: ", 10);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    struct connection *c = post("a");
    connection_send(c, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 70; i++)
        connection_send_bytes(c, line, sizeof line);
    expect_closed(NET_GARBAGE, 0, "");
    ck_assert_int_eq(o.opened, 0);
}
END_TEST

START_TEST(the_head_comes_too_late)
{
    with_options(&(struct net_peer_options){.connect_ms = 700});
    struct connection *c = post("a");
    connection_send(c, "HTTP/1.1 200 OK\r\n");
    expect_closed(NET_TIMEOUT, 0, "while waiting for the answer (connect_ms)");
}
END_TEST

START_TEST(connect_ms_does_not_bound_an_open_stream)
{
    with_options(&(struct net_peer_options){.connect_ms = 700});
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED);
    RUN_UNTIL(&f, o.opened);
    uint64_t until = fixture_now_ms() + 800;
    RUN_UNTIL(&f, fixture_now_ms() > until);
    connection_send(c, "1\r\na\r\n0\r\n\r\n");
    expect_closed(NET_EOF, 200, "");
}
END_TEST

START_TEST(a_request_takes_too_long)
{
    owner_post(&o, fixture_url(&f, "/lightstreamer/control.txt"), "a", 700);
    struct connection *c = server_request(&f);
    if (_i)
        connection_send(c, OK_CHUNKED "1\r\na\r\n");
    expect_closed(NET_TIMEOUT, 0, _i ? "before the answer was complete" : "while waiting for the answer");
}
END_TEST

static void send_chunks(struct connection *c, int n)
{
    static char chunk[10000];
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < n; i++) {
        connection_send(c, "2710\r\n");
        (void)snprintf(chunk, sizeof chunk, "%06d", i);
        connection_send_bytes(c, chunk, sizeof chunk);
        connection_send(c, "\r\n");
    }
}

/* Paused anew in every data(): one call for each resume, and nothing lost. */
START_TEST(a_paused_stream_loses_nothing)
{
    enum { CHUNKS = 20 };
    o.pause_in = _i ? IN_OPENED : IN_DATA;
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED);
    send_chunks(c, CHUNKS);
    connection_send(c, "0\r\n\r\n");
    RUN_UNTIL(&f, _i ? o.opened : o.data_calls);
    fixture_settle(&f);
    ck_assert_int_eq(o.data_calls, _i ? 0 : 1);
    o.pause_in = IN_DATA;
    while (!o.closed) {
        int before = o.data_calls;
        net_stream_resume(o.stream);
        ck_assert_int_eq(o.data_calls, before);
        RUN_UNTIL(&f, o.closed || o.data_calls > before);
        ck_assert_int_le(o.data_calls, before + 1);
    }
    ck_assert_uint_eq(o.data.len, CHUNKS * 10000);
    for (int i = 0; i < CHUNKS; i++)
        ck_assert_int_eq(atoi(o.data.at + i * 10000), i);
    ck_assert_int_eq(o.failure, NET_EOF);
}
END_TEST

START_TEST(a_paused_stream_may_be_freed)
{
    o.pause_in = IN_DATA;
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED);
    send_chunks(c, 3);
    RUN_UNTIL(&f, o.data_calls);
    fixture_settle(&f);
    net_stream_resume(o.stream);
    net_stream_free(o.stream);
    o.stream = NULL;
    fixture_settle(&f);
    ck_assert_int_eq(o.data_calls, 1);
}
END_TEST

START_TEST(freed_in_a_handler)
{
    static const enum moment moments[] = {IN_OPENED, IN_DATA, IN_CLOSED};
    o.free_in = moments[_i];
    struct connection *c = post("a");
    connection_send(c, OK_CHUNKED "3\r\nabc\r\n0\r\n\r\n");
    RUN_UNTIL(&f, !o.stream);
    fixture_settle(&f);
    ck_assert_int_eq(o.opened, 1);
    ck_assert_int_eq(o.data_calls, moments[_i] > IN_OPENED);
    ck_assert_int_eq(o.closed, moments[_i] == IN_CLOSED);
}
END_TEST

START_TEST(freed_before_it_began_and_with_its_peer)
{
    owner_post(&o, fixture_url(&f, "/"), "a", 0);
    net_stream_free(o.stream);
    o.stream = NULL;
    net_peer_free(f.peer);
    f.peer = NULL;
    fixture_settle(&f);
    ck_assert_int_eq(f.server.accepted, 0);
}
END_TEST

START_TEST(a_connection_is_used_again)
{
    struct connection *c = post("a");
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    expect_closed(NET_EOF, 200, "");
    owner_done(&o);
    owner_init(&o, &f);
    connection_forget(c);
    owner_post(&o, fixture_url(&f, "/b"), "b", 1000);
    RUN_UNTIL(&f, strstr(connection_text(c), "POST /b"));
    ck_assert_int_eq(f.server.accepted, 1);
}
END_TEST

/* The server may have obeyed the request: whether to ask again is the owner's to say. */
START_TEST(no_request_is_sent_twice)
{
    struct connection *c = post("a");
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    expect_closed(NET_EOF, 200, "");
    owner_done(&o);
    owner_init(&o, &f);
    connection_forget(c);
    owner_post(&o, fixture_url(&f, "/b"), "b", 1000);
    RUN_UNTIL(&f, strstr(connection_text(c), "POST /b"));
    connection_close(c);
    expect_closed(NET_RESET, 0, "without an answer");
    fixture_settle(&f);
    LIST_EACH(link, &f.server.connections) {
        struct connection *other = CONTAINER_OF(link, struct connection, in_server);
        ck_assert(other == c || other->in.len == 0);
    }
}
END_TEST

START_TEST(a_web_page_is_no_answer)
{
    static const char *const pages[] = {"<html><body>Please log in", "\r\n <!DOCTYPE html>\r\n",
                                        "\xEF\xBB\xBF<?xml version"};
    static const char *const starts[] = {": <html><body>Please log in (url)", ": <!DOCTYPE html>",
                                         ": <?xml version (url)"};
    char answer[256];
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(pages[_i]), pages[_i]);
    connection_send(post("a"), answer);
    expect_closed(NET_GARBAGE, 0, "web page");
    ck_assert_ptr_nonnull(strstr(o.text, starts[_i]));
    ck_assert_uint_eq(o.data.len, 0);
}
END_TEST

START_TEST(what_only_looks_like_a_web_page)
{
    connection_send(post("a"),
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n\r\nU,1,1,<");
    RUN_UNTIL(&f, owner_has(&o, "\r\nU,1,1,"));
}
END_TEST

START_TEST(a_dead_peer_would_be_found)
{
    post("a");
    DIR *d = opendir("/proc/self/fd");
    int checked = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct sockaddr_in a = {0};
        socklen_t n = sizeof a, size = sizeof(int);
        int fd = atoi(e->d_name), on = 0, idle = 0;
        if (getpeername(fd, (struct sockaddr *)&a, &n) != 0 || ntohs(a.sin_port) != f.server.port)
            continue;
        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
        ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
        ck_assert(on && idle == 30);
        checked++;
    }
    closedir(d);
    ck_assert_int_eq(checked, 1);
}
END_TEST

START_TEST(cookies_are_shared_by_a_peers_requests)
{
    connection_send(post("a"),
                    "HTTP/1.1 200 OK\r\nSet-Cookie: node=7; Path=/; HttpOnly\r\nContent-Length: 0\r\n\r\n");
    expect_closed(NET_EOF, 200, "");
    owner_done(&o);
    owner_init(&o, &f);
    connection_close(CONTAINER_OF(f.server.connections.next, struct connection, in_server));
    ck_assert_ptr_nonnull(strstr(connection_text(post("b")), "\r\nCookie: node=7\r\n"));
    struct net_peer *other = NULL;
    struct owner o2;
    owner_init(&o2, &f);
    ck_assert_int_eq(net_peer_new(f.net, &(struct net_peer_options){.connect_ms = 1000}, &other), 0);
    ck_assert_int_eq(
        net_http_post(other, fixture_url(&f, "/"), SPAN("c"), 0, 0, &owner_handlers, &o2, &o2.stream), 0);
    RUN_UNTIL(&f, f.server.accepted == 3);
    ck_assert_ptr_null(strstr(connection_text(server_request(&f)), "Cookie"));
    owner_done(&o2);
    net_peer_free(other);
}
END_TEST

static const struct net_header user_headers[] = {
    {"X-Token", "abc"},      {"content-type", "text/strange"}, {"X-Empty", ""},
    {"Content-Length", "1"}, {"User-Agent", "mine"},
};

START_TEST(a_users_headers_win)
{
    with_options(&(struct net_peer_options){.connect_ms = 1000,
                                            .headers = user_headers,
                                            .n_headers = ARRAY_LENGTH(user_headers),
                                            .user_agent = "test/1"});
    const char *text = connection_text(post("four"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Token: abc\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\ncontent-type: text/strange\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Empty:\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 4\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: mine\r\n"));
    ck_assert_ptr_null(strstr(text, "text/plain"));
    ck_assert_ptr_null(strstr(text, "test/1"));
}
END_TEST

START_TEST(a_header_with_a_line_break_is_refused)
{
    static const struct net_header bad[] = {{"X", "a\r\nY: b"}, {"", "a"}, {"X Y", "a"}, {"X:", "a"}};
    struct net_peer *p = NULL;
    ck_assert_int_eq(net_peer_new(f.net, &(struct net_peer_options){.headers = &bad[_i], .n_headers = 1}, &p),
                     -EINVAL);
}
END_TEST

START_TEST(user_information_becomes_a_header)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://user:p%%40ss@127.0.0.1:%d/x", f.server.port);
    owner_post(&o, url, "a", 0);
    struct connection *c = server_request(&f);
    ck_assert_ptr_nonnull(strstr(connection_text(c), "\r\nAuthorization: Basic dXNlcjpwQHNz\r\n"));
    connection_send(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    expect_closed(NET_STATUS, 401, "401");
    ck_assert_ptr_null(strstr(o.text, "user"));
}
END_TEST

START_TEST(a_proxy_is_asked_and_blamed)
{
    char proxy[64];
    (void)snprintf(proxy, sizeof proxy, "http://me:pw@127.0.0.1:%d", f.server.port);
    with_options(&(struct net_peer_options){.connect_ms = 1000, .proxy = proxy});
    owner_post(&o, "http://name.invalid/x", "a", 0);
    struct connection *c = server_request(&f);
    ck_assert_ptr_eq(strstr(connection_text(c), "POST http://name.invalid/x HTTP/1.1\r\n"),
                     connection_text(c));
    ck_assert_ptr_nonnull(strstr(connection_text(c), "\r\nProxy-Authorization: Basic bWU6cHc=\r\n"));
    connection_send(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    expect_closed(NET_PROXY, 407, "(proxy)");
    ck_assert_ptr_null(strstr(o.text, "pw"));
}
END_TEST

START_TEST(a_proxy_that_is_not_there)
{
    with_options(&(struct net_peer_options){.connect_ms = 1000,
                                            .proxy = _i ? "socks5://u:pw@127.0.0.1:1" : "127.0.0.1:1"});
    owner_post(&o, fixture_url(&f, "/"), "a", 0);
    expect_closed(NET_PROXY, 0,
                  "through 127.0.0.1:1: cannot connect to the proxy: Connection refused (proxy)");
}
END_TEST

START_TEST(the_environments_proxy_is_not_used)
{
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    ck_assert_int_eq(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    ck_assert_ptr_nonnull(post("a"));
}
END_TEST

START_TEST(a_compressed_stream_is_delivered_at_once)
{
    /* The raw bytes of a zlib stream (method deflate) that was flushed after "hello\r\n" and never ended. */
    static const unsigned char bytes[] = {0x78, 0x9c, 0xca, 0x48, 0xcd, 0xc9, 0xc9, 0xe7,
                                          0xe5, 0x02, 0x00, 0x00, 0x00, 0xff, 0xff};
    struct connection *c = post("a");
    ck_assert_ptr_nonnull(strstr(connection_text(c), "\r\nAccept-Encoding: "));
    connection_send(
        c, "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n");
    connection_send_bytes(c, bytes, sizeof bytes);
    connection_send(c, "\r\n");
    RUN_UNTIL(&f, owner_has(&o, "hello\r\n"));
}
END_TEST

/* Whatever a handler does, it may start another stream; libcurl forbids that in its callbacks. */
static struct owner second;

static void start_second(void *userdata UNUSED, struct span bytes UNUSED)
{
    if (!second.stream)
        owner_post(&second, fixture_url(&f, "/second"), "b", 1000);
}

START_TEST(a_stream_started_in_a_handler)
{
    struct net_handlers handlers = owner_handlers;
    handlers.data = start_second;
    owner_init(&second, &f);
    ck_assert_int_eq(
        net_http_post(f.peer, fixture_url(&f, "/first"), SPAN("a"), 0, 0, &handlers, &o, &o.stream), 0);
    connection_send(server_request(&f), OK_CHUNKED "1\r\na\r\n");
    RUN_UNTIL(&f, f.server.accepted == 2);
    connection_send(server_request(&f), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    RUN_UNTIL(&f, second.closed);
    ck_assert(owner_has(&second, "ok"));
    owner_done(&second);
}
END_TEST

START_TEST(no_url_no_stream)
{
    struct net_stream *s = NULL;
    ck_assert_int_eq(net_http_post(f.peer, "ftp://host/", SPAN(""), 0, 0, &owner_handlers, &o, &s), -EINVAL);
    ck_assert_int_eq(net_ws_open(f.peer, "http://", SUBPROTOCOL, &owner_handlers, &o, &s), -EINVAL);
}
END_TEST

static TCase *streams(void)
{
    TCase *t = tcase_create("streams");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_post_is_what_the_protocol_wants);
    tcase_add_test(t, a_stream_is_delivered_as_it_comes);
    tcase_add_test(t, an_answer_with_a_length_ends);
    tcase_add_test(t, an_answer_may_be_empty);
    tcase_add_test(t, bytes_are_counted);
    tcase_add_loop_test(t, a_paused_stream_loses_nothing, 0, 2);
    tcase_add_test(t, a_paused_stream_may_be_freed);
    tcase_add_loop_test(t, freed_in_a_handler, 0, 3);
    tcase_add_test(t, freed_before_it_began_and_with_its_peer);
    tcase_add_test(t, a_connection_is_used_again);
    tcase_add_loop_test(t, a_web_page_is_no_answer, 0, 3);
    tcase_add_test(t, what_only_looks_like_a_web_page);
    tcase_add_test(t, a_dead_peer_would_be_found);
    tcase_add_test(t, no_request_is_sent_twice);
    tcase_add_test(t, cookies_are_shared_by_a_peers_requests);
    tcase_add_test(t, a_users_headers_win);
    tcase_add_loop_test(t, a_header_with_a_line_break_is_refused, 0, 4);
    tcase_add_test(t, user_information_becomes_a_header);
    tcase_add_test(t, the_environments_proxy_is_not_used);
    tcase_add_test(t, a_compressed_stream_is_delivered_at_once);
    tcase_add_test(t, a_stream_started_in_a_handler);
    tcase_add_test(t, no_url_no_stream);
    tcase_add_test(t, no_child_inherits_a_connection);
    return t;
}

static TCase *failures(void)
{
    TCase *t = tcase_create("failures");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_cut_is_told_from_an_end, 0, 2);
    tcase_add_test(t, no_answer_at_all);
    tcase_add_test(t, a_port_where_nobody_listens);
    tcase_add_test(t, a_name_that_does_not_resolve);
    tcase_add_loop_test(t, a_resolver_that_hangs_does_not_stop_the_loop, 0, 2);
    tcase_add_loop_test(t, another_status_than_200, 0, ARRAY_LENGTH(refusals));
    tcase_add_loop_test(t, what_is_not_http, 0, 2);
    tcase_add_test(t, a_head_without_end);
    tcase_add_test(t, the_head_comes_too_late);
    tcase_add_test(t, connect_ms_does_not_bound_an_open_stream);
    tcase_add_loop_test(t, a_request_takes_too_long, 0, 2);
    tcase_add_test(t, a_proxy_is_asked_and_blamed);
    tcase_add_loop_test(t, a_proxy_that_is_not_there, 0, 2);
    return t;
}

int main(void)
{
    Suite *s = suite_create("net");
    suite_add_tcase(s, streams());
    suite_add_tcase(s, failures());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
