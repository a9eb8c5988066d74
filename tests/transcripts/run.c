/* Plays transcripts: what the server says, what must be asked, what must come out, at which virtual time. README.md has the format. Each is played with
 * the server's bytes whole, byte by byte, and cut at every position; the outcome must be the same. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "../lib/player.h"

struct statement {
    const char *file;
    unsigned line;
    char *text; /* owned */
};

struct script {
    struct statement *at;
    size_t n, cap;
    char *files[16]; /* names, owned; statements point to them */
    size_t n_files;
};

struct run {
    const struct script *script;
    size_t cut; /* of every block; 0 whole, SIZE_MAX byte by byte */
    size_t longest_block;
    struct session_options options;
    struct player player;
    bool started; /* the session exists */
    size_t event_at, action_at;
    const struct statement *now_at;
    bool failed;
};

/* ---- reading ---- */

static void script_add(struct script *s, const char *file, unsigned line, const char *text)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->at = realloc(s->at, s->cap * sizeof s->at[0]);
    }
    s->at[s->n++] = (struct statement){file, line, strdup(text)};
}

static bool script_read(struct script *s, const char *folder, const char *name)
{
    char *path = NULL;
    if (s->n_files == ARRAY_LENGTH(s->files) || asprintf(&path, "%s/%s", folder, name) < 0)
        return false;
    s->files[s->n_files++] = path;
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *text = NULL;
    size_t size = 0;
    bool fine = true;
    for (unsigned line = 1; fine && getline(&text, &size, f) >= 0; line++) {
        text[strcspn(text, "\n")] = '\0';
        if (strncmp(text, "include ", 8) == 0)
            fine = script_read(s, folder, text + 8);
        else if (*text && *text != '#')
            script_add(s, path, line, text);
    }
    free(text);
    fclose(f);
    return fine;
}

static void script_done(struct script *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->at[i].text);
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i]);
    free(s->at);
}

/* ---- faults ---- */

static void __attribute__((format(printf, 2, 3))) fail(struct run *r, const char *format, ...)
{
    if (r->failed)
        return;
    r->failed = true;
    char cut[40];
    snprintf(cut, sizeof cut,
             r->cut == 0          ? "whole"
             : r->cut == SIZE_MAX ? "byte by byte"
                                  : "cut at %zu",
             r->cut);
    fprintf(stderr, "%s:%u (%s, at %llu ms): ", r->now_at->file, r->now_at->line, cut,
            (unsigned long long)r->player.now);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* ---- words of a statement ---- */

static bool word(struct span *rest, struct span *ret)
{
    while (rest->len && *rest->at == ' ')
        *rest = span_from(*rest, 1);
    if (!rest->len)
        return false;
    size_t n = 0;
    while (n < rest->len && rest->at[n] != ' ')
        n++;
    *ret = span_make(rest->at, n);
    *rest = span_from(*rest, n + 1);
    return true;
}

static struct span need_word(struct run *r, struct span *rest)
{
    struct span w = SPAN("");
    if (!word(rest, &w))
        fail(r, "a word is missing");
    return w;
}

static uint64_t need_number(struct run *r, struct span s)
{
    uint64_t n = 0;
    if (!span_to_u64(s, UINT64_MAX, &n))
        fail(r, "'%.*s' is no number", SPAN_ARG(s));
    return n;
}

/* The value of NAME=value. */
static bool keyword(struct span w, const char *name, struct span *ret)
{
    size_t n = strlen(name);
    if (!span_starts(w, span_of(name)) || w.len <= n || w.at[n] != '=')
        return false;
    *ret = span_from(w, n + 1);
    if (!ret->at)
        *ret = SPAN("");
    return true;
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;
    return found ? (int)(found - digits) : 0;
}

/* \r \n \\ and \xHH. */
static void unescape(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text != '\\' || !text[1]) {
            buf_add_char(out, *text);
            continue;
        }
        text++;
        if (*text == 'x' && text[1] && text[2]) {
            buf_add_char(out, (char)(hex(text[1]) << 4 | hex(text[2])));
            text += 2;
        } else {
            buf_add_char(out, *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text);
        }
    }
}

/* ---- what was expected ---- */

static void show_rest(const char *kind, const struct player_lines *l, size_t at)
{
    for (; at < l->n; at++)
        fprintf(stderr, "    %s %s\n", kind, l->at[at]);
}

static void expect(struct run *r, const char *pattern, const struct player_lines *l, size_t *at,
                   const char *kind)
{
    if (*at < l->n && player_match(pattern, l->at[*at])) {
        ++*at;
        return;
    }
    if (!r->failed) {
        fail(r, "expected: %s %s; there is:", kind, pattern);
        show_rest(kind, l, *at);
    }
}

static void nothing_left(struct run *r)
{
    if (!r->failed && (r->event_at < r->player.events.n || r->action_at < r->player.actions.n)) {
        fail(r, "before this, there was also:");
        show_rest(">", &r->player.events, r->event_at);
        show_rest("!", &r->player.actions, r->action_at);
    }
    player_forget(&r->player);
    r->event_at = r->action_at = 0;
}

/* ---- statements ---- */

/* "ws", "http": streaming, and nothing else; "auto", "http-auto"; "ws-polling", "http-polling". */
static void set_transports(struct session_options *o, struct span name)
{
    static const struct {
        const char *name;
        enum session_transport transports[SESSION_TRANSPORTS_MAX];
        size_t n;
    } rows[] = {
        {"ws", {SESSION_WS_STREAMING}, 1},
        {"http", {SESSION_HTTP_STREAMING}, 1},
        {"ws-polling", {SESSION_WS_POLLING}, 1},
        {"http-polling", {SESSION_HTTP_POLLING}, 1},
        {"auto", {SESSION_WS_STREAMING, SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING}, 3},
        {"http-auto", {SESSION_HTTP_STREAMING, SESSION_HTTP_POLLING}, 2},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (span_is(name, rows[i].name)) {
            memcpy(o->transports, rows[i].transports, sizeof o->transports);
            o->n_transports = rows[i].n;
        }
}

static void do_set(struct run *r, struct span rest)
{
    struct span name = need_word(r, &rest);
    const struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } settings[] = {
        {"keepalive_ms", &r->options.keepalive_ms, NULL},
        {"stalled_ms", &r->options.stalled_ms, NULL},
        {"reconnect_ms", &r->options.reconnect_ms, NULL},
        {"recovery_ms", &r->options.recovery_ms, NULL},
        {"connect_ms", &r->options.connect_ms, NULL},
        {"retry_ms", &r->options.retry_ms, NULL},
        {"retry_max_ms", &r->options.retry_max_ms, NULL},
        {"retry_refused_ms", &r->options.retry_refused_ms, NULL},
        {"idle_ms", &r->options.idle_ms, NULL},
        {"polling_ms", &r->options.polling_ms, NULL},
        {"reverse_heartbeat_ms", &r->options.reverse_heartbeat_ms, NULL},
        {"content_length_bytes", &r->options.content_length_bytes, NULL},
        {"adapter_set", NULL, &r->options.adapter_set},
        {"adapter_parameter", NULL, &r->options.adapter_parameter},
        {"max_bandwidth_kbps", NULL, &r->options.max_bandwidth_kbps},
        {"supported_diffs", NULL, &r->options.supported_diffs},
    };
    if (span_is(name, "transport")) {
        set_transports(&r->options, rest);
        return;
    }
    if (span_is(name, "protocol")) {
        r->options.dialect = span_is(rest, "text") ? &dialect_text : &dialect_tlcp;
        return;
    }
    if (span_is(name, "slowing")) {
        r->options.slowing = true;
        return;
    }
    if (span_is(name, "ignore_control_link")) {
        r->options.ignore_control_link = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
        if (span_is(name, settings[i].name)) {
            if (settings[i].number)
                *settings[i].number = need_number(r, rest);
            else
                *settings[i].text = rest.at ? rest.at : ""; /* ends with the statement */
            return;
        }
    fail(r, "no such setting");
}

static bool table_flag(struct run *r, struct span w, struct table_options *o)
{
    if (span_is(w, "snapshot"))
        o->snapshot = true;
    else if (span_is(w, "MERGE") || span_is(w, "DISTINCT") || span_is(w, "COMMAND") || span_is(w, "RAW"))
        for (enum table_mode m = TABLE_MERGE; m <= TABLE_RAW; m++)
            o->mode = span_is(w, table_mode_name(m)) ? m : o->mode;
    else
        return fail(r, "'%.*s' is nothing a table has", SPAN_ARG(w)), false;
    return true;
}

/* NAMES: those of the items, with commas between. */
static void split_on_error(struct session_table *t, struct span names)
{
    struct span name;
    char *texts[16] = {0};
    for (size_t n = 0;
         n < t->table->options.n_items && n < ARRAY_LENGTH(texts) && span_cut(&names, ',', &name);)
        texts[n++] = span_dup(name);
    session_split_on_error(t, (const char *const *)texts);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        free(texts[i]);
}

static void do_table(struct run *r, struct span rest)
{
    struct table_options o = {.mode = TABLE_MERGE};
    AUTO_FREE char *name = span_dup(need_word(r, &rest));
    uint64_t retry = 60000, stale = 0;
    bool silent = false;
    char *kept[10] = {0};
    static const char *const text_names[] = {"group",         "schema",        "adapter", "selector",
                                             "frequency",     "buffer",        "pad",     "split",
                                             "second-schema", "second-adapter"};
    struct span w, value;
    o.name = name;
    while (word(&rest, &w)) {
        bool known = true;
        if (keyword(w, "items", &value))
            o.n_items = need_number(r, value);
        else if (keyword(w, "fields", &value))
            o.n_fields = need_number(r, value);
        else if (keyword(w, "key", &value))
            o.key_field = need_number(r, value);
        else if (keyword(w, "command", &value))
            o.command_field = need_number(r, value);
        else if (keyword(w, "second", &value))
            o.n_second = need_number(r, value);
        else if (keyword(w, "length", &value))
            o.snapshot_length = need_number(r, value);
        else if (keyword(w, "retry", &value))
            retry = need_number(r, value);
        else if (span_is(w, "silent"))
            silent = true;
        else if (keyword(w, "stale", &value))
            stale = need_number(r, value);
        else
            known = false;
        for (size_t i = 0; !known && i < ARRAY_LENGTH(text_names); i++)
            if (keyword(w, text_names[i], &value)) {
                free(kept[i]);
                kept[i] = span_dup(value);
                known = true;
            }
        if (!known)
            table_flag(r, w, &o);
    }
    /* A group of that many letters, for what does not fit into a request. */
    char *pad = NULL;
    if (kept[6]) {
        size_t n = need_number(r, span_of(kept[6]));
        pad = calloc(1, n + 1);
        memset(pad, 'x', n);
    }
    o.group = pad ? pad : kept[0] ? kept[0] : name;
    o.schema = kept[1] ? kept[1] : "s";
    o.data_adapter = kept[2];
    o.selector = kept[3];
    o.max_frequency = kept[4];
    o.buffer_size = kept[5];
    o.second_schema = kept[8] ? kept[8] : o.n_second ? "s2" : NULL;
    o.second_adapter = kept[9];
    struct session_table *t = player_add_table(&r->player, &o, retry);
    if (kept[7])
        split_on_error(t, span_of(kept[7]));
    if (silent)
        session_silence_table(r->player.session, t);
    session_set_stale(r->player.session, r->player.now, t, stale);
    free(pad);
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
        free(kept[i]);
}

static struct session_table *need_table(struct run *r, struct span *rest)
{
    struct span name = need_word(r, rest);
    struct session_table *t = player_table(&r->player, name);
    if (!t)
        fail(r, "there is no table %.*s", SPAN_ARG(name));
    return t;
}

static void do_remove(struct run *r, struct span rest)
{
    struct session_table *t = need_table(r, &rest);
    if (t)
        session_remove_table(r->player.session, r->player.now, t, span_is(rest, "replaced"));
}

static void do_stale(struct run *r, struct span rest)
{
    struct session_table *t = need_table(r, &rest);
    if (t)
        session_set_stale(r->player.session, r->player.now, t, need_number(r, need_word(r, &rest)));
}

static void do_reconf(struct run *r, struct span rest)
{
    struct session_table *t = need_table(r, &rest);
    AUTO_FREE char *frequency = span_dup(need_word(r, &rest));
    if (t)
        session_reconf(r->player.session, r->player.now, t, frequency);
}

static void do_await(struct run *r, struct span rest)
{
    uint64_t token = need_number(r, need_word(r, &rest));
    struct session_table *t = rest.len ? need_table(r, &rest) : NULL;
    if (!session_await(r->player.session, r->player.now, token, t))
        fail(r, "too many wait");
}

static void do_constrain(struct run *r, struct span rest)
{
    AUTO_FREE char *bandwidth = span_dup(need_word(r, &rest));
    session_constrain(r->player.session, bandwidth);
}

/* TOKEN [sequence=S] [max_wait=MS] [timeout=MS] [pad=N] : TEXT */
static void do_send(struct run *r, struct span rest)
{
    struct session_message m = {.token = need_number(r, need_word(r, &rest)),
                                .max_wait_ms = SESSION_MAX_WAIT_UNSET,
                                .timeout_ms = r->options.connect_ms};
    AUTO_BUF struct buf text = BUF_INIT(SIZE_MAX / 2);
    struct span w, value;
    uint64_t pad = 0;
    while (word(&rest, &w) && !span_is(w, ":"))
        if (keyword(w, "sequence", &value))
            m.sequence = value;
        else if (keyword(w, "max_wait", &value))
            m.max_wait_ms = need_number(r, value);
        else if (keyword(w, "timeout", &value))
            m.timeout_ms = need_number(r, value);
        else if (keyword(w, "pad", &value))
            pad = need_number(r, value);
        else
            fail(r, "'%.*s' is nothing a message has", SPAN_ARG(w));
    AUTO_FREE char *written = span_dup(rest);
    unescape(&text, written);
    while (pad--)
        buf_add_char(&text, 'x');
    m.text = buf_span(&text);
    if (session_send_message(r->player.session, r->player.now, &m) != 0)
        fail(r, "it is not taken");
}

static void do_start_table(struct run *r, struct span rest)
{
    struct session_table *t = need_table(r, &rest);
    if (t)
        session_start_table(r->player.session, t);
}

static void do_credentials(struct run *r, struct span rest)
{
    struct span w;
    AUTO_FREE char *user = word(&rest, &w) ? span_dup(w) : NULL;
    AUTO_FREE char *password = word(&rest, &w) ? span_dup(w) : NULL;
    session_credentials(r->player.session, r->player.now, user, password);
}

static void do_closed(struct run *r, struct span rest)
{
    struct span kind = need_word(r, &rest);
    enum session_fault fault = span_is(kind, "lasting")  ? SESSION_FAULT_LASTING
                               : span_is(kind, "silent") ? SESSION_FAULT_SILENT
                               : span_is(kind, "ended")  ? SESSION_FAULT_ENDED
                                                         : SESSION_FAULT_PASSING;
    int code = (int)need_number(r, need_word(r, &rest));
    AUTO_FREE char *why = span_dup(rest);
    session_closed(r->player.session, r->player.now, fault, code, why);
}

static void do_control_closed(struct run *r, struct span rest)
{
    (void)rest;
    session_control_closed(r->player.session, r->player.now);
}

static void do_hold(struct run *r, struct span rest)
{
    struct span how = need_word(r, &rest);
    bool announce = span_is(rest, "announce");
    if (span_is(how, "next"))
        r->player.hold_next = true;
    else if (span_is(how, "off"))
        player_release(&r->player, announce);
    else
        session_hold(r->player.session, r->player.now, true, announce);
}

/* Where the deadline is: "never", a number of ms from now, or a range. */
static uint64_t check_deadline(struct run *r, struct span rest)
{
    uint64_t at = session_deadline(r->player.session);
    AUTO_FREE char *pattern = span_dup(rest);
    char shown[32] = "never";
    if (at != UINT64_MAX)
        snprintf(shown, sizeof shown, "%llu",
                 (unsigned long long)(at < r->player.now ? 0 : at - r->player.now));
    if (!player_match(pattern, shown))
        fail(r, "the deadline is in: %s", shown);
    return at;
}

static void do_tick(struct run *r, struct span rest)
{
    uint64_t at = check_deadline(r, rest);
    if (at == UINT64_MAX)
        return;
    if (at > r->player.now)
        r->player.now = at;
    session_tick(r->player.session, r->player.now);
    player_drain(&r->player);
    if (session_deadline(r->player.session) <= r->player.now)
        fail(r, "the deadline stays in the past");
}

/* Time passes, and nothing is due; a tick that comes too early changes nothing. */
static void do_wait(struct run *r, struct span rest)
{
    uint64_t to = r->player.now + need_number(r, rest), at = session_deadline(r->player.session);
    if (at < to)
        fail(r, "something was due after %llu ms", (unsigned long long)(at - r->player.now));
    r->player.now = to;
    if (at > to)
        session_tick(r->player.session, to);
}

static void do_counter(struct run *r, struct span rest)
{
    const struct session_counters *c = session_counters(r->player.session);
    struct span name = need_word(r, &rest);
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"lines", c->lines},
                    {"updates", c->updates},
                    {"sessions", c->sessions},
                    {"recoveries", c->recoveries},
                    {"rebinds", c->rebinds},
                    {"polls", c->polls},
                    {"bytes", c->bytes},
                    {"oddities", c->oddities},
                    {"faults", c->faults},
                    {"upstream_sent", c->upstream_sent},
                    {"upstream_done", c->upstream_done},
                    {"upstream_failed", c->upstream_failed},
                    {"upstream_late", c->upstream_late}};
    uint64_t want = need_number(r, rest);
    for (size_t i = 0; i < ARRAY_LENGTH(counters); i++)
        if (span_is(name, counters[i].name)) {
            if (counters[i].value != want)
                fail(r, "it is %llu", (unsigned long long)counters[i].value);
            return;
        }
    fail(r, "no such counter");
}

static void do_start(struct run *r, struct span rest)
{
    (void)rest;
    session_start(r->player.session, r->player.now);
}

static void do_opened(struct run *r, struct span rest)
{
    (void)rest;
    r->player.stream_gone = false;
    session_opened(r->player.session, r->player.now);
}

static void do_stop(struct run *r, struct span rest)
{
    AUTO_FREE char *reason = span_dup(rest);
    session_stop(r->player.session, r->player.now, rest.len ? reason : NULL, "session disconnected");
}

static void do_credentials_failed(struct run *r, struct span rest)
{
    AUTO_FREE char *why = span_dup(rest);
    session_credentials_failed(r->player.session, r->player.now, why);
}

static void do_rebind(struct run *r, struct span rest)
{
    (void)rest;
    session_rebind(r->player.session);
}

static void do_deadline(struct run *r, struct span rest)
{
    check_deadline(r, rest);
}

/* ---- what the server says ---- */

/* "< line", "<" (an empty one), "<+ piece without an end"; the same after "c". */
static bool server_line(const char *text, bool control, struct buf *out)
{
    if (control && *text++ != 'c')
        return false;
    if (*text++ != '<')
        return false;
    bool open = *text == '+';
    text += open;
    unescape(out, *text == ' ' ? text + 1 : text);
    if (!open)
        buf_add_text(out, "\r\n");
    return true;
}

/* All lines in a row are one block. Returns how many statements it took. */
static size_t play_block(struct run *r, size_t at)
{
    AUTO_BUF struct buf block = BUF_INIT(SIZE_MAX / 2);
    bool control = r->script->at[at].text[0] == 'c';
    size_t n = 0;
    nothing_left(r);
    while (at + n < r->script->n && server_line(r->script->at[at + n].text, control, &block))
        n++;
    if (block.len > r->longest_block)
        r->longest_block = block.len;
    (control ? player_feed_control : player_feed)(&r->player, buf_span(&block), r->cut);
    return n;
}

/* ---- playing ---- */

static const struct {
    const char *name;
    void (*play)(struct run *r, struct span rest);
} verbs[] = {
    {"set", do_set},
    {"table", do_table},
    {"remove", do_remove},
    {"reconf", do_reconf},
    {"await", do_await},
    {"send", do_send},
    {"constrain", do_constrain},
    {"start-table", do_start_table},
    {"stale", do_stale},
    {"start", do_start},
    {"stop", do_stop},
    {"credentials", do_credentials},
    {"credentials-failed", do_credentials_failed},
    {"opened", do_opened},
    {"closed", do_closed},
    {"control-closed", do_control_closed},
    {"hold", do_hold},
    {"tick", do_tick},
    {"wait", do_wait},
    {"deadline", do_deadline},
    {"counter", do_counter},
    {"rebind", do_rebind},
};

static bool about_tables(const struct run *r, size_t at)
{
    static const char *const names[] = {"table ", "remove ",    "reconf ", "start-table ",
                                        "await ", "constrain ", "send "};
    for (size_t i = 0; i < ARRAY_LENGTH(names) && at < r->script->n; i++)
        if (strncmp(r->script->at[at].text, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Both statements are about tables: these are told in a row. */
static bool in_a_row(const struct run *r, size_t at, size_t other)
{
    return about_tables(r, at) && about_tables(r, other);
}

static void play_verb(struct run *r, size_t at)
{
    struct span rest = span_of(r->script->at[at].text), name = need_word(r, &rest);
    if (!rest.at)
        rest = SPAN("");
    bool setting = span_is(name, "set");
    if (!setting && !r->started) {
        player_init(&r->player, &r->options);
        r->started = true;
    }
    if (!setting && !(at && in_a_row(r, at, at - 1)))
        nothing_left(r);
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (span_is(name, verbs[i].name)) {
            verbs[i].play(r, rest);
            if (!setting && !in_a_row(r, at, at + 1))
                player_drain(&r->player);
            return;
        }
    fail(r, "no such verb");
}

static size_t play_statement(struct run *r, size_t at)
{
    const char *text = r->script->at[at].text;
    r->now_at = &r->script->at[at];
    if (strncmp(text, "> ", 2) == 0)
        expect(r, text + 2, &r->player.events, &r->event_at, ">");
    else if (strncmp(text, "! ", 2) == 0)
        expect(r, text + 2, &r->player.actions, &r->action_at, "!");
    else if (*text == '<' || strncmp(text, "c<", 2) == 0)
        return play_block(r, at);
    else
        play_verb(r, at);
    return 1;
}

/* Returns whether all was as it should be; *RET_LONGEST: the longest block. */
static bool play(const struct script *s, size_t cut, size_t *ret_longest)
{
    struct run r = {.script = s, .cut = cut, .options = player_defaults()};
    for (size_t at = 0; at < s->n && !r.failed;)
        at += play_statement(&r, at);
    nothing_left(&r);
    *ret_longest = r.longest_block;
    if (r.started)
        player_done(&r.player);
    return !r.failed;
}

static bool play_all_ways(const char *folder, const char *name)
{
    struct script s = {0};
    size_t longest = 0;
    bool fine = script_read(&s, folder, name);
    fine = fine && play(&s, 0, &longest);
    fine = fine && play(&s, SIZE_MAX, &longest);
    for (size_t cut = 1; fine && cut < longest; cut++)
        fine = play(&s, cut, &longest);
    script_done(&s);
    printf("%s %s\n", fine ? "ok  " : "FAIL", name);
    return fine;
}

static int is_transcript(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 4 && strcmp(entry->d_name + n - 4, ".txt") == 0;
}

static int play_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_transcript, alphasort), failed = n <= 0;
    for (int i = 0; i < n; i++) {
        failed += !play_all_ways(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    printf("%d transcripts, %d failed\n", n, failed);
    return failed != 0;
}

int main(int argc, char **argv)
{
    const char *top = getenv("srcdir");
    AUTO_FREE char *folder = NULL;
    if (asprintf(&folder, "%s/tests/transcripts", top ? top : ".") < 0)
        return 1;
    if (argc == 1)
        return play_folder(folder);
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed += !play_all_ways(folder, argv[i]);
    return failed != 0;
}
