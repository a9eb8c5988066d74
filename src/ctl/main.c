#include <signal.h>
#include <stdio.h>

#include "base/stdfiles.h"
#include "config.h"
#include "ctl/verbs.h"

static const char hint[] = " (see lsbridgectl --help)";

static void print(FILE *to, struct buf *text)
{
    fwrite(text->at, 1, text->len, to);
}

static int show_help(void)
{
    AUTO_BUF struct buf text = BUF_INIT(64 << 10);
    buf_add_text(&text, "lsbridgectl - watches and commands lsbridged\n\n"
                        "Usage: lsbridgectl [OPTION...] VERB [ARGUMENT...]\n\nVerbs:\n");
    verbs_help(&text);
    buf_add_text(&text, "\nOptions:\n");
    options_help(&text);
    buf_add_text(&text,
                 "\nThe exit status is 0 only when the daemon answered and said yes. See lsbridgectl(1).\n");
    print(stdout, &text);
    return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

static int run(const struct options *options)
{
    struct ctl c;
    int r = ctl_init(&c, options);
    if (r == 0)
        r = ctl_run(&c);
    if (r < 0)
        fprintf(stderr, "lsbridgectl: %s\n", strerror(-r));
    else if (r != CTL_OK)
        fprintf(stderr, "lsbridgectl: %s%s\n", buf_text(&c.error), r == CTL_USAGE ? hint : "");
    ctl_done(&c);
    return r < 0 ? CTL_FAILED : r;
}

int main(int argc, char **argv)
{
    if (!stdfiles_keep())
        return CTL_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a closed stdout is seen by write() */
    struct options options;
    AUTO_BUF struct buf error = BUF_INIT(64 << 10);
    switch (options_parse(argc, argv, &options, &error)) {
    case 0: return run(&options);
    case OPTIONS_HELP: return show_help();
    case OPTIONS_VERSION: puts("lsbridgectl " PACKAGE_VERSION); return CTL_OK;
    default: fprintf(stderr, "lsbridgectl: %s%s\n", buf_text(&error), hint); return CTL_USAGE;
    }
}
