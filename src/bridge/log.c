#include "bridge/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

struct log {
    int level;
    bool to_journal;
};

static const char *const level_names[] = {"emergency", "alert",  "critical", "error",
                                          "warning",   "notice", "info",     "debug"};

int log_level_of(const char *name)
{
    for (int i = LOG_ERR; i <= LOG_DEBUG; i++)
        if (strcmp(level_names[i], name) == 0)
            return i;
    return -1;
}

/* systemd names device and inode of the journal's stream: ours is it, unless somebody redirected stderr. Where the journal's own socket
 * cannot be seen (another root directory), the stream takes what fields are lost with. */
static bool stderr_is_journal(void)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat st;
    char ours[64];
    if (!named || fstat(STDERR_FILENO, &st) < 0 || access("/run/systemd/journal/socket", W_OK) < 0)
        return false;
    snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(ours, named) == 0;
}

int log_new(int level, struct log **ret)
{
    struct log *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct log){.level = level, .to_journal = stderr_is_journal()};
    *ret = l;
    return 0;
}

void log_set_level(struct log *l, int level)
{
    l->level = level;
}

void log_free(struct log *l)
{
    free(l);
}

static struct iovec field(struct buf *b, const char *name, const char *value)
{
    buf_add_text(b, name);
    buf_add_text(b, value);
    return (struct iovec){b->at, b->len};
}

static void to_journal(int priority, const char *session, const char *table, const char *text)
{
    AUTO_BUF struct buf message = BUF_INIT(SIZE_MAX), level = BUF_INIT(64), about = BUF_INIT(SIZE_MAX),
                        about_table = BUF_INIT(SIZE_MAX);
    struct iovec fields[4];
    int n = 0;
    buf_printf(&level, "PRIORITY=%d", priority);
    fields[n++] = field(&message, "MESSAGE=", text);
    fields[n++] = (struct iovec){level.at, level.len};
    if (session)
        fields[n++] = field(&about, "LSBRIDGE_SESSION=", session);
    if (table)
        fields[n++] = field(&about_table, "LSBRIDGE_TABLE=", table);
    sd_journal_sendv(fields, n);
}

static void to_stderr(int priority, const char *text)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03ldZ %s: %s\n", stamp, now.tv_nsec / 1000000, level_names[priority], text);
}

void log_line(struct log *l, int priority, const char *session, const char *table, const char *format, ...)
{
    if (priority > l->level)
        return;
    char text[2048];
    size_t n = 0;
    if (session)
        n = (size_t)snprintf(text, sizeof text, table ? "%.200s/%.200s: " : "%.200s: ", session, table);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + n, sizeof text - n, format, arguments);
    va_end(arguments);
    /* One line a message, whatever a server put into a text. */
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    if (l->to_journal)
        to_journal(priority, session, table, text);
    else
        to_stderr(priority, text);
}
