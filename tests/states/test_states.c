/* The session's matrix (proto/session_matrix.h): every message in every phase really has the outcome that is stated there. A new phase without a row
 * or without a way to reach it does not compile; a new tag without a line here fails. */
#include <check.h>

#include "../lib/player.h"
#include "proto/session_internal.h"

#define SESSION_ID "Sabcdef012345"
#define CONOK      "CONOK," SESSION_ID ",50000,5000,*\r\n"

enum outcome { outcome_take, outcome_skip, outcome_odd, outcome_brk };

enum { N_COLUMNS = 19 };

/* ---- the columns' lines ---- */

struct column {
    const char *name;
    const char *lines[6]; /* without their end */
};

static const struct column columns[N_COLUMNS] = {
    {"CONOK", {"CONOK," SESSION_ID ",50000,5000,*"}},
    {"CONERR", {"CONERR,5,overloaded", "CONERR,20,gone", "CONERR,1,who"}},
    {"END", {"END,32,closed", "END,31,destroyed", "END,48"}},
    {"REQOK", {"REQOK,1", "REQOK,77", "REQOK"}},
    {"REQERR", {"REQERR,1,21,group", "REQERR,77,21,what"}},
    {"ERROR", {"ERROR,67,malformed", "ERROR,68,trouble"}},
    {"PROBE", {"PROBE", "NOOP,filler"}},
    {"LOOP", {"LOOP,0", "LOOP,10"}},
    {"PROG", {"PROG,0"}},
    {"SUB", {"SUBOK,1,1,1", "SUBCMD,1,1,2,1,2", "SUBOK,9,1,1"}},
    {"CONF", {"CONF,9,unlimited,filtered"}},
    {"U", {"U,9,1,a"}},
    {"ITEM", {"EOS,9,1", "CS,9,1", "OV,9,1,1"}},
    {"UNSUB", {"UNSUB,1", "UNSUB,9"}},
    {"MSG", {"MSGDONE,*,1,", "MSGFAIL,*,1,38,late"}},
    {"WSOK", {"WSOK"}},
    {"INFO", {"SERVNAME,x", "CLIENTIP,127.0.0.1", "CONS,unlimited", "SYNC,5", "MPNREG,a,b"}},
    {"OTHER", {"HELLO,you", "LOOPING,1"}},
    {"BAD", {"LOOP,x", "U,1,1", "SUBOK,1", "PROG", "REQERR,1", "CONOK,x"}},
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
typedef bool reach_function(struct player *p, bool websocket);

static bool reach_STOPPED(struct player *p, bool websocket)
{
    (void)p;
    (void)websocket;
    return true;
}

static bool reach_ASKING(struct player *p, bool websocket)
{
    (void)websocket;
    session_start(p->session, p->now);
    player_drain(p);
    return true;
}

static bool reach_OPENING(struct player *p, bool websocket)
{
    reach_ASKING(p, websocket);
    session_credentials(p->session, p->now, NULL, NULL);
    player_drain(p);
    return true;
}

static bool reach_WAITING(struct player *p, bool websocket)
{
    reach_OPENING(p, websocket);
    closed(p);
    return true;
}

static bool reach_REFUSED(struct player *p, bool websocket)
{
    reach_OPENING(p, websocket);
    session_closed(p->session, p->now, SESSION_FAULT_LASTING, 404, "not found");
    player_drain(p);
    return true;
}

static bool reach_GREETING(struct player *p, bool websocket)
{
    reach_OPENING(p, websocket);
    opened(p);
    return websocket;
}

static bool reach_CREATING(struct player *p, bool websocket)
{
    reach_OPENING(p, websocket);
    opened(p);
    if (websocket)
        feed(p, "WSOK\r\n");
    return true;
}

/* With a table that is asked for, not answered. */
static bool reach_BOUND(struct player *p, bool websocket)
{
    const struct table_options table = {.name = "t", .mode = TABLE_MERGE, .group = "g", .schema = "s"};
    reach_CREATING(p, websocket);
    feed(p, CONOK);
    player_add_table(p, &table, 0);
    player_drain(p);
    return true;
}

static bool reach_LOOPED(struct player *p, bool websocket)
{
    reach_BOUND(p, websocket);
    feed(p, "LOOP,1000\r\n");
    return true;
}

static bool reach_BINDING(struct player *p, bool websocket)
{
    reach_BOUND(p, websocket);
    feed(p, "LOOP,0\r\n");
    tick(p);
    if (!websocket)
        opened(p);
    return true;
}

static bool reach_RECOVERY_WAIT(struct player *p, bool websocket)
{
    reach_BOUND(p, websocket);
    closed(p);
    return true;
}

static bool reach_RECOVERING(struct player *p, bool websocket)
{
    reach_RECOVERY_WAIT(p, websocket);
    tick(p);
    opened(p);
    return true;
}

static bool reach_COUNTING(struct player *p, bool websocket)
{
    reach_RECOVERING(p, websocket);
    feed(p, CONOK);
    return true;
}

static bool reach_CATCHING_UP(struct player *p, bool websocket)
{
    reach_COUNTING(p, websocket);
    feed(p, "PROG,0\r\n");
    return true;
}

/* Not a phase of the session: the response to its control request. */
static bool reach_CONTROL(struct player *p, bool websocket)
{
    reach_BOUND(p, websocket);
    return !websocket;
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

static bool check_line(const struct matrix_row *row, size_t column, const char *line, bool websocket)
{
    struct session_options options = player_defaults();
    options.transports[0] = websocket ? SESSION_WS_STREAMING : SESSION_HTTP_STREAMING;
    struct player p;
    player_init(&p, &options);
    bool exists = row->reach(&p, websocket);
    if (exists && (websocket || row->phase != SESSION_PHASE_LOOPED)) {
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
            bool any = check_line(&rows[at], column, columns[column].lines[i], false);
            any |= check_line(&rows[at], column, columns[column].lines[i], true);
            ck_assert_msg(any, "%s with %s", rows[at].name, columns[column].lines[i]);
        }
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
    for (int websocket = 0; websocket < 2; websocket++)
        for (int what = 0; what < 8; what++) {
            struct session_options options = player_defaults();
            options.transports[0] = websocket ? SESSION_WS_STREAMING : SESSION_HTTP_STREAMING;
            struct player p;
            player_init(&p, &options);
            row->reach(&p, websocket);
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
    tcase_add_loop_test(c, anything_anytime, 0, (int)ARRAY_LENGTH(rows));
    tcase_add_test(c, all_tags);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
