/* What a new session logs in with: files and commands, and how they fail. */
#define _GNU_SOURCE
#include "bridge/credentials.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

/* Far more than any of these takes, but for the command that hangs. */
enum { PATIENCE_US = 20000000 };

struct heard {
    unsigned given, failed, lines;
    char user[64], password[64], why[600], said[600];
    bool has_user, has_password;
    struct credentials *running;
    sd_event *event;
};

static void on_given(void *userdata, const char *user, const char *password)
{
    struct heard *h = userdata;
    h->given++;
    h->has_user = user != NULL;
    h->has_password = password != NULL;
    snprintf(h->user, sizeof h->user, "%s", user ? user : "");
    snprintf(h->password, sizeof h->password, "%s", password ? password : "");
    credentials_free(TAKE(h->running));
}

static void on_failed(void *userdata, const char *why)
{
    struct heard *h = userdata;
    h->failed++;
    snprintf(h->why, sizeof h->why, "%s", why);
    credentials_free(TAKE(h->running));
}

static void on_said(void *userdata, struct span line)
{
    struct heard *h = userdata;
    h->lines++;
    ck_assert_uint_le(line.len, 500);
    snprintf(h->said, sizeof h->said, "%.*s", (int)line.len, line.at);
}

static void ask(struct heard *h, const struct credentials_source *source)
{
    struct credentials_handlers handlers = {on_given, on_failed, on_said, h};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *h = (struct heard){0};
    ck_assert_int_ge(sd_event_new(&h->event), 0);
    credentials_ask(h->event, source, &handlers, &h->running);
    while (h->running)
        ck_assert_int_gt(sd_event_run(h->event, PATIENCE_US), 0);
    ck_assert_uint_eq(h->given + h->failed, 1);
    sd_event_unref(h->event);
}

static void ask_command(struct heard *h, const char *command)
{
    ask(h, &(struct credentials_source){.command = command});
}

START_TEST(as_configured)
{
    struct heard h;
    ask(&h, &(struct credentials_source){.user = "u"});
    ck_assert(h.has_user && !h.has_password);
    ask(&h, &(struct credentials_source){.user = "u", .password = "p"});
    ck_assert_str_eq(h.password, "p");
}
END_TEST

START_TEST(first_line_of_a_file)
{
    struct heard h;
    char path[] = "/tmp/lsbridge-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "p w\r\nsecond", 11), 11);
    close(fd);
    ask(&h, &(struct credentials_source){.user = "u", .password_file = path});
    ck_assert_str_eq(h.password, "p w");
    unlink(path);
    ask(&h, &(struct credentials_source){.password_file = path});
    ck_assert(strstr(h.why, path) && strstr(h.why, "No such file"));
}
END_TEST

START_TEST(what_a_command_prints)
{
    struct heard h;
    ask_command(&h, "printf '{\"user\":\"m\\\\u00e9\",\"password\":\"p\\\\n\",\"expires\":1}\\n'");
    ck_assert_str_eq(h.user, "mé");
    ck_assert_str_eq(h.password, "p\n");
    ask_command(&h, "echo '{\"password\":\"\"}'");
    ck_assert(!h.has_user && h.has_password && !h.password[0]);
    ask_command(&h, "echo '{}'; exec >&-; sleep 0.05");
    ck_assert(h.given && !h.has_user && !h.has_password);
}
END_TEST

/* Each fails, and nothing of what it printed is in the reason. */
START_TEST(what_is_wrong)
{
    static const struct {
        const char *command, *why;
    } cases[] = {
        {"printf s3cret", "did not print a JSON object"},
        {"true", "did not print a JSON object"},
        {"echo '[\"s3cret\"]'", "did not print a JSON object"},
        {"echo '{\"password\":\"s3cret\"} s3cret'", "did not print a JSON object"},
        {"echo '{\"password\":12,\"user\":\"s3cret\"}'", "no string"},
        {"echo '{\"password\":\"s3cret\\u0000x\"}'", "U+0000"},
        {"echo '{\"password\":\"s3cret\"}'; exit 3", "exit status 3"},
        {"echo '{\"password\":\"s3cret\"}'; kill -9 $$", "signal 9"},
        {"no-such-command-s3cret", "exit status 127"},
        {"echo '{\"password\":\"s3cret\"}'; yes", "more than 64 KiB"},
        {"head -c 65537 /dev/zero", "more than 64 KiB"},
    };
    struct heard h;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ask_command(&h, cases[i].command);
        ck_assert_msg(h.failed && strstr(h.why, cases[i].why), "%s: %s", cases[i].command, h.why);
        ck_assert(!strstr(h.why, "s3cret"));
    }
}
END_TEST

START_TEST(as_long_as_it_may_be)
{
    struct heard h;
    ask_command(&h, "printf '{\"password\":\"p\"}'; head -c 65518 /dev/zero | tr '\\0' ' '");
    ck_assert_msg(h.given == 1, "%s", h.why);
}
END_TEST

START_TEST(complaints_are_bounded)
{
    struct heard h;
    ask_command(&h, "printf 'a\\tb\\377c\\n\\nlast' >&2; echo '{}'");
    ck_assert_uint_eq(h.lines, 2);
    ck_assert_str_eq(h.said, "last");
    ask_command(&h, "yes | head -n 1000 >&2; echo '{}'");
    ck_assert_uint_eq(h.lines, 21);
    ck_assert_str_eq(h.said, "(and more)");
    ask_command(&h, "head -c 100000 /dev/zero | tr '\\0' x >&2; echo '{}'");
    ck_assert_uint_eq(h.lines, 1);
}
END_TEST

/* A standard input without an end of its own, no descriptor but the three, no signal blocked or ignored. */
START_TEST(where_it_runs)
{
    struct heard h;
    int leak[2];
    ck_assert_int_eq(pipe(leak), 0);
    signal(SIGPIPE, SIG_IGN);
    ask_command(&h, "cat; for f in /proc/self/fd/*; do [ -e $f ] && n=$n${f##*/}; done;"
                    "m=$(grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -dc '1-9a-f');"
                    "g=$(cut -d ' ' -f 5 /proc/$$/stat); [ $g = $$ ] || n=group;"
                    "printf '{\"user\":\"%s\",\"password\":\"%s\"}' \"$n\" \"$m\"");
    ck_assert_msg(h.given == 1, "%s", h.why);
    ck_assert_str_eq(h.user, "012");
    /* 32 and 33 are the C library's own. */
    ck_assert(!h.password[0] || strcmp(h.password, "18") == 0);
    close(leak[0]);
    close(leak[1]);
}
END_TEST

/* What a command leaves behind does not keep it from being done. */
START_TEST(background)
{
    struct heard h;
    ask_command(&h, "sleep 15 & echo '{\"user\":\"u\"}'");
    ck_assert_str_eq(h.user, "u");
}
END_TEST

static bool is_gone(const char *path)
{
    FILE *f = fopen(path, "re");
    int pid = 0;
    ck_assert(f && fscanf(f, "%d", &pid) == 1 && pid > 1);
    fclose(f);
    /* Killed with its group, it is reaped by whoever inherits it, or stays a zombie that no signal changes. */
    char state[64] = "", name[64];
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    f = fopen(name, "re");
    if (!f)
        return true;
    bool gone = fscanf(f, "%*d (%*[^)]) %1s", state) != 1 || state[0] == 'Z' || state[0] == 'X';
    fclose(f);
    return gone;
}

START_TEST(one_that_hangs_is_killed_with_what_it_started)
{
    struct heard h;
    char path[] = "/tmp/lsbridge-test-XXXXXX", command[256];
    close(mkstemp(path));
    snprintf(command, sizeof command, "sleep 1000 & echo $! >%s; wait", path);
    ask_command(&h, command);
    ck_assert_str_eq(h.why, "credentials_command did not end within 10 s");
    for (int i = 0; i < 1000 && !is_gone(path); i++)
        usleep(10000);
    ck_assert(is_gone(path));
    unlink(path);
}
END_TEST

START_TEST(given_up)
{
    struct heard h = {0};
    struct credentials_handlers handlers = {on_given, on_failed, on_said, &h};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_ge(sd_event_new(&h.event), 0);
    credentials_ask(h.event, &(struct credentials_source){.command = "sleep 1000"}, &handlers, &h.running);
    ck_assert_ptr_nonnull(h.running);
    credentials_free(h.running);
    ck_assert(h.given + h.failed == 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
    sd_event_unref(h.event);
    credentials_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credentials");
    TCase *t = tcase_create("credentials");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, as_configured);
    tcase_add_test(t, first_line_of_a_file);
    tcase_add_test(t, what_a_command_prints);
    tcase_add_test(t, what_is_wrong);
    tcase_add_test(t, as_long_as_it_may_be);
    tcase_add_test(t, complaints_are_bounded);
    tcase_add_test(t, where_it_runs);
    tcase_add_test(t, background);
    tcase_add_test(t, one_that_hangs_is_killed_with_what_it_started);
    tcase_add_test(t, given_up);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
