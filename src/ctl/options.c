#include "ctl/options.h"

#include <getopt.h>

#define DEFAULT_ENDPOINT   "ipc:///run/lsbridge/control.sock"
#define DEFAULT_TIMEOUT_MS 5000

/* Far beyond any use. */
enum { SECONDS_MAX = 1000 * 1000, INTERVAL_MAX_MS = 3600 * 1000 };

enum value { VALUE_TEXT, VALUE_NUMBER, VALUE_FLAG, VALUE_HELP, VALUE_VERSION, VALUE_UNSUPPORTED };

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum value value;
    size_t offset;       /* of the member in struct options */
    uint64_t max;        /* VALUE_NUMBER: 1 to this */
    unsigned some;       /* its bit of enum options_some; 0: every verb takes it */
    const char *operand; /* NULL: takes none */
    const char *help;    /* NULL: not offered */
};

static const struct option_row rows[] = {
    {"endpoint", 'e', VALUE_TEXT, offsetof(struct options, endpoint), 0, 0, "ENDPOINT",
     "the control socket (" DEFAULT_ENDPOINT ")"},
    {"data", 0, VALUE_TEXT, offsetof(struct options, data), 0, 0, "ENDPOINT",
     "the data socket, instead of asking the daemon"},
    {"status", 0, VALUE_TEXT, offsetof(struct options, status), 0, 0, "ENDPOINT",
     "the status socket, instead of asking the daemon"},
    {"json", 0, VALUE_FLAG, offsetof(struct options, json), 0, 0, NULL, "one JSON document a line"},
    {"prefix", 0, VALUE_FLAG, offsetof(struct options, prefix), 0, OPTIONS_PREFIX, NULL,
     "TOPICs are prefixes, not whole topics"},
    {"count", 0, VALUE_NUMBER, offsetof(struct options, count), UINT64_MAX, OPTIONS_COUNT, "N",
     "end after N messages, or snapshots of top"},
    {"seconds", 0, VALUE_NUMBER, offsetof(struct options, seconds), SECONDS_MAX, OPTIONS_SECONDS, "N",
     "end after N seconds (a failure if --count is not reached by then)"},
    {"verbose", 'v', VALUE_FLAG, offsetof(struct options, verbose), 0, OPTIONS_VERBOSE, NULL,
     "what holds between each session and its server, too"},
    {"interval", 0, VALUE_NUMBER, offsetof(struct options, interval_ms), INTERVAL_MAX_MS, OPTIONS_INTERVAL,
     "MS", "how often top looks (1000)"},
    {"sequence", 0, VALUE_TEXT, offsetof(struct options, sequence), 0, OPTIONS_SEQUENCE, "NAME",
     "the message's sequence: processed in order"},
    {"max-wait", 0, VALUE_NUMBER, offsetof(struct options, max_wait_ms), OPTIONS_TIMEOUT_MAX_MS,
     OPTIONS_MAX_WAIT, "MS", "how long the server may wait for earlier messages of the sequence"},
    {"timeout", 0, VALUE_NUMBER, offsetof(struct options, timeout_ms), OPTIONS_TIMEOUT_MAX_MS, 0, "MS",
     "how long to wait for the daemon, or for a message's outcome (5000)"},
    {"server-key", 0, VALUE_UNSUPPORTED, 0, 0, 0, "FILE", NULL},
    {"secret-key", 0, VALUE_UNSUPPORTED, 0, 0, 0, "FILE", NULL},
    {"help", 'h', VALUE_HELP, 0, 0, 0, NULL, "print this help"},
    {"version", 'V', VALUE_VERSION, 0, 0, 0, NULL, "print lsbridgectl's version"},
};

/* getopt's `val` of row i; above every letter. */
enum { ROW_VALUE = 256 };

static const struct option_row *row_find(int value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (value == ROW_VALUE + (int)i || (value != 0 && value == rows[i].letter))
            return &rows[i];
    return NULL;
}

static int row_take(const struct option_row *row, const char *value, struct options *o, struct buf *error)
{
    void *member = (char *)o + row->offset;
    o->given |= row->some;
    switch (row->value) {
    case VALUE_TEXT: *(const char **)member = value; return 0;
    case VALUE_FLAG: *(bool *)member = true; return 0;
    case VALUE_NUMBER:
        if (span_to_u64(span_of(value), row->max, member) && *(uint64_t *)member > 0)
            return 0;
        buf_printf(error, "--%s: a whole number from 1 to %ju is expected, not \"%s\"", row->name,
                   (uintmax_t)row->max, value);
        return OPTIONS_WRONG;
    case VALUE_UNSUPPORTED:
        buf_printf(error, "--%s: CURVE is not yet supported", row->name);
        return OPTIONS_WRONG;
    case VALUE_HELP: return OPTIONS_HELP;
    case VALUE_VERSION: return OPTIONS_VERSION;
    }
    return OPTIONS_WRONG;
}

static int wrong_option(int result, char **argv, struct buf *error)
{
    const struct option_row *row = row_find(optopt);
    if (row && (result == ':' || row->operand))
        buf_printf(error, "--%s: %s is missing", row->name, row->operand);
    else if (row)
        buf_printf(error, "--%s takes no value", row->name);
    else if (optopt)
        buf_printf(error, "unknown option -%c", optopt);
    else
        buf_printf(error, "unknown option %s", argv[optind - 1]);
    return OPTIONS_WRONG;
}

int options_parse(int argc, char **argv, struct options *ret, struct buf *error)
{
    struct option longs[ARRAY_LENGTH(rows) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        longs[i].name = rows[i].name;
        longs[i].has_arg = rows[i].operand ? required_argument : no_argument;
        longs[i].val = ROW_VALUE + (int)i;
    }
    struct options o = {.endpoint = DEFAULT_ENDPOINT, .interval_ms = 1000};
    optind = 0; /* GNU: start anew, so that this can be called twice */
    opterr = 0;
    for (;;) {
        int result = getopt_long(argc, argv, ":e:vhV", longs, NULL);
        if (result == -1)
            break;
        const struct option_row *row = row_find(result);
        int condition = row ? row_take(row, optarg, &o, error) : wrong_option(result, argv, error);
        if (condition)
            return condition;
    }
    o.timeout_given = o.timeout_ms > 0;
    if (!o.timeout_given)
        o.timeout_ms = DEFAULT_TIMEOUT_MS;
    if (optind == argc) {
        buf_add_text(error, "a verb is missing");
        return OPTIONS_WRONG;
    }
    o.verb = argv[optind];
    o.arguments = argv + optind + 1;
    o.n_arguments = (size_t)(argc - optind - 1);
    *ret = o;
    return 0;
}

void options_help(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!row->help)
            continue;
        size_t start = out->len;
        if (row->letter)
            buf_printf(out, "  -%c, ", row->letter);
        else
            buf_add_text(out, "      ");
        buf_printf(out, "--%s%s%s", row->name, row->operand ? " " : "", row->operand ? row->operand : "");
        buf_printf(out, "%*s %s\n", (int)(26 - (out->len - start)), "", row->help);
    }
}

const char *options_name(unsigned bits)
{
    static const char *const names[] = {"--prefix",   "--count",    "--seconds", "--verbose",
                                        "--interval", "--sequence", "--max-wait"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (bits & 1U << i)
            return names[i];
    return "";
}
