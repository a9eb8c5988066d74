/* lsbridged: the command line, the configuration, the daemon, the exit status. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "base/buf.h"
#include "base/stdfiles.h"
#include "bridge/daemon.h"

struct options {
    const char *config;
    int log_level;
    bool check, print;
};

static const char usage[] =
    "Usage: lsbridged [OPTION]...\n"
    "Bridges Lightstreamer servers to ZeroMQ, as the configuration says.\n"
    "\n"
    "  -c, --config FILE      the configuration (default " SYSCONFDIR "/lsbridge/lsbridged.conf)\n"
    "      --check            print every fault of the configuration and exit\n"
    "      --print-config     print the effective configuration, secrets masked, and exit\n"
    "      --log-level LEVEL  error, warning, notice, info (default) or debug\n"
    "      --version          print the version and exit\n"
    "      --help             print this and exit\n"
    "\n"
    "Exit status: 0 stopped as asked, 64 bad command line, 78 bad configuration, 1 anything else.\n";

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    enum { OPT_CHECK = 256, OPT_PRINT, OPT_LEVEL, OPT_VERSION, OPT_HELP };
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, OPT_CHECK},
                                          {"print-config", no_argument, NULL, OPT_PRINT},
                                          {"log-level", required_argument, NULL, OPT_LEVEL},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
        switch (c) {
        case 'c': o->config = optarg; break;
        case OPT_CHECK: o->check = true; break;
        case OPT_PRINT: o->print = true; break;
        case OPT_LEVEL:
            o->log_level = log_level_of(optarg);
            if (o->log_level < 0) {
                fprintf(stderr,
                        "lsbridged: --log-level: \"%s\" is none of error, warning, notice, info, debug\n",
                        optarg);
                return EX_USAGE;
            }
            break;
        case OPT_VERSION: puts(PACKAGE_STRING); return EXIT_SUCCESS;
        case OPT_HELP: fputs(usage, stdout); return EXIT_SUCCESS;
        default: fputs("Try 'lsbridged --help'.\n", stderr); return EX_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "lsbridged: unexpected argument \"%s\"\nTry 'lsbridged --help'.\n", argv[optind]);
    return EX_USAGE;
}

static void print_faults(const char *path, const struct conf_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++) {
        const struct conf_fault *f = &faults->at[i];
        fprintf(stderr, "%s:%u: %s\n", f->file ? f->file : path, f->line, f->text);
    }
}

/* Returns 0 with the *owned* configuration, or an exit status after saying why. */
static int load(const char *path, struct conf **ret)
{
    struct conf_faults faults = {0};
    int r = conf_load(path, ret, &faults);
    if (r > 0)
        print_faults(path, &faults);
    else if (r < 0)
        fprintf(stderr, "lsbridged: %s: %s\n", path, strerror(-r));
    conf_faults_done(&faults);
    return r > 0 ? EX_CONFIG : r < 0 ? EXIT_FAILURE : 0;
}

static int print(const struct conf *c)
{
    AUTO_BUF struct buf text = BUF_INIT(SIZE_MAX);
    conf_print(c, &text);
    if (buf_error(&text) || fwrite(text.at, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

/* Before any thread is made: the loop takes them. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Every consumer is a file, and libzmq aborts when there is none left for one that comes over ipc. The soft limit is low only for those
 * who use select(), which nothing here does. As many as the unit has; what a child inherits stays bearable. */
enum { FILES_MAX = 65536 };

static void take_more_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Host names in other alphabets are turned into ASCII from the locale's characters (libidn2). Numbers stay as they are. */
static void take_utf8(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
}

static int run(struct conf *taken_conf, int log_level)
{
    struct log *log;
    struct daemon *d;
    if (log_new(log_level, &log) < 0) {
        conf_free(taken_conf);
        return EXIT_FAILURE;
    }
    block_signals();
    take_more_files();
    take_utf8();
    if (daemon_new(taken_conf, log, &d) < 0)
        return EXIT_FAILURE;
    int r = daemon_run(d);
    daemon_free(d);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (!stdfiles_keep())
        return EXIT_FAILURE;
    struct options o = {.config = SYSCONFDIR "/lsbridge/lsbridged.conf", .log_level = LOG_INFO};
    int status = read_options(argc, argv, &o);
    if (status >= 0)
        return status;
    struct conf *conf;
    status = load(o.config, &conf);
    if (status != 0)
        return status;
    if (!o.check && !o.print)
        return run(conf, o.log_level);
    status = o.print ? print(conf) : EXIT_SUCCESS;
    conf_free(conf);
    return status;
}
