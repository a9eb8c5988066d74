#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_fixture.h"

/* A name with several addresses, of which one has the server: the others refuse, or swallow whatever comes. */

enum { ADDRESSES_MAX = 4, CONNECT_MS = 1300 };

static struct fixture f;
static struct owner o;
static const char *const *resolved; /* what the name stands for, NULL at the end */

/* ---- a resolver that stands before libc's ---- */

static struct addrinfo *make_address(const char *text, int port)
{
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
    ck_assert_ptr_nonnull(a);
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)(a + 1);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)(a + 1);
    bool is_v4 = inet_pton(AF_INET, text, &v4->sin_addr) == 1;
    if (!is_v4)
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v4->sin_port = htons((uint16_t)port);
    v4->sin_family = is_v4 ? AF_INET : AF_INET6;
    a->ai_family = v4->sin_family;
    a->ai_socktype = SOCK_STREAM;
    a->ai_protocol = IPPROTO_TCP;
    a->ai_addrlen = is_v4 ? sizeof *v4 : sizeof *v6;
    a->ai_addr = (struct sockaddr *)(void *)(a + 1);
    return a;
}

int getaddrinfo(const char *name UNUSED, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    struct addrinfo **end = ret;
    *ret = NULL;
    for (size_t i = 0; resolved && resolved[i]; i++) {
        struct addrinfo *a = make_address(resolved[i], atoi(service));
        if (hints->ai_family != AF_UNSPEC && hints->ai_family != a->ai_family) {
            free(a);
            continue;
        }
        *end = a;
        end = &a->ai_next;
    }
    return *ret ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

/* ---- an address that swallows: a listener that accepts nobody, and whose queue is full ---- */

struct swallower {
    int fds[4];
};

static void swallow(struct swallower *s, const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f.server.port)};
    ck_assert_int_eq(inet_pton(AF_INET, address, &a.sin_addr), 1);
    s->fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s->fds[0], (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(s->fds[0], 0), 0);
    for (size_t i = 1; i < ARRAY_LENGTH(s->fds); i++) {
        s->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s->fds[i], (struct sockaddr *)&a, sizeof a);
    }
}

static void swallow_no_more(struct swallower *s)
{
    for (size_t i = 0; i < ARRAY_LENGTH(s->fds); i++)
        close(s->fds[i]);
}

/* ---- tests: first with a POST, then with a WebSocket ---- */

static struct swallower three, four;

static void set_up(void)
{
    const struct net_peer_options options = {.connect_ms = CONNECT_MS};
    fixture_start(&f, &options);
    owner_init(&o, &f);
    swallow(&three, "127.0.0.3");
    swallow(&four, "127.0.0.4");
}

static void tear_down(void)
{
    owner_done(&o);
    swallow_no_more(&three);
    swallow_no_more(&four);
    fixture_stop(&f);
    resolved = NULL;
}

static void open_name(bool websocket)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://many.invalid:%d/lightstreamer", f.server.port);
    if (websocket)
        owner_ws(&o, url);
    else
        owner_post(&o, url, "a", 0);
}

static const char *const reached[][ADDRESSES_MAX + 1] = {
    {"127.0.0.1"},
    {"127.0.0.2", "127.0.0.1"},
    {"127.0.0.2", "127.0.0.5", "127.0.0.6", "127.0.0.1"},
    {"::1", "127.0.0.1"},
    {"127.0.0.3", "127.0.0.1"},
    {"127.0.0.3", "127.0.0.4", "127.0.0.1"},
    {"127.0.0.2", "::1", "127.0.0.3", "127.0.0.1"},
};

START_TEST(the_address_that_works_is_found)
{
    resolved = reached[_i / 2];
    uint64_t start = fixture_now_ms();
    open_name(_i % 2);
    struct connection *c = server_request(&f);
    ck_assert_uint_lt(fixture_now_ms() - start, CONNECT_MS);
    if (_i % 2)
        ws_answer(c, "");
    else
        connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    RUN_UNTIL(&f, o.opened);
}
END_TEST

static const struct {
    const char *addresses[ADDRESSES_MAX + 1];
    enum net_failure failure;
    const char *words;
} not_reached[] = {
    {{NULL}, NET_RESOLVE, "the name does not resolve (url)"},
    {{"127.0.0.2", "127.0.0.5"}, NET_CONNECT, "cannot connect: Connection refused (url)"},
    {{"::1", "127.0.0.2"}, NET_CONNECT, "cannot connect: Connection refused (url)"},
    {{"127.0.0.3", "127.0.0.4"}, NET_TIMEOUT, "while connecting (connect_ms)"},
    {{"127.0.0.2", "127.0.0.3"}, NET_TIMEOUT, "while connecting (connect_ms)"},
};

START_TEST(no_address_works)
{
    resolved = not_reached[_i / 2].addresses;
    uint64_t start = fixture_now_ms();
    open_name(_i % 2);
    RUN_UNTIL(&f, o.closed);
    ck_assert_msg(o.failure == not_reached[_i / 2].failure && strstr(o.text, not_reached[_i / 2].words),
                  "%u %s", o.failure, o.text);
    ck_assert_uint_lt(fixture_now_ms() - start, CONNECT_MS + 400);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net: addresses");
    TCase *t = tcase_create("addresses");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, the_address_that_works_is_found, 0, 2 * ARRAY_LENGTH(reached));
    tcase_add_loop_test(t, no_address_works, 0, 2 * ARRAY_LENGTH(not_reached));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
