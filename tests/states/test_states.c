/* The session's matrix (proto/session_matrix.h): every message in every phase really has the outcome that is stated there. A new phase without a row
 * or without a way to reach it does not compile; a new tag without a line here fails. */
#include <check.h>

#include "../lib/player.h"
#include "proto/session_internal.h"

#define SESSION_ID "Sabcdef012345"
#define CONOK      "CONOK," SESSION_ID ",50000,5000,*\r\n"
#define HEAD       "OK\r\nSessionId:" SESSION_ID "\r\n\r\n"

enum outcome { outcome_take, outcome_skip, outcome_odd, outcome_brk };

enum { N_COLUMNS = 19 };

/* ---- the columns' lines ---- */

/* How a phase is reached: the transport, or the older protocol. */
enum way { WAY_HTTP, WAY_WEBSOCKET, WAY_TEXT, N_WAYS };

struct column {
    const char *name;
    const char *lines[6]; /* without their end */
    const char *text[4];  /* the same in text mode, where that can say it */
};

static const struct column columns[N_COLUMNS] = {
    {"CONOK", {"CONOK," SESSION_ID ",50000,5000,*"}, {"OK\r\nSessionId:" SESSION_ID "\r\n"}},
    {"CONERR",
     {"CONERR,5,overloaded", "CONERR,20,gone", "CONERR,1,who"},
     {"ERROR\r\n5\r\noverloaded", "SYNC ERROR", "ERROR\r\n1\r\nwho"}},
    {"END", {"END,32,closed", "END,31,destroyed", "END,48"}, {"END 32", "END 31", "END\r\n48"}},
    {"REQOK", {"REQOK,1", "REQOK,77", "REQOK"}, {"OK"}},
    {"REQERR", {"REQERR,1,21,group", "REQERR,77,21,what"}, {"ERROR\r\n21\r\ngroup"}},
    {"ERROR", {"ERROR,67,malformed", "ERROR,68,trouble"}, {NULL}},
    {"PROBE", {"PROBE", "NOOP,filler"}, {"PROBE", "Preamble: xxxx"}},
    {"LOOP", {"LOOP,0", "LOOP,10"}, {"LOOP", "LOOP 10"}},
    {"PROG", {"PROG,0"}, {NULL}},
    {"SUB", {"SUBOK,1,1,1", "SUBCMD,1,1,2,1,2", "SUBOK,9,1,1"}, {NULL}},
    {"CONF", {"CONF,9,unlimited,filtered"}, {NULL}},
    {"U", {"U,9,1,a"}, {"9,1|a"}},
    {"ITEM", {"EOS,9,1", "CS,9,1", "OV,9,1,1"}, {"9,1,EOS", "9,1,CS", "9,1,OV1"}},
    {"UNSUB", {"UNSUB,1", "UNSUB,9"}, {NULL}},
    {"MSG",
     {"MSGDONE,*,1,", "MSGFAIL,*,1,38,late"},
     {"MSG,UNORDERED_MESSAGES,1,DONE", "MSG,s,1,ERR,38,late"}},
    {"WSOK", {"WSOK"}, {NULL}},
    {"INFO", {"SERVNAME,x", "CLIENTIP,127.0.0.1", "CONS,unlimited", "SYNC,5", "MPNREG,a,b"}, {NULL}},
    {"OTHER", {"HELLO,you", "LOOPING,1"}, {"HELLO you", "LOOPING 1"}},
    {"BAD",
     {"LOOP,x", "U,1,1", "SUBOK,1", "PROG", "REQERR,1", "CONOK,x"},
     {"LOOP x", "1,1", "1,1,EOSX", "MSG,s"}},
};

/* Whether a message of that column, taken in that phase, moves the session. */
static bool moves(size_t column, enum session_phase phase)
{
    static const char *const names[] = {"CONOK", "CONERR", "END", "LOOP", "PROG", "WSOK"};
    if (strcmp(columns[column].name, "ERROR") == 0)
        return phase != SESSION_PHASE_BOUND && phase != SESSION_PHASE_LOOPED &&
               phase != SESSION_PHASE_CONTROL;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(columns[column].name, names[i]) == 0)
            return true;
    return false;
}

static bool counts(size_t column)
{
    return column >= 9 && column <= 14;
}

/* ---- the ways to the phases ---- */

static void feed(struct player *p, const char *line)
{
    session_feed(p->session, p->now, span_of(line));
    player_drain(p);
}

static void tick(struct player *p)
{
    p->now = session_deadline(p->session);
    session_tick(p->session, p->now);
    player_drain(p);
}

static void opened(struct player *p)
{
    session_opened(p->session, p->now);
    player_drain(p);
}

static void closed(struct player *p)
{
    session_closed(p->session, p->now, SESSION_FAULT_PASSING, 0, "cut");
    player_drain(p);
}

/* Each returns false where its phase does not exist with this transport. */
typedef bool reach_function(struct player *p, enum way way);

static bool reach_STOPPED(struct player *p, enum way way)
{
    (void)p;
    (void)way;
    return true;
}

static bool reach_ASKING(struct player *p, enum way way)
{
    (void)way;
    session_start(p->session, p->now);
    player_drain(p);
    return true;
}

static bool reach_OPENING(struct player *p, enum way way)
{
    reach_ASKING(p, way);
    session_credentials(p->session, p->now, NULL, NULL);
    player_drain(p);
    return true;
}

static bool reach_WAITING(struct player *p, enum way way)
{
    reach_OPENING(p, way);
    closed(p);
    return true;
}

static bool reach_REFUSED(struct player *p, enum way way)
{
    reach_OPENING(p, way);
    session_closed(p->session, p->now, SESSION_FAULT_LASTING, 404, "not found");
    player_drain(p);
    return true;
}

static bool reach_GREETING(struct player *p, enum way way)
{
    reach_OPENING(p, way);
    opened(p);
    return way == WAY_WEBSOCKET;
}

static bool reach_CREATING(struct player *p, enum way way)
{
    reach_OPENING(p, way);
    opened(p);
    if (way == WAY_WEBSOCKET)
        feed(p, "WSOK\r\n");
    return true;
}

/* With a table that is asked for, not answered. */
static bool reach_BOUND(struct player *p, enum way way)
{
    const struct table_options table = {.name = "t", .mode = TABLE_MERGE, .group = "g", .schema = "s"};
    reach_CREATING(p, way);
    feed(p, way == WAY_TEXT ? HEAD : CONOK);
    player_add_table(p, &table, 0);
    player_drain(p);
    return true;
}

static bool reach_LOOPED(struct player *p, enum way way)
{
    reach_BOUND(p, way);
    feed(p, way == WAY_TEXT ? "LOOP 1000\r\n" : "LOOP,1000\r\n");
    return true;
}

static bool reach_BINDING(struct player *p, enum way way)
{
    reach_BOUND(p, way);
    feed(p, way == WAY_TEXT ? "LOOP\r\n" : "LOOP,0\r\n");
    tick(p);
    if (way != WAY_WEBSOCKET)
        opened(p);
    return true;
}

/* Nothing is recovered in text mode. */
static bool reach_RECOVERY_WAIT(struct player *p, enum way way)
{
    reach_BOUND(p, way);
    closed(p);
    return way != WAY_TEXT;
}

static bool reach_RECOVERING(struct player *p, enum way way)
{
    if (!reach_RECOVERY_WAIT(p, way))
        return false;
    tick(p);
    opened(p);
    return true;
}

static bool reach_COUNTING(struct player *p, enum way way)
{
    if (!reach_RECOVERING(p, way))
        return false;
    feed(p, CONOK);
    return true;
}

static bool reach_CATCHING_UP(struct player *p, enum way way)
{
    if (!reach_COUNTING(p, way))
        return false;
    feed(p, "PROG,0\r\n");
    return true;
}

/* Not a phase of the session: the response to its control request. */
static bool reach_CONTROL(struct player *p, enum way way)
{
    reach_BOUND(p, way);
    return way != WAY_WEBSOCKET;
}

struct matrix_row {
    enum session_phase phase;
    const char *name;
    reach_function *reach;
    enum outcome outcomes[N_COLUMNS];
};

#define O(outcome) outcome_##outcome
#define ROW(phase, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18)      \
    {SESSION_PHASE_##phase,                                                                                  \
     #phase,                                                                                                 \
     reach_##phase,                                                                                          \
     {O(c0), O(c1), O(c2), O(c3), O(c4), O(c5), O(c6), O(c7), O(c8), O(c9), O(c10), O(c11), O(c12), O(c13),  \
      O(c14), O(c15), O(c16), O(c17), O(c18)}},
static const struct matrix_row rows[] = {SESSION_MATRIX(ROW)};
#undef ROW

/* ---- what came of it ---- */

static bool has_line(const struct player_lines *l, const char *pattern)
{
    for (size_t i = 0; i < l->n; i++)
        if (player_match(pattern, l->at[i]))
            return true;
    return false;
}

struct before {
    enum session_phase phase;
    uint64_t count, oddities, faults;
};

#define MUST(condition) ck_assert_msg(condition, "%s with %s: " #condition, row->name, line)

static void check_outcome(struct player *p, const struct matrix_row *row, size_t column, struct before b,
                          const char *line)
{
    const struct session *s = p->session;
    bool broken = has_line(&p->events, "state ... : protocol error: a malformed message...") ||
                  has_line(&p->events, "state ... : protocol error: a message that cannot be here...");
    bool odd = s->counters.oddities > b.oddities && has_line(&p->events, "oddity an un...");
    switch (row->outcomes[column]) {
    case outcome_skip:
        MUST(!p->events.n && !p->actions.n && s->phase == b.phase && s->count == b.count &&
             s->counters.oddities == b.oddities);
        break;
    case outcome_odd:
        MUST(odd && p->events.n == 1 && !p->actions.n && s->phase == b.phase && s->count == b.count);
        break;
    case outcome_brk:
        MUST(broken && !odd && s->phase == SESSION_PHASE_WAITING && s->counters.faults == b.faults + 1);
        break;
    case outcome_take:
        MUST(!broken && !odd);
        if (counts(column))
            MUST(s->count == b.count + 1);
        MUST((s->phase != b.phase) == moves(column, row->phase));
        break;
    }
}

static void set_way(struct session_options *options, enum way way)
{
    options->transports[0] = way == WAY_WEBSOCKET ? SESSION_WS_STREAMING : SESSION_HTTP_STREAMING;
    options->dialect = way == WAY_TEXT ? &dialect_text : &dialect_tlcp;
}

static bool check_line(const struct matrix_row *row, size_t column, const char *line, enum way way)
{
    struct session_options options = player_defaults();
    set_way(&options, way);
    struct player p;
    player_init(&p, &options);
    bool exists = row->reach(&p, way);
    if (exists && (way == WAY_WEBSOCKET || row->phase != SESSION_PHASE_LOOPED)) {
        struct session *s = p.session;
        if (row->phase != SESSION_PHASE_CONTROL)
            ck_assert_msg(s->phase == row->phase, "%s is not reached", row->name);
        AUTO_BUF struct buf text = BUF_INIT(200);
        buf_printf(&text, "%s\r\n", line);
        player_forget(&p);
        struct before b = {s->phase, s->count, s->counters.oddities, s->counters.faults};
        if (row->phase == SESSION_PHASE_CONTROL)
            session_control_feed(s, p.now, buf_span(&text));
        else
            session_feed(s, p.now, buf_span(&text));
        player_drain(&p);
        check_outcome(&p, row, column, b, line);
    }
    player_done(&p);
    return exists;
}

START_TEST(matrix)
{
    size_t at = (size_t)_i;
    for (size_t column = 0; column < N_COLUMNS; column++)
        for (size_t i = 0; i < ARRAY_LENGTH(columns[column].lines) && columns[column].lines[i]; i++) {
            bool any = check_line(&rows[at], column, columns[column].lines[i], WAY_HTTP);
            any |= check_line(&rows[at], column, columns[column].lines[i], WAY_WEBSOCKET);
            ck_assert_msg(any, "%s with %s", rows[at].name, columns[column].lines[i]);
        }
}
END_TEST

/* In text mode the same words say other things in a head, in a stream and in answers. */
static bool can_be_said(size_t column, enum session_phase phase)
{
    const char *name = columns[column].name;
    bool in_answers = phase == SESSION_PHASE_CONTROL;
    if (strcmp(name, "CONOK") == 0)
        return !in_answers && phase != SESSION_PHASE_BOUND;
    if (strcmp(name, "REQOK") == 0 || strcmp(name, "REQERR") == 0)
        return in_answers;
    return !in_answers || strcmp(name, "CONERR") != 0;
}

START_TEST(text_mode)
{
    size_t at = (size_t)_i;
    for (size_t column = 0; column < N_COLUMNS; column++)
        for (size_t i = 0; i < ARRAY_LENGTH(columns[column].text) && columns[column].text[i]; i++)
            if (can_be_said(column, rows[at].phase))
                check_line(&rows[at], column, columns[column].text[i], WAY_TEXT);
}
END_TEST

/* Every tag has its line above. */
START_TEST(all_tags)
{
    bool seen[TLCP_N_TAGS] = {false};
    for (size_t column = 0; column < N_COLUMNS; column++)
        for (size_t i = 0; i < ARRAY_LENGTH(columns[column].lines) && columns[column].lines[i]; i++) {
            struct tlcp_message m;
            tlcp_parse(span_of(columns[column].lines[i]), &m);
            seen[m.tag] = true;
            ck_assert_msg(tlcp_counts(m.tag) == counts(column), "%s", columns[column].lines[i]);
        }
    for (int tag = 0; tag < TLCP_N_TAGS; tag++)
        ck_assert_msg(seen[tag], "no line for %s", tlcp_tag_name((enum tlcp_tag)tag));
    ck_assert_uint_eq(ARRAY_LENGTH(rows), SESSION_N_PHASES);
}
END_TEST

/* In every phase: stopped, time that passes, a stream that ends, credentials that come late, all at once. */
START_TEST(anything_anytime)
{
    const struct matrix_row *row = &rows[_i];
    for (int way = 0; way < N_WAYS; way++)
        for (int what = 0; what < 8; what++) {
            struct session_options options = player_defaults();
            set_way(&options, (enum way)way);
            struct player p;
            player_init(&p, &options);
            row->reach(&p, (enum way)way);
            if (what == 0)
                session_stop(p.session, p.now, "enough", "session disconnected");
            else if (what == 1)
                session_closed(p.session, p.now, SESSION_FAULT_PASSING, 0, "cut");
            else if (what == 2)
                session_closed(p.session, p.now, SESSION_FAULT_LASTING, 403, "no");
            else if (what == 3)
                session_credentials(p.session, p.now, "u", "p");
            else if (what == 4)
                session_credentials_failed(p.session, p.now, "none");
            else if (what == 5)
                session_start(p.session, p.now);
            else if (what == 6)
                session_hold(p.session, p.now, true, true);
            else
                session_control_closed(p.session, p.now);
            player_drain(&p);
            for (int i = 0; i < 50 && session_deadline(p.session) != UINT64_MAX; i++) {
                p.now = session_deadline(p.session);
                session_tick(p.session, p.now);
                player_drain(&p);
                ck_assert_msg(session_deadline(p.session) > p.now, "%s: the deadline stays", row->name);
            }
            session_hold(p.session, p.now, false, false);
            player_drain(&p);
            ck_assert(what != 0 || session_is_stopped(p.session));
            player_done(&p);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("states");
    TCase *c = tcase_create("states");
    tcase_add_loop_test(c, matrix, 0, (int)ARRAY_LENGTH(rows));
    tcase_add_loop_test(c, text_mode, 0, (int)ARRAY_LENGTH(rows));
    tcase_add_loop_test(c, anything_anytime, 0, (int)ARRAY_LENGTH(rows));
    tcase_add_test(c, all_tags);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
