#define _GNU_SOURCE
#include "bridge/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/escape.h"
#include "proto/jsontext.h"
#include "proto/limits.h"

enum {
    /* A file with a password is a line; one that is not must not fill the memory. */
    PASSWORD_FILE_MAX_BYTES = 64 << 10,
    /* A command prints two texts; one that hangs must not keep the session down for ever. */
    OUTPUT_MAX_BYTES = 64 << 10,
    COMMAND_MAX_US = 10000000,
    /* Its complaints go to the log, which nobody should be able to fill. */
    SAID_LINE_MAX_BYTES = 500,
    SAID_MAX_LINES = 20,
    TIMER_ACCURACY_US = 1000,
};

struct credentials {
    struct credentials_handlers handlers;
    pid_t pid;      /* and its process group; 0: none */
    int out, error; /* our ends of its stdout and stderr; -1: none */
    sd_event_source *child, *out_io, *error_io, *timer;
    struct buf output; /* made as large as it may get at once: no copy of it is left behind */
    struct buf line;   /* of its stderr, until it is whole */
    unsigned said;     /* lines */
    char why[LIMIT_REASON_BYTES];
};

/* ---- a file ---- */

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* Up to MAX bytes of FD, until nothing more is there now. Returns 0, 1 at the end of the file, or -errno. */
static int read_some(int fd, struct buf *to, size_t max)
{
    while (to->len < max) {
        ssize_t n = read(fd, to->at + to->len, max - to->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 1 : errno == EAGAIN ? 0 : -errno;
        to->len += (size_t)n;
    }
    return 0;
}

/* Returns 0, 1 at the end of the file, or -errno; -ENOTSUP for what could keep the loop waiting, as a FIFO does. */
static int read_file(const char *path, struct buf *to)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
    if (r == 0)
        r = buf_reserve(to, PASSWORD_FILE_MAX_BYTES);
    if (r == 0)
        r = read_some(fd, to, PASSWORD_FILE_MAX_BYTES);
    close(fd);
    return r;
}

static struct span first_line(struct span content)
{
    size_t len = 0;
    while (len < content.len && content.at[len] != '\n' && content.at[len] != '\r')
        len++;
    return span_make(content.at, len);
}

static void ask_file(const struct credentials_source *source, const struct credentials_handlers *h)
{
    struct buf content = BUF_INIT(PASSWORD_FILE_MAX_BYTES);
    char why[LIMIT_REASON_BYTES] = "out of memory";
    char *password = NULL;
    int r = read_file(source->password_file, &content);
    struct span line = first_line(buf_span(&content));
    if (r < 0)
        snprintf(why, sizeof why, "password_file %s cannot be read: %s", source->password_file,
                 r == -ENOTSUP ? "it is not a regular file" : strerror(-r));
    else if (line.len && memchr(line.at, '\0', line.len))
        snprintf(why, sizeof why, "password_file %s: U+0000 in a password cannot be had here",
                 source->password_file);
    else
        password = span_dup(line);
    buf_wipe(&content);
    if (password)
        h->given(h->userdata, source->user, password);
    else
        h->failed(h->userdata, why);
    free_secret(password);
}

/* ---- what a command printed ---- */

/* The member NAME as an *owned* text; NULL where there is none. Returns false, with WHY, where it cannot be used. */
static bool take_text(struct jsondoc *d, const struct jsondoc_node *root, const char *name, char **ret,
                      const char **ret_why)
{
    const struct jsondoc_node *node = jsondoc_member(d, root, span_of(name));
    if (!node)
        return jsondoc_error(d) == 0;
    bool usable =
        node->type == JSONDOC_STRING && (!node->text.len || !memchr(node->text.at, '\0', node->text.len));
    *ret_why = "credentials_command printed a user or password that is no string, or has U+0000 in it";
    return usable && (*ret = span_dup(node->text));
}

static void take_output(struct credentials *c)
{
    struct jsondoc d = {0};
    char *user = NULL, *password = NULL;
    const char *why = "credentials_command did not print a JSON object";
    const struct jsondoc_node *root = jsontext_read(&d, buf_span(&c->output));
    bool fine = root && root->type == JSONDOC_OBJECT && take_text(&d, root, "user", &user, &why) &&
                take_text(&d, root, "password", &password, &why);
    /* The handler may free C. */
    if (fine)
        c->handlers.given(c->handlers.userdata, user, password);
    else
        c->handlers.failed(c->handlers.userdata, why);
    jsondoc_done(&d);
    free_secret(user);
    free_secret(password);
}

/* ---- what it complains of ---- */

static void say_line(struct credentials *c)
{
    struct span line = buf_span(&c->line);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)c->line.at[i] < ' ' || c->line.at[i] == 0x7f)
            c->line.at[i] = ' ';
    line.len = utf8_valid_length(line);
    if (line.len && c->said < SAID_MAX_LINES)
        c->handlers.said(c->handlers.userdata, line);
    else if (line.len && c->said == SAID_MAX_LINES)
        c->handlers.said(c->handlers.userdata, SPAN("(and more)"));
    c->said += line.len > 0;
    buf_clear(&c->line);
}

/* Lines longer than they may be are cut. */
static void take_error(struct credentials *c, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] == '\n')
            say_line(c);
        else if (c->line.len < SAID_LINE_MAX_BYTES)
            buf_add_char(&c->line, bytes.at[i]);
}

/* ---- running it ---- */

static void stop_reading(int *fd, sd_event_source **io)
{
    sd_event_source_unref(TAKE(*io));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void fail(struct credentials *c, const char *why)
{
    c->handlers.failed(c->handlers.userdata, why);
}

/* Returns false when it printed more than it may. */
static bool read_output(struct credentials *c)
{
    if (c->out >= 0 && read_some(c->out, &c->output, OUTPUT_MAX_BYTES + 1) != 0)
        stop_reading(&c->out, &c->out_io);
    return c->output.len <= OUTPUT_MAX_BYTES;
}

static void read_error(struct credentials *c)
{
    char bytes[4096];
    ssize_t n = c->error >= 0 ? read(c->error, bytes, sizeof bytes) : 0;
    if (n > 0)
        take_error(c, span_make(bytes, (size_t)n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        stop_reading(&c->error, &c->error_io);
}

static int on_output(sd_event_source *source UNUSED, int fd UNUSED, uint32_t events UNUSED, void *userdata)
{
    struct credentials *c = userdata;
    if (!read_output(c))
        fail(c, "credentials_command printed more than 64 KiB");
    return 0;
}

static int on_error(sd_event_source *source UNUSED, int fd UNUSED, uint32_t events UNUSED, void *userdata)
{
    read_error(userdata);
    return 0;
}

static int on_time(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
    fail(userdata, "credentials_command did not end within 10 s");
    return 0;
}

/* What it started may hold the pipes open: what is in them now is all that counts. */
static int on_end(sd_event_source *source UNUSED, const siginfo_t *info, void *userdata)
{
    struct credentials *c = userdata;
    bool fits = read_output(c);
    read_error(c);
    say_line(c);
    c->pid = 0;
    if (info->si_code == CLD_EXITED && info->si_status == 0 && fits) {
        take_output(c);
        return 0;
    }
    if (!fits)
        snprintf(c->why, sizeof c->why, "credentials_command printed more than 64 KiB");
    else if (info->si_code == CLD_EXITED)
        snprintf(c->why, sizeof c->why, "credentials_command ended with exit status %d", info->si_status);
    else
        snprintf(c->why, sizeof c->why, "credentials_command was ended by signal %d", info->si_status);
    fail(c, c->why);
    return 0;
}

/* Our end of a pipe does not block, the command's does. */
static int make_pipe(int *ret_ours, int *ret_its)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret_ours = ends[0];
    *ret_its = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* Nothing of ours goes along: not every library's descriptors close themselves. */
static int set_files(posix_spawn_file_actions_t *files, int out, int error)
{
    int r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(files, error, STDERR_FILENO);
    return r ? r : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

/* A process group of its own, to be killed as one; signals as a program expects them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawnattr_setpgroup(attributes, 0);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(attributes, &all);
    return r ? r
             : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct credentials *c, const char *command, int out, int error)
{
    char shell[] = "sh", option[] = "-c";
    char *argv[] = {shell, option, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&files);
    if (r)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = set_files(&files, out, error);
        if (r == 0)
            r = set_attributes(&attributes);
        if (r == 0)
            r = posix_spawn(&c->pid, "/bin/sh", &files, &attributes, argv, environ);
        if (r)
            c->pid = 0;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return -r;
}

static int run(struct credentials *c, const char *command)
{
    int out = -1, error = -1;
    int r = make_pipe(&c->out, &out);
    if (r == 0)
        r = make_pipe(&c->error, &error);
    if (r == 0)
        r = spawn(c, command, out, error);
    if (out >= 0)
        close(out);
    if (error >= 0)
        close(error);
    return r;
}

static int watch(struct credentials *c, sd_event *event)
{
    int r = sd_event_add_child(event, &c->child, c->pid, WEXITED, on_end, c);
    if (r >= 0)
        r = sd_event_source_set_child_process_own(c->child, true);
    if (r >= 0)
        r = sd_event_add_io(event, &c->out_io, c->out, EPOLLIN, on_output, c);
    if (r >= 0)
        r = sd_event_add_io(event, &c->error_io, c->error, EPOLLIN, on_error, c);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC, COMMAND_MAX_US, TIMER_ACCURACY_US,
                                       on_time, c);
    return r;
}

static struct credentials *make(const struct credentials_handlers *handlers)
{
    struct credentials *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct credentials){.handlers = *handlers, .out = -1, .error = -1};
    buf_init(&c->output, OUTPUT_MAX_BYTES + 1);
    buf_init(&c->line, SAID_LINE_MAX_BYTES);
    if (buf_reserve(&c->output, OUTPUT_MAX_BYTES + 1) == 0)
        return c;
    credentials_free(c);
    return NULL;
}

static void ask_command(sd_event *event, const char *command, const struct credentials_handlers *h,
                        struct credentials **ret)
{
    struct credentials *c = make(h);
    int r = c ? run(c, command) : -ENOMEM;
    if (r >= 0)
        r = watch(c, event);
    if (r >= 0) {
        *ret = c;
        return;
    }
    char why[LIMIT_REASON_BYTES];
    snprintf(why, sizeof why, "credentials_command cannot be run: %s", strerror(-r));
    credentials_free(c);
    h->failed(h->userdata, why);
}

/* ---- all of it ---- */

void credentials_ask(sd_event *event, const struct credentials_source *source,
                     const struct credentials_handlers *handlers, struct credentials **ret)
{
    *ret = NULL;
    if (source->command)
        ask_command(event, source->command, handlers, ret);
    else if (source->password_file)
        ask_file(source, handlers);
    else
        handlers->given(handlers->userdata, source->user, source->password);
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    if (c->pid)
        kill(-c->pid, SIGKILL);
    /* Its source, which owns it, waits for it. */
    if (c->pid && !c->child)
        waitpid(c->pid, NULL, 0);
    sd_event_source_unref(c->child);
    sd_event_source_unref(c->timer);
    stop_reading(&c->out, &c->out_io);
    stop_reading(&c->error, &c->error_io);
    buf_wipe(&c->output);
    buf_done(&c->line);
    free(c);
}
