/* proto/table: rows in the four modes, what changed, what is forgotten when. */
#include <check.h>
#include <errno.h>

#include "proto/table.h"

struct hooks_log {
    unsigned encoded, dropped_users, dropped_tables;
    int fail_with; /* what encode returns, from now on */
    char mark;     /* stands before each published value */
};

static int encode(void *userdata, size_t field, bool is_null, struct span value, struct buf *out)
{
    struct hooks_log *log = userdata;
    (void)field;
    log->encoded++;
    if (log->fail_with)
        return log->fail_with;
    buf_add_char(out, log->mark);
    if (is_null)
        buf_add_text(out, "null");
    else
        buf_printf(out, "'%.*s'", SPAN_ARG(value));
    return 0;
}

static void drop_user(void *userdata, void *user)
{
    struct hooks_log *log = userdata;
    log->dropped_users++;
    free(user);
}

static void drop_table(void *userdata)
{
    struct hooks_log *log = userdata;
    log->dropped_tables++;
}

static struct table *new_table(enum table_mode mode, size_t items, size_t fields, bool snapshot,
                               struct hooks_log *log)
{
    *log = (struct hooks_log){.mark = '='};
    const struct table_options options = {
        .name = "t", .mode = mode, .group = "g", .schema = "s", .snapshot = snapshot};
    const struct table_hooks hooks = {encode, drop_user, drop_table, log};
    struct table *t = NULL;
    const char *why = NULL;
    ck_assert_int_eq(table_new(&options, &hooks, &t), 0);
    if (items)
        ck_assert_int_eq(table_begin(t,
                                     &(struct table_counts){items, fields, mode == TABLE_COMMAND ? 1 : 0,
                                                            mode == TABLE_COMMAND ? 2 : 0},
                                     &why),
                         0);
    return t;
}

/* What came out, as text: "snapshot|update VALUES changed=BITS", and in COMMAND " COMMAND KEY kseq". */
static void describe(const struct table *t, const struct table_update *u, struct buf *out)
{
    buf_add_text(out, u->snapshot ? "snapshot " : "update ");
    for (size_t i = 0; i < t->n_fields; i++)
        buf_printf(out, "%s%.*s", i ? "|" : "", SPAN_ARG(u->values[i]));
    buf_add_text(out, " changed=");
    for (size_t i = 0; i < t->n_fields; i++)
        if (u->changed[i / 64] >> i % 64 & 1)
            buf_printf(out, "%zu,", i + 1);
    if (t->options.mode == TABLE_COMMAND)
        buf_printf(out, " %s %.*s %llu", table_command_name(u->command), SPAN_ARG(u->key),
                   (unsigned long long)u->kseq);
}

static void expect(struct table *t, uint64_t item, const char *values, const char *want)
{
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct table_update u;
    const char *why = "";
    int r = table_apply(t, item, span_of(values), &u, &why);
    ck_assert_msg(r == 0, "%s: %d %s", values, r, why);
    describe(t, &u, &out);
    ck_assert_msg(span_is(buf_span(&out), want), "%s: %s, not %s", values, buf_text(&out), want);
}

static void expect_bad(struct table *t, uint64_t item, const char *values)
{
    struct table_update u;
    const char *why = NULL;
    ck_assert_msg(table_apply(t, item, span_of(values), &u, &why) == TABLE_BAD, "%s", values);
    ck_assert_ptr_nonnull(why);
}

/* All rows, as "item:id:values " each; ids from the first one's. */
static void expect_rows(const struct table *t, const char *want)
{
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct item *item = NULL;
    struct row *row = NULL;
    uint64_t last = 0;
    size_t last_pos = 0;
    while (table_next_row(t, &item, &row)) {
        struct span values[8];
        ck_assert(t->n_fields <= ARRAY_LENGTH(values));
        ck_assert(item->pos > last_pos || row->id > last);
        last = row->id;
        last_pos = item->pos;
        table_published(t, row, values);
        buf_printf(&out, "%zu", item->pos);
        struct span key = table_key(t, row);
        if (key.len)
            buf_printf(&out, "/%.*s", SPAN_ARG(key));
        for (size_t i = 0; i < t->n_fields; i++)
            buf_printf(&out, "|%.*s", SPAN_ARG(values[i]));
        buf_add_char(&out, ' ');
    }
    ck_assert(!item && !row);
    ck_assert_msg(span_is(buf_span(&out), want), "%s, not %s", buf_text(&out), want);
}

START_TEST(merge)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 2, 3, true, &log);
    expect_rows(t, "");
    expect(t, 2, "a|#|$", "snapshot ='a'|=null|='' changed=1,2,3,");
    expect(t, 2, "|x|", "update ='a'|='x'|='' changed=2,");
    expect(t, 2, "a|x|$", "update ='a'|='x'|='' changed=");
    expect(t, 2, "^3", "update ='a'|='x'|='' changed=");
    expect(t, 2, "#|$|%01", "update =null|=''|='\1' changed=1,2,3,");
    expect(t, 1, "1|2|3", "snapshot ='1'|='2'|='3' changed=1,2,3,");
    expect_rows(t, "1|='1'|='2'|='3' 2|=null|=''|='\1' ");
    table_free(t);
}
END_TEST

/* Without a snapshot asked for, nothing is one. */
START_TEST(no_snapshot)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 1, false, &log);
    expect(t, 1, "a", "update ='a' changed=1,");
    table_free(t);
    t = new_table(TABLE_RAW, 1, 1, true, &log);
    expect(t, 1, "a", "update ='a' changed=1,");
    expect_rows(t, "");
    table_free(t);
}
END_TEST

START_TEST(distinct)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_DISTINCT, 1, 2, true, &log);
    expect(t, 1, "a|1", "snapshot ='a'|='1' changed=1,2,");
    expect(t, 1, "|2", "snapshot ='a'|='2' changed=2,");
    table_end_snapshot(table_item(t, 1));
    expect(t, 1, "|", "update ='a'|='2' changed=");
    table_clear(t, table_item(t, 1));
    expect(t, 1, "|3", "update ='a'|='3' changed=1,2,");
    expect(t, 1, "|4", "update ='a'|='4' changed=2,");
    expect_rows(t, "");
    table_free(t);
}
END_TEST

START_TEST(command)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 2, 3, true, &log);
    expect(t, 1, "k|ADD|1", "snapshot ='k'|='ADD'|='1' changed=1,2,3, ADD k 1");
    expect(t, 1, "l||", "snapshot ='l'|='ADD'|='1' changed=1,2,3, ADD l 1");
    table_end_snapshot(table_item(t, 1));
    expect(t, 1, "k|UPDATE|2", "update ='k'|='UPDATE'|='2' changed=2,3, UPDATE k 2");
    expect(t, 1, "|ADD|", "update ='k'|='UPDATE'|='2' changed= UPDATE k 3");
    expect(t, 2, "k|UPDATE|9", "snapshot ='k'|='ADD'|='9' changed=1,2,3, ADD k 1");
    expect_rows(t, "1/k|='k'|='UPDATE'|='2' 1/l|='l'|='ADD'|='1' 2/k|='k'|='ADD'|='9' ");
    /* The base is the item's previous update, of whatever key; changed is against the key's row. */
    expect(t, 1, "l|UPDATE|", "update ='l'|='UPDATE'|='2' changed=2,3, UPDATE l 2");
    expect(t, 1, "l|DELETE|^1", "update ='l'|='DELETE'|=null changed=2,3, DELETE l 3");
    expect(t, 1, "l|DELETE|#", "update ='l'|='DELETE'|=null changed=2,3, DELETE l 1");
    expect_rows(t, "1/k|='k'|='UPDATE'|='2' 2/k|='k'|='ADD'|='9' ");
    expect(t, 1, "l|ADD|5", "update ='l'|='ADD'|='5' changed=1,2,3, ADD l 1");
    table_clear(t, table_item(t, 1));
    expect_rows(t, "2/k|='k'|='ADD'|='9' ");
    expect(t, 1, "k|UPDATE|", "update ='k'|='ADD'|='5' changed=1,2,3, ADD k 1");
    table_free(t);
}
END_TEST

/* Keys may hold anything, be empty, and are not cut at a NUL. */
START_TEST(command_keys)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 1, 2, false, &log);
    struct table_update u;
    const char *why;
    expect(t, 1, "$|ADD", "update =''|='ADD' changed=1,2, ADD  1");
    expect(t, 1, "$|UPDATE", "update =''|='UPDATE' changed=2, UPDATE  2");
    ck_assert_int_eq(table_apply(t, 1, SPAN("a%00b|ADD"), &u, &why), 0);
    ck_assert(span_equal(u.key, SPAN("a\0b")) && u.kseq == 1);
    ck_assert_int_eq(table_apply(t, 1, SPAN("a%00c|ADD"), &u, &why), 0);
    ck_assert(span_equal(u.key, SPAN("a\0c")) && u.kseq == 1);
    ck_assert_int_eq(table_apply(t, 1, SPAN("a%00b|DELETE"), &u, &why), 0);
    ck_assert(span_equal(u.key, SPAN("a\0b")) && u.kseq == 2 && !u.row);
    expect_bad(t, 1, "#|ADD");
    table_free(t);
}
END_TEST

START_TEST(command_bad)
{
    static const char *const lines[] = {"k|add", "k|", "k|#", "k|$", "k|ADD ", "k|ADDED", "k|DEL"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        struct hooks_log log;
        struct table *t = new_table(TABLE_COMMAND, 1, 2, false, &log);
        expect_bad(t, 1, lines[i]);
        table_free(t);
    }
}
END_TEST

/* Key and command in other places the next time: a DELETE is encoded for those. */
START_TEST(command_positions)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 1, 3, false, &log);
    const char *why;
    expect(t, 1, "k|DELETE|1", "update ='k'|='DELETE'|=null changed=2,3, DELETE k 1");
    ck_assert_int_eq(table_begin(t, &(struct table_counts){1, 3, 3, 1}, &why), 0);
    log.mark = '+';
    expect(t, 1, "DELETE|1|k", "update +'DELETE'|+null|+'k' changed=1,2, DELETE k 1");
    table_free(t);
}
END_TEST

START_TEST(first_updates)
{
    static const char *const bad[] = {"a|b|", "|b|c", "^3", "a|^2", "a|b|^1", "a|b|^Ta", "a|b|^P[]"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct hooks_log log;
        struct table *t = new_table(TABLE_MERGE, 1, 3, true, &log);
        expect_bad(t, 1, bad[i]);
        table_free(t);
    }
}
END_TEST

START_TEST(bad_values)
{
    static const char *const bad[] = {"",         "a|b",   "a|b|c|d", "^4",      "^0|a|b|c",
                                      "^2",       "a|b|%", "a|b|%4",  "a|b|%zz", "||^Tb",
                                      "||^Pnope", "||^Xa", "||^T%4",  "#||^Tz"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct hooks_log log;
        struct table *t = new_table(TABLE_MERGE, 1, 3, true, &log);
        expect(t, 1, "a|{}|$", "snapshot ='a'|='{}'|='' changed=1,2,3,");
        expect_bad(t, 1, bad[i]);
        table_void(t);
        expect_rows(t, "");
        expect(t, 1, "1|2|3", "snapshot ='1'|='2'|='3' changed=1,2,3,");
        table_free(t);
    }
}
END_TEST

START_TEST(no_such_item)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 2, 1, true, &log);
    expect_bad(t, 0, "a");
    expect_bad(t, 3, "a");
    expect_bad(t, UINT64_MAX, "a");
    ck_assert_ptr_null(table_item(t, 0));
    ck_assert_ptr_null(table_item(t, 3));
    ck_assert_uint_eq(table_item(t, 2)->pos, 2);
    table_free(t);
    t = new_table(TABLE_MERGE, 0, 0, true, &log);
    expect_bad(t, 1, "a");
    ck_assert_int_eq(table_encode_again(t), 0);
    expect_rows(t, "");
    table_free(t);
    ck_assert_uint_eq(log.dropped_tables, 1);
    table_free(NULL);
}
END_TEST

START_TEST(differences)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 2, false, &log);
    expect(t, 1, "foobar|{\"a\":1}", "update ='foobar'|='{\"a\":1}' changed=1,2,");
    expect(t, 1, "^Tbdzapcd|", "update ='fzapbar'|='{\"a\":1}' changed=1,");
    expect(t, 1, "|^P[{\"op\":\"add\"%2C\"path\":\"/b\",\"value\":\"%7C\"}]",
           "update ='fzapbar'|='{\"a\":1,\"b\":\"|\"}' changed=2,");
    /* To the same value: not changed. */
    expect(t, 1, "^Th|^P[]", "update ='fzapbar'|='{\"a\":1,\"b\":\"|\"}' changed=");
    expect(t, 1, "^T|#", "update =''|=null changed=1,2,");
    expect(t, 1, "^Tabx|", "update ='x'|=null changed=1,");
    expect_bad(t, 1, "|^Ta");
    table_free(t);
}
END_TEST

/* In COMMAND a difference is against the item's previous update too. */
START_TEST(differences_command)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 1, 3, false, &log);
    expect(t, 1, "k|ADD|foobar", "update ='k'|='ADD'|='foobar' changed=1,2,3, ADD k 1");
    expect(t, 1, "l|ADD|^Td", "update ='l'|='ADD'|='foo' changed=1,2,3, ADD l 1");
    expect(t, 1, "k|UPDATE|^Tb", "update ='k'|='UPDATE'|='f' changed=2,3, UPDATE k 2");
    expect(t, 1, "k|DELETE|", "update ='k'|='DELETE'|=null changed=2,3, DELETE k 3");
    expect(t, 1, "k|ADD|^Tbbo", "update ='k'|='ADD'|='fo' changed=1,2,3, ADD k 1");
    table_free(t);
}
END_TEST

/* More fields than bits in a word. */
START_TEST(many_fields)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 130, true, &log);
    AUTO_BUF struct buf line = BUF_INIT(4096);
    struct table_update u;
    const char *why;
    for (int i = 0; i < 130; i++)
        buf_add_text(&line, i ? "|x" : "x");
    ck_assert_int_eq(table_apply(t, 1, buf_span(&line), &u, &why), 0);
    for (size_t i = 0; i < 130; i++)
        ck_assert(u.changed[i / 64] >> i % 64 & 1);
    ck_assert_uint_eq(u.changed[2], 3);
    ck_assert_int_eq(table_apply(t, 1, SPAN("^63|a|b|^62|c|d|^1"), &u, &why), 0);
    ck_assert(u.changed[0] == (uint64_t)1 << 63 && u.changed[1] == (1 | (uint64_t)1 << 63) &&
              u.changed[2] == 1);
    ck_assert(span_is(u.values[63], "='a'") && span_is(u.values[128], "='d'") &&
              span_is(u.values[129], "='x'"));
    table_free(t);
}
END_TEST

/* Values are encoded when they change, and then alone. */
START_TEST(encoded_once)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 3, true, &log);
    expect(t, 1, "a|b|c", "snapshot ='a'|='b'|='c' changed=1,2,3,");
    ck_assert_uint_eq(log.encoded, 3);
    expect(t, 1, "a||d", "update ='a'|='b'|='d' changed=3,");
    ck_assert_uint_eq(log.encoded, 4);
    log.mark = '+';
    expect(t, 1, "x||", "update +'x'|='b'|='d' changed=1,");
    ck_assert_int_eq(table_encode_again(t), 0);
    expect_rows(t, "1|+'x'|+'b'|+'d' ");
    expect(t, 1, "||", "update +'x'|+'b'|+'d' changed=");
    table_free(t);
}
END_TEST

START_TEST(encoded_again_command)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 1, 3, false, &log);
    expect(t, 1, "k|ADD|1", "update ='k'|='ADD'|='1' changed=1,2,3, ADD k 1");
    expect(t, 1, "l|DELETE|1", "update ='l'|='DELETE'|=null changed=2,3, DELETE l 1");
    log.mark = '+';
    ck_assert_int_eq(table_encode_again(t), 0);
    expect_rows(t, "1/k|+'k'|+'ADD'|+'1' ");
    expect(t, 1, "l|DELETE|1", "update +'l'|+'DELETE'|+null changed=2,3, DELETE l 1");
    expect(t, 1, "k|UPDATE|#", "update +'k'|+'UPDATE'|+null changed=2,3, UPDATE k 2");
    log.fail_with = -ENOMEM;
    ck_assert_int_eq(table_encode_again(t), -ENOMEM);
    log.fail_with = 0;
    ck_assert_int_eq(table_encode_again(t), 0);
    expect_rows(t, "1/k|+'k'|+'UPDATE'|+null ");
    table_free(t);
}
END_TEST

START_TEST(encoding_fails)
{
    for (int mode = TABLE_MERGE; mode <= TABLE_RAW; mode++) {
        struct hooks_log log;
        struct table *t = new_table((enum table_mode)mode, 1, 2, false, &log);
        struct table_update u;
        const char *why;
        log.fail_with = -ENOMEM;
        ck_assert_int_eq(table_apply(t, 1, SPAN("k|ADD"), &u, &why), -ENOMEM);
        ck_assert_int_eq(table_apply(t, 1, SPAN("k|DELETE"), &u, &why), -ENOMEM);
        table_void(t);
        expect_rows(t, "");
        log.fail_with = 0;
        ck_assert_int_eq(table_apply(t, 1, SPAN("k|ADD"), &u, &why), 0);
        table_free(t);
    }
}
END_TEST

/* The same counts again: all forgotten, what the caller keeps stays. Other counts: that goes. */
START_TEST(begun_again)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 2, 2, true, &log);
    const char *why;
    expect(t, 1, "a|b", "snapshot ='a'|='b' changed=1,2,");
    table_item(t, 1)->user = malloc(1);
    table_item(t, 1)->has_messages = true;
    ck_assert_int_eq(table_begin(t, &(struct table_counts){2, 2, 0, 0}, &why), 0);
    ck_assert_ptr_nonnull(table_item(t, 1)->user);
    ck_assert(table_item(t, 1)->has_messages);
    expect_rows(t, "");
    expect_bad(t, 1, "|b");
    table_void(t);
    expect(t, 1, "a|b", "snapshot ='a'|='b' changed=1,2,");
    ck_assert_int_eq(table_begin(t, &(struct table_counts){1, 3, 0, 0}, &why), 0);
    ck_assert_uint_eq(log.dropped_users, 1);
    ck_assert_ptr_null(table_item(t, 1)->user);
    expect(t, 1, "a|b|c", "snapshot ='a'|='b'|='c' changed=1,2,3,");
    table_item(t, 1)->user = malloc(1);
    table_free(t);
    ck_assert_uint_eq(log.dropped_users, 2);
}
END_TEST

static void expect_second(struct table *t, const char *key, const char *values, const char *want)
{
    AUTO_BUF struct buf said = BUF_INIT(SIZE_MAX / 2);
    struct item *item = table_item(t, 1);
    struct row *row = map_get(&item->keys, span_of(key));
    struct table_update u;
    const char *why = NULL;
    int r = values ? table_apply_second(t, item, row, span_of(values), &u, &why)
                   : table_void_second(t, item, row, &u) - 1;
    if (r == 0)
        describe(t, &u, &said);
    else
        buf_add_text(&said, why ? why : "nothing");
    ck_assert_str_eq(buf_text(&said), want);
}

/* The second level's fields: null until told, their own base, gone with the row and its ref. */
START_TEST(two_levels)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_COMMAND, 1, 3, true, &log);
    struct row_ref ref;
    const char *why;
    t->options.n_second = 2;
    ck_assert_int_eq(table_begin(t, &(struct table_counts){2, 3, 1, 2}, &why), 0);
    ck_assert_uint_eq(t->n_fields, 5);
    expect(t, 1, "k|ADD|1", "snapshot ='k'|='ADD'|='1'|| changed=1,2,3,4,5, ADD k 1");
    struct row *row = map_get(&table_item(t, 1)->keys, SPAN("k"));
    list_init(&ref.link);
    ref.row = row;
    row->ref = &ref;
    expect_second(t, "k", NULL, "nothing");
    expect_second(t, "k", "^1|x", "an unchanged field in a first update");
    expect_second(t, "k", "#|y", "snapshot ='k'|='UPDATE'|='1'||='y' changed=2,5, UPDATE k 2");
    expect_second(t, "k", "x|", "update ='k'|='UPDATE'|='1'|='x'|='y' changed=4, UPDATE k 3");
    expect_second(t, "k", "|^Tbdz", "a TLCP-diff that does not apply");
    expect(t, 1, "||2", "snapshot ='k'|='UPDATE'|='2'|='x'|='y' changed=3, UPDATE k 4");
    expect_second(t, "k", NULL, "update ='k'|='UPDATE'|='2'|| changed=4,5, UPDATE k 5");
    expect_second(t, "k", "x|y", "snapshot ='k'|='UPDATE'|='2'|='x'|='y' changed=4,5, UPDATE k 6");
    log.mark = '~';
    ck_assert_int_eq(table_encode_again(t), 0);
    expect_second(t, "k", "|z", "update ~'k'|~'UPDATE'|~'2'|~'x'|~'z' changed=5, UPDATE k 7");
    ck_assert(list_empty(&t->orphans));
    expect(t, 1, "|DELETE|", "snapshot ~'k'|~'DELETE'|~null|~null|~null changed=2,3,4,5, DELETE k 8");
    ck_assert_ptr_null(ref.row);
    ck_assert_ptr_eq(list_first(&t->orphans), &ref.link);
    list_remove(&ref.link);
    table_free(t);
}
END_TEST

static int begin_item(struct table *t, size_t pos, bool others, uint64_t items, uint64_t fields)
{
    const char *why = NULL;
    int r = table_begin_item(t, pos, others, &(struct table_counts){.items = items, .fields = fields}, &why);
    ck_assert((r == 0) == (why == NULL));
    return r;
}

/* Items that begin by themselves: each leaves the others alone; they agree on the fields. */
START_TEST(begun_by_item)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 2, 3, true, &log);
    t->options.n_items = 2;
    table_item(t, 2)->user = malloc(1);
    ck_assert_int_eq(begin_item(t, 1, false, 2, 2), TABLE_BAD);
    ck_assert_int_eq(begin_item(t, 1, false, 1, 0), TABLE_BAD);
    ck_assert_int_eq(begin_item(t, 1, false, 1, 2), 0);
    ck_assert_uint_eq(log.dropped_users, 1);
    expect(t, 1, "a|b", "snapshot ='a'|='b' changed=1,2,");
    ck_assert_int_eq(begin_item(t, 2, true, 1, 3), TABLE_BAD);
    ck_assert_int_eq(begin_item(t, 2, true, 1, 2), 0);
    expect(t, 2, "c|d", "snapshot ='c'|='d' changed=1,2,");
    expect(t, 1, "|e", "update ='a'|='e' changed=2,");
    ck_assert_int_eq(begin_item(t, 2, true, 1, 2), 0);
    expect(t, 1, "f|", "update ='f'|='e' changed=1,");
    expect_bad(t, 2, "|b");
    table_free(t);
}
END_TEST

static int begin(struct table *t, uint64_t items, uint64_t fields, uint64_t key, uint64_t command_field)
{
    const char *why = NULL;
    int r = table_begin(t, &(struct table_counts){items, fields, key, command_field}, &why);
    ck_assert((r == 0) == (why == NULL));
    return r;
}

START_TEST(counts)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 0, 0, true, &log);
    ck_assert_int_eq(begin(t, 0, 1, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 0, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 100001, 1, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 4097, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, UINT64_MAX, UINT64_MAX, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 1, 2), TABLE_BAD);
    ck_assert_uint_eq(t->n_items, 0);
    ck_assert_int_eq(begin(t, 100000, 4096, 0, 0), 0);
    table_free(t);
    t = new_table(TABLE_COMMAND, 0, 0, true, &log);
    ck_assert_int_eq(begin(t, 1, 2, 0, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 1, 0), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 1, 1), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 3, 1), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 1, 3), TABLE_BAD);
    ck_assert_int_eq(begin(t, 1, 2, 2, 1), 0);
    t->options.n_items = 2;
    t->options.n_fields = 2;
    ck_assert_int_eq(begin(t, 1, 2, 2, 1), TABLE_BAD);
    ck_assert_int_eq(begin(t, 2, 3, 2, 1), TABLE_BAD);
    ck_assert_int_eq(begin(t, 2, 2, 2, 1), 0);
    table_free(t);
}
END_TEST

START_TEST(stamps)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 1, true, &log);
    struct table_update u;
    const char *why;
    ck_assert_int_eq(table_apply(t, 1, SPAN("a"), &u, &why), 0);
    u.row->stamp.seq = 7;
    uint64_t id = u.row->id;
    ck_assert_int_eq(table_apply(t, 1, SPAN("b"), &u, &why), 0);
    ck_assert(u.row->stamp.seq == 7 && u.row->id == id);
    ck_assert_str_eq(table_mode_name(TABLE_DISTINCT), "DISTINCT");
    table_free(t);
}
END_TEST

/* A value that grows and shrinks, and one of a megabyte. */
START_TEST(sizes)
{
    struct hooks_log log;
    struct table *t = new_table(TABLE_MERGE, 1, 1, false, &log);
    struct table_update u;
    const char *why;
    size_t n = 1 << 20;
    char *big = malloc(n);
    memset(big, 'x', n);
    for (size_t len = 1; len <= n; len *= 4) {
        ck_assert_int_eq(table_apply(t, 1, span_make(big, len), &u, &why), 0);
        ck_assert_uint_eq(u.values[0].len, len + 3);
        ck_assert_int_eq(table_apply(t, 1, SPAN("s"), &u, &why), 0);
        ck_assert(span_is(u.values[0], "='s'"));
    }
    free(big);
    table_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *c = tcase_create("table");
    tcase_add_test(c, merge);
    tcase_add_test(c, no_snapshot);
    tcase_add_test(c, distinct);
    tcase_add_test(c, command);
    tcase_add_test(c, command_keys);
    tcase_add_test(c, command_bad);
    tcase_add_test(c, command_positions);
    tcase_add_test(c, first_updates);
    tcase_add_test(c, bad_values);
    tcase_add_test(c, no_such_item);
    tcase_add_test(c, differences);
    tcase_add_test(c, differences_command);
    tcase_add_test(c, many_fields);
    tcase_add_test(c, encoded_once);
    tcase_add_test(c, encoded_again_command);
    tcase_add_test(c, encoding_fails);
    tcase_add_test(c, begun_again);
    tcase_add_test(c, begun_by_item);
    tcase_add_test(c, two_levels);
    tcase_add_test(c, counts);
    tcase_add_test(c, stamps);
    tcase_add_test(c, sizes);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
