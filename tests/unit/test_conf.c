#include "config.h"

#include "conf/conf.h"
#include "conf/diff.h"
#include "conf/schema.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf_cases.h"

/* Allocations of ours (the linker wraps them), so that each can fail once. */
static size_t allocations, failing; /* failing: the number of the one that fails; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_malloc(size_t size)
{
    return ++allocations == failing ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return ++allocations == failing ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return ++allocations == failing ? NULL : __real_realloc(at, size);
}

/* libconfig loses a string when the syntax error comes right after it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

/* A directory of its own for each test, and files in it. */
static char directory[64];

static void set_up(void)
{
    strcpy(directory, "/tmp/lsbridge-test-conf-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    setenv("LSBRIDGE_TEST_BYTES", "\xff", 1);
    unsetenv("LSBRIDGE_TEST_UNDEFINED");
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static int load(const char *text, struct conf **c, struct conf_faults *faults)
{
    return conf_load(write_file("main.conf", text), c, faults);
}

static void dump(const struct conf_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++)
        fprintf(stderr, "  %s:%u: %s\n", faults->at[i].file, faults->at[i].line, faults->at[i].text);
}

static struct conf *load_good(const char *text)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    int r = load(text, &c, &faults);
    if (r != 0) {
        fprintf(stderr, "%s\n", text);
        dump(&faults);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(faults.n, 0);
    return c;
}

/* EXPECTED: parts of the faults, all of them, in order; a leading digit is the line, else it is LINE. */
static void check_faults(const char *text, const char *const *expected, size_t max, unsigned line)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    int r = load(text, &c, &faults);
    size_t n = 0;
    bool same = r == 1 && !c;
    for (; n < max && expected[n]; n++) {
        bool digit = expected[n][0] >= '0' && expected[n][0] <= '9';
        unsigned at = digit ? (unsigned)(expected[n][0] - '0') : line;
        same = same && n < faults.n && faults.at[n].line == at &&
               strstr(faults.at[n].text, expected[n] + digit) &&
               strcmp(faults.at[n].file, path_of("main.conf")) == 0;
    }
    for (size_t i = 0; i < faults.n; i++)
        same = same && !strstr(faults.at[i].text, "s3cret") && !strstr(faults.at[i].text, "s3c@ret");
    if (!same || n != faults.n) {
        fprintf(stderr, "%s\nexpected:\n", text);
        for (size_t i = 0; i < n; i++)
            fprintf(stderr, "  %s\n", expected[i]);
        fprintf(stderr, "found:\n");
        dump(&faults);
    }
    ck_assert(same);
    ck_assert_uint_eq(n, faults.n);
    conf_faults_done(&faults);
}

#define CHECK_FAULTS(text, line, ...)                                                                        \
    do {                                                                                                     \
        const char *const expected_[] = {__VA_ARGS__};                                                       \
        check_faults((text), expected_, ARRAY_LENGTH(expected_), (line));                                    \
    } while (0)

static void compose(struct buf *out, enum where where, const char *text)
{
    static const char *const before[] = {
        [ROOT] = "sessions: ( { name = \"s\"; url = \"http://h\"; } );\n",
        [SESSION] = "sessions: ( { name = \"s\"; url = \"http://h\";\n",
        [TABLE] = "sessions: ( { name = \"s\"; url = \"http://h\"; tables: ( {\n",
    };
    static const char *const after[] = {[ROOT] = "\n", [SESSION] = "\n} );\n", [TABLE] = "\n} ); } );\n"};
    buf_add_text(out, before[where]);
    buf_add_text(out, text);
    buf_add_text(out, after[where]);
}

static void check_good(const struct good *g)
{
    AUTO_BUF struct buf text = BUF_INIT(10000);
    compose(&text, g->where, g->text);
    conf_free(load_good(buf_text(&text)));
}

START_TEST(good)
{
    for (size_t i = 0; i < ARRAY_LENGTH(goods); i++)
        check_good(&goods[i]);
}
END_TEST

static void check_bad(const struct bad *b)
{
    AUTO_BUF struct buf text = BUF_INIT(10000);
    compose(&text, b->where, b->text);
    check_faults(buf_text(&text), b->fault, ARRAY_LENGTH(b->fault), 2);
}

START_TEST(bad)
{
    for (size_t i = 0; i < ARRAY_LENGTH(bads); i++)
        check_bad(&bads[i]);
}
END_TEST

static bool in_goods(const char *row)
{
    for (size_t i = 0; i < ARRAY_LENGTH(goods); i++)
        if (strcmp(goods[i].row, row) == 0)
            return true;
    return false;
}

static bool in_bads(const char *row)
{
    for (size_t i = 0; i < ARRAY_LENGTH(bads); i++)
        if (strcmp(bads[i].row, row) == 0)
            return true;
    return false;
}

/* What has neither a default nor a function yet cannot be given well. */
static void walk_rows(const struct conf_rows *rows, const char *prefix, bool not_yet)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct conf_row *row = &rows->at[i];
        char name[100];
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", row->name);
        bool text_only = strcmp(name, "table.key_field") == 0 || strcmp(name, "table.command_field") == 0;
        bool hidden = not_yet || text_only || (row->not_yet && !row->preset && row->kind != CONF_TYPES);
        if (!hidden && !in_goods(name))
            ck_abort_msg("no good %s", name);
        bool found = row->inner == &conf_session_rows || in_bads(name);
        if (!found && strcmp(name, "session.name") != 0 && strcmp(name, "session.url") != 0)
            ck_abort_msg("no bad %s", name);
        if (row->inner == &conf_session_rows)
            walk_rows(row->inner, "session", hidden);
        else if (row->inner == &conf_table_rows)
            walk_rows(row->inner, "table", hidden);
        else if (row->inner)
            walk_rows(row->inner, name, hidden);
    }
}

START_TEST(every_row_is_tested)
{
    walk_rows(&conf_root_rows, "", false);
}
END_TEST

#define SMALL "sessions: ( { name = \"s\"; url = \"http://h\"; } );"

START_TEST(names_and_urls)
{
    CHECK_FAULTS(
        "sessions: ( { url = \"http://h\"; },\n{ name = \"a b\"; url = \"http://h\"; },\n{ name = 1; url = 1; },\n"
        "{ name = \"a\"; },\n{ name = \"a\"; url = \"http://h\"; } );",
        1, "session 1: name is missing: expected a name of letters, digits and _ . -",
        "2session 2: name: expected a name of letters, digits and _ . -, found \"a b\"",
        "3session 3: name: expected a name of letters, digits and _ . -, found 1",
        "3session 3: url: expected the server's address",
        "4session a: url is missing: expected the server's address, \"http://HOST\" or \"https://HOST\"",
        "5session a: name: expected a name of its own, found \"a\", which is taken in");
    static const char *const urls[] = {"",
                                       "h",
                                       "http://",
                                       "http:///x",
                                       "ftp://h",
                                       "https://h:0",
                                       "https://h:65536",
                                       "http://h:",
                                       "http://h h/",
                                       "http://h/a?b=c",
                                       "http://h/a#b",
                                       "http://[::1",
                                       "http://[::g h]",
                                       "http://h/\\n",
                                       "http://a:b",
                                       "//h",
                                       "ws://h",
                                       "http://a@b@c:x",
                                       "http://u:p/w@h",
                                       "http://h\\\\i"};
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        AUTO_BUF struct buf text = BUF_INIT(1000);
        buf_printf(&text, "sessions: ( { name = \"s\";\nurl = \"%s\"; } );", urls[i]);
        CHECK_FAULTS(buf_text(&text), 2, "session s: url: expected the server's address");
    }
}
END_TEST

START_TEST(url_is_normalised)
{
    static const char *const urls[][2] = {
        {"https://push.lightstreamer.com", "https://push.lightstreamer.com"},
        {"https://h/", "https://h"},
        {"https://h/lightstreamer", "https://h"},
        {"https://h/lightstreamer//", "https://h"},
        {"HTTPS://h:8080//lightstreamer/", "https://h:8080"},
        {"http://[::1]:80/a/lightstreamer", "http://[::1]:80/a"},
        {"http://h/lightstreamers", "http://h/lightstreamers"},
        {"http://lightstreamer", "http://lightstreamer"},
        {"http://u:p%40@h/", "http://u:p%40@h"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        AUTO_BUF struct buf text = BUF_INIT(1000);
        buf_printf(&text, "sessions: ( { name = \"s\"; url = \"%s\"; } );", urls[i][0]);
        struct conf *c = load_good(buf_text(&text));
        ck_assert_str_eq(c->sessions[0].url, urls[i][1]);
        conf_free(c);
    }
}
END_TEST

START_TEST(secrets_in_faulty_urls)
{
    CHECK_FAULTS("sessions: ( { name = \"s\"; url = \"https://user:s3cret@h/?x\"; } );", 1,
                 "found \"https://***@h/?x\"");
    CHECK_FAULTS("sessions: ( { name = \"s\"; url = \"user:s3c@ret@h\"; } );", 1, "found \"***@h\"");
    CHECK_FAULTS("sessions: ( { name = \"s\"; url = \"https://user:s3c@ret/?@h\"; } );", 1,
                 "found \"https://***@h\"");
}
END_TEST

START_TEST(no_session)
{
    CHECK_FAULTS("publisher: { };", 1, "sessions is missing: expected a list ( ) of groups { }");
    CHECK_FAULTS("", 1, "sessions is missing");
    CHECK_FAULTS("# nothing", 1, "sessions is missing");
    CHECK_FAULTS("\nsessions: ( );", 2, "sessions: expected at least one group { }, found an empty list ( )");
    CHECK_FAULTS("\nsessions = \"s\";", 2, "sessions: expected a list ( ) of groups { }, found \"s\"");
}
END_TEST

START_TEST(syntax_ends_it)
{
    CHECK_FAULTS("unknown = 1;\na = ;\n" SMALL, 2, "syntax error");
    CHECK_FAULTS("publisher: { };\n\npublisher: { };\n" SMALL, 3, "duplicate setting name");
    CHECK_FAULTS(SMALL "\na = \"x;\n", 3, "syntax error");
    CHECK_FAULTS(SMALL "\na = [ 1, \"x\" ];\n", 2, "mismatched element type in array");
    CHECK_FAULTS("\n/* " SMALL, 2, "the comment that begins here is not ended in this file");
}
END_TEST

START_TEST(too_deep)
{
    AUTO_BUF struct buf text = BUF_INIT(100000);
    buf_add_text(&text, "\na = ");
    for (int i = 0; i < 20000; i++)
        buf_add_char(&text, '(');
    for (int i = 0; i < 20000; i++)
        buf_add_char(&text, ')');
    CHECK_FAULTS(buf_text(&text), 2, "more than 32 levels of braces");
}
END_TEST

START_TEST(unreadable)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    ck_assert_int_eq(conf_load("/nowhere/at/all", &c, &faults), 1);
    ck_assert_uint_eq(faults.n, 1);
    ck_assert_str_eq(faults.at[0].file, "/nowhere/at/all");
    ck_assert_uint_eq(faults.at[0].line, 0);
    ck_assert_str_eq(faults.at[0].text, "cannot read \"/nowhere/at/all\": No such file or directory");
    conf_faults_done(&faults);
    ck_assert_int_eq(conf_load("/tmp", &c, &faults), 1);
    ck_assert_str_eq(faults.at[0].text, "cannot read \"/tmp\": Is a directory");
    conf_faults_done(&faults);
    ck_assert_int_eq(conf_load("/dev/zero", &c, &faults), 1);
    ck_assert_ptr_nonnull(strstr(faults.at[0].text, "more than 8388608 bytes"));
    conf_faults_done(&faults);
    FILE *f = fopen(path_of("nul.conf"), "w");
    ck_assert_uint_eq(fwrite("a = 1;\0b", 1, 8, f), 8);
    fclose(f);
    ck_assert_int_eq(conf_load(path_of("nul.conf"), &c, &faults), 1);
    ck_assert_ptr_nonnull(strstr(faults.at[0].text, "holds a NUL byte"));
    conf_faults_done(&faults);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(defaults)
{
    struct conf *c = load_good(
        "sessions: ( { name = \"s\"; url = \"http://h\"; tables: ( { name = \"t\";\n group = \"g\"; "
        "schema = \"s\"; },\n{ name = \"r\"; group = \"g\"; schema = \"s\"; mode = \"RAW\"; } ); } );");
    const struct conf_publisher *p = &c->publisher;
    ck_assert_str_eq(c->path, path_of("main.conf"));
    ck_assert_uint_eq(p->socket.endpoints.n, 1);
    ck_assert_str_eq(p->socket.endpoints.at[0], "tcp://127.0.0.1:5556");
    ck_assert_uint_eq(p->socket.ipc_mode, 0660);
    ck_assert_ptr_null(p->socket.ipc_group);
    ck_assert(p->encoding == CONF_ENCODING_JSON && !p->changed_only && p->replay);
    ck_assert_str_eq(p->topic, "{item}");
    ck_assert(p->replay_limit == 10000 && p->high_water_mark == 10000 && p->slow_consumer_wait_ms == 500);
    ck_assert(p->slow_consumer == CONF_SLOW_DROP && p->linger_ms == 1000);
    ck_assert_str_eq(c->status.socket.endpoints.at[0], "tcp://127.0.0.1:5557");
    ck_assert_int_eq(c->status.stats_interval_ms, 5000);
    ck_assert_str_eq(c->control.endpoints.at[0], "ipc:///run/lsbridge/control.sock");
    ck_assert_uint_eq(c->control.ipc_mode, 0660);
    ck_assert_ptr_null(c->metrics.listen);
    ck_assert(!c->curve.enabled);

    const struct conf_session *s = conf_find_session(c, "s");
    ck_assert_ptr_null(conf_find_session(c, "t"));
    ck_assert(s->protocol == CONF_PROTOCOL_TLCP && s->transport == CONF_TRANSPORT_AUTO);
    ck_assert_ptr_null(s->user);
    ck_assert_ptr_null(s->password);
    ck_assert_str_eq(s->separator, " ");
    ck_assert_str_eq(s->adapter_parameter, "LS_data_adapter");
    ck_assert(s->keepalive_ms == 0 && s->idle_ms == 19000 && s->polling_ms == 0 && s->stalled_ms == 2000);
    ck_assert(s->reconnect_ms == 3000 && s->recovery_ms == 15000 && s->connect_ms == 4000 &&
              s->retry_ms == 125);
    ck_assert(s->retry_max_ms == 30000 && s->retry_refused_ms == 300000 && s->reverse_heartbeat_ms == 0);
    ck_assert_int_eq(s->content_length_bytes, 50000000);
    ck_assert_ptr_null(s->max_bandwidth_kbps);
    ck_assert_uint_eq(s->supported_diffs.n, 2);
    ck_assert(!s->slowing && !s->ignore_control_link && s->tls_verify && s->n_headers == 0);
    ck_assert_uint_eq(s->line, 1);

    const struct conf_table *t = conf_find_table(s, "t");
    ck_assert_ptr_null(conf_find_table(s, "s"));
    ck_assert(t->mode == CONF_MODE_MERGE && t->snapshot && t->snapshot_length == 0 &&
              t->retry_failed_ms == 60000);
    ck_assert_str_eq(t->max_frequency, "unlimited");
    ck_assert(!t->silent && !t->split_on_error && t->stale_ms == 0 && !t->has_encoding);
    ck_assert_ptr_null(t->topic);
    ck_assert_ptr_null(t->buffer_size);
    ck_assert_ptr_null(t->key_field);
    ck_assert_str_eq(t->file, path_of("main.conf"));
    ck_assert_uint_eq(t->line, 1);
    ck_assert(!conf_find_table(s, "r")->snapshot);
    ck_assert_uint_eq(conf_find_table(s, "r")->line, 3);
    ck_assert_str_eq(conf_mode_name(CONF_MODE_RAW), "RAW");
    ck_assert_str_eq(conf_transport_name(CONF_TRANSPORT_HTTP_POLLING), "http-polling");
    ck_assert_str_eq(conf_encoding_name(CONF_ENCODING_MSGPACK), "msgpack");
    conf_free(c);
}
END_TEST

START_TEST(values)
{
    setenv("LSBRIDGE_TEST_USER", "${not again} \xc3\xbc", 1);
    struct conf *c = load_good(
        "publisher: { endpoints = [ \"ipc:///tmp/a\", \"tcp://*:*\" ]; fields = \"changed\"; ipc_mode = \"600\"; replay_limit = 0x10; };\n"
        "sessions: ( { name = \"s\"; url = \"http://h\"; user = \"<${LSBRIDGE_TEST_USER}>$${x} $\" \"y\"; password = \"\";\n"
        "content_length_bytes = 5000000000L; max_bandwidth_kbps = 50; supported_diffs = [];\n"
        "headers = ( { name = \"A\"; value = \"b\"; } );\n"
        "tables: ( { name = \"t\"; mode = \"DISTINCT\"; items = [ \"a\", \"b\" ]; fields = [ \"f\" ]; snapshot = 7; buffer_size = 20;\n"
        "max_frequency = 2.50; topic = \"{table}\"; encoding = \"msgpack\"; },\n"
        "{ name = \"u\"; group = \"g\"; items = [ \"x y\" ]; schema = \"s\"; max_frequency = 0.1; buffer_size = \"unlimited\"; } ); } );");
    ck_assert_uint_eq(c->publisher.socket.endpoints.n, 2);
    ck_assert_uint_eq(c->publisher.socket.ipc_mode, 0600);
    ck_assert(c->publisher.changed_only && c->publisher.replay_limit == 16);
    const struct conf_session *s = &c->sessions[0];
    ck_assert_str_eq(s->user, "<${not again} \xc3\xbc>${x} $y");
    ck_assert_str_eq(s->password, "");
    ck_assert_int_eq(s->content_length_bytes, 5000000000);
    ck_assert_str_eq(s->max_bandwidth_kbps, "50");
    ck_assert_uint_eq(s->supported_diffs.n, 0);
    ck_assert_str_eq(s->headers[0].value, "b");
    const struct conf_table *t = s->tables;
    ck_assert(t->mode == CONF_MODE_DISTINCT && t->snapshot && t->snapshot_length == 7 && t->has_encoding);
    ck_assert(t->encoding == CONF_ENCODING_MSGPACK);
    ck_assert_str_eq(t->items.at[1], "b");
    ck_assert_str_eq(t->buffer_size, "20");
    ck_assert_str_eq(t->max_frequency, "2.5");
    ck_assert_str_eq(t[1].max_frequency, "0.1");
    ck_assert_str_eq(t[1].buffer_size, "unlimited");
    ck_assert_str_eq(t[1].items.at[0], "x y");
    conf_free(c);
}
END_TEST

/* One text that libconfig would read as quite another set of numbers. */
START_TEST(integers_by_their_text)
{
    CHECK_FAULTS(
        "publisher: { replay_limit = 4294967297; high_water_mark = 4294967297 linger_ms = 4294967297, }\n"
        "status: { stats_interval_ms /* = 7 */ = // 8 \n 4294972296; endpoints = [ \"tcp://*:1\" ]; # 9\n };\n" SMALL,
        1, "publisher.replay_limit: expected an integer from 0 to 2147483647, found 4294967297",
        "publisher.high_water_mark: expected an integer from 1 to 2147483647, found 4294967297",
        "publisher.linger_ms: expected",
        "2status.stats_interval_ms: expected an integer from 10 to 2147483647, found 4294972296");
    CHECK_FAULTS("publisher: { topic = \"a\\\\\"; replay_limit = 4294967297; };\n" SMALL, 1,
                 "publisher.replay_limit: expected");
    CHECK_FAULTS("publisher: { topic = \"a\\\"; replay_limit = 1; \"; replay_limit = 4294967297; };\n" SMALL,
                 1, "publisher.replay_limit: expected");
    CHECK_FAULTS("publisher: { topic = \"a\" /* \" */ \"b\" # \"\n; replay_limit=-4294967297L};\n" SMALL, 2,
                 "publisher.replay_limit: expected an integer from 0 to 2147483647, found -4294967297L");
}
END_TEST

START_TEST(order_of_the_file)
{
    CHECK_FAULTS(
        "zzz = 1;\nsessions: ( {\nname = \"b\"; retry_max_ms = 1;\ntables: ( {\nname = \"t\"; items = [ \"i i\" ];\n} );\n"
        "transport = 5; } );\npublisher: { topic = \"{}\"; };\nstatus: { endpoints = [ \"tcp://*:5556\" ]; };",
        1, "zzz", "2session b: url is missing", "3session b: retry_max_ms",
        "4session b: table t: fields is missing", "5session b: table t: items", "7session b: transport",
        "8publisher.topic", "9status.endpoints");
}
END_TEST

START_TEST(duplicate_names)
{
    CHECK_FAULTS(
        "sessions: ( { name = \"a\"; url = \"http://h\"; tables: (\n"
        "{ name = \"t\"; group = \"g\"; schema = \"s\"; },\n"
        "{ name = \"t\"; group = \"g\"; schema = \"s\"; } ); },\n"
        "{ name = \"b\"; url = \"http://h\"; tables: ( { name = \"t\"; group = \"g\"; schema = \"s\"; } ); },\n"
        "{ name = \"a\"; url = \"http://h\"; } );",
        3, "session a: table t: name: expected a name of its own, found \"t\", which is taken in",
        "5session a: name: expected a name of its own, found \"a\", which is taken in");
}
END_TEST

START_TEST(mode_that_is_faulty_hides_what_hangs_on_it)
{
    CHECK_FAULTS(
        "sessions: ( { name = \"a\"; url = \"http://h\"; tables: ( { name = \"t\"; group = \"g\"; schema = \"s\";\n"
        "mode = \"X\"; snapshot = 5; } ); } );",
        2, "session a: table t: mode: expected");
}
END_TEST

static void check_fault(const struct conf_faults *faults, size_t index, const char *file, unsigned line,
                        const char *text)
{
    ck_assert_uint_lt(index, faults->n);
    ck_assert_str_eq(faults->at[index].file, path_of(file));
    ck_assert_uint_eq(faults->at[index].line, line);
    if (!strstr(faults->at[index].text, text))
        ck_abort_msg("expected %s, found %s", text, faults->at[index].text);
}

/* Nested ones are relative to the main file's directory as well, wherever we stand; nobody moves. */
START_TEST(includes)
{
    char before[4096], after[4096];
    ck_assert_int_eq(mkdir(path_of("sub"), 0700), 0);
    write_file("sub/one.conf", "status: { };\n  @include \"sub/two.conf\" control: { };");
    write_file("sub/two.conf", "publisher: { topic = \"from two\"; }; # no newline");
    write_file("session.conf", "name = \"s\"; url = \"http://h\";\n");
    write_file("empty.conf", "");
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    struct conf *c = load_good(
        "# @include \"nowhere\"\n/*\n@include \"nowhere\"\n*/\n@include \"sub/one.conf\"\n"
        "@include \"empty.conf\"\nsessions: ( {\n\t@include\t\"session.conf\"\nuser = \"\n@include \\\"x\\\"\"; } );");
    ck_assert_str_eq(c->publisher.topic, "from two");
    ck_assert_str_eq(c->sessions[0].user, "\n@include \"x\"");
    conf_free(c);
    ck_assert_ptr_nonnull(getcwd(after, sizeof after));
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(faults_in_includes)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    write_file("a.conf", "\npublisher: { topik = 1;\n  @include \"b.conf\"\n replay = 5; };");
    write_file("b.conf", "\n\nreplay_limit = -1;");
    ck_assert_int_eq(
        load("x = 1;\n@include \"a.conf\" y = 1;\nz = 1;\n@include \"nowhere.conf\"\n@include \"gone.conf\"",
             &c, &faults),
        1);
    ck_assert_uint_eq(faults.n, 8);
    check_fault(&faults, 0, "main.conf", 1, "x: unknown");
    check_fault(&faults, 1, "a.conf", 2, "publisher.topik");
    check_fault(&faults, 2, "b.conf", 3, "publisher.replay_limit");
    check_fault(&faults, 3, "a.conf", 4, "publisher.replay:");
    check_fault(&faults, 4, "main.conf", 2, "y: unknown");
    check_fault(&faults, 5, "main.conf", 3, "z: unknown");
    check_fault(&faults, 6, "main.conf", 4,
                "@include: cannot read \"nowhere.conf\": No such file or directory");
    check_fault(&faults, 7, "main.conf", 5, "@include: cannot read \"gone.conf\"");
    conf_faults_done(&faults);

    write_file("b.conf", "\n\nreplay_limit = ;");
    ck_assert_int_eq(load("@include \"a.conf\"\n", &c, &faults), 1);
    ck_assert_uint_eq(faults.n, 1);
    check_fault(&faults, 0, "b.conf", 3, "syntax error");
    conf_faults_done(&faults);

    ck_assert_int_eq(load("\n@include \"a.conf\" = \n", &c, &faults), 1);
    conf_faults_done(&faults);
    write_file("b.conf", "");
    ck_assert_int_eq(load("\n@include \"a.conf\" = \n", &c, &faults), 1);
    ck_assert_uint_eq(faults.n, 1);
    check_fault(&faults, 0, "main.conf", 2, "syntax error");
    conf_faults_done(&faults);
}
END_TEST

START_TEST(includes_that_lead_nowhere)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    write_file("a.conf", "@include \"a.conf\"\n");
    ck_assert_int_eq(load(SMALL "\n@include \"a.conf\"\n", &c, &faults), 1);
    check_fault(&faults, 0, "a.conf", 1, "@include: more than 10 files, one inside the other");
    conf_faults_done(&faults);

    write_file("a.conf", "a = \"x\n");
    CHECK_FAULTS(SMALL "\n@include \"main.conf", 2, "@include: the name of the file is not ended");
    ck_assert_int_eq(load(SMALL "\n@include \"a.conf\"\n\";", &c, &faults), 1);
    check_fault(&faults, 0, "a.conf", 1, "the string that begins here is not ended in this file");
    conf_faults_done(&faults);

    CHECK_FAULTS(SMALL "\n@include \"/dev/zero\"\n@include \"/\"", 2,
                 "@include: cannot read \"/dev/zero\": Invalid argument",
                 "3@include: cannot read \"/\": Is a directory");
    CHECK_FAULTS(SMALL "\n x = 1; @include \"main.conf\"\n", 2, "syntax error");
}
END_TEST

START_TEST(credentials_directory)
{
    static const char text[] =
        "sessions: ( { name = \"s\"; url = \"http://h\";\npassword_file = \"pw\"; } );";
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    CHECK_FAULTS(text, 2, "session s: password_file: cannot read \"pw\": No such file or directory");
    write_file("pw", "secret");
    struct conf *c = load_good(text);
    ck_assert_str_eq(c->sessions[0].password_file, path_of("pw"));
    conf_free(c);
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_FAULTS(text, 2, "cannot read \"pw\"");
}
END_TEST

START_TEST(long_texts_are_cut)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 23);
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    buf_add_text(&text, "sessions: ( { name = \"s\"; url = \"http://h\"; separator = \"");
    for (int i = 0; i < 300000; i++)
        buf_add_text(&text, "ü\n");
    buf_add_text(&text, "\"; user = \"");
    for (int i = 0; i < 300000; i++)
        buf_add_text(&text, "ü${");
    buf_add_text(&text, "\"; adapter_set = \"");
    for (int i = 0; i < 300000; i++)
        buf_add_text(&text, "$${ ");
    buf_add_text(&text, "\"; supported_diffs = [ \"");
    for (int i = 0; i < 300000; i++)
        buf_add_text(&text, "ü");
    buf_add_text(&text, "\" ]; } ); ");
    for (int i = 0; i < 3000; i++)
        buf_add_text(&text, "a");
    buf_add_text(&text, " = 1;");
    ck_assert_int_eq(load(buf_text(&text), &c, &faults), 1);
    ck_assert_uint_eq(faults.n, 3);
    for (size_t i = 0; i < faults.n; i++)
        ck_assert_uint_lt(strlen(faults.at[i].text), 1010);
    conf_faults_done(&faults);
}
END_TEST

static void print(const struct conf *c, struct buf *out)
{
    buf_clear(out);
    conf_print(c, out);
    ck_assert_int_eq(buf_error(out), 0);
}

static bool has_secret(const struct conf_session *s)
{
    return s->password || s->n_headers || strchr(s->url, '@') || (s->proxy && strchr(s->proxy, '@'));
}

/* What is printed loads to the same, and prints the same. */
static void check_round_trip(struct conf *c)
{
    AUTO_BUF struct buf first = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20), changed = BUF_INIT(1000);
    print(c, &first);
    ck_assert_ptr_null(strstr(buf_text(&first), "s3cret"));
    struct conf *d = load_good(buf_text(&first));
    print(d, &again);
    ck_assert_str_eq(buf_text(&first), buf_text(&again));
    conf_restart_needed(c, d, &changed);
    ck_assert_uint_eq(changed.len, 0);
    ck_assert_uint_eq(c->n_sessions, d->n_sessions);
    for (size_t i = 0; i < c->n_sessions; i++) {
        ck_assert(has_secret(&c->sessions[i]) || !conf_session_changed(&c->sessions[i], &d->sessions[i]));
        ck_assert_uint_eq(c->sessions[i].n_tables, d->sessions[i].n_tables);
        for (size_t j = 0; j < c->sessions[i].n_tables; j++)
            ck_assert_uint_eq(conf_table_changes(&c->sessions[i].tables[j], &d->sessions[i].tables[j]), 0);
    }
    conf_free(d);
}

static void check_print(const struct good *g)
{
    AUTO_BUF struct buf text = BUF_INIT(10000);
    compose(&text, g->where, g->text);
    struct conf *c = load_good(buf_text(&text));
    check_round_trip(c);
    AUTO_BUF struct buf json = BUF_INIT(1 << 20);
    conf_print_json(c, &json);
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, buf_text(&json), (int)json.len);
    ck_assert_int_eq(json_tokener_get_error(tokener), json_tokener_success);
    ck_assert(json_object_is_type(object, json_type_object));
    json_object_put(object);
    json_tokener_free(tokener);
    conf_free(c);
}

START_TEST(round_trip)
{
    for (size_t i = 0; i < ARRAY_LENGTH(goods); i++)
        check_print(&goods[i]);
}
END_TEST

START_TEST(secrets_are_masked)
{
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct conf *c = load_good(
        "sessions: ( { name = \"s\"; url = \"https://u:s3cret@h:1\"; proxy = \"http://u:s3cret@p:2\"; password = \"s3cret\";\n"
        "user = \"shown\"; headers = ( { name = \"A\"; value = \"s3cret\"; } ); } );");
    for (int i = 0; i < 2; i++) {
        buf_clear(&out);
        if (i == 0)
            conf_print(c, &out);
        else
            conf_print_json(c, &out);
        ck_assert_ptr_null(strstr(buf_text(&out), "s3cret"));
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "https://***@h:1"));
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "http://***@p:2"));
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "shown"));
    }
    check_round_trip(c);
    conf_free(c);
}
END_TEST

START_TEST(json_of_a_small_one)
{
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct conf *c = load_good(
        "sessions: ( { name = \"s\"; url = \"http://h\"; content_length_bytes = 5000000000L; tables: ( { name = \"t\"; mode = \"DISTINCT\"; "
        "items = [ \"$${i}\" ]; schema = \"s\"; snapshot = 3; max_frequency = 0.5; buffer_size = \"unlimited\"; } ); } );");
    conf_print_json(c, &out);
    const char *json = buf_text(&out);
    ck_assert_ptr_nonnull(strstr(json, "\"content_length_bytes\":5000000000,"));
    ck_assert_ptr_nonnull(strstr(
        json,
        "\"items\":[\"${i}\"],\"schema\":\"s\",\"snapshot\":3,\"buffer_size\":\"unlimited\",\"max_frequency\":0.5,"));
    ck_assert_int_eq(strncmp(json, "{\"publisher\":{\"endpoints\":[\"tcp://127.0.0.1:5556\"],", 49), 0);
    ck_assert_ptr_null(strstr(json, "metrics"));
    ck_assert_ptr_null(strstr(json, "curve"));
    conf_free(c);
}
END_TEST

/* What no file can say yet. */
START_TEST(print_of_what_is_to_come)
{
    static char name[] = "t", f[] = "f", g[] = "g", h[] = "h", file[] = "/k", address[] = "127.0.0.1:1";
    char *second[] = {g};
    struct conf_field_type types[] = {{f, CONF_TYPE_JSON}, {g, CONF_TYPE_NUMBER}, {h, CONF_TYPE_JSON}};
    struct conf_table table = {.name = name, .mode = CONF_MODE_COMMAND, .types = types, .n_types = 3};
    table.second_level.enabled = true;
    table.second_level.fields = (struct conf_strings){second, 1};
    struct conf_session session = {
        .name = name, .protocol = CONF_PROTOCOL_TEXT, .tables = &table, .n_tables = 1};
    struct conf c = {
        .sessions = &session, .n_sessions = 1, .metrics = {address}, .curve = {true, file, file, NULL}};
    AUTO_BUF struct buf json = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
    conf_print_json(&c, &json);
    ck_assert_ptr_nonnull(strstr(
        buf_text(&json),
        "\"second_level\":{\"fields\":[\"g\"]},\"types\":{\"number\":[\"g\"],\"json\":[\"f\",\"h\"]}"));
    ck_assert_ptr_nonnull(strstr(
        buf_text(&json),
        "\"metrics\":{\"listen\":\"127.0.0.1:1\"},\"curve\":{\"server_secret_key_file\":\"/k\",\"clients_file\":\"/k\"}"));
    ck_assert_ptr_nonnull(strstr(buf_text(&json), "\"protocol\":\"text\""));
    conf_print(&c, &text);
    ck_assert_ptr_nonnull(
        strstr(buf_text(&text),
               "types = {\n          number = [ \"g\" ];\n          json = [ \"f\", \"h\" ];\n        };"));
}
END_TEST

static unsigned table_changes(const char *old, const char *new)
{
    AUTO_BUF struct buf text = BUF_INIT(10000);
    compose(&text, TABLE, old);
    struct conf *a = load_good(buf_text(&text));
    buf_clear(&text);
    compose(&text, TABLE, new);
    struct conf *b = load_good(buf_text(&text));
    unsigned changes = conf_table_changes(a->sessions[0].tables, b->sessions[0].tables);
    conf_free(a);
    conf_free(b);
    return changes;
}

START_TEST(changes_of_a_table)
{
    static const struct {
        const char *setting;
        unsigned changes;
    } cases[] = {
        {"", 0},
        {"mode = \"MERGE\"; snapshot = true;", 0},
        {"topic = \"x\";", CONF_CHANGE_LIVE},
        {"encoding = \"json\";", CONF_CHANGE_LIVE},
        {"max_frequency = 2;", CONF_CHANGE_RECONF},
        {"max_frequency = \"unfiltered\";", CONF_CHANGE_RESUBSCRIBE},
        {"max_frequency = 2; topic = \"x\";", CONF_CHANGE_RECONF | CONF_CHANGE_LIVE},
        {"snapshot = false;", CONF_CHANGE_RESUBSCRIBE},
        {"mode = \"DISTINCT\";", CONF_CHANGE_RESUBSCRIBE},
        {"data_adapter = \"D\";", CONF_CHANGE_RESUBSCRIBE},
        {"selector = \"D\";", CONF_CHANGE_RESUBSCRIBE},
        {"buffer_size = 2;", CONF_CHANGE_RESUBSCRIBE},
        {"retry_failed_ms = 2;", CONF_CHANGE_RESUBSCRIBE},
        {"group = \"i\";", CONF_CHANGE_RESUBSCRIBE},
        {"schema = \"f g\";", CONF_CHANGE_RESUBSCRIBE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO_BUF struct buf text = BUF_INIT(1000);
        buf_printf(&text, "%s%s", ALL_OF_TABLE, cases[i].setting);
        ck_assert_uint_eq(table_changes(ALL_OF_TABLE, buf_text(&text)), cases[i].changes);
        ck_assert_uint_eq(table_changes(buf_text(&text), ALL_OF_TABLE), cases[i].changes);
    }
    ck_assert_uint_eq(table_changes("name = \"t\"; items = [\"a\"]; schema = \"s\";",
                                    "name = \"t\"; items = [\"b\"]; schema = \"s\";"),
                      CONF_CHANGE_RESUBSCRIBE);
    /* What only the code can have yet. */
    struct conf_field_type one = {(char *)(uintptr_t) "f", CONF_TYPE_JSON},
                           other = {(char *)(uintptr_t) "f", CONF_TYPE_NUMBER};
    struct conf_table a = {.types = &one, .n_types = 1}, b = {.types = &other, .n_types = 1}, none = {0};
    ck_assert_uint_eq(conf_table_changes(&a, &b), CONF_CHANGE_LIVE);
    ck_assert_uint_eq(conf_table_changes(&a, &none), CONF_CHANGE_LIVE);
    ck_assert_uint_eq(conf_table_changes(&a, &a), 0);
    b = (struct conf_table){.second_level.enabled = true};
    ck_assert_uint_eq(conf_table_changes(&none, &b), CONF_CHANGE_RESUBSCRIBE);
    b = (struct conf_table){.stale_ms = 1};
    ck_assert_uint_eq(conf_table_changes(&none, &b), CONF_CHANGE_LIVE);
}
END_TEST

static void check_changes_of_a_session(const struct good *g)
{
    AUTO_BUF struct buf text = BUF_INIT(10000);
    compose(&text, g->where, g->text);
    struct conf *a = load_good(SMALL), *b = load_good(buf_text(&text)), *c = load_good(buf_text(&text));
    AUTO_BUF struct buf names = BUF_INIT(1000);
    bool changed = conf_session_changed(a->sessions, b->sessions);
    conf_restart_needed(a, b, &names);
    ck_assert(!conf_session_changed(c->sessions, b->sessions));
    if (g->where != SESSION)
        ck_assert(!changed);
    else if (strcmp(g->text, "user = \"$${HOME} $$$${x} $ {} $x\";") == 0)
        ck_assert(changed);
    /* Each text of ROOT changes just the one setting that it is there for, or none. */
    if (g->where == ROOT && names.len) {
        AUTO_BUF struct buf wanted = BUF_INIT(1000);
        buf_printf(&wanted, "%s\n", g->row);
        ck_assert_str_eq(buf_text(&names), buf_text(&wanted));
    } else {
        ck_assert_uint_eq(names.len, 0);
    }
    conf_free(a);
    conf_free(b);
    conf_free(c);
}

START_TEST(changes_of_a_session)
{
    for (size_t i = 0; i < ARRAY_LENGTH(goods); i++)
        check_changes_of_a_session(&goods[i]);
}
END_TEST

START_TEST(changes_that_need_a_restart)
{
    AUTO_BUF struct buf names = BUF_INIT(1000);
    struct conf *a = load_good(SMALL);
    struct conf *b = load_good(
        "publisher: { replay = false; topic = \"x\"; }; control: { endpoints = [ \"ipc://x\" ]; };" SMALL);
    conf_restart_needed(a, b, &names);
    ck_assert_str_eq(buf_text(&names), "publisher.topic\npublisher.replay\ncontrol.endpoints\n");
    conf_free(a);
    conf_free(b);
}
END_TEST

/* Every configuration that is shipped loads, is what it prints, and can be bound beside nothing else. */
START_TEST(shipped)
{
    static const char *const files[] = {
        "lsbridged.conf",
        "examples/demo-stocklist.conf",
        "examples/demo-portfolio.conf",
        "examples/demo-portfolio-json.conf",
        "examples/demo-chat.conf",
        "examples/isslive.conf",
        "examples/ig-markets.conf",
        "examples/load-test.conf",
    };
    static const char *const variables[] = {"IG_STREAMING_URL", "IG_ACCOUNT", "IG_CST", "IG_XST"};
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        setenv(variables[i], "https://example.com", 1);
    char path[4096];
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    snprintf(path, sizeof path, "%s/etc/%s", SOURCE_ROOT, files[_i]);
    int r = conf_load(path, &c, &faults);
    dump(&faults);
    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(c->publisher.socket.endpoints.at[0], "tcp://127.0.0.1:5556");
    ck_assert_str_eq(c->status.socket.endpoints.at[0], "tcp://127.0.0.1:5557");
    ck_assert_str_eq(c->control.endpoints.at[0], "ipc:///run/lsbridge/control.sock");
    ck_assert_uint_gt(c->sessions[0].n_tables, 0);
    check_round_trip(c);
    conf_free(c);
}
END_TEST

static const char sweep_good[] =
    "publisher: { endpoints = [ \"tcp://*:1\", \"ipc://a\" ]; topic = \"x\"; };\n@include \"more.conf\"\n"
    "sessions: ( { name = \"s\"; url = \"http://u:p@h/lightstreamer\"; user = \"${HOME}\"; headers = ( { name = \"A\"; value = \"b\"; } );\n"
    "max_bandwidth_kbps = 1.5; tables: ( { name = \"t\"; items = [ \"a\", \"b\" ]; fields = [ \"f\", \"g\" ]; max_frequency = 2;\n"
    "types = { number = [ ]; }; }, { name = \"u\"; group = \"g\"; schema = \"s\"; } ); } );";
static const char sweep_bad[] =
    "publisher: { endpoints = [ \"tcp://*:1\", \"udp://a\" ]; topic = \"{x}\"; };\n@include \"nowhere.conf\"\nzzzz = 1;\n"
    "sessions: ( { name = \"s\"; url = \"http://u:p@\"; user = \"${HOME\"; headers = ( { name = \"A B\"; value = \"b\\n\"; } );\n"
    "password_file = \"/nowhere\"; tables: ( { name = \"t\"; mode = \"COMMAND\"; items = [ \"a\", \"a\", \"a b\" ]; fields = [ \"f\", \"g\" ]; max_frequency = \"x\";\n"
    "second_level = { fields = [ \"f\", \"z\" ]; }; types = { number = [ \"x\", \"f\" ]; json = [ \"1\" ]; }; }, { name = \"t\"; group = \"g\"; schema = \"s\"; } ); } );";

static void read_text(const char *name, struct buf *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", SOURCE_ROOT, name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        buf_add_char(out, (char)c);
    fclose(f);
}

/* Both explain every setting: the page as *name*, the installed file what can be used as "name =". */
static void check_explained(const struct conf_rows *rows, const char *page, const char *installed,
                            bool not_yet)
{
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n; row++) {
        char name[64];
        snprintf(name, sizeof name, "*%s*", row->name);
        if (!strstr(page, name))
            ck_abort_msg("%s is not in the manual page", row->name);
        bool text_only = strcmp(row->name, "key_field") == 0 || strcmp(row->name, "command_field") == 0 ||
                         strcmp(row->name, "adapter_parameter") == 0;
        snprintf(name, sizeof name, "%s%s", row->name, row->kind == CONF_GROUP || row->element ? "" : " = ");
        if (!not_yet && !row->not_yet && !text_only && !strstr(installed, name))
            ck_abort_msg("%s is not in lsbridged.conf", row->name);
        if (row->inner)
            check_explained(row->inner, page, installed, not_yet || row->not_yet);
    }
}

START_TEST(explained)
{
    AUTO_BUF struct buf page = BUF_INIT(1 << 20), installed = BUF_INIT(1 << 20);
    read_text("doc/lsbridged.conf.5.scd", &page);
    read_text("etc/lsbridged.conf", &installed);
    check_explained(&conf_root_rows, buf_text(&page), buf_text(&installed), false);
}
END_TEST

/* Each of our allocations fails once: -ENOMEM, nothing else, and nothing leaks (the sanitizer and valgrind look). */
static void sweep(const char *text, int result)
{
    const char *path = write_file("main.conf", text);
    size_t n = 0;
    int r;
    do {
        struct conf *c = NULL;
        struct conf_faults faults = {0};
        allocations = 0;
        failing = ++n;
        r = conf_load(path, &c, &faults);
        failing = 0;
        if (allocations >= n) {
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_ptr_null(c);
            ck_assert_uint_eq(faults.n, 0);
        }
        conf_faults_done(&faults);
        conf_free(c);
        ck_assert_uint_lt(n, 10000);
    } while (allocations >= n);
    ck_assert_int_eq(r, result);
    ck_assert_uint_gt(n, 50);
}

START_TEST(allocations_of_loading)
{
    write_file("more.conf", "status: { };\n");
    sweep(sweep_good, 0);
    sweep(sweep_bad, 1);
}
END_TEST

START_TEST(allocations_of_printing)
{
    write_file("more.conf", "status: { };\n");
    struct conf *c = load_good(sweep_good);
    size_t n = 0;
    int errors = 0;
    do {
        AUTO_BUF struct buf out = BUF_INIT(1 << 20);
        allocations = 0;
        failing = ++n;
        conf_print(c, &out);
        failing = 0;
        errors += buf_error(&out) == -ENOMEM;
        ck_assert(allocations < n || buf_error(&out) == -ENOMEM);
        ck_assert_uint_lt(n, 10000);
    } while (allocations >= n);
    ck_assert_int_gt(errors, 10);
    conf_free(c);
}
END_TEST

START_TEST(freeing_nothing)
{
    conf_free(NULL);
    struct conf_faults none = {0};
    conf_faults_done(&none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf");
    TCase *t = tcase_create("conf");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, good);
    tcase_add_test(t, bad);
    tcase_add_test(t, every_row_is_tested);
    tcase_add_test(t, names_and_urls);
    tcase_add_test(t, url_is_normalised);
    tcase_add_test(t, secrets_in_faulty_urls);
    tcase_add_test(t, no_session);
    tcase_add_test(t, syntax_ends_it);
    tcase_add_test(t, too_deep);
    tcase_add_test(t, unreadable);
    tcase_add_test(t, defaults);
    tcase_add_test(t, values);
    tcase_add_test(t, integers_by_their_text);
    tcase_add_test(t, order_of_the_file);
    tcase_add_test(t, duplicate_names);
    tcase_add_test(t, mode_that_is_faulty_hides_what_hangs_on_it);
    tcase_add_test(t, includes);
    tcase_add_test(t, faults_in_includes);
    tcase_add_test(t, includes_that_lead_nowhere);
    tcase_add_test(t, credentials_directory);
    tcase_add_test(t, long_texts_are_cut);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, secrets_are_masked);
    tcase_add_test(t, json_of_a_small_one);
    tcase_add_test(t, print_of_what_is_to_come);
    tcase_add_test(t, changes_of_a_table);
    tcase_add_test(t, changes_of_a_session);
    tcase_add_test(t, changes_that_need_a_restart);
    tcase_add_loop_test(t, shipped, 0, 8);
    tcase_add_test(t, explained);
    tcase_add_test(t, allocations_of_loading);
    tcase_add_test(t, allocations_of_printing);
    tcase_add_test(t, freeing_nothing);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
