#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net_fixture.h"

extern char **environ;

/* https and wss, against the plain server behind a relay that ends TLS. */
static struct fixture f;
static struct owner o;
static char directory[] = "/tmp/lsbridge-tls-XXXXXX";
static char file_text[3][96];

static const char *file_name(int slot, const char *name)
{
    (void)snprintf(file_text[slot], sizeof file_text[slot], "%s/%s", directory, name);
    return file_text[slot];
}

static void run(const char *const *arguments)
{
    pid_t pid = 0;
    int status = 0;
    ck_assert_int_eq(
        posix_spawn(&pid, arguments[0], NULL, NULL, (char *const *)(uintptr_t)arguments, environ), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void make_certificates(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    run((const char *const[]){TESTS_DIR "/lib/certificates", directory, NULL});
}

static void remove_certificates(void)
{
    run((const char *const[]){"/bin/rm", "-r", directory, NULL});
}

static void set_up(void)
{
    fixture_start(&f, NULL);
    owner_init(&o, &f);
}

static struct relay {
    pid_t pid;
    int in; /* its standard input: it ends with that */
    int port;
} relay;

static void tear_down(void)
{
    owner_done(&o);
    fixture_stop(&f);
    if (relay.pid) {
        close(relay.in);
        ck_assert_int_eq(waitpid(relay.pid, NULL, 0), relay.pid);
    }
    relay.pid = 0;
}

static int read_port(int fd)
{
    char line[16] = "";
    size_t n = 0;
    while (n < sizeof line - 1 && !strchr(line, '\n')) {
        ssize_t k = read(fd, line + n, sizeof line - 1 - n);
        ck_assert_int_gt(k, 0);
        n += (size_t)k;
    }
    close(fd);
    return atoi(line);
}

static void start_relay(const char *name, bool asks_clients)
{
    char port[16], certificate[96], key[96], ca[96];
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    (void)snprintf(port, sizeof port, "%d", f.server.port);
    (void)snprintf(certificate, sizeof certificate, "%s/%s.pem", directory, name);
    (void)snprintf(key, sizeof key, "%s/%s.key", directory, name);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", directory);
    const char *const arguments[] = {PYTHON3, TESTS_DIR "/lib/tls_relay.py", port, certificate,
                                     key,     asks_clients ? ca : NULL,      NULL};
    ck_assert_int_eq(pipe(in) | pipe(out), 0);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ck_assert_int_eq(
        posix_spawn(&relay.pid, PYTHON3, &actions, NULL, (char *const *)(uintptr_t)arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    relay.in = in[1];
    relay.port = read_port(out[0]);
}

static void with_options(struct net_peer_options options)
{
    options.connect_ms = 4000;
    net_peer_free(f.peer);
    ck_assert_int_eq(net_peer_new(f.net, &options, &f.peer), 0);
}

static void with_ca(void)
{
    with_options((struct net_peer_options){.tls_verify = true, .ca_file = file_name(0, "ca.pem")});
}

/* As a POST, or as a WebSocket. */
static void open_secure(bool ws)
{
    char url[96];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/lightstreamer", relay.port);
    if (ws)
        owner_ws(&o, url);
    else
        owner_post(&o, url, "a", 0);
}

static void expect_closed(enum net_failure failure, const char *words)
{
    RUN_UNTIL(&f, o.closed);
    ck_assert_msg(o.failure == failure && strstr(o.text, words), "%u %s", o.failure, o.text);
}

static struct connection *accepted_secure(void)
{
    open_secure(true);
    struct connection *c = server_request(&f);
    ws_answer(c, "");
    RUN_UNTIL(&f, o.opened);
    return c;
}

START_TEST(a_stream_with_a_good_certificate)
{
    start_relay("good", false);
    with_ca();
    open_secure(false);
    struct connection *c = server_request(&f);
    connection_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nCONOK\r\n");
    RUN_UNTIL(&f, owner_has(&o, "CONOK"));
    connection_send(c, "0\r\n\r\n");
    expect_closed(NET_EOF, "complete");
}
END_TEST

START_TEST(a_socket_with_a_good_certificate)
{
    AUTO_BUF struct buf got = BUF_INIT(1024);
    start_relay("good", false);
    with_ca();
    struct connection *c = accepted_secure();
    ck_assert_int_eq(net_ws_send(o.stream, SPAN("wsok")), 0);
    ck_assert_uint_eq(ws_received(&o, c, &got), 0x81);
    ws_text(c, "WSOK\r\n");
    RUN_UNTIL(&f, owner_has(&o, "WSOK\r\n"));
    ws_frame(c, 0x88, "", 0);
    expect_closed(NET_EOF, "code 1005");
}
END_TEST

/* More than any buffer between holds, so that bytes wait inside TLS where no socket tells of them; paused now
 * and then. */
START_TEST(a_flood_loses_nothing)
{
    enum { FRAMES = 600, SIZE = 9000 };
    static char payload[SIZE];
    start_relay("good", false);
    with_ca();
    struct connection *c = accepted_secure();
    o.pause_in = _i ? IN_DATA : NEVER;
    for (int i = 0; i < FRAMES; i++) {
        memset(payload, 'x', sizeof payload);
        (void)snprintf(payload, sizeof payload, "%06d", i);
        ws_frame(c, 0x81, payload, sizeof payload);
        net_stream_resume(o.stream);
        ck_assert_int_ge(sd_event_run(f.event, 0), 0);
    }
    while (o.data.len < (size_t)FRAMES * SIZE) {
        int before = o.data_calls;
        net_stream_resume(o.stream);
        RUN_UNTIL(&f, o.data_calls > before);
    }
    for (size_t i = 0; i < FRAMES; i++)
        ck_assert_int_eq(atoi(o.data.at + i * SIZE), (int)i);
}
END_TEST

static const struct {
    const char *name, *words;
} bad[] = {
    {"expired", "expired"},
    {"elsewhere", "127.0.0.1"},
    {"self", "self-signed"},
};

START_TEST(a_bad_certificate_is_refused_with_its_reason)
{
    start_relay(bad[_i / 2].name, false);
    with_ca();
    open_secure(_i % 2);
    expect_closed(NET_CERTIFICATE, bad[_i / 2].words);
    ck_assert_ptr_nonnull(strstr(o.text, "ca_file"));
    ck_assert_int_eq(o.opened + f.server.accepted, 0);
}
END_TEST

START_TEST(a_ca_that_nobody_knows)
{
    start_relay("good", false);
    with_options((struct net_peer_options){.tls_verify = true});
    open_secure(_i);
    expect_closed(NET_CERTIFICATE, "unable to get local issuer certificate");
}
END_TEST

START_TEST(verification_may_be_off)
{
    start_relay("self", false);
    with_options((struct net_peer_options){.tls_verify = false});
    open_secure(_i);
    ck_assert_ptr_nonnull(server_request(&f));
}
END_TEST

START_TEST(a_ca_file_that_is_none)
{
    start_relay("good", false);
    with_options((struct net_peer_options){.tls_verify = true,
                                           .ca_file = _i ? file_name(0, "log") : "/nowhere/ca.pem"});
    open_secure(false);
    expect_closed(NET_CERTIFICATE, "trusted certificates cannot be used");
    ck_assert_ptr_nonnull(strstr(o.text, "(ca_file)"));
}
END_TEST

START_TEST(a_server_that_wants_our_certificate)
{
    start_relay("good", true);
    if (_i == 0) {
        with_ca();
        open_secure(true);
        expect_closed(NET_CERTIFICATE, "cert_file");
        return;
    }
    with_options((struct net_peer_options){.tls_verify = true,
                                           .ca_file = file_name(0, "ca.pem"),
                                           .cert_file = file_name(1, "client.pem"),
                                           .key_file = file_name(2, _i == 1 ? "client.key" : "good.key")});
    open_secure(false);
    if (_i == 1)
        ck_assert_ptr_nonnull(server_request(&f));
    else
        expect_closed(NET_CERTIFICATE, "(cert_file, key_file)");
}
END_TEST

START_TEST(a_server_without_tls)
{
    char url[96];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/lightstreamer", f.server.port);
    owner_post(&o, url, "a", 0);
    RUN_UNTIL(&f, f.server.accepted);
    connection_send(CONTAINER_OF(f.server.connections.next, struct connection, in_server),
                    "HTTP/1.1 400 Bad Request\r\n\r\n");
    expect_closed(NET_TLS, "the TLS handshake failed");
}
END_TEST

START_TEST(a_handshake_that_never_ends)
{
    char url[96];
    net_peer_free(f.peer);
    ck_assert_int_eq(net_peer_new(f.net, &(struct net_peer_options){.connect_ms = 700}, &f.peer), 0);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/lightstreamer", f.server.port);
    owner_ws(&o, url);
    expect_closed(NET_TIMEOUT, "in the TLS handshake (connect_ms)");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net: TLS");
    TCase *t = tcase_create("tls");
    tcase_add_unchecked_fixture(t, make_certificates, remove_certificates);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, a_stream_with_a_good_certificate);
    tcase_add_test(t, a_socket_with_a_good_certificate);
    tcase_add_loop_test(t, a_flood_loses_nothing, 0, 2);
    tcase_add_loop_test(t, a_bad_certificate_is_refused_with_its_reason, 0, 6);
    tcase_add_loop_test(t, a_ca_that_nobody_knows, 0, 2);
    tcase_add_loop_test(t, verification_may_be_off, 0, 2);
    tcase_add_loop_test(t, a_ca_file_that_is_none, 0, 2);
    tcase_add_loop_test(t, a_server_that_wants_our_certificate, 0, 3);
    tcase_add_test(t, a_server_without_tls);
    tcase_add_test(t, a_handshake_that_never_ends);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
