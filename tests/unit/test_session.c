/* proto/session: what transcripts cannot say: many seeds, huge input, and the functions around the events. */
#include <check.h>
#include <stdio.h>

#include "../lib/player.h"
#include "proto/session_internal.h"

static void bound(struct player *p, uint64_t seed)
{
    struct session_options options = player_defaults();
    player_init(p, &options);
    if (seed) {
        session_free(p->session);
        ck_assert_int_eq(session_new(&options, seed, &p->session), 0);
    }
    session_start(p->session, p->now);
    session_credentials(p->session, p->now, NULL, NULL);
    player_drain(p);
    session_opened(p->session, p->now);
    player_drain(p);
    player_feed(p, SPAN("CONOK,Sabcdef012345,50000,5000,*\r\n"), 0);
}

static const struct session_report *last(const struct player *p)
{
    return session_last_report(p->session);
}

/* Every client is cut at the same second: they come back one by one (field note 4). */
START_TEST(jitter)
{
    bool seen[64] = {false};
    unsigned different = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct player p;
        bound(&p, seed);
        session_closed(p.session, p.now, SESSION_FAULT_PASSING, 0, "weekend");
        player_drain(&p);
        uint64_t in = session_deadline(p.session) - p.now;
        ck_assert(last(&p)->has_retry && last(&p)->retry_in_ms == in);
        ck_assert(in >= 62 && in <= 125);
        different += !seen[in - 62];
        seen[in - 62] = true;
        player_done(&p);
    }
    ck_assert_uint_ge(different, 50);
}
END_TEST

/* The same for those that are refused. */
START_TEST(jitter_refused)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct player p;
        bound(&p, seed);
        player_feed(&p, SPAN("END,40,pushed out\r\n"), 0);
        uint64_t in = session_deadline(p.session) - p.now;
        low = in < low ? in : low;
        high = in > high ? in : high;
        player_done(&p);
    }
    ck_assert(low >= 300000 && high <= 375000 && high - low > 50000);
}
END_TEST

START_TEST(line_without_end)
{
    struct player p;
    size_t n = 1 << 20;
    char *piece = malloc(n);
    memset(piece, 'x', n);
    bound(&p, 0);
    for (int i = 0; i < 16; i++) {
        player_feed(&p, span_make(piece, n), 0);
        ck_assert_int_eq(last(&p)->state, SESSION_CONNECTED);
    }
    player_feed(&p, SPAN("x"), 0);
    ck_assert_int_eq(last(&p)->state, SESSION_CONNECTING);
    ck_assert_str_eq(last(&p)->reason, "protocol error: a line without an end");
    /* Nothing of it is left in the next session. */
    p.now = session_deadline(p.session);
    session_tick(p.session, p.now);
    session_credentials(p.session, p.now, NULL, NULL);
    player_drain(&p);
    p.stream_gone = false;
    session_opened(p.session, p.now);
    player_drain(&p);
    player_feed(&p, SPAN("CONOK,Sother0123456,50000,5000,*\r\n"), 0);
    ck_assert_int_eq(last(&p)->continuity, SESSION_REPLACED);
    player_done(&p);
    free(piece);
}
END_TEST

/* A session id and a control link that cannot be kept. */
START_TEST(long_ids)
{
    char *text = malloc(LIMIT_SESSION_ID_BYTES + 2);
    static const struct {
        const char *format, *why;
        size_t length;
    } rows[] = {
        {"CONOK,%s,50000,5000,*\r\n", NULL, LIMIT_SESSION_ID_BYTES},
        {"CONOK,%s,50000,5000,*\r\n", "protocol error: CONOK with a session id that cannot be used",
         LIMIT_SESSION_ID_BYTES + 1},
        {"CONOK,%s,50000,5000,*\r\n", "protocol error: CONOK with a session id that cannot be used", 0},
        {"CONOK,S123456789,50000,5000,%s\r\n", NULL, LIMIT_CONTROL_LINK_BYTES - 1},
        {"CONOK,S123456789,50000,5000,%s\r\n",
         "protocol error: CONOK with a control link that cannot be used", LIMIT_CONTROL_LINK_BYTES + 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct session_options options = player_defaults();
        struct player p;
        player_init(&p, &options);
        session_start(p.session, p.now);
        session_credentials(p.session, p.now, NULL, NULL);
        player_drain(&p);
        session_opened(p.session, p.now);
        memset(text, 'x', rows[i].length);
        text[rows[i].length] = '\0';
        AUTO_BUF struct buf conok = BUF_INIT(4096);
        const char *at = strstr(rows[i].format, "%s");
        buf_add_span(&conok, span_make(rows[i].format, (size_t)(at - rows[i].format)));
        buf_add_text(&conok, text);
        buf_add_text(&conok, at + 2);
        player_feed(&p, buf_span(&conok), 0);
        ck_assert_str_eq(last(&p)->reason, rows[i].why ? rows[i].why : "");
        ck_assert_int_eq(last(&p)->state, rows[i].why ? SESSION_CONNECTING : SESSION_CONNECTED);
        player_done(&p);
    }
    free(text);
}
END_TEST

/* However short the id is, never all of it is shown. */
START_TEST(short_ids)
{
    static const char *const rows[][2] = {
        {"S", ""}, {"Sa", "a"}, {"Sabc", "bc"}, {"Sabcdefghijklm", "hijklm"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct session_options options = player_defaults();
        struct player p;
        AUTO_BUF struct buf conok = BUF_INIT(100);
        player_init(&p, &options);
        session_start(p.session, p.now);
        session_credentials(p.session, p.now, NULL, NULL);
        player_drain(&p);
        session_opened(p.session, p.now);
        buf_printf(&conok, "CONOK,%s,50000,5000,*\r\n", rows[i][0]);
        player_feed(&p, buf_span(&conok), 0);
        ck_assert_str_eq(last(&p)->id_end, rows[i][1]);
        player_done(&p);
    }
}
END_TEST

/* A consumer is slow: the bytes go away, their events come later, reports go past them; the latest report is never lost. */
START_TEST(held_back)
{
    struct player p;
    struct session_event e;
    const struct table_options table = {.name = "t", .mode = TABLE_MERGE, .group = "g", .schema = "s"};
    bound(&p, 0);
    player_add_table(&p, &table, 0);
    player_drain(&p);
    player_feed(&p, SPAN("SUBOK,1,1,1\r\n"), 0);
    player_forget(&p);
    char *bytes = span_dup(SPAN("U,1,1,a\r\nU,1,1,b\r\nU,1,1,c\r\n"));
    session_feed(p.session, p.now, span_of(bytes));
    ck_assert(session_next_event(p.session, p.now, &e) && e.kind == SESSION_EVENT_UPDATE);
    session_keep(p.session, p.now);
    free(bytes);
    for (int i = 0; i < 20; i++)
        session_hold(p.session, p.now, true, i % 2 == 0);
    unsigned reports = 0;
    struct session_report told = {0};
    while (session_next_report(p.session, &e)) {
        ck_assert_int_eq(e.kind, SESSION_EVENT_STATE);
        told = *e.report;
        reports++;
    }
    ck_assert(reports > 0 && reports <= 8);
    ck_assert_str_eq(told.detail, last(&p)->detail);
    session_hold(p.session, p.now, false, false);
    player_drain(&p);
    ck_assert_uint_eq(p.events.n, 2);
    ck_assert_str_eq(p.events.at[0], "update t 1 b changed=all");
    ck_assert_str_eq(p.events.at[1], "update t 1 c changed=all");
    player_done(&p);
}
END_TEST

/* What the server granted and said of itself, as long as there is a session. */
START_TEST(terms)
{
    struct player p;
    struct session_terms t;
    struct session_options options = player_defaults();
    options.keepalive_ms = 7000;
    options.idle_ms = 19000;
    player_init(&p, &options);
    session_terms(p.session, &t);
    ck_assert(!t.protocol && !t.transport && !t.server_name && !t.request_limit_bytes);
    ck_assert(t.keepalive_ms == 7000 && t.idle_ms == 19000);
    session_start(p.session, p.now);
    session_credentials(p.session, p.now, NULL, NULL);
    player_drain(&p);
    session_opened(p.session, p.now);
    player_feed(
        &p,
        SPAN("CONOK,Sabcdefghijklm,60000,5500,push.example.com\r\nSERVNAME,Lightstreamer HTTP Server\r\n"
             "CLIENTIP,127.0.0.1\r\nCONS,50.5\r\nSERVNAME,of Sabcdefghijklm\r\n"),
        0);
    session_terms(p.session, &t);
    ck_assert_str_eq(t.protocol, "TLCP-2.5.0");
    ck_assert_str_eq(t.transport, "http-streaming");
    ck_assert_str_eq(t.control_link, "push.example.com");
    ck_assert_str_eq(t.server_name, "of ***");
    ck_assert_str_eq(t.client_ip, "127.0.0.1");
    ck_assert_str_eq(t.max_bandwidth_kbps, "50.5");
    ck_assert(t.request_limit_bytes == 60000 && t.keepalive_ms == 5500 && t.idle_ms == 19000);
    session_stop(p.session, p.now, "asked", "asked");
    player_drain(&p);
    session_terms(p.session, &t);
    ck_assert(!t.protocol && !t.server_name && !t.client_ip && !t.control_link && t.keepalive_ms == 7000);
    player_done(&p);
}
END_TEST

START_TEST(tables_in_order)
{
    struct player p;
    bound(&p, 0);
    ck_assert_ptr_null(session_next_table(p.session, NULL));
    const struct table_options a = {.name = "a", .mode = TABLE_MERGE, .group = "g", .schema = "s"};
    const struct table_options b = {.name = "b", .mode = TABLE_COMMAND, .group = "g", .schema = "s"};
    struct session_table *one = player_add_table(&p, &a, 0), *two = player_add_table(&p, &b, 0);
    ck_assert_ptr_eq(session_next_table(p.session, NULL), one);
    ck_assert_ptr_eq(session_next_table(p.session, one), two);
    ck_assert_ptr_null(session_next_table(p.session, two));
    session_remove_table(p.session, p.now, one, false);
    session_remove_table(p.session, p.now, one, false);
    ck_assert_ptr_eq(session_next_table(p.session, NULL), two);
    ck_assert_ptr_null(player_table(&p, SPAN("a")));
    /* Freed with its deleted table's last event not taken. */
    player_done(&p);
}
END_TEST

/* The first session of one that replaces another. */
START_TEST(replaces)
{
    struct session_options options = player_defaults();
    struct player p;
    options.replaces = true;
    player_init(&p, &options);
    session_start(p.session, p.now);
    session_credentials(p.session, p.now, NULL, NULL);
    player_drain(&p);
    session_opened(p.session, p.now);
    player_feed(&p, SPAN("CONOK,Sabcdef012345,50000,5000,*\r\n"), 0);
    ck_assert_int_eq(last(&p)->continuity, SESSION_REPLACED);
    player_done(&p);
}
END_TEST

/* ---- messages to the server ---- */

static int send_message(struct player *p, uint64_t token, const char *sequence, size_t bytes)
{
    char *text = calloc(1, bytes + 1);
    memset(text, 'x', bytes);
    struct session_message m = {.token = token,
                                .text = span_make(text, bytes),
                                .sequence = span_of(sequence),
                                .max_wait_ms = SESSION_MAX_WAIT_UNSET,
                                .timeout_ms = 1000};
    int r = session_send_message(p->session, p->now, &m);
    free(text);
    return r;
}

/* What waits is bounded, whether it was sent or not, and room is made by every answer. */
START_TEST(messages_bounded)
{
    struct player p;
    struct session_options options = player_defaults();
    player_init(&p, &options);
    session_start(p.session, p.now);
    for (uint64_t i = 1; i <= SESSION_MESSAGES_MAX; i++)
        ck_assert_int_eq(send_message(&p, i, i % 2 ? "A" : NULL, 1), 0);
    ck_assert_int_eq(send_message(&p, 9999, NULL, 1), SESSION_MESSAGES_FULL);
    p.now += 1000;
    session_tick(p.session, p.now);
    player_drain(&p);
    unsigned answers = 0;
    for (size_t i = 0; i < p.events.n; i++)
        answers += strncmp(p.events.at[i], "answer ", 7) == 0;
    ck_assert_uint_eq(answers, SESSION_MESSAGES_MAX);
    ck_assert_uint_eq(p.session->n_sequences, 0);
    ck_assert_int_eq(send_message(&p, 1, NULL, SESSION_MESSAGES_BYTES_MAX / 2), 0);
    ck_assert_int_eq(send_message(&p, 2, "A", SESSION_MESSAGES_BYTES_MAX / 2 + 1), SESSION_MESSAGES_FULL);
    ck_assert_uint_eq(p.session->n_sequences, 0);
    ck_assert_int_eq(send_message(&p, 2, "A", SESSION_MESSAGES_BYTES_MAX / 2), 0);
    ck_assert_int_eq(send_message(&p, 3, "A", 0), 0);
    ck_assert_int_eq(send_message(&p, 4, "A", 1), SESSION_MESSAGES_FULL);
    /* Freed with messages that wait. */
    player_done(&p);
}
END_TEST

/* The server counts for every name, as long as the session lives. */
START_TEST(sequences_bounded)
{
    struct player p;
    char name[16], accepted[32], answer[64];
    bound(&p, 0);
    for (int i = 0; i < SESSION_SEQUENCES_MAX; i++) {
        snprintf(name, sizeof name, "s%d", i);
        ck_assert_int_eq(send_message(&p, 1, name, 1), 0);
        player_drain(&p);
        snprintf(answer, sizeof answer, "MSGDONE,s%d,1,\r\n", i);
        snprintf(accepted, sizeof accepted, "REQOK,%d\r\n", i + 1);
        player_feed_control(&p, span_of(accepted), 0);
        session_control_closed(p.session, p.now);
        player_feed(&p, span_of(answer), 0);
    }
    ck_assert_uint_eq(session_counters(p.session)->upstream_done, SESSION_SEQUENCES_MAX);
    ck_assert_int_eq(send_message(&p, 1, "another", 1), SESSION_SEQUENCES_FULL);
    ck_assert_int_eq(send_message(&p, 1, "s7", 1), 0);
    session_stop(p.session, p.now, "enough", "session disconnected");
    player_drain(&p);
    ck_assert_uint_eq(p.session->n_sequences, 0);
    player_done(&p);
}
END_TEST

START_TEST(sequence_names)
{
    static const char *const good[] = {"a", "0", "_", "CHAT_1", "UNORDERED_MESSAGES_", "unordered_messages"};
    static const char *const bad[] = {"", " ", "a b", "a-b", "é", "a\n", "*", "UNORDERED_MESSAGES"};
    char long_name[SESSION_SEQUENCE_BYTES_MAX + 2];
    memset(long_name, 'a', sizeof long_name);
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        ck_assert(session_is_sequence(span_of(good[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        ck_assert(!session_is_sequence(span_of(bad[i])));
    ck_assert(session_is_sequence(span_make(long_name, SESSION_SEQUENCE_BYTES_MAX)));
    ck_assert(!session_is_sequence(span_make(long_name, SESSION_SEQUENCE_BYTES_MAX + 1)));
    ck_assert(!session_is_sequence(span_make("a\0b", 3)));
}
END_TEST

/* A response may be as long as a line. */
START_TEST(long_response)
{
    struct player p;
    bound(&p, 0);
    AUTO_BUF struct buf line = BUF_INIT(SIZE_MAX / 2);
    buf_add_text(&line, "MSGDONE,*,1,");
    for (int i = 0; i < 1 << 20; i++)
        buf_add_text(&line, "%0a");
    buf_add_text(&line, "\r\n");
    ck_assert_int_eq(send_message(&p, 7, NULL, 1), 0);
    player_drain(&p);
    player_forget(&p);
    player_feed(&p, buf_span(&line), 0);
    ck_assert_uint_eq(p.events.n, 1);
    ck_assert_uint_eq(strlen(p.events.at[0]), strlen("answer 7 done : ") + (1 << 20));
    player_done(&p);
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(session_state_name(SESSION_DISCONNECTED), "disconnected");
    ck_assert_str_eq(session_continuity_name(SESSION_RECOVERED), "recovered");
    ck_assert_ptr_null(session_continuity_name(SESSION_CONTINUITY_NONE));
    ck_assert_str_eq(session_table_state_name(SESSION_TABLE_SILENT), "silent");
    session_free(NULL);
}
END_TEST

static size_t count_words(const struct player_lines *l, const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        for (const char *at = l->at[i]; (at = strstr(at, what)); at += strlen(what))
            n++;
    return n;
}

static void answer_adds(struct player *p, size_t from, size_t to)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    for (size_t id = from; id <= to; id++)
        buf_printf(&text, "SUBOK,%zu,1,1\r\n", id);
    player_forget(p);
    player_feed(p, buf_span(&text), 0);
    session_control_closed(p->session, p->now);
    player_drain(p);
}

/* Second levels by the thousand are asked for, and deleted, only as fast as the server answers; a table's own requests go before them. */
START_TEST(keys_by_the_thousand)
{
    enum { KEYS = 3000 };
    struct session_options options = player_defaults();
    options.transports[0] = SESSION_WS_STREAMING;
    const struct table_options table = {.name = "t",
                                        .mode = TABLE_COMMAND,
                                        .group = "g",
                                        .schema = "s",
                                        .n_items = 1,
                                        .n_fields = 2,
                                        .n_second = 1,
                                        .second_schema = "q"};
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct player p;
    player_init(&p, &options);
    session_start(p.session, p.now);
    session_credentials(p.session, p.now, NULL, NULL);
    player_drain(&p);
    session_opened(p.session, p.now);
    player_drain(&p);
    player_feed(&p, SPAN("WSOK\r\nCONOK,Sabcdef012345,50000,5000,*\r\n"), 0);
    player_add_table(&p, &table, 0);
    player_drain(&p);
    buf_add_text(&text, "SUBCMD,1,1,2,1,2\r\n");
    for (int i = 0; i < KEYS; i++)
        buf_printf(&text, "U,1,1,k%d|ADD\r\n", i);
    player_forget(&p);
    player_feed(&p, buf_span(&text), 0);
    ck_assert_uint_eq(count_words(&p.actions, "LS_op=add"), LIMIT_MANY_ASKED);
    answer_adds(&p, 2, 200);
    ck_assert_uint_eq(count_words(&p.actions, "LS_op=add"), 0);
    answer_adds(&p, 201, 301);
    ck_assert_uint_eq(count_words(&p.actions, "LS_op=add"), 300);
    for (size_t id = 302; id <= KEYS + 1; id += 300)
        answer_adds(&p, id, id + 299);
    ck_assert_uint_eq(p.session->n_second, KEYS);
    ck_assert_uint_eq(session_deadline(p.session) - p.now, 7000);
    player_forget(&p);
    player_feed(&p, SPAN("CS,1,1\r\n"), 0);
    ck_assert_uint_eq(count_words(&p.actions, "LS_op=delete"), LIMIT_MANY_ASKED);
    player_forget(&p);
    session_remove_table(p.session, p.now, player_table(&p, SPAN("t")), false);
    player_drain(&p);
    ck_assert_uint_eq(count_words(&p.actions, "LS_subId=1"), 1);
    player_done(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session");
    TCase *c = tcase_create("session");
    tcase_add_test(c, jitter);
    tcase_add_test(c, jitter_refused);
    tcase_add_test(c, line_without_end);
    tcase_add_test(c, long_ids);
    tcase_add_test(c, short_ids);
    tcase_add_test(c, held_back);
    tcase_add_test(c, terms);
    tcase_add_test(c, tables_in_order);
    tcase_add_test(c, replaces);
    tcase_add_test(c, messages_bounded);
    tcase_add_test(c, sequences_bounded);
    tcase_add_test(c, sequence_names);
    tcase_add_test(c, long_response);
    tcase_add_test(c, names);
    tcase_add_test(c, keys_by_the_thousand);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
